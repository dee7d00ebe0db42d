//! What the snapshots of a store need: every blob that can be reached from one of them.
//!
//! Whatever is missed here is lost one day, so everything is followed that a header can name,
//! attributes' content included, and what cannot be read ends the run.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::listing::DIRPACK;
use crate::engine::snapshot::Snapshot;
use crate::engine::tree::{self, Kinds};
use crate::engine::walk::Walk;
use crate::format::btree::{Node, Root};
use crate::format::entry::{Entry, XattrEntry};
use crate::format::kind::Resource;
use crate::format::snapshot::SnapshotSource;

/// Blobs marked, by the position of their first place in the index: a byte each.
pub struct Live<'x, 'r> {
    blobs: &'x Blobs<'r>,
    world: &'x World,
    marked: Vec<bool>,
    /// A file tree named an entry that is nowhere.
    dangling: bool,
}

/// One marked blob and all places where it is.
pub struct Marked {
    /// Its type.
    pub resource: Resource,
    /// Its name.
    pub mac: Mac,
    /// Numbers of the packfiles that hold it.
    pub packfiles: Vec<u32>,
}

/// Sees the values of a tree.
type Visit<'v, 'x, 'r> = dyn FnMut(&mut Live<'x, 'r>, &Mac) -> Result<(), Error> + 'v;

impl<'x, 'r> Live<'x, 'r> {
    /// Nothing is marked.
    pub fn new(blobs: &'x Blobs<'r>, world: &'x World) -> Live<'x, 'r> {
        Live { blobs, world, marked: vec![false; blobs.index().len()], dangling: false }
    }

    /// Marks everything a snapshot needs.
    ///
    /// # Errors
    /// A part of its structure that cannot be read: what it needs is then unknown.
    pub fn snapshot(&mut self, id: &Mac) -> Result<(), Error> {
        self.follow(id).map_err(|error| match blobs::concerns_the_blob(&error) {
            true => error
                .context(format_args!("snapshot {} cannot be read, so what it needs is unknown", id.short()))
                .with_remedy("check tells what is damaged; repair the store, or rm that snapshot"),
            false => error,
        })
    }

    fn follow(&mut self, id: &Mac) -> Result<(), Error> {
        self.mark(Resource::SNAPSHOT, id);
        self.mark(Resource::SIGNATURE, id);
        let snapshot = Snapshot::open(self.blobs, id)?;
        self.dangling = false;
        snapshot.header.sources.iter().try_for_each(|source| self.source(source))?;
        if self.dangling { self.listed(&snapshot) } else { Ok(()) }
    }

    /// What the lists of directories say, for trees that name entries which were never stored.
    fn listed(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let start = snapshot.entry(self.blobs, b"/")?;
        for step in Walk::new(self.blobs, snapshot, start)? {
            let object = step.map_err(|unread| unread.error)?.entry.object;
            if !object.is_zero() {
                self.object(&object)?;
            }
        }
        Ok(())
    }

    fn source(&mut self, source: &SnapshotSource) -> Result<(), Error> {
        self.tree(tree::FILES, &source.root, &mut |live, entry| live.entry(entry))?;
        self.tree(tree::ERRORS, &source.errors, &mut |live, entry| {
            live.mark(Resource::ERROR_ENTRY, entry);
            Ok(())
        })?;
        self.tree(tree::ATTRIBUTES, &source.xattrs, &mut |live, entry| {
            if live.is_new(Resource::XATTR_ENTRY, entry)? {
                let plain = live.blobs.get(Resource::XATTR_ENTRY, entry)?;
                live.object(&XattrEntry::decode(&plain)?.object)?;
            }
            Ok(())
        })?;
        for index in &source.indexes {
            if index.kind != "btree" {
                let what = format!("index {}: of the unknown kind {}", index.name, index.kind);
                return Err(Error::new(Kind::Unsupported, what));
            }
            let name = index.name.as_str();
            self.tree(tree::INDEX, &index.value, &mut |live, value| {
                if name == DIRPACK {
                    return live.object(value);
                }
                // Whatever has that name: no index that is unknown here loses what it points to.
                for resource in (0..=255).map(Resource) {
                    live.mark(resource, value);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A tree that was seen, or a part of it, has everything below it marked already.
    fn tree(&mut self, kinds: Kinds, root: &Mac, visit: &mut Visit<'_, 'x, 'r>) -> Result<(), Error> {
        if root.is_zero() || !self.is_new(kinds.root, root)? {
            return Ok(());
        }
        let mut ahead = vec![Root::decode(&self.blobs.get(kinds.root, root)?)?.root];
        while let Some(name) = ahead.pop() {
            if self.world.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            if !self.is_new(kinds.node, &name)? {
                continue;
            }
            let node = Node::decode(&self.blobs.get(kinds.node, &name)?)?;
            // The last one is looked at first: first things lie first.
            ahead.extend(node.pointers.iter().rev());
            node.values.iter().try_for_each(|value| visit(self, value))?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &Mac) -> Result<(), Error> {
        match self.mark(Resource::VFS_ENTRY, name) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                self.dangling = true;
                return Ok(());
            }
        }
        let entry = Entry::decode(&self.blobs.get(Resource::VFS_ENTRY, name)?)?;
        match entry.object.is_zero() {
            true => Ok(()),
            false => self.object(&entry.object),
        }
    }

    fn object(&mut self, name: &Mac) -> Result<(), Error> {
        if !self.is_new(Resource::OBJECT, name)? {
            return Ok(());
        }
        for chunk in self.blobs.object(name)?.chunks {
            // One that is nowhere cannot be lost any more.
            self.mark(Resource::CHUNK, &chunk.mac);
        }
        Ok(())
    }

    /// Marks a blob; true when it was not yet.
    fn is_new(&mut self, resource: Resource, mac: &Mac) -> Result<bool, Error> {
        self.mark(resource, mac).ok_or_else(|| blobs::unknown(resource, mac))
    }

    fn mark(&mut self, resource: Resource, mac: &Mac) -> Option<bool> {
        let position = self.blobs.index().position(resource, mac)?;
        let marked = self.marked.get_mut(position)?;
        Some(!std::mem::replace(marked, true))
    }

    /// Calls for every marked blob.
    pub fn each(&self, visit: &mut dyn FnMut(Marked)) {
        let mut current: Option<Marked> = None;
        for (position, (resource, mac, place)) in self.blobs.index().iter().enumerate() {
            // The places of a blob follow one another; the mark is at the first.
            if let Some(blob) = &mut current
                && (blob.resource, blob.mac) == (resource, mac)
            {
                blob.packfiles.push(place.packfile);
                continue;
            }
            if let Some(blob) = current.take() {
                visit(blob);
            }
            if self.marked.get(position) == Some(&true) {
                current = Some(Marked { resource, mac, packfiles: vec![place.packfile] });
            }
        }
        if let Some(blob) = current {
            visit(blob);
        }
    }
}
