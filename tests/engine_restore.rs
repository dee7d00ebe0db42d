//! Where a restore puts things, what it does with what a destination cannot hold, and that nothing
//! wrong is ever written under a right name.

use crate::kit::bucket_destination::BucketDestination;
use crate::kit::connect::Scratch;
use crate::kit::damage::Damaged;
use crate::kit::reader::Opened;
use crate::kit::sample::{self, Sample};
use crate::kit::trees;
use plakar::engine::cat::cat;
use plakar::engine::error::Kind;
use plakar::engine::snapshot::Snapshot;
use plakar::ports::store::Item;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn files_of(root: &Path, below: &str, out: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_of(root, &format!("{name}/"), out);
        } else if kind.is_file() {
            out.insert(name.into_bytes(), fs::read(entry.path()).unwrap());
        }
    }
}

fn opened(scratch: &Scratch) -> Option<(Sample, Opened, Arc<Damaged>)> {
    let sample = sample::stored(scratch)?;
    let store = Arc::new(Damaged::new(sample.store.clone()));
    let opened = Opened::new(store.clone(), None).unwrap();
    Some((sample, opened, store))
}

#[test]
fn a_bucket_gets_every_file_from_front_to_back() {
    let scratch = Scratch::new("restore-bucket");
    let Some((sample, opened, _)) = opened(&scratch) else { return };
    let bucket = BucketDestination::default();
    let report = opened.restore_to(&sample.id, b"./", &bucket).unwrap();
    let mut expected = BTreeMap::new();
    files_of(&sample.tree, "", &mut expected);
    assert_eq!(report.errors, []);
    assert_eq!(report.skipped.len(), 1, "the link: {:?}", report.skipped);
    assert_eq!(report.files, expected.len() as u64);
    let files = bucket.files.lock().unwrap();
    assert!(files.keys().eq(expected.keys()), "{:?}", files.keys());
    assert!(*files == expected, "some content differs");
    assert_eq!(*bucket.open.lock().unwrap(), 0);
}

#[test]
fn a_refused_file_does_not_hold_up_the_others() {
    let scratch = Scratch::new("restore-refused");
    let Some((sample, opened, _)) = opened(&scratch) else { return };
    let bucket = BucketDestination { refuse: vec![b"zeros5m".to_vec()], ..BucketDestination::default() };
    let report = opened.restore_to(&sample.id, b"./", &bucket).unwrap();
    let failed: Vec<_> =
        report.errors.iter().map(|(path, why)| (path.ends_with(b"/zeros5m"), why.as_str())).collect();
    assert_eq!(failed, [(true, "access denied")]);
    assert!(!bucket.files.lock().unwrap().contains_key(&b"zeros5m"[..]));
    assert!(bucket.files.lock().unwrap().contains_key(&b"hello.txt"[..]));
    assert_eq!(*bucket.open.lock().unwrap(), 0, "nothing is left half-made");
}

#[test]
fn parts_land_where_the_argument_says() {
    let scratch = Scratch::new("restore-parts");
    let Some((sample, opened, _)) = opened(&scratch) else { return };
    let name = opened.fetching(|fetcher| {
        let snapshot = Snapshot::open(fetcher.blobs(), &sample.id).unwrap();
        String::from_utf8(snapshot.root()).unwrap()
    });
    let base = name.rsplit('/').next().unwrap().to_owned();
    let cases = [
        (String::new(), format!("{base}/sub/deep/f0")),
        ("./".to_owned(), "sub/deep/f0".to_owned()),
        ("sub".to_owned(), "sub/deep/f0".to_owned()),
        ("sub/".to_owned(), "deep/f0".to_owned()),
        ("sub/deep/f0".to_owned(), "f0".to_owned()),
        (format!("{name}/sub/deep"), format!("{}/sub/deep/f0", name.trim_start_matches('/'))),
        (format!("{name}/sub/deep/f0"), format!("{}/sub/deep/f0", name.trim_start_matches('/'))),
    ];
    for (number, (argument, lands)) in cases.iter().enumerate() {
        let out = scratch.join(&format!("out-{number}"));
        let report = opened.restore(&sample.id, argument.as_bytes(), &out).unwrap();
        assert_eq!(report.errors, [], "{argument}");
        let expected = fs::read(sample.tree.join("sub/deep/f0")).unwrap();
        assert_eq!(fs::read(out.join(lands)).ok(), Some(expected), "{argument} lands at {lands}");
    }
    let missing = opened.restore(&sample.id, b"no/such", &scratch.join("none")).unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound, "{missing}");
}

#[test]
fn a_link_in_the_snapshot_is_followed_to_what_it_names() {
    let scratch = Scratch::new("restore-link");
    let Some((sample, opened, _)) = opened(&scratch) else { return };
    opened.fetching(|fetcher| {
        let snapshot = Snapshot::open(fetcher.blobs(), &sample.id).unwrap();
        let mut path = snapshot.root();
        path.extend_from_slice(b"/link");
        let entry = snapshot.entry(fetcher.blobs(), &path).unwrap();
        assert_eq!(entry.info.name, b"hello.txt");
        let mut content = Vec::new();
        assert_eq!(cat(fetcher, &entry.object, &mut content).unwrap(), 12);
        assert_eq!(content, b"hello world\n");
    });
}

#[test]
fn a_damaged_chunk_costs_its_files_and_nothing_else() {
    let scratch = Scratch::new("restore-damaged");
    let Some((sample, opened, store)) = opened(&scratch) else { return };
    store.flip(&sample.chunk_of(&opened, b"lcg300k"));
    let out = scratch.join("out");
    let report = opened.restore(&sample.id, b"./", &out).unwrap();
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(report.errors[0].0.ends_with(b"/lcg300k"));
    for word in ["packfile ", " at ", "chunk "] {
        assert!(report.errors[0].1.contains(word), "{}", report.errors[0].1);
    }
    assert!(!out.join("lcg300k").exists());
    let missing: Vec<String> = trees::differences(&sample.tree, &out);
    assert_eq!(missing, ["\"lcg300k\": missing"]);
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), fs::read_dir(&sample.tree).unwrap().count() - 1, "nothing half-made: {names:?}");

    let bucket = BucketDestination::default();
    let report = opened.restore_to(&sample.id, b"./", &bucket).unwrap();
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(!bucket.files.lock().unwrap().contains_key(&b"lcg300k"[..]));
    assert_eq!(*bucket.open.lock().unwrap(), 0);
}

#[test]
fn a_lost_packfile_costs_what_is_in_it_and_one_request() {
    let scratch = Scratch::new("restore-lost");
    let Some((sample, opened, store)) = opened(&scratch) else { return };
    let place = sample.chunk_of(&opened, b"sub/deep/f0");
    store.lose(Item::Packfile(place.packfile));
    let out = scratch.join("out");
    match opened.restore(&sample.id, b"./", &out) {
        Ok(report) => assert!(!report.errors.is_empty()),
        Err(fault) => assert_ne!(fault.kind, Kind::Cancelled, "{fault}"),
    }
    let asked = store
        .reads
        .lock()
        .unwrap()
        .iter()
        .filter(|(item, _, _)| *item == Item::Packfile(place.packfile))
        .count();
    assert!(asked <= 16, "asked {asked} times for a packfile that is not there");
}

#[test]
fn an_interrupted_restore_ends_at_once() {
    let scratch = Scratch::new("restore-interrupted");
    let Some((sample, opened, _)) = opened(&scratch) else { return };
    opened.world.cancel.cancel();
    let fault = opened.restore(&sample.id, b"./", &scratch.join("out")).unwrap_err();
    assert_eq!(fault.kind, Kind::Cancelled, "{fault}");
}

#[test]
fn a_small_tree_is_read_in_a_few_requests() {
    let scratch = Scratch::new("restore-reads");
    let Some((sample, opened, store)) = opened(&scratch) else { return };
    store.heal();
    opened.restore(&sample.id, b"./", &scratch.join("out")).unwrap();
    let mut reads: BTreeMap<String, usize> = BTreeMap::new();
    for (item, _, _) in store.reads.lock().unwrap().iter() {
        *reads.entry(item.to_string()).or_default() += 1;
    }
    assert!(reads.values().all(|count| *count <= 3), "{reads:?}");
}
