//! Stores of Plakar v1.1: everything that changes a store is done in that store's own generation.
//! `tests/interop.rs` has real v1.1 judge the same; here every command has its turn.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::small_store::SmallStore;
use crate::kit::{sample, trees};
use std::fs;
use std::path::{Path, PathBuf};

const V1_0: [u8; 4] = [0, 0, 1, 0];
const V1_1: [u8; 4] = [0, 1, 1, 0];

fn files(store: &Path, kind: &str) -> Vec<PathBuf> {
    let buckets = fs::read_dir(store.join(kind)).unwrap().map(|entry| entry.unwrap().path());
    buckets.flat_map(|dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path())).collect()
}

/// Versions of all states, as their envelopes say.
fn versions(store: &Path) -> Vec<[u8; 4]> {
    let states = files(store, "states");
    states.iter().map(|path| fs::read(path).unwrap()[12..16].try_into().unwrap()).collect()
}

#[test]
fn a_store_of_v1_1_is_changed_in_its_own_generation() {
    let scratch = Scratch::new("v1.1");
    let Some(dir) = sample::unpack("v114-plain", &scratch) else { return };
    let store = dir.join("v114-plain");
    let at = store.to_str().unwrap();
    let home = Home::new("v1.1");
    let tree = home.dir().join("tree");
    trees::awkward(&tree, trees::Bulk { large: 3 << 20, tiny: 100 });
    let run = |words: &[&str]| home.plakar(&[&["at", at], words].concat());
    let listed = || run(&["ls"]).succeeds().stdout.lines().count();
    let before = listed();

    run(&["backup", "-quiet", tree.to_str().unwrap()]).succeeds().complains("");
    run(&["check", "-quiet"]).succeeds().complains("");
    run(&["restore", "-quiet", "-to", &home.path("out")]).succeeds().complains("");
    assert_eq!(trees::differences(&tree, &home.dir().join("out/tree")), [""; 0]);
    let size =
        || files(&store, "packfiles").iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>();
    let stored = size();
    run(&["backup", "-quiet", tree.to_str().unwrap()]).succeeds().complains("");
    // A header, and the directories above the tree if they have changed.
    assert!(size() - stored < 64 << 10, "{} bytes were stored again", size() - stored);

    let newest = run(&["ls", "-uuid"]).succeeds().stdout.split_whitespace().nth(1).unwrap().to_owned();
    run(&["dup", &newest]).succeeds();
    run(&["rm", "-apply", &newest]).succeeds();
    assert_eq!(listed(), before + 2);

    // To a store of v1.0, and from one.
    home.plakar(&["at", "old", "create", "-plaintext"]).succeeds();
    home.plakar(&["at", "old", "backup", "-quiet", &home.path("tree/links")]).succeeds();
    run(&["sync", "with", "old"]).succeeds().complains("");
    for place in [at, "old"] {
        home.plakar(&["at", place, "check", "-quiet"]).succeeds().complains("");
        let lines = home.plakar(&["at", place, "ls"]).succeeds().stdout.lines().count();
        assert_eq!(lines, before + 3, "{place}");
    }
    assert!(versions(&home.dir().join("old")).iter().all(|version| *version == V1_0));

    // Both are gone from the states before they are gone from the store.
    home.env("PLAKAR_GRACEPERIOD", "0s");
    run(&["rm", "-apply", "-root", tree.to_str().unwrap()]).succeeds();
    let packfiles = files(&store, "packfiles").len();
    run(&["maintenance"]).succeeds().says("Coloured");
    run(&["maintenance"]).succeeds().complains("");
    assert!(files(&store, "packfiles").len() < packfiles);
    run(&["check", "-quiet"]).succeeds().complains("");
    run(&["repair"]).succeeds().prints("info: no repairs needed\n").complains("");
    assert!(versions(&store).iter().all(|version| *version == V1_1), "{:?}", versions(&store));
}

#[test]
fn a_removal_is_for_good_and_a_copy_does_not_write_over_its_state() {
    let small = SmallStore::new("sync-removed");
    let (one, two) = (small.backup("2025-01-01", "one"), small.backup("2025-02-01", "two"));
    let home = &small.home;
    home.plakar(&["at", "peer", "create", "-plaintext"]).succeeds();
    small.run(&["sync", "to", "peer"]).succeeds();
    home.plakar(&["at", "peer", "rm", "-apply", &one]).succeeds();
    let read = || -> Vec<_> {
        let mut states = files(&home.dir().join("peer"), "states");
        states.sort();
        states.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect()
    };
    let states = read();
    small.run(&["sync", "to", "peer"]).succeeds().says("is left out: it was removed from store");
    assert!(read() == states, "a state was touched");
    assert!(home.plakar(&["at", "peer", "ls", "-uuid"]).succeeds().stdout.contains(&two));
    home.plakar(&["at", "peer", "check", "-quiet"]).succeeds().complains("");
}
