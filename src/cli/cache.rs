//! Copies of a store's states on this machine. They are never needed: without them the states are
//! read again.

use crate::base::mac::Mac;
use crate::engine::StateCache;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One directory a store: `REPOSITORY-ID/states/`.
pub struct DiskCache {
    dir: PathBuf,
}

impl DiskCache {
    /// Below the program's cache directory. Nothing is made yet.
    pub fn new(cache: &Path, repository_id: &str) -> DiskCache {
        DiskCache { dir: cache.join(repository_id).join("states") }
    }

    fn store(&self, name: &Mac, body: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let temporary = self.dir.join(format!(".{}.{name}.tmp", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(body))
            .and_then(|()| fs::rename(&temporary, self.dir.join(name.to_string())));
        if written.is_err() {
            // A half-written copy must not fill the disk further.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

impl StateCache for DiskCache {
    fn get(&self, name: &Mac) -> Option<Vec<u8>> {
        fs::read(self.dir.join(name.to_string())).ok()
    }

    fn names(&self) -> Vec<Mac> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| Mac::from_hex(&name)).collect()
    }

    fn put(&self, name: &Mac, body: &[u8]) {
        // A full or read-only disk costs time at the next run, nothing else.
        let _ = self.store(name, body);
    }
}
