//! A snapshot as its readers see it: header, directories, entries.

use crate::base::file::{FileInfo, Mode};
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::listing::{Directories, Listing};
use crate::engine::plan::{Fetcher, Want};
use crate::engine::tree;
use crate::format::entry::Entry;
use crate::format::kind::Resource;
use crate::format::snapshot::{Header, SnapshotSource};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Symbolic links followed while one path is looked up, as Linux does.
const LINKS_MAX: usize = 40;

/// An opened snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id.
    pub id: Mac,
    /// Its header. The first source exists.
    pub header: Header,
    /// Keyed digest of the header's bytes: what a signature signs.
    pub digest: Mac,
}

impl Snapshot {
    /// Reads the header.
    ///
    /// # Errors
    /// As for [`Blobs::get`]; `Damaged` when the header is another snapshot's or names no source.
    pub fn open(blobs: &Blobs<'_>, id: &Mac) -> Result<Snapshot, Error> {
        Snapshot::decode(blobs, id, &blobs.get(Resource::SNAPSHOT, id)?)
    }

    fn decode(blobs: &Blobs<'_>, id: &Mac, plain: &[u8]) -> Result<Snapshot, Error> {
        let context = || format!("snapshot {}", id.short());
        let header = Header::decode(plain).map_err(|fault| Error::from(fault).context(context()))?;
        if header.identifier != *id {
            let what = format!("{}: its header says it is {}", context(), header.identifier);
            return Err(Error::new(Kind::Damaged, what));
        }
        if header.sources.is_empty() {
            return Err(Error::new(Kind::Damaged, format!("{}: its header names no source", context())));
        }
        Ok(Snapshot { id: *id, header, digest: blobs.repository().codec.mac(plain) })
    }

    /// The first source, which is the only one that readers look at.
    ///
    /// # Errors
    /// `Damaged` when there is none, which an opened snapshot never has.
    pub fn source(&self) -> Result<&SnapshotSource, Error> {
        Ok(self.header.source()?)
    }

    /// Bytes of everything in it that is no directory.
    pub fn size(&self) -> u64 {
        self.header.sources.first().map_or(0, |source| source.summary.total_size())
    }

    /// The backed-up directory, which relative paths start from.
    pub fn root(&self) -> Vec<u8> {
        self.header.sources.first().map_or_else(|| b"/".to_vec(), |source| path::clean(&source.directory))
    }

    /// The value of a named index.
    pub fn index(&self, name: &str) -> Option<Mac> {
        self.header.sources.first()?.index(name).copied()
    }

    /// The entries of a directory, in name order.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory; the first part of it that cannot be read.
    pub fn directory(&self, blobs: &Blobs<'_>, path: &[u8]) -> Result<Vec<Entry>, Error> {
        let listing = Listing::find(blobs, self, path)?;
        listing.map(|record| record.map(|record| record.entry)).collect()
    }

    /// The entry under exactly that clean path, links not followed.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn lookup(&self, blobs: &Blobs<'_>, path: &[u8]) -> Result<Option<Entry>, Error> {
        let tree = &self.source()?.root;
        let found = tree::find(blobs, tree::FILES, tree, path, tree::Order::Path);
        let by_tree = match found {
            Ok(None) => return Ok(None),
            Ok(Some(name)) if path == b"/" && self.lacks_its_root(blobs, &name) => {
                return Ok(Some(self.made_up_root()));
            }
            Ok(Some(name)) => {
                blobs.get(Resource::VFS_ENTRY, &name).and_then(|plain| decode_entry(path, &plain))
            }
            Err(fault) => Err(fault),
        };
        match by_tree {
            Ok(entry) => Ok(Some(entry)),
            // The directory's own list has the same entry once more; the tree may name one that
            // was never stored.
            Err(fault) if blobs::concerns_the_blob(&fault) && path != b"/" => {
                let name = path::base_name(path);
                let Ok(mut listing) = Listing::find(blobs, self, path::parent(path)) else {
                    return Err(fault);
                };
                let held =
                    listing.find_map(|record| record.ok().filter(|found| found.entry.info.name == name));
                held.map(|record| Some(record.entry)).ok_or(fault)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Whether the entry of `/` was never stored. The first backup that Plakar v1.1 makes over a
    /// snapshot of v1.0 names its entries anew and stores only those that changed; the lists of
    /// directories hold all the others, but `/` is in no list.
    fn lacks_its_root(&self, blobs: &Blobs<'_>, name: &Mac) -> bool {
        self.header.dataset.is_some() && !blobs.index().contains(Resource::VFS_ENTRY, name)
    }

    fn made_up_root(&self) -> Entry {
        let info = FileInfo {
            name: b"/".to_vec(),
            mode: Mode(Mode::DIR | 0o755),
            mod_time: self.header.timestamp,
            ..FileInfo::default()
        };
        Entry { parent_path: b"/".to_vec(), info, ..Entry::default() }
    }

    /// The entry a path leads to, every symbolic link on the way and at its end followed. Its own
    /// [`Entry::path`] says where that is.
    ///
    /// # Errors
    /// `NotFound` when it leads nowhere; what cannot be read.
    pub fn entry(&self, blobs: &Blobs<'_>, path: &[u8]) -> Result<Entry, Error> {
        let missing = || {
            let what = format!("{}: file does not exist", String::from_utf8_lossy(path));
            Error::new(Kind::NotFound, what)
        };
        let wanted = path::clean(path);
        let direct = self.lookup(blobs, &wanted)?;
        if let Some(entry) = direct.filter(|entry| !entry.info.mode.is_symlink()) {
            return Ok(entry);
        }
        let mut ahead: Vec<Vec<u8>> = components_reversed(&wanted);
        let mut here = b"/".to_vec();
        let mut entry = self.lookup(blobs, &here)?.ok_or_else(missing)?;
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                here = path::parent(&here).to_vec();
                entry = self.lookup(blobs, &here)?.ok_or_else(missing)?;
                continue;
            }
            let next = path::join(&here, &name);
            let found = self.lookup(blobs, &next)?.ok_or_else(missing)?;
            if !found.info.mode.is_symlink() {
                here = next;
                entry = found;
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                let what = format!("{}: too many symbolic links", String::from_utf8_lossy(path));
                return Err(Error::new(Kind::NotFound, what));
            }
            if found.symlink_target.first() == Some(&b'/') {
                here = b"/".to_vec();
                entry = self.lookup(blobs, &here)?.ok_or_else(missing)?;
            }
            ahead.extend(components_reversed(&found.symlink_target));
        }
        Ok(entry)
    }

    /// Every directory's list, to be opened by path: for walks.
    ///
    /// # Errors
    /// Only those that concern the store as a whole; a damaged index is told by
    /// [`Directories::damage`].
    pub fn directories(&self, blobs: &Blobs<'_>) -> Result<Directories, Error> {
        Directories::load(blobs, self)
    }
}

/// The snapshots of a store.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// Those with a readable header, newest first.
    pub readable: Vec<Snapshot>,
    /// Those whose header is lost or damaged, and why. The states know them all the same.
    pub problems: Vec<(Mac, Error)>,
}

/// Opens every given snapshot, headers read side by side.
///
/// # Errors
/// Those that concern the store as a whole.
pub fn open_all(fetcher: &Fetcher<'_, '_>, ids: &[Mac]) -> Result<Snapshots, Error> {
    let mut wants: Vec<Want> =
        ids.iter().map(|id| Want { resource: Resource::SNAPSHOT, mac: *id, tag: 0 }).collect();
    let opened: Mutex<HashMap<Mac, Result<Snapshot, Error>>> = Mutex::default();
    fetcher.run(&mut wants, &|wants, result| {
        for want in wants.iter().take(1) {
            let snapshot = match result {
                Ok(plain) => Snapshot::decode(fetcher.blobs(), &want.mac, plain),
                Err(fault) => Err(fault.clone()),
            };
            opened.lock().unwrap_or_else(PoisonError::into_inner).insert(want.mac, snapshot);
        }
        Ok(())
    })?;
    let mut snapshots = Snapshots::default();
    for (id, opened) in opened.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match opened {
            Ok(snapshot) => snapshots.readable.push(snapshot),
            Err(fault) => snapshots.problems.push((id, fault)),
        }
    }
    snapshots.readable.sort_by(|a, b| b.header.timestamp.cmp(&a.header.timestamp).then(a.id.cmp(&b.id)));
    snapshots.problems.sort_by_key(|(id, _)| *id);
    Ok(snapshots)
}

/// Decodes a file entry that was found under `path`, and makes sure it belongs there.
///
/// # Errors
/// `Damaged`.
pub fn decode_entry(path: &[u8], plain: &[u8]) -> Result<Entry, Error> {
    let shown = || format!("entry {}", String::from_utf8_lossy(path));
    let entry = Entry::decode(plain).map_err(|fault| Error::from(fault).context(shown()))?;
    if entry.info.name != path::base_name(path) {
        let says = String::from_utf8_lossy(&entry.path()).into_owned();
        return Err(Error::new(Kind::Damaged, format!("{}: says it is {says}", shown())));
    }
    entry.validate(path::parent(path)).map_err(|fault| Error::from(fault).context(shown()))?;
    Ok(entry)
}

fn components_reversed(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/').rev();
    parts.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
}
