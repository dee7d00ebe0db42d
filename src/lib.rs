//! Plakar's Kloset store, its S3 source and its S3 destination in one small program.
//!
//! The floors of the house, from the ground up. A floor may name only the floors beside it in
//! `tests/layers.rs`, which holds the same table and fails when a file looks further.
//!
//! | floor | what it is | what it must never know |
//! | --- | --- | --- |
//! | [`base`] | values: names of stored things, times, file facts, secrets, limits | any algorithm |
//! | [`algo`] | hashing, sealing, compression, chunking, MessagePack: pure functions | what a store is |
//! | [`s3::proto`] | S3 as values: requests built and signed, replies read, retries judged | sockets, clocks |
//! | [`mod@format`] | Kloset as bytes: decode and encode, nothing else (`FORMAT.md`) | where bytes live |
//! | [`ports`] | what the engine asks of the world: traits and their contracts | any implementation |
//! | [`pool`] | bounded queues and worker threads; the first error stops all | what the work is |
//! | [`world`] | the real clock, the real dice, this host's facts, Ctrl-C | stores |
//! | [`s3`] | the client: sign, send, judge, wait, again | Kloset |
//! | [`engine`] | backup, restore, check over the ports | that S3 exists |
//! | [`connectors`] | directories and buckets as stores, sources and destinations | the engine |
//! | [`cli`] | words in, words out; the only place where engine and connectors meet | |
//!
//! `base`, `algo`, `s3::proto` and `format` are pure: they own no clock, file, socket, thread or
//! environment variable. Bytes from outside are read only there, under caps from
//! [`base::limits`], so every one of their parsers can be fuzzed as it is.

pub mod algo;
pub mod base;
pub mod cli;
pub mod connectors;
pub mod engine;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod pool;
pub mod ports;
pub mod s3;
pub mod world;
