//! The commands, one file each.

pub mod archive;
pub mod backup;
pub mod cat;
pub mod check;
pub mod clone;
pub mod create;
pub mod diff;
pub mod digest;
pub mod dup;
pub mod entries;
pub mod gone;
pub mod help;
pub mod import;
pub mod info;
pub mod locate;
pub mod ls;
pub mod maintenance;
pub mod pkg;
pub mod policy;
pub mod prune;
pub mod ptar;
pub mod repair;
pub mod restore;
pub mod rm;
pub mod sync;
