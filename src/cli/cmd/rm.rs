//! `rm`: snapshots chosen by id or by what their headers say are taken out of the store.

use crate::base::mac::Mac;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::ls;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::open;
use crate::cli::record::Record;
use crate::cli::removal;
use crate::cli::session::Session;
use crate::engine::error::Error;
use crate::engine::retention::Retention;
use crate::engine::select::{self, Filters};

/// Its own options.
pub const OPTIONS: &[Opt] = &[Opt::new("apply", Takes::Switch, "do the actual removal")];

/// Removes, or lists what would be removed.
///
/// # Errors
/// When nothing selects; when the store fails: then nothing was removed.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let prefixes = removal::prefixes(&parsed)?;
    let opened = open::store(session, None)?;
    let mut filters = filters::filters(&parsed, opened.now())?;
    let by_header = filters != Filters::default();
    filters.prefixes.clone_from(&prefixes);
    if filters.select_nothing() {
        return Err(Failure::new("no filter specified, not going to remove everything"));
    }
    if parsed.switch("apply") {
        removal::refuse_archive(&opened)?;
    }
    let (readable, problems) = opened.select(&filters, &Retention::default())?;
    // What a filter asks is in the header: without it only the id can tell.
    let (unreadable, unknown): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|(id, _)| !by_header && named(id, &prefixes));
    for (id, error) in
        unknown.iter().filter(|(id, _)| by_header && (prefixes.is_empty() || named(id, &prefixes)))
    {
        session
            .out
            .error_line(format!("warn: snapshot {id} is left alone, its header cannot be read: {error}"));
    }
    let ids: Vec<Mac> =
        readable.iter().map(|snapshot| snapshot.id).chain(unreadable.iter().map(|(id, _)| *id)).collect();
    if ids.is_empty() {
        session.info("rm: no snapshots matched the selection");
        return Ok(DONE);
    }
    if parsed.switch("apply") {
        return removal::remove(session, &opened, "rm", &ids);
    }
    session.say(&format!("rm: would remove these {} snapshot(s), run with -apply to proceed", ids.len()));
    for snapshot in &readable {
        session
            .out
            .tell(|| ls::record(snapshot).truth("keep", false), || ls::line(snapshot, false, true, true));
    }
    for (id, error) in &unreadable {
        session.out.tell(
            || Record::new("warning").text("message", &without_header(id, error)),
            || without_header(id, error),
        );
    }
    Ok(DONE)
}

fn named(id: &Mac, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| select::has_prefix(id, prefix))
}

/// The line of a snapshot of which only the id is known.
fn without_header(id: &Mac, error: &Error) -> String {
    format!("{:<20} {:>10} header cannot be read: {error}", "-", id.short())
}
