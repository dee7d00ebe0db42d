//! The parts of packfiles that no snapshot needs but a repair does: envelope, index, footer.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Index, Packfile};
use crate::engine::packfile_index;
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::Resource;
use crate::pool::Queue;
use crate::ports::store::{self, Item};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Packfiles looked at side by side.
const AT_ONCE: usize = 8;

/// Bytes read at once where all of a packfile is.
const PIECE_BYTES: u64 = 8 << 20;

/// Reads the tail of every packfile in use and verifies it, and all of a packfile where nothing
/// else protects what is in it: a snapshot's header in a store that neither compresses nor seals.
/// Returns what is wrong, by packfile.
///
/// # Errors
/// `Cancelled` and what concerns the store as a whole.
pub fn check(repository: &Repository, index: &Index, world: &World) -> Result<Vec<(Mac, String)>, Error> {
    let listed = repository.store.list(store::Kind::Packfile)?;
    let sizes: HashMap<Mac, u64> = listed.iter().map(|file| (file.id, file.size)).collect();
    // An archive's one packfile has another name in its listing than in its state.
    let only = match listed.as_slice() {
        [one] => Some(one.size),
        _ => None,
    };
    let bare = repository.config.compression.is_none() && repository.config.encryption.is_none();
    let mut whole = HashSet::new();
    if bare {
        for snapshot in index.snapshots() {
            for resource in [Resource::SNAPSHOT, Resource::SIGNATURE] {
                whole.extend(
                    index.places(resource, &snapshot).iter().map(|place| index.packfile(place.packfile)),
                );
            }
        }
    }
    let used = || index.packfiles().iter().filter(|packfile| packfile.coloured_ns.is_none());
    let queue = Queue::new(used().count());
    for packfile in used() {
        // The queue has room for all of them.
        let _ = queue.push(packfile);
    }
    queue.close();
    let problems: Mutex<Vec<(Mac, String)>> = Mutex::default();
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(packfile) = queue.pop() {
                    let size = sizes.get(&packfile.id).copied().or(only);
                    let looked = match (world.cancel.is_cancelled(), size) {
                        (true, _) => Err(Error::cancelled()),
                        (false, None) => Err(Error::new(Kind::Damaged, "not in the store")),
                        (false, Some(size)) => {
                            let all = whole.contains(&packfile.id);
                            look(repository, packfile, size, all)
                        }
                    };
                    let Err(fault) = looked else { continue };
                    if blobs::concerns_the_blob(&fault) {
                        let problem = (packfile.id, format!("packfile {}: {fault}", packfile.id));
                        problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                    } else {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
                        queue.abandon();
                    }
                }
            });
        }
    });
    if let Some(fault) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(fault);
    }
    let mut problems = problems.into_inner().unwrap_or_else(PoisonError::into_inner);
    problems.sort();
    Ok(problems)
}

fn look(repository: &Repository, known: &Packfile, size: u64, whole: bool) -> Result<(), Error> {
    packfile_index::read(repository, known.id, size, known.end)?;
    if whole { envelope_mac(repository, Item::Packfile(known.id), size) } else { Ok(()) }
}

/// Reads all of a packfile, in pieces.
fn envelope_mac(repository: &Repository, item: Item, size: u64) -> Result<(), Error> {
    let end = size.saturating_sub(envelope::TRAILER as u64);
    let mut running = repository.codec.keyed().start();
    let mut at = 0;
    while at < end {
        let length = PIECE_BYTES.min(end - at);
        let piece = repository.store.get_range(item, at, usize::try_from(length).unwrap_or(usize::MAX))?;
        running.update(&piece);
        at += length;
    }
    let trailer = repository.store.get_range(item, end, envelope::TRAILER)?;
    match running.finish().0[..] == trailer[..] {
        true => Ok(()),
        false => Err(Error::new(Kind::Damaged, "its MAC does not match: altered or cut")),
    }
}
