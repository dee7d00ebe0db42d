//! The commands, one file each.

pub mod backup;
pub mod cat;
pub mod check;
pub mod create;
pub mod entries;
pub mod gone;
pub mod help;
pub mod import;
pub mod info;
pub mod ls;
pub mod pkg;
pub mod policy;
pub mod prune;
pub mod ptar;
pub mod restore;
pub mod rm;
pub mod sync;
