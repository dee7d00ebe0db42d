//! An instant as the format stores it: whole seconds since 1970 and nanoseconds.

/// An instant in UTC. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// Seconds since 1970-01-01T00:00:00Z, negative before it.
    pub secs: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Stamp {
    /// From nanoseconds since 1970, the width states and footers use.
    pub fn from_nanos(nanos: i64) -> Stamp {
        // The remainder of a Euclidean division by 1e9 is below 1e9 and fits 32 bits.
        Stamp { secs: nanos.div_euclid(1_000_000_000), nanos: nanos.rem_euclid(1_000_000_000) as u32 }
    }

    /// Nanoseconds since 1970, clamped to what 64 bits hold (years 1677 to 2262).
    pub fn to_nanos(self) -> i64 {
        let nanos = i128::from(self.secs) * 1_000_000_000 + i128::from(self.nanos);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn every_count_of_nanoseconds_comes_back_and_what_is_beyond_is_clamped() {
        for nanos in [0, 1, -1, 1_000_000_000, -1_000_000_001, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(Stamp::from_nanos(nanos).to_nanos(), nanos);
        }
        for (secs, nanos) in [(i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (-9_223_372_037, i64::MIN)] {
            assert_eq!(Stamp { secs, nanos: 0 }.to_nanos(), nanos);
        }
    }
}
