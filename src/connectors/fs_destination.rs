//! A directory that a restore writes to.

use crate::base::path;
use crate::connectors::context::{Context, Writing};
use crate::connectors::fs_attributes::{Giver, Named};
use crate::connectors::fs_facts::{fault, identity};
use crate::connectors::fs_handles::{Directories, Files, checked};
use crate::connectors::fs_leftovers;
use crate::connectors::s3_metadata;
use crate::ports::destination::{Attributes, Body, Destination, Order};
use crate::ports::fault::{Fault, FaultKind};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs of zeros of this size, at multiples of it, become holes.
const HOLE: usize = 64 << 10;

/// Longest target of a symbolic link that Linux takes.
const TARGET_BYTES_MAX: usize = 4095;

/// A directory. Files are written under `.plakar-N.tmp` and get their name when they are whole; what
/// a restore that was killed left under such names is removed from every directory that is restored.
pub struct FsDestination {
    location: String,
    shared: Arc<Shared>,
}

struct Shared {
    directories: Directories,
    files: Files,
    giver: Giver,
    /// Restored paths whose names look like those of files that are not finished.
    alike: Mutex<HashSet<Vec<u8>>>,
    context: Context,
}

/// A place for one entry: an open directory, and names in it.
struct Place<'p> {
    dir: Arc<OwnedFd>,
    /// Relative to the destination.
    path: &'p [u8],
    name: &'p [u8],
    temporary: String,
}

impl FsDestination {
    /// At an absolute path; it is made when the first entry comes.
    pub fn new(root: &[u8], writing: &Writing, context: Context) -> FsDestination {
        let giver = Giver::new(writing.attributes, Arc::clone(&context.notice));
        FsDestination {
            location: format!("fs://{}", String::from_utf8_lossy(root)),
            shared: Arc::new(Shared {
                directories: Directories::new(root),
                files: Files::default(),
                giver,
                alike: Mutex::default(),
                context,
            }),
        }
    }
}

impl Shared {
    /// Makes something under a temporary name and renames it.
    fn renamed(
        &self,
        path: &[u8],
        wanted: &Attributes,
        is_link: bool,
        make: impl FnOnce(&Place<'_>) -> Result<(), Errno>,
    ) -> Result<(), Fault> {
        let place = self.place(path)?;
        make(&place).map_err(|error| fault("create", path, error))?;
        let named = Named { dir: place.dir.as_fd(), name: place.temporary.as_bytes(), path, is_link };
        let given = self.giver.to_named(&named, wanted);
        place.reveal()?;
        given
    }

    fn symlink(&self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<(), Fault> {
        self.renamed(path, attributes, true, |place| {
            rustix::fs::symlinkat(target, &place.dir, &place.temporary)
        })
    }

    fn place<'p>(&self, path: &'p [u8]) -> Result<Place<'p>, Fault> {
        let (parent, name) = split(path);
        let name = checked(name, path)?;
        if fs_leftovers::is_name(name) {
            self.alike().insert(path.to_vec());
        }
        let temporary = fs_leftovers::name(&self.context.digits(fs_leftovers::DIGITS));
        Ok(Place { dir: self.directories.get(parent)?, path, name, temporary })
    }

    fn alike(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        // No code panics while holding the lock.
        self.alike.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Gives the entry its name, in place of an older one.
    fn reveal(&self) -> Result<(), Fault> {
        rustix::fs::renameat(&self.dir, &self.temporary, &self.dir, self.name).map_err(|error| {
            let _ = rustix::fs::unlinkat(&self.dir, &self.temporary, AtFlags::empty());
            fault("create", self.path, error)
        })
    }
}

impl Destination for FsDestination {
    fn location(&self) -> &str {
        &self.location
    }

    fn order(&self) -> Order {
        Order::Any
    }

    fn directory(&self, path: &[u8]) -> Result<(), Fault> {
        self.shared.directories.get(path).map(drop)
    }

    fn file(&self, path: &[u8], attributes: &Attributes) -> Result<Box<dyn Body>, Fault> {
        let size = usize::try_from(attributes.info.size).unwrap_or(usize::MAX);
        if s3_metadata::is_symlink(&attributes.metadata) && (1..=TARGET_BYTES_MAX).contains(&size) {
            return Ok(Box::new(LinkBody {
                shared: Arc::clone(&self.shared),
                path: path.to_vec(),
                target: vec![0; size],
                attributes: attributes.clone(),
            }));
        }
        let place = self.shared.place(path)?;
        // Nobody else reads it before its permissions are those it should have.
        let mode = if self.shared.giver.is_enabled() { 0o600 } else { 0o666 };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&place.dir, &place.temporary, flags, Mode::from_raw_mode(mode))
            .map_err(|error| fault("create", path, error))?;
        let (number, _) = self.shared.files.keep(None, File::from(handle));
        Ok(Box::new(FsBody {
            shared: Arc::clone(&self.shared),
            path: path.to_vec(),
            temporary: place.temporary,
            number,
            attributes: attributes.clone(),
            end: 0,
            revealed: false,
        }))
    }

    fn symlink(&self, path: &[u8], target: &[u8], attributes: &Attributes) -> Result<(), Fault> {
        self.shared.symlink(path, target, attributes)
    }

    fn hard_link(&self, path: &[u8], existing: &[u8]) -> Result<(), Fault> {
        let (parent, existing_name) = split(existing);
        let existing_name = checked(existing_name, existing)?;
        let from = self.shared.directories.get(parent)?;
        let place = self.shared.place(path)?;
        let failed = |error| {
            let mut failed = fault("link", path, error);
            if matches!(error, Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::NOTSUP) {
                failed.kind = FaultKind::Unsupported;
            }
            failed
        };
        match rustix::fs::linkat(&from, existing_name, &place.dir, place.name, AtFlags::empty()) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(failed),
        }
        let stat = |dir: &OwnedFd, name: &[u8]| rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        let there = stat(&place.dir, place.name).map_err(failed)?;
        // Renaming one name of a file onto another does nothing, and would leave the first.
        if identity(&stat(&from, existing_name).map_err(failed)?) == identity(&there) {
            return Ok(());
        }
        let temporary = place.temporary.as_bytes();
        rustix::fs::linkat(&from, existing_name, &place.dir, temporary, AtFlags::empty()).map_err(failed)?;
        place.reveal()
    }

    fn special(&self, path: &[u8], attributes: &Attributes) -> Result<(), Fault> {
        if attributes.info.mode.0 & crate::base::file::Mode::NAMED_PIPE == 0 {
            let shown = String::from_utf8_lossy(path);
            let message = format!("create {shown}: devices and sockets cannot be restored");
            return Err(Fault::new(FaultKind::Unsupported, message));
        }
        let owner_only = Mode::RUSR | Mode::WUSR;
        self.shared.renamed(path, attributes, false, |place| {
            rustix::fs::mknodat(&place.dir, &place.temporary, FileType::Fifo, owner_only, 0)
        })
    }

    fn finish_directory(&self, path: &[u8], attributes: &Attributes) -> Result<(), Fault> {
        let handle = self.shared.directories.get(path)?;
        let restored = |name: &[u8]| self.shared.alike().contains(&below(path, name));
        self.shared.directories.tidy(path, &handle, &restored);
        self.shared.directories.forget(path);
        self.shared.giver.to_open(handle.as_fd(), path, attributes)
    }
}

struct FsBody {
    shared: Arc<Shared>,
    path: Vec<u8>,
    temporary: String,
    number: u64,
    attributes: Attributes,
    /// Bytes from the start up to the last one written.
    end: u64,
    revealed: bool,
}

impl FsBody {
    fn dir(&self) -> Result<Arc<OwnedFd>, Fault> {
        self.shared.directories.get(split(&self.path).0)
    }

    fn handle(&self) -> Result<Arc<File>, Fault> {
        if let Some(file) = self.shared.files.get(self.number) {
            return Ok(file);
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(self.dir()?, &self.temporary, flags, Mode::empty())
            .map_err(|error| fault("open again", &self.path, error))?;
        Ok(self.shared.files.keep(Some(self.number), File::from(handle)).1)
    }

    fn size(&self) -> u64 {
        u64::try_from(self.attributes.info.size).unwrap_or_default()
    }
}

impl Body for FsBody {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let end =
            offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.size()).ok_or_else(|| {
                let shown = String::from_utf8_lossy(&self.path);
                let message = format!("write {shown}: more bytes than the {} announced", self.size());
                Fault::new(FaultKind::Damaged, message)
            })?;
        let file = self.handle()?;
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let to_boundary = HOLE - usize::try_from(at % HOLE as u64).unwrap_or_default();
            // A hole, or everything up to the next one.
            let mut len = 0;
            let mut hole = false;
            while let Some(piece) = rest.get(len..).filter(|left| !left.is_empty()) {
                let step = if len == 0 { to_boundary } else { HOLE }.min(piece.len());
                let zeros = step == HOLE && piece.get(..step).is_some_and(is_zero);
                if len == 0 {
                    hole = zeros;
                } else if zeros != hole {
                    break;
                }
                len += step;
            }
            let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            if !hole {
                file.write_all_at(now, at).map_err(|error| {
                    Fault::from_io(format_args!("write {}", String::from_utf8_lossy(&self.path)), &error)
                })?;
                self.end = self.end.max(at + now.len() as u64);
            }
            at += now.len() as u64;
            rest = later;
        }
        debug_assert_eq!(at, end);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        let file = self.handle()?;
        if self.end != self.size() {
            file.set_len(self.size()).map_err(|error| {
                Fault::from_io(format_args!("write {}", String::from_utf8_lossy(&self.path)), &error)
            })?;
        }
        let given = self.shared.giver.to_open(file.as_fd(), &self.path, &self.attributes);
        let dir = self.dir()?;
        rustix::fs::renameat(&dir, &self.temporary, &dir, split(&self.path).1)
            .map_err(|error| fault("create", &self.path, error))?;
        self.revealed = true;
        given
    }
}

impl Drop for FsBody {
    fn drop(&mut self) {
        self.shared.files.close(self.number);
        if !self.revealed
            && let Ok(dir) = self.dir()
        {
            // What cannot be removed now is named so that a person knows what it is.
            let _ = rustix::fs::unlinkat(dir, &self.temporary, AtFlags::empty());
        }
    }
}

/// An object that stands for a symbolic link becomes one again.
struct LinkBody {
    shared: Arc<Shared>,
    path: Vec<u8>,
    target: Vec<u8>,
    attributes: Attributes,
}

impl Body for LinkBody {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let room = self.target.get_mut(start..start.saturating_add(bytes.len()));
        let room = room.ok_or_else(|| {
            let shown = String::from_utf8_lossy(&self.path);
            Fault::new(FaultKind::Damaged, format!("write {shown}: more bytes than announced"))
        })?;
        room.copy_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Fault> {
        self.shared.symlink(&self.path, &self.target, &self.attributes)
    }
}

/// The path of a name in a directory.
fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// A relative path's directory, empty for the destination itself, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        // An absolute path is no path here: it keeps its slash, and is refused for it.
        Some(0) => (&[], path),
        Some(at) => (path.get(..at).unwrap_or_default(), path::base_name(path)),
        None => (&[], path),
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| *word == [0; 16]) && rest.iter().all(|byte| *byte == 0)
}
