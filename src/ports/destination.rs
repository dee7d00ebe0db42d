//! Where a restore writes to.

use crate::base::file::FileInfo;
use crate::ports::fault::Fault;
use crate::ports::source::Metadata;

/// In which order a file's bytes may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At any position: a directory.
    Any,
    /// From first to last: a bucket.
    Sequential,
}

/// What an entry gets besides its content.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Mode, owner, times; `size` is the content's length.
    pub info: FileInfo,
    /// Extended attributes, name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What a source of some kind kept besides; a destination takes what it understands.
    pub metadata: Metadata,
}

/// A file being written. Dropped without `finish`, it leaves nothing behind.
pub trait Body: Send {
    /// Writes all of `bytes` at `offset`; see [`Order`].
    ///
    /// # Errors
    /// Any; the file is given up.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault>;

    /// Gives the file its name and its attributes. Only now does it appear.
    ///
    /// # Errors
    /// Any.
    fn finish(self: Box<Self>) -> Result<(), Fault>;
}

/// A place that accepts entries. Paths are relative to it, clean, without a leading `/`; the empty
/// path is the place itself. A path never leads out of the place, through `..` or a link.
pub trait Destination: Send + Sync {
    /// For messages.
    fn location(&self) -> &str;

    /// How content may arrive.
    fn order(&self) -> Order;

    /// Whether a directory is something by itself: in a bucket it is only a part of keys.
    fn keeps_directories(&self) -> bool {
        true
    }

    /// Bytes of memory that a file of this size takes from when it is started until it is finished.
    fn holds(&self, size: u64) -> usize {
        let _ = size;
        0
    }

    /// Makes the directory, and those above it, writable for its owner; one that exists is kept.
    ///
    /// # Errors
    /// Any.
    fn directory(&self, path: &[u8]) -> Result<(), Fault>;

    /// Starts a file of `attributes.info.size` bytes; replaces an older one when it finishes.
    ///
    /// # Errors
    /// `Exists`, here or when it finishes, when an older one is there and is to be kept.
    fn file(&self, path: &[u8], attributes: &Attributes) -> Result<Box<dyn Body>, Fault>;

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// `Unsupported` where there is no such thing.
    fn symlink(&self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<(), Fault>;

    /// Makes `path` another name of the finished file `existing`.
    ///
    /// # Errors
    /// `Unsupported`: the caller writes the content again instead.
    fn hard_link(&self, path: &[u8], existing: &[u8]) -> Result<(), Fault>;

    /// Makes a named pipe.
    ///
    /// # Errors
    /// `Unsupported` for every other kind: the format keeps no device numbers.
    fn special(&self, path: &[u8], attributes: &Attributes) -> Result<(), Fault>;

    /// Gives a directory its attributes, once everything below it is done; deepest first.
    ///
    /// # Errors
    /// Any.
    fn finish_directory(&self, path: &[u8], attributes: &Attributes) -> Result<(), Fault>;
}
