//! The S3 client: sign, send, judge, wait, again.
//!
//! [`client::Client`] knows one server and one set of credentials; [`bucket::Bucket`] has the
//! operations. What is said on the wire, and what its answers mean, is decided in [`proto`]; the
//! wire itself is behind `http`, `names` and `tls`, the only files that name an HTTP library; [`trust`] says whose
//! certificates are accepted.
//!
//! [`chain`] decides where keys come from, [`login`] fetches and renews them.
//!
//! What a server does differently is learnt from its refusals and kept for the run: its region and
//! clock, whether it wants a body's MD5, lists in version 1, keeps to `If-None-Match` (`create`).
//! Nothing of unknown length is ever sent, and no checksum but the signature's own SHA-256 unless
//! it is asked for: those are what no server refuses.

pub mod ahead;
pub mod bucket;
pub mod chain;
pub mod client;
mod config;
mod create;
mod download;
mod file;
pub mod greet;
mod http;
mod interrupt;
mod issuer;
mod learned;
pub mod login;
mod names;
mod payload;
pub mod proto;
mod refusal;
mod throttle;
mod tls;
pub mod trust;
mod upload;
