//! What a backup promises: everything comes back, nothing is read twice, a failure leaves nothing
//! that counts, and the independent reader finds no fault.

use crate::kit::connect::{Scratch, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::reader::{self, Opened};
use crate::kit::{skip, trees};
use plakar::base::secret::Secret;
use plakar::engine::backup::{self, Options, Report};
use plakar::engine::blobs::{Blobs, WALK_BLOCK_BYTES, WALK_BLOCKS};
use plakar::engine::error::Error;
use plakar::engine::previous::Earlier;
use plakar::engine::repository::{self, NewStore};
use plakar::engine::snapshot::Snapshot;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const PASSPHRASE: &str = "correct horse battery staple";

fn new_store(passphrase: Option<&str>, settings: NewStore) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    let secret = passphrase.map(|text| Secret::new(text.as_bytes().to_vec()));
    repository::create(&*store, settings, secret.as_ref(), &reader::world().0).unwrap();
    store
}

fn plaintext() -> Arc<MemoryStore> {
    new_store(None, NewStore::default())
}

fn options() -> Options<'static> {
    Options {
        tags: vec!["daily".to_owned()],
        name: "default".to_owned(),
        timestamp: None,
        context: vec![("Hostname".to_owned(), "testhost".to_owned())],
        host: "testhost".to_owned(),
        exclude: None,
        previous: None,
        ctimes: None,
        workers: 2,
        lockless: false,
        copy_of: None,
    }
}

/// Backs `tree` up as the command does it: compared with the newest snapshot of the same source.
fn backup(store: &Arc<MemoryStore>, passphrase: Option<&str>, tree: &Path) -> Result<Report, Error> {
    let opened = Opened::new(store.clone(), passphrase)?;
    let source = fs_source(tree);
    let blobs = Blobs::new(&opened.repository, &opened.index, WALK_BLOCK_BYTES, WALK_BLOCKS);
    let snapshots: Vec<Snapshot> =
        opened.index.snapshots().iter().map(|id| Snapshot::open(&blobs, id)).collect::<Result<_, _>>()?;
    let newest = backup::newest_of(snapshots.iter().map(|snapshot| &snapshot.header), &source);
    let newest = newest.and_then(|header| snapshots.iter().find(|snapshot| snapshot.id == header.identifier));
    let earlier = newest.map(|snapshot| Earlier::new(&blobs, snapshot)).transpose()?;
    let mut options = options();
    options.previous = earlier.as_ref().map(|earlier| earlier as &dyn backup::Previous);
    backup::backup(&opened.repository, &opened.index, &source, &options, &opened.world)
}

/// Restores the newest snapshot and compares.
fn assert_comes_back(store: &Arc<MemoryStore>, passphrase: Option<&str>, tree: &Path, scratch: &Scratch) {
    let opened = Opened::new(store.clone(), passphrase).unwrap();
    assert_eq!(opened.problems(false), Vec::<String>::new());
    let (ids, problems) = opened.snapshots();
    assert_eq!(problems, []);
    let out = scratch.join("out");
    let report = opened.restore(&ids[0], b"", &out).unwrap();
    assert_eq!(report.errors, []);
    let restored = out.join(tree.file_name().unwrap());
    assert_eq!(trees::differences(tree, &restored), Vec::<String>::new());
    fs::remove_dir_all(out).unwrap();
}

#[test]
fn everything_awkward_comes_back_from_every_kind_of_store() {
    let scratch = Scratch::new("awkward");
    let tree = scratch.join("tree");
    trees::awkward(&tree, trees::Bulk { large: 20 << 20, tiny: 500 });
    let raw = NewStore { compressed: false, ..NewStore::default() };
    let sha256 = NewStore { hashing: "SHA256".to_owned(), ..NewStore::default() };
    for (passphrase, settings) in
        [(None, NewStore::default()), (Some(PASSPHRASE), NewStore::default()), (None, raw), (None, sha256)]
    {
        let store = new_store(passphrase, settings);
        let report = backup(&store, passphrase, &tree).unwrap();
        assert_eq!(report.errors, []);
        assert_comes_back(&store, passphrase, &tree, &scratch);
    }
}

#[test]
fn an_unchanged_tree_is_not_read_again_and_an_edit_is() {
    let scratch = Scratch::new("unchanged");
    let tree = scratch.join("tree");
    trees::awkward(&tree, trees::Bulk { large: 3 << 20, tiny: 100 });
    // Change times must lie a clock tick before the snapshot for files to count as unchanged.
    let edited = tree.join("plain.txt");
    wait_for_a_tick(&scratch);
    let store = plaintext();
    let first = backup(&store, None, &tree).unwrap();
    assert!(first.bytes_read > 3 << 20);
    store.requests();
    let second = backup(&store, None, &tree).unwrap();
    assert_eq!((second.bytes_read, second.unchanged), (0, first.files - not_regular(&tree)));
    let requests = store.requests();
    assert!(requests.len() <= 14, "{requests:?}");
    assert_comes_back(&store, None, &tree, &scratch);

    // Same size, same modification time: only the change time tells.
    wait_for_a_tick(&scratch);
    let before = fs::metadata(&edited).unwrap();
    fs::write(&edited, b"9876543210").unwrap();
    let mtime = std::os::unix::fs::MetadataExt::mtime(&before);
    let nanos = std::os::unix::fs::MetadataExt::mtime_nsec(&before);
    trees::touch(&edited, mtime, nanos);
    let third = backup(&store, None, &tree).unwrap();
    assert_eq!(third.bytes_read, 10);
    assert_comes_back(&store, None, &tree, &scratch);
}

/// Until the file system's clock has moved on by more than its tick.
fn wait_for_a_tick(scratch: &Scratch) {
    let stamp = || {
        let path = scratch.join("clock");
        fs::write(&path, b"").unwrap();
        fs::metadata(&path).unwrap().modified().unwrap()
    };
    let start = stamp();
    while stamp().duration_since(start).unwrap().as_millis() < 50 {
        std::thread::yield_now();
    }
}

fn not_regular(tree: &Path) -> u64 {
    fn count(dir: &Path) -> u64 {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() { count(&entry.path()) } else { u64::from(!kind.is_file()) }
            })
            .sum()
    }
    count(tree)
}

#[test]
fn a_failure_at_any_request_leaves_an_old_store_that_checks_clean_and_no_lock() {
    let scratch = Scratch::new("fail-at-n");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), trees::noise(1, 300_000)).unwrap();
    let store = plaintext();
    backup(&store, None, &tree).unwrap();
    fs::write(tree.join("b"), trees::noise(2, 300_000)).unwrap();
    let (mut failed, mut survived) = (0, 0);
    for n in 0.. {
        let store = Arc::new(store.fork());
        store.fail_at(n);
        let ended = backup(&store, None, &tree);
        if store.has_yet_to_fail() {
            ended.unwrap();
            break;
        }
        let locks = store.paths().iter().filter(|path| path.starts_with("locks/")).count();
        let opened = Opened::new(store.clone(), None).unwrap();
        assert_eq!(opened.problems(false), Vec::<String>::new(), "request {n}");
        match ended {
            Err(error) => {
                failed += 1;
                assert!(error.message.contains("planned failure"), "request {n}: {error}");
                assert_eq!((opened.index.snapshots().len(), locks), (1, 0), "request {n}: {error}");
                backup(&store, None, &tree).unwrap();
            }
            // What was remembered could not be read, so the file was; or the lock stays behind.
            Ok(_) => survived += 1,
        }
        assert_comes_back(&store, None, &tree, &scratch);
    }
    assert!(failed >= 7 && survived <= 4, "{failed} failed, {survived} survived");
}

#[test]
fn a_large_file_is_spread_over_the_workers_and_comes_back() {
    let scratch = Scratch::new("large");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("large"), trees::noise(7, 40 << 20)).unwrap();
    let store = new_store(Some(PASSPHRASE), NewStore::default());
    let report = backup(&store, Some(PASSPHRASE), &tree).unwrap();
    assert_eq!(report.bytes_read, 40 << 20);
    assert_comes_back(&store, Some(PASSPHRASE), &tree, &scratch);
}

#[test]
fn a_source_that_is_gone_leaves_no_snapshot() {
    let scratch = Scratch::new("gone");
    let tree = scratch.join("tree");
    fs::create_dir(&tree).unwrap();
    let store = plaintext();
    let opened = Opened::new(store.clone(), None).unwrap();
    let source = fs_source(&tree);
    fs::remove_dir(&tree).unwrap();
    let ended = backup::backup(&opened.repository, &opened.index, &source, &options(), &opened.world);
    assert!(ended.is_err());
    assert_eq!(store.paths(), ["CONFIG"]);
}

#[test]
fn the_independent_reader_accepts_what_is_written() {
    let Some(shared) = skip::shared() else { return };
    let Some(python) = std::env::var_os("PLAKAR_TEST_PYTHON") else {
        return skip::missing("a Python with the independent reader's libraries (tests/run makes one)");
    };
    let scratch = Scratch::new("oracle");
    let tree = scratch.join("tree");
    trees::awkward(&tree, trees::Bulk { large: 9 << 20, tiny: 2500 });
    for passphrase in [None, Some(PASSPHRASE)] {
        let store = new_store(passphrase, NewStore::default());
        backup(&store, passphrase, &tree).unwrap();
        backup(&store, passphrase, &tree).unwrap();
        let dir = scratch.join(if passphrase.is_some() { "sealed" } else { "plain" });
        store.save(&dir);
        for script in ["kloset_read.py", "kloset_summary.py"] {
            let mut command = std::process::Command::new(&python);
            command.arg(shared.join("oracle").join(script)).arg(&dir).args(passphrase);
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}:\n{text}");
        }
    }
}
