//! A world by hand for whole-repository tests: a store in a map behind a gate, a source in a map,
//! time that moves when told to, and dice that repeat.

use crate::base::file::{FileInfo, Mode};
use crate::base::mac::Mac;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::engine::World;
use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use crate::ports::dice::Dice;
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::monitor::Silent;
use crate::ports::source::{Found, Opened, Origin, Record, Source, Step};
use crate::ports::store::{Access, Item, Kind, Listed, Store};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Marsaglia's xorshift of 64 bits: the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Rolls(u64);

impl Rolls {
    /// Any seed, 0 included.
    pub fn new(seed: u64) -> Rolls {
        let mixed = (seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Rolls((mixed ^ mixed >> 31) | 1)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut out: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.roll().to_le_bytes()).collect();
        out.truncate(length);
        out
    }
}

/// Dice that repeat.
pub struct SeededDice(Mutex<Rolls>);

impl SeededDice {
    /// The same seed, the same bytes.
    pub fn new(seed: u64) -> SeededDice {
        SeededDice(Mutex::new(Rolls::new(seed)))
    }
}

impl Dice for SeededDice {
    fn fill(&self, out: &mut [u8]) {
        let bytes = locked(&self.0).bytes(out.len());
        out.copy_from_slice(&bytes);
    }
}

/// Time that moves when told to, and when somebody waits.
pub struct HandClock(AtomicI64);

impl HandClock {
    /// At some moment of 2026.
    pub fn new() -> HandClock {
        HandClock(AtomicI64::new(1_780_000_000_000_000_000))
    }

    /// Moves on.
    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets both to the later of the two times.
    pub fn meet(&self, other: &HandClock) {
        let later = self.now_ns().max(other.now_ns());
        self.0.store(later, Ordering::SeqCst);
        other.0.store(later, Ordering::SeqCst);
    }
}

impl Default for HandClock {
    fn default() -> HandClock {
        HandClock::new()
    }
}

impl Clock for HandClock {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn wait(&self, time: Duration) {
        self.pass(time);
    }
}

/// A world that lives by that clock.
pub fn world(clock: &Arc<HandClock>, seed: u64) -> World {
    World {
        clock: clock.clone(),
        dice: Arc::new(SeededDice::new(seed)),
        cancel: Cancel::new(),
        monitor: Arc::new(Silent),
    }
}

/// The files of a store, by path.
pub type Files = Arc<Mutex<BTreeMap<String, Arc<Vec<u8>>>>>;

/// What stands before every request of a [`MapStore`].
pub trait Gate: Send + Sync {
    /// Lets the request through by calling `effect` once, or does not.
    ///
    /// # Errors
    /// Any, before or after the effect: an answer may get lost.
    fn pass(&self, verb: &'static str, path: &str, effect: &mut dyn FnMut()) -> Result<(), Fault>;
}

/// Everything passes.
pub struct Open;

impl Gate for Open {
    fn pass(&self, _: &'static str, _: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
        effect();
        Ok(())
    }
}

/// A store in a map.
pub struct MapStore {
    files: Files,
    gate: Arc<dyn Gate>,
}

impl MapStore {
    /// Over `files`, which others may share.
    pub fn new(files: &Files, gate: Arc<dyn Gate>) -> MapStore {
        MapStore { files: Arc::clone(files), gate }
    }

    fn ask<T>(
        &self,
        verb: &'static str,
        path: &str,
        act: impl Fn(&mut BTreeMap<String, Arc<Vec<u8>>>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut done = None;
        self.gate.pass(verb, path, &mut || done = Some(act(&mut locked(&self.files))))?;
        done.unwrap_or_else(|| Err(Fault::new(FaultKind::Broken, format!("{verb} {path}: did not pass"))))
    }
}

fn missing(path: &str) -> Fault {
    Fault::new(FaultKind::Missing, format!("{path}: not there"))
}

impl Store for MapStore {
    fn location(&self) -> &str {
        "map"
    }

    fn access(&self) -> Access {
        Access::Full
    }

    fn create(&self, config: &[u8]) -> Result<(), Fault> {
        self.ask("create", "CONFIG", |files| {
            if files.contains_key("CONFIG") {
                return Err(Fault::new(FaultKind::Exists, "there is a CONFIG"));
            }
            files.insert("CONFIG".to_owned(), Arc::new(config.to_vec()));
            Ok(())
        })
    }

    fn get(&self, item: Item, limit: u64) -> Result<Vec<u8>, Fault> {
        let path = item.path();
        self.ask("get", &path, |files| match files.get(&path) {
            Some(body) if body.len() as u64 <= limit => Ok(body.to_vec()),
            Some(_) => Err(Fault::new(FaultKind::Damaged, format!("{path}: longer than {limit} bytes"))),
            None => Err(missing(&path)),
        })
    }

    fn get_range(&self, item: Item, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let path = item.path();
        self.ask("range", &path, |files| {
            let body = files.get(&path).ok_or_else(|| missing(&path))?;
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            from.checked_add(length)
                .and_then(|to| body.get(from..to))
                .map(<[u8]>::to_vec)
                .ok_or_else(|| Fault::new(FaultKind::Damaged, format!("{path}: ends early")))
        })
    }

    fn uploads(&self) -> usize {
        0
    }

    fn put(&self, item: Item, body: &[u8]) -> Result<(), Fault> {
        let (path, body) = (item.path(), Arc::new(body.to_vec()));
        self.ask("put", &path, |files| {
            files.insert(path.clone(), Arc::clone(&body));
            Ok(())
        })
    }

    fn delete(&self, item: Item) -> Result<(), Fault> {
        let path = item.path();
        self.ask("delete", &path, |files| {
            files.remove(&path);
            Ok(())
        })
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let folder = match kind {
            Kind::State => "states/",
            Kind::Packfile => "packfiles/",
            Kind::Lock => "locks/",
        };
        self.ask("list", folder, |files| {
            let below = files.iter().filter(|(path, _)| path.starts_with(folder));
            let listed = below.filter_map(|(path, body)| {
                let id = Mac::from_hex(path.rsplit('/').next()?)?;
                Some(Listed { id, size: body.len() as u64 })
            });
            Ok(listed.collect())
        })
    }
}

/// Content by absolute, clean path; directories are what lies above.
pub type Tree = BTreeMap<Vec<u8>, Arc<Vec<u8>>>;

/// A tree in a map as a source.
pub struct MapSource {
    host: String,
    tree: Tree,
}

impl MapSource {
    /// As `host` sees it.
    pub fn new(host: &str, tree: Tree) -> MapSource {
        MapSource { host: host.to_owned(), tree }
    }

    fn directories(&self) -> Vec<Vec<u8>> {
        let mut above: Vec<Vec<u8>> = vec![b"/".to_vec()];
        for file in self.tree.keys() {
            let mut parent = path::parent(file);
            while parent != b"/" {
                above.push(parent.to_vec());
                parent = path::parent(parent);
            }
        }
        above.sort();
        above.dedup();
        above
    }
}

fn record(path: &[u8], mode: Mode, content: &[u8]) -> Record {
    // The modification time stands for the content, as a careful file system's would.
    let mark = content.iter().fold(content.len() as u64, |sum, byte| {
        sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte))
    });
    let info = FileInfo {
        name: path::base_name(path).to_vec(),
        size: i64::try_from(content.len()).unwrap_or(i64::MAX),
        mode,
        mod_time: Stamp { secs: 1_700_000_000 + (mark % 1_000_000) as i64, nanos: 0 },
        ino: 7,
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

impl Source for MapSource {
    fn origin(&self) -> Origin {
        Origin { kind: "fs".to_owned(), origin: self.host.clone(), root: b"/".to_vec() }
    }

    fn walk(&self, visit: &mut dyn FnMut(Found) -> Step) -> Result<(), Fault> {
        let directories = self.directories().into_iter().map(|path| {
            let found = record(&path, Mode(Mode::DIR | 0o755), b"");
            (path, found)
        });
        let files =
            self.tree.iter().map(|(path, content)| (path.clone(), record(path, Mode(0o644), content)));
        let mut all: Vec<(Vec<u8>, Record)> = directories.chain(files).collect();
        // A directory, then everything below it, whatever sorts between.
        all.sort_by(|(a, _), (b, _)| a.split(|b| *b == b'/').cmp(b.split(|b| *b == b'/')));
        let mut skipped: Option<Vec<u8>> = None;
        for (path, record) in all {
            if skipped.as_ref().is_some_and(|skipped| path::is_within(&path, skipped)) {
                continue;
            }
            match visit(Found::Entry(Box::new(record))) {
                Step::Descend => {}
                Step::Skip => skipped = Some(path),
                Step::Stop => break,
            }
        }
        Ok(())
    }

    fn open(&self, record: &Record) -> Result<Opened<'_>, Fault> {
        let path = String::from_utf8_lossy(&record.path).into_owned();
        let content = self.tree.get(&record.path).ok_or_else(|| missing(&path))?;
        Ok(Opened::plain(content.as_slice()))
    }

    fn xattr(&self, record: &Record, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(missing(&String::from_utf8_lossy(&record.path)))
    }
}
