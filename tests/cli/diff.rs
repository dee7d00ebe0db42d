//! `diff`: files line by line, directories name by name, between snapshots and with this machine.

use crate::kit::small_store::SmallStore;
use std::fs;

#[test]
fn files_are_compared_line_by_line() {
    let small = SmallStore::new("diff");
    let text = |changed: &str| -> String {
        (1..=20).map(|n| if n == 10 { format!("{changed}\n") } else { format!("{n}\n") }).collect()
    };
    let file = small.home.dir().join("tree/a.txt");
    fs::write(&file, text("old")).unwrap();
    let old = small.backup("2025-01-01", "one");
    fs::write(&file, text("new")).unwrap();
    let new = small.backup("2025-02-01", "two");
    let (old, new) = (&old[..8], &new[..8]);
    let path = small.home.path("tree/a.txt");
    let hunk = "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-old\n+new\n 11\n 12\n 13\n";
    let words = [format!("{old}:{path}"), format!("{new}:a.txt")];
    small
        .run(&["diff", &words[0], &words[1]])
        .succeeds()
        .prints(&format!("--- {old}:{path}\n+++ {new}:{path}\n{hunk}"));
    small.run(&["diff", &words[0], &words[0]]).succeeds().prints_nothing();
    // One side alone: the other is this machine.
    small.run(&["diff", &words[0]]).succeeds().prints(&format!("--- {old}:{path}\n+++ {path}\n{hunk}"));
    fs::write(&file, b"\0binary").unwrap();
    small
        .run(&["diff", &words[0]])
        .succeeds()
        .prints(&format!("Binary files {old}:{path} and {path} differ\n"));
}

#[test]
fn directories_are_compared_name_by_name_and_content_by_content() {
    let small = SmallStore::new("diff-dirs");
    let tree = small.home.dir().join("tree");
    fs::write(tree.join("gone"), b"").unwrap();
    fs::create_dir(tree.join("kind")).unwrap();
    let old = small.backup("2025-01-01", "one");
    fs::remove_file(tree.join("gone")).unwrap();
    fs::remove_dir(tree.join("kind")).unwrap();
    fs::write(tree.join("kind"), b"").unwrap();
    fs::write(tree.join("new"), b"").unwrap();
    fs::write(tree.join("sub/b.log"), b"BETA\n").unwrap();
    let new = small.backup("2025-02-01", "two");
    let (old, new) = (&old[..8], &new[..8]);
    let path = small.home.path("tree");
    small.run(&["diff", old, new]).succeeds().complains("").prints(&format!(
        "Only in {path}: gone\nFile type mismatch: kind vs kind\nOnly in {path}: new\n\
         Common subdirectories: sub and sub\n"
    ));
    let recursive = |left: &str, right: &str| {
        format!(
            "Only in {path}: gone\nFile type mismatch: {path}/kind vs {path}/kind\nOnly in {path}: new\n\
             Common subdirectories: {path}/sub and {path}/sub\n\
             Files {left}{path}/sub/b.log and {right}{path}/sub/b.log differ\n"
        )
    };
    let labels = [format!("{old}:"), format!("{new}:")];
    small.run(&["diff", "-recursive", old, new]).succeeds().prints(&recursive(&labels[0], &labels[1]));
    small.run(&["diff", "-recursive", old]).succeeds().prints(&recursive(&labels[0], ""));
    small
        .run(&["diff", "-recursive", new])
        .succeeds()
        .prints(&format!("Common subdirectories: {path}/sub and {path}/sub\n"));
    small
        .run(&["diff", &format!("{old}:a.txt"), &format!("{new}:sub")])
        .exits(1)
        .says("diff: could not diff pathnames: can't diff different file types");
    small.run(&["diff"]).exits(1).says("needs at least a snapshot ID and/or snapshot file to diff");
    small.run(&["diff", "nope"]).exits(1).says("diff: could not open snapshot: nope");
}
