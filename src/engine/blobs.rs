//! Reading one blob: where it is, its bytes, what they decode to, and whether that is what its
//! name says.
//!
//! Packfiles are read in aligned blocks that stay in memory for a while, since what a walk asks
//! for next mostly lies beside what it asked for last. Damage is declared only after every place
//! was tried, and read once more past the cache.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::engine::codec::Space;
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Index, Place};
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::Resource;
use crate::format::object::Object;
use crate::ports::fault::FaultKind;
use crate::ports::store::Item;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Block length for walks, which read most of what lies together.
pub const WALK_BLOCK_BYTES: usize = 8 << 20;

/// Blocks kept on a walk: where it is, and the ends of the directories it is in.
pub const WALK_BLOCKS: usize = 3;

/// Block length for single look-ups.
pub const LOOKUP_BLOCK_BYTES: usize = 256 << 10;

/// Blocks kept for look-ups.
pub const LOOKUP_BLOCKS: usize = 32;

/// Stored bytes: part of a block, or read for the purpose.
pub struct Stored {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Stored {
    fn whole(bytes: Vec<u8>) -> Stored {
        let range = 0..bytes.len();
        Stored { bytes: Arc::new(bytes), range }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }

    /// The buffer they were read into, when nobody else uses it.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        Arc::try_unwrap(self.bytes).ok()
    }
}

enum Slot {
    Loading,
    Ready { bytes: Arc<Vec<u8>>, used: u64 },
}

#[derive(Default)]
struct Cache {
    slots: HashMap<(u32, u64), Slot>,
    clock: u64,
}

/// Reads verified blobs of one repository. Shared between threads; no block is fetched twice at
/// the same time.
pub struct Blobs<'r> {
    repository: &'r Repository,
    index: &'r Index,
    block_bytes: u64,
    blocks: usize,
    cache: Mutex<Cache>,
    loaded: Condvar,
    /// Packfiles that the store said it does not have.
    gone: Mutex<HashSet<u32>>,
    /// Buffers not in use, one for each thread that reads at once.
    spaces: Mutex<Vec<Space>>,
}

impl<'r> Blobs<'r> {
    /// Keeps at most `blocks` blocks of `block_bytes` bytes each.
    pub fn new(repository: &'r Repository, index: &'r Index, block_bytes: usize, blocks: usize) -> Blobs<'r> {
        Blobs {
            repository,
            index,
            block_bytes: block_bytes.max(1) as u64,
            blocks: blocks.max(1),
            cache: Mutex::default(),
            loaded: Condvar::new(),
            gone: Mutex::default(),
            spaces: Mutex::default(),
        }
    }

    /// With a cache for walks.
    pub fn for_walks(repository: &'r Repository, index: &'r Index) -> Blobs<'r> {
        Blobs::new(repository, index, WALK_BLOCK_BYTES, WALK_BLOCKS)
    }

    /// With a cache for looking single things up.
    pub fn for_lookups(repository: &'r Repository, index: &'r Index) -> Blobs<'r> {
        Blobs::new(repository, index, LOOKUP_BLOCK_BYTES, LOOKUP_BLOCKS)
    }

    /// Where the blobs are.
    pub fn index(&self) -> &'r Index {
        self.index
    }

    /// Whose blobs they are.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// The blob's plaintext, which is what its name says; a header or a signature, whose name is
    /// no digest, is as authentic as the store's encryption makes it.
    ///
    /// # Errors
    /// `NotFound` when no state knows it, `Damaged` when every place is lost or altered; others
    /// from the store.
    pub fn get(&self, resource: Resource, mac: &Mac) -> Result<Vec<u8>, Error> {
        for place in self.index.places(resource, mac) {
            let read = self
                .stored(resource, place)
                .and_then(|stored| self.plain(resource, mac, place, stored.as_slice()));
            match read {
                Ok(plain) => return Ok(plain),
                Err(fault) if concerns_the_blob(&fault) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.recover(resource, mac)
    }

    /// As [`Blobs::get`], but straight from the store, each place once. For what failed once.
    ///
    /// # Errors
    /// As for `get`; the error is that of the last place.
    pub fn recover(&self, resource: Resource, mac: &Mac) -> Result<Vec<u8>, Error> {
        let mut last = None;
        for place in self.index.places(resource, mac) {
            let read = self
                .exact(resource, place)
                .and_then(|stored| self.plain(resource, mac, place, stored.as_slice()));
            match read {
                Ok(plain) => return Ok(plain),
                Err(fault) if concerns_the_blob(&fault) => last = Some(fault),
                Err(fault) => return Err(fault),
            }
        }
        Err(last.unwrap_or_else(|| unknown(resource, mac)))
    }

    fn plain(&self, resource: Resource, mac: &Mac, place: Place, stored: &[u8]) -> Result<Vec<u8>, Error> {
        self.borrowing(|space| self.open(resource, mac, place, stored, space).map(<[u8]>::to_vec))
    }

    /// Lends buffers that other threads do not use now.
    fn borrowing<T>(&self, work: impl FnOnce(&mut Space) -> T) -> T {
        let spaces = || self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut space = spaces().pop().unwrap_or_default();
        let done = work(&mut space);
        spaces().push(space);
        done
    }

    /// Decodes stored bytes and verifies them against the name.
    ///
    /// # Errors
    /// `Damaged` or `Unsupported`, naming packfile, offset, type and name.
    pub fn open<'s>(
        &self,
        resource: Resource,
        mac: &Mac,
        place: Place,
        stored: &'s [u8],
        space: &'s mut Space,
    ) -> Result<&'s [u8], Error> {
        self.verified(resource, mac, stored, space)
            .map_err(|fault| fault.context(self.describe(resource, mac, place)))
    }

    /// Verifies stored bytes, wherever they are from, and shows the plaintext.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn verify<T>(
        &self,
        resource: Resource,
        mac: &Mac,
        stored: &[u8],
        show: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Error> {
        self.borrowing(|space| self.verified(resource, mac, stored, space).map(show))
    }

    fn verified<'s>(
        &self,
        resource: Resource,
        mac: &Mac,
        stored: &'s [u8],
        space: &'s mut Space,
    ) -> Result<&'s [u8], Error> {
        let codec = &self.repository.codec;
        let plain = codec.decode_in(stored, plain_max(resource), space)?;
        let named_by_digest = resource != Resource::SNAPSHOT && resource != Resource::SIGNATURE;
        if named_by_digest && codec.mac(plain) != *mac {
            return Err(Error::new(Kind::Damaged, "its content is not what its name says"));
        }
        Ok(plain)
    }

    /// The chunk list of a file, an attribute's value or a directory.
    ///
    /// # Errors
    /// As for [`Blobs::get`]; `Damaged` when it cannot be decoded.
    pub fn object(&self, mac: &Mac) -> Result<Object, Error> {
        decode_object(mac, &self.get(Resource::OBJECT, mac)?)
    }

    /// The whole content of an object that is expected to be small.
    ///
    /// # Errors
    /// As for [`Blobs::get`]; `Damaged` when it is longer than `limit` or its chunks are not as
    /// long as promised.
    pub fn content(&self, mac: &Mac, limit: usize) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        for chunk in self.object(mac)?.chunks {
            if content.len().saturating_add(chunk.length as usize) > limit {
                let what = format!("object {}: longer than {limit} bytes", mac.short());
                return Err(Error::new(Kind::Damaged, what));
            }
            let bytes = self.get(Resource::CHUNK, &chunk.mac)?;
            check_length(&chunk.mac, bytes.len(), chunk.length)?;
            content.extend_from_slice(&bytes);
        }
        Ok(content)
    }

    /// Stored bytes of a packfile, `offset` counted as in the index; from the cache when they are
    /// there, otherwise read for the purpose, into `buffer`, and not kept.
    ///
    /// # Errors
    /// The store's; `Damaged` when the packfile is shorter.
    pub fn read(&self, packfile: u32, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Stored, Error> {
        match self.peek(packfile, offset, length) {
            Some(stored) => Ok(stored),
            None => self.fetch_into(packfile, offset.saturating_add(HEAD), length, buffer).map(Stored::whole),
        }
    }

    /// `packfile 3f9a… at 1234: chunk 8bb0d167`
    pub fn describe(&self, resource: Resource, mac: &Mac, place: Place) -> String {
        let packfile = self.index.packfile(place.packfile);
        format!("packfile {packfile} at {}: {resource} {}", place.offset, mac.short())
    }

    fn stored(&self, resource: Resource, place: Place) -> Result<Stored, Error> {
        let length = place.length as usize;
        if u64::from(place.length) > self.block_bytes {
            return self.exact(resource, place);
        }
        let Some((first, last)) = self.span(place.offset, length) else { return self.exact(resource, place) };
        let mut joined = Vec::new();
        for number in first..=last {
            let bytes = self.block(place.packfile, number)?;
            let range = self.part(number, place.offset, length, bytes.len());
            if first == last && range.len() == length {
                return Ok(Stored { bytes, range });
            }
            joined.extend_from_slice(bytes.get(range).unwrap_or_default());
        }
        // Short: the index knows of a later blob than there are bytes, so the last block is cut.
        if joined.len() == length { Ok(Stored::whole(joined)) } else { self.exact(resource, place) }
    }

    fn exact(&self, resource: Resource, place: Place) -> Result<Stored, Error> {
        self.refuse_oversized(resource, place)?;
        self.fetch(place.packfile, place.offset.saturating_add(HEAD), place.length as usize)
            .map(Stored::whole)
    }

    /// Refuses a length that no blob of that type has, before anything is allocated for it.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn refuse_oversized(&self, resource: Resource, place: Place) -> Result<(), Error> {
        if place.length as usize <= plain_max(resource) + limits::STORED_OVERHEAD_BYTES_MAX {
            return Ok(());
        }
        let packfile = self.index.packfile(place.packfile);
        let what = format!("packfile {packfile} at {}: a {resource} of {} bytes", place.offset, place.length);
        Err(Error::new(Kind::Damaged, what))
    }

    /// First and last block that hold the bytes.
    fn span(&self, offset: u64, length: usize) -> Option<(u64, u64)> {
        let start = offset.checked_add(HEAD)?;
        let last = start.checked_add((length as u64).max(1))? - 1;
        Some((start / self.block_bytes, last / self.block_bytes))
    }

    /// Which part of a block of `held` bytes belongs to the wanted bytes.
    fn part(&self, block: u64, offset: u64, length: usize, held: usize) -> Range<usize> {
        let base = block * self.block_bytes;
        let start = (offset + HEAD).saturating_sub(base);
        let end = (offset + HEAD + length as u64).saturating_sub(base);
        let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(held);
        clamp(start)..clamp(end)
    }

    fn peek(&self, packfile: u32, offset: u64, length: usize) -> Option<Stored> {
        let (first, last) = self.span(offset, length)?;
        let cache = self.lock();
        let block = |number| match cache.slots.get(&(packfile, number)) {
            Some(Slot::Ready { bytes, .. }) => Some(Arc::clone(bytes)),
            _ => None,
        };
        let blocks: Vec<(u64, Arc<Vec<u8>>)> =
            (first..=last).map(|number| block(number).map(|bytes| (number, bytes))).collect::<Option<_>>()?;
        drop(cache);
        if let [(number, bytes)] = blocks.as_slice() {
            let range = self.part(*number, offset, length, bytes.len());
            let stored = Stored { bytes: Arc::clone(bytes), range };
            return (stored.as_slice().len() == length).then_some(stored);
        }
        let mut joined = Vec::with_capacity(length);
        for (number, bytes) in blocks {
            joined.extend_from_slice(bytes.get(self.part(number, offset, length, bytes.len()))?);
        }
        (joined.len() == length).then(|| Stored::whole(joined))
    }

    fn block(&self, packfile: u32, number: u64) -> Result<Arc<Vec<u8>>, Error> {
        let key = (packfile, number);
        let mut cache = self.lock();
        loop {
            cache.clock += 1;
            let now = cache.clock;
            match cache.slots.get_mut(&key) {
                Some(Slot::Ready { bytes, used }) => {
                    *used = now;
                    return Ok(Arc::clone(bytes));
                }
                Some(Slot::Loading) => {
                    cache = self.loaded.wait(cache).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        cache.make_room(self.blocks);
        cache.slots.insert(key, Slot::Loading);
        drop(cache);

        let end = self.index.packfile_end(packfile).saturating_add(HEAD);
        let start = number * self.block_bytes;
        let length = end.saturating_sub(start).min(self.block_bytes);
        let fetched =
            self.fetch(packfile, start, usize::try_from(length).unwrap_or(usize::MAX)).map(Arc::new);

        let mut cache = self.lock();
        cache.clock += 1;
        let used = cache.clock;
        match &fetched {
            Ok(bytes) => cache.slots.insert(key, Slot::Ready { bytes: Arc::clone(bytes), used }),
            Err(_) => cache.slots.remove(&key),
        };
        drop(cache);
        self.loaded.notify_all();
        fetched
    }

    /// `start` counts from the beginning of the file.
    fn fetch(&self, packfile: u32, start: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.fetch_into(packfile, start, length, Vec::new())
    }

    fn fetch_into(
        &self,
        packfile: u32,
        start: u64,
        length: usize,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let item = Item::Packfile(self.index.packfile(packfile));
        let gone = || self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone().contains(&packfile) {
            return Err(Error::new(Kind::Store(FaultKind::Missing), format!("{item}: not in the store")));
        }
        self.repository.store.get_range_into(item, start, length, &mut buffer).map_err(|fault| {
            if fault.kind == FaultKind::Missing {
                gone().insert(packfile);
            }
            Error::from(fault)
        })?;
        Ok(buffer)
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // A panic elsewhere leaves at worst a block marked as loading; the map itself is sound.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// Drops the blocks unused for longest, until another fits. Blocks being loaded stay.
    fn make_room(&mut self, blocks: usize) {
        while self.slots.len() >= blocks {
            let oldest = self
                .slots
                .iter()
                .filter_map(|(key, slot)| match slot {
                    Slot::Ready { used, .. } => Some((*used, *key)),
                    Slot::Loading => None,
                })
                .min();
            match oldest {
                Some((_, key)) => self.slots.remove(&key),
                None => return,
            };
        }
    }
}

/// Offsets in the index count from behind the envelope's head.
const HEAD: u64 = envelope::HEAD as u64;

fn plain_max(resource: Resource) -> usize {
    match resource {
        Resource::CHUNK => limits::BLOB_BYTES_MAX,
        Resource::OBJECT => limits::OBJECT_BYTES_MAX,
        _ => limits::META_BYTES_MAX,
    }
}

/// Whether the failure is this blob's own, so that others may still be read; a store that cannot
/// be reached concerns them all.
pub fn concerns_the_blob(fault: &Error) -> bool {
    matches!(
        fault.kind,
        Kind::Damaged
            | Kind::NotFound
            | Kind::Store(FaultKind::Missing | FaultKind::Damaged | FaultKind::Changed)
    )
}

/// No state knows such a blob.
pub fn unknown(resource: Resource, mac: &Mac) -> Error {
    Error::new(
        Kind::NotFound,
        format!("{resource} {}: in no packfile that the store's states name", mac.short()),
    )
}

/// Decodes an OBJECT blob, naming it in the error.
///
/// # Errors
/// `Damaged`.
pub fn decode_object(mac: &Mac, plain: &[u8]) -> Result<Object, Error> {
    Object::decode(plain).map_err(|fault| Error::from(fault).context(format!("object {}", mac.short())))
}

/// A chunk must be as long as the object says, or everything behind it lands elsewhere.
///
/// # Errors
/// `Damaged`.
pub fn check_length(mac: &Mac, is: usize, promised: u32) -> Result<(), Error> {
    if is == promised as usize {
        return Ok(());
    }
    let what = format!("chunk {}: {is} bytes, its object says {promised}", mac.short());
    Err(Error::new(Kind::Damaged, what))
}
