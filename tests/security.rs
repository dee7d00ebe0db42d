//! What somebody who owns the store, the archive, the bucket or the line in between cannot do.

use crate::kit::command::Home;
use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::memory_store::MemoryStore;
use crate::kit::reader::{self, Opened};
use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::{damage, trees};
use plakar::base::file::{FileInfo, Mode};
use plakar::base::mac::Mac;
use plakar::base::path;
use plakar::connectors::context::Writing;
use plakar::connectors::fs_destination::FsDestination;
use plakar::engine::backup::{self, Options};
use plakar::engine::packer::Packer;
use plakar::engine::publish::Lineage;
use plakar::engine::repository::{self, NewStore};
use plakar::engine::writer::{Scratch as Buffers, Writer};
use plakar::format::kind::Resource;
use plakar::format::state::Entry;
use plakar::fuzzing::world::Rolls;
use plakar::ports::fault::Fault;
use plakar::ports::source::{Found, Opened as File, Origin, Record, Source, Step};
use plakar::ports::store::{self, Item, Store};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const PASSPHRASE: &str = "correct horse battery staple";

/// Tells whatever it was given, however little sense it makes.
struct Evil(Vec<Record>);

fn record(path: &[u8], name: &[u8], mode: u32) -> Record {
    let (uid, gid) = (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into());
    let info = FileInfo {
        name: name.to_vec(),
        mode: Mode(mode),
        size: 5,
        uid,
        gid,
        nlink: 1,
        ..FileInfo::default()
    };
    Record {
        path: path.to_vec(),
        info,
        symlink_target: Vec::new(),
        xattrs: Vec::new(),
        metadata: Vec::new(),
        changed_ns: None,
    }
}

impl Source for Evil {
    fn origin(&self) -> Origin {
        Origin { kind: "fs".to_owned(), origin: "evil".to_owned(), root: b"/".to_vec() }
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        for record in &self.0 {
            visit(Found::Entry(Box::new(record.clone())));
        }
        Ok(())
    }

    fn open(&self, _: &Record) -> Result<File<'_>, Fault> {
        Ok(File::plain(&b"pwned"[..]))
    }

    fn xattr(&self, _: &Record, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }
}

/// How [`census`] shows a file that holds `pwned`.
const CONTENT: &str = "[112, 119, 110, 101, 100]";

/// Everything below a directory, and what it is.
fn census(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![root.to_path_buf()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let meta = fs::symlink_metadata(&entry).unwrap();
            let content = if meta.is_file() { fs::read(&entry).unwrap() } else { Vec::new() };
            found.insert(format!("{entry:?} {:o} {content:?}", meta.mode()));
            if meta.is_dir() {
                ahead.push(entry);
            }
        }
    }
    found
}

#[test]
fn nothing_of_an_evil_snapshot_lands_outside_the_restore_directory() {
    let scratch = Scratch::new("evil");
    let outside = scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), b"untouched").unwrap();
    let link = |path: &[u8], target: &[u8]| Record {
        symlink_target: target.to_vec(),
        ..record(path, path::base_name(path), Mode::SYMLINK | 0o777)
    };
    let file = |path: &[u8]| record(path, path::base_name(path), 0o644);
    let named = |name: &[u8]| record(b"/x", name, 0o644);
    let absolute = bytes(&outside).to_vec();
    let victim = [&absolute[..], b"/victim"].concat();
    let cases: Vec<(&str, Vec<Record>)> = vec![
        ("two dots", vec![named(b"..")]),
        ("up and away", vec![named(b"../outside/victim")]),
        ("far up", vec![named(b"../../../../../../../../tmp/plakar-evil")]),
        ("an absolute name", vec![named(&victim)]),
        ("a name with a slash", vec![named(b"a/b")]),
        ("no name", vec![named(b"")]),
        ("one dot", vec![named(b".")]),
        ("a name with a NUL", vec![named(b"a\0b")]),
        ("a directory of two dots", vec![record(b"/d", b"..", Mode::DIR | 0o755), file(b"/d/victim")]),
        ("a link and a file below it", vec![link(b"/d", &absolute), file(b"/d/victim")]),
        (
            "a link and a directory of its name",
            vec![
                link(b"/d", b"../outside"),
                record(b"/d", b"d", Mode::DIR | 0o755),
                file(b"/d/victim"),
                file(b"/d/new"),
            ],
        ),
        ("a link and a file of its name", vec![link(b"/victim", &victim), file(b"/victim")]),
        ("a device", vec![record(b"/sda", b"sda", Mode::DEVICE | 0o666)]),
        ("a character device", vec![record(b"/null", b"null", Mode::DEVICE | Mode::CHAR_DEVICE | 0o666)]),
        ("a socket", vec![record(b"/sock", b"sock", Mode::SOCKET | 0o666)]),
    ];
    for (case, records) in cases {
        let store = Arc::new(MemoryStore::default());
        repository::create(&*store, NewStore::default(), None, &reader::world().0).unwrap();
        let opened = Opened::new(store.clone(), None).unwrap();
        let made = backup::backup(
            &opened.repository,
            &opened.index,
            &Evil(records),
            &Options::default(),
            &opened.world,
        );
        let Ok(made) = made else { continue };
        let opened = Opened::new(store, None).unwrap();
        let before = census(&outside);
        let out = scratch.join("out");
        fs::create_dir(&out).unwrap();
        let to = FsDestination::new(bytes(&out), &Writing { attributes: true }, context().0);
        // What cannot be restored is told or fails; what is restored lies inside.
        let _ = opened.restore_to(&made.header.identifier, b"/", &to);
        assert_eq!(census(&outside), before, "{case}");
        let beside: Vec<_> =
            fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(beside.len(), 2, "{case}: {beside:?}");
        for line in census(&out) {
            assert!(!line.ends_with(CONTENT) || line.contains("/out/"), "{case}: {line}");
        }
        let devices =
            fs::read_dir(&out).unwrap().map(|entry| fs::symlink_metadata(entry.unwrap().path()).unwrap());
        assert!(
            devices.map(|meta| meta.mode() & 0o170_000).all(|kind| kind != 0o020_000 && kind != 0o060_000),
            "{case}"
        );
        fs::remove_dir_all(&out).unwrap();
    }
    assert!(!Path::new("/tmp/plakar-evil").exists());
}

#[test]
fn evil_object_keys_stay_inside_on_their_way_through_a_store() {
    let server = S3Server::start();
    let keys: [&[u8]; 8] = [
        b"../../up",
        b"/abs",
        b"a/../../../out",
        b"..",
        b"a//b",
        b"./c",
        b"d/../../../../../../../../tmp/plakar-evil-key",
        b"nul/\x01\x1b[2J",
    ];
    for key in keys {
        server.objects(|objects| objects.put("evil", key, b"pwned"));
    }
    let home = Home::new("evil-keys");
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds();
    let source = format!("s3://{}/evil", server.address());
    let (access, secret) = (format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}"));
    home.plakar(&["source", "add", "evil", &source, &access, &secret, "use_tls=false"]).succeeds();
    home.plakar(&["at", "st", "backup", "-quiet", "@evil"]).succeeds();
    fs::create_dir(home.dir().join("inner")).unwrap();
    let before = census(home.dir());
    home.plakar(&["at", "st", "restore", "-quiet", "-to", "inner/out"]).succeeds().never_says("\x1b[2J");
    let pwned: Vec<String> =
        census(home.dir()).difference(&before).filter(|line| line.ends_with(CONTENT)).cloned().collect();
    let inside = format!("{:?}", home.dir().join("inner/out"));
    let inside = inside.trim_end_matches('"');
    assert!(pwned.iter().all(|line| line.starts_with(inside)), "{pwned:#?}");
    assert_eq!(pwned.len(), keys.len(), "{pwned:#?}");
    assert!(!Path::new("/tmp/plakar-evil-key").exists());
}

/// Plaintext of a bomb: beyond every cap but that of chunk lists, and of what the command may take.
const BOMB_BYTES: usize = 160 << 20;

/// Address space that the command may take, in KiB: chunk lists may be long.
fn address_space_kib(resource: Resource) -> u32 {
    if resource == Resource::OBJECT { 600_000 } else { 300_000 }
}

#[test]
fn a_bomb_in_place_of_any_blob_is_refused_in_bounded_memory() {
    let source = Evil(vec![record(b"/d", b"d", Mode::DIR | 0o755), record(b"/d/f", b"f", 0o644)]);
    let start = MemoryStore::default();
    let world = reader::world().0;
    repository::create(&start, NewStore::default(), None, &world).unwrap();
    let start = Arc::new(start);
    let opened = Opened::new(start.clone(), None).unwrap();
    backup::backup(&opened.repository, &opened.index, &source, &Options::default(), &world).unwrap();
    let opened = Opened::new(start.clone(), None).unwrap();
    let known = damage::blobs(&opened.repository);
    let zeros = vec![0; BOMB_BYTES];
    let mut refused = 0;
    for (victim, place) in known.iter().filter_map(|(resource, places)| Some((*resource, *places.first()?))) {
        let store = Arc::new(start.fork());
        for state in store.list(store::Kind::State).unwrap() {
            store.delete(Item::State(state.id)).unwrap();
        }
        // Everything is where it was, but for one blob, of which a bomb has taken the place.
        let others =
            known.values().flatten().filter(|other| (other.resource, other.mac) != (victim, place.mac));
        let mut entries: Vec<Entry> = others.copied().map(Entry::Location).collect();
        entries.extend(opened.index.packfiles().iter().map(|packfile| Entry::Packfile {
            id: packfile.id,
            state: Mac::ZERO,
            timestamp_ns: packfile.timestamp_ns,
        }));
        let nothing = Opened::new(store.clone(), None).unwrap();
        let packer =
            Packer::new(&nothing.repository, Lineage::of(&nothing.repository, &nothing.index), &world);
        let writer = Writer::new(&nothing.repository, &nothing.index, &packer, &world);
        packer.shipping(|| writer.put(victim, place.mac, &zeros, &mut Buffers::default())).unwrap();
        packer.commit(world.dice.mac(), &entries).unwrap();
        let home = Home::new("bomb");
        store.save(&home.dir().join("st"));
        // One arena, so that address space means memory.
        home.env("MALLOC_ARENA_MAX", "1");
        let content = matches!(victim, Resource::CHUNK | Resource::OBJECT | Resource::VFS_ENTRY);
        for words in ["check -quiet", "restore -quiet -to out"].into_iter().take(1 + usize::from(content)) {
            let limit = address_space_kib(victim);
            let line =
                format!("ulimit -v {limit}; exec '{}' -cpu 1 at st {words}", env!("CARGO_BIN_EXE_plakar"));
            let ran = home.program("sh", &["-c", &line]);
            // Nobody needs some of them; nothing is worse than an error.
            assert!(matches!(ran.code, Some(0 | 1)), "{victim}\n{ran}");
            refused += i32::from(ran.code == Some(1));
        }
    }
    assert!(refused >= 9, "only {refused} refusals");
}

/// A line between client and server on which one byte of what the server says is altered.
struct Meddler {
    address: String,
    heard: Arc<Mutex<Vec<u8>>>,
    passed: Arc<AtomicU64>,
    alter_at: Arc<AtomicU64>,
}

impl Meddler {
    fn before(upstream: &str) -> Meddler {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let meddler = Meddler {
            address: listener.local_addr().unwrap().to_string(),
            heard: Arc::default(),
            passed: Arc::default(),
            alter_at: Arc::new(AtomicU64::new(u64::MAX)),
        };
        let (upstream, heard) = (upstream.to_owned(), Arc::clone(&meddler.heard));
        let (passed, alter_at) = (Arc::clone(&meddler.passed), Arc::clone(&meddler.alter_at));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (heard, passed, alter_at) =
                    (Arc::clone(&heard), Arc::clone(&passed), Arc::clone(&alter_at));
                std::thread::spawn(move || {
                    pipe(up, server, &mut |bytes| heard.lock().unwrap().extend_from_slice(bytes))
                });
                std::thread::spawn(move || {
                    pipe(down, client, &mut |bytes| {
                        let from = passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                        let at = alter_at.load(Ordering::SeqCst);
                        if let Some(byte) = at.checked_sub(from).and_then(|at| bytes.get_mut(at as usize)) {
                            *byte ^= 0x04;
                        }
                    });
                });
            }
        });
        meddler
    }
}

fn pipe(mut from: TcpStream, mut to: TcpStream, see: &mut dyn FnMut(&mut [u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        see(&mut buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn whoever_alters_the_line_causes_failure_but_no_wrong_restore_and_hears_no_secret() {
    let server = S3Server::start();
    let meddler = Meddler::before(server.address());
    let home = Home::new("meddler");
    let tree = home.dir().join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("a"), trees::noise(1, 200_000)).unwrap();
    fs::write(tree.join("sub/b"), b"small\n".repeat(1000)).unwrap();
    home.env("PLAKAR_PASSPHRASE", PASSPHRASE);
    let location = format!("s3://{}/sealed", meddler.address);
    let (access, secret) = (format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}"));
    home.plakar(&["store", "add", "s", &location, &access, &secret, "use_tls=false"]).succeeds();
    home.plakar(&["at", "@s", "create"]).succeeds();
    home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds();
    let restore = |name: &str| home.plakar(&["at", "@s", "restore", "-quiet", "-to", name]);
    let before = meddler.passed.load(Ordering::SeqCst);
    restore("out").succeeds();
    let bytes_each = meddler.passed.load(Ordering::SeqCst) - before;
    let mut dice = Rolls::new(5);
    let mut failed = 0;
    for round in 0..ALTERATIONS {
        let _ = fs::remove_dir_all(home.dir().join("out"));
        let at = meddler.passed.load(Ordering::SeqCst) + dice.below(bytes_each as usize) as u64;
        meddler.alter_at.store(at, Ordering::SeqCst);
        let ran = restore("out");
        failed += usize::from(ran.code != Some(0));
        let out = home.dir().join("out/tree");
        match ran.code {
            Some(0) => assert_eq!(trees::differences(&tree, &out), Vec::<String>::new(), "round {round}"),
            Some(1) => {
                for name in ["a", "sub/b"] {
                    let wrong = fs::read(out.join(name))
                        .is_ok_and(|found| found != fs::read(tree.join(name)).unwrap());
                    assert!(!wrong, "round {round}: {name}\n{ran}");
                }
            }
            _ => panic!("round {round}\n{ran}"),
        }
    }
    println!("{failed} of {ALTERATIONS} altered restores failed, the others came out right");
    let heard = meddler.heard.lock().unwrap();
    for secret in [PASSPHRASE, SECRET_KEY, "small\nsmall"] {
        assert!(
            !heard.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "{secret} went over the line"
        );
    }
}

/// Restores through a line on which one byte is altered.
const ALTERATIONS: usize = 8;

#[test]
fn a_plaintext_store_in_place_of_an_encrypted_one_is_not_used() {
    let home = Home::new("replaced");
    let place = home.path("st");
    home.plakar(&["store", "add", "mine", &place, &format!("passphrase={PASSPHRASE}")]).succeeds();
    home.plakar(&["at", "@mine", "create"]).succeeds();
    home.plakar(&["at", "@mine", "ls"]).succeeds();
    // Whoever owns the place puts a store of his own there.
    fs::remove_dir_all(&place).unwrap();
    home.plakar(&["at", &place, "create", "-plaintext"]).succeeds();
    fs::write(home.dir().join("private"), b"private\n").unwrap();
    let before = census(home.dir().join("st").as_path());
    for words in [&["ls"][..], &["backup", "private"], &["restore", "-to", "out"], &["check"]] {
        let ran = home.plakar(&[&["at", "@mine"], words].concat()).exits(1);
        ran.says("is not encrypted, though @mine has a passphrase").says("unset the entry's passphrase");
    }
    assert_eq!(census(home.dir().join("st").as_path()), before);
    home.plakar(&["store", "unset", "mine", "passphrase"]).succeeds();
    home.plakar(&["at", "@mine", "ls"]).succeeds();
}
