//! The 16-byte head and 32-byte MAC around every file of a store (FORMAT.md, "Envelope").

use crate::algo::hash::Keyed;
use crate::base::mac::Mac;
use crate::format::error::FormatError;
use crate::format::kind::{Resource, Version};

/// Bytes before the payload.
pub const HEAD: usize = 16;
/// Bytes after it.
pub const TRAILER: usize = 32;

const MAGIC: &[u8; 8] = b"_KLOSET_";
/// Accepted from older writers, never written.
const MAGIC_OLD: &[u8; 8] = b"_PLAKAR_";

/// The 16 bytes before a payload.
pub fn head(resource: Resource, version: Version) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (magic, numbers) = head.split_at_mut(8);
    magic.copy_from_slice(MAGIC);
    let (kind, ver) = numbers.split_at_mut(4);
    kind.copy_from_slice(&resource.0.to_le_bytes());
    ver.copy_from_slice(&version.0.to_le_bytes());
    head
}

/// A whole file around `payload`.
pub fn wrap(resource: Resource, version: Version, payload: &[u8], keyed: &Keyed) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD + payload.len() + TRAILER);
    file.extend_from_slice(&head(resource, version));
    file.extend_from_slice(payload);
    let mac = keyed.mac(&file);
    file.extend_from_slice(&mac.0);
    file
}

/// Head, payload and MAC of a file, with nothing verified but the length and the head.
///
/// # Errors
/// Too short, foreign, or of another kind than `expected`.
pub fn split(file: &[u8], expected: Resource) -> Result<(Version, &[u8], Mac), FormatError> {
    let what = || format!("{expected} envelope");
    let short = || FormatError::damaged(what(), format!("{} bytes, at least 48 are needed", file.len()));
    let (head, rest) = file.split_first_chunk::<HEAD>().ok_or_else(short)?;
    let (payload, trailer) = rest.split_last_chunk::<TRAILER>().ok_or_else(short)?;
    let (magic, numbers) = head.split_at(8);
    if magic != MAGIC && magic != MAGIC_OLD {
        return Err(FormatError::damaged(what(), "does not begin with _KLOSET_"));
    }
    let number = |at: usize| {
        numbers.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let found = Resource(number(0));
    if found != expected {
        return Err(FormatError::damaged(what(), format!("holds a {found}")));
    }
    Ok((Version(number(4)), payload, Mac(*trailer)))
}

/// Verifies a file and gives its version and payload.
///
/// # Errors
/// As [`split`], or the MAC does not match.
pub fn open<'a>(
    file: &'a [u8],
    expected: Resource,
    keyed: &Keyed,
) -> Result<(Version, &'a [u8]), FormatError> {
    let (version, payload, trailer) = split(file, expected)?;
    let covered = file.get(..HEAD + payload.len()).unwrap_or_default();
    if keyed.mac(covered) != trailer {
        return Err(FormatError::damaged(
            format!("{expected} envelope"),
            "its MAC does not match: altered or cut",
        ));
    }
    Ok((version, payload))
}
