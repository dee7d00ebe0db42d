//! Directories in the making: each gathers its children until the walk has left it and the last
//! one is done, and then becomes a child of its own parent.

use crate::base::file::{FileInfo, Mode};
use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::gathered::ContentType;
use crate::format::entry::Entry;
use crate::format::summary::{ContentFacts, Summary};
use crate::ports::source::{Metadata, Record};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The regular files that a listing of the previous snapshot names, sorted by name.
pub type Remembered = Vec<Known>;

/// What an earlier snapshot knows of a regular file, as far as it is compared.
pub struct Known {
    /// Base name.
    pub name: Box<[u8]>,
    /// Bytes.
    pub size: i64,
    /// When it was modified.
    pub mod_time: Stamp,
    /// Of the device.
    pub dev: u64,
    /// Of the inode.
    pub ino: u64,
    /// Its OBJECT.
    pub object: Mac,
    /// What its source said of it.
    pub metadata: Metadata,
}

impl Known {
    /// Of an entry, if that is a regular file with content.
    pub fn of(entry: Entry) -> Option<Known> {
        let info = entry.info;
        (info.mode.is_regular() && !entry.object.is_zero()).then(|| Known {
            name: info.name.into(),
            size: info.size,
            mod_time: info.mod_time,
            dev: info.dev,
            ino: info.ino,
            object: entry.object,
            metadata: entry.custom_metadata,
        })
    }
}

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

/// A child that is done. A directory of a million files holds a million of them until its last one
/// is done: about 190 bytes each, beside the entry.
pub struct Child {
    /// Base name.
    pub name: Box<[u8]>,
    /// Encoded VFS_ENTRY.
    pub entry: Box<[u8]>,
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
        /// Kind.
        mode: Mode,
        /// Bytes, as the totals count them.
        size: i64,
        /// When it was modified.
        mod_time: Stamp,
        /// MIME type.
        content_type: ContentType,
        /// Bits per byte.
        entropy: f64,
        /// `None` without content.
        chunks: Option<u64>,
    },
}

impl Facts {
    /// Adds them to the totals of the directory.
    pub fn add_to(&self, summary: &mut Summary, types: &[Arc<str>]) {
        match self {
            Facts::Directory(below) => summary.add_directory(below),
            Facts::File { mode, size, mod_time, content_type, entropy, chunks } => {
                let info = FileInfo { mode: *mode, size: *size, mod_time: *mod_time, ..FileInfo::default() };
                let content_type = types.get(*content_type as usize).map_or("", |name| name);
                summary.add_file(&info, ContentFacts { content_type, entropy: *entropy, chunks: *chunks });
            }
        }
    }

    /// `None` for a directory.
    pub fn content_type(&self) -> Option<ContentType> {
        match self {
            Facts::Directory(_) => None,
            Facts::File { content_type, .. } => Some(*content_type),
        }
    }
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

    /// The children in the order of their names, a file before a directory of the same name, as the
    /// reference has it.
    pub fn take_children(&self) -> Vec<Child> {
        let mut children = std::mem::take(&mut *self.children.lock().unwrap_or_else(PoisonError::into_inner));
        children.sort_unstable_by(|a, b| {
            a.name.cmp(&b.name).then_with(|| a.is_directory().cmp(&b.is_directory()))
        });
        children
    }

    /// Absolute path of a child.
    pub fn child_path(&self, name: &[u8]) -> Vec<u8> {
        path::join(&self.record.path, name)
    }
}

impl Child {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.facts, Facts::Directory(_))
    }
}
