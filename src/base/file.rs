//! What a file system says of a file, in the shape the format keeps it.

use crate::base::stamp::Stamp;

/// Mode bits as Go's `os.FileMode` numbers them, which is what a store holds
/// (FORMAT.md, "Entries and file information").
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Mode(pub u32);

impl Mode {
    /// A directory.
    pub const DIR: u32 = 1 << 31;
    /// A symbolic link.
    pub const SYMLINK: u32 = 1 << 27;
    /// A device; with [`Mode::CHAR_DEVICE`], a character device.
    pub const DEVICE: u32 = 1 << 26;
    /// A named pipe.
    pub const NAMED_PIPE: u32 = 1 << 25;
    /// A socket.
    pub const SOCKET: u32 = 1 << 24;
    /// setuid.
    pub const SETUID: u32 = 1 << 23;
    /// setgid.
    pub const SETGID: u32 = 1 << 22;
    /// A character device, always together with [`Mode::DEVICE`].
    pub const CHAR_DEVICE: u32 = 1 << 21;
    /// sticky.
    pub const STICKY: u32 = 1 << 20;
    /// None of the kinds above, and not a regular file either.
    pub const IRREGULAR: u32 = 1 << 19;
    const KIND: u32 = Self::DIR
        | Self::SYMLINK
        | Self::DEVICE
        | Self::NAMED_PIPE
        | Self::SOCKET
        | Self::CHAR_DEVICE
        | Self::IRREGULAR;

    /// From POSIX `st_mode`.
    pub fn from_posix(mode: u32) -> Mode {
        let kind = match mode & 0o170_000 {
            0o040_000 => Self::DIR,
            0o120_000 => Self::SYMLINK,
            0o060_000 => Self::DEVICE,
            0o020_000 => Self::DEVICE | Self::CHAR_DEVICE,
            0o010_000 => Self::NAMED_PIPE,
            0o140_000 => Self::SOCKET,
            0o100_000 => 0,
            _ => Self::IRREGULAR,
        };
        let mut bits = kind | mode & 0o777;
        for (posix, go) in [(0o4000, Self::SETUID), (0o2000, Self::SETGID), (0o1000, Self::STICKY)] {
            if mode & posix != 0 {
                bits |= go;
            }
        }
        Mode(bits)
    }

    /// The permission bits of POSIX, setuid, setgid and sticky included (12 bits).
    pub fn posix_permissions(self) -> u32 {
        let mut mode = self.0 & 0o777;
        for (posix, go) in [(0o4000, Self::SETUID), (0o2000, Self::SETGID), (0o1000, Self::STICKY)] {
            if self.0 & go != 0 {
                mode |= posix;
            }
        }
        mode
    }

    /// Whether this is a directory.
    pub fn is_dir(self) -> bool {
        self.0 & Self::DIR != 0
    }

    /// Whether this is a regular file.
    pub fn is_regular(self) -> bool {
        self.0 & Self::KIND == 0
    }

    /// Whether this is a symbolic link.
    pub fn is_symlink(self) -> bool {
        self.0 & Self::SYMLINK != 0
    }
}

/// Facts of one file (FORMAT.md, "Entries and file information"). No ctime, no rdev: the format has no place
/// for them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FileInfo {
    /// Base name; `/` for the root.
    pub name: Vec<u8>,
    /// Bytes.
    pub size: i64,
    /// Kind and permissions.
    pub mode: Mode,
    /// Last modification.
    pub mod_time: Stamp,
    /// Device number of the file system.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Number of hard links, cut to 16 bits by the format.
    pub nlink: u16,
    /// Owner's name, empty when unknown.
    pub username: Vec<u8>,
    /// Group's name, empty when unknown.
    pub groupname: Vec<u8>,
    /// Always 0 so far.
    pub flags: u32,
}
