//! A bounded queue between threads. Closing it, or failing, wakes everybody.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct Inner<T> {
    items: VecDeque<T>,
    closed: bool,
    /// Who waits: to wake nobody costs a system call all the same.
    waiting_producers: usize,
    waiting_consumers: usize,
    /// Consumers among them that wait for some items only: a new one may not be for who wakes first.
    choosy: usize,
}

/// Many producers, many consumers, at most `capacity` items in between. Producers that found it full
/// go on when it is half empty, so that the two sides do not take turns item by item.
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    capacity: usize,
    not_empty: Condvar,
    not_full: Condvar,
}

impl<T> Queue<T> {
    /// A queue that makes producers wait at `capacity` items (at least one).
    pub fn new(capacity: usize) -> Queue<T> {
        Queue {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                closed: false,
                waiting_producers: 0,
                waiting_consumers: 0,
                choosy: 0,
            }),
            capacity: capacity.max(1),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // No code panics while holding the lock, so a poisoned queue is still consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room; gives the item back when the queue was closed.
    ///
    /// # Errors
    /// The item, when the queue is closed.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return Err(item);
            }
            if inner.items.len() < self.capacity {
                self.append(&mut inner, item);
                return Ok(());
            }
            inner.waiting_producers += 1;
            inner = self.not_full.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.waiting_producers -= 1;
        }
    }

    /// Never waits.
    ///
    /// # Errors
    /// The item, when the queue is full or closed.
    pub fn try_push(&self, item: T) -> Result<(), T> {
        let mut inner = self.lock();
        if inner.closed || inner.items.len() >= self.capacity {
            return Err(item);
        }
        self.append(&mut inner, item);
        Ok(())
    }

    fn append(&self, inner: &mut Inner<T>, item: T) {
        inner.items.push_back(item);
        match (inner.waiting_consumers, inner.choosy) {
            (0, _) => {}
            (_, 0) => self.not_empty.notify_one(),
            _ => self.not_empty.notify_all(),
        }
    }

    fn take(&self, inner: &mut Inner<T>) -> Option<T> {
        self.take_at(inner, 0)
    }

    fn take_at(&self, inner: &mut Inner<T>, at: usize) -> Option<T> {
        let item = inner.items.remove(at)?;
        if inner.waiting_producers > 0 && inner.items.len() <= self.capacity / 2 {
            self.not_full.notify_all();
        }
        Some(item)
    }

    /// Waits for an item; `None` once the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        let mut inner = self.lock();
        loop {
            if let Some(item) = self.take(&mut inner) {
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner.waiting_consumers += 1;
            inner = self.not_empty.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.waiting_consumers -= 1;
        }
    }

    /// As [`Queue::pop`], but only the first item that `fits`; the others are left to others.
    pub fn pop_fitting(&self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let mut inner = self.lock();
        loop {
            let at = inner.items.iter().position(&fits);
            if let Some(item) = at.and_then(|at| self.take_at(&mut inner, at)) {
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner.waiting_consumers += 1;
            inner.choosy += 1;
            inner = self.not_empty.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.choosy -= 1;
            inner.waiting_consumers -= 1;
        }
    }

    /// An item if there is one now.
    pub fn try_pop(&self) -> Option<T> {
        self.take(&mut self.lock())
    }

    /// No more items will come: producers are refused, consumers drain what is left.
    pub fn close(&self) {
        self.lock().closed = true;
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }

    /// As [`Queue::close`], and what is left is dropped.
    pub fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let dropped = std::mem::take(&mut inner.items);
        drop(inner);
        drop(dropped);
        self.not_empty.notify_all();
        self.not_full.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_closed_queue_drains_and_then_ends() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.try_push(3), Err(3));
        queue.close();
        assert_eq!(queue.push(4), Err(4));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(1), Some(2), None));
    }

    #[test]
    fn a_choosy_consumer_leaves_the_rest_to_others_and_no_item_is_forgotten() {
        let queue = Queue::new(3);
        let (even, all) = std::thread::scope(|scope| {
            let even = scope.spawn(|| {
                let mut even = Vec::new();
                while let Some(n) = queue.pop_fitting(|n| n % 2 == 0) {
                    even.push(n);
                }
                even
            });
            let rest = scope.spawn(|| std::iter::from_fn(|| queue.pop()).collect::<Vec<u64>>());
            for n in 0..1000 {
                assert_eq!(queue.push(n), Ok(()));
            }
            queue.close();
            let even = even.join().unwrap_or_default();
            let mut all = [rest.join().unwrap_or_default(), even.clone()].concat();
            all.sort_unstable();
            (even, all)
        });
        assert!(even.iter().all(|n| n % 2 == 0), "{even:?}");
        assert_eq!(all, (0..1000).collect::<Vec<u64>>());
    }

    #[test]
    fn producers_wait_for_room_and_nothing_is_lost() {
        for (capacity, threads) in [(1, 1), (1, 3), (2, 2), (3, 3), (64, 4)] {
            let queue = Queue::new(capacity);
            let left = AtomicUsize::new(threads);
            let sum: u64 = std::thread::scope(|scope| {
                let sum = || std::iter::from_fn(|| queue.pop()).sum::<u64>();
                let consumers: Vec<_> = (0..threads).map(|_| scope.spawn(sum)).collect();
                for _ in 0..threads {
                    scope.spawn(|| {
                        for n in 0..1000 {
                            assert_eq!(queue.push(n), Ok(()));
                        }
                        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                            queue.close();
                        }
                    });
                }
                consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum()
            });
            assert_eq!(sum, threads as u64 * 999 * 1000 / 2, "{capacity} places, {threads} on each side");
        }
    }

    #[test]
    fn abandoning_wakes_both_sides() {
        let (full, empty) = (Queue::new(1), Queue::<u8>::new(1));
        assert_eq!(full.push(1), Ok(()));
        std::thread::scope(|scope| {
            let producer = scope.spawn(|| full.push(2));
            let consumer = scope.spawn(|| empty.pop());
            full.abandon();
            empty.abandon();
            assert_eq!(producer.join().unwrap(), Err(2));
            assert_eq!(consumer.join().unwrap(), None);
        });
    }
}
