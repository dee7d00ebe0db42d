//! Directories and buckets as stores, sources and destinations.

pub mod archive;
pub mod context;
pub mod doctor;
mod fs_attributes;
mod fs_content;
pub mod fs_destination;
mod fs_facts;
mod fs_handles;
mod fs_leftovers;
pub mod fs_source;
pub mod fs_store;
mod fs_walk;
pub mod ignore;
pub mod location;
pub mod open;
pub mod options;
pub mod ptar;
mod s3_client;
pub mod s3_destination;
mod s3_identity;
mod s3_keys;
mod s3_metadata;
pub mod s3_source;
pub mod s3_store;
mod s3_transfer;
mod zip;
