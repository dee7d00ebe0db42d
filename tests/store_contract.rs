//! The contract of `Store`, the same for every backend: a directory, a bucket of the kit's strict
//! server, a bucket of MinIO; and for an archive, what reading promises.

use crate::kit::connect::{self, Scratch};
use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::small_store::SmallStore;
use crate::kit::{skip, trees};
use plakar::base::mac::Mac;
use plakar::connectors::location::Location;
use plakar::connectors::open;
use plakar::connectors::options::Options;
use plakar::ports::fault::FaultKind;
use plakar::ports::store::{Access, Item, Kind, Store};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

const KINDS: [Kind; 3] = [Kind::State, Kind::Packfile, Kind::Lock];

fn opened(location: &str, options: &[(&str, &str)]) -> Arc<dyn Store> {
    let options: Options =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let location = Location::of_store(location.as_bytes(), b"/");
    open::store(&location, &options, &connect::context().0).unwrap()
}

fn bucket(host: &str, place: &str, access_key: &str, secret: &str) -> Arc<dyn Store> {
    let options = [("access_key", access_key), ("secret_access_key", secret), ("use_tls", "false")];
    opened(&format!("s3://{host}/{place}"), &options)
}

fn mac(n: u8) -> Mac {
    Mac([n; 32])
}

fn listed(store: &dyn Store, kind: Kind) -> BTreeSet<(Mac, u64)> {
    let all = store.list(kind).unwrap();
    let set: BTreeSet<(Mac, u64)> = all.iter().map(|file| (file.id, file.size)).collect();
    assert_eq!(set.len(), all.len(), "a file was listed twice");
    set
}

/// `made` opens the same empty place again and again.
fn keeps_the_contract(made: &dyn Fn() -> Arc<dyn Store>) {
    let store = made();
    assert_eq!(store.access(), Access::Full);
    assert_eq!(store.get(Item::Config, 100).unwrap_err().kind, FaultKind::Missing, "before create");
    store.create(b"the first config").unwrap();
    assert_eq!(made().create(b"another").unwrap_err().kind, FaultKind::Exists);
    assert_eq!(store.get(Item::Config, 100).unwrap(), b"the first config");
    assert_eq!(store.get(Item::Config, 15).unwrap_err().kind, FaultKind::Damaged, "longer than allowed");
    for kind in KINDS {
        assert_eq!(listed(&*store, kind), BTreeSet::new());
        files_come_and_go(&*store, kind);
    }
    // Another process sees the same, and a second create changed nothing.
    let again = made();
    assert_eq!(again.get(Item::Config, 100).unwrap(), b"the first config");
    for kind in KINDS {
        assert_eq!(listed(&*again, kind), BTreeSet::from([(mac(0x0a), 70_000), (mac(0xff), 0)]));
    }
    assert!(!again.location().contains("secret"), "{}", again.location());
}

fn files_come_and_go(store: &dyn Store, kind: Kind) {
    let (file, empty, gone) =
        (Item::new(kind, mac(0x0a)), Item::new(kind, mac(0xff)), Item::new(kind, mac(7)));
    let body = trees::noise(5, 70_000);
    store.put(file, b"an older one, replaced whole").unwrap();
    store.put(file, &body).unwrap();
    store.put(empty, b"").unwrap();
    store.put(gone, b"short-lived").unwrap();
    assert_eq!(
        listed(store, kind),
        BTreeSet::from([(mac(0x0a), 70_000), (mac(7), 11), (mac(0xff), 0)]),
        "{kind:?}"
    );
    assert!(store.get(file, 70_000).unwrap() == body);
    assert_eq!(store.get(file, 69_999).unwrap_err().kind, FaultKind::Damaged);
    assert_eq!(store.get(empty, 0).unwrap(), b"");
    for (offset, length) in [(0, 1), (0, 70_000), (69_999, 1), (12_345, 54_321)] {
        let range = store.get_range(file, offset, length).unwrap();
        let from = usize::try_from(offset).unwrap();
        assert!(range == body[from..from + length], "{kind:?} {offset}+{length}");
    }
    for (offset, length) in [(0, 70_001), (69_999, 2), (70_000, 1), (u64::MAX, 1)] {
        let fault = store.get_range(file, offset, length).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Damaged, "{kind:?} {offset}+{length}: {fault}");
    }
    for _ in 0..2 {
        store.delete(gone).unwrap();
        assert_eq!(store.get(gone, 100).unwrap_err().kind, FaultKind::Missing);
        assert_eq!(store.get_range(gone, 0, 1).unwrap_err().kind, FaultKind::Missing);
    }
}

#[test]
fn a_directory_keeps_the_contract() {
    let scratch = Scratch::new("contract");
    let root = scratch.join("below/store");
    keeps_the_contract(&|| opened(root.to_str().unwrap(), &[]));
    // What nobody finished writing, and what nobody asked for, is no part of the store.
    for stray in ["states/tmp.0123456789", "packfiles/00/readme.txt", "locks/.nfs0001", "states/0a/short"] {
        fs::write(root.join(stray), b"stray").unwrap();
    }
    let store = opened(root.to_str().unwrap(), &[]);
    for kind in KINDS {
        assert_eq!(listed(&*store, kind).len(), 2, "{kind:?}");
    }
    assert_eq!(leftovers(&root), 1, "a temporary file stayed besides the one put there");
}

fn leftovers(root: &std::path::Path) -> usize {
    let folders = [root.to_path_buf(), root.join("states"), root.join("packfiles")];
    let names = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("tmp.")).count()
}

#[test]
fn a_directory_in_use_is_never_made_a_store() {
    let scratch = Scratch::new("contract-used");
    fs::write(scratch.join("thesis.txt"), b"the only copy").unwrap();
    let store = opened(scratch.path().to_str().unwrap(), &[]);
    assert_eq!(store.create(b"config").unwrap_err().kind, FaultKind::Exists);
    let names: Vec<_> =
        fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);
}

#[test]
fn a_bucket_keeps_the_contract() {
    let server = S3Server::start();
    server.set_page(2);
    for place in ["kloset", "shared-bucket/a/prefix", "shared-bucket/a/prefix2/"] {
        keeps_the_contract(&|| bucket(server.address(), place, ACCESS_KEY, SECRET_KEY));
    }
    // A name that is no file of the store, and a file in a wrong shard, are passed over.
    server.objects(|objects| {
        objects.put("kloset", b"states/readme.txt", b"stray");
        objects.put("kloset", format!("states/00/{}", mac(9)).as_bytes(), b"stray");
        objects.put("kloset", b"statesmen/x", b"stray");
    });
    let store = bucket(server.address(), "kloset", ACCESS_KEY, SECRET_KEY);
    assert_eq!(listed(&*store, Kind::State).len(), 2);
}

#[test]
fn minio_keeps_the_contract() {
    let Some(endpoint) = skip::minio() else { return };
    let host = endpoint.trim_start_matches("http://");
    let place = format!("contract-{}", std::process::id());
    for place in [place.clone(), format!("{place}/a/prefix")] {
        keeps_the_contract(&|| bucket(host, &place, "minioadmin", "minioadmin"));
    }
}

#[test]
fn of_two_creates_in_one_bucket_one_wins() {
    let server = S3Server::start();
    server.objects(|objects| {
        objects.buckets.entry("kloset".to_owned()).or_default();
    });
    let stores: Vec<_> = (0..8).map(|_| bucket(server.address(), "kloset", ACCESS_KEY, SECRET_KEY)).collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = stores
            .iter()
            .enumerate()
            .map(|(n, store)| scope.spawn(move || store.create(format!("config {n}").as_bytes())))
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<usize> = (0..8).filter(|&n| results[n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert!(
        results.iter().flat_map(|result| result.as_ref().err()).all(|fault| fault.kind == FaultKind::Exists)
    );
    assert_eq!(stores[0].get(Item::Config, 100).unwrap(), format!("config {}", won[0]).as_bytes());
}

#[test]
fn an_archive_is_read_like_a_store_and_never_written() {
    let small = SmallStore::new("contract-archive");
    small.home.plakar(&["ptar", "-plaintext", "-o", "all.ptar", "tree"]).succeeds();
    let file = small.home.dir().join("all.ptar");
    let before = fs::read(&file).unwrap();
    let store = opened(file.to_str().unwrap(), &[]);
    assert_eq!(store.access(), Access::ReadOnly);
    assert!(store.get(Item::Config, 1 << 20).unwrap().len() > 100);
    for (kind, count) in [(Kind::State, 1), (Kind::Packfile, 1), (Kind::Lock, 0)] {
        let files = listed(&*store, kind);
        assert_eq!(files.len(), count, "{kind:?}");
        for (id, size) in files {
            let item = Item::new(kind, id);
            let length = usize::try_from(size).unwrap();
            let whole = store.get(item, size).unwrap();
            assert_eq!(whole.len(), length);
            assert!(store.get_range(item, 3, length - 3).unwrap() == whole[3..]);
            assert_eq!(store.get_range(item, 3, length).unwrap_err().kind, FaultKind::Damaged);
            assert_eq!(store.get(item, size - 1).unwrap_err().kind, FaultKind::Damaged);
            assert_eq!(store.put(item, b"x").unwrap_err().kind, FaultKind::Unsupported);
            assert_eq!(store.delete(item).unwrap_err().kind, FaultKind::Unsupported);
        }
    }
    // Its one packfile has no name of its own: locations call it what they like.
    for kind in [Kind::State, Kind::Lock] {
        assert_eq!(store.get(Item::new(kind, mac(1)), 100).unwrap_err().kind, FaultKind::Missing);
    }
    assert!(store.create(b"config").is_err());
    assert!(fs::read(&file).unwrap() == before, "reading changed the archive");
}
