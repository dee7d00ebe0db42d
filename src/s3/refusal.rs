//! A request that failed for good, and what is said about it.

use crate::ports::fault::{Fault, FaultKind};
use crate::s3::proto::fault::{Failure, Kind};
use crate::s3::proto::retry::History;
use std::time::Duration;

/// The last failure of a request, with what led to it.
#[derive(Debug)]
pub struct Refusal {
    /// What was asked.
    pub subject: String,
    /// The right that it needs.
    pub right: String,
    /// The last failure.
    pub failure: Failure,
    /// Attempts and time.
    pub history: History,
    /// Interrupted by the user.
    pub cancelled: bool,
}

impl Refusal {
    /// For callers that know nothing of S3.
    pub fn into_fault(self: Box<Refusal>) -> Fault {
        if self.cancelled {
            return Fault::new(FaultKind::Cancelled, format!("{}: interrupted", self.subject));
        }
        let failure = self.failure;
        let remedy = match &*failure.code {
            "AccessDenied" => Some(format!("needs {}", self.right)),
            // HEAD has no body to say so in; a proxy's page is quoted instead.
            "" if failure.kind == Kind::Denied && failure.detail.is_empty() => {
                Some(format!("needs {}", self.right))
            }
            _ => failure.remedy.map(str::to_owned),
        };
        let kind = match failure.kind {
            Kind::Missing | Kind::MissingBucket => FaultKind::Missing,
            Kind::Exists => FaultKind::Exists,
            Kind::Denied | Kind::Clock | Kind::Expired => FaultKind::Denied,
            Kind::Busy => FaultKind::Busy,
            Kind::Unreachable | Kind::Line => FaultKind::Broken,
            Kind::Damaged => FaultKind::Damaged,
            Kind::Changed => FaultKind::Changed,
            Kind::Unsupported | Kind::Region | Kind::Trust | Kind::WantsMd5 => FaultKind::Unsupported,
        };
        let tried = match self.history.attempts {
            0 | 1 => String::new(),
            n => format!(" after {n} attempts in {}", shown(self.history.elapsed)),
        };
        let fault = Fault::new(kind, format!("{}: {failure}{tried}", self.subject));
        match remedy {
            Some(remedy) => fault.with_remedy(remedy),
            None => fault,
        }
    }
}

/// `0.4s`, `12s`, `5m2s`.
pub fn shown(time: Duration) -> String {
    match time.as_secs() {
        0..=9 => format!("{:.1}s", time.as_secs_f64()),
        secs @ 10..=59 => format!("{secs}s"),
        secs => format!("{}m{}s", secs / 60, secs % 60),
    }
}
