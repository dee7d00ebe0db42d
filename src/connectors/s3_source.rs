//! A bucket, or what is below a prefix of it, as a tree of files.
//!
//! The listing streams into the walk page by page. Content is read when a worker asks for it; an
//! object replaced meanwhile is an error of that entry, never a mixture of both.

use crate::base::file::{FileInfo, Mode};
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::connectors::context::Context;
use crate::connectors::location::S3Location;
use crate::connectors::options::S3Options;
use crate::connectors::s3_client;
use crate::connectors::s3_keys::{self, Node, Tree};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Origin, Record, Source, Step};
use crate::s3::bucket::Bucket;
use std::io::{Cursor, Read};

/// Objects up to this size are read in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Mode that the reference gives to everything in a bucket.
const MODE: u32 = 0o700;

/// See the module.
pub struct S3Source {
    origin: Origin,
    bucket: Bucket,
    directory: Vec<u8>,
}

/// What a listing says of an object.
struct Facts {
    size: u64,
    modified_ns: i64,
}

impl S3Source {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Unsupported`: a place or an option that cannot be.
    pub fn new(location: &S3Location, options: &S3Options, context: &Context) -> Result<S3Source, Fault> {
        let directory = location.directory();
        let origin = Origin {
            kind: "s3".to_owned(),
            origin: format!("{}/{}", location.host, location.bucket),
            root: s3_keys::directory_path(&directory),
        };
        Ok(S3Source { origin, bucket: s3_client::bucket(location, options, context)?, directory })
    }
}

fn record(path: Vec<u8>, info: FileInfo) -> Found {
    let name = path::base_name(&path).to_vec();
    Found::Entry(Record {
        path,
        info: FileInfo { name, ..info },
        symlink_target: Vec::new(),
        xattrs: Vec::new(),
        changed_ns: None,
    })
}

fn directory(path: Vec<u8>) -> Found {
    record(path, FileInfo { mode: Mode(Mode::DIR | MODE), ..FileInfo::default() })
}

/// Passes nodes on to a visitor that may ask to leave out a directory.
struct Guide<'v> {
    visit: &'v mut dyn FnMut(Found) -> Step,
    skipped: Option<Vec<u8>>,
    stopped: bool,
}

impl Guide<'_> {
    fn tell(&mut self, found: Found, path: &[u8], is_directory: bool) {
        if self.stopped || self.skipped.as_deref().is_some_and(|skipped| path::is_within(path, skipped)) {
            return;
        }
        self.skipped = None;
        match (self.visit)(found) {
            Step::Descend => {}
            Step::Skip if is_directory => self.skipped = Some(path.to_vec()),
            Step::Skip => {}
            Step::Stop => self.stopped = true,
        }
    }

    fn node(&mut self, node: Node<Facts>) {
        match node {
            Node::Directory(path) => self.tell(directory(path.clone()), &path, true),
            Node::Object(path, facts) => {
                let info = FileInfo {
                    size: i64::try_from(facts.size).unwrap_or(i64::MAX),
                    mode: Mode(MODE),
                    mod_time: Stamp::from_nanos(facts.modified_ns),
                    dev: 1,
                    ..FileInfo::default()
                };
                self.tell(record(path.clone(), info), &path, false);
            }
        }
    }
}

impl Source for S3Source {
    fn origin(&self) -> Origin {
        self.origin.clone()
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        let mut guide = Guide { visit, skipped: None, stopped: false };
        let mut above = vec![self.origin.root.clone()];
        while let Some(path) = above.last().filter(|path| path.as_slice() != b"/") {
            above.push(path::parent(path).to_vec());
        }
        let mut tree = Tree::new(&self.directory);
        let mut prefix = self.directory.clone();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let mut begun = false;
        let mut begin = |guide: &mut Guide<'_>| {
            if !std::mem::replace(&mut begun, true) {
                for path in above.iter().rev() {
                    guide.tell(directory(path.clone()), path, true);
                }
            }
        };
        let listed = self.bucket.list_objects_v2(&prefix, None, &mut |object| {
            begin(&mut guide);
            if guide.stopped {
                return Err(Fault::new(FaultKind::Cancelled, "stopped"));
            }
            let facts = Facts { size: object.size, modified_ns: object.last_modified_ns };
            tree.add(&object.key, facts, &mut |node| guide.node(node));
            Ok(())
        });
        if guide.stopped {
            return Ok(());
        }
        listed?;
        begin(&mut guide);
        tree.finish(&mut |node| guide.node(node));
        Ok(())
    }

    fn open(&self, record: &Record) -> Result<Box<dyn Read + Send>, Fault> {
        let key = s3_keys::key_of(&record.path);
        let size = u64::try_from(record.info.size).unwrap_or(0);
        if size <= WHOLE_BYTES_MAX {
            // One that grew since the listing is taken as it is now, within reason.
            let content = self.bucket.get_object(&key, 2 * WHOLE_BYTES_MAX)?;
            return Ok(Box::new(Cursor::new(content)));
        }
        self.bucket.get_reader(&key, size, "")
    }

    fn xattr(&self, record: &Record, _: &[u8]) -> Result<Vec<u8>, Fault> {
        let shown = String::from_utf8_lossy(&record.path).into_owned();
        Err(Fault::new(FaultKind::Missing, format!("{shown}: objects have no extended attributes")))
    }
}
