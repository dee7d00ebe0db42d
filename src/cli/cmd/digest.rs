//! `digest`: checksums of files, as other tools print them.

use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure, INTERRUPTED};
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::engine::blobs::Blobs;
use crate::engine::digest::{self, Algorithm};
use crate::engine::error::Kind;
use crate::engine::select::Argument;
use crate::engine::walk::Walk;
use std::os::unix::ffi::OsStrExt;

/// Its options.
pub const OPTIONS: &[Opt] =
    &[Opt::new("hashing", Takes::Text("string"), "hashing algorithm to use: SHA256 or BLAKE3")];

/// Prints the digest of each file, and of each file below a directory.
///
/// # Errors
/// When any of them could not be read; the others were.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.is_empty() {
        return Err(Failure::new("at least one parameter is required"));
    }
    let hashing = parsed.text("hashing").unwrap_or("SHA256").to_ascii_uppercase();
    let algorithm = digest::algorithm(&hashing)
        .ok_or_else(|| Failure::new(format!("unsupported hashing algorithm: {hashing}")))?;
    let opened = open::store(session, None)?;
    let blobs = opened.walk_blobs();
    let mut failed = false;
    for word in &parsed.rest {
        match one(session, &opened, &blobs, word.as_bytes(), algorithm, &hashing) {
            Ok(whole) => failed |= !whole,
            Err(failure) if failure.code == INTERRUPTED => return Err(failure),
            Err(failure) => {
                failed = true;
                let why = failure.message.unwrap_or_default();
                session.out.error_line(format!("error: digest: {}: {why}", word.to_string_lossy()));
            }
        }
        if session.out.is_gone() {
            return Ok(DONE);
        }
    }
    if failed { Err(Failure::new("errors occurred")) } else { Ok(DONE) }
}

fn one(
    session: &Session,
    opened: &Opened,
    blobs: &Blobs<'_>,
    word: &[u8],
    algorithm: Algorithm,
    name: &str,
) -> Result<bool, Failure> {
    let argument = Argument::parse(word);
    let snapshot = opened.snapshot(blobs, &argument)?;
    let start = snapshot.entry(blobs, &argument.resolve(&snapshot.root()))?;
    let fetcher = opened.fetcher(blobs);
    let mut whole = true;
    for step in Walk::new(blobs, &snapshot, start)? {
        session.refuse_when_cancelled()?;
        if session.out.is_gone() {
            break;
        }
        let (path, read) = match step {
            Ok(step) if step.entry.info.mode.is_regular() => {
                let read = digest::digest(&fetcher, &step.entry.object, algorithm);
                (step.path, read.map(hex::encode))
            }
            Ok(_) => continue,
            Err(unread) => (unread.path, Err(unread.error)),
        };
        match read {
            Ok(digest) => {
                session.out.tell(
                    || {
                        Record::new("digest")
                            .text("snapshot", &snapshot.id.to_string())
                            .path("path", &path)
                            .text("algorithm", name)
                            .text("digest", &digest)
                    },
                    || [name.as_bytes(), b" (", &path, b") = ", digest.as_bytes()].concat(),
                );
            }
            Err(error) if error.kind == Kind::Cancelled => return Err(error.into()),
            Err(error) => {
                whole = false;
                let path = String::from_utf8_lossy(&path);
                session.out.error_line(format!("error: digest: {}:{path}: {error}", snapshot.id.short()));
            }
        }
    }
    Ok(whole)
}
