//! Packfiles: the index and the footer behind the blobs (FORMAT.md, "Packfile").

use crate::base::bytes::{Reader, Short};
use crate::base::mac::Mac;
use crate::format::error::FormatError;
use crate::format::kind::{Resource, Version};

/// Bytes of one index record.
pub const RECORD: usize = 56;
/// Bytes of a footer.
pub const FOOTER: usize = 56;

/// Where one blob lies in its packfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub resource: Resource,
    /// Version of its encoding.
    pub version: Version,
    /// Its name.
    pub mac: Mac,
    /// Bytes from the start of the payload: 16 less than in the file.
    pub offset: u64,
    /// Stored bytes.
    pub length: u32,
    /// Always 0 so far.
    pub flags: u32,
}

/// The raw index.
pub fn encode_index(records: &[Record]) -> Vec<u8> {
    let mut index = Vec::with_capacity(records.len() * RECORD);
    for record in records {
        index.extend_from_slice(&record.resource.0.to_le_bytes());
        index.extend_from_slice(&record.version.0.to_le_bytes());
        index.extend_from_slice(&record.mac.0);
        index.extend_from_slice(&record.offset.to_le_bytes());
        index.extend_from_slice(&record.length.to_le_bytes());
        index.extend_from_slice(&record.flags.to_le_bytes());
    }
    index
}

fn short(what: &'static str) -> impl Fn(Short) -> FormatError {
    move |short| FormatError::damaged(what, short.to_string())
}

/// Reads a raw index of `footer.count` records, each inside the blob area.
///
/// # Errors
/// `Damaged` when the length does not fit the count, or a blob reaches beyond the blob area.
pub fn decode_index(index: &[u8], footer: &Footer) -> Result<Vec<Record>, FormatError> {
    const WHAT: &str = "packfile index";
    let (records, rest) = index.as_chunks::<RECORD>();
    if !rest.is_empty() || records.len() as u64 != u64::from(footer.count) {
        return Err(FormatError::damaged(
            WHAT,
            format!("{} bytes for {} records", index.len(), footer.count),
        ));
    }
    records
        .iter()
        .map(|record| {
            let mut r = Reader::new(record);
            let record = Record {
                resource: Resource(r.u32("type").map_err(short(WHAT))?),
                version: Version(r.u32("version").map_err(short(WHAT))?),
                mac: Mac(r.array("MAC").map_err(short(WHAT))?),
                offset: r.u64("offset").map_err(short(WHAT))?,
                length: r.u32("length").map_err(short(WHAT))?,
                flags: r.u32("flags").map_err(short(WHAT))?,
            };
            let end = record.offset.checked_add(u64::from(record.length));
            if end.is_none_or(|end| end > footer.index_offset) {
                return Err(FormatError::damaged(
                    WHAT,
                    format!("{} {} reaches beyond the blobs", record.resource, record.mac),
                ));
            }
            Ok(record)
        })
        .collect()
}

/// What is at the end of a packfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Creation, ns since 1970; some writers put seconds or 0.
    pub timestamp_ns: i64,
    /// Records of the index.
    pub count: u32,
    /// Length of the blob area: where the index begins, from the start of the payload.
    pub index_offset: u64,
    /// MAC of the raw index.
    pub index_mac: Mac,
    /// Always 0 so far.
    pub flags: u32,
}

impl Footer {
    /// The raw footer.
    pub fn encode(&self) -> Vec<u8> {
        let mut footer = Vec::with_capacity(FOOTER);
        footer.extend_from_slice(&self.timestamp_ns.to_le_bytes());
        footer.extend_from_slice(&self.count.to_le_bytes());
        footer.extend_from_slice(&self.index_offset.to_le_bytes());
        footer.extend_from_slice(&self.index_mac.0);
        footer.extend_from_slice(&self.flags.to_le_bytes());
        footer
    }

    /// Reads a raw footer.
    ///
    /// # Errors
    /// `Damaged` when it has not 56 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Footer, FormatError> {
        const WHAT: &str = "packfile footer";
        let mut r = Reader::new(bytes);
        let footer = Footer {
            timestamp_ns: i64::from_le_bytes(r.array("timestamp").map_err(short(WHAT))?),
            count: r.u32("count").map_err(short(WHAT))?,
            index_offset: r.u64("index offset").map_err(short(WHAT))?,
            index_mac: Mac(r.array("index MAC").map_err(short(WHAT))?),
            flags: r.u32("flags").map_err(short(WHAT))?,
        };
        if !r.is_empty() {
            return Err(FormatError::damaged(WHAT, format!("{} bytes, 56 are expected", bytes.len())));
        }
        Ok(footer)
    }
}

/// A packfile's payload taken apart, nothing decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail<'a> {
    /// The encoded footer.
    pub footer: &'a [u8],
    /// What lies before it: blobs, then the encoded index.
    pub before: &'a [u8],
}

/// Finds the footer at the end of a payload: the last four bytes give its length.
///
/// # Errors
/// `Damaged` when they point outside.
pub fn tail(payload: &[u8]) -> Result<Tail<'_>, FormatError> {
    const WHAT: &str = "packfile tail";
    let (rest, length) =
        payload.split_last_chunk::<4>().ok_or_else(|| FormatError::damaged(WHAT, "cut before the footer"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let at = rest
        .len()
        .checked_sub(length)
        .ok_or_else(|| FormatError::damaged(WHAT, format!("a footer of {length} bytes in {}", rest.len())))?;
    let (before, footer) = rest.split_at(at);
    Ok(Tail { footer, before })
}
