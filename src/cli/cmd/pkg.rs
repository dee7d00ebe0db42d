//! `pkg`: the connectors are part of this program, so there is nothing to fetch.

use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, FAILED, Failure};
use crate::cli::record::Record;
use crate::cli::session::Session;

const BUILT_IN: &[&str] = &["s3"];

/// Options of `list` and `show`.
pub const LIST: &[Opt] = &[
    Opt::new("available", Takes::Switch, "list packages that could be added: the same ones"),
    Opt::new("long", Takes::Switch, "show the full package name"),
];

/// `pkg add`.
///
/// # Errors
/// For anything that is not built in.
pub fn add(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.is_empty() {
        return Err(Failure::new("not enough arguments"));
    }
    for word in &parsed.rest {
        let word = word.to_string_lossy();
        match built_in(&word) {
            Some(name) => session.info(&format!("{name} is part of this program, nothing to add")),
            None => {
                return Err(Failure::new(format!(
                    "no package {word:?}: the connectors of this program are fs and {}",
                    BUILT_IN.join(", ")
                )));
            }
        }
    }
    Ok(DONE)
}

/// `pkg list`, `pkg show`.
///
/// # Errors
/// None.
pub fn list(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    for name in BUILT_IN {
        let version = env!("CARGO_PKG_VERSION");
        if parsed.switch("long") && !session.out.speaks_json() {
            let (system, machine) =
                (crate::world::host::operating_system(), crate::world::host::architecture());
            session.out.line(format!("{name}_v{version}_{system}_{machine}.ptar"));
        } else {
            session.out.tell(
                || Record::new("package").text("name", name).text("version", version),
                || format!("{name}@v{version}"),
            );
        }
    }
    Ok(DONE)
}

/// `pkg rm`.
///
/// # Errors
/// Always.
pub fn rm(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    for word in &parsed.rest {
        let word = word.to_string_lossy();
        let why = match built_in(&word) {
            Some(_) => "it is part of this program",
            None => "package not installed",
        };
        session.out.error_line(format!("plakar: failed to remove {word:?}: {why}"));
    }
    match parsed.rest.is_empty() {
        true => Err(Failure::new("not enough arguments")),
        false => Err(Failure::silent(FAILED)),
    }
}

/// `pkg` alone.
///
/// # Errors
/// Always.
pub fn none(_: &mut Session, _: &Command, _: Parsed) -> Result<u8, Failure> {
    Err(Failure::new("no action specified"))
}

fn built_in(word: &str) -> Option<&'static str> {
    let word = word.rsplit('/').next().unwrap_or(word);
    let name = word.split(['@', '_', '.']).next().unwrap_or(word);
    BUILT_IN.iter().find(|known| **known == name).copied()
}
