package main

import (
	"context"
	"io"

	"bucket"

	"github.com/PlakarKorp/kloset/objects"
	"github.com/PlakarKorp/kloset/storage"
)

func init() {
	storage.Register("s3", 0, func(_ context.Context, _ string, config map[string]string) (storage.Store, error) {
		b, err := bucket.Open(config["location"])
		return &store{b, config["location"]}, err
	})
}

// store is a storage backend of Kloset v1.0 in a bucket.
type store struct {
	*bucket.Bucket
	location string
}

func (s *store) Open(ctx context.Context) ([]byte, error) { return s.Config(ctx) }
func (s *store) Location(context.Context) (string, error) { return s.location, nil }
func (s *store) Mode(context.Context) (storage.Mode, error) {
	return storage.ModeRead | storage.ModeWrite, nil
}
func (s *store) Size(context.Context) (int64, error)                  { return -1, nil }
func (s *store) Close(context.Context) error                          { return nil }
func (s *store) GetStates(ctx context.Context) ([]objects.MAC, error) { return s.list(ctx, "states") }
func (s *store) GetPackfiles(ctx context.Context) ([]objects.MAC, error) {
	return s.list(ctx, "packfiles")
}
func (s *store) GetLocks(ctx context.Context) ([]objects.MAC, error) { return s.list(ctx, "locks") }

func (s *store) PutState(ctx context.Context, mac objects.MAC, rd io.Reader) (int64, error) {
	return s.Put(ctx, "states", mac, rd)
}

func (s *store) PutPackfile(ctx context.Context, mac objects.MAC, rd io.Reader) (int64, error) {
	return s.Put(ctx, "packfiles", mac, rd)
}

func (s *store) PutLock(ctx context.Context, mac objects.MAC, rd io.Reader) (int64, error) {
	return s.Put(ctx, "locks", mac, rd)
}

func (s *store) GetState(ctx context.Context, mac objects.MAC) (io.ReadCloser, error) {
	return s.Get(ctx, "states", mac, 0, 0)
}

func (s *store) GetPackfile(ctx context.Context, mac objects.MAC) (io.ReadCloser, error) {
	return s.Get(ctx, "packfiles", mac, 0, 0)
}

func (s *store) GetPackfileBlob(ctx context.Context, mac objects.MAC, offset uint64, length uint32) (io.ReadCloser, error) {
	return s.Get(ctx, "packfiles", mac, offset, length)
}

func (s *store) GetLock(ctx context.Context, mac objects.MAC) (io.ReadCloser, error) {
	return s.Get(ctx, "locks", mac, 0, 0)
}

func (s *store) DeleteState(ctx context.Context, mac objects.MAC) error {
	return s.Delete(ctx, "states", mac)
}

func (s *store) DeletePackfile(ctx context.Context, mac objects.MAC) error {
	return s.Delete(ctx, "packfiles", mac)
}

func (s *store) DeleteLock(ctx context.Context, mac objects.MAC) error {
	return s.Delete(ctx, "locks", mac)
}

func (s *store) list(ctx context.Context, kind string) ([]objects.MAC, error) {
	macs, err := s.List(ctx, kind)
	listed := make([]objects.MAC, len(macs))
	for i, mac := range macs {
		listed[i] = mac
	}
	return listed, err
}
