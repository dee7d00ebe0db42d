//! What connectors are given of the world.

use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use crate::ports::dice::Dice;
use crate::ports::names::Names;
use crate::s3::chain::Shell;
use std::sync::Arc;
use std::time::Duration;

/// Hears what a person should know and no caller can act on: a retry, an attribute that a file
/// system refuses. One line, without a full stop.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Shared by all connectors of one run.
#[derive(Clone)]
pub struct Context {
    /// For waiting and for signatures.
    pub clock: Arc<dyn Clock>,
    /// For temporary names and for jitter.
    pub dice: Arc<dyn Dice>,
    /// Raised by Ctrl-C.
    pub cancel: Cancel,
    /// Where remarks go.
    pub notice: Notice,
    /// Where requests to servers are traced, when they are.
    pub trace: Option<Notice>,
    /// Working directory, absolute: what relative locations count from.
    pub cwd: Vec<u8>,
    /// Requests in flight at most, per connector.
    pub concurrency: usize,
    /// Longest time without a byte moving before a connection counts as broken.
    pub stall: Duration,
    /// This host's name: the origin of a directory.
    pub hostname: String,
    /// Environment variables, for what a connector's field keeps there by custom.
    pub environment: Arc<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// Runs a command line and gives the one line that it prints, for secrets that other programs keep.
    pub shell: Shell,
    /// Account names for owners.
    pub names: Arc<dyn Names>,
}

impl Context {
    /// Says one line to the person.
    pub fn notice(&self, line: &str) {
        (self.notice)(line);
    }

    /// `len` random digits, for the name of a temporary file.
    pub(crate) fn digits(&self, len: usize) -> String {
        let mut bytes = vec![0; len];
        self.dice.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect()
    }
}

/// How a source is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whether extended attributes are looked at.
    pub xattrs: bool,
    /// Absolute, clean directories that are left out with a notice: the store's own.
    pub skip: Vec<Vec<u8>>,
}

/// How a destination is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Whether mode, owner, times and extended attributes are restored.
    pub attributes: bool,
}
