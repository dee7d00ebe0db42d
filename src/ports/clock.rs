//! Time, owned by whoever runs the program.

use std::time::Duration;

/// Now, and waiting.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970 by the wall clock.
    fn now_ns(&self) -> i64;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns after `time`, or earlier when the process is being interrupted.
    fn wait(&self, time: Duration);
}
