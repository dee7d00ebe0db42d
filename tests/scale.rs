//! Memory against the number of entries and of snapshots: the program is given so much address space
//! and no more, which an allocation too many ends.

use crate::kit::command::{Home, Ran};
use crate::kit::connect::{bytes, context};
use crate::kit::reader::Opened;
use plakar::connectors::fs_store::FsStore;
use plakar::engine::duplicate;
use plakar::engine::snapshot::Snapshot;
use std::fs;
use std::sync::Arc;

const ENTRIES: usize = 50_000;
const PER_DIRECTORY: usize = 100;
const SNAPSHOTS: usize = 1000;

/// Program, buffers and a checkpoint in the making; what grows with the tree comes on top.
const BASE_KIB: usize = 150 << 10;
/// Address space for each entry: hashes of stored blobs, names, and what allocators round up.
const ENTRY_KIB: usize = 1;

fn within(home: &Home, kib: usize, words: &str) -> Ran {
    let line = format!("ulimit -v {kib}; exec '{}' -cpu 1 at st {words}", env!("CARGO_BIN_EXE_plakar"));
    home.program("sh", &["-c", &line]).succeeds()
}

#[test]
fn a_large_tree_takes_a_kilobyte_of_memory_for_each_entry_at_most() {
    let home = Home::new("scale");
    // One arena, so that address space means memory.
    home.env("MALLOC_ARENA_MAX", "1");
    for number in 0..ENTRIES {
        let directory = home.dir().join(format!("tree/directory-{:05}", number / PER_DIRECTORY));
        if number % PER_DIRECTORY == 0 {
            fs::create_dir_all(&directory).unwrap();
        }
        fs::write(directory.join(format!("a-file-with-a-name-{number:07}")), format!("{number}")).unwrap();
    }
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds();
    let limit = BASE_KIB + ENTRIES * ENTRY_KIB;
    within(&home, limit, "backup -quiet tree").complains("");
    within(&home, limit, "backup -quiet tree").complains("");
    let newest = home.plakar(&["at", "st", "ls"]).stdout.split_whitespace().nth(1).unwrap().to_owned();
    let listed = within(&home, limit, &format!("ls -recursive {newest}")).stdout.lines().count();
    assert_eq!(listed, ENTRIES + ENTRIES / PER_DIRECTORY);
    within(&home, limit, "check -fast -quiet").complains("");
    within(&home, limit, "restore -quiet -to out").complains("");
    let last = format!("out/tree/directory-00000/a-file-with-a-name-{:07}", PER_DIRECTORY - 1);
    assert_eq!(fs::read(home.dir().join(last)).unwrap(), format!("{}", PER_DIRECTORY - 1).into_bytes());
}

#[test]
fn a_thousand_snapshots_are_listed_in_the_memory_of_a_few() {
    let home = Home::new("snapshots");
    fs::create_dir(home.dir().join("tree")).unwrap();
    fs::write(home.dir().join("tree/a"), b"alpha").unwrap();
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds();
    home.plakar(&["at", "st", "backup", "-quiet", "tree"]).succeeds();
    let opened =
        Opened::new(Arc::new(FsStore::new(bytes(&home.dir().join("st")), context().0)), None).unwrap();
    opened.fetching(|fetcher| {
        let snapshot = Snapshot::open(fetcher.blobs(), &opened.index.snapshots()[0]).unwrap();
        for _ in 1..SNAPSHOTS {
            let (repository, index) = (&opened.repository, &opened.index);
            duplicate::duplicate(repository, index, &snapshot, None, &opened.world).unwrap();
        }
    });
    home.env("MALLOC_ARENA_MAX", "1");
    let listed = within(&home, BASE_KIB, "ls").stdout.lines().count();
    assert_eq!(listed, SNAPSHOTS);
    assert_eq!(within(&home, BASE_KIB, "ls -latest").stdout.lines().count(), 1);
}
