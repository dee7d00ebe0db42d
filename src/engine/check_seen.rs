//! What reading every packfile has shown of files' content, so that the walks over snapshots need
//! not read it again. Eight bytes and a bit a blob.
//!
//! A chunk is known by its true length. An object only by what it promises: every chunk that it
//! lists has one promised length, whoever lists it. When all packfiles are read and each promise is
//! the truth, every object that was read is sound; when one is not, none is taken for it, and the
//! walks read them to say which.

use crate::base::mac::Mac;
use crate::engine::blobs::decode_object;
use crate::engine::index::Index;
use crate::format::kind::Resource;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// By position in the index.
pub(crate) struct Seen<'r> {
    index: &'r Index,
    tables: OnceLock<Tables>,
    doubtful: AtomicBool,
    settled: AtomicBool,
}

struct Tables {
    /// Bytes of a chunk, and one more; 0 when it was not read.
    lengths: Vec<AtomicU32>,
    /// Likewise, what objects say of it.
    promised: Vec<AtomicU32>,
    /// Objects that were read.
    objects: Vec<AtomicU64>,
}

impl Tables {
    fn new(blobs: usize) -> Tables {
        let words = || (0..blobs).map(|_| AtomicU32::new(0)).collect();
        let objects = (0..blobs.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Tables { lengths: words(), promised: words(), objects }
    }
}

impl<'r> Seen<'r> {
    /// Nothing was read.
    pub(crate) fn new(index: &'r Index) -> Seen<'r> {
        let (doubtful, settled) = (AtomicBool::new(false), AtomicBool::new(false));
        Seen { index, tables: OnceLock::new(), doubtful, settled }
    }

    fn tables(&self) -> &Tables {
        self.tables.get_or_init(|| Tables::new(self.index.len()))
    }

    /// A chunk of so many bytes was verified.
    pub(crate) fn chunk(&self, position: usize, length: u32) {
        if let Some(known) = self.tables().lengths.get(position) {
            known.store(length.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// An object was verified as a blob; what it says is noted. One that cannot be right in itself is
    /// not, and is read again.
    pub(crate) fn object(&self, position: usize, mac: &Mac, plain: &[u8]) {
        let Ok(object) = decode_object(mac, plain) else { return };
        if let [chunk] = object.chunks.as_slice()
            && chunk.mac != object.content
        {
            return;
        }
        let tables = self.tables();
        for chunk in &object.chunks {
            let known = self.index.position(Resource::CHUNK, &chunk.mac);
            let Some(promised) = known.and_then(|at| tables.promised.get(at)) else { return };
            let length = chunk.length.saturating_add(1);
            let before = promised.compare_exchange(0, length, Ordering::Relaxed, Ordering::Relaxed);
            if before.is_err_and(|before| before != length) {
                self.doubtful.store(true, Ordering::Relaxed);
            }
        }
        if let Some(word) = tables.objects.get(position / 64) {
            word.fetch_or(1 << (position % 64), Ordering::Relaxed);
        }
    }

    /// All packfiles were read: whether objects are to be trusted is decided.
    pub(crate) fn settle(&self) {
        let kept = self.tables.get().is_some_and(|tables| {
            let mut both = tables.promised.iter().zip(&tables.lengths);
            both.all(|(promised, length)| match promised.load(Ordering::Relaxed) {
                0 => true,
                promised => promised == length.load(Ordering::Relaxed),
            })
        });
        self.settled.store(kept && !self.doubtful.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether all that the object lists was found to be as it says.
    pub(crate) fn vouches_for(&self, position: usize) -> bool {
        let word = self.tables.get().and_then(|tables| tables.objects.get(position / 64));
        self.settled.load(Ordering::Relaxed)
            && word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (position % 64) != 0)
    }

    /// The length of a chunk that was read.
    pub(crate) fn length(&self, position: usize) -> Option<u32> {
        self.tables.get()?.lengths.get(position)?.load(Ordering::Relaxed).checked_sub(1)
    }
}
