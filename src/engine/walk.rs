//! Depth first through a snapshot; memory grows with depth, not with the number of entries.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::listing::{Directories, Listing, Record};
use crate::engine::snapshot::Snapshot;
use crate::format::entry::Entry;

/// One entry on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// Its entry.
    pub entry: Entry,
    /// Name of the entry's blob; zero for the start of the walk.
    pub mac: Mac,
    /// 0 for the start of the walk.
    pub depth: usize,
}

/// What could not be read; everything else is still visited.
#[derive(Debug)]
pub struct Unread {
    /// The directory, or the entry, that is affected.
    pub path: Vec<u8>,
    /// Why.
    pub error: Error,
}

/// Yields the start, then, for a directory, everything below it: names in byte order, a directory
/// before what it holds.
pub struct Walk<'b, 'r> {
    blobs: &'b Blobs<'r>,
    snapshot: &'b Snapshot,
    directories: Directories,
    start: Option<Entry>,
    stack: Vec<Level<'b, 'r>>,
    /// The directory yielded last, not yet entered.
    entering: Option<Vec<u8>>,
}

struct Level<'b, 'r> {
    path: Vec<u8>,
    listing: Listing<'b, 'r>,
    last: Option<Vec<u8>>,
}

impl<'b, 'r> Walk<'b, 'r> {
    /// A walk from an entry that [`Snapshot::entry`] found. The index of directories is read now.
    ///
    /// # Errors
    /// Those that concern the store as a whole.
    pub fn new(blobs: &'b Blobs<'r>, snapshot: &'b Snapshot, start: Entry) -> Result<Walk<'b, 'r>, Error> {
        let directories =
            if start.info.mode.is_dir() { snapshot.directories(blobs)? } else { Directories::default() };
        Ok(Walk { blobs, snapshot, directories, start: Some(start), stack: Vec::new(), entering: None })
    }

    /// Does not enter the directory that was yielded last.
    pub fn stay_out(&mut self) {
        self.entering = None;
    }

    fn enter(&mut self, path: Vec<u8>) -> Option<Unread> {
        if self.stack.len() >= limits::PATH_DEPTH_MAX {
            let error = Error::new(Kind::Unsupported, "nested deeper than any file system allows");
            return Some(Unread { path, error });
        }
        match self.directories.open(self.blobs, self.snapshot, &path) {
            Ok(listing) => {
                self.stack.push(Level { path, listing, last: None });
                None
            }
            Err(error) => Some(Unread { path, error }),
        }
    }

    fn step(&mut self, record: Record) -> Option<Step> {
        let depth = self.stack.len();
        let level = self.stack.last_mut()?;
        let path = path::join(&level.path, &record.entry.info.name);
        level.last = Some(record.entry.info.name.clone());
        if record.entry.info.mode.is_dir() {
            self.entering = Some(path.clone());
        }
        Some(Step { path, entry: record.entry, mac: record.mac, depth })
    }

    /// When a packed list breaks off, the tree of files may still hold the rest of it.
    fn fall_back(&mut self, error: Error) -> Option<Unread> {
        let level = self.stack.last_mut()?;
        let path = level.path.clone();
        if !matches!(level.listing, Listing::Packed(_)) || !blobs::concerns_the_blob(&error) {
            return Some(Unread { path, error });
        }
        let Ok(tree) = Listing::from_tree(self.blobs, self.snapshot, &path) else {
            return Some(Unread { path, error });
        };
        let last = level.last.take();
        let seen = |record: &Result<Record, Error>| match (record, &last) {
            (Ok(record), Some(last)) => record.entry.info.name <= *last,
            _ => false,
        };
        let rest: Vec<_> = tree.filter(|record| !seen(record)).collect();
        level.last = last;
        level.listing = Listing::Tree(rest.into_iter());
        None
    }
}

impl Iterator for Walk<'_, '_> {
    type Item = Result<Step, Unread>;

    fn next(&mut self) -> Option<Result<Step, Unread>> {
        if let Some(entry) = self.start.take() {
            let path = entry.path();
            if entry.info.mode.is_dir() {
                self.entering = Some(path.clone());
            }
            return Some(Ok(Step { path, entry, mac: Mac::ZERO, depth: 0 }));
        }
        loop {
            if let Some(path) = self.entering.take()
                && let Some(unread) = self.enter(path)
            {
                return Some(Err(unread));
            }
            match self.stack.last_mut()?.listing.next() {
                None => {
                    self.stack.pop();
                }
                Some(Ok(record)) => return self.step(record).map(Ok),
                Some(Err(error)) => {
                    if let Some(unread) = self.fall_back(error) {
                        return Some(Err(unread));
                    }
                }
            }
        }
    }
}
