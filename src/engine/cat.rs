//! A file's content, verified chunk by chunk, in order.

use crate::algo::compress;
use crate::base::mac::Mac;
use crate::engine::error::{Error, Kind};
use crate::engine::plan::Fetcher;
use crate::format::object::Chunk;
use crate::pool::Queue;
use std::io::Write;

/// Content bytes fetched at once; as much again is ahead of the reader.
const WINDOW_BYTES: u64 = 8 << 20;

/// Writes the content of an object. A chunk is verified before its first byte is written.
///
/// # Errors
/// The first chunk that is lost or damaged, `Destination` when `out` refuses, `Cancelled`, and
/// what concerns the store as a whole. What was written by then is right.
pub fn cat(fetcher: &Fetcher<'_, '_>, object: &Mac, out: &mut dyn Write) -> Result<u64, Error> {
    let chunks = fetcher.blobs().object(object)?.chunks;
    let queue = Queue::new(1);
    std::thread::scope(|scope| {
        let (queue, chunks) = (&queue, &chunks);
        scope.spawn(move || {
            for window in windows(chunks) {
                let fetched = fetcher.chunks(window);
                let failed = fetched.is_err();
                if queue.push(fetched).is_err() || failed {
                    break;
                }
            }
            queue.close();
        });
        let mut written = 0;
        let mut write = || -> Result<(), Error> {
            while let Some(window) = queue.pop() {
                for bytes in window? {
                    let bytes = bytes?;
                    out.write_all(&bytes)
                        .map_err(|fault| Error::new(Kind::Destination, fault.to_string()))?;
                    written += bytes.len() as u64;
                }
            }
            out.flush().map_err(|fault| Error::new(Kind::Destination, fault.to_string()))
        };
        let result = write();
        queue.abandon();
        result.map(|()| written)
    })
}

/// As [`cat`]; content that is gzipped comes out unpacked.
///
/// # Errors
/// As [`cat`]; `Destination` also for content that does not unpack.
pub fn decompressed(fetcher: &Fetcher<'_, '_>, object: &Mac, out: &mut dyn Write) -> Result<u64, Error> {
    let content_type = fetcher.blobs().object(object)?.content_type;
    if content_type.split(';').next() != Some("application/gzip") {
        return cat(fetcher, object, out);
    }
    let mut unpacked = compress::Gunzip::new(&mut *out);
    let written = cat(fetcher, object, &mut unpacked)?;
    unpacked.finish().map_err(|why| Error::new(Kind::Destination, format!("gzip: {why}")))?;
    out.flush().map_err(|fault| Error::new(Kind::Destination, fault.to_string()))?;
    Ok(written)
}

/// Cuts a chunk list where a window's worth of bytes is reached.
pub fn windows(mut chunks: &[Chunk]) -> impl Iterator<Item = &[Chunk]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let cut = chunks.iter().position(|chunk| {
            bytes += u64::from(chunk.length);
            bytes >= WINDOW_BYTES
        });
        let (window, rest) = chunks.split_at(cut.map_or(chunks.len(), |at| at + 1));
        chunks = rest;
        (!window.is_empty()).then_some(window)
    })
}
