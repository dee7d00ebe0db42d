//! The entries of one directory, streamed from its packed list or, where that is lost, gathered
//! from the tree of files.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::snapshot::{self, Snapshot};
use crate::engine::tree::{self, Order};
use crate::format::entry::{DirpackRecord, Entry, dirpack_next};
use crate::format::kind::Resource;
use crate::format::object::Chunk;
use std::ops::ControlFlow;

/// The index that leads from a directory's path to its packed list.
pub const DIRPACK: &str = "dirpack";

/// One child of a directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its entry.
    pub entry: Entry,
    /// Name of the entry's blob.
    pub mac: Mac,
}

/// Yields the children in name order; holds one chunk of the list at a time. After an error only
/// [`Listing::Tree`] goes on.
pub enum Listing<'b, 'r> {
    /// From the directory's packed list.
    Packed(Packed<'b, 'r>),
    /// From the tree of files.
    Tree(std::vec::IntoIter<Result<Record, Error>>),
}

/// See [`Listing::Packed`].
pub struct Packed<'b, 'r> {
    blobs: &'b Blobs<'r>,
    directory: Vec<u8>,
    chunks: std::vec::IntoIter<Chunk>,
    buffer: Vec<u8>,
    at: usize,
    last: Option<(Vec<u8>, bool)>,
}

impl<'b, 'r> Listing<'b, 'r> {
    /// Looks one directory up. For many, [`Directories`] reads the index once.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory; what cannot be read.
    pub fn find(blobs: &'b Blobs<'r>, snapshot: &Snapshot, path: &[u8]) -> Result<Listing<'b, 'r>, Error> {
        let packed = match snapshot.index(DIRPACK) {
            None => None,
            Some(root) => match tree::find(blobs, tree::INDEX, &root, path, Order::Bytes) {
                Ok(Some(object)) => Some(Listing::packed(blobs, path, &object)),
                Ok(None) => None,
                Err(fault) => Some(Err(fault)),
            },
        };
        match packed {
            Some(Ok(listing)) => Ok(listing),
            Some(Err(fault)) if !blobs::concerns_the_blob(&fault) => Err(fault),
            Some(Err(fault)) => Listing::from_tree(blobs, snapshot, path).map_err(|_| fault),
            None => Listing::from_tree(blobs, snapshot, path),
        }
    }

    /// From the packed list of a directory.
    ///
    /// # Errors
    /// As for [`Blobs::object`].
    pub fn packed(blobs: &'b Blobs<'r>, path: &[u8], object: &Mac) -> Result<Listing<'b, 'r>, Error> {
        let chunks = blobs
            .object(object)
            .map_err(|fault| fault.context(format!("list of {}", String::from_utf8_lossy(path))))?
            .chunks
            .into_iter();
        let directory = path.to_vec();
        Ok(Listing::Packed(Packed { blobs, directory, chunks, buffer: Vec::new(), at: 0, last: None }))
    }

    /// From the tree of files, entry by entry.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory; a tree whose root cannot be read.
    pub fn from_tree(
        blobs: &'b Blobs<'r>,
        snapshot: &Snapshot,
        path: &[u8],
    ) -> Result<Listing<'b, 'r>, Error> {
        let root = &snapshot.source()?.root;
        if tree::find(blobs, tree::FILES, root, path, Order::Path)?.is_none() {
            let what = format!("{}: file does not exist", String::from_utf8_lossy(path));
            return Err(Error::new(Kind::NotFound, what));
        }
        let prefix = path::join(path, b"");
        let mut records = Vec::new();
        tree::scan(blobs, tree::FILES, root, Order::Path, Some(&prefix), &mut |found| {
            match found {
                Ok((key, _)) if key == b"/" => {}
                Ok((key, _)) if path::parent(key) != path => return Ok(ControlFlow::Break(())),
                Ok((key, value)) => {
                    let entry = blobs
                        .get(Resource::VFS_ENTRY, value)
                        .and_then(|plain| snapshot::decode_entry(key, &plain))
                        .map_err(|fault| fault.context(String::from_utf8_lossy(key)));
                    records.push(entry.map(|entry| Record { entry, mac: *value }));
                }
                Err(fault) => records.push(Err(fault)),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Listing::Tree(records.into_iter()))
    }
}

impl Iterator for Listing<'_, '_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Result<Record, Error>> {
        match self {
            Listing::Tree(records) => records.next(),
            Listing::Packed(packed) => {
                let record = packed.advance().transpose();
                if matches!(record, Some(Err(_))) {
                    packed.chunks = Vec::new().into_iter();
                    packed.buffer.clear();
                    packed.at = 0;
                }
                record
            }
        }
    }
}

impl Packed<'_, '_> {
    fn advance(&mut self) -> Result<Option<Record>, Error> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let next = dirpack_next(rest).map_err(|fault| self.damaged(fault))?;
            if let Some((record, used)) = next {
                if self.blobs.repository().codec.mac(record.entry) != record.mac {
                    return Err(self.damaged("an entry is not what its name says"));
                }
                let accepted = accept(&self.directory, self.last.as_ref(), &record);
                let record = accepted.map_err(|what| self.damaged(what))?;
                self.at += used;
                self.last = Some((record.entry.info.name.clone(), record.entry.info.mode.is_dir()));
                return Ok(Some(record));
            }
            let Some(chunk) = self.chunks.next() else {
                return if rest.is_empty() { Ok(None) } else { Err(self.damaged("ends within an entry")) };
            };
            if rest.len() > limits::BLOB_BYTES_MAX {
                return Err(self.damaged("an entry longer than any real one"));
            }
            let bytes =
                self.blobs.get(Resource::CHUNK, &chunk.mac).map_err(|fault| self.damaged_by(fault))?;
            blobs::check_length(&chunk.mac, bytes.len(), chunk.length)
                .map_err(|fault| self.damaged_by(fault))?;
            if self.at == self.buffer.len() {
                self.buffer = bytes;
            } else {
                self.buffer.drain(..self.at);
                self.buffer.extend_from_slice(&bytes);
            }
            self.at = 0;
        }
    }

    fn damaged(&self, what: impl std::fmt::Display) -> Error {
        let directory = String::from_utf8_lossy(&self.directory).into_owned();
        Error::new(Kind::Damaged, format!("list of {directory}: {what}"))
    }

    fn damaged_by(&self, fault: Error) -> Error {
        fault.context(format!("list of {}", String::from_utf8_lossy(&self.directory)))
    }
}

/// Decodes an entry of a directory's list, and refuses one that could lead elsewhere. `last` is the
/// name before it, and whether that is a directory.
fn accept(
    directory: &[u8],
    last: Option<&(Vec<u8>, bool)>,
    record: &DirpackRecord<'_>,
) -> Result<Record, String> {
    let entry = Entry::decode(record.entry).map_err(|fault| fault.to_string())?;
    let name = &entry.info.name;
    let shown = String::from_utf8_lossy(name);
    entry.validate(directory).map_err(|fault| fault.to_string())?;
    if entry.info.mode.is_dir() != record.directory {
        return Err(format!("{shown} is and is not a directory"));
    }
    // A bucket may hold a key and keys below it: then the file comes before the directory.
    if last.is_some_and(|(last, directory)| (last, *directory) >= (name, record.directory)) {
        return Err(format!("{shown} is out of order"));
    }
    Ok(Record { entry, mac: record.mac })
}

/// Where the packed list of every directory is.
#[derive(Debug, Default)]
pub struct Directories {
    /// Sorted by path; empty when the snapshot has no such index.
    pub objects: Vec<(Vec<u8>, Mac)>,
    /// What of the index could not be read.
    pub damage: Vec<Error>,
}

impl Directories {
    /// Reads the whole index.
    ///
    /// # Errors
    /// Only those that concern the store as a whole.
    pub fn load(blobs: &Blobs<'_>, snapshot: &Snapshot) -> Result<Directories, Error> {
        let mut directories = Directories::default();
        let Some(root) = snapshot.index(DIRPACK) else { return Ok(directories) };
        let Directories { objects, damage } = &mut directories;
        let scanned = tree::scan(blobs, tree::INDEX, &root, Order::Bytes, None, &mut |found| {
            match found {
                Ok((path, object)) => objects.push((path.to_vec(), *object)),
                Err(fault) if blobs::concerns_the_blob(&fault) => damage.push(fault),
                Err(fault) => return Err(fault),
            }
            Ok(ControlFlow::Continue(()))
        });
        match scanned {
            Err(fault) if blobs::concerns_the_blob(&fault) => damage.push(fault),
            other => other?,
        }
        Ok(directories)
    }

    /// The packed list of that directory.
    pub fn object(&self, path: &[u8]) -> Option<Mac> {
        let at = self.objects.binary_search_by(|(held, _)| held.as_slice().cmp(path)).ok()?;
        self.objects.get(at).map(|(_, object)| *object)
    }

    /// Opens the list of a directory.
    ///
    /// # Errors
    /// What cannot be read, neither so nor from the tree of files.
    pub fn open<'b, 'r>(
        &self,
        blobs: &'b Blobs<'r>,
        snapshot: &Snapshot,
        path: &[u8],
    ) -> Result<Listing<'b, 'r>, Error> {
        let Some(object) = self.object(path) else { return Listing::from_tree(blobs, snapshot, path) };
        match Listing::packed(blobs, path, &object) {
            Err(fault) if blobs::concerns_the_blob(&fault) => {
                Listing::from_tree(blobs, snapshot, path).map_err(|_| fault)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::accept;
    use crate::base::file::{FileInfo, Mode};
    use crate::base::mac::Mac;
    use crate::format::entry::{DirpackRecord, Entry};
    use crate::format::kind::Generation;

    fn entry(parent: &[u8], name: &[u8], directory: bool) -> Vec<u8> {
        let mode = Mode(if directory { Mode::DIR | 0o755 } else { 0o644 });
        let info = FileInfo { name: name.to_vec(), mode, ..FileInfo::default() };
        Entry { parent_path: parent.to_vec(), info, ..Entry::default() }.encode(Generation::V1_0)
    }

    #[test]
    fn an_entry_cannot_lead_out_of_its_directory() {
        // name of the case, parent, name, is a directory, is marked as one, name before it, accepted
        type Case<'a> = (&'a str, &'a [u8], &'a [u8], bool, bool, Option<(&'a [u8], bool)>, bool);
        let cases: &[Case<'_>] = &[
            ("an ordinary one", b"/d", b"b", false, false, Some((b"a", false)), true),
            ("the first", b"/d", b"b", false, false, None, true),
            ("not utf-8", b"/d", b"\xff\n", false, false, None, true),
            ("a key and keys below it", b"/d", b"a", true, true, Some((b"a", false)), true),
            ("the same twice", b"/d", b"a", false, false, Some((b"a", false)), false),
            ("out of order", b"/d", b"a", false, false, Some((b"b", false)), false),
            ("up", b"/d", b"..", true, true, None, false),
            ("here", b"/d", b".", true, true, None, false),
            ("nothing", b"/d", b"", false, false, None, false),
            ("a path", b"/d", b"x/../../etc", false, false, None, false),
            ("a zero byte", b"/d", b"x\0y", false, false, None, false),
            ("elsewhere", b"/etc", b"passwd", false, false, None, false),
            ("the root again", b"/", b"/", true, true, None, false),
            ("marked as a directory", b"/d", b"b", false, true, None, false),
        ];
        for (case, parent, name, directory, marked, last, wanted) in cases {
            let bytes = entry(parent, name, *directory);
            let record = DirpackRecord { directory: *marked, entry: &bytes, mac: Mac::ZERO };
            let last = last.map(|(name, directory)| (name.to_vec(), directory));
            assert_eq!(accept(b"/d", last.as_ref(), &record).is_ok(), *wanted, "{case}");
        }
    }
}
