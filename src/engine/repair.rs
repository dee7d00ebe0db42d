//! States rebuilt from what packfiles say of themselves.
//!
//! Nothing is read back that a state would know better: a packfile that a readable state names, or
//! coloured, is left as it is. A state of which this machine has a copy is put back as it was. What
//! other lost states said besides places is lost with them: that a snapshot was removed, for one, so
//! such a snapshot is back.
//!
//! A packfile that was lost is coloured, as maintenance colours what nobody needs: backups look for
//! nothing in it any more, and the next one stores anew what its source still has of it, which mends
//! older snapshots too. Should it turn up again, maintenance takes what is needed out of it.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::error::Error;
use crate::engine::index::{Index, Sight};
use crate::engine::lock::{self, Claim};
use crate::engine::packfile_index;
use crate::engine::publish;
use crate::engine::repository::Repository;
use crate::engine::states::{self, Broken, States};
use crate::format::kind::Resource;
use crate::format::state::{Entry, Location};
use crate::ports::fault::FaultKind;
use crate::ports::monitor::Event;
use crate::ports::store::{self, Item};
use std::collections::{BTreeSet, HashSet};

/// What is wrong with the states of a store, and what packfiles can tell of it.
#[derive(Default)]
pub struct Survey {
    /// States that are not whole.
    pub broken: Vec<Broken>,
    /// Locks that cannot be read, and why: each keeps everybody out.
    pub damaged_locks: Vec<(Mac, Error)>,
    /// Packfiles that no readable state names, and how many blobs each has.
    pub unknown: Vec<(Mac, usize)>,
    /// Of those, packfiles that cannot tell what is in them, and why.
    pub unreadable: Vec<(Mac, Error)>,
    /// Packfiles that a state names and the store does not have.
    pub missing: Vec<Mac>,
    /// Snapshots whose headers are in the unknown packfiles and nowhere else.
    pub snapshots: Vec<Mac>,
    entries: Vec<Entry>,
}

impl Survey {
    /// Whether there is anything that [`apply`] would do.
    pub fn has_work(&self) -> bool {
        !self.entries.is_empty() || !self.broken.is_empty() || !self.damaged_locks.is_empty()
    }
}

/// Looks, and changes nothing.
///
/// # Errors
/// What concerns the store as a whole.
pub fn survey(repository: &Repository, world: &World) -> Result<(Survey, Index), Error> {
    let States { index, broken } = states::read(repository, Sight::Readers, world)?;
    let damaged_locks = lock::unreadable(repository)?;
    let mut listed = repository.store.list(store::Kind::Packfile)?;
    listed.sort_unstable_by_key(|file| file.id);
    let there: HashSet<Mac> = listed.iter().map(|file| file.id).collect();
    let mut survey = Survey { broken, damaged_locks, ..Survey::default() };
    let mut known: HashSet<Mac> = index.coloured_orphans().keys().copied().collect();
    for packfile in index.packfiles() {
        known.insert(packfile.id);
        if packfile.coloured_ns.is_none() && !there.contains(&packfile.id) {
            survey.missing.push(packfile.id);
        }
    }
    // A listing that is not complete must not hide what is there.
    let mut still_there = Vec::new();
    for id in &survey.missing {
        match repository.store.get_range(Item::Packfile(*id), 0, 1) {
            Err(fault) if fault.kind == FaultKind::Missing => {}
            Err(fault) if fault.kind != FaultKind::Damaged => return Err(fault.into()),
            _ => {
                let what = format!("packfile {id}: in the store, though its listing does not say so");
                world.monitor.tell(Event::Warning(&what));
                still_there.push(*id);
            }
        }
    }
    survey.missing.retain(|id| !still_there.contains(id));
    let when_ns = publish::now_ns(world);
    let colour = |mac: &Mac| Entry::Deleted { resource: Resource::PACKFILE, mac: *mac, when_ns };
    survey.entries.extend(survey.missing.iter().map(colour));
    let mut snapshots = BTreeSet::new();
    for file in listed.iter().filter(|file| !known.contains(&file.id)) {
        if world.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let (footer, records) = match packfile_index::read(repository, file.id, file.size, 0) {
            Ok(read) => read,
            Err(error) if blobs::concerns_the_blob(&error) => {
                survey.unreadable.push((file.id, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        survey.unknown.push((file.id, records.len()));
        for record in records {
            if record.resource == Resource::SNAPSHOT {
                snapshots.insert(record.mac);
            }
            survey.entries.push(Entry::Location(Location {
                resource: record.resource,
                version: record.version,
                mac: record.mac,
                packfile: file.id,
                offset: record.offset,
                length: record.length,
                flags: record.flags,
            }));
        }
        let timestamp_ns = u64::try_from(footer.timestamp_ns).unwrap_or(0);
        survey.entries.push(Entry::Packfile { id: file.id, state: Mac::ZERO, timestamp_ns });
    }
    let before: HashSet<Mac> = index.snapshots().into_iter().collect();
    survey.snapshots = snapshots.into_iter().filter(|id| !before.contains(id)).collect();
    Ok((survey, index))
}

/// Looks again, alone; puts back states of which this machine has copies, publishes one state for
/// all unknown and all missing packfiles, and removes the states and locks that cannot be read, which keep everybody
/// out. Gives what was found.
///
/// # Errors
/// `Locked` when anybody is at work; the store's.
pub fn apply(repository: &Repository, host: Option<&str>, world: &World) -> Result<Survey, Error> {
    publish::refuse_archive(repository)?;
    let damaged_locks = lock::unreadable(repository)?;
    for (id, _) in &damaged_locks {
        repository.store.delete(Item::Lock(*id))?;
    }
    let held = host
        .map(|host| lock::take(repository, world.dice.mac(), host, Claim::Exclusive, world))
        .transpose()?;
    let (mut survey, index) = survey(repository, world)?;
    survey.damaged_locks = damaged_locks;
    for broken in &survey.broken {
        if let Some(copy) = &broken.copy {
            repository.store.put(Item::State(broken.id), copy)?;
        }
    }
    if !survey.entries.is_empty() {
        let id = world.dice.mac();
        for entry in &mut survey.entries {
            if let Entry::Packfile { state, .. } = entry {
                *state = id;
            }
        }
        publish::publish(repository, &index, Some(id), &survey.entries, world)?;
    }
    for broken in survey.broken.iter().filter(|broken| broken.copy.is_none()) {
        repository.store.delete(Item::State(broken.id))?;
    }
    if let Some(held) = held {
        lock::release(held, world);
    }
    Ok(survey)
}
