//! The one packfile of an archive, written as it grows.

use crate::algo::hash::Running;
use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::codec::Codec;
use crate::engine::error::{Error, Kind};
use crate::engine::packer;
use crate::format::envelope;
use crate::format::kind::{Resource, Version};
use crate::format::packfile::Record;
use crate::ports::archive::Archive;

/// An archive whose packfile is open. In memory: 64 bytes for each blob.
pub struct Assembly {
    archive: Option<Box<dyn Archive>>,
    /// Over everything of the packfile so far: the envelope's MAC in the making.
    mac: Running,
    name: Mac,
    blob_bytes: u64,
    records: Vec<Record>,
}

impl Assembly {
    /// Begins the packfile, which the state will know by `name`.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub fn begin(mut archive: Box<dyn Archive>, codec: &Codec, name: Mac) -> Result<Assembly, Error> {
        let head = envelope::head(Resource::PACKFILE, Version::V1_0_0);
        let mut mac = codec.keyed().start();
        mac.update(&head);
        archive.append(&head)?;
        Ok(Assembly { archive: Some(archive), mac, name, blob_bytes: 0, records: Vec::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.mac.update(bytes);
        match &mut self.archive {
            Some(archive) => Ok(archive.append(bytes)?),
            None => Err(Error::new(Kind::Unsupported, "the archive is finished")),
        }
    }

    /// Appends blobs; `records` count from the first of them.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub fn append(&mut self, blobs: &[u8], records: Vec<Record>) -> Result<(), Error> {
        let start = self.blob_bytes;
        let moved = records.into_iter().map(|record| Record { offset: record.offset + start, ..record });
        self.records.extend(moved);
        self.blob_bytes += blobs.len() as u64;
        self.write(blobs)
    }

    /// Ends the packfile: its name, a creation time that readers know to mean none, and its index.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub fn end_packfile(&mut self, codec: &Codec, world: &World) -> Result<(Mac, i64, Vec<Record>), Error> {
        let records = std::mem::take(&mut self.records);
        let tail = packer::tail(codec, &records, self.blob_bytes, 0, world)?;
        self.write(&tail)?;
        let mac = self.mac.clone().finish();
        self.write(&mac.0)?;
        Ok((self.name, 0, records))
    }

    /// Adds the state and gives the archive its name.
    ///
    /// # Errors
    /// The archive cannot be written; nothing appears under its name then.
    pub fn finish(&mut self, state: &[u8]) -> Result<(), Error> {
        match self.archive.take() {
            Some(archive) => Ok(archive.finish(state)?),
            None => Err(Error::new(Kind::Unsupported, "the archive is finished")),
        }
    }
}
