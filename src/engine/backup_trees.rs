//! Directories as they are completed, and at the end the trees and the header.

use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::backup::Report;
use crate::engine::backup_run::{Run, locked};
use crate::engine::content;
use crate::engine::error::{Error, Kind};
use crate::engine::frames::{Child, Facts, Frame};
use crate::engine::gathered::{Directory, Pair};
use crate::engine::tree_build::{self, Pairs};
use crate::engine::writer::Scratch;
use crate::format::entry::{self, Entry, ErrorEntry};
use crate::format::kind::{Generation, Resource, Version};
use crate::format::snapshot::{Dataset, Header, Identity, Index as NamedTree, SnapshotSource};
use crate::format::summary::Summary;
use crate::ports::monitor::Outcome;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl Run<'_> {
    /// Writes a directory whose last child is done, and those above it that this completes.
    pub(super) fn directory_done(&self, mut frame: Arc<Frame>, scratch: &mut Scratch) -> Result<(), Error> {
        loop {
            let child = self.directory(&frame, scratch)?;
            let Some(parent) = frame.parent.clone() else { return Ok(()) };
            if !parent.done(Some(child)) {
                return Ok(());
            }
            frame = parent;
        }
    }

    pub(super) fn directory(&self, frame: &Frame, scratch: &mut Scratch) -> Result<Child, Error> {
        let record = &frame.record;
        let (mut summary, children) = (Summary::default(), frame.take_children());
        let mut gathered = Directory::new(&record.path, children.len());
        let types = self.content_types.names();
        let mut children = children.into_iter();
        let append = |list: &mut Vec<u8>| {
            let Some(child) = children.next() else { return false };
            gathered.push(&child.name, child.mac, child.facts.content_type());
            child.facts.add_to(&mut summary, &types);
            entry::dirpack_append(list, child.is_directory(), &child.entry, &child.mac);
            true
        };
        let listing = content::store_listing(append, &self.chunker, self.writer, scratch)?;
        summary.finish(self.errors_right_in(&record.path));
        let xattrs = self.store_xattrs(record, scratch)?;
        let generation = self.writer.generation();
        let (inside, apart) = match generation {
            Generation::V1_0 => (Some(summary.clone()), None),
            Generation::V1_1 => {
                let mac = self.writer.put_named(Resource::VFS_SUMMARY, &summary.encode(), scratch)?;
                (None, Some(mac))
            }
        };
        let entry = Entry {
            parent_path: path::parent(&record.path).to_vec(),
            info: record.info.clone(),
            summary: inside,
            xattrs,
            custom_metadata: record.metadata.clone(),
            ..Entry::default()
        };
        let bytes = entry.encode(generation);
        let mac = self.writer.put_named(Resource::VFS_ENTRY, &bytes, scratch)?;
        gathered.complete(listing, apart);
        let mut all = locked(&self.gathered);
        all.push(gathered);
        if record.path == b"/" {
            all.set_root(mac);
            *locked(&self.root) = Some(summary.clone());
        }
        drop(all);
        self.counts.directories.fetch_add(1, Ordering::Relaxed);
        self.tell(&record.path, true, Outcome::Done);
        let facts = Facts::Directory(Box::new(summary));
        Ok(Child { name: record.info.name.as_slice().into(), entry: bytes.into(), mac, facts })
    }

    /// Errors that the reference counts for a directory: v1.1 those right in it, while v1.0 looks
    /// through the sorted paths below and stops at the first that lies deeper.
    pub(super) fn errors_right_in(&self, directory: &[u8]) -> u64 {
        let prefix = path::join(directory, b"");
        let errors = locked(&self.errors);
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&prefix), Bound::Unbounded);
        let below = errors.range::<[u8], _>(from).map_while(|(path, _)| path.strip_prefix(&prefix[..]));
        let right_in = |name: &&[u8]| !name.contains(&b'/');
        match self.writer.generation() {
            Generation::V1_0 => below.take_while(right_in).count() as u64,
            Generation::V1_1 => below.filter(right_in).count() as u64,
        }
    }

    /// Writes trees and header.
    pub(super) fn finish(&self, timestamp: Stamp, started: std::time::Duration) -> Result<Report, Error> {
        let summary = locked(&self.root).take().ok_or_else(|| self.packer.why())?;
        let mut hands = Scratch::default();
        let scratch = &mut hands;
        let errors = std::mem::take(&mut *locked(&self.errors));
        let root = self.source.origin().root;
        // A snapshot of nothing would be the newest one, and the one that restore takes.
        if let Some(why) = errors.get(&root)
            && self.counts.files.load(Ordering::Relaxed) == 0
        {
            return Err(Error::new(Kind::Source, format!("{}: {why}", String::from_utf8_lossy(&root))));
        }
        let mut pairs = Pairs::default();
        for (path, message) in &errors {
            let entry = ErrorEntry { path: path.clone(), message: message.clone() };
            let mac = self.writer.put_named(Resource::ERROR_ENTRY, &entry.encode(), scratch)?;
            pairs.push(&[path], mac);
        }
        let errors_root = pairs.write(tree_build::ERRORS, self.writer, scratch)?;
        let mut gathered = std::mem::take(&mut *locked(&self.gathered));
        let count = gathered.entries();
        let root = tree_build::write_falling(
            tree_build::VFS,
            count,
            gathered.files_falling(),
            self.writer,
            scratch,
        )?;
        let xattrs = std::mem::take(&mut *locked(&self.xattrs));
        let xattrs = xattrs.write_paths(tree_build::XATTRS, self.writer, scratch)?;
        let types = self.content_types.names();
        let (count, falling) = gathered.content_types_falling(&types);
        let content_types = self.index(count, falling, scratch)?;
        let (count, falling) = gathered.listings_falling();
        let listings = self.index(count, falling, scratch)?;
        let index = |name: &str, value| NamedTree { name: name.to_owned(), kind: "btree".to_owned(), value };
        let mut indexes = vec![index("content-type", content_types), index("dirpack", listings)];
        if self.writer.generation() == Generation::V1_1 {
            let (count, falling) = gathered.summaries_falling();
            indexes.push(index("summary", self.index(count, falling, scratch)?));
        }
        drop(gathered);
        let origin = self.source.origin();
        let took = self.world.clock.monotonic().saturating_sub(started);
        let made = SnapshotSource {
            kind: origin.kind,
            origin: origin.origin,
            directory: origin.root,
            context: Vec::new(),
            root,
            xattrs,
            errors: errors_root,
            indexes,
            summary,
        };
        let header = match self.options.copy_of {
            Some(original) => copied(original, made, self.dataset())?,
            None => self.header(timestamp, took, made),
        };
        self.writer.put(Resource::SNAPSHOT, self.id, &header.encode(), scratch)?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Report {
            header,
            files: count(&self.counts.files),
            directories: count(&self.counts.directories),
            unchanged: count(&self.counts.unchanged),
            changed: count(&self.counts.changed),
            torn: count(&self.counts.torn),
            bytes_read: count(&self.counts.read),
            bytes_new: self.writer.fresh(),
            bytes_stored: 0,
            errors: errors.into_iter().collect(),
        })
    }

    fn index(
        &self,
        count: usize,
        falling: impl Iterator<Item = Pair>,
        scratch: &mut Scratch,
    ) -> Result<Mac, Error> {
        tree_build::write_falling(tree_build::INDEX, count, falling, self.writer, scratch)
    }

    /// The two fields of a header that only v1.1 has.
    fn dataset(&self) -> Option<Dataset> {
        match self.writer.generation() {
            Generation::V1_0 => None,
            Generation::V1_1 => Some(Dataset::default()),
        }
    }

    fn header(&self, timestamp: Stamp, took: Duration, made: SnapshotSource) -> Header {
        let usual = || match self.writer.generation() {
            Generation::V1_0 => "default".to_owned(),
            Generation::V1_1 => String::new(),
        };
        Header {
            version: Version::V1_0_0,
            identifier: self.id,
            timestamp,
            duration_ns: i64::try_from(took.as_nanos()).unwrap_or(i64::MAX),
            identity: Identity::default(),
            name: self.options.name.clone(),
            category: usual(),
            environment: usual(),
            perimeter: usual(),
            job: usual(),
            replicas: 1,
            dataset: self.dataset(),
            classifications: Vec::new(),
            tags: self.options.tags.clone(),
            context: self.options.context.clone(),
            sources: vec![made],
        }
    }
}

/// The header of a copy. A signature is not taken over: it covers the original's bytes.
fn copied(original: &Header, made: SnapshotSource, dataset: Option<Dataset>) -> Result<Header, Error> {
    let was = &original.source()?.summary;
    // The two lines count the bytes of links, and errors, differently.
    let comparable = match original.dataset.is_some() == dataset.is_some() {
        true => SAME_LINE,
        false => ANY_LINE,
    };
    let mut pairs = totals(was).into_iter().zip(totals(&made.summary)).take(comparable);
    let differs = pairs.find(|(was, is)| was != is);
    if let Some(((what, was), (_, is))) = differs {
        let why = format!("the copy has {is} {what}, the original {was}: it is not whole");
        return Err(Error::new(Kind::Damaged, why));
    }
    Ok(Header {
        version: Version::V1_0_0,
        identity: Identity::default(),
        dataset: dataset.map(|none| original.dataset.clone().unwrap_or(none)),
        sources: vec![made],
        ..original.clone()
    })
}

/// How many of [`totals`] can be compared within one line of Plakar, and between two.
const SAME_LINE: usize = 7;
const ANY_LINE: usize = 5;

/// What a copy must have as many of.
fn totals(summary: &Summary) -> [(&'static str, u64); SAME_LINE] {
    let (here, below) = (&summary.directory, &summary.below);
    [
        ("directories", here.directories + below.directories),
        ("files", here.files + below.files),
        ("symbolic links", here.symlinks + below.symlinks),
        ("objects", here.objects + below.objects),
        (
            "other things",
            here.devices + here.pipes + here.sockets + below.devices + below.pipes + below.sockets,
        ),
        ("bytes", summary.total_size()),
        ("recorded errors", summary.total_errors()),
    ]
}
