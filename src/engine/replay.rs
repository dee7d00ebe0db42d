//! A snapshot as a source: what `sync` and `ptar` copy from one store into another.

use crate::base::mac::Mac;
use crate::engine::cat;
use crate::engine::error::{Error, Kind};
use crate::engine::errors;
use crate::engine::plan::Fetcher;
use crate::engine::snapshot::Snapshot;
use crate::engine::walk::Walk;
use crate::engine::xattrs::Xattrs;
use crate::format::kind::Resource;
use crate::format::object::Chunk;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Opened, Origin, Record, Source, Step};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Files up to here are read through the cache of blocks: their neighbours come next.
const SMALL_BYTES: u64 = 1 << 20;

/// A snapshot of one store, replayed. Every chunk is verified before a byte of it is given.
pub struct Replay<'b, 'r> {
    fetcher: &'b Fetcher<'b, 'r>,
    snapshot: &'b Snapshot,
    /// Objects of the files that were told and not opened yet.
    objects: Mutex<HashMap<Vec<u8>, Mac>>,
    xattrs: Mutex<Xattrs<'b, 'r>>,
}

impl<'b, 'r> Replay<'b, 'r> {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// `Unsupported` for a snapshot of several sources, which a copy could not hold.
    pub fn new(fetcher: &'b Fetcher<'b, 'r>, snapshot: &'b Snapshot) -> Result<Replay<'b, 'r>, Error> {
        if snapshot.header.sources.len() > 1 {
            let why = format!("snapshot {} has several sources", snapshot.id.short());
            return Err(Error::new(Kind::Unsupported, why));
        }
        let xattrs = Mutex::new(Xattrs::new(fetcher.blobs(), snapshot)?);
        Ok(Replay { fetcher, snapshot, objects: Mutex::default(), xattrs })
    }

    fn walk_all(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        let mut unreadable = Vec::new();
        errors::each(blobs, self.snapshot, b"/", &mut |path, reason| {
            unreadable.push((path.to_vec(), reason.to_owned()));
        })?;
        for (path, reason) in unreadable {
            if visit(Found::Unreadable { path, reason }) == Step::Stop {
                return Ok(());
            }
        }
        let start = self.snapshot.entry(blobs, b"/")?;
        for step in Walk::new(blobs, self.snapshot, start)? {
            let step = step.map_err(|unread| {
                unread.error.context(format_args!("{}", String::from_utf8_lossy(&unread.path)))
            })?;
            let entry = step.entry;
            if entry.info.mode.is_regular() {
                let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
                objects.insert(step.path.clone(), entry.object);
            }
            let record = Record {
                path: step.path,
                info: entry.info,
                symlink_target: entry.symlink_target,
                xattrs: entry.xattrs,
                metadata: entry.custom_metadata,
                changed_ns: None,
            };
            if visit(Found::Entry(Box::new(record))) == Step::Stop {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Source for Replay<'_, '_> {
    fn origin(&self) -> Origin {
        let source = self.snapshot.header.sources.first().cloned().unwrap_or_default();
        Origin { kind: source.kind, origin: source.origin, root: source.directory }
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        self.walk_all(visit).map_err(fault)
    }

    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault> {
        let object = self.objects.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.path);
        let object = object
            .filter(|object| !object.is_zero())
            .ok_or_else(|| Fault::new(FaultKind::Damaged, "the entry names no content"))?;
        let object = self.fetcher.blobs().object(&object).map_err(fault)?;
        let small = object.size() <= SMALL_BYTES;
        Ok(Opened::plain(Content {
            fetcher: self.fetcher,
            chunks: object.chunks.into(),
            small,
            fetched: VecDeque::new(),
            at: 0,
        }))
    }

    fn xattr(&self, record: &Record, name: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut xattrs = self.xattrs.lock().unwrap_or_else(PoisonError::into_inner);
        xattrs.value(&record.path, name).map_err(fault)
    }
}

/// The content of one file, in order.
struct Content<'b, 'r> {
    fetcher: &'b Fetcher<'b, 'r>,
    chunks: VecDeque<Chunk>,
    small: bool,
    fetched: VecDeque<Arc<Vec<u8>>>,
    at: usize,
}

impl Content<'_, '_> {
    fn fetch(&mut self) -> Result<(), Error> {
        if self.small {
            let Some(chunk) = self.chunks.pop_front() else { return Ok(()) };
            let bytes = self.fetcher.blobs().get(Resource::CHUNK, &chunk.mac)?;
            crate::engine::blobs::check_length(&chunk.mac, bytes.len(), chunk.length)?;
            self.fetched.push_back(Arc::new(bytes));
            return Ok(());
        }
        let window = cat::windows(self.chunks.make_contiguous()).next().unwrap_or_default().to_vec();
        self.chunks.drain(..window.len());
        for bytes in self.fetcher.chunks(&window)? {
            self.fetched.push_back(bytes?);
        }
        Ok(())
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(bytes) = self.fetched.front() {
                let rest = bytes.get(self.at..).unwrap_or_default();
                if !rest.is_empty() {
                    let taken = rest.len().min(out.len());
                    for (to, from) in out.iter_mut().zip(rest) {
                        *to = *from;
                    }
                    self.at += taken;
                    return Ok(taken);
                }
                self.fetched.pop_front();
                self.at = 0;
                continue;
            }
            if self.chunks.is_empty() {
                return Ok(0);
            }
            self.fetch().map_err(|error| io::Error::other(fault(error)))?;
        }
    }
}

fn fault(error: Error) -> Fault {
    let kind = match error.kind {
        Kind::Cancelled => FaultKind::Cancelled,
        Kind::Store(kind) => kind,
        Kind::Unsupported => FaultKind::Unsupported,
        Kind::NotFound => FaultKind::Missing,
        _ => FaultKind::Damaged,
    };
    Fault { kind, message: error.message, remedy: error.remedy }
}
