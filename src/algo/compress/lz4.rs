//! The LZ4 frame format, as far as Kloset's reader and writer use it (FORMAT.md, "Compression").
//!
//! Written frames: independent 4 MiB blocks, content checksum, nothing else. Block checksums are
//! never written: the reference computes them over the wrong bytes and rejects correct ones.

use super::{CompressError, Plain};
use lz4_flex::block::{self, CompressTable};
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const BLOCK: usize = 4 << 20;
/// Flag byte, block-size byte and their checksum in every frame written here.
const DESCRIPTOR: [u8; 3] = [0x64, 0x70, 0xb9];
const STORED: u32 = 1 << 31;

const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUM: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const DICTIONARY: u8 = 1;

/// How far back a linked block may refer.
const WINDOW: usize = 64 << 10;

/// Where LZ4 has seen what: for inputs of less than 64 KiB, whose places fit 16 bits, and for others.
#[derive(Default)]
pub struct Tables {
    small: Option<CompressTable>,
    large: Option<CompressTable>,
}

impl Tables {
    fn of(&mut self, len: usize) -> &mut CompressTable {
        match len < usize::from(u16::MAX) {
            true => self.small.get_or_insert_with(CompressTable::small),
            false => self.large.get_or_insert_with(CompressTable::large),
        }
    }
}

pub fn compress(plain: &[u8], incompressible: bool, tables: &mut Tables, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&DESCRIPTOR);
    for piece in plain.chunks(BLOCK) {
        // A piece is 4 MiB at most.
        let len = piece.len() as u32;
        let head = out.len();
        out.extend_from_slice(&[0; 4]);
        let room = if incompressible { 0 } else { block::get_maximum_output_size(piece.len()) };
        out.resize(head + 4 + room, 0);
        let target = out.get_mut(head + 4..).unwrap_or_default();
        let packed = match room {
            0 => None,
            _ => block::compress_into_with_table(piece, target, tables.of(piece.len()))
                .ok()
                .filter(|&packed| packed < piece.len()),
        };
        let word = match packed {
            Some(packed) => {
                out.truncate(head + 4 + packed);
                // Smaller than the piece.
                packed as u32
            }
            None => {
                out.truncate(head + 4);
                out.extend_from_slice(piece);
                len | STORED
            }
        };
        if let Some(place) = out.get_mut(head..head + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&XxHash32::oneshot(0, plain).to_le_bytes());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], CompressError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(|| {
            CompressError(format!("lz4: {what}: {len} bytes wanted, {} left", self.0.len()))
        })?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self, what: &str) -> Result<u8, CompressError> {
        self.take(1, what).map(|bytes| bytes.first().copied().unwrap_or(0))
    }

    fn word(&mut self, what: &str) -> Result<u32, CompressError> {
        let bytes = self.take(4, what)?;
        Ok(bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)))
    }
}

pub fn decompress(stored: &[u8], limit: usize, plain: &mut Plain) -> Result<(), CompressError> {
    let fault = |what: &str| CompressError(format!("lz4: {what}"));
    let mut input = Input(stored);
    if input.take(4, "magic")? != MAGIC {
        return Err(fault("not an LZ4 frame"));
    }
    let descriptor = input.0;
    let flags = input.byte("flags")?;
    let size_code = input.byte("block size")? >> 4 & 7;
    if flags >> 6 != 1 || flags & DICTIONARY != 0 || size_code < 4 {
        return Err(fault("frame flags that Kloset does not use"));
    }
    let block_max = 1usize << (8 + 2 * size_code);
    let mut header_len = 2;
    if flags & CONTENT_SIZE != 0 {
        input.take(8, "content size")?;
        header_len += 8;
    }
    let header_sum = input.byte("header checksum")?;
    let summed = XxHash32::oneshot(0, descriptor.get(..header_len).unwrap_or_default());
    if summed.to_le_bytes().get(1) != Some(&header_sum) {
        return Err(fault("header checksum does not match"));
    }
    loop {
        let word = input.word("block length")?;
        if word == 0 {
            break;
        }
        let data = input.take((word & !STORED) as usize, "block")?;
        if flags & BLOCK_CHECKSUM != 0 {
            // Readers disagree over what it covers; the content checksum and the blob's MAC decide.
            input.take(4, "block checksum")?;
        }
        let left = limit.saturating_sub(plain.len);
        if word & STORED != 0 {
            if data.len() > left || data.len() > block_max {
                return Err(fault("more plaintext than allowed"));
            }
            plain.append(data);
            continue;
        }
        unpack(data, flags & INDEPENDENT == 0, block_max.min(left), plain)?;
    }
    if flags & CONTENT_CHECKSUM != 0
        && input.word("content checksum")? != XxHash32::oneshot(0, plain.as_slice())
    {
        return Err(fault("content checksum does not match"));
    }
    Ok(())
}

/// Appends one compressed block. LZ4 expands 255 times at most, so room grows with the input.
fn unpack(data: &[u8], linked: bool, room: usize, plain: &mut Plain) -> Result<(), CompressError> {
    let room = room.min(data.len().saturating_mul(255));
    let (before, target) = plain.split(room);
    let target = target.get_mut(..room).unwrap_or_default();
    let unpacked = if linked {
        let window = before.get(before.len().saturating_sub(WINDOW)..).unwrap_or_default();
        block::decompress_into_with_dict(data, target, window)
    } else {
        block::decompress_into(data, target)
    };
    plain.len += unpacked.map_err(|e| CompressError(format!("lz4: block: {e}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Tables, compress};
    use crate::algo::compress::{CompressError, Method};

    fn decompress(stored: &[u8], limit: usize) -> Result<Vec<u8>, CompressError> {
        crate::algo::compress::decompress(Method::Lz4, stored, limit)
    }

    #[test]
    fn frames_equal_the_reference_and_its_odd_ones_are_read() {
        let cases: [(&[u8], &str); 3] = [
            (b"", "04224d186470b900000000055dcc02"),
            (b"bar", "04224d186470b903000080626172000000002c2ba241"),
            (b"hello world\n", "04224d186470b90c00008068656c6c6f20776f726c640a00000000b08d52a4"),
        ];
        for (plain, frame) in cases {
            let mut out = Vec::new();
            compress(plain, false, &mut Tables::default(), &mut out);
            assert_eq!(hex::encode(&out), frame);
            assert_eq!(decompress(&out, 100).unwrap(), plain);
        }
        let empty_block = hex::decode("04224d186470b90000008000000000055dcc02").unwrap();
        assert_eq!(decompress(&empty_block, 0).unwrap(), b"");
    }

    #[test]
    fn tables_that_are_used_again_change_nothing() {
        let text = |n: usize| format!("line {n} of some text, ").repeat(1 + 997 * n % 9000).into_bytes();
        let mut tables = Tables::default();
        for plain in (0..40).map(text) {
            let (mut again, mut anew) = (Vec::new(), Vec::new());
            compress(&plain, false, &mut tables, &mut again);
            compress(&plain, false, &mut Tables::default(), &mut anew);
            assert_eq!(again, anew, "{} bytes", plain.len());
            assert_eq!(decompress(&again, plain.len()).unwrap(), plain);
        }
    }

    #[test]
    fn cut_or_altered_frames_are_refused() {
        let mut frame = Vec::new();
        compress(
            &b"some text, some text, some text, some text".repeat(9),
            false,
            &mut Tables::default(),
            &mut frame,
        );
        for cut in 0..frame.len() {
            assert!(decompress(&frame[..cut], 1000).is_err(), "cut at {cut}");
        }
        for at in 0..frame.len() {
            let mut altered = frame.clone();
            altered[at] ^= 0x20;
            let plain = decompress(&altered, 1000);
            assert!(plain.is_err() || plain == decompress(&frame, 1000), "byte {at}");
        }
    }
}
