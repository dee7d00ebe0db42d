//! zstd frames (RFC 8878), one for each item.

use super::{CompressError, Plain};
use crate::base::limits::ZSTD_WINDOW_BYTES_MAX;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

pub fn compress(plain: &[u8], out: &mut Vec<u8>) {
    out.extend(compress_to_vec(plain, CompressionLevel::Fastest));
}

pub fn decompress(stored: &[u8], limit: usize, plain: &mut Plain) -> Result<(), CompressError> {
    // The decoder gives nothing out before a window is full: the limit alone would not hold it.
    if window(stored).is_some_and(|window| window > ZSTD_WINDOW_BYTES_MAX) {
        return Err(CompressError(format!("zstd: a window of more than {ZSTD_WINDOW_BYTES_MAX} bytes")));
    }
    match StreamingDecoder::new(stored) {
        Ok(decoder) => plain.fill(decoder, limit, "zstd"),
        Err(error) => Err(CompressError(format!("zstd: {error}"))),
    }
}

/// Bytes of plaintext that a frame's decoder must hold, by its header; `None` when that is cut.
fn window(frame: &[u8]) -> Option<u64> {
    let (_magic, rest) = frame.split_first_chunk::<4>()?;
    let (descriptor, rest) = rest.split_first()?;
    let single_segment = descriptor >> 5 & 1 == 1;
    if !single_segment {
        let byte = u64::from(*rest.first()?);
        let base = 1u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * (byte & 7));
    }
    // Without a window, all of the content is one: its length stands behind the dictionary's id.
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let width = [1, 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let bytes = rest.get(*dictionary..)?.get(..*width)?;
    Some(bytes.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::window;
    use crate::algo::compress::{Method, decompress};

    #[test]
    fn a_window_that_memory_could_not_hold_is_refused() {
        for (frame, bytes) in [
            ("28b52ffd0050", Some(1 << 20)),
            ("28b52ffd0068", Some(8 << 20)),
            ("28b52ffd00ff", Some((1 << 41) + (1 << 38) * 7)),
            ("28b52ffd20ff", Some(255)),
            ("28b52ffde3aabbccdd00000000000000ff", Some(255 << 56)),
            ("28b52ffde3aabbcc", None),
            ("28b52ffd", None),
            ("", None),
        ] {
            assert_eq!(window(&hex::decode(frame).unwrap()), bytes, "{frame}");
        }
        // One block of 128 KiB of the same byte after another: 2 GiB from 64 KiB of input.
        let mut bomb = hex::decode("28b52ffd00ff").unwrap();
        for _ in 0..1 << 14 {
            bomb.extend_from_slice(&[0x02, 0x00, 0x10, b'x']);
        }
        assert!(decompress(Method::Zstd, &bomb, 1000).unwrap_err().0.contains("window"));
        bomb[5] = 0x68;
        assert!(decompress(Method::Zstd, &bomb, 1000).unwrap_err().0.contains("more than 1000"));
    }
}
