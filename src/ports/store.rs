//! Where a Kloset's files live.

use crate::base::limits;
use crate::base::mac::Mac;
use crate::ports::fault::Fault;
use std::fmt;
use std::time::Duration;

/// The three kinds of files a store lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Logs of where blobs are.
    State,
    /// Blobs.
    Packfile,
    /// Who is at work.
    Lock,
}

/// One file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// The one CONFIG.
    Config,
    /// `states/xx/ID`.
    State(Mac),
    /// `packfiles/xx/ID`.
    Packfile(Mac),
    /// `locks/ID`.
    Lock(Mac),
}

impl Item {
    /// The item of a listed kind with this name.
    pub fn new(kind: Kind, id: Mac) -> Item {
        match kind {
            Kind::State => Item::State(id),
            Kind::Packfile => Item::Packfile(id),
            Kind::Lock => Item::Lock(id),
        }
    }

    /// The path below the store's root, on every backend but the `.ptar`:
    /// `CONFIG`, `states/xx/ID`, `packfiles/xx/ID`, `locks/ID`.
    pub fn path(&self) -> String {
        let sharded = |folder: &str, id: &Mac| {
            let id = id.to_string();
            format!("{folder}/{}/{id}", id.chars().take(2).collect::<String>())
        };
        match self {
            Item::Config => "CONFIG".to_owned(),
            Item::State(id) => sharded("states", id),
            Item::Packfile(id) => sharded("packfiles", id),
            Item::Lock(id) => format!("locks/{id}"),
        }
    }
}

/// `packfile 3f9a…`, for messages.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Config => f.write_str("CONFIG"),
            Item::State(id) => write!(f, "state {id}"),
            Item::Packfile(id) => write!(f, "packfile {id}"),
            Item::Lock(id) => write!(f, "lock {id}"),
        }
    }
}

/// One line of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The file's name.
    pub id: Mac,
    /// Its length in bytes.
    pub size: u64,
}

/// What a store lets its user do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing.
    Full,
    /// Reading only: archives.
    ReadOnly,
}

/// A place that keeps a Kloset. One contract, whatever the backend; `tests/store_contract.rs` is
/// the same for all.
pub trait Store: Send + Sync {
    /// `s3://host/bucket/prefix`, `fs:///path`: for messages, never with credentials.
    fn location(&self) -> &str;

    /// What can be done with it.
    fn access(&self) -> Access;

    /// Makes the place and stores CONFIG in it, durably.
    ///
    /// # Errors
    /// `Exists` when there is a CONFIG already or the directory is not empty: nothing is changed then.
    fn create(&self, config: &[u8]) -> Result<(), Fault>;

    /// The whole file.
    ///
    /// # Errors
    /// `Missing`; `Damaged` when it is longer than `limit` bytes or its length is not the promised one.
    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault>;

    /// Exactly `length` bytes from `offset`, appended to nothing: the vector has that length.
    ///
    /// # Errors
    /// `Missing`; `Damaged` when the file ends before `offset + length`.
    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault>;

    /// As [`Store::get_range`], in place of what `buffer` held, whose room is used again.
    ///
    /// # Errors
    /// The same; what `buffer` holds then is of no use.
    fn get_range_into(
        &self,
        item: Item,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        *buffer = self.get_range(item, offset, length)?;
        Ok(())
    }

    /// Stores the file under its name, replacing an older one. Durable and visible to `get` and
    /// `list` when it returns; never visible in part.
    ///
    /// # Errors
    /// Any; the file is then absent, or whole if the answer was lost.
    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault>;

    /// Packfiles worth sending at the same time. With none, whoever fills one sends it, so that a
    /// run's requests come in one order.
    fn uploads(&self) -> usize {
        limits::UPLOADS
    }

    /// Removes the file; one that is gone already is no error.
    ///
    /// # Errors
    /// Any but `Missing`.
    fn delete(&self, item: Item) -> Result<(), Fault>;

    /// Removes what writes left behind that were broken off longer ago than `age`, and that no listing
    /// shows: temporary files, uploads in parts. How many there were.
    ///
    /// # Errors
    /// Any: rights that nothing else needs may be missing.
    fn tidy(&self, age: Duration) -> Result<usize, Fault> {
        let _ = age;
        Ok(0)
    }

    /// Every file of that kind, in no order. Complete, or an error. Names that are not 64 hex
    /// digits are passed over.
    ///
    /// # Errors
    /// Any; never a short list.
    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault>;
}
