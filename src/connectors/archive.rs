//! Archives that other programs read: tar, gzipped tar, zip.

use crate::algo::compress::Gzip;
use crate::base::file::FileInfo;
use crate::connectors::zip::{self, Zip};
use std::io::{self, Read, Write};

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// tar.
    Tar,
    /// tar, gzipped.
    Tarball,
    /// zip.
    Zip,
}

impl Format {
    /// The word of `-format`.
    pub fn parse(word: &str) -> Option<Format> {
        match word {
            "tar" => Some(Format::Tar),
            "tarball" => Some(Format::Tarball),
            "zip" => Some(Format::Zip),
            _ => None,
        }
    }

    /// How names of such files end.
    pub fn suffix(self) -> &'static str {
        match self {
            Format::Tar => "tar",
            Format::Tarball => "tar.gz",
            Format::Zip => "zip",
        }
    }
}

/// What an entry is.
pub enum Kind<'a> {
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Symlink(&'a [u8]),
    /// A file: exactly as many bytes as its size says.
    File(&'a mut dyn Read),
}

/// An archive being written.
pub struct Archive<W: Write>(Sink<W>);

enum Sink<W: Write> {
    Tar(Box<tar::Builder<W>>),
    Tarball(Box<tar::Builder<Gzip<W>>>),
    Zip(Zip<W>),
}

impl<W: Write> Archive<W> {
    /// An empty one.
    pub fn new(format: Format, out: W) -> Archive<W> {
        Archive(match format {
            Format::Tar => Sink::Tar(Box::new(tar::Builder::new(out))),
            Format::Tarball => Sink::Tarball(Box::new(tar::Builder::new(Gzip::new(out)))),
            Format::Zip => Sink::Zip(Zip::new(out)),
        })
    }

    /// Adds an entry under a relative name.
    ///
    /// # Errors
    /// What writing, or reading its content, fails with.
    pub fn add(&mut self, name: &[u8], info: &FileInfo, kind: Kind<'_>) -> io::Result<()> {
        match &mut self.0 {
            Sink::Tar(tar) => add_to_tar(tar, name, info, kind),
            Sink::Tarball(tar) => add_to_tar(tar, name, info, kind),
            Sink::Zip(zip) => add_to_zip(zip, name, info, kind),
        }
    }

    /// Writes what ends it, and gives the writer back.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Sink::Tar(tar) => tar.into_inner(),
            Sink::Tarball(tar) => tar.into_inner()?.finish(),
            Sink::Zip(zip) => zip.finish(),
        }
    }
}

fn add_to_tar<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &[u8],
    info: &FileInfo,
    kind: Kind<'_>,
) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(name);
    let mut header = tar::Header::new_gnu();
    header.set_mode(info.mode.posix_permissions());
    header.set_mtime(u64::try_from(info.mod_time.secs).unwrap_or(0));
    header.set_uid(info.uid);
    header.set_gid(info.gid);
    // Names too long for the field are left to the numbers.
    let _ = header.set_username(&String::from_utf8_lossy(&info.username));
    let _ = header.set_groupname(&String::from_utf8_lossy(&info.groupname));
    header.set_size(0);
    match kind {
        Kind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, name, io::empty())
        }
        Kind::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, name, std::ffi::OsStr::from_bytes(target))
        }
        Kind::File(content) => {
            let size = u64::try_from(info.size).unwrap_or(0);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(size);
            // A header promises its size: content that is another would shift all that follows.
            let mut exact = Exact { content, left: size };
            tar.append_data(&mut header, name, &mut exact)
        }
    }
}

/// Content that is refused when it is shorter than promised.
struct Exact<'a> {
    content: &'a mut dyn Read,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.content.read(out.get_mut(..room).unwrap_or_default())?;
        if read == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn add_to_zip<W: Write>(zip: &mut Zip<W>, name: &[u8], info: &FileInfo, kind: Kind<'_>) -> io::Result<()> {
    let kind = match kind {
        Kind::Directory => zip::Kind::Directory,
        Kind::Symlink(target) => zip::Kind::Symlink(target),
        Kind::File(content) => zip::Kind::File(content, u64::try_from(info.size).unwrap_or(0)),
    };
    zip.add(&String::from_utf8_lossy(name), info.mode.posix_permissions(), info.mod_time.secs, kind)
}
