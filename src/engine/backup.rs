//! A source becomes a snapshot.
//!
//! One thread walks the source and hands entries to workers. A worker compares the entry with the
//! previous snapshot of the same source; what did not change is taken over, the rest is read, cut,
//! hashed and, where new, compressed, sealed and packed. A file of many chunks is spread: whoever
//! reads it offers chunks to idle workers and does itself what nobody takes. Uploaders ship full
//! packfiles meanwhile. When the last child of a directory is done, that worker writes its listing;
//! when `/` is done, the trees; then the header; and only when the store has acknowledged every
//! packfile, the state that makes the snapshot exist.
//!
//! **Unchanged** means: same name, kind, size, modification time and inode as in the newest
//! snapshot of the same source in the store, and a change time from before that snapshot began.
//! The format does not keep change times, but its header says when it was made: an edit that puts
//! size and modification time back still moves the inode's change time past that moment. No local
//! state is needed for it.

use crate::algo::chunk::Chunker;
use crate::algo::hash::Running;
use crate::algo::mime;
use crate::base::file::{FileInfo, Mode};
use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::engine::content::{self, Of, Window};
use crate::engine::error::{Error, Kind};
use crate::engine::frames::{Child, Facts, Frame, Remembered};
use crate::engine::index::Index;
use crate::engine::lock::{self, Claim};
use crate::engine::packer::Packer;
use crate::engine::publish;
use crate::engine::repository::Repository;
use crate::engine::tree_build::{self, Pairs};
use crate::engine::writer::{Scratch, Writer};
use crate::format::entry::{Entry, ErrorEntry, XattrEntry};
use crate::format::kind::{Generation, Resource, Version};
use crate::format::object::{Chunk, Object};
use crate::format::snapshot::{Header, Identity, Index as NamedTree, SnapshotSource};
use crate::format::summary::Summary;
use crate::pool::Queue;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::{Event, Outcome};
use crate::ports::source::{Found, Record, Source, Step};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that the walk may be ahead of the workers: a few hundred bytes each.
const WALK_AHEAD: usize = 2048;

/// Chunks of large files that may wait for a worker, for each of them.
const SPREAD_PER_WORKER: usize = 1;

/// A change this close before a snapshot's beginning may have come after it: file systems stamp
/// with a clock that ticks every 10 ms at worst.
const CLOCK_TICK_NS: i64 = 20_000_000;

/// MIME type of what has no content, as the reference counts it.
const NOT_REGULAR: &str = "application/x-not-regular-file";

/// Uploads at the same time.
const UPLOADERS: usize = 2;

/// What an earlier snapshot of the same source knew. Read lazily, from many threads.
pub trait Previous: Sync {
    /// When it was begun, ns since 1970.
    fn timestamp_ns(&self) -> i64;

    /// Entries of a directory, sorted by name; `None` when it had no such directory.
    ///
    /// # Errors
    /// Any: the files are then read again.
    fn directory(&self, path: &[u8]) -> Result<Option<Remembered>, Error>;

    /// An object by its name.
    ///
    /// # Errors
    /// Any: the file is then read again.
    fn object(&self, mac: &Mac) -> Result<Object, Error>;
}

/// How a backup is to be made.
pub struct Options<'a> {
    /// Tags of the snapshot.
    pub tags: Vec<String>,
    /// Name of the snapshot, `default` as a rule.
    pub name: String,
    /// Job of the snapshot, `default` as a rule.
    pub job: String,
    /// Time of the snapshot, now if `None`.
    pub timestamp: Option<Stamp>,
    /// Key and value: host, user, program.
    pub context: Vec<(String, String)>,
    /// Host name for the lock.
    pub host: String,
    /// Whether a path (and whether it is a directory) is left out.
    pub exclude: Option<&'a (dyn Fn(&[u8], bool) -> bool + Sync)>,
    /// The snapshot to compare with; `None` reads everything.
    pub previous: Option<&'a dyn Previous>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// Take no lock.
    pub lockless: bool,
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The header as stored.
    pub header: Header,
    /// Files and other things that are not directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Files taken over from the previous snapshot.
    pub unchanged: u64,
    /// Content bytes read from the source.
    pub bytes_read: u64,
    /// Bytes sent to the store.
    pub bytes_stored: u64,
    /// Paths that could not be backed up, each with its reason, sorted.
    pub errors: Vec<(Vec<u8>, String)>,
}

/// Makes a snapshot of `source`.
///
/// # Errors
/// When none was made: the store failed, the source as a whole could not be read, somebody else
/// holds the store, the user interrupted. What was stored by then is unreferenced, and freed by
/// maintenance.
pub fn backup(
    repository: &Repository,
    index: &Index,
    source: &dyn Source,
    options: &Options<'_>,
    world: &World,
) -> Result<Report, Error> {
    publish::refuse_unwritable(repository, index)?;
    let id = world.dice.mac();
    let held = match options.lockless {
        true => None,
        false => Some(lock::take(repository, id, &options.host, Claim::Shared, world)?),
    };
    let serial = index.serial().unwrap_or(repository.config.repository_id);
    let packer = Packer::new(repository, serial, world);
    let writer = Writer::new(repository, index, &packer, world);
    let report = snapshot(id, source, &writer, &packer, options, world)?;
    if let Some(held) = held
        && let Err(error) = held.release()
    {
        world.monitor.tell(Event::Warning(&format!("the lock stays behind for ten minutes: {error}")));
    }
    Ok(report)
}

fn snapshot(
    id: Mac,
    source: &dyn Source,
    writer: &Writer<'_>,
    packer: &Packer<'_>,
    options: &Options<'_>,
    world: &World,
) -> Result<Report, Error> {
    let started = world.clock.monotonic();
    let timestamp = options.timestamp.unwrap_or_else(|| Stamp::from_nanos(world.clock.now_ns()));
    let chunker = writer.repository().config.chunker()?;
    let run = Run {
        id,
        source,
        writer,
        packer,
        options,
        world,
        chunker,
        tasks: Queue::new(WALK_AHEAD),
        open_files: AtomicUsize::new(1),
        spread: AtomicUsize::new(0),
        errors: Mutex::default(),
        xattrs: Mutex::default(),
        trees: Mutex::default(),
        root: Mutex::default(),
        counts: Counts::default(),
    };
    let made = std::thread::scope(|scope| {
        for _ in 0..UPLOADERS {
            scope.spawn(|| packer.upload());
        }
        let workers: Vec<_> = (0..options.workers.max(1)).map(|_| scope.spawn(|| run.work())).collect();
        let walked = run.walk();
        if let Err(error) = walked {
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
        let made = run.finish(timestamp, started);
        // Whatever happened, the uploaders must come to their end.
        match made {
            Ok(report) => packer.close().map(|()| report),
            Err(error) => {
                packer.abandon(error);
                Err(packer.why())
            }
        }
    });
    let mut report = made?;
    packer.commit(id, &[])?;
    report.bytes_stored = packer.stored();
    Ok(report)
}

/// The newest snapshot among `headers` that was made of the same source.
pub fn newest_of<'h>(
    headers: impl IntoIterator<Item = &'h Header>,
    source: &dyn Source,
) -> Option<&'h Header> {
    let origin = source.origin();
    let same = |header: &&Header| {
        header.sources.first().is_some_and(|made| {
            made.kind == origin.kind && made.origin == origin.origin && made.directory == origin.root
        })
    };
    headers.into_iter().filter(same).max_by_key(|header| header.timestamp)
}

enum Task {
    /// An entry that is no directory, to be looked at.
    File(Arc<Frame>, Record),
    /// One chunk of a large file.
    Chunk(Arc<Assembly>, usize, Vec<u8>),
}

/// A file whose chunks are being stored by several workers.
struct Assembly {
    frame: Arc<Frame>,
    record: Record,
    content_type: &'static str,
    parts: Mutex<Parts>,
    /// Chunks not stored yet, and one more while the file is being read.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Parts {
    chunks: Vec<Option<Chunk>>,
    content: Option<Mac>,
    failed: bool,
}

#[derive(Default)]
struct Counts {
    files: AtomicU64,
    directories: AtomicU64,
    unchanged: AtomicU64,
    read: AtomicU64,
}

#[derive(Default)]
struct Trees {
    vfs: Pairs,
    content_types: Pairs,
    listings: Pairs,
}

struct Run<'a> {
    id: Mac,
    source: &'a dyn Source,
    writer: &'a Writer<'a>,
    packer: &'a Packer<'a>,
    options: &'a Options<'a>,
    world: &'a World,
    chunker: Chunker,
    tasks: Queue<Task>,
    /// Files not done yet, and one more while the walk goes on; at zero the workers end.
    open_files: AtomicUsize,
    /// Chunks in the queue.
    spread: AtomicUsize,
    errors: Mutex<BTreeMap<Vec<u8>, String>>,
    xattrs: Mutex<Vec<XattrEntry>>,
    trees: Mutex<Trees>,
    root: Mutex<Option<Summary>>,
    counts: Counts,
}

/// Buffers of one worker.
struct Hands {
    window: Window,
    scratch: Scratch,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere ends the backup; what the lock guards is thrown away with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run<'_> {
    fn fail(&self, error: Error) {
        self.packer.abandon(error);
        self.tasks.abandon();
    }

    fn tell(&self, path: &[u8], directory: bool, outcome: Outcome<'_>) {
        self.world.monitor.tell(Event::Item { snapshot: self.id, path, directory, outcome });
    }

    fn entry_failed(&self, path: &[u8], reason: String) {
        self.tell(path, false, Outcome::Failed(&reason));
        // The first reason of a path stands, as in the reference.
        locked(&self.errors).entry(path.to_vec()).or_insert(reason);
    }

    fn walk(&self) -> Result<(), Error> {
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

    fn visit(&self, found: Found, stack: &mut Vec<Arc<Frame>>, hands: &mut Hands) -> Result<Step, Error> {
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
                stack.push(Frame::enter(record, None));
            }
            return Ok(Step::Descend);
        }
        let parent = self.descend(stack, path::parent(&record.path), hands)?;
        if directory {
            stack.push(Frame::enter(record, Some(parent)));
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
    fn descend(
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
    fn unwind(&self, stack: &mut Vec<Arc<Frame>>, path: &[u8], hands: &mut Hands) -> Result<(), Error> {
        while let Some(top) = stack.pop_if(|top| path.is_empty() || !path::is_within(path, &top.record.path))
        {
            if top.leave() {
                self.directory_done(top, &mut hands.scratch)?;
            }
        }
        Ok(())
    }

    fn hands(&self) -> Hands {
        Hands { window: Window::new(&self.chunker), scratch: Scratch::default() }
    }

    fn work(&self) {
        let mut hands = self.hands();
        while let Some(task) = self.tasks.pop() {
            let done = match task {
                _ if self.world.cancel.is_cancelled() => Err(Error::cancelled()),
                Task::File(frame, record) => self.file(frame, record, &mut hands),
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

    fn file_done(&self) {
        if self.open_files.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tasks.close();
        }
    }

    fn file(&self, frame: Arc<Frame>, record: Record, hands: &mut Hands) -> Result<(), Error> {
        if !record.info.mode.is_regular() {
            let child = self.entry(&record, None, &mut hands.scratch)?;
            return self.child_done(&frame, Some(child), &mut hands.scratch);
        }
        if let Some((mac, object)) = self.unchanged(&frame, &record) {
            self.counts.unchanged.fetch_add(1, Ordering::Relaxed);
            self.world.monitor.tell(Event::Processed { bytes: object.size() });
            let child = self.entry(&record, Some((mac, &object)), &mut hands.scratch)?;
            return self.child_done(&frame, Some(child), &mut hands.scratch);
        }
        match self.source.open(&record) {
            Ok(mut reader) => self.read(frame, record, &mut *reader, hands),
            Err(fault) => self.unreadable(&frame, &record, &fault, hands),
        }
    }

    fn unreadable(
        &self,
        frame: &Arc<Frame>,
        record: &Record,
        fault: &Fault,
        hands: &mut Hands,
    ) -> Result<(), Error> {
        if fault.kind == FaultKind::Cancelled {
            return Err(Error::cancelled());
        }
        self.entry_failed(&record.path, fault.message.clone());
        self.child_done(frame, None, &mut hands.scratch)
    }

    /// The object of the same file in the previous snapshot, when nothing speaks for a change and
    /// the store still has all of it.
    fn unchanged(&self, frame: &Frame, record: &Record) -> Option<(Mac, Object)> {
        let previous = self.options.previous?;
        let remembered = frame.remembered.get_or_init(|| {
            Arc::new(previous.directory(&frame.record.path).ok().flatten().unwrap_or_default())
        });
        let name = &record.info.name;
        let at = remembered.partition_point(|entry| entry.info.name < *name);
        let entry =
            remembered.get(at..)?.iter().take_while(|entry| entry.info.name == *name).find(|entry| {
                let (was, is) = (&entry.info, &record.info);
                was.mode.is_regular()
                    && was.size == is.size
                    && was.mod_time == is.mod_time
                    && was.ino == is.ino
                    && (was.dev == is.dev || was.dev == 0)
            })?;
        let moved =
            record.changed_ns.is_some_and(|changed| changed >= previous.timestamp_ns() - CLOCK_TICK_NS);
        if moved || entry.object.is_zero() {
            return None;
        }
        let object = previous.object(&entry.object).ok()?;
        let kept = object.chunks.iter().all(|chunk| self.writer.knows(Resource::CHUNK, &chunk.mac));
        (kept && i64::try_from(object.size()) == Ok(record.info.size)).then_some((entry.object, object))
    }

    fn read(
        &self,
        frame: Arc<Frame>,
        mut record: Record,
        reader: &mut dyn std::io::Read,
        hands: &mut Hands,
    ) -> Result<(), Error> {
        let max = self.chunker.max();
        hands.window.restart();
        let read = match hands.window.fill(reader, max) {
            Ok(read) => read,
            Err(error) => {
                let fault = Fault::from_io(format_args!("read {}", shown(&record.path)), &error);
                return self.unreadable(&frame, &record, &fault, hands);
            }
        };
        self.count_read(read);
        let cut = self.chunker.cut(hands.window.bytes());
        let content_type = mime::sniff(hands.window.bytes());
        if hands.window.is_last() && cut == hands.window.bytes().len() {
            // All of it in one chunk, as with most files.
            let chunk = content::store_chunk(hands.window.bytes(), self.writer, &mut hands.scratch)?;
            record.info.size = i64::from(chunk.length);
            let object = object(chunk.mac, vec![chunk], content_type);
            let child = self.content_entry(&record, &object, &mut hands.scratch)?;
            return self.child_done(&frame, Some(child), &mut hands.scratch);
        }
        let assembly = Arc::new(Assembly {
            frame,
            record,
            content_type,
            parts: Mutex::default(),
            pending: AtomicUsize::new(1),
        });
        match self.read_all(&assembly, reader, hands) {
            Ok(content) => locked(&assembly.parts).content = Some(content),
            Err(Reading::Source(error)) => {
                let path = &assembly.record.path;
                self.entry_failed(path, format!("read {}: {error}", shown(path)));
                locked(&assembly.parts).failed = true;
            }
            Err(Reading::Engine(error)) => return Err(error),
        }
        self.part_done(&assembly, &mut hands.scratch)
    }

    /// Cuts and stores everything from the window on; gives the MAC of the whole content.
    fn read_all(
        &self,
        assembly: &Arc<Assembly>,
        reader: &mut dyn std::io::Read,
        hands: &mut Hands,
    ) -> Result<Mac, Reading> {
        let mut whole: Running = self.writer.repository().codec.keyed().start();
        let mut slot = 0;
        loop {
            if self.world.cancel.is_cancelled() {
                return Err(Reading::Engine(Error::cancelled()));
            }
            let read = hands.window.fill(reader, self.chunker.max()).map_err(Reading::Source)?;
            self.count_read(read);
            let window = hands.window.bytes();
            let window = window.get(..self.chunker.max()).unwrap_or(window);
            let cut = self.chunker.cut(window);
            let Some(data) = window.get(..cut).filter(|data| !data.is_empty()) else {
                return Ok(whole.finish());
            };
            whole.update(data);
            assembly.pending.fetch_add(1, Ordering::AcqRel);
            locked(&assembly.parts).chunks.push(None);
            if !self.offer(assembly, slot, data) {
                self.chunk(assembly, slot, data, &mut hands.scratch).map_err(Reading::Engine)?;
                // The reader still holds one, so this is never the last.
                assembly.pending.fetch_sub(1, Ordering::AcqRel);
            }
            hands.window.take(cut);
            slot += 1;
        }
    }

    /// Hands a chunk to the other workers, if they are not behind already.
    fn offer(&self, assembly: &Arc<Assembly>, slot: usize, data: &[u8]) -> bool {
        let most = (self.options.workers.max(1) - 1) * SPREAD_PER_WORKER;
        if self.spread.fetch_add(1, Ordering::AcqRel) >= most {
            self.spread.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        let offered = self.tasks.try_push(Task::Chunk(Arc::clone(assembly), slot, data.to_vec())).is_ok();
        if !offered {
            self.spread.fetch_sub(1, Ordering::AcqRel);
        }
        offered
    }

    fn chunk(
        &self,
        assembly: &Assembly,
        slot: usize,
        data: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let chunk = content::store_chunk(data, self.writer, scratch)?;
        if let Some(place) = locked(&assembly.parts).chunks.get_mut(slot) {
            *place = Some(chunk);
        }
        Ok(())
    }

    fn part_done(&self, assembly: &Arc<Assembly>, scratch: &mut Scratch) -> Result<(), Error> {
        if assembly.pending.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(());
        }
        let parts = std::mem::take(&mut *locked(&assembly.parts));
        let chunks: Vec<Chunk> = parts.chunks.into_iter().flatten().collect();
        let child = match parts.content {
            Some(content) if !parts.failed => {
                let mut record = assembly.record.clone();
                let object = object(content, chunks, assembly.content_type);
                record.info.size = i64::try_from(object.size()).unwrap_or(i64::MAX);
                Some(self.content_entry(&record, &object, scratch)?)
            }
            _ => None,
        };
        self.child_done(&assembly.frame, child, scratch)
    }

    fn count_read(&self, bytes: u64) {
        self.counts.read.fetch_add(bytes, Ordering::Relaxed);
        self.world.monitor.tell(Event::Processed { bytes });
    }

    fn content_entry(&self, record: &Record, object: &Object, scratch: &mut Scratch) -> Result<Child, Error> {
        let mac = self.writer.put_named(Resource::OBJECT, &object.encode(), scratch)?;
        self.entry(record, Some((mac, object)), scratch)
    }

    /// Stores the entry of anything but a directory.
    fn entry(
        &self,
        record: &Record,
        content: Option<(Mac, &Object)>,
        scratch: &mut Scratch,
    ) -> Result<Child, Error> {
        let xattrs = self.store_xattrs(record, scratch)?;
        let entry = Entry {
            parent_path: path::parent(&record.path).to_vec(),
            info: record.info.clone(),
            symlink_target: record.symlink_target.clone(),
            object: content.map_or(Mac::ZERO, |(mac, _)| mac),
            xattrs,
            ..Entry::default()
        };
        let bytes = entry.encode(Generation::V1_0);
        let mac = self.writer.put_named(Resource::VFS_ENTRY, &bytes, scratch)?;
        let facts = match content {
            Some((_, object)) => Facts::File {
                info: Box::new(facts_of(&record.info)),
                content_type: Arc::from(object.content_type.as_str()),
                entropy: object.entropy,
                chunks: Some(object.chunks.len() as u64),
            },
            None => Facts::File {
                info: Box::new(facts_of(&record.info)),
                content_type: Arc::from(NOT_REGULAR),
                entropy: 0.0,
                chunks: None,
            },
        };
        self.counts.files.fetch_add(1, Ordering::Relaxed);
        self.tell(&record.path, false, Outcome::Done);
        Ok(Child { name: record.info.name.clone(), entry: bytes, mac, facts })
    }

    /// Stores values of extended attributes; gives the names of those that could be read.
    fn store_xattrs(&self, record: &Record, scratch: &mut Scratch) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = Vec::new();
        for name in &record.xattrs {
            let value = match self.source.xattr(record, name) {
                Ok(value) => value,
                Err(fault) => {
                    self.entry_failed(&record.path, fault.message);
                    continue;
                }
            };
            let object = content::store_bytes(&value, Of::Attribute, &self.chunker, self.writer, scratch)?;
            let entry = XattrEntry {
                path: record.path.clone(),
                name: name.clone(),
                size: i64::try_from(value.len()).unwrap_or(i64::MAX),
                kind: 0,
                object,
            };
            locked(&self.xattrs).push(entry);
            names.push(name.clone());
        }
        Ok(names)
    }

    fn child_done(
        &self,
        frame: &Arc<Frame>,
        child: Option<Child>,
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        if frame.done(child) {
            self.directory_done(Arc::clone(frame), scratch)?;
        }
        self.file_done();
        Ok(())
    }

    /// Writes a directory whose last child is done, and those above it that this completes.
    fn directory_done(&self, mut frame: Arc<Frame>, scratch: &mut Scratch) -> Result<(), Error> {
        loop {
            let child = self.directory(&frame, scratch)?;
            let Some(parent) = frame.parent.clone() else { return Ok(()) };
            if !parent.done(Some(child)) {
                return Ok(());
            }
            frame = parent;
        }
    }

    fn directory(&self, frame: &Frame, scratch: &mut Scratch) -> Result<Child, Error> {
        let record = &frame.record;
        let mut finished = frame.finish();
        let listing =
            content::store_bytes(&finished.listing, Of::Listing, &self.chunker, self.writer, scratch)?;
        finished.summary.finish(self.errors_right_in(&record.path));
        let xattrs = self.store_xattrs(record, scratch)?;
        let entry = Entry {
            parent_path: path::parent(&record.path).to_vec(),
            info: record.info.clone(),
            summary: Some(finished.summary),
            xattrs,
            ..Entry::default()
        };
        let bytes = entry.encode(Generation::V1_0);
        let mac = self.writer.put_named(Resource::VFS_ENTRY, &bytes, scratch)?;
        let summary = entry.summary.unwrap_or_default();
        {
            let mut trees = locked(&self.trees);
            let separator: &[u8] = if record.path == b"/" { b"" } else { b"/" };
            for (name, child, content_type) in &finished.children {
                trees.vfs.push(&[&record.path, separator, name], *child);
                if let Some(content_type) = content_type {
                    let mime = content_type.split(';').next().unwrap_or_default();
                    let key: [&[u8]; 5] = [b"/", mime.as_bytes(), &record.path, separator, name];
                    trees.content_types.push(&key, *child);
                }
            }
            trees.listings.push(&[&record.path], listing);
            if record.path == b"/" {
                trees.vfs.push(&[b"/"], mac);
            }
        }
        if record.path == b"/" {
            *locked(&self.root) = Some(summary.clone());
        }
        self.counts.directories.fetch_add(1, Ordering::Relaxed);
        self.tell(&record.path, true, Outcome::Done);
        Ok(Child {
            name: record.info.name.clone(),
            entry: bytes,
            mac,
            facts: Facts::Directory(Box::new(summary)),
        })
    }

    /// Errors that the reference counts for a directory: it looks through the sorted paths below
    /// and stops at the first that lies deeper.
    fn errors_right_in(&self, directory: &[u8]) -> u64 {
        let prefix = path::join(directory, b"");
        let errors = locked(&self.errors);
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&prefix), Bound::Unbounded);
        let below = errors.range::<[u8], _>(from).map(|(path, _)| path);
        below
            .take_while(|path| path.strip_prefix(&prefix[..]).is_some_and(|name| !name.contains(&b'/')))
            .count() as u64
    }

    /// Writes trees and header.
    fn finish(&self, timestamp: Stamp, started: std::time::Duration) -> Result<Report, Error> {
        let summary = locked(&self.root).take().ok_or_else(|| self.packer.why())?;
        let mut hands = Scratch::default();
        let scratch = &mut hands;
        let errors = std::mem::take(&mut *locked(&self.errors));
        let mut pairs = Pairs::default();
        for (path, message) in &errors {
            let entry = ErrorEntry { path: path.clone(), message: message.clone() };
            let mac = self.writer.put_named(Resource::ERROR_ENTRY, &entry.encode(), scratch)?;
            pairs.push(&[path], mac);
        }
        let errors_root = pairs.write(tree_build::ERRORS, self.writer, scratch)?;
        let trees = std::mem::take(&mut *locked(&self.trees));
        let root = trees.vfs.write_paths(tree_build::VFS, self.writer, scratch)?;
        let mut pairs = Pairs::default();
        for entry in locked(&self.xattrs).drain(..) {
            let mac = self.writer.put_named(Resource::XATTR_ENTRY, &entry.encode(), scratch)?;
            pairs.push(&[&entry.key()], mac);
        }
        let xattrs = pairs.write_paths(tree_build::XATTRS, self.writer, scratch)?;
        let content_types = trees.content_types.write(tree_build::INDEX, self.writer, scratch)?;
        let listings = trees.listings.write(tree_build::INDEX, self.writer, scratch)?;
        let index = |name: &str, value| NamedTree { name: name.to_owned(), kind: "btree".to_owned(), value };
        let origin = self.source.origin();
        let took = self.world.clock.monotonic().saturating_sub(started);
        let usual = || "default".to_owned();
        let header = Header {
            version: Version::V1_0_0,
            identifier: self.id,
            timestamp,
            duration_ns: i64::try_from(took.as_nanos()).unwrap_or(i64::MAX),
            identity: Identity::default(),
            name: self.options.name.clone(),
            category: usual(),
            environment: usual(),
            perimeter: usual(),
            job: self.options.job.clone(),
            replicas: 1,
            dataset: None,
            classifications: Vec::new(),
            tags: self.options.tags.clone(),
            context: self.options.context.clone(),
            sources: vec![SnapshotSource {
                kind: origin.kind,
                origin: origin.origin,
                directory: origin.root,
                context: Vec::new(),
                root,
                xattrs,
                errors: errors_root,
                indexes: vec![index("content-type", content_types), index("dirpack", listings)],
                summary,
            }],
        };
        self.writer.put(Resource::SNAPSHOT, self.id, &header.encode(), false, scratch)?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Report {
            header,
            files: count(&self.counts.files),
            directories: count(&self.counts.directories),
            unchanged: count(&self.counts.unchanged),
            bytes_read: count(&self.counts.read),
            bytes_stored: 0,
            errors: errors.into_iter().collect(),
        })
    }
}

/// Why a file was not read to its end.
enum Reading {
    /// The file's own fault.
    Source(std::io::Error),
    /// The store's, which ends the run.
    Engine(Error),
}

fn object(content: Mac, chunks: Vec<Chunk>, content_type: &str) -> Object {
    let entropy = content::average_entropy(&chunks);
    Object { content, chunks, content_type: content_type.to_owned(), entropy, flags: 0 }
}

/// What totals need of a file's facts, without names.
fn facts_of(info: &FileInfo) -> FileInfo {
    FileInfo { size: info.size, mode: info.mode, mod_time: info.mod_time, ..FileInfo::default() }
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
        changed_ns: None,
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
