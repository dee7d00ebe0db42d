//! State bodies: logs that say where blobs are and what was removed (FORMAT.md, "State").

use crate::base::bytes::{Reader, Short};
use crate::base::mac::Mac;
use crate::format::error::FormatError;
use crate::format::kind::{Resource, Version};

/// Where one blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// What it is.
    pub resource: Resource,
    /// Version of its encoding.
    pub version: Version,
    /// Its name.
    pub mac: Mac,
    /// The packfile.
    pub packfile: Mac,
    /// From the start of the packfile's payload.
    pub offset: u64,
    /// Stored bytes.
    pub length: u32,
    /// Always 0 so far.
    pub flags: u32,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A blob is there.
    Location(Location),
    /// A snapshot was removed, or a packfile is about to be (then it hides its blobs at once).
    Deleted {
        /// [`Resource::SNAPSHOT`] or [`Resource::PACKFILE`].
        resource: Resource,
        /// Its name.
        mac: Mac,
        /// ns since 1970.
        when_ns: u64,
    },
    /// A packfile was published.
    Packfile {
        /// Its name.
        id: Mac,
        /// The state that published it.
        state: Mac,
        /// ns since 1970.
        timestamp_ns: u64,
    },
    /// A setting; nobody writes one.
    Configuration {
        /// Its name.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// ns since 1970.
        created_ns: u64,
    },
    /// An older line no longer holds (since 1.1.0).
    Delete {
        /// Type number of the line: 2 location, 3 deleted, 4 packfile.
        entry: u8,
        /// Of the blob.
        resource: Resource,
        /// Of the blob.
        mac: Mac,
        /// The packfile.
        packfile: Mac,
    },
}

/// What ends a body (and, since 1.1.0, begins it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// 1.0.0 or 1.1.0.
    pub version: Version,
    /// ns since 1970.
    pub timestamp_ns: u64,
    /// A UUID nobody acts on.
    pub serial: [u8; 16],
    /// The state this one follows, since 1.1.0; zeros for none.
    pub parent: Option<Mac>,
}

const METADATA: u8 = 1;
const LOCATION: u8 = 2;
const DELETED: u8 = 3;
const PACKFILE: u8 = 4;
const CONFIGURATION: u8 = 5;
const DELETE: u8 = 6;
const WHAT: &str = "state";

fn short(short: Short) -> FormatError {
    FormatError::damaged(WHAT, short.to_string())
}

/// Reads a body and tells every entry it knows to `visit`, in order; unknown types are passed over.
///
/// # Errors
/// `Unsupported` for a version other than 1.0.0 and 1.1.0; `Damaged`, naming the field.
pub fn decode(body: &[u8], version: Version, visit: &mut dyn FnMut(Entry)) -> Result<Meta, FormatError> {
    if version != Version::V1_0_0 && version != Version::V1_1_0 {
        return Err(FormatError::unsupported(WHAT, format!("version {version} is newer than this program")));
    }
    let mut r = Reader::new(body);
    let parent = match version {
        Version::V1_1_0 => Some(Mac(r.array("parent").map_err(short)?)),
        _ => None,
    };
    loop {
        let kind = r.u8("entry type").map_err(short)?;
        if kind == METADATA {
            return Ok(Meta {
                version: Version(r.u32("metadata version").map_err(short)?),
                timestamp_ns: r.u64("timestamp").map_err(short)?,
                serial: r.array("serial").map_err(short)?,
                parent,
            });
        }
        // A length of 32 bits fits usize on every machine this builds for.
        let length = r.u32("entry length").map_err(short)? as usize;
        let mut data = Reader::new(r.take(length, "entry").map_err(short)?);
        let entry = match kind {
            LOCATION => Entry::Location(Location {
                resource: Resource(u32::from(data.u8("type").map_err(short)?)),
                version: Version(data.u32("version").map_err(short)?),
                mac: Mac(data.array("blob").map_err(short)?),
                packfile: Mac(data.array("packfile").map_err(short)?),
                offset: data.u64("offset").map_err(short)?,
                length: data.u32("length").map_err(short)?,
                flags: data.u32("flags").map_err(short)?,
            }),
            DELETED => Entry::Deleted {
                resource: Resource(u32::from(data.u8("type").map_err(short)?)),
                mac: Mac(data.array("resource").map_err(short)?),
                when_ns: data.u64("time").map_err(short)?,
            },
            PACKFILE => Entry::Packfile {
                id: Mac(data.array("packfile").map_err(short)?),
                state: Mac(data.array("state").map_err(short)?),
                timestamp_ns: data.u64("timestamp").map_err(short)?,
            },
            CONFIGURATION => {
                let key_len = usize::from(data.u8("key length").map_err(short)?);
                let key = data.take(key_len, "key").map_err(short)?.to_vec();
                let value_len = usize::from(u16::from_le_bytes(data.array("value length").map_err(short)?));
                let value = data.take(value_len, "value").map_err(short)?.to_vec();
                Entry::Configuration { key, value, created_ns: data.u64("creation").map_err(short)? }
            }
            DELETE if version == Version::V1_1_0 => Entry::Delete {
                entry: data.u8("entry type").map_err(short)?,
                resource: Resource(u32::from(data.u8("type").map_err(short)?)),
                mac: Mac(data.array("blob").map_err(short)?),
                packfile: Mac(data.array("packfile").map_err(short)?),
            },
            _ => continue,
        };
        if !data.is_empty() {
            return Err(FormatError::damaged(WHAT, format!("an entry of type {kind} has {length} bytes")));
        }
        visit(entry);
    }
}

/// A body in the making.
pub struct Builder {
    body: Vec<u8>,
}

impl Builder {
    /// An empty body; `parent` only in a 1.1.0 state.
    pub fn new(parent: Option<Mac>) -> Builder {
        Builder { body: parent.map(|parent| parent.0.to_vec()).unwrap_or_default() }
    }

    /// Appends an entry. The reference writes types 6, 2, 3, 4 in that order; readers follow none.
    pub fn push(&mut self, entry: &Entry) {
        match entry {
            Entry::Location(l) => {
                self.entry(LOCATION, 85);
                // Types of blobs are below 256: the format has one byte for them.
                self.body.push(l.resource.0 as u8);
                self.body.extend_from_slice(&l.version.0.to_le_bytes());
                self.body.extend_from_slice(&l.mac.0);
                self.body.extend_from_slice(&l.packfile.0);
                self.body.extend_from_slice(&l.offset.to_le_bytes());
                self.body.extend_from_slice(&l.length.to_le_bytes());
                self.body.extend_from_slice(&l.flags.to_le_bytes());
            }
            Entry::Deleted { resource, mac, when_ns } => {
                self.entry(DELETED, 41);
                self.body.push(resource.0 as u8);
                self.body.extend_from_slice(&mac.0);
                self.body.extend_from_slice(&when_ns.to_le_bytes());
            }
            Entry::Packfile { id, state, timestamp_ns } => {
                self.entry(PACKFILE, 72);
                self.body.extend_from_slice(&id.0);
                self.body.extend_from_slice(&state.0);
                self.body.extend_from_slice(&timestamp_ns.to_le_bytes());
            }
            Entry::Configuration { key, value, created_ns } => {
                let key = key.get(..255).unwrap_or(key);
                let value = value.get(..65535).unwrap_or(value);
                self.entry(CONFIGURATION, key.len() as u32 + value.len() as u32 + 11);
                self.body.push(key.len() as u8);
                self.body.extend_from_slice(key);
                self.body.extend_from_slice(&(value.len() as u16).to_le_bytes());
                self.body.extend_from_slice(value);
                self.body.extend_from_slice(&created_ns.to_le_bytes());
            }
            Entry::Delete { entry, resource, mac, packfile } => {
                self.entry(DELETE, 66);
                self.body.push(*entry);
                self.body.push(resource.0 as u8);
                self.body.extend_from_slice(&mac.0);
                self.body.extend_from_slice(&packfile.0);
            }
        }
    }

    fn entry(&mut self, kind: u8, length: u32) {
        self.body.push(kind);
        self.body.extend_from_slice(&length.to_le_bytes());
    }

    /// The whole body.
    pub fn finish(mut self, meta: &Meta) -> Vec<u8> {
        self.body.push(METADATA);
        self.body.extend_from_slice(&meta.version.0.to_le_bytes());
        self.body.extend_from_slice(&meta.timestamp_ns.to_le_bytes());
        self.body.extend_from_slice(&meta.serial);
        self.body
    }
}
