//! What a backup could not read, as the snapshot remembers it.

use crate::base::path;
use crate::engine::blobs::Blobs;
use crate::engine::error::Error;
use crate::engine::snapshot::Snapshot;
use crate::engine::tree::{self, Order};
use crate::format::entry::ErrorEntry;
use crate::format::kind::Resource;
use std::ops::ControlFlow;

/// Tells every recorded error at or below `scope`: path and message, in byte order of the paths.
///
/// # Errors
/// The first part of the tree that cannot be read.
pub fn each(
    blobs: &Blobs<'_>,
    snapshot: &Snapshot,
    scope: &[u8],
    tell: &mut dyn FnMut(&[u8], &str),
) -> Result<(), Error> {
    let root = snapshot.source()?.errors;
    tree::scan(blobs, tree::ERRORS, &root, Order::Bytes, None, &mut |found| {
        let (path, value) = found?;
        if path::is_within(path, scope) {
            let told = ErrorEntry::decode(&blobs.get(Resource::ERROR_ENTRY, value)?)?;
            tell(path, &told.message);
        }
        Ok(ControlFlow::Continue(()))
    })
}
