//! A check notices damage of every kind of blob, says what is affected, and reads nothing twice.

use crate::kit::connect::Scratch;
use crate::kit::damage::{self, Damaged};
use crate::kit::reader::Opened;
use crate::kit::sample;
use plakar::base::mac::Mac;
use plakar::format::kind::Resource;
use plakar::ports::store::Item;
use std::collections::HashMap;
use std::sync::Arc;

#[test]
fn damage_of_any_blob_is_noticed_and_restore_saves_the_rest() {
    // Where nothing is compressed or sealed, a header is protected by its packfile's MAC alone.
    for name in ["plain", "nocomp"] {
        damage_is_noticed(name);
    }
}

fn damage_is_noticed(name: &str) {
    let scratch = Scratch::new("check-damage");
    let Some(sample) = sample::stored_as(name, &scratch) else { return };
    let store = Arc::new(Damaged::new(sample.store.clone()));
    let opened = Opened::new(store.clone(), None).unwrap();
    assert_eq!(opened.problems(false), Vec::<String>::new());
    let kinds = damage::blobs(&opened.repository);
    assert!(kinds.len() >= 12, "{:?}", kinds.keys());
    for (resource, places) in kinds {
        for place in places.iter().step_by(1 + places.len() / 8) {
            store.heal();
            store.flip(place);
            let told = format!("{resource} {} of {} bytes", place.mac.short(), place.length);
            let mut problems = opened.problems(false);
            problems.extend(opened.packfile_problems());
            assert!(!problems.is_empty(), "{name}: nobody noticed a flipped bit in {told}");
            // What is written under a right name has the right content, or is not there.
            let out = scratch.join("out");
            if let Ok(report) = opened.restore(&sample.id, b"./", &out) {
                let wrong = sample.wrong_content(&out);
                assert_eq!(wrong, Vec::<String>::new(), "{told}");
                if resource == Resource::CHUNK && !sample.whole(&out) {
                    assert!(!report.errors.is_empty(), "{told}");
                }
            }
            let _ = std::fs::remove_dir_all(&out);
        }
    }
}

#[test]
fn a_lost_packfile_is_noticed_by_both_kinds_of_check() {
    let scratch = Scratch::new("check-lost");
    let Some(sample) = sample::stored(&scratch) else { return };
    let store = Arc::new(Damaged::new(sample.store.clone()));
    let opened = Opened::new(store.clone(), None).unwrap();
    let mut packfiles: Vec<Mac> =
        damage::blobs(&opened.repository).into_values().flatten().map(|place| place.packfile).collect();
    packfiles.sort();
    packfiles.dedup();
    for packfile in packfiles {
        for fast in [true, false] {
            store.heal();
            store.lose(Item::Packfile(packfile));
            assert!(!opened.problems(fast).is_empty(), "packfile {} lost, fast: {fast}", packfile.short());
        }
    }
}

#[test]
fn a_damaged_chunk_is_told_with_the_files_that_need_it() {
    let scratch = Scratch::new("check-names");
    let Some(sample) = sample::stored(&scratch) else { return };
    let store = Arc::new(Damaged::new(sample.store.clone()));
    let opened = Opened::new(store.clone(), None).unwrap();
    let place = sample.chunk_of(&opened, b"hello.txt");
    store.flip(&place);
    let problems = opened.problems(false);
    let told = |name: &str| problems.iter().any(|line| line.contains(name) && line.contains("chunk"));
    assert!(told("hello.txt: ") && told("sub/hard: "), "{problems:#?}");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    let lines = opened.lines.0.lock().unwrap().join("\n");
    assert!(lines.contains("✘ ") && lines.contains("✓ "), "{lines}");
}

#[test]
fn content_is_read_once_in_few_ranges() {
    let scratch = Scratch::new("check-reads");
    let Some(sample) = sample::stored(&scratch) else { return };
    let store = Arc::new(Damaged::new(sample.store.clone()));
    let opened = Opened::new(store.clone(), None).unwrap();
    store.heal();
    assert_eq!(opened.problems(false), Vec::<String>::new());
    let mut reads: HashMap<Item, usize> = HashMap::new();
    for (item, _, _) in store.reads.lock().unwrap().iter() {
        *reads.entry(*item).or_default() += 1;
    }
    assert!(reads.values().all(|count| *count <= 3), "{reads:?}");
}
