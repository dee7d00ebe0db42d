//! Reading fixed-width little-endian fields from untrusted bytes; buffers that are used again.

/// Large buffers have room up to a multiple of it, so that one used again nearly always has enough. What
/// is not written to takes no memory.
const ROOM_BYTES: usize = 4 << 20;

/// Empties a buffer that `length` bytes will be put into. One that they do not fit into gives its room
/// back: growing would hold the old and the new at once, and copy what nobody wants.
pub fn empty_for(buffer: &mut Vec<u8>, length: usize) {
    buffer.clear();
    // One byte more, by which a reader finds the end.
    if buffer.capacity() <= length {
        *buffer = Vec::new();
        // Whoever fills it says when there is no memory.
        let room = length.saturating_add(1);
        let steps = if length < ROOM_BYTES / 4 { 1 } else { ROOM_BYTES };
        let _ = buffer.try_reserve_exact(room.checked_next_multiple_of(steps).unwrap_or(room));
    }
}

/// Takes fields off the front; every failure says which field was short.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// A field did not fit what was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The field.
    pub field: &'static str,
    /// Bytes it needs.
    pub wanted: usize,
    /// Bytes there were.
    pub left: usize,
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} needs {} bytes, {} are left", self.field, self.wanted, self.left)
    }
}

impl<'a> Reader<'a> {
    /// Over these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Short> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(Short { field, wanted: len, left: self.rest.len() })?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Short> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(Short { field, wanted: N, left: self.rest.len() })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Short> {
        self.array(field).map(u8::from_le_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Short> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Short> {
        self.array(field).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{ROOM_BYTES, empty_for};

    #[test]
    fn a_large_buffer_used_again_for_about_as_much_is_not_moved() {
        let mut buffer = vec![1; 10];
        empty_for(&mut buffer, ROOM_BYTES / 2);
        assert!(buffer.is_empty() && buffer.capacity() >= ROOM_BYTES, "{}", buffer.capacity());
        let at = buffer.as_ptr();
        for length in [ROOM_BYTES - 1, 0, 1] {
            buffer.resize(length, 2);
            empty_for(&mut buffer, ROOM_BYTES - 1);
            assert!(buffer.is_empty() && buffer.as_ptr() == at, "{length}");
        }
        empty_for(&mut buffer, ROOM_BYTES);
        assert!(buffer.capacity() > ROOM_BYTES, "a reader needs a byte more to find the end");
        // For the call that asks for the bytes to refuse, in words.
        empty_for(&mut buffer, usize::MAX);
        assert!(buffer.is_empty());
    }
}
