//! BLAKE3, SHA-256 and HMAC.

/// The hash a store is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// BLAKE3, keyed as BLAKE3 does it.
    Blake3,
    /// SHA-256, keyed as HMAC.
    Sha256,
}
