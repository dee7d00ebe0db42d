//! Stores made by real Kloset code open, check clean and restore to what was backed up.

use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::manifest::Manifest;
use crate::kit::reader::Opened;
use crate::kit::sample::unpack;
use crate::kit::{skip, trees};
use plakar::base::mac::Mac;
use plakar::connectors::fs_store::FsStore;
use plakar::connectors::ptar::PtarStore;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn open(root: &Path, passphrase: Option<&str>) -> Opened {
    Opened::new(Arc::new(FsStore::new(bytes(root), context().0)), passphrase).unwrap()
}

fn assert_sound(opened: &Opened, name: &str) -> Vec<Mac> {
    for fast in [true, false] {
        assert_eq!(opened.problems(fast), Vec::<String>::new(), "{name}, fast: {fast}");
    }
    assert_eq!(opened.packfile_problems(), Vec::<String>::new(), "{name}");
    let (ids, problems) = opened.snapshots();
    assert_eq!(problems, [], "{name}");
    ids
}

fn store_of_the_golden_source(name: &str, passphrase: Option<&str>) {
    let scratch = Scratch::new(name);
    let Some(dir) = unpack(name, &scratch) else { return };
    unpack("source", &scratch).unwrap();
    let opened = open(&dir.join(name), passphrase);
    let ids = assert_sound(&opened, name);
    assert!(!ids.is_empty(), "{name}");
    let out = dir.join("out");
    let report = opened.restore(&ids[0], b"./", &out).unwrap();
    assert_eq!((report.errors, report.skipped), (vec![], vec![]), "{name}");
    assert_eq!(trees::differences(&dir.join("golden-src"), &out), Vec::<String>::new(), "{name}");
}

#[test]
fn plaintext() {
    store_of_the_golden_source("plain", None);
}

#[test]
fn encrypted_and_signed() {
    store_of_the_golden_source("enc", Some("hunter2"));
}

#[test]
fn uncompressed() {
    store_of_the_golden_source("nocomp", None);
}

#[test]
fn sha256() {
    store_of_the_golden_source("sha256", None);
}

#[test]
fn after_removal_and_colouring() {
    let scratch = Scratch::new("ops");
    let Some(dir) = unpack("ops", &scratch) else { return };
    let opened = open(&dir.join("ops"), None);
    let ids = assert_sound(&opened, "ops");
    assert_eq!(ids.len(), 1, "the first of two was removed");
    let report = opened.restore(&ids[0], b"", &dir.join("out")).unwrap();
    assert_eq!(report.errors, []);
    assert!(report.files > 0);
}

/// The store, how its archive calls it, and entries its one snapshot holds below the root.
#[test]
fn with_errors_large_and_worked_by_hand() {
    for (name, inside, least) in [("errors", "errst", 1), ("big", "bigst", 3600), ("worked", "worked", 1)] {
        let scratch = Scratch::new(name);
        let Some(dir) = unpack(name, &scratch) else { return };
        let opened = open(&dir.join(inside), None);
        let ids = assert_sound(&opened, name);
        for id in &ids {
            let out = dir.join(format!("out-{}", id.short()));
            let report = opened.restore(id, b"", &out).unwrap();
            assert_eq!(report.errors, [], "{name}");
            assert!(report.files + report.directories + report.others >= least, "{name}: {report:?}");
        }
    }
}

fn store_with_manifest(name: &str, at: impl Fn(&Manifest) -> PathBuf) {
    let scratch = Scratch::new(name);
    let Some(dir) = unpack(name, &scratch) else { return };
    let manifest = Manifest::read(&skip::shared().unwrap().join(format!("fixtures/{name}.json")));
    let opened = open(&dir.join(at(&manifest)), manifest.passphrase.as_deref());
    assert_restores(&opened, &manifest, name, &scratch);
}

fn assert_restores(opened: &Opened, manifest: &Manifest, name: &str, scratch: &Scratch) {
    let ids = assert_sound(opened, name);
    assert_eq!(ids.len(), manifest.snapshots.len(), "{name}");
    for expected in &manifest.snapshots {
        let id = Mac::from_hex(&expected.id).unwrap();
        let out = scratch.join(&format!("out-{}", id.short()));
        let report = opened.restore(&id, b"./", &out).unwrap();
        assert_eq!((report.errors, report.skipped), (vec![], vec![]), "{name} {}", expected.root);
        assert_eq!(expected.differences(&out), Vec::<String>::new(), "{name} {}", expected.root);
    }
}

#[test]
fn objects_of_a_bucket_written_by_plakar_1_0_6() {
    store_with_manifest("s3-enc", |manifest| Path::new("s3-enc").join(&manifest.bucket_prefix));
}

/// Archives are compressed once more in the fixtures.
fn archive(name: &str, scratch: &Scratch) -> Option<PathBuf> {
    let packed = skip::shared()?.join("fixtures").join(format!("{name}.ptar.gz"));
    let path = scratch.join(&format!("{name}.ptar"));
    let unpacked = Command::new("gzip").arg("-dc").arg(&packed).output().unwrap();
    assert!(unpacked.status.success(), "{packed:?}");
    std::fs::write(&path, unpacked.stdout).unwrap();
    Some(path)
}

#[test]
fn an_archive_written_by_plakar_1_1_4() {
    let scratch = Scratch::new("v114");
    let Some(path) = archive("v114", &scratch) else { return };
    let manifest = Manifest::read(&skip::shared().unwrap().join("fixtures/v114.json"));
    let opened = Opened::new(Arc::new(PtarStore::open(&path).unwrap()), None).unwrap();
    assert_restores(&opened, &manifest, "v114.ptar", &scratch);
}

#[test]
fn archives_of_the_golden_source() {
    for (name, passphrase) in [("plain", None), ("enc", Some("hunter2"))] {
        let scratch = Scratch::new(name);
        let Some(path) = archive(name, &scratch) else { return };
        let opened = Opened::new(Arc::new(PtarStore::open(&path).unwrap()), passphrase).unwrap();
        for id in assert_sound(&opened, name) {
            let report = opened.restore(&id, b"./", &scratch.join(&id.short())).unwrap();
            assert_eq!(report.errors, [], "{name}.ptar");
            assert!(report.files > 0, "{name}.ptar");
        }
    }
}

#[test]
fn plaintext_written_by_plakar_1_1_4() {
    store_with_manifest("v114-plain", |_| PathBuf::from("v114-plain"));
}

#[test]
fn encrypted_written_by_plakar_1_1_4() {
    store_with_manifest("v114-enc", |_| PathBuf::from("v114-enc"));
}
