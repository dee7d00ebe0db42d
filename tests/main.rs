//! One test program, one module per promise. Names that begin with `minio` need a MinIO server.

mod cli;
mod kit;
mod layers;
