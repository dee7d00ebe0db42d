//! A store in a bucket, below a prefix: `PREFIX/CONFIG`, `PREFIX/packfiles/xx/ID`, and so on.

use crate::base::mac::Mac;
use crate::connectors::context::Context;
use crate::connectors::location::S3Location;
use crate::connectors::options::S3Options;
use crate::connectors::s3_client;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::store::{Access, Item, Kind, Listed, Store};
use crate::s3::bucket::{Bucket, PutOptions};
use std::time::Duration;

/// See the module.
pub struct S3Store {
    location: String,
    bucket: Bucket,
    /// Empty, or ending in `/`.
    prefix: Vec<u8>,
    packfiles: PutOptions,
}

impl S3Store {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Unsupported`: a place or an option that cannot be.
    pub fn new(location: &S3Location, options: &S3Options, context: &Context) -> Result<S3Store, Fault> {
        let mut prefix = location.prefix.clone();
        if !prefix.is_empty() && !prefix.ends_with(b"/") {
            prefix.push(b'/');
        }
        // What must be read at every run stays in the standard class: states, locks, CONFIG.
        let packfiles = PutOptions { storage_class: options.storage_class.clone(), ..PutOptions::default() };
        let bucket = s3_client::bucket(location, options, context)?;
        Ok(S3Store { location: location.to_string(), bucket, prefix, packfiles })
    }

    fn key(&self, item: Item) -> Vec<u8> {
        [&self.prefix[..], item.path().as_bytes()].concat()
    }

    /// Whether the key is one of a file of this store.
    fn is_item(&self, key: &[u8]) -> bool {
        let items = name(key).into_iter().flat_map(|id| {
            [Kind::State, Kind::Packfile, Kind::Lock].into_iter().map(move |kind| Item::new(kind, id))
        });
        items.chain([Item::Config]).any(|item| self.key(item) == key)
    }

    /// What a CONFIG that is not there means to a person.
    fn no_config(&self, fault: Fault) -> Fault {
        if fault.kind != FaultKind::Missing {
            return fault;
        }
        // Asked only now that something is wrong: a bucket in use is never probed.
        match self.bucket.head_bucket() {
            Err(why) if why.kind == FaultKind::Missing => {
                Fault::new(FaultKind::Missing, "bucket does not exist")
                    .with_remedy("check the location, or run `create`")
            }
            _ => Fault::new(FaultKind::Missing, format!("no Kloset store at {}", self.location))
                .with_remedy("check bucket and prefix, or run `create`"),
        }
    }

    fn put_config(&self, config: &[u8]) -> Result<(), Fault> {
        let once = PutOptions { if_none_match: true, make_bucket: true, ..PutOptions::default() };
        self.bucket.put_object(&self.key(Item::Config), config, &once)
    }
}

/// What the last part of a key names.
fn name(key: &[u8]) -> Option<Mac> {
    let name = key.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    std::str::from_utf8(name).ok().and_then(Mac::from_hex)
}

fn initialized() -> Fault {
    Fault::new(FaultKind::Exists, "bucket already initialized")
        .with_remedy("choose another bucket or prefix; an existing store is never overwritten")
}

impl Store for S3Store {
    fn location(&self) -> &str {
        &self.location
    }

    fn access(&self) -> Access {
        Access::Full
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        match self.put_config(config) {
            Err(fault) if fault.kind == FaultKind::Exists => return Err(initialized()),
            done => done?,
        }
        // Where conditions do not hold, the later of two at once has replaced what the other wrote.
        if !self.bucket.keeps_conditions() && self.get(Item::Config, u64::MAX)? != config {
            return Err(initialized());
        }
        Ok(())
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        let got = self.bucket.get_object(&self.key(item), limit);
        match item {
            Item::Config => got.map_err(|fault| self.no_config(fault)),
            _ => got,
        }
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        self.bucket.get_range(&self.key(item), offset, length, None)
    }

    fn get_range_into(
        &self,
        item: Item,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.bucket.get_range_into(&self.key(item), offset, length, None, buffer)
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        let standard = PutOptions::default();
        let options = if matches!(item, Item::Packfile(_)) { &self.packfiles } else { &standard };
        self.bucket.put_object(&self.key(item), body, options)
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        self.bucket.delete_object(&self.key(item))
    }

    fn tidy(&self, age: Duration) -> Result<usize, Fault> {
        let age_ns = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        let before = self.bucket.now_ns().saturating_sub(age_ns);
        let mut pending = self.bucket.pending_uploads(&self.prefix)?;
        // In a bucket that others use too, only what would have become a file of this store.
        pending.retain(|upload| {
            upload.begun_ns.is_some_and(|begun| begun < before) && self.is_item(&upload.key)
        });
        for upload in &pending {
            self.bucket.abort_upload(&upload.key, &upload.upload)?;
        }
        Ok(pending.len())
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let folder: &[u8] = match kind {
            Kind::State => b"states/",
            Kind::Packfile => b"packfiles/",
            Kind::Lock => b"locks/",
        };
        let prefix = [&self.prefix[..], folder].concat();
        let mut found = Vec::new();
        self.bucket.list_objects_v2(&prefix, None, &mut |object| {
            let id = name(&object.key);
            // Only what `get` would ask for: foreign names, and names in a wrong place, are passed over.
            if let Some(id) = id.filter(|id| self.key(Item::new(kind, *id)) == object.key) {
                found.push(Listed { id, size: object.size });
            }
            Ok(())
        })?;
        Ok(found)
    }
}
