//! Reading fixed-width little-endian fields from untrusted bytes.

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
