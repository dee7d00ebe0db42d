//! `backup`: a directory or a bucket becomes a snapshot.

use crate::base::stamp::Stamp;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::check;
use crate::cli::cmd::restore::{concurrency, count};
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure, INCOMPLETE};
use crate::cli::gotime;
use crate::cli::human;
use crate::cli::open::{self, Opened};
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::{Place, Session};
use crate::cli::settings::Role;
use crate::connectors::context::Reading;
use crate::connectors::ignore::Ignore;
use crate::engine::dates;
use crate::ports::source::{Found, Source, Step};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const TAGS_ONCE: &str = "tags should be specified only once, as a comma-separated list";

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("check", Takes::Switch, "check the snapshot after creating it"),
    Opt::new("concurrency", Takes::Number, "maximum number of parallel tasks"),
    Opt::new("force-timestamp", Takes::Date, "force a timestamp"),
    Opt::new("ignore", Takes::Text("value"), "gitignore pattern to exclude files, can be specified multiple times"),
    Opt::new("ignore-file", Takes::Path("string"), "path to a file containing gitignore patterns"),
    Opt::new("no-xattr", Takes::Switch, "do not back up extended attributes"),
    Opt::new("o", Takes::Text("value"), "specify extra importer options"),
    Opt::new("packfiles", Takes::Path("string"), "accepted: packfiles are always assembled in memory"),
    Opt::new("quiet", Takes::Switch, "suppress output of entries that are backed up"),
    Opt::new("scan", Takes::Switch, "do not actually perform a backup, just list the files"),
    Opt::new("silent", Takes::Switch, "suppress output of all entries"),
    Opt::new("tag", Takes::Once("value", TAGS_ONCE), "comma-separated list of tags to apply to the snapshot"),
];

/// Backs up.
///
/// # Errors
/// When no snapshot was made; one with entries missing ends with a code of its own.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let place = place(session, &parsed)?;
    let ignore = patterns(&parsed)?;
    let timestamp = timestamp(session, &parsed)?;
    let cores = concurrency(&parsed, session.globals.cpu)?;
    let silent = parsed.switch("silent");
    let lines = Lines { done: !parsed.switch("quiet") && !session.globals.quiet, failed: true }.unless(silent);
    let report = Report::new(session.out.clone(), Wording::Backup, lines);
    let mut opened = open::store(session, Some(report.clone()))?;
    opened.cores = cores;
    let reading = Reading { xattrs: !parsed.switch("no-xattr"), skip: own_directory(session, &opened) };
    let source = connect::source(session, &place, reading)
        .map_err(|failure| failure.context(format_args!("failed to create an importer for {}", place.word)))?;
    if parsed.switch("scan") {
        return scan(session, &*source, &ignore);
    }
    let tags = parsed.text("tag").unwrap_or_default();
    let tags: Vec<String> =
        tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let _ = (tags, timestamp, opened, source, report);
    Ok(DONE)
}

/// The source: a word, a named entry, or the working directory; `-o` wins over its options.
fn place(session: &Session, parsed: &Parsed) -> Result<Place, Failure> {
    let word = match parsed.rest.as_slice() {
        [] => OsString::from("."),
        [word] => word.clone(),
        _ => return Err(Failure::new("Too many arguments")),
    };
    let mut place = session.place(Role::Source, &word)?;
    for option in parsed.texts("o") {
        let (key, value) = option.split_once('=').unwrap_or((option, "true"));
        if key == "location" {
            place.location = OsString::from(value);
        } else {
            place.options.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(place)
}

/// Patterns of the file first, so that those of the command line have the last word.
fn patterns(parsed: &Parsed) -> Result<Ignore, Failure> {
    let mut patterns = Vec::new();
    if let Some(file) = parsed.path("ignore-file") {
        let text = fs::read_to_string(Path::new(file)).map_err(|error| {
            Failure::new(format!("unable to open excludes file: {}: {error}", file.display()))
        })?;
        patterns.extend(text.lines().map(str::to_owned));
    }
    patterns.extend(parsed.texts("ignore").map(str::to_owned));
    Ignore::new(&patterns).map_err(Failure::new)
}

fn timestamp(session: &Session, parsed: &Parsed) -> Result<Option<Stamp>, Failure> {
    let now = Stamp::from_nanos(session.clock.now_ns());
    let Some(text) = parsed.text("force-timestamp") else { return Ok(None) };
    let stamp = dates::moment(text, now).map_err(Failure::new)?;
    if stamp > now {
        return Err(Failure::new("forced timestamp cannot be in the future"));
    }
    Ok(Some(stamp))
}

/// The store's own directory, which a backup of what surrounds it leaves out.
fn own_directory(session: &Session, opened: &Opened) -> Vec<Vec<u8>> {
    let _ = session;
    opened.repository.store.location().strip_prefix("fs://").map(|path| path.as_bytes().to_vec()).into_iter().collect()
}

/// Lists what would be backed up.
fn scan(session: &Session, source: &dyn Source, ignore: &Ignore) -> Result<u8, Failure> {
    let mut failed = false;
    source.walk(&mut |found| {
        if session.cancel.is_cancelled() || session.out.is_gone() {
            return Step::Stop;
        }
        match found {
            Found::Entry(record) => {
                let directory = record.info.mode.is_dir();
                if ignore.excluded(&record.path, directory) {
                    return if directory { Step::Skip } else { Step::Descend };
                }
                session.out.line(&record.path);
            }
            Found::Unreadable { path, reason } => {
                failed = true;
                session.out.error_line(format!("{}: {reason}", String::from_utf8_lossy(&path)));
            }
        }
        Step::Descend
    })?;
    match failed {
        true => Err(Failure::new("failed to scan some files")),
        false => Ok(DONE),
    }
}
