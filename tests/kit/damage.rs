//! A store whose files are damaged on their way out, and the blobs of a store by type.

use plakar::base::mac::Mac;
use plakar::engine::repository::Repository;
use plakar::format::envelope;
use plakar::format::kind::Resource;
use plakar::format::state::{self, Entry, Location};
use plakar::ports::fault::{Fault, FaultKind};
use plakar::ports::store::{Access, Item, Kind, Listed, Store};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

/// Where in the file of a packfile its payload begins.
const HEAD: u64 = envelope::HEAD as u64;

/// A store around a store; counts ranged reads.
pub struct Damaged {
    inner: Arc<dyn Store>,
    flips: Mutex<Vec<(Item, u64)>>,
    lost: Mutex<HashSet<Item>>,
    /// Ranged reads so far.
    pub reads: Mutex<Vec<(Item, u64, usize)>>,
}

impl Damaged {
    /// Whole so far.
    pub fn new(inner: Arc<dyn Store>) -> Damaged {
        Damaged { inner, flips: Mutex::default(), lost: Mutex::default(), reads: Mutex::default() }
    }

    /// One bit in the middle of a blob is wrong from now on.
    pub fn flip(&self, place: &Location) {
        let at = HEAD + place.offset + u64::from(place.length) / 2;
        self.flips.lock().unwrap().push((Item::Packfile(place.packfile), at));
    }

    /// The file is gone from now on.
    pub fn lose(&self, item: Item) {
        self.lost.lock().unwrap().insert(item);
    }

    /// Everything is whole again, and nothing was read.
    pub fn heal(&self) {
        self.flips.lock().unwrap().clear();
        self.lost.lock().unwrap().clear();
        self.reads.lock().unwrap().clear();
    }

    fn spoil(&self, item: Item, offset: u64, bytes: &mut [u8]) {
        for (_, at) in self.flips.lock().unwrap().iter().filter(|(flipped, _)| *flipped == item) {
            if let Some(byte) = at.checked_sub(offset).and_then(|at| bytes.get_mut(at as usize)) {
                *byte ^= 0x10;
            }
        }
    }

    fn refuse_lost(&self, item: Item) -> Result<(), Fault> {
        match self.lost.lock().unwrap().contains(&item) {
            true => Err(Fault::new(FaultKind::Missing, format!("get {item}: not there"))),
            false => Ok(()),
        }
    }
}

impl Store for Damaged {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn access(&self) -> Access {
        self.inner.access()
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        self.inner.create(config)
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        self.refuse_lost(item)?;
        let mut bytes = self.inner.get(item, limit)?;
        self.spoil(item, 0, &mut bytes);
        Ok(bytes)
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        self.reads.lock().unwrap().push((item, offset, length));
        self.refuse_lost(item)?;
        let mut bytes = self.inner.get_range(item, offset, length)?;
        self.spoil(item, offset, &mut bytes);
        Ok(bytes)
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        self.inner.put(item, body)
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        self.inner.delete(item)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let lost = self.lost.lock().unwrap().clone();
        let listed = self.inner.list(kind)?;
        Ok(listed.into_iter().filter(|file| !lost.contains(&Item::new(kind, file.id))).collect())
    }
}

/// Every blob but padding that the states of a store know, by type.
pub fn blobs(repository: &Repository) -> BTreeMap<Resource, Vec<Location>> {
    let mut found: BTreeMap<Resource, BTreeMap<Mac, Location>> = BTreeMap::new();
    for file in repository.store.list(Kind::State).unwrap() {
        let bytes = repository.store.get(Item::State(file.id), u64::MAX).unwrap();
        let (version, payload) = envelope::open(&bytes, Resource::STATE, repository.codec.keyed()).unwrap();
        let body = repository.codec.decode(payload, usize::MAX).unwrap();
        state::decode(&body, version, &mut |entry| {
            if let Entry::Location(place) = entry
                && place.resource != Resource::RANDOM
            {
                found.entry(place.resource).or_default().insert(place.mac, place);
            }
        })
        .unwrap();
    }
    found.into_iter().map(|(resource, places)| (resource, places.into_values().collect())).collect()
}
