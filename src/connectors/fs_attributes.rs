//! Mode, owner, times and extended attributes, given back to what was restored.
//!
//! Content is worth more than attributes: a file whose attributes are refused stays, and the
//! refusal is reported. What this user or this file system can never do (owners without root,
//! `security.*` without rights, attributes where there is no place for them) is said once.

use crate::base::file::Mode as Kept;
use crate::connectors::context::Notice;
use crate::connectors::fs_facts::fault;
use crate::connectors::fs_walk::through_proc;
use crate::ports::destination::Attributes;
use crate::ports::fault::{Fault, FaultKind};
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

/// What is to be given, by whom.
pub(super) struct Giver {
    enabled: bool,
    root: bool,
    uid: u64,
    gid: u64,
    notice: Notice,
    said: Mutex<BTreeSet<String>>,
}

/// Something without a handle of its own.
pub(super) struct Named<'a> {
    pub(super) dir: BorrowedFd<'a>,
    pub(super) name: &'a [u8],
    /// For messages.
    pub(super) path: &'a [u8],
    /// Links have no mode.
    pub(super) is_link: bool,
}

impl Giver {
    pub(super) fn new(enabled: bool, notice: Notice) -> Giver {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Giver {
            enabled,
            root: uid.is_root(),
            uid: u64::from(uid.as_raw()),
            gid: u64::from(gid.as_raw()),
            notice,
            said: Mutex::default(),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// To an open file or directory.
    pub(super) fn to_open(&self, fd: BorrowedFd<'_>, path: &[u8], wanted: &Attributes) -> Result<(), Fault> {
        if !self.enabled {
            return Ok(());
        }
        let mut result = Ok(());
        // Changing the owner clears setuid and capabilities, so it comes first; a time is changed
        // by everything else, so it comes last.
        let owned = self.owner(path, wanted, |uid, gid| rustix::fs::fchown(fd, uid, gid), &mut result);
        for (name, value) in &wanted.xattrs {
            let set = rustix::fs::fsetxattr(fd, &name[..], value, XattrFlags::empty());
            self.judge_xattr(path, name, set, &mut result);
        }
        let mode = self.mode(wanted, owned);
        keep_first(&mut result, rustix::fs::fchmod(fd, mode).map_err(|error| fault("chmod", path, error)));
        let time = rustix::fs::futimens(fd, &times(wanted));
        keep_first(&mut result, time.map_err(|error| fault("set the time of", path, error)));
        result
    }

    /// To a symbolic link or a pipe.
    pub(super) fn to_named(&self, place: &Named<'_>, wanted: &Attributes) -> Result<(), Fault> {
        if !self.enabled {
            return Ok(());
        }
        let mut result = Ok(());
        let own = |uid, gid| rustix::fs::chownat(place.dir, place.name, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
        let owned = self.owner(place.path, wanted, own, &mut result);
        let mut proc_path = Vec::new();
        through_proc(&mut proc_path, place.dir, place.name);
        for (name, value) in &wanted.xattrs {
            let set = rustix::fs::lsetxattr(&proc_path[..], &name[..], value, XattrFlags::empty());
            self.judge_xattr(place.path, name, set, &mut result);
        }
        if !place.is_link {
            let set = rustix::fs::chmodat(place.dir, place.name, self.mode(wanted, owned), AtFlags::empty());
            keep_first(&mut result, set.map_err(|error| fault("chmod", place.path, error)));
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let time = rustix::fs::utimensat(place.dir, place.name, &times(wanted), flags);
        keep_first(&mut result, time.map_err(|error| fault("set the time of", place.path, error)));
        result
    }

    /// Whether the entry belongs to whom it belonged.
    fn owner(
        &self,
        path: &[u8],
        wanted: &Attributes,
        chown: impl FnOnce(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
        result: &mut Result<(), Fault>,
    ) -> bool {
        if !self.root {
            return wanted.info.uid == self.uid && wanted.info.gid == self.gid;
        }
        // The highest number means "leave it" to the kernel.
        let number = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        let (Some(uid), Some(gid)) = (number(wanted.info.uid), number(wanted.info.gid)) else {
            self.say_once("owners beyond 32 bits are not restored".to_owned());
            return false;
        };
        match chown(Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
            Ok(()) => true,
            // A user namespace, or a file system without owners.
            Err(Errno::PERM | Errno::INVAL | Errno::NOTSUP | Errno::NOSYS) => {
                self.say_once("owners are not restored: the system refuses them here".to_owned());
                false
            }
            Err(error) => {
                keep_first(result, Err(fault("chown", path, error)));
                false
            }
        }
    }

    /// The permission bits; without setuid and setgid when they would speak for another owner.
    fn mode(&self, wanted: &Attributes, owned: bool) -> Mode {
        let mut bits = wanted.info.mode.0;
        if !owned {
            if wanted.info.uid != self.uid {
                bits &= !Kept::SETUID;
            }
            if wanted.info.gid != self.gid && !wanted.info.mode.is_dir() {
                bits &= !Kept::SETGID;
            }
        }
        Mode::from_raw_mode(Kept(bits).posix_permissions())
    }

    fn judge_xattr(&self, path: &[u8], name: &[u8], set: Result<(), Errno>, result: &mut Result<(), Fault>) {
        let space = name.split(|&byte| byte == b'.').next().unwrap_or_default();
        let space = String::from_utf8_lossy(space);
        match set {
            Ok(()) => {}
            Err(Errno::NOTSUP) => {
                self.say_once(format!(
                    "extended attributes {space}.* are not restored: no place for them here"
                ));
            }
            Err(Errno::PERM | Errno::ACCESS) if space != "user" => {
                self.say_once(format!("extended attributes {space}.* are not restored: not allowed here"));
            }
            Err(error) => {
                let what = format!("set extended attribute {} of", String::from_utf8_lossy(name));
                let mut refused = fault(&what, path, error);
                refused.kind = FaultKind::Denied;
                keep_first(result, Err(refused));
            }
        }
    }

    fn say_once(&self, line: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&line) {
            (self.notice)(&line);
            said.insert(line);
        }
    }
}

fn keep_first(result: &mut Result<(), Fault>, next: Result<(), Fault>) {
    if result.is_ok() {
        *result = next;
    }
}

/// The format keeps no access time: it gets the time of the last change.
fn times(wanted: &Attributes) -> Timestamps {
    let stamp = wanted.info.mod_time;
    let time = Timespec { tv_sec: stamp.secs, tv_nsec: stamp.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
