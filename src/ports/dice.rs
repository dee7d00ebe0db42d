//! Randomness, owned by whoever runs the program.

use crate::base::mac::Mac;

/// A source of random bytes fit for keys.
pub trait Dice: Send + Sync {
    /// Fills `out` entirely.
    fn fill(&self, out: &mut [u8]);

    /// A fresh 32-byte identifier.
    fn mac(&self) -> Mac {
        let mut mac = Mac::ZERO;
        self.fill(&mut mac.0);
        mac
    }
}
