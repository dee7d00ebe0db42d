//! Objects that may not replace one that is there: `If-None-Match`, and what is done where a server
//! passes over it.

use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::{Bucket, PutOptions, drain};
use crate::s3::payload::Payload;
use crate::s3::proto::address::Key;
use crate::s3::proto::fault::Kind;
use crate::s3::proto::object;
use crate::s3::refusal::Refusal;

/// What is known of a server's way with `If-None-Match: *`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Conditions {
    /// It was not seen to refuse, nor to pass over one.
    #[default]
    Unknown,
    /// It refuses to replace what is there.
    Kept,
    /// It replaces what is there, or does not take the header.
    Ignored,
}

/// Stores the object unless there is one. The first time that the server takes one, it is asked
/// again: only a server that refuses then has understood the condition.
///
/// # Errors
/// `Exists`.
pub fn run(bucket: &Bucket, key: &Key, body: &[u8], options: &PutOptions) -> Result<(), Fault> {
    let known = bucket.core.learned.conditions();
    // Without the right to list, S3 says "forbidden" of what is not there: the PUT decides.
    if known != Conditions::Kept && bucket.info(key).is_ok() {
        let what = format!("put object {}/{key}: there is one already", bucket.name);
        return Err(Fault::new(FaultKind::Exists, what));
    }
    if known == Conditions::Ignored {
        return put_anyhow(bucket, key, body, options);
    }
    match put(bucket, key, body, options) {
        Ok(()) if known == Conditions::Unknown => {
            match put(bucket, key, body, options) {
                Ok(()) => ignores(bucket),
                Err(refusal) if refusal.failure.kind == Kind::Exists => {
                    bucket.core.learned.set_conditions(Conditions::Kept);
                }
                // The object is there, and the question stays open.
                Err(_) => {}
            }
            Ok(())
        }
        Err(refusal) if refusal.failure.is_not_implemented() => {
            // Perhaps it is something else that the server does not know.
            put_anyhow(bucket, key, body, options)?;
            ignores(bucket);
            Ok(())
        }
        Err(refusal) if refusal.failure.kind == Kind::Exists && refusal.history.uncertain => {
            // Perhaps it was our own earlier attempt, whose answer was lost.
            match bucket.get_object(key.as_bytes(), body.len() as u64) {
                Ok(there) if there == body => Ok(()),
                _ => Err(refusal.into_fault()),
            }
        }
        Err(refusal) => {
            if refusal.failure.kind == Kind::Exists {
                bucket.core.learned.set_conditions(Conditions::Kept);
            }
            Err(refusal.into_fault())
        }
        done => done.map_err(Refusal::into_fault),
    }
}

fn put(bucket: &Bucket, key: &Key, body: &[u8], options: &PutOptions) -> Result<(), Box<Refusal>> {
    bucket.adapting(options, |options| {
        bucket.core.run(&object::put(&bucket.name, key, options), &Payload::new(body), &mut drain)
    })
}

fn put_anyhow(bucket: &Bucket, key: &Key, body: &[u8], options: &PutOptions) -> Result<(), Fault> {
    let options = PutOptions { if_none_match: false, ..options.clone() };
    put(bucket, key, body, &options).map_err(Refusal::into_fault)
}

fn ignores(bucket: &Bucket) {
    if bucket.core.learned.set_conditions(Conditions::Ignored) != Conditions::Ignored {
        bucket.core.tell(
            "the server passes over If-None-Match: what is there is looked for before each write, and of two \
             writers at once the later one wins",
        );
    }
}
