//! The operations on one bucket.

use crate::base::buffer;
use crate::base::limits::{S3_PUT_BYTES_MAX, S3_XML_BYTES_MAX};
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::ahead::Lanes;
use crate::s3::client::Core;
use crate::s3::create::{self, Conditions};
use crate::s3::download::{ParallelReader, Reader};
use crate::s3::http::Incoming;
use crate::s3::payload::Payload;
use crate::s3::proto::address::Key;
use crate::s3::proto::fault::{self, Failure, Kind};
use crate::s3::proto::list::{self, Progress};
use crate::s3::proto::multipart;
use crate::s3::proto::object;
use crate::s3::proto::request::Request;
use crate::s3::refusal::Refusal;
use crate::s3::upload;
use std::io::Read;
use std::sync::Arc;

pub use crate::s3::proto::list::Listed;
pub use crate::s3::proto::multipart::Pending;
pub use crate::s3::proto::object::{ObjectInfo, PutOptions, is_kept};

/// A bucket of a [`crate::s3::client::Client`]. Cheap to clone; shared by threads.
///
/// Every fault names the operation, the bucket and the key, S3's code, the status, the request's
/// id, and how often and how long it was tried.
#[derive(Clone)]
pub struct Bucket {
    pub(super) core: Arc<Core>,
    pub(super) name: String,
}

impl Bucket {
    pub(super) fn new(core: Arc<Core>, name: &str) -> Bucket {
        Bucket { core, name: name.to_owned() }
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there and may be used. Nothing else needs to ask first.
    ///
    /// # Errors
    /// `Missing`, `Denied`, or any of the line.
    pub fn head_bucket(&self) -> Result<(), Fault> {
        let request = object::head_bucket(&self.name);
        self.core.run(&request, &Payload::none(), &mut drain).map_err(Refusal::into_fault)
    }

    /// Creates it, in the configured region.
    ///
    /// # Errors
    /// `Exists` when it belongs to someone else; one of our own is no error.
    pub fn create_bucket(&self) -> Result<(), Fault> {
        self.make().map_err(Refusal::into_fault)
    }

    fn make(&self) -> Result<(), Box<Refusal>> {
        let (request, body) = object::create_bucket(&self.name, &self.core.learned.region());
        match self.core.run(&request, &Payload::new(&body), &mut drain) {
            Err(refusal) if &*refusal.failure.code == "BucketAlreadyOwnedByYou" => Ok(()),
            done => done,
        }
    }

    /// Facts about an object.
    ///
    /// # Errors
    /// `Missing`, also when the bucket is: HEAD's answer cannot tell.
    pub fn head_object(&self, key: &[u8]) -> Result<ObjectInfo, Fault> {
        self.info(&self.key(key)?).map_err(Refusal::into_fault)
    }

    pub(super) fn info(&self, key: &Key) -> Result<ObjectInfo, Box<Refusal>> {
        self.core.run(&object::head(&self.name, key), &Payload::none(), &mut |mut answer: Incoming| {
            // HEAD's answer promises the length of a body that does not come.
            answer.read(&mut [0])?;
            object::parse_head(&answer.head)
        })
    }

    /// The whole object.
    ///
    /// # Errors
    /// `Missing`; `Damaged` when it is longer than `limit` bytes.
    pub fn get_object(&self, key: &[u8], limit: u64) -> Result<Vec<u8>, Fault> {
        self.get_object_and_info(key, limit).map(|(bytes, _)| bytes)
    }

    /// The whole object, and the facts about it that came with it.
    ///
    /// # Errors
    /// As [`Bucket::get_object`].
    pub fn get_object_and_info(&self, key: &[u8], limit: u64) -> Result<(Vec<u8>, ObjectInfo), Fault> {
        match self.get_whole(key, limit) {
            // What was promised was more than there is, or the rest came wrong: once more, all of it.
            Err(fault) if fault.kind == FaultKind::Damaged => self.get_whole(key, limit),
            done => done,
        }
    }

    fn get_whole(&self, key: &[u8], limit: u64) -> Result<(Vec<u8>, ObjectInfo), Fault> {
        let key = self.key(key)?;
        let request = object::get(&self.name, &key);
        let mut info = ObjectInfo::default();
        let mut bytes = Vec::new();
        let whole = self.core.run(&request, &Payload::none(), &mut |mut answer: Incoming| {
            let length = object::whole_length(&answer.head, limit)?;
            info = object::parse_head(&answer.head)?;
            bytes.clear();
            reserve(&mut bytes, length)?;
            match answer.read_exactly(length, &mut bytes) {
                // Not tried again from the start: the rest is asked for below.
                Err(failure) if failure.progressed => Ok(length),
                done => done.map(|()| length),
            }
        });
        match whole {
            Ok(length) if bytes.len() as u64 == length => Ok((bytes, info)),
            Ok(length) => {
                self.fetch(&key, 0, length, some(&info.etag), &mut bytes)?;
                Ok((bytes, info))
            }
            Err(refusal) if &*refusal.failure.code == "TooLong" => {
                Err(Fault { kind: FaultKind::Damaged, ..refusal.into_fault() })
            }
            Err(refusal) => Err(refusal.into_fault()),
        }
    }

    /// The object's tags, in the form of [`PutOptions::tags`].
    ///
    /// # Errors
    /// `Denied` without the right to read tags, which is one of its own.
    pub fn get_object_tagging(&self, key: &[u8]) -> Result<Vec<u8>, Fault> {
        let request = object::get_tagging(&self.name, &self.key(key)?);
        self.read_xml(&request, object::parse_tagging).map_err(Refusal::into_fault)
    }

    /// Exactly `length` bytes from `offset`, of the object with the entity tag `if_match` if one is
    /// given.
    ///
    /// # Errors
    /// `Missing`; `Damaged` when the object ends before, or was replaced.
    pub fn get_range(
        &self,
        key: &[u8],
        offset: u64,
        length: usize,
        if_match: Option<&str>,
    ) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.get_range_into(key, offset, length, if_match, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Bucket::get_range`], in place of what `bytes` held.
    ///
    /// # Errors
    /// The same.
    pub fn get_range_into(
        &self,
        key: &[u8],
        offset: u64,
        length: usize,
        if_match: Option<&str>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        buffer::empty_for(bytes, length);
        self.fetch(&self.key(key)?, offset, length as u64, if_match, bytes)
    }

    /// Appends to `bytes`, which holds the first of them already, what is missing of `length` bytes
    /// from `offset`; goes on where a connection broke, if the object is still the same.
    fn fetch(
        &self,
        key: &Key,
        offset: u64,
        length: u64,
        if_match: Option<&str>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if length == 0 {
            return Ok(());
        }
        let last = offset.checked_add(length - 1).ok_or_else(|| {
            Fault::new(FaultKind::Damaged, format!("get object {}/{key}: a range past 2^64", self.name))
        })?;
        let etag = std::cell::RefCell::new(if_match.map(str::to_owned));
        let held = std::cell::RefCell::new(bytes);
        let make = &mut || {
            let first = offset + held.borrow().len() as u64;
            object::get_range(&self.name, key, first, last, etag.borrow().as_deref())
        };
        let take = &mut |mut answer: Incoming| {
            let mut bytes = held.borrow_mut();
            let first = offset + bytes.len() as u64;
            object::check_range(&answer.head, first, last)?;
            object::check_etag(&answer.head, etag.borrow().as_deref())?;
            if etag.borrow().is_none() {
                *etag.borrow_mut() = some(&answer.head.etag()).map(str::to_owned);
            }
            let missing = last - first + 1;
            reserve(&mut bytes, missing)?;
            answer.read_exactly(missing, &mut bytes)
        };
        self.core.perform(&Payload::none(), make, take).map_err(Refusal::into_fault)
    }

    /// The object from its start to `size`, read as it is consumed. A broken connection is made
    /// again where it broke; an object replaced meanwhile is an error, never a mixture.
    ///
    /// Errors of the reader carry a [`Fault`] inside.
    ///
    /// # Errors
    /// `Unsupported` for a key that cannot be: nothing is asked of the server before the first read.
    pub fn get_reader(&self, key: &[u8], size: u64, etag: &str) -> Result<Box<dyn Read + Send>, Fault> {
        Ok(Box::new(self.reader(key, size, etag)?))
    }

    /// As [`Bucket::get_reader`], by ranges over several connections while `lanes` has room.
    ///
    /// # Errors
    /// As [`Bucket::get_reader`].
    pub fn get_reader_by_ranges(
        &self,
        key: &[u8],
        size: u64,
        etag: &str,
        lanes: &Arc<Lanes>,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        Ok(Box::new(ParallelReader::new(self.reader(key, size, etag)?, Arc::clone(lanes))))
    }

    fn reader(&self, key: &[u8], size: u64, etag: &str) -> Result<Reader, Fault> {
        Ok(Reader::new(self.clone(), self.key(key)?, size, some(etag).map(str::to_owned)))
    }

    /// Stores the object in one request. It is there, whole, when this returns.
    ///
    /// # Errors
    /// `Exists` when asked not to replace; an object of the same bytes that a lost answer left
    /// behind is no error then.
    pub fn put_object(&self, key: &[u8], body: &[u8], options: &PutOptions) -> Result<(), Fault> {
        let key = self.key(key)?;
        if body.len() as u64 > S3_PUT_BYTES_MAX {
            return upload::run(self, &key, &mut { body }, Some(body.len() as u64), options);
        }
        self.put_whole(&key, body, options)
    }

    pub(super) fn put_whole(&self, key: &Key, body: &[u8], options: &PutOptions) -> Result<(), Fault> {
        if options.if_none_match {
            return create::run(self, key, body, options);
        }
        let put = |options: &PutOptions| {
            self.core.run(&object::put(&self.name, key, options), &Payload::new(body), &mut drain)
        };
        self.adapting(options, put).map_err(Refusal::into_fault)
    }

    /// Whether the server was seen to keep to `If-None-Match` in this run.
    pub fn keeps_conditions(&self) -> bool {
        self.core.learned.conditions() == Conditions::Kept
    }

    /// Asks as `options` say, and once more each for what they allow to be otherwise: a bucket that
    /// is not there, a storage class that the server does not have.
    pub(super) fn adapting<T>(
        &self,
        options: &PutOptions,
        ask: impl Fn(&PutOptions) -> Result<T, Box<Refusal>>,
    ) -> Result<T, Box<Refusal>> {
        let mut options = options.clone();
        if options.any_storage_class && self.core.learned.class_refused.is_set() {
            options.storage_class = None;
        }
        loop {
            match ask(&options) {
                Err(refusal) if options.make_bucket && refusal.failure.kind == Kind::MissingBucket => {
                    self.make()?;
                    options.make_bucket = false;
                }
                Err(refusal)
                    if options.any_storage_class
                        && options.storage_class.is_some()
                        && &*refusal.failure.code == "InvalidStorageClass" =>
                {
                    if !self.core.learned.class_refused.set() {
                        self.core.tell(&format!(
                            "{}: {}: storage classes are left to the server",
                            refusal.subject, refusal.failure
                        ));
                    }
                    options.storage_class = None;
                }
                done => return done,
            }
        }
    }

    /// Stores what `body` gives: in one request when it is short, else in parts sent in parallel
    /// from bounded memory. With `size` given, exactly so many bytes.
    ///
    /// # Errors
    /// Any, `body`'s included. Nothing appears under the key then, and no parts stay behind as far
    /// as the server could be told.
    pub fn put_stream(
        &self,
        key: &[u8],
        body: &mut dyn Read,
        size: Option<u64>,
        options: &PutOptions,
    ) -> Result<(), Fault> {
        upload::run(self, &self.key(key)?, body, size, options)
    }

    /// Bytes of memory that [`Bucket::put_stream`] holds for a body of that size.
    pub fn put_stream_holds(&self, size: u64) -> usize {
        upload::holds(self, size)
    }

    /// Removes the object; one that is gone already is no error. Works for a short while after an
    /// interrupt.
    ///
    /// # Errors
    /// `Missing` when the bucket is.
    pub fn delete_object(&self, key: &[u8]) -> Result<(), Fault> {
        let request = object::delete(&self.name, &self.key(key)?);
        match self.core.run(&request, &Payload::none(), &mut drain) {
            Err(refusal) if refusal.failure.kind == Kind::Missing => Ok(()),
            done => done.map_err(Refusal::into_fault),
        }
    }

    /// Tells every object whose key begins with `prefix` to `visit`, in ascending order; with a
    /// delimiter, those without it in the rest of the key, and the prefixes that the others share.
    ///
    /// # Errors
    /// When the server fails, or its pages do not prove that they are complete (`Damaged`); or the
    /// first error of `visit`.
    pub fn list_objects_v2(
        &self,
        prefix: &[u8],
        delimiter: Option<&str>,
        visit: &mut dyn FnMut(Listed) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut progress = Progress::default();
        loop {
            let v1 = self.core.learned.lists_v1.is_set();
            let request = list::request(&self.name, prefix, delimiter, progress.next(), v1);
            let page = match self.read_xml(&request, list::parse_page) {
                Err(refusal) if !v1 && progress.next().is_none() && refusal.failure.is_not_implemented() => {
                    self.core.learned.lists_v1.set();
                    continue;
                }
                page => page.map_err(Refusal::into_fault)?,
            };
            let over = progress
                .accept(prefix, &page)
                .map_err(|why| Fault::new(FaultKind::Damaged, format!("{request}: {why}")))?;
            page.listed.into_iter().try_for_each(&mut *visit)?;
            if over {
                return Ok(());
            }
        }
    }

    /// Uploads of keys that begin with `prefix` which were neither completed nor aborted.
    ///
    /// # Errors
    /// As [`Bucket::list_objects_v2`].
    pub fn pending_uploads(&self, prefix: &[u8]) -> Result<Vec<Pending>, Fault> {
        let found = self.pending(prefix)?;
        // MinIO tells the uploads of one key, or all of them.
        if prefix.is_empty() || !found.is_empty() {
            return Ok(found);
        }
        let mut all = self.pending(b"")?;
        all.retain(|pending| pending.key.starts_with(prefix));
        Ok(all)
    }

    fn pending(&self, prefix: &[u8]) -> Result<Vec<Pending>, Fault> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let request = multipart::list(&self.name, prefix, after.as_ref());
            let page = self.read_xml(&request, multipart::parse_list).map_err(Refusal::into_fault)?;
            found.extend(page.pending);
            if page.next.is_some() && page.next == after {
                return Err(Fault::new(FaultKind::Damaged, format!("{request}: the same markers twice")));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Nanoseconds since 1970 by the server's clock, as far as it is known: what its times are
    /// compared with.
    pub fn now_ns(&self) -> i64 {
        self.core.now_ns()
    }

    /// Gives up an upload and its parts; one that is gone already is no error.
    ///
    /// # Errors
    /// Any of the line or the server.
    pub fn abort_upload(&self, key: &[u8], upload: &str) -> Result<(), Fault> {
        let request = multipart::abort(&self.name, &self.key(key)?, upload);
        match self.core.run(&request, &Payload::none(), &mut drain) {
            Err(refusal) if refusal.failure.kind == Kind::Missing => Ok(()),
            done => done.map_err(Refusal::into_fault),
        }
    }

    /// Reads a document; one that was cut on the line is asked for again.
    fn read_xml<T>(
        &self,
        request: &Request,
        parse: fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, Box<Refusal>> {
        let tls = self.core.config.endpoint.tls();
        self.core.run(request, &Payload::none(), &mut |mut answer: Incoming| {
            let body = answer.read_all(S3_XML_BYTES_MAX)?;
            parse(&body).map_err(|why| match fault::parse_error(&body).code.is_empty() {
                // A gateway that had sent its status before it knew.
                false => Failure::from_body(&answer.head, &body, tls),
                true => Failure { kind: Kind::Damaged, ..Failure::strange(&answer.head, why) },
            })
        })
    }

    pub(super) fn key(&self, key: &[u8]) -> Result<Key, Fault> {
        Key::new(key)
            .map_err(|why| Fault::new(FaultKind::Unsupported, format!("bucket {}: {why}", self.name)))
    }
}

/// Reads a short answer to its end, so that the connection can be used again. A gateway that had sent
/// its status before it knew better says so there.
pub(super) fn drain(mut answer: Incoming) -> Result<(), Failure> {
    let body = answer.read_all(crate::base::limits::S3_ERROR_BYTES_MAX)?;
    match body.is_empty() || fault::parse_error(&body).code.is_empty() {
        true => Ok(()),
        false => Err(Failure::from_body(&answer.head, &body, answer.tls())),
    }
}

fn some(etag: &str) -> Option<&str> {
    (!etag.is_empty()).then_some(etag)
}

/// Room for what the caller asked for or allowed, or an error instead of an abort.
fn reserve(bytes: &mut Vec<u8>, more: u64) -> Result<(), Failure> {
    // One byte more lets the reader find the end without growing.
    let room = usize::try_from(more).ok().and_then(|more| more.checked_add(1));
    match room.map(|room| bytes.try_reserve_exact(room)) {
        Some(Ok(())) => Ok(()),
        _ => Err(Failure::new(Kind::Unsupported, format!("no memory for {more} bytes"))),
    }
}
