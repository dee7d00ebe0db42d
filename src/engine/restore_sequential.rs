//! Content to a destination that takes each file from front to back: chunks in the files' order,
//! fetched a window ahead, many files written at once.

use crate::engine::budget::{Budget, Permit};
use crate::engine::error::{Error, Kind};
use crate::engine::plan::Fetched;
use crate::engine::restore::{Batch, Job, Run};
use crate::format::object::Chunk;
use crate::pool::Queue;
use crate::ports::destination::Body;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::Event;
use std::sync::{Arc, Mutex, PoisonError};

/// Content bytes and chunks fetched at once.
const WINDOW_BYTES: u64 = 4 << 20;
const WINDOW_CHUNKS: usize = 4096;

/// Content bytes fetched and not yet written.
const AHEAD_BYTES: usize = 12 << 20;

/// Bytes that files being written may hold, as the destination says: one large upload, or many
/// small objects.
const OPEN_BYTES: usize = 32 << 20;

/// Files written at once: an upload of a small object is mostly waiting.
const WRITERS: usize = 16;

/// A file that was started, or why it could not be.
struct Started<'p> {
    body: Result<Box<dyn Body>, Fault>,
    permit: Permit<'p>,
}

struct Segment<'j, 'p> {
    job: &'j Job,
    /// Of the first segment of a file.
    started: Option<Started<'p>>,
    position: u64,
    last: bool,
    /// `None` for a file without chunks.
    bytes: Option<Fetched>,
    _permit: Arc<Permit<'p>>,
}

/// Writes the content of a batch. All segments of a file go to one writer, in order.
pub(crate) fn write(run: &Run<'_, '_, '_>, batch: &Batch) -> Result<(), Error> {
    let budgets = Budgets { ahead: Budget::new(AHEAD_BYTES), open: Budget::new(OPEN_BYTES) };
    let queues: Vec<Queue<Segment<'_, '_>>> = (0..WRITERS).map(|_| Queue::new(WINDOW_CHUNKS)).collect();
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let fail = |fault: Error| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        queues.iter().for_each(Queue::abandon);
    };
    std::thread::scope(|scope| {
        for queue in &queues {
            let fail = &fail;
            scope.spawn(move || {
                let mut open = None;
                while let Some(segment) = queue.pop() {
                    if let Err(fault) = take(run, &mut open, segment) {
                        fail(fault);
                    }
                }
            });
        }
        if let Err(fault) = feed(run, batch, &budgets, &queues) {
            fail(fault);
        }
        queues.iter().for_each(Queue::close);
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

struct Budgets {
    ahead: Budget,
    open: Budget,
}

impl Budgets {
    /// Starts the file of a job, once there is room for what it holds. Called in the order of jobs:
    /// those before have all their content by then, and end without what comes after.
    fn start(&self, run: &Run<'_, '_, '_>, job: &Job) -> Option<Started<'_>> {
        if job.state().outcome.is_some() {
            return None;
        }
        let size = u64::try_from(job.attributes.info.size).unwrap_or(0);
        let permit = self.open.take(run.destination.holds(size));
        Some(Started { body: run.destination.file(&job.to, &job.attributes), permit })
    }
}

/// One chunk of the window being gathered.
struct Place {
    job: usize,
    position: u64,
    last: bool,
}

fn feed<'j, 'p>(
    run: &Run<'_, '_, '_>,
    batch: &'j Batch,
    budgets: &'p Budgets,
    queues: &[Queue<Segment<'j, 'p>>],
) -> Result<(), Error> {
    let mut places: Vec<Place> = Vec::new();
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    let send = |places: &mut Vec<Place>, chunks: &mut Vec<Chunk>, bytes: u64| -> Result<bool, Error> {
        let permit = Arc::new(budgets.ahead.take(usize::try_from(bytes).unwrap_or(usize::MAX)));
        let fetched = run.fetcher.chunks(chunks)?;
        chunks.clear();
        for (place, bytes) in places.drain(..).zip(fetched) {
            let Some(job) = batch.jobs.get(place.job) else { continue };
            let started = (place.position == 0).then(|| budgets.start(run, job)).flatten();
            let segment = Segment {
                job,
                started,
                position: place.position,
                last: place.last,
                bytes: Some(bytes),
                _permit: Arc::clone(&permit),
            };
            if !push(queues, place.job, segment) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for (at, (job, list)) in batch.jobs.iter().zip(&batch.chunks).enumerate() {
        run.refuse_when_cancelled()?;
        if list.is_empty() && job.state().outcome.is_none() {
            let started = budgets.start(run, job);
            let permit = Arc::new(budgets.ahead.take(0));
            let empty = Segment { job, started, position: 0, last: true, bytes: None, _permit: permit };
            if !push(queues, at, empty) {
                return Ok(());
            }
        }
        let mut position = 0_u64;
        for (number, chunk) in list.iter().enumerate() {
            places.push(Place { job: at, position, last: number + 1 == list.len() });
            chunks.push(*chunk);
            position = position.saturating_add(u64::from(chunk.length));
            bytes += u64::from(chunk.length);
            if bytes >= WINDOW_BYTES || chunks.len() >= WINDOW_CHUNKS {
                if !send(&mut places, &mut chunks, bytes)? {
                    return Ok(());
                }
                bytes = 0;
            }
        }
    }
    send(&mut places, &mut chunks, bytes).map(|_| ())
}

/// Whether the file's writer still takes it.
fn push<'j, 'p>(queues: &[Queue<Segment<'j, 'p>>], job: usize, segment: Segment<'j, 'p>) -> bool {
    queues.get(job % WRITERS).is_some_and(|queue| queue.push(segment).is_ok())
}

fn take<'p>(
    run: &Run<'_, '_, '_>,
    open: &mut Option<Started<'p>>,
    mut segment: Segment<'_, 'p>,
) -> Result<(), Error> {
    let job = segment.job;
    if segment.position == 0 {
        *open = segment.started.take();
    }
    if job.state().outcome.is_some() {
        return Ok(());
    }
    let mut step = || -> Result<(), Fault> {
        let Some(Started { body, permit }) = open.take() else { return Ok(()) };
        let mut body = body?;
        if let Some(Ok(bytes)) = &segment.bytes {
            body.write_at(segment.position, bytes)?;
            run.world.monitor.tell(Event::Processed { bytes: bytes.len() as u64 });
        }
        if segment.last {
            return body.finish();
        }
        *open = Some(Started { body: Ok(body), permit });
        Ok(())
    };
    if let Some(Err(fault)) = &segment.bytes {
        let why = fault.to_string();
        *open = None;
        run.finish(job, Err(why));
        return Ok(());
    }
    match step() {
        Ok(()) if segment.last => run.finish(job, Ok(())),
        Ok(()) => {}
        // The line to the bucket is lost, with all retries spent: no other file would fare better.
        Err(fault) if matches!(fault.kind, FaultKind::Broken | FaultKind::Busy | FaultKind::Cancelled) => {
            let kind = if fault.kind == FaultKind::Cancelled { Kind::Cancelled } else { Kind::Destination };
            run.finish(job, Err(fault.to_string()));
            return Err(Error::new(kind, fault.to_string()));
        }
        Err(fault) => run.settle(job, Err(fault)),
    }
    Ok(())
}
