//! What maintenance promises: space comes back, and never at the price of anything a snapshot needs;
//! and what repair promises: what packfiles can tell of lost states is told, and the rest is named.

use crate::kit::connect::{Scratch, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::reader::{self, Opened};
use crate::kit::trees;
use plakar::base::mac::Mac;
use plakar::engine::backup::{self, Options as BackupOptions};
use plakar::engine::error::{Error, Kind};
use plakar::engine::lock::{self, Claim};
use plakar::engine::maintenance::{self, Options, Report};
use plakar::engine::repository::{self, NewStore};
use plakar::engine::{publish, remove, repair};
use plakar::format::kind::Resource;
use plakar::format::state::Entry;
use plakar::ports::fault::FaultKind;
use plakar::ports::store::{self, Item, Store};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

fn backup(store: &Arc<MemoryStore>, tree: &Path) -> Result<Mac, Error> {
    let opened = Opened::new(store.clone(), None)?;
    let source = fs_source(tree);
    let options = BackupOptions { workers: 2, ..BackupOptions::default() };
    let report = backup::backup(&opened.repository, &opened.index, &source, &options, &opened.world)?;
    Ok(report.header.identifier)
}

fn remove(store: &Arc<MemoryStore>, id: Mac) {
    let opened = Opened::new(store.clone(), None).unwrap();
    remove::remove(&opened.repository, &opened.index, &[id], &opened.world).unwrap();
}

fn maintain(store: &Arc<MemoryStore>, grace: Duration) -> Result<Report, Error> {
    let opened = Opened::new(store.clone(), None)?;
    let options = Options { grace, delete: true, host: Some("testhost".to_owned()) };
    maintenance::maintain(&opened.repository, &options, &opened.world)
}

/// A store of two snapshots, the first of which was removed, and the tree of the second.
struct Two {
    scratch: Scratch,
    store: Arc<MemoryStore>,
    kept: Mac,
}

impl Two {
    fn new(name: &str) -> Two {
        let scratch = Scratch::new(name);
        let tree = scratch.join("tree");
        trees::awkward(&tree, trees::Bulk { large: 3 << 20, tiny: 50 });
        // Content that only an attribute has, in a packfile of its own with whatever else is new.
        let value = trees::noise(77, 3000);
        let _ = rustix::fs::setxattr(&tree, "user.only", &value, rustix::fs::XattrFlags::empty());
        let store = Arc::new(MemoryStore::default());
        repository::create(&*store, NewStore::default(), None, &reader::world().0).unwrap();
        fs::write(tree.join("only-before"), trees::noise(78, 2 << 20)).unwrap();
        let gone = backup(&store, &tree).unwrap();
        fs::remove_file(tree.join("only-before")).unwrap();
        fs::write(tree.join("only-after"), trees::noise(79, 2 << 20)).unwrap();
        let kept = backup(&store, &tree).unwrap();
        remove(&store, gone);
        Two { scratch, store, kept }
    }

    fn is_whole(&self, store: &Arc<MemoryStore>) {
        let opened = Opened::new(store.clone(), None).unwrap();
        assert_eq!(opened.index.snapshots(), [self.kept]);
        assert_eq!(opened.problems(false), Vec::<String>::new());
        assert_eq!(opened.packfile_problems(), Vec::<String>::new());
        let out = self.scratch.join("out");
        let report = opened.restore(&self.kept, b"", &out).unwrap();
        assert_eq!(report.errors, []);
        let tree = self.scratch.join("tree");
        assert_eq!(trees::differences(&tree, &out.join("tree")), Vec::<String>::new());
        fs::remove_dir_all(out).unwrap();
    }
}

fn count(store: &MemoryStore, folder: &str) -> usize {
    store.paths().iter().filter(|path| path.starts_with(folder)).count()
}

#[test]
fn what_nobody_needs_is_hidden_then_removed_and_everything_else_stays() {
    let two = Two::new("maintain");
    let store = &two.store;
    let before = count(store, "packfiles/");
    // Sizes are such that the removed snapshot's file shares its packfiles with others: only a
    // snapshot that goes as a whole frees some.
    let lonely = two.scratch.join("lonely");
    fs::create_dir(&lonely).unwrap();
    fs::write(lonely.join("file"), trees::noise(80, 5 << 20)).unwrap();
    let third = backup(store, &lonely).unwrap();
    remove(store, third);
    let with_third = count(store, "packfiles/");
    assert!(with_third > before);

    let report = maintain(store, MONTH).unwrap();
    assert_eq!((report.orphans, report.rescued, report.removed), (0, 0, 0));
    assert!(report.coloured >= with_third - before, "{report:?}");
    assert_eq!(count(store, "packfiles/"), with_third, "nothing is removed before its time");
    assert_eq!(count(store, "locks/"), 0);
    two.is_whole(store);

    let states = count(store, "states/");
    assert_eq!(maintain(store, MONTH).unwrap(), Report::default());
    assert_eq!(count(store, "states/"), states, "a run that finds nothing writes nothing");

    let removed = maintain(store, Duration::ZERO).unwrap();
    assert_eq!((removed.coloured, removed.removed), (0, report.coloured));
    assert!(removed.removed_blobs > 0 && removed.removed_bytes > 5 << 20, "{removed:?}");
    assert_eq!(count(store, "packfiles/"), with_third - report.coloured);
    two.is_whole(store);
    // What was freed is stored again when it is backed up again.
    let again = backup(store, &lonely).unwrap();
    let opened = Opened::new(store.clone(), None).unwrap();
    assert_eq!(opened.problems(false), Vec::<String>::new());
    assert!(opened.index.snapshots().contains(&again));
}

#[test]
fn a_failure_at_any_request_loses_nothing_and_the_next_run_goes_on() {
    let two = Two::new("maintain-faults");
    let lonely = two.scratch.join("lonely");
    fs::create_dir(&lonely).unwrap();
    fs::write(lonely.join("file"), trees::noise(81, 1 << 20)).unwrap();
    let third = backup(&two.store, &lonely).unwrap();
    remove(&two.store, third);
    let coloured = Arc::new(two.store.fork());
    maintain(&coloured, MONTH).unwrap();
    for start in [&two.store, &coloured] {
        let mut failed = 0;
        for n in 0.. {
            let store = Arc::new(start.fork());
            store.fail_at(n);
            let run = maintain(&store, Duration::ZERO);
            if store.has_yet_to_fail() {
                run.unwrap();
                break;
            }
            failed += usize::from(run.is_err());
            if n % 7 == 0 || run.is_ok() {
                two.is_whole(&store);
            } else {
                assert_eq!(Opened::new(store.clone(), None).unwrap().problems(true), Vec::<String>::new());
            }
            // A lock that could not be removed keeps others out for ten minutes, and no longer.
            for file in store.list(store::Kind::Lock).unwrap() {
                store.delete(Item::Lock(file.id)).unwrap();
            }
            maintain(&store, Duration::ZERO).unwrap();
            maintain(&store, Duration::ZERO).unwrap();
            assert_eq!(Opened::new(store.clone(), None).unwrap().problems(true), Vec::<String>::new());
        }
        assert!(failed > 10, "only {failed} requests failed");
    }
}

#[test]
fn maintenance_and_backups_keep_each_other_out() {
    let two = Two::new("maintain-locks");
    let opened = Opened::new(two.store.clone(), None).unwrap();
    let id = opened.world.dice.mac();
    let held = lock::take(&opened.repository, id, "elsewhere", Claim::Shared, &opened.world).unwrap();
    let states = count(&two.store, "states/");
    let refused = maintain(&two.store, MONTH).unwrap_err();
    assert!(
        refused.kind == Kind::Locked && refused.to_string().contains("a backup on elsewhere"),
        "{refused}"
    );
    assert_eq!((count(&two.store, "states/"), count(&two.store, "locks/")), (states, 1));
    held.release().unwrap();
    let held = lock::take(&opened.repository, id, "elsewhere", Claim::Exclusive, &opened.world).unwrap();
    let refused = backup(&two.store, &two.scratch.join("tree")).unwrap_err();
    assert!(refused.kind == Kind::Locked && refused.to_string().contains("maintenance on elsewhere"));
    held.release().unwrap();
    maintain(&two.store, MONTH).unwrap();
}

#[test]
fn what_is_coloured_though_it_is_needed_is_stored_anew() {
    let two = Two::new("maintain-rescue");
    let opened = Opened::new(two.store.clone(), None).unwrap();
    // As another client may do, which does not follow attributes.
    let colours: Vec<Entry> = opened
        .index
        .packfiles()
        .iter()
        .map(|packfile| Entry::Deleted { resource: Resource::PACKFILE, mac: packfile.id, when_ns: 1 })
        .collect();
    publish::publish(&opened.repository, &opened.index, None, &colours, &opened.world).unwrap();
    assert!(!Opened::new(two.store.clone(), None).unwrap().problems(true).is_empty());
    let report = maintain(&two.store, MONTH).unwrap();
    assert!(report.rescued > 100 && report.removed == 0, "{report:?}");
    two.is_whole(&two.store);
    let report = maintain(&two.store, Duration::ZERO).unwrap();
    assert_eq!((report.rescued, report.removed), (0, colours.len()), "copies are enough from now on");
    two.is_whole(&two.store);
}

#[test]
fn what_a_broken_off_backup_left_goes_when_it_is_old_enough() {
    let two = Two::new("maintain-orphans");
    let more = two.scratch.join("more");
    fs::create_dir(&more).unwrap();
    fs::write(more.join("file"), trees::noise(82, 2 << 20)).unwrap();
    let packfiles = count(&two.store, "packfiles/");
    // Its last write is the state; the lock goes after it.
    let probe = Arc::new(two.store.fork());
    probe.requests();
    backup(&probe, &more).unwrap();
    let at = probe.requests().iter().rposition(|request| request == "put states").unwrap();
    two.store.fail_at(at);
    let failed = backup(&two.store, &more).unwrap_err();
    assert_eq!(failed.kind, Kind::Store(FaultKind::Broken));
    let orphans = count(&two.store, "packfiles/") - packfiles;
    assert!(orphans > 0);
    assert_eq!(maintain(&two.store, MONTH).unwrap().orphans, 0, "it may still be at work");
    assert_eq!(maintain(&two.store, Duration::ZERO).unwrap().orphans, orphans);
    let last = maintain(&two.store, Duration::ZERO).unwrap();
    assert!(last.removed >= orphans && last.orphans == 0, "{last:?}");
    two.is_whole(&two.store);
}

#[test]
fn nothing_is_coloured_while_a_snapshot_cannot_be_read() {
    let two = Two::new("maintain-unreadable");
    let opened = Opened::new(two.store.clone(), None).unwrap();
    let place = opened.index.locate(Resource::SNAPSHOT, &two.kept).unwrap();
    let packfile = Item::Packfile(opened.index.packfile(place.packfile));
    two.store.alter(&packfile.path(), |body| body[16 + place.offset as usize + 5] ^= 1);
    let states = count(&two.store, "states/");
    let refused = maintain(&two.store, Duration::ZERO).unwrap_err();
    assert!(refused.to_string().contains("what it needs is unknown"), "{refused}");
    assert_eq!((count(&two.store, "states/"), count(&two.store, "locks/")), (states, 0));
}

#[test]
fn a_lost_state_is_rebuilt_from_the_packfiles() {
    let two = Two::new("repair");
    let packfiles = count(&two.store, "packfiles/");
    for state in two.store.list(store::Kind::State).unwrap() {
        two.store.delete(Item::State(state.id)).unwrap();
    }
    let opened = Opened::new(two.store.clone(), None).unwrap();
    assert_eq!(opened.index.snapshots(), []);
    let (survey, _) = repair::survey(&opened.repository, &opened.world).unwrap();
    assert_eq!((survey.unknown.len(), survey.snapshots.len()), (packfiles, 2));
    assert_eq!(count(&two.store, "states/"), 0, "looking changes nothing");
    let survey = repair::apply(&opened.repository, Some("testhost"), &opened.world).unwrap();
    assert!(survey.unreadable.is_empty() && survey.missing.is_empty());
    // That one of them was removed was known to the lost states alone.
    let opened = Opened::new(two.store.clone(), None).unwrap();
    let gone = opened.index.snapshots().into_iter().find(|id| *id != two.kept).unwrap();
    remove(&two.store, gone);
    two.is_whole(&two.store);
    let (survey, _) = repair::survey(&opened.repository, &opened.world).unwrap();
    assert!(!survey.has_work() && count(&two.store, "locks/") == 0);
}

#[test]
fn a_damaged_state_is_replaced_and_what_cannot_be_rebuilt_is_named() {
    let two = Two::new("repair-damaged");
    let states = two.store.list(store::Kind::State).unwrap();
    for state in &states {
        two.store.alter(&Item::State(state.id).path(), |body| body[40] ^= 1);
    }
    let listed = two.store.list(store::Kind::Packfile).unwrap();
    let smallest = listed.iter().min_by_key(|file| file.size).unwrap();
    let Err(refused) = Opened::new(two.store.clone(), None) else { panic!("a damaged state was read") };
    assert_eq!(refused.kind, Kind::Damaged);
    two.store.alter(&Item::Packfile(smallest.id).path(), |body| body.truncate(body.len() - 10));
    let (world, _) = reader::world();
    let closed = repository::Closed::read(two.store.clone()).unwrap();
    let repository = closed.unlock(None, &world).unwrap();
    let survey = repair::apply(&repository, Some("testhost"), &world).unwrap();
    assert_eq!(survey.broken.len(), states.len());
    let unreadable: Vec<Mac> = survey.unreadable.iter().map(|(id, _)| *id).collect();
    assert_eq!(unreadable, [smallest.id]);
    assert_eq!(survey.unknown.len(), listed.len() - 1);
    let opened = Opened::new(two.store.clone(), None).unwrap();
    assert_eq!(opened.index.packfiles().len(), listed.len() - 1);
}
