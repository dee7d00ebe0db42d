//! A limit of bytes a second that all connections of a client share.

use crate::ports::clock::Clock;
use crate::s3::proto::pace::Pace;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a body that go at once: what a socket's buffer takes anyway.
const PIECE_BYTES_MAX: u64 = 64 << 10;

/// Holds threads back before their bytes go out and after theirs came in. Heads do not count.
pub struct Throttle {
    pace: Mutex<Pace>,
    clock: Arc<dyn Clock>,
    piece: usize,
}

impl Throttle {
    /// So many bytes a second, both ways together.
    pub fn new(per_second: u64, clock: Arc<dyn Clock>) -> Throttle {
        // A tenth of a second's bytes at most, so that a slow line is not silent for long.
        let piece = (per_second / 10).clamp(1, PIECE_BYTES_MAX);
        let pace = Mutex::new(Pace::new(per_second, piece));
        Throttle { pace, clock, piece: usize::try_from(piece).unwrap_or(usize::MAX) }
    }

    /// The first bytes of `out` that may be moved at once.
    pub fn piece<'o>(&self, out: &'o mut [u8]) -> &'o mut [u8] {
        let most = out.len().min(self.piece);
        out.get_mut(..most).unwrap_or_default()
    }

    /// Returns when it was time for so many bytes.
    pub fn pass(&self, bytes: usize) {
        let now = self.clock.monotonic();
        let wait = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(bytes as u64, now);
        if !wait.is_zero() {
            self.clock.wait(wait);
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("piece", &self.piece).finish_non_exhaustive()
    }
}

/// A body on its way out, in pieces that each wait for their time.
pub struct Held<'a> {
    rest: &'a [u8],
    throttle: &'a Throttle,
}

impl<'a> Held<'a> {
    /// From its first byte.
    pub fn new(body: &'a [u8], throttle: &'a Throttle) -> Held<'a> {
        Held { rest: body, throttle }
    }
}

impl Read for Held<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(self.throttle.piece(out))?;
        self.throttle.pass(read);
        Ok(read)
    }
}
