//! Packfiles as files: all of each is read and verified, the parts that no snapshot needs but a
//! repair does (envelope, index, footer) and the blobs that no snapshot names included.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::{self, Blobs};
use crate::engine::budget::Budget;
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Index, Place};
use crate::engine::packfile_index;
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::{Generation, Resource};
use crate::format::packfile::Record;
use crate::pool::Queue;
use crate::ports::store::{self, Access, Item};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Packfiles looked at side by side.
const AT_ONCE: usize = 3;

/// Longest packfile that is held in memory: well above what any line of Plakar makes. An archive's
/// is longer, and is read in pieces.
const HELD_BYTES_MAX: u64 = 48 << 20;

/// Bytes of packfiles held at once: three of ours, two of the largest that real Plakar makes.
const HELD_BYTES: usize = 40 << 20;

/// Bytes read at once of a longer one.
const PIECE_BYTES: u64 = 8 << 20;

/// Hears of a blob that was verified: its type, name, position in the index, and plaintext.
pub type Sound<'a> = dyn Fn(Resource, &Mac, usize, &[u8]) + Sync + 'a;

/// What came of it.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is wrong, by packfile, sorted.
    pub problems: Vec<(Mac, String)>,
    /// Whole packfiles that no state names, and the snapshots whose headers are in them: of backups
    /// under way, broken off, or whose state was lost.
    pub unnamed: Vec<(Mac, Vec<Mac>)>,
}

/// Reads every packfile but those on their way out.
///
/// # Errors
/// `Cancelled` and what concerns the store as a whole.
pub fn check(
    repository: &Repository,
    index: &Index,
    sound: &Sound<'_>,
    world: &World,
) -> Result<Looked, Error> {
    let listed = repository.store.list(store::Kind::Packfile)?;
    let mut sizes: HashMap<Mac, u64> = listed.iter().map(|file| (file.id, file.size)).collect();
    if let ([one], [known], Access::ReadOnly) =
        (listed.as_slice(), index.packfiles(), repository.store.access())
    {
        // An archive's one packfile has another name in its listing than in its state.
        sizes = HashMap::from([(known.id, one.size)]);
    }
    let mut expected = vec![0_usize; index.packfiles().len()];
    for (_, _, place) in index.iter() {
        if let Some(count) = expected.get_mut(place.packfile as usize) {
            *count += 1;
        }
    }
    let known: HashSet<Mac> = index.packfiles().iter().map(|packfile| packfile.id).collect();
    let mut jobs: Vec<Job> = (0..)
        .zip(index.packfiles().iter().zip(expected))
        .filter(|(_, (packfile, _))| packfile.coloured_ns.is_none())
        .map(|(number, (packfile, expected))| Job {
            id: packfile.id,
            size: sizes.get(&packfile.id).copied(),
            known: Some(Known { number, end: packfile.end, expected }),
        })
        .collect();
    let unnamed =
        sizes.iter().filter(|(id, _)| !known.contains(id) && !index.coloured_orphans().contains_key(id));
    jobs.extend(unnamed.map(|(id, size)| Job { id: *id, size: Some(*size), known: None }));
    // Those of many blobs take longest: first, so that no thread is left alone with one.
    jobs.sort_unstable_by_key(|job| (Reverse(job.known.as_ref().map(|known| known.expected)), job.id));
    let queue = Queue::new(jobs.len().max(1));
    for job in jobs {
        // The queue has room for all of them.
        let _ = queue.push(job);
    }
    queue.close();
    let blobs = Blobs::for_lookups(repository, index);
    let looking = Looking { repository, index, sound, blobs, held: Budget::new(HELD_BYTES) };
    let looked: Mutex<Looked> = Mutex::default();
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut file = Vec::new();
                while let Some(job) = queue.pop() {
                    let found = match world.cancel.is_cancelled() {
                        true => Err(Error::cancelled()),
                        // Altered on its way only, perhaps: once more before it is called damage.
                        false => looking.packfile(&job, &mut file).or_else(|fault| match fault.kind {
                            Kind::Damaged if job.size.is_some() => looking.packfile(&job, &mut file),
                            _ => Err(fault),
                        }),
                    };
                    // A usual one's room is used again; the budget does not know of more.
                    if file.capacity() > HELD_BYTES / AT_ONCE {
                        file = Vec::new();
                    }
                    let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
                    match found {
                        Ok(headers) if job.known.is_none() => looked.unnamed.push((job.id, headers)),
                        Ok(_) => {}
                        Err(fault) if blobs::concerns_the_blob(&fault) => {
                            looked.problems.push((job.id, format!("packfile {}: {fault}", job.id)));
                        }
                        Err(fault) => {
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
                            queue.abandon();
                        }
                    }
                }
            });
        }
    });
    if let Some(fault) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(fault);
    }
    let mut looked = looked.into_inner().unwrap_or_else(PoisonError::into_inner);
    looked.problems.sort();
    looked.unnamed.sort();
    Ok(looked)
}

struct Job {
    id: Mac,
    /// `None` when the store does not have it.
    size: Option<u64>,
    /// `None` when no state names it.
    known: Option<Known>,
}

/// What states say of a packfile.
struct Known {
    number: u32,
    /// Of its last blob.
    end: u64,
    /// Blobs in it.
    expected: usize,
}

struct Looking<'a> {
    repository: &'a Repository,
    index: &'a Index,
    sound: &'a Sound<'a>,
    blobs: Blobs<'a>,
    held: Budget,
}

impl Looking<'_> {
    /// Verifies a packfile; gives the snapshots whose headers are in it.
    fn packfile(&self, job: &Job, file: &mut Vec<u8>) -> Result<Vec<Mac>, Error> {
        let damaged = |what: String| Error::new(Kind::Damaged, what);
        let size = job.size.ok_or_else(|| damaged("not in the store".to_owned()))?;
        let item = Item::Packfile(job.id);
        let end = job.known.as_ref().map_or(0, |known| known.end);
        let length = usize::try_from(size.min(HELD_BYTES_MAX)).unwrap_or(usize::MAX);
        let _permit = self.held.take(length);
        let held = match size {
            0 => Some(<&[u8]>::default()),
            1..=HELD_BYTES_MAX => {
                self.repository.store.get_range_into(item, 0, length, file)?;
                Some(file.as_slice())
            }
            _ => None,
        };
        let mac = match held {
            // Its blobs may be whole all the same, so that what is wrong is told behind them.
            Some(file) => envelope::open(file, Resource::PACKFILE, self.repository.codec.keyed())
                .map(|_| ())
                .map_err(Error::from),
            None => self.in_pieces(item, size),
        };
        let mut faults = Vec::new();
        let read = match held {
            Some(file) => packfile_index::decode(self.repository, size, end, &|from, length| {
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let part = file.get(from..).and_then(|rest| rest.get(..length)).map(<[u8]>::to_vec);
                part.ok_or_else(|| damaged(format!("{} bytes, {size} were listed", file.len())))
            }),
            None => packfile_index::read(self.repository, job.id, size, end),
        };
        match (mac, read) {
            (Err(fault), _) | (_, Err(fault)) if !blobs::concerns_the_blob(&fault) => return Err(fault),
            (mac, Ok((_, records))) => {
                faults.extend(mac.err().map(|fault| fault.to_string()));
                faults.extend(self.records(job, &records, held));
                if faults.is_empty() {
                    let headers = records.iter().filter(|record| record.resource == Resource::SNAPSHOT);
                    return Ok(headers.map(|record| record.mac).collect());
                }
            }
            (mac, Err(fault)) => {
                faults.extend(mac.err().map(|fault| fault.to_string()));
                faults.push(fault.to_string());
            }
        }
        Err(damaged(faults.join("; ")))
    }

    /// Holds the packfile's own index against what states say, and each blob against its name.
    fn records(&self, job: &Job, records: &[Record], file: Option<&[u8]>) -> Vec<String> {
        let mut faults = Vec::new();
        let (mut agreed, mut unknown) = (0, 0);
        for record in records.iter().filter(|record| record.resource != Resource::RANDOM) {
            let position = job.known.as_ref().and_then(|known| {
                let Record { resource, mac, offset, length, .. } = *record;
                let place = Place { packfile: known.number, offset, length };
                self.index.position_at(resource, &mac, &place)
            });
            match position {
                Some(_) => agreed += 1,
                None => unknown += 1,
            }
            let Some(file) = file else { continue };
            faults.extend(self.blob(record, position, file).err());
        }
        if let Some(known) = &job.known {
            if agreed < known.expected {
                let missing = known.expected - agreed;
                faults.push(format!("{missing} blobs that states place in it are not in its index"));
            }
            // The other line takes single blobs back.
            if unknown > 0 && self.index.generation() == Generation::V1_0 {
                faults.push(format!("{unknown} blobs of its index are in no state"));
            }
        }
        faults
    }

    fn blob(&self, record: &Record, position: Option<usize>, file: &[u8]) -> Result<(), String> {
        let told = || format!("{} {} at {}", record.resource, record.mac.short(), record.offset);
        let start = usize::try_from(record.offset).ok().and_then(|at| at.checked_add(envelope::HEAD));
        let stored = start.and_then(|at| file.get(at..at.checked_add(record.length as usize)?));
        let stored = stored.ok_or_else(|| format!("{}: beyond its end", told()))?;
        let show = |plain: &[u8]| {
            if let Some(position) = position {
                (self.sound)(record.resource, &record.mac, position, plain);
            }
        };
        let verified = self.blobs.verify(record.resource, &record.mac, stored, show);
        verified.map_err(|fault| format!("{}: {fault}", told()))
    }

    /// Verifies the MAC of a packfile too long to hold.
    fn in_pieces(&self, item: Item, size: u64) -> Result<(), Error> {
        let end = size.saturating_sub(envelope::TRAILER as u64);
        let mut running = self.repository.codec.keyed().start();
        let mut at = 0;
        while at < end {
            let length = PIECE_BYTES.min(end - at);
            let piece =
                self.repository.store.get_range(item, at, usize::try_from(length).unwrap_or(usize::MAX))?;
            running.update(&piece);
            at += length;
        }
        let trailer = self.repository.store.get_range(item, end, envelope::TRAILER)?;
        match running.finish().0[..] == trailer[..] {
            true => Ok(()),
            false => Err(Error::new(Kind::Damaged, "its MAC does not match: altered or cut")),
        }
    }
}
