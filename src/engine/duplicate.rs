//! A second snapshot of the same content.

use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::engine::addition::Addition;
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::packer::Packer;
use crate::engine::repository::Repository;
use crate::engine::snapshot::Snapshot;
use crate::engine::writer::Scratch;
use crate::format::kind::Resource;
use crate::format::snapshot::{Header, Identity};

/// Stores a header that differs in id and time alone, and gives its id. It is unsigned: a signature
/// covers the header it was made for.
///
/// # Errors
/// The store's; somebody else holds it. There is no new snapshot then.
pub fn duplicate(
    repository: &Repository,
    index: &Index,
    snapshot: &Snapshot,
    host: Option<&str>,
    world: &World,
) -> Result<Mac, Error> {
    let addition = Addition::begin(repository, index, host, world)?;
    addition.require(&snapshot.id)?;
    let id = world.dice.mac();
    let header = Header {
        identifier: id,
        timestamp: Stamp::from_nanos(world.clock.now_ns()),
        identity: Identity::default(),
        ..snapshot.header.clone()
    };
    let packer = Packer::new(repository, addition.lineage(), world);
    let writer = addition.writer(&packer);
    packer.shipping(|| {
        writer.put(Resource::SNAPSHOT, id, &header.encode(), &mut Scratch::default()).map(|_| ())
    })?;
    packer.commit(id, &[])?;
    addition.finish(&packer, id)?;
    Ok(id)
}
