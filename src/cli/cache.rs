//! What this machine keeps of a store. It is never needed: without copies of states they are read
//! again, and without change times a backup goes by what the snapshot before says.

use crate::base::mac::Mac;
use crate::engine::StateCache;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files under names of 32 bytes, in one directory a store and kind: `REPOSITORY-ID/states/`.
pub struct DiskCache {
    dir: PathBuf,
}

impl DiskCache {
    /// Of states, below the program's cache directory. Nothing is made yet.
    pub fn states(cache: &Path, repository_id: &str) -> DiskCache {
        DiskCache { dir: cache.join(repository_id).join("states") }
    }

    /// Of change times, a file for each source.
    pub fn ctimes(cache: &Path, repository_id: &str) -> DiskCache {
        DiskCache { dir: cache.join(repository_id).join("ctimes") }
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
