//! What long work says while it runs: one line per item, and a progress line on a terminal.

use crate::base::mac::Mac;
use crate::cli::output::Output;
use crate::cli::progress::{Facts, Rate};
use crate::cli::record::Record;
use crate::ports::cancel::Cancel;
use crate::ports::monitor::{Event, Monitor, Outcome};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the counters; also how long a line waits to be written at most.
const TICK: Duration = Duration::from_millis(200);

/// Between two records of progress.
const RECORD: Duration = Duration::from_secs(1);

/// How item lines are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wording {
    /// `8cbb1a3f: OK ✓ /etc/hosts`.
    Backup,
    /// `info: 8cbb1a3f: OK ✓ /etc/hosts`, failures as `warn:`.
    Restore,
    /// `info: 8cbb1a3f: ✓ /etc/hosts`, failures as `warn:`.
    Check,
}

/// Which lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Items that are done.
    pub done: bool,
    /// Items that failed.
    pub failed: bool,
}

impl Lines {
    /// None of them when `silent`.
    #[must_use]
    pub fn unless(self, silent: bool) -> Lines {
        Lines { done: self.done && !silent, failed: self.failed && !silent }
    }
}

/// Says warnings, and nothing else.
pub struct Warnings(pub Arc<Output>);

impl Monitor for Warnings {
    fn tell(&self, event: Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.error_line(format!("warn: {text}"));
        }
    }
}

/// Listens to the engine on behalf of a person.
pub struct Report {
    out: Arc<Output>,
    wording: Wording,
    lines: Lines,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    planned_bytes: AtomicU64,
    planned_items: AtomicU64,
    processed: AtomicU64,
    stored: AtomicU64,
    items: AtomicU64,
    failed: AtomicU64,
    dirty: AtomicBool,
    current: Mutex<Vec<u8>>,
    /// What items are, when not entries.
    what: Mutex<Option<&'static str>>,
}

/// How fast the counters grow.
#[derive(Default)]
struct Rates {
    bytes: Rate,
    /// Of this kind of items.
    items: (Option<&'static str>, Rate),
}

impl Report {
    /// A listener for one command.
    pub fn new(out: Arc<Output>, wording: Wording, lines: Lines) -> Arc<Report> {
        Arc::new(Report { out, wording, lines, counts: Arc::default() })
    }

    /// Items that failed so far.
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// Starts the thread that writes lines and draws progress, unless `quiet`, until the guard is
    /// dropped. An interruption is told at the next tick.
    pub fn run(&self, cancel: &Cancel, quiet: bool) -> Running {
        let cancel = cancel.clone();
        if !quiet {
            self.out.start_progress();
        }
        let (out, counts) = (Arc::clone(&self.out), Arc::clone(&self.counts));
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            let mut told = false;
            let (started, mut rates, mut recorded) = (Instant::now(), Rates::default(), Duration::ZERO);
            let (lock, bell) = &*stopped;
            let mut ended = lock.lock().unwrap_or_else(PoisonError::into_inner);
            while !*ended {
                ended = bell.wait_timeout(ended, TICK).unwrap_or_else(PoisonError::into_inner).0;
                if !told && cancel.is_cancelled() {
                    told = true;
                    out.error_line("plakar: Interrupting, it might take a while...");
                }
                let at = started.elapsed();
                let facts = counts.facts(at, &mut rates);
                if !quiet && !*ended && at.saturating_sub(recorded) >= RECORD && out.speaks_json() {
                    recorded = at;
                    out.record(counts.record(&facts));
                    out.flush();
                }
                if counts.dirty.swap(false, Ordering::Relaxed) {
                    out.flush();
                }
                out.show_progress(&facts);
            }
        });
        // Without the thread the lines still come, only later, and no progress is drawn.
        Running { out: Arc::clone(&self.out), stop, thread: thread.ok() }
    }

    fn item(&self, snapshot: &Mac, path: &[u8], outcome: Outcome<'_>) {
        let (mark, shown) = match (self.wording, outcome) {
            (Wording::Check, Outcome::Done) => ("✓", self.lines.done),
            (Wording::Check, Outcome::Failed(_)) => ("✘", self.lines.failed),
            (_, Outcome::Done) => ("OK ✓", self.lines.done),
            (_, Outcome::Failed(_)) => ("KO ✘", self.lines.failed),
        };
        if !shown {
            return;
        }
        if self.out.speaks_json() {
            let record = Record::new("item").text("snapshot", &snapshot.to_string()).path("path", path);
            return self.out.record(match outcome {
                Outcome::Done => record.truth("ok", true),
                Outcome::Failed(why) => record.truth("ok", false).text("message", why),
            });
        }
        let snapshot = snapshot.short();
        let level = match (self.wording, outcome) {
            (Wording::Backup, _) => "",
            (_, Outcome::Done) => "info: ",
            (_, Outcome::Failed(_)) => "warn: ",
        };
        match outcome {
            Outcome::Done => {
                let mut line = format!("{level}{snapshot}: {mark} ").into_bytes();
                line.extend_from_slice(path);
                self.out.line(line);
            }
            Outcome::Failed(why) => {
                let path = String::from_utf8_lossy(path);
                self.out.error_line(format!("{level}{snapshot}: {mark} {path}: {why}"));
            }
        }
    }
}

impl Monitor for Report {
    fn tell(&self, event: Event<'_>) {
        let counts = &self.counts;
        match event {
            Event::Planned { items, bytes } => {
                counts.planned_items.store(items, Ordering::Relaxed);
                counts.planned_bytes.store(bytes, Ordering::Relaxed);
            }
            Event::Item { snapshot, path, outcome, .. } => {
                counts.items.fetch_add(1, Ordering::Relaxed);
                if let Outcome::Failed(_) = outcome {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                }
                self.item(&snapshot, path, outcome);
                let mut current = counts.current.lock().unwrap_or_else(PoisonError::into_inner);
                current.clear();
                current.extend_from_slice(path);
                drop(current);
                counts.dirty.store(true, Ordering::Relaxed);
            }
            Event::Processed { bytes } => {
                counts.processed.fetch_add(bytes, Ordering::Relaxed);
            }
            Event::Step { what, done, total, current } => {
                *counts.what.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                counts.items.store(done, Ordering::Relaxed);
                counts.planned_items.store(total, Ordering::Relaxed);
                let mut shown = counts.current.lock().unwrap_or_else(PoisonError::into_inner);
                shown.clear();
                shown.extend_from_slice(current.as_bytes());
            }
            Event::Stored { bytes } => {
                counts.stored.fetch_add(bytes, Ordering::Relaxed);
            }
            Event::Warning(text) => self.out.error_line(format!("warn: {text}")),
        }
    }
}

impl Counts {
    fn facts(&self, at: Duration, rates: &mut Rates) -> Facts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let known = |count: &AtomicU64| Some(get(count)).filter(|total| *total > 0);
        let what = *self.what.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.items.0 != what {
            rates.items = (what, Rate::default());
        }
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Facts {
            what,
            // Taken by the minute: a large snapshot is more than a second's work.
            pace: rates.items.1.update(at, get(&self.items).saturating_mul(60)),
            items: get(&self.items),
            items_total: known(&self.planned_items),
            bytes: get(&self.processed),
            bytes_total: known(&self.planned_bytes),
            stored: get(&self.stored),
            failed: get(&self.failed),
            rate: rates.bytes.update(at, get(&self.processed)),
            current: String::from_utf8_lossy(&current).into_owned(),
        }
    }

    fn record(&self, facts: &Facts) -> Record {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Record::new("progress")
            .maybe_text("what", facts.what)
            .number("items", facts.items)
            .maybe_number("items_total", facts.items_total)
            .number("bytes", facts.bytes)
            .maybe_number("bytes_total", facts.bytes_total)
            .number("bytes_stored", facts.stored)
            .number("failed", facts.failed)
            .number("bytes_per_second", facts.rate)
            .maybe_number("seconds_left", facts.seconds_left())
            .path("current", &current)
    }
}

/// Ends the progress thread when dropped, with everything written.
pub struct Running {
    out: Arc<Output>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let (lock, bell) = &*self.stop;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends by itself; its panic would have been printed already.
            let _ = thread.join();
        }
        self.out.end_progress();
    }
}
