//! Bytes of a store.

use crate::algo::chunk::Chunker;
use crate::algo::compress::{Method, compress, decompress};
use crate::algo::hash::{Algorithm, Keyed};
use crate::algo::msgpack::{Reader, Writer};
use crate::algo::seal::{Sealer, Subkey};
use crate::base::path;
use crate::base::secret::Secret;
use crate::base::stamp::Stamp;
use crate::connectors::ptar::sections;
use crate::engine::content::Window;
use crate::format::btree::{Node, Root};
use crate::format::config::Config;
use crate::format::entry::{self, Entry, ErrorEntry, XattrEntry, dirpack_append, dirpack_iter, dirpack_next};
use crate::format::error::FormatError;
use crate::format::kind::{Generation, Resource, Version};
use crate::format::lock::Lock;
use crate::format::object::Object;
use crate::format::packfile::{Footer, decode_index, encode_index, tail};
use crate::format::snapshot::Header;
use crate::format::state::{self, Builder};
use crate::format::summary::Summary;
use crate::fuzzing::byte;
use std::io::{self, Read};

/// Plaintext granted to the decompressors: small, so that a bomb shows.
const PLAIN_MAX: usize = 1 << 20;

fn keyed() -> Keyed {
    Keyed::new(Algorithm::Blake3, &[7; 32])
}

/// What decodes is written, decodes again, and is then written the same; so a reader of ours never
/// sees in its own bytes anything but what it wrote.
fn settles<T>(
    data: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = match decode(data) {
        Ok(value) => value,
        Err(fault) => {
            let told = fault.to_string();
            assert!(told.len() < 400, "{} bytes of complaint", told.len());
            return None;
        }
    };
    let written = encode(&value);
    let read = decode(&written).expect("our own bytes");
    assert_eq!(hex::encode(encode(&read)), hex::encode(&written));
    Some(value)
}

/// Head, payload and MAC make the file again; a file of ours opens, and altered in any byte it does
/// not.
pub fn envelope(data: &[u8]) {
    for resource in [Resource::CONFIG, Resource::LOCK, Resource::STATE, Resource::PACKFILE] {
        if let Ok((version, payload, mac)) = crate::format::envelope::split(data, resource) {
            let head = crate::format::envelope::head(resource, version);
            let again = [&head[8..], payload, &mac.0].concat();
            assert_eq!(&again, &data[8..]);
        }
        let _ = crate::format::envelope::open(data, resource, &keyed());
    }
    let mut file = crate::format::envelope::wrap(Resource::STATE, Version::V1_0_0, data, &keyed());
    let opened = crate::format::envelope::open(&file, Resource::STATE, &keyed());
    assert_eq!(opened, Ok((Version::V1_0_0, data)));
    let at = data.iter().map(|&byte| usize::from(byte)).sum::<usize>() % file.len();
    file[at] ^= 1;
    assert!(crate::format::envelope::open(&file, Resource::STATE, &keyed()).is_err(), "byte {at} altered");
}

/// CONFIG, envelope and all: what is accepted names only what this program can do.
pub fn config(data: &[u8]) {
    let encode = |config: &Config| config.encode(None).expect("without a key");
    let Some(config) = settles(data, Config::decode_unverified, encode) else { return };
    assert!(config.hash().is_ok() && config.method().is_ok() && config.keyed(None).is_ok());
    let chunker = config.chunker().expect("a known chunker");
    assert!(chunker.min() > 0 && chunker.max() <= crate::base::limits::BLOB_BYTES_MAX);
    if let Some(encryption) = &config.encryption {
        assert!(encryption.subkey().is_ok());
        assert!(matches!(encryption.kdf.cost(), Ok((_, 32))));
    }
    let written = encode(&config);
    assert_eq!(Config::verify(&written, None), Ok(()));
    assert!(Config::verify(&written, Some(&Secret::new(vec![1; 32]))).is_err());
}

/// Footer and index of a payload are written as they were read.
pub fn packfile(data: &[u8]) {
    let Ok(tail) = tail(data) else { return };
    let Ok(footer) = Footer::decode(tail.footer) else { return };
    assert_eq!(footer.encode(), tail.footer);
    let Some(index) = usize::try_from(footer.index_offset).ok().and_then(|at| tail.before.get(at..)) else {
        return;
    };
    let Ok(records) = decode_index(index, &footer) else { return };
    assert_eq!(encode_index(&records), index);
    for record in records {
        assert!(record.offset + u64::from(record.length) <= footer.index_offset);
    }
}

/// The footer of an archive behind eight bytes of its size: the sections lie side by side in it.
pub fn ptar(data: &[u8]) {
    let Some((size, rest)) = data.split_first_chunk::<8>() else { return };
    let (Some(footer), size) = (rest.first_chunk::<48>(), u64::from_le_bytes(*size)) else { return };
    let Ok(sections) = sections(footer, size) else { return };
    let written: Vec<u8> = sections
        .iter()
        .flat_map(|section| [section.start, section.end - section.start])
        .flat_map(u64::to_le_bytes)
        .collect();
    assert_eq!(written, footer);
    assert!(sections.is_sorted_by(|one, next| one.end == next.start));
    assert!(sections[0].start == 12 && sections[2].end <= size - 48);
}

/// A state's body, its version in the first byte.
pub fn state(data: &[u8]) {
    let mut body = data;
    let version = match byte(&mut body) % 4 {
        0 => Version::V1_0_0,
        3 => Version(0x0002_0000),
        _ => Version::V1_1_0,
    };
    let decode = |body: &[u8]| {
        let mut entries = Vec::new();
        let meta = state::decode(body, version, &mut |entry| entries.push(entry))?;
        Ok((meta, entries))
    };
    let encode = |(meta, entries): &(state::Meta, Vec<state::Entry>)| {
        let mut builder = Builder::new(meta.parent);
        entries.iter().for_each(|entry| builder.push(entry));
        builder.finish(meta)
    };
    let Some((meta, entries)) = settles(body, decode, encode) else { return };
    let written = encode(&(meta.clone(), entries.clone()));
    assert_eq!(decode(&written), Ok((meta, entries)));
    let cut = body.len() % written.len();
    assert!(decode(&written[..cut]).is_err(), "cut at {cut}");
}

/// A snapshot's header.
pub fn header(data: &[u8]) {
    let Some(header) = settles(data, Header::decode, Header::encode) else { return };
    let _ = header.is_signed();
    if let Ok(source) = header.source() {
        let _ = source.index("dirpack");
    }
}

/// A file's entry, in both spellings; one that passes has a name that leads nowhere else.
pub fn entry(data: &[u8]) {
    for generation in [Generation::V1_0, Generation::V1_1] {
        let Some(entry) = settles(data, Entry::decode, |entry| entry.encode(generation)) else { return };
        let whole = entry.path();
        if entry.validate(&entry.parent_path).is_ok() {
            assert_eq!(path::clean(&whole), whole);
            assert!(path::is_within(&whole, &entry.parent_path));
            assert!(whole == b"/" || path::base_name(&whole) == entry.info.name);
        }
    }
}

/// An extended attribute, and a recorded error.
pub fn xattr(data: &[u8]) {
    if let Some(entry) = settles(data, XattrEntry::decode, XattrEntry::encode) {
        assert_eq!(entry.key().len(), entry.path.len() + entry.name.len() + 1);
    }
    settles(data, ErrorEntry::decode, ErrorEntry::encode);
}

/// A chunk list, which never takes much more room than its bytes did.
pub fn object(data: &[u8]) {
    let Some(object) = settles(data, Object::decode, Object::encode) else { return };
    assert!(object.chunks.len() <= data.len() / 32);
    assert_eq!(object.size(), object.chunks.iter().map(|chunk| u64::from(chunk.length)).sum::<u64>());
}

/// Tree roots and nodes, and the two searches in a node, whose keys may be in any order.
pub fn btree(data: &[u8]) {
    settles(data, Root::decode, Root::encode);
    let Some(node) = settles(data, Node::decode, Node::encode) else { return };
    for key in node.keys.iter().map(Vec::as_slice).chain([b"/".as_slice(), data]) {
        let (child, value) = (node.child(key, path::tree_order), node.value(key, path::tree_order));
        assert!(if node.is_leaf() { child.is_none() } else { value.is_none() && child.is_some() });
    }
}

/// A directory's list, whole and in pieces.
pub fn dirpack(data: &[u8]) {
    let records: Result<Vec<_>, _> = dirpack_iter(data).collect();
    if let Ok(records) = records {
        let mut again = Vec::new();
        for record in &records {
            dirpack_append(&mut again, record.directory, record.entry, &record.mac);
            let _ = entry::Entry::decode(record.entry);
        }
        assert_eq!(again, data);
    }
    if let Ok(Some((record, used))) = dirpack_next(data) {
        assert_eq!(dirpack_next(&data[..used]), Ok(Some((record, used))));
        for less in [0, used / 2, used - 1] {
            assert_eq!(dirpack_next(&data[..less]), Ok(None), "{less} of {used}");
        }
    }
}

/// A directory's totals.
pub fn summary(data: &[u8]) {
    let Some(summary) = settles(data, Summary::decode, Summary::encode) else { return };
    let mut parent = Summary::default();
    parent.add_directory(&summary);
    parent.add_directory(&summary);
    parent.finish(summary.total_errors());
    let _ = (parent.total_size(), parent.total_errors());
}

/// A lock.
pub fn lock(data: &[u8]) {
    settles(data, Lock::decode, Lock::encode);
}

/// Passing over a value takes at least a byte, never goes back, and takes exactly what was written.
pub fn msgpack(data: &[u8]) {
    let mut reader = Reader::new(data);
    while !reader.rest().is_empty() {
        let before = reader.rest().len();
        read_all_ways(&reader);
        if reader.skip().is_err() {
            break;
        }
        assert!(reader.rest().len() < before);
    }
    let number = i64::from_le_bytes(*data.first_chunk().unwrap_or(&[0; 8]));
    let stamp = Stamp { secs: number, nanos: number.unsigned_abs().rem_euclid(1_000_000_000) as u32 };
    let mut writer = Writer::new();
    writer.array(6);
    writer.int(number);
    writer.i64(number);
    writer.time(stamp);
    writer.str(data);
    writer.bin(data);
    writer.f64(f64::from_bits(number.cast_unsigned()));
    let written = writer.finish();
    let mut whole = Reader::new(&written);
    assert_eq!((whole.skip(), whole.rest()), (Ok(()), [].as_slice()));
    let mut reader = Reader::new(&written);
    assert_eq!(reader.array(), Ok(6));
    assert_eq!((reader.number(), reader.number()), (Ok(number), Ok(number)));
    assert_eq!((reader.time(), reader.bytes(), reader.bytes()), (Ok(stamp), Ok(data), Ok(data)));
    assert_eq!(reader.f64().map(f64::to_bits), Ok(number.cast_unsigned()));
    let cut = data.len() % written.len();
    assert!(Reader::new(&written[..cut]).skip().is_err(), "cut at {cut}");
}

fn read_all_ways(at: &Reader<'_>) {
    let left = at.rest().len();
    if let Ok(pairs) = at.clone().map() {
        assert!(pairs <= left / 2);
    }
    if let Ok(items) = at.clone().array() {
        assert!(items < left);
    }
    if let Ok(bytes) = at.clone().bytes() {
        assert!(bytes.len() < left);
    }
    if let Ok(time) = at.clone().time() {
        assert!(time.nanos < 1_000_000_000);
    }
    let _ = (at.clone().integer(), at.clone().number::<u8>(), at.clone().f64(), at.clone().bool());
}

/// Sealed bytes: the first byte chooses the wrapping. Foreign ones do not open, ours do, and not
/// when they were altered.
pub fn sealed(data: &[u8]) {
    let mut rest = data;
    let choice = byte(&mut rest);
    let subkey = if choice & 1 == 0 { Subkey::Wrap } else { Subkey::Gcm };
    let block = 1 + usize::from(choice >> 1) * 16;
    let sealer = Sealer::new(&Secret::new(vec![9; 32]), subkey, block).expect("a key of 32 bytes");
    if let Ok(plain) = sealer.open(rest, PLAIN_MAX) {
        assert!(plain.len() <= rest.len());
    }
    let plain = &rest[..rest.len().min(4096)];
    let mut sealed = Vec::new();
    sealer.seal(plain, &mut |random| random.fill(choice), &mut sealed);
    assert_eq!(sealed.len(), sealer.sealed_len(plain.len()));
    assert_eq!(sealer.open(&sealed, plain.len()).as_deref(), Ok(plain));
    let at = data.iter().map(|&byte| usize::from(byte)).sum::<usize>() % sealed.len();
    assert!(sealer.open(&sealed[..at], PLAIN_MAX).is_err() || whole_blocks(at, subkey, block));
    sealed[at] ^= 0x40;
    assert!(sealer.open(&sealed, PLAIN_MAX).is_err(), "byte {at} altered");
}

/// Cut between two blocks a stream opens to less: only the MAC of what it holds tells.
fn whole_blocks(length: usize, subkey: Subkey, block: usize) -> bool {
    let wrapped = if subkey == Subkey::Wrap { 40 } else { 60 };
    length >= wrapped && (length - wrapped).is_multiple_of(block + 28)
}

fn inflates(method: Method, stored: &[u8]) {
    if let Ok(plain) = decompress(method, stored, PLAIN_MAX) {
        assert!(plain.len() <= PLAIN_MAX);
        assert_eq!(decompress(method, stored, plain.len()).as_ref(), Ok(&plain));
        if !plain.is_empty() {
            assert!(decompress(method, stored, plain.len() - 1).is_err(), "over the limit");
        }
    }
    for incompressible in [false, true] {
        let mut packed = Vec::new();
        compress(method, stored, incompressible, &mut packed);
        assert_eq!(decompress(method, &packed, stored.len()).as_deref(), Ok(stored));
    }
}

/// LZ4 frames.
pub fn lz4(data: &[u8]) {
    inflates(Method::Lz4, data);
}

/// gzip and zstd, chosen by the first byte.
pub fn inflate(data: &[u8]) {
    let mut stored = data;
    let choice = byte(&mut stored);
    inflates(if choice & 1 == 0 { Method::Gzip } else { Method::Zstd }, stored);
}

/// Gives so many bytes at a time.
struct Dribble<'d>(&'d [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let (now, later) = self.0.split_at(self.0.len().min(self.1).min(out.len()));
        out[..now.len()].copy_from_slice(now);
        self.0 = later;
        Ok(now.len())
    }
}

/// Four bytes choose algorithm and sizes, the rest is cut: every cut is in bounds, depends on nothing
/// behind the largest chunk, and is the same when bytes come in pieces.
pub fn chunker(data: &[u8]) {
    let mut rest = data;
    let algorithm = ["FASTCDC", "fastcdc-v1.0.0", "kfastcdc", "ultracdc"][usize::from(byte(&mut rest) % 4)];
    let [min, normal, max] = std::array::from_fn(|_| u32::from(byte(&mut rest)) * 16);
    let Ok(chunker) = Chunker::new(algorithm, min, normal, max) else { return };
    assert_eq!(chunker.cut(&[]), 0);
    let (mut dribble, mut ahead) = (Dribble(rest, 1 + data.len() % 37), Window::new(&chunker));
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(chunker.max())];
        let cut = chunker.cut(window);
        assert!(cut > 0 && cut <= window.len());
        assert!(cut >= chunker.min() || cut == rest.len(), "{cut} of {}", rest.len());
        assert_eq!(chunker.cut(rest), cut, "what lies behind the window moves the cut");
        ahead.fill(&mut dribble, chunker.max()).expect("bytes in memory");
        assert_eq!(chunker.cut(ahead.bytes()), cut, "what comes in pieces is cut elsewhere");
        ahead.take(cut);
        rest = &rest[cut..];
    }
    assert!(ahead.bytes().is_empty());
}
