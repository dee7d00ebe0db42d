#![doc = include_str!("FORMAT.md")]

pub mod btree;
pub mod config;
pub mod entry;
pub mod envelope;
pub mod error;
mod fields;
pub mod kind;
pub mod lock;
pub mod object;
pub mod packfile;
pub mod snapshot;
pub mod state;
pub mod summary;
