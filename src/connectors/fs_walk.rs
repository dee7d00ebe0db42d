//! One pass over a directory tree, each name looked up from its directory's handle: no path is
//! resolved twice, and a tree that is changed meanwhile cannot lead out of itself.

use crate::base::path;
use crate::connectors::context::Notice;
use crate::connectors::fs_facts::{changed_ns, fault, file_info, identity};
use crate::ports::cancel::Cancel;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::names::Names;
use crate::ports::source::{Found, Record, Step};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Directory handles open at once. Above it the outermost ones are closed, and found again
/// through `..` on the way back.
const HANDLES_MAX: usize = 200;

/// The kernel's own limit of a list of attribute names.
const XATTR_LIST_MAX: usize = 64 << 10;

const LISTING_BUFFER: usize = 64 << 10;

/// How, and for whom.
pub(super) struct Walk<'a> {
    pub(super) visit: &'a mut dyn FnMut(Found) -> Step,
    pub(super) names: &'a dyn Names,
    pub(super) notice: &'a Notice,
    pub(super) cancel: &'a Cancel,
    /// Whether names of extended attributes are read.
    pub(super) xattrs: bool,
    /// Directories, by identity, that are left out with a notice.
    pub(super) skip: Vec<(u64, u64)>,
    /// The one device to stay on.
    pub(super) only_device: Option<u64>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    listing: Vec<u8>,
    attribute_names: Vec<u8>,
    attribute_path: Vec<u8>,
    /// A device that has no extended attributes.
    without_xattrs: Option<u64>,
    /// `/proc` is not there: attributes are asked for by full path.
    without_proc: bool,
}

struct Frame {
    /// Closed when the tree is very deep.
    handle: Option<OwnedFd>,
    identity: (u64, u64),
    /// Length of the directory's path in the shared path buffer.
    path_len: usize,
    names: std::vec::IntoIter<CString>,
}

enum Looked {
    /// Told; nothing below it to look at.
    Leaf,
    /// Told; to be entered.
    Directory((u64, u64)),
    /// Left out.
    Skipped,
    /// The visitor wants no more.
    Stop,
    /// The entry itself cannot be looked at.
    Failed(Errno),
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        visit: &'a mut dyn FnMut(Found) -> Step,
        names: &'a dyn Names,
        notice: &'a Notice,
        cancel: &'a Cancel,
    ) -> Walk<'a> {
        let scratch = Scratch {
            listing: Vec::with_capacity(LISTING_BUFFER),
            without_proc: rustix::fs::stat("/proc/self/fd").is_err(),
            ..Scratch::default()
        };
        Walk { visit, names, notice, cancel, xattrs: true, skip: Vec::new(), only_device: None, scratch }
    }

    /// Tells `root` and everything below it; `false` when the visitor ended the walk.
    pub(super) fn tree(&mut self, root: &[u8]) -> Result<bool, Fault> {
        let above = super::fs_source::directory(path::parent(root))
            .map_err(|error| fault("open", path::parent(root), error))?;
        let name = if root == b"/" { b"." } else { path::base_name(root) };
        let name = CString::new(name).map_err(|_| fault("lstat", root, Errno::INVAL))?;
        let mut frames = match self.look(above.as_fd(), &name, root) {
            Looked::Leaf => return Ok(true),
            Looked::Stop => return Ok(false),
            Looked::Failed(error) => return Err(fault("lstat", root, error)),
            Looked::Skipped => {
                let message = format!("{} is the store itself", String::from_utf8_lossy(root));
                return Err(Fault::new(FaultKind::Unsupported, message));
            }
            Looked::Directory(identity) => {
                let frame = self
                    .enter(above.as_fd(), &name, identity, root.len())
                    .map_err(|error| fault("open", root, error))?;
                vec![frame]
            }
        };
        let mut path = root.to_vec();
        while let Some(frame) = frames.last_mut() {
            path.truncate(frame.path_len);
            let Some(name) = frame.names.next() else {
                let done = frames.pop().and_then(|frame| frame.handle);
                if let Some(outer) = frames.last_mut() {
                    outer.regain(done).map_err(|error| fault("return to", path::parent(&path), error))?;
                }
                continue;
            };
            if path != b"/" {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let Some(handle) = &frame.handle else {
                return Err(fault("return to", path::parent(&path), Errno::BADF));
            };
            match self.look(handle.as_fd(), &name, &path) {
                Looked::Leaf | Looked::Skipped => {}
                Looked::Stop => return Ok(false),
                // Deleted since its directory was listed: as if it had never been there.
                Looked::Failed(Errno::NOENT) => {}
                Looked::Failed(error) => {
                    if self.unreadable(&path, "lstat", error) == Step::Stop {
                        return Ok(false);
                    }
                }
                Looked::Directory(identity) => {
                    if self.cancel.is_cancelled() {
                        return Err(Fault::new(FaultKind::Cancelled, "interrupted"));
                    }
                    match self.enter(handle.as_fd(), &name, identity, path.len()) {
                        Ok(inner) => {
                            frames.push(inner);
                            let closable = frames.len().checked_sub(HANDLES_MAX + 1);
                            if let Some(outermost) = closable.and_then(|at| frames.get_mut(at)) {
                                outermost.handle = None;
                            }
                        }
                        Err(error) => {
                            if self.unreadable(&path, "open", error) == Step::Stop {
                                return Ok(false);
                            }
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    /// Looks at one entry and tells it.
    fn look(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Looked {
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return Looked::Failed(error),
        };
        let info = file_info(path::base_name(path), &stat);
        if info.mode.is_dir() && self.skip.contains(&identity(&stat)) {
            (self.notice)(&format!("leaving out the store itself: {}", String::from_utf8_lossy(path)));
            return Looked::Skipped;
        }
        let mut record = Record {
            path: path.to_vec(),
            info,
            symlink_target: Vec::new(),
            xattrs: Vec::new(),
            metadata: Vec::new(),
            changed_ns: Some(changed_ns(&stat)),
        };
        record.info.username = self.names.user(record.info.uid).to_vec();
        record.info.groupname = self.names.group(record.info.gid).to_vec();
        if record.info.mode.is_symlink() {
            match rustix::fs::readlinkat(dir, name, Vec::new()) {
                Ok(target) => record.symlink_target = target.into_bytes(),
                Err(error) => return Looked::Failed(error),
            }
        }
        let listed = match self.xattrs {
            true => self.scratch.list_xattrs(dir, name, path, &stat),
            false => Ok(Vec::new()),
        };
        let trouble = match listed {
            Ok(names) => {
                record.xattrs = names;
                None
            }
            Err(error) => Some(error),
        };
        let is_dir = record.info.mode.is_dir();
        let mut step = (self.visit)(Found::Entry(Box::new(record)));
        if let Some(error) = trouble
            && step != Step::Stop
            && self.unreadable(path, "list extended attributes of", error) == Step::Stop
        {
            step = Step::Stop;
        }
        match step {
            Step::Stop => Looked::Stop,
            Step::Descend if is_dir && self.only_device.is_none_or(|device| device == stat.st_dev) => {
                Looked::Directory(identity(&stat))
            }
            _ => Looked::Leaf,
        }
    }

    fn unreadable(&mut self, path: &[u8], call: &str, error: Errno) -> Step {
        let reason = fault(call, path, error).message;
        (self.visit)(Found::Unreadable { path: path.to_vec(), reason })
    }

    /// Opens a directory and reads its names.
    fn enter(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        identity: (u64, u64),
        path_len: usize,
    ) -> Result<Frame, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(dir, name, flags, Mode::empty())?;
        let mut names = Vec::new();
        let mut entries = RawDir::new(&handle, self.scratch.listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(Frame { handle: Some(handle), identity, path_len, names: names.into_iter() })
    }
}

impl Frame {
    /// Gets the handle back, if it was closed, from the directory below it.
    fn regain(&mut self, below: Option<OwnedFd>) -> Result<(), Errno> {
        if self.handle.is_some() {
            return Ok(());
        }
        let below = below.ok_or(Errno::BADF)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&below, c"..", flags, Mode::empty())?;
        if identity(&rustix::fs::fstat(&handle)?) != self.identity {
            // Somebody moved the inner directory elsewhere.
            return Err(Errno::STALE);
        }
        self.handle = Some(handle);
        Ok(())
    }
}

impl Scratch {
    /// Names of extended attributes, sorted; none where the file system has no such thing.
    fn list_xattrs(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
    ) -> Result<Vec<Vec<u8>>, Errno> {
        if self.without_xattrs == Some(stat.st_dev) {
            return Ok(Vec::new());
        }
        match self.without_proc {
            true => path.clone_into(&mut self.attribute_path),
            false => through_proc(&mut self.attribute_path, dir, name.to_bytes()),
        }
        self.attribute_names.resize(XATTR_LIST_MAX, 0);
        match rustix::fs::llistxattr(&self.attribute_path[..], &mut self.attribute_names[..]) {
            Ok(len) => {
                let mut names: Vec<Vec<u8>> = self
                    .attribute_names
                    .get(..len)
                    .unwrap_or_default()
                    .split(|&byte| byte == 0)
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
                names.sort_unstable();
                Ok(names)
            }
            Err(Errno::NOTSUP) => {
                self.without_xattrs = Some(stat.st_dev);
                Ok(Vec::new())
            }
            // Deleted since it was looked at.
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// A path to `name` in an open directory, for the calls that take no handle.
pub(super) fn through_proc(out: &mut Vec<u8>, dir: BorrowedFd<'_>, name: &[u8]) {
    out.clear();
    out.extend_from_slice(b"/proc/self/fd/");
    out.extend_from_slice(dir.as_raw_fd().to_string().as_bytes());
    out.push(b'/');
    out.extend_from_slice(name);
}
