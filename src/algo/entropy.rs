//! Shannon entropy of bytes, to the last bit as Go computes it.

use std::f64::consts::LN_2;

/// Bits per byte, 0 to 8; 0 for no bytes.
///
/// Bit-exact with the reference so that equal content gives equal OBJECT blobs: probabilities are
/// summed in order of byte value, and the logarithm splits off the exponent first.
pub fn entropy(data: &[u8]) -> f64 {
    let counts = histogram(data);
    let total = data.len() as f64;
    counts.iter().filter(|&&count| count > 0).fold(0.0, |sum, &count| {
        let p = f64::from(count) / total;
        sum - p * log2(p)
    })
}

/// Four tables, so that runs of one byte do not wait for one another's increments; eight bytes are
/// read at once, since the increments alone keep the memory ports busy.
fn histogram(data: &[u8]) -> [u32; 256] {
    let mut tables = [[0u32; 256]; 4];
    let (words, rest) = data.as_chunks::<8>();
    let [a, b, c, d] = &mut tables;
    for word in words {
        let word = u64::from_le_bytes(*word);
        count(a, word);
        count(b, word >> 8);
        count(c, word >> 16);
        count(d, word >> 24);
        count(a, word >> 32);
        count(b, word >> 40);
        count(c, word >> 48);
        count(d, word >> 56);
    }
    for &byte in rest {
        count(a, u64::from(byte));
    }
    let mut sums = [0; 256];
    for (sum, (((a, b), c), d)) in sums.iter_mut().zip(a.iter().zip(b).zip(c).zip(d)) {
        *sum = *a + *b + *c + *d;
    }
    sums
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a u8 indexes 256 places")]
fn count(table: &mut [u32; 256], word: u64) {
    table[usize::from(word as u8)] += 1;
}

/// `Log2` of Go's math package for 0 < x <= 1.
fn log2(x: f64) -> f64 {
    let bits = x.to_bits();
    // frexp: x = fraction * 2^exponent with fraction in [0.5, 1). x is a ratio of counts, never subnormal.
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0) - 1022;
    let fraction = f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    fraction.ln() * (1.0 / LN_2) + f64::from(exponent)
}

#[cfg(test)]
mod tests {
    use super::entropy;

    #[test]
    fn equals_the_reference_to_the_last_bit() {
        assert_eq!(entropy(b"hello world\n").to_bits(), 0x4008_2d2b_4806_91b2);
        assert_eq!(entropy(b"").to_bits(), 0);
        assert_eq!(entropy(b"aaaa").to_bits() << 1, 0);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(entropy(&all), 8.0);
        // Whatever is left behind the last eight bytes counts too.
        for len in 1..20 {
            let pair: Vec<u8> = (0..2 * len).map(|n| if n < len { 7 } else { 9 }).collect();
            assert_eq!(entropy(&pair), 1.0, "{len}");
        }
    }
}
