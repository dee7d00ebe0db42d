//! Directories in the making: each gathers its children until the walk has left it and the last
//! one is done, and then becomes a child of its own parent.

use crate::base::file::FileInfo;
use crate::base::mac::Mac;
use crate::base::path;
use crate::format::entry::{self, Entry};
use crate::format::summary::{ContentFacts, Summary};
use crate::ports::source::Record;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What a listing of the previous snapshot says of a directory's files, by name.
pub type Remembered = Vec<Entry>;

/// A directory whose content is not complete yet.
pub struct Frame {
    /// The directory itself.
    pub record: Record,
    /// What it lies in; `None` for `/`.
    pub parent: Option<Arc<Frame>>,
    /// Its listing in the previous snapshot, read when first asked for.
    pub remembered: OnceLock<Arc<Remembered>>,
    children: Mutex<Vec<Child>>,
    /// Children not done yet, and one more while the walk is inside.
    pending: AtomicUsize,
}

/// A child that is done.
pub struct Child {
    /// Base name.
    pub name: Vec<u8>,
    /// Encoded VFS_ENTRY.
    pub entry: Vec<u8>,
    /// Its name.
    pub mac: Mac,
    /// What it adds to the totals.
    pub facts: Facts,
}

/// What a child adds to its directory's totals.
pub enum Facts {
    /// A directory.
    Directory(Box<Summary>),
    /// Anything else.
    File {
        /// Kind, size and time.
        info: Box<FileInfo>,
        /// MIME type.
        content_type: Arc<str>,
        /// Bits per byte.
        entropy: f64,
        /// `None` without content.
        chunks: Option<u64>,
    },
}

/// A directory that is complete.
pub struct Finished {
    /// Content of its dirpack.
    pub listing: Vec<u8>,
    /// Its totals, errors and averages not in yet.
    pub summary: Summary,
    /// Name and content type of each child, for the trees.
    pub children: Vec<(Vec<u8>, Mac, Option<Arc<str>>)>,
}

impl Frame {
    /// A directory that the walk enters.
    pub fn enter(record: Record, parent: Option<Arc<Frame>>) -> Arc<Frame> {
        if let Some(parent) = &parent {
            parent.expect();
        }
        Arc::new(Frame {
            record,
            parent,
            remembered: OnceLock::new(),
            children: Mutex::default(),
            pending: AtomicUsize::new(1),
        })
    }

    /// One more child will come.
    pub fn expect(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    /// An expected child is done; `None` when it could not be backed up. True when that was the
    /// last one: whoever gets true finishes the directory.
    #[must_use]
    pub fn done(&self, child: Option<Child>) -> bool {
        if let Some(child) = child {
            self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        }
        self.leave()
    }

    /// The walk has left. True as in [`Frame::done`].
    #[must_use]
    pub fn leave(&self) -> bool {
        self.pending.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Listing and totals of all children, in order.
    pub fn finish(&self) -> Finished {
        let mut children = std::mem::take(&mut *self.children.lock().unwrap_or_else(PoisonError::into_inner));
        // A file before a directory of the same name, as the reference has it.
        children.sort_unstable_by(|a, b| {
            a.name.cmp(&b.name).then_with(|| a.is_directory().cmp(&b.is_directory()))
        });
        let (mut listing, mut summary) = (Vec::new(), Summary::default());
        let mut named = Vec::with_capacity(children.len());
        for child in children {
            entry::dirpack_append(&mut listing, child.is_directory(), &child.entry, &child.mac);
            let content_type = match child.facts {
                Facts::Directory(below) => {
                    summary.add_directory(&below);
                    None
                }
                Facts::File { info, content_type, entropy, chunks } => {
                    summary.add_file(&info, ContentFacts { content_type: &content_type, entropy, chunks });
                    Some(content_type)
                }
            };
            named.push((child.name, child.mac, content_type));
        }
        Finished { listing, summary, children: named }
    }

    /// Absolute path of a child.
    pub fn child_path(&self, name: &[u8]) -> Vec<u8> {
        path::join(&self.record.path, name)
    }
}

impl Child {
    fn is_directory(&self) -> bool {
        matches!(self.facts, Facts::Directory(_))
    }
}
