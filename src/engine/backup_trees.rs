//! Directories as they are completed, and at the end the trees and the header.

use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::backup::Report;
use crate::engine::backup_run::{Run, locked};
use crate::engine::content::{self, Of};
use crate::engine::error::{Error, Kind};
use crate::engine::frames::{Child, Facts, Frame};
use crate::engine::tree_build::{self, Pairs};
use crate::engine::writer::Scratch;
use crate::format::entry::{Entry, ErrorEntry};
use crate::format::kind::{Generation, Resource, Version};
use crate::format::snapshot::{Header, Identity, Index as NamedTree, SnapshotSource};
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
        let mut finished = frame.finish();
        let listing =
            content::store_bytes(&finished.listing, Of::Listing, &self.chunker, self.writer, scratch)?;
        finished.summary.finish(self.errors_right_in(&record.path));
        let xattrs = self.store_xattrs(record, scratch)?;
        let entry = Entry {
            parent_path: path::parent(&record.path).to_vec(),
            info: record.info.clone(),
            summary: Some(finished.summary),
            xattrs,
            custom_metadata: record.metadata.clone(),
            ..Entry::default()
        };
        let bytes = entry.encode(Generation::V1_0);
        let mac = self.writer.put_named(Resource::VFS_ENTRY, &bytes, scratch)?;
        let summary = entry.summary.unwrap_or_default();
        {
            let mut trees = locked(&self.trees);
            let separator: &[u8] = if record.path == b"/" { b"" } else { b"/" };
            for (name, child, content_type) in &finished.children {
                trees.vfs.push(&[&record.path, separator, name], *child);
                if let Some(content_type) = content_type {
                    let mime = content_type.split(';').next().unwrap_or_default();
                    let key: [&[u8]; 5] = [b"/", mime.as_bytes(), &record.path, separator, name];
                    trees.content_types.push(&key, *child);
                }
            }
            trees.listings.push(&[&record.path], listing);
            if record.path == b"/" {
                trees.vfs.push(&[b"/"], mac);
            }
        }
        if record.path == b"/" {
            *locked(&self.root) = Some(summary.clone());
        }
        self.counts.directories.fetch_add(1, Ordering::Relaxed);
        self.tell(&record.path, true, Outcome::Done);
        Ok(Child {
            name: record.info.name.clone(),
            entry: bytes,
            mac,
            facts: Facts::Directory(Box::new(summary)),
        })
    }

    /// Errors that the reference counts for a directory: it looks through the sorted paths below
    /// and stops at the first that lies deeper.
    pub(super) fn errors_right_in(&self, directory: &[u8]) -> u64 {
        let prefix = path::join(directory, b"");
        let errors = locked(&self.errors);
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(&prefix), Bound::Unbounded);
        let below = errors.range::<[u8], _>(from).map(|(path, _)| path);
        below
            .take_while(|path| path.strip_prefix(&prefix[..]).is_some_and(|name| !name.contains(&b'/')))
            .count() as u64
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
        let trees = std::mem::take(&mut *locked(&self.trees));
        let root = trees.vfs.write_paths(tree_build::VFS, self.writer, scratch)?;
        let mut pairs = Pairs::default();
        for entry in locked(&self.xattrs).drain(..) {
            let mac = self.writer.put_named(Resource::XATTR_ENTRY, &entry.encode(), scratch)?;
            pairs.push(&[&entry.key()], mac);
        }
        let xattrs = pairs.write_paths(tree_build::XATTRS, self.writer, scratch)?;
        let content_types = trees.content_types.write(tree_build::INDEX, self.writer, scratch)?;
        let listings = trees.listings.write(tree_build::INDEX, self.writer, scratch)?;
        let index = |name: &str, value| NamedTree { name: name.to_owned(), kind: "btree".to_owned(), value };
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
            indexes: vec![index("content-type", content_types), index("dirpack", listings)],
            summary,
        };
        let header = match self.options.copy_of {
            Some(original) => copied(original, made)?,
            None => self.header(timestamp, took, made),
        };
        self.writer.put(Resource::SNAPSHOT, self.id, &header.encode(), false, scratch)?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Report {
            header,
            files: count(&self.counts.files),
            directories: count(&self.counts.directories),
            unchanged: count(&self.counts.unchanged),
            changed: count(&self.counts.changed),
            bytes_read: count(&self.counts.read),
            bytes_new: self.writer.fresh(),
            bytes_stored: 0,
            errors: errors.into_iter().collect(),
        })
    }

    fn header(&self, timestamp: Stamp, took: Duration, made: SnapshotSource) -> Header {
        let usual = || "default".to_owned();
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
            job: self.options.job.clone(),
            replicas: 1,
            dataset: None,
            classifications: Vec::new(),
            tags: self.options.tags.clone(),
            context: self.options.context.clone(),
            sources: vec![made],
        }
    }
}

/// The header of a copy. A signature is not taken over: it covers the original's bytes.
fn copied(original: &Header, made: SnapshotSource) -> Result<Header, Error> {
    let was = &original.source()?.summary;
    let differs = totals(was).into_iter().zip(totals(&made.summary)).find(|(was, is)| was != is);
    if let Some(((what, was), (_, is))) = differs {
        let why = format!("the copy has {is} {what}, the original {was}: it is not whole");
        return Err(Error::new(Kind::Damaged, why));
    }
    Ok(Header {
        version: Version::V1_0_0,
        identity: Identity::default(),
        dataset: None,
        sources: vec![made],
        ..original.clone()
    })
}

/// What a copy must have as many of.
fn totals(summary: &Summary) -> [(&'static str, u64); 6] {
    let (here, below) = (&summary.directory, &summary.below);
    [
        ("directories", here.directories + below.directories),
        ("files", here.files + below.files),
        ("symbolic links", here.symlinks + below.symlinks),
        ("objects", here.objects + below.objects),
        ("bytes", summary.total_size()),
        ("recorded errors", summary.total_errors()),
    ]
}
