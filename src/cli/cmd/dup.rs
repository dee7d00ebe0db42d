//! `dup`: a second snapshot of the same content.

use crate::cli::args::Parsed;
use crate::cli::cmd::backup::lockless;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure, INTERRUPTED};
use crate::cli::open::{self, Opened};
use crate::cli::session::Session;
use crate::engine::duplicate;
use crate::engine::select::Argument;
use crate::world::host;
use std::os::unix::ffi::OsStrExt;

/// Makes one for each word.
///
/// # Errors
/// When any of them could not be made; the others were.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.is_empty() {
        return Err(Failure::new("at least one parameter is required"));
    }
    let opened = open::store(session, None)?;
    let mut failed = false;
    for word in &parsed.rest {
        match one(&opened, &Argument::parse(word.as_bytes())) {
            Ok(()) => {}
            Err(failure) if failure.code == INTERRUPTED => return Err(failure),
            Err(failure) => {
                failed = true;
                let why = failure.message.unwrap_or_default();
                session.out.error_line(format!("error: dup: {}: {why}", word.to_string_lossy()));
            }
        }
    }
    if failed { Err(Failure::new("errors occurred")) } else { Ok(DONE) }
}

fn one(opened: &Opened, argument: &Argument) -> Result<(), Failure> {
    let snapshot = opened.snapshot(&opened.blobs(), argument)?;
    let host = host::hostname();
    let host = (!lockless()).then_some(&*host);
    duplicate::duplicate(&opened.repository, &opened.index, &snapshot, host, &opened.world)?;
    Ok(())
}
