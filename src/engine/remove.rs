//! Snapshots taken out of a store. Their blobs stay until maintenance finds that nobody needs them.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::error::Error;
use crate::engine::index::Index;
use crate::engine::publish;
use crate::engine::repository::Repository;
use crate::format::kind::Resource;
use crate::format::state::Entry;

/// Removes the snapshots, all of them at once or none. One that is gone already stays gone.
///
/// No lock is needed: nothing that a backup or maintenance at the same time relies on changes.
///
/// # Errors
/// As for [`publish::publish`].
pub fn remove(repository: &Repository, index: &Index, ids: &[Mac], world: &World) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let when_ns = publish::now_ns(world);
    let entries: Vec<Entry> =
        ids.iter().map(|&mac| Entry::Deleted { resource: Resource::SNAPSHOT, mac, when_ns }).collect();
    publish::publish(repository, index, None, &entries, world).map(|_| ())
}
