//! A plaintext store in a bucket of the test server, with some past behind it, and the program run on
//! it inside this process: its clock is moved by hand, so that no retry takes time.

use crate::kit::connect::{Scratch, fs_source};
use crate::kit::memory_store::MemoryStore;
use crate::kit::reader::{Lines, Opened};
use crate::kit::s3_server::objects::Object;
use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::trees;
use plakar::base::mac::Mac;
use plakar::cli;
use plakar::cli::output::Output;
use plakar::engine::World;
use plakar::engine::backup::{self, Options};
use plakar::engine::maintenance;
use plakar::engine::remove;
use plakar::engine::repository::{self, Closed, NewStore};
use plakar::ports::cancel::Cancel;
use plakar::ports::clock::Clock;
use plakar::world::clock::SystemClock;
use plakar::world::dice::SystemDice;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Everything stored on the server, by bucket and key.
pub type Image = BTreeMap<String, BTreeMap<Vec<u8>, Object>>;

/// Time that passes only when somebody waits, seen from some distance, and what happens then.
pub struct Hand {
    real: SystemClock,
    offset_ns: i64,
    waited: Mutex<Duration>,
    on_wait: Box<dyn Fn() + Send + Sync>,
}

impl Hand {
    /// So far ahead of the machine's clock.
    pub fn new(offset_ns: i64, on_wait: Box<dyn Fn() + Send + Sync>) -> Arc<Hand> {
        Arc::new(Hand { real: SystemClock::new(Cancel::new()), offset_ns, waited: Mutex::default(), on_wait })
    }
}

impl Clock for Hand {
    fn now_ns(&self) -> i64 {
        self.real.now_ns() + self.offset_ns
    }

    fn monotonic(&self) -> Duration {
        *self.waited.lock().unwrap()
    }

    fn wait(&self, time: Duration) {
        (self.on_wait)();
        *self.waited.lock().unwrap() += time;
    }
}

fn world(offset_ns: i64) -> World {
    let cancel = Cancel::new();
    World {
        clock: Hand::new(offset_ns, Box::new(|| {})),
        dice: Arc::new(SystemDice),
        cancel,
        monitor: Arc::new(Lines::default()),
    }
}

/// What a run said and how it ended.
pub struct Said {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Two streams whose text is kept.
#[derive(Default)]
pub struct Streams {
    stdout: Sink,
    stderr: Sink,
}

impl Streams {
    /// What a run writes to.
    pub fn output(&self) -> Arc<Output> {
        Arc::new(Output::to(Box::new(self.stdout.clone()), Box::new(self.stderr.clone())))
    }

    /// What it wrote, and how it ended.
    pub fn said(&self, code: u8) -> Said {
        Said { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

/// The server and what it knows at the start of each case.
pub struct Planned {
    pub scratch: Scratch,
    pub server: Arc<S3Server>,
    /// The tree of the newest snapshot.
    pub tree: PathBuf,
    /// Kept snapshots, oldest first.
    pub kept: Vec<Mac>,
    /// What is stored before anything happens.
    pub image: Image,
    /// How far the program's clock is ahead.
    pub offset_ns: Mutex<i64>,
    /// How long it waits for a byte.
    pub stall: Mutex<Duration>,
}

/// Tells a file's clock and a snapshot's apart.
fn put(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Backs a tree up into a store in memory.
pub fn backed_up(store: &Arc<MemoryStore>, tree: &Path, offset_ns: i64) -> Mac {
    let world = world(offset_ns);
    let repository = Closed::read(store.clone()).unwrap().unlock(None, &world).unwrap();
    let index = repository.load_index(&world).unwrap();
    let source = fs_source(tree);
    let made = backup::backup(&repository, &index, &source, &Options::default(), &world).unwrap();
    made.header.identifier
}

/// Removes a snapshot from a store in memory.
pub fn removed(store: &Arc<MemoryStore>, id: Mac, offset_ns: i64) {
    let world = world(offset_ns);
    let repository = Closed::read(store.clone()).unwrap().unlock(None, &world).unwrap();
    let index = repository.load_index(&world).unwrap();
    remove::remove(&repository, &index, &[id], &world).unwrap();
}

impl Planned {
    /// A store `@s` of two snapshots, packfiles due for removal and others due for colouring; a store
    /// `@p` of one other snapshot; a bucket `@b` of three objects; places `@d` (a destination) and
    /// `@n` (for a store) where nothing is.
    pub fn new(name: &str) -> Planned {
        let scratch = Scratch::new(name);
        let tree = scratch.join("tree");
        put(&tree.join("a.txt"), b"alpha\n");
        put(&tree.join("sub/noise"), &trees::noise(1, 200_000));
        put(&tree.join("empty"), b"");
        let store = Arc::new(MemoryStore::default());
        repository::create(&*store, NewStore::default(), None, &world(-50 * DAY_NS)).unwrap();
        let gone = scratch.join("gone");
        put(&gone.join("x"), &trees::noise(2, 90_000));
        let first = backed_up(&store, &gone, -50 * DAY_NS);
        let older = backed_up(&store, &tree, -49 * DAY_NS);
        removed(&store, first, -48 * DAY_NS);
        let before = world(-40 * DAY_NS);
        let repository = Closed::read(store.clone()).unwrap().unlock(None, &before).unwrap();
        let grace = Duration::from_secs(30 * 24 * 3600);
        let options = maintenance::Options { grace, delete: true, host: None };
        assert!(maintenance::maintain(&repository, &options, &before).unwrap().coloured > 0);
        put(&gone.join("x"), &trees::noise(3, 90_000));
        let second = backed_up(&store, &gone, -30 * DAY_NS);
        removed(&store, second, -29 * DAY_NS);
        put(&tree.join("a.txt"), b"alpha and omega\n");
        put(&tree.join("new"), &trees::noise(4, 70_000));
        let newer = backed_up(&store, &tree, -DAY_NS);
        let peer = Arc::new(MemoryStore::default());
        repository::create(&*peer, NewStore::default(), None, &world(0)).unwrap();
        put(&gone.join("x"), b"the peer's own\n");
        backed_up(&peer, &gone, -DAY_NS);

        let server = Arc::new(S3Server::start());
        server.objects(|objects| {
            for (bucket, store) in [("kloset", &store), ("peer", &peer)] {
                for (path, body) in store.items() {
                    objects.put(bucket, path.as_bytes(), &body);
                }
            }
            for (key, body) in
                [("one", &b"1"[..]), ("dir/two", b"22"), ("dir/three", &trees::noise(9, 70_000))]
            {
                objects.put("source", key.as_bytes(), body);
            }
            for empty in ["restored", "fresh"] {
                objects.buckets.insert(empty.to_owned(), BTreeMap::new());
            }
        });
        let image = server.objects(|objects| objects.buckets.clone());
        let planned = Planned {
            scratch,
            server,
            tree,
            kept: vec![older, newer],
            image,
            offset_ns: Mutex::new(0),
            stall: Mutex::new(Duration::from_secs(30)),
        };
        let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
        for (role, entry, bucket) in [
            ("store", "s", "kloset"),
            ("store", "p", "peer"),
            ("store", "n", "fresh"),
            ("source", "b", "source"),
            ("destination", "d", "restored"),
        ] {
            let location = format!("s3://{}/{bucket}", planned.server.address());
            let said = planned.run(&[role, "add", entry, &location, &keys[0], &keys[1], "use_tls=false"]);
            assert_eq!(said.code, 0, "{}", said.stderr);
        }
        planned
    }

    /// The server is as it was at the start, and answers everything.
    pub fn again(&self) {
        self.server.end_plan();
        self.server.objects(|objects| {
            objects.buckets.clone_from(&self.image);
            objects.uploads.clear();
        });
    }

    /// A command line with the names of this store's things in it.
    pub fn words(&self, words: &[&str]) -> Vec<String> {
        let fill = |word: &&str| {
            word.replace("TREE", self.tree.to_str().unwrap())
                .replace("OLDER", &self.kept[0].to_string())
                .replace("NEWER", &self.kept[1].to_string())
                .replace("OUT", self.scratch.join("out").to_str().unwrap())
                .replace("FILE", self.scratch.join("file.ptar").to_str().unwrap())
        };
        words.iter().map(fill).collect()
    }

    /// Runs the program's own code.
    pub fn run(&self, words: &[&str]) -> Said {
        let config = self.scratch.join("config");
        let fixed = ["-config", config.to_str().unwrap(), "-cpu", "1"];
        let words: Vec<OsString> = fixed.iter().chain(words).map(OsString::from).collect();
        let streams = Streams::default();
        let code = cli::run_in(&words, &streams.output(), &mut |session| {
            let server = Arc::clone(&self.server);
            // Whoever waits before trying again finds a server that was started again.
            let reopen = move || {
                if server.hit().is_some_and(|_| server.lasts_once()) {
                    server.open();
                }
            };
            session.clock = Hand::new(*self.offset_ns.lock().unwrap(), Box::new(reopen));
            session.cache_dir = None;
            session.stall = *self.stall.lock().unwrap();
            session.signals = false;
        });
        streams.said(code)
    }

    /// What is stored.
    pub fn stored(&self) -> Image {
        self.server.objects(|objects| objects.buckets.clone())
    }

    /// A bucket's store, past all requests.
    pub fn store(&self, bucket: &str) -> Arc<MemoryStore> {
        let items = self.server.objects(|objects| {
            let objects = objects.buckets.get(bucket).into_iter().flatten();
            objects
                .map(|(key, object)| (String::from_utf8(key.clone()).unwrap(), object.body.clone()))
                .collect()
        });
        Arc::new(MemoryStore::with(items))
    }

    /// Everything a full check finds wrong with a bucket's store; the snapshots it has.
    pub fn look(&self, bucket: &str) -> (Vec<String>, Vec<Mac>) {
        let opened = match Opened::new(self.store(bucket), None) {
            Ok(opened) => opened,
            Err(error) => return (vec![error.to_string()], Vec::new()),
        };
        let mut problems = opened.packfile_problems();
        problems.extend(opened.problems(false));
        (problems, opened.index.snapshots())
    }

    /// Differences of a snapshot from the tree it was made of.
    pub fn differences(&self, bucket: &str, id: &Mac) -> Vec<String> {
        let opened = Opened::new(self.store(bucket), None).unwrap();
        let out = self.scratch.join("look");
        let report = opened.restore(id, b"./", &out).unwrap();
        assert_eq!(report.errors, []);
        let found = trees::differences(&self.tree, &out);
        fs::remove_dir_all(out).unwrap();
        found
    }
}
