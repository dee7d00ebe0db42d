//! `diff`: two files or directories of snapshots, or one of a snapshot and one of this machine.

use crate::base::file::Mode;
use crate::base::mac::Mac;
use crate::base::path;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::exit::{DONE, Failure};
use crate::cli::open::{self, Opened};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::unified::unified;
use crate::engine::blobs::Blobs;
use crate::engine::cat;
use crate::engine::select::Argument;
use crate::engine::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Its options.
pub const OPTIONS: &[Opt] = &[
    Opt::new("highlight", Takes::Switch, "accepted: output is never coloured"),
    Opt::new("recursive", Takes::Switch, "recursive diff"),
];

/// Files up to this size are compared line by line, which takes memory several times their size.
const LINES_BYTES_MAX: u64 = 32 << 20;

/// Where a NUL makes a file binary.
const LOOKED_AT_BYTES: usize = 8000;

/// Compares.
///
/// # Errors
/// When a side cannot be read, or one is a directory and the other is none.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let (first, second) = match parsed.rest.as_slice() {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        [] => return Err(Failure::new("needs at least a snapshot ID and/or snapshot file to diff")),
        _ => return Err(Failure::new("too many arguments")),
    };
    let opened = open::store(session, None)?;
    let blobs = opened.blobs();
    let side = |word: &OsString| {
        Side::of_snapshot(&opened, &blobs, word.as_bytes()).map_err(|failure| {
            failure.context(format_args!("diff: could not open snapshot: {}", word.to_string_lossy()))
        })
    };
    let left = side(first)?;
    let right = match second {
        Some(word) => side(word)?,
        None => Side::Local { path: left.path().to_vec() },
    };
    let comparison =
        Comparison { session, opened: &opened, blobs: &blobs, recursive: parsed.switch("recursive") };
    comparison.sides(&left, &right).map_err(|failure| failure.context("diff: could not diff pathnames"))?;
    Ok(DONE)
}

/// One side of a comparison.
enum Side<'b> {
    Stored {
        blobs: &'b Blobs<'b>,
        snapshot: Arc<Snapshot>,
        mode: Mode,
        size: i64,
        object: Mac,
        path: Vec<u8>,
    },
    Local {
        path: Vec<u8>,
    },
}

/// What is at a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Directory,
    File,
    Other,
}

impl<'b> Side<'b> {
    fn of_snapshot(opened: &Opened, blobs: &'b Blobs<'b>, word: &[u8]) -> Result<Side<'b>, Failure> {
        let argument = Argument::parse(word);
        let snapshot = opened.snapshot(blobs, &argument)?;
        let entry = snapshot.entry(blobs, &argument.resolve(&snapshot.root()))?;
        let (mode, size, object, path) = (entry.info.mode, entry.info.size, entry.object, entry.path());
        Ok(Side::Stored { blobs, snapshot: Arc::new(snapshot), mode, size, object, path })
    }

    fn path(&self) -> &[u8] {
        match self {
            Side::Stored { path, .. } | Side::Local { path } => path,
        }
    }

    fn label(&self) -> Vec<u8> {
        match self {
            Side::Stored { snapshot, path, .. } => [snapshot.id.short().as_bytes(), b":", path].concat(),
            Side::Local { path } => path.clone(),
        }
    }

    fn what(&self) -> Result<What, Failure> {
        let (directory, file) = match self {
            Side::Stored { mode, .. } => (mode.is_dir(), mode.is_regular()),
            Side::Local { path } => {
                let metadata = metadata(path)?;
                (metadata.is_dir(), metadata.is_file())
            }
        };
        Ok(match (directory, file) {
            (true, _) => What::Directory,
            (_, true) => What::File,
            _ => What::Other,
        })
    }

    fn size(&self) -> Result<u64, Failure> {
        match self {
            Side::Stored { size, .. } => Ok(u64::try_from(*size).unwrap_or(0)),
            Side::Local { path } => Ok(metadata(path)?.len()),
        }
    }

    fn children(&self) -> Result<BTreeMap<Vec<u8>, Side<'b>>, Failure> {
        match self {
            Side::Stored { blobs, snapshot, path, .. } => {
                let entries = snapshot.directory(blobs, path)?.into_iter();
                let sides = entries.map(|entry| {
                    let (mode, size, object) = (entry.info.mode, entry.info.size, entry.object);
                    let path = path::join(path, &entry.info.name);
                    let snapshot = Arc::clone(snapshot);
                    (entry.info.name, Side::Stored { blobs, snapshot, mode, size, object, path })
                });
                Ok(sides.collect())
            }
            Side::Local { path } => {
                let listed = fs::read_dir(local(path)).map_err(|error| cannot(path, &error))?;
                listed
                    .map(|child| {
                        let name =
                            child.map_err(|error| cannot(path, &error))?.file_name().as_bytes().to_vec();
                        let path = path::join(path, &name);
                        Ok((name, Side::Local { path }))
                    })
                    .collect()
            }
        }
    }
}

struct Comparison<'a> {
    session: &'a Session,
    opened: &'a Opened,
    blobs: &'a Blobs<'a>,
    recursive: bool,
}

impl Comparison<'_> {
    fn sides(&self, left: &Side<'_>, right: &Side<'_>) -> Result<(), Failure> {
        match (left.what()?, right.what()?) {
            (What::Directory, What::Directory) => self.directories(left, right),
            (What::File, What::File) => self.files(left, right),
            _ => Err(Failure::new("can't diff different file types")),
        }
    }

    fn directories(&self, left: &Side<'_>, right: &Side<'_>) -> Result<(), Failure> {
        let (ours, theirs) = (left.children()?, right.children()?);
        let names: BTreeSet<&Vec<u8>> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            self.session.refuse_when_cancelled()?;
            if self.session.out.is_gone() {
                return Ok(());
            }
            match (ours.get(name), theirs.get(name)) {
                (Some(_), None) => self.say(&[b"Only in ", left.path(), b": ", name]),
                (None, Some(_)) => self.say(&[b"Only in ", right.path(), b": ", name]),
                (Some(one), Some(other)) => self.common(name, one, other)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn common(&self, name: &[u8], one: &Side<'_>, other: &Side<'_>) -> Result<(), Failure> {
        let (first, second) = match self.recursive {
            true => (one.path(), other.path()),
            false => (name, name),
        };
        match (one.what()?, other.what()?) {
            (What::Directory, What::Directory) => {
                self.say(&[b"Common subdirectories: ", first, b" and ", second]);
                if self.recursive { self.directories(one, other) } else { Ok(()) }
            }
            (What::File, What::File) => {
                if self.differ(one, other)? {
                    self.say(&[b"Files ", &one.label(), b" and ", &other.label(), b" differ"]);
                }
                Ok(())
            }
            (a, b) if a != b => {
                self.say(&[b"File type mismatch: ", first, b" vs ", second]);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn files(&self, left: &Side<'_>, right: &Side<'_>) -> Result<(), Failure> {
        if left.size()?.max(right.size()?) > LINES_BYTES_MAX {
            if self.differ(left, right)? {
                self.say(&[b"Files ", &left.label(), b" and ", &right.label(), b" differ"]);
            }
            return Ok(());
        }
        let (old, new) = (self.content(left)?, self.content(right)?);
        let binary = |content: &[u8]| content.iter().take(LOOKED_AT_BYTES).any(|byte| *byte == 0);
        if old == new {
            return Ok(());
        }
        if binary(&old) || binary(&new) {
            self.say(&[b"Binary files ", &left.label(), b" and ", &right.label(), b" differ"]);
            return Ok(());
        }
        let (from, to) = (left.label(), right.label());
        let (from, to) = (String::from_utf8_lossy(&from), String::from_utf8_lossy(&to));
        let text = unified(&old, &new, &from, &to);
        if self.session.out.speaks_json() {
            self.session.out.record(Record::new("difference").path("text", &text));
        } else {
            // A reader that went away has seen enough.
            let _ = self.session.out.raw(&text);
        }
        Ok(())
    }

    /// Whether two files have other content; of two in the same store their objects tell.
    fn differ(&self, one: &Side<'_>, other: &Side<'_>) -> Result<bool, Failure> {
        if one.size()? != other.size()? {
            return Ok(true);
        }
        match (one, other) {
            (Side::Stored { object: one, .. }, Side::Stored { object: other, .. }) => {
                let objects = [one, other].map(|object| self.blobs.object(object));
                let [one, other] = objects;
                Ok(one?.content != other?.content)
            }
            (Side::Stored { object, .. }, Side::Local { path })
            | (Side::Local { path }, Side::Stored { object, .. }) => {
                let mut file = File::open(local(path)).map_err(|error| cannot(path, &error))?;
                let codec = &self.opened.repository.codec;
                let mut running = codec.keyed().start();
                let mut piece = vec![0; 1 << 20];
                loop {
                    let read = file.read(&mut piece).map_err(|error| cannot(path, &error))?;
                    if read == 0 {
                        break;
                    }
                    running.update(piece.get(..read).unwrap_or_default());
                }
                Ok(self.blobs.object(object)?.content != running.finish())
            }
            (Side::Local { .. }, Side::Local { .. }) => Ok(self.content(one)? != self.content(other)?),
        }
    }

    fn content(&self, side: &Side<'_>) -> Result<Vec<u8>, Failure> {
        match side {
            Side::Stored { object, .. } => {
                let mut content = Vec::new();
                cat::cat(&self.opened.fetcher(self.blobs), object, &mut content)?;
                Ok(content)
            }
            Side::Local { path } => fs::read(local(path)).map_err(|error| cannot(path, &error)),
        }
    }

    fn say(&self, parts: &[&[u8]]) {
        let line = parts.concat();
        self.session.out.tell(|| Record::new("difference").path("text", &line), || &line);
    }
}

fn local(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn metadata(path: &[u8]) -> Result<Metadata, Failure> {
    fs::symlink_metadata(local(path)).map_err(|error| cannot(path, &error))
}

fn cannot(path: &[u8], error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", String::from_utf8_lossy(path)))
}
