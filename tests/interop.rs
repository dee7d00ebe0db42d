//! Both directions with the real Kloset library, of both generations: what we write it checks and
//! restores, what it writes we do, entry by entry, and neither stores content again that the other
//! one stored. The programs are built by `tests/run` from `tests/interop`.

use crate::kit::command::{Home, Ran};
use crate::kit::connect::{bytes, context};
use crate::kit::reader::Opened;
use crate::kit::{skip, trees};
use plakar::base::mac::Mac;
use plakar::connectors::fs_store::FsStore;
use plakar::engine::snapshot::Snapshot;
use plakar::engine::tree::{self, Order};
use plakar::engine::walk::Walk;
use plakar::format::kind::Resource;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PASSPHRASE: &str = "correct horse battery staple";

/// What real Kloset's own file connector does not bring back, ours does: set-id bits are lost when
/// it restores as root, pipes and attributes are not restored, nor are the mode and the time of the
/// top directory; links come back without their own time.
const NOT_RESTORED_BY_IT: [&str; 6] = [
    "\"\": ",
    "\"setuid\": mode",
    "\"setgid\": mode",
    "\"fifo\": missing",
    ": attributes is {}, was {[",
    ": hard link is ",
];

/// Awkward trees are large enough for many packfiles and states.
const BULK: trees::Bulk = trees::Bulk { large: 100 << 20, tiny: 5000 };

/// Further names of one inode, which v1.1 restores side by side and loses at random.
const LOST_BY_V1_1: [&str; 3] =
    ["\"links/one\": missing", "\"links/two\": missing", "\"another-name\": missing"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Generation {
    V1_0,
    V1_1,
}

/// How a store is made.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    passphrase: &'static str,
    hashing: &'static str,
    compression: &'static str,
}

const PLAINTEXT: Kind = Kind { name: "plaintext", passphrase: "", hashing: "BLAKE3", compression: "LZ4" };
const ENCRYPTED: Kind = Kind { name: "encrypted", passphrase: PASSPHRASE, ..PLAINTEXT };
const UNCOMPRESSED: Kind = Kind { name: "uncompressed", compression: "none", ..PLAINTEXT };
const SHA256: Kind = Kind { name: "sha256", hashing: "SHA256", ..PLAINTEXT };

impl Kind {
    fn options(self) -> Vec<&'static str> {
        let mut options = Vec::new();
        if self.passphrase.is_empty() {
            options.push("-plaintext");
        }
        if self.compression == "none" {
            options.push("-no-compression");
        }
        options.extend(["-hashing", self.hashing]);
        options
    }
}

/// Both programs on one tree.
struct Bench {
    home: Home,
    program: PathBuf,
    tree: PathBuf,
    kind: Kind,
    generation: Generation,
    endpoint: String,
}

/// Where a store is, in the words of each program.
struct Place {
    ours: String,
    real: String,
}

impl Bench {
    fn new(generation: Generation, kind: Kind, bulk: trees::Bulk) -> Option<Bench> {
        let (variable, what) = match generation {
            Generation::V1_0 => ("PLAKAR_TEST_INTEROP_V1_0", "v1.0"),
            Generation::V1_1 => ("PLAKAR_TEST_INTEROP_V1_1", "v1.1"),
        };
        let Some(program) = std::env::var_os(variable).map(PathBuf::from) else {
            skip::missing(&format!("no program of real Kloset {what} (tests/run builds one)"));
            return None;
        };
        let endpoint = skip::minio()?;
        let home = Home::new(&format!("interop-{what}-{}", kind.name));
        let tree = home.dir().join("tree");
        trees::awkward(&tree, bulk);
        for (name, value) in [
            ("PLAKAR_PASSPHRASE", kind.passphrase),
            ("INTEROP_PASSPHRASE", kind.passphrase),
            ("INTEROP_ACCESS_KEY", "minioadmin"),
            ("INTEROP_SECRET_KEY", "minioadmin"),
            ("INTEROP_CACHE", &home.path("cache")),
        ] {
            home.env(name, value);
        }
        let endpoint = endpoint.trim_start_matches("http://").to_owned();
        Some(Bench { home, program, tree, kind, generation, endpoint })
    }

    fn directory(&self, name: &str) -> Place {
        let path = self.home.path(name);
        Place { real: format!("fs://{path}"), ours: path }
    }

    fn archive(&self, name: &str) -> Place {
        let path = self.home.path(&format!("{name}.ptar"));
        Place { real: format!("ptar://{path}"), ours: path }
    }

    fn bucket(&self, name: &str) -> Place {
        let generation = if self.generation == Generation::V1_0 { "v10" } else { "v11" };
        let bucket = format!("interop-{generation}-{}-{}", self.kind.name, std::process::id());
        let location = format!("s3://{}/{bucket}/{name}", self.endpoint);
        let keys = ["access_key=minioadmin", "secret_access_key=minioadmin", "use_tls=false"];
        self.home.plakar(&[&["store", "add", name, location.as_str()], &keys[..]].concat()).succeeds();
        Place { real: location, ours: format!("@{name}") }
    }

    fn ours(&self, place: &Place, words: &[&str]) -> Ran {
        self.home.plakar(&[&["at", place.ours.as_str()], words].concat())
    }

    fn real(&self, words: &[&str]) -> Ran {
        self.home.program(self.program.to_str().unwrap(), words).succeeds()
    }

    fn tree(&self) -> &str {
        self.tree.to_str().unwrap()
    }

    fn it_finds_it_whole(&self, place: &Place) {
        self.real(&["check", &place.real]);
        let out = self.home.path("out");
        fs::create_dir(&out).unwrap();
        self.real(&["restore", &place.real, &out]);
        // v1.0 restores below the whole path.
        let restored = match self.generation {
            Generation::V1_0 => format!("{out}{}", self.tree()),
            Generation::V1_1 => out.clone(),
        };
        let mut found = trees::differences(&self.tree, Path::new(&restored));
        found.retain(|line| {
            let lost = NOT_RESTORED_BY_IT.iter().any(|lost| line.contains(lost));
            let lost = lost || self.generation == Generation::V1_1 && LOST_BY_V1_1.contains(&line.as_str());
            !lost && !is_the_same_microsecond(line)
        });
        assert!(found.is_empty(), "{}: {}", place.ours, found[..found.len().min(20)].join("\n"));
        fs::remove_dir_all(out).unwrap();
    }

    fn we_find_it_whole(&self, place: &Place) {
        self.ours(place, &["check", "-quiet"]).succeeds().complains("");
        let out = self.home.path("out");
        self.ours(place, &["restore", "-quiet", "-to", &out]).succeeds().complains("");
        let found = trees::differences(&self.tree, &Path::new(&out).join("tree"));
        assert!(found.is_empty(), "{}: {}", place.ours, found[..found.len().min(20)].join("\n"));
        fs::remove_dir_all(out).unwrap();
    }

    /// Chunks of files' content in a store in a directory, and in how many places each is.
    fn content(&self, place: &Place) -> BTreeMap<Mac, usize> {
        let opened = self.opened(place);
        let mut chunks = BTreeMap::new();
        opened.fetching(|fetcher| {
            let blobs = fetcher.blobs();
            for id in opened.index.snapshots() {
                let snapshot = Snapshot::open(blobs, &id).unwrap();
                let start = snapshot.entry(blobs, b"/").unwrap();
                let steps = Walk::new(blobs, &snapshot, start).unwrap().map(|step| step.unwrap().entry);
                for entry in steps.filter(|entry| entry.info.mode.is_regular()) {
                    for chunk in blobs.object(&entry.object).unwrap().chunks {
                        let places = opened.index.places(Resource::CHUNK, &chunk.mac).count();
                        chunks.insert(chunk.mac, places);
                    }
                }
            }
        });
        assert!(chunks.len() > 1000, "{}", chunks.len());
        chunks
    }

    fn we_write_and_it_reads(&self) {
        let (directory, archive, bucket) =
            (self.directory("our-dir"), self.archive("our"), self.bucket("our-bucket"));
        for place in [&directory, &bucket] {
            self.ours(place, &[&["create"], &self.kind.options()[..]].concat()).succeeds();
            self.ours(place, &["backup", "-quiet", self.tree()]).succeeds();
            self.it_finds_it_whole(place);
            self.case("we write, it reads");
        }
        let words = [&["ptar"], &self.kind.options()[..], &["-o", &archive.ours, self.tree()]].concat();
        self.home.plakar(&words).succeeds();
        self.it_finds_it_whole(&archive);
        self.case("we write, it reads");

        let chunks = self.content(&directory);
        self.real(&["backup", &directory.real, self.tree()]);
        assert!(self.content(&directory) == chunks, "it stored chunks again");
        self.we_find_it_whole(&directory);
        self.it_finds_it_whole(&directory);
        self.case("it adds to ours");
        if self.generation == Generation::V1_1 {
            // From its first state on, the store is one of its line.
            self.we_add_to_its_line(&directory, &chunks);
            self.case("we add to ours that it has taken over");
        }
    }

    fn it_writes_and_we_read(&self) {
        let archive = self.archive("real");
        let Kind { hashing, compression, .. } = self.kind;
        let (directory, bucket) = (self.directory("real-dir"), self.bucket("real-bucket"));
        for place in [&directory, &bucket] {
            self.real(&["create", &place.real, hashing, compression]);
            self.real(&["backup", &place.real, self.tree()]);
            self.we_find_it_whole(place);
            self.case("it writes, we read");
        }
        self.real(&["ptar", &archive.ours, hashing, compression, self.tree()]);
        self.we_find_it_whole(&archive);
        self.case("it writes, we read");

        let chunks = self.content(&directory);
        if self.generation == Generation::V1_1 {
            self.we_add_to_its_line(&directory, &chunks);
            self.case("we add to its own");
            self.ours(&bucket, &["backup", "-quiet", self.tree()]).succeeds();
            self.it_finds_it_whole(&bucket);
            self.we_find_it_whole(&bucket);
            self.case("we add to its own");
            self.both_change_snapshots(&directory);
            self.case("both change snapshots of its own");
            return;
        }
        self.ours(&directory, &["backup", "-quiet", self.tree()]).succeeds();
        assert!(self.content(&directory) == chunks, "we stored chunks again");
        self.it_finds_it_whole(&directory);
        self.we_find_it_whole(&directory);
        self.case("we add to its own");
    }

    /// We append in the line of v1.1: nothing is stored twice, neither by us nor by its next backup,
    /// which takes ours for its cache, and its file tree names nothing that is not there.
    fn we_add_to_its_line(&self, place: &Place, chunks: &BTreeMap<Mac, usize>) {
        self.ours(place, &["backup", "-quiet", self.tree()]).succeeds();
        self.it_finds_it_whole(place);
        self.we_find_it_whole(place);
        let before = self.blobs(place);
        self.real(&["again", &place.real, self.tree()]);
        let mut added = self.blobs(place);
        added.retain(|blob| !before.contains(blob));
        // Its trees have the shape of its insertions, ours are filled from the left.
        let shaped_differently = [
            Resource::VFS_BTREE,
            Resource::VFS_NODE,
            Resource::XATTR_BTREE,
            Resource::XATTR_NODE,
            Resource::BTREE_ROOT,
            Resource::BTREE_NODE,
            Resource::SNAPSHOT,
        ];
        added.retain(|(resource, _)| !shaped_differently.contains(resource));
        // The directories above the tree change while this runs: an entry and a listing for each.
        let above = 3 * self.tree.components().count();
        assert!(added.len() <= above, "it stored again what we stored: {added:?}");
        self.it_finds_it_whole(place);
        self.we_find_it_whole(place);
        assert!(&self.content(place) == chunks, "chunks were stored again");
        self.nothing_dangles(place);
    }

    /// Snapshots are removed and copied by both, one comes from a store of v1.0, and a client that has
    /// never seen the store merges all of that from the beginning.
    fn both_change_snapshots(&self, place: &Place) {
        let shown = self.ours(place, &["ls", "-uuid"]).succeeds().stdout;
        let ids: Vec<&str> = shown.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(ids.len(), 3, "{shown}");
        self.ours(place, &["dup", ids[2]]).succeeds();
        self.ours(place, &["rm", "-apply", ids[1]]).succeeds();
        let old = self.home.path("of-v1.0");
        self.home.plakar(&[&["at", old.as_str(), "create"], &self.kind.options()[..]].concat()).succeeds();
        self.home.plakar(&["at", &old, "backup", "-quiet", self.tree()]).succeeds();
        self.home.plakar(&["at", &old, "sync", "to", &place.ours]).succeeds();
        self.it_finds_it_whole(place);
        self.we_find_it_whole(place);
        self.real(&["rm", &place.real]);
        self.ours(place, &["sync", "to", &old]).succeeds();
        for (store, count) in [(place, 3), (&Place { ours: old, real: String::new() }, 4)] {
            let shown = self.ours(store, &["ls"]).succeeds().stdout;
            assert_eq!(shown.lines().count(), count, "{shown}");
            self.ours(store, &["check", "-quiet"]).succeeds().complains("");
        }
        self.home.env("INTEROP_CACHE", self.home.path("another-cache"));
        self.real(&["check", &place.real]).prints("3\n");
        self.nothing_dangles(place);
    }

    fn opened(&self, place: &Place) -> Opened {
        let passphrase = Some(self.kind.passphrase).filter(|passphrase| !passphrase.is_empty());
        let store = Arc::new(FsStore::new(bytes(Path::new(&place.ours)), context().0));
        Opened::new(store, passphrase).unwrap()
    }

    fn blobs(&self, place: &Place) -> BTreeSet<(Resource, Mac)> {
        self.opened(place).index.iter().map(|(resource, mac, _)| (resource, mac)).collect()
    }

    /// Every value of every file tree is there: real maintenance gives up where one is not.
    fn nothing_dangles(&self, place: &Place) {
        let opened = self.opened(place);
        opened.fetching(|fetcher| {
            for id in opened.index.snapshots() {
                let snapshot = Snapshot::open(fetcher.blobs(), &id).unwrap();
                let root = snapshot.header.source().unwrap();
                let pairs = tree::pairs(fetcher.blobs(), tree::FILES, &root.root, Order::Path).unwrap();
                assert!(pairs.len() > 5000, "{}", pairs.len());
                for (path, value) in pairs {
                    let there = opened.index.contains(Resource::VFS_ENTRY, &value);
                    assert!(there, "{}: {:?}", id.short(), String::from_utf8_lossy(&path));
                }
            }
        });
    }

    /// Notes a case where the closing lines of `tests/run` count it.
    fn case(&self, what: &str) {
        if let Some(path) = std::env::var_os("PLAKAR_CASES") {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            // One write, so that lines of parallel tests do not mix.
            file.write_all(format!("{}: {what}\n", self.kind.name).as_bytes()).unwrap();
        }
    }
}

/// Real Kloset restores times to the nearest microsecond.
fn is_the_same_microsecond(line: &str) -> bool {
    let nanos = |time: &str| {
        let (seconds, nanos) = time.split_once('.').unwrap();
        seconds.parse::<i64>().unwrap() * 1_000_000_000 + nanos.parse::<i64>().unwrap()
    };
    let times = line.split_once(": mtime is ").and_then(|(_, times)| times.split_once(", was "));
    times.is_some_and(|(is, was)| nanos(is).abs_diff(nanos(was)) <= 1000)
}

fn both_ways(generation: Generation, kind: Kind) {
    let Some(bench) = Bench::new(generation, kind, BULK) else { return };
    bench.we_write_and_it_reads();
    bench.it_writes_and_we_read();
}

#[test]
fn real_kloset_v1_0_and_we_understand_each_other_plaintext() {
    both_ways(Generation::V1_0, PLAINTEXT);
}

#[test]
fn real_kloset_v1_0_and_we_understand_each_other_encrypted() {
    both_ways(Generation::V1_0, ENCRYPTED);
}

#[test]
fn real_kloset_v1_0_and_we_understand_each_other_uncompressed() {
    both_ways(Generation::V1_0, UNCOMPRESSED);
}

#[test]
fn real_kloset_v1_0_and_we_understand_each_other_sha256() {
    both_ways(Generation::V1_0, SHA256);
}

#[test]
fn real_kloset_v1_1_and_we_understand_each_other_plaintext() {
    both_ways(Generation::V1_1, PLAINTEXT);
}

#[test]
fn real_kloset_v1_1_and_we_understand_each_other_encrypted() {
    both_ways(Generation::V1_1, ENCRYPTED);
}

#[test]
fn real_kloset_v1_1_and_we_understand_each_other_uncompressed() {
    both_ways(Generation::V1_1, UNCOMPRESSED);
}

#[test]
fn real_kloset_v1_1_and_we_understand_each_other_sha256() {
    both_ways(Generation::V1_1, SHA256);
}

#[test]
fn zstd_stores_of_real_kloset_v1_1_are_read() {
    let kind = Kind { name: "zstd", compression: "ZSTD", ..PLAINTEXT };
    let Some(bench) = Bench::new(Generation::V1_1, kind, BULK) else { return };
    bench.it_writes_and_we_read();
}

#[test]
fn an_attribute_that_real_kloset_lost_is_named_and_the_rest_is_restored() {
    let bulk = trees::Bulk { large: 0, tiny: 50 };
    let Some(bench) = Bench::new(Generation::V1_1, Kind { name: "lost", ..PLAINTEXT }, bulk) else { return };
    let place = bench.directory("lost");
    bench.real(&["create", &place.real, "BLAKE3", "LZ4"]);
    bench.home.env("INTEROP_LOSES", "user.text");
    bench.real(&["backup", &place.real, bench.tree()]);
    let out = bench.home.path("out");
    let restored = bench.ours(&place, &["restore", "-quiet", "-to", &out]).exits(1);
    let restored = restored.says("restoration completed with 1 error");
    restored.says("tree/attributes: attribute user.text").says(": not in the snapshot");
    let found = trees::differences(&bench.tree, &Path::new(&out).join("tree"));
    assert!(matches!(&found[..], [one] if one.starts_with("\"attributes\": attributes is ")), "{found:?}");
}
