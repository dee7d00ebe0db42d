//! One snapshot in the making: the walk, and the workers it feeds.

use crate::algo::chunk::Chunker;
use crate::base::file::{FileInfo, Mode};
use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::engine::backup::{Options, Report};
use crate::engine::backup_file::Assembly;
use crate::engine::content::Window;
use crate::engine::error::{Error, Kind};
use crate::engine::frames::Frame;
use crate::engine::gathered::{ContentTypes, Gathered};
use crate::engine::packer::Packer;
use crate::engine::tree_build::Pairs;
use crate::engine::writer::{Scratch, Writer};
use crate::format::summary::Summary;
use crate::pool::Queue;
use crate::ports::fault::FaultKind;
use crate::ports::monitor::{Event, Outcome};
use crate::ports::source::{Found, Record, Source, Step};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that the walk may be ahead of the workers: a few hundred bytes each.
const WALK_AHEAD: usize = 2048;

/// Files up to this size are taken by threads that mostly wait: a few of them cost little memory.
const SMALL_BYTES_MAX: i64 = 1 << 20;

pub(super) enum Task {
    /// An entry that is no directory, to be looked at.
    File(Arc<Frame>, Box<Record>),
    /// One chunk of a large file.
    Chunk(Arc<Assembly>, usize, Vec<u8>),
}

impl Task {
    fn is_small(&self) -> bool {
        matches!(self, Task::File(_, record) if record.info.size <= SMALL_BYTES_MAX)
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) files: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) changed: AtomicU64,
    pub(super) torn: AtomicU64,
    pub(super) read: AtomicU64,
}

pub(super) struct Run<'a> {
    pub(super) id: Mac,
    pub(super) source: &'a dyn Source,
    pub(super) writer: &'a Writer<'a>,
    pub(super) packer: &'a Packer<'a>,
    pub(super) options: &'a Options<'a>,
    pub(super) world: &'a World,
    pub(super) chunker: Chunker,
    pub(super) tasks: Queue<Task>,
    /// Files not done yet, and one more while the walk goes on; at zero the workers end.
    pub(super) open_files: AtomicUsize,
    /// Chunks in the queue.
    pub(super) spread: AtomicUsize,
    pub(super) errors: Mutex<BTreeMap<Vec<u8>, String>>,
    pub(super) content_types: ContentTypes,
    pub(super) gathered: Mutex<Gathered>,
    /// For the tree of extended attributes.
    pub(super) xattrs: Mutex<Pairs>,
    pub(super) root: Mutex<Option<Summary>>,
    pub(super) counts: Counts,
}

/// Buffers of one worker.
pub(super) struct Hands {
    pub(super) window: Window,
    pub(super) scratch: Scratch,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the backup; what the lock guards is thrown away with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes one snapshot: everything of it is packed when this returns, and nothing committed.
///
/// # Errors
/// As [`super::backup::backup`].
pub(super) fn snapshot(
    id: Mac,
    source: &dyn Source,
    writer: &Writer<'_>,
    options: &Options<'_>,
    world: &World,
) -> Result<Report, Error> {
    let started = world.clock.monotonic();
    let timestamp = options.timestamp.unwrap_or_else(|| Stamp::from_nanos(world.clock.now_ns()));
    let run = Run {
        id,
        source,
        writer,
        packer: writer.packer(),
        options,
        world,
        chunker: writer.config().chunker()?,
        tasks: Queue::new(WALK_AHEAD),
        open_files: AtomicUsize::new(1),
        spread: AtomicUsize::new(0),
        errors: Mutex::default(),
        content_types: ContentTypes::default(),
        gathered: Mutex::default(),
        xattrs: Mutex::default(),
        root: Mutex::default(),
        counts: Counts::default(),
    };
    std::thread::scope(|scope| {
        let any = (0..options.workers.max(1)).map(|_| scope.spawn(|| run.work(|| run.tasks.pop())));
        let any: Vec<_> = any.collect();
        let small = (0..source.small_at_once())
            .map(|_| scope.spawn(|| run.work(|| run.tasks.pop_fitting(Task::is_small))));
        let workers: Vec<_> = any.into_iter().chain(small).collect();
        if let Err(error) = run.walk() {
            run.fail(error);
        }
        for worker in workers {
            if worker.join().is_err() {
                run.fail(Error::new(
                    Kind::Damaged,
                    "a worker stopped unexpectedly: this is a defect of the program",
                ));
            }
        }
    });
    run.finish(timestamp, started).map_err(|error| {
        run.fail(error);
        run.packer.why()
    })
}

impl Run<'_> {
    pub(super) fn fail(&self, error: Error) {
        self.packer.abandon(error);
        self.tasks.abandon();
    }

    pub(super) fn tell(&self, path: &[u8], directory: bool, outcome: Outcome<'_>) {
        self.world.monitor.tell(Event::Item { snapshot: self.id, path, directory, outcome });
    }

    /// The first reason of a path stands, as in the reference; whether this is it.
    pub(super) fn entry_failed(&self, path: &[u8], reason: String) -> bool {
        self.tell(path, false, Outcome::Failed(&reason));
        match locked(&self.errors).entry(path.to_vec()) {
            Entry::Vacant(place) => {
                place.insert(reason);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    pub(super) fn walk(&self) -> Result<(), Error> {
        let mut stack: Vec<Arc<Frame>> = Vec::new();
        let mut hands = self.hands();
        let mut failure = None;
        let walked = self.source.walk(&mut |found| {
            let step = self.visit(found, &mut stack, &mut hands);
            step.unwrap_or_else(|error| {
                failure = Some(error);
                Step::Stop
            })
        });
        if let Some(error) = failure {
            return Err(error);
        }
        walked.map_err(|fault| match fault.kind {
            FaultKind::Cancelled => Error::cancelled(),
            _ => Error { kind: Kind::Source, message: fault.message, remedy: fault.remedy },
        })?;
        if stack.is_empty() {
            stack.push(Frame::enter(made_up(b"/"), None));
        }
        self.unwind(&mut stack, b"", &mut hands)?;
        self.file_done();
        Ok(())
    }

    pub(super) fn visit(
        &self,
        found: Found,
        stack: &mut Vec<Arc<Frame>>,
        hands: &mut Hands,
    ) -> Result<Step, Error> {
        if self.world.cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        let record = match found {
            Found::Entry(record) => record,
            Found::Unreadable { path, reason } => {
                self.entry_failed(&path, reason);
                return Ok(Step::Skip);
            }
        };
        let directory = record.info.mode.is_dir();
        if record.path != b"/" && self.options.exclude.is_some_and(|exclude| exclude(&record.path, directory))
        {
            return Ok(Step::Skip);
        }
        if record.path == b"/" {
            if stack.is_empty() {
                stack.push(Frame::enter(*record, None));
            }
            return Ok(Step::Descend);
        }
        let parent = self.descend(stack, path::parent(&record.path), hands)?;
        if directory {
            stack.push(Frame::enter(*record, Some(parent)));
        } else {
            parent.expect();
            self.open_files.fetch_add(1, Ordering::AcqRel);
            if self.tasks.push(Task::File(parent, record)).is_err() {
                return Err(self.packer.why());
            }
        }
        Ok(Step::Descend)
    }

    /// Leaves directories until `parent` is the innermost, entering any that the source left out.
    pub(super) fn descend(
        &self,
        stack: &mut Vec<Arc<Frame>>,
        parent: &[u8],
        hands: &mut Hands,
    ) -> Result<Arc<Frame>, Error> {
        if stack.is_empty() {
            stack.push(Frame::enter(made_up(b"/"), None));
        }
        self.unwind(stack, parent, hands)?;
        loop {
            let Some(top) = stack.last() else {
                return Err(Error::new(Kind::Source, "the source left its own root"));
            };
            if top.record.path == parent {
                return Ok(Arc::clone(top));
            }
            let below = parent.get(top.record.path.len()..).unwrap_or_default();
            let name = below.strip_prefix(b"/").unwrap_or(below);
            let name = name.split(|&byte| byte == b'/').next().unwrap_or_default();
            let record = made_up(&top.child_path(name));
            let frame = Frame::enter(record, Some(Arc::clone(top)));
            stack.push(frame);
        }
    }

    /// Leaves every directory that `path` does not lie in.
    pub(super) fn unwind(
        &self,
        stack: &mut Vec<Arc<Frame>>,
        path: &[u8],
        hands: &mut Hands,
    ) -> Result<(), Error> {
        while let Some(top) = stack.pop_if(|top| path.is_empty() || !path::is_within(path, &top.record.path))
        {
            if top.leave() {
                self.directory_done(top, &mut hands.scratch)?;
            }
        }
        Ok(())
    }

    pub(super) fn hands(&self) -> Hands {
        Hands { window: Window::new(&self.chunker), scratch: Scratch::default() }
    }

    pub(super) fn work(&self, next: impl Fn() -> Option<Task>) {
        let mut hands = self.hands();
        while let Some(task) = next() {
            let done = match task {
                _ if self.world.cancel.is_cancelled() => Err(Error::cancelled()),
                Task::File(frame, record) => self.file(frame, *record, &mut hands),
                Task::Chunk(assembly, slot, data) => {
                    self.spread.fetch_sub(1, Ordering::AcqRel);
                    self.chunk(&assembly, slot, &data, &mut hands.scratch)
                        .and_then(|()| self.part_done(&assembly, &mut hands.scratch))
                }
            };
            if let Err(error) = done {
                self.fail(error);
            }
        }
    }

    pub(super) fn file_done(&self) {
        if self.open_files.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tasks.close();
        }
    }
}

/// A directory that the source did not mention.
fn made_up(path: &[u8]) -> Record {
    Record {
        path: path.to_vec(),
        info: FileInfo {
            name: path::base_name(path).to_vec(),
            mode: Mode(Mode::DIR | 0o750),
            ..FileInfo::default()
        },
        symlink_target: Vec::new(),
        xattrs: Vec::new(),
        metadata: Vec::new(),
        changed_ns: None,
    }
}
