//! A source becomes a snapshot.
//!
//! One thread walks the source and hands entries to workers. A worker compares the entry with the
//! previous snapshot of the same source; what did not change is taken over, the rest is read, cut,
//! hashed and, where new, compressed, sealed and packed. A file of many chunks is spread: whoever
//! reads it offers chunks to idle workers and does itself what nobody takes. Uploaders ship full
//! packfiles meanwhile. When the last child of a directory is done, that worker writes its listing;
//! when `/` is done, the trees; then the header; and only when the store has acknowledged every
//! packfile, the state that makes the snapshot exist.
//!
//! **Unchanged** means: same name, kind, size, modification time and inode as in the newest
//! snapshot of the same source in the store, and a change time from before that snapshot began.
//! The format does not keep change times, but its header says when it was made: an edit that puts
//! size and modification time back still moves the inode's change time past that moment. No local
//! state is needed for it. Where this machine remembers the change times of that snapshot
//! ([`Ctimes`]), they must be the same besides: a clock that was set back hides no edit then.
//!
//! # What it costs
//!
//! Everything but waiting for the store is work on bytes. One core of an AMD EPYC with AVX-512, as
//! `tests/bench/stages.rs` measures it on any machine, takes for each MiB of content, in blobs of
//! 128 KiB that LZ4 halves:
//!
//! | stage | MiB/s | µs |
//! | --- | --- | --- |
//! | cut | 7,200 | 140 |
//! | BLAKE3 of the chunk, and of the whole file | 9,300 | 215 |
//! | entropy | 4,100 | 245 |
//! | LZ4 | 1,370 | 730 |
//! | AES-256-GCM-SIV, of half | 2,150 | 230 |
//! | BLAKE3 of the packfile, of half | 9,500 | 55 |
//! | SHA-256 of the request, of half; with TLS none | 1,880 | 265 |
//! | socket, of half, our end | 9,000 | 55 |
//! | all | 517 | 1,935 |
//!
//! What cannot be compressed (its entropy says so) spares LZ4's time and pays the last five for all of
//! it: 1,810 µs. A file costs some 50 µs besides, half of them the kernel's: looked at, opened, read,
//! closed, two more blobs of structure. The walk runs while the key is derived, and uploads beside the
//! rest, so that cores are what limits a backup to a store nearby; memory is five packfiles of 10 MiB
//! and two chunks a worker.
//!
//! For the gigabyte of `tests/bench/run`, 626 MiB that shrink and 400 that do not, this predicts 1.93 s of
//! a core, and 1.9 to 2.6 were measured beyond unlocking. MinIO took 1.9 s more of the same two cores
//! (MD5, SHA-256), which were busy for 93 % of the time: the slowest shared resource is them.

use crate::base::mac::Mac;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::engine::addition::Addition;
use crate::engine::backup_run::snapshot;
use crate::engine::codec::Codec;
use crate::engine::ctimes::Ctimes;
use crate::engine::error::Error;
use crate::engine::frames::Remembered;
use crate::engine::index::{self, Index};
use crate::engine::packer::Packer;
use crate::engine::repository::Repository;
use crate::engine::writer::Writer;
use crate::format::config::Config;
use crate::format::object::Object;
use crate::format::snapshot::Header;
use crate::ports::archive::Archive;
use crate::ports::source::Source;

/// What an earlier snapshot of the same source knew. Read lazily, from many threads.
pub trait Previous: Sync {
    /// When it was begun, ns since 1970.
    fn timestamp_ns(&self) -> i64;

    /// Regular files of a directory, sorted by name; `None` when it had no such directory.
    ///
    /// # Errors
    /// Any: the files are then read again.
    fn directory(&self, path: &[u8]) -> Result<Option<Remembered>, Error>;

    /// An object by its name.
    ///
    /// # Errors
    /// Any: the file is then read again.
    fn object(&self, mac: &Mac) -> Result<Object, Error>;
}

/// How a backup is to be made.
pub struct Options<'a> {
    /// Tags of the snapshot.
    pub tags: Vec<String>,
    /// Name of the snapshot, `default` as a rule.
    pub name: String,
    /// Time of the snapshot, now if `None`.
    pub timestamp: Option<Stamp>,
    /// Key and value: host, user, program.
    pub context: Vec<(String, String)>,
    /// Host name for the lock.
    pub host: String,
    /// Whether a path (and whether it is a directory) is left out.
    pub exclude: Option<&'a (dyn Fn(&[u8], bool) -> bool + Sync)>,
    /// The snapshot to compare with; `None` reads everything.
    pub previous: Option<&'a dyn Previous>,
    /// Change times of `previous`, where they are remembered; those of this snapshot are added.
    pub ctimes: Option<&'a Ctimes>,
    /// Worker threads, at least one.
    pub workers: usize,
    /// Take no lock.
    pub lockless: bool,
    /// The snapshot that this is a copy of: its id, time and words are taken over. Nothing is made
    /// unless all of it can be read and comes out with the same totals.
    pub copy_of: Option<&'a Header>,
}

/// `default`, alone, with nothing to compare with: everything else is the caller's to say.
impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            tags: Vec::new(),
            name: "default".to_owned(),
            timestamp: None,
            context: Vec::new(),
            host: String::new(),
            exclude: None,
            previous: None,
            ctimes: None,
            workers: 1,
            lockless: false,
            copy_of: None,
        }
    }
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The header as stored.
    pub header: Header,
    /// Files and other things that are not directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Files taken over from the previous snapshot.
    pub unchanged: u64,
    /// Files that the previous snapshot has too, and that were read again.
    pub changed: u64,
    /// Of `errors`, files that were written to while they were read, and are in the snapshot.
    pub torn: u64,
    /// Content bytes read from the source.
    pub bytes_read: u64,
    /// Bytes of blobs that the store did not have, before compression.
    pub bytes_new: u64,
    /// Bytes sent to the store.
    pub bytes_stored: u64,
    /// Paths that could not be backed up as they were, each with its reason, sorted.
    pub errors: Vec<(Vec<u8>, String)>,
}

/// Makes a snapshot of `source`.
///
/// # Errors
/// When none was made: the store failed, the source as a whole could not be read, somebody else
/// holds the store, the user interrupted. What was stored by then is unreferenced, and freed by
/// maintenance.
pub fn backup(
    repository: &Repository,
    index: &Index,
    source: &dyn Source,
    options: &Options<'_>,
    world: &World,
) -> Result<Report, Error> {
    let host = (!options.lockless).then_some(options.host.as_str());
    let addition = Addition::begin(repository, index, host, world)?;
    let (id, state) = match options.copy_of {
        None => {
            let id = world.dice.mac();
            (id, id)
        }
        // Somebody else may be at the same copy: two states of one name would replace one another.
        Some(header) => {
            addition.refuse_known(&header.identifier)?;
            (header.identifier, world.dice.mac())
        }
    };
    let packer = Packer::new(repository, addition.lineage(), world);
    let writer = addition.writer(&packer);
    let mut report = packer.shipping(|| snapshot(id, source, &writer, options, world))?;
    packer.commit(state, &[])?;
    report.bytes_stored = packer.stored();
    addition.finish(&packer, id)?;
    Ok(report)
}

/// An archive being filled.
pub struct Filling<'a> {
    writer: Writer<'a>,
    world: &'a World,
}

impl Filling<'_> {
    /// Adds a snapshot of `source`. Locks, and what is unchanged, do not concern an archive.
    ///
    /// # Errors
    /// As [`backup`]; the archive is given up then.
    pub fn add(&self, source: &dyn Source, options: &Options<'_>) -> Result<Report, Error> {
        let id = options.copy_of.map_or_else(|| self.world.dice.mac(), |header| header.identifier);
        snapshot(id, source, &self.writer, options, self.world)
    }
}

/// Fills an archive that was begun with these settings; it appears when all of `fill` went well.
///
/// # Errors
/// What `fill` gives, and what writing the archive fails with.
pub fn archive<E: From<Error>>(
    config: &Config,
    codec: &Codec,
    archive: Box<dyn Archive>,
    world: &World,
    fill: impl FnOnce(&Filling<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let packer = Packer::archive(archive, codec, config.repository_id, world)?;
    let nothing = index::Builder::default().finish();
    let writer = Writer::spelling(config, codec, &nothing, &packer, world);
    let filling = Filling { writer, world };
    packer.shipping(|| fill(&filling))?;
    Ok(packer.commit(world.dice.mac(), &[])?)
}

/// The newest snapshot among `headers` that was made of the same source.
pub fn newest_of<'h>(
    headers: impl IntoIterator<Item = &'h Header>,
    source: &dyn Source,
) -> Option<&'h Header> {
    let origin = source.origin();
    let same = |header: &&Header| {
        header.sources.first().is_some_and(|made| {
            made.kind == origin.kind && made.origin == origin.origin && made.directory == origin.root
        })
    };
    headers.into_iter().filter(same).max_by_key(|header| header.timestamp)
}
