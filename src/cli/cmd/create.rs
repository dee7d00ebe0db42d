//! `create`: a new store.

use crate::base::secret::Secret;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open;
use crate::cli::passphrase;
use crate::cli::session::Session;
use crate::cli::strength;
use crate::engine::repository::{self, NewStore};
use crate::ports::monitor::Silent;
use std::sync::Arc;

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new(
        "hashing",
        Takes::Text("string"),
        "hashing algorithm to use for digests: BLAKE3 (default) or SHA256",
    ),
    Opt::new("no-compression", Takes::Switch, "disable transparent compression"),
    Opt::new("plaintext", Takes::Switch, "disable transparent encryption"),
    Opt::new("weak-passphrase", Takes::Switch, "allow weak passphrase to protect the repository"),
];

/// Creates.
///
/// # Errors
/// Where there is a store, or anything else, already.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if !parsed.rest.is_empty() {
        return Err(Failure::new("too many parameters"));
    }
    let hashing = hashing(&parsed)?;
    let place = session.store()?;
    let store = connect::store(session, &place)?;
    let secret = match parsed.switch("plaintext") {
        true => None,
        false => Some(secret(session, place.passphrase, parsed.switch("weak-passphrase"))?),
    };
    session.interruptible()?;
    let settings = NewStore { hashing, compressed: !parsed.switch("no-compression"), ..NewStore::default() };
    let world = open::world(session, Arc::new(Silent));
    repository::create(&*store, settings, secret.as_ref(), &world)?;
    Ok(DONE)
}

/// The hash that `-hashing` names.
///
/// # Errors
/// One that the format does not know.
pub fn hashing(parsed: &Parsed) -> Result<String, Failure> {
    let hashing = parsed.text("hashing").unwrap_or("BLAKE3").to_ascii_uppercase();
    match hashing.as_str() {
        "BLAKE3" | "SHA256" => Ok(hashing),
        _ => Err(Failure::new(format!("unknown hashing algorithm: {hashing}"))),
    }
}

/// The passphrase, if it is one.
///
/// # Errors
/// An empty one.
pub fn refuse_empty(secret: Secret) -> Result<Secret, Failure> {
    match secret.expose().is_empty() {
        true => Err(Failure::new("can't encrypt the repository with an empty passphrase")),
        false => Ok(secret),
    }
}

fn secret(session: &Session, supplied: Option<Secret>, weak: bool) -> Result<Secret, Failure> {
    let secret = match supplied {
        Some(secret) => secret,
        None => {
            let bits = if weak { 0.0 } else { strength::BITS_MIN };
            passphrase::choose("repository passphrase", bits, &|line| session.out.error_line(line))?
        }
    };
    refuse_empty(secret)
}
