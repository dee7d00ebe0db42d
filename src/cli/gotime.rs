//! Times, durations and modes in the notation of Plakar's own output, which is Go's.

use crate::base::file::Mode;
use crate::base::stamp::Stamp;
use std::time::Duration;

/// `2025-11-30T09:43:33Z`; outside the years 0 to 9999, seconds since 1970 after an `@`.
pub fn rfc3339(time: Stamp) -> String {
    match time::OffsetDateTime::from_unix_timestamp(time.secs) {
        Ok(at) => format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        ),
        Err(_) => format!("@{}", time.secs),
    }
}

/// `2025-11-30T09:43:33.5Z`, the fraction without trailing zeros.
pub fn rfc3339_nanos(time: Stamp) -> String {
    rfc3339(time).replace('Z', &format!("{}Z", fraction(u64::from(time.nanos), 9)))
}

/// `2025-11-30 09:43:33.123456789 +0000 UTC`, the fraction without trailing zeros.
pub fn full(time: Stamp) -> String {
    let seconds = rfc3339(time).replace('T', " ").replace('Z', "");
    format!("{seconds}{} +0000 UTC", fraction(u64::from(time.nanos), 9))
}

/// `20251130094333`, for names.
pub fn compact(time: Stamp) -> String {
    rfc3339(time).chars().filter(char::is_ascii_digit).collect()
}

/// `0s`, `72.55875ms`, `1.5s`, `1m1s`, `1h0m3s`.
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let part = |unit: u64, digits: usize, suffix: &str| {
        format!("{sign}{}{}{suffix}", nanos / unit, fraction(nanos % unit, digits))
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => part(1_000, 3, "µs"),
        1_000_000..1_000_000_000 => part(1_000_000, 6, "ms"),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = format!("{}{}s", rest / 1_000_000_000, fraction(rest % 1_000_000_000, 9));
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// `720h`, `1h30m`, `1.5s`, `0`: what [`duration`] writes, and more; `None` for what is no duration,
/// or a negative one.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-9), ("us", 1e-6), ("\u{b5}s", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// The same, rounded to whole seconds, halves away from zero.
pub fn duration_in_seconds(nanos: i64) -> String {
    let half = if nanos < 0 { -500_000_000 } else { 500_000_000 };
    duration(nanos.saturating_add(half) / 1_000_000_000 * 1_000_000_000)
}

fn fraction(value: u64, digits: usize) -> String {
    let all = format!(".{value:0digits$}");
    all.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `-rw-r--r--`, `dtrwxrwxrwx`, `Lrwxrwxrwx`: the letters before the nine say all kinds at once.
pub fn mode(mode: Mode) -> String {
    const KINDS: &str = "dalTLDpSugct?";
    const RIGHTS: &str = "rwxrwxrwx";
    let mut text: String =
        KINDS.chars().zip((0..32).rev()).filter(|(_, bit)| mode.0 >> bit & 1 == 1).map(|(c, _)| c).collect();
    if text.is_empty() {
        text.push('-');
    }
    text.extend(
        RIGHTS
            .chars()
            .zip((0..9).rev())
            .map(|(letter, bit)| if mode.0 >> bit & 1 == 1 { letter } else { '-' }),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, seconds) in [
            ("720h", 2_592_000.0),
            ("1h30m", 5400.0),
            ("1.5s", 1.5),
            ("0", 0.0),
            ("0s", 0.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "7", "-1h", "1d", "h", "1h 2m", "1.2.3s", "1e400h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (72_558_750, "72.55875ms"),
            (1_000_000_000, "1s"),
            (1_234_567_891, "1.234567891s"),
            (61_000_000_000, "1m1s"),
            (3_723_000_000_000, "1h2m3s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
        ];
        for (nanos, shown) in cases {
            assert_eq!(duration(nanos), shown, "{nanos}");
        }
        for (nanos, shown) in
            [(499_999_999, "0s"), (500_000_000, "1s"), (694_803_303, "1s"), (59_600_000_000, "1m0s")]
        {
            assert_eq!(duration_in_seconds(nanos), shown, "{nanos}");
        }
    }

    #[test]
    fn times_are_utc() {
        let time = Stamp { secs: 1_764_495_813, nanos: 123_456_789 };
        assert_eq!(rfc3339(time), "2025-11-30T09:43:33Z");
        assert_eq!(full(time), "2025-11-30 09:43:33.123456789 +0000 UTC");
        assert_eq!(full(Stamp { nanos: 500_000_000, ..time }), "2025-11-30 09:43:33.5 +0000 UTC");
        assert_eq!(full(Stamp { nanos: 0, ..time }), "2025-11-30 09:43:33 +0000 UTC");
        assert_eq!(compact(time), "20251130094333");
        assert_eq!(rfc3339(Stamp { secs: i64::MAX, nanos: 0 }), "@9223372036854775807");
    }

    #[test]
    fn mode_letters_are_gos() {
        let cases = [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o041_777, "dtrwxrwxrwx"),
            (0o120_777, "Lrwxrwxrwx"),
            (0o104_755, "urwxr-xr-x"),
            (0o106_755, "ugrwxr-xr-x"),
            (0o010_644, "prw-r--r--"),
            (0o140_755, "Srwxr-xr-x"),
            (0o060_660, "Drw-rw----"),
            (0o020_620, "Dcrw--w----"),
            (0o100_000, "----------"),
        ];
        for (posix, shown) in cases {
            assert_eq!(mode(Mode::from_posix(posix)), shown, "{posix:o}");
        }
    }
}
