//! Why bytes are not what they should be.

use std::fmt;

/// A decoding failure: which structure, which field, and what was wrong with it.
///
/// Prints as `packfile footer: index length: 812 bytes, footer says 840`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// Whether a newer program could read it, or nobody can.
    pub kind: FormatErrorKind,
    /// Structure and field.
    pub what: String,
    /// What was found.
    pub detail: String,
}

/// See [`FormatError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatErrorKind {
    /// Truncated, altered or hostile.
    Damaged,
    /// A version or an algorithm this program does not know.
    Unsupported,
}

impl FormatError {
    /// Damaged bytes.
    pub fn damaged(what: impl Into<String>, detail: impl Into<String>) -> FormatError {
        FormatError { kind: FormatErrorKind::Damaged, what: what.into(), detail: detail.into() }
    }

    /// Something newer, or foreign.
    pub fn unsupported(what: impl Into<String>, detail: impl Into<String>) -> FormatError {
        FormatError { kind: FormatErrorKind::Unsupported, what: what.into(), detail: detail.into() }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.detail)
    }
}

impl std::error::Error for FormatError {}
