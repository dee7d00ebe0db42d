//! The content of files, verified in batches and in storage order, each blob once in a run.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::blobs;
use crate::engine::check_seen::Seen;
use crate::engine::error::Error;
use crate::engine::plan::{Fetcher, Want};
use crate::engine::verdicts::{Verdict, Verdicts};
use crate::format::kind::Resource;
use crate::format::object::Chunk;
use crate::ports::monitor::Event;
use crate::ports::store;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A file, or an attribute, whose content is to be verified.
pub(crate) struct Pending {
    /// Of the file.
    pub(crate) path: Vec<u8>,
    /// Name of the attribute, when it is one.
    pub(crate) attribute: Option<Vec<u8>>,
    /// Name of the entry's blob; zero when there is none to verify.
    pub(crate) entry: Mac,
    /// Zero for what has no content.
    pub(crate) object: Mac,
    /// Bytes the entry promises.
    pub(crate) size: i64,
    /// Whether it is a directory.
    pub(crate) directory: bool,
    /// Position of the directory list it came from.
    pub(crate) list: Option<usize>,
}

/// What is known of the blobs by now, and how to learn more.
pub(crate) struct Content<'x, 'b, 'r> {
    fetcher: &'x Fetcher<'b, 'r>,
    world: &'x World,
    verdicts: Mutex<Verdicts>,
    /// Length of every packfile that is there, when entries and chunks need only exist.
    packfiles: Option<Mutex<HashMap<Mac, u64>>>,
    /// What was verified with its packfile.
    pub(crate) seen: Seen<'b>,
}

impl<'x, 'b, 'r> Content<'x, 'b, 'r> {
    /// Nothing is known yet; with `fast`, packfiles are listed instead of read.
    pub(crate) fn new(
        fetcher: &'x Fetcher<'b, 'r>,
        world: &'x World,
        fast: bool,
    ) -> Result<Content<'x, 'b, 'r>, Error> {
        let blobs = fetcher.blobs();
        let packfiles = match fast {
            false => None,
            true => {
                let listed = blobs.repository().store.list(store::Kind::Packfile)?;
                Some(Mutex::new(listed.into_iter().map(|file| (file.id, file.size)).collect()))
            }
        };
        let verdicts = Mutex::new(Verdicts::new(blobs.index().len()));
        Ok(Content { fetcher, world, verdicts, packfiles, seen: Seen::new(blobs.index()) })
    }

    /// A blob was verified with its packfile: it need not be read again, unless for what it says.
    pub(crate) fn sound(&self, resource: Resource, mac: &Mac, position: usize, plain: &[u8]) {
        match resource {
            Resource::CHUNK => self.seen.chunk(position, u32::try_from(plain.len()).unwrap_or(u32::MAX)),
            Resource::OBJECT => return self.seen.object(position, mac, plain),
            Resource::VFS_ENTRY => {}
            _ => return,
        }
        lock(&self.verdicts).sound(position);
    }

    /// The length of a chunk that was verified with its packfile.
    fn length(&self, mac: &Mac) -> Option<u32> {
        self.seen.length(self.fetcher.blobs().index().position(Resource::CHUNK, mac)?)
    }

    /// Verifies everything pending. Returns the content bytes read, and for each item what is
    /// wrong with it.
    pub(crate) fn verify(&self, pending: &[Pending]) -> Result<(u64, Vec<Option<String>>), Error> {
        let chunks = self.entries_and_objects(pending)?;
        let bytes = self.chunks(&chunks)?;
        Ok((bytes, pending.iter().map(|item| self.judge(item)).collect()))
    }

    /// Verifies entries and chunk lists; returns the lists not known before, by object.
    fn entries_and_objects(&self, pending: &[Pending]) -> Result<HashMap<Mac, Vec<Chunk>>, Error> {
        let index = self.fetcher.blobs().index();
        let mut wants = Vec::new();
        for item in pending {
            // The tree may name an entry that was never stored; the directory's list has it.
            if !item.entry.is_zero() && index.contains(Resource::VFS_ENTRY, &item.entry) {
                self.want(&mut wants, Resource::VFS_ENTRY, &item.entry, self.packfiles.is_some());
            }
            if !item.object.is_zero() {
                self.want(&mut wants, Resource::OBJECT, &item.object, false);
            }
        }
        let lists: Mutex<HashMap<Mac, Vec<Chunk>>> = Mutex::default();
        self.fetcher.run(&mut wants, &|wants, result| {
            let Some(want) = wants.first() else { return Ok(()) };
            let object = match result {
                Ok(plain) if want.resource == Resource::OBJECT => {
                    blobs::decode_object(&want.mac, plain).map(Some)
                }
                Ok(_) => Ok(None),
                Err(fault) => Err(fault.clone()),
            };
            match object {
                Ok(None) => self.note(want.resource, &want.mac, Ok(())),
                Ok(Some(object)) => {
                    let single = match object.chunks.as_slice() {
                        [chunk] => Some(chunk.mac),
                        _ => None,
                    };
                    if single.is_some_and(|mac| mac != object.content) {
                        let what = format!("object {}: not the digest of its one chunk", want.mac.short());
                        self.note(want.resource, &want.mac, Err(what));
                        return Ok(());
                    }
                    let mut lists = lock(&lists);
                    lists.insert(want.mac, object.chunks);
                }
                Err(fault) => self.note(want.resource, &want.mac, Err(fault.to_string())),
            }
            Ok(())
        })?;
        Ok(lists.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Verifies chunks, then the objects that list them; returns how many bytes were read.
    fn chunks(&self, objects: &HashMap<Mac, Vec<Chunk>>) -> Result<u64, Error> {
        let mut lengths: HashMap<Mac, u32> = HashMap::new();
        let mut wants = Vec::new();
        for chunk in objects.values().flatten() {
            lengths.insert(chunk.mac, chunk.length);
            self.want(&mut wants, Resource::CHUNK, &chunk.mac, self.packfiles.is_some());
        }
        let read = Mutex::new(0_u64);
        self.fetcher.run(&mut wants, &|wants, result| {
            let Some(want) = wants.first() else { return Ok(()) };
            let outcome = result.map_err(Clone::clone).and_then(|bytes| {
                let promised = lengths.get(&want.mac).copied().unwrap_or_default();
                blobs::check_length(&want.mac, bytes.len(), promised).map(|()| bytes.len() as u64)
            });
            if let Ok(bytes) = outcome {
                *lock(&read) += bytes;
                self.world.monitor.tell(Event::Processed { bytes });
            }
            self.note(want.resource, &want.mac, outcome.map(|_| ()).map_err(|fault| fault.to_string()));
            Ok(())
        })?;
        for (object, chunks) in objects {
            let damaged = chunks.iter().find_map(|chunk| self.fault_of(Resource::CHUNK, &chunk.mac));
            let two_lengths = chunks.iter().any(|chunk| lengths.get(&chunk.mac) != Some(&chunk.length));
            let wrong = chunks.iter().find_map(|chunk| {
                let is = self.length(&chunk.mac)?;
                blobs::check_length(&chunk.mac, is as usize, chunk.length).err()
            });
            let outcome = match (damaged, wrong) {
                (Some(why), _) => Err(why),
                (None, Some(fault)) => Err(fault.to_string()),
                (None, None) if two_lengths => Err("one chunk with two lengths".to_owned()),
                (None, None) => Ok(()),
            };
            self.note(Resource::OBJECT, object, outcome);
        }
        Ok(read.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for a blob that has no verdict yet. One that only needs to exist gets its verdict now.
    fn want(&self, wants: &mut Vec<Want>, resource: Resource, mac: &Mac, existence: bool) {
        let index = self.fetcher.blobs().index();
        let Some(position) = index.position(resource, mac) else { return };
        if lock(&self.verdicts).of(position) != Verdict::Unknown {
            return;
        }
        if resource == Resource::OBJECT && self.seen.vouches_for(position) {
            lock(&self.verdicts).sound(position);
            return;
        }
        if !existence {
            wants.push(Want { resource, mac: *mac, tag: 0 });
            return;
        }
        let stored = index.places(resource, mac).any(|place| {
            place.offset.saturating_add(u64::from(place.length)) <= self.packfile_bytes(place.packfile)
        });
        let lost = || format!("{resource} {}: its packfile is lost or cut short", mac.short());
        self.note(resource, mac, if stored { Ok(()) } else { Err(lost()) });
    }

    /// How long a packfile is, 0 when it is not there.
    fn packfile_bytes(&self, number: u32) -> u64 {
        let blobs = self.fetcher.blobs();
        let Some(sizes) = &self.packfiles else { return 0 };
        let mut sizes = lock(sizes);
        *sizes.entry(blobs.index().packfile(number)).or_insert_with(|| {
            // Not listed. An archive's one packfile has another name there than in its state.
            let end = blobs.index().packfile_end(number);
            let last = blobs.read(number, end.saturating_sub(1), 1, Vec::new());
            if last.is_ok() { end } else { 0 }
        })
    }

    fn note(&self, resource: Resource, mac: &Mac, outcome: Result<(), String>) {
        let Some(position) = self.fetcher.blobs().index().position(resource, mac) else { return };
        match outcome {
            Ok(()) => lock(&self.verdicts).sound(position),
            Err(why) => lock(&self.verdicts).damaged(position, why),
        }
    }

    /// What is wrong with the blob, `None` when it is sound.
    fn fault_of(&self, resource: Resource, mac: &Mac) -> Option<String> {
        let Some(position) = self.fetcher.blobs().index().position(resource, mac) else {
            return Some(blobs::unknown(resource, mac).to_string());
        };
        match lock(&self.verdicts).of(position) {
            Verdict::Sound => None,
            Verdict::Damaged(why) => Some(why.to_owned()),
            Verdict::Unknown => Some(format!("{resource} {}: not verified", mac.short())),
        }
    }

    /// What is wrong with an item whose blobs have their verdicts.
    fn judge(&self, item: &Pending) -> Option<String> {
        let index = self.fetcher.blobs().index();
        let stored = !item.entry.is_zero() && index.contains(Resource::VFS_ENTRY, &item.entry);
        let entry = stored.then(|| self.fault_of(Resource::VFS_ENTRY, &item.entry)).flatten();
        entry.or_else(|| match item.object.is_zero() {
            true if item.size != 0 => Some("the snapshot has no content for it".to_owned()),
            true => None,
            false => self.fault_of(Resource::OBJECT, &item.object),
        })
    }
}

/// No code panics while it holds one of these, so what a poisoned one guards is still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
