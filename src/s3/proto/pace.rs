//! So much a second: a token bucket that owns no clock.

use std::time::Duration;

/// Nanoseconds of a second: a unit is kept as so many parts of it, so that nothing is rounded away.
const SECOND: i128 = 1_000_000_000;

/// A rate, and what was saved up of it while nobody took any.
#[derive(Clone, Debug)]
pub struct Pace {
    per_second: u64,
    most: i128,
    /// In units times nanoseconds; below zero what was taken ahead of its time.
    saved: i128,
    at: Duration,
}

impl Pace {
    /// So many units a second, at least one; up to `burst` of them are saved, and are there from the start.
    pub fn new(per_second: u64, burst: u64) -> Pace {
        let most = i128::from(burst) * SECOND;
        Pace { per_second: per_second.max(1), most, saved: most, at: Duration::ZERO }
    }

    /// Takes units at `now`; how long to wait before they may be used. Whoever asks next waits behind
    /// them. `now` may come from threads whose clocks were read in another order.
    pub fn take(&mut self, units: u64, now: Duration) -> Duration {
        let passed = i128::try_from(now.saturating_sub(self.at).as_nanos()).unwrap_or(i128::MAX);
        self.at = self.at.max(now);
        let earned = passed.saturating_mul(i128::from(self.per_second));
        self.saved = self.saved.saturating_add(earned).min(self.most) - i128::from(units) * SECOND;
        if self.saved >= 0 {
            return Duration::ZERO;
        }
        let rate = u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(self.saved.unsigned_abs().div_ceil(rate)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_was_saved_goes_at_once_and_the_rest_at_its_rate() {
        let mut pace = Pace::new(10, 3);
        let waits: Vec<_> = (0..6).map(|_| pace.take(1, ms(5000))).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(100), ms(200), ms(300)]);
        // The debt is paid by time, and saving goes on up to the burst.
        assert_eq!(pace.take(1, ms(5300)), ms(100));
        let waits: Vec<_> = (0..4).map(|_| pace.take(1, ms(60_000))).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(100)]);
    }

    #[test]
    fn every_unit_is_accounted_for_however_it_is_cut() {
        for (rate, piece) in [(1_000_000, 65_536), (3, 1), (7_777_777, 1000), (1 << 40, 1 << 20)] {
            let mut pace = Pace::new(rate, 0);
            let (mut now, mut taken) = (Duration::from_secs(9), 0);
            for _ in 0..1000 {
                now += pace.take(piece, now);
                taken += piece;
            }
            let exact = Duration::from_nanos(
                u64::try_from((u128::from(taken) * 1_000_000_000).div_ceil(u128::from(rate))).unwrap(),
            );
            let took = now - Duration::from_secs(9);
            // Each wait is rounded up to a nanosecond, and what that gives too much is saved.
            assert!(
                took >= exact && took <= exact + Duration::from_nanos(1000),
                "{rate}: {took:?} {exact:?}"
            );
        }
    }

    #[test]
    fn a_clock_read_earlier_by_another_thread_earns_nothing_twice() {
        let mut pace = Pace::new(10, 0);
        assert_eq!(pace.take(1, ms(1000)), ms(100));
        assert_eq!(pace.take(1, ms(900)), ms(200));
        assert_eq!(pace.take(1, ms(1000)), ms(300));
    }
}
