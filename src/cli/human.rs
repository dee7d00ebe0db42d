//! Sizes for people: powers of 1024, at most three digits.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `9 B`, `1.0 KiB`, `118 MiB`: rounded to one decimal, which is shown below ten units.
pub fn bytes(count: u64) -> String {
    let mut unit = 0;
    while unit + 1 < UNITS.len() && count >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    let suffix = UNITS.get(unit).copied().unwrap_or("B");
    if count < 10 {
        return format!("{count} {suffix}");
    }
    let scaled = (count as f64 / (1u64 << (10 * unit)) as f64 * 10.0 + 0.5).floor() / 10.0;
    if scaled < 10.0 { format!("{scaled:.1} {suffix}") } else { format!("{scaled:.0} {suffix}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_the_reference_prints_them() {
        let cases = [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4096, "4.0 KiB"),
            (10 * 1024, "10 KiB"),
            (1_363_149, "1.3 MiB"),
            (6_291_456, "6.0 MiB"),
            (20_971_520, "20 MiB"),
            (118 << 20, "118 MiB"),
            (6_501_170, "6.2 MiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (count, shown) in cases {
            assert_eq!(bytes(count), shown, "{count}");
        }
    }
}
