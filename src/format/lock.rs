//! LOCK files: who is at work, since when (FORMAT.md, "Lock").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::stamp::Stamp;
use crate::format::error::FormatError;
use crate::format::fields::{self, field};
use crate::format::kind::Version;

/// One lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Taken or last renewed.
    pub timestamp: Stamp,
    /// Of the holder.
    pub hostname: String,
    /// Maintenance; all else shares.
    pub exclusive: bool,
}

const WHAT: &str = "lock";

impl Lock {
    /// The body, before compression and sealing.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(4);
        w.str("version");
        w.u32(Version::V1_0_0.0);
        w.str("timestamp");
        w.time(self.timestamp);
        w.str("hostname");
        w.str(&self.hostname);
        w.str("exclusive");
        w.bool(self.exclusive);
        w.finish()
    }

    /// Reads the body.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Lock, FormatError> {
        let mut lock = Lock { timestamp: Stamp::default(), hostname: String::new(), exclusive: false };
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "timestamp" => field!(WHAT, key, lock.timestamp, r.time()),
            "hostname" => field!(WHAT, key, lock.hostname, fields::text(r)),
            "exclusive" => field!(WHAT, key, lock.exclusive, r.bool()),
            _ => Ok(false),
        })?;
        Ok(lock)
    }
}
