//! `archive`: a snapshot, or a part of it, as a file that other programs read.

use crate::base::path;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::restore::count;
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open::{self, Opened};
use crate::cli::output::Stdout;
use crate::cli::session::Session;
use crate::connectors::archive::{Archive, Format, Kind};
use crate::engine::blobs::Blobs;
use crate::engine::cat;
use crate::engine::error::{self, Error};
use crate::engine::select::Argument;
use crate::engine::walk::{Step, Walk};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufWriter, Cursor, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::macros::format_description;

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("format", Takes::Text("string"), "archive format: tar, tarball, zip (default \"tarball\")"),
    Opt::new("output", Takes::Path("pathname"), "archive pathname; - for standard output"),
    Opt::new("rebase", Takes::Switch, "strip pathname when pulling"),
];

/// Content up to this size is verified in memory; more is read twice, so that nothing of a damaged
/// file gets into an archive that cannot be taken back.
const IN_MEMORY_BYTES: i64 = 8 << 20;

/// Writes the archive; a file of that name appears when it is complete, and replaces an older one.
///
/// # Errors
/// What could not be read; everything else is in the archive.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let Some(word) = parsed.rest.first() else {
        return Err(Failure::new("need at least one snapshot ID to pull"));
    };
    let name = parsed.text("format").unwrap_or("tarball");
    let format = Format::parse(name).ok_or_else(|| Failure::new(format!("unsupported format {name}")))?;
    let opened = open::store(session, None)?;
    let output = parsed.path("output").map_or_else(|| file_name(&opened, format), OsStr::to_owned);
    let blobs = opened.walk_blobs();
    let argument = Argument::parse(word.as_bytes());
    let context = |failure: Failure| {
        failure.context(format_args!("archive: could not open snapshot: {}", word.to_string_lossy()))
    };
    let snapshot = opened.snapshot(&blobs, &argument).map_err(context)?;
    let start = snapshot.entry(&blobs, &argument.resolve(&snapshot.root()));
    let start = start.map_err(|error| context(error.into()))?;
    let filling = Filling {
        session,
        opened: &opened,
        blobs: &blobs,
        strip: if parsed.switch("rebase") { start.path() } else { Vec::new() },
    };
    let walk = Walk::new(&blobs, &snapshot, start)?;
    let (lost, left_out) = if output == "-" {
        session.out.carry_content();
        filling.fill(walk, Archive::new(format, Stdout(&session.out)))?.0
    } else {
        let part = Part::new(&output)?;
        let (told, out) = filling.fill(walk, Archive::new(format, BufWriter::new(part.file()?)))?;
        part.complete(out)?;
        told
    };
    if left_out > 0 {
        let what = count(left_out, "entry", "entries");
        session.out.error_line(format!("warn: {what} of a kind that archives have no place for left out"));
    }
    match lost {
        0 => Ok(DONE),
        lost => Err(Failure::new(format!("archive: {} could not be read", count(lost, "entry", "entries")))),
    }
}

fn file_name(opened: &Opened, format: Format) -> OsString {
    let now = OffsetDateTime::from_unix_timestamp(opened.now().secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let shown = now.format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"));
    format!("plakar-{}.{}", shown.unwrap_or_default(), format.suffix()).into()
}

struct Filling<'a> {
    session: &'a Session,
    opened: &'a Opened,
    blobs: &'a Blobs<'a>,
    /// What names in the archive do not begin with.
    strip: Vec<u8>,
}

impl Filling<'_> {
    /// Entries lost and left out, and the writer.
    fn fill<W: Write>(
        &self,
        walk: Walk<'_, '_>,
        mut archive: Archive<W>,
    ) -> Result<((usize, usize), W), Failure> {
        let (mut lost, mut left_out) = (0, 0);
        let cannot_write = |error: io::Error| Failure::new(format!("archive: {error}"));
        for step in walk {
            self.session.refuse_when_cancelled()?;
            let (path, error) = match step {
                Ok(step) => match self.add(&mut archive, &step).map_err(cannot_write)? {
                    Added::Yes => continue,
                    Added::HasNoPlace => {
                        left_out += 1;
                        continue;
                    }
                    Added::Lost(error) => (step.path, error),
                },
                Err(unread) => (unread.path, unread.error),
            };
            if error.kind == error::Kind::Cancelled {
                return Err(error.into());
            }
            lost += 1;
            let path = String::from_utf8_lossy(&path);
            self.session.out.error_line(format!("error: archive: {path}: {error}"));
        }
        Ok(((lost, left_out), archive.finish().map_err(cannot_write)?))
    }

    fn add<W: Write>(&self, archive: &mut Archive<W>, step: &Step) -> io::Result<Added> {
        let (info, object) = (&step.entry.info, &step.entry.object);
        let Some(name) = self.name(&step.path, info.mode.is_dir()) else { return Ok(Added::Yes) };
        if info.mode.is_dir() {
            archive.add(&name, info, Kind::Directory)?;
            return Ok(Added::Yes);
        }
        if info.mode.is_symlink() {
            archive.add(&name, info, Kind::Symlink(&step.entry.symlink_target))?;
            return Ok(Added::Yes);
        }
        if !info.mode.is_regular() {
            return Ok(Added::HasNoPlace);
        }
        let fetcher = self.opened.fetcher(self.blobs);
        if info.size <= IN_MEMORY_BYTES {
            let mut content = Vec::new();
            if let Err(error) = cat::cat(&fetcher, object, &mut content) {
                return Ok(Added::Lost(error));
            }
            archive.add(&name, info, Kind::File(&mut Cursor::new(content)))?;
            return Ok(Added::Yes);
        }
        match cat::cat(&fetcher, object, &mut io::sink()) {
            Ok(size) if i64::try_from(size) == Ok(info.size) => {}
            Ok(size) => {
                let what = format!("{size} bytes, its entry says {}", info.size);
                return Ok(Added::Lost(Error::new(error::Kind::Damaged, what)));
            }
            Err(error) => return Ok(Added::Lost(error)),
        }
        let (mut reader, mut writer) = io::pipe()?;
        std::thread::scope(|scope| {
            // A failure shows as content that ends early, which ends the archive.
            scope.spawn(move || cat::cat(&fetcher, object, &mut writer).map(|_| ()));
            let added = archive.add(&name, info, Kind::File(&mut reader));
            drop(reader);
            added
        })?;
        Ok(Added::Yes)
    }

    /// Relative, without what is stripped; nothing for the stripped directory itself.
    fn name(&self, path: &[u8], directory: bool) -> Option<Vec<u8>> {
        let rest = path.strip_prefix(self.strip.as_slice()).unwrap_or(path);
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        match (rest.is_empty(), directory) {
            (true, true) => None,
            (true, false) => Some(path::base_name(path).to_vec()),
            (false, _) => Some(rest.to_vec()),
        }
    }
}

enum Added {
    Yes,
    HasNoPlace,
    Lost(Error),
}

/// A file that is not complete yet, beside the one it will be.
struct Part {
    part: PathBuf,
    output: PathBuf,
}

impl Part {
    fn new(output: &OsStr) -> Result<Part, Failure> {
        let output = PathBuf::from(output);
        let mut part = output.clone().into_os_string();
        part.push(format!(".{}.part", std::process::id()));
        Ok(Part { part: part.into(), output })
    }

    fn file(&self) -> Result<fs::File, Failure> {
        fs::File::create_new(&self.part).map_err(|error| cannot(&self.part, &error))
    }

    fn complete(self, out: BufWriter<fs::File>) -> Result<(), Failure> {
        let file = out.into_inner().map_err(|error| cannot(&self.part, error.error()))?;
        file.sync_all().map_err(|error| cannot(&self.part, &error))?;
        fs::rename(&self.part, &self.output).map_err(|error| cannot(&self.output, &error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was completed.
        let _ = fs::remove_file(&self.part);
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("archive: {}: {error}", path.display()))
}
