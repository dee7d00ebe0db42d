//! Buffers that are used again.

/// Large buffers have room up to a multiple of it, so that one used again nearly always has enough. What
/// is not written to takes no memory.
const ROOM_BYTES: usize = 4 << 20;

/// Empties a buffer that `length` bytes will be put into. One that they do not fit into gives its room
/// back: growing would hold the old and the new at once, and copy what nobody wants.
pub fn empty_for(buffer: &mut Vec<u8>, length: usize) {
    buffer.clear();
    // One byte more, by which a reader finds the end.
    if buffer.capacity() <= length {
        *buffer = Vec::new();
        // Whoever fills it says when there is no memory.
        let room = length.saturating_add(1);
        let steps = if length < ROOM_BYTES / 4 { 1 } else { ROOM_BYTES };
        let _ = buffer.try_reserve_exact(room.checked_next_multiple_of(steps).unwrap_or(room));
    }
}

#[cfg(test)]
mod tests {
    use super::{ROOM_BYTES, empty_for};

    #[test]
    fn a_large_buffer_used_again_for_about_as_much_is_not_moved() {
        let mut buffer = vec![1; 10];
        empty_for(&mut buffer, ROOM_BYTES / 2);
        assert!(buffer.is_empty() && buffer.capacity() >= ROOM_BYTES, "{}", buffer.capacity());
        let at = buffer.as_ptr();
        for length in [ROOM_BYTES - 1, 0, 1] {
            buffer.resize(length, 2);
            empty_for(&mut buffer, ROOM_BYTES - 1);
            assert!(buffer.is_empty() && buffer.as_ptr() == at, "{length}");
        }
        empty_for(&mut buffer, ROOM_BYTES);
        assert!(buffer.capacity() > ROOM_BYTES, "a reader needs a byte more to find the end");
        // For the call that asks for the bytes to refuse, in words.
        empty_for(&mut buffer, usize::MAX);
        assert!(buffer.is_empty());
    }
}
