//! Ctrl-C, as far as requests in flight are concerned.

use crate::ports::cancel::Cancel;
use crate::s3::http::Wire;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the interrupt is looked at while requests are in flight.
const LOOK: Duration = Duration::from_millis(50);

/// Breaks the requests in flight when the user interrupts.
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks until it is dropped.
    pub fn start(cancel: Cancel, wire: Arc<Wire>) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::Builder::new().name("s3-interrupt".to_owned()).spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                if cancel.is_cancelled() {
                    wire.shut_down();
                    return;
                }
                thread::park_timeout(LOOK);
            }
        });
        // Without the thread an interrupt waits for the stall limit: worse, but it works.
        Watch { over, thread: thread.ok() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Its only way to fail is a panic, which it has none of.
            let _ = thread.join();
        }
    }
}
