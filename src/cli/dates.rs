//! Dates and ages as filters and `-force-timestamp` take them.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

const MINUTES: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]");
const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
const DAY_SLASHED: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day]");

/// An instant in ns since 1970: RFC 3339, a date with or without a time (UTC), or an age before
/// `now_ns` such as `30d` or `2h30m`. `None` for anything else.
pub fn parse(text: &str, now_ns: i64) -> Option<i64> {
    let zoned = OffsetDateTime::parse(text, &Rfc3339).ok();
    let timed = || [MINUTES, SECONDS].iter().find_map(|form| PrimitiveDateTime::parse(text, form).ok());
    let day = || [DAY, DAY_SLASHED].iter().find_map(|form| Date::parse(text, form).ok());
    let instant = zoned
        .or_else(|| timed().map(PrimitiveDateTime::assume_utc))
        .or_else(|| day().map(|day| day.midnight().assume_utc()));
    match instant {
        Some(instant) => i64::try_from(instant.unix_timestamp_nanos()).ok(),
        None => age(text).and_then(|age_ns| now_ns.checked_sub(age_ns)),
    }
}

const SECOND: f64 = 1e9;
const DAY_NS: f64 = 86_400.0 * SECOND;

/// A length of time in ns: numbers with units, in any number. A year has 365 days, a month 30.
/// `m` alone means months, behind hours it means minutes.
fn age(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let mut rest = text.as_str();
    let mut total = 0.0;
    let mut after_hours = false;
    let mut any = false;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
        if rest.is_empty() {
            break;
        }
        let (count, behind) = count(rest)?;
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let unit_ns = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "min" | "mins" | "minute" | "minutes" => 60.0 * SECOND,
            "m" if after_hours => 60.0 * SECOND,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0 * SECOND,
            "d" | "day" | "days" => DAY_NS,
            "w" | "wk" | "week" | "weeks" => 7.0 * DAY_NS,
            "m" | "mo" | "mon" | "month" | "months" => 30.0 * DAY_NS,
            "y" | "yr" | "year" | "years" => 365.0 * DAY_NS,
            _ => return None,
        };
        after_hours = unit.starts_with('h');
        total += count * unit_ns;
        any = true;
        rest = behind;
    }
    // Beyond the range of a time in ns no snapshot can lie.
    (any && total < i64::MAX as f64).then_some(total as i64)
}

fn count(text: &str) -> Option<(f64, &str)> {
    for (word, count) in [("half an ", 0.5), ("half a ", 0.5), ("an ", 1.0), ("a ", 1.0)] {
        if let Some(behind) = text.strip_prefix(word) {
            return Some((count, behind));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, behind) = text.split_at(end);
    Some((digits.parse().ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_495_813_000_000_000;

    #[test]
    fn dates_are_read_as_utc() {
        let cases = [
            ("2025-11-30T09:43:33Z", 1_764_495_813),
            ("2025-11-30T10:43:33+01:00", 1_764_495_813),
            ("2025-11-30 09:43", 1_764_495_780),
            ("2025-11-30 09:43:33", 1_764_495_813),
            ("2025-11-30", 1_764_460_800),
            ("2025/11/30", 1_764_460_800),
        ];
        for (text, secs) in cases {
            assert_eq!(parse(text, NOW), Some(secs * 1_000_000_000), "{text}");
        }
    }

    #[test]
    fn ages_count_back_from_now() {
        let cases = [
            ("90s", 90),
            ("5min", 300),
            ("2h30m", 9_000),
            ("30d", 2_592_000),
            ("1.5d", 129_600),
            ("2d 3h", 183_600),
            ("2w", 1_209_600),
            ("5m", 12_960_000),
            ("3mo", 7_776_000),
            ("1y", 31_536_000),
            ("half an hour", 1_800),
            ("a month", 2_592_000),
        ];
        for (text, secs) in cases {
            assert_eq!(parse(text, NOW), Some(NOW - secs * 1_000_000_000), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "10", "now", "yesterday", "2025-13-01", "3 parsecs", "d", "1e400y", "-1d", "99999999999y"]
        {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
    }
}
