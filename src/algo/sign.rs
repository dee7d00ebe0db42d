//! Ed25519 signatures of snapshot headers.

/// Whether `signature` (64 bytes) over `message` is that of `public_key` (32 bytes).
pub fn verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}
