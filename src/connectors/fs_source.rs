//! A directory, or one file, as the source of a backup.

use crate::base::path;
use crate::connectors::context::{Context, Reading};
use crate::connectors::fs_content::FsContent;
use crate::connectors::fs_facts::{changed_ns, fault, file_info, identity, modified};
use crate::connectors::fs_walk::{Walk, through_proc};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Opened, Origin, Record, Source, Step};
use rustix::fs::{Advice, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// Longest path given to the kernel in one piece (PATH_MAX is 4096); longer ones go in steps.
const PIECE_MAX: usize = 3900;

/// Files from this size on are announced to the kernel as read from start to end.
const SEQUENTIAL_MIN: i64 = 1 << 20;

/// The kernel's own limit of one attribute's value.
const XATTR_VALUE_MAX: usize = 64 << 10;

/// Links followed from the root before giving up, as the kernel counts.
const ROOT_LINKS_MAX: usize = 40;

/// A tree on this host.
pub struct FsSource {
    root: Vec<u8>,
    reading: Reading,
    one_device: bool,
    context: Context,
}

impl FsSource {
    /// At an absolute, clean path. With `one_device`, directories on other file systems are
    /// recorded but not entered.
    ///
    /// # Errors
    /// `Missing` or `Denied` when there is nothing to look at.
    pub fn new(root: &[u8], one_device: bool, reading: Reading, context: Context) -> Result<FsSource, Fault> {
        rustix::fs::lstat(root).map_err(|error| fault("lstat", root, error))?;
        Ok(FsSource { root: root.to_vec(), reading, one_device, context })
    }

    /// The links that lead from the root to the tree, and the tree.
    fn resolve(&self) -> Result<(Vec<Vec<u8>>, Vec<u8>), Fault> {
        let mut links = Vec::new();
        let mut at = self.root.clone();
        loop {
            let stat = rustix::fs::lstat(&at[..]).map_err(|error| fault("lstat", &at, error))?;
            if !file_info(b"", &stat).mode.is_symlink() {
                return Ok((links, at));
            }
            if links.len() == ROOT_LINKS_MAX {
                return Err(fault("follow", &self.root, Errno::LOOP));
            }
            let target =
                rustix::fs::readlink(&at[..], Vec::new()).map_err(|error| fault("readlink", &at, error))?;
            let mut next = match target.as_bytes() {
                absolute @ [b'/', ..] => path::clean(absolute),
                relative => path::clean(&path::join(path::parent(&at), relative)),
            };
            // `link/..` by text and on disk can be two places.
            if !same_place(&at, &next) {
                next =
                    canonical(&at).map_err(|error| Fault::from_io(String::from_utf8_lossy(&at), &error))?;
            }
            links.push(std::mem::replace(&mut at, next));
        }
    }

    /// Tells a directory above the root, or a link that leads to it.
    fn told_alone(&self, path: &[u8], visit: &mut dyn FnMut(Found) -> Step) -> Result<Step, Fault> {
        let lstat = rustix::fs::lstat(path).map_err(|error| fault("lstat", path, error))?;
        let mut record = Record {
            path: path.to_vec(),
            info: file_info(path::base_name(path), &lstat),
            symlink_target: Vec::new(),
            xattrs: Vec::new(),
            metadata: Vec::new(),
            changed_ns: Some(changed_ns(&lstat)),
        };
        if self.root == path && record.info.mode.is_symlink() {
            let target =
                rustix::fs::readlink(path, Vec::new()).map_err(|error| fault("readlink", path, error))?;
            record.symlink_target = target.into_bytes();
            record.info.username = self.context.names.user(record.info.uid).to_vec();
            record.info.groupname = self.context.names.group(record.info.gid).to_vec();
        } else if record.info.mode.is_symlink() {
            // A directory above the root that is a link: what lies below it needs a directory.
            let stat = rustix::fs::stat(path).map_err(|error| fault("stat", path, error))?;
            record.info = file_info(path::base_name(path), &stat);
        }
        Ok(visit(Found::Entry(Box::new(record))))
    }
}

impl Source for FsSource {
    fn origin(&self) -> Origin {
        Origin { kind: "fs".to_owned(), origin: self.context.hostname.clone(), root: self.root.clone() }
    }

    /// When the root is a link, the link is told as such and the tree it leads to under its own
    /// path, with the directories above both. The directories above carry no owner names and no
    /// attributes, so that a snapshot does not depend on what is none of its business.
    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        let (links, tree) = self.resolve()?;
        let stat: Stat = rustix::fs::stat(&tree[..]).map_err(|error| fault("stat", &tree, error))?;
        let mut skip = Vec::new();
        for directory in &self.reading.skip {
            if let Ok(stat) = rustix::fs::stat(&directory[..]) {
                skip.push(identity(&stat));
            }
        }
        // Paths as lists of names sort as a walk visits them: a directory, then all below it.
        let mut alone: BTreeSet<Vec<Vec<u8>>> = BTreeSet::new();
        for end in links.first().into_iter().chain([&tree]) {
            let names = names(end);
            alone.extend((0..=names.len()).filter_map(|len| names.get(..len).map(<[_]>::to_vec)));
        }
        let mut left_out: Option<Vec<u8>> = None;
        for names in alone {
            let path = [b"/".as_slice(), &names.join(&b'/')].concat();
            let within = |dir: &Vec<u8>| path::is_within(&path, dir);
            if left_out.as_ref().is_some_and(within) || (path != tree && within(&tree)) {
                continue;
            }
            if path == tree {
                let context = &self.context;
                let mut walk = Walk::new(visit, &*context.names, &context.notice, &context.cancel);
                walk.xattrs = self.reading.xattrs;
                walk.skip.clone_from(&skip);
                walk.only_device = self.one_device.then_some(stat.st_dev);
                if !walk.tree(&tree)? {
                    return Ok(());
                }
                continue;
            }
            match self.told_alone(&path, visit)? {
                Step::Stop => return Ok(()),
                Step::Skip => left_out = Some(path),
                Step::Descend => {}
            }
        }
        Ok(())
    }

    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault> {
        let failed = |error| fault("open", &record.path, error);
        let (near, rest) = near(&record.path).map_err(failed)?;
        let dir = near.as_ref().map_or(CWD, |dir| dir.as_fd());
        // Not to be led astray by a link, nor stopped by a pipe, that took the file's place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(dir, rest, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&handle).map_err(failed)?;
        if !file_info(b"", &stat).mode.is_regular() {
            let shown = String::from_utf8_lossy(&record.path);
            return Err(Fault::new(
                FaultKind::Unsupported,
                format!("open {shown}: no longer a regular file"),
            ));
        }
        if stat.st_size >= SEQUENTIAL_MIN {
            // Only advice: a refusal changes nothing.
            let _ = rustix::fs::fadvise(&handle, 0, None, Advice::Sequential);
        }
        // It may have been written to since the walk.
        let mod_time = Some(modified(&stat));
        let content = Box::new(FsContent::new(File::from(handle), stat));
        Ok(Opened { content, metadata: None, mod_time })
    }

    fn xattr(&self, record: &Record, name: &[u8]) -> Result<Vec<u8>, Fault> {
        let failed = |error| fault("read an extended attribute of", &record.path, error);
        let (near, rest) = near(&record.path).map_err(failed)?;
        let mut short = rest.to_vec();
        if let Some(dir) = &near {
            through_proc(&mut short, dir.as_fd(), rest);
        }
        let mut value = vec![0; XATTR_VALUE_MAX];
        let len = rustix::fs::lgetxattr(&short[..], name, &mut value[..]).map_err(failed)?;
        value.truncate(len);
        Ok(value)
    }
}

/// Opens a directory by absolute path, however long.
pub(super) fn directory(path: &[u8]) -> Result<OwnedFd, Errno> {
    let (near, rest) = near(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // Search permission is enough to look at what is inside.
    let open =
        |flags| rustix::fs::openat(near.as_ref().map_or(CWD, |dir| dir.as_fd()), rest, flags, Mode::empty());
    open(flags).or_else(|error| if error == Errno::ACCESS { open(flags | OFlags::PATH) } else { Err(error) })
}

/// Splits a path that the kernel would find too long: a directory on the way, and the rest.
fn near(path: &[u8]) -> Result<(Option<OwnedFd>, &[u8]), Errno> {
    let (mut dir, mut rest): (Option<OwnedFd>, &[u8]) = (None, path);
    while let Some(piece) = rest.get(..PIECE_MAX) {
        let cut = piece.iter().rposition(|&byte| byte == b'/').filter(|&cut| cut > 0);
        let Some((head, tail)) = cut.and_then(|cut| rest.split_at_checked(cut)) else { break };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let from = dir.as_ref().map_or(CWD, |dir| dir.as_fd());
        dir = Some(rustix::fs::openat(from, head, flags, Mode::empty())?);
        rest = tail.strip_prefix(b"/").unwrap_or(tail);
    }
    Ok((dir, rest))
}

fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Whether two paths lead to one file; so they do when neither leads anywhere.
fn same_place(a: &[u8], b: &[u8]) -> bool {
    let place = |path| rustix::fs::stat(path).ok().map(|stat| identity(&stat));
    place(a) == place(b)
}

fn canonical(path: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
    std::fs::canonicalize(path).map(|path| path.into_os_string().into_vec())
}
