//! Space given back: packfiles that no snapshot needs are coloured, which hides them from backups,
//! and removed when a grace period has passed.
//!
//! Nothing is coloured unless every snapshot could be read whole, under a lock that keeps backups
//! away. What is needed after all, though coloured, is stored anew. All places of a needed blob
//! are kept, so that one packfile that rots does not take a blob with it that another one has.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::live::{Live, Marked};
use crate::engine::lock::{self, Claim, Held};
use crate::engine::packfile_index;
use crate::engine::publish;
use crate::engine::repository::Repository;
use crate::engine::rescue;
use crate::format::kind::{Generation, Resource};
use crate::format::state::Entry;
use crate::ports::fault::FaultKind;
use crate::ports::monitor::Event;
use crate::ports::store::{self, Item};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Age from which on an unfinished write is taken for one that nobody will finish: also those that
/// need no lock, or run elsewhere, take less than a day for one file.
const REMAINS_AGE: Duration = Duration::from_secs(24 * 3600);

/// How it is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Between colouring and removal; also how old a packfile of no state must be to be coloured.
    pub grace: Duration,
    /// Whether packfiles are removed, or only hidden.
    pub delete: bool,
    /// Host name for the lock; `None` takes none.
    pub host: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packfiles coloured.
    pub coloured: usize,
    /// Of those, packfiles that no state knows: of backups broken off.
    pub orphans: usize,
    /// Blobs stored anew because a snapshot needs them and only coloured packfiles had them.
    pub rescued: usize,
    /// Packfiles removed.
    pub removed: usize,
    /// Blobs that were in them, as far as states know.
    pub removed_blobs: usize,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Remains of writes that were broken off, removed.
    pub remains: usize,
}

/// Runs it.
///
/// # Errors
/// `Locked` when anybody is at work on the store; a snapshot that cannot be read; the store's. Every
/// step leaves the store whole, and is done again or goes on in the next run.
pub fn maintain(repository: &Repository, options: &Options, world: &World) -> Result<Report, Error> {
    // Looked at before anything is written: an archive, a store of another line.
    publish::refuse_archive(repository)?;
    let held = match &options.host {
        Some(host) => Some(lock::take(repository, world.dice.mac(), host, Claim::Exclusive, world)?),
        None => None,
    };
    let report = Run { repository, options, world, held: held.as_ref() }.run()?;
    if let Some(held) = held {
        lock::release(held, world);
    }
    Ok(report)
}

struct Run<'a> {
    repository: &'a Repository,
    options: &'a Options,
    world: &'a World,
    held: Option<&'a Held>,
}

/// What snapshots need.
#[derive(Default)]
struct Needed {
    /// Numbers of packfiles that stay.
    packfiles: HashSet<u32>,
    /// Needed blobs that only coloured packfiles have.
    to_rescue: Vec<(Resource, Mac)>,
}

impl Run<'_> {
    fn run(&self) -> Result<Report, Error> {
        self.step("snapshots", 0, 0, "");
        // Packfiles before states: one that a state publishes meanwhile is no orphan.
        let listed: HashMap<Mac, u64> = self
            .repository
            .store
            .list(store::Kind::Packfile)?
            .iter()
            .map(|file| (file.id, file.size))
            .collect();
        // Read under the lock: what was published before it was taken is in it.
        let index = self.repository.load_everything(self.world)?;
        let blobs = Blobs::for_walks(self.repository, &index);
        let needed = self.needed(&index, &listed, &blobs)?;
        let mut report = Report::default();
        if !needed.to_rescue.is_empty() {
            report.rescued = rescue::store_anew(&blobs, &needed.to_rescue, self.world)?.stored;
        }
        if self.colour(&index, &listed, &needed, &mut report)? {
            report.rescued += self.look_again(&index)?;
        }
        if self.options.delete {
            self.sweep(&index, &listed, &needed, &mut report)?;
            report.remains = self.tidy()?;
        }
        Ok(report)
    }

    fn needed(&self, index: &Index, listed: &HashMap<Mac, u64>, blobs: &Blobs<'_>) -> Result<Needed, Error> {
        let mut live = Live::new(blobs, self.world);
        let snapshots = index.snapshots();
        for (done, id) in snapshots.iter().enumerate() {
            self.step("snapshots", done, snapshots.len(), &id.short());
            live.snapshot(id)?;
        }
        self.step("snapshots", snapshots.len(), snapshots.len(), "");
        let mut needed = Needed::default();
        let seen = |number: &u32| {
            index.packfiles().get(*number as usize).is_some_and(|packfile| packfile.coloured_ns.is_none())
        };
        live.each(&mut |Marked { resource, mac, packfiles }| {
            needed.packfiles.extend(packfiles.iter().filter(|number| seen(number)));
            if !packfiles.iter().any(|number| seen(number) && listed.contains_key(&index.packfile(*number))) {
                needed.packfiles.extend(&packfiles);
                needed.to_rescue.push((resource, mac));
            }
        });
        // One that is in no coloured packfile either is lost, which is for a check to tell.
        needed.to_rescue.retain(|(resource, mac)| {
            let mut places = index.places(*resource, mac);
            places.any(|place| listed.contains_key(&index.packfile(place.packfile)))
        });
        Ok(needed)
    }

    /// Whether anything was.
    fn colour(
        &self,
        index: &Index,
        listed: &HashMap<Mac, u64>,
        needed: &Needed,
        report: &mut Report,
    ) -> Result<bool, Error> {
        let when_ns = publish::now_ns(self.world);
        let colour = |mac| Entry::Deleted { resource: Resource::PACKFILE, mac, when_ns };
        let mut entries = Vec::new();
        for (number, packfile) in (0_u32..).zip(index.packfiles()) {
            if packfile.coloured_ns.is_none() && !needed.packfiles.contains(&number) {
                entries.push(colour(packfile.id));
            }
        }
        let published: HashSet<Mac> = index.packfiles().iter().map(|packfile| packfile.id).collect();
        let mut orphans: Vec<_> = listed
            .iter()
            .filter(|(id, _)| !published.contains(id) && !index.coloured_orphans().contains_key(id))
            .collect();
        orphans.sort();
        let total = orphans.len();
        for (done, (id, size)) in orphans.into_iter().enumerate() {
            self.step("packfiles of no state", done, total, &id.short());
            match packfile_index::read(self.repository, *id, *size, 0) {
                Ok((footer, _)) if self.is_over(u64::try_from(footer.timestamp_ns).unwrap_or(0)) => {
                    report.orphans += 1;
                    entries.push(colour(*id));
                }
                Ok(_) => {}
                Err(error) if blobs::concerns_the_blob(&error) => {
                    let what = format!("packfile {id} is in no state and is left alone: {error}");
                    self.world.monitor.tell(Event::Warning(&what));
                }
                Err(error) => return Err(error),
            }
        }
        report.coloured = entries.len();
        if entries.is_empty() {
            return Ok(false);
        }
        self.still_alone()?;
        publish::publish(self.repository, index, None, &entries, self.world)?;
        Ok(true)
    }

    /// Stores anew what snapshots need that came to be since the states were read. There are none unless
    /// somebody took this lock for a dead one's, or takes none; whoever adds looks for colours behind
    /// its own state likewise, so that of the two who write first and look second one sees the other.
    fn look_again(&self, index: &Index) -> Result<usize, Error> {
        let newer = self.repository.load_beyond(&|id| index.states().contains(id), self.world)?;
        if newer.is_empty() {
            return Ok(0);
        }
        // The new blobs may also complete a snapshot whose header was out before them.
        let snapshots: BTreeSet<Mac> = index.snapshots().into_iter().chain(newer.snapshots()).collect();
        let snapshots: Vec<Mac> = snapshots.into_iter().filter(|id| !newer.was_removed(id)).collect();
        Ok(rescue::rescue(self.repository, &snapshots, self.world)?.stored)
    }

    fn sweep(
        &self,
        index: &Index,
        listed: &HashMap<Mac, u64>,
        needed: &Needed,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut due = HashMap::new();
        for (number, packfile) in (0_u32..).zip(index.packfiles()) {
            if packfile.coloured_ns.is_some_and(|when| self.is_over(when))
                && !needed.packfiles.contains(&number)
            {
                due.insert(packfile.id, 0);
            }
        }
        let orphans = index.coloured_orphans().iter();
        due.extend(orphans.filter(|(_, when)| self.is_over(**when)).map(|(id, _)| (*id, 0)));
        due.retain(|id, _| listed.contains_key(id));
        for (_, _, place) in index.iter() {
            if let Some(blobs) = due.get_mut(&index.packfile(place.packfile)) {
                *blobs += 1;
            }
        }
        let mut due: Vec<(Mac, usize)> = due.into_iter().collect();
        due.sort_unstable();
        if index.generation() == Generation::V1_1 {
            self.take_back(index, due.iter().map(|(id, _)| *id))?;
        }
        let total = due.len();
        for (done, (id, blobs)) in due.into_iter().enumerate() {
            if self.world.cancel.is_cancelled() {
                return Err(Error::cancelled());
            }
            self.step("packfiles removed", done, total, &id.short());
            self.still_alone()?;
            self.repository.store.delete(Item::Packfile(id))?;
            report.removed += 1;
            report.removed_blobs += blobs;
            report.removed_bytes += listed.get(&id).copied().unwrap_or(0);
        }
        Ok(())
    }

    /// Space given back that no state speaks of. It may need rights that nothing else needs, so that
    /// a store does without.
    fn tidy(&self) -> Result<usize, Error> {
        match self.repository.store.tidy(REMAINS_AGE) {
            Err(fault) if fault.kind != FaultKind::Cancelled => {
                let what = format!("what broken-off writes left behind stays: {fault}");
                self.world.monitor.tell(Event::Warning(&what));
                Ok(0)
            }
            done => Ok(done?),
        }
    }

    /// Since v1.1 a state says what no longer holds: the packfiles, with all that is in them, and their
    /// colours. It comes before they are removed, so that nobody looks for them.
    fn take_back(&self, index: &Index, packfiles: impl Iterator<Item = Mac>) -> Result<(), Error> {
        let packfile = |packfile| Entry::Delete { entry: 4, resource: Resource(0), mac: Mac::ZERO, packfile };
        let colour = |mac| Entry::Delete { entry: 3, resource: Resource::PACKFILE, mac, packfile: Mac::ZERO };
        let entries: Vec<Entry> = packfiles.flat_map(|id| [packfile(id), colour(id)]).collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.still_alone()?;
        publish::publish(self.repository, index, None, &entries, self.world).map(|_| ())
    }

    fn step(&self, what: &'static str, done: usize, total: usize, current: &str) {
        let (done, total) = (done as u64, total as u64);
        self.world.monitor.tell(Event::Step { what, done, total, current });
    }

    /// Whether the grace period has passed since then.
    fn is_over(&self, when_ns: u64) -> bool {
        let grace = u64::try_from(self.options.grace.as_nanos()).unwrap_or(u64::MAX);
        when_ns.saturating_add(grace) <= publish::now_ns(self.world)
    }

    fn still_alone(&self) -> Result<(), Error> {
        match self.held {
            Some(held) => held.still_holds(self.world),
            None => Ok(()),
        }
    }
}
