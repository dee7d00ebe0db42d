//! How a store's items are spelled: compressed, then sealed; and back.

use crate::algo::compress::{self, Method, Plain, Tables};
use crate::algo::hash::Keyed;
use crate::algo::seal::Sealer;
use crate::base::mac::Mac;
use crate::engine::error::{Error, Kind};
use crate::ports::dice::Dice;

/// What sealing and an LZ4 frame add to incompressible bytes at most: 28 bytes in 64 KiB and 4 in
/// 4 MiB, with room to spare for small block sizes.
fn stored_limit(plain: usize) -> usize {
    plain.saturating_add(plain / 16).saturating_add(1 << 16)
}

/// Buffers that decoding reuses.
#[derive(Default)]
pub struct Space {
    opened: Vec<u8>,
    plain: Plain,
}

/// One store's compression, sealing and naming.
#[derive(Clone)]
pub struct Codec {
    method: Option<Method>,
    sealer: Option<Sealer>,
    keyed: Keyed,
}

/// What compression works with, used again between calls.
#[derive(Default)]
pub struct Packing {
    tables: Tables,
    compressed: Vec<u8>,
}

impl Codec {
    /// From a store's settings.
    pub fn new(method: Option<Method>, sealer: Option<Sealer>, keyed: Keyed) -> Codec {
        Codec { method, sealer, keyed }
    }

    /// Appends the stored form of `plain` to `out`.
    pub fn encode_with(
        &self,
        plain: &[u8],
        incompressible: bool,
        dice: &dyn Dice,
        packing: &mut Packing,
        out: &mut Vec<u8>,
    ) {
        let Packing { tables, compressed } = packing;
        let mut fill = |random: &mut [u8]| dice.fill(random);
        match (self.method, &self.sealer) {
            (None, None) => out.extend_from_slice(plain),
            (Some(method), None) => compress::compress_with(method, plain, incompressible, tables, out),
            (None, Some(sealer)) => sealer.seal(plain, &mut fill, out),
            (Some(method), Some(sealer)) => {
                compressed.clear();
                compress::compress_with(method, plain, incompressible, tables, compressed);
                sealer.seal(compressed, &mut fill, out);
            }
        }
    }

    /// The stored form of `plain`.
    pub fn encode(&self, plain: &[u8], dice: &dyn Dice) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_with(plain, false, dice, &mut Packing::default(), &mut out);
        out
    }

    /// The plaintext of `stored`, at most `limit` bytes.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode(&self, stored: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
        self.decode_in(stored, limit, &mut Space::default()).map(<[u8]>::to_vec)
    }

    /// The plaintext of `stored`, at most `limit` bytes, in buffers that are used again.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn decode_in<'s>(
        &self,
        stored: &'s [u8],
        limit: usize,
        space: &'s mut Space,
    ) -> Result<&'s [u8], Error> {
        let damaged = |detail: String| Error::new(Kind::Damaged, detail);
        let Space { opened, plain } = space;
        let packed = match &self.sealer {
            Some(sealer) => {
                let cap = if self.method.is_some() { stored_limit(limit) } else { limit };
                sealer.open_into(stored, cap, opened).map_err(|e| damaged(e.to_string()))?;
                opened.as_slice()
            }
            None => stored,
        };
        match self.method {
            Some(method) => {
                let unpacked = compress::decompress_into(method, packed, limit, plain);
                unpacked.map_err(|e| damaged(e.to_string()))?;
                Ok(plain.as_slice())
            }
            None if packed.len() > limit => {
                Err(damaged(format!("{} bytes where {limit} are the most", packed.len())))
            }
            None => Ok(packed),
        }
    }

    /// The name of a blob with this content.
    pub fn mac(&self, plain: &[u8]) -> Mac {
        self.keyed.mac(plain)
    }

    /// The keyed hash itself.
    pub fn keyed(&self) -> &Keyed {
        &self.keyed
    }
}
