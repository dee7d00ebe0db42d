//! One total function for each fuzz target: it feeds foreign bytes to a parser and asserts what must
//! hold of whatever comes out, beyond the absence of a panic.
//!
//! `fuzz/targets` hands random bytes to them; `tests/seeds.rs` replays `fuzz/seeds` and thousands of
//! mutations of each through the same functions on stable Rust.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a property that fails must panic"
)]

mod kloset;
pub mod model;
mod s3;
mod text;
pub mod world;

pub use kloset::{
    btree, chunker, config, dirpack, entry, envelope, header, inflate, lock, lz4, msgpack, object, packfile,
    ptar, sealed, state, summary, xattr,
};
pub use model::repository;
pub use s3::{s3_address, s3_error, s3_head, s3_identity, s3_json, s3_list, s3_multipart, s3_sign};
pub use text::{args, dates, ignore, ini, json, location, yaml};

/// Asserts what must hold of any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file and of its folder of seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("args", args),
    ("btree", btree),
    ("chunker", chunker),
    ("config", config),
    ("dates", dates),
    ("dirpack", dirpack),
    ("entry", entry),
    ("envelope", envelope),
    ("header", header),
    ("ignore", ignore),
    ("inflate", inflate),
    ("ini", ini),
    ("json", json),
    ("location", location),
    ("lock", lock),
    ("lz4", lz4),
    ("msgpack", msgpack),
    ("object", object),
    ("packfile", packfile),
    ("ptar", ptar),
    ("repository", repository),
    ("s3_address", s3_address),
    ("s3_error", s3_error),
    ("s3_head", s3_head),
    ("s3_identity", s3_identity),
    ("s3_json", s3_json),
    ("s3_list", s3_list),
    ("s3_multipart", s3_multipart),
    ("s3_sign", s3_sign),
    ("sealed", sealed),
    ("state", state),
    ("summary", summary),
    ("xattr", xattr),
    ("yaml", yaml),
];

/// The next line of `rest`, without its end; all that is left when there is none.
fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (line, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    line
}

/// The next byte; 0 when there is none.
fn byte(rest: &mut &[u8]) -> u8 {
    let (first, behind) = rest.split_first().unwrap_or((&0, &[]));
    *rest = behind;
    *first
}
