//! Every structure of a store, byte for byte: as the reference spells it, as it comes back out of
//! every reference store, and cut or altered anywhere.

use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::manifest::Manifest;
use crate::kit::reader::Opened;
use crate::kit::sample::unpack;
use crate::kit::skip;
use plakar::algo::compress::Method;
use plakar::algo::hash::{Algorithm, Keyed, digest};
use plakar::algo::msgpack::{Reader, Writer};
use plakar::algo::seal::{Sealer, Subkey};
use plakar::base::file::{FileInfo, Mode};
use plakar::base::limits;
use plakar::base::mac::Mac;
use plakar::base::secret::Secret;
use plakar::base::stamp::Stamp;
use plakar::connectors::fs_store::FsStore;
use plakar::connectors::ptar::PtarStore;
use plakar::engine::codec::Codec;
use plakar::engine::repository::Repository;
use plakar::format::btree::{Node, Root};
use plakar::format::config::{Config, DEFAULT_KDF, Encryption, Kdf};
use plakar::format::entry::{Entry, ErrorEntry, XattrEntry, dirpack_append, dirpack_iter};
use plakar::format::envelope;
use plakar::format::kind::{Generation, Resource, Version};
use plakar::format::lock::Lock;
use plakar::format::object::{Chunk, Object};
use plakar::format::packfile::{Footer, Record, decode_index, encode_index, tail};
use plakar::format::snapshot::{Dataset, Header, Identity, SnapshotSource};
use plakar::format::state::{self, Builder, Location, Meta};
use plakar::format::summary::Summary;
use plakar::ports::store::{Item, Kind};
use plakar::world::dice::SystemDice;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// 2025-01-01T00:00:00.123456789Z, the instant of all vectors.
const WHEN: Stamp = Stamp { secs: 1_735_689_600, nanos: 123_456_789 };
const WHEN_NS: u64 = 1_735_689_600_123_456_789;

fn mac(byte: u8) -> Mac {
    Mac([byte; 32])
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

/// Decodes, and encodes again; `None` for what does not decode.
type Recode = fn(&[u8]) -> Option<Vec<u8>>;

fn chunk() -> Chunk {
    Chunk { mac: mac(0xaa), length: 12, entropy: 1.5, flags: 0 }
}

fn object() -> Object {
    Object {
        content: mac(0xbb),
        chunks: vec![chunk()],
        content_type: "text/plain".to_owned(),
        entropy: 1.5,
        flags: 0,
    }
}

fn file_entry() -> Entry {
    let info = FileInfo {
        name: b"f".to_vec(),
        size: 12,
        mode: Mode(0o644),
        mod_time: WHEN,
        dev: 1,
        ino: 2,
        uid: 3,
        gid: 4,
        nlink: 1,
        username: b"u".to_vec(),
        groupname: b"g".to_vec(),
        flags: 0,
    };
    Entry {
        parent_path: b"/tmp".to_vec(),
        info,
        object: mac(0xaa),
        xattrs: vec![b"user.a".to_vec()],
        ..Entry::default()
    }
}

fn directory_entry() -> Entry {
    let info = FileInfo { name: b"/".to_vec(), mode: Mode(Mode::DIR | 0o750), ..FileInfo::default() };
    Entry { parent_path: b"/".to_vec(), info, summary: Some(Summary::default()), ..Entry::default() }
}

fn header() -> Header {
    let word = || "default".to_owned();
    Header {
        version: Version::V1_0_0,
        identifier: mac(0xaa),
        timestamp: WHEN,
        duration_ns: 0,
        identity: Identity::default(),
        name: word(),
        category: word(),
        environment: word(),
        perimeter: word(),
        job: word(),
        replicas: 1,
        dataset: None,
        classifications: Vec::new(),
        tags: Vec::new(),
        context: vec![("Hostname".to_owned(), "h".to_owned())],
        sources: vec![SnapshotSource::default()],
    }
}

fn config() -> Config {
    Config::new(std::array::from_fn(|n| n as u8), WHEN)
}

fn encrypted_config() -> Config {
    let kdf = Kdf { salt: (0..16).collect(), params: DEFAULT_KDF };
    let encryption = Encryption {
        subkey_algorithm: "AES256-KW".to_owned(),
        data_algorithm: "AES256-GCM-SIV".to_owned(),
        chunk_size: 65_536,
        kdf,
        canary: vec![7; 132],
    };
    Config { encryption: Some(encryption), ..config() }
}

fn leaf() -> Node {
    Node {
        keys: vec![b"/".to_vec(), b"/a".to_vec()],
        pointers: Vec::new(),
        values: vec![mac(0xaa), mac(0xbb)],
        next: Some(mac(0xaa)),
    }
}

fn location() -> state::Entry {
    state::Entry::Location(Location {
        resource: Resource::CHUNK,
        version: Version::V1_0_0,
        mac: mac(0xaa),
        packfile: mac(0xbb),
        offset: 0x1122,
        length: 0x33,
        flags: 0,
    })
}

fn recode_config(file: &[u8]) -> Option<Vec<u8>> {
    Config::decode_unverified(file).ok()?.encode(None).ok()
}

/// A name, the bytes that the reference gives, ours, and the way through the decoder.
fn structures() -> Vec<(&'static str, &'static str, Vec<u8>, Recode)> {
    vec![
        ("object", OBJECT, object().encode(), |b| Some(Object::decode(b).ok()?.encode())),
        ("entry of a file", FILE_ENTRY, file_entry().encode(Generation::V1_0), |b| {
            Some(Entry::decode(b).ok()?.encode(Generation::V1_0))
        }),
        ("entry of a directory", DIRECTORY_ENTRY, directory_entry().encode(Generation::V1_0), |b| {
            Some(Entry::decode(b).ok()?.encode(Generation::V1_0))
        }),
        ("empty node", EMPTY_NODE, Node::default().encode(), |b| Some(Node::decode(b).ok()?.encode())),
        ("leaf with a neighbour", LEAF, leaf().encode(), |b| Some(Node::decode(b).ok()?.encode())),
        ("tree root", ROOT, Root { order: 50, count: 0, root: mac(0xaa) }.encode(), |b| {
            Some(Root::decode(b).ok()?.encode())
        }),
        (
            "attribute entry",
            XATTR,
            XattrEntry {
                path: b"/a".to_vec(),
                name: b"user.a".to_vec(),
                size: 3,
                kind: 0,
                object: mac(0xaa),
            }
            .encode(),
            |b| Some(XattrEntry::decode(b).ok()?.encode()),
        ),
        (
            "error entry",
            ERROR,
            ErrorEntry { path: b"/a".to_vec(), message: "boom".to_owned() }.encode(),
            |b| Some(ErrorEntry::decode(b).ok()?.encode()),
        ),
        ("snapshot header", HEADER, header().encode(), |b| Some(Header::decode(b).ok()?.encode())),
        ("CONFIG", CONFIG, config().encode(None).unwrap(), recode_config),
        ("lock", LOCK, Lock { timestamp: WHEN, hostname: "h".to_owned(), exclusive: false }.encode(), |b| {
            Some(Lock::decode(b).ok()?.encode())
        }),
    ]
}

const OBJECT: &str = "86a776657273696f6ece00010000aa636f6e74656e744d4143c420bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\
    bbbbbbbbbbbbbbbbbbbbbbbbbba66368756e6b739185a776657273696f6ece00010000aa636f6e74656e744d4143\
    c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa66c656e677468ce0000000c\
    a7656e74726f7079cb3ff8000000000000a5666c616773ce00000000ac636f6e74656e745f74797065aa74657874\
    2f706c61696ea7656e74726f7079cb3ff8000000000000a5666c616773ce00000000";

const FILE_ENTRY: &str = "86a776657273696f6ece00010000ab706172656e745f70617468a42f746d70a966696c655f696e666f8ca46e616d\
    65a166a473697a65d3000000000000000ca46d6f6465ce000001a4a86d6f645f74696d65d7ff1d6f345467748580\
    a3646576cf0000000000000001a3696e6fcf0000000000000002a3756964cf0000000000000003a3676964cf0000\
    000000000004a56e6c696e6bcd0001a8757365726e616d65a175a967726f75706e616d65a167a5666c616773ce00\
    000000a773756d6d617279c0a66f626a656374c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaab3657874656e6465645f6174747269627574657391a6757365722e61";

const DIRECTORY_ENTRY: &str = "85a776657273696f6ece00010000ab706172656e745f70617468a12fa966696c655f696e666f8ca46e616d65a12f\
    a473697a65d30000000000000000a46d6f6465ce800001e8a86d6f645f74696d65d6ff00000000a3646576cf0000\
    000000000000a3696e6fcf0000000000000000a3756964cf0000000000000000a3676964cf0000000000000000a5\
    6e6c696e6bcd0000a8757365726e616d65a0a967726f75706e616d65a0a5666c616773ce00000000a773756d6d61\
    727981a562656c6f7781a66572726f7273cf0000000000000000a66f626a656374c4200000000000000000000000\
    000000000000000000000000000000000000000000";

const EMPTY_NODE: &str = "84a776657273696f6ece00000000a46b657973c0a8706f696e74657273c0a676616c756573c0";

const LEAF: &str = "85a776657273696f6ece00000000a46b65797392a12fa22f61a8706f696e74657273c0a676616c75657392c420aa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac420bbbbbbbbbbbbbbbbbbbbbbbbbb\
    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbba46e657874c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaa";

const ROOT: &str = "84a756657273696f6ece00000000a54f7264657232a5436f756e7400a4526f6f74c420aaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const XATTR: &str = "86a776657273696f6ece00010000a470617468a22f61a46e616d65a6757365722e61a473697a65d3000000000000\
    0003a474797065cc00a66f626a656374c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaa";

const ERROR: &str = "83a776657273696f6ece00010000a46e616d65a22f61a56572726f72a4626f6f6d";

const HEADER: &str = "8fa776657273696f6ece00010000aa6964656e746966696572c420aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaa974696d657374616d70d7ff1d6f345467748580a86475726174696f6ed3000000\
    0000000000a86964656e7469747982aa6964656e746966696572c41000000000000000000000000000000000aa70\
    75626c69635f6b6579c0a46e616d65a764656661756c74a863617465676f7279a764656661756c74ab656e766972\
    6f6e6d656e74a764656661756c74a9706572696d65746572a764656661756c74a36a6f62a764656661756c74a872\
    65706c69636173ce00000001af636c617373696669636174696f6e7390a47461677390a7636f6e746578749182a3\
    6b6579a8486f73746e616d65a576616c7565a168a7736f75726365739185a8696d706f7274657283a474797065a0\
    a66f726967696ea0a96469726563746f7279a0a7636f6e7465787490a4726f6f7483a4726f6f74c4200000000000\
    000000000000000000000000000000000000000000000000000000a6786174747273c42000000000000000000000\
    00000000000000000000000000000000000000000000a66572726f7273c420000000000000000000000000000000\
    0000000000000000000000000000000000a7696e646578657390a773756d6d61727981a562656c6f7781a6657272\
    6f7273cf0000000000000000";

const CONFIG: &str = "5f4b4c4f5345545f010000000000010087a954696d657374616d70d7ff1d6f345467748580ac5265706f7369746f\
    72794944c410000102030405060708090a0b0c0d0e0fa85061636b66696c6583a74d696e53697a65cf0000000000\
    000000a741766753697a65cf0000000000000000a74d617853697a65cf0000000001400000a84368756e6b696e67\
    84a9416c676f726974686da746415354434443a74d696e53697a65ce00010000aa4e6f726d616c53697a65ce0010\
    0000a74d617853697a65ce00400000a748617368696e6782a9416c676f726974686da6424c414b4533a442697473\
    ce00000100ab436f6d7072657373696f6e86a9416c676f726974686da34c5a34a54c6576656cce00020000aa5769\
    6e646f7753697a65ffa94368756e6b53697a65ffa9426c6f636b53697a65ffa9456e61626c65435243c2aa456e63\
    72797074696f6ec0831abae530ec4038ab03e965bd82921d219e6bc0708f66f905155d6bb4363162";

const LOCK: &str = "84a776657273696f6ece00010000a974696d657374616d70d7ff1d6f345467748580a8686f73746e616d65a168a9\
    6578636c7573697665c2";

#[test]
fn structures_have_the_bytes_of_the_reference() {
    for (name, expected, ours, recode) in structures() {
        assert_eq!(hex::encode(&ours), expected, "{name}");
        assert_eq!(recode(&ours), Some(ours), "{name}");
    }
}

#[test]
fn times_take_the_shortest_form_that_holds_them() {
    for (secs, nanos, bytes) in [
        (-62_135_596_800, 0, "c70cff00000000fffffff1886e0900"),
        (0, 0, "d6ff00000000"),
        (5, 0, "d6ff00000005"),
        (5, 1, "d7ff0000000400000005"),
        (17_179_869_184, 0, "c70cff000000000000000400000000"),
        (-1, 5, "c70cff00000005ffffffffffffffff"),
    ] {
        let (stamp, mut writer) = (Stamp { secs, nanos }, Writer::new());
        writer.time(stamp);
        let written = writer.finish();
        assert_eq!(hex::encode(&written), bytes, "{stamp:?}");
        assert_eq!(Reader::new(&written).time(), Ok(stamp));
    }
}

#[test]
fn names_are_keyed_with_the_hash_of_the_repository_id() {
    let keyed = |algorithm: &str| {
        let mut config = config();
        config.hashing.algorithm = algorithm.to_owned();
        config.keyed(None).unwrap()
    };
    for (algorithm, content, name) in [
        ("BLAKE3", "", "33560a4b127c9c22c8a6ff6ff7e832ba07d894d7f990651c0fa6899cf15f7480"),
        ("BLAKE3", "hello world\n", "8bb0d16730742e3cf69cd4ee4975b0815fe74c8f74cb230f4d4cb387f6816218"),
        ("SHA256", "hello world\n", "d37315a1727754ad69a466bd575535cddfaec8c93d5fcb4407070dc0bddaae48"),
    ] {
        assert_eq!(keyed(algorithm).mac(content.as_bytes()).to_string(), name, "{algorithm}");
    }
}

/// Behind the type and the length, which stand before each entry of a state.
#[test]
fn state_entries_have_the_bytes_of_the_reference() {
    let deleted = state::Entry::Deleted { resource: Resource::SNAPSHOT, mac: mac(0xaa), when_ns: WHEN_NS };
    let packfile = state::Entry::Packfile { id: mac(0xbb), state: mac(0xaa), timestamp_ns: WHEN_NS };
    let setting =
        state::Entry::Configuration { key: b"k".to_vec(), value: b"vv".to_vec(), created_ns: WHEN_NS };
    let (aa, bb) = ("aa".repeat(32), "bb".repeat(32));
    for (kind, entry, data) in [
        (2u8, location(), format!("0900000100{aa}{bb}22110000000000003300000000000000")),
        (3, deleted, format!("05{aa}15cdb2c77e681618")),
        (4, packfile, format!("{bb}{aa}15cdb2c77e681618")),
        (5, setting, "016b0200767615cdb2c77e681618".to_owned()),
    ] {
        let mut builder = Builder::new(None);
        builder.push(&entry);
        let body = builder.finish(&meta(None));
        let data = unhex(&data);
        let expected = [&[kind][..], &(data.len() as u32).to_le_bytes(), &data].concat();
        assert_eq!(hex::encode(&body[..expected.len()]), hex::encode(&expected), "{entry:?}");
        assert_eq!(body.len(), expected.len() + 29);
        assert_eq!(read_state(&body, Version::V1_0_0).unwrap(), (meta(None), vec![entry]));
    }
}

fn meta(parent: Option<Mac>) -> Meta {
    let version = if parent.is_some() { Version::V1_1_0 } else { Version::V1_0_0 };
    Meta { version, timestamp_ns: WHEN_NS, serial: [9; 16], parent }
}

fn read_state(body: &[u8], version: Version) -> Option<(Meta, Vec<state::Entry>)> {
    let mut entries = Vec::new();
    let meta = state::decode(body, version, &mut |entry| entries.push(entry)).ok()?;
    Some((meta, entries))
}

fn write_state(meta: &Meta, entries: &[state::Entry]) -> Vec<u8> {
    let mut builder = Builder::new(meta.parent);
    entries.iter().for_each(|entry| builder.push(entry));
    builder.finish(meta)
}

/// A store to go through, and the passphrase it wants.
struct Fixture {
    name: &'static str,
    passphrase: Option<&'static str>,
    generation: Generation,
}

const FIXTURES: &[Fixture] = &[
    Fixture { name: "plain", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "enc", passphrase: Some("hunter2"), generation: Generation::V1_0 },
    Fixture { name: "nocomp", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "sha256", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "ops", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "errors", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "big", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "worked", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "s3-enc", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "plain.ptar", passphrase: None, generation: Generation::V1_0 },
    Fixture { name: "enc.ptar", passphrase: Some("hunter2"), generation: Generation::V1_0 },
    Fixture { name: "v114-plain", passphrase: None, generation: Generation::V1_1 },
    Fixture { name: "v114-enc", passphrase: None, generation: Generation::V1_1 },
    Fixture { name: "v114.ptar", passphrase: None, generation: Generation::V1_1 },
];

fn open(fixture: &Fixture, scratch: &Scratch) -> Option<Opened> {
    let shared = skip::shared()?.join("fixtures");
    if let Some(name) = fixture.name.strip_suffix(".ptar") {
        let path = scratch.join(fixture.name);
        let unpacked = Command::new("gzip").arg("-dc").arg(shared.join(format!("{name}.ptar.gz"))).output();
        std::fs::write(&path, unpacked.unwrap().stdout).unwrap();
        return Some(Opened::new(Arc::new(PtarStore::open(&path).unwrap()), fixture.passphrase).unwrap());
    }
    let dir = unpack(fixture.name, scratch)?;
    let manifest = shared.join(format!("{}.json", fixture.name));
    let (mut root, mut passphrase) = (PathBuf::from(fixture.name), fixture.passphrase.map(str::to_owned));
    if manifest.exists() {
        let manifest = Manifest::read(&manifest);
        root.push(manifest.bucket_prefix);
        passphrase = manifest.passphrase;
    }
    // Two archives unpack under names of their own.
    let root = match fixture.name {
        "errors" => dir.join("errst"),
        "big" => dir.join("bigst"),
        _ => dir.join(root),
    };
    let store = Arc::new(FsStore::new(bytes(&root), context().0));
    Some(Opened::new(store, passphrase.as_deref()).unwrap())
}

/// What was found in a store, and how often.
type Seen = BTreeMap<String, usize>;

fn same(name: &str, what: &str, before: &[u8], after: Vec<u8>, seen: &mut Seen) {
    assert!(after == before, "{name}: {what}: {} instead of {}", hex::encode(&after), hex::encode(before));
    *seen.entry(what.to_owned()).or_default() += 1;
}

/// Config, states and locks; then every packfile from its footer on.
fn every_structure(fixture: &Fixture, opened: &Opened) -> Seen {
    let (name, repository, mut seen) = (fixture.name, &opened.repository, Seen::new());
    let store = &repository.store;
    let file = store.get(Item::Config, u64::MAX).unwrap();
    let again = Config::decode_unverified(&file).unwrap().encode(None).unwrap();
    let covered = file.len() - envelope::TRAILER;
    same(name, "CONFIG", &file[..covered], again[..covered].to_vec(), &mut seen);
    for listed in store.list(Kind::State).unwrap() {
        let (version, body) = body(repository, Item::State(listed.id), Resource::STATE);
        let (meta, entries) = read_state(&body, version).unwrap();
        same(name, "state", &body, write_state(&meta, &entries), &mut seen);
    }
    for listed in store.list(Kind::Lock).unwrap() {
        let (_, body) = body(repository, Item::Lock(listed.id), Resource::LOCK);
        same(name, "lock", &body, Lock::decode(&body).unwrap().encode(), &mut seen);
    }
    let mut blobs = BTreeMap::new();
    for listed in store.list(Kind::Packfile).unwrap() {
        every_blob(fixture, repository, Item::Packfile(listed.id), &mut blobs, &mut seen);
    }
    every_dirpack(name, &blobs, &mut seen);
    seen
}

fn body(repository: &Repository, item: Item, resource: Resource) -> (Version, Vec<u8>) {
    let file = repository.store.get(item, u64::MAX).unwrap();
    let (version, payload) = envelope::open(&file, resource, repository.codec.keyed()).unwrap();
    let again = envelope::wrap(resource, version, payload, repository.codec.keyed());
    assert_eq!(again, file, "{item}");
    (version, repository.codec.decode(payload, usize::MAX).unwrap())
}

type Blobs = BTreeMap<(Resource, Mac), Vec<u8>>;

fn every_blob(fixture: &Fixture, repository: &Repository, item: Item, blobs: &mut Blobs, seen: &mut Seen) {
    let (name, codec) = (fixture.name, &repository.codec);
    let file = repository.store.get(item, u64::MAX).unwrap();
    let (_, payload) = envelope::open(&file, Resource::PACKFILE, codec.keyed()).unwrap();
    let parts = tail(payload).unwrap();
    let raw = codec.decode(parts.footer, usize::MAX).unwrap();
    let footer = Footer::decode(&raw).unwrap();
    same(name, "footer", &raw, footer.encode(), seen);
    let index = codec.decode(&parts.before[footer.index_offset as usize..], usize::MAX).unwrap();
    assert_eq!(codec.mac(&index), footer.index_mac, "{name}");
    let records = decode_index(&index, &footer).unwrap();
    same(name, "index", &index, encode_index(&records), seen);
    for record in records {
        if record.resource == Resource::RANDOM {
            *seen.entry(record.resource.to_string()).or_default() += 1;
            continue;
        }
        let start = record.offset as usize;
        let plain = codec.decode(&payload[start..start + record.length as usize], usize::MAX).unwrap();
        let named_by_digest = ![Resource::SNAPSHOT, Resource::SIGNATURE].contains(&record.resource);
        assert!(!named_by_digest || codec.mac(&plain) == record.mac, "{name}: {record:?}");
        let again = recoded(record.resource, &plain, fixture.generation);
        same(name, &record.resource.to_string(), &plain, again, seen);
        blobs.insert((record.resource, record.mac), plain);
    }
}

fn recoded(resource: Resource, plain: &[u8], generation: Generation) -> Vec<u8> {
    match resource {
        Resource::SNAPSHOT => Header::decode(plain).unwrap().encode(),
        Resource::OBJECT => Object::decode(plain).unwrap().encode(),
        Resource::VFS_ENTRY => Entry::decode(plain).unwrap().encode(generation),
        Resource::ERROR_ENTRY => ErrorEntry::decode(plain).unwrap().encode(),
        Resource::XATTR_ENTRY => XattrEntry::decode(plain).unwrap().encode(),
        Resource::VFS_SUMMARY => Summary::decode(plain).unwrap().encode(),
        Resource::VFS_BTREE | Resource::ERROR_BTREE | Resource::XATTR_BTREE | Resource::BTREE_ROOT => {
            Root::decode(plain).unwrap().encode()
        }
        Resource::VFS_NODE | Resource::ERROR_NODE | Resource::XATTR_NODE | Resource::BTREE_NODE => {
            Node::decode(plain).unwrap().encode()
        }
        Resource::SIGNATURE => {
            assert_eq!(plain.len(), 64);
            plain.to_vec()
        }
        Resource::CHUNK => plain.to_vec(),
        other => panic!("a blob of {other}"),
    }
}

/// Values of index trees that name objects are directories' lists.
fn every_dirpack(name: &str, blobs: &Blobs, seen: &mut Seen) {
    for ((resource, _), plain) in blobs {
        if *resource != Resource::BTREE_NODE {
            continue;
        }
        for value in Node::decode(plain).unwrap().values {
            let Some(object) = blobs.get(&(Resource::OBJECT, value)) else { continue };
            let chunks = Object::decode(object).unwrap().chunks;
            let content = chunks.iter().flat_map(|chunk| blobs[&(Resource::CHUNK, chunk.mac)].clone());
            let content: Vec<u8> = content.collect();
            let mut again = Vec::new();
            for record in dirpack_iter(&content) {
                let record = record.unwrap();
                let entry = Entry::decode(record.entry).unwrap();
                assert_eq!(entry.info.mode.is_dir(), record.directory, "{name}");
                dirpack_append(&mut again, record.directory, &entry.encode(Generation::V1_1), &record.mac);
            }
            same(name, "dirpack", &content, again, seen);
        }
    }
}

#[test]
fn every_structure_of_every_reference_store_comes_back_to_the_byte() {
    let mut all: BTreeMap<&str, Seen> = BTreeMap::new();
    for fixture in FIXTURES {
        let scratch = Scratch::new("vectors");
        let Some(opened) = open(fixture, &scratch) else { return };
        let line = if fixture.generation == Generation::V1_0 { "v1.0" } else { "v1.1" };
        for (what, count) in every_structure(fixture, &opened) {
            *all.entry(line).or_default().entry(what).or_default() += count;
        }
    }
    let common = [
        "CONFIG",
        "attribute entry",
        "attribute tree",
        "attribute tree node",
        "chunk",
        "dirpack",
        "error tree",
        "error tree node",
        "file entry",
        "file tree",
        "file tree node",
        "footer",
        "index",
        "index tree",
        "index tree node",
        "object",
        "padding",
        "snapshot",
        "state",
    ];
    for (line, more) in [("v1.0", ["error entry", "lock", "signature"].as_slice()), ("v1.1", &["summary"])] {
        let seen: Vec<&str> = all[line].keys().map(String::as_str).collect();
        let mut expected: Vec<&str> = common.iter().chain(more).copied().collect();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{line}: {:?}", all[line]);
    }
}

#[test]
fn structures_cut_anywhere_are_refused_and_altered_anywhere_do_no_harm() {
    for (name, _, ours, recode) in structures() {
        for cut in 0..ours.len() {
            assert_eq!(recode(&ours[..cut]), None, "{name} cut at {cut}");
        }
        altered(&ours, |bytes, _| {
            let _ = recode(bytes);
        });
    }
    let header = Header { dataset: Some(Dataset::default()), ..header() }.encode();
    let summary = Summary::default().encode();
    for (bytes, read) in [
        (&header, (|b| Header::decode(b).is_ok()) as fn(&[u8]) -> bool),
        (&summary, |b| Summary::decode(b).is_ok()),
    ] {
        assert!(read(bytes));
        assert!((0..bytes.len()).all(|cut| !read(&bytes[..cut])));
        altered(bytes, |bytes, _| {
            let _ = read(bytes);
        });
    }
}

/// Calls with every byte altered in three ways.
fn altered(bytes: &[u8], mut call: impl FnMut(&[u8], usize)) {
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= mask;
            call(&bytes, at);
        }
    }
}

#[test]
fn states_and_packfiles_cut_anywhere_are_refused() {
    let entries = [
        location(),
        state::Entry::Delete { entry: 4, resource: Resource::PACKFILE, mac: mac(1), packfile: mac(2) },
    ];
    for parent in [None, Some(mac(3))] {
        let meta = meta(parent);
        let body = write_state(&meta, &entries);
        for cut in 0..body.len() {
            assert_eq!(read_state(&body[..cut], meta.version), None, "cut at {cut}");
        }
        altered(&body, |body, _| {
            let _ = read_state(body, meta.version);
        });
        let newer = Version(Version::V1_1_0.0 + 1);
        assert!(state::decode(&body, newer, &mut |_| ()).is_err());
    }
    let payload = packfile_payload();
    assert!(read_packfile(&payload).is_some());
    for cut in 0..payload.len() {
        assert_eq!(read_packfile(&payload[..cut]), None, "cut at {cut}");
    }
    altered(&payload, |payload, _| {
        let _ = read_packfile(payload);
    });
}

fn packfile_payload() -> Vec<u8> {
    let record = Record {
        resource: Resource::CHUNK,
        version: Version::V1_0_0,
        mac: mac(0xaa),
        offset: 0,
        length: 3,
        flags: 0,
    };
    let index = encode_index(&[record]);
    let footer =
        Footer { timestamp_ns: WHEN_NS as i64, count: 1, index_offset: 3, index_mac: mac(0xbb), flags: 0 };
    [b"bar", &index[..], &footer.encode(), &56u32.to_le_bytes()].concat()
}

fn read_packfile(payload: &[u8]) -> Option<Vec<Record>> {
    let parts = tail(payload).ok()?;
    let footer = Footer::decode(parts.footer).ok()?;
    decode_index(parts.before.get(usize::try_from(footer.index_offset).ok()?..)?, &footer).ok()
}

#[test]
fn what_a_mac_covers_cannot_be_altered_or_cut() {
    let keyed = Keyed::new(Algorithm::Blake3, &[1; 32]);
    for resource in [Resource::STATE, Resource::LOCK, Resource::PACKFILE] {
        let file = envelope::wrap(resource, Version::V1_0_0, b"payload", &keyed);
        assert!(envelope::open(&file, resource, &keyed).is_ok());
        let refused = |file: &[u8]| envelope::open(file, resource, &keyed).is_err();
        altered(&file, |file, at| assert!(refused(file), "{resource}, byte {at}"));
        assert!((0..file.len()).all(|cut| refused(&file[..cut])), "{resource}");
    }
    let key = Secret::new(vec![5; 32]);
    for (config, key) in [(config(), None), (encrypted_config(), Some(&key))] {
        let file = config.encode(key).unwrap();
        let refused = |file: &[u8]| Config::verify(file, key).is_err();
        assert!(!refused(&file));
        altered(&file, |file, at| assert!(refused(file), "CONFIG, byte {at}"));
        assert!((0..file.len()).all(|cut| refused(&file[..cut])));
        altered(&file, |file, _| {
            let _ = Config::decode_unverified(file);
        });
    }
}

#[test]
fn a_stored_blob_altered_or_cut_is_never_taken_for_the_blob() {
    let keyed = || Keyed::new(Algorithm::Blake3, &digest(Algorithm::Blake3, b"id"));
    let sealer = |wrap| Sealer::new(&Secret::new(vec![5; 32]), wrap, 64).unwrap();
    for (name, codec) in [
        ("neither", Codec::new(None, None, keyed())),
        ("compressed", Codec::new(Some(Method::Lz4), None, keyed())),
        ("gzipped", Codec::new(Some(Method::Gzip), None, keyed())),
        ("zstd", Codec::new(Some(Method::Zstd), None, keyed())),
        ("sealed", Codec::new(None, Some(sealer(Subkey::Gcm)), keyed())),
        ("both", Codec::new(Some(Method::Lz4), Some(sealer(Subkey::Wrap)), keyed())),
    ] {
        let plain = object().encode();
        let stored = codec.encode(&plain, &SystemDice);
        assert_eq!(codec.decode(&stored, 1 << 20).unwrap(), plain, "{name}");
        let read = |stored: &[u8]| codec.decode(stored, 1 << 20).ok();
        altered(&stored, |stored, at| {
            // A few bits of frames mean nothing to what is in them.
            let harmless =
                read(stored).is_none_or(|found| found == plain || codec.mac(&found) != codec.mac(&plain));
            assert!(harmless, "{name}, byte {at}");
            assert!(!name.contains("sealed") || read(stored).is_none(), "{name}, byte {at}");
        });
        for cut in 0..stored.len() {
            assert_ne!(read(&stored[..cut]).as_deref(), Some(plain.as_slice()), "{name} cut at {cut}");
        }
    }
}

const DOCUMENT: &str = include_str!("../src/format/FORMAT.md");

/// The bytes of the block below a heading: what stands before the bars.
fn example(heading: &str) -> Vec<u8> {
    let (_, below) = DOCUMENT.split_once(&format!("\n### Example: {heading}\n")).unwrap();
    let (_, block) = below.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().flat_map(|line| unhex(line.split('|').next().unwrap())).collect()
}

#[test]
fn the_examples_of_the_document_are_what_the_code_writes() {
    let serial = std::array::from_fn(|n| n as u8);
    let body = Builder::new(None).finish(&Meta { serial, ..meta(None) });
    let keyed = config().keyed(None).unwrap();
    let file = envelope::wrap(Resource::STATE, Version::V1_0_0, &body, &keyed);
    assert_eq!(hex::encode(example("an envelope")), hex::encode(&file));
    let mut builder = Builder::new(None);
    builder.push(&location());
    let entry = builder.finish(&meta(None));
    assert_eq!(hex::encode(example("a state entry")), hex::encode(&entry[..entry.len() - 29]));
    let footer =
        Footer { timestamp_ns: WHEN_NS as i64, count: 2, index_offset: 300, index_mac: mac(0xbb), flags: 0 };
    assert_eq!(hex::encode(example("a footer")), hex::encode(footer.encode()));
}

#[test]
fn the_caps_of_the_document_are_those_of_the_code() {
    for (cap, value) in [
        ("CONFIG", format!("{} bytes", limits::CONFIG_BYTES_MAX)),
        ("lock", format!("{} bytes", limits::LOCK_BYTES_MAX)),
        ("state", format!("{} bytes", limits::STATE_BYTES_MAX)),
        ("chunk", format!("{} bytes", limits::BLOB_BYTES_MAX)),
        ("object", format!("{} bytes", limits::OBJECT_BYTES_MAX)),
        ("any other blob", format!("{} bytes", limits::META_BYTES_MAX)),
        ("index of a packfile", format!("{} bytes", limits::INDEX_BYTES_MAX)),
        ("window of a zstd frame", format!("{} bytes", limits::ZSTD_WINDOW_BYTES_MAX)),
        ("memory of a key derivation", format!("{} KiB", limits::KDF_MEMORY_KIB_MAX)),
        ("memory of a key derivation, over all passes", format!("{} KiB", limits::KDF_WORK_KIB_MAX)),
        ("rounds of PBKDF2", limits::KDF_ROUNDS_MAX.to_string()),
        ("depth of a tree", limits::TREE_DEPTH_MAX.to_string()),
        ("depth of MessagePack", limits::MSGPACK_DEPTH_MAX.to_string()),
    ] {
        assert!(DOCUMENT.contains(&format!("\n| {cap} | {value} |\n")), "{cap}: {value}");
    }
}

/// Every quoted word behind `FORMAT.md` in a comment of the code is a section.
#[test]
fn what_the_code_points_to_is_in_the_document() {
    let sections: Vec<&str> = DOCUMENT.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut pointed = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for behind in text.split("FORMAT.md, ").skip(1) {
                    let behind = behind.split(')').next().unwrap();
                    let quoted = behind.split('"').skip(1).step_by(2);
                    pointed.extend(quoted.map(|word| (path.display().to_string(), word.to_owned())));
                }
            }
        }
    }
    assert!(pointed.len() > 15, "{pointed:?}");
    for (path, word) in pointed {
        assert!(sections.contains(&word.as_str()), "{path} points to {word:?}, which is not in {sections:?}");
    }
}
