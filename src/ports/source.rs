//! Where a backup reads from.

use crate::base::file::FileInfo;
use crate::base::stamp::Stamp;
use crate::ports::fault::Fault;
use std::io::{self, Read};

/// What a snapshot's header says of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Connector: `fs`, `s3`.
    pub kind: String,
    /// Host name, or endpoint and bucket.
    pub origin: String,
    /// Absolute, clean path of the root inside the snapshot.
    pub root: Vec<u8>,
}

/// Facts of a source's own kind, name and value: an object's content type, its entity tag. They
/// are stored with the entry, and a destination of the same kind gets them back.
pub type Metadata = Vec<(Vec<u8>, Vec<u8>)>;

/// A regular file's content, from start to end. An error that holds a [`Fault`] of kind `Changed`
/// means that it was replaced meanwhile, and can be opened anew.
pub trait Content: Read + Send {
    /// Asked at its end: whether it was written to since it was opened, so that what was read may be
    /// a mixture that it never held.
    fn is_torn(&self) -> bool;
}

/// Content that nobody writes to.
struct Still<R>(R);

impl<R: Read> Read for Still<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl<R: Read + Send> Content for Still<R> {
    fn is_torn(&self) -> bool {
        false
    }
}

/// A regular file, opened.
pub struct Opened<'s> {
    /// Its content.
    pub content: Box<dyn Content + 's>,
    /// All metadata, when opening it told more than the walk did.
    pub metadata: Option<Metadata>,
    /// When this content was stored, when that is not what the walk said.
    pub mod_time: Option<Stamp>,
}

impl<'s> Opened<'s> {
    /// Content that nobody writes to, and about which the walk told everything.
    pub fn plain(content: impl Read + Send + 's) -> Opened<'s> {
        Opened { content: Box::new(Still(content)), metadata: None, mod_time: None }
    }
}

/// One thing found by a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Absolute, clean.
    pub path: Vec<u8>,
    /// Facts at the time of the walk.
    pub info: FileInfo,
    /// Target of a symbolic link, verbatim.
    pub symlink_target: Vec<u8>,
    /// Names of extended attributes, sorted by bytes.
    pub xattrs: Vec<Vec<u8>>,
    /// What the source keeps with the entry besides: see [`Metadata`]. All that is known before the
    /// content is opened; content whose entry has other values under these names has changed.
    pub metadata: Metadata,
    /// Last change of the inode, in ns since 1970; `None` where the source has no such time.
    pub changed_ns: Option<i64>,
}

/// What a walk tells.
#[derive(Debug)]
pub enum Found {
    /// An entry.
    Entry(Box<Record>),
    /// Something that could not be looked at: recorded as an error of that path.
    Unreadable {
        /// Absolute, clean.
        path: Vec<u8>,
        /// One line.
        reason: String,
    },
}

/// What the walk does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on, into the entry when it is a directory.
    Descend,
    /// Go on, but leave out what is below this directory.
    Skip,
    /// End the walk now; it returns `Ok`.
    Stop,
}

/// A tree of files. Shared by the threads of one backup.
pub trait Source: Send + Sync {
    /// Type, origin and root, known before the walk.
    fn origin(&self) -> Origin;

    /// Tells every entry to `visit`, on the calling thread: the ancestors of the root first, from
    /// `/` down, then depth first, a directory before its content, each directory's subtree in
    /// one piece, no path twice.
    ///
    /// # Errors
    /// When the tree as a whole cannot be read (root gone, bucket missing, listing incomplete):
    /// the backup fails and leaves no snapshot. A single unreadable entry is a
    /// [`Found::Unreadable`] instead.
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault>;

    /// Threads that may read small files beside the workers, because opening one is mostly waiting.
    fn small_at_once(&self) -> usize {
        0
    }

    /// A regular file as of now.
    ///
    /// # Errors
    /// Any; the entry is then recorded as an error.
    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault>;

    /// The value of one extended attribute.
    ///
    /// # Errors
    /// Any; recorded as an error of the entry.
    fn xattr(&self, record: &Record, name: &[u8]) -> Result<Vec<u8>, Fault>;
}
