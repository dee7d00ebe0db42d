//! Content into chunks and objects: files, extended attributes and directory listings alike.

use crate::algo::chunk::Chunker;
use crate::algo::entropy::entropy;
use crate::algo::mime;
use crate::base::mac::Mac;
use crate::engine::error::Error;
use crate::engine::writer::{Scratch, Writer};
use crate::format::kind::Resource;
use crate::format::object::{Chunk, Object};
use std::io::{self, Read};

/// Entropy above which LZ4 gains nothing: measured on compressed and encrypted files, whose chunks
/// lie at 7.99 and above.
const INCOMPRESSIBLE: f64 = 7.98;

/// Content read ahead of the cut, two largest chunks long so that little is moved.
pub struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    done: bool,
}

impl Window {
    /// For chunks of that cutter.
    pub fn new(chunker: &Chunker) -> Window {
        Window { buffer: vec![0; 2 * chunker.max()], start: 0, end: 0, done: false }
    }

    /// Forgets the content before.
    pub fn restart(&mut self) {
        (self.start, self.end, self.done) = (0, 0, false);
    }

    /// Reads until a whole window for the next cut is there, or the content ends. Gives the bytes
    /// read.
    ///
    /// # Errors
    /// What reading fails with.
    pub fn fill(&mut self, reader: &mut dyn Read, max: usize) -> io::Result<u64> {
        if self.done || self.end - self.start >= max {
            return Ok(0);
        }
        if self.start + max > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let before = self.end;
        while self.end - self.start < max {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match reader.read(room) {
                Ok(0) => {
                    self.done = true;
                    break;
                }
                Ok(read) => self.end += read.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok((self.end - before) as u64)
    }

    /// What is there and not taken.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the content ends with what is there.
    pub fn is_last(&self) -> bool {
        self.done
    }

    /// Takes the first `len` bytes.
    pub fn take(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }
}

/// Stores one chunk of a file.
///
/// # Errors
/// The failure that ends the run.
pub fn store_chunk(data: &[u8], writer: &Writer<'_>, scratch: &mut Scratch) -> Result<Chunk, Error> {
    let chunk = described(data, writer);
    writer.put_content(chunk.mac, data, chunk.entropy > INCOMPRESSIBLE, scratch)?;
    Ok(chunk)
}

fn described(data: &[u8], writer: &Writer<'_>) -> Chunk {
    // A chunk is at most a few MiB.
    Chunk { mac: writer.codec().mac(data), length: data.len() as u32, entropy: entropy(data), flags: 0 }
}

/// Average entropy of chunks, by length, summed in order.
pub fn average_entropy(chunks: &[Chunk]) -> f64 {
    let total: u64 = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
    if total == 0 {
        return 0.0;
    }
    chunks.iter().map(|chunk| chunk.entropy * f64::from(chunk.length)).sum::<f64>() / total as f64
}

/// Stores an extended attribute's value, described like a file's content; gives the name of its
/// OBJECT.
///
/// # Errors
/// The failure that ends the run.
pub fn store_value(
    value: &[u8],
    chunker: &Chunker,
    writer: &Writer<'_>,
    scratch: &mut Scratch,
) -> Result<Mac, Error> {
    let mut chunks = Vec::new();
    let mut rest = value;
    loop {
        let window = rest.get(..chunker.max()).unwrap_or(rest);
        let (data, left) = rest.split_at(chunker.cut(window));
        let chunk = described(data, writer);
        writer.put(Resource::CHUNK, chunk.mac, data, scratch)?;
        chunks.push(chunk);
        rest = left;
        if rest.is_empty() {
            break;
        }
    }
    let content = match chunks.as_slice() {
        [only] => only.mac,
        _ => writer.codec().mac(value),
    };
    let content_type = mime::sniff(value).to_owned();
    let entropy = average_entropy(&chunks);
    let object = Object { content, chunks, content_type, entropy, flags: 0 };
    writer.put_named(Resource::OBJECT, &object.encode(), scratch)
}

/// Stores a directory's list, whose chunks are structure and of which nothing is said; gives the
/// name of its OBJECT. `append` adds the next record, and says whether there was one; a chunk of them is
/// held at a time.
///
/// # Errors
/// The failure that ends the run.
pub fn store_listing(
    mut append: impl FnMut(&mut Vec<u8>) -> bool,
    chunker: &Chunker,
    writer: &Writer<'_>,
    scratch: &mut Scratch,
) -> Result<Mac, Error> {
    let max = chunker.max();
    let (mut buffer, mut at, mut ended) = (Vec::new(), 0, false);
    let mut whole = None;
    let mut chunks = Vec::new();
    let content = loop {
        while !ended && buffer.len() - at < max {
            ended = !append(&mut buffer);
        }
        let rest = buffer.get(at..).unwrap_or_default();
        let cut = chunker.cut(rest.get(..max).unwrap_or(rest));
        let data = rest.get(..cut).unwrap_or_default();
        let last = ended && cut == rest.len();
        let mac = writer.put_named(Resource::CHUNK, data, scratch)?;
        chunks.push(Chunk { mac, length: data.len() as u32, entropy: 0.0, flags: 0 });
        if last && whole.is_none() {
            break mac;
        }
        let mut running = whole.take().unwrap_or_else(|| writer.codec().keyed().start());
        running.update(data);
        if last {
            break running.finish();
        }
        whole = Some(running);
        at += cut;
        if at >= max {
            buffer.drain(..at);
            at = 0;
        }
    };
    let content_type = "application/octet-stream".to_owned();
    let object = Object { content, chunks, content_type, entropy: 0.0, flags: 0 };
    writer.put_named(Resource::OBJECT, &object.encode(), scratch)
}
