//! Compression of stored items: one LZ4 frame, gzip member or zstd frame each (FORMAT.md,
//! "Compression"). Decompression never grows past the caller's limit.

use std::fmt;
use std::io::{self, Read, Write};

mod lz4;
mod zstd;

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
    match method {
        Method::Lz4 => lz4::compress(plain, incompressible, out),
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

/// The plaintext.
///
/// # Errors
/// Damaged bytes, or more than `limit` bytes of plaintext.
pub fn decompress(method: Method, stored: &[u8], limit: usize) -> Result<Vec<u8>, CompressError> {
    match method {
        Method::Lz4 => lz4::decompress(stored, limit),
        Method::Gzip => capped(flate2::read::GzDecoder::new(stored), limit, "gzip"),
        // The reference stores empty input as no bytes at all.
        Method::Zstd if stored.is_empty() => Ok(Vec::new()),
        Method::Zstd => zstd::decompress(stored, limit),
    }
}

fn capped(reader: impl Read, limit: usize, name: &str) -> Result<Vec<u8>, CompressError> {
    let mut plain = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(cap).read_to_end(&mut plain).map_err(|e| CompressError(format!("{name}: {e}")))?;
    if plain.len() > limit {
        return Err(CompressError(format!("{name}: more than {limit} bytes of plaintext")));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

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
