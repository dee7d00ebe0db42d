//! `clone`: a whole store copied to another place.

use crate::cli::args::Parsed;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open;
use crate::cli::session::Session;
use crate::engine::clone;

/// Clones.
///
/// # Errors
/// When there is a store at the other place already, and when a file could not be copied.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let word = match parsed.rest.as_slice() {
        [to, word] if to == "to" => word,
        _ => {
            let usage = "usage: clone to <repository>. See 'clone -h' or 'help clone'";
            return Err(Failure::new(usage));
        }
    };
    let opened = open::store(session, None)?;
    let place = session.store_named(word)?;
    let to = open::connector(session, &place)?;
    let cloned = clone::clone(&opened.repository, &*to, &opened.world)
        .map_err(|error| Failure::from(error).context("could not create repository"))?;
    for damaged in &cloned.damaged {
        session.out.error_line(format!("error: clone: left out: {damaged}"));
    }
    match cloned.damaged.len() {
        0 => Ok(DONE),
        count => Err(Failure::new(format!("clone: {count} damaged files were left out"))
            .and("check tells which snapshots they were part of.")),
    }
}
