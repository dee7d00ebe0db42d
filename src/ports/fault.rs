//! Why something outside the engine failed, as a kind the caller acts on.

use std::fmt;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// It is there already, and was not to be replaced.
    Exists,
    /// Credentials or rights do not suffice.
    Denied,
    /// The other side asks to come back later; retries were spent.
    Busy,
    /// The line or the device failed; retries were spent.
    Broken,
    /// Bytes came that are not what was stored.
    Damaged,
    /// It was replaced while it was being read: from the start, it can be read whole.
    Changed,
    /// What was asked makes no sense to the other side, or it cannot do it.
    Unsupported,
    /// The user interrupted.
    Cancelled,
}

/// One failure: what was attempted, what happened, and what helps.
///
/// Prints as one line without a full stop: `put packfile 3f9a…: 503 SlowDown (request 17F…)`.
#[derive(Debug)]
pub struct Fault {
    /// What the caller acts on.
    pub kind: FaultKind,
    /// Operation and object, then what happened.
    pub message: String,
    /// A remedy a person can apply, when one is known.
    pub remedy: Option<String>,
}

impl Fault {
    /// A fault without a remedy.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into(), remedy: None }
    }

    /// The same fault, with what helps.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Fault {
        self.remedy = Some(remedy.into());
        self
    }

    /// From the operating system's error on `what`.
    pub fn from_io(what: impl fmt::Display, error: &std::io::Error) -> Fault {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => FaultKind::Missing,
            Io::AlreadyExists => FaultKind::Exists,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => FaultKind::Denied,
            Io::Unsupported => FaultKind::Unsupported,
            Io::Interrupted => FaultKind::Cancelled,
            _ => FaultKind::Broken,
        };
        // "No such file or directory (os error 2)" becomes the sentence part our messages use.
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut rest = text.chars();
        let first = rest.next().map(|c| c.to_ascii_lowercase());
        Fault::new(kind, format!("{what}: {}{}", first.map(String::from).unwrap_or_default(), rest.as_str()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}
