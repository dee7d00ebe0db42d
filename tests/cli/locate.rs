//! `locate`: names found in every snapshot that the filters leave, and nothing silently passed over.

use crate::kit::small_store::SmallStore;
use std::fs;

#[test]
fn names_and_patterns_are_found_in_the_snapshots_that_were_meant() {
    let small = SmallStore::new("locate");
    let old = small.backup("2025-01-01", "one");
    fs::write(small.home.dir().join("tree/sub/c.log"), b"gamma\n").unwrap();
    fs::write(small.home.dir().join("tree/[odd]"), b"").unwrap();
    let new = small.backup("2025-02-01", "two");
    let (old, new) = (&old[..8], &new[..8]);
    let tree = small.home.path("tree");
    for (words, found) in [
        (&["a.txt"][..], vec![(new, "a.txt"), (old, "a.txt")]),
        (&["*.log"], vec![(new, "sub/b.log"), (new, "sub/c.log"), (old, "sub/b.log")]),
        (&["-tag", "one", "*.log"], vec![(old, "sub/b.log")]),
        (&["-latest", "[bc].log"], vec![(new, "sub/b.log"), (new, "sub/c.log")]),
        (&["-snapshot", old, "?.log"], vec![(old, "sub/b.log")]),
        (&["[odd]"], vec![(new, "[odd]")]),
        (&["-snapshot", old, "sub", "s*"], vec![(old, "sub"), (old, "sub")]),
        (&["nowhere*"], vec![]),
    ] {
        let expected: String = found.iter().map(|(id, path)| format!("{id}:{tree}/{path}\n")).collect();
        small.run(&[&["locate"], words].concat()).succeeds().complains("").prints(&expected);
    }
    small.run(&["locate", "["]).exits(1).says("could not match pattern: syntax error in pattern");
    small.run(&["locate"]).exits(1).says("no pattern given");
}

#[test]
fn a_snapshot_that_cannot_be_read_is_told() {
    let small = SmallStore::new("locate-lost");
    small.backup("2025-01-01", "one");
    for name in small.files("packfiles") {
        fs::remove_file(small.home.dir().join("store/packfiles").join(&name[..2]).join(&name)).unwrap();
    }
    small.run(&["locate", "a.txt"]).exits(1).prints("").says("error: locate: snapshot ");
}
