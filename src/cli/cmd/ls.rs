//! `ls`: the snapshots of a store, or what is in one.

use crate::base::path;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::restore::count;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, FAILED, Failure};
use crate::cli::filters;
use crate::cli::gotime;
use crate::cli::lines::{self, SnapshotLine};
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::engine::select::Argument;
use crate::engine::snapshot::Snapshot;
use crate::engine::walk::Walk;
use crate::ports::names::Names;
use crate::world::host::Accounts;
use std::os::unix::ffi::OsStrExt;

/// Its own options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("recursive", Takes::Switch, "recursive listing"),
    Opt::new("tags", Takes::Switch, "display tags"),
    Opt::new("uuid", Takes::Switch, "display uuid instead of short ID"),
];

/// Lists.
///
/// # Errors
/// What cannot be read; everything else was listed.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.len() > 1 {
        return Err(Failure::new("too many arguments"));
    }
    let opened = open::store(session, None)?;
    match parsed.rest.first() {
        None => snapshots(session, &opened, &parsed),
        Some(word) => files(session, &opened, &Argument::parse(word.as_bytes()), parsed.switch("recursive")),
    }
}

/// The line of a snapshot, as `ls`, `rm` and `prune` show it.
pub fn line(snapshot: &Snapshot, full_id: bool, duration: bool, tags: bool) -> Vec<u8> {
    let header = &snapshot.header;
    SnapshotLine {
        timestamp: header.timestamp,
        id: if full_id { snapshot.id.to_string() } else { snapshot.id.short() },
        size: snapshot.size(),
        duration_ns: duration.then_some(header.duration_ns),
        root: &snapshot.root(),
        tags: if tags { &header.tags } else { &[] },
    }
    .format()
}

/// The record of a snapshot, as `ls`, `rm` and `prune` tell it.
pub fn record(snapshot: &Snapshot) -> Record {
    let header = &snapshot.header;
    Record::new("snapshot")
        .text("id", &snapshot.id.to_string())
        .text("timestamp", &gotime::rfc3339(header.timestamp))
        .number("size", snapshot.size())
        .number("duration_ns", header.duration_ns)
        .path("root", &snapshot.root())
        .texts("tags", &header.tags)
}

fn snapshots(session: &Session, opened: &Opened, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = filters::filters(parsed, opened.now())?;
    let retention = filters::retention(parsed)?;
    let (listed, problems) = opened.select(&filters, &retention)?;
    for snapshot in &listed {
        session
            .out
            .tell(|| record(snapshot), || line(snapshot, parsed.switch("uuid"), true, parsed.switch("tags")));
    }
    for (id, error) in &problems {
        session.out.error_line(format!("error: snapshot {id}: {error}"));
    }
    match problems.len() {
        0 => Ok(DONE),
        lost => Err(Failure::new(format!(
            "{} could not be read; check tells more",
            count(lost, "snapshot", "snapshots")
        ))),
    }
}

fn files(session: &Session, opened: &Opened, argument: &Argument, recursive: bool) -> Result<u8, Failure> {
    let blobs = opened.blobs();
    let snapshot = opened.snapshot(&blobs, argument)?;
    let start = snapshot.entry(&blobs, &argument.resolve(&snapshot.root()))?;
    let accounts = Accounts::load();
    let start_is_directory = start.info.mode.is_dir();
    let mut walk = Walk::new(&blobs, &snapshot, start)?;
    let mut unread = 0;
    while let Some(step) = walk.next() {
        if session.out.is_gone() {
            return Ok(DONE);
        }
        let step = match step {
            Ok(step) => step,
            Err(problem) => {
                unread += 1;
                let path = String::from_utf8_lossy(&problem.path).into_owned();
                session.out.error_line(format!("error: {path}: {}", problem.error));
                continue;
            }
        };
        if step.depth == 0 && start_is_directory {
            continue;
        }
        if !recursive && step.entry.info.mode.is_dir() {
            walk.stay_out();
        }
        let info = &step.entry.info;
        let user = owner(accounts.user(info.uid), info.uid);
        let group = owner(accounts.group(info.gid), info.gid);
        let name = if recursive { step.path.as_slice() } else { path::base_name(&step.path) };
        let target = &step.entry.symlink_target;
        let record = || {
            let record = Record::new("entry")
                .path("path", &step.path)
                .text("mode", &gotime::mode(info.mode))
                .text("user", &user)
                .text("group", &group)
                .number("size", info.size)
                .text("mtime", &gotime::rfc3339(info.mod_time));
            if info.mode.is_symlink() { record.path("target", target) } else { record }
        };
        session.out.tell(record, || lines::entry(info, &user, &group, name, target));
    }
    if unread > 0 { Err(Failure::silent(FAILED)) } else { Ok(DONE) }
}

/// The name this machine knows the number by, else the number.
fn owner(name: &[u8], number: u64) -> String {
    if name.is_empty() { number.to_string() } else { String::from_utf8_lossy(name).into_owned() }
}
