//! The operating system's random bytes.

use crate::ports::dice::Dice;

/// `getrandom(2)`.
pub struct SystemDice;

impl Dice for SystemDice {
    fn fill(&self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            // A backup without randomness would reuse nonces: there is nothing safe to go on with.
            eprintln!("plakar: the system gives no random bytes: {error}");
            std::process::abort();
        }
    }
}
