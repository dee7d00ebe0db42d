// The real Kloset v1.1 on a store, for tests: creates, backs up, checks, restores.
//
//	interop create LOCATION HASHING COMPRESSION
//	interop backup LOCATION PATH
//	interop again LOCATION PATH
//	interop rm LOCATION
//	interop ptar FILE HASHING COMPRESSION PATH
//	interop check LOCATION
//	interop restore LOCATION DIRECTORY
//
// COMPRESSION is a name or "none". The passphrase is INTEROP_PASSPHRASE, none when empty; caches go
// below INTEROP_CACHE. A backup made again takes the newest snapshot for its cache, as Plakar does;
// rm removes the newest snapshot. INTEROP_LOSES names an attribute whose value a backup loses.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	_ "github.com/PlakarKorp/integrations/fs/exporter"
	_ "github.com/PlakarKorp/integrations/fs/importer"
	_ "github.com/PlakarKorp/integrations/fs/storage"
	_ "github.com/PlakarKorp/integrations/ptar/storage"
	"github.com/PlakarKorp/kloset/caching"
	"github.com/PlakarKorp/kloset/caching/pebble"
	"github.com/PlakarKorp/kloset/compression"
	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/connectors/exporter"
	"github.com/PlakarKorp/kloset/connectors/importer"
	"github.com/PlakarKorp/kloset/connectors/storage"
	"github.com/PlakarKorp/kloset/encryption"
	"github.com/PlakarKorp/kloset/events"
	"github.com/PlakarKorp/kloset/hashing"
	"github.com/PlakarKorp/kloset/kcontext"
	"github.com/PlakarKorp/kloset/logging"
	"github.com/PlakarKorp/kloset/objects"
	"github.com/PlakarKorp/kloset/repository"
	"github.com/PlakarKorp/kloset/resources"
	"github.com/PlakarKorp/kloset/snapshot"
	"github.com/PlakarKorp/kloset/versioning"
)

func main() {
	cache := os.Getenv("INTEROP_CACHE")
	if cache == "" {
		fmt.Fprintln(os.Stderr, "INTEROP_CACHE is not set, and the library would write into the working directory")
		os.Exit(2)
	}
	ctx := kcontext.NewKContext()
	ctx.CWD = "/"
	ctx.CacheDir = cache
	ctx.MaxConcurrency = 2
	ctx.Client = "interop/v1.1"
	ctx.SetLogger(logging.NewLogger(os.Stdout, os.Stderr))
	ctx.SetCache(caching.NewManager(pebble.Constructor(cache)))
	go tell(ctx.Events().Listen())
	err := run(ctx, os.Args[1], os.Args[2:])
	ctx.GetCache().Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tell prints what the library says of entries that it could not handle, and nowhere else.
func tell(events <-chan *events.Event) {
	for event := range events {
		if strings.HasSuffix(event.Type, ".error") {
			fmt.Fprintln(os.Stderr, event.Type, event.Data["path"], event.Data["error"])
		}
	}
}

func run(ctx *kcontext.KContext, action string, args []string) error {
	switch action {
	case "create":
		_, _, _, err := create(ctx, args[0], args[1], args[2])
		return err
	case "ptar":
		return ptar(ctx, args[0], args[1], args[2], args[3])
	}
	repo, err := open(ctx, args[0])
	if err != nil {
		return err
	}
	defer repo.Close()
	switch action {
	case "backup":
		return backup(ctx, repo, args[1], nil)
	case "again":
		last, err := newest(repo)
		if err != nil {
			return err
		}
		return backup(ctx, repo, args[1], last)
	case "rm":
		last, err := newest(repo)
		if err != nil {
			return err
		}
		return repo.DeleteSnapshot(last.Header.Identifier)
	case "check":
		return check(ctx, repo)
	case "restore":
		return restore(ctx, repo, args[1])
	}
	return fmt.Errorf("%s: no such action", action)
}

func create(ctx *kcontext.KContext, location, hashingName, compressionName string) (storage.Store, []byte, []byte, error) {
	config := storage.NewConfiguration()
	config.Compression = nil
	if compressionName != "none" {
		found, err := compression.LookupDefaultConfiguration(compressionName)
		if err != nil {
			return nil, nil, nil, err
		}
		config.Compression = found
	}
	found, err := hashing.LookupDefaultConfiguration(hashingName)
	if err != nil {
		return nil, nil, nil, err
	}
	config.Hashing = *found
	var key []byte
	var hasher hash.Hash
	if passphrase := os.Getenv("INTEROP_PASSPHRASE"); passphrase != "" {
		if key, err = encryption.DeriveKey(config.Encryption.KDFParams, []byte(passphrase)); err != nil {
			return nil, nil, nil, err
		}
		if config.Encryption.Canary, err = encryption.DeriveCanary(config.Encryption, key); err != nil {
			return nil, nil, nil, err
		}
		hasher = hashing.GetMACHasher(storage.DEFAULT_HASHING_ALGORITHM, key)
	} else {
		config.Encryption = nil
		hasher = hashing.GetHasher(storage.DEFAULT_HASHING_ALGORITHM)
	}
	plain, err := config.ToBytes()
	if err != nil {
		return nil, nil, nil, err
	}
	version := versioning.GetCurrentVersion(resources.RT_CONFIG)
	rd, err := storage.Serialize(hasher, resources.RT_CONFIG, version, bytes.NewReader(plain))
	if err != nil {
		return nil, nil, nil, err
	}
	wrapped, err := io.ReadAll(rd)
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := storage.Create(ctx, map[string]string{"location": location}, wrapped)
	return store, wrapped, key, err
}

func open(ctx *kcontext.KContext, location string) (*repository.Repository, error) {
	store, wrapped, err := storage.Open(ctx, map[string]string{"location": location})
	if err != nil {
		return nil, err
	}
	config, err := storage.NewConfigurationFromWrappedBytes(wrapped)
	if err != nil {
		return nil, err
	}
	var key []byte
	if config.Encryption != nil {
		if key, err = encryption.DeriveKey(config.Encryption.KDFParams, []byte(os.Getenv("INTEROP_PASSPHRASE"))); err != nil {
			return nil, err
		}
		if !encryption.VerifyCanary(config.Encryption, key) {
			return nil, errors.New("the passphrase is wrong")
		}
	}
	return repository.New(ctx, key, store, wrapped)
}

func options() *connectors.Options {
	return &connectors.Options{Hostname: "interop", OperatingSystem: "linux", Architecture: "amd64", CWD: "/", MaxConcurrency: 2}
}

func source(ctx *kcontext.KContext, path string) (*snapshot.Source, error) {
	imp, err := importer.NewImporter(ctx, options(), map[string]string{"location": "fs://" + path})
	if err != nil {
		return nil, err
	}
	return snapshot.NewSource(ctx, unshared{imp})
}

// unshared gives every record its own list of attributes. The library sorts a record's list in place
// while its source still walks it, and would now and then read one attribute twice and lose another:
// here only INTEROP_LOSES, the name of one, is lost.
type unshared struct{ importer.Importer }

func (source unshared) Import(ctx context.Context, records chan<- *connectors.Record, results <-chan *connectors.Result) error {
	shared := make(chan *connectors.Record)
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		defer close(records)
		for record := range shared {
			if record.IsXattr && record.XattrName == os.Getenv("INTEROP_LOSES") {
				record.Close()
				continue
			}
			record.ExtendedAttributes = slices.Clone(record.ExtendedAttributes)
			records <- record
		}
	}()
	err := source.Importer.Import(ctx, shared, results)
	<-passed
	return err
}

func backup(ctx *kcontext.KContext, repo *repository.Repository, path string, last *snapshot.Snapshot) error {
	src, err := source(ctx, path)
	if err != nil {
		return err
	}
	opts := &snapshot.BuilderOptions{Name: "default"}
	snap, err := snapshot.Create(repo, repository.DefaultType, "", objects.NilMac, opts)
	if err != nil {
		return err
	}
	defer snap.Close()
	if last != nil {
		cache, err := last.Filesystem()
		if err != nil {
			return err
		}
		snap.WithVFSCache(cache)
	}
	if err := snap.Backup(src); err != nil {
		return err
	}
	if err := whole(snap); err != nil {
		return err
	}
	return snap.Commit()
}

// whole makes an error of what a backup only counts.
func whole(snap *snapshot.Builder) error {
	summary := snap.Header.GetSource(0).Summary
	if n := summary.Directory.Errors + summary.Below.Errors; n > 0 {
		return fmt.Errorf("%d entries could not be backed up", n)
	}
	return nil
}

func ptar(ctx *kcontext.KContext, file, hashingName, compressionName, path string) error {
	store, wrapped, key, err := create(ctx, "ptar://"+file, hashingName, compressionName)
	if err != nil {
		return err
	}
	repo, err := repository.New(ctx, key, store, wrapped)
	if err != nil {
		return err
	}
	id := objects.RandomMAC()
	scan, err := ctx.GetCache().Scan(id)
	if err != nil {
		return err
	}
	defer scan.Close()
	writer := repo.NewRepositoryWriter(scan, id, repository.PtarType, "")
	src, err := source(ctx, path)
	if err != nil {
		return err
	}
	opts := &snapshot.BuilderOptions{NoCheckpoint: true, NoCommit: true}
	snap, err := snapshot.CreateWithRepositoryWriter(writer, opts, objects.NilMac)
	if err != nil {
		return err
	}
	if err := snap.Backup(src); err != nil {
		return err
	}
	if err := whole(snap); err != nil {
		return err
	}
	if _, err := snap.PutSnapshot(); err != nil {
		return err
	}
	if err := snap.Close(); err != nil {
		return err
	}
	writer.PackerManager.Wait()
	if err := writer.CommitTransaction(id); err != nil {
		return err
	}
	return store.Close(ctx)
}

func snapshots(repo *repository.Repository) ([]*snapshot.Snapshot, error) {
	var loaded []*snapshot.Snapshot
	for id, err := range repo.ListSnapshots() {
		if err != nil {
			return nil, err
		}
		snap, err := snapshot.Load(repo, id)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, snap)
	}
	if len(loaded) == 0 {
		return nil, errors.New("no snapshots")
	}
	return loaded, nil
}

func check(ctx *kcontext.KContext, repo *repository.Repository) error {
	all, err := snapshots(repo)
	if err != nil {
		return err
	}
	cache, err := ctx.GetCache().Check()
	if err != nil {
		return err
	}
	defer cache.Close()
	for _, snap := range all {
		snap.SetCheckCache(cache)
		if err := snap.Check("/", &snapshot.CheckOptions{}); err != nil {
			return err
		}
	}
	fmt.Println(len(all))
	return nil
}

func newest(repo *repository.Repository) (*snapshot.Snapshot, error) {
	all, err := snapshots(repo)
	if err != nil {
		return nil, err
	}
	var newest *snapshot.Snapshot
	var when time.Time
	for _, snap := range all {
		if snap.Header.Timestamp.After(when) {
			newest, when = snap, snap.Header.Timestamp
		}
	}
	return newest, nil
}

// restore puts what the newest snapshot was made of into the directory, below its whole path.
func restore(ctx *kcontext.KContext, repo *repository.Repository, directory string) error {
	last, err := newest(repo)
	if err != nil {
		return err
	}
	exp, err := exporter.NewExporter(ctx, options(), map[string]string{"location": "fs://" + directory})
	if err != nil {
		return err
	}
	defer exp.Close(ctx)
	root := last.Header.GetSource(0).Importer.Directory
	return last.Export(exp, root, &snapshot.ExportOptions{})
}
