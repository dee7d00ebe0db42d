//! Keeping so many snapshots per minute, day or Monday: the period options and policies.

use crate::base::stamp::Stamp;
use crate::engine::select::Facts;
use std::collections::{HashMap, HashSet};
use time::{Date, Duration, Month, OffsetDateTime, Weekday};

/// A kind of calendar bucket, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// `2025-11-30-09:43`
    Minute,
    /// `2025-11-30-09`
    Hour,
    /// `2025-11-30`
    Day,
    /// `2025-W48`, ISO weeks.
    Week,
    /// `2025-11`
    Month,
    /// `2025`
    Year,
    /// `2025-W48-monday`: such days only.
    On(Weekday),
}

impl Period {
    /// All of them, in the order in which they are judged.
    pub const ALL: [Period; 13] = [
        Period::Minute,
        Period::Hour,
        Period::Day,
        Period::On(Weekday::Monday),
        Period::On(Weekday::Tuesday),
        Period::On(Weekday::Wednesday),
        Period::On(Weekday::Thursday),
        Period::On(Weekday::Friday),
        Period::On(Weekday::Saturday),
        Period::On(Weekday::Sunday),
        Period::Week,
        Period::Month,
        Period::Year,
    ];

    /// `minute` … `sunday`: in reasons, and in `policies.yml`. With `s` it is the option that
    /// keeps, after `per-` the option that caps.
    pub fn name(self) -> &'static str {
        match self {
            Period::Minute => "minute",
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
            Period::Year => "year",
            Period::On(Weekday::Monday) => "monday",
            Period::On(Weekday::Tuesday) => "tuesday",
            Period::On(Weekday::Wednesday) => "wednesday",
            Period::On(Weekday::Thursday) => "thursday",
            Period::On(Weekday::Friday) => "friday",
            Period::On(Weekday::Saturday) => "saturday",
            Period::On(Weekday::Sunday) => "sunday",
        }
    }

    /// The bucket's name; `None` when the moment lies in none, as on another day of the week.
    fn key(self, at: OffsetDateTime) -> Option<String> {
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        Some(match self {
            Period::Minute => {
                format!("{year:04}-{month:02}-{day:02}-{:02}:{:02}", at.hour(), at.minute())
            }
            Period::Hour => format!("{year:04}-{month:02}-{day:02}-{:02}", at.hour()),
            Period::Day => format!("{year:04}-{month:02}-{day:02}"),
            Period::Week => {
                let (year, week, _) = at.to_iso_week_date();
                format!("{year:04}-W{week:02}")
            }
            Period::Month => format!("{year:04}-{month:02}"),
            Period::Year => format!("{year:04}"),
            Period::On(weekday) => {
                let (year, week, day) = at.to_iso_week_date();
                if day != weekday {
                    return None;
                }
                format!("{year:04}-W{week:02}-{}", self.name())
            }
        })
    }

    /// A moment in the bucket before the one of `at`; for a weekday, on that weekday.
    fn step_back(self, at: OffsetDateTime) -> Option<OffsetDateTime> {
        let first = |year, month| Date::from_calendar_date(year, month, 1).ok();
        Some(match self {
            Period::Minute => at.checked_sub(Duration::MINUTE)?,
            Period::Hour => at.checked_sub(Duration::HOUR)?,
            Period::Day => at.checked_sub(Duration::DAY)?,
            Period::Week | Period::On(_) => at.checked_sub(Duration::WEEK)?,
            Period::Month => {
                let year = if at.month() == Month::January { at.year() - 1 } else { at.year() };
                at.replace_date(first(year, at.month().previous())?)
            }
            Period::Year => at.replace_date(first(at.year() - 1, Month::January)?),
        })
    }

    /// The last `count` buckets, the current one first. For a weekday the current one is the
    /// latest such day up to today.
    fn last(self, now: OffsetDateTime, count: u32) -> HashSet<String> {
        let mut at = Some(now);
        if let Period::On(weekday) = self {
            while at.is_some_and(|at| at.weekday() != weekday) {
                at = at.and_then(|at| at.checked_sub(Duration::DAY));
            }
        }
        let mut keys = HashSet::new();
        for _ in 0..count {
            let Some(moment) = at else { break };
            keys.extend(self.key(moment));
            at = self.step_back(moment);
        }
        keys
    }
}

/// What is asked of one kind of bucket; 0 leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rule {
    /// Only snapshots in the last so many buckets.
    pub keep: u32,
    /// At most so many of a bucket, the newest ones.
    pub cap: u32,
}

/// The rules given. A snapshot that any of them keeps is kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Retention {
    rules: HashMap<Period, Rule>,
}

/// Why a snapshot is kept or dropped; prints as `prune` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No rule was given, so the filters alone decide.
    Filters,
    /// In a bucket of a rule: kept when its rank, from 1 for the newest, is within the cap (0: none).
    Bucket {
        /// Of which kind.
        period: Period,
        /// Its name.
        key: String,
        /// Place in it.
        rank: u32,
        /// The rule's cap.
        cap: u32,
    },
    /// No rule reaches that far back.
    Outside,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Filters => f.write_str("reason=matched filters"),
            Reason::Bucket { period, key, rank, cap } => {
                write!(f, "match={}:{key} rank={rank} cap={cap}", period.name())
            }
            Reason::Outside => f.write_str("reason=outside retention windows"),
        }
    }
}

/// The judgement on one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it stays.
    pub keep: bool,
    /// Why.
    pub reason: Reason,
}

impl Retention {
    /// Sets the rule for one kind of bucket; one that asks for nothing takes it away.
    pub fn set(&mut self, period: Period, rule: Rule) {
        match rule == Rule::default() {
            true => self.rules.remove(&period),
            false => self.rules.insert(period, rule),
        };
    }

    /// The rule for one kind of bucket.
    pub fn of(&self, period: Period) -> Rule {
        self.rules.get(&period).copied().unwrap_or_default()
    }

    /// Whether no rule asks for anything.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Judges snapshots that [`Filters::apply`](crate::engine::select::Filters::apply) left, newest
    /// first; the verdicts are in the same order. Without a rule everything is kept.
    pub fn judge(&self, newest_first: &[&Facts], now: Stamp) -> Vec<Verdict> {
        if self.is_empty() {
            return vec![Verdict { keep: true, reason: Reason::Filters }; newest_first.len()];
        }
        let mut verdicts = vec![Verdict { keep: false, reason: Reason::Outside }; newest_first.len()];
        for period in Period::ALL {
            let rule = self.of(period);
            if rule == Rule::default() {
                continue;
            }
            let window = (rule.keep > 0).then(|| moment(now).map(|now| period.last(now, rule.keep)));
            let mut ranks: HashMap<String, u32> = HashMap::new();
            for (facts, verdict) in newest_first.iter().zip(&mut verdicts) {
                let Some(key) = moment(facts.timestamp).and_then(|at| period.key(at)) else { continue };
                if window.as_ref().is_some_and(|keys| !keys.as_ref().is_some_and(|keys| keys.contains(&key)))
                {
                    continue;
                }
                let rank = ranks.entry(key.clone()).or_default();
                *rank += 1;
                let keep = rule.cap == 0 || *rank <= rule.cap;
                let reason = Reason::Bucket { period, key, rank: *rank, cap: rule.cap };
                if (keep, std::cmp::Reverse(*rank)) > verdict.standing() {
                    *verdict = Verdict { keep, reason };
                }
            }
        }
        verdicts
    }
}

impl Verdict {
    /// What a better reason must exceed: keeping beats dropping, then the smaller rank.
    fn standing(&self) -> (bool, std::cmp::Reverse<u32>) {
        let rank = match self.reason {
            Reason::Bucket { rank, .. } => rank,
            Reason::Filters | Reason::Outside => u32::MAX,
        };
        (self.keep, std::cmp::Reverse(rank))
    }
}

fn moment(stamp: Stamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(stamp.secs).ok()
}

#[cfg(test)]
mod tests {
    use super::{Period, Retention, Rule};
    use crate::base::mac::Mac;
    use crate::base::stamp::Stamp;
    use crate::engine::dates;
    use crate::engine::select::Facts;
    use time::Weekday;

    fn at(text: &str) -> Stamp {
        dates::moment(text, Stamp::default()).unwrap()
    }

    fn judge(rules: &[(Period, u32, u32)], times: &[&str]) -> Vec<String> {
        let facts: Vec<Facts> =
            times.iter().map(|time| Facts { timestamp: at(time), ..Facts::default() }).collect();
        let mut retention = Retention::default();
        for (period, keep, cap) in rules {
            retention.set(*period, Rule { keep: *keep, cap: *cap });
        }
        let verdicts = retention.judge(&facts.iter().collect::<Vec<_>>(), at("2025-11-30 12:00"));
        verdicts
            .iter()
            .map(|verdict| format!("{} {}", if verdict.keep { "keep" } else { "delete" }, verdict.reason))
            .collect()
    }

    const TIMES: &[&str] =
        &["2025-11-30 09:00", "2025-11-30 08:00", "2025-11-29 10:00", "2025-10-31 10:00", "2024-12-30 10:00"];

    #[test]
    fn buckets_decide() {
        let outside = "delete reason=outside retention windows";
        type Case<'a> = (&'a [(Period, u32, u32)], [&'a str; 5]);
        let cases: &[Case<'_>] = &[
            (&[], ["keep reason=matched filters"; 5]),
            (
                &[(Period::Day, 2, 0)],
                [
                    "keep match=day:2025-11-30 rank=1 cap=0",
                    "keep match=day:2025-11-30 rank=2 cap=0",
                    "keep match=day:2025-11-29 rank=1 cap=0",
                    outside,
                    outside,
                ],
            ),
            (
                &[(Period::Day, 2, 1)],
                [
                    "keep match=day:2025-11-30 rank=1 cap=1",
                    "delete match=day:2025-11-30 rank=2 cap=1",
                    "keep match=day:2025-11-29 rank=1 cap=1",
                    outside,
                    outside,
                ],
            ),
            (
                &[(Period::Month, 0, 1)],
                [
                    "keep match=month:2025-11 rank=1 cap=1",
                    "delete match=month:2025-11 rank=2 cap=1",
                    "delete match=month:2025-11 rank=3 cap=1",
                    "keep match=month:2025-10 rank=1 cap=1",
                    "keep match=month:2024-12 rank=1 cap=1",
                ],
            ),
            (
                &[(Period::Month, 2, 1), (Period::Day, 1, 0)],
                [
                    "keep match=day:2025-11-30 rank=1 cap=0",
                    "keep match=day:2025-11-30 rank=2 cap=0",
                    "delete match=month:2025-11 rank=3 cap=1",
                    "keep match=month:2025-10 rank=1 cap=1",
                    outside,
                ],
            ),
            // 2024-12-30 is a Monday of ISO year 2025.
            (
                &[(Period::On(Weekday::Monday), 0, 1)],
                [outside, outside, outside, outside, "keep match=monday:2025-W01-monday rank=1 cap=1"],
            ),
            (
                &[(Period::On(Weekday::Friday), 5, 0)],
                [outside, outside, outside, "keep match=friday:2025-W44-friday rank=1 cap=0", outside],
            ),
            (
                &[(Period::Week, 0, 1)],
                [
                    "keep match=week:2025-W48 rank=1 cap=1",
                    "delete match=week:2025-W48 rank=2 cap=1",
                    "delete match=week:2025-W48 rank=3 cap=1",
                    "keep match=week:2025-W44 rank=1 cap=1",
                    "keep match=week:2025-W01 rank=1 cap=1",
                ],
            ),
            (
                &[(Period::Hour, 4, 0), (Period::Year, 1, 1)],
                [
                    "keep match=hour:2025-11-30-09 rank=1 cap=0",
                    "delete match=year:2025 rank=2 cap=1",
                    "delete match=year:2025 rank=3 cap=1",
                    "delete match=year:2025 rank=4 cap=1",
                    outside,
                ],
            ),
        ];
        for (rules, wanted) in cases {
            assert_eq!(judge(rules, TIMES), wanted, "{rules:?}");
        }
    }

    #[test]
    fn months_are_counted_from_the_first_day() {
        let facts = Facts { id: Mac::ZERO, timestamp: at("2025-02-10"), ..Facts::default() };
        let mut retention = Retention::default();
        retention.set(Period::Month, Rule { keep: 2, cap: 0 });
        assert!(retention.judge(&[&facts], at("2025-03-31"))[0].keep);
        assert!(!retention.judge(&[&facts], at("2025-04-01"))[0].keep);
    }

    #[test]
    fn a_weekday_to_come_counts_from_the_week_before() {
        let facts = Facts { timestamp: at("2025-11-28"), ..Facts::default() };
        let mut retention = Retention::default();
        retention.set(Period::On(Weekday::Friday), Rule { keep: 1, cap: 0 });
        assert!(retention.judge(&[&facts], at("2025-12-03"))[0].keep, "Wednesday: last Friday counts");
        assert!(!retention.judge(&[&facts], at("2025-12-05"))[0].keep, "Friday: today counts");
    }
}
