//! A bucket, or a prefix of it, as the place of a restore.
//!
//! Small objects are gathered and sent in one request; large ones stream through a thread of their
//! own that uploads parts while more content arrives. Directories, modes and owners have no place
//! in a bucket; links and pipes are refused by kind, so that the caller can count them.

use crate::algo::hash::md5;
use crate::connectors::context::Context;
use crate::connectors::location::S3Location;
use crate::connectors::options::{Overwrite, S3Options};
use crate::connectors::s3_client;
use crate::connectors::s3_keys;
use crate::connectors::s3_metadata;
use crate::ports::destination::{Attributes, Body, Destination, Order};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::Metadata;
use crate::s3::bucket::{Bucket, ObjectInfo, PutOptions};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Objects up to this size are gathered in memory and sent in one request.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Pieces of a large object between the restore and its upload, and the longest of them.
const PIECES_AHEAD: usize = 4;
const PIECE_BYTES: usize = 256 << 10;

/// See the module.
pub struct S3Destination {
    location: String,
    place: Arc<Place>,
}

struct Place {
    bucket: Bucket,
    /// Empty, or ending in `/`.
    prefix: Vec<u8>,
    overwrite: Overwrite,
    symlinks: bool,
}

impl S3Destination {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Unsupported`: a place or an option that cannot be.
    pub fn new(
        location: &S3Location,
        options: &S3Options,
        context: &Context,
    ) -> Result<S3Destination, Fault> {
        let mut prefix = location.directory();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let bucket = s3_client::bucket(location, options, context)?;
        let place = Place { bucket, prefix, overwrite: options.overwrite, symlinks: options.symlinks };
        Ok(S3Destination { location: location.to_string(), place: Arc::new(place) })
    }
}

impl Place {
    fn key(&self, path: &[u8]) -> Vec<u8> {
        [&self.prefix[..], &s3_keys::key_of(path)].concat()
    }

    /// How an object with that metadata is stored. Neither asks whether the bucket is there nor
    /// needs the right to make it when it is.
    fn options(&self, metadata: &Metadata) -> PutOptions {
        let mut options = s3_metadata::put_options(metadata);
        options.make_bucket = true;
        options.any_storage_class = true;
        options.if_none_match = self.overwrite == Overwrite::Never;
        options
    }

    fn put(&self, object: &Object, body: &[u8]) -> Result<(), Fault> {
        if self.overwrite == Overwrite::IfDifferent
            && let Some(there) = self.there(&object.key)?
            && there.size == object.size
            && (object.same_etag(&there) || there.etag == hex::encode(md5(body)))
        {
            return Err(kept(&object.key));
        }
        self.bucket.put_object(&object.key, body, &self.options(&object.metadata))
    }

    /// Whether the object is there as it was when it was backed up.
    fn has(&self, object: &Object) -> Result<bool, Fault> {
        Ok(match self.overwrite {
            Overwrite::Always => false,
            Overwrite::Never => self.there(&object.key)?.is_some(),
            Overwrite::IfDifferent => self.there(&object.key)?.is_some_and(|there| object.same_etag(&there)),
        })
    }

    fn there(&self, key: &[u8]) -> Result<Option<ObjectInfo>, Fault> {
        match self.bucket.head_object(key) {
            Ok(info) => Ok(Some(info)),
            Err(fault) if fault.kind == FaultKind::Missing => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// What is to be stored.
struct Object {
    key: Vec<u8>,
    size: u64,
    metadata: Metadata,
}

impl Object {
    /// Whether this content is the one that was backed up: entity tags are of the content alone,
    /// and of the parts in which it was sent.
    fn same_etag(&self, there: &ObjectInfo) -> bool {
        let listed = s3_metadata::listed(&there.etag);
        there.size == self.size
            && !listed.is_empty()
            && listed.iter().all(|fact| self.metadata.contains(fact))
    }
}

fn kept(key: &[u8]) -> Fault {
    Fault::new(FaultKind::Exists, format!("{}: is there already", String::from_utf8_lossy(key)))
}

fn unsupported(path: &[u8], what: &str) -> Fault {
    let shown = String::from_utf8_lossy(path).into_owned();
    Fault::new(FaultKind::Unsupported, format!("{shown}: a bucket has no {what}"))
}

impl S3Destination {
    fn object(&self, path: &[u8], attributes: &Attributes) -> Object {
        Object {
            key: self.place.key(path),
            size: u64::try_from(attributes.info.size).unwrap_or(0),
            metadata: attributes.metadata.clone(),
        }
    }
}

impl Destination for S3Destination {
    fn location(&self) -> &str {
        &self.location
    }

    fn order(&self) -> Order {
        Order::Sequential
    }

    fn keeps_directories(&self) -> bool {
        false
    }

    fn holds(&self, size: u64) -> usize {
        match size {
            0..=WHOLE_BYTES_MAX => usize::try_from(size).unwrap_or(usize::MAX),
            _ => self.place.bucket.put_stream_holds(size),
        }
    }

    fn directory(&self, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    fn file(&self, path: &[u8], attributes: &Attributes) -> Result<Box<dyn Body>, Fault> {
        let object = self.object(path, attributes);
        if object.size <= WHOLE_BYTES_MAX {
            let content = Vec::with_capacity(usize::try_from(object.size).unwrap_or(0));
            return Ok(Box::new(Whole { place: Arc::clone(&self.place), object, content }));
        }
        // Asked first, since the content of a large one is not at hand to be compared.
        if self.place.has(&object)? {
            return Err(kept(&object.key));
        }
        let (sender, receiver) = sync_channel(PIECES_AHEAD);
        let place = Arc::clone(&self.place);
        let upload = std::thread::spawn(move || {
            let mut pieces = Pieces { receiver, piece: Vec::new(), at: 0 };
            let options = place.options(&object.metadata);
            place.bucket.put_stream(&object.key, &mut pieces, Some(object.size), &options)
        });
        Ok(Box::new(Stream { sender: Some(sender), upload: Some(upload), written: 0 }))
    }

    fn symlink(&self, path: &[u8], target: &[u8], _: &Attributes) -> Result<(), Fault> {
        if !self.place.symlinks {
            return Err(unsupported(path, "symbolic links"));
        }
        let size = target.len() as u64;
        let object = Object { key: self.place.key(path), size, metadata: s3_metadata::of_symlink() };
        self.place.put(&object, target)
    }

    fn hard_link(&self, path: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(unsupported(path, "hard links"))
    }

    fn special(&self, path: &[u8], _: &Attributes) -> Result<(), Fault> {
        Err(unsupported(path, "special files"))
    }

    fn finish_directory(&self, _: &[u8], _: &Attributes) -> Result<(), Fault> {
        Ok(())
    }
}

fn out_of_order(at: u64, wanted: u64) -> Fault {
    Fault::new(FaultKind::Unsupported, format!("content for byte {at} came where byte {wanted} was due"))
}

/// A small object.
struct Whole {
    place: Arc<Place>,
    object: Object,
    content: Vec<u8>,
}

impl Body for Whole {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if offset != self.content.len() as u64 {
            return Err(out_of_order(offset, self.content.len() as u64));
        }
        self.content.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Fault> {
        let found = self.content.len() as u64;
        if found != self.object.size {
            let wanted = self.object.size;
            return Err(Fault::new(FaultKind::Damaged, format!("{found} bytes of {wanted} came")));
        }
        self.place.put(&self.object, &self.content)
    }
}

/// A large object on its way.
struct Stream {
    /// Gone once the content is complete, or given up.
    sender: Option<SyncSender<Piece>>,
    upload: Option<JoinHandle<Result<(), Fault>>>,
    written: u64,
}

enum Piece {
    Bytes(Vec<u8>),
    /// The content is complete: without it, an end means that it was given up.
    End,
}

impl Stream {
    fn send(&mut self, piece: Piece) -> Result<(), Fault> {
        match &self.sender {
            Some(sender) if sender.send(piece).is_ok() => Ok(()),
            _ => Err(self.result().err().unwrap_or_else(ended)),
        }
    }

    fn result(&mut self) -> Result<(), Fault> {
        self.sender = None;
        match self.upload.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(ended()),
        }
    }
}

fn ended() -> Fault {
    Fault::new(FaultKind::Broken, "the upload ended before its content did")
}

impl Body for Stream {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if offset != self.written {
            return Err(out_of_order(offset, self.written));
        }
        self.written += bytes.len() as u64;
        bytes.chunks(PIECE_BYTES).try_for_each(|piece| self.send(Piece::Bytes(piece.to_vec())))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        self.send(Piece::End)?;
        self.result()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The upload sees its content end too early, and aborts what it began.
        let _ = self.result();
    }
}

/// The upload's end of the queue.
struct Pieces {
    receiver: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.piece.len() {
            match self.receiver.recv() {
                Ok(Piece::Bytes(bytes)) => (self.piece, self.at) = (bytes, 0),
                Ok(Piece::End) => return Ok(0),
                Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the restore gave the object up",
                    ));
                }
            }
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let len = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        Ok(len)
    }
}
