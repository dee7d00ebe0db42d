package main

import (
	"context"
	"fmt"
	"io"

	"bucket"

	"github.com/PlakarKorp/kloset/connectors/storage"
	"github.com/PlakarKorp/kloset/location"
	"github.com/PlakarKorp/kloset/objects"
)

func init() {
	storage.Register("s3", 0, func(_ context.Context, _ string, config map[string]string) (storage.Store, error) {
		b, err := bucket.Open(config["location"])
		return &store{b, config["location"]}, err
	})
}

// store is a storage backend of Kloset v1.1 in a bucket.
type store struct {
	bucket   *bucket.Bucket
	location string
}

func (s *store) Create(ctx context.Context, config []byte) error { return s.bucket.Create(ctx, config) }
func (s *store) Open(ctx context.Context) ([]byte, error)        { return s.bucket.Config(ctx) }
func (s *store) Ping(context.Context) error                      { return nil }
func (s *store) Origin() string                                  { return s.location }
func (s *store) Type() string                                    { return "s3" }
func (s *store) Root() string                                    { return "/" }
func (s *store) Flags() location.Flags                           { return 0 }
func (s *store) Size(context.Context) (int64, error)             { return -1, nil }
func (s *store) Close(context.Context) error                     { return nil }

func (s *store) Mode(context.Context) (storage.Mode, error) {
	return storage.ModeRead | storage.ModeWrite, nil
}

func kind(resource storage.StorageResource) (string, error) {
	switch resource {
	case storage.StorageResourcePackfile:
		return "packfiles", nil
	case storage.StorageResourceState:
		return "states", nil
	case storage.StorageResourceLock:
		return "locks", nil
	}
	return "", fmt.Errorf("%s: not kept in this store", resource)
}

func (s *store) List(ctx context.Context, resource storage.StorageResource) ([]objects.MAC, error) {
	kind, err := kind(resource)
	if err != nil {
		return nil, nil
	}
	macs, err := s.bucket.List(ctx, kind)
	listed := make([]objects.MAC, len(macs))
	for i, mac := range macs {
		listed[i] = mac
	}
	return listed, err
}

func (s *store) Put(ctx context.Context, resource storage.StorageResource, mac objects.MAC, rd io.Reader) (int64, error) {
	kind, err := kind(resource)
	if err != nil {
		return 0, err
	}
	return s.bucket.Put(ctx, kind, mac, rd)
}

func (s *store) Get(ctx context.Context, resource storage.StorageResource, mac objects.MAC, part *storage.Range) (io.ReadCloser, error) {
	kind, err := kind(resource)
	if err != nil {
		return nil, err
	}
	if part == nil {
		return s.bucket.Get(ctx, kind, mac, 0, 0)
	}
	return s.bucket.Get(ctx, kind, mac, part.Offset, part.Length)
}

func (s *store) Delete(ctx context.Context, resource storage.StorageResource, mac objects.MAC) error {
	kind, err := kind(resource)
	if err != nil {
		return err
	}
	return s.bucket.Delete(ctx, kind, mac)
}
