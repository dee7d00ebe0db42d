//! A Kloset in a directory.

use crate::base::buffer;
use crate::base::mac::Mac;
use crate::connectors::context::Context;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::store::{Access, Item, Kind, Listed, Store};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Digits of a temporary name: ten billion names per directory.
const TEMPORARY_DIGITS: usize = 10;

/// `CONFIG`, `packfiles/xx/`, `states/xx/`, `locks/` below one directory; files appear by rename.
pub struct FsStore {
    root: PathBuf,
    location: String,
    context: Context,
}

impl FsStore {
    /// At an absolute path; nothing is touched yet.
    pub fn new(root: &[u8], context: Context) -> FsStore {
        let root = PathBuf::from(std::ffi::OsStr::from_bytes(root));
        FsStore { location: format!("fs://{}", root.display()), root, context }
    }

    fn path(&self, item: Item) -> PathBuf {
        self.root.join(item.path())
    }

    fn open(&self, item: Item) -> Result<(File, u64), Fault> {
        let path = self.path(item);
        let fault = |error: &io::Error| Fault::from_io(format_args!("open {}", path.display()), error);
        // A pipe that somebody put there must not hang the program.
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(&path).map_err(|e| fault(&e))?;
        let metadata = file.metadata().map_err(|e| fault(&e))?;
        if !metadata.is_file() {
            return Err(damaged(&path, "is not a regular file"));
        }
        Ok((file, metadata.len()))
    }

    /// Writes beside the final place, flushes, renames, flushes the directory.
    fn replace(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        let path = self.path(item);
        let staging = match item {
            Item::Config | Item::Lock(_) => self.root.clone(),
            Item::State(_) => self.root.join("states"),
            Item::Packfile(_) => self.root.join("packfiles"),
        };
        let temporary = staging.join(format!("tmp.{}", self.context.digits(TEMPORARY_DIGITS)));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(body)?;
            file.sync_all()?;
            match fs::rename(&temporary, &path) {
                // A copy of a store may have lost its empty directories.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    path.parent().map_or(Ok(()), make_directories)?;
                    fs::rename(&temporary, &path)
                }
                other => other,
            }?;
            path.parent().map_or(Ok(()), flush)
        })();
        written.map_err(|error| {
            // Harmless when it stays: no listing shows it.
            let _ = fs::remove_file(&temporary);
            Fault::from_io(format_args!("write {}", path.display()), &error)
        })
    }

    fn make(&self) -> io::Result<()> {
        make_directories(&self.root)?;
        make_directories(&self.root.join("locks"))?;
        for folder in ["packfiles", "states"] {
            let folder = self.root.join(folder);
            for shard in 0..=255_u8 {
                make_directories(&folder.join(format!("{shard:02x}")))?;
            }
            flush(&folder)?;
        }
        flush(&self.root)?;
        self.root.parent().map_or(Ok(()), flush)
    }
}

impl Store for FsStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn access(&self) -> Access {
        Access::Full
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        let fault = |error: &io::Error| Fault::from_io(format_args!("create {}", self.root.display()), error);
        match fs::read_dir(&self.root) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    let message = format!("directory {} is not empty", self.root.display());
                    return Err(Fault::new(FaultKind::Exists, message));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(&error)),
        }
        self.make().map_err(|error| fault(&error))?;
        self.replace(Item::Config, config)
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        let (file, size) = self.open(item)?;
        if size > limit {
            return Err(damaged(&self.path(item), format_args!("{size} bytes, at most {limit} make sense")));
        }
        let mut body = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = file
            .take(size.saturating_add(1))
            .read_to_end(&mut body)
            .map_err(|error| Fault::from_io(format_args!("read {}", self.path(item).display()), &error))?;
        if read as u64 != size {
            return Err(damaged(&self.path(item), format_args!("{read} bytes read of {size}")));
        }
        Ok(body)
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.get_range_into(item, offset, length, &mut bytes)?;
        Ok(bytes)
    }

    fn get_range_into(
        &self,
        item: Item,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let (file, size) = self.open(item)?;
        if offset.checked_add(length as u64).is_none_or(|end| end > size) {
            let what = format_args!("{size} bytes long, wanted {length} from {offset}");
            return Err(damaged(&self.path(item), what));
        }
        buffer::empty_for(buffer, length);
        buffer.resize(length, 0);
        file.read_exact_at(buffer, offset)
            .map_err(|error| Fault::from_io(format_args!("read {}", self.path(item).display()), &error))
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        self.replace(item, body)
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        match fs::remove_file(self.path(item)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::from_io(format_args!("delete {}", self.path(item).display()), &error))
            }
            _ => Ok(()),
        }
    }

    fn tidy(&self, age: Duration) -> Result<usize, Fault> {
        let now_ns = self.context.clock.now_ns();
        let before_ns = now_ns.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        let mut removed = 0;
        for folder in [self.root.clone(), self.root.join("states"), self.root.join("packfiles")] {
            entries(&folder, &mut |path, is_dir| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let ours = name.strip_prefix("tmp.").is_some_and(|digits| {
                    digits.len() == TEMPORARY_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
                });
                if !ours || is_dir {
                    return Ok(());
                }
                let fault =
                    |error: &io::Error| Fault::from_io(format_args!("remove {}", path.display()), error);
                let metadata = fs::symlink_metadata(path).map_err(|error| fault(&error))?;
                let changed_ns = metadata.mtime().saturating_mul(1_000_000_000);
                if metadata.is_file() && changed_ns < before_ns {
                    fs::remove_file(path).map_err(|error| fault(&error))?;
                    removed += 1;
                }
                Ok(())
            })?;
        }
        Ok(removed)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let folder = self.root.join(match kind {
            Kind::State => "states",
            Kind::Packfile => "packfiles",
            Kind::Lock => "locks",
        });
        let mut listed = Vec::new();
        match kind {
            // Every shard is read, even one whose name does not fit its files.
            Kind::State | Kind::Packfile => entries(&folder, &mut |path, is_dir| match is_dir {
                true => files(path, &mut listed),
                false => Ok(()),
            })?,
            Kind::Lock => match files(&folder, &mut listed) {
                Err(fault) if fault.kind == FaultKind::Missing => {}
                other => other?,
            },
        }
        Ok(listed)
    }
}

fn files(folder: &Path, listed: &mut Vec<Listed>) -> Result<(), Fault> {
    entries(folder, &mut |path, is_dir| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(id) = Mac::from_hex(name) else { return Ok(()) };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => listed.push(Listed { id, size: metadata.len() }),
            Err(error) if !is_dir && error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::from_io(format_args!("stat {}", path.display()), &error));
            }
            // Gone since it was listed, or a directory.
            _ => {}
        }
        Ok(())
    })
}

fn entries(folder: &Path, visit: &mut dyn FnMut(&Path, bool) -> Result<(), Fault>) -> Result<(), Fault> {
    let fault = |error: &io::Error| Fault::from_io(format_args!("list {}", folder.display()), error);
    for entry in fs::read_dir(folder).map_err(|error| fault(&error))? {
        let entry = entry.map_err(|error| fault(&error))?;
        let path = entry.path();
        let is_dir = match entry.file_type().map_err(|error| fault(&error))? {
            kind if kind.is_symlink() => path.is_dir(),
            kind => kind.is_dir(),
        };
        visit(&path, is_dir)?;
    }
    Ok(())
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> Fault {
    Fault::new(FaultKind::Damaged, format!("{}: {what}", path.display()))
}

fn make_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the names in a directory survive a power cut.
fn flush(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|file| file.sync_all()) {
        // Some file systems cannot flush a directory, and some parents cannot be opened.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}
