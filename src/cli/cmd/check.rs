//! `check`: whether everything is there and is what it was.

use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::restore::{concurrency, count};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::open::{self, Opened, States};
use crate::cli::record::Record;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::engine::check::Checker;
pub use crate::engine::check::Options;
use crate::engine::lock;
use crate::engine::select::{self, Argument, Filters};
use std::os::unix::ffi::OsStrExt;

/// Its own options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("concurrency", Takes::Number, "maximum number of parallel tasks"),
    Opt::new("fast", Takes::Switch, "check that everything is there, without reading content"),
    Opt::new("no-verify", Takes::Switch, "do not verify signatures"),
    Opt::new("quiet", Takes::Switch, "do not print entries that are sound"),
    Opt::new("silent", Takes::Switch, "do not print any entries"),
];

/// Checks.
///
/// # Errors
/// When anything is wrong, or an ID names nothing.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let lines = Lines { done: !parsed.switch("quiet") && !session.globals.quiet, failed: true }
        .unless(parsed.switch("silent"));
    let report = Report::new(session.out.clone(), Wording::Check, lines);
    let cores = concurrency(&parsed, session.globals.cpu)?;
    let fast = parsed.switch("fast");
    // Words and filters narrow the check to snapshots; without them all of the store is meant.
    let filters = filters::filters(&parsed, Stamp::from_nanos(session.clock.now_ns()))?;
    let narrowed = !parsed.rest.is_empty() || filters != Filters::default();
    let from = if fast || narrowed { States::Copies } else { States::Store };
    let (mut opened, broken) = open::damaged(session, report.clone(), from)?;
    opened.cores = cores;
    let wanted = wanted(&opened, &parsed)?;
    let options = Options { fast, signatures: !parsed.switch("no-verify") };
    let _running = report.run(&session.cancel, session.globals.quiet);
    let blobs = opened.walk_blobs();
    let fetcher = opened.fetcher(&blobs);
    let checker = Checker::new(&fetcher, &opened.world, options)?;
    let mut failed = vec![count_of(broken.len(), "state", "states")];
    if !narrowed {
        failed.push(count_of(locks(session, &opened)?, "lock", "locks"));
        if !options.fast {
            failed.push(count_of(packfiles(session, &opened, &checker)?, "packfile", "packfiles"));
        }
    }
    failed.push(count_of(snapshots(session, &checker, &wanted)?, "snapshot", "snapshots"));
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    match failed.is_empty() {
        true => Ok(DONE),
        false => Err(Failure::new(format!("check failed for {}", failed.join(", ")))),
    }
}

fn count_of(number: usize, one: &str, many: &str) -> Option<String> {
    (number > 0).then(|| count(number, one, many))
}

/// Tells of locks that nobody can read; how many there are.
fn locks(session: &Session, opened: &Opened) -> Result<usize, Failure> {
    let unreadable = lock::unreadable(&opened.repository)?;
    for (id, error) in &unreadable {
        let failure = Failure::from(error.clone());
        session.out.damage("lock", id, &failure.message.unwrap_or_default());
    }
    Ok(unreadable.len())
}

/// Reads every packfile and tells of those that are not whole; how many there are. One that no state
/// names is told too, unless somebody is just at work: it may be garbage, or all that is left.
fn packfiles(session: &Session, opened: &Opened, checker: &Checker<'_, '_, '_>) -> Result<usize, Failure> {
    let looked = checker.packfiles()?;
    for (id, what) in &looked.problems {
        session.out.damage("packfile", id, what);
    }
    if !looked.unnamed.is_empty() && !lock::is_held(&opened.repository, &opened.world).unwrap_or(false) {
        for (id, headers) in &looked.unnamed {
            let headers: Vec<String> = headers.iter().map(Mac::short).collect();
            let what = match headers.is_empty() {
                true => "of a backup that was broken off, or its state was lost".to_owned(),
                false => format!("with snapshot {}: `repair` tells more", headers.join(", ")),
            };
            session.out.error_line(format!("warn: packfile {id}: in no state, {what}"));
        }
    }
    Ok(looked.problems.len())
}

/// Checks these snapshots and says what came of each.
///
/// # Errors
/// When anything is wrong.
pub fn verify(
    session: &Session,
    opened: &Opened,
    wanted: &[(Mac, Argument)],
    options: Options,
) -> Result<u8, Failure> {
    let blobs = opened.walk_blobs();
    let fetcher = opened.fetcher(&blobs);
    let checker = Checker::new(&fetcher, &opened.world, options)?;
    match snapshots(session, &checker, wanted)? {
        0 => Ok(DONE),
        failed => Err(Failure::new(format!("check failed for {}", count(failed, "snapshot", "snapshots")))),
    }
}

/// Checks these snapshots and says what came of each; how many are not whole.
fn snapshots(
    session: &Session,
    checker: &Checker<'_, '_, '_>,
    wanted: &[(Mac, Argument)],
) -> Result<usize, Failure> {
    let mut failed = 0;
    for (id, argument) in wanted {
        let checked = checker.snapshot(id, argument)?;
        let problem = checked.problems.first();
        session.out.record(
            Record::new("check")
                .text("snapshot", &id.to_string())
                .path("path", &checked.path)
                .truth("ok", problem.is_none())
                .maybe_text("problem", problem.map(|problem| problem.what.to_string()).as_deref()),
        );
        match problem {
            None => {
                let path = String::from_utf8_lossy(&checked.path).into_owned();
                session.info(&format!("check: verification of {}:{path} completed successfully", id.short()));
            }
            Some(problem) => {
                failed += 1;
                session.out.error_line(format!("warn: check failed for snapshot {id}: {}", problem.what));
            }
        }
    }
    Ok(failed)
}

/// What the words and filters name, newest first; a word that names nothing is an error. A
/// snapshot whose header is lost is among them: the states know it.
fn wanted(opened: &Opened, parsed: &Parsed) -> Result<Vec<(Mac, Argument)>, Failure> {
    let filters = filters::filters(parsed, opened.now())?;
    let retention = filters::retention(parsed)?;
    let (readable, problems) = opened.select(&filters, &retention)?;
    let mut ids: Vec<Mac> = readable.iter().map(|snapshot| snapshot.id).collect();
    ids.extend(problems.iter().map(|(id, _)| *id));
    if parsed.rest.is_empty() {
        return Ok(ids.into_iter().map(|id| (id, Argument::default())).collect());
    }
    let mut wanted = Vec::new();
    for word in &parsed.rest {
        let argument = Argument::parse(word.as_bytes());
        let matches = select::every(&ids, &argument.prefix);
        if matches.is_empty() {
            let known = select::every(&opened.index.snapshots(), &argument.prefix);
            let among = if known.is_empty() { "" } else { " and passes the filters" };
            return Err(Failure::new(format!("no snapshot has prefix: {}{among}", argument.prefix)));
        }
        wanted.extend(matches.into_iter().map(|id| (id, argument.clone())));
    }
    Ok(wanted)
}
