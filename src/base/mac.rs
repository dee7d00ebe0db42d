//! The 32-byte name of everything in a store.

use std::fmt;

/// A keyed digest, or a random identifier of the same width (snapshots, states, packfiles, locks).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 32]);

impl Mac {
    /// All zeros: the object of anything that is not a regular file.
    pub const ZERO: Mac = Mac([0; 32]);

    /// Reads exactly 64 hexadecimal digits of either case.
    pub fn from_hex(text: &str) -> Option<Mac> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Mac(bytes))
    }

    /// The first four bytes as eight digits: how people name snapshots.
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }

    /// Whether this is [`Mac::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Mac::ZERO
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.short())
    }
}
