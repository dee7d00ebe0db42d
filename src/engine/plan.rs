//! Many blobs at once, in the order in which they are stored.
//!
//! Wanted blobs are sorted by packfile and offset, and ranges with little between them become one
//! GET. Downloaders fetch such groups side by side, bounded by a budget of bytes; workers open,
//! verify and hand out. A blob wanted in several places is fetched and opened once.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::{self, Blobs, Stored};
use crate::engine::budget::{Budget, Permit};
use crate::engine::codec::Space;
use crate::engine::error::Error;
use crate::engine::index::Place;
use crate::format::kind::Resource;
use crate::format::object::Chunk;
use crate::pool::Queue;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes between two wanted ranges that are rather fetched than cost a request of their own.
const GAP_BYTES: u64 = 256 << 10;

/// Longest joined range.
const GROUP_BYTES: u64 = 8 << 20;

/// Stored bytes that one worker takes at a time, so that one group keeps several workers busy.
const TASK_BYTES: u64 = 1 << 20;

/// Buffers kept for the next GETs, and the least length of a GET that is worth one: memory fresh from
/// the system costs as much as copying into it.
const SPARES: usize = 2;
const SPARE_BYTES: usize = 1 << 20;

/// One wanted blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its type.
    pub resource: Resource,
    /// Its name.
    pub mac: Mac,
    /// For the caller: what it is wanted for.
    pub tag: u32,
}

/// How many work side by side, and with how much in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// GETs in flight.
    pub downloaders: usize,
    /// Threads that open blobs.
    pub workers: usize,
    /// Fetched bytes not yet opened.
    pub bytes: usize,
}

impl Width {
    /// For a machine with so many cores: large GETs are limited by the bytes, small ones, whose
    /// cost is the round trip, by the threads.
    pub fn for_cores(cores: usize) -> Width {
        let workers = cores.max(1);
        Width { downloaders: (2 * workers).max(8), workers, bytes: (workers << 23).max(24 << 20) }
    }
}

/// What a batch calls back with: equal wants, and the blob they asked for. An error returned ends
/// the batch; called from several threads.
pub type Deliver<'d> = dyn Fn(&[Want], Result<&[u8], &Error>) -> Result<(), Error> + Sync + 'd;

/// The bytes of a chunk, or why they cannot be had.
pub type Fetched = Result<Arc<Vec<u8>>, Error>;

/// Fetches batches of blobs.
pub struct Fetcher<'b, 'r> {
    blobs: &'b Blobs<'r>,
    world: World,
    width: Width,
    budget: Budget,
    spares: Mutex<Vec<Vec<u8>>>,
}

#[derive(Clone, Debug)]
struct Piece {
    place: Place,
    /// Which of the sorted wants ask for it.
    wants: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    packfile: u32,
    start: u64,
    length: u64,
    pieces: Range<usize>,
}

/// Bytes of a group; their buffer goes back when all of its tasks are done.
struct Loan<'p> {
    stored: Option<Stored>,
    spares: &'p Mutex<Vec<Vec<u8>>>,
    _permit: Permit<'p>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Some(buffer) = self.stored.take().and_then(Stored::into_buffer) else { return };
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() >= SPARE_BYTES && spares.len() < SPARES {
            spares.push(buffer);
        }
    }
}

struct Task<'p> {
    /// `None` when the group could not be fetched as one.
    fetched: Option<Arc<Loan<'p>>>,
    start: u64,
    pieces: Range<usize>,
}

impl<'b, 'r> Fetcher<'b, 'r> {
    /// Fetches what `blobs` reads, so that what a walk left in its cache is not fetched again.
    pub fn new(blobs: &'b Blobs<'r>, world: &World, width: Width) -> Fetcher<'b, 'r> {
        Fetcher {
            blobs,
            world: world.clone(),
            width,
            budget: Budget::new(width.bytes),
            spares: Mutex::default(),
        }
    }

    /// Where single blobs are read from.
    pub fn blobs(&self) -> &'b Blobs<'r> {
        self.blobs
    }

    /// Fetches all wanted blobs and delivers each once. `wants` is sorted on the way.
    ///
    /// A blob that is lost or damaged is delivered as an error, after every place of it was tried.
    ///
    /// # Errors
    /// What concerns the store as a whole, what `deliver` returns, and `Cancelled`.
    pub fn run(&self, wants: &mut [Want], deliver: &Deliver<'_>) -> Result<(), Error> {
        wants.sort_unstable_by_key(|want| (want.resource, want.mac));
        let pieces = self.locate(wants, deliver)?;
        let groups = join(&pieces);
        let batch = Batch { fetcher: self, wants, pieces: &pieces, groups: &groups, deliver };
        batch.run()
    }

    /// The bytes of consecutive chunks, in order; for those that cannot be had, why.
    ///
    /// # Errors
    /// As for [`Fetcher::run`].
    pub fn chunks(&self, chunks: &[Chunk]) -> Result<Vec<Fetched>, Error> {
        let mut wants: Vec<Want> = (0..)
            .zip(chunks)
            .map(|(tag, chunk)| Want { resource: Resource::CHUNK, mac: chunk.mac, tag })
            .collect();
        let fetched: Mutex<Vec<Option<Fetched>>> = Mutex::new(chunks.iter().map(|_| None).collect());
        self.run(&mut wants, &|wants, result| {
            let bytes = result.map(|bytes| Arc::new(bytes.to_vec()));
            let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
            for want in wants {
                let tag = want.tag as usize;
                let (Some(slot), Some(chunk)) = (fetched.get_mut(tag), chunks.get(tag)) else { continue };
                *slot = Some(match &bytes {
                    Ok(bytes) => {
                        blobs::check_length(&chunk.mac, bytes.len(), chunk.length).map(|()| Arc::clone(bytes))
                    }
                    Err(fault) => Err((*fault).clone()),
                });
            }
            Ok(())
        })?;
        let fetched = fetched.into_inner().unwrap_or_else(PoisonError::into_inner);
        let named = fetched.into_iter().zip(chunks);
        Ok(named
            .map(|(slot, chunk)| slot.unwrap_or_else(|| Err(blobs::unknown(Resource::CHUNK, &chunk.mac))))
            .collect())
    }

    /// Finds the first place of each wanted blob, in storage order.
    fn locate(&self, wants: &[Want], deliver: &Deliver<'_>) -> Result<Vec<Piece>, Error> {
        let mut pieces = Vec::new();
        let mut end = 0;
        for equal in wants.chunk_by(|a, b| (a.resource, a.mac) == (b.resource, b.mac)) {
            let start = end;
            end += equal.len();
            let Some(want) = equal.first() else { continue };
            match self.blobs.index().locate(want.resource, &want.mac) {
                Some(place) => match self.blobs.refuse_oversized(want.resource, place) {
                    Ok(()) => pieces.push(Piece { place, wants: start..end }),
                    Err(fault) => deliver(equal, Err(&fault))?,
                },
                None => deliver(equal, Err(&blobs::unknown(want.resource, &want.mac)))?,
            }
        }
        pieces.sort_unstable_by_key(|piece| (piece.place.packfile, piece.place.offset));
        Ok(pieces)
    }
}

/// Ranges that are fetched as one.
fn join(pieces: &[Piece]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, Piece { place, .. }) in pieces.iter().enumerate() {
        let end = place.offset.saturating_add(u64::from(place.length));
        if let Some(group) = groups.last_mut() {
            let group_end = group.start.saturating_add(group.length);
            if group.packfile == place.packfile
                && place.offset <= group_end.saturating_add(GAP_BYTES)
                && end.saturating_sub(group.start) <= GROUP_BYTES
            {
                group.length = end.max(group_end) - group.start;
                group.pieces.end = at + 1;
                continue;
            }
        }
        groups.push(Group {
            packfile: place.packfile,
            start: place.offset,
            length: u64::from(place.length),
            pieces: at..at + 1,
        });
    }
    groups
}

struct Batch<'x> {
    fetcher: &'x Fetcher<'x, 'x>,
    wants: &'x [Want],
    pieces: &'x [Piece],
    groups: &'x [Group],
    deliver: &'x Deliver<'x>,
}

impl Batch<'_> {
    fn run(&self) -> Result<(), Error> {
        let width = self.fetcher.width;
        let next = AtomicUsize::new(0);
        let left = AtomicUsize::new(0);
        let queue = Queue::new(2 * width.workers);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let fail = |fault: Error| {
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            queue.abandon();
        };
        let downloaders = width.downloaders.clamp(1, self.groups.len().max(1));
        left.store(downloaders, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..downloaders {
                scope.spawn(|| {
                    if let Err(fault) = self.download(&next, &queue) {
                        fail(fault);
                    }
                    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        queue.close();
                    }
                });
            }
            for _ in 0..width.workers.max(1) {
                scope.spawn(|| {
                    let mut space = Space::default();
                    while let Some(task) = queue.pop() {
                        if let Err(fault) = self.work(&task, &mut space) {
                            fail(fault);
                        }
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn download<'p>(&'p self, next: &AtomicUsize, queue: &Queue<Task<'p>>) -> Result<(), Error> {
        loop {
            let Some(group) = self.groups.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
            self.refuse_when_cancelled()?;
            let length = usize::try_from(group.length).unwrap_or(usize::MAX);
            let permit = self.fetcher.budget.take(length);
            let spares = &self.fetcher.spares;
            let buffer = match length {
                SPARE_BYTES.. => spares.lock().unwrap_or_else(PoisonError::into_inner).pop(),
                _ => None,
            };
            let read =
                self.fetcher.blobs.read(group.packfile, group.start, length, buffer.unwrap_or_default());
            let fetched = match read {
                Ok(stored) => Some(Arc::new(Loan { stored: Some(stored), spares, _permit: permit })),
                Err(fault) if blobs::concerns_the_blob(&fault) => None,
                Err(fault) => return Err(fault),
            };
            for pieces in self.tasks(group) {
                let task = Task { fetched: fetched.clone(), start: group.start, pieces };
                if queue.push(task).is_err() {
                    return Ok(());
                }
            }
        }
    }

    /// Cuts a group where a task's worth of bytes is reached.
    fn tasks(&self, group: &Group) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let (mut first, mut bytes) = (group.pieces.start, 0);
        for at in group.pieces.clone() {
            bytes += self.pieces.get(at).map_or(0, |piece| u64::from(piece.place.length));
            if bytes >= TASK_BYTES {
                tasks.push(first..at + 1);
                (first, bytes) = (at + 1, 0);
            }
        }
        if first < group.pieces.end {
            tasks.push(first..group.pieces.end);
        }
        tasks
    }

    fn work(&self, task: &Task<'_>, space: &mut Space) -> Result<(), Error> {
        let blobs = self.fetcher.blobs;
        for piece in self.pieces.get(task.pieces.clone()).unwrap_or_default() {
            self.refuse_when_cancelled()?;
            let wants = self.wants.get(piece.wants.clone()).unwrap_or_default();
            let Some(want) = wants.first() else { continue };
            if let Some(stored) = task.stored(piece.place) {
                match blobs.open(want.resource, &want.mac, piece.place, stored, space) {
                    Ok(plain) => {
                        (self.deliver)(wants, Ok(plain))?;
                        continue;
                    }
                    Err(fault) if blobs::concerns_the_blob(&fault) => {}
                    Err(fault) => return Err(fault),
                }
            }
            match blobs.recover(want.resource, &want.mac) {
                Ok(plain) => (self.deliver)(wants, Ok(&plain))?,
                Err(fault) if blobs::concerns_the_blob(&fault) => (self.deliver)(wants, Err(&fault))?,
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn refuse_when_cancelled(&self) -> Result<(), Error> {
        match self.fetcher.world.cancel.is_cancelled() {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }
}

impl Task<'_> {
    fn stored(&self, place: Place) -> Option<&[u8]> {
        let bytes = self.fetched.as_ref()?.stored.as_ref()?.as_slice();
        let start = usize::try_from(place.offset.checked_sub(self.start)?).ok()?;
        bytes.get(start..start.checked_add(place.length as usize)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Piece, join};
    use crate::engine::index::Place;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    fn groups(places: &[(u32, u64, u64)]) -> Vec<(u32, u64, u64, usize)> {
        let pieces: Vec<Piece> = places
            .iter()
            .map(|&(packfile, offset, length)| Piece {
                place: Place { packfile, offset, length: length as u32 },
                wants: 0..1,
            })
            .collect();
        let shown = |group: Group| (group.packfile, group.start, group.length, group.pieces.len());
        join(&pieces).into_iter().map(shown).collect()
    }

    #[test]
    fn neighbours_become_one_request() {
        type Case<'a> = (&'a str, &'a [(u32, u64, u64)], &'a [(u32, u64, u64, usize)]);
        let cases: &[Case<'_>] = &[
            ("nothing", &[], &[]),
            ("adjacent", &[(0, 0, 10), (0, 10, 10)], &[(0, 0, 20, 2)]),
            ("a small gap", &[(0, 0, 10), (0, 10 + 256 * KIB, 10)], &[(0, 0, 20 + 256 * KIB, 2)]),
            (
                "a large gap",
                &[(0, 0, 10), (0, 11 + 256 * KIB, 10)],
                &[(0, 0, 10, 1), (0, 11 + 256 * KIB, 10, 1)],
            ),
            ("another packfile", &[(0, 0, 10), (1, 10, 10)], &[(0, 0, 10, 1), (1, 10, 10, 1)]),
            (
                "at most 8 MiB",
                &[(0, 0, 4 * MIB), (0, 4 * MIB, 4 * MIB), (0, 8 * MIB, 1)],
                &[(0, 0, 8 * MIB, 2), (0, 8 * MIB, 1, 1)],
            ),
            ("one larger than that", &[(0, 5, 30 * MIB)], &[(0, 5, 30 * MIB, 1)]),
            ("overlapping", &[(0, 0, 100), (0, 50, 20)], &[(0, 0, 100, 2)]),
            ("hostile", &[(0, u64::MAX - 5, 10), (0, u64::MAX, 10)], &[(0, u64::MAX - 5, 5, 2)]),
        ];
        for (name, places, wanted) in cases {
            assert_eq!(groups(places), *wanted, "{name}");
        }
    }
}
