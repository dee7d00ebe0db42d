//! A state on its own: what commands say of a store without storing a blob in it.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::codec::Codec;
use crate::engine::error::{Error, Kind};
use crate::engine::index::Index;
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::{Generation, Resource, Version};
use crate::format::state::{Builder, Entry, Meta};
use crate::ports::store::{Access, Item};

/// What a state to be written says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// How states and snapshots are spelled.
    pub generation: Generation,
    /// Of the newest state, or the repository's id: nobody acts on it.
    pub serial: [u8; 16],
    /// The newest state, which those of v1.1 follow: whoever reads them all reads that one first.
    pub parent: Mac,
}

impl Lineage {
    /// Of what comes next in that store.
    pub fn of(repository: &Repository, index: &Index) -> Lineage {
        Lineage {
            generation: index.generation(),
            serial: index.serial().unwrap_or(repository.config.repository_id),
            parent: index.newest_state().unwrap_or(Mac::ZERO),
        }
    }

    /// The same, in view of what was published meanwhile.
    #[must_use]
    pub fn with(self, newer: &Index) -> Lineage {
        let generation = match newer.generation() {
            Generation::V1_0 => self.generation,
            Generation::V1_1 => Generation::V1_1,
        };
        let serial = newer.serial().unwrap_or(self.serial);
        Lineage { generation, serial, parent: newer.newest_state().unwrap_or(self.parent) }
    }

    /// Of the one state of an archive.
    pub fn of_archive(repository_id: [u8; 16]) -> Lineage {
        Lineage { generation: Generation::V1_0, serial: repository_id, parent: Mac::ZERO }
    }

    /// The file of a state with these entries, and the MAC of its body.
    pub fn state(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        codec: &Codec,
        world: &World,
    ) -> (Vec<u8>, Mac) {
        let (version, parent) = match self.generation {
            Generation::V1_0 => (Version::V1_0_0, None),
            Generation::V1_1 => (Version::V1_1_0, Some(self.parent)),
        };
        let mut builder = Builder::new(parent);
        entries.into_iter().for_each(|entry| builder.push(&entry));
        let body =
            builder.finish(&Meta { version, timestamp_ns: now_ns(world), serial: self.serial, parent });
        let payload = codec.encode(&body, &*world.dice);
        (envelope::wrap(Resource::STATE, version, &payload, codec.keyed()), codec.mac(&body))
    }
}

/// Refuses an archive, which must not be written to.
///
/// # Errors
/// `Unsupported`.
pub fn refuse_archive(repository: &Repository) -> Result<(), Error> {
    match repository.store.access() {
        Access::Full => Ok(()),
        Access::ReadOnly => {
            let what = format!("{}: an archive is never written to again", repository.store.location());
            Err(Error::new(Kind::Unsupported, what))
        }
    }
}

/// Publishes the entries as one state: all of them hold, or none. It is named `id`, or after its
/// content when there is no reason for another name.
///
/// # Errors
/// The store's; nothing has changed then, or all of it if the answer was lost.
pub fn publish(
    repository: &Repository,
    index: &Index,
    id: Option<Mac>,
    entries: &[Entry],
    world: &World,
) -> Result<Mac, Error> {
    refuse_archive(repository)?;
    let lineage = Lineage::of(repository, index);
    let (file, name) = lineage.state(entries.iter().cloned(), &repository.codec, world);
    let id = id.unwrap_or(name);
    repository.store.put(Item::State(id), &file)?;
    Ok(id)
}

/// The wall clock as states write it.
pub fn now_ns(world: &World) -> u64 {
    u64::try_from(world.clock.now_ns()).unwrap_or(0)
}
