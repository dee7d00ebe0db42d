//! A home with a small tree and a store of it, for tests that need any.

use crate::kit::command::{Home, Ran};
use crate::kit::trees;
use std::fs;
use std::os::unix::fs::symlink;

/// Passphrase of every encrypted store that tests make.
pub const PASSPHRASE: &str = "aZ3$kd9-Qw(x1";

/// `tree/` with two files, a directory, an empty one, a symlink; nothing else.
pub fn home(name: &str) -> Home {
    let home = Home::new(name);
    let tree = home.dir().join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::create_dir(tree.join("void")).unwrap();
    fs::write(tree.join("a.txt"), "hello\n").unwrap();
    fs::write(tree.join("sub/b.bin"), trees::noise(1, 30_000)).unwrap();
    symlink("a.txt", tree.join("link")).unwrap();
    for file in ["a.txt", "sub/b.bin", "link"] {
        trees::touch(&tree.join(file), 1_700_000_000, 5);
    }
    for (directory, mode) in [("sub", 0o750), ("void", 0o700), ("", 0o755)] {
        trees::mode(&tree.join(directory), mode);
        trees::touch(&tree.join(directory), 1_700_000_000, 5);
    }
    home
}

/// The same with a plaintext store `st`.
pub fn with_store(name: &str) -> Home {
    let home = home(name);
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds().prints_nothing();
    home
}

/// Backs `tree` up into `st`, with more words in front of it; the short ID of the snapshot.
pub fn backup(home: &Home, words: &[&str]) -> String {
    let ran = home.plakar(&[&["at", "st", "backup", "-quiet"], words, &["tree"]].concat()).succeeds();
    id_of(&ran)
}

/// The short ID that a backup tells in its last line.
pub fn id_of(ran: &Ran) -> String {
    let (_, rest) =
        ran.stdout.split_once("unsigned snapshot ").unwrap_or_else(|| panic!("no snapshot\n{ran}"));
    rest[..8].to_owned()
}

/// The short IDs of a list of snapshots, as it is ordered.
pub fn ids(ran: &Ran) -> Vec<String> {
    ran.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}
