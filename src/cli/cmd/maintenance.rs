//! `maintenance`: space given back, when a grace period has passed.

use crate::cli::args::{self, Parsed};
use crate::cli::cmd::backup::lockless;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::gotime;
use crate::cli::human;
use crate::cli::open;
use crate::cli::record::Record;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::engine::error::Kind;
use crate::engine::maintenance::{self, Options};
use crate::world::host;
use std::time::Duration;

/// As long as Plakar v1.0 waits.
const GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Runs it.
///
/// # Errors
/// Somebody is at work on the store; a snapshot cannot be read; the store's.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if !parsed.rest.is_empty() {
        return Err(Failure::new("too many arguments"));
    }
    let grace = grace()?;
    let options = Options { grace, delete: deletes(), host: (!lockless()).then(host::hostname) };
    let lines = Lines { done: false, failed: false };
    let listener = Report::new(session.out.clone(), Wording::Check, lines);
    let (repository, world) = open::unindexed(session, listener.clone())?;
    let running = listener.run(&session.cancel, session.globals.quiet);
    let done = maintenance::maintain(&repository, &options, &world);
    drop(running);
    let report = done.map_err(|error| {
        let locked = error.kind == Kind::Locked;
        let failure = Failure::from(error);
        match locked {
            true => failure.context("Can't take exclusive lock"),
            false => failure.context("maintenance"),
        }
    })?;
    session.out.record(
        Record::new("maintenance")
            .number("coloured", report.coloured as u64)
            .number("orphans", report.orphans as u64)
            .number("rescued", report.rescued as u64)
            .number("removed_packfiles", report.removed as u64)
            .number("removed_blobs", report.removed_blobs as u64)
            .number("removed_bytes", report.removed_bytes)
            .number("remains", report.remains as u64),
    );
    if report.rescued > 0 {
        session.say(&format!("maintenance: {} blobs that are needed were stored anew", report.rescued));
    }
    let (coloured, orphans) = (report.coloured, report.orphans);
    session.say(&format!("maintenance: Coloured {coloured} packfiles ({orphans} orphaned) for deletion"));
    if coloured > 0 {
        session.say(&format!("Coloured packfiles are scheduled to be removed in {}", shown(grace)));
    }
    let (blobs, packfiles) = (report.removed_blobs, report.removed);
    let freed = match report.removed_bytes {
        0 => String::new(),
        bytes => format!(" ({})", human::bytes(bytes)),
    };
    session.say(&format!("maintenance: {blobs} blobs and {packfiles} packfiles were removed{freed}"));
    if report.remains > 0 {
        session
            .say(&format!("maintenance: what {} broken-off writes left behind was removed", report.remains));
    }
    Ok(DONE)
}

fn grace() -> Result<Duration, Failure> {
    match std::env::var("PLAKAR_GRACEPERIOD") {
        Ok(text) if !text.is_empty() => gotime::parse_duration(&text).ok_or_else(|| {
            Failure::new(format!("PLAKAR_GRACEPERIOD: invalid duration {text:?}"))
                .and("Write it as 720h, 90m or 0s.")
        }),
        _ => Ok(GRACE),
    }
}

/// Either variable of the two lines of Plakar can forbid it: v1.0 removes only when told to, v1.1
/// unless told not to.
fn deletes() -> bool {
    let told = |name| std::env::var(name).ok().and_then(|value| args::truth(&value));
    told("PLAKAR_NODELETION") != Some(true) && told("PLAKAR_DODELETION") != Some(false)
}

fn shown(grace: Duration) -> String {
    let day = 24 * 3600;
    match (grace.as_secs() / day, grace.as_secs() % day) {
        (days, 0) if days > 0 => format!("{days}d"),
        _ => gotime::duration(i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX)),
    }
}
