//! Where every blob is: the union of all states in one sorted array.
//!
//! 47 bytes a location: ten million blobs take 470 MB. Names are digests and spread evenly, so that
//! a name itself says about where it lies; a few looks find it, where halving would take 24 steps,
//! most of them far apart in memory.

use crate::base::mac::Mac;
use crate::engine::error::Error;
use crate::engine::states::State;
use crate::format::kind::{Generation, Resource, Version};
use crate::format::state::{self, Entry, Location, Meta};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Type, MAC, packfile number, offset (48 bits), length: big-endian, so that bytes sort as numbers.
const RECORD: usize = 1 + 32 + 4 + 6 + 4;
const KEY: usize = 33;

type Record = [u8; RECORD];

/// Guesses at a record's place before the rest is halved: two do for names that are digests.
const GUESSES_MAX: usize = 8;

/// Records that are close enough to be halved at once.
const NEAR: usize = 64;

/// Where one blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the packfile in this index, see [`Index::packfile`].
    pub packfile: u32,
    /// From the start of the packfile's payload: 16 less than in the file.
    pub offset: u64,
    /// Stored bytes.
    pub length: u32,
}

/// What is known of a packfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packfile {
    /// Its name.
    pub id: Mac,
    /// When it was published, ns since 1970.
    pub timestamp_ns: u64,
    /// When it was marked for removal, ns since 1970. Its blobs are hidden since then.
    pub coloured_ns: Option<u64>,
    /// End of the last blob known to be in it, from the start of the payload.
    pub end: u64,
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Readers and backups, from whom coloured packfiles are hidden.
    Readers,
    /// Maintenance, which sees what is in them.
    Everything,
}

/// Gathers states, in any order.
#[derive(Clone, Default)]
pub struct Builder {
    records: Vec<Record>,
    numbers: HashMap<Mac, u32>,
    names: Vec<Mac>,
    published: HashMap<Mac, u64>,
    coloured: HashMap<Mac, u64>,
    removed: BTreeMap<Mac, u64>,
    gone: HashSet<Mac>,
    /// Locations and colours that a 1.1 state took back.
    withdrawn: HashSet<(u8, Mac, Mac)>,
    uncoloured: HashMap<Mac, u64>,
    /// Times when states took colours back, known once a state's end is read.
    pending_uncolour: Vec<Mac>,
    newest: Option<Newest>,
    has_v1_1: bool,
    states: HashSet<Mac>,
}

/// The state with the latest timestamp.
#[derive(Clone, Copy)]
struct Newest {
    timestamp_ns: u64,
    id: Mac,
    serial: [u8; 16],
}

impl Builder {
    /// Nothing yet, in a store that was made by that generation.
    pub fn of(generation: Generation) -> Builder {
        Builder { has_v1_1: generation == Generation::V1_1, ..Builder::default() }
    }

    /// Takes in one entry of a state.
    pub fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Location(location) if location.resource != Resource::RANDOM => {
                self.add_location(&location)
            }
            Entry::Location(_) | Entry::Configuration { .. } => {}
            Entry::Packfile { id, timestamp_ns, .. } => {
                self.published.insert(id, timestamp_ns);
            }
            Entry::Deleted { resource: Resource::PACKFILE, mac, when_ns } => {
                let when = self.coloured.entry(mac).or_insert(when_ns);
                *when = (*when).max(when_ns);
            }
            Entry::Deleted { resource: Resource::SNAPSHOT, mac, when_ns } => {
                self.removed.insert(mac, when_ns);
            }
            Entry::Deleted { .. } => {}
            Entry::Delete { entry: 2, resource, mac, packfile } => {
                self.withdrawn.insert((resource.0 as u8, mac, packfile));
            }
            Entry::Delete { entry: 3, resource: Resource::PACKFILE, mac, .. } => {
                self.pending_uncolour.push(mac)
            }
            // A packfile that a state declared gone never comes back under the same name.
            Entry::Delete { entry: 4, packfile, .. } => {
                self.gone.insert(packfile);
            }
            Entry::Delete { .. } => {}
        }
    }

    /// Takes in the whole state of that name.
    pub(crate) fn take(&mut self, id: &Mac, state: State) {
        state.entries.into_iter().for_each(|entry| self.add(entry));
        self.end_state(id, &state.meta);
    }

    /// Takes in the whole state of that name from the body of its file, entry by entry: a list of them would
    /// take more than twice as much as what is kept. After an error the builder holds a part of it.
    ///
    /// # Errors
    /// `Damaged`; `Unsupported` for one newer than this program.
    pub(crate) fn read(&mut self, id: &Mac, body: &[u8], version: Version) -> Result<(), Error> {
        let meta = state::decode(body, version, &mut |entry| self.add(entry))?;
        self.end_state(id, &meta);
        Ok(())
    }

    /// Takes in the end of the state of that name.
    fn end_state(&mut self, id: &Mac, meta: &Meta) {
        self.states.insert(*id);
        self.has_v1_1 |= meta.version >= Version::V1_1_0 || meta.parent.is_some();
        for mac in self.pending_uncolour.drain(..) {
            let when = self.uncoloured.entry(mac).or_insert(meta.timestamp_ns);
            *when = (*when).max(meta.timestamp_ns);
        }
        let Meta { timestamp_ns, serial, .. } = *meta;
        if self.newest.is_none_or(|newest| (newest.timestamp_ns, newest.id) < (timestamp_ns, *id)) {
            self.newest = Some(Newest { timestamp_ns, id: *id, serial });
        }
    }

    fn add_location(&mut self, location: &Location) {
        let next = self.names.len() as u32;
        let number = *self.numbers.entry(location.packfile).or_insert(next);
        if number == next {
            self.names.push(location.packfile);
        }
        self.records.push(record(location.resource, &location.mac, number, location.offset, location.length));
    }

    /// The index of all that was added.
    pub fn finish(self) -> Index {
        self.finish_for(Sight::Readers)
    }

    /// The index as somebody sees it.
    pub fn finish_for(self, sight: Sight) -> Index {
        let Builder {
            mut records,
            names,
            published,
            coloured,
            removed,
            gone,
            withdrawn,
            uncoloured,
            states,
            ..
        } = self;
        let coloured_ns = |id: &Mac| {
            let when = *coloured.get(id)?;
            uncoloured.get(id).is_none_or(|&taken_back| taken_back <= when).then_some(when)
        };
        // Numbers in ascending order of names: the reference prefers the smallest packfile name.
        let mut packfiles: Vec<Packfile> = published
            .iter()
            .filter(|(id, _)| !gone.contains(id))
            .map(|(&id, &timestamp_ns)| Packfile { id, timestamp_ns, coloured_ns: coloured_ns(&id), end: 0 })
            .collect();
        packfiles.sort_unstable_by_key(|packfile| packfile.id);
        let renumbered: Vec<Option<u32>> = names
            .iter()
            .map(|id| packfiles.binary_search_by_key(id, |packfile| packfile.id).ok().map(|at| at as u32))
            .collect();
        records.retain_mut(|record| {
            let (kind, mac, place) = parts(record);
            let Some(name) = names.get(place.packfile as usize) else { return false };
            let Some(Some(number)) = renumbered.get(place.packfile as usize).copied() else { return false };
            if !withdrawn.is_empty() && withdrawn.contains(&(kind, mac, *name)) {
                return false;
            }
            if let Some(packfile) = packfiles.get_mut(number as usize) {
                packfile.end = packfile.end.max(place.offset + u64::from(place.length));
            }
            *record = self::record(Resource(u32::from(kind)), &mac, number, place.offset, place.length);
            true
        });
        records.sort_unstable();
        records.dedup();
        let snapshot_type = Resource::SNAPSHOT.0 as u8;
        let mut snapshots: Vec<Mac> = records
            .iter()
            .map(parts)
            .filter(|(kind, mac, _)| *kind == snapshot_type && !removed.contains_key(mac))
            .map(|(_, mac, _)| mac)
            .collect();
        snapshots.dedup();
        if sight == Sight::Readers {
            records.retain(|record| {
                let packfile = packfiles.get(parts(record).2.packfile as usize);
                packfile.is_some_and(|packfile| packfile.coloured_ns.is_none())
            });
        }
        let orphans: HashMap<Mac, u64> = coloured
            .keys()
            .filter(|id| !published.contains_key(*id))
            .filter_map(|id| Some((*id, coloured_ns(id)?)))
            .collect();
        records.shrink_to_fit();
        let generation = if self.has_v1_1 { Generation::V1_1 } else { Generation::V1_0 };
        let removed = removed.into_keys().collect();
        let starts = starts(&records);
        let newest = self.newest;
        Index { records, starts, packfiles, orphans, snapshots, removed, states, generation, newest }
    }
}

/// The merged view. What is coloured or gone is not in it.
pub struct Index {
    records: Vec<Record>,
    /// Where the records of each type begin; behind the last one, where all end.
    starts: Vec<usize>,
    packfiles: Vec<Packfile>,
    orphans: HashMap<Mac, u64>,
    snapshots: Vec<Mac>,
    removed: HashSet<Mac>,
    states: HashSet<Mac>,
    generation: Generation,
    newest: Option<Newest>,
}

impl Index {
    /// The first place of a blob, the one the reference would take.
    pub fn locate(&self, resource: Resource, mac: &Mac) -> Option<Place> {
        self.records.get(self.position(resource, mac)?).map(|record| parts(record).2)
    }

    /// Every place of a blob.
    pub fn places(&self, resource: Resource, mac: &Mac) -> impl Iterator<Item = Place> {
        key(resource, mac).into_iter().flat_map(|key| {
            let rest = self.records.get(self.lower_bound(&key)..).unwrap_or_default();
            let its = rest.iter().take_while(move |record| record[..KEY] == key[..]);
            its.map(|record| parts(record).2)
        })
    }

    /// The blob's [`Index::position`], if that place of it is known.
    pub fn position_at(&self, resource: Resource, mac: &Mac, place: &Place) -> Option<usize> {
        let key = key(resource, mac)?;
        let first = self.lower_bound(&key);
        let mut its = self.records.get(first..)?.iter().take_while(|record| record[..KEY] == key[..]);
        its.any(|record| parts(record).2 == *place).then_some(first)
    }

    /// Whether the blob is there.
    pub fn contains(&self, resource: Resource, mac: &Mac) -> bool {
        self.position(resource, mac).is_some()
    }

    /// The number of the blob's first record, below [`Index::len`]: for sets of blobs as bits.
    pub fn position(&self, resource: Resource, mac: &Mac) -> Option<usize> {
        let key = key(resource, mac)?;
        let at = self.lower_bound(&key);
        self.records.get(at).is_some_and(|record| record[..KEY] == key[..]).then_some(at)
    }

    /// The first record that does not come before `key`: as many of its type as there are, times the
    /// name as a fraction, is where it should be; what remains is halved, so that names that are not
    /// spread evenly cost time and nothing else.
    fn lower_bound(&self, key: &[u8; KEY]) -> usize {
        let kind = usize::from(key[0]);
        let (Some(&low), Some(&high)) = (self.starts.get(kind), self.starts.get(kind + 1)) else {
            return self.records.len();
        };
        let (mut low, mut high) = (low, high);
        let wanted = fraction(key);
        let (mut least, mut most) = (0, u64::MAX);
        for _ in 0..GUESSES_MAX {
            if high - low <= NEAR {
                break;
            }
            // In floating point: a division of 128 bits costs more than the looks it spares.
            let share = (wanted - least) as f64 / (most - least) as f64;
            let guess = (low + ((high - low) as f64 * share) as usize).min(high - 1);
            // A little to each side of the guess, so that the range shrinks from both ends.
            let before = guess.saturating_sub(NEAR / 2).max(low);
            let behind = (guess + NEAR / 2).min(high - 1);
            let (Some(left), Some(right)) = (self.records.get(before), self.records.get(behind)) else {
                break;
            };
            if left[..KEY] >= key[..] {
                (high, most) = (before, fraction(left));
            } else if right[..KEY] < key[..] {
                (low, least) = (behind + 1, fraction(right));
            } else {
                (low, high) = (before, behind);
                break;
            }
        }
        let range = self.records.get(low..high).unwrap_or_default();
        // One comparison of numbers nearly always decides.
        low + range.partition_point(|record| match fraction(record).cmp(&wanted) {
            Ordering::Equal => record[..KEY] < key[..],
            unequal => unequal.is_lt(),
        })
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Every record: type, name, place; sorted by type and name.
    pub fn iter(&self) -> impl Iterator<Item = (Resource, Mac, Place)> + '_ {
        self.records.iter().map(|record| {
            let (kind, mac, place) = parts(record);
            (Resource(u32::from(kind)), mac, place)
        })
    }

    /// Name of the packfile with that number; zeros for a number that was never given out.
    pub fn packfile(&self, number: u32) -> Mac {
        self.packfiles.get(number as usize).map_or(Mac::ZERO, |packfile| packfile.id)
    }

    /// End of the last blob known in that packfile, from the start of its payload.
    pub fn packfile_end(&self, number: u32) -> u64 {
        self.packfiles.get(number as usize).map_or(0, |packfile| packfile.end)
    }

    /// Every published packfile that is not gone, by name.
    pub fn packfiles(&self) -> &[Packfile] {
        &self.packfiles
    }

    /// Packfiles that no state published but one coloured, and when, in ns since 1970.
    pub fn coloured_orphans(&self) -> &HashMap<Mac, u64> {
        &self.orphans
    }

    /// Every snapshot that was not removed, by id. Its header may still turn out unreadable.
    pub fn snapshots(&self) -> Vec<Mac> {
        self.snapshots.clone()
    }

    /// Whether a snapshot of this id was removed. It never comes back under that id.
    pub fn was_removed(&self, id: &Mac) -> bool {
        self.removed.contains(id)
    }

    /// Packfiles whose blobs are hidden, published or not.
    pub fn coloured(&self) -> impl Iterator<Item = Mac> + '_ {
        let published = self.packfiles.iter().filter(|packfile| packfile.coloured_ns.is_some());
        published.map(|packfile| packfile.id).chain(self.orphans.keys().copied())
    }

    /// The states that this view is made of.
    pub fn states(&self) -> &HashSet<Mac> {
        &self.states
    }

    /// Which Plakar line writes this store: v1.1 if that made it, or has written to it since.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Serial of the newest state.
    pub fn serial(&self) -> Option<[u8; 16]> {
        self.newest.map(|newest| newest.serial)
    }

    /// Name of the newest state.
    pub fn newest_state(&self) -> Option<Mac> {
        self.newest.map(|newest| newest.id)
    }
}

fn key(resource: Resource, mac: &Mac) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    let (kind, name) = key.split_first_mut()?;
    *kind = u8::try_from(resource.0).ok()?;
    name.copy_from_slice(&mac.0);
    Some(key)
}

/// The beginning of the name as a number: of digests, a fraction of all.
fn fraction(key: &[u8]) -> u64 {
    key.get(1..9).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn starts(records: &[Record]) -> Vec<usize> {
    (0..=256).map(|kind| records.partition_point(|record| usize::from(record[0]) < kind)).collect()
}

fn record(resource: Resource, mac: &Mac, packfile: u32, offset: u64, length: u32) -> Record {
    let mut record = [0; RECORD];
    // States have one byte for a type.
    record[0] = resource.0 as u8;
    record[1..33].copy_from_slice(&mac.0);
    record[33..37].copy_from_slice(&packfile.to_be_bytes());
    // An offset of 48 bits is 256 TiB into one packfile; what claims more is clamped out of range.
    record[37..43].copy_from_slice(&offset.min((1 << 48) - 1).to_be_bytes()[2..]);
    record[43..].copy_from_slice(&length.to_be_bytes());
    record
}

fn parts(record: &Record) -> (u8, Mac, Place) {
    let mut mac = Mac::ZERO;
    mac.0.copy_from_slice(&record[1..33]);
    let (mut packfile, mut offset, mut length) = ([0; 4], [0; 8], [0; 4]);
    packfile.copy_from_slice(&record[33..37]);
    offset[2..].copy_from_slice(&record[37..43]);
    length.copy_from_slice(&record[43..]);
    let place = Place {
        packfile: u32::from_be_bytes(packfile),
        offset: u64::from_be_bytes(offset),
        length: u32::from_be_bytes(length),
    };
    (record[0], mac, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u8) -> Mac {
        Mac([n; 32])
    }

    fn location(resource: Resource, blob: u8, packfile: u8, offset: u64) -> Entry {
        let version = Version::V1_0_0;
        Entry::Location(Location {
            resource,
            version,
            mac: mac(blob),
            packfile: mac(packfile),
            offset,
            length: 7,
            flags: 0,
        })
    }

    fn published(packfile: u8) -> Entry {
        Entry::Packfile { id: mac(packfile), state: mac(0), timestamp_ns: 1 }
    }

    fn index(entries: &[Entry]) -> Index {
        let mut builder = Builder::default();
        entries.iter().cloned().for_each(|entry| builder.add(entry));
        let meta = Meta { version: Version::V1_0_0, timestamp_ns: 9, serial: [3; 16], parent: None };
        builder.end_state(&mac(77), &meta);
        builder.finish()
    }

    #[test]
    fn a_blob_is_found_where_the_smallest_visible_packfile_has_it() {
        let index = index(&[
            location(Resource::CHUNK, 1, 9, 500),
            published(9),
            published(4),
            location(Resource::CHUNK, 1, 4, 100),
            location(Resource::CHUNK, 1, 4, 100),
            location(Resource::CHUNK, 1, 2, 300),
            location(Resource::OBJECT, 1, 9, 600),
            location(Resource::RANDOM, 1, 9, 0),
        ]);
        let place = index.locate(Resource::CHUNK, &mac(1)).unwrap();
        assert_eq!((index.packfile(place.packfile), place.offset, place.length), (mac(4), 100, 7));
        assert_eq!(index.places(Resource::CHUNK, &mac(1)).count(), 2, "packfile 2 was never published");
        assert_eq!(index.packfile_end(place.packfile), 107);
        assert!(index.contains(Resource::OBJECT, &mac(1)) && !index.contains(Resource::OBJECT, &mac(2)));
        assert_eq!(index.len(), 3);
        assert_eq!(index.serial(), Some([3; 16]));
    }

    #[test]
    fn every_name_is_found_however_names_are_spread() {
        let digest = |n: u64| Mac(crate::algo::hash::sha256(&n.to_be_bytes()));
        let early = |n: u64| {
            let mut mac = Mac::ZERO;
            mac.0[24..].copy_from_slice(&n.to_be_bytes());
            mac
        };
        let late = |n: u64| Mac(early(n).0.map(|byte| !byte));
        let clustered = |n: u64| {
            let mut mac = digest(n);
            mac.0[..8].copy_from_slice(&(n / 100 * (u64::MAX / 61)).to_be_bytes());
            mac
        };
        type Names<'n> = &'n dyn Fn(u64) -> Mac;
        let spreads: [(&str, Names<'_>); 4] =
            [("digests", &digest), ("low", &early), ("high", &late), ("clusters", &clustered)];
        for (spread, name) in spreads {
            let mut entries = vec![published(1), location(Resource::OBJECT, 7, 1, 0)];
            for n in 0..3000 {
                let Entry::Location(mut at) = location(Resource::CHUNK, 0, 1, n) else { unreachable!() };
                at.mac = name(2 * n);
                entries.push(Entry::Location(at));
            }
            let index = index(&entries);
            for n in 0..3000 {
                let place = index.locate(Resource::CHUNK, &name(2 * n));
                assert_eq!(place.map(|place| place.offset), Some(n), "{spread} {n}");
                assert!(!index.contains(Resource::CHUNK, &name(2 * n + 1)), "{spread} {n}");
                assert!(!index.contains(Resource::OBJECT, &name(2 * n)), "{spread} {n}");
            }
            for edge in [Mac::ZERO, Mac([255; 32])] {
                let there = (0..3000).any(|n| name(2 * n) == edge);
                assert_eq!(index.contains(Resource::CHUNK, &edge), there, "{spread} {edge}");
            }
            assert!(!index.contains(Resource::RANDOM, &Mac::ZERO));
        }
    }

    #[test]
    fn removed_snapshots_and_coloured_packfiles_are_out_of_sight() {
        let index = index(&[
            published(1),
            published(2),
            location(Resource::SNAPSHOT, 10, 1, 0),
            location(Resource::SNAPSHOT, 11, 1, 50),
            location(Resource::SNAPSHOT, 12, 2, 0),
            Entry::Deleted { resource: Resource::SNAPSHOT, mac: mac(10), when_ns: 5 },
            Entry::Deleted { resource: Resource::PACKFILE, mac: mac(2), when_ns: 5 },
        ]);
        assert_eq!(
            index.snapshots(),
            [mac(11), mac(12)],
            "a coloured packfile hides the header, not the fact"
        );
        assert!(!index.contains(Resource::SNAPSHOT, &mac(12)));
        assert_eq!(index.packfiles()[1].coloured_ns, Some(5));
    }

    #[test]
    fn what_a_newer_state_took_back_is_gone_in_any_order() {
        let delete = |entry, blob: u8, packfile: u8| Entry::Delete {
            entry,
            resource: if entry == 3 { Resource::PACKFILE } else { Resource::CHUNK },
            mac: mac(blob),
            packfile: mac(packfile),
        };
        let index = index(&[
            delete(4, 0, 3),
            delete(2, 1, 1),
            delete(3, 2, 0),
            published(1),
            published(2),
            published(3),
            location(Resource::CHUNK, 1, 1, 0),
            location(Resource::CHUNK, 2, 2, 0),
            location(Resource::CHUNK, 3, 3, 0),
            Entry::Deleted { resource: Resource::PACKFILE, mac: mac(2), when_ns: 5 },
        ]);
        let found: Vec<Mac> = index.iter().map(|(_, mac, _)| mac).collect();
        assert_eq!(found, [mac(2)], "withdrawn, uncoloured, gone");
    }
}
