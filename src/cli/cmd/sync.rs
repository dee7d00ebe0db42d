//! `sync`: snapshots from one store into another, each whole or not at all.

use crate::base::mac::Mac;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::filters;
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::report::{Lines, Report, Wording};
use crate::cli::session::Session;
use crate::engine::backup::{self, Options};
use crate::engine::error::{Error, Kind};
use crate::engine::publish;
use crate::engine::replay::Replay;
use crate::engine::retention::Retention;
use crate::engine::select::{self, Filters};
use crate::engine::snapshot::Snapshot;
use crate::ports::fault::FaultKind;
use crate::world::host;
use std::collections::HashSet;

/// Its options.
pub const OPTIONS: &[Opt] =
    &[Opt::new("packfiles", Takes::Path("string"), "accepted: packfiles are always assembled in memory")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    To,
    From,
    With,
}

/// What is to be copied.
struct Wanted {
    filters: Filters,
    /// Digits that ids begin with; empty for all.
    prefix: String,
}

/// What one direction came to.
#[derive(Default)]
struct Tally {
    copied: usize,
    failed: usize,
}

/// Synchronizes.
///
/// # Errors
/// When a store cannot be opened, and when a snapshot could not be copied.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let words: Vec<_> = parsed.rest.iter().map(|word| word.to_string_lossy()).collect();
    let (prefix, direction, peer) = match (words.as_slice(), parsed.rest.as_slice()) {
        ([direction, _], [_, peer]) => ("", direction, peer),
        ([prefix, direction, _], [_, _, peer]) => (&**prefix, direction, peer),
        ([] | [_], _) => return Err(Failure::new("usage: sync [SNAPSHOT] to|from|with REPOSITORY")),
        _ => return Err(Failure::new("Too many arguments")),
    };
    let direction = match &**direction {
        "to" => Direction::To,
        "from" => Direction::From,
        "with" => Direction::With,
        _ => return Err(Failure::new("invalid direction, must be to, from or with")),
    };
    let report = Report::new(session.out.clone(), Wording::Backup, Lines { done: false, failed: false });
    let mut own = open::store(session, None)?;
    let mut peer = open::peer(session, peer, "destination store passphrase")
        .map_err(|failure| failure.context("peer store"))?;
    own.world.monitor = report.clone();
    peer.world.monitor = report.clone();
    let _running = report.run(&session.cancel, session.globals.quiet);
    let wanted = Wanted { filters: filters::filters(&parsed, own.now())?, prefix: prefix.to_owned() };
    let (here, there) = (location(&own), location(&peer));
    let (tally, last) = match direction {
        Direction::To => {
            let (tally, _, _) = copy(session, own, peer, &wanted, true)?;
            (tally, format!("from {here} to {there}"))
        }
        Direction::From => {
            let (tally, _, _) = copy(session, peer, own, &wanted, true)?;
            (tally, format!("from {there} to {here}"))
        }
        Direction::With => {
            let (mut tally, own, peer) = copy(session, own, peer, &wanted, false)?;
            let (back, _, _) = copy(session, peer, own, &wanted, false)?;
            tally.copied += back.copied;
            tally.failed += back.failed;
            (tally, format!("between {here} and {there}"))
        }
    };
    if tally.failed > 0 {
        let failed = tally.failed;
        return Err(Failure::new(format!("sync: {failed} of {} snapshots failed", failed + tally.copied)));
    }
    let copied = tally.copied;
    session.info(&format!("sync: synchronization {last} completed: {copied} snapshots synchronized"));
    Ok(DONE)
}

fn location(opened: &Opened) -> String {
    opened.repository.store.location().to_owned()
}

/// Copies what `to` does not have, oldest first, so that each finds what the one before shares
/// with it.
fn copy(
    session: &Session,
    from: Opened,
    mut to: Opened,
    wanted: &Wanted,
    alone: bool,
) -> Result<(Tally, Opened, Opened), Failure> {
    let (source, target) = (location(&from), location(&to));
    let (mut selected, mut problems) = from.select(&wanted.filters, &Retention::default())?;
    selected.retain(|snapshot| select::has_prefix(&snapshot.id, &wanted.prefix));
    problems.retain(|(id, _)| select::has_prefix(id, &wanted.prefix));
    let mut tally = Tally { copied: 0, failed: problems.len() };
    for (id, error) in &problems {
        failed(session, id, (&source, &target), error);
    }
    if alone && selected.is_empty() && problems.is_empty() {
        if !wanted.prefix.is_empty() {
            return Err(Failure::new(format!("no snapshot {} in store {source}", wanted.prefix)));
        }
        session.info(&format!("No matching snapshot found in store {source}"));
    }
    let there: HashSet<Mac> = to.index.snapshots().into_iter().collect();
    selected.retain(|snapshot| !there.contains(&snapshot.id));
    // An id that was removed never comes back: a copy would take space and be seen by nobody.
    selected.retain(|snapshot| {
        let removed = to.index.was_removed(&snapshot.id);
        if removed {
            let id = snapshot.id.short();
            session.out.error_line(format!("warn: {id} is left out: it was removed from store {target}"));
            // Whoever names a snapshot wants it there; a run over all of them goes on.
            tally.failed += usize::from(!wanted.prefix.is_empty());
        }
        !removed
    });
    if !selected.is_empty() {
        publish::refuse_archive(&to.repository)?;
    }
    {
        let blobs = from.walk_blobs();
        let fetcher = from.fetcher(&blobs);
        for snapshot in selected.iter().rev() {
            session.info(&format!("Synchronizing snapshot {} from {source} to {target}", snapshot.id));
            let copied = Replay::new(&fetcher, snapshot).and_then(|replay| one(&replay, snapshot, &to));
            match copied {
                Ok(()) => {
                    tally.copied += 1;
                    session.out.record(record(&snapshot.id, &source, &target).truth("ok", true));
                    session.info(&format!("Synchronization of {} finished", snapshot.id));
                    to = open::again(to)?;
                }
                Err(error) if error.kind == Kind::Cancelled => return Err(error.into()),
                // Somebody else copied it, or removed it, since the states were read.
                Err(error) if error.kind == Kind::Store(FaultKind::Exists) => {
                    session.out.error_line(format!("warn: {error}"));
                }
                Err(error) => {
                    tally.failed += 1;
                    failed(session, &snapshot.id, (&source, &target), &error);
                }
            }
            if snapshot.header.is_signed() {
                let id = snapshot.id.short();
                session.out.error_line(format!(
                    "warn: the copy of {id} is unsigned: a signature covers the store it was made for"
                ));
            }
        }
    }
    Ok((tally, from, to))
}

fn one(replay: &Replay<'_, '_>, snapshot: &Snapshot, to: &Opened) -> Result<(), Error> {
    let options = Options {
        host: host::hostname(),
        workers: to.cores,
        lockless: crate::cli::cmd::backup::lockless(),
        copy_of: Some(&snapshot.header),
        ..Options::default()
    };
    backup::backup(&to.repository, &to.index, replay, &options, &to.world).map(|_| ())
}

fn record(id: &Mac, source: &str, target: &str) -> Record {
    Record::new("sync").text("snapshot", &id.to_string()).text("from", source).text("to", target)
}

fn failed(session: &Session, id: &Mac, (source, target): (&str, &str), error: &Error) {
    session.out.record(record(id, source, target).truth("ok", false).text("message", &error.to_string()));
    let id = id.short();
    session
        .out
        .error_line(format!("error: failed to synchronize snapshot {id} from store {source}: {error}"));
}
