//! B+trees from sorted keys, all nodes at once.

use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::error::Error;
use crate::engine::writer::{Scratch, Writer};
use crate::format::btree::{Node, ORDER, Root};
use crate::format::kind::Resource;
use std::cmp::Ordering;

/// Keys of a node: one less than where a writer that inserts would split.
const FANOUT: usize = ORDER as usize - 2;

/// Types of a tree's blobs.
#[derive(Clone, Copy, Debug)]
pub struct Types {
    /// Of the root.
    pub root: Resource,
    /// Of the nodes.
    pub node: Resource,
}

/// The file tree.
pub const VFS: Types = Types { root: Resource::VFS_BTREE, node: Resource::VFS_NODE };
/// The tree of errors.
pub const ERRORS: Types = Types { root: Resource::ERROR_BTREE, node: Resource::ERROR_NODE };
/// The tree of extended attributes.
pub const XATTRS: Types = Types { root: Resource::XATTR_BTREE, node: Resource::XATTR_NODE };
/// Content types, and directories.
pub const INDEX: Types = Types { root: Resource::BTREE_ROOT, node: Resource::BTREE_NODE };

/// Keys and values of a small tree to be: 48 bytes a pair beside the key itself.
#[derive(Default)]
pub struct Pairs {
    keys: Vec<u8>,
    pairs: Vec<(usize, u32, Mac)>,
}

impl Pairs {
    /// Adds a pair. No key twice.
    pub fn push(&mut self, key: &[&[u8]], value: Mac) {
        let start = self.keys.len();
        key.iter().for_each(|part| self.keys.extend_from_slice(part));
        self.pairs.push((start, (self.keys.len() - start) as u32, value));
    }

    fn key(&self, pair: &(usize, u32, Mac)) -> &[u8] {
        self.keys.get(pair.0..pair.0 + pair.1 as usize).unwrap_or_default()
    }

    fn sort(&mut self, order: impl Fn(&[u8], &[u8]) -> Ordering) {
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.sort_unstable_by(|a, b| order(self.key(a), self.key(b)));
        self.pairs = pairs;
    }

    /// Writes the tree in byte order and gives its root's name.
    ///
    /// # Errors
    /// The failure that ends the run.
    pub fn write(mut self, types: Types, writer: &Writer<'_>, scratch: &mut Scratch) -> Result<Mac, Error> {
        self.sort(|a, b| a.cmp(b));
        self.write_sorted(types, writer, scratch)
    }

    /// Writes the tree in the order of paths and gives its root's name.
    ///
    /// # Errors
    /// The failure that ends the run.
    pub fn write_paths(
        mut self,
        types: Types,
        writer: &Writer<'_>,
        scratch: &mut Scratch,
    ) -> Result<Mac, Error> {
        self.sort(path::tree_order);
        self.write_sorted(types, writer, scratch)
    }

    fn write_sorted(&self, types: Types, writer: &Writer<'_>, scratch: &mut Scratch) -> Result<Mac, Error> {
        let falling = self.pairs.iter().rev().map(|pair| (self.key(pair).to_vec(), pair.2));
        write_falling(types, self.pairs.len(), falling, writer, scratch)
    }
}

/// Writes the tree of so many pairs, which come from the last to the first, since a leaf names its
/// right neighbour; gives its root's name.
///
/// # Errors
/// The failure that ends the run.
pub fn write_falling(
    types: Types,
    count: usize,
    mut falling: impl Iterator<Item = (Vec<u8>, Mac)>,
    writer: &Writer<'_>,
    scratch: &mut Scratch,
) -> Result<Mac, Error> {
    let mut next = None;
    let mut level = Vec::with_capacity(count.div_ceil(FANOUT));
    let mut left = count;
    while left > 0 {
        // All leaves are full but the last one, which comes first.
        let size = (left - 1) % FANOUT + 1;
        left -= size;
        let (mut keys, mut values): (Vec<_>, Vec<_>) = falling.by_ref().take(size).unzip();
        keys.reverse();
        values.reverse();
        let first = keys.first().cloned().unwrap_or_default();
        let node = Node { keys, pointers: Vec::new(), values, next };
        let mac = writer.put_named(types.node, &node.encode(), scratch)?;
        next = Some(mac);
        level.push((first, mac));
    }
    level.reverse();
    if level.is_empty() {
        level.push((Vec::new(), writer.put_named(types.node, &Node::default().encode(), scratch)?));
    }
    while level.len() > 1 {
        let mut above = Vec::new();
        for children in balanced(&level) {
            let node = Node {
                keys: children.iter().skip(1).map(|(first, _)| first.clone()).collect(),
                pointers: children.iter().map(|(_, mac)| *mac).collect(),
                ..Node::default()
            };
            let mac = writer.put_named(types.node, &node.encode(), scratch)?;
            above.push((children.first().map(|(first, _)| first.clone()).unwrap_or_default(), mac));
        }
        level = above;
    }
    let root = level.first().map_or(Mac::ZERO, |(_, mac)| *mac);
    let root = Root { order: ORDER, count: 0, root };
    writer.put_named(types.root, &root.encode(), scratch)
}

/// Groups of at most [`FANOUT`] children, as even as can be: an inner node with one child has no key.
fn balanced<T>(level: &[T]) -> impl Iterator<Item = &[T]> {
    let groups = level.len().div_ceil(FANOUT).max(1);
    let (each, larger) = (level.len() / groups, level.len() % groups);
    let mut rest = level;
    (0..groups).map(move |group| {
        let (taken, left) = rest.split_at(each + usize::from(group < larger));
        rest = left;
        taken
    })
}

#[cfg(test)]
mod tests {
    use super::balanced;

    #[test]
    fn no_inner_node_is_left_with_one_child() {
        for len in 2..5000 {
            let level = vec![0; len];
            let sizes: Vec<usize> = balanced(&level).map(<[i32]>::len).collect();
            assert!(sizes.iter().all(|&size| (2..=super::FANOUT).contains(&size)), "{len}: {sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), len);
        }
    }
}
