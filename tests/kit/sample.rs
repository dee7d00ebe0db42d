//! A small store to damage: one that real Kloset made of the golden tree.

use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::reader::Opened;
use crate::kit::{damage, skip, trees};
use plakar::base::mac::Mac;
use plakar::base::path;
use plakar::connectors::fs_store::FsStore;
use plakar::engine::snapshot::Snapshot;
use plakar::format::kind::Resource;
use plakar::format::state::Location;
use plakar::ports::store::Store;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A store, its newest snapshot and the tree that it was made of.
pub struct Sample {
    pub store: Arc<dyn Store>,
    pub id: Mac,
    pub tree: PathBuf,
}

/// Unpacks an archive of the reference stores; `None` (and a counted skip) when there are none.
pub fn unpack(name: &str, scratch: &Scratch) -> Option<PathBuf> {
    let archive = skip::shared()?.join("fixtures").join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-xpzf").arg(&archive).arg("-C").arg(scratch.path());
    assert!(tar.status().is_ok_and(|status| status.success()), "{archive:?}");
    if name == "source" {
        // The archive does not carry the tree's one extended attribute.
        let hello = scratch.join("golden-src/hello.txt");
        let _ = rustix::fs::setxattr(&hello, "user.foo", b"bar", rustix::fs::XattrFlags::empty());
    }
    Some(scratch.path().to_path_buf())
}

/// Unpacks the sample; `None` (and a counted skip) without the reference stores.
pub fn stored(scratch: &Scratch) -> Option<Sample> {
    stored_as("plain", scratch)
}

/// As [`stored`], from another plaintext store of the same tree.
pub fn stored_as(name: &str, scratch: &Scratch) -> Option<Sample> {
    let dir = unpack(name, scratch)?;
    unpack("source", scratch)?;
    let store: Arc<dyn Store> = Arc::new(FsStore::new(bytes(&dir.join(name)), context().0));
    let id = Opened::new(store.clone(), None).unwrap().snapshots().0[0];
    Some(Sample { store, id, tree: dir.join("golden-src") })
}

impl Sample {
    /// Restored files whose content is not that of the tree.
    pub fn wrong_content(&self, out: &Path) -> Vec<String> {
        let lines = trees::differences(&self.tree, out);
        lines.into_iter().filter(|line| line.contains("content") || line.contains("size")).collect()
    }

    /// Whether every entry of the tree was restored.
    pub fn whole(&self, out: &Path) -> bool {
        !trees::differences(&self.tree, out).iter().any(|line| line.contains("missing"))
    }

    /// Where the first chunk of a file is.
    pub fn chunk_of(&self, opened: &Opened, name: &[u8]) -> Location {
        opened.fetching(|fetcher| {
            let snapshot = Snapshot::open(fetcher.blobs(), &self.id).unwrap();
            let entry = snapshot.entry(fetcher.blobs(), &path::join(&snapshot.root(), name)).unwrap();
            let chunk = fetcher.blobs().object(&entry.object).unwrap().chunks[0].mac;
            let known = damage::blobs(&opened.repository);
            *known[&Resource::CHUNK].iter().find(|place| place.mac == chunk).unwrap()
        })
    }
}
