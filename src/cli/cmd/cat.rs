//! `cat`: the content of files, verified before a byte of it is written.

use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open::{self, Opened};
use crate::cli::output::Stdout;
use crate::cli::session::Session;
use crate::engine::blobs::Blobs;
use crate::engine::cat;
use crate::engine::select::Argument;
use std::os::unix::ffi::OsStrExt;

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("decompress", Takes::Switch, "try to decompress output based on detected content type"),
    Opt::new("highlight", Takes::Switch, "accepted: output is never coloured"),
];

/// Prints each file.
///
/// # Errors
/// When any of them could not be printed; the others were.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.is_empty() {
        return Err(Failure::new("at least one parameter is required"));
    }
    session.out.carry_content();
    let opened = open::store(session, None)?;
    let blobs = opened.blobs();
    let mut failed = false;
    for word in &parsed.rest {
        if session.out.is_gone() {
            break;
        }
        match one(session, &opened, &blobs, word.as_bytes(), parsed.switch("decompress")) {
            Err(failure) if failure.code == crate::cli::exit::INTERRUPTED => return Err(failure),
            Err(_) if session.out.is_gone() => break,
            Err(failure) => {
                failed = true;
                let why = failure.message.unwrap_or_default();
                session.out.error_line(format!("error: cat: {why}"));
            }
            Ok(()) => {}
        }
    }
    if failed { Err(Failure::new("errors occurred")) } else { Ok(DONE) }
}

fn one(
    session: &Session,
    opened: &Opened,
    blobs: &Blobs<'_>,
    word: &[u8],
    decompress: bool,
) -> Result<(), Failure> {
    let argument = Argument::parse(word);
    let shown = String::from_utf8_lossy(word).into_owned();
    let snapshot = opened.snapshot(blobs, &argument).map_err(|failure| failure.context(&shown))?;
    let path = argument.resolve(&snapshot.root());
    let shown = String::from_utf8_lossy(&path).into_owned();
    let entry = snapshot.entry(blobs, &path).map_err(|error| {
        use crate::engine::error::Kind;
        match error.kind {
            Kind::NotFound => Failure::new(format!("{shown}: no such file")),
            _ => Failure::from(error).context(&shown),
        }
    })?;
    if !entry.info.mode.is_regular() {
        return Err(Failure::new(format!("{shown}: not a regular file")));
    }
    let mut out = Stdout(&session.out);
    let fetcher = opened.fetcher(blobs);
    let written = if decompress {
        cat::decompressed(&fetcher, &entry.object, &mut out)
    } else {
        cat::cat(&fetcher, &entry.object, &mut out)
    };
    written.map(|_| ()).map_err(|error| Failure::from(error).context(&shown))
}
