//! B+tree roots and nodes, and searching within a node (FORMAT.md, "Trees").

use crate::algo::msgpack::{Reader, Writer};
use crate::base::mac::Mac;
use crate::format::error::FormatError;
use crate::format::fields::{self, field};
use std::cmp::Ordering;

/// Keys of a node in every tree so far, at most one less than this.
pub const ORDER: i64 = 50;

/// Where a tree begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// [`ORDER`].
    pub order: i64,
    /// Always 0: never filled in.
    pub count: i64,
    /// The topmost node.
    pub root: Mac,
}

impl Root {
    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(4);
        w.str("Version");
        w.u32(0);
        w.str("Order");
        w.int(self.order);
        w.str("Count");
        w.int(self.count);
        w.str("Root");
        w.bin(&self.root.0);
        w.finish()
    }

    /// Reads the blob.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Root, FormatError> {
        const WHAT: &str = "tree root";
        let mut root = Root { order: 0, count: 0, root: Mac::ZERO };
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "Order" => field!(WHAT, key, root.order, r.number()),
            "Count" => field!(WHAT, key, root.count, r.number()),
            "Root" => field!(WHAT, key, root.root, fields::mac(r)),
            _ => Ok(false),
        })?;
        Ok(root)
    }
}

/// A node: a leaf has values and maybe a right neighbour, any other has one pointer more than keys.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// In the tree's order.
    pub keys: Vec<Vec<u8>>,
    /// Names of the children; empty in a leaf.
    pub pointers: Vec<Mac>,
    /// One for each key of a leaf.
    pub values: Vec<Mac>,
    /// The next leaf to the right.
    pub next: Option<Mac>,
}

impl Node {
    /// Whether it holds values.
    pub fn is_leaf(&self) -> bool {
        self.pointers.is_empty()
    }

    /// Which child of an inner node holds `key`: a key equal to a separator lies to its right.
    pub fn child(&self, key: &[u8], order: impl Fn(&[u8], &[u8]) -> Ordering) -> Option<&Mac> {
        let at = self.keys.partition_point(|separator| order(separator, key) != Ordering::Greater);
        self.pointers.get(at)
    }

    /// The value of `key` in a leaf.
    pub fn value(&self, key: &[u8], order: impl Fn(&[u8], &[u8]) -> Ordering) -> Option<&Mac> {
        let at = self.keys.binary_search_by(|probe| order(probe, key)).ok()?;
        self.values.get(at)
    }

    /// The blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(4 + usize::from(self.next.is_some()));
        w.str("version");
        w.u32(0);
        w.str("keys");
        if self.keys.is_empty() {
            w.nil();
        } else {
            w.array(self.keys.len());
            self.keys.iter().for_each(|key| w.str(key));
        }
        for (name, macs) in [("pointers", &self.pointers), ("values", &self.values)] {
            w.str(name);
            if macs.is_empty() {
                w.nil();
            } else {
                w.array(macs.len());
                macs.iter().for_each(|mac| w.bin(&mac.0));
            }
        }
        if let Some(next) = &self.next {
            w.str("next");
            w.bin(&next.0);
        }
        w.finish()
    }

    /// Reads the blob and checks that its lists fit together.
    ///
    /// # Errors
    /// `Damaged`, naming the field.
    pub fn decode(bytes: &[u8]) -> Result<Node, FormatError> {
        const WHAT: &str = "tree node";
        let mut node = Node::default();
        fields::map(WHAT, &mut Reader::new(bytes), |key, r| match key {
            "keys" => field!(WHAT, key, node.keys, fields::list(r, |r| r.bytes().map(<[u8]>::to_vec))),
            "pointers" => field!(WHAT, key, node.pointers, fields::list(r, fields::mac)),
            "values" => field!(WHAT, key, node.values, fields::list(r, fields::mac)),
            "next" => {
                if !r.nil() {
                    node.next = Some(fields::mac(r).map_err(|e| fields::named(WHAT, key, &e))?);
                }
                Ok(true)
            }
            _ => Ok(false),
        })?;
        let (keys, pointers, values) = (node.keys.len(), node.pointers.len(), node.values.len());
        let fits = if pointers == 0 { values == keys } else { pointers == keys + 1 && values == 0 };
        if !fits {
            return Err(FormatError::damaged(
                WHAT,
                format!("{keys} keys, {pointers} pointers and {values} values"),
            ));
        }
        Ok(node)
    }
}
