//! MessagePack maps by key, with the structure and the field named in every error
//! (FORMAT.md, "MessagePack").

use crate::algo::msgpack::{MsgpackError, Reader};
use crate::base::mac::Mac;
use crate::format::error::FormatError;

/// What reading one field gives.
pub type Field<T> = Result<T, MsgpackError>;

/// Reads one map: `field` takes the value of each key it knows and answers true; others are passed
/// over, as newer writers may add some.
pub fn map<'a>(
    what: &str,
    reader: &mut Reader<'a>,
    mut field: impl FnMut(&str, &mut Reader<'a>) -> Result<bool, FormatError>,
) -> Result<(), FormatError> {
    let pairs = reader.map().map_err(|e| named(what, "", &e))?;
    for _ in 0..pairs {
        let key = reader.bytes().map_err(|e| named(what, "a key", &e))?;
        let key = std::str::from_utf8(key).unwrap_or("");
        if !field(key, reader)? {
            reader.skip().map_err(|e| named(what, key, &e))?;
        }
    }
    Ok(())
}

/// Adds structure and field to what MessagePack complains of.
pub fn named(what: &str, field: &str, error: &MsgpackError) -> FormatError {
    let what = if field.is_empty() { what.to_owned() } else { format!("{what}, {field}") };
    FormatError::damaged(what, error.to_string())
}

/// A MAC; a shorter one is padded with zeros, as Go's decoder does it.
pub fn mac(reader: &mut Reader<'_>) -> Field<Mac> {
    let bytes = reader.bytes()?;
    let mut mac = Mac::ZERO;
    match mac.0.get_mut(..bytes.len()) {
        Some(front) => front.copy_from_slice(bytes),
        None => return Err(MsgpackError(format!("{} bytes where an identifier has 32", bytes.len()))),
    }
    Ok(mac)
}

/// A UUID of exactly 16 bytes.
pub fn uuid(reader: &mut Reader<'_>) -> Field<[u8; 16]> {
    let bytes = reader.bytes()?;
    bytes.try_into().map_err(|_| MsgpackError(format!("{} bytes where a UUID has 16", bytes.len())))
}

/// Text; bytes that are not UTF-8 are replaced, as it is only shown.
pub fn text(reader: &mut Reader<'_>) -> Field<String> {
    reader.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A list.
pub fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>) -> Field<T>,
) -> Field<Vec<T>> {
    let len = reader.array()?;
    // Grown as items come: a count alone never reserves memory.
    let mut items = Vec::new();
    for _ in 0..len {
        items.push(item(reader)?);
    }
    Ok(items)
}

/// A list of structures, each of at least `least` bytes: a small structure spelled as nothing would
/// take many times its bytes in memory.
pub fn structs<'a, T>(
    what: &str,
    reader: &mut Reader<'a>,
    least: usize,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<T, FormatError>,
) -> Result<Vec<T>, FormatError> {
    let len = reader.array().map_err(|e| named(what, "", &e))?;
    let left = reader.rest().len();
    if len.saturating_mul(least) > left {
        return Err(FormatError::damaged(what, format!("{len} items announced, {left} bytes left")));
    }
    let mut items = Vec::new();
    for _ in 0..len {
        items.push(item(reader)?);
    }
    Ok(items)
}

/// Takes the value of `$key` into `$place` with `$read`, naming it on failure.
macro_rules! field {
    ($what:expr, $key:expr, $place:expr, $read:expr) => {{
        $place = $read.map_err(|e| $crate::format::fields::named($what, $key, &e))?;
        Ok(true)
    }};
}
pub(crate) use field;
