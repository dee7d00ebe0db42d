//! The operating system's random bytes.

use crate::ports::dice::Dice;
use std::cell::RefCell;
use zeroize::{Zeroize, Zeroizing};

/// Requests up to here come out of a store that one call fills: a sealed blob asks for a subkey and
/// a nonce, and a backup seals tens of thousands.
const SMALL: usize = 64;

const STORE: usize = 1024;

/// `getrandom(2)`.
pub struct SystemDice;

/// Random bytes not given out yet. Each is wiped when it is.
struct Ready {
    bytes: Zeroizing<[u8; STORE]>,
    left: usize,
}

thread_local! {
    static READY: RefCell<Ready> = RefCell::new(Ready { bytes: Zeroizing::new([0; STORE]), left: 0 });
}

impl Dice for SystemDice {
    fn fill(&self, out: &mut [u8]) {
        if out.len() > SMALL {
            return system(out);
        }
        READY.with_borrow_mut(|ready| {
            if ready.left < out.len() {
                system(&mut *ready.bytes);
                ready.left = STORE;
            }
            let from = ready.left - out.len();
            if let Some(given) = ready.bytes.get_mut(from..ready.left) {
                out.copy_from_slice(given);
                given.zeroize();
            }
            ready.left = from;
        });
    }
}

fn system(out: &mut [u8]) {
    if let Err(error) = getrandom::fill(out) {
        // A backup without randomness would reuse nonces: there is nothing safe to go on with.
        eprintln!("plakar: the system gives no random bytes: {error}");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::SystemDice;
    use crate::ports::dice::Dice;
    use std::collections::HashSet;

    #[test]
    fn no_byte_is_given_twice_to_any_thread() {
        let draw = || {
            let lengths = [12, 32, 16, 64, 65, 2000].into_iter().cycle().take(600);
            let drawn = lengths.map(|len| {
                let mut out = vec![0; len];
                SystemDice.fill(&mut out);
                // Eight bytes are enough to tell any two apart.
                <[u8; 8]>::try_from(&out[..8]).unwrap()
            });
            drawn.collect::<Vec<_>>()
        };
        let all: Vec<[u8; 8]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
