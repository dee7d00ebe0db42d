//! Options that select snapshots, and the snapshots they select.

use crate::base::stamp::Stamp;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::exit::Failure;
use crate::engine::dates;
use crate::engine::retention::{Period, Retention, Rule};
use crate::engine::select::Filters;
use std::os::unix::ffi::OsStrExt;

/// What a snapshot's header says.
pub const GENERIC: &[Opt] = &[
    Opt::new("before", Takes::Date, "filter by date"),
    Opt::new("category", Takes::Text("string"), "filter by category"),
    Opt::new("environment", Takes::Text("string"), "filter by environment"),
    Opt::new("job", Takes::Text("string"), "filter by job"),
    Opt::new("latest", Takes::Switch, "use latest snapshot"),
    Opt::new("name", Takes::Text("string"), "filter by name"),
    Opt::new("perimeter", Takes::Text("string"), "filter by perimeter"),
    Opt::new("root", Takes::Path("value"), "filter by root directories, all of them"),
    Opt::new("since", Takes::Date, "filter by date"),
    Opt::new("tag", Takes::Text("value"), "filter by tags, all of them; !x leaves out those tagged x"),
];

/// The smaller set of `restore`.
pub const OF_RESTORE: &[Opt] = &[
    Opt::new("category", Takes::Text("string"), "filter by category"),
    Opt::new("environment", Takes::Text("string"), "filter by environment"),
    Opt::new("job", Takes::Text("string"), "filter by job"),
    Opt::new("name", Takes::Text("string"), "filter by name"),
    Opt::new("perimeter", Takes::Text("string"), "filter by perimeter"),
    Opt::new("tag", Takes::Text("string"), "filter by tag"),
];

/// How many per calendar period.
pub const PERIODS: &[Opt] = &[
    Opt::new("minutes", Takes::Number, "keep snapshots for the last N minutes"),
    Opt::new("hours", Takes::Number, "keep snapshots for the last N hours"),
    Opt::new("days", Takes::Number, "keep snapshots for the last N days"),
    Opt::new("weeks", Takes::Number, "keep snapshots for the last N weeks"),
    Opt::new("months", Takes::Number, "keep snapshots for the last N months"),
    Opt::new("years", Takes::Number, "keep snapshots for the last N years"),
    Opt::new("mondays", Takes::Number, "keep snapshots for the last N Mondays"),
    Opt::new("tuesdays", Takes::Number, "keep snapshots for the last N Tuesdays"),
    Opt::new("wednesdays", Takes::Number, "keep snapshots for the last N Wednesdays"),
    Opt::new("thursdays", Takes::Number, "keep snapshots for the last N Thursdays"),
    Opt::new("fridays", Takes::Number, "keep snapshots for the last N Fridays"),
    Opt::new("saturdays", Takes::Number, "keep snapshots for the last N Saturdays"),
    Opt::new("sundays", Takes::Number, "keep snapshots for the last N Sundays"),
    Opt::new("per-minute", Takes::Number, "keep at most N snapshots per minute"),
    Opt::new("per-hour", Takes::Number, "keep at most N snapshots per hour"),
    Opt::new("per-day", Takes::Number, "keep at most N snapshots per day"),
    Opt::new("per-week", Takes::Number, "keep at most N snapshots per week"),
    Opt::new("per-month", Takes::Number, "keep at most N snapshots per month"),
    Opt::new("per-year", Takes::Number, "keep at most N snapshots per year"),
    Opt::new("per-monday", Takes::Number, "keep at most N snapshots per Monday"),
    Opt::new("per-tuesday", Takes::Number, "keep at most N snapshots per Tuesday"),
    Opt::new("per-wednesday", Takes::Number, "keep at most N snapshots per Wednesday"),
    Opt::new("per-thursday", Takes::Number, "keep at most N snapshots per Thursday"),
    Opt::new("per-friday", Takes::Number, "keep at most N snapshots per Friday"),
    Opt::new("per-saturday", Takes::Number, "keep at most N snapshots per Saturday"),
    Opt::new("per-sunday", Takes::Number, "keep at most N snapshots per Sunday"),
];

/// The filters that were given; ages count back from `now`.
///
/// # Errors
/// A date that was accepted as one but is none by now: never.
pub fn filters(parsed: &Parsed, now: Stamp) -> Result<Filters, Failure> {
    let date =
        |name: &str| parsed.text(name).map(|text| dates::moment(text, now)).transpose().map_err(Failure::new);
    let text = |name: &str| parsed.text(name).unwrap_or_default().to_owned();
    let mut filters = Filters {
        before: date("before")?,
        since: date("since")?,
        name: text("name"),
        category: text("category"),
        environment: text("environment"),
        perimeter: text("perimeter"),
        job: text("job"),
        latest: parsed.switch("latest"),
        ..Filters::default()
    };
    parsed.texts("tag").for_each(|list| filters.add_tags(list));
    parsed.paths("root").for_each(|list| filters.add_roots(list.as_bytes()));
    Ok(filters)
}

/// The period rules that were given.
///
/// # Errors
/// A number that is negative or beyond 32 bits.
pub fn retention(parsed: &Parsed) -> Result<Retention, Failure> {
    let mut retention = Retention::default();
    let number = |name: &str| match parsed.number(name) {
        None => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Failure::new(format!("invalid value {number} for -{name}"))),
    };
    for period in Period::ALL {
        let keep = number(&format!("{}s", period.name()))?.unwrap_or_default();
        let cap = number(&format!("per-{}", period.name()))?.unwrap_or_default();
        retention.set(period, Rule { keep, cap });
    }
    Ok(retention)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_period_has_both_its_options() {
        for period in Period::ALL {
            for name in [format!("{}s", period.name()), format!("per-{}", period.name())] {
                assert!(PERIODS.iter().any(|opt| opt.name == name), "{name}");
            }
        }
        assert_eq!(PERIODS.len(), 2 * Period::ALL.len());
    }
}
