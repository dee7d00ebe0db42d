//! A home with a plaintext store in it, and snapshots of a small tree made at chosen times.

use crate::kit::command::{Home, Ran};
use std::fs;

/// A fresh home with an empty store at `store` and a tree at `tree`.
pub struct SmallStore {
    pub home: Home,
}

impl SmallStore {
    /// Nothing is backed up yet.
    pub fn new(name: &str) -> SmallStore {
        let home = Home::new(name);
        fs::create_dir_all(home.dir().join("tree/sub")).unwrap();
        fs::write(home.dir().join("tree/a.txt"), b"alpha\n").unwrap();
        fs::write(home.dir().join("tree/sub/b.log"), b"beta\n").unwrap();
        let small = SmallStore { home };
        small.run(&["create", "-plaintext"]).succeeds();
        small
    }

    /// Runs a command on the store.
    pub fn run(&self, words: &[&str]) -> Ran {
        let store = self.home.path("store");
        self.home.plakar(&[&["at", store.as_str()], words].concat())
    }

    /// Makes a snapshot that says it was made then; its id in full.
    pub fn backup(&self, time: &str, tags: &str) -> String {
        let before = self.ids();
        let tree = self.home.path("tree");
        self.run(&["backup", "-quiet", "-force-timestamp", time, "-tag", tags, &tree]).succeeds();
        self.ids().into_iter().find(|id| !before.contains(id)).unwrap()
    }

    /// Every snapshot's id, newest first.
    pub fn ids(&self) -> Vec<String> {
        let listed = self.run(&["ls", "-uuid"]).succeeds();
        listed.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
    }

    /// Names of the files of one kind.
    pub fn files(&self, kind: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut ahead = vec![self.home.dir().join("store").join(kind)];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
                match entry.file_type().unwrap().is_dir() {
                    true => ahead.push(entry.path()),
                    false => names.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        names.sort();
        names
    }

    /// Everything a check finds wrong is printed; there must be nothing.
    #[track_caller]
    pub fn is_sound(&self) {
        self.run(&["check", "-quiet"]).succeeds().complains("");
    }
}
