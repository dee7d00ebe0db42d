//! Bytes in memory at once: given out, returned when dropped, never exceeded.

use std::sync::{Condvar, Mutex, PoisonError};

/// So many bytes for everybody together.
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    returned: Condvar,
}

/// The right to hold some bytes, until dropped.
pub struct Permit<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Budget {
        Budget { limit, used: Mutex::new(0), returned: Condvar::new() }
    }

    /// Waits until `bytes` fit. More than the whole budget is granted once nothing else is out.
    pub fn take(&self, bytes: usize) -> Permit<'_> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used > 0 && used.saturating_add(bytes) > self.limit {
            used = self.returned.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used = used.saturating_add(bytes);
        Permit { budget: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(self.bytes);
        drop(used);
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_out_than_the_limit_but_one_oversized_piece_passes() {
        let budget = Budget::new(10);
        let (out, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for bytes in [3, 4, 5, 6, 7, 25] {
                let (budget, out, most) = (&budget, &out, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let permit = budget.take(bytes);
                        let now = out.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        assert!(now <= 10 || now == 25, "{now} bytes are out");
                        most.fetch_max(now, Ordering::SeqCst);
                        out.fetch_sub(bytes, Ordering::SeqCst);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 25);
    }
}
