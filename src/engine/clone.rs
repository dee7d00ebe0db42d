//! A store copied file by file: same id, same key, same snapshots.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::error::{Error, Kind};
use crate::engine::repository::{Repository, twice};
use crate::format::envelope;
use crate::format::kind::Resource;
use crate::pool::Queue;
use crate::ports::fault::FaultKind;
use crate::ports::store::{self, Access, Item, Listed, Store};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Files on their way at the same time, each in memory.
const AT_ONCE: usize = 4;

/// What came of a clone.
#[derive(Debug, Default)]
pub struct Cloned {
    /// Files copied.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose MAC does not match: left out, and named.
    pub damaged: Vec<String>,
}

/// Makes `to` a copy of a store. Every file is verified before it is written. States come last, so
/// that what a clone broken off refers to is there; those written meanwhile are left out, with
/// all they say.
///
/// # Errors
/// `Exists` when there is a store already, unless it is what a clone of this one left when it was
/// broken off; what either store says. What was copied stays.
pub fn clone(from: &Repository, to: &dyn Store, world: &World) -> Result<Cloned, Error> {
    if from.store.access() == Access::ReadOnly {
        let what = format!("{}: an archive has no files to be copied", from.store.location());
        return Err(Error::new(Kind::Unsupported, what).with_remedy("use sync to copy its snapshots"));
    }
    // Before the packfiles: each state's packfiles are there when it is.
    let states = from.store.list(store::Kind::State)?;
    let packfiles = from.store.list(store::Kind::Packfile)?;
    if let Err(fault) = to.create(&from.config_file)
        && (fault.kind != FaultKind::Exists || !is_begun(to, &from.config_file, &states)?)
    {
        return Err(fault.into());
    }
    let mut cloned = Cloned::default();
    copy(from, to, store::Kind::Packfile, &packfiles, &mut cloned, world)?;
    copy(from, to, store::Kind::State, &states, &mut cloned, world)?;
    cloned.damaged.sort();
    Ok(cloned)
}

/// Whether the store that is there is this one's copy, broken off: states come last, and some are
/// missing.
fn is_begun(to: &dyn Store, config: &[u8], states: &[Listed]) -> Result<bool, Error> {
    match to.get(Item::Config, limits::CONFIG_BYTES_MAX) {
        Ok(there) if there == config => {}
        Ok(_) => return Ok(false),
        // Something else is in the way.
        Err(fault) if fault.kind == FaultKind::Missing => return Ok(false),
        Err(fault) => return Err(fault.into()),
    }
    let wanted: HashSet<Mac> = states.iter().map(|state| state.id).collect();
    let there = to.list(store::Kind::State)?;
    Ok(there.len() < wanted.len() && there.iter().all(|state| wanted.contains(&state.id)))
}

fn copy(
    from: &Repository,
    to: &dyn Store,
    kind: store::Kind,
    files: &[Listed],
    cloned: &mut Cloned,
    world: &World,
) -> Result<(), Error> {
    let queue = Queue::new(files.len().max(1));
    for file in files {
        // The queue has room for all of them.
        let _ = queue.push(*file);
    }
    queue.close();
    let tally = Mutex::new(cloned);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(files.len()) {
            scope.spawn(|| {
                while let Some(file) = queue.pop() {
                    let copied = match world.cancel.is_cancelled() {
                        true => Err(Error::cancelled()),
                        false => one(from, to, kind, file),
                    };
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    match copied {
                        Ok(()) => {
                            tally.files += 1;
                            tally.bytes += file.size;
                        }
                        Err(fault) if blobs::concerns_the_blob(&fault) => {
                            tally.damaged.push(fault.to_string());
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
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn one(from: &Repository, to: &dyn Store, kind: store::Kind, file: Listed) -> Result<(), Error> {
    let (item, resource) = match kind {
        store::Kind::Packfile => (Item::Packfile(file.id), Resource::PACKFILE),
        _ => (Item::State(file.id), Resource::STATE),
    };
    let body = twice(|| {
        let body = from.store.get(item, file.size)?;
        let opened = envelope::open(&body, resource, from.codec.keyed());
        opened.map_err(|fault| Error::from(fault).context(item))?;
        Ok(body)
    })?;
    Ok(to.put(item, &body)?)
}
