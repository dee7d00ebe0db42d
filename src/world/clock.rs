//! The machine's clocks.

use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a wait looks whether the user interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Wall clock and monotonic clock; waits end early when `cancel` is raised.
pub struct SystemClock {
    started: Instant,
    cancel: Cancel,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    pub fn new(cancel: Cancel) -> SystemClock {
        SystemClock { started: Instant::now(), cancel }
    }
}

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the wall clock")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
        }
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.cancel.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}
