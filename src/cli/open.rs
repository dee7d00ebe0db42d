//! A store opened: unlocked, its index loaded, ready for a command.

use crate::base::secret::Secret;
use crate::base::stamp::Stamp;
use crate::cli::cache::DiskCache;
use crate::cli::connect;
use crate::cli::exit::Failure;
use crate::cli::passphrase;
use crate::cli::session::{Place, Session};
use crate::engine::World;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::{Error, Kind};
use crate::engine::index::{Index, Sight};
use crate::engine::plan::{Fetcher, Width};
use crate::engine::repository::{Closed, Repository};
use crate::engine::retention::Retention;
use crate::engine::select::{self, Argument, Facts, Filters};
use crate::engine::snapshot::{self, Snapshot};
use crate::engine::states::{self, Broken};
use crate::ports::monitor::{Monitor, Silent};
use crate::ports::store::Store;
use std::ffi::OsStr;
use std::sync::Arc;

/// What follows the line that a store could not be opened.
const HINT: &str = "To specify an alternative repository, please use \"plakar at <location> <command>\".";

/// What follows the line that a second store could not be unlocked.
const PEER_HINT: &str = "Give it as the passphrase or passphrase_cmd option of that store's entry.";

/// A store and what was read of it so far.
pub struct Opened {
    /// Unlocked.
    pub repository: Repository,
    /// Everything its states say.
    pub index: Index,
    /// For the engine.
    pub world: World,
    /// How much runs side by side.
    pub cores: usize,
}

impl Opened {
    /// The wall clock.
    pub fn now(&self) -> Stamp {
        Stamp::from_nanos(self.world.clock.now_ns())
    }

    /// A reader of its blobs with a cache of ordinary size.
    pub fn blobs(&self) -> Blobs<'_> {
        Blobs::for_lookups(&self.repository, &self.index)
    }

    /// A reader for work that goes through whole trees: blocks are large, as all of them is wanted.
    pub fn walk_blobs(&self) -> Blobs<'_> {
        Blobs::for_walks(&self.repository, &self.index)
    }

    /// A fetcher of many blobs.
    pub fn fetcher<'b>(&self, blobs: &'b Blobs<'b>) -> Fetcher<'b, 'b> {
        Fetcher::new(blobs, &self.world, Width::for_cores(self.cores))
    }

    /// The one snapshot that an argument names.
    ///
    /// # Errors
    /// None or several have the prefix; a header that cannot be read.
    pub fn snapshot(&self, blobs: &Blobs<'_>, argument: &Argument) -> Result<Snapshot, Failure> {
        let id = select::unique(&self.index.snapshots(), &argument.prefix)
            .map_err(|not_one| Failure::new(not_one.to_string()))?;
        Ok(Snapshot::open(blobs, &id)?)
    }

    /// The snapshots that pass the filters and that a period keeps, newest first, and those whose
    /// header cannot be read.
    ///
    /// # Errors
    /// Those that concern the store as a whole.
    pub fn select(
        &self,
        filters: &Filters,
        retention: &Retention,
    ) -> Result<(Vec<Snapshot>, Vec<(crate::base::mac::Mac, Error)>), Failure> {
        let blobs = self.blobs();
        let fetcher = self.fetcher(&blobs);
        let all = snapshot::open_all(&fetcher, &self.index.snapshots())?;
        let facts: Vec<Facts> = all.readable.iter().map(|snapshot| Facts::from(&snapshot.header)).collect();
        let passed = filters.apply(&facts);
        let verdicts = retention.judge(&passed, self.now());
        let kept: Vec<_> = passed
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| verdict.keep)
            .map(|(facts, _)| facts.id)
            .collect();
        let mut readable = all.readable;
        readable.retain(|snapshot| kept.contains(&snapshot.id));
        Ok((readable, all.problems))
    }
}

/// Opens the store that the session was told to use. From here on Ctrl-C ends work cleanly.
///
/// # Errors
/// In the two lines that scripts know when the store cannot be opened; a wrong passphrase.
pub fn store(session: &Session, monitor: Option<Arc<dyn Monitor>>) -> Result<Opened, Failure> {
    let place = session.store()?;
    let world = world(session, monitor.unwrap_or_else(|| Arc::new(Silent)));
    named(session, &place, world, &|closed| ask(session, &place, closed))
}

/// The same store, unlocked, its states not read: for what copes with damaged ones.
///
/// # Errors
/// As [`store`], but for the states.
pub fn unindexed(session: &Session, monitor: Arc<dyn Monitor>) -> Result<(Repository, World), Failure> {
    let place = session.store()?;
    let world = world(session, monitor);
    let repository = unlocked(session, &place, &|closed| ask(session, &place, closed))?;
    session.interruptible()?;
    Ok((repository, world))
}

/// Where states are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum States {
    /// Copies on this machine are as good, and cost no request.
    Copies,
    /// The store itself, whose states are to be judged.
    Store,
}

/// The store that the session was told to use, with what can be read of its states: for what saves
/// and judges damaged ones. Each state that is not whole is named.
///
/// # Errors
/// As [`store`], but for damaged states.
pub fn damaged(
    session: &Session,
    monitor: Arc<dyn Monitor>,
    from: States,
) -> Result<(Opened, Vec<Broken>), Failure> {
    let (repository, world) = unindexed(session, monitor)?;
    let cores = session.globals.cpu;
    if from == States::Copies {
        match repository.load_index(&world) {
            Ok(index) => return Ok((Opened { repository, index, world, cores }, Vec::new())),
            Err(error) if blobs::concerns_the_blob(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let states::States { index, broken } = states::read(&repository, Sight::Readers, &world)?;
    for Broken { id, error, .. } in &broken {
        session.out.damage("state", id, &error.to_string());
    }
    Ok((Opened { repository, index, world, cores }, broken))
}

/// The same store, when nobody has to be asked for its passphrase; else `None`.
///
/// # Errors
/// As [`store`].
pub fn without_asking(session: &Session) -> Result<Option<Opened>, Failure> {
    let place = session.store()?;
    let closed = Closed::read(connect::store(session, &place)?)?;
    if closed.needs_passphrase() && place.passphrase.is_none() {
        return Ok(None);
    }
    store(session, None).map(Some)
}

fn ask(session: &Session, place: &Place, closed: &Reopen<'_>) -> Result<Repository, Failure> {
    let asked = unlock(closed, place.passphrase.as_ref(), "repository passphrase", &world_of(session))?;
    asked.ok_or_else(|| Failure::new("failed to unlock repository (the passphrase is wrong)"))
}

/// A second store. Its passphrase comes from the same places; where those give the first store's,
/// which does not open this one, a person at a terminal is asked.
///
/// # Errors
/// As [`store`].
pub fn peer(session: &Session, word: &OsStr, label: &str) -> Result<Opened, Failure> {
    let place = session.store_named(word)?;
    let world = world_of(session);
    named(session, &place, world_of(session), &|closed| {
        if let Some(repository) = unlock(closed, place.passphrase.as_ref(), label, &world)? {
            return Ok(repository);
        }
        let wrong = || Failure::new("invalid passphrase").and(PEER_HINT);
        let asked = unlock(closed, None, label, &world).map_err(|_| wrong())?;
        asked.ok_or_else(wrong)
    })
}

fn world_of(session: &Session) -> World {
    world(session, Arc::new(Silent))
}

/// Gives a closed store, anew each time.
type Reopen<'a> = dyn Fn() -> Result<Closed, Failure> + 'a;

/// Unlocks what a closed store gives.
type Unlock<'a> = dyn Fn(&Reopen<'_>) -> Result<Repository, Failure> + 'a;

fn unlocked(session: &Session, place: &Place, unlock: &Unlock<'_>) -> Result<Repository, Failure> {
    let store = connect::store(session, place).map_err(|failure| cannot(session, place, failure))?;
    unlock(&|| {
        let closed =
            Closed::read(Arc::clone(&store)).map_err(|error| cannot(session, place, error.into()))?;
        if place.is_sealed && !closed.needs_passphrase() {
            return Err(replaced(session, place));
        }
        Ok(match &session.cache_dir {
            Some(dir) => {
                let cache = DiskCache::states(dir, &closed.id());
                closed.with_cache(Arc::new(cache))
            }
            None => closed,
        })
    })
}

fn named(session: &Session, place: &Place, world: World, unlock: &Unlock<'_>) -> Result<Opened, Failure> {
    let repository = unlocked(session, place, unlock)?;
    session.interruptible()?;
    let index = repository.load_index(&world)?;
    Ok(Opened { repository, index, world, cores: session.globals.cpu })
}

/// The same store with everything in it that was written meanwhile.
///
/// # Errors
/// Those of reading the states.
pub fn again(opened: Opened) -> Result<Opened, Failure> {
    let index = opened.repository.load_index(&opened.world)?;
    Ok(Opened { index, ..opened })
}

/// What the engine is given of the world.
pub fn world(session: &Session, monitor: Arc<dyn Monitor>) -> World {
    World {
        clock: Arc::clone(&session.clock),
        dice: Arc::clone(&session.dice),
        cancel: session.cancel.clone(),
        monitor,
    }
}

/// Whoever can write where the store is could put a plaintext one in its place, to be told what is backed
/// up next, or to choose what is restored.
fn replaced(session: &Session, place: &Place) -> Failure {
    let location = connect::shown(session, place);
    Failure::new(format!("the store at {location} is not encrypted, though {} has a passphrase", place.word))
        .and("Somebody may have replaced it. If it is meant to be plaintext, unset the entry's passphrase.")
}

fn cannot(session: &Session, place: &Place, failure: Failure) -> Failure {
    let location = connect::shown(session, place);
    failure.context(format_args!("failed to open the repository at {location}")).and(HINT)
}

/// The store opened with the passphrase at hand, or one that is asked for; `None` when it is wrong.
fn unlock(
    closed: &Reopen<'_>,
    supplied: Option<&Secret>,
    label: &str,
    world: &World,
) -> Result<Option<Repository>, Failure> {
    let try_one = |closed: Closed, secret: Option<&Secret>| match closed.unlock(secret, world) {
        Ok(repository) => Ok(Some(repository)),
        Err(error) if error.kind == Kind::WrongPassphrase => Ok(None),
        Err(error) => Err(Failure::from(error)),
    };
    let first = closed()?;
    if !first.needs_passphrase() || supplied.is_some() {
        return try_one(first, supplied);
    }
    let mut ready = Some(first);
    passphrase::ask_until(label, |secret| {
        let closed = match ready.take() {
            Some(closed) => closed,
            None => closed()?,
        };
        try_one(closed, Some(secret))
    })
}

/// The store as a connector, for commands that make one.
///
/// # Errors
/// What the connector says.
pub fn connector(session: &Session, place: &Place) -> Result<Arc<dyn Store>, Failure> {
    connect::store(session, place)
}
