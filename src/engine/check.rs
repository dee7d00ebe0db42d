//! Whether everything a snapshot needs is there and is what it was.
//!
//! Headers, signatures, all trees, directory lists, entries, chunk lists, chunks and attributes
//! are read and verified, each blob once in a run however many snapshots share it. Content comes
//! in batches of files, fetched in storage order as in a restore. Nothing stops at the first
//! damage; what is damaged is told with the paths it affects, in every snapshot it affects.

use crate::algo::sign;
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::check_content::{Content, Pending, lock};
use crate::engine::check_packfiles::{self, Looked};
use crate::engine::error::{Error, Kind};
use crate::engine::listing::{DIRPACK, Directories, Listing, Record};
use crate::engine::plan::Fetcher;
use crate::engine::select::Argument;
use crate::engine::snapshot::Snapshot;
use crate::engine::tree::{self, Order};
use crate::format::entry::{ErrorEntry, XattrEntry};
use crate::format::kind::Resource;
use crate::ports::monitor::{Event, Outcome};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Chunks, by the most a file of its size can have, and files of one batch.
const BATCH_CHUNKS: u64 = 64 << 10;
const BATCH_FILES: usize = 16 << 10;

/// How thorough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Content and entries need only exist; their packfiles are listed, not read.
    pub fast: bool,
    /// Signatures are verified.
    pub signatures: bool,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The affected path; empty when the snapshot as a whole is.
    pub path: Vec<u8>,
    /// What is wrong.
    pub what: String,
}

/// What came of one snapshot. Sound when there is no problem.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Checked {
    /// The checked path; empty when it could not be found.
    pub path: Vec<u8>,
    /// Entries found, those that an earlier snapshot shares not counted.
    pub entries: u64,
    /// Content bytes read and verified.
    pub bytes: u64,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// A check of one or more snapshots of a store, which remembers what it has verified.
pub struct Checker<'x, 'b, 'r> {
    fetcher: &'x Fetcher<'b, 'r>,
    world: &'x World,
    options: Options,
    content: Content<'x, 'b, 'r>,
    /// By position of the list's object.
    lists: Mutex<HashMap<usize, List>>,
    /// By root of the file tree.
    trees: Mutex<HashMap<Mac, Sum>>,
}

/// A directory's list, once read.
#[derive(Clone, Copy, Debug)]
struct List {
    /// Over the paths of the directories in it.
    directories: Sum,
    /// Over the paths and names of all entries in it.
    entries: Sum,
    /// Everything in it was sound: it need not be read again for another snapshot.
    sound: bool,
}

/// An order-free sum of digests: two sets are equal when their sums are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Sum(u128);

impl Sum {
    fn add(&mut self, digest: &Mac) {
        let (half, _) = digest.0.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        self.0 = self.0.wrapping_add(u128::from_le_bytes(*half));
    }

    fn merge(&mut self, other: Sum) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

/// One snapshot under way.
struct Pass {
    id: Mac,
    checked: Checked,
    pending: Vec<Pending>,
    chunks_expected: u64,
    /// Its problems are told when another is done.
    silent: bool,
}

impl Pass {
    fn new(id: Mac) -> Pass {
        Pass { id, checked: Checked::default(), pending: Vec::new(), chunks_expected: 0, silent: false }
    }
}

/// Sees the pairs of a tree; an error it returns is a problem of that key.
type Visit<'v> = dyn FnMut(&mut Pass, &[u8], &Mac) -> Result<(), Error> + 'v;

impl<'x, 'b, 'r> Checker<'x, 'b, 'r> {
    /// Nothing is verified yet.
    ///
    /// # Errors
    /// With `fast`, those of listing the packfiles.
    pub fn new(
        fetcher: &'x Fetcher<'b, 'r>,
        world: &'x World,
        options: Options,
    ) -> Result<Checker<'x, 'b, 'r>, Error> {
        let content = Content::new(fetcher, world, options.fast)?;
        let (lists, trees) = (Mutex::default(), Mutex::default());
        Ok(Checker { fetcher, world, options, content, lists, trees })
    }

    /// Reads every packfile whole and verifies all that is in it. Content found sound here is not
    /// read again for the snapshots that need it.
    ///
    /// # Errors
    /// `Cancelled` and what concerns the store as a whole.
    pub fn packfiles(&self) -> Result<Looked, Error> {
        let blobs = self.fetcher.blobs();
        let sound = |resource, mac: &Mac, position, plain: &[u8]| {
            self.content.sound(resource, mac, position, plain);
        };
        let looked = check_packfiles::check(blobs.repository(), blobs.index(), &sound, self.world)?;
        self.content.seen.settle();
        Ok(looked)
    }

    /// Checks one snapshot: all of it, or what lies below a path of it.
    ///
    /// # Errors
    /// `Cancelled` and what concerns the store as a whole; everything else is a problem told.
    pub fn snapshot(&self, id: &Mac, argument: &Argument) -> Result<Checked, Error> {
        let mut pass = Pass::new(*id);
        match Snapshot::open(self.fetcher.blobs(), id) {
            Ok(snapshot) => self.opened(&mut pass, &snapshot, argument)?,
            Err(fault) => self.problem(&mut pass, b"", fault)?,
        }
        Ok(pass.checked)
    }

    fn opened(&self, pass: &mut Pass, snapshot: &Snapshot, argument: &Argument) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        if self.options.signatures {
            self.signature(pass, snapshot)?;
        }
        let wanted = argument.resolve(&snapshot.root());
        // Without a path all of the snapshot is checked, the directories above its root included.
        let whole = argument.path.is_empty();
        let start = match snapshot.entry(blobs, &wanted) {
            Ok(start) => Some(start),
            Err(fault) => {
                self.problem(pass, &wanted, fault)?;
                None
            }
        };
        let (found, directory) = match &start {
            Some(start) => (start.path(), start.info.mode.is_dir()),
            None if whole => (wanted, true),
            None => return Ok(()),
        };
        let scope = if whole { b"/".to_vec() } else { found.clone() };
        pass.checked.path = found.clone();
        self.announce(snapshot);

        let source = snapshot.source()?;
        let mut aside = Pass::new(pass.id);
        aside.silent = true;
        // The trees and the lists of directories say the same twice: one thread for each.
        let (in_tree, in_lists) = std::thread::scope(|threads| {
            let trees = threads.spawn(|| self.trees(&mut aside, snapshot));
            let lists = match whole || directory {
                true => self.directories(pass, snapshot, &scope),
                false => Ok(None),
            };
            let trees = trees.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>((trees?, lists?))
        })?;
        for problem in aside.checked.problems {
            self.tell(pass.id, shown(&problem.path), true, Outcome::Failed(&problem.what));
            pass.checked.problems.push(problem);
        }
        if whole || directory {
            if let (Some(tree), Some(lists)) = (in_tree, in_lists)
                && tree != lists
                && scope == b"/"
            {
                let what = "the tree of files and the lists of its directories do not hold the same entries";
                self.problem(pass, b"", Error::new(Kind::Damaged, what))?;
            }
        } else if let Some(entry) = start {
            self.entry(pass, found, Record { mac: Mac::ZERO, entry }, None)?;
        }
        self.attribute_tree(pass, &source.xattrs, &scope)?;
        self.flush(pass)
    }

    /// All trees but that of attributes; gives [`Checker::file_tree`]'s sum.
    fn trees(&self, pass: &mut Pass, snapshot: &Snapshot) -> Result<Option<Sum>, Error> {
        let source = snapshot.source()?;
        let sum = self.file_tree(pass, &source.root)?;
        self.error_tree(pass, &source.errors)?;
        self.index_trees(pass, snapshot)?;
        Ok(sum)
    }

    fn announce(&self, snapshot: &Snapshot) {
        if let Some(source) = snapshot.header.sources.first() {
            let (here, below) = (&source.summary.directory, &source.summary.below);
            self.world.monitor.tell(Event::Planned {
                items: here.children.saturating_add(below.children),
                bytes: here.size.saturating_add(below.size),
            });
        }
    }

    fn signature(&self, pass: &mut Pass, snapshot: &Snapshot) -> Result<(), Error> {
        if !snapshot.header.is_signed() {
            return Ok(());
        }
        let signature = match self.fetcher.blobs().get(Resource::SIGNATURE, &snapshot.id) {
            Ok(signature) => signature,
            Err(fault) => return self.problem(pass, b"", fault),
        };
        let key = snapshot.header.identity.public_key.as_deref().unwrap_or_default();
        if sign::verify(key, &snapshot.digest.0, &signature) {
            return Ok(());
        }
        self.problem(pass, b"", Error::new(Kind::Damaged, "its signature is not by the key it names"))
    }

    /// Reads a tree to its last node; what `visit` returns as an error is a problem too.
    fn tree(
        &self,
        pass: &mut Pass,
        kinds: tree::Kinds,
        root: &Mac,
        order: Order,
        visit: &mut Visit<'_>,
    ) -> Result<bool, Error> {
        let mut whole = true;
        let scanned = tree::scan(self.fetcher.blobs(), kinds, root, order, None, &mut |found| {
            self.refuse_when_cancelled()?;
            let visited = match found {
                Ok((key, value)) => visit(pass, key, value).map_err(|fault| (key, fault)),
                Err(fault) => Err((&b""[..], fault)),
            };
            if let Err((key, fault)) = visited {
                whole = false;
                self.problem(pass, key, fault)?;
            }
            Ok(ControlFlow::Continue(()))
        });
        if let Err(fault) = scanned {
            whole = false;
            self.problem(pass, b"", fault)?;
        }
        Ok(whole)
    }

    /// Sum over the entries the tree names, but for the root; `None` when it is damaged.
    fn file_tree(&self, pass: &mut Pass, root: &Mac) -> Result<Option<Sum>, Error> {
        if let Some(sum) = lock(&self.trees).get(root) {
            return Ok(Some(*sum));
        }
        let mut sum = Sum::default();
        let blobs = self.fetcher.blobs();
        let codec = &blobs.repository().codec;
        let whole = self.tree(pass, tree::FILES, root, Order::Path, &mut |_, key, value| {
            if key == b"/" {
                return blobs.get(Resource::VFS_ENTRY, value).map(|_| ());
            }
            sum.add(&codec.mac(&[key, &value.0].concat()));
            Ok(())
        })?;
        if !whole {
            return Ok(None);
        }
        lock(&self.trees).insert(*root, sum);
        Ok(Some(sum))
    }

    fn error_tree(&self, pass: &mut Pass, root: &Mac) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        self.tree(pass, tree::ERRORS, root, Order::Bytes, &mut |_, key, value| {
            let plain = blobs.get(Resource::ERROR_ENTRY, value)?;
            let told = ErrorEntry::decode(&plain)?;
            if told.path == key {
                return Ok(());
            }
            Err(Error::new(Kind::Damaged, "its error entry is another path's"))
        })?;
        Ok(())
    }

    /// The indexes beside the lists of directories, which are read with them.
    fn index_trees(&self, pass: &mut Pass, snapshot: &Snapshot) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        for index in &snapshot.source()?.indexes {
            if index.name == DIRPACK || index.kind != "btree" {
                continue;
            }
            let summaries = index.name == "summary";
            self.tree(pass, tree::INDEX, &index.value, Order::Bytes, &mut |_, _, value| {
                if summaries {
                    blobs.get(Resource::VFS_SUMMARY, value)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Reads the directories in scope. The sum is over all their entries, `None` when some are
    /// not known.
    fn directories(&self, pass: &mut Pass, snapshot: &Snapshot, scope: &[u8]) -> Result<Option<Sum>, Error> {
        let blobs = self.fetcher.blobs();
        let mut all = snapshot.directories(blobs)?;
        if all.objects.is_empty() && all.damage.is_empty() && snapshot.index(DIRPACK).is_none() {
            return self.directories_by_tree(pass, snapshot, scope).map(|()| None);
        }
        let mut whole = all.damage.is_empty();
        for fault in std::mem::take(&mut all.damage) {
            self.problem(pass, b"", fault)?;
        }
        let (mut named, mut listed, mut entries) = (Sum::default(), Sum::default(), Sum::default());
        for (directory, object) in &all.objects {
            if directory != b"/" {
                named.add(&blobs.repository().codec.mac(directory));
            }
            if !path::is_within(directory, scope) {
                continue;
            }
            self.refuse_when_cancelled()?;
            match self.list(pass, snapshot, directory, object)? {
                Some(list) => {
                    listed.merge(list.directories);
                    entries.merge(list.entries);
                }
                None => whole = false,
            }
        }
        if whole && scope == b"/" && named != listed {
            let what = "the index of directories and the directories themselves do not agree";
            self.problem(pass, b"", Error::new(Kind::Damaged, what))?;
        }
        Ok(whole.then_some(entries))
    }

    /// For snapshots without lists of directories.
    fn directories_by_tree(&self, pass: &mut Pass, snapshot: &Snapshot, scope: &[u8]) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        let mut ahead = vec![scope.to_vec()];
        while let Some(directory) = ahead.pop() {
            let listing = match Directories::default().open(blobs, snapshot, &directory) {
                Ok(listing) => listing,
                Err(fault) => {
                    self.problem(pass, &directory, fault)?;
                    continue;
                }
            };
            for record in listing {
                match record {
                    Ok(record) => {
                        let path = path::join(&directory, &record.entry.info.name);
                        if record.entry.info.mode.is_dir() {
                            ahead.push(path.clone());
                        }
                        self.entry(pass, path, record, None)?;
                    }
                    Err(fault) => self.problem(pass, &directory, fault)?,
                }
            }
        }
        Ok(())
    }

    /// Reads one directory's list, unless it was found sound before.
    fn list(
        &self,
        pass: &mut Pass,
        snapshot: &Snapshot,
        directory: &[u8],
        object: &Mac,
    ) -> Result<Option<List>, Error> {
        let blobs = self.fetcher.blobs();
        let Some(position) = blobs.index().position(Resource::OBJECT, object) else {
            self.problem(pass, directory, blobs::unknown(Resource::OBJECT, object))?;
            return Ok(None);
        };
        if let Some(list) = lock(&self.lists).get(&position).filter(|list| list.sound) {
            return Ok(Some(*list));
        }
        let mut list = List { directories: Sum::default(), entries: Sum::default(), sound: true };
        // Known before its files are: their damage is noted in it when it shows.
        lock(&self.lists).insert(position, list);
        let listing = match Listing::packed(blobs, directory, object) {
            Ok(listing) => listing,
            Err(fault) => return self.lost_list(pass, snapshot, directory, position, fault),
        };
        let codec = &blobs.repository().codec;
        for record in listing {
            let record = match record {
                Ok(record) => record,
                Err(fault) => return self.lost_list(pass, snapshot, directory, position, fault),
            };
            let path = path::join(directory, &record.entry.info.name);
            if record.entry.info.mode.is_dir() {
                list.directories.add(&codec.mac(&path));
            }
            list.entries.add(&codec.mac(&[path.as_slice(), &record.mac.0].concat()));
            self.entry(pass, path, record, Some(position))?;
        }
        // A batch may have been verified meanwhile.
        list.sound = lock(&self.lists).get(&position).is_some_and(|list| list.sound);
        lock(&self.lists).insert(position, list);
        pass.checked.entries += 1;
        self.tell(pass.id, directory, true, Outcome::Done);
        Ok(Some(list))
    }

    /// A list that cannot be read is told; its files are verified by way of the tree.
    fn lost_list(
        &self,
        pass: &mut Pass,
        snapshot: &Snapshot,
        directory: &[u8],
        position: usize,
        fault: Error,
    ) -> Result<Option<List>, Error> {
        lock(&self.lists).remove(&position);
        self.problem(pass, directory, fault)?;
        for record in Listing::from_tree(self.fetcher.blobs(), snapshot, directory).into_iter().flatten() {
            match record {
                Ok(record) if record.entry.info.mode.is_dir() => {}
                Ok(record) => {
                    let path = path::join(directory, &record.entry.info.name);
                    self.entry(pass, path, record, None)?;
                }
                Err(fault) => self.problem(pass, directory, fault)?,
            }
        }
        Ok(None)
    }

    fn entry(
        &self,
        pass: &mut Pass,
        path: Vec<u8>,
        record: Record,
        list: Option<usize>,
    ) -> Result<(), Error> {
        let entry = &record.entry;
        if entry.info.mode.is_dir() && list.is_none() {
            pass.checked.entries += 1;
            self.tell(pass.id, &path, true, Outcome::Done);
        }
        let shortest = u64::from(self.fetcher.blobs().repository().config.chunking.min.max(1));
        pass.chunks_expected += u64::try_from(entry.info.size).unwrap_or(0) / shortest + 1;
        pass.pending.push(Pending {
            path,
            attribute: None,
            entry: record.mac,
            object: if entry.info.mode.is_regular() { entry.object } else { Mac::ZERO },
            size: if entry.info.mode.is_regular() { entry.info.size } else { 0 },
            directory: entry.info.mode.is_dir(),
            list,
        });
        if pass.chunks_expected >= BATCH_CHUNKS || pass.pending.len() >= BATCH_FILES {
            self.flush(pass)?;
        }
        Ok(())
    }

    fn attribute_tree(&self, pass: &mut Pass, root: &Mac, scope: &[u8]) -> Result<(), Error> {
        let blobs = self.fetcher.blobs();
        self.tree(pass, tree::ATTRIBUTES, root, Order::Either, &mut |pass, _, value| {
            let entry = XattrEntry::decode(&blobs.get(Resource::XATTR_ENTRY, value)?)?;
            if !path::is_within(&entry.path, scope) {
                return Ok(());
            }
            pass.pending.push(Pending {
                path: entry.path,
                attribute: Some(entry.name),
                entry: Mac::ZERO,
                object: entry.object,
                size: 0,
                directory: false,
                list: None,
            });
            if pass.pending.len() >= BATCH_FILES {
                self.flush(pass)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Verifies the content of everything pending, and tells.
    fn flush(&self, pass: &mut Pass) -> Result<(), Error> {
        pass.chunks_expected = 0;
        let pending = std::mem::take(&mut pass.pending);
        let (bytes, faults) = self.content.verify(&pending)?;
        pass.checked.bytes += bytes;
        for (item, fault) in pending.iter().zip(faults) {
            let shown = match &item.attribute {
                Some(name) => format!("attribute {}: ", String::from_utf8_lossy(name)),
                None => String::new(),
            };
            let fault = fault.map(|fault| format!("{shown}{fault}"));
            if let Some(what) = &fault {
                pass.checked.problems.push(Problem { path: item.path.clone(), what: what.clone() });
                if let Some(position) = item.list {
                    lock(&self.lists).entry(position).and_modify(|list| list.sound = false);
                }
            }
            match &fault {
                Some(what) => self.tell(pass.id, &item.path, item.directory, Outcome::Failed(what)),
                // Directories are told with their lists, attributes only when they are damaged.
                None if item.attribute.is_some() || item.directory => {}
                None => {
                    pass.checked.entries += 1;
                    self.tell(pass.id, &item.path, false, Outcome::Done);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, snapshot: Mac, path: &[u8], directory: bool, outcome: Outcome<'_>) {
        self.world.monitor.tell(Event::Item { snapshot, path, directory, outcome });
    }

    fn refuse_when_cancelled(&self) -> Result<(), Error> {
        match self.world.cancel.is_cancelled() {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }

    /// Notes and tells what is wrong; what concerns the store as a whole ends the check.
    fn problem(&self, pass: &mut Pass, path: &[u8], fault: Error) -> Result<(), Error> {
        let about_this = blobs::concerns_the_blob(&fault) || fault.kind == Kind::Unsupported;
        if !about_this {
            return Err(fault);
        }
        let what = fault.to_string();
        if !pass.silent {
            self.tell(pass.id, shown(path), true, Outcome::Failed(&what));
        }
        pass.checked.problems.push(Problem { path: path.to_vec(), what });
        Ok(())
    }
}

/// What concerns all of the snapshot is told of its root.
fn shown(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"/" } else { path }
}
