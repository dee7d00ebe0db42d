//! Dates and durations as people type them after `-since`, `-before` and `-force-timestamp`.
//!
//! The words are Plakar's: a bare `m` is a month unless it follows hours, as in `2h30m`, or leads a
//! compact `1m30s`. Unlike Plakar, text that is no duration is refused instead of passed over.

use crate::base::stamp::Stamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

const SECOND: f64 = 1.0;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
const MONTH: f64 = 30.0 * DAY;
const YEAR: f64 = 365.0 * DAY;

const PHRASES: &[(&str, f64)] = &[
    ("half an hour", 30.0 * MINUTE),
    ("an hour and a half", 90.0 * MINUTE),
    ("half a day", 12.0 * HOUR),
    ("a second", SECOND),
    ("a minute", MINUTE),
    ("an hour", HOUR),
    ("a day", DAY),
    ("a week", WEEK),
    ("a month", MONTH),
    ("a year", YEAR),
];

/// A moment: a date, read as UTC unless it names a zone, or a time that lies so long before `now`.
///
/// # Errors
/// `invalid time format: "…"`.
pub fn moment(text: &str, now: Stamp) -> Result<Stamp, String> {
    if let Some(stamp) = date(text) {
        return Ok(stamp);
    }
    let seconds = duration_seconds(text).ok_or_else(|| format!("invalid time format: \"{text}\""))?;
    // A float turned into an integer saturates; beyond 292 years the clamp of `from_nanos` holds.
    let nanos = (seconds * 1e9) as i64;
    Ok(Stamp::from_nanos(now.to_nanos().saturating_sub(nanos)))
}

fn date(text: &str) -> Option<Stamp> {
    let stamp = |moment: OffsetDateTime| Stamp { secs: moment.unix_timestamp(), nanos: moment.nanosecond() };
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(stamp(moment));
    }
    let (day, clock) = match text.split_once(' ') {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let day = match clock {
        None => calendar_day(day, '-').or_else(|| calendar_day(day, '/')),
        Some(_) => calendar_day(day, '-'),
    }?;
    let time = match clock {
        None => Time::MIDNIGHT,
        Some(clock) => time_of_day(clock)?,
    };
    Some(stamp(day.with_time(time).assume_utc()))
}

fn calendar_day(text: &str, separator: char) -> Option<Date> {
    let [year, month, day] = fields(text, separator)?;
    if year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let month = Month::try_from(number::<u8>(month)?).ok()?;
    Date::from_calendar_date(i32::from(number::<u16>(year)?), month, number(day)?).ok()
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute, second) = match fields(text, ':') {
        Some([hour, minute, second]) => (hour, minute, second),
        None => {
            let (hour, minute) = text.split_once(':')?;
            (hour, minute, "00")
        }
    };
    if [hour, minute, second].iter().any(|field| field.len() != 2) {
        return None;
    }
    Time::from_hms(number(hour)?, number(minute)?, number(second)?).ok()
}

fn fields(text: &str, separator: char) -> Option<[&str; 3]> {
    text.split(separator).collect::<Vec<_>>().try_into().ok()
}

/// Digits only: the standard parser would take a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Seconds in `30d`, `2d 3h`, `1.5h`, `half an hour`, `2h30m`.
pub fn duration_seconds(text: &str) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    if let Some((_, seconds)) = PHRASES.iter().find(|(phrase, _)| *phrase == text) {
        return Some(*seconds);
    }
    let parts = parts(&text)?;
    // `1m30s` and `1m30s`-like runs of whole numbers are minutes; any other leading `m` is months.
    let compact = matches!(parts.as_slice(), [(_, "m"), (_, "s")]);
    let mut total = 0.0;
    let mut previous = "";
    for (count, unit) in &parts {
        let after_hours = matches!(previous, "h" | "hr" | "hour" | "hours");
        let unit = match *unit {
            "m" if compact || after_hours => "min",
            other => other,
        };
        total += count * unit_seconds(unit)?;
        previous = unit;
    }
    Some(total)
}

/// Numbers and the words behind them; `None` when anything else is there.
fn parts(text: &str) -> Option<Vec<(f64, &str)>> {
    let mut rest = text.strip_suffix(" ago").unwrap_or(text).trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (count, after) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_ascii_lowercase());
        parts.push((count.parse::<f64>().ok()?, unit));
        rest = after.trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" | "sec" | "second" | "seconds" => SECOND,
        "mi" | "min" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => WEEK,
        "m" | "mo" | "month" | "months" => MONTH,
        "y" | "year" | "years" => YEAR,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, MINUTE, duration_seconds, moment};
    use crate::base::stamp::Stamp;

    #[test]
    fn dates_are_read_as_utc_unless_zoned() {
        let cases = [
            ("2025-11-30T09:43:33Z", 1_764_495_813, 0),
            ("2025-11-30T10:43:33.25+01:00", 1_764_495_813, 250_000_000),
            ("2025-11-30 09:43", 1_764_495_780, 0),
            ("2025-11-30 09:43:33", 1_764_495_813, 0),
            ("2025-11-30", 1_764_460_800, 0),
            ("2025/11/30", 1_764_460_800, 0),
            ("1969-12-31", -86_400, 0),
        ];
        for (text, secs, nanos) in cases {
            assert_eq!(moment(text, Stamp::default()), Ok(Stamp { secs, nanos }), "{text}");
        }
    }

    #[test]
    fn durations_count_back_from_now() {
        let now = Stamp { secs: 1_764_495_813, nanos: 5 };
        assert_eq!(moment("90s", now), Ok(Stamp { secs: 1_764_495_723, nanos: 5 }));
        assert_eq!(moment("1.5d", now), Ok(Stamp { secs: 1_764_495_813 - 129_600, nanos: 5 }));
    }

    #[test]
    fn durations_in_plakars_words() {
        let cases = [
            ("30d", 30.0 * DAY),
            ("2w", 14.0 * DAY),
            ("1.5d", 36.0 * HOUR),
            ("2d 3h", 51.0 * HOUR),
            ("90s", 90.0),
            ("1y", 365.0 * DAY),
            ("3mo", 90.0 * DAY),
            ("5m", 150.0 * DAY),
            ("5min", 5.0 * MINUTE),
            ("2h30m", 150.0 * MINUTE),
            ("2h30", f64::NAN),
            ("1 day 4h 30m", 28.5 * HOUR),
            ("1m30s", 90.0),
            ("1m 30s", 90.0),
            ("2h45m10s", 2.0 * HOUR + 45.0 * MINUTE + 10.0),
            ("3W2D", 23.0 * DAY),
            ("1h ago", HOUR),
            ("half an hour", 30.0 * MINUTE),
            ("an hour and a half", 90.0 * MINUTE),
            ("a month", 30.0 * DAY),
        ];
        for (text, seconds) in cases {
            let wanted = (!seconds.is_nan()).then_some(seconds);
            assert_eq!(duration_seconds(text), wanted, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in ["", "10", "now", "yesterday", "1lightyear", "3d yy", "d3", "1..5d", "2025-13-01", "-3d"]
        {
            assert_eq!(
                moment(text, Stamp::default()),
                Err(format!("invalid time format: \"{text}\"")),
                "{text}"
            );
        }
    }
}
