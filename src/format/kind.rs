//! Resource types and versions (FORMAT.md, "Overview"); unknown numbers survive a round trip.

use std::fmt;

/// What a blob or a file is. On disk a u32 in envelopes and packfile indexes, a u8 in states.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(pub u32);

impl Resource {
    /// The store's settings.
    pub const CONFIG: Resource = Resource(1);
    /// Who is at work.
    pub const LOCK: Resource = Resource(2);
    /// Where blobs are.
    pub const STATE: Resource = Resource(3);
    /// A file of blobs.
    pub const PACKFILE: Resource = Resource(4);
    /// A snapshot's header, named by the snapshot's id.
    pub const SNAPSHOT: Resource = Resource(5);
    /// The signature of a header, named by the snapshot's id.
    pub const SIGNATURE: Resource = Resource(6);
    /// The list of a file's chunks.
    pub const OBJECT: Resource = Resource(7);
    /// A piece of content.
    pub const CHUNK: Resource = Resource(9);
    /// Root of a file tree.
    pub const VFS_BTREE: Resource = Resource(10);
    /// Node of a file tree.
    pub const VFS_NODE: Resource = Resource(11);
    /// A file's facts.
    pub const VFS_ENTRY: Resource = Resource(12);
    /// Root of an error tree.
    pub const ERROR_BTREE: Resource = Resource(13);
    /// Node of an error tree.
    pub const ERROR_NODE: Resource = Resource(14);
    /// What could not be backed up.
    pub const ERROR_ENTRY: Resource = Resource(15);
    /// Root of a tree of extended attributes.
    pub const XATTR_BTREE: Resource = Resource(16);
    /// Node of a tree of extended attributes.
    pub const XATTR_NODE: Resource = Resource(17);
    /// An extended attribute.
    pub const XATTR_ENTRY: Resource = Resource(18);
    /// Root of an index tree (content types, directories).
    pub const BTREE_ROOT: Resource = Resource(19);
    /// Node of an index tree.
    pub const BTREE_NODE: Resource = Resource(20);
    /// A directory's totals, since v1.1.
    pub const VFS_SUMMARY: Resource = Resource(21);
    /// Padding.
    pub const RANDOM: Resource = Resource(255);
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::CONFIG => "CONFIG",
            Self::LOCK => "lock",
            Self::STATE => "state",
            Self::PACKFILE => "packfile",
            Self::SNAPSHOT => "snapshot",
            Self::SIGNATURE => "signature",
            Self::OBJECT => "object",
            Self::CHUNK => "chunk",
            Self::VFS_BTREE => "file tree",
            Self::VFS_NODE => "file tree node",
            Self::VFS_ENTRY => "file entry",
            Self::ERROR_BTREE => "error tree",
            Self::ERROR_NODE => "error tree node",
            Self::ERROR_ENTRY => "error entry",
            Self::XATTR_BTREE => "attribute tree",
            Self::XATTR_NODE => "attribute tree node",
            Self::XATTR_ENTRY => "attribute entry",
            Self::BTREE_ROOT => "index tree",
            Self::BTREE_NODE => "index tree node",
            Self::VFS_SUMMARY => "summary",
            Self::RANDOM => "padding",
            Self(number) => return write!(f, "resource type {number}"),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `major << 16 | minor << 8 | patch`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(pub u32);

impl Version {
    /// 1.0.0, the version of nearly everything.
    pub const V1_0_0: Version = Version(0x0001_0000);
    /// 1.1.0, the version of states since Plakar v1.1.
    pub const V1_1_0: Version = Version(0x0001_0100);
}

/// `v1.0.0`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.0 >> 16, self.0 >> 8 & 0xff, self.0 & 0xff)
    }
}

/// Which Plakar line wrote a store, and so how entries and headers are spelled in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generation {
    /// Plakar v1.0: states 1.0.0, summaries inside directory entries.
    V1_0,
    /// Plakar v1.1: states 1.1.0, summaries as blobs of their own.
    V1_1,
}
