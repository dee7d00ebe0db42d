//! Directories and buckets as stores, sources and destinations.

pub mod location;
