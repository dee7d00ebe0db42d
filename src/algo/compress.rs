//! Compression of stored items: one LZ4 frame, gzip member or zstd frame each (FORMAT.md,
//! "Compression"). Decompression never grows past the caller's limit.

use std::fmt;
use std::io::{self, Read, Write};

mod lz4;
mod zstd;

pub use lz4::Tables;

/// The algorithm CONFIG names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// LZ4 frames, the default.
    Lz4,
    /// gzip.
    Gzip,
    /// zstd, since Plakar v1.1.4.
    Zstd,
}

impl Method {
    /// By its name in CONFIG.
    pub fn from_name(name: &str) -> Option<Method> {
        match name {
            "LZ4" => Some(Method::Lz4),
            "GZIP" => Some(Method::Gzip),
            "ZSTD" => Some(Method::Zstd),
            _ => None,
        }
    }
}

/// Compressed bytes that do not decompress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressError(pub String);

impl fmt::Display for CompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends the compressed form of `plain` to `out`. With `incompressible`, LZ4 does not even try
/// and stores the bytes as they are inside a valid frame.
pub fn compress(method: Method, plain: &[u8], incompressible: bool, out: &mut Vec<u8>) {
    compress_with(method, plain, incompressible, &mut Tables::default(), out);
}

/// As [`compress`], with tables that are used again: of small blobs, making them anew costs as much
/// as the rest.
pub fn compress_with(
    method: Method,
    plain: &[u8],
    incompressible: bool,
    tables: &mut Tables,
    out: &mut Vec<u8>,
) {
    match method {
        Method::Lz4 => lz4::compress(plain, incompressible, tables, out),
        Method::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            // Writing to a vector does not fail.
            let _ = encoder.write_all(plain);
            let _ = encoder.finish();
        }
        Method::Zstd => zstd::compress(plain, out),
    }
}

/// A writer that passes on what is gzipped into it, in its plain form. [`Gunzip::finish`] tells
/// whether all of it came.
pub struct Gunzip<W: Write>(flate2::write::MultiGzDecoder<W>);

impl<W: Write> Gunzip<W> {
    /// Around `out`.
    pub fn new(out: W) -> Gunzip<W> {
        Gunzip(flate2::write::MultiGzDecoder::new(out))
    }

    /// Passes on the rest.
    ///
    /// # Errors
    /// When it ends too early or its sum is wrong, and what `out` says.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.try_finish()
    }
}

impl<W: Write> Write for Gunzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A writer that passes on, gzipped, what is written into it.
pub struct Gzip<W: Write>(flate2::write::GzEncoder<W>);

impl<W: Write> Gzip<W> {
    /// Around `out`.
    pub fn new(out: W) -> Gzip<W> {
        Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::default()))
    }

    /// Passes on the rest, and gives `out` back.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A writer that passes on, deflated and with nothing around it, what is written into it.
pub struct Deflate<W: Write> {
    deflate: flate2::write::DeflateEncoder<W>,
    crc: flate2::Crc,
    bytes: u64,
}

impl<W: Write> Deflate<W> {
    /// Around `out`.
    pub fn new(out: W) -> Deflate<W> {
        let deflate = flate2::write::DeflateEncoder::new(out, flate2::Compression::default());
        Deflate { deflate, crc: flate2::Crc::new(), bytes: 0 }
    }

    /// Passes on the rest; gives CRC-32 and length of what was written into it.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(self) -> io::Result<(u32, u64)> {
        self.deflate.finish()?;
        Ok((self.crc.sum(), self.bytes))
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.deflate.write(bytes)?;
        self.crc.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

/// The CRC-32 of gzip and zip.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The plaintext.
///
/// # Errors
/// Damaged bytes, or more than `limit` bytes of plaintext.
pub fn decompress(method: Method, stored: &[u8], limit: usize) -> Result<Vec<u8>, CompressError> {
    let mut plain = Plain::default();
    decompress_into(method, stored, limit, &mut plain)?;
    Ok(plain.as_slice().to_vec())
}

/// The plaintext, in place of what `plain` held.
///
/// # Errors
/// As [`decompress`]; what `plain` holds then is of no use.
pub fn decompress_into(
    method: Method,
    stored: &[u8],
    limit: usize,
    plain: &mut Plain,
) -> Result<(), CompressError> {
    plain.clear();
    match method {
        Method::Lz4 => lz4::decompress(stored, limit, plain),
        Method::Gzip => plain.fill(flate2::read::GzDecoder::new(stored), limit, "gzip"),
        // The reference stores empty input as no bytes at all.
        Method::Zstd if stored.is_empty() => Ok(()),
        Method::Zstd => zstd::decompress(stored, limit, plain),
    }
}

/// Bytes kept for the next plaintext: more than any chunk of a real store needs.
const KEPT_BYTES: usize = 8 << 20;

/// Plaintext in a buffer that is used again. How long it will be is not known beforehand, so that
/// there is always more room than needed; to zero that for each blob would cost more than to unpack it.
#[derive(Default)]
pub struct Plain {
    bytes: Vec<u8>,
    len: usize,
}

impl Plain {
    /// The plaintext.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.len = 0;
        if self.bytes.len() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }

    fn append(&mut self, more: &[u8]) {
        let (_, room) = self.split(more.len());
        if let Some(room) = room.get_mut(..more.len()) {
            room.copy_from_slice(more);
            self.len += more.len();
        }
    }

    /// What is there, and room behind it for at least `room` bytes, whatever they are.
    fn split(&mut self, room: usize) -> (&[u8], &mut [u8]) {
        let wanted = self.len.saturating_add(room);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        let (held, room) = self.bytes.split_at_mut(self.len);
        (held, room)
    }

    fn fill(&mut self, reader: impl Read, limit: usize, name: &str) -> Result<(), CompressError> {
        self.bytes.clear();
        let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = reader.take(cap).read_to_end(&mut self.bytes);
        self.len = read.map_err(|e| CompressError(format!("{name}: {e}")))?;
        if self.len > limit {
            return Err(CompressError(format!("{name}: more than {limit} bytes of plaintext")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_used_again_holds_nothing_of_what_it_held_before() {
        let mut plain = Plain::default();
        for method in [Method::Lz4, Method::Gzip, Method::Zstd] {
            for len in [9usize << 20, 3, 70_000, 0, 12] {
                let text: Vec<u8> = (0..len).map(|n| (n / 5 % 61) as u8).collect();
                let mut stored = Vec::new();
                compress(method, &text, false, &mut stored);
                decompress_into(method, &stored, len, &mut plain).unwrap();
                assert_eq!(plain.as_slice(), text, "{method:?} {len}");
                assert!(decompress_into(method, b"no frame at all", len, &mut plain).is_err());
            }
        }
    }

    #[test]
    fn every_method_gives_back_what_it_got() {
        for method in [Method::Lz4, Method::Gzip, Method::Zstd] {
            for len in [0usize, 1, 12, 65536, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20] {
                let text: Vec<u8> = (0..len).map(|n| (n / 7 % 64) as u8).collect();
                for incompressible in [false, true] {
                    let mut stored = Vec::new();
                    compress(method, &text, incompressible, &mut stored);
                    assert_eq!(decompress(method, &stored, len).unwrap(), text, "{method:?} {len}");
                    if len > 0 {
                        assert!(
                            decompress(method, &stored, len - 1).is_err(),
                            "{method:?} {len} over the limit"
                        );
                    }
                }
            }
        }
    }
}
