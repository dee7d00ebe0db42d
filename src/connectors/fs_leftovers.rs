//! Names of files that are not finished, and what became of those whose restore was killed.
//!
//! Every restore holds a shared lock (`flock`) on the directory it writes to, which ends with its
//! process, however that ends. When nobody else holds one, at a directory or at any above it, all
//! temporary names that were in it before are of the dead.

use crate::connectors::fs_facts::identity;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RawDir, flock};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Digits in such a name.
pub(super) const DIGITS: usize = 12;

/// Times that a lock is asked for, which others exclude only for as long as it takes to look whether
/// they are alone. More would wait for a program that is none of ours.
const HOLD_TRIES: usize = 100;

/// Bytes of names read at a time.
const LISTING_BUFFER: usize = 16 << 10;

/// The name for these digits.
pub(super) fn name(digits: &str) -> String {
    format!(".plakar-{digits}.tmp")
}

/// Whether a name is one of those.
pub(super) fn is_name(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b".plakar-").and_then(|rest| rest.strip_suffix(b".tmp"));
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_digit))
}

/// From now on this process writes below `root`.
pub(super) fn hold(root: &OwnedFd) {
    for _ in 0..HOLD_TRIES {
        // Without a lock, where the file system has none, nobody finds leftovers either.
        if flock(root, FlockOperation::NonBlockingLockShared) != Err(Errno::WOULDBLOCK) {
            return;
        }
        std::thread::yield_now();
    }
}

/// Removes what the dead left in a directory at or below `root`, in which nothing of this process is
/// under way; what `keep` names is something else.
pub(super) fn remove(dir: &OwnedFd, root: &OwnedFd, keep: &dyn Fn(&[u8]) -> bool) {
    // What cannot be listed cannot be removed.
    let mut found = list(dir).unwrap_or_default();
    found.retain(|name| !keep(name.as_bytes()));
    if found.is_empty() {
        return;
    }
    let alone = alone(dir.as_fd(), root).is_ok();
    // A lock that is refused a change is lost.
    hold(root);
    if alone {
        for name in found {
            let _ = rustix::fs::unlinkat(dir, &name, AtFlags::empty());
        }
    }
}

fn list(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    // A handle of its own, which reads from the start.
    let own =
        rustix::fs::openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = Vec::with_capacity(LISTING_BUFFER);
    let mut entries = RawDir::new(&own, buffer.spare_capacity_mut());
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if is_name(entry.file_name().to_bytes()) {
            found.push(entry.file_name().to_owned());
        }
    }
    Ok(found)
}

/// Refused while another restore writes to this directory, or to one above it.
fn alone(dir: BorrowedFd<'_>, root: &OwnedFd) -> Result<(), Errno> {
    flock(root, FlockOperation::NonBlockingLockExclusive)?;
    let ours = identity(&rustix::fs::fstat(root)?);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // All are held until the last is: whoever begins meanwhile does so after the names were listed.
    let mut locked: Vec<OwnedFd> = Vec::new();
    let mut below = None;
    loop {
        let (from, step) = locked.last().map_or((dir, c"."), |last| (last.as_fd(), c".."));
        let at = match rustix::fs::openat(from, step, flags, Mode::empty()) {
            // Closed to us: whoever writes there is somebody else, and does not come down here.
            Err(Errno::ACCESS) => return Ok(()),
            other => other?,
        };
        let here = identity(&rustix::fs::fstat(&at)?);
        if below == Some(here) {
            return Ok(());
        }
        below = Some(here);
        if here != ours {
            flock(&at, FlockOperation::NonBlockingLockExclusive)?;
        }
        locked.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_are_ours() {
        let ours = name("012345678901");
        assert!(is_name(ours.as_bytes()));
        let others = ["", ".plakar-.tmp", ".plakar-01234567890.tmp", ".plakar-0123456789012.tmp"];
        for other in others.into_iter().chain([".plakar-01234567890a.tmp", "plakar-012345678901.tmp"]) {
            assert!(!is_name(other.as_bytes()), "{other}");
        }
    }
}
