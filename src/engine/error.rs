//! Why an operation failed, as a kind the caller acts on.

use crate::format::error::{FormatError, FormatErrorKind};
use crate::ports::fault::{Fault, FaultKind};
use std::fmt;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The store failed.
    Store(FaultKind),
    /// Stored bytes are not what they should be.
    Damaged,
    /// A version, an algorithm or an operation this program does not have.
    Unsupported,
    /// The passphrase does not open the store.
    WrongPassphrase,
    /// Somebody else holds the store.
    Locked,
    /// No such snapshot or path.
    NotFound,
    /// The source failed as a whole.
    Source,
    /// The destination failed as a whole.
    Destination,
    /// The user interrupted.
    Cancelled,
    /// Done, but for some entries.
    Incomplete,
    /// Asked for in a way that makes no sense.
    Usage,
}

/// One failure: prints as what, where, why, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the caller acts on.
    pub kind: Kind,
    /// What was attempted and what happened.
    pub message: String,
    /// What a person can do.
    pub remedy: Option<String>,
}

impl Error {
    /// Without a remedy.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), remedy: None }
    }

    /// Interrupted by the user.
    pub fn cancelled() -> Error {
        Error::new(Kind::Cancelled, "interrupted")
    }

    /// Says before the message what was being done.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Error {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// With what helps.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Error {
        self.remedy = Some(remedy.into());
        self
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        let kind = match fault.kind {
            FaultKind::Cancelled => Kind::Cancelled,
            kind => Kind::Store(kind),
        };
        Error { kind, message: fault.message, remedy: fault.remedy }
    }
}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Error {
        let kind = match error.kind {
            FormatErrorKind::Damaged => Kind::Damaged,
            FormatErrorKind::Unsupported => Kind::Unsupported,
        };
        Error::new(kind, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
