//! The S3 client: sign, send, judge, wait, again.

pub mod proto;
