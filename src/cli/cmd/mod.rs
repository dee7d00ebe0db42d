//! The commands, one file each.

pub mod entries;
pub mod gone;
pub mod help;
pub mod import;
pub mod pkg;
