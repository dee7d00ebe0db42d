// Package bucket keeps the files of a store in an S3 bucket: the part that the storage backends of
// both generations share. Keys come from the environment: INTEROP_ACCESS_KEY, INTEROP_SECRET_KEY.
package bucket

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bucket is a store's place: s3://host:port/bucket/prefix.
type Bucket struct {
	client *minio.Client
	name   string
	prefix string
}

// Open connects to nothing yet.
func Open(location string) (*Bucket, error) {
	parsed, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	name, prefix, _ := strings.Cut(strings.TrimPrefix(parsed.Path, "/"), "/")
	keys := credentials.NewStaticV4(os.Getenv("INTEROP_ACCESS_KEY"), os.Getenv("INTEROP_SECRET_KEY"), "")
	client, err := minio.New(parsed.Host, &minio.Options{Creds: keys})
	if err != nil {
		return nil, err
	}
	return &Bucket{client: client, name: name, prefix: prefix}, nil
}

// Create makes the bucket when it is missing, and stores CONFIG.
func (b *Bucket) Create(ctx context.Context, config []byte) error {
	exists, err := b.client.BucketExists(ctx, b.name)
	if err != nil {
		return err
	}
	if !exists {
		if err := b.client.MakeBucket(ctx, b.name, minio.MakeBucketOptions{}); err != nil {
			return err
		}
	}
	_, err = b.put(ctx, b.key("CONFIG"), bytes.NewReader(config))
	return err
}

// Config reads CONFIG.
func (b *Bucket) Config(ctx context.Context) ([]byte, error) {
	rd, err := b.get(ctx, b.key("CONFIG"), minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	return io.ReadAll(rd)
}

// Put stores a file of a kind: states, packfiles or locks.
func (b *Bucket) Put(ctx context.Context, kind string, mac [32]byte, rd io.Reader) (int64, error) {
	return b.put(ctx, b.file(kind, mac), rd)
}

// Get reads a file, or length bytes of it from offset when length is not 0.
func (b *Bucket) Get(ctx context.Context, kind string, mac [32]byte, offset uint64, length uint32) (io.ReadCloser, error) {
	var opts minio.GetObjectOptions
	if length != 0 {
		if err := opts.SetRange(int64(offset), int64(offset)+int64(length)-1); err != nil {
			return nil, err
		}
	}
	return b.get(ctx, b.file(kind, mac), opts)
}

// Delete removes a file.
func (b *Bucket) Delete(ctx context.Context, kind string, mac [32]byte) error {
	return b.client.RemoveObject(ctx, b.name, b.file(kind, mac), minio.RemoveObjectOptions{})
}

// List names all files of a kind.
func (b *Bucket) List(ctx context.Context, kind string) ([][32]byte, error) {
	var macs [][32]byte
	opts := minio.ListObjectsOptions{Prefix: b.key(kind) + "/", Recursive: true}
	for object := range b.client.ListObjects(ctx, b.name, opts) {
		if object.Err != nil {
			return nil, object.Err
		}
		raw, err := hex.DecodeString(path.Base(object.Key))
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("%s: no name of a store's file", object.Key)
		}
		macs = append(macs, [32]byte(raw))
	}
	return macs, nil
}

func (b *Bucket) key(name string) string {
	return strings.TrimPrefix(path.Join(b.prefix, name), "/")
}

func (b *Bucket) file(kind string, mac [32]byte) string {
	name := hex.EncodeToString(mac[:])
	if kind == "locks" {
		return b.key(path.Join(kind, name))
	}
	return b.key(path.Join(kind, name[:2], name))
}

func (b *Bucket) put(ctx context.Context, key string, rd io.Reader) (int64, error) {
	body, err := io.ReadAll(rd)
	if err != nil {
		return 0, err
	}
	info, err := b.client.PutObject(ctx, b.name, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
	return info.Size, err
}

func (b *Bucket) get(ctx context.Context, key string, opts minio.GetObjectOptions) (io.ReadCloser, error) {
	// The plain request: the object that a client hands out otherwise reads ahead and seeks.
	rd, _, _, err := minio.Core{Client: b.client}.GetObject(ctx, b.name, key, opts)
	return rd, err
}
