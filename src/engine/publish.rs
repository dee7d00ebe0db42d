//! A state on its own: what commands say of a store without storing a blob in it.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::error::{Error, Kind};
use crate::engine::index::Index;
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::kind::{Generation, Resource, Version};
use crate::format::state::{Builder, Entry, Meta};
use crate::ports::store::{Access, Item};

/// Refuses a store that must not be written to, before anything was.
///
/// # Errors
/// `Unsupported` for an archive and for a store that another line of Plakar writes.
pub fn refuse_unwritable(repository: &Repository, index: &Index) -> Result<(), Error> {
    refuse_archive(repository)?;
    if index.generation() == Generation::V1_0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsupported,
        "this store is written by Plakar v1.1, whose states this program reads but does not write",
    )
    .with_remedy("use Plakar v1.1 to change it"))
}

/// Refuses an archive.
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
    refuse_unwritable(repository, index)?;
    let mut builder = Builder::new(None);
    entries.iter().for_each(|entry| builder.push(entry));
    let body = builder.finish(&Meta {
        version: Version::V1_0_0,
        timestamp_ns: now_ns(world),
        serial: index.serial().unwrap_or(repository.config.repository_id),
        parent: None,
    });
    let codec = &repository.codec;
    let id = id.unwrap_or_else(|| codec.mac(&body));
    let payload = codec.encode(&body, &*world.dice);
    let file = envelope::wrap(Resource::STATE, Version::V1_0_0, &payload, codec.keyed());
    repository.store.put(Item::State(id), &file)?;
    Ok(id)
}

/// The wall clock as states write it.
pub fn now_ns(world: &World) -> u64 {
    u64::try_from(world.clock.now_ns()).unwrap_or(0)
}
