//! Content-defined cut points: FastCDC as Kloset uses it (FORMAT.md, "Chunking").

use crate::algo::gear::GEAR;
use crate::base::limits::BLOB_BYTES_MAX;

/// Where to cut. Parameters are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunker {
    min: usize,
    normal: usize,
    max: usize,
    mask_small: u64,
    mask_large: u64,
}

const LEGACY_SMALL: u64 = 0x0003_5907_0353_0000;
const LEGACY_LARGE: u64 = 0x0000_d900_0353_0000;

impl Chunker {
    /// By the names and sizes of CONFIG; a size of 0 means its default.
    ///
    /// # Errors
    /// An unknown algorithm, or sizes out of order or beyond [`BLOB_BYTES_MAX`].
    pub fn new(algorithm: &str, min: u32, normal: u32, max: u32) -> Result<Chunker, String> {
        let size = |value: u32, default: u32| (if value == 0 { default } else { value }) as usize;
        let (min, normal, max) = (size(min, 2048), size(normal, 8192), size(max, 65536));
        if min > normal || normal > max || min < 64 {
            return Err(format!("chunk sizes {min}, {normal}, {max} are out of order"));
        }
        if max > BLOB_BYTES_MAX {
            return Err(format!("chunks of up to {max} bytes are more than the {BLOB_BYTES_MAX} accepted"));
        }
        let (mask_small, mask_large) = match algorithm.to_ascii_lowercase().as_str() {
            "fastcdc" | "kfastcdc" => (LEGACY_SMALL, LEGACY_LARGE),
            "fastcdc-v1.0.0" if (min, normal, max) == (2048, 8192, 65536) => (LEGACY_SMALL, LEGACY_LARGE),
            "fastcdc-v1.0.0" => (spread(normal.ilog2() + 2), spread(normal.ilog2().saturating_sub(2))),
            _ => return Err(format!("unknown chunking algorithm {algorithm}")),
        };
        Ok(Chunker { min, normal, max, mask_small, mask_large })
    }

    /// Smallest chunk but the last, in bytes.
    pub fn min(&self) -> usize {
        self.min
    }

    /// Largest chunk, in bytes.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Length of the first chunk of `window`, which is the next `min(max, remaining)` bytes of the
    /// content. 0 only for an empty window.
    pub fn cut(&self, window: &[u8]) -> usize {
        let len = window.len().min(self.max);
        if len <= self.min {
            return len;
        }
        // A window that ends before the normal size never reaches the easier mask.
        let normal = if len <= self.normal { len } else { self.normal };
        let (Some(hard), Some(easy)) = (window.get(self.min..normal), window.get(normal..len)) else {
            return len;
        };
        let mut fingerprint = 0;
        if let Some(at) = scan(&mut fingerprint, hard, self.mask_small) {
            return self.min + at;
        }
        match scan(&mut fingerprint, easy, self.mask_large) {
            Some(at) => normal + at,
            None => len,
        }
    }
}

/// Position of the first byte after which the fingerprint matches. Two bytes a round: the gear sum
/// of a pair needs one shift less on the path from one round to the next.
fn scan(fingerprint: &mut u64, bytes: &[u8], mask: u64) -> Option<usize> {
    let mut fp = *fingerprint;
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut at = 0;
    for &[a, b] in pairs {
        let first = (fp << 1).wrapping_add(gear(a));
        let second = (fp << 2).wrapping_add(gear(a) << 1).wrapping_add(gear(b));
        if first & mask == 0 {
            return Some(at);
        }
        if second & mask == 0 {
            return Some(at + 1);
        }
        fp = second;
        at += 2;
    }
    for &byte in rest {
        fp = (fp << 1).wrapping_add(gear(byte));
        if fp & mask == 0 {
            return Some(at);
        }
        at += 1;
    }
    *fingerprint = fp;
    None
}

#[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 places")]
fn gear(byte: u8) -> u64 {
    GEAR[usize::from(byte)]
}

/// A mask of `bits` one-bits spread over the upper end of 64.
fn spread(bits: u32) -> u64 {
    let gap = 64 / bits.max(1);
    (0..bits).filter_map(|i| 63u32.checked_sub(i * gap)).fold(0, |mask, bit| mask | 1 << bit)
}

#[cfg(test)]
mod tests {
    use super::Chunker;

    fn cuts(chunker: Chunker, mut data: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !data.is_empty() {
            let cut = chunker.cut(&data[..data.len().min(chunker.max())]);
            lengths.push(cut);
            data = &data[cut..];
        }
        lengths
    }

    fn generated() -> Vec<u8> {
        let mut x: u64 = 1;
        std::iter::repeat_with(|| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        })
        .take(6 << 20)
        .collect()
    }

    #[test]
    fn cuts_where_the_reference_cuts() {
        let data = generated();
        let legacy = cuts(Chunker::new("FASTCDC", 65536, 1 << 20, 4 << 20).unwrap(), &data);
        assert_eq!(legacy.len(), 65);
        assert_eq!(legacy[..8], [76263, 67428, 66902, 73913, 73488, 69422, 166_216, 77086]);
        assert_eq!(legacy[60..], [95752, 70534, 66918, 102_231, 26483]);
        let spread = cuts(Chunker::new("fastcdc-v1.0.0", 512 << 10, 1 << 20, 8 << 20).unwrap(), &data);
        assert_eq!(spread, [1_260_099, 2_153_121, 1_608_935, 1_269_301]);
    }

    #[test]
    fn an_edit_moves_only_the_cuts_beside_it() {
        let chunker = Chunker::new("FASTCDC", 65536, 1 << 20, 4 << 20).unwrap();
        let mut data = generated();
        let before = cuts(chunker, &data);
        data.insert(3 << 20, 7);
        let after = cuts(chunker, &data);
        let same = after.iter().rev().zip(before.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(same > 20, "only {same} chunks after the edit are the same");
    }

    #[test]
    fn unknown_algorithms_and_senseless_sizes_are_refused() {
        for (algorithm, min, normal, max) in
            [("ultracdc", 0, 0, 0), ("fastcdc", 9000, 0, 0), ("fastcdc", 1, 1, 1)]
        {
            assert!(Chunker::new(algorithm, min, normal, max).is_err(), "{algorithm}");
        }
    }
}
