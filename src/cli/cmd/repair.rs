//! `repair`: lost or damaged states rebuilt from the indexes of packfiles.

use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::backup::lockless;
use crate::cli::cmd::restore::count;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, FAILED, Failure};
use crate::cli::open;
use crate::cli::record::Record;
use crate::cli::report::Warnings;
use crate::cli::session::Session;
use crate::engine::repair::{self, Survey};
use crate::engine::states::Broken;
use crate::world::host;
use std::sync::Arc;

/// Its options.
pub const OPTIONS: &[Opt] = &[Opt::new("apply", Takes::Switch, "do the actual repair")];

/// Repairs, or tells what would be repaired.
///
/// # Errors
/// What could not be rebuilt; the store's.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if !parsed.rest.is_empty() {
        return Err(Failure::new("too many arguments"));
    }
    let apply = parsed.switch("apply");
    let (repository, world) = open::unindexed(session, Arc::new(Warnings(Arc::clone(&session.out))))?;
    let survey = if apply {
        let host = (!lockless()).then(host::hostname);
        repair::apply(&repository, host.as_deref(), &world)?
    } else {
        repair::survey(&repository, &world)?.0
    };
    let out = &session.out;
    out.record(record(&survey, apply));
    for Broken { error, copy, .. } in &survey.broken {
        let done = match (copy.is_some(), apply) {
            (true, true) => "put back from this machine's copy",
            (true, false) => "to be put back from this machine's copy",
            (false, true) => "removed",
            (false, false) => "to be removed",
        };
        session.say(&format!("repair: {error}: {done}"));
    }
    for (_, error) in &survey.damaged_locks {
        let done = if apply { "removed" } else { "to be removed" };
        session.say(&format!("repair: {error}: {done}"));
    }
    for (id, blobs) in &survey.unknown {
        session.say(&format!("repair: packfile {id}: {} in no state", count(*blobs, "blob", "blobs")));
    }
    for id in &survey.snapshots {
        let when = if apply { "is back" } else { "would be back" };
        session.say(&format!("repair: snapshot {} {when}", id.short()));
    }
    for (_, error) in &survey.unreadable {
        out.error_line(format!("error: repair: cannot be rebuilt: {error}"));
    }
    for id in &survey.missing {
        out.error_line(format!("error: repair: packfile {id}: named by a state, and not in the store"));
    }
    if !survey.missing.is_empty() && apply {
        session.say("repair: the next backup stores anew what it has of the lost packfiles");
    }
    let packfiles = count(survey.unknown.len(), "packfile", "packfiles");
    match (survey.has_work(), apply) {
        (false, _) => session.info("no repairs needed"),
        (true, false) if survey.unknown.is_empty() => session.say("repair: run with -apply to proceed"),
        (true, false) => {
            session
                .say(&format!("repair: would rebuild the state of {packfiles}, run with -apply to proceed"));
        }
        (true, true) if survey.unknown.is_empty() => session.info("repair: check tells what is whole"),
        (true, true) => {
            session.info(&format!("repair: rebuilt the state of {packfiles}; check tells what is whole"));
        }
    }
    match survey.unreadable.is_empty() && survey.missing.is_empty() {
        true => Ok(DONE),
        false => Err(Failure::silent(FAILED)),
    }
}

fn record(survey: &Survey, applied: bool) -> Record {
    Record::new("repair")
        .truth("applied", applied)
        .texts("damaged_states", survey.broken.iter().map(|state| state.id.to_string()))
        .texts("damaged_locks", survey.damaged_locks.iter().map(|(id, _)| id.to_string()))
        .texts("rebuilt_packfiles", survey.unknown.iter().map(|(id, _)| id.to_string()))
        .texts("snapshots", survey.snapshots.iter().map(ToString::to_string))
        .texts("unreadable", survey.unreadable.iter().map(|(_, error)| error.to_string()))
        .texts("missing_packfiles", survey.missing.iter().map(ToString::to_string))
}
