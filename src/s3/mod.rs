//! The S3 client: sign, send, judge, wait, again.
//!
//! [`client::Client`] knows one server and one set of credentials; [`bucket::Bucket`] has the
//! operations. What is said on the wire, and what its answers mean, is decided in [`proto`]; the
//! wire itself is behind `http` and `tls`, the only files that name an HTTP library; [`trust`] says whose
//! certificates are accepted.
//!
//! Identity providers (files, environment, instance metadata) will hand a `Config` its keys;
//! Content-MD5 and checksum headers belong into `proto::object::put`; a V1 listing is another
//! `proto::list::request` with the same `Progress`.

pub mod bucket;
pub mod client;
mod create;
mod download;
mod file;
mod http;
mod interrupt;
mod payload;
pub mod proto;
mod refusal;
mod throttle;
mod tls;
pub mod trust;
mod upload;
