//! What the operating system says of a file, in the words of the ports.

use crate::base::file::{FileInfo, Mode};
use crate::base::stamp::Stamp;
use crate::ports::fault::Fault;
use rustix::fs::Stat;
use rustix::io::Errno;
use std::fmt;

/// Facts without the owners' names.
pub(super) fn file_info(name: &[u8], stat: &Stat) -> FileInfo {
    FileInfo {
        name: name.to_vec(),
        size: stat.st_size,
        mode: Mode::from_posix(stat.st_mode),
        mod_time: modified(stat),
        dev: stat.st_dev,
        ino: stat.st_ino,
        uid: u64::from(stat.st_uid),
        gid: u64::from(stat.st_gid),
        // Cut as the format cuts it.
        nlink: (stat.st_nlink & 0xffff) as u16,
        ..FileInfo::default()
    }
}

/// Last change of the content.
pub(super) fn modified(stat: &Stat) -> Stamp {
    Stamp { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() }
}

/// Last change of the inode, in ns since 1970.
pub(super) fn changed_ns(stat: &Stat) -> i64 {
    let nanos = u32::try_from(stat.st_ctime_nsec).unwrap_or_default();
    Stamp { secs: stat.st_ctime, nanos }.to_nanos()
}

/// Which file this is, on this machine.
pub(super) fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// A failed system call on a path.
pub(super) fn fault(call: &str, path: &[u8], error: Errno) -> Fault {
    Fault::from_io(On { call, path }, &error.into())
}

struct On<'a> {
    call: &'a str,
    path: &'a [u8],
}

impl fmt::Display for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, String::from_utf8_lossy(self.path))
    }
}
