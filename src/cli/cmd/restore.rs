//! `restore`: a snapshot, or a part of one, to a directory or a bucket.

use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::backup;
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::gotime;
use crate::cli::open::{self, Opened, States};
use crate::cli::record::Record;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::cli::settings::Role;
use crate::engine::restore;
use crate::engine::retention::Retention;
use crate::engine::select::{self, Argument};
use crate::engine::snapshot::Snapshot;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Its own options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("concurrency", Takes::Number, "maximum number of parallel tasks"),
    Opt::new("o", Takes::Text("value"), "specify extra exporter options"),
    Opt::new("quiet", Takes::Switch, "do not print successfully restored entries"),
    Opt::new("silent", Takes::Switch, "do not print any entries"),
    Opt::new("skip-permissions", Takes::Switch, "do not restore mode, owner, times and attributes"),
    Opt::new("to", Takes::Path("string"), "directory, location or @destination to restore to"),
];

/// Restores.
///
/// # Errors
/// When anything was not restored.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let ([] | [_]) = parsed.rest.as_slice() else { return Err(misplaced(&parsed)) };
    let argument = parsed.rest.first().map(|word| Argument::parse(word.as_bytes())).unwrap_or_default();
    let to = match parsed.path("to") {
        Some(to) => to.to_owned(),
        None => OsString::from(format!(
            "plakar-{}",
            gotime::compact(crate::base::stamp::Stamp::from_nanos(session.clock.now_ns()))
        )),
    };
    let mut place = session.place(Role::Destination, &to)?;
    backup::extra_options(&parsed, &mut place);
    let cores = concurrency(&parsed, session.globals.cpu)?;
    let lines = Lines { done: !parsed.switch("quiet") && !session.globals.quiet, failed: true }
        .unless(parsed.switch("silent"));
    let report = Report::new(session.out.clone(), Wording::Restore, lines);
    let (mut opened, broken) = open::damaged(session, report.clone(), States::Copies)?;
    opened.cores = cores;
    let blobs = opened.walk_blobs();
    let snapshot = choose(session, &opened, &parsed, &argument)?;
    let start = snapshot.entry(&blobs, &argument.resolve(&snapshot.root()))?;
    let destination = connect::destination(session, &place, !parsed.switch("skip-permissions"))?;
    let (id, path) = (snapshot.id.short(), start.path());
    let strip = restore::strip_prefix(&path, &argument.path);
    let done = {
        let _running = report.run(&session.cancel, session.globals.quiet);
        restore::restore(&opened.fetcher(&blobs), &opened.world, &snapshot, start, &strip, &*destination)?
    };
    if done.kept > 0 {
        session.out.error_line(format!(
            "warn: {} kept: overwrite is not always",
            count(
                usize::try_from(done.kept).unwrap_or(usize::MAX),
                "object that was there is",
                "objects that were there are"
            ),
        ));
    }
    if !done.skipped.is_empty() {
        session.out.error_line(format!(
            "warn: {} that {} has no place for left out: {}",
            count(done.skipped.len(), "entry", "entries"),
            place.word,
            some(&done.skipped)
        ));
    }
    if !done.errors.is_empty() {
        return Err(Failure::new(format!(
            "restoration completed with {}",
            count(done.errors.len(), "error", "errors")
        )));
    }
    if !broken.is_empty() {
        let states = count(broken.len(), "state", "states");
        let what = format!("restored, but {states} of the store could not be read: what they say is unknown");
        return Err(Failure::new(what).and("`repair` tells what can be rebuilt of them."));
    }
    let path = String::from_utf8_lossy(&path).into_owned();
    session.out.record(
        Record::new("restore")
            .text("snapshot", &snapshot.id.to_string())
            .path("path", path.as_bytes())
            .text("to", &place.word),
    );
    session.info(&format!("restore: restoration of {id}:{path} at {} completed successfully", place.word));
    Ok(DONE)
}

/// The newest snapshot that passes the filters and has the prefix.
fn choose(
    session: &Session,
    opened: &Opened,
    parsed: &Parsed,
    argument: &Argument,
) -> Result<Snapshot, Failure> {
    let filters = filters::filters(parsed, opened.now())?;
    let (found, problems) = opened.select(&filters, &Retention::default())?;
    let mut lost = problems.iter().filter(|(id, _)| select::has_prefix(id, &argument.prefix));
    let mut found = found.into_iter().filter(|snapshot| select::has_prefix(&snapshot.id, &argument.prefix));
    match (found.next(), lost.next()) {
        (Some(snapshot), None) => Ok(snapshot),
        (Some(snapshot), Some((id, error))) if argument.prefix.is_empty() => {
            session.out.error_line(format!("warn: snapshot {} may be newer, but: {error}", id.short()));
            Ok(snapshot)
        }
        (_, Some((id, error))) => Err(Failure::new(format!("snapshot {}: {error}", id.short()))),
        (None, None) => Err(Failure::new("no snapshots found")),
    }
}

/// `-concurrency`, else the number of cores to use.
///
/// # Errors
/// Below zero.
pub fn concurrency(parsed: &Parsed, cpu: usize) -> Result<usize, Failure> {
    match parsed.number("concurrency") {
        None | Some(0) => Ok(cpu),
        Some(wanted) => usize::try_from(wanted)
            .map(|wanted| wanted.min(1024))
            .map_err(|_| Failure::new(format!("invalid -concurrency value {wanted}"))),
    }
}

fn misplaced(parsed: &Parsed) -> Failure {
    let failure = Failure::new("multiple snapshots found, please specify one");
    match parsed.rest.iter().skip(1).find(|word| word.as_bytes().starts_with(b"-")) {
        Some(option) => failure.and(format!("Options come before the snapshot: {}", option.display())),
        None => failure,
    }
}

/// `1 error`, `2 errors`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn some(paths: &[(Vec<u8>, String)]) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> =
        paths.iter().take(SHOWN).map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect();
    if paths.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.join(", ")
}
