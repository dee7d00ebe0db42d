//! Checksums of content, as other tools compute them.

pub use crate::algo::hash::Algorithm;
use crate::algo::hash::Digest;
use crate::base::mac::Mac;
use crate::engine::cat;
use crate::engine::error::Error;
use crate::engine::plan::Fetcher;
use std::io::{self, Write};

/// The algorithm of that name, in any case.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    match name.to_ascii_uppercase().as_str() {
        "SHA256" => Some(Algorithm::Sha256),
        "BLAKE3" => Some(Algorithm::Blake3),
        _ => None,
    }
}

/// The unkeyed digest of an object's content, 32 bytes.
///
/// # Errors
/// As for [`cat::cat`].
pub fn digest(fetcher: &Fetcher<'_, '_>, object: &Mac, algorithm: Algorithm) -> Result<[u8; 32], Error> {
    let mut hashed = Hashed(Digest::new(algorithm));
    cat::cat(fetcher, object, &mut hashed)?;
    Ok(hashed.0.finish())
}

struct Hashed(Digest);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
