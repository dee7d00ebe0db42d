//! A snapshot, or a part of it, to a destination.
//!
//! Files are taken in batches: their chunk lists are fetched together, then their chunks in
//! storage order. Where positions can be written at, a chunk goes wherever it is wanted as soon as
//! it is verified; a bucket gets each file from front to back. A file appears under its name only
//! when all of it was right.
//!
//! # What it costs
//!
//! One core of an AMD EPYC with AVX-512, as `tests/bench/stages.rs` measures it on any machine, takes
//! for each MiB of content, in blobs of 128 KiB that LZ4 halved:
//!
//! | stage | MiB/s | µs |
//! | --- | --- | --- |
//! | socket, of half, our end | 9,000 | 55 |
//! | AES-256-GCM-SIV, of half | 2,170 | 230 |
//! | LZ4 | 2,900 | 345 |
//! | BLAKE3 of the chunk | 9,300 | 110 |
//! | all but writing | 1,350 | 740 |
//!
//! A check of all data does the same, and BLAKE3 of each packfile. To write a MiB takes the kernel about
//! 250 µs more; to create, fill and name a file on ext4 takes it 100 µs and more, which is most of the
//! time of a restore of many small ones, whoever restores them. GETs are joined across gaps of 256 KiB up
//! to 8 MiB, so that a packfile takes two or three; fetched bytes are bounded by one budget.

use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::error::Error;
use crate::engine::plan::{Fetcher, Want};
use crate::engine::restore_any;
use crate::engine::restore_sequential;
use crate::engine::snapshot::Snapshot;
use crate::engine::walk::{Step, Unread, Walk};
use crate::engine::xattrs::Xattrs;
use crate::format::entry::Entry;
use crate::format::kind::Resource;
use crate::format::object::Chunk;
use crate::ports::destination::{Attributes, Body, Destination, Order};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::{Event, Outcome};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Chunks, by the most a file of its size can have, and files of one batch.
const BATCH_CHUNKS: u64 = 64 << 10;
const BATCH_FILES: usize = 16 << 10;

/// What was done. Anything in `errors` makes the command fail.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Regular files, hard links included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links and named pipes.
    pub others: u64,
    /// Regular files that the destination had already and was told to keep.
    pub kept: u64,
    /// Content bytes written.
    pub bytes: u64,
    /// Snapshot paths that were not restored, or not in all their attributes, and why.
    pub errors: Vec<(Vec<u8>, String)>,
    /// Snapshot paths of things the destination, or the format, has no place for, and why.
    pub skipped: Vec<(Vec<u8>, String)>,
}

/// The leading part of snapshot paths that is left out at the destination, when `argument` was
/// typed behind the snapshot's id and leads to `found`: the last name stays, unless it ends in a
/// slash; of an absolute path everything stays.
pub fn strip_prefix(found: &[u8], argument: &[u8]) -> Vec<u8> {
    match (argument.first(), argument.last()) {
        (Some(b'/'), _) => b"/".to_vec(),
        (_, Some(b'/')) => found.to_vec(),
        _ => path::parent(found).to_vec(),
    }
}

/// Where `path` lands: relative to the destination, empty for the destination itself.
fn below(path: &[u8], strip: &[u8]) -> Vec<u8> {
    let rest = match strip {
        b"/" => path,
        _ => path.strip_prefix(strip).unwrap_or(path),
    };
    rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
}

/// A regular file on its way.
pub(crate) struct Job {
    pub(crate) path: Vec<u8>,
    pub(crate) to: Vec<u8>,
    pub(crate) attributes: Attributes,
    pub(crate) object: Mac,
    /// Index of the inode in `Run::inodes`, for files with several names.
    inode: Option<usize>,
    pub(crate) state: Mutex<State>,
}

/// How far a file is.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) body: Option<Box<dyn Body>>,
    pub(crate) chunks_left: usize,
    pub(crate) outcome: Option<Result<(), String>>,
}

impl Job {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch and the chunk list of each of its files.
pub(crate) struct Batch {
    pub(crate) jobs: Vec<Job>,
    pub(crate) chunks: Vec<Vec<Chunk>>,
}

/// The first name of a file with several, and whether it arrived.
struct Inode {
    to: Vec<u8>,
    object: Mac,
    arrived: bool,
}

/// One restore under way.
pub(crate) struct Run<'x, 'b, 'r> {
    pub(crate) fetcher: &'x Fetcher<'b, 'r>,
    pub(crate) world: &'x World,
    pub(crate) destination: &'x dyn Destination,
    snapshot: Mac,
    strip: &'x [u8],
    report: Mutex<Report>,
}

/// Restores `start`, an entry that [`Snapshot::entry`] found, and what lies below it. See
/// [`strip_prefix`] for `strip`.
///
/// # Errors
/// `Cancelled`, a destination that cannot take anything, and what concerns the store as a whole;
/// whatever concerns one entry is in the report.
pub fn restore(
    fetcher: &Fetcher<'_, '_>,
    world: &World,
    snapshot: &Snapshot,
    start: Entry,
    strip: &[u8],
    destination: &dyn Destination,
) -> Result<Report, Error> {
    let run = Run { fetcher, world, destination, snapshot: snapshot.id, strip, report: Mutex::default() };
    run.announce(snapshot, &start);
    if !start.info.mode.is_dir() {
        let to = below(&start.path(), strip);
        let parent =
            to.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |at| to.get(..at).unwrap_or_default());
        destination.directory(parent)?;
    }
    Walker {
        run: &run,
        xattrs: Xattrs::new(fetcher.blobs(), snapshot)?,
        pending: Vec::new(),
        chunks_expected: 0,
        directories: Vec::new(),
        inodes: Vec::new(),
        by_number: HashMap::new(),
        links: Vec::new(),
    }
    .go(snapshot, start)?;
    Ok(run.report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What walks ahead of the content: makes directories and links, and gathers files.
struct Walker<'w, 'x, 'b, 'r> {
    run: &'w Run<'x, 'b, 'r>,
    xattrs: Xattrs<'b, 'r>,
    pending: Vec<Job>,
    chunks_expected: u64,
    directories: Vec<(Vec<u8>, Vec<u8>, Attributes)>,
    inodes: Vec<Inode>,
    by_number: HashMap<(u64, u64), usize>,
    /// Further names of the files in `inodes`, to be made when those have arrived.
    links: Vec<Job>,
}

impl Walker<'_, '_, '_, '_> {
    fn go(mut self, snapshot: &Snapshot, start: Entry) -> Result<(), Error> {
        let run = self.run;
        let mut walk = Walk::new(run.fetcher.blobs(), snapshot, start)?;
        while let Some(step) = walk.next() {
            run.refuse_when_cancelled()?;
            match step {
                Ok(step) if step.entry.info.mode.is_dir() => {
                    if !self.directory(step)? {
                        walk.stay_out();
                    }
                }
                Ok(step) => self.other(step)?,
                Err(Unread { path, error }) if blobs::concerns_the_blob(&error) => {
                    run.fail(&path, true, &error.to_string());
                }
                Err(Unread { error, .. }) => return Err(error),
            }
        }
        while !self.pending.is_empty() || !self.links.is_empty() {
            self.flush()?;
        }
        // A directory comes before what it holds in the walk, so backwards is deepest first.
        for (path, to, attributes) in self.directories.iter().rev() {
            match run.destination.finish_directory(to, attributes) {
                Ok(()) => run.done(path, true),
                Err(fault) if fault.kind == FaultKind::Cancelled => return Err(fault.into()),
                Err(fault) => run.fail(path, true, &fault.to_string()),
            }
        }
        Ok(())
    }

    /// Whether the directory is there now.
    fn directory(&mut self, step: Step) -> Result<bool, Error> {
        let run = self.run;
        let to = below(&step.path, run.strip);
        let empty = step.entry.summary.as_ref().is_some_and(|summary| summary.directory.children == 0);
        if empty && !to.is_empty() && !run.destination.keeps_directories() {
            run.report().skipped.push((step.path, "an empty directory".to_owned()));
            return Ok(true);
        }
        if let Err(fault) = run.destination.directory(&to) {
            if fault.kind == FaultKind::Cancelled || step.depth == 0 {
                return Err(fault.into());
            }
            run.fail(&step.path, true, &fault.to_string());
            return Ok(false);
        }
        let attributes = self.attributes(&step)?;
        self.directories.push((step.path, to, attributes));
        Ok(true)
    }

    fn other(&mut self, step: Step) -> Result<(), Error> {
        let run = self.run;
        let mut to = below(&step.path, run.strip);
        if to.is_empty() {
            to = step.entry.info.name.clone();
        }
        let attributes = self.attributes(&step)?;
        let mode = step.entry.info.mode;
        if mode.is_regular() {
            return self.file(step, to, attributes);
        }
        let made = if mode.is_symlink() {
            run.destination.symlink(&to, &step.entry.symlink_target, &attributes)
        } else {
            run.destination.special(&to, &attributes)
        };
        match made {
            Ok(()) => {
                run.report().others += 1;
                run.done(&step.path, false);
            }
            Err(fault) if fault.kind == FaultKind::Unsupported => {
                run.report().skipped.push((step.path, fault.to_string()));
            }
            Err(fault) if fault.kind == FaultKind::Cancelled => return Err(fault.into()),
            Err(fault) => run.fail(&step.path, false, &fault.to_string()),
        }
        Ok(())
    }

    fn file(&mut self, step: Step, to: Vec<u8>, attributes: Attributes) -> Result<(), Error> {
        let info = &step.entry.info;
        let object = step.entry.object;
        let number = (info.dev, info.ino);
        let mut job = Job { path: step.path, to, attributes, object, inode: None, state: Mutex::default() };
        if info.nlink > 1 && info.ino != 0 {
            if let Some(&inode) = self.by_number.get(&number) {
                if self.inodes.get(inode).is_some_and(|first| first.object == object) {
                    job.inode = Some(inode);
                    self.links.push(job);
                    return Ok(());
                }
            } else {
                self.by_number.insert(number, self.inodes.len());
                job.inode = Some(self.inodes.len());
                self.inodes.push(Inode { to: job.to.clone(), object, arrived: false });
            }
        }
        self.enqueue(job)
    }

    fn enqueue(&mut self, job: Job) -> Result<(), Error> {
        let shortest = u64::from(self.run.fetcher.blobs().repository().config.chunking.min.max(1));
        let size = u64::try_from(job.attributes.info.size).unwrap_or(0);
        self.chunks_expected += size / shortest + 1;
        self.pending.push(job);
        if self.chunks_expected >= BATCH_CHUNKS || self.pending.len() >= BATCH_FILES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the content of what is pending, then makes the links to what has arrived.
    fn flush(&mut self) -> Result<(), Error> {
        self.chunks_expected = 0;
        let batch = self.run.chunk_lists(std::mem::take(&mut self.pending))?;
        match self.run.destination.order() {
            Order::Any => restore_any::write(self.run, &batch)?,
            Order::Sequential => restore_sequential::write(self.run, &batch)?,
        }
        for job in &batch.jobs {
            let inode = job.inode.and_then(|inode| self.inodes.get_mut(inode));
            if let Some(inode) = inode.filter(|inode| inode.to == job.to) {
                inode.arrived = matches!(job.state().outcome, Some(Ok(())));
            }
        }
        for mut link in std::mem::take(&mut self.links) {
            let first = link.inode.take().and_then(|inode| self.inodes.get(inode));
            let linked = first
                .filter(|first| first.arrived)
                .map(|first| self.run.destination.hard_link(&link.to, &first.to));
            match linked {
                Some(Ok(())) => {
                    self.run.report().files += 1;
                    self.run.done(&link.path, false);
                }
                Some(Err(fault)) if fault.kind == FaultKind::Cancelled => return Err(fault.into()),
                // No link: the content once more, which also tells what is wrong with it.
                Some(Err(_)) | None => self.enqueue(link)?,
            }
        }
        Ok(())
    }

    fn attributes(&mut self, step: &Step) -> Result<Attributes, Error> {
        let mut attributes = Attributes {
            info: step.entry.info.clone(),
            xattrs: Vec::new(),
            metadata: step.entry.custom_metadata.clone(),
        };
        for name in &step.entry.xattrs {
            match self.xattrs.value(&step.path, name) {
                Ok(value) => attributes.xattrs.push((name.clone(), value)),
                Err(fault) if blobs::concerns_the_blob(&fault) => {
                    self.run.fail(&step.path, step.entry.info.mode.is_dir(), &fault.to_string());
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(attributes)
    }
}

impl Run<'_, '_, '_> {
    /// Fetches the chunk list of every job; a job without one is told as failed.
    fn chunk_lists(&self, mut jobs: Vec<Job>) -> Result<Batch, Error> {
        let mut wants: Vec<Want> = (0..)
            .zip(&jobs)
            .filter(|(_, job)| !job.object.is_zero())
            .map(|(tag, job)| Want { resource: Resource::OBJECT, mac: job.object, tag })
            .collect();
        let lists: Mutex<Vec<Vec<Chunk>>> = Mutex::new(vec![Vec::new(); jobs.len()]);
        self.fetcher.run(&mut wants, &|wants, result| {
            let decoded = match (wants.first(), result) {
                (Some(want), Ok(plain)) => blobs::decode_object(&want.mac, plain),
                (_, Err(fault)) => Err(fault.clone()),
                (None, _) => return Ok(()),
            };
            for want in wants {
                let tag = want.tag as usize;
                match &decoded {
                    Ok(object) => {
                        let mut lists = lists.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Some(list) = lists.get_mut(tag) {
                            list.clone_from(&object.chunks);
                        }
                    }
                    Err(fault) => {
                        if let Some(job) = jobs.get(tag) {
                            self.finish(job, Err(fault.to_string()));
                        }
                    }
                }
            }
            Ok(())
        })?;
        let mut chunks = lists.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (job, chunks) in jobs.iter_mut().zip(&mut chunks) {
            let bytes = chunks.iter().fold(0_u64, |sum, chunk| sum.saturating_add(u64::from(chunk.length)));
            if job.object.is_zero() && job.attributes.info.size != 0 {
                self.finish(job, Err("the snapshot has no content for it".to_owned()));
            }
            job.attributes.info.size = i64::try_from(bytes).unwrap_or(i64::MAX);
            if job.state().outcome.is_some() {
                chunks.clear();
            }
            let left = chunks.len();
            job.state().chunks_left = left;
        }
        Ok(Batch { jobs, chunks })
    }

    /// Settles a file as [`Run::finish`] does, by what the destination said of it.
    pub(crate) fn settle(&self, job: &Job, outcome: Result<(), Fault>) {
        match outcome {
            Err(fault) if fault.kind == FaultKind::Exists => {
                let mut state = job.state();
                if state.outcome.is_none() {
                    state.body = None;
                    state.outcome = Some(Ok(()));
                    drop(state);
                    self.report().kept += 1;
                }
            }
            outcome => self.finish(job, outcome.map_err(|fault| fault.to_string())),
        }
    }

    /// Settles a file, once, and tells.
    pub(crate) fn finish(&self, job: &Job, outcome: Result<(), String>) {
        let mut state = job.state();
        if state.outcome.is_some() {
            return;
        }
        // Dropping an unfinished body leaves nothing behind.
        state.body = None;
        state.outcome = Some(outcome.clone());
        drop(state);
        match outcome {
            Ok(()) => {
                let mut report = self.report();
                report.files += 1;
                report.bytes += u64::try_from(job.attributes.info.size).unwrap_or(0);
                drop(report);
                self.done(&job.path, false);
            }
            Err(why) => self.fail(&job.path, false, &why),
        }
    }

    fn done(&self, path: &[u8], directory: bool) {
        if directory {
            self.report().directories += 1;
        }
        self.tell(path, directory, Outcome::Done);
    }

    fn fail(&self, path: &[u8], directory: bool, why: &str) {
        self.report().errors.push((path.to_vec(), why.to_owned()));
        self.tell(path, directory, Outcome::Failed(why));
    }

    fn tell(&self, path: &[u8], directory: bool, outcome: Outcome<'_>) {
        self.world.monitor.tell(Event::Item { snapshot: self.snapshot, path, directory, outcome });
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, snapshot: &Snapshot, start: &Entry) {
        let whole = snapshot.header.sources.first().map(|source| &source.summary);
        let (items, bytes) = match start.summary.as_ref().or(whole) {
            _ if !start.info.mode.is_dir() => (1, u64::try_from(start.info.size).unwrap_or(0)),
            None => (0, 0),
            Some(summary) => {
                let (here, below) = (&summary.directory, &summary.below);
                let items = here.children.saturating_add(below.children);
                (items, here.size.saturating_add(below.size))
            }
        };
        self.world.monitor.tell(Event::Planned { items, bytes });
    }

    pub(crate) fn refuse_when_cancelled(&self) -> Result<(), Error> {
        match self.world.cancel.is_cancelled() {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{below, strip_prefix};
    use crate::engine::select::Argument;

    #[test]
    fn where_files_land() {
        // root, argument behind the id, path in the snapshot, path below the destination
        let cases = [
            ("/etc", "", "/etc/ssl/cert.pem", "etc/ssl/cert.pem"),
            ("/etc", ".", "/etc/ssl/cert.pem", "etc/ssl/cert.pem"),
            ("/etc", "./", "/etc/ssl/cert.pem", "ssl/cert.pem"),
            ("/etc", "./", "/etc", ""),
            ("/etc", "ssl", "/etc/ssl/cert.pem", "ssl/cert.pem"),
            ("/etc", "ssl/", "/etc/ssl/cert.pem", "cert.pem"),
            ("/etc", "ssl/cert.pem", "/etc/ssl/cert.pem", "cert.pem"),
            ("/etc", "/etc/ssl", "/etc/ssl/cert.pem", "etc/ssl/cert.pem"),
            ("/etc", "/etc/ssl/", "/etc/ssl/cert.pem", "etc/ssl/cert.pem"),
            ("/home/u/docs", "", "/home/u/docs/a", "docs/a"),
            ("/", "", "/key/with/slashes", "key/with/slashes"),
            ("/", "", "/", ""),
            ("/", "key", "/key/a", "key/a"),
            ("/", "key/", "/key/a", "a"),
        ];
        for (root, argument, path, wanted) in cases {
            let found = Argument { prefix: String::new(), path: argument.into() }.resolve(root.as_bytes());
            let strip = strip_prefix(&found, argument.as_bytes());
            let shown = String::from_utf8(below(path.as_bytes(), &strip));
            assert_eq!(shown.as_deref(), Ok(wanted), "{root} {argument} {path}");
        }
    }
}
