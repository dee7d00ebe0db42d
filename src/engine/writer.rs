//! Blobs into the store, each once.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::codec::{Codec, Packing};
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::packer::{Packer, Part};
use crate::engine::repository::Repository;
use crate::format::config::Config;
use crate::format::kind::{Generation, Resource};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Sets of claimed blobs, by the last four bits of the MAC: workers seldom meet in one.
const SHARDS: usize = 16;

/// Buffers that one thread reuses.
#[derive(Default)]
pub struct Scratch {
    packing: Packing,
    stored: Vec<u8>,
}

/// One run's way into a store.
pub struct Writer<'a> {
    config: &'a Config,
    codec: &'a Codec,
    index: &'a Index,
    world: &'a World,
    packer: &'a Packer<'a>,
    /// Packfiles that were coloured since the index was read.
    hidden: Option<&'a HashSet<Mac>>,
    claimed: [Mutex<HashSet<(u8, Mac)>>; SHARDS],
    fresh: AtomicU64,
}

impl<'a> Writer<'a> {
    /// Beside what `index` knows.
    pub fn new(
        repository: &'a Repository,
        index: &'a Index,
        packer: &'a Packer<'a>,
        world: &'a World,
    ) -> Writer<'a> {
        Writer::spelling(&repository.config, &repository.codec, index, packer, world)
    }

    /// Into whatever `packer` fills, in that spelling.
    pub fn spelling(
        config: &'a Config,
        codec: &'a Codec,
        index: &'a Index,
        packer: &'a Packer<'a>,
        world: &'a World,
    ) -> Writer<'a> {
        let claimed = std::array::from_fn(|_| Mutex::default());
        Writer { config, codec, index, world, packer, hidden: None, claimed, fresh: AtomicU64::new(0) }
    }

    /// The same, not relying on what these packfiles hold.
    #[must_use]
    pub fn without(mut self, hidden: &'a HashSet<Mac>) -> Writer<'a> {
        self.hidden = Some(hidden).filter(|hidden| !hidden.is_empty());
        self
    }

    /// The store's settings.
    pub fn config(&self) -> &'a Config {
        self.config
    }

    /// How the store's items are spelled.
    pub fn codec(&self) -> &'a Codec {
        self.codec
    }

    /// How snapshots are spelled in what is filled.
    pub fn generation(&self) -> Generation {
        self.packer.generation()
    }

    /// What ships the blobs.
    pub fn packer(&self) -> &'a Packer<'a> {
        self.packer
    }

    /// Bytes of the blobs stored so far, before compression.
    pub fn fresh(&self) -> u64 {
        self.fresh.load(Ordering::Relaxed)
    }

    /// Whether the store has the blob, or this run put it there.
    pub fn knows(&self, resource: Resource, mac: &Mac) -> bool {
        self.is_stored(resource, mac)
            || self.shard(mac).lock().unwrap_or_else(PoisonError::into_inner).contains(&key(resource, mac))
    }

    fn is_stored(&self, resource: Resource, mac: &Mac) -> bool {
        let Some(hidden) = self.hidden else { return self.index.contains(resource, mac) };
        let mut places = self.index.places(resource, mac);
        places.any(|place| !hidden.contains(&self.index.packfile(place.packfile)))
    }

    fn shard(&self, mac: &Mac) -> &Mutex<HashSet<(u8, Mac)>> {
        let [.., last] = mac.0;
        #[expect(clippy::indexing_slicing, reason = "a remainder of the length")]
        &self.claimed[usize::from(last) % SHARDS]
    }

    /// Stores a blob of structure under `mac` unless it is known; true when it was new.
    ///
    /// # Errors
    /// The failure that ends the run.
    pub fn put(
        &self,
        resource: Resource,
        mac: Mac,
        plain: &[u8],
        scratch: &mut Scratch,
    ) -> Result<bool, Error> {
        self.store(Part::Structure, resource, mac, plain, false, scratch)
    }

    /// Stores a chunk of a file under `mac` unless it is known; true when it was new. Compression is
    /// not tried where it would gain nothing.
    ///
    /// # Errors
    /// The failure that ends the run.
    pub fn put_content(
        &self,
        mac: Mac,
        plain: &[u8],
        incompressible: bool,
        scratch: &mut Scratch,
    ) -> Result<bool, Error> {
        self.store(Part::Content, Resource::CHUNK, mac, plain, incompressible, scratch)
    }

    fn store(
        &self,
        part: Part,
        resource: Resource,
        mac: Mac,
        plain: &[u8],
        incompressible: bool,
        scratch: &mut Scratch,
    ) -> Result<bool, Error> {
        if self.is_stored(resource, &mac) {
            return Ok(false);
        }
        // Claimed before it is sealed, so that no two workers store the same blob.
        // An entry holds its path, so that no other one of the snapshot can be the same.
        let once = resource == Resource::VFS_ENTRY && !self.packer.fills_archive();
        if !once
            && !self.shard(&mac).lock().unwrap_or_else(PoisonError::into_inner).insert(key(resource, &mac))
        {
            return Ok(false);
        }
        let Scratch { packing, stored } = scratch;
        stored.clear();
        self.codec.encode_with(plain, incompressible, &*self.world.dice, packing, stored);
        self.packer.append(part, resource, mac, stored)?;
        self.fresh.fetch_add(plain.len() as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// Stores a blob under the MAC of its content, and gives that.
    ///
    /// # Errors
    /// As [`Writer::put`].
    pub fn put_named(&self, resource: Resource, plain: &[u8], scratch: &mut Scratch) -> Result<Mac, Error> {
        let mac = self.codec.mac(plain);
        self.put(resource, mac, plain, scratch)?;
        Ok(mac)
    }
}

fn key(resource: Resource, mac: &Mac) -> (u8, Mac) {
    // Types of blobs are below 256.
    (resource.0 as u8, *mac)
}
