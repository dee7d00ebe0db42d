//! The progress line: what it says at which width, and how fast things go.

use crate::cli::human;
use std::collections::VecDeque;
use std::time::Duration;

/// Rates are taken over this much time: long enough to be calm, short enough to notice a stall.
const WINDOW: Duration = Duration::from_secs(10);

/// Columns of the bar, brackets included.
const BAR_COLUMNS: usize = 22;

/// Where long work stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What items are, when not files.
    pub what: Option<&'static str>,
    /// Entries finished.
    pub items: u64,
    /// Entries there will be; `None` while that is not known.
    pub items_total: Option<u64>,
    /// Content bytes done.
    pub bytes: u64,
    /// Content bytes there will be.
    pub bytes_total: Option<u64>,
    /// Bytes sent to the store.
    pub stored: u64,
    /// Entries that failed.
    pub failed: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Items a minute, lately.
    pub pace: u64,
    /// The entry finished last.
    pub current: String,
}

impl Facts {
    /// How long it will take at this rate; `None` when nobody can tell. Bytes tell best; what has none
    /// goes by its pace.
    pub fn seconds_left(&self) -> Option<u64> {
        if self.what.is_some() {
            let left = self.items_total?.saturating_sub(self.items);
            return (self.pace > 0).then(|| left.saturating_mul(60).div_ceil(self.pace));
        }
        let left = self.bytes_total?.saturating_sub(self.bytes);
        (self.rate > 0).then(|| left.div_ceil(self.rate))
    }

    /// One line of at most `columns`. What does not fit is left out, the least telling part first.
    pub fn line(&self, columns: usize) -> String {
        let total = self.bytes_total.filter(|total| *total > 0);
        let (done, all) = match self.what {
            Some(_) => (self.items, self.items_total),
            None => (self.bytes, total),
        };
        let share = all.map(|all| (done.min(all) as f64 / all as f64).clamp(0.0, 1.0));
        let counted = |done: u64, total: Option<u64>| match total {
            Some(total) => format!("{done}/{total}"),
            None => done.to_string(),
        };
        let bytes = match total {
            Some(total) => format!("{}/{}", human::bytes(self.bytes), human::bytes(total)),
            None => human::bytes(self.bytes),
        };
        // In the order shown; the number says how soon a part is left out.
        let parts: [(u8, Option<String>); 8] = [
            (7, share.map(bar)),
            (0, share.map(|share| format!("{:3.0}%", (share * 100.0).floor()))),
            (2, self.what.is_none().then_some(bytes)),
            (4, self.speed()),
            (3, self.seconds_left().map(|secs| format!("{} left", clock(secs)))),
            (5, Some(format!("{} {}", counted(self.items, self.items_total), self.what.unwrap_or("files")))),
            (6, (self.stored > 0).then(|| format!("{} stored", human::bytes(self.stored)))),
            (1, (self.failed > 0).then(|| format!("{} failed", self.failed))),
        ];
        let parts: Vec<(u8, String)> =
            parts.into_iter().filter_map(|(rank, text)| Some((rank, text?))).collect();
        let shown = |limit: u8| {
            let texts: Vec<&str> =
                parts.iter().filter(|(rank, _)| *rank < limit).map(|(_, text)| text.as_str()).collect();
            texts.join("  ")
        };
        let fitting = (0..=8).rev().map(shown).find(|line| width(line) <= columns).unwrap_or_default();
        let left = columns.saturating_sub(width(&fitting) + 2);
        match shortened(&self.current, left) {
            name if name.is_empty() => fitting,
            name if fitting.is_empty() => name,
            name => format!("{fitting}  {name}"),
        }
    }

    fn speed(&self) -> Option<String> {
        match (self.what, self.rate, self.pace) {
            (None, 0, _) | (Some(_), _, 0) => None,
            (None, rate, _) => Some(format!("{}/s", human::bytes(rate))),
            (Some(_), _, pace @ 0..600) => Some(format!("{pace}/min")),
            (Some(_), _, pace) => Some(format!("{}/s", pace / 60)),
        }
    }
}

fn bar(share: f64) -> String {
    let inner = BAR_COLUMNS - 2;
    let full = (share * inner as f64).floor() as usize;
    format!("[{}{}]", "#".repeat(full.min(inner)), "-".repeat(inner.saturating_sub(full)))
}

/// `59s`, `12m05s`, `3h07m`.
fn clock(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        _ => format!("{}h{:02}m", secs / 3600, secs / 60 % 60),
    }
}

/// The end of a path, which tells more than its beginning, in at most `columns`; nothing when that
/// would be too little to recognise it.
fn shortened(path: &str, columns: usize) -> String {
    const LEAST: usize = 8;
    let path: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if width(&path) <= columns {
        return path;
    }
    if columns < LEAST {
        return String::new();
    }
    let mut used = 1;
    let kept = path.chars().rev().take_while(|c| {
        used += columns_of(*c);
        used <= columns
    });
    let kept: Vec<char> = kept.collect();
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

/// Columns of a terminal that the text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Two for the wide scripts and pictures, none for marks that combine, else one. Terminals agree
/// on these ranges; a letter outside them that is wide after all costs a column, not a line.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// How fast a counter grows.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// The counter stands at `bytes`, `at` after some start; bytes a second since ten seconds ago.
    pub fn update(&mut self, at: Duration, bytes: u64) -> u64 {
        self.0.push_back((at, bytes));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= WINDOW) {
            self.0.pop_front();
        }
        let Some((then, was)) = self.0.front() else { return 0 };
        let ns = at.saturating_sub(*then).as_nanos();
        let grown = u128::from(bytes.saturating_sub(*was));
        u64::try_from((grown * 1_000_000_000).checked_div(ns).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            what: None,
            pace: 9,
            items: 312,
            items_total: Some(700),
            bytes: 1 << 30,
            bytes_total: Some(4 << 30),
            stored: 100 << 20,
            failed: 2,
            rate: 100 << 20,
            current: "/srv/photos/2024/IMG_0001.jpg".to_owned(),
        }
    }

    #[test]
    fn the_widest_line_has_everything() {
        assert_eq!(
            facts().line(160),
            "[#####---------------]   25%  1.0 GiB/4.0 GiB  100 MiB/s  31s left  312/700 files  \
             100 MiB stored  2 failed  /srv/photos/2024/IMG_0001.jpg"
        );
    }

    #[test]
    fn what_has_no_bytes_goes_by_its_pace() {
        let steps = Facts {
            what: Some("snapshots"),
            items: 3,
            items_total: Some(12),
            pace: 90,
            current: "3cb2efff".to_owned(),
            ..Facts::default()
        };
        assert_eq!(steps.line(80), "[#####---------------]   25%  90/min  6s left  3/12 snapshots  3cb2efff");
        assert_eq!(steps.line(40), " 25%  90/min  6s left  3/12 snapshots");
        let fast = Facts { pace: 6_000, ..steps.clone() };
        assert_eq!(fast.line(40), " 25%  100/s  1s left  3/12 snapshots");
        let unknown = Facts { items_total: None, pace: 0, ..steps };
        assert_eq!(unknown.line(40), "3 snapshots  3cb2efff");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut wide = facts();
        wide.current = "/写真/子供たち/誕生日/é/\u{1b}[31m".to_owned();
        for facts in [facts(), wide, Facts::default()] {
            for columns in 0..200 {
                let line = facts.line(columns);
                assert!(width(&line) <= columns, "{columns}: {line:?} is {}", width(&line));
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }

    #[test]
    fn narrow_lines_keep_what_matters_most() {
        assert_eq!(facts().line(4), " 25%");
        assert_eq!(facts().line(15), " 25%  2 failed");
        assert_eq!(facts().line(44), " 25%  1.0 GiB/4.0 GiB  31s left  2 failed");
    }

    #[test]
    fn rates_follow_the_last_ten_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.update(Duration::ZERO, 0), 0);
        assert_eq!(rate.update(Duration::from_secs(1), 100), 100);
        for second in 2..30 {
            rate.update(Duration::from_secs(second), 100);
        }
        assert_eq!(rate.update(Duration::from_secs(30), 100), 0, "a stall shows");
        assert_eq!(rate.update(Duration::from_secs(31), 1100), 100);
    }

    #[test]
    fn times_left_are_short_to_read() {
        for (secs, shown) in [(0, "0s"), (59, "59s"), (725, "12m05s"), (11_220, "3h07m")] {
            assert_eq!(clock(secs), shown);
        }
        assert_eq!(Facts { rate: 0, ..facts() }.seconds_left(), None);
    }
}
