//! The damage matrix: every part of a store, damaged in every way; what `check` says of it, what
//! `restore` saves, and what `repair` brings back. No case passes a full check unnoticed.

use crate::kit::cases;
use crate::kit::connect::{Scratch, bytes, context};
use crate::kit::planned::{Said, Streams};
use crate::kit::trees;
use plakar::base::mac::Mac;
use plakar::cli;
use plakar::connectors::fs_store::FsStore;
use plakar::engine::index::Index;
use plakar::engine::packfile_index;
use plakar::engine::repository::{Closed, Repository};
use plakar::format::envelope;
use plakar::format::kind::Resource;
use plakar::ports::store::{Item, Kind};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Delete,
    Truncate,
    Flip,
    Swap,
    Older,
    Empty,
}

const ACTS: [Act; 6] = [Act::Delete, Act::Truncate, Act::Flip, Act::Swap, Act::Older, Act::Empty];

/// What a full check makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Exit 1, and the file is named.
    Fails,
    /// Exit 0, and the file is named in a warning: a backup broken off leaves the same behind.
    Warns,
    /// Exit 0 and not a word: nothing is lost.
    Passes,
}

/// What comes of the newest snapshot, restored by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restore {
    /// All of it, exit 0.
    Whole,
    /// What is not hit, each other file named, exit 1.
    Rest,
    /// Nothing, exit 1.
    Nothing,
}

/// How the store is after `repair -apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    /// It checks clean, and everything is back.
    Whole,
    /// As before: what is lost is lost, and still told.
    Same,
}

use Act::{Delete, Empty, Flip, Older, Swap, Truncate};
use Check::{Fails, Passes, Warns};
use Repair::{Same, Whole as Mended};
use Restore::{Nothing, Rest, Whole};

/// Part of a store, what is done to it, and what comes of it.
type Row = (&'static str, &'static [Act], Check, Restore, Repair);

const MATRIX: &[Row] = &[
    // Without its settings a store is nothing. An older CONFIG is that of another store.
    ("CONFIG", &[Delete, Truncate, Flip, Swap, Older, Empty], Fails, Nothing, Same),
    // A state that is gone looks like one that was never written; packfiles tell what was in it.
    ("state", &[Delete], Warns, Nothing, Mended),
    ("state", &[Truncate, Flip, Older, Empty], Fails, Nothing, Mended),
    // What states say counts, not under which name.
    ("state", &[Swap], Passes, Whole, Mended),
    ("older state", &[Delete], Fails, Rest, Mended),
    ("older state", &[Truncate, Flip, Empty], Fails, Rest, Mended),
    ("content packfile", &[Delete, Truncate, Flip, Older, Empty], Fails, Rest, Same),
    // Two packfiles are hit, and all of the small tree with them.
    ("content packfile", &[Swap], Fails, Nothing, Same),
    ("structure packfile", &[Delete, Truncate, Flip, Swap, Older, Empty], Fails, Nothing, Same),
    // Parts that no restore reads.
    ("packfile head", &[Flip], Fails, Whole, Same),
    ("packfile padding", &[Flip], Fails, Whole, Same),
    ("packfile index", &[Flip], Fails, Whole, Same),
    ("packfile footer", &[Flip], Fails, Whole, Same),
    ("packfile trailer", &[Flip], Fails, Whole, Same),
    ("blob that nobody needs", &[Flip], Fails, Whole, Same),
    // A lock that nobody can read keeps everybody out.
    ("lock", &[Truncate, Flip, Empty], Fails, Whole, Mended),
    ("lock", &[Delete, Swap, Older], Passes, Whole, Mended),
];

struct Bench {
    scratch: Scratch,
    tree: PathBuf,
    older: Mac,
    newer: Mac,
}

fn run(scratch: &Scratch, cache: Option<&Path>, words: &[&str]) -> Said {
    let config = scratch.join("config");
    let fixed = ["-config", config.to_str().unwrap(), "-cpu", "1"];
    let words: Vec<OsString> = fixed.iter().chain(words).map(OsString::from).collect();
    let streams = Streams::default();
    let code = cli::run_in(&words, &streams.output(), &mut |session| {
        session.cache_dir = cache.map(Path::to_path_buf);
        session.signals = false;
    });
    streams.said(code)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The store as the library sees it.
fn opened(dir: &Path) -> (Repository, Index) {
    let world = crate::kit::reader::world().0;
    let store = Arc::new(FsStore::new(bytes(dir), context().0));
    let repository = Closed::read(store).unwrap().unlock(None, &world).unwrap();
    let index = repository.load_index(&world).unwrap();
    (repository, index)
}

impl Bench {
    fn new() -> Bench {
        let scratch = Scratch::new("damage");
        let tree = scratch.join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("kept"), trees::noise(1, 50_000)).unwrap();
        fs::write(tree.join("sub/small"), b"small\n").unwrap();
        let store = scratch.join("store");
        let at = store.to_str().unwrap().to_owned();
        let go = |words: &[&str]| {
            let said = run(&scratch, None, &[&["at", at.as_str()], words].concat());
            assert_eq!(said.code, 0, "{words:?}: {}", said.stderr);
        };
        go(&["create", "-plaintext"]);
        // A snapshot that was removed: its file's chunks are needed by nobody.
        fs::write(tree.join("gone"), trees::noise(2, 40_000)).unwrap();
        let path = tree.to_str().unwrap();
        go(&["backup", "-quiet", path]);
        let older = opened(&store).1.snapshots()[0];
        fs::remove_file(tree.join("gone")).unwrap();
        fs::write(tree.join("new"), trees::noise(3, 60_000)).unwrap();
        go(&["backup", "-quiet", path]);
        let newer = opened(&store).1.snapshots().into_iter().find(|id| *id != older).unwrap();
        // A store of the past, whose CONFIG, packfile and lock stand for older ones.
        let past = scratch.join("past");
        let said = run(&scratch, None, &["at", past.to_str().unwrap(), "create", "-plaintext"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        for (dir, id) in [(&store, Mac([1; 32])), (&store, Mac([2; 32]))] {
            let (repository, _) = opened(dir);
            let lock = plakar::format::lock::Lock {
                timestamp: plakar::base::stamp::Stamp::from_nanos(i64::from(id.0[0]) * 1_000_000_000),
                hostname: "elsewhere".to_owned(),
                exclusive: false,
            };
            let body = repository.codec.encode(&lock.encode(), &plakar::world::dice::SystemDice);
            let version = plakar::format::kind::Version::V1_0_0;
            let file = envelope::wrap(Resource::LOCK, version, &body, repository.codec.keyed());
            repository.store.put(Item::Lock(id), &file).unwrap();
        }
        Bench { scratch, tree, older, newer }
    }

    /// The file of a part, where in it a bit is flipped, and another file of its kind.
    fn part(&self, name: &str) -> (PathBuf, usize, PathBuf) {
        let store = self.scratch.join("store");
        let (repository, index) = opened(&store);
        let packfile = |resource: Resource, mac: &Mac| {
            let place = index.places(resource, mac).next().unwrap();
            (Item::Packfile(index.packfile(place.packfile)), place.offset as usize + 16)
        };
        // Of the newer snapshot alone, and its structure.
        let only = |seed: u64, length: usize| repository.codec.mac(&trees::noise(seed, length));
        let (content, content_at) = packfile(Resource::CHUNK, &only(3, 60_000));
        let (structure, structure_at) = packfile(Resource::SNAPSHOT, &self.newer);
        let (old_content, gone_at) = packfile(Resource::CHUNK, &only(2, 40_000));
        let (old_structure, _) = packfile(Resource::SNAPSHOT, &self.older);
        let Item::Packfile(content_id) = content else { unreachable!() };
        let size = fs::metadata(store.join(content.path())).unwrap().len();
        let (footer, _) = packfile_index::read(&repository, content_id, size, 0).unwrap();
        let index_at = footer.index_offset as usize + 16;
        let size = usize::try_from(size).unwrap();
        let (part, at, other) = match name {
            "CONFIG" => (Item::Config, 60, None),
            "state" => (Item::State(self.newer), 60, Some(Item::State(self.older))),
            "older state" => (Item::State(self.older), 60, Some(Item::State(self.newer))),
            "content packfile" => (content, content_at + 1000, Some(old_content)),
            "structure packfile" => (structure, structure_at + 20, Some(old_structure)),
            "packfile head" => (content, 3, None),
            "packfile padding" => (content, 16, None),
            "packfile index" => (content, index_at + 20, None),
            "packfile footer" => (content, size - 32 - 4 - 30, None),
            "packfile trailer" => (content, size - 1, None),
            "blob that nobody needs" => (old_content, gone_at + 1000, None),
            "lock" => (Item::Lock(Mac([2; 32])), 40, Some(Item::Lock(Mac([1; 32])))),
            other => panic!("no part {other}"),
        };
        let other = match (name, other) {
            ("CONFIG", _) => self.scratch.join("past/CONFIG"),
            (_, Some(item)) => store.join(item.path()),
            (_, None) => PathBuf::new(),
        };
        (part.path().into(), at, other)
    }

    fn restored(&self, store: &str) -> (Restore, Said) {
        let out = self.scratch.join("out");
        let id = format!("{}:./", self.newer);
        let said =
            run(&self.scratch, None, &["at", store, "restore", "-quiet", "-to", out.to_str().unwrap(), &id]);
        let differences =
            if out.exists() { trees::differences(&self.tree, &out) } else { vec!["all".to_owned()] };
        let mut any = false;
        for name in ["kept", "new", "sub/small"] {
            let Ok(there) = fs::read(out.join(name)) else {
                if said.code == 1 && any {
                    assert!(
                        said.stderr.contains(name) || said.stderr.contains("state "),
                        "{name} is not named: {}",
                        said.stderr
                    );
                }
                continue;
            };
            any = true;
            assert_eq!(there, fs::read(self.tree.join(name)).unwrap(), "wrong bytes under a right name");
        }
        let _ = fs::remove_dir_all(out);
        let restored = match (said.code, differences.is_empty(), any) {
            (0, true, _) => Whole,
            (1, _, true) => Rest,
            (1, _, false) => Nothing,
            _ => panic!("exit {}, {differences:?}: {}", said.code, said.stderr),
        };
        (restored, said)
    }
}

fn damage(act: Act, path: &Path, at: usize, other: &Path, copy: &Path) {
    let whole = fs::read(path).unwrap();
    match act {
        Delete => fs::remove_file(path).unwrap(),
        // Before the first blob that anything needs: behind the last one there is padding.
        Truncate => fs::write(path, &whole[..whole.len() / 20]).unwrap(),
        Empty => fs::write(path, b"").unwrap(),
        Older => fs::write(path, fs::read(other).unwrap()).unwrap(),
        Flip => {
            let mut bytes = whole;
            bytes[at] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
        Swap => {
            let second = fs::read(other).unwrap();
            fs::write(copy, whole).unwrap();
            fs::write(path, second).unwrap();
        }
    }
}

#[test]
fn every_part_damaged_in_every_way_is_told_survived_and_mended_as_the_table_says() {
    let bench = Bench::new();
    let store = bench.scratch.join("store");
    let case = bench.scratch.join("case");
    let at = case.to_str().unwrap().to_owned();
    let (mut faults, mut count) = (Vec::new(), 0);
    for (part, acts, check, restore, repair) in MATRIX {
        let (path, flip_at, other) = bench.part(part);
        for act in *acts {
            count += 1;
            let _ = fs::remove_dir_all(&case);
            copy(&store, &case);
            // The other one of a swap lies in the damaged store too, but for CONFIG.
            let second = other
                .strip_prefix(&store)
                .map_or_else(|_| bench.scratch.join("spare"), |path| case.join(path));
            damage(*act, &case.join(&path), flip_at, &other, &second);
            let mut fault = |what: String| faults.push(format!("{part}, {act:?}: {what}"));

            let said = run(&bench.scratch, None, &["at", &at, "check", "-quiet"]);
            let name = path.file_name().unwrap().to_str().unwrap();
            let named = said.stderr.contains(name) || (name == "CONFIG" && said.stderr.contains(&at));
            let newer = said.stderr.contains(&bench.newer.short());
            let found = match (said.code, named || newer, said.stderr.is_empty()) {
                (1, true, _) => Some(Fails),
                (0, true, _) => Some(Warns),
                (0, _, true) => Some(Passes),
                _ => None,
            };
            if found != Some(*check) {
                fault(format!("check: {found:?}, exit {}: {}", said.code, said.stderr));
            }
            let (found, said) = bench.restored(&at);
            if found != *restore {
                fault(format!("restore: {found:?}, exit {}: {}", said.code, said.stderr));
            }
            let mended = run(&bench.scratch, None, &["at", &at, "repair", "-apply"]);
            let said = run(&bench.scratch, None, &["at", &at, "check", "-quiet"]);
            let found = if said.code == 0 && bench.restored(&at).0 == Whole { Mended } else { Same };
            if found != *repair {
                fault(format!(
                    "repair: {found:?}: {} {}; check: {}",
                    mended.stdout, mended.stderr, said.stderr
                ));
            }
        }
    }
    for act in ACTS {
        assert!(MATRIX.iter().any(|(_, acts, ..)| acts.contains(&act)));
    }
    cases::count("damage cases", count);
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn what_this_machine_remembers_of_states_tells_and_mends_even_a_lost_one() {
    let bench = Bench::new();
    let store = bench.scratch.join("store");
    let case = bench.scratch.join("case");
    let cache = bench.scratch.join("cache");
    let at = case.to_str().unwrap().to_owned();
    let state = case.join(Item::State(bench.newer).path());
    let other = store.join(Item::State(bench.older).path());
    for act in [Delete, Truncate, Flip, Older, Empty] {
        let _ = fs::remove_dir_all(&case);
        let _ = fs::remove_dir_all(&cache);
        copy(&store, &case);
        let go = |words: &[&str]| run(&bench.scratch, Some(&cache), &[&["at", at.as_str()], words].concat());
        assert_eq!(go(&["ls"]).code, 0);
        let whole = fs::read(&state).unwrap();
        damage(act, &state, 60, &other, &other);
        let said = go(&["check", "-quiet"]);
        assert_eq!(said.code, 1, "{act:?}: {}", said.stderr);
        assert!(said.stderr.contains(&bench.newer.to_string()), "{act:?}: {}", said.stderr);
        let said = go(&["repair", "-apply"]);
        assert!(said.stdout.contains("put back from this machine's copy"), "{act:?}: {}", said.stdout);
        assert_eq!(fs::read(&state).unwrap(), whole, "{act:?}");
        assert_eq!(go(&["check", "-quiet"]).stderr, "", "{act:?}");
    }
}

#[test]
fn a_backup_after_repair_stores_anew_what_lost_packfiles_had() {
    let bench = Bench::new();
    let store = bench.scratch.join("store");
    let at = store.to_str().unwrap();
    let go = |words: &[&str]| run(&bench.scratch, None, &[&["at", at], words].concat());
    let path = bench.tree.to_str().unwrap();
    let lost: Vec<PathBuf> =
        ["content packfile", "structure packfile"].map(|part| store.join(bench.part(part).0)).into();
    for file in &lost {
        fs::remove_file(file).unwrap();
    }
    let names: Vec<_> = lost.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    let said = go(&["repair"]);
    assert!(said.code == 1 && names.iter().all(|name| said.stderr.contains(name)), "{}", said.stderr);
    // Nothing was changed so far: the backup takes the lost chunks for stored.
    assert_eq!(go(&["backup", "-quiet", path]).code, 0);
    assert_eq!(go(&["check", "-quiet"]).code, 1);
    let said = go(&["repair", "-apply"]);
    assert!(said.code == 1 && names.iter().all(|name| said.stderr.contains(name)), "{}", said.stderr);
    let said = go(&["repair"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "lost packfiles are told once");
    assert_eq!(go(&["check", "-quiet"]).code, 1, "what is lost is still told");

    let said = go(&["backup", "-quiet", path]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let known = opened(&store).1.snapshots();
    let mended = known.iter().map(ToString::to_string).filter(|id| go(&["check", "-quiet", id]).code == 0);
    // The newest one, the one before it, the oldest; the second lost its header and its trees.
    assert_eq!(mended.count(), 3);
    let newest = format!("{}:./", go(&["ls", "-uuid"]).stdout.split_whitespace().nth(1).unwrap());
    let out = bench.scratch.join("mended");
    assert_eq!(go(&["restore", "-quiet", "-to", out.to_str().unwrap(), &newest]).code, 0);
    assert_eq!(trees::differences(&bench.tree, &out), Vec::<String>::new());
    let said = go(&["rm", "-apply", &bench.newer.to_string()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let said = go(&["check", "-quiet"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}

#[test]
fn a_lost_packfile_that_turns_up_again_is_used_by_maintenance() {
    let bench = Bench::new();
    let store = bench.scratch.join("store");
    let at = store.to_str().unwrap();
    let go = |words: &[&str]| run(&bench.scratch, None, &[&["at", at], words].concat());
    for part in ["content packfile", "structure packfile"] {
        let file = store.join(bench.part(part).0);
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(go(&["repair", "-apply"]).code, 1);
        assert_eq!(go(&["check", "-quiet"]).code, 1);
        fs::write(&file, whole).unwrap();
        for command in [&["maintenance"][..], &["check", "-quiet"]] {
            let said = go(command);
            assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{part}, {command:?}");
        }
        assert_eq!(bench.restored(at).0, Whole, "{part}");
    }
}

/// Offsets of the parts of an archive: magic, version, CONFIG, packfile, state, footer, its last byte.
fn parts_of_an_archive(file: &[u8]) -> Vec<(&'static str, usize)> {
    let footer = file.len() - 48;
    let field = |n: usize| {
        let at = footer + 8 * n;
        usize::try_from(u64::from_le_bytes(file[at..at + 8].try_into().unwrap())).unwrap()
    };
    vec![
        ("magic", 2),
        ("CONFIG", field(0) + field(1) / 2),
        ("packfile", field(2) + 5000),
        ("packfile index", field(2) + field(3) - 200),
        ("packfile trailer", field(2) + field(3) - 1),
        ("state", field(4) + field(5) / 2),
        ("footer", footer + 3),
        ("end of the footer", file.len() - 9),
    ]
}

#[test]
fn a_damaged_archive_is_told_and_nothing_wrong_comes_out_of_it() {
    let bench = Bench::new();
    let path = bench.scratch.join("a.ptar");
    let at = path.to_str().unwrap();
    let store = bench.scratch.join("store");
    let said = run(&bench.scratch, None, &["ptar", "-plaintext", "-o", at, "-k", store.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(run(&bench.scratch, None, &["at", at, "check", "-quiet"]).stderr, "");
    let whole = fs::read(&path).unwrap();
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, flip) in parts_of_an_archive(&whole) {
        let mut bytes = whole.clone();
        bytes[flip] ^= 0x10;
        damaged.push((name.to_owned(), bytes));
    }
    for cut in [0, 10, 60, whole.len() / 2, whole.len() - 1] {
        damaged.push((format!("cut at {cut}"), whole[..cut].to_vec()));
    }
    let count = damaged.len();
    for (name, bytes) in damaged {
        fs::write(&path, bytes).unwrap();
        let said = run(&bench.scratch, None, &["at", at, "check", "-quiet"]);
        assert_eq!(said.code, 1, "{name}: {}", said.stderr);
        // Never wrong bytes under a right name: asserted in there.
        bench.restored(at);
    }
    cases::count("damage cases", count);
}

/// Every single byte of the small files of a store is altered: each ends in an error that names the file.
#[test]
fn a_bit_anywhere_in_config_or_a_state_is_named() {
    let bench = Bench::new();
    let store = bench.scratch.join("store");
    let at = store.to_str().unwrap();
    let mut count = 0;
    for item in [Item::Config, Item::State(bench.newer)] {
        let path = store.join(item.path());
        let whole = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        for byte in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << (byte % 8);
            fs::write(&path, bytes).unwrap();
            let said = run(&bench.scratch, None, &["at", at, "ls"]);
            assert_eq!(said.code, 1, "{name} at {byte}: {}", said.stderr);
            assert!(said.stderr.contains(name), "{name} at {byte}: {}", said.stderr);
            count += 1;
        }
        fs::write(&path, whole).unwrap();
    }
    let (repository, _) = opened(&store);
    assert_eq!(repository.store.list(Kind::State).unwrap().len(), 2);
    cases::count("damage cases", count);
}
