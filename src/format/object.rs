//! OBJECT blobs: what a file's content is made of (FORMAT.md, "Objects and chunks").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::mac::Mac;
use crate::format::error::FormatError;
use crate::format::fields::{self, field};
use crate::format::kind::Version;

/// One piece of content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk {
    /// Name of the CHUNK blob.
    pub mac: Mac,
    /// Plaintext bytes.
    pub length: u32,
    /// Bits per byte.
    pub entropy: f64,
    /// Always 0 so far.
    pub flags: u32,
}

/// The content of a file, an extended attribute or a directory listing. At least one chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// MAC of the whole content.
    pub content: Mac,
    /// In order.
    pub chunks: Vec<Chunk>,
    /// MIME type, empty when unknown.
    pub content_type: String,
    /// Average of the chunks', by length.
    pub entropy: f64,
    /// Always 0 so far.
    pub flags: u32,
}

const WHAT: &str = "object";

/// A chunk's MAC alone takes this much.
const CHUNK_LEAST: usize = 32;

impl Object {
    /// Sum of the chunks' lengths.
    pub fn size(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.length)).sum()
    }

    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(4 + usize::from(!self.content_type.is_empty()) + usize::from(self.entropy != 0.0));
        w.str("version");
        w.u32(Version::V1_0_0.0);
        w.str("contentMAC");
        w.bin(&self.content.0);
        w.str("chunks");
        w.array(self.chunks.len());
        for chunk in &self.chunks {
            w.map(5);
            w.str("version");
            w.u32(Version::V1_0_0.0);
            w.str("contentMAC");
            w.bin(&chunk.mac.0);
            w.str("length");
            w.u32(chunk.length);
            w.str("entropy");
            w.f64(chunk.entropy);
            w.str("flags");
            w.u32(chunk.flags);
        }
        if !self.content_type.is_empty() {
            w.str("content_type");
            w.str(&self.content_type);
        }
        if self.entropy != 0.0 {
            w.str("entropy");
            w.f64(self.entropy);
        }
        w.str("flags");
        w.u32(self.flags);
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Object, FormatError> {
        let mut object = Object {
            content: Mac::ZERO,
            chunks: Vec::new(),
            content_type: String::new(),
            entropy: 0.0,
            flags: 0,
        };
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "contentMAC" => field!(WHAT, key, object.content, fields::mac(r)),
            "chunks" => {
                object.chunks = fields::structs("object, chunks", r, CHUNK_LEAST, chunk)?;
                Ok(true)
            }
            "content_type" => field!(WHAT, key, object.content_type, fields::text(r)),
            "entropy" => field!(WHAT, key, object.entropy, r.f64()),
            "flags" => field!(WHAT, key, object.flags, r.number()),
            _ => Ok(false),
        })?;
        Ok(object)
    }
}

fn chunk(r: &mut Reader<'_>) -> Result<Chunk, FormatError> {
    const WHAT: &str = "object, chunk";
    let mut chunk = Chunk { mac: Mac::ZERO, length: 0, entropy: 0.0, flags: 0 };
    fields::map(WHAT, r, |key, r| match key {
        "contentMAC" => field!(WHAT, key, chunk.mac, fields::mac(r)),
        "length" => field!(WHAT, key, chunk.length, r.number()),
        "entropy" => field!(WHAT, key, chunk.entropy, r.f64()),
        "flags" => field!(WHAT, key, chunk.flags, r.number()),
        _ => Ok(false),
    })?;
    Ok(chunk)
}
