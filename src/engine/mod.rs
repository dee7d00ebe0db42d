//! Backup, restore, check: Kloset over the ports.

pub mod addition;
pub mod ahead;
mod archive;
pub mod backup;
mod backup_file;
mod backup_run;
mod backup_trees;
pub mod blobs;
pub mod budget;
pub mod cat;
pub mod check;
mod check_content;
pub mod check_packfiles;
mod check_seen;
pub mod clone;
pub mod codec;
pub mod content;
pub mod ctimes;
pub mod dates;
pub mod digest;
pub mod duplicate;
pub mod error;
pub mod errors;
pub mod frames;
mod gathered;
pub mod index;
pub mod listing;
mod live;
pub mod lock;
pub mod maintenance;
pub mod packer;
pub mod packfile_index;
pub mod plan;
pub mod previous;
pub mod publish;
pub mod remove;
pub mod repair;
pub mod replay;
pub mod repository;
mod rescue;
pub mod restore;
mod restore_any;
mod restore_sequential;
pub mod retention;
pub mod select;
pub mod snapshot;
pub mod states;
mod states_ahead;
pub mod tree;
pub mod tree_build;
mod verdicts;
pub mod walk;
pub mod writer;
pub mod xattrs;

use crate::base::mac::Mac;
use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use crate::ports::dice::Dice;
use crate::ports::monitor::Monitor;
use std::sync::Arc;

/// What every operation is given of the world.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub dice: Arc<dyn Dice>,
    /// Ends all work early.
    pub cancel: Cancel,
    /// Hears of progress.
    pub monitor: Arc<dyn Monitor>,
}

/// Copies of states on this machine. States never change, so a copy is as good as the original, and
/// a lost one costs a request; it also bears witness when the original was lost or altered.
pub trait StateCache: Send + Sync {
    /// The state file of that name, if a copy is at hand.
    fn get(&self, name: &Mac) -> Option<Vec<u8>>;

    /// Names of all copies at hand, in no order.
    fn names(&self) -> Vec<Mac>;

    /// Keeps a copy; failing to is no error.
    fn put(&self, name: &Mac, file: &[u8]);
}

/// Keeps nothing.
pub struct NoCache;

impl StateCache for NoCache {
    fn get(&self, _: &Mac) -> Option<Vec<u8>> {
        None
    }

    fn names(&self) -> Vec<Mac> {
        Vec::new()
    }

    fn put(&self, _: &Mac, _: &[u8]) {}
}
