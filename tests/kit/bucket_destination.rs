//! A destination like a bucket, in memory: files from front to back, nothing but files.

use plakar::ports::destination::{Attributes, Body, Destination, Order};
use plakar::ports::fault::{Fault, FaultKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Path to content.
pub type Files = BTreeMap<Vec<u8>, Vec<u8>>;

/// Accepts files only, and only in order.
#[derive(Default)]
pub struct BucketDestination {
    /// What was finished.
    pub files: Arc<Mutex<Files>>,
    /// Files that were started and not finished.
    pub open: Arc<Mutex<usize>>,
    /// Files that refuse their second write.
    pub refuse: Vec<Vec<u8>>,
}

struct Upload {
    files: Arc<Mutex<Files>>,
    open: Arc<Mutex<usize>>,
    path: Vec<u8>,
    size: i64,
    refuse: bool,
    bytes: Vec<u8>,
}

fn unsupported(what: &str) -> Fault {
    Fault::new(FaultKind::Unsupported, format!("a bucket has no {what}"))
}

impl Destination for BucketDestination {
    fn location(&self) -> &str {
        "memory"
    }

    fn order(&self) -> Order {
        Order::Sequential
    }

    fn directory(&self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn file(&self, path: &[u8], attributes: &Attributes) -> Result<Box<dyn Body>, Fault> {
        *self.open.lock().unwrap() += 1;
        Ok(Box::new(Upload {
            files: Arc::clone(&self.files),
            open: Arc::clone(&self.open),
            path: path.to_vec(),
            size: attributes.info.size,
            refuse: self.refuse.iter().any(|refused| refused == path),
            bytes: Vec::new(),
        }))
    }

    fn symlink(&self, _: &[u8], _: &[u8], _: &Attributes) -> Result<(), Fault> {
        Err(unsupported("symbolic links"))
    }

    fn hard_link(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(unsupported("hard links"))
    }

    fn special(&self, _: &[u8], _: &Attributes) -> Result<(), Fault> {
        Err(unsupported("special files"))
    }

    fn finish_directory(&self, _: &[u8], _: &Attributes) -> Result<(), Fault> {
        Ok(())
    }
}

impl Body for Upload {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        assert_eq!(offset, self.bytes.len() as u64, "{:?} out of order", self.path);
        if self.refuse {
            return Err(Fault::new(FaultKind::Denied, "access denied"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        assert_eq!(self.size, self.bytes.len() as i64, "{:?}: size was promised", self.path);
        let content = std::mem::take(&mut self.bytes);
        self.files.lock().unwrap().insert(self.path.clone(), content);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        *self.open.lock().unwrap() -= 1;
    }
}
