//! Values of extended attributes, for restoring them.

use crate::base::mac::Mac;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::snapshot::Snapshot;
use crate::engine::tree::{self, Order};
use crate::format::entry::XattrEntry;
use crate::format::kind::Resource;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Longest value read. Linux allows 64 KiB, macOS keeps whole resource forks so.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// Values kept because many files share them, as security labels are.
const SHARED_VALUES_MAX: usize = 1024;

/// Longest value kept so.
const SHARED_VALUE_BYTES_MAX: usize = 1024;

/// The attributes of one snapshot. Read when the first entry asks for one: the keys of the tree are
/// ambiguous and searched by Plakar in another order than it is built, so it is read as a whole.
pub struct Xattrs<'b, 'r> {
    blobs: &'b Blobs<'r>,
    root: Mac,
    by_key: Option<HashMap<Vec<u8>, Mac>>,
    damage: Option<Error>,
    values: HashMap<Mac, Vec<u8>>,
}

impl<'b, 'r> Xattrs<'b, 'r> {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// `Damaged` for a snapshot without a source.
    pub fn new(blobs: &'b Blobs<'r>, snapshot: &Snapshot) -> Result<Xattrs<'b, 'r>, Error> {
        let root = snapshot.source()?.xattrs;
        Ok(Xattrs { blobs, root, by_key: None, damage: None, values: HashMap::new() })
    }

    /// The value of one attribute of an entry.
    ///
    /// # Errors
    /// `NotFound` when the snapshot was made without it; `Damaged` when it cannot be read; what concerns the store as a whole.
    pub fn value(&mut self, path: &[u8], name: &[u8]) -> Result<Vec<u8>, Error> {
        self.load()?;
        let context = || format!("attribute {}", String::from_utf8_lossy(name));
        let by_key = self.by_key.as_ref();
        // Plakar v1.1.0 and v1.1.1 wrote the bare path as the key.
        let keys = [[path, name, b":"].concat(), path.to_vec()];
        let entries = keys.iter().filter_map(|key| by_key?.get(key));
        for mac in entries {
            let plain =
                self.blobs.get(Resource::XATTR_ENTRY, mac).map_err(|fault| fault.context(context()))?;
            let entry = XattrEntry::decode(&plain).map_err(|fault| Error::from(fault).context(context()))?;
            if entry.path != path || entry.name != name {
                continue;
            }
            if let Some(value) = self.values.get(&entry.object) {
                return Ok(value.clone());
            }
            let value = self
                .blobs
                .content(&entry.object, VALUE_BYTES_MAX)
                .map_err(|fault| fault.context(context()))?;
            if self.values.len() < SHARED_VALUES_MAX && value.len() <= SHARED_VALUE_BYTES_MAX {
                self.values.insert(entry.object, value.clone());
            }
            return Ok(value);
        }
        Err(match &self.damage {
            Some(fault) => fault.clone().context(context()),
            None => Error::new(Kind::NotFound, format!("{}: not in the snapshot", context())),
        })
    }

    fn load(&mut self) -> Result<(), Error> {
        if self.by_key.is_some() {
            return Ok(());
        }
        let mut by_key = HashMap::new();
        let damage = &mut self.damage;
        let scanned =
            tree::scan(self.blobs, tree::ATTRIBUTES, &self.root, Order::Either, None, &mut |found| {
                match found {
                    Ok((key, value)) => {
                        by_key.insert(key.to_vec(), *value);
                    }
                    Err(fault) if blobs::concerns_the_blob(&fault) => *damage = Some(fault),
                    Err(fault) => return Err(fault),
                }
                Ok(ControlFlow::Continue(()))
            });
        match scanned {
            Err(fault) if blobs::concerns_the_blob(&fault) => self.damage = Some(fault),
            other => other?,
        }
        self.by_key = Some(by_key);
        Ok(())
    }
}
