//! A bucket, or what is below a prefix of it, as a tree of files.
//!
//! The listing streams into the walk page by page. Content is read when a worker asks for it; an
//! object replaced meanwhile is an error of that entry, never a mixture of both.

use crate::base::file::{FileInfo, Mode};
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::connectors::context::{Context, Notice};
use crate::connectors::location::S3Location;
use crate::connectors::options::S3Options;
use crate::connectors::s3_client;
use crate::connectors::s3_keys::{self, Node, Tree};
use crate::connectors::s3_metadata;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Metadata, Opened, Origin, Record, Source, Step};
use crate::s3::ahead::Lanes;
use crate::s3::bucket::{Bucket, ObjectInfo};
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Objects up to this size are read in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Buffers of 2 MiB for larger objects, shared by all that are read at a time.
const LANES: usize = 8;

/// Small objects asked for at once: a request takes a round trip, however little it brings.
const SMALL_AT_ONCE: usize = 14;

/// Mode that the reference gives to everything in a bucket.
const MODE: u32 = 0o700;

/// See the module.
pub struct S3Source {
    origin: Origin,
    bucket: Bucket,
    directory: Vec<u8>,
    lanes: Arc<Lanes>,
    notice: Notice,
    tags_refused: AtomicBool,
}

/// What a listing says of an object.
struct Facts {
    size: u64,
    modified_ns: i64,
    etag: String,
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
        Ok(S3Source {
            origin,
            bucket: s3_client::bucket(location, options, context)?,
            directory,
            lanes: Lanes::new(LANES),
            notice: Arc::clone(&context.notice),
            tags_refused: AtomicBool::new(false),
        })
    }
}

fn record(path: Vec<u8>, info: FileInfo, metadata: Metadata) -> Found {
    let name = path::base_name(&path).to_vec();
    Found::Entry(Box::new(Record {
        path,
        info: FileInfo { name, ..info },
        symlink_target: Vec::new(),
        xattrs: Vec::new(),
        metadata,
        changed_ns: None,
    }))
}

fn directory(path: Vec<u8>) -> Found {
    record(path, FileInfo { mode: Mode(Mode::DIR | MODE), ..FileInfo::default() }, Vec::new())
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
                self.tell(record(path.clone(), info, s3_metadata::listed(&facts.etag)), &path, false);
            }
        }
    }
}

impl S3Source {
    fn opened<'s>(
        &self,
        record: &Record,
        key: &[u8],
        info: &ObjectInfo,
        content: impl Read + Send + 's,
    ) -> Opened<'s> {
        let tags = (info.tags > 0).then(|| self.tags(key)).flatten();
        let metadata = s3_metadata::kept(info, tags);
        // Its listing tells the time more exactly, if that was of the same content.
        let replaced = !s3_metadata::listed(&info.etag).iter().all(|fact| record.metadata.contains(fact));
        let mod_time = replaced.then(|| Stamp::from_nanos(info.last_modified_ns));
        Opened { metadata: Some(metadata), mod_time, ..Opened::plain(content) }
    }

    /// Tags need a right of their own, which a backup does without.
    fn tags(&self, key: &[u8]) -> Option<Vec<u8>> {
        if self.tags_refused.load(Ordering::Relaxed) {
            return None;
        }
        match self.bucket.get_object_tagging(key) {
            Ok(tags) => Some(tags),
            Err(fault) => {
                if !self.tags_refused.swap(true, Ordering::Relaxed) {
                    (self.notice)(&format!("tags are left out: {fault}"));
                }
                None
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
            let facts = Facts { size: object.size, modified_ns: object.last_modified_ns, etag: object.etag };
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

    fn small_at_once(&self) -> usize {
        SMALL_AT_ONCE
    }

    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault> {
        let key = s3_keys::key_of(&record.path);
        let size = u64::try_from(record.info.size).unwrap_or(0);
        if size <= WHOLE_BYTES_MAX {
            match self.bucket.get_object_and_info(&key, WHOLE_BYTES_MAX) {
                Ok((content, info)) => return Ok(self.opened(record, &key, &info, Cursor::new(content))),
                // Perhaps it grew since the listing, and is no longer small.
                Err(fault) if fault.kind == FaultKind::Damaged => {}
                Err(fault) => return Err(fault),
            }
        }
        let info = self.bucket.head_object(&key)?;
        let content = self.bucket.get_reader_by_ranges(&key, info.size, &info.etag, &self.lanes)?;
        Ok(self.opened(record, &key, &info, content))
    }

    fn xattr(&self, record: &Record, _: &[u8]) -> Result<Vec<u8>, Fault> {
        let shown = String::from_utf8_lossy(&record.path).into_owned();
        Err(Fault::new(FaultKind::Missing, format!("{shown}: objects have no extended attributes")))
    }
}
