//! `locate`: paths, in all snapshots or some, whose base name matches.

use crate::base::glob;
use crate::base::path;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, FAILED, Failure};
use crate::cli::filters;
use crate::cli::open;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::engine::select::Filters;
use crate::engine::snapshot::Snapshot;
use crate::engine::walk::Walk;
use std::os::unix::ffi::OsStrExt;

/// Its own options.
pub const OPTIONS: &[Opt] =
    &[Opt::new("snapshot", Takes::Text("string"), "look in snapshots whose ID begins so")];

/// Looks in every snapshot, newest first, and prints `ID:PATH` once per pattern that matches.
///
/// # Errors
/// A malformed pattern; what could not be read, after everything else was looked at.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let patterns: Vec<&[u8]> = parsed.rest.iter().map(|word| word.as_bytes()).collect();
    if patterns.is_empty() {
        return Err(Failure::new("locate: no pattern given").and("Usage: locate PATTERN..."));
    }
    if patterns.iter().any(|pattern| glob::matches(pattern, b"").is_err()) {
        return Err(Failure::new("locate: could not match pattern: syntax error in pattern"));
    }
    let opened = open::store(session, None)?;
    let prefixes = parsed.text("snapshot").map(str::to_ascii_lowercase).into_iter().collect();
    let filters = Filters { prefixes, ..filters::filters(&parsed, opened.now())? };
    let (snapshots, problems) = opened.select(&filters, &filters::retention(&parsed)?)?;
    let mut lost = problems.len();
    for (id, error) in &problems {
        session.out.error_line(format!("error: locate: snapshot {id}: {error}"));
    }
    let blobs = opened.walk_blobs();
    for snapshot in &snapshots {
        let mut told = |at: &[u8], error: &dyn std::fmt::Display| {
            lost += 1;
            let at = String::from_utf8_lossy(at);
            session.out.error_line(format!("error: locate: {}:{at}: {error}", snapshot.id.short()));
        };
        let start = match snapshot.entry(&blobs, b"/") {
            Ok(start) => start,
            Err(error) => {
                told(b"/", &error);
                continue;
            }
        };
        for step in Walk::new(&blobs, snapshot, start)? {
            session.refuse_when_cancelled()?;
            match step {
                Ok(step) => tell(session, snapshot, &step.path, &patterns),
                Err(unread) => told(&unread.path, &unread.error),
            }
            if session.out.is_gone() {
                return Ok(DONE);
            }
        }
    }
    if lost > 0 { Err(Failure::silent(FAILED)) } else { Ok(DONE) }
}

fn tell(session: &Session, snapshot: &Snapshot, path: &[u8], patterns: &[&[u8]]) {
    let name = path::base_name(path);
    for pattern in patterns {
        if *pattern == name || glob::matches(pattern, name) == Ok(true) {
            session.out.tell(
                || Record::new("match").text("snapshot", &snapshot.id.to_string()).path("path", path),
                || [snapshot.id.short().as_bytes(), b":", path].concat(),
            );
        }
    }
}
