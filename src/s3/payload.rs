//! The body of a request.

use crate::s3::proto::sign::{UNSIGNED_PAYLOAD, payload_hash};
use std::cell::OnceCell;

/// A body in memory, hashed at most once however often it is sent.
pub struct Payload<'a> {
    pub(super) bytes: Option<&'a [u8]>,
    hash: OnceCell<String>,
}

impl<'a> Payload<'a> {
    /// Of GET, HEAD and DELETE.
    pub const fn none() -> Payload<'static> {
        Payload { bytes: None, hash: OnceCell::new() }
    }

    /// Of PUT and POST.
    pub const fn new(bytes: &'a [u8]) -> Payload<'a> {
        Payload { bytes: Some(bytes), hash: OnceCell::new() }
    }

    /// What a signature says of it.
    pub(super) fn hash(&self, tls: bool) -> &str {
        match self.bytes {
            // TLS protects the body better than a second hash would.
            Some(bytes) if tls && !bytes.is_empty() => UNSIGNED_PAYLOAD,
            bytes => self.hash.get_or_init(|| payload_hash(bytes.unwrap_or_default())),
        }
    }
}
