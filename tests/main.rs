//! One test program, one module per promise. Names that begin with `minio` need a MinIO server.

mod cli;
mod engine_check;
mod engine_restore;
mod fixtures;
mod fs_destination;
mod fs_source;
mod kit;
mod layers;
