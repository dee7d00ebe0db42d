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
const WINDOW_BYTES: u64 = 8 << 20;
const WINDOW_CHUNKS: usize = 4096;

/// Content bytes fetched and not yet written.
const AHEAD_BYTES: usize = 24 << 20;

/// Files written at once: an upload of a small object is mostly waiting.
const WRITERS: usize = 16;

struct Segment<'j, 'p> {
    job: &'j Job,
    position: u64,
    last: bool,
    /// `None` for a file without chunks.
    bytes: Option<Fetched>,
    _permit: Arc<Permit<'p>>,
}

/// Writes the content of a batch. All segments of a file go to one writer, in order.
pub(crate) fn write(run: &Run<'_, '_, '_>, batch: &Batch) -> Result<(), Error> {
    let budget = Budget::new(AHEAD_BYTES);
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
        if let Err(fault) = feed(run, batch, &budget, &queues) {
            fail(fault);
        }
        queues.iter().for_each(Queue::close);
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(fault) => Err(fault),
        None => Ok(()),
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
    budget: &'p Budget,
    queues: &[Queue<Segment<'j, 'p>>],
) -> Result<(), Error> {
    let mut places: Vec<Place> = Vec::new();
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut bytes = 0;
    let send = |places: &mut Vec<Place>, chunks: &mut Vec<Chunk>, bytes: u64| -> Result<bool, Error> {
        let permit = Arc::new(budget.take(usize::try_from(bytes).unwrap_or(usize::MAX)));
        let fetched = run.fetcher.chunks(chunks)?;
        chunks.clear();
        for (place, bytes) in places.drain(..).zip(fetched) {
            let Some(job) = batch.jobs.get(place.job) else { continue };
            let segment = Segment {
                job,
                position: place.position,
                last: place.last,
                bytes: Some(bytes),
                _permit: Arc::clone(&permit),
            };
            if push(queues, place.job, segment).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for (at, (job, list)) in batch.jobs.iter().zip(&batch.chunks).enumerate() {
        run.refuse_when_cancelled()?;
        if list.is_empty() && job.state().outcome.is_none() {
            let permit = Arc::new(budget.take(0));
            let empty = Segment { job, position: 0, last: true, bytes: None, _permit: permit };
            if push(queues, at, empty).is_err() {
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

fn push<'j, 'p>(
    queues: &[Queue<Segment<'j, 'p>>],
    job: usize,
    segment: Segment<'j, 'p>,
) -> Result<(), Segment<'j, 'p>> {
    match queues.get(job % WRITERS) {
        Some(queue) => queue.push(segment),
        None => Err(segment),
    }
}

fn take<'j>(
    run: &Run<'_, '_, '_>,
    open: &mut Option<Box<dyn Body>>,
    segment: Segment<'j, '_>,
) -> Result<(), Error> {
    let job = segment.job;
    if segment.position == 0 {
        *open = None;
    }
    if job.state().outcome.is_some() {
        return Ok(());
    }
    let mut step = || -> Result<(), Fault> {
        let mut body = match open.take() {
            Some(body) => body,
            None => run.destination.file(&job.to, &job.attributes)?,
        };
        if let Some(Ok(bytes)) = &segment.bytes {
            body.write_at(segment.position, bytes)?;
            run.world.monitor.tell(Event::Processed { bytes: bytes.len() as u64 });
        }
        if segment.last {
            return body.finish();
        }
        *open = Some(body);
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
