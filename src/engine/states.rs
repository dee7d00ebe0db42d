//! The states of a store as they are stored: which are whole, which are not, and which are gone.
//!
//! Commands that only need what the states say read them through copies on this machine, and stop
//! at one that is damaged. Here each is read from the store itself, and the copies bear witness: a
//! state that differs from its copy was replaced, one that is no longer there was lost.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::concerns_the_blob;
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Builder, Index, Sight};
use crate::engine::repository::{Repository, twice};
use crate::format::kind::{Generation, Resource, Version};
use crate::format::state::{self, Entry, Meta};
use crate::pool::Queue;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// States fetched at the same time: latency decides, they are small.
const FETCHERS: usize = 8;

/// What one state says.
pub(crate) struct State {
    /// Its entries, in the order they are written.
    pub(crate) entries: Vec<Entry>,
    /// What stands at its end.
    pub(crate) meta: Meta,
}

impl State {
    /// From the body of a state file.
    ///
    /// # Errors
    /// `Damaged`; `Unsupported` for one newer than this program.
    pub(crate) fn decode(body: &[u8], version: Version) -> Result<State, Error> {
        let mut entries = Vec::new();
        let meta = state::decode(body, version, &mut |entry| entries.push(entry))?;
        Ok(State { entries, meta })
    }

    /// Whether the packfiles it publishes say that another state did: so says a state that gathers
    /// others, or one that was put in another's place.
    fn names_another(&self, id: &Mac) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Packfile { state, .. } if state != id))
    }

    /// Whether anything of it is not in the index.
    fn adds_to(&self, index: &Index) -> bool {
        let packfile = |id: &Mac| index.packfiles().binary_search_by_key(id, |packfile| packfile.id).ok();
        self.entries.iter().any(|entry| match entry {
            Entry::Packfile { id, .. } => packfile(id).is_none(),
            Entry::Deleted { resource: Resource::SNAPSHOT, mac, .. } => index.snapshots().contains(mac),
            Entry::Deleted { resource: Resource::PACKFILE, mac, .. } => packfile(mac)
                .and_then(|at| index.packfiles().get(at))
                .is_some_and(|packfile| packfile.coloured_ns.is_none()),
            _ => false,
        })
    }
}

/// A state that is not what it was.
pub struct Broken {
    /// Its name.
    pub id: Mac,
    /// What is wrong with it.
    pub error: Error,
    /// Whether the store has a file of that name.
    pub there: bool,
    /// The file as it was, when this machine has a copy of it.
    pub copy: Option<Vec<u8>>,
}

/// Every state of a store, read from the store.
pub struct States {
    /// What they say together; copies speak for those that are broken.
    pub index: Index,
    /// Those that are not whole, by name.
    pub broken: Vec<Broken>,
}

/// Reads every state from the store itself, and passes over none in silence.
///
/// # Errors
/// A state newer than this program, and what concerns the store as a whole.
pub fn read(repository: &Repository, sight: Sight, world: &World) -> Result<States, Error> {
    let mut listed = repository.states()?;
    listed.sort_unstable();
    let builder = Builder::of(repository.config.generation());
    let gathered = Mutex::new(Gathered { builder, ..Gathered::default() });
    let reading = Reading { repository, gathered };
    each(&listed, world, &|id| reading.one(id))?;
    let Gathered { mut builder, mut broken, seen } =
        reading.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    broken.extend(twins(&seen));
    let there: HashSet<Mac> = listed.into_iter().collect();
    let gone: Vec<Mac> = repository.cache().names().into_iter().filter(|id| !there.contains(id)).collect();
    if !gone.is_empty() {
        lost(repository, &gone, &mut builder, &mut broken);
    }
    broken.sort_by_key(|broken| broken.id);
    Ok(States { index: builder.finish_for(sight), broken })
}

/// Of states that this machine has copies of and the store does not have, those that say something
/// that no other one does. A store of the other line gathers its states into new ones.
fn lost(repository: &Repository, gone: &[Mac], builder: &mut Builder, broken: &mut Vec<Broken>) {
    let known = builder.clone().finish_for(Sight::Everything);
    if known.generation() != Generation::V1_0 {
        return;
    }
    for id in gone {
        let Some(file) = repository.cache().get(id) else { continue };
        let Ok(state) = repository.decode_state(id, &file) else { continue };
        if !state.adds_to(&known) {
            continue;
        }
        builder.take(id, state);
        let what = format!("state {id}: this machine has read it before, and it is not in the store");
        let error = Error::new(Kind::Damaged, what);
        broken.push(Broken { id: *id, error, there: false, copy: Some(file) });
    }
}

#[derive(Default)]
struct Gathered {
    builder: Builder,
    broken: Vec<Broken>,
    /// Of each whole state: the digest of its file, and whether it seems to be another's.
    seen: HashMap<Mac, Vec<(Mac, bool)>>,
}

struct Reading<'a> {
    repository: &'a Repository,
    gathered: Mutex<Gathered>,
}

impl Reading<'_> {
    fn one(&self, id: &Mac) -> Result<(), Error> {
        let repository = self.repository;
        let copy = repository.cache().get(id);
        let copied = copy.as_ref().and_then(|file| repository.decode_state(id, file).ok());
        let read = twice(|| {
            let file = repository.state_file(id)?;
            let state = repository.decode_state(id, &file)?;
            Ok((file, state))
        });
        let error = match read {
            Ok((file, state)) => {
                if copied.is_none() || copy.as_ref() == Some(&file) {
                    let digest = repository.codec.mac(&file);
                    let foreign = state.names_another(id);
                    let mut gathered = self.lock();
                    gathered.seen.entry(digest).or_default().push((*id, foreign));
                    gathered.builder.take(id, state);
                    return Ok(());
                }
                let what = format!("state {id}: not the one that this machine has read under that name");
                // Whatever it says, it says it in the wrong place.
                self.lock().builder.take(id, state);
                Error::new(Kind::Damaged, what)
            }
            Err(error) if concerns_the_blob(&error) => error,
            Err(error) => return Err(error),
        };
        let mut gathered = self.lock();
        let whole = copied.is_some();
        if let Some(state) = copied {
            gathered.builder.take(id, state);
        }
        let copy = copy.filter(|_| whole);
        gathered.broken.push(Broken { id: *id, error, there: true, copy });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        locked(&self.gathered)
    }
}

/// States that are the same file under several names, of which no two writers ever made one.
fn twins(seen: &HashMap<Mac, Vec<(Mac, bool)>>) -> Vec<Broken> {
    let mut broken = Vec::new();
    for ids in seen.values().filter(|ids| ids.len() > 1) {
        // The original is the one whose packfiles name it.
        let mut ids = ids.clone();
        ids.sort_by_key(|(id, foreign)| (*foreign, *id));
        let Some(((first, _), rest)) = ids.split_first() else { continue };
        for (id, _) in rest {
            let what = format!("state {id}: a copy of state {first} in its place");
            broken.push(Broken { id: *id, error: Error::new(Kind::Damaged, what), there: true, copy: None });
        }
    }
    broken
}

/// Visits states side by side, until all are or one failed.
pub(crate) fn each(
    ids: &[Mac],
    world: &World,
    visit: &(dyn Fn(&Mac) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    let queue = Queue::new(ids.len().max(1));
    for id in ids {
        // The queue has room for all of them.
        let _ = queue.push(id);
    }
    queue.close();
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..FETCHERS.min(ids.len()) {
            scope.spawn(|| {
                while let Some(id) = queue.pop() {
                    let visited = match world.cancel.is_cancelled() {
                        true => Err(Error::cancelled()),
                        false => visit(id),
                    };
                    if let Err(error) = visited {
                        locked(&failure).get_or_insert(error);
                        queue.abandon();
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the whole run.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
