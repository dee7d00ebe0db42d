//! Open directories and files of a destination, few at a time however many are being written.

use crate::connectors::fs_facts::fault;
use crate::connectors::fs_leftovers;
use crate::connectors::fs_source;
use crate::ports::fault::{Fault, FaultKind};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Directory handles kept: a restore stays among neighbours for long.
const DIRECTORIES_MAX: usize = 64;

/// File handles kept. With the directories, the sockets and room to spare, below the 1,024 that
/// a process usually gets.
const FILES_MAX: usize = 256;

/// Directories below one root, opened name by name without following links: what somebody puts
/// there meanwhile can make a restore fail, never lead it out.
pub(super) struct Directories {
    root: Vec<u8>,
    /// Opened once: whatever becomes of its path, a restore ends where it began.
    root_handle: Mutex<Option<Arc<OwnedFd>>>,
    /// Paths relative to the root, the most recently used last.
    open: Mutex<Vec<(Vec<u8>, Arc<OwnedFd>)>>,
    /// Digests of the paths of those that were made here.
    made: Mutex<HashSet<u64>>,
    digest: RandomState,
}

impl Directories {
    /// Below an absolute path, which is made when first needed.
    pub(super) fn new(root: &[u8]) -> Directories {
        Directories {
            root: root.to_vec(),
            root_handle: Mutex::default(),
            open: Mutex::default(),
            made: Mutex::default(),
            digest: RandomState::new(),
        }
    }

    /// The handle of a directory, which is made, with those above it, where it is missing.
    pub(super) fn get(&self, path: &[u8]) -> Result<Arc<OwnedFd>, Fault> {
        let (mut at, mut done) = match self.nearest(path) {
            Some((handle, len)) if len == path.len() => return Ok(handle),
            Some(found) => found,
            None => (self.root()?, 0),
        };
        while done < path.len() {
            let start = if done == 0 { 0 } else { done + 1 };
            let rest = path.get(start..).unwrap_or_default();
            let len = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
            let name = checked(rest.get(..len).unwrap_or_default(), path)?;
            done = start + len;
            let (handle, made) =
                enter(at.as_fd(), name).map_err(|error| self.fault(&at, name, path, error))?;
            at = Arc::new(handle);
            let path = path.get(..done).unwrap_or_default();
            if made {
                lock(&self.made).insert(self.digest.hash_one(path));
            }
            self.keep(path, &at);
        }
        Ok(at)
    }

    /// Closes what is kept of a directory.
    pub(super) fn forget(&self, path: &[u8]) {
        lock(&self.open).retain(|(kept, _)| kept != path);
    }

    /// Removes what restores that were killed left in a directory, in which nothing is under way.
    /// What `keep` names is something else.
    pub(super) fn tidy(&self, path: &[u8], handle: &OwnedFd, keep: &dyn Fn(&[u8]) -> bool) {
        if !lock(&self.made).contains(&self.digest.hash_one(path))
            && let Ok(root) = self.root()
        {
            fs_leftovers::remove(handle, &root, keep);
        }
    }

    fn root(&self) -> Result<Arc<OwnedFd>, Fault> {
        let mut held = lock(&self.root_handle);
        if let Some(root) = &*held {
            return Ok(Arc::clone(root));
        }
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::DirBuilderExt;
        let shown = Path::new(std::ffi::OsStr::from_bytes(&self.root));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(shown);
        made.map_err(|error| Fault::from_io(format_args!("create {}", shown.display()), &error))?;
        let root = fs_source::directory(&self.root).map_err(|error| fault("open", &self.root, error))?;
        fs_leftovers::hold(&root);
        // Nothing is under way yet, and of a single file's restore nobody says when it is done.
        fs_leftovers::remove(&root, &root, &|_| false);
        Ok(Arc::clone(held.insert(Arc::new(root))))
    }

    /// The longest kept beginning of a path.
    fn nearest(&self, path: &[u8]) -> Option<(Arc<OwnedFd>, usize)> {
        let mut open = lock(&self.open);
        let begins = |kept: &[u8]| {
            let rest = path.strip_prefix(kept)?;
            (rest.is_empty() || rest.first() == Some(&b'/')).then_some(kept.len())
        };
        let best = open.iter().enumerate().filter_map(|(at, (kept, _))| Some((begins(kept)?, at))).max()?;
        let found = open.remove(best.1);
        let handle = Arc::clone(&found.1);
        open.push(found);
        Some((handle, best.0))
    }

    fn keep(&self, path: &[u8], handle: &Arc<OwnedFd>) {
        let mut open = lock(&self.open);
        if open.iter().any(|(kept, _)| kept == path) {
            return;
        }
        if open.len() >= DIRECTORIES_MAX {
            open.remove(0);
        }
        open.push((path.to_vec(), Arc::clone(handle)));
    }

    fn fault(&self, above: &OwnedFd, name: &[u8], path: &[u8], error: Errno) -> Fault {
        let shown = String::from_utf8_lossy(path);
        if matches!(error, Errno::LOOP | Errno::NOTDIR)
            && let Ok(stat) = rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW)
        {
            let name = String::from_utf8_lossy(name);
            let what = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => "is a symbolic link, which a restore does not follow",
                _ => "is in the way and not a directory",
            };
            return Fault::new(FaultKind::Denied, format!("make directory {shown}: {name} {what}"));
        }
        fault("make directory", path, error)
    }
}

/// A name that stays in its directory.
pub(super) fn checked<'n>(name: &'n [u8], path: &[u8]) -> Result<&'n [u8], Fault> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        let shown = String::from_utf8_lossy(path);
        return Err(Fault::new(FaultKind::Unsupported, format!("{shown}: not a path below the destination")));
    }
    Ok(name)
}

/// Opens a directory, made if missing, in which its owner may write; and whether it was made.
fn enter(above: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, bool), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(above, name, flags, Mode::empty());
    let handle = match open() {
        Err(Errno::NOENT) => {
            let made = match rustix::fs::mkdirat(above, name, Mode::RWXU) {
                Ok(()) => true,
                // Another thread was faster.
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error),
            };
            return Ok((open()?, made));
        }
        Err(Errno::ACCESS) => {
            // Ours, but closed even to us: `fchmod` takes no O_PATH handle, its name in /proc does.
            let handle = rustix::fs::openat(above, name, flags | OFlags::PATH, Mode::empty())?;
            rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)?;
            open()?
        }
        other => other?,
    };
    let stat = rustix::fs::fstat(&handle)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if !mode.contains(Mode::RWXU) && stat.st_uid == rustix::process::geteuid().as_raw() {
        rustix::fs::fchmod(&handle, mode | Mode::RWXU)?;
    }
    Ok((handle, false))
}

/// Open files by number; the one not used for longest is closed when there are too many.
#[derive(Default)]
pub(super) struct Files(Mutex<OpenFiles>);

#[derive(Default)]
struct OpenFiles {
    open: HashMap<u64, (u64, Arc<File>)>,
    clock: u64,
}

impl Files {
    /// Keeps a file just opened; gives it a number when it has none yet.
    pub(super) fn keep(&self, number: Option<u64>, file: File) -> (u64, Arc<File>) {
        let mut files = lock(&self.0);
        files.clock += 1;
        let now = files.clock;
        let number = number.unwrap_or(now);
        if files.open.len() >= FILES_MAX
            && let Some(oldest) =
                files.open.iter().min_by_key(|(_, (used, _))| *used).map(|(number, _)| *number)
        {
            files.open.remove(&oldest);
        }
        let file = Arc::new(file);
        files.open.insert(number, (now, Arc::clone(&file)));
        (number, file)
    }

    /// The file of a number, if it is still open.
    pub(super) fn get(&self, number: u64) -> Option<Arc<File>> {
        let mut files = lock(&self.0);
        files.clock += 1;
        let now = files.clock;
        let (used, file) = files.open.get_mut(&number)?;
        *used = now;
        Some(Arc::clone(file))
    }

    /// Forgets a number.
    pub(super) fn close(&self, number: u64) {
        // The handle is closed after the lock is given back.
        let closed = lock(&self.0).open.remove(&number);
        drop(closed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while holding the lock, so what it protects is still consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
