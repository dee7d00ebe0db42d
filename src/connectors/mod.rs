//! Directories and buckets as stores, sources and destinations.

pub mod context;
pub mod fs_store;
pub mod ignore;
pub mod location;
pub mod ptar;
