//! Reading the B+trees of a snapshot.
//!
//! Leaves are found by descending from the root; the chain of `next` names is not needed for it
//! and is not trusted. Node names are digests, so no node can contain itself; that keys must
//! rise ends a tree that names one node many times.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::base::path;
use crate::engine::blobs::Blobs;
use crate::engine::error::{Error, Kind};
use crate::format::btree::{Node, Root};
use crate::format::kind::Resource;
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// The resource types of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Of its root.
    pub root: Resource,
    /// Of its nodes.
    pub node: Resource,
}

/// Path to entry.
pub const FILES: Kinds = Kinds { root: Resource::VFS_BTREE, node: Resource::VFS_NODE };
/// Path to what went wrong there.
pub const ERRORS: Kinds = Kinds { root: Resource::ERROR_BTREE, node: Resource::ERROR_NODE };
/// Path and attribute name to the attribute.
pub const ATTRIBUTES: Kinds = Kinds { root: Resource::XATTR_BTREE, node: Resource::XATTR_NODE };
/// The named indexes of a snapshot.
pub const INDEX: Kinds = Kinds { root: Resource::BTREE_ROOT, node: Resource::BTREE_NODE };

/// How the keys of a tree are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Fewer slashes first: the tree of files.
    Path,
    /// As bytes.
    Bytes,
    /// One of the two: the tree of attributes, which Plakar builds by one and searches by the
    /// other.
    Either,
}

impl Order {
    /// Whether `a` comes before `b`, in one of the orders that may be meant.
    fn rises(self, a: &[u8], b: &[u8]) -> (bool, bool) {
        (self != Order::Bytes && path::tree_order(a, b) == Ordering::Less, self != Order::Path && a < b)
    }

    fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Order::Path => path::tree_order(a, b),
            Order::Bytes | Order::Either => a.cmp(b),
        }
    }
}

/// The value of a key.
///
/// # Errors
/// A node that cannot be read; `Damaged` for one that makes no sense.
pub fn find(
    blobs: &Blobs<'_>,
    kinds: Kinds,
    root: &Mac,
    key: &[u8],
    order: Order,
) -> Result<Option<Mac>, Error> {
    let mut name = root_node(blobs, kinds, root)?;
    for _ in 0..limits::TREE_DEPTH_MAX {
        let node = load(blobs, kinds, &name)?;
        let found = node.keys.binary_search_by(|held| order.compare(held, key));
        if node.pointers.is_empty() {
            return Ok(found.ok().and_then(|at| node.values.get(at)).copied());
        }
        // A separator equals the first key on its right.
        let child = found.map_or_else(|at| at, |at| at + 1);
        match node.pointers.get(child) {
            Some(pointer) => name = *pointer,
            None => return Err(fault(kinds, &name, "a child is missing")),
        }
    }
    Err(fault(kinds, root, "deeper than any real tree"))
}

/// What a scan finds: a pair, or a part of the tree that cannot be read.
pub type Found<'a> = Result<(&'a [u8], &'a Mac), Error>;

/// Visits every pair in key order, beginning at the first key that is not below `from`. A damaged
/// node is handed to `visit`, and the rest of the tree is visited all the same.
///
/// # Errors
/// Those `visit` returns, and a root that cannot be read.
pub fn scan(
    blobs: &Blobs<'_>,
    kinds: Kinds,
    root: &Mac,
    order: Order,
    from: Option<&[u8]>,
    visit: &mut dyn FnMut(Found<'_>) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let top = root_node(blobs, kinds, root)?;
    let mut scan = Scan { blobs, kinds, order, from, visit, last: None, risen: (true, true), failures: 0 };
    scan.node(&top, 0, None).map(|_| ())
}

/// Every pair as a list.
///
/// # Errors
/// The first node that cannot be read.
pub fn pairs(
    blobs: &Blobs<'_>,
    kinds: Kinds,
    root: &Mac,
    order: Order,
) -> Result<Vec<(Vec<u8>, Mac)>, Error> {
    let mut pairs = Vec::new();
    scan(blobs, kinds, root, order, None, &mut |found| {
        let (key, value) = found?;
        pairs.push((key.to_vec(), *value));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(pairs)
}

struct Scan<'s, 'r> {
    blobs: &'s Blobs<'r>,
    kinds: Kinds,
    order: Order,
    from: Option<&'s [u8]>,
    visit: &'s mut dyn FnMut(Found<'_>) -> Result<ControlFlow<()>, Error>,
    last: Option<Vec<u8>>,
    /// Whether the keys have risen so far, by path order and by byte order.
    risen: (bool, bool),
    failures: u32,
}

/// Failures told of one tree. A hostile one can name a missing node 50^30 times.
const FAILURES_MAX: u32 = 100_000;

impl Scan<'_, '_> {
    /// `above` is the separator to the right of this node's keys.
    fn node(&mut self, name: &Mac, depth: usize, above: Option<&[u8]>) -> Result<ControlFlow<()>, Error> {
        if depth >= limits::TREE_DEPTH_MAX {
            return self.fail(fault(self.kinds, name, "deeper than any real tree"));
        }
        let node = match load(self.blobs, self.kinds, name) {
            Ok(node) => node,
            Err(fault) => return self.fail(fault),
        };
        if node.pointers.is_empty() {
            return self.leaf(name, depth, &node, above);
        }
        let first = match self.from {
            None => 0,
            Some(from) => match node.keys.binary_search_by(|held| self.order.compare(held, from)) {
                Ok(at) => at + 1,
                Err(at) => at,
            },
        };
        for (at, child) in node.pointers.iter().enumerate().skip(first) {
            let right = node.keys.get(at).map(Vec::as_slice).or(above);
            if self.node(child, depth + 1, right)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn fail(&mut self, fault: Error) -> Result<ControlFlow<()>, Error> {
        self.failures += 1;
        let flow = (self.visit)(Err(fault))?;
        Ok(if self.failures >= FAILURES_MAX { ControlFlow::Break(()) } else { flow })
    }

    fn leaf(
        &mut self,
        name: &Mac,
        depth: usize,
        node: &Node,
        above: Option<&[u8]>,
    ) -> Result<ControlFlow<()>, Error> {
        if node.keys.is_empty() && depth > 0 {
            return self.fail(fault(self.kinds, name, "an empty leaf"));
        }
        for (key, value) in node.keys.iter().zip(&node.values) {
            let below_from = |from: &[u8]| self.order.compare(key, from) == Ordering::Less;
            if self.from.is_some_and(below_from) {
                continue;
            }
            if let Some(last) = &self.last {
                let (by_path, by_bytes) = self.order.rises(last, key);
                self.risen = (self.risen.0 && by_path, self.risen.1 && by_bytes);
            }
            let outside = above.is_some_and(|right| self.order.rises(key, right) == (false, false));
            if outside || self.risen == (false, false) {
                self.failures = FAILURES_MAX;
                return self.fail(fault(self.kinds, name, "its keys are out of order"));
            }
            if (self.visit)(Ok((key, value)))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.last = Some(key.clone());
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn root_node(blobs: &Blobs<'_>, kinds: Kinds, root: &Mac) -> Result<Mac, Error> {
    let plain = blobs.get(kinds.root, root)?;
    let decoded = Root::decode(&plain);
    Ok(decoded.map_err(|fault| Error::from(fault).context(format!("{} {}", kinds.root, root.short())))?.root)
}

fn load(blobs: &Blobs<'_>, kinds: Kinds, name: &Mac) -> Result<Node, Error> {
    let plain = blobs.get(kinds.node, name)?;
    let node = Node::decode(&plain)
        .map_err(|fault| Error::from(fault).context(format!("{} {}", kinds.node, name.short())))?;
    let (keys, values, pointers) = (node.keys.len(), node.values.len(), node.pointers.len());
    let sane = if pointers == 0 { values == keys } else { values == 0 && pointers == keys + 1 };
    if !sane {
        let what = format!("{keys} keys, {values} values, {pointers} children");
        return Err(fault(kinds, name, &what));
    }
    Ok(node)
}

fn fault(kinds: Kinds, name: &Mac, what: &str) -> Error {
    Error::new(Kind::Damaged, format!("{} {}: {what}", kinds.node, name.short()))
}
