//! A source walked before anybody asks: while a store is opened, and its key derived, the walk is
//! already on its way.

use crate::base::path;
use crate::pool::Queue;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Opened, Origin, Record, Source, Step};
use std::sync::{Arc, Mutex, PoisonError};

/// Entries handed over at a time: the two sides would wake each other for each one otherwise.
const BATCH: usize = 128;

/// Batches that the walk may be ahead: 16,384 entries of a few hundred bytes each.
const BATCHES_AHEAD: usize = 128;

/// Whether a path (and whether it is a directory) is left out.
pub type LeaveOut = dyn Fn(&[u8], bool) -> bool + Send + Sync;

/// A source whose walk has begun. Everything else is as in the source itself.
pub struct Ahead {
    source: Arc<dyn Source>,
    shared: Arc<Shared>,
}

struct Shared {
    found: Queue<Vec<Found>>,
    outcome: Mutex<Option<Result<(), Fault>>>,
}

impl Ahead {
    /// Begins. Nothing below a directory that `leave_out` names is looked at; the directory itself
    /// is told, for the visitor to judge again. The walk ends with this value.
    pub fn start(source: Arc<dyn Source>, leave_out: Arc<LeaveOut>) -> Ahead {
        let shared = Arc::new(Shared { found: Queue::new(BATCHES_AHEAD), outcome: Mutex::new(None) });
        let ahead = Ahead { source: Arc::clone(&source), shared: Arc::clone(&shared) };
        // Nobody waits for this thread: it may be in the middle of a request when all is over.
        std::thread::spawn(move || {
            let ended = Ended(&shared.found);
            let outcome = look(&*source, &*leave_out, &shared.found);
            *shared.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            drop(ended);
        });
        ahead
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.found.abandon();
    }
}

/// Whoever waits for more is told that there is none, also when the walk panics.
struct Ended<'q>(&'q Queue<Vec<Found>>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn look(source: &dyn Source, leave_out: &LeaveOut, queue: &Queue<Vec<Found>>) -> Result<(), Fault> {
    let mut batch = Vec::with_capacity(BATCH);
    let outcome = source.walk(&mut |found| {
        let skipped = match &found {
            Found::Entry(record) => {
                record.path != b"/" && record.info.mode.is_dir() && leave_out(&record.path, true)
            }
            Found::Unreadable { .. } => false,
        };
        batch.push(found);
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if queue.push(full).is_err() {
                return Step::Stop;
            }
        }
        if skipped { Step::Skip } else { Step::Descend }
    });
    // Refused only when nobody wants it any more.
    let _ = queue.push(batch);
    outcome
}

impl Source for Ahead {
    fn origin(&self) -> Origin {
        self.source.origin()
    }

    /// Can be asked once: what was told is gone.
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        let mut left_out: Option<Vec<u8>> = None;
        while let Some(batch) = self.shared.found.pop() {
            for found in batch {
                let (path, directory) = match &found {
                    Found::Entry(record) => (&record.path, record.info.mode.is_dir()),
                    Found::Unreadable { path, .. } => (path, false),
                };
                if let Some(above) = &left_out {
                    if path != above && path::is_within(path, above) {
                        continue;
                    }
                    left_out = None;
                }
                let directory = directory.then(|| path.clone());
                match visit(found) {
                    Step::Descend => {}
                    Step::Skip => left_out = directory,
                    Step::Stop => {
                        self.shared.found.abandon();
                        return Ok(());
                    }
                }
            }
        }
        let outcome = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| {
            Err(Fault::new(
                FaultKind::Broken,
                "the walk stopped unexpectedly: this is a defect of the program",
            ))
        })
    }

    fn small_at_once(&self) -> usize {
        self.source.small_at_once()
    }

    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault> {
        self.source.open(record)
    }

    fn xattr(&self, record: &Record, name: &[u8]) -> Result<Vec<u8>, Fault> {
        self.source.xattr(record, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::file::{FileInfo, Mode};

    /// Tells these paths, those that end in a slash as directories, as a walk does; then fails if told to.
    struct Told(Vec<String>, Option<FaultKind>);

    impl Source for Told {
        fn origin(&self) -> Origin {
            Origin { kind: "fs".to_owned(), origin: "here".to_owned(), root: b"/".to_vec() }
        }

        fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
            let mut skipped: Option<&str> = None;
            for path in &self.0 {
                if skipped.is_some_and(|above| path.starts_with(above)) {
                    continue;
                }
                let mode = Mode(if path.ends_with('/') { Mode::DIR } else { 0 });
                let record = Record {
                    path: if path == "/" { path.clone() } else { path.trim_end_matches('/').to_owned() }
                        .into(),
                    info: FileInfo { mode, ..FileInfo::default() },
                    symlink_target: Vec::new(),
                    xattrs: Vec::new(),
                    metadata: Vec::new(),
                    changed_ns: None,
                };
                match visit(Found::Entry(Box::new(record))) {
                    Step::Stop => return Ok(()),
                    Step::Skip => skipped = Some(path),
                    Step::Descend => {}
                }
            }
            self.1.map_or(Ok(()), |kind| Err(Fault::new(kind, "lost")))
        }

        fn open(&self, _: &Record) -> Result<Opened<'_>, Fault> {
            Ok(Opened::plain(&b"content"[..]))
        }

        fn xattr(&self, _: &Record, _: &[u8]) -> Result<Vec<u8>, Fault> {
            Ok(Vec::new())
        }
    }

    fn tree() -> Vec<String> {
        let mut paths = vec!["/".to_owned()];
        for directory in 0..9 {
            paths.push(format!("/d{directory}/"));
            paths.extend((0..700).map(|file| format!("/d{directory}/f{file:03}")));
        }
        paths
    }

    fn seen(source: &dyn Source, step: &dyn Fn(&[u8]) -> Step) -> (Vec<String>, Result<(), FaultKind>) {
        let mut paths = Vec::new();
        let outcome = source.walk(&mut |found| {
            let Found::Entry(record) = found else { return Step::Descend };
            paths.push(String::from_utf8(record.path.clone()).unwrap());
            step(&record.path)
        });
        (paths, outcome.map_err(|fault| fault.kind))
    }

    #[test]
    fn what_is_told_is_what_the_source_tells() {
        type Judge = fn(&[u8]) -> Step;
        let cases: [(&str, Judge, Option<FaultKind>); 4] = [
            ("all", |_| Step::Descend, None),
            ("without a directory", |path| if path == b"/d3" { Step::Skip } else { Step::Descend }, None),
            ("until enough", |path| if path == b"/d5/f050" { Step::Stop } else { Step::Descend }, None),
            ("until it fails", |_| Step::Descend, Some(FaultKind::Denied)),
        ];
        for (name, judge, failure) in cases {
            let ahead = Ahead::start(Arc::new(Told(tree(), failure)), Arc::new(|_, _| false));
            assert!(seen(&ahead, &judge) == seen(&Told(tree(), failure), &judge), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_looked_at() {
        let ahead = Ahead::start(Arc::new(Told(tree(), None)), Arc::new(|path, _| path == b"/d1"));
        let (paths, _) = seen(&ahead, &|_| Step::Descend);
        assert!(paths.iter().any(|path| path == "/d1"), "the directory itself is for the visitor to judge");
        assert_eq!(paths.iter().filter(|path| path.starts_with("/d1/")).count(), 0);
        assert_eq!(paths.len(), tree().len() - 700);
    }

    #[test]
    fn a_walk_that_nobody_asks_for_ends() {
        let source: Arc<dyn Source> = Arc::new(Told((0..1 << 20).map(|n| format!("/{n}")).collect(), None));
        let watched = Arc::downgrade(&source);
        drop(Ahead::start(source, Arc::new(|_, _| false)));
        while watched.strong_count() > 0 {
            std::thread::yield_now();
        }
    }
}
