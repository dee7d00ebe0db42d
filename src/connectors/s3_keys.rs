//! Keys of a bucket as paths of a tree, and back.
//!
//! A key's segments between slashes are names. What no tree can hold as it is goes by another
//! name, so that every set of keys has one tree and every key comes back:
//!
//! | in a key | in a path |
//! | --- | --- |
//! | an empty segment (`a//b`, `a/`) | `.plakar-s3-empty` |
//! | `.` | `.plakar-s3-dot` |
//! | `..` | `.plakar-s3-dotdot` |
//! | the object `a` beside objects `a/…` | `.plakar-s3-object=a` |
//! | a segment that itself begins with `.plakar-s3-` | `.plakar-s3-name=` and the segment |

use crate::base::path;

const MARK: &[u8] = b".plakar-s3-";
const EMPTY: &[u8] = b".plakar-s3-empty";
const DOT: &[u8] = b".plakar-s3-dot";
const DOTDOT: &[u8] = b".plakar-s3-dotdot";
const OBJECT: &[u8] = b".plakar-s3-object=";
const NAME: &[u8] = b".plakar-s3-name=";

/// The name that stands for a segment.
fn name_of(segment: &[u8]) -> Vec<u8> {
    match segment {
        b"" => EMPTY.to_vec(),
        b"." => DOT.to_vec(),
        b".." => DOTDOT.to_vec(),
        marked if marked.starts_with(MARK) => [NAME, marked].concat(),
        plain => plain.to_vec(),
    }
}

fn segment_of(name: &[u8]) -> &[u8] {
    match name {
        EMPTY => b"",
        DOT => b".",
        DOTDOT => b"..",
        _ => name.strip_prefix(OBJECT).or_else(|| name.strip_prefix(NAME)).unwrap_or(name),
    }
}

/// The path of a directory given by its key without the last `/`; `/` for the empty one.
pub fn directory_path(key: &[u8]) -> Vec<u8> {
    let mut path = b"/".to_vec();
    if !key.is_empty() {
        for segment in key.split(|&byte| byte == b'/') {
            path = path::join(&path, &name_of(segment));
        }
    }
    path
}

/// The key that a path came from; a path that came from elsewhere becomes itself. Takes a leading
/// slash or none.
pub fn key_of(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let segments: Vec<&[u8]> = path.split(|&byte| byte == b'/').map(segment_of).collect();
    segments.join(&b'/')
}

/// One thing of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<T> {
    /// A directory; told before what is in it.
    Directory(Vec<u8>),
    /// An object, and what was said of it.
    Object(Vec<u8>, T),
}

/// Makes a depth-first walk of ascending keys, as they come.
///
/// An object is held back while a key below a directory of the same name may still follow: while
/// keys begin with its own. So at most a key's length of objects is held at once.
pub struct Tree<T> {
    levels: Vec<Level<T>>,
}

struct Level<T> {
    /// With the `/` at its end, but for the whole bucket.
    key: Vec<u8>,
    path: Vec<u8>,
    /// Last segments, each the beginning of the next.
    held: Vec<(Vec<u8>, T)>,
}

impl<T> Tree<T> {
    /// Of the keys below a directory given by its key without the last `/`.
    pub fn new(directory: &[u8]) -> Tree<T> {
        let mut key = directory.to_vec();
        if !key.is_empty() {
            key.push(b'/');
        }
        Tree { levels: vec![Level { key, path: directory_path(directory), held: Vec::new() }] }
    }

    /// Takes the next key. Keys ascend and begin with the directory's.
    pub fn add(&mut self, key: &[u8], about: T, tell: &mut dyn FnMut(Node<T>)) {
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| !key.starts_with(&level.key)) {
            self.levels.pop().into_iter().for_each(|level| level.release_all(tell));
        }
        let Some(level) = self.levels.last_mut() else { return };
        let mut rest = key.get(level.key.len()..).unwrap_or_default();
        level.release(rest, tell);
        while let Some(slash) = rest.iter().position(|&byte| byte == b'/') {
            let (segment, after) = rest.split_at(slash);
            let Some(above) = self.levels.last() else { return };
            let below = Level {
                key: [&above.key, segment, b"/"].concat(),
                path: path::join(&above.path, &name_of(segment)),
                held: Vec::new(),
            };
            tell(Node::Directory(below.path.clone()));
            self.levels.push(below);
            rest = after.get(1..).unwrap_or_default();
        }
        if let Some(level) = self.levels.last_mut() {
            level.held.push((rest.to_vec(), about));
        }
    }

    /// No more keys will come.
    pub fn finish(mut self, tell: &mut dyn FnMut(Node<T>)) {
        while let Some(level) = self.levels.pop() {
            level.release_all(tell);
        }
    }
}

impl<T> Level<T> {
    /// Tells what is held and cannot also be a directory, or is seen to be one: `rest` comes next.
    fn release(&mut self, rest: &[u8], tell: &mut dyn FnMut(Node<T>)) {
        while let Some((segment, about)) = self.held.pop() {
            let name = match rest.strip_prefix(segment.as_slice()) {
                None => name_of(&segment),
                Some([b'/', ..]) => [OBJECT, &segment].concat(),
                Some(_) => {
                    self.held.push((segment, about));
                    return;
                }
            };
            tell(Node::Object(path::join(&self.path, &name), about));
        }
    }

    fn release_all(self, tell: &mut dyn FnMut(Node<T>)) {
        for (segment, about) in self.held {
            tell(Node::Object(path::join(&self.path, &name_of(&segment)), about));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Tree, directory_path, key_of};
    use crate::base::path;
    use std::collections::BTreeSet;

    fn tree(directory: &[u8], keys: &[&[u8]]) -> Vec<Node<Vec<u8>>> {
        let mut tree = Tree::new(directory);
        let mut told = Vec::new();
        for key in keys {
            tree.add(key, key.to_vec(), &mut |node| told.push(node));
        }
        tree.finish(&mut |node| told.push(node));
        told
    }

    fn paths(directory: &[u8], keys: &[&[u8]]) -> Vec<String> {
        let shown = |node| match node {
            Node::Directory(path) => String::from_utf8_lossy(&path).into_owned() + "/",
            Node::Object(path, _) => String::from_utf8_lossy(&path).into_owned(),
        };
        tree(directory, keys).into_iter().map(shown).collect()
    }

    #[test]
    fn odd_keys_have_one_path_each() {
        assert_eq!(
            paths(b"", &[b"a", b"a-b", b"b/c", b"b/d/e", b"b0"]),
            ["/a-b", "/a", "/b/", "/b/c", "/b/d/", "/b/d/e", "/b0"]
        );
        assert_eq!(
            paths(b"", &[b"a", b"a-b", b"a-b/x", b"a/b"]),
            ["/.plakar-s3-object=a-b", "/a-b/", "/a-b/x", "/.plakar-s3-object=a", "/a/", "/a/b"]
        );
        assert_eq!(
            paths(b"", &[b"..", b"../x", b"./y", b"/", b"//z"]),
            [
                "/.plakar-s3-object=..",
                "/.plakar-s3-dotdot/",
                "/.plakar-s3-dotdot/x",
                "/.plakar-s3-dot/",
                "/.plakar-s3-dot/y",
                "/.plakar-s3-empty/",
                "/.plakar-s3-empty/.plakar-s3-object=",
                "/.plakar-s3-empty/.plakar-s3-empty/",
                "/.plakar-s3-empty/.plakar-s3-empty/z",
            ]
        );
        assert_eq!(
            paths(b"p/q", &[b"p/q/", b"p/q/x", b"p/q/x/"]),
            ["/p/q/.plakar-s3-object=x", "/p/q/x/", "/p/q/x/.plakar-s3-empty", "/p/q/.plakar-s3-empty",]
        );
        assert_eq!(paths(b"", &[b".plakar-s3-dot"]), ["/.plakar-s3-name=.plakar-s3-dot"]);
        assert_eq!(directory_path(b""), b"/");
        assert_eq!(directory_path(b"a/./b"), b"/a/.plakar-s3-dot/b");
        assert_eq!(key_of(b"etc/passwd"), b"etc/passwd");
    }

    #[test]
    fn any_keys_make_a_tree_and_come_back() {
        let pieces: [&[u8]; 9] = [b"", b"a", b"-", b".", b"..", b"0", b"\xff\n", b".plakar-s3-empty", b"aa"];
        let mut x = 88_172_645_463_325_252_u64;
        let mut dice = |below: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x % below
        };
        for _ in 0..300 {
            let mut keys = BTreeSet::new();
            for _ in 0..dice(40) {
                let mut key = Vec::new();
                for n in 0..=dice(5) {
                    if n > 0 && dice(3) > 0 {
                        key.push(b'/');
                    }
                    key.extend_from_slice(pieces[usize::try_from(dice(9)).unwrap()]);
                }
                if !key.is_empty() {
                    keys.insert(key);
                }
            }
            let sorted: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut back = BTreeSet::new();
            let mut seen = BTreeSet::new();
            let mut open = vec![b"/".to_vec()];
            for node in tree(b"", &sorted) {
                let (path, about) = match node {
                    Node::Directory(path) => (path, None),
                    Node::Object(path, key) => (path, Some(key)),
                };
                assert_eq!(path::clean(&path), path);
                assert!(seen.insert(path.clone()), "{} twice", path.escape_ascii());
                while open.last().is_some_and(|dir| dir != path::parent(&path)) {
                    open.pop();
                }
                assert!(!open.is_empty(), "{} outside of its directory", path.escape_ascii());
                match about {
                    None => open.push(path),
                    Some(key) => {
                        assert_eq!(key_of(&path), key);
                        back.insert(key);
                    }
                }
            }
            assert_eq!(back, keys);
        }
    }
}
