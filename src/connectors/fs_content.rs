//! What a file held when it was opened.

use crate::connectors::fs_facts::{changed_ns, modified};
use crate::ports::source::Content;
use rustix::fs::Stat;
use std::fs::File;
use std::io::{self, Read};

/// A file's content, up to where it ended when it was opened: one that grows while it is read must
/// not keep its reader busy for ever, and what was there before is a whole of its own.
pub(super) struct FsContent {
    file: File,
    opened: Stat,
    /// Bytes up to the size it had; `None` when it has more without having grown.
    left: Option<u64>,
}

impl FsContent {
    /// Of a file just opened, and what `fstat` said of it.
    pub(super) fn new(file: File, opened: Stat) -> FsContent {
        // In /proc files have no size, and content.
        let left = u64::try_from(opened.st_size).ok().filter(|size| *size > 0);
        FsContent { file, opened, left }
    }
}

impl Read for FsContent {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        let Some(left) = self.left else { return Ok(read) };
        if let Some(left) = left.checked_sub(read as u64) {
            self.left = Some(left);
            return Ok(read);
        }
        if self.is_torn() {
            self.left = Some(0);
            return Ok(usize::try_from(left).unwrap_or(read));
        }
        // The file system names sizes that are too small.
        self.left = None;
        Ok(read)
    }
}

impl Content for FsContent {
    fn is_torn(&self) -> bool {
        let facts = |stat: &Stat| (stat.st_size, modified(stat), changed_ns(stat));
        // What cannot be asked has not answered that it is the same.
        !rustix::fs::fstat(&self.file).is_ok_and(|now| facts(&now) == facts(&self.opened))
    }
}
