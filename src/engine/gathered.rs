//! What the trees of a snapshot will say, kept small until the walk is over: by directory, 40 bytes
//! and a name for each entry, and no path of a file at all.

use crate::base::mac::Mac;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Number of a content type in [`ContentTypes`].
pub type ContentType = u32;

/// In the place of a content type: a directory.
const NO_TYPE: ContentType = ContentType::MAX;

/// The MIME types of a run, each once, without their parameters.
#[derive(Default)]
pub struct ContentTypes(Mutex<Known>);

#[derive(Default)]
struct Known {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, ContentType>,
}

impl ContentTypes {
    /// The number of a type.
    pub fn number(&self, content_type: &str) -> ContentType {
        let name = content_type.split(';').next().unwrap_or_default();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(name) {
            return *number;
        }
        // Four billion types take more memory than there is.
        let number = known.names.len() as ContentType;
        let name: Arc<str> = Arc::from(name);
        known.names.push(Arc::clone(&name));
        known.numbers.insert(name, number);
        number
    }

    /// All types, by their numbers.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.clone()
    }
}

/// One directory of the snapshot, with the children that it holds directly.
pub struct Directory {
    path: Box<[u8]>,
    /// The OBJECT of its list.
    listing: Mac,
    /// Its VFS_SUMMARY, in a store of v1.1.
    summary: Option<Mac>,
    names: Vec<u8>,
    children: Vec<Child>,
}

struct Child {
    mac: Mac,
    /// Where its name begins; it ends where the next one begins.
    name: u32,
    content_type: ContentType,
}

impl Directory {
    /// A directory whose children are to be added in the order of their names.
    pub fn new(path: &[u8], children: usize) -> Directory {
        Directory {
            path: path.into(),
            listing: Mac::ZERO,
            summary: None,
            names: Vec::new(),
            children: Vec::with_capacity(children),
        }
    }

    /// Adds a child; `None` for the type of a directory.
    pub fn push(&mut self, name: &[u8], mac: Mac, content_type: Option<ContentType>) {
        // The names of one directory are in memory already, as parts of entries ten times their size.
        let start = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.children.push(Child { mac, name: start, content_type: content_type.unwrap_or(NO_TYPE) });
    }

    /// Takes in what is known when all children are done.
    pub fn complete(&mut self, listing: Mac, summary: Option<Mac>) {
        (self.listing, self.summary) = (listing, summary);
        self.names.shrink_to_fit();
    }

    /// What goes between its path and a child's name.
    fn separator(&self) -> &[u8] {
        if &*self.path == b"/" { b"" } else { b"/" }
    }

    fn name(&self, at: usize) -> &[u8] {
        let start = |at: usize| self.children.get(at).map(|child| child.name as usize);
        let end = start(at + 1).unwrap_or(self.names.len());
        start(at).and_then(|start| self.names.get(start..end)).unwrap_or_default()
    }

    fn child_path(&self, at: usize) -> [&[u8]; 3] {
        [&self.path, self.separator(), self.name(at)]
    }

    /// The order of its children among all files: fewer slashes first, then bytes.
    fn order(&self, other: &Directory) -> Ordering {
        let slashes = |directory: &Directory| {
            directory.path.iter().chain(directory.separator()).filter(|byte| **byte == b'/').count()
        };
        slashes(self)
            .cmp(&slashes(other))
            .then_with(|| compare(&[&self.path, self.separator()], &[&other.path, other.separator()]))
    }
}

/// A key of a tree and its value.
pub type Pair = (Vec<u8>, Mac);

/// All directories of a snapshot.
#[derive(Default)]
pub struct Gathered {
    directories: Vec<Directory>,
    /// Name of the entry of `/`, which is nobody's child.
    root: Mac,
}

impl Gathered {
    /// Adds a directory that is complete.
    pub fn push(&mut self, directory: Directory) {
        self.directories.push(directory);
    }

    /// Says what the entry of `/` is called.
    pub fn set_root(&mut self, entry: Mac) {
        self.root = entry;
    }

    /// Number of entries, `/` included.
    pub fn entries(&self) -> usize {
        1 + self.directories.iter().map(|directory| directory.children.len()).sum::<usize>()
    }

    /// Path and name of every entry, in the falling order of the file tree.
    pub fn files_falling(&mut self) -> impl Iterator<Item = Pair> {
        self.directories.sort_unstable_by(Directory::order);
        let below = self.directories.iter().rev().flat_map(|directory| {
            let children = directory.children.iter().enumerate().rev();
            children.map(|(at, child)| (directory.child_path(at).concat(), child.mac))
        });
        below.chain(std::iter::once((b"/".to_vec(), self.root)))
    }

    /// `/`, content type, path, and the name of the entry, of all that is no directory; and how many
    /// there are. In falling order.
    pub fn content_types_falling<'a>(
        &'a self,
        types: &'a [Arc<str>],
    ) -> (usize, impl Iterator<Item = Pair> + 'a) {
        let mut files = Vec::new();
        for (number, directory) in (0_u32..).zip(&self.directories) {
            for (at, child) in (0_u32..).zip(&directory.children) {
                if child.content_type != NO_TYPE {
                    files.push((number, at));
                }
            }
        }
        let parts = move |file: &(u32, u32)| -> Option<([&'a [u8]; 5], Mac)> {
            let directory = self.directories.get(file.0 as usize)?;
            let child = directory.children.get(file.1 as usize)?;
            let mime = types.get(child.content_type as usize)?;
            let [path, separator, name] = directory.child_path(file.1 as usize);
            Some(([b"/", mime.as_bytes(), path, separator, name], child.mac))
        };
        files.sort_unstable_by(|a, b| match (parts(a), parts(b)) {
            (Some((a, _)), Some((b, _))) => compare(&a, &b),
            _ => Ordering::Equal,
        });
        let pairs = move |file| parts(&file).map(|(key, mac)| (key.concat(), mac));
        (files.len(), files.into_iter().rev().filter_map(pairs))
    }

    /// Path and list of every directory, in falling order.
    pub fn listings_falling(&mut self) -> (usize, impl Iterator<Item = Pair>) {
        self.sort_by_path();
        let listings = self.directories.iter().rev();
        (self.directories.len(), listings.map(|directory| (directory.path.to_vec(), directory.listing)))
    }

    /// Path and summary of every directory that has one, in falling order.
    pub fn summaries_falling(&mut self) -> (usize, impl Iterator<Item = Pair>) {
        self.sort_by_path();
        let summary = |directory: &Directory| Some((directory.path.to_vec(), directory.summary?));
        let count = self.directories.iter().filter(|directory| directory.summary.is_some()).count();
        (count, self.directories.iter().rev().filter_map(summary))
    }

    fn sort_by_path(&mut self) {
        self.directories.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
}

/// Byte order of what the parts make together.
fn compare(a: &[&[u8]], b: &[&[u8]]) -> Ordering {
    let (mut a, mut b) = (a.iter().copied(), b.iter().copied());
    let (mut left, mut right): (&[u8], &[u8]) = (b"", b"");
    loop {
        while left.is_empty() {
            match a.next() {
                Some(part) => left = part,
                None if right.is_empty() && b.all(<[u8]>::is_empty) => return Ordering::Equal,
                None => return Ordering::Less,
            }
        }
        while right.is_empty() {
            match b.next() {
                Some(part) => right = part,
                None => return Ordering::Greater,
            }
        }
        let both = left.len().min(right.len());
        let ((first, more), (second, rest)) = (left.split_at(both), right.split_at(both));
        match first.cmp(second) {
            Ordering::Equal => (left, right) = (more, rest),
            different => return different,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentTypes, Directory, Gathered, compare};
    use crate::base::mac::Mac;
    use crate::base::path;

    #[test]
    fn parts_compare_as_what_they_make_together() {
        let texts: [&[&[u8]]; 9] = [
            &[],
            &[b"", b""],
            &[b"a"],
            &[b"", b"a", b""],
            &[b"a", b"b"],
            &[b"ab"],
            &[b"a", b"", b"bc"],
            &[b"b"],
            &[b"aa", b"z"],
        ];
        for a in texts {
            for b in texts {
                assert_eq!(compare(a, b), a.concat().cmp(&b.concat()), "{a:?} {b:?}");
            }
        }
    }

    /// Directories whose names are beginnings of one another, with bytes below and above `/`.
    fn gathered(types: &ContentTypes) -> (Gathered, Vec<(Vec<u8>, Mac, Option<&'static str>)>) {
        let (mut gathered, mut all) = (Gathered::default(), Vec::new());
        let mut number = 0_u8;
        for directory in ["/", "/a", "/a-b", "/a/c", "/a.d", "/a/c/deep"] {
            let mut made = Directory::new(directory.as_bytes(), 3);
            for (name, mime) in [("-x", Some("text/plain")), ("c", None), ("z", Some("text/plain-too"))] {
                number += 1;
                let mac = Mac([number; 32]);
                made.push(name.as_bytes(), mac, mime.map(|mime| types.number(mime)));
                all.push((path::join(directory.as_bytes(), name.as_bytes()), mac, mime));
            }
            made.complete(Mac([100 + number; 32]), Some(Mac([200 + number; 32])));
            gathered.push(made);
        }
        gathered.set_root(Mac([99; 32]));
        all.push((b"/".to_vec(), Mac([99; 32]), None));
        (gathered, all)
    }

    #[test]
    fn every_tree_falls_in_its_own_order() {
        let types = ContentTypes::default();
        assert_eq!(types.number("text/plain; charset=utf-8"), types.number("text/plain"));
        let (mut gathered, all) = gathered(&types);
        assert_eq!(gathered.entries(), all.len());

        let mut files: Vec<_> = all.iter().map(|(path, mac, _)| (path.clone(), *mac)).collect();
        files.sort_by(|a, b| path::tree_order(&b.0, &a.0));
        assert_eq!(gathered.files_falling().collect::<Vec<_>>(), files);

        let with_type = all.iter().filter_map(|(path, mac, mime)| Some((path, *mac, (*mime)?)));
        let mut keyed: Vec<_> =
            with_type.map(|(path, mac, mime)| ([b"/", mime.as_bytes(), path].concat(), mac)).collect();
        keyed.sort_by(|a, b| b.0.cmp(&a.0));
        let names = types.names();
        let (count, pairs) = gathered.content_types_falling(&names);
        assert_eq!((count, pairs.collect::<Vec<_>>()), (keyed.len(), keyed));

        let (count, pairs) = gathered.listings_falling();
        let paths: Vec<_> = pairs.map(|(path, _)| path).collect();
        assert_eq!(count, 6);
        assert!(paths.is_sorted_by(|a, b| a > b), "{paths:?}");
        let (count, pairs) = gathered.summaries_falling();
        assert_eq!((count, pairs.count()), (6, 6));
    }
}
