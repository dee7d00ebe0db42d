//! One object read in sequence over as many connections as it takes: one at a time, or by ranges
//! over several at once while there is room for their buffers.

use crate::ports::fault::Fault;
use crate::s3::ahead::{Ahead, Lanes};
use crate::s3::bucket::Bucket;
use crate::s3::http::Incoming;
use crate::s3::payload::Payload;
use crate::s3::proto::address::Key;
use crate::s3::proto::fault::{Failure, Kind};
use crate::s3::proto::object;
use crate::s3::refusal::Refusal;
use std::io::{self, Read};
use std::sync::Arc;

/// A reader without room for ranges asks again after so many bytes: another may have ended.
const ASK_EACH_BYTES: u64 = 64 << 20;

/// Reads the object with this entity tag from its start to `size`.
pub struct Reader {
    bucket: Bucket,
    key: Key,
    size: u64,
    etag: Option<String>,
    at: u64,
    open: Option<Incoming>,
}

/// The same, by ranges when it can.
pub struct ParallelReader {
    plain: Reader,
    lanes: Arc<Lanes>,
    ask_at: u64,
    ahead: Option<Ahead>,
    range: Vec<u8>,
    /// How much of `range` was read.
    taken: usize,
}

impl ParallelReader {
    /// Asks nothing yet.
    pub fn new(plain: Reader, lanes: Arc<Lanes>) -> ParallelReader {
        ParallelReader { plain, lanes, ask_at: 0, ahead: None, range: Vec::new(), taken: 0 }
    }

    /// Goes over to ranges if there is room. Without an entity tag they might be of two objects.
    fn ask(&mut self) {
        self.ask_at = self.plain.at.saturating_add(ASK_EACH_BYTES);
        let Some(etag) = self.plain.etag.clone() else { return };
        let (bucket, key) = (self.plain.bucket.clone(), self.plain.key.clone());
        let fetch = move |first: u64, length: usize, out: &mut Vec<u8>| {
            bucket.get_range_into(key.as_bytes(), first, length, Some(&etag), out)
        };
        self.ahead = Ahead::start(&self.lanes, Box::new(fetch), self.plain.at, self.plain.size);
        if self.ahead.is_some() {
            self.plain.open = None;
        }
    }
}

impl Read for ParallelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_none() && self.plain.at >= self.ask_at {
            self.ask();
        }
        let Some(ahead) = &mut self.ahead else { return self.plain.read(out) };
        if self.taken == self.range.len() {
            // Given back before the next is asked for: it is one of the buffers that are counted.
            if self.range.capacity() > 0 {
                self.lanes.give_back(std::mem::take(&mut self.range));
            }
            self.taken = 0;
            match ahead.next() {
                Some(range) => self.range = range.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let rest = self.range.get(self.taken..).unwrap_or_default();
        let most = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..most), rest.get(..most)) {
            to.copy_from_slice(from);
        }
        self.taken += most;
        Ok(most)
    }
}

impl Reader {
    /// Asks nothing yet.
    pub fn new(bucket: Bucket, key: Key, size: u64, etag: Option<String>) -> Reader {
        Reader { bucket, key, size, etag, at: 0, open: None }
    }

    /// Reads some bytes from the connection at hand.
    fn step(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        let Some(open) = &mut self.open else { return Ok(0) };
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let most = out.len().min(left);
        let got = open.read(out.get_mut(..most).unwrap_or_default())?;
        self.at += got as u64;
        if self.at == self.size {
            // The end was promised: reading it too gives the connection back.
            let _ = open.read(&mut [0]);
            self.open = None;
        }
        Ok(got)
    }

    /// Opens the rest and reads the first bytes of it into `out`, as one retried operation: a
    /// server that accepts and then breaks each time spends the same budget as one that refuses.
    fn reopen(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let (first, last) = (self.at, self.size - 1);
        let most = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(out.len());
        let request = object::get_range(&self.bucket.name, &self.key, first, last, self.etag.as_deref());
        let request_etag = self.etag.clone();
        let mut etag = None;
        let (open, got) = self
            .bucket
            .core
            .run(&request, &Payload::none(), &mut |mut answer: Incoming| {
                object::check_range(&answer.head, first, last)?;
                object::check_etag(&answer.head, request_etag.as_deref())?;
                etag = Some(answer.head.etag()).filter(|etag| !etag.is_empty());
                let got = answer.read(out.get_mut(..most).unwrap_or_default())?;
                match got {
                    0 => Err(Failure::new(Kind::Line, "the answer ended early")),
                    _ => Ok((answer, got)),
                }
            })
            .map_err(Refusal::into_fault)?;
        if self.etag.is_none() {
            self.etag = etag;
        }
        self.at += got as u64;
        self.open = Some(open);
        Ok(got)
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.at >= self.size {
            return Ok(0);
        }
        if self.open.is_some() {
            match self.step(out) {
                Ok(got) if got > 0 => return Ok(got),
                broken => {
                    let why = match broken {
                        Err(failure) => failure.to_string(),
                        Ok(_) => "the answer ended early".to_owned(),
                    };
                    let name = &self.bucket.name;
                    self.bucket.core.tell(&format!(
                        "get object {name}/{}: {why}; going on at byte {} of {}",
                        self.key, self.at, self.size
                    ));
                    self.open = None;
                }
            }
        }
        let got = self.reopen(out).map_err(io::Error::other)?;
        if self.at == self.size
            && let Some(mut open) = self.open.take()
        {
            let _ = open.read(&mut [0]);
        }
        Ok(got)
    }
}
