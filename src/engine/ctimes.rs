//! Change times, remembered on this machine.
//!
//! The format does not keep change times. This does, for one source in one store, and for the one
//! snapshot that was made last: of each file that was stored, eight bytes of a MAC over its path,
//! device, inode, size, modification and change time. A file that is not among them was touched
//! since, whatever any clock said meanwhile. It is a second witness: without it, or with one that
//! speaks of another snapshot, what the snapshot itself says has to do.
//!
//! ```text
//! file := MAGIC  snapshot[32]  digest[8]…  mac[32]      digests little endian, ascending
//! ```
//!
//! A changed file would pass for an unchanged one by a chance of n in 2⁶⁴, and costs eight bytes
//! here. The key of the MACs is the store's, so that nothing is told of paths.

use crate::algo::hash::Keyed;
use crate::base::mac::Mac;
use crate::engine::codec::Codec;
use crate::ports::source::{Origin, Record};
use std::sync::{Mutex, PoisonError};

const MAGIC: &[u8; 8] = b"ctimes\x00\x01";

const MAC_BYTES: usize = 32;

/// What is remembered of the snapshot before, and what is to be remembered of the one in the making.
pub struct Ctimes {
    keyed: Keyed,
    before: Option<Vec<u64>>,
    stored: Mutex<Vec<u64>>,
}

impl Ctimes {
    /// With nothing to go by.
    pub fn new(codec: &Codec) -> Ctimes {
        Ctimes { keyed: codec.keyed().clone(), before: None, stored: Mutex::default() }
    }

    /// With what a file says; nothing, unless it is whole, this store's, and of this snapshot.
    pub fn of(codec: &Codec, file: &[u8], snapshot: &Mac) -> Ctimes {
        Ctimes { before: decode(codec, file, snapshot), ..Ctimes::new(codec) }
    }

    /// The name of a source's file.
    pub fn name(codec: &Codec, origin: &Origin) -> Mac {
        let Origin { kind, origin, root } = origin;
        codec.mac(&[kind.as_bytes(), b"\0", origin.as_bytes(), b"\0", root].concat())
    }

    /// Whether something is remembered, and it speaks against the file's being as it was.
    pub(super) fn speak_against(&self, record: &Record) -> bool {
        let Some(before) = &self.before else { return false };
        self.digest(record).is_some_and(|digest| before.binary_search(&digest).is_err())
    }

    /// The content of the file was stored as it was found.
    pub(super) fn remember(&self, record: &Record) {
        if let Some(digest) = self.digest(record) {
            self.stored.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
        }
    }

    /// The file for the snapshot that was made; `None` for a source without change times.
    pub fn file(self, codec: &Codec, snapshot: &Mac) -> Option<Vec<u8>> {
        drop(self.before);
        let mut stored = self.stored.into_inner().unwrap_or_else(PoisonError::into_inner);
        if stored.is_empty() {
            return None;
        }
        stored.sort_unstable();
        let mut file = Vec::with_capacity(MAGIC.len() + 8 * stored.len() + 2 * MAC_BYTES);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&snapshot.0);
        for digest in &stored {
            file.extend_from_slice(&digest.to_le_bytes());
        }
        let mac = codec.mac(&file);
        file.extend_from_slice(&mac.0);
        Some(file)
    }

    fn digest(&self, record: &Record) -> Option<u64> {
        let info = &record.info;
        let mut told = self.keyed.start();
        for number in [
            info.dev,
            info.ino,
            info.size.cast_unsigned(),
            info.mod_time.to_nanos().cast_unsigned(),
            record.changed_ns?.cast_unsigned(),
        ] {
            told.update(&number.to_le_bytes());
        }
        told.update(&record.path);
        told.finish().0.first_chunk().map(|first| u64::from_le_bytes(*first))
    }
}

fn decode(codec: &Codec, file: &[u8], snapshot: &Mac) -> Option<Vec<u64>> {
    let (told, mac) = file.split_last_chunk::<MAC_BYTES>()?;
    if codec.mac(told).0 != *mac {
        return None;
    }
    let digests = told.strip_prefix(MAGIC)?.strip_prefix(snapshot.0.as_slice())?;
    let (digests, rest) = digests.as_chunks::<8>();
    rest.is_empty().then(|| digests.iter().map(|digest| u64::from_le_bytes(*digest)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::hash::Algorithm;
    use crate::base::file::FileInfo;

    const SNAPSHOT: Mac = Mac([3; 32]);

    fn codec(key: u8) -> Codec {
        Codec::new(None, None, Keyed::new(Algorithm::Blake3, &[key; 32]))
    }

    fn record(path: &str, changed_ns: Option<i64>) -> Record {
        Record {
            path: path.into(),
            info: FileInfo { size: 5, ino: 7, ..FileInfo::default() },
            symlink_target: Vec::new(),
            xattrs: Vec::new(),
            metadata: Vec::new(),
            changed_ns,
        }
    }

    fn remembered(codec: &Codec) -> Vec<u8> {
        let ctimes = Ctimes::new(codec);
        for n in 0..50 {
            ctimes.remember(&record(&format!("/f{n}"), Some(n)));
        }
        ctimes.file(codec, &SNAPSHOT).unwrap()
    }

    #[test]
    fn a_file_is_known_by_all_that_was_remembered_of_it() {
        let codec = codec(1);
        let file = remembered(&codec);
        assert_eq!(file.len(), 8 + 32 + 50 * 8 + 32);
        let ctimes = Ctimes::of(&codec, &file, &SNAPSHOT);
        let as_it_was = record("/f9", Some(9));
        assert!(!ctimes.speak_against(&as_it_was));
        let altered: [(&str, fn(&mut Record)); 7] = [
            ("path", |record| record.path = b"/f8".to_vec()),
            ("device", |record| record.info.dev = 1),
            ("inode", |record| record.info.ino = 8),
            ("size", |record| record.info.size = 6),
            ("modification time", |record| record.info.mod_time.nanos = 1),
            ("earlier change time", |record| record.changed_ns = Some(8)),
            ("later change time", |record| record.changed_ns = Some(10)),
        ];
        for (what, alter) in altered {
            let mut record = as_it_was.clone();
            alter(&mut record);
            assert!(ctimes.speak_against(&record), "{what}");
        }
        assert!(!ctimes.speak_against(&record("/f9", None)), "a source without change times");
    }

    #[test]
    fn what_is_no_memory_of_the_snapshot_is_no_memory() {
        let codec = codec(1);
        let whole = remembered(&codec);
        let mut cases: Vec<(String, Vec<u8>, Mac)> = vec![
            ("empty".to_owned(), Vec::new(), SNAPSHOT),
            ("of another snapshot".to_owned(), whole.clone(), Mac([4; 32])),
            ("of another store".to_owned(), remembered(&self::codec(2)), SNAPSHOT),
        ];
        cases.extend((0..whole.len()).map(|len| (format!("cut at {len}"), whole[..len].to_vec(), SNAPSHOT)));
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 4;
            cases.push((format!("altered at {at}"), altered, SNAPSHOT));
        }
        for (what, file, snapshot) in cases {
            let ctimes = Ctimes::of(&codec, &file, &snapshot);
            assert!(!ctimes.speak_against(&record("/unheard-of", Some(1))), "{what}");
        }
        assert!(Ctimes::of(&codec, &whole, &SNAPSHOT).speak_against(&record("/unheard-of", Some(1))));
    }

    #[test]
    fn without_change_times_there_is_nothing_to_keep() {
        let codec = codec(1);
        let ctimes = Ctimes::new(&codec);
        ctimes.remember(&record("/object", None));
        assert_eq!(ctimes.file(&codec, &SNAPSHOT), None);
    }
}
