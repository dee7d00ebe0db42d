//! A store written once, from front to back: CONFIG, one packfile, one state.

use crate::ports::fault::Fault;

/// An archive being written. Dropped without [`Archive::finish`], it leaves nothing behind.
pub trait Archive: Send {
    /// Appends to the one packfile.
    ///
    /// # Errors
    /// Any; the archive is given up.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault>;

    /// Ends the packfile, adds the state, and gives the archive its name, durably.
    ///
    /// # Errors
    /// Any; nothing appears under the name then.
    fn finish(self: Box<Self>, state: &[u8]) -> Result<(), Fault>;
}
