//! `maintenance` and `repair` as a person runs them.

use crate::kit::small_store::SmallStore;
use crate::kit::trees;
use std::fs;

#[test]
fn maintenance_says_what_it_did_and_waits_as_long_as_told() {
    let small = SmallStore::new("maintenance");
    small.backup("2025-01-01", "one");
    let tree = small.home.dir().join("tree");
    fs::rename(&tree, small.home.dir().join("other")).unwrap();
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), trees::noise(1, 100_000)).unwrap();
    let gone = small.backup("2025-02-01", "two");
    let nothing = "maintenance: Coloured 0 packfiles (0 orphaned) for deletion\n\
                   maintenance: 0 blobs and 0 packfiles were removed\n";
    small.run(&["maintenance"]).succeeds().complains("").prints(nothing);
    small.run(&["rm", "-apply", &gone[..8]]).succeeds();
    small.run(&["maintenance"]).succeeds().prints(
        "maintenance: Coloured 2 packfiles (0 orphaned) for deletion\n\
         Coloured packfiles are scheduled to be removed in 30d\n\
         maintenance: 0 blobs and 0 packfiles were removed\n",
    );
    small.run(&["maintenance"]).succeeds().prints(nothing);
    let packfiles = small.files("packfiles").len();
    small.home.env("PLAKAR_GRACEPERIOD", "0s");
    small.home.env("PLAKAR_DODELETION", "false");
    small.run(&["maintenance"]).succeeds().prints(nothing);
    small.home.env("PLAKAR_DODELETION", "true");
    small.run(&["maintenance"]).succeeds().says("blobs and 2 packfiles were removed (");
    assert_eq!(small.files("packfiles").len(), packfiles - 2);
    assert!(small.files("locks").is_empty());
    small.is_sound();
    small.home.env("PLAKAR_GRACEPERIOD", "soon");
    small.run(&["maintenance"]).exits(1).says("PLAKAR_GRACEPERIOD: invalid duration \"soon\"");
}

#[test]
fn repair_tells_and_does_only_what_it_was_told() {
    let small = SmallStore::new("repair");
    small.run(&["repair"]).succeeds().prints("info: no repairs needed\n");
    let id = small.backup("2025-01-01", "one");
    let state = small.files("states").remove(0);
    let path = small.home.dir().join("store/states").join(&state[..2]).join(&state);
    fs::remove_file(&path).unwrap();
    small.run(&["ls"]).succeeds().prints("");
    // This machine remembers the state, and gives it back as it was.
    small.run(&["repair"]).succeeds().says("to be put back from this machine's copy");
    assert!(small.files("states").is_empty());
    small.run(&["repair", "-apply"]).succeeds().says("put back from this machine's copy");
    assert_eq!(small.files("states"), [state]);
    small.is_sound();
    // Another machine has only the packfiles to go by.
    fs::remove_file(&path).unwrap();
    fs::remove_dir_all(small.home.dir().join("home/.cache")).unwrap();
    let told = small.run(&["repair"]).succeeds().says(&format!("snapshot {} would be back", &id[..8]));
    told.says("would rebuild the state of 2 packfiles, run with -apply to proceed");
    assert!(small.files("states").is_empty());
    small.run(&["repair", "-apply"]).succeeds().says("rebuilt the state of 2 packfiles");
    assert_eq!(small.ids(), [id]);
    small.is_sound();
    // A state that cannot be read keeps everybody out until it is repaired.
    let state = small.files("states").remove(0);
    let path = small.home.dir().join("store/states").join(&state[..2]).join(&state);
    fs::write(&path, b"not a state").unwrap();
    fs::remove_dir_all(small.home.dir().join("home/.cache")).unwrap();
    small.run(&["ls"]).exits(1).says(&state);
    small.run(&["repair"]).succeeds().says(&format!("repair: state {state}: ")).says(": to be removed\n");
    small.run(&["repair", "-apply"]).succeeds();
    assert_eq!(small.ids().len(), 1);
    small.is_sound();
}
