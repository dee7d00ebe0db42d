//! The index at the end of a packfile, read from there: for packfiles that no state tells of.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::engine::error::{Error, Kind};
use crate::engine::repository::Repository;
use crate::format::envelope;
use crate::format::packfile::{self, Footer, Record};
use crate::ports::store::Item;

/// Bytes read at first: the index of some 15,000 blobs.
const FIRST_BYTES: u64 = 1 << 20;

/// Footer and index of a packfile of `size` bytes, verified. `blobs_end` is where its blobs are known
/// to end, from the start of the payload; 0 when nothing is known.
///
/// # Errors
/// `Damaged` for a file that is no whole packfile of this store; the store's.
pub fn read(
    repository: &Repository,
    id: Mac,
    size: u64,
    blobs_end: u64,
) -> Result<(Footer, Vec<Record>), Error> {
    decode(repository, size, blobs_end, &|from, length| {
        repository.store.get_range(Item::Packfile(id), from, length).map_err(Error::from)
    })
}

/// As [`read`], from wherever `range` gives the bytes of: so many from an offset in the file.
///
/// # Errors
/// As [`read`].
pub fn decode(
    repository: &Repository,
    size: u64,
    blobs_end: u64,
    range: &dyn Fn(u64, usize) -> Result<Vec<u8>, Error>,
) -> Result<(Footer, Vec<Record>), Error> {
    let damaged = |what: String| Error::new(Kind::Damaged, what);
    let head = envelope::HEAD as u64;
    let payload = size
        .checked_sub(head + envelope::TRAILER as u64)
        .filter(|payload| *payload >= blobs_end)
        .ok_or_else(|| damaged(format!("{size} bytes, its blobs alone need {blobs_end}")))?;
    let last = |length: u64| {
        let length_usize = usize::try_from(length).unwrap_or(usize::MAX);
        range(head + payload - length, length_usize)
    };
    let mut length = match blobs_end {
        0 => payload.min(FIRST_BYTES),
        end => payload - end,
    };
    if length > limits::INDEX_BYTES_MAX as u64 {
        return Err(damaged(format!("{length} bytes behind its last blob")));
    }
    let mut tail = last(length)?;
    let footer = {
        let parts = packfile::tail(&tail)?;
        Footer::decode(&repository.codec.decode(parts.footer, packfile::FOOTER)?)?
    };
    let offset = footer.index_offset;
    if offset < blobs_end {
        return Err(damaged(format!("its footer puts the index at {offset}, among the blobs")));
    }
    let wanted = payload
        .checked_sub(offset)
        .filter(|wanted| *wanted <= limits::INDEX_BYTES_MAX as u64)
        .ok_or_else(|| damaged(format!("its footer puts the index at {offset}")))?;
    if wanted > length {
        length = wanted;
        tail = last(length)?;
    }
    let before = packfile::tail(&tail)?.before;
    let at = usize::try_from(length - wanted).unwrap_or(usize::MAX);
    let stored = before.get(at..).ok_or_else(|| damaged("its footer puts the index behind it".to_owned()))?;
    let limit = packfile::RECORD.saturating_mul(footer.count as usize).min(limits::INDEX_BYTES_MAX);
    let index = repository.codec.decode(stored, limit).map_err(|fault| fault.context("index"))?;
    if repository.codec.mac(&index) != footer.index_mac {
        return Err(damaged("its index is not the one its footer names".to_owned()));
    }
    let records = packfile::decode_index(&index, &footer)?;
    Ok((footer, records))
}
