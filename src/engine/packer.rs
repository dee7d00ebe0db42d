//! Packfiles in the making: blobs gather in two open ones, full ones go to the uploaders.
//!
//! The content of files and everything else, listings of directories included, are kept apart, so
//! that a walk over the tree reads no content.
//! A blob is sealed before the lock is taken; under it there is one copy of memory. When uploads
//! fall behind, whoever fills a packfile waits, holding the lock: so at most two are open, one
//! waits, and each uploader holds one. That is all the memory that stored data can take.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::archive::Assembly;
use crate::engine::codec::Codec;
use crate::engine::error::{Error, Kind};
use crate::engine::publish::Lineage;
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::{Generation, Resource, Version};
use crate::format::packfile::{self, Footer, Record};
use crate::format::state::{Entry, Location};
use crate::pool::Queue;
use crate::ports::archive::Archive;
use crate::ports::monitor::Event;
use crate::ports::store::{Item, Store};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Random bytes before the first blob hide where it begins.
const HEAD_PADDING_MAX: u16 = 1023;

/// A state is published when this much was packed since the last one, or this long ago: what a
/// crash of a long backup loses.
const CHECKPOINT_BYTES: u64 = 2 << 30;
const CHECKPOINT_TIME: Duration = Duration::from_secs(600);

/// Also when this many blobs were packed: what is known of them, and the state being made of it,
/// take some 40 MB together, however many files there are.
const CHECKPOINT_BLOBS: usize = 1 << 17;

/// Bytes that a packfile nearly always fits into, its last blob and its index included: one that grew
/// would be copied, and be there twice meanwhile. What is not written to takes no memory.
const USUAL_BYTES: usize = limits::PACKFILE_TARGET_BYTES as usize + (3 << 20);

/// What a blob is read for, and so which packfile it goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The content of files.
    Content,
    /// Everything that a walk reads.
    Structure,
}

struct Open {
    /// Envelope head and blobs.
    file: Vec<u8>,
    records: Vec<Record>,
}

/// What was acknowledged by the store and is in no state yet.
#[derive(Default)]
struct Delta {
    packfiles: Vec<(Mac, i64, Vec<Record>)>,
    blobs: usize,
    bytes: u64,
    since: Duration,
}

/// Where full packfiles and states go.
enum Sink<'a> {
    /// Each a file of its own.
    Store(&'a dyn Store),
    /// One behind the other into the one packfile of an archive.
    Archive(Mutex<Assembly>),
}

/// Gathers blobs into packfiles and ships them.
pub struct Packer<'a> {
    codec: &'a Codec,
    sink: Sink<'a>,
    world: &'a World,
    lineage: Lineage,
    target: u64,
    uploaders: usize,
    content: Mutex<Option<Open>>,
    structure: Mutex<Option<Open>>,
    full: Queue<Open>,
    spare: Mutex<Vec<Vec<u8>>>,
    delta: Mutex<Delta>,
    failure: Mutex<Option<Error>>,
    stored: AtomicU64,
    published: Mutex<Vec<Mac>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the backup; what the lock guards is thrown away with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Packer<'a> {
    /// For one run, whose states are of that lineage.
    pub fn new(repository: &'a Repository, lineage: Lineage, world: &'a World) -> Packer<'a> {
        let target = repository.config.packfile.max.min(limits::PACKFILE_TARGET_BYTES);
        Packer::into(Sink::Store(&*repository.store), &repository.codec, lineage, target, world)
    }

    /// For an archive that was begun with these settings: everything becomes one packfile and one state.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub fn archive(
        archive: Box<dyn Archive>,
        codec: &'a Codec,
        repository_id: [u8; 16],
        world: &'a World,
    ) -> Result<Packer<'a>, Error> {
        let assembly = Assembly::begin(archive, codec, world.dice.mac())?;
        let sink = Sink::Archive(Mutex::new(assembly));
        let lineage = Lineage::of_archive(repository_id);
        Ok(Packer::into(sink, codec, lineage, limits::PACKFILE_TARGET_BYTES, world))
    }

    fn into(sink: Sink<'a>, codec: &'a Codec, lineage: Lineage, target: u64, world: &'a World) -> Packer<'a> {
        let uploaders = match &sink {
            Sink::Store(store) => store.uploads(),
            // They would only wait for one another.
            Sink::Archive(_) => 1,
        };
        Packer {
            codec,
            sink,
            world,
            lineage,
            target,
            uploaders,
            content: Mutex::new(None),
            structure: Mutex::new(None),
            full: Queue::new(1),
            spare: Mutex::new(Vec::new()),
            delta: Mutex::new(Delta { since: world.clock.monotonic(), ..Delta::default() }),
            failure: Mutex::new(None),
            stored: AtomicU64::new(0),
            published: Mutex::default(),
        }
    }

    /// How the store that it fills spells states and snapshots.
    pub fn generation(&self) -> Generation {
        self.lineage.generation
    }

    /// Does `work` while uploaders ship what it packs, and sees them to their end, whatever happens.
    ///
    /// # Errors
    /// Those of `work`, and the failure of an upload.
    pub fn shipping<T, E: From<Error>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        std::thread::scope(|scope| {
            for _ in 0..self.uploaders {
                scope.spawn(|| self.upload_all());
            }
            match work() {
                Ok(done) => Ok(self.close().map(|()| done)?),
                Err(error) => {
                    self.abandon(Error::cancelled());
                    Err(error)
                }
            }
        })
    }

    /// Whether it fills an archive, which takes several snapshots.
    pub fn fills_archive(&self) -> bool {
        matches!(self.sink, Sink::Archive(_))
    }

    /// Bytes sent to the store so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Names of the states it published.
    pub fn published(&self) -> Vec<Mac> {
        locked(&self.published).clone()
    }

    /// Adds a blob in its stored form to the packfile for its kind of use.
    ///
    /// # Errors
    /// The failure of an upload, which ends the run.
    pub fn append(&self, part: Part, resource: Resource, mac: Mac, stored: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(stored.len())
            .map_err(|_| Error::new(Kind::Unsupported, format!("a {resource} of {} bytes", stored.len())))?;
        let place = match part {
            Part::Content => &self.content,
            Part::Structure => &self.structure,
        };
        let mut guard = locked(place);
        let open = guard.get_or_insert_with(|| self.start());
        open.push(resource, mac, length, stored);
        match open.blob_bytes() >= self.target {
            true => guard.take().map_or(Ok(()), |open| self.send(open)),
            false => Ok(()),
        }
    }

    /// Sees a packfile on its way to the store, by this thread if nobody else does it.
    fn send(&self, open: Open) -> Result<(), Error> {
        if self.uploaders == 0 {
            return self.upload(open);
        }
        self.full.push(open).map_err(|_| self.why())
    }

    fn start(&self) -> Open {
        let mut file = locked(&self.spare).pop().unwrap_or_else(|| Vec::with_capacity(USUAL_BYTES));
        file.clear();
        file.extend_from_slice(&envelope::head(Resource::PACKFILE, Version::V1_0_0));
        let mut open = Open { file, records: Vec::new() };
        if matches!(self.sink, Sink::Archive(_)) {
            return open;
        }
        let mut length = [0; 2];
        self.world.dice.fill(&mut length);
        self.pad(&mut open, usize::from(u16::from_le_bytes(length) % HEAD_PADDING_MAX) + 1);
        open
    }

    fn pad(&self, open: &mut Open, length: usize) {
        let mut padding = vec![0; length];
        self.world.dice.fill(&mut padding);
        open.push(Resource::RANDOM, self.world.dice.mac(), length as u32, &padding);
    }

    /// No more blobs will come: sends the open packfiles on their way and lets the uploaders end.
    ///
    /// # Errors
    /// The failure of an upload.
    pub fn close(&self) -> Result<(), Error> {
        for place in [&self.content, &self.structure] {
            let open = locked(place).take();
            open.map_or(Ok(()), |open| self.send(open))?;
        }
        self.full.close();
        Ok(())
    }

    /// Ends the run early; uploads under way are finished, the rest is dropped.
    pub fn abandon(&self, error: Error) {
        locked(&self.failure).get_or_insert(error);
        self.full.abandon();
    }

    /// The first failure.
    pub fn why(&self) -> Error {
        locked(&self.failure).clone().unwrap_or_else(Error::cancelled)
    }

    /// The work of one uploader thread: until [`Packer::close`], or a failure.
    fn upload_all(&self) {
        while let Some(open) = self.full.pop() {
            if self.upload(open).is_err() {
                return;
            }
        }
    }

    /// A failure ends the run.
    fn upload(&self, open: Open) -> Result<(), Error> {
        let shipped = match self.world.cancel.is_cancelled() {
            true => Err(Error::cancelled()),
            false => self.ship(open).and_then(|()| self.checkpoint_if_due()),
        };
        shipped.inspect_err(|error| self.abandon(error.clone()))
    }

    fn ship(&self, open: Open) -> Result<(), Error> {
        let (file, bytes) = match &self.sink {
            Sink::Store(store) => self.put(*store, open)?,
            Sink::Archive(assembly) => {
                let Open { file, records } = open;
                let blobs = file.get(envelope::HEAD..).unwrap_or_default();
                locked(assembly).append(blobs, records)?;
                let bytes = blobs.len() as u64;
                (file, bytes)
            }
        };
        self.stored.fetch_add(bytes, Ordering::Relaxed);
        self.world.monitor.tell(Event::Stored { bytes });
        locked(&self.spare).push(file);
        Ok(())
    }

    /// Stores a packfile; gives its buffer back, and its length.
    fn put(&self, store: &dyn Store, mut open: Open) -> Result<(Vec<u8>, u64), Error> {
        self.pad(&mut open, limits::PACKFILE_TAIL_PADDING + usize::from(HEAD_PADDING_MAX));
        let Open { mut file, records } = open;
        let timestamp_ns = self.world.clock.now_ns();
        let index_offset = (file.len() - envelope::HEAD) as u64;
        file.extend(tail(self.codec, &records, index_offset, timestamp_ns, self.world)?);
        // The MAC that guards the file also names it.
        let name = self.codec.mac(&file);
        file.extend_from_slice(&name.0);
        verify(self.codec, &file, &records)?;
        store.put(Item::Packfile(name), &file)?;
        let bytes = file.len() as u64;
        let mut delta = locked(&self.delta);
        delta.blobs += records.len();
        delta.packfiles.push((name, timestamp_ns, records));
        delta.bytes += bytes;
        drop(delta);
        Ok((file, bytes))
    }

    fn checkpoint_if_due(&self) -> Result<(), Error> {
        let now = self.world.clock.monotonic();
        let mut delta = locked(&self.delta);
        let due = delta.bytes >= CHECKPOINT_BYTES
            || delta.blobs >= CHECKPOINT_BLOBS
            || now.saturating_sub(delta.since) >= CHECKPOINT_TIME;
        if !due {
            return Ok(());
        }
        let due = std::mem::replace(&mut *delta, Delta { since: now, ..Delta::default() });
        // A header makes its snapshot exist: it waits for the last state.
        let is_header = |record: &Record| record.resource == Resource::SNAPSHOT;
        let (last, packfiles): (Vec<_>, Vec<_>) =
            due.packfiles.into_iter().partition(|(_, _, records)| records.iter().any(is_header));
        delta.packfiles = last;
        drop(delta);
        if packfiles.is_empty() {
            return Ok(());
        }
        let due = Delta { packfiles, ..due };
        self.publish(self.world.dice.mac(), due, &[])
    }

    /// Publishes what was acknowledged and is in no state yet, with `more` entries, under `id`. Call
    /// it when the uploaders have ended.
    ///
    /// # Errors
    /// The failure of an upload, or of this one: then nothing refers to what was stored since the
    /// last state.
    pub fn commit(&self, id: Mac, more: &[Entry]) -> Result<(), Error> {
        if let Some(error) = locked(&self.failure).clone() {
            return Err(error);
        }
        let mut delta = std::mem::take(&mut *locked(&self.delta));
        if let Sink::Archive(assembly) = &self.sink {
            delta.packfiles.push(locked(assembly).end_packfile(self.codec, self.world)?);
        }
        self.publish(id, delta, more)
    }

    fn publish(&self, id: Mac, delta: Delta, more: &[Entry]) -> Result<(), Error> {
        let locations = delta.packfiles.iter().flat_map(|(packfile, _, records)| {
            records.iter().map(move |record| {
                Entry::Location(Location {
                    resource: record.resource,
                    version: record.version,
                    mac: record.mac,
                    packfile: *packfile,
                    offset: record.offset,
                    length: record.length,
                    flags: record.flags,
                })
            })
        });
        let packfiles = delta.packfiles.iter().map(|(packfile, timestamp_ns, _)| Entry::Packfile {
            id: *packfile,
            state: id,
            timestamp_ns: u64::try_from(*timestamp_ns).unwrap_or(0),
        });
        let entries = locations.chain(more.iter().cloned()).chain(packfiles);
        let (file, _) = self.lineage.state(entries, self.codec, self.world);
        match &self.sink {
            Sink::Store(store) => store.put(Item::State(id), &file)?,
            Sink::Archive(assembly) => locked(assembly).finish(&file)?,
        }
        self.stored.fetch_add(file.len() as u64, Ordering::Relaxed);
        locked(&self.published).push(id);
        Ok(())
    }
}

impl Open {
    fn blob_bytes(&self) -> u64 {
        (self.file.len() - envelope::HEAD) as u64
    }

    fn push(&mut self, resource: Resource, mac: Mac, length: u32, stored: &[u8]) {
        let offset = self.blob_bytes();
        self.records.push(Record { resource, version: Version::V1_0_0, mac, offset, length, flags: 0 });
        self.file.extend_from_slice(stored);
    }
}

/// Index, footer and the footer's length, encoded: what follows the blobs of a packfile.
///
/// # Errors
/// More blobs than can be counted.
pub(crate) fn tail(
    codec: &Codec,
    records: &[Record],
    index_offset: u64,
    timestamp_ns: i64,
    world: &World,
) -> Result<Vec<u8>, Error> {
    let index = packfile::encode_index(records);
    let count = u32::try_from(records.len())
        .map_err(|_| Error::new(Kind::Unsupported, "more blobs than a packfile can count"))?;
    let footer = Footer { timestamp_ns, count, index_offset, index_mac: codec.mac(&index), flags: 0 };
    let mut tail = codec.encode(&index, &*world.dice);
    let footer = codec.encode(&footer.encode(), &*world.dice);
    let footer_len = u32::try_from(footer.len()).unwrap_or(u32::MAX);
    tail.extend_from_slice(&footer);
    tail.extend_from_slice(&footer_len.to_le_bytes());
    Ok(tail)
}

/// Reads index and footer back from the finished file: what cannot be found again must not leave.
fn verify(codec: &Codec, file: &[u8], records: &[Record]) -> Result<(), Error> {
    let (_, payload, _) = envelope::split(file, Resource::PACKFILE)?;
    let tail = packfile::tail(payload)?;
    let footer = Footer::decode(&codec.decode(tail.footer, packfile::FOOTER)?)?;
    let at = usize::try_from(footer.index_offset).unwrap_or(usize::MAX);
    let index = tail.before.get(at..).unwrap_or_default();
    let index = codec.decode(index, records.len() * packfile::RECORD)?;
    if codec.mac(&index) != footer.index_mac || packfile::decode_index(&index, &footer)? != records {
        return Err(Error::new(
            Kind::Damaged,
            "a packfile does not read back as it was written: faulty memory?",
        ));
    }
    Ok(())
}
