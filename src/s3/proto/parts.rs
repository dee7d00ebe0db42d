//! How a body is cut into parts.

use crate::base::limits::{S3_OBJECT_BYTES_MAX, S3_PUT_BYTES_MAX};

/// Bodies up to here go in one PUT.
pub const SINGLE_PUT_BYTES: u64 = 16 << 20;

/// Part length, while it suffices: a stream holds a handful of them in memory.
const PART_BYTES: u64 = 8 << 20;

/// Longer parts are whole multiples of this.
const PART_STEP: u64 = 1 << 20;

/// Parts of one length, but for the last: some servers take no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Length of each part but the last.
    pub part_bytes: u64,
    /// Number of parts, at least one; `None` when the body's length is not known.
    pub count: Option<u64>,
}

/// Cuts a body of `size` bytes, or of unknown size, into at most `parts_max` parts.
///
/// A body of unknown size can grow to 78 GiB in S3's 10,000: longer parts would cost memory for
/// every stream that turns out short. All streams of ours have a size.
///
/// # Errors
/// One line, when no object can be that large, or not in so many parts.
pub fn plan(size: Option<u64>, parts_max: u64) -> Result<Plan, String> {
    let Some(size) = size else {
        return Ok(Plan { part_bytes: PART_BYTES, count: None });
    };
    if size > S3_OBJECT_BYTES_MAX {
        return Err(format!("{size} bytes are more than an object can hold ({S3_OBJECT_BYTES_MAX})"));
    }
    let part_bytes = size.div_ceil(parts_max.max(1)).next_multiple_of(PART_STEP).max(PART_BYTES);
    if part_bytes > S3_PUT_BYTES_MAX {
        return Err(format!("{size} bytes in {parts_max} parts are more than a part can hold"));
    }
    Ok(Plan { part_bytes, count: Some(size.div_ceil(part_bytes).max(1)) })
}

#[cfg(test)]
mod tests {
    use super::{Plan, plan};

    #[test]
    fn parts_are_uniform_and_reach_five_tebibytes() {
        const MIB: u64 = 1 << 20;
        for (size, parts_max, part_bytes, count) in [
            (0, 10_000, 8 * MIB, 1),
            (8 * MIB, 10_000, 8 * MIB, 1),
            (8 * MIB + 1, 10_000, 8 * MIB, 2),
            (80_000 * MIB, 10_000, 8 * MIB, 10_000),
            (80_000 * MIB + 1, 10_000, 9 * MIB, 8889),
            (5 << 40, 10_000, 525 * MIB, 9987),
            (80_000 * MIB, 1000, 80 * MIB, 1000),
            (4 << 40, 1000, 4195 * MIB, 1000),
        ] {
            assert_eq!(plan(Some(size), parts_max), Ok(Plan { part_bytes, count: Some(count) }), "{size}");
            assert!(part_bytes * count >= size && (size == 0 || part_bytes * (count - 1) < size));
        }
        assert!(plan(Some((5 << 40) + 1), 10_000).is_err());
        assert!(plan(Some(5 << 40), 1000).is_err());
        assert_eq!(plan(None, 10_000).unwrap().count, None);
    }
}
