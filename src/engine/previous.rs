//! The snapshot that a backup compares with.

use crate::base::mac::Mac;
use crate::engine::backup::Previous;
use crate::engine::blobs::Blobs;
use crate::engine::error::Error;
use crate::engine::frames::{Known, Remembered};
use crate::engine::listing::{Directories, Listing};
use crate::engine::snapshot::Snapshot;
use crate::format::object::Object;

/// An opened snapshot, read through a cache of large blocks: what a walk asks for lies together.
pub struct Earlier<'b, 'r> {
    blobs: &'b Blobs<'r>,
    snapshot: &'b Snapshot,
    directories: Directories,
}

impl<'b, 'r> Earlier<'b, 'r> {
    /// Reads the index of directories.
    ///
    /// # Errors
    /// Those that concern the store as a whole; what is damaged is only not compared with.
    pub fn new(blobs: &'b Blobs<'r>, snapshot: &'b Snapshot) -> Result<Earlier<'b, 'r>, Error> {
        let directories = snapshot.directories(blobs)?;
        Ok(Earlier { blobs, snapshot, directories })
    }
}

impl Previous for Earlier<'_, '_> {
    fn timestamp_ns(&self) -> i64 {
        self.snapshot.header.timestamp.to_nanos()
    }

    fn directory(&self, path: &[u8]) -> Result<Option<Remembered>, Error> {
        let Some(object) = self.directories.object(path) else { return Ok(None) };
        let listing = Listing::packed(self.blobs, path, &object)?;
        let known = listing.filter_map(|record| record.map(|record| Known::of(record.entry)).transpose());
        known.collect::<Result<_, _>>().map(Some)
    }

    fn object(&self, mac: &Mac) -> Result<Object, Error> {
        self.blobs.object(mac)
    }
}
