//! Content to a destination that takes it in any order: chunks in storage order.

use crate::engine::blobs;
use crate::engine::error::Error;
use crate::engine::plan::Want;
use crate::engine::restore::{Batch, Job, Run};
use crate::format::kind::Resource;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::Event;

/// Chunks planned at once.
const WINDOW_CHUNKS: usize = 64 << 10;

/// Files of several chunks under way at once: each is open, and 1,024 open files is a common limit.
const OPEN_FILES_MAX: usize = 512;

/// What a chunk is wanted for.
struct Use<'j> {
    job: &'j Job,
    position: u64,
    length: u32,
}

/// Writes the content of a batch.
pub(crate) fn write(run: &Run<'_, '_, '_>, batch: &Batch) -> Result<(), Error> {
    let mut uses: Vec<Use<'_>> = Vec::new();
    let mut wants: Vec<Want> = Vec::new();
    let mut open = 0;
    for (job, chunks) in batch.jobs.iter().zip(&batch.chunks) {
        if chunks.is_empty() {
            create_empty(run, job)?;
        }
        if chunks.len() > 1 {
            open += 1;
        }
        let mut position = 0_u64;
        for chunk in chunks {
            if uses.len() >= WINDOW_CHUNKS {
                fetch(run, &mut wants, &uses)?;
                uses.clear();
                open = 1;
            }
            let tag = u32::try_from(uses.len()).unwrap_or(u32::MAX);
            wants.push(Want { resource: Resource::CHUNK, mac: chunk.mac, tag });
            uses.push(Use { job, position, length: chunk.length });
            position = position.saturating_add(u64::from(chunk.length));
        }
        if open >= OPEN_FILES_MAX {
            fetch(run, &mut wants, &uses)?;
            uses.clear();
            open = 0;
        }
    }
    fetch(run, &mut wants, &uses)
}

fn fetch(run: &Run<'_, '_, '_>, wants: &mut Vec<Want>, uses: &[Use<'_>]) -> Result<(), Error> {
    run.fetcher.run(wants, &|wants, result| {
        for want in wants {
            let Some(wanted) = uses.get(want.tag as usize) else { continue };
            let outcome = match result {
                Ok(bytes) => blobs::check_length(&want.mac, bytes.len(), wanted.length)
                    .map_err(|fault| fault.to_string())
                    .and_then(|()| put(run, wanted, bytes).map_err(|fault| fault.to_string())),
                Err(fault) => Err(fault.to_string()),
            };
            match outcome {
                Ok(false) => {}
                Ok(true) => run.finish(wanted.job, Ok(())),
                Err(why) => run.finish(wanted.job, Err(why)),
            }
        }
        run.refuse_when_cancelled()
    })?;
    wants.clear();
    Ok(())
}

/// Writes one chunk; whether it was the file's last.
fn put(run: &Run<'_, '_, '_>, wanted: &Use<'_>, bytes: &[u8]) -> Result<bool, Fault> {
    let job = wanted.job;
    let mut state = job.state();
    if state.outcome.is_some() {
        return Ok(false);
    }
    let mut body = match state.body.take() {
        Some(body) => body,
        None => run.destination.file(&job.to, &job.attributes)?,
    };
    body.write_at(wanted.position, bytes)?;
    run.world.monitor.tell(Event::Processed { bytes: bytes.len() as u64 });
    state.chunks_left = state.chunks_left.saturating_sub(1);
    if state.chunks_left > 0 {
        state.body = Some(body);
        return Ok(false);
    }
    body.finish()?;
    Ok(true)
}

fn create_empty(run: &Run<'_, '_, '_>, job: &Job) -> Result<(), Error> {
    if job.state().outcome.is_some() {
        return Ok(());
    }
    let made = run.destination.file(&job.to, &job.attributes).and_then(|body| body.finish());
    match made {
        Err(fault) if fault.kind == FaultKind::Cancelled => Err(fault.into()),
        Err(fault) => {
            run.finish(job, Err(fault.to_string()));
            Ok(())
        }
        Ok(()) => {
            run.finish(job, Ok(()));
            Ok(())
        }
    }
}
