//! Streams into objects: one PUT, or parts in parallel.

use crate::pool::Queue;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::{Bucket, PutOptions, drain};
use crate::s3::http::Incoming;
use crate::s3::payload::Payload;
use crate::s3::proto::address::Key;
use crate::s3::proto::fault::{Failure, Kind};
use crate::s3::proto::multipart::{self, Completed};
use crate::s3::proto::parts::{Plan, SINGLE_PUT_BYTES, plan};
use crate::s3::refusal::Refusal;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

/// Parts of one stream in flight at once.
const PARTS_IN_FLIGHT: u64 = 3;

/// Longer parts are sent by fewer threads, so that one stream's parts stay about below this.
const PARTS_IN_FLIGHT_BYTES: u64 = 32 << 20;

/// A server writes down when an upload began a moment before it dates its answer.
const DATED_BEFORE_SECS: i64 = 2;

/// Bytes of memory that an upload of that size takes: parts on their way, and one being filled.
pub fn holds(bucket: &Bucket, size: u64) -> usize {
    let Ok(plan) = plan(Some(size), bucket.core.config.parts_max) else { return 0 };
    let parts = (workers(&plan) + 1).min(plan.count.unwrap_or(u64::MAX));
    usize::try_from(plan.part_bytes.saturating_mul(parts).min(size)).unwrap_or(usize::MAX)
}

/// Threads that send parts.
fn workers(plan: &Plan) -> u64 {
    let parts = plan.count.unwrap_or(u64::MAX);
    (PARTS_IN_FLIGHT_BYTES / plan.part_bytes).clamp(1, PARTS_IN_FLIGHT).min(parts)
}

/// Stores what `body` gives under `key`.
///
/// # Errors
/// See [`Bucket::put_stream`].
pub fn run(
    bucket: &Bucket,
    key: &Key,
    body: &mut dyn Read,
    size: Option<u64>,
    options: &PutOptions,
) -> Result<(), Fault> {
    let place = || format!("put object {}/{key}", bucket.name);
    let plan = plan(size, bucket.core.config.parts_max)
        .map_err(|why| Fault::new(FaultKind::Unsupported, format!("{}: {why}", place())))?;
    let mut source = Source { body, size, read: 0, place: place() };
    let first_bytes = match size {
        Some(size) if size <= SINGLE_PUT_BYTES => size,
        _ => plan.part_bytes,
    };
    let first = source.next(first_bytes, Vec::new())?;
    if source.ended(&first, first_bytes) {
        return bucket.put_whole(key, &first, options);
    }
    let upload = Upload::create(bucket, key, options, plan)?;
    match upload.send(first, &mut source).and_then(|etags| upload.complete(&etags, source.read, options)) {
        Ok(()) => Ok(()),
        Err(fault) => {
            // What the upload failed of is what must be told; `pending_uploads` finds what stays.
            let _ = bucket.abort_upload(key.as_bytes(), &upload.id);
            Err(fault)
        }
    }
}

/// The body, and how much of it came.
struct Source<'a> {
    body: &'a mut dyn Read,
    size: Option<u64>,
    read: u64,
    place: String,
}

impl Source<'_> {
    /// The next `want` bytes into `buffer`, fewer only at the end.
    fn next(&mut self, want: u64, mut buffer: Vec<u8>) -> Result<Vec<u8>, Fault> {
        buffer.clear();
        let left = self.size.map_or(u64::MAX, |size| size - self.read);
        let want = want.min(left);
        // For a body of unknown size room is made as it comes: most streams are short.
        let room = if self.size.is_some() { usize::try_from(want).unwrap_or(usize::MAX) } else { 0 };
        if buffer.try_reserve_exact(room).is_err() {
            let why = format!("{}: no memory for a part of {want} bytes", self.place);
            return Err(Fault::new(FaultKind::Unsupported, why));
        }
        let got = self.body.take(want).read_to_end(&mut buffer).map_err(|error| {
            match error.downcast::<Fault>() {
                Ok(fault) => fault,
                Err(error) => Fault::from_io(format!("{}: reading the content", self.place), &error),
            }
        })?;
        self.read += got as u64;
        if let Some(size) = self.size
            && (got as u64) < want
        {
            let why = format!("{}: the content ended after {} of {size} bytes", self.place, self.read);
            return Err(Fault::new(FaultKind::Damaged, why));
        }
        if self.size == Some(self.read) {
            self.expect_end()?;
        }
        Ok(buffer)
    }

    /// A source that grew while it was read would be cut without a word.
    fn expect_end(&mut self) -> Result<(), Fault> {
        let place = &self.place;
        match self.body.take(1).read_to_end(&mut Vec::new()) {
            Ok(0) => Ok(()),
            Ok(_) => {
                let why = format!("{place}: the content is longer than the {} bytes promised", self.read);
                Err(Fault::new(FaultKind::Damaged, why))
            }
            Err(error) => Err(Fault::from_io(format!("{place}: reading the content"), &error)),
        }
    }

    /// Whether nothing comes after `part`, for which `want` bytes were asked.
    fn ended(&self, part: &[u8], want: u64) -> bool {
        match self.size {
            Some(size) => self.read == size,
            None => (part.len() as u64) < want,
        }
    }
}

/// An upload that was begun.
struct Upload<'a> {
    bucket: &'a Bucket,
    key: &'a Key,
    id: String,
    plan: Plan,
    workers: u64,
    /// The server's clock when it was begun, in seconds since 1970.
    begun: i64,
}

impl<'a> Upload<'a> {
    fn create(
        bucket: &'a Bucket,
        key: &'a Key,
        options: &PutOptions,
        plan: Plan,
    ) -> Result<Upload<'a>, Fault> {
        let create = |options: &PutOptions| {
            bucket.core.run(
                &multipart::create(&bucket.name, key, options),
                &Payload::new(b""),
                &mut |mut answer: Incoming| {
                    let body = answer.read_all(crate::base::limits::S3_ERROR_BYTES_MAX)?;
                    let id =
                        multipart::parse_create(&body).map_err(|why| Failure::strange(&answer.head, why))?;
                    Ok((id, answer.head.date().unwrap_or(0)))
                },
            )
        };
        let (id, begun) = bucket.adapting(options, create).map_err(Refusal::into_fault)?;
        Ok(Upload { bucket, key, id, workers: workers(&plan), plan, begun })
    }

    /// Sends all parts; their entity tags in order.
    fn send(&self, first: Vec<u8>, source: &mut Source<'_>) -> Result<Vec<String>, Fault> {
        let work: Queue<(u64, Vec<u8>)> = Queue::new(1);
        let spent: Queue<Vec<u8>> = Queue::new(usize::MAX);
        let etags: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());
        let fault: Mutex<Option<Fault>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.workers {
                scope.spawn(|| {
                    while let Some((number, part)) = work.pop() {
                        match self.put_part(number, &part) {
                            Ok(etag) => {
                                etags.lock().unwrap_or_else(PoisonError::into_inner).push((number, etag));
                            }
                            Err(refusal) => {
                                set_once(&fault, refusal.into_fault());
                                work.abandon();
                            }
                        }
                        // Never full; when it is gone, so is the need for the buffer.
                        let _ = spent.try_push(part);
                    }
                });
            }
            if let Err(error) = self.feed(first, source, &work, &spent) {
                set_once(&fault, error);
                work.abandon();
            }
            work.close();
        });
        if let Some(fault) = fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(fault);
        }
        let mut etags = etags.into_inner().unwrap_or_else(PoisonError::into_inner);
        etags.sort();
        Ok(etags.into_iter().map(|(_, etag)| etag).collect())
    }

    /// Cuts the stream into parts until it ends or the workers give up.
    fn feed(
        &self,
        first: Vec<u8>,
        source: &mut Source<'_>,
        work: &Queue<(u64, Vec<u8>)>,
        spent: &Queue<Vec<u8>>,
    ) -> Result<(), Fault> {
        let mut part = first;
        for number in 1.. {
            let most = self.bucket.core.config.parts_max;
            if number > most {
                let why = format!("{}: the content is longer than {most} parts", source.place);
                return Err(Fault::new(FaultKind::Unsupported, why));
            }
            let over = source.ended(&part, self.plan.part_bytes);
            // A stream of unknown size may end exactly where a part does.
            if part.is_empty() || work.push((number, part)).is_err() || over {
                break;
            }
            // One buffer more than workers. Whoever fails gives its own back too.
            let buffer = if number > self.workers { spent.pop() } else { None };
            part = source.next(self.plan.part_bytes, buffer.unwrap_or_default())?;
        }
        Ok(())
    }

    fn put_part(&self, number: u64, part: &[u8]) -> Result<String, Box<Refusal>> {
        let request = multipart::put_part(&self.bucket.name, self.key, &self.id, number);
        self.bucket.core.run(&request, &Payload::new(part), &mut |answer: Incoming| {
            let etag = answer.head.etag();
            let head = answer.head.clone();
            drain(answer)?;
            match etag.is_empty() {
                true => Err(Failure::strange(&head, "a part was answered without an entity tag")),
                false => Ok(etag),
            }
        })
    }

    fn complete(&self, etags: &[String], size: u64, options: &PutOptions) -> Result<(), Fault> {
        if self.bucket.core.is_cancelled() {
            return Err(Fault::new(
                FaultKind::Cancelled,
                format!("put object {}/{}: interrupted", self.bucket.name, self.key),
            ));
        }
        let (request, body) =
            multipart::complete(&self.bucket.name, self.key, &self.id, etags, options.if_none_match);
        let tls = self.bucket.core.config.endpoint.tls();
        let done = self.bucket.core.run(&request, &Payload::new(&body), &mut |mut answer: Incoming| {
            let body = answer.read_all(crate::base::limits::S3_ERROR_BYTES_MAX)?;
            match multipart::parse_complete(&body) {
                Ok(Completed::Done(_)) => Ok(()),
                Ok(Completed::Failed) => Err(Failure::from_body(&answer.head, &body, tls)),
                // Cut, although the status was sent: whether it was done is not known.
                Err(why) => Err(Failure::new(Kind::Line, why)),
            }
        });
        match done {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.history.uncertain && self.is_there(etags, size) => Ok(()),
            Err(refusal) => Err(refusal.into_fault()),
        }
    }

    /// Whether the object at the key is what this upload would make of it: a completion whose
    /// answer was lost.
    fn is_there(&self, etags: &[String], size: u64) -> bool {
        let Ok(info) = self.bucket.info(self.key) else { return false };
        if info.size != size {
            return false;
        }
        if multipart::whole_etag(etags).is_some_and(|whole| whole == info.etag) {
            return true;
        }
        // Where entity tags are made otherwise, an object of as many parts that is not older than the
        // upload: some date it by its beginning.
        let of_parts = info.etag.rsplit_once('-').is_none_or(|(_, count)| count == etags.len().to_string());
        of_parts && info.last_modified_ns.div_euclid(1_000_000_000) >= self.begun - DATED_BEFORE_SECS
    }
}

fn set_once(slot: &Mutex<Option<Fault>>, fault: Fault) {
    slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
}
