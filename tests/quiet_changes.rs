//! Edits that hide: under the same size and modification time, behind a clock that was set back, while
//! the file is read, between being listed and being read.

use crate::kit::connect::{Scratch, bytes, context, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::planned::{Hand, Said, Streams};
use crate::kit::reader::{self, Opened};
use crate::kit::trees;
use plakar::cli;
use plakar::connectors::fs_source::FsSource;
use plakar::engine::backup::{self, Options, Report};
use plakar::engine::repository::{self, NewStore};
use plakar::ports::dice::Dice;
use plakar::ports::fault::Fault;
use plakar::ports::source::{self, Content, Found, Origin, Record, Source, Step};
use plakar::world::dice::SystemDice;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// The program on a store, with a clock and a cache directory of the test's own.
struct Desk {
    scratch: Scratch,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { scratch: Scratch::new("quiet") };
        for name in ["edited", "untouched"] {
            desk.write(name, b"0123456789");
        }
        desk.run(0, &["create", "-plaintext"]);
        desk
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.join("tree").join(name)
    }

    /// Writes a file in its place, so that only its change time tells.
    fn write(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.scratch.join("tree")).unwrap();
        fs::write(self.file(name), content).unwrap();
        trees::touch(&self.file(name), 1_000_000_000, 7);
    }

    #[track_caller]
    fn run(&self, clock_ahead_ns: i64, words: &[&str]) -> Said {
        let said = self.tried(clock_ahead_ns, words);
        assert_eq!(said.code, 0, "{words:?}: {}{}", said.stdout, said.stderr);
        said
    }

    fn tried(&self, clock_ahead_ns: i64, words: &[&str]) -> Said {
        let (config, store) = (self.scratch.join("config"), self.scratch.join("store"));
        let fixed =
            ["-config", config.to_str().unwrap(), "-cpu", "2", "-json", "at", store.to_str().unwrap()];
        let words: Vec<OsString> = fixed.iter().chain(words).map(OsString::from).collect();
        let streams = Streams::default();
        let code = cli::run_in(&words, &streams.output(), &mut |session| {
            session.clock = Hand::new(clock_ahead_ns, Box::new(|| {}));
            session.cache_dir = Some(self.scratch.join("cache"));
            session.signals = false;
        });
        streams.said(code)
    }

    /// How many files were taken over from the snapshot before.
    fn backup(&self, clock_ahead_ns: i64, options: &[&str]) -> String {
        let tree = self.scratch.join("tree");
        let words = [&["backup", "-silent"], options, &[tree.to_str().unwrap()]].concat();
        let said = self.run(clock_ahead_ns, &words);
        let (_, rest) = said.stdout.split_once("\"files_same\":").unwrap();
        rest.split(',').next().unwrap().to_owned()
    }

    /// The one file of change times.
    fn memory(&self) -> PathBuf {
        let stores: Vec<_> = fs::read_dir(self.scratch.join("cache")).unwrap().collect();
        let [Ok(store)] = stores.as_slice() else { panic!("{stores:?}") };
        let files: Vec<_> = fs::read_dir(store.path().join("ctimes")).unwrap().collect();
        let [Ok(file)] = files.as_slice() else { panic!("{files:?}") };
        file.path()
    }

    fn newest(&self, name: &str) -> Vec<u8> {
        let store =
            plakar::connectors::fs_store::FsStore::new(bytes(&self.scratch.join("store")), context().0);
        let opened = Opened::new(Arc::new(store), None).unwrap();
        let (ids, _) = opened.snapshots();
        let out = self.scratch.join("out");
        assert_eq!(opened.restore(&ids[0], b"./", &out).unwrap().errors, []);
        let content = fs::read(out.join(name)).unwrap();
        fs::remove_dir_all(out).unwrap();
        content
    }
}

#[test]
fn an_edit_that_only_the_change_time_tells_is_noticed_whatever_the_clocks_said() {
    type Tamper = fn(&Desk, &Path);
    let cases: [(&str, i64, Tamper, bool); 7] = [
        ("a right clock, no memory", 0, |_, memory| fs::remove_file(memory).unwrap(), true),
        ("a clock that was set back since", HOUR_NS, |_, _| {}, true),
        // From here on all there is to go by is when the snapshot says it was begun.
        ("no memory", HOUR_NS, |_, memory| fs::remove_file(memory).unwrap(), false),
        ("half a memory", HOUR_NS, |_, memory| cut(memory), false),
        ("an altered memory", HOUR_NS, |_, memory| alter(memory), false),
        ("an empty memory", HOUR_NS, |_, memory| fs::write(memory, b"").unwrap(), false),
        (
            "a directory in its place",
            HOUR_NS,
            |_, memory| {
                fs::remove_file(memory).unwrap();
                fs::create_dir(memory).unwrap();
            },
            false,
        ),
    ];
    for (name, ahead, tamper, noticed) in cases {
        let desk = Desk::new();
        assert_eq!(desk.backup(ahead, &[]), "0", "{name}");
        tamper(&desk, &desk.memory());
        desk.write("edited", b"9876543210");
        let same = desk.backup(ahead, &[]);
        let stored = desk.newest("edited");
        let expected: &[u8] = if noticed { b"9876543210" } else { b"0123456789" };
        assert_eq!(String::from_utf8_lossy(&stored), String::from_utf8_lossy(expected), "{name}");
        if ahead > 0 {
            assert_eq!(same, if noticed { "1" } else { "2" }, "{name}: the other file was read again");
        }
    }
}

fn cut(memory: &Path) {
    let whole = fs::read(memory).unwrap();
    fs::write(memory, &whole[..whole.len() / 2]).unwrap();
}

fn alter(memory: &Path) {
    let mut altered = fs::read(memory).unwrap();
    altered[45] ^= 1;
    fs::write(memory, altered).unwrap();
}

#[test]
fn a_memory_of_another_snapshot_is_not_asked() {
    let desk = Desk::new();
    desk.backup(HOUR_NS, &[]);
    let old = fs::read(desk.memory()).unwrap();
    desk.write("edited", b"9876543210");
    desk.backup(HOUR_NS, &[]);
    assert_ne!(fs::read(desk.memory()).unwrap(), old);
    // What it says of the edited file does not hold any more, and costs no second reading.
    fs::write(desk.memory(), old).unwrap();
    assert_eq!(desk.backup(HOUR_NS, &[]), "2");
    assert_eq!(desk.newest("edited"), b"9876543210");
}

#[test]
fn force_reads_everything_and_what_it_read_is_remembered() {
    let desk = Desk::new();
    desk.backup(HOUR_NS, &[]);
    assert_eq!(desk.backup(HOUR_NS, &[]), "2");
    assert_eq!(desk.backup(HOUR_NS, &["-force"]), "0");
    desk.write("edited", b"9876543210");
    assert_eq!(desk.backup(HOUR_NS, &[]), "1");
    assert_eq!(desk.newest("edited"), b"9876543210");
}

#[test]
fn a_backup_that_fails_leaves_the_memory_as_it_was() {
    let desk = Desk::new();
    desk.backup(HOUR_NS, &[]);
    let before = fs::read(desk.memory()).unwrap();
    desk.write("edited", b"9876543210");
    let lost = desk.scratch.join("store/packfiles");
    fs::rename(&lost, desk.scratch.join("aside")).unwrap();
    fs::write(&lost, b"in the way").unwrap();
    let failed = desk.tried(HOUR_NS, &["backup", "-silent", desk.scratch.join("tree").to_str().unwrap()]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert_eq!(fs::read(desk.memory()).unwrap(), before);
    fs::remove_file(&lost).unwrap();
    fs::rename(desk.scratch.join("aside"), lost).unwrap();
    assert_eq!(desk.backup(HOUR_NS, &[]), "1");
    assert_eq!(desk.newest("edited"), b"9876543210");
}

/// A directory in which things happen at moments the test names.
struct Meddled<'t> {
    source: FsSource,
    /// Before an entry is told.
    on_told: &'t (dyn Fn(&Path) + Sync),
    /// When the first piece of a file was read; how often a file was opened so far.
    on_read: &'t (dyn Fn(&Path, usize) + Sync),
    opened: AtomicUsize,
}

struct MeddledContent<'t> {
    content: Box<dyn Content + 't>,
    first: Option<Box<dyn Fn() + Send + 't>>,
}

impl Read for MeddledContent<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const PIECE: usize = 4096;
        let most = out.len().min(PIECE);
        let read = self.content.read(&mut out[..most])?;
        if let Some(meddle) = self.first.take() {
            meddle();
        }
        Ok(read)
    }
}

impl Content for MeddledContent<'_> {
    fn is_torn(&self) -> bool {
        self.content.is_torn()
    }
}

impl Source for Meddled<'_> {
    fn origin(&self) -> Origin {
        self.source.origin()
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        self.source.walk(&mut |found| {
            if let Found::Entry(record) = &found {
                (self.on_told)(path(record));
            }
            visit(found)
        })
    }

    fn open(&self, record: &Record) -> Result<source::Opened<'_>, Fault> {
        let opened = self.source.open(record)?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let file = path(record).to_owned();
        let first = Box::new(move || (self.on_read)(&file, number));
        let content = MeddledContent { content: opened.content, first: Some(first) };
        Ok(source::Opened { content: Box::new(content), ..opened })
    }

    fn xattr(&self, record: &Record, name: &[u8]) -> Result<Vec<u8>, Fault> {
        self.source.xattr(record, name)
    }
}

fn path(record: &Record) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(&record.path))
}

struct Outcome {
    report: Report,
    opened: usize,
    /// What a restore gives, by path relative to the tree.
    restored: BTreeMap<PathBuf, Vec<u8>>,
}

/// Backs up with these hooks; the store must check clean, and everything in it come back.
fn backed_up(
    scratch: &Scratch,
    on_told: &(dyn Fn(&Path) + Sync),
    on_read: &(dyn Fn(&Path, usize) + Sync),
) -> Outcome {
    let store = Arc::new(MemoryStore::default());
    repository::create(&*store, NewStore::default(), None, &reader::world().0).unwrap();
    let opened = Opened::new(store.clone(), None).unwrap();
    let source = fs_source(&scratch.join("tree"));
    let source = Meddled { source, on_told, on_read, opened: AtomicUsize::new(0) };
    let options = Options { workers: 2, ..Options::default() };
    let report = backup::backup(&opened.repository, &opened.index, &source, &options, &opened.world).unwrap();
    let after = Opened::new(store, None).unwrap();
    assert_eq!(after.problems(false), Vec::<String>::new());
    assert_eq!(after.packfile_problems(), Vec::<String>::new());
    let out = scratch.join("out");
    assert_eq!(after.restore(&report.header.identifier, b"./", &out).unwrap().errors, []);
    let mut restored = BTreeMap::new();
    gather(&out, &out, &mut restored);
    fs::remove_dir_all(out).unwrap();
    Outcome { report, opened: source.opened.into_inner(), restored }
}

fn gather(root: &Path, dir: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let below = entry.path().strip_prefix(root).unwrap().to_owned();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => {
                into.insert(below, b"(directory)".to_vec());
                gather(root, &entry.path(), into);
            }
            kind if kind.is_file() => drop(into.insert(below, fs::read(entry.path()).unwrap())),
            _ => drop(into.insert(below, b"(other)".to_vec())),
        }
    }
}

/// One of the states that a file of the test goes through; `at` is when it was modified.
fn put(file: &Path, content: &[u8], at: usize) {
    // In its place, as an editor would not, but a database does.
    let handle = fs::OpenOptions::new().write(true).create(true).truncate(false).open(file).unwrap();
    io::Write::write_all(&mut &handle, content).unwrap();
    handle.set_len(content.len() as u64).unwrap();
    trees::touch(file, 1_000_000_000 + i64::try_from(at).unwrap(), 0);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_consistent_or_told() {
    /// What the file is turned into while it is read for the n-th time.
    type Edit = fn(old: &[u8], n: usize) -> Option<Vec<u8>>;
    let once: [(&str, Edit); 3] = [
        ("grows", |old, n| (n == 1).then(|| [old, b"and more"].concat())),
        ("shrinks", |old, n| (n == 1).then(|| old[..old.len() / 3].to_vec())),
        ("is rewritten", |old, n| (n == 1).then(|| trees::noise(99, old.len()))),
    ];
    let always: [(&str, Edit); 3] = [
        ("grows", |old, n| Some([old, &trees::noise(n as u64, 3 << 20)].concat())),
        ("shrinks", |old, n| Some(old[..old.len() / (n + 1)].to_vec())),
        ("is rewritten", |old, n| Some(trees::noise(n as u64, old.len()))),
    ];
    let cases = once.iter().map(|case| (case, false)).chain(always.iter().map(|case| (case, true)));
    for ((name, edit), told) in cases {
        for size in [10_000, 5 << 20] {
            let name = format!("{size} bytes, {name}, {}", if told { "always" } else { "once" });
            let scratch = Scratch::new("torn");
            fs::create_dir(scratch.join("tree")).unwrap();
            let file = scratch.join("tree/file");
            put(&file, &trees::noise(1, size), 0);
            fs::write(scratch.join("tree/other"), b"other").unwrap();
            let outcome = backed_up(&scratch, &|_| {}, &|path, _| {
                if path != file {
                    return;
                }
                let n = usize::try_from(modified(path) - 1_000_000_000).unwrap() + 1;
                if let Some(content) = edit(&fs::read(path).unwrap(), n) {
                    put(path, &content, n);
                }
            });
            let stored = &outcome.restored[Path::new("file")];
            assert_eq!(outcome.restored[Path::new("other")], b"other", "{name}");
            assert_eq!(outcome.opened, 3, "{name}: each once, and the file once more");
            let summary = &outcome.report.header.sources[0].summary;
            assert_eq!(summary.total_size(), stored.len() as u64 + 5, "{name}");
            if told {
                let [(path, why)] = outcome.report.errors.as_slice() else {
                    panic!("{name}: {:?}", outcome.report.errors)
                };
                assert_eq!(path, &bytes(&file), "{name}");
                assert!(why.contains("written to meanwhile"), "{name}: {why}");
                assert_eq!(outcome.report.torn, 1, "{name}");
            } else {
                assert_eq!(outcome.report.errors, [], "{name}");
                assert!(stored == &fs::read(&file).unwrap(), "{name}: {} bytes", stored.len());
            }
            if name.contains("grows") {
                let is = fs::read(&file).unwrap();
                assert!(is.starts_with(stored), "{name}: not what was there when it was opened");
            }
        }
    }
}

fn modified(path: &Path) -> i64 {
    std::os::unix::fs::MetadataExt::mtime(&fs::metadata(path).unwrap())
}

#[test]
fn a_large_file_in_use_is_read_once_and_told() {
    let scratch = Scratch::new("torn-large");
    fs::create_dir(scratch.join("tree")).unwrap();
    let file = scratch.join("tree/image");
    fs::File::create(&file).unwrap().set_len((64 << 20) + 1).unwrap();
    trees::touch(&file, 1_000_000_000, 0);
    let outcome = backed_up(&scratch, &|_| {}, &|path, _| trees::touch(path, 1_000_000_001, 0));
    assert_eq!((outcome.opened, outcome.report.torn), (1, 1));
    assert_eq!(outcome.restored[Path::new("image")].len(), (64 << 20) + 1);
}

/// Touches a file whenever anybody asks for randomness: when a blob is sealed, for one.
struct TouchingDice {
    file: PathBuf,
    asked: AtomicUsize,
}

impl Dice for TouchingDice {
    fn fill(&self, out: &mut [u8]) {
        SystemDice.fill(out);
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        trees::touch(&self.file, 1_000_000_000 + i64::try_from(number).unwrap(), 0);
    }
}

#[test]
fn the_program_keeps_a_file_in_use_names_it_and_exits_3() {
    let scratch = Scratch::new("torn-program");
    let (tree, store, key) = (scratch.join("tree"), scratch.join("store"), scratch.join("key"));
    fs::create_dir(&tree).unwrap();
    let file = tree.join("image");
    fs::File::create(&file).unwrap().set_len((64 << 20) + 1).unwrap();
    fs::write(&key, "a passphrase of some length\n").unwrap();
    let run = |words: &[&str]| {
        let config = scratch.join("config");
        let fixed = ["-config", config.to_str().unwrap(), "-cpu", "1", "-keyfile", key.to_str().unwrap()];
        let at = ["at", store.to_str().unwrap()];
        let words: Vec<OsString> = fixed.iter().chain(&at).chain(words).map(OsString::from).collect();
        let streams = Streams::default();
        let code = cli::run_in(&words, &streams.output(), &mut |session| {
            session.dice = Arc::new(TouchingDice { file: file.clone(), asked: AtomicUsize::new(0) });
            session.cache_dir = None;
            session.signals = false;
        });
        streams.said(code)
    };
    assert_eq!(run(&["create"]).code, 0);
    let said = run(&["backup", "-quiet", tree.to_str().unwrap()]);
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    let why = format!("{0}: read {0}: written to meanwhile", file.display());
    assert!(said.stderr.contains(&why), "{}", said.stderr);
    let last = "plakar: the snapshot was created, but 1 entry changed while being read\n";
    assert!(said.stderr.ends_with(last), "{}", said.stderr);
    let listed = run(&["ls", "-uuid"]);
    let id = listed.stdout.split_whitespace().nth(1).unwrap();
    assert!(run(&["info", "-errors", id]).stdout.contains(&why));
    assert!(run(&["ls", id]).stdout.contains("image"));
    let said = run(&["check", "-quiet"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}

#[test]
fn what_vanishes_between_being_listed_and_being_read_is_told_and_the_rest_is_kept() {
    type Meddle = fn(tree: &Path);
    let whole = ["a", "d", "d/one", "d/two", "z"];
    // When this is told, that happens; what is told of it; what is in the snapshot.
    let cases: [(&str, &str, Meddle, &[(&str, &str)], &[&str]); 7] = [
        ("nothing", "a", |_| {}, &[], &whole),
        (
            "a file that was told",
            "d/one",
            |tree| fs::remove_file(tree.join("d/one")).unwrap(),
            &[("d/one", "no such file")],
            &["a", "d", "d/two", "z"],
        ),
        (
            "a file whose directory was listed, before anybody looked",
            "d/one",
            |tree| fs::remove_file(tree.join("d/two")).unwrap(),
            &[],
            &["a", "d", "d/one", "z"],
        ),
        (
            "a directory that was told",
            "d",
            |tree| fs::remove_dir_all(tree.join("d")).unwrap(),
            &[("d", "no such file")],
            &["a", "d", "z"],
        ),
        (
            "a directory in which the walk is",
            "d/one",
            |tree| fs::remove_dir_all(tree.join("d")).unwrap(),
            &[("d/one", "no such file")],
            &["a", "d", "z"],
        ),
        (
            "a file that a link took the place of",
            "d/one",
            |tree| {
                fs::remove_file(tree.join("d/one")).unwrap();
                symlink("/etc/passwd", tree.join("d/one")).unwrap();
            },
            &[("d/one", "symbolic link")],
            &["a", "d", "d/two", "z"],
        ),
        (
            "a directory that a file took the place of",
            "d",
            |tree| {
                fs::remove_dir_all(tree.join("d")).unwrap();
                fs::write(tree.join("d"), b"file").unwrap();
            },
            &[("d", "ot a directory")],
            &["a", "d", "z"],
        ),
    ];
    for (name, at, meddle, told, kept) in cases {
        let scratch = Scratch::new("vanish");
        let tree = scratch.join("tree");
        fs::create_dir_all(tree.join("d")).unwrap();
        for file in ["a", "d/one", "d/two", "z"] {
            fs::write(tree.join(file), file).unwrap();
        }
        let at = tree.join(at);
        let outcome = backed_up(
            &scratch,
            &|path| {
                if path == at {
                    meddle(&tree);
                }
            },
            &|_, _| {},
        );
        let errors = &outcome.report.errors;
        assert_eq!(errors.len(), told.len(), "{name}: {errors:?}");
        for ((path, why), (expected, word)) in errors.iter().zip(told) {
            assert_eq!(path, &bytes(&tree.join(expected)), "{name}");
            assert!(why.contains(word), "{name}: {why}");
        }
        assert_eq!(outcome.report.torn, 0, "{name}");
        let found: Vec<_> = outcome.restored.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, kept, "{name}");
        for (path, content) in &outcome.restored {
            let expected = if path == Path::new("d") { "(directory)" } else { path.to_str().unwrap() };
            assert_eq!(String::from_utf8_lossy(content), expected, "{name}");
        }
    }
}
