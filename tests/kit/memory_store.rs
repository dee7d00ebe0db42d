//! A store in a map: the contract of `Store` at its plainest. Counts requests, and fails on demand.

use plakar::base::mac::Mac;
use plakar::ports::fault::{Fault, FaultKind};
use plakar::ports::store::{Access, Item, Kind, Listed, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// See the module.
#[derive(Default)]
pub struct MemoryStore {
    items: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: Mutex<Vec<String>>,
    /// The n-th request from now on fails.
    fail_at: Mutex<Option<usize>>,
}

impl MemoryStore {
    /// What was asked since the last call: `get states`, `put packfiles`, `list locks`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// A store of its own with the same content.
    pub fn fork(&self) -> MemoryStore {
        MemoryStore { items: Mutex::new(self.items.lock().unwrap().clone()), ..MemoryStore::default() }
    }

    /// The n-th request from now on fails once; 0 is the next.
    pub fn fail_at(&self, n: usize) {
        *self.fail_at.lock().unwrap() = Some(n);
    }

    /// Whether the planned failure is still to come.
    pub fn has_yet_to_fail(&self) -> bool {
        self.fail_at.lock().unwrap().is_some()
    }

    /// A store with this content, by path.
    pub fn with(items: BTreeMap<String, Vec<u8>>) -> MemoryStore {
        MemoryStore { items: Mutex::new(items), ..MemoryStore::default() }
    }

    /// Everything stored, by path.
    pub fn items(&self) -> BTreeMap<String, Vec<u8>> {
        self.items.lock().unwrap().clone()
    }

    /// Paths of everything stored.
    pub fn paths(&self) -> Vec<String> {
        self.items.lock().unwrap().keys().cloned().collect()
    }

    /// Changes a stored file.
    pub fn alter(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.items.lock().unwrap().get_mut(path).unwrap());
    }

    /// Writes everything out as a store in a directory.
    pub fn save(&self, dir: &Path) {
        for (path, body) in self.items.lock().unwrap().iter() {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, body).unwrap();
        }
        for kind in ["states", "packfiles"] {
            for shard in 0..256 {
                std::fs::create_dir_all(dir.join(format!("{kind}/{shard:02x}"))).unwrap();
            }
        }
        std::fs::create_dir_all(dir.join("locks")).unwrap();
    }

    fn asked(&self, what: &str, path: &str) -> Result<(), Fault> {
        let kind = path.split('/').next().unwrap();
        self.requests.lock().unwrap().push(format!("{what} {kind}"));
        let mut fail_at = self.fail_at.lock().unwrap();
        match *fail_at {
            Some(0) => {
                *fail_at = None;
                Err(Fault::new(FaultKind::Broken, format!("{what} {path}: planned failure")))
            }
            Some(n) => {
                *fail_at = Some(n - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Store for MemoryStore {
    fn location(&self) -> &str {
        "memory"
    }

    fn access(&self) -> Access {
        Access::Full
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        self.asked("create", "CONFIG")?;
        let mut items = self.items.lock().unwrap();
        if items.contains_key("CONFIG") {
            return Err(Fault::new(FaultKind::Exists, "memory: there is a CONFIG"));
        }
        items.insert("CONFIG".to_owned(), config.to_vec());
        Ok(())
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        let path = item.path();
        self.asked("get", &path)?;
        match self.items.lock().unwrap().get(&path) {
            Some(body) if body.len() as u64 <= limit => Ok(body.clone()),
            Some(_) => Err(Fault::new(FaultKind::Damaged, format!("{path}: longer than {limit} bytes"))),
            None => Err(Fault::new(FaultKind::Missing, format!("{path}: not there"))),
        }
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let path = item.path();
        self.asked("range", &path)?;
        let items = self.items.lock().unwrap();
        let body =
            items.get(&path).ok_or_else(|| Fault::new(FaultKind::Missing, format!("{path}: not there")))?;
        usize::try_from(offset)
            .ok()
            .and_then(|from| body.get(from..from.checked_add(length)?))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Fault::new(FaultKind::Damaged, format!("{path}: ends early")))
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        self.asked("put", &item.path())?;
        self.items.lock().unwrap().insert(item.path(), body.to_vec());
        Ok(())
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        self.asked("delete", &item.path())?;
        self.items.lock().unwrap().remove(&item.path());
        Ok(())
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let folder = Item::new(kind, Mac::ZERO).path();
        let folder = folder.split('/').next().unwrap();
        self.asked("list", folder)?;
        let items = self.items.lock().unwrap();
        let below = items.iter().filter(|(path, _)| path.starts_with(&format!("{folder}/")));
        Ok(below
            .map(|(path, body)| Listed {
                id: Mac::from_hex(path.rsplit('/').next().unwrap()).unwrap(),
                size: body.len() as u64,
            })
            .collect())
    }
}
