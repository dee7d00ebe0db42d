//! How a command ends: what it says last, and the number it hands to the shell.

use crate::engine::error::{Error, Kind};
use crate::ports::fault::{Fault, FaultKind};

/// Everything was done.
pub const DONE: u8 = 0;
/// It failed; what was there before is still there.
pub const FAILED: u8 = 1;
/// The words made no sense.
pub const USAGE: u8 = 2;
/// A backup was made, but some entries could not be read, or changed while they were.
pub const INCOMPLETE: u8 = 3;
/// The user interrupted.
pub const INTERRUPTED: u8 = 130;

/// Every code, and what it means.
pub const CODES: &[(u8, &str)] = &[
    (DONE, "done"),
    (FAILED, "failed; what was there before is still there"),
    (USAGE, "the words make no sense; nothing was done"),
    (INCOMPLETE, "done, but some entries could not be read, or changed meanwhile; each was named"),
    (INTERRUPTED, "interrupted; nothing half-made is left"),
];

/// What a code means.
pub fn meaning(code: u8) -> &'static str {
    CODES.iter().find(|(known, _)| *known == code).map_or("", |(_, meaning)| meaning)
}

/// A command that did not end well.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of the constants of this module.
    pub code: u8,
    /// Said behind `plakar: ` on standard error; nothing when it was all said before.
    pub message: Option<String>,
    /// Lines below it, verbatim.
    pub more: Vec<String>,
}

impl Failure {
    /// Failed, and why.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { code: FAILED, message: Some(message.into()), more: Vec::new() }
    }

    /// Ends with this code and says nothing more.
    pub fn silent(code: u8) -> Failure {
        Failure { code, message: None, more: Vec::new() }
    }

    /// Options or arguments that make no sense: the complaint and the usage as they are.
    pub fn usage(complaint: &str, usage: String) -> Failure {
        Failure { code: USAGE, message: None, more: vec![complaint.to_owned(), usage] }
    }

    /// The same with a line below it.
    #[must_use]
    pub fn and(mut self, line: impl Into<String>) -> Failure {
        self.more.push(line.into());
        self
    }

    /// The same with what was attempted in front.
    #[must_use]
    pub fn context(mut self, what: impl std::fmt::Display) -> Failure {
        if self.code != INTERRUPTED {
            self.message = self.message.map(|message| format!("{what}: {message}"));
        }
        self
    }

    /// Ended by Ctrl-C.
    pub fn interrupted() -> Failure {
        Failure { code: INTERRUPTED, message: Some("interrupted".to_owned()), more: Vec::new() }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault.kind {
            FaultKind::Cancelled => Failure::interrupted(),
            _ => Failure::new(fault.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match (error.kind, error.remedy) {
            (Kind::Cancelled, _) => Failure::interrupted(),
            (_, Some(remedy)) => Failure::new(format!("{} ({remedy})", error.message)),
            (_, None) => Failure::new(error.message),
        }
    }
}

/// The text with everything that could command a terminal replaced by `?`.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect()
}
