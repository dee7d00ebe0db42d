//! A file becomes an entry: compared, or read, cut and stored.

use crate::algo::hash::Running;
use crate::algo::mime;
use crate::base::file::FileInfo;
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::backup_run::{Hands, Run, Task, locked};
use crate::engine::content;
use crate::engine::error::{Error, Kind};
use crate::engine::frames::{Child, Facts, Frame};
use crate::engine::writer::Scratch;
use crate::format::entry::{Entry, XattrEntry};
use crate::format::kind::{Generation, Resource};
use crate::format::object::{Chunk, Object};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::{self, Event};
use crate::ports::source::{Content, Metadata, Record};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Chunks of large files that may wait for a worker, for each of them.
const SPREAD_PER_WORKER: usize = 1;

/// A change this close before a snapshot's beginning may have come after it: file systems stamp
/// with a clock that ticks every 10 ms at worst.
const CLOCK_TICK_NS: i64 = 20_000_000;

/// MIME type of what has no content, as the reference counts it.
const NOT_REGULAR: &str = "application/x-not-regular-file";

/// Times that a file is opened which is replaced each time while it is being read.
const OPENED_MAX: usize = 3;

/// Files up to this size are read once more when they were written to meanwhile. Larger ones, disk
/// images and databases in use, most likely would be again, and cost twice the time.
const READ_AGAIN_BYTES_MAX: i64 = 64 << 20;

/// A file whose chunks are being stored by several workers.
pub(super) struct Assembly {
    pub(super) frame: Arc<Frame>,
    pub(super) record: Record,
    pub(super) content_type: &'static str,
    pub(super) parts: Mutex<Parts>,
    /// Chunks not stored yet, and one more while the file is being read.
    pub(super) pending: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Parts {
    pub(super) chunks: Vec<Option<Chunk>>,
    pub(super) content: Option<Mac>,
    pub(super) failed: bool,
    /// The file was written to meanwhile.
    pub(super) torn: bool,
    /// The file was opened anew: nothing becomes of these parts.
    pub(super) superseded: bool,
}

/// What became of reading a file.
enum Outcome {
    /// Its directory was told, or will be when its last chunk is stored.
    Told,
    /// It was replaced meanwhile; nobody was told.
    Replaced,
}

impl Run<'_> {
    pub(super) fn file(&self, frame: Arc<Frame>, record: Record, hands: &mut Hands) -> Result<(), Error> {
        if !record.info.mode.is_regular() {
            let child = self.entry(&record, None, &mut hands.scratch)?;
            return self.child_done(&frame, Some(child), &mut hands.scratch);
        }
        if let Some((mac, object, metadata)) = self.unchanged(&frame, &record) {
            let record = Record { metadata, ..record };
            self.counts.unchanged.fetch_add(1, Ordering::Relaxed);
            self.world.monitor.tell(Event::Processed { bytes: object.size() });
            self.remember(&record);
            let child = self.entry(&record, Some((mac, &object)), &mut hands.scratch)?;
            return self.child_done(&frame, Some(child), &mut hands.scratch);
        }
        if self.was_there(&frame, &record) {
            self.counts.changed.fetch_add(1, Ordering::Relaxed);
        }
        for opened in 1..=OPENED_MAX {
            let mut file = match self.source.open(&record) {
                Ok(file) => file,
                Err(fault) if fault.kind == FaultKind::Changed && opened < OPENED_MAX => continue,
                Err(fault) => return self.unreadable(&frame, &record, &fault, hands),
            };
            let mut record = record.clone();
            record.metadata = file.metadata.take().unwrap_or(record.metadata);
            record.info.mod_time = file.mod_time.unwrap_or(record.info.mod_time);
            match self.read(&frame, record, &mut *file.content, opened, hands)? {
                Outcome::Told => break,
                Outcome::Replaced => {}
            }
        }
        Ok(())
    }

    pub(super) fn unreadable(
        &self,
        frame: &Arc<Frame>,
        record: &Record,
        fault: &Fault,
        hands: &mut Hands,
    ) -> Result<(), Error> {
        if fault.kind == FaultKind::Cancelled {
            return Err(Error::cancelled());
        }
        self.content_failed(&record.path, fault.to_string())?;
        self.child_done(frame, None, &mut hands.scratch)
    }

    /// Whether the previous snapshot has a file of this name.
    fn was_there(&self, frame: &Frame, record: &Record) -> bool {
        let remembered = frame.remembered.get();
        let name = record.info.name.as_slice();
        remembered.is_some_and(|all| all.binary_search_by(|known| (*known.name).cmp(name)).is_ok())
    }

    /// The object of the same file in the previous snapshot, when nothing speaks for a change and
    /// the store still has all of it.
    pub(super) fn unchanged(&self, frame: &Frame, record: &Record) -> Option<(Mac, Object, Metadata)> {
        let previous = self.options.previous?;
        let remembered = frame.remembered.get_or_init(|| {
            Arc::new(previous.directory(&frame.record.path).ok().flatten().unwrap_or_default())
        });
        let name = record.info.name.as_slice();
        let at = remembered.partition_point(|known| *known.name < *name);
        let same_name = remembered.get(at..)?.iter().take_while(|known| *known.name == *name);
        let mut unmoved = same_name.filter(|known| {
            let is = &record.info;
            known.size == is.size
                && known.mod_time == is.mod_time
                && known.ino == is.ino
                && (known.dev == is.dev || known.dev == 0)
                && record.metadata.iter().all(|fact| known.metadata.contains(fact))
        });
        let known = unmoved.next()?;
        let moved =
            record.changed_ns.is_some_and(|changed| changed >= previous.timestamp_ns() - CLOCK_TICK_NS);
        if moved || self.options.ctimes.is_some_and(|ctimes| ctimes.speak_against(record)) {
            return None;
        }
        let object = previous.object(&known.object).ok()?;
        let kept = object.chunks.iter().all(|chunk| self.writer.knows(Resource::CHUNK, &chunk.mac));
        (kept && i64::try_from(object.size()) == Ok(record.info.size))
            .then(|| (known.object, object, known.metadata.clone()))
    }

    fn remember(&self, record: &Record) {
        if let Some(ctimes) = self.options.ctimes {
            ctimes.remember(record);
        }
    }

    /// Reads a file, `opened` so many times, to its end, or until it turns out to have been replaced;
    /// the last time that is a failure as any other. One that was written to meanwhile is told as
    /// such, and kept, when it is read no more.
    fn read(
        &self,
        frame: &Arc<Frame>,
        mut record: Record,
        reader: &mut dyn Content,
        opened: usize,
        hands: &mut Hands,
    ) -> Result<Outcome, Error> {
        let last = opened == OPENED_MAX;
        let again = opened == 1 && record.info.size <= READ_AGAIN_BYTES_MAX;
        let max = self.chunker.max();
        hands.window.restart();
        let read = match hands.window.fill(reader, max) {
            Ok(read) => read,
            Err(error) if !last && is_replaced(&error) => return Ok(Outcome::Replaced),
            Err(error) => {
                let fault = Fault::from_io(format_args!("read {}", shown(&record.path)), &error);
                self.unreadable(frame, &record, &fault, hands)?;
                return Ok(Outcome::Told);
            }
        };
        self.count_read(read);
        let cut = self.chunker.cut(hands.window.bytes());
        let content_type = mime::sniff(hands.window.bytes());
        if hands.window.is_last() && cut == hands.window.bytes().len() {
            // All of it in one chunk, as with most files.
            let torn = reader.is_torn();
            if torn && again {
                return Ok(Outcome::Replaced);
            }
            let chunk = content::store_chunk(hands.window.bytes(), self.writer, &mut hands.scratch)?;
            record.info.size = i64::from(chunk.length);
            let object = object(chunk.mac, vec![chunk], content_type);
            self.settle(&record, torn);
            let child = self.content_entry(&record, &object, &mut hands.scratch)?;
            self.child_done(frame, Some(child), &mut hands.scratch)?;
            return Ok(Outcome::Told);
        }
        let assembly = Arc::new(Assembly {
            frame: Arc::clone(frame),
            record,
            content_type,
            parts: Mutex::default(),
            pending: AtomicUsize::new(1),
        });
        let mut outcome = Outcome::Told;
        match self.read_all(&assembly, reader, hands) {
            Err(Reading::Source(error)) if !last && is_replaced(&error) => {
                locked(&assembly.parts).superseded = true;
                outcome = Outcome::Replaced;
            }
            Ok(_) if again && reader.is_torn() => {
                locked(&assembly.parts).superseded = true;
                outcome = Outcome::Replaced;
            }
            Ok(content) => {
                let mut parts = locked(&assembly.parts);
                (parts.content, parts.torn) = (Some(content), reader.is_torn());
            }
            Err(Reading::Source(error)) => {
                let path = &assembly.record.path;
                self.content_failed(path, format!("read {}: {error}", shown(path)))?;
                locked(&assembly.parts).failed = true;
            }
            Err(Reading::Engine(error)) => return Err(error),
        }
        self.part_done(&assembly, &mut hands.scratch)?;
        Ok(outcome)
    }

    /// Cuts and stores everything from the window on; gives the MAC of the whole content.
    fn read_all(
        &self,
        assembly: &Arc<Assembly>,
        reader: &mut dyn Content,
        hands: &mut Hands,
    ) -> Result<Mac, Reading> {
        let mut whole: Running = self.writer.codec().keyed().start();
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
    pub(super) fn offer(&self, assembly: &Arc<Assembly>, slot: usize, data: &[u8]) -> bool {
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

    pub(super) fn chunk(
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

    pub(super) fn part_done(&self, assembly: &Arc<Assembly>, scratch: &mut Scratch) -> Result<(), Error> {
        if assembly.pending.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(());
        }
        let parts = std::mem::take(&mut *locked(&assembly.parts));
        if parts.superseded {
            return Ok(());
        }
        let chunks: Vec<Chunk> = parts.chunks.into_iter().flatten().collect();
        let child = match parts.content {
            Some(content) if !parts.failed => {
                let mut record = assembly.record.clone();
                let object = object(content, chunks, assembly.content_type);
                record.info.size = i64::try_from(object.size()).unwrap_or(i64::MAX);
                self.settle(&record, parts.torn);
                Some(self.content_entry(&record, &object, scratch)?)
            }
            _ => None,
        };
        self.child_done(&assembly.frame, child, scratch)
    }

    /// The content of a file is stored, whether that is one that it had or a mixture.
    fn settle(&self, record: &Record, torn: bool) {
        if !torn {
            return self.remember(record);
        }
        let path = shown(&record.path);
        let reason = format!("read {path}: written to meanwhile, what is stored may mix two states of it");
        if self.entry_failed(&record.path, reason) {
            self.counts.torn.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An entry that cannot be read is left out, but never of a copy.
    fn content_failed(&self, path: &[u8], reason: String) -> Result<(), Error> {
        if self.options.copy_of.is_some() {
            return Err(Error::new(Kind::Damaged, format!("{}: {reason}", shown(path))));
        }
        self.entry_failed(path, reason);
        Ok(())
    }

    pub(super) fn count_read(&self, bytes: u64) {
        self.counts.read.fetch_add(bytes, Ordering::Relaxed);
        self.world.monitor.tell(Event::Processed { bytes });
    }

    pub(super) fn content_entry(
        &self,
        record: &Record,
        object: &Object,
        scratch: &mut Scratch,
    ) -> Result<Child, Error> {
        let mac = self.writer.put_named(Resource::OBJECT, &object.encode(), scratch)?;
        self.entry(record, Some((mac, object)), scratch)
    }

    /// Stores the entry of anything but a directory.
    pub(super) fn entry(
        &self,
        record: &Record,
        content: Option<(Mac, &Object)>,
        scratch: &mut Scratch,
    ) -> Result<Child, Error> {
        let xattrs = self.store_xattrs(record, scratch)?;
        let content_type = content.map_or(NOT_REGULAR, |(_, object)| object.content_type.as_str());
        let entropy = content.map_or(0.0, |(_, object)| object.entropy);
        let chunks = content.map(|(_, object)| object.chunks.len() as u64);
        let entry = Entry {
            parent_path: path::parent(&record.path).to_vec(),
            info: record.info.clone(),
            symlink_target: record.symlink_target.clone(),
            object: content.map_or(Mac::ZERO, |(mac, _)| mac),
            content_type: content_type.to_owned(),
            entropy,
            chunks: chunks.unwrap_or(0),
            xattrs,
            custom_metadata: record.metadata.clone(),
            ..Entry::default()
        };
        let generation = self.writer.generation();
        let entry = match generation {
            Generation::V1_0 => entry,
            Generation::V1_1 => unlike_theirs(entry),
        };
        let bytes = entry.encode(generation);
        let mac = self.writer.put_named(Resource::VFS_ENTRY, &bytes, scratch)?;
        let facts = Facts::File {
            mode: record.info.mode,
            size: counted_size(&record.info, generation),
            mod_time: record.info.mod_time,
            content_type: self.content_types.number(content_type),
            entropy,
            chunks,
        };
        self.counts.files.fetch_add(1, Ordering::Relaxed);
        self.tell(&record.path, false, monitor::Outcome::Done);
        Ok(Child { name: record.info.name.as_slice().into(), entry: bytes.into(), mac, facts })
    }

    /// Stores values of extended attributes; gives the names of those that could be read.
    pub(super) fn store_xattrs(&self, record: &Record, scratch: &mut Scratch) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = Vec::new();
        for name in &record.xattrs {
            let value = match self.source.xattr(record, name) {
                Ok(value) => value,
                // The original names it and has no value: so does the copy.
                Err(fault) if self.options.copy_of.is_some() && fault.kind == FaultKind::Missing => {
                    let what = format!("{}: {}, nor in its copy", shown(&record.path), fault.message);
                    self.world.monitor.tell(Event::Warning(&what));
                    names.push(name.clone());
                    continue;
                }
                Err(fault) => {
                    self.content_failed(&record.path, fault.message)?;
                    continue;
                }
            };
            let object = content::store_value(&value, &self.chunker, self.writer, scratch)?;
            let entry = XattrEntry {
                path: record.path.clone(),
                name: name.clone(),
                size: i64::try_from(value.len()).unwrap_or(i64::MAX),
                kind: 0,
                object,
            };
            let mac = self.writer.put_named(Resource::XATTR_ENTRY, &entry.encode(), scratch)?;
            locked(&self.xattrs).push(&[&entry.key()], mac);
            names.push(name.clone());
        }
        Ok(names)
    }

    pub(super) fn child_done(
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
}

/// Why a file was not read to its end.
enum Reading {
    /// The file's own fault.
    Source(std::io::Error),
    /// The store's, which ends the run.
    Engine(Error),
}

/// Whether reading failed because the file is no longer the one that was opened.
fn is_replaced(error: &std::io::Error) -> bool {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    fault.is_some_and(|fault| fault.kind == FaultKind::Changed)
}

fn object(content: Mac, chunks: Vec<Chunk>, content_type: &str) -> Object {
    let entropy = content::average_entropy(&chunks);
    Object { content, chunks, content_type: content_type.to_owned(), entropy, flags: 0 }
}

/// A backup of Plakar v1.1 takes over an entry whose file facts equal its own, but writes it anew
/// without what only this program keeps, under a name that it does not store. One link more, and
/// it reads the object and stores its own entry.
fn unlike_theirs(mut entry: Entry) -> Entry {
    if !entry.custom_metadata.is_empty() && entry.info.nlink == 0 {
        entry.info.nlink = 1;
    }
    entry
}

/// What totals count as its bytes: the length of a link's target is a size to v1.0 and none to v1.1.
fn counted_size(info: &FileInfo, generation: Generation) -> i64 {
    let counts = generation == Generation::V1_0 || info.mode.is_regular();
    if counts { info.size } else { 0 }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
