//! One object read by ranges over several connections, given out in order.
//!
//! A single connection carries a window per round trip, which on most networks is far less than
//! the server or the disk could do.

use crate::ports::fault::Fault;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Length of one range, and of one buffer: long enough that a request costs little beside it.
pub const RANGE_BYTES: u64 = 2 << 20;

/// Buffers of one reader at most: one being read from, the others on the line.
const LANES_OF_ONE: usize = 4;

/// Range buffers that many readers share, so that all of them together stay within a bound.
///
/// They are used again: an allocator that keeps what each thread freed would hold a multiple of them.
pub struct Lanes {
    count: usize,
    free: Mutex<usize>,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Lanes {
    /// So many buffers of [`RANGE_BYTES`].
    pub fn new(count: usize) -> Arc<Lanes> {
        Arc::new(Lanes { count, free: Mutex::new(count), spare: Mutex::default() })
    }

    /// A buffer that was used before, if there is one.
    fn buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes back a buffer that was read to its end.
    pub fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.count {
            spare.push(buffer);
        }
    }

    /// As many as one reader may have, if at least two are free: fewer would not be faster than
    /// a plain connection.
    fn take(self: &Arc<Self>) -> Option<Taken> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let count = LANES_OF_ONE.min(*free);
        if count < 2 {
            return None;
        }
        *free -= count;
        Some(Taken { lanes: Arc::clone(self), count })
    }
}

struct Taken {
    lanes: Arc<Lanes>,
    count: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        *self.lanes.free.lock().unwrap_or_else(PoisonError::into_inner) += self.count;
    }
}

/// Fetches exactly `length` bytes from `first`, in place of what the buffer held.
pub type Fetch = dyn Fn(u64, usize, &mut Vec<u8>) -> Result<(), Fault> + Send + Sync;

/// The ranges of one object from some byte on. Dropped, its threads end with the range they are at.
pub struct Ahead {
    shared: Arc<Shared>,
}

struct Shared {
    fetch: Box<Fetch>,
    size: u64,
    lanes: Taken,
    window: Mutex<Window>,
    moved: Condvar,
}

struct Window {
    /// Ranges given to a thread and not yet given out, in order; `None` while on the line.
    ranges: VecDeque<Option<Result<Vec<u8>, Fault>>>,
    /// How many ranges were given out.
    given: u64,
    /// Whether the reader still holds the last one that it was given.
    held: bool,
    /// Where the next range begins.
    next: u64,
    /// No more ranges are wanted.
    over: bool,
}

impl Ahead {
    /// Starts threads that fetch from byte `at` up to `size`; `None` when there is no room for them.
    pub fn start(lanes: &Arc<Lanes>, fetch: Box<Fetch>, at: u64, size: u64) -> Option<Ahead> {
        let window = Window { ranges: VecDeque::new(), given: 0, held: false, next: at, over: false };
        let lanes = lanes.take()?;
        let threads = lanes.count - 1;
        let shared =
            Arc::new(Shared { fetch, size, lanes, window: Mutex::new(window), moved: Condvar::new() });
        let started = (0..threads).filter(|_| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("s3-range".to_owned()).spawn(move || shared.work()).is_ok()
        });
        // One thread is enough to get there; none leaves the object to a plain connection.
        (started.count() > 0).then_some(Ahead { shared })
    }
}

/// The ranges in order. The one given before must be gone when the next is asked for; nothing comes
/// after a failure.
impl Iterator for Ahead {
    type Item = Result<Vec<u8>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = &self.shared;
        let mut window = shared.lock();
        window.held = false;
        shared.moved.notify_all();
        loop {
            if let Some(range) = window.ranges.front_mut().and_then(Option::take) {
                window.ranges.pop_front();
                window.given += 1;
                window.held = true;
                return Some(range);
            }
            if window.ranges.is_empty() && (window.over || window.next >= shared.size) {
                return None;
            }
            window = shared.moved.wait(window).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        let mut window = self.shared.lock();
        window.over = true;
        window.ranges.clear();
        drop(window);
        self.shared.moved.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Window> {
        // Nothing panics while holding it.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn work(&self) {
        while let Some((number, first)) = self.claim() {
            let length = usize::try_from((self.size - first).min(RANGE_BYTES)).unwrap_or(usize::MAX);
            let mut range = self.lanes.lanes.buffer();
            let range = (self.fetch)(first, length, &mut range).map(|()| range);
            let mut window = self.lock();
            window.over |= range.is_err();
            let at = usize::try_from(number - window.given).unwrap_or(usize::MAX);
            // Gone when the reader is.
            if let Some(place) = window.ranges.get_mut(at) {
                *place = Some(range);
            }
            drop(window);
            self.moved.notify_all();
        }
    }

    /// The next range to fetch, by its number and its first byte, once there is a buffer for it.
    fn claim(&self) -> Option<(u64, u64)> {
        let mut window = self.lock();
        loop {
            if window.over || window.next >= self.size {
                return None;
            }
            if window.ranges.len() + usize::from(window.held) < self.lanes.count {
                let (number, first) = (window.given + window.ranges.len() as u64, window.next);
                window.next = first.saturating_add(RANGE_BYTES);
                window.ranges.push_back(None);
                return Some((number, first));
            }
            window = self.moved.wait(window).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ahead, LANES_OF_ONE, Lanes, RANGE_BYTES};
    use crate::ports::fault::{Fault, FaultKind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn ranges_come_in_order_and_no_more_are_out_than_lanes() {
        let lanes = Lanes::new(LANES_OF_ONE);
        let (out, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, highest) = (Arc::clone(&out), Arc::clone(&most));
        let fetch = move |first: u64, length: usize, out: &mut Vec<u8>| {
            highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            out.clear();
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&(length as u64).to_le_bytes());
            Ok(())
        };
        let size = 20 * RANGE_BYTES + 1;
        let ahead = Ahead::start(&lanes, Box::new(fetch), 7, size).unwrap();
        let mut at = 7_u64;
        for range in ahead {
            let length = (size - at).min(RANGE_BYTES);
            let range = range.unwrap();
            assert_eq!(range, [at.to_le_bytes(), length.to_le_bytes()].concat());
            lanes.give_back(range);
            at += length;
            out.fetch_sub(1, Ordering::SeqCst);
        }
        assert_eq!(at, size);
        assert!(most.load(Ordering::SeqCst) <= LANES_OF_ONE);
        assert_eq!(lanes.buffer().len(), 16, "what was given back is used again");
    }

    #[test]
    fn a_failure_comes_where_its_range_was_due_and_lanes_come_back() {
        let lanes = Lanes::new(LANES_OF_ONE);
        let fetch = |first: u64, _: usize, out: &mut Vec<u8>| match first {
            0 => {
                *out = vec![1];
                Ok(())
            }
            _ => Err(Fault::new(FaultKind::Changed, "replaced")),
        };
        let mut ahead = Ahead::start(&lanes, Box::new(fetch), 0, 10 * RANGE_BYTES).unwrap();
        assert_eq!(ahead.next().unwrap().unwrap(), [1]);
        assert_eq!(ahead.next().unwrap().unwrap_err().kind, FaultKind::Changed);
        assert!(Ahead::start(&lanes, Box::new(fetch), 0, 1).is_none(), "all lanes are taken");
        drop(ahead);
        // The threads give them back as they end.
        while Arc::strong_count(&lanes) > 1 {
            std::thread::yield_now();
        }
        assert!(Ahead::start(&lanes, Box::new(fetch), 0, 1).is_some());
    }
}
