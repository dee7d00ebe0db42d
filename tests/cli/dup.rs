//! `dup`: a new snapshot with the content of an old one, and nothing stored twice.

use crate::kit::small_store::SmallStore;
use std::fs;

#[test]
fn a_duplicate_has_its_own_id_and_outlives_the_original() {
    let small = SmallStore::new("dup");
    let old = small.backup("2025-01-01", "one,two");
    let packfiles = small.files("packfiles").len();
    small.run(&["dup", &old[..8]]).succeeds().prints_nothing();
    let new = small.ids().into_iter().find(|id| *id != old).unwrap();
    assert_eq!(small.files("packfiles").len(), packfiles + 1, "the header alone is new");
    assert!(small.files("locks").is_empty());
    small.is_sound();
    small.run(&["ls", "-tags"]).succeeds().says("tags=one,two");
    small.run(&["rm", "-apply", &old[..8]]).succeeds();
    small.run(&["restore", "-quiet", "-to", &small.home.path("out"), &new[..8]]).succeeds();
    assert_eq!(fs::read(small.home.dir().join("out/tree/sub/b.log")).unwrap(), b"beta\n");
}

#[test]
fn words_that_name_nothing_are_told_and_the_others_are_done() {
    let small = SmallStore::new("dup-errors");
    let id = small.backup("2025-01-01", "one");
    small.run(&["dup", "nope", &id[..8]]).exits(1).says("error: dup: nope: no snapshot has prefix: nope");
    assert_eq!(small.ids().len(), 2);
    small.run(&["dup"]).exits(1).says("at least one parameter is required");
}
