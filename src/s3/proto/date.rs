//! The three ways S3 writes a time.

use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, UtcOffset};

/// `20130524T000000Z` and its first eight digits, as signatures want them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmzDate {
    /// `YYYYMMDDTHHMMSSZ`.
    pub full: String,
    /// `YYYYMMDD`.
    pub day: String,
}

/// From seconds since 1970; what lies outside the years 0 to 9999 becomes 1970, which every server
/// refuses as skewed.
pub fn amz_date(secs: i64) -> AmzDate {
    let at = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let at = if (0..=9999).contains(&at.year()) { at } else { OffsetDateTime::UNIX_EPOCH };
    let day = format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day());
    AmzDate { full: format!("{day}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second()), day }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, as in `Date` and `Last-Modified`; seconds since 1970.
pub fn parse_http(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text.trim(), &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

/// `2009-10-12T17:50:30.000Z`, as in listings; nanoseconds since 1970, between 1677 and 2262.
pub fn parse_iso(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    i64::try_from(at.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::{amz_date, parse_http, parse_iso};

    #[test]
    fn times_are_read_and_written() {
        assert_eq!(amz_date(1_369_353_600).full, "20130524T000000Z");
        assert_eq!(amz_date(1_369_353_600).day, "20130524");
        assert_eq!(amz_date(i64::MAX).full, "19700101T000000Z");
        assert_eq!(amz_date(-62_135_596_801 - 400 * 86_400).full.len(), 16);
        assert_eq!(parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_http("yesterday"), None);
        assert_eq!(parse_iso("2009-10-12T17:50:30.123Z"), Some(1_255_369_830_123_000_000));
        assert_eq!(parse_iso("2009-10-12T19:50:30+02:00"), Some(1_255_369_830_000_000_000));
        assert_eq!(parse_iso("9999-10-12T17:50:30Z"), None);
    }
}
