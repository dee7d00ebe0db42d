//! What snapshots need and only hidden packfiles have, stored anew where readers see it.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs::{self, Blobs};
use crate::engine::error::Error;
use crate::engine::live::{Live, Marked};
use crate::engine::packer::Packer;
use crate::engine::publish::Lineage;
use crate::engine::repository::Repository;
use crate::engine::writer::{Scratch, Writer};
use crate::format::kind::Resource;
use crate::ports::monitor::Event;

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rescued {
    /// Blobs stored anew.
    pub(super) stored: usize,
    /// Blobs that cannot be read any more.
    pub(super) lost: usize,
}

/// Rescues everything that these snapshots need.
///
/// # Errors
/// A snapshot whose structure cannot be read; the store's.
pub(super) fn rescue(repository: &Repository, snapshots: &[Mac], world: &World) -> Result<Rescued, Error> {
    let index = repository.load_everything(world)?;
    let blobs = Blobs::for_walks(repository, &index);
    let mut live = Live::new(&blobs, world);
    snapshots.iter().try_for_each(|id| live.snapshot(id))?;
    let mut hidden = Vec::new();
    let seen = |number: &u32| {
        index.packfiles().get(*number as usize).is_some_and(|packfile| packfile.coloured_ns.is_none())
    };
    live.each(&mut |Marked { resource, mac, packfiles }| {
        if !packfiles.iter().any(seen) {
            hidden.push((resource, mac));
        }
    });
    store_anew(&blobs, &hidden, world)
}

/// Stores these blobs anew. Those that cannot be read are told, and counted as lost.
///
/// # Errors
/// The store's.
pub(super) fn store_anew(
    blobs: &Blobs<'_>,
    hidden: &[(Resource, Mac)],
    world: &World,
) -> Result<Rescued, Error> {
    let repository = blobs.repository();
    let index = repository.load_index(world)?;
    let packer = Packer::new(repository, Lineage::of(repository, &index), world);
    let writer = Writer::new(repository, &index, &packer, world);
    let mut scratch = Scratch::default();
    let rescued = packer.shipping(|| {
        let mut rescued = Rescued::default();
        for (resource, mac) in hidden {
            match blobs.get(*resource, mac) {
                Ok(plain) => {
                    match resource {
                        &Resource::CHUNK => writer.put_content(*mac, &plain, false, &mut scratch)?,
                        _ => writer.put(*resource, *mac, &plain, &mut scratch)?,
                    };
                    rescued.stored += 1;
                }
                Err(error) if blobs::concerns_the_blob(&error) => {
                    rescued.lost += 1;
                    world.monitor.tell(Event::Warning(&error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok::<Rescued, Error>(rescued)
    })?;
    if rescued.stored > 0 {
        packer.commit(world.dice.mac(), &[])?;
    }
    Ok(rescued)
}
