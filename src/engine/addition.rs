//! What a snapshot being added owes to others at work on the same store.
//!
//! The lock comes first and the states are looked at again under it, so that nothing is relied on
//! that maintenance hid before. When the new state is out they are looked at once more: locks fail
//! while a machine sleeps or its clock is off, and whatever was hidden meanwhile though this
//! snapshot needs it is stored anew before the snapshot is reported. Maintenance does the same the
//! other way round, so that of two who both write first and look second one sees the other.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::error::{Error, Kind};
use crate::engine::index::Index;
use crate::engine::lock::{self, Claim, Held};
use crate::engine::packer::Packer;
use crate::engine::publish::{self, Lineage};
use crate::engine::remove;
use crate::engine::repository::Repository;
use crate::engine::rescue;
use crate::engine::writer::Writer;
use crate::ports::fault::FaultKind;
use crate::ports::monitor::Event;
use std::collections::HashSet;

/// Looks after the state is out. Each but the first follows another maintenance in the moment of
/// the one before.
const LOOKS_MAX: usize = 8;

/// A snapshot being added.
pub struct Addition<'a> {
    repository: &'a Repository,
    index: &'a Index,
    /// What others published between the reading of `index` and the lock.
    newer: Option<Index>,
    /// Packfiles that were coloured in that time.
    hidden: HashSet<Mac>,
    held: Option<Held>,
    world: &'a World,
}

impl<'a> Addition<'a> {
    /// Takes the lock and looks at what is new. Without a `host` there is no lock and no look: nobody
    /// else can reach that store.
    ///
    /// # Errors
    /// `Locked`; `Unsupported` for a store that must not be written to; the store's.
    pub fn begin(
        repository: &'a Repository,
        index: &'a Index,
        host: Option<&str>,
        world: &'a World,
    ) -> Result<Addition<'a>, Error> {
        publish::refuse_archive(repository)?;
        let mut addition =
            Addition { repository, index, newer: None, hidden: HashSet::new(), held: None, world };
        if let Some(host) = host {
            // A name of its own: two who copy the same snapshot must not share a lock.
            let name = world.dice.mac();
            addition.held = Some(lock::take(repository, name, host, Claim::Shared, world)?);
            let newer = repository.load_beyond(&|id| index.states().contains(id), world)?;
            addition.hidden = newer.coloured().collect();
            addition.newer = Some(newer);
        }
        Ok(addition)
    }

    /// Of the states to be published.
    pub fn lineage(&self) -> Lineage {
        let lineage = Lineage::of(self.repository, self.index);
        self.newer.as_ref().map_or(lineage, |newer| lineage.with(newer))
    }

    /// What stores blobs, beside those that will stay.
    pub fn writer<'w>(&'w self, packer: &'w Packer<'w>) -> Writer<'w> {
        Writer::new(self.repository, self.index, packer, self.world).without(&self.hidden)
    }

    fn views(&self) -> impl Iterator<Item = &Index> {
        std::iter::once(self.index).chain(&self.newer)
    }

    fn was_removed(&self, id: &Mac) -> bool {
        self.views().any(|view| view.was_removed(id))
    }

    /// Refuses an id that the store has.
    ///
    /// # Errors
    /// `Exists`, also when that snapshot was removed: its id never comes back.
    pub fn refuse_known(&self, id: &Mac) -> Result<(), Error> {
        let what = match self.views().any(|view| view.snapshots().contains(id)) {
            _ if self.was_removed(id) => "was removed from this store, where its id never comes back",
            true => "is in the store already",
            false => return Ok(()),
        };
        Err(Error::new(Kind::Store(FaultKind::Exists), format!("snapshot {} {what}", id.short())))
    }

    /// Refuses to build on a snapshot that was removed meanwhile.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn require(&self, id: &Mac) -> Result<(), Error> {
        match self.was_removed(id) {
            true => Err(Error::new(Kind::NotFound, format!("snapshot {} was removed meanwhile", id.short()))),
            false => Ok(()),
        }
    }

    /// Call it when the state of `snapshot` is out: makes sure that nothing it needs was hidden
    /// meanwhile, and gives the lock back.
    ///
    /// # Errors
    /// When that cannot be made sure: the snapshot is taken back then.
    pub fn finish(mut self, packer: &Packer<'_>, snapshot: Mac) -> Result<(), Error> {
        let Some(held) = self.held.take() else { return Ok(()) };
        if let Err(error) = self.look(packer, snapshot, &held) {
            let error = error.context("the snapshot could not be made sure of while others were at work");
            return Err(match remove::remove(self.repository, self.index, &[snapshot], self.world) {
                Ok(()) => error.with_remedy("run it again"),
                Err(stays) => error.with_remedy(format!(
                    "rm {} and run it again, as it is listed: {stays}",
                    snapshot.short()
                )),
            });
        }
        lock::release(held, self.world);
        Ok(())
    }

    fn look(&self, packer: &Packer<'_>, snapshot: Mac, held: &Held) -> Result<(), Error> {
        let mut hidden = self.hidden.clone();
        let mut known: HashSet<Mac> = packer.published().into_iter().collect();
        known.extend(self.views().flat_map(Index::states));
        for _ in 0..LOOKS_MAX {
            let newer = match self.repository.load_beyond(&|id| known.contains(id), self.world) {
                Ok(newer) => newer,
                // While the lock is as it should be, there is nothing to be seen.
                Err(error) if held.still_holds(self.world).is_ok() => {
                    let what = format!("others' states could not be looked at: {error}");
                    self.world.monitor.tell(Event::Warning(&what));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            known.extend(newer.states());
            let before = hidden.len();
            hidden.extend(newer.coloured());
            if hidden.len() == before {
                return Ok(());
            }
            let rescued = rescue::rescue(self.repository, &[snapshot], self.world)?;
            if rescued.lost > 0 {
                let what = format!("{} blobs that it needs were removed meanwhile", rescued.lost);
                return Err(Error::new(Kind::Locked, what));
            }
        }
        Err(Error::new(Kind::Locked, "maintenance runs again and again"))
    }
}
