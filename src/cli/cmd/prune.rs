//! `prune`: of the snapshots that match, those that no period keeps are taken out of the store.

use crate::base::mac::Mac;
use crate::base::nearest::nearest;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::{ls, policy};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::open;
use crate::cli::policies::Policy;
use crate::cli::removal;
use crate::cli::session::Session;
use crate::engine::retention::{Period, Retention, Rule, Verdict};
use crate::engine::select::{Facts, Filters};
use crate::engine::snapshot::{self, Snapshot};

/// Its own options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("apply", Takes::Switch, "do the actual removal"),
    Opt::new(
        "policy",
        Takes::Text("string"),
        "policy to use; options of the command line come before its own",
    ),
];

/// Removes, or lists what would be kept and removed.
///
/// # Errors
/// When nothing selects; when the store fails: then nothing was removed.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let prefixes = removal::prefixes(&parsed)?;
    let named = match parsed.text("policy") {
        Some(name) => named(session, name)?,
        None => Policy::default(),
    };
    let periods = override_periods(named.periods, &filters::retention(&parsed)?);
    let opened = open::store(session, None)?;
    let mut given = filters::filters(&parsed, opened.now())?;
    given.prefixes = prefixes;
    let filters = override_filters(named.filters, given);
    if filters.select_nothing() && periods.is_empty() {
        return Err(Failure::new("no filter specified, not going to prune everything"));
    }
    if parsed.switch("apply") {
        removal::refuse_archive(&opened)?;
    }
    let blobs = opened.blobs();
    let all = snapshot::open_all(&opened.fetcher(&blobs), &opened.index.snapshots())?;
    for (id, error) in &all.problems {
        session
            .out
            .error_line(format!("warn: snapshot {id} is left alone, its header cannot be read: {error}"));
    }
    let facts: Vec<Facts> = all.readable.iter().map(|snapshot| Facts::from(&snapshot.header)).collect();
    let matching = filters.apply(&facts);
    let verdicts = periods.judge(&matching, opened.now());
    let of = |facts: &&Facts| all.readable.iter().find(|snapshot| snapshot.id == facts.id);
    let judged: Vec<(&Snapshot, Verdict)> =
        matching.iter().zip(verdicts).filter_map(|(facts, verdict)| Some((of(facts)?, verdict))).collect();
    let doomed: Vec<Mac> =
        judged.iter().filter(|(_, verdict)| !verdict.keep).map(|(snapshot, _)| snapshot.id).collect();
    if parsed.switch("apply") {
        return removal::remove(session, &opened, "prune", &doomed);
    }
    session.say(&format!(
        "prune: would keep {} and delete {} snapshot(s), run with -apply to proceed",
        judged.len() - doomed.len(),
        doomed.len()
    ));
    for (line, (snapshot, verdict)) in table(&judged).iter().zip(&judged) {
        session.out.tell(
            || ls::record(snapshot).truth("keep", verdict.keep).text("reason", &verdict.reason.to_string()),
            || line,
        );
    }
    Ok(DONE)
}

fn named(session: &Session, name: &str) -> Result<Policy, Failure> {
    let mut policies = policy::load(session)?;
    policies.named.remove(name.strip_prefix('@').unwrap_or(name)).ok_or_else(|| {
        let failure = Failure::new(format!("policy {name:?} not found"));
        match nearest(name, policies.named.keys().map(String::as_str)) {
            Some(near) => failure.and(format!("Did you mean {near}?")),
            None => failure,
        }
    })
}

/// The policy's periods, each number that was given replaced.
fn override_periods(mut periods: Retention, given: &Retention) -> Retention {
    for period in Period::ALL {
        let Rule { keep, cap } = given.of(period);
        let own = periods.of(period);
        let keep = if keep > 0 { keep } else { own.keep };
        let cap = if cap > 0 { cap } else { own.cap };
        periods.set(period, Rule { keep, cap });
    }
    periods
}

/// The policy's filters, each that was given replaced. Leaving a policy's filters out would prune
/// snapshots that it was never meant for.
fn override_filters(policy: Filters, given: Filters) -> Filters {
    let text = |given: String, policy: String| if given.is_empty() { policy } else { given };
    let tagged = !given.tags.is_empty() || !given.without_tags.is_empty();
    let (tags, without_tags) = match tagged {
        true => (given.tags, given.without_tags),
        false => (policy.tags, policy.without_tags),
    };
    Filters {
        before: given.before.or(policy.before),
        since: given.since.or(policy.since),
        name: text(given.name, policy.name),
        category: text(given.category, policy.category),
        environment: text(given.environment, policy.environment),
        perimeter: text(given.perimeter, policy.perimeter),
        job: text(given.job, policy.job),
        roots: if given.roots.is_empty() { policy.roots } else { given.roots },
        tags,
        without_tags,
        prefixes: if given.prefixes.is_empty() { policy.prefixes } else { given.prefixes },
        latest: given.latest || policy.latest,
    }
}

/// A line for each, the reasons below one another.
fn table(judged: &[(&Snapshot, Verdict)]) -> Vec<Vec<u8>> {
    let lines: Vec<Vec<u8>> =
        judged.iter().map(|(snapshot, _)| ls::line(snapshot, false, false, true)).collect();
    let widths: Vec<usize> = lines.iter().map(|line| String::from_utf8_lossy(line).chars().count()).collect();
    let widest = widths.iter().max().copied().unwrap_or(0);
    let row = |((line, width), (_, verdict)): ((&Vec<u8>, usize), &(&Snapshot, Verdict))| {
        let mut row = if verdict.keep { b"keep     ".to_vec() } else { b"delete   ".to_vec() };
        row.extend_from_slice(line);
        row.resize(row.len() + widest - width + 2, b' ');
        row.extend_from_slice(verdict.reason.to_string().as_bytes());
        row
    };
    lines.iter().zip(widths).zip(judged).map(row).collect()
}
