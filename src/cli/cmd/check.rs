//! `check`: whether everything is there and is what it was.

use crate::base::mac::Mac;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::restore::{concurrency, count};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::open::{self, Opened};
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::engine::check::Checker;
pub use crate::engine::check::Options;
use crate::engine::select::{self, Argument};
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
    let mut opened = open::store(session, Some(report.clone()))?;
    opened.cores = cores;
    let wanted = wanted(&opened, &parsed)?;
    let options = Options { fast: parsed.switch("fast"), signatures: !parsed.switch("no-verify") };
    let _running = report.run(&session.cancel);
    verify(session, &opened, &wanted, options)
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
    let mut failed = 0;
    for (id, argument) in wanted {
        let checked = checker.snapshot(id, argument)?;
        match checked.problems.first() {
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
    match failed {
        0 => Ok(DONE),
        failed => Err(Failure::new(format!("check failed for {}", count(failed, "snapshot", "snapshots")))),
    }
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
            return Err(Failure::new(format!("no snapshot has prefix: {}", argument.prefix)));
        }
        wanted.extend(matches.into_iter().map(|id| (id, argument.clone())));
    }
    Ok(wanted)
}
