//! What a client finds out about its server, and keeps for the rest of the run.

use crate::s3::create::Conditions;
use crate::s3::refusal::shown;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A correction of the clock that differs by less from the one before is the same one.
const SKEW_TOLD_SECS: u64 = 60;

/// Something that was seen once, and holds from then on.
#[derive(Debug, Default)]
pub struct Seen(AtomicBool);

impl Seen {
    /// Whether it was.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes it; whether it was known.
    pub fn set(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// See the module. Shared by threads.
#[derive(Debug, Default)]
pub struct Learned {
    /// It answered.
    pub reached: Seen,
    /// It wants the MD5 of bodies.
    pub wants_md5: Seen,
    /// It has no storage classes.
    pub class_refused: Seen,
    /// It lists in version 1 only.
    pub lists_v1: Seen,
    region: Mutex<String>,
    skew_secs: AtomicI64,
    conditions: Mutex<Conditions>,
}

impl Learned {
    /// Nothing but the region to begin with.
    pub fn new(region: &str) -> Learned {
        Learned { region: Mutex::new(region.to_owned()), ..Learned::default() }
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> String {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs for another one from now on; the one before.
    pub fn set_region(&self, region: &str) -> String {
        let mut known = self.region.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, region.to_owned())
    }

    /// How far the server's clock is ahead of this machine's.
    pub fn skew_secs(&self) -> i64 {
        self.skew_secs.load(Ordering::Relaxed)
    }

    /// The server's clock is so far ahead; said unless another thread just has.
    pub fn correct_clock(&self, secs: i64, notice: &dyn Fn(&str)) {
        let known = self.skew_secs.swap(secs, Ordering::Relaxed);
        if known.abs_diff(secs) < SKEW_TOLD_SECS {
            return;
        }
        let ahead = if secs < 0 { "ahead of" } else { "behind" };
        let by = shown(Duration::from_secs(secs.unsigned_abs()));
        notice(&format!("this machine's clock is {by} {ahead} the server's: signing with the server's time"));
    }

    /// What is known of the server's way with conditions.
    pub fn conditions(&self) -> Conditions {
        *self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns about it; what was known before.
    pub fn set_conditions(&self, seen: Conditions) -> Conditions {
        std::mem::replace(&mut *self.conditions.lock().unwrap_or_else(PoisonError::into_inner), seen)
    }
}
