//! One test program, one module per promise. Names that begin with `minio` need a MinIO server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod buckets;
mod cli;
mod damage;
mod dependencies;
mod engine_backup;
mod engine_check;
mod engine_maintenance;
mod engine_restore;
mod faults;
mod fixtures;
mod format_vectors;
mod fs_destination;
mod fs_source;
mod ignore;
mod interop;
mod kills;
mod kit;
mod layers;
mod liars;
mod lying_objects;
mod minio_main_job;
mod model;
mod page;
mod quiet_changes;
mod readme;
mod requests;
mod s3_client;
mod s3_connectors;
mod s3_defects;
mod s3_encryption;
mod s3_identity;
mod s3_tls;
mod s3_wire;
mod scale;
mod security;
mod seeds;
mod servers;
mod sigv4;
mod simulation;
mod store_contract;
mod writers;
