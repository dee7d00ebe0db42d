//! Two stores and a tree driven by operations as data, beside the plain truth: what every snapshot
//! must hold. Any request may fail, before it takes effect or after.

use crate::base::mac::Mac;
use crate::engine::World;
use crate::engine::backup::{self, Options, Previous};
use crate::engine::blobs::Blobs;
use crate::engine::check::{self, Checker};
use crate::engine::duplicate;
use crate::engine::error::{Error, Kind};
use crate::engine::index::Index;
use crate::engine::maintenance;
use crate::engine::plan::{Fetcher, Width};
use crate::engine::previous::Earlier;
use crate::engine::remove;
use crate::engine::replay::Replay;
use crate::engine::repository::{self, Closed, NewStore, Repository};
use crate::engine::select::Argument;
use crate::engine::snapshot::Snapshot;
use crate::fuzzing::byte;
use crate::fuzzing::world::{Files, Gate, HandClock, MapSource, MapStore, Open, Rolls, Tree, world};
use crate::ports::fault::{Fault, FaultKind};
use crate::ports::source::{Found, Source, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A lock is a dead one's after this.
const LOCK_DIES: Duration = Duration::from_secs(11 * 60);

/// A store opened as a command opens it.
pub struct Opened {
    /// Unlocked.
    pub repository: Repository,
    /// Its states.
    pub index: Index,
    /// Clock, dice.
    pub world: World,
}

/// Makes a plaintext store of small packfiles.
pub fn create(clock: &Arc<HandClock>, seed: u64) -> Files {
    let files = Files::default();
    let settings = NewStore { packfile_max: 3000, ..NewStore::default() };
    let store = MapStore::new(&files, Arc::new(Open));
    repository::create(&store, settings, None, &world(clock, seed)).expect("a store in an empty map");
    files
}

/// Opens it; every request goes through `gate`.
///
/// # Errors
/// What the gate refuses.
pub fn open(files: &Files, gate: Arc<dyn Gate>, clock: &Arc<HandClock>, seed: u64) -> Result<Opened, Error> {
    let world = world(clock, seed);
    let repository = Closed::read(Arc::new(MapStore::new(files, gate)))?.unlock(None, &world)?;
    let index = repository.load_index(&world)?;
    Ok(Opened { repository, index, world })
}

/// Backs the tree up, compared with the newest snapshot of the same host.
///
/// # Errors
/// When no snapshot was made.
pub fn back_up(opened: &Opened, host: &str, tree: &Tree, lockless: bool) -> Result<Mac, Error> {
    let source = MapSource::new(host, tree.clone());
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let known: Vec<Snapshot> =
        opened.index.snapshots().iter().filter_map(|id| Snapshot::open(&blobs, id).ok()).collect();
    let newest = backup::newest_of(known.iter().map(|snapshot| &snapshot.header), &source);
    let newest = newest.and_then(|header| known.iter().find(|snapshot| snapshot.id == header.identifier));
    let earlier = newest.and_then(|snapshot| Earlier::new(&blobs, snapshot).ok());
    let options = Options {
        host: host.to_owned(),
        previous: earlier.as_ref().map(|earlier| earlier as &dyn Previous),
        lockless,
        ..Options::default()
    };
    let made = backup::backup(&opened.repository, &opened.index, &source, &options, &opened.world)?;
    match made.errors.is_empty() {
        true => Ok(made.header.identifier),
        false => Err(Error::new(Kind::Incomplete, format!("{:?}", made.errors))),
    }
}

/// Copies a snapshot, as `sync` does.
///
/// # Errors
/// When none was made.
pub fn copy(from: &Opened, to: &Opened, id: &Mac) -> Result<(), Error> {
    let blobs = Blobs::for_lookups(&from.repository, &from.index);
    let fetcher = Fetcher::new(&blobs, &from.world, Width::for_cores(1));
    let snapshot = Snapshot::open(&blobs, id)?;
    let replay = Replay::new(&fetcher, &snapshot)?;
    let options =
        Options { host: "copier".to_owned(), copy_of: Some(&snapshot.header), ..Options::default() };
    backup::backup(&to.repository, &to.index, &replay, &options, &to.world).map(|_| ())
}

/// A second snapshot of the same content, as `dup` makes it.
///
/// # Errors
/// When none was made.
pub fn double(opened: &Opened, id: &Mac) -> Result<Mac, Error> {
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let snapshot = Snapshot::open(&blobs, id)?;
    duplicate::duplicate(&opened.repository, &opened.index, &snapshot, Some("doubler"), &opened.world)
}

/// Runs maintenance.
///
/// # Errors
/// As the engine's.
pub fn maintain(opened: &Opened, grace: Duration) -> Result<maintenance::Report, Error> {
    let options = maintenance::Options { grace, delete: true, host: Some("keeper".to_owned()) };
    maintenance::maintain(&opened.repository, &options, &opened.world)
}

/// Everything a snapshot holds, read back and verified.
///
/// # Errors
/// The first thing that cannot be read.
pub fn content(opened: &Opened, id: &Mac) -> Result<Tree, Error> {
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let fetcher = Fetcher::new(&blobs, &opened.world, Width::for_cores(1));
    let snapshot = Snapshot::open(&blobs, id)?;
    let replay = Replay::new(&fetcher, &snapshot)?;
    let mut found = Vec::new();
    replay.walk(&mut |step| {
        if let Found::Entry(record) = step
            && record.info.mode.is_regular()
        {
            found.push(record);
        }
        Step::Descend
    })?;
    let mut tree = Tree::new();
    for record in found {
        let mut bytes = Vec::new();
        let read = replay.open(&record)?.content.read_to_end(&mut bytes);
        read.map_err(|error| Error::new(Kind::Damaged, error.to_string()))?;
        tree.insert(record.path, Arc::new(bytes));
    }
    Ok(tree)
}

/// What a full check finds wrong with a snapshot.
///
/// # Errors
/// The store's.
pub fn problems(opened: &Opened, id: &Mac) -> Result<Vec<String>, Error> {
    let blobs = Blobs::for_lookups(&opened.repository, &opened.index);
    let fetcher = Fetcher::new(&blobs, &opened.world, Width::for_cores(1));
    let options = check::Options { fast: false, signatures: true };
    let checked = Checker::new(&fetcher, &opened.world, options)?.snapshot(id, &Argument::default())?;
    Ok(checked.problems.iter().map(|problem| problem.what.to_string()).collect())
}

/// One step of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file of the tree gets this content.
    Edit {
        /// Which file.
        slot: u8,
        /// What content.
        seed: u8,
        /// How much of it, in units of 40 bytes; the largest are several chunks.
        length: u8,
    },
    /// A file of the tree goes.
    Delete {
        /// Which file.
        slot: u8,
    },
    /// A snapshot of the tree.
    Backup,
    /// `rm` of one snapshot.
    Remove {
        /// Which.
        nth: u8,
    },
    /// All but the newest are removed.
    Prune {
        /// How many stay.
        keep: u8,
    },
    /// Maintenance.
    Maintain {
        /// Its grace period.
        hours: u8,
    },
    /// Every snapshot of the first store into the second, or back.
    Sync {
        /// Back.
        back: bool,
    },
    /// A second snapshot of the same.
    Double {
        /// Of which.
        nth: u8,
    },
    /// Everything of one snapshot is read back.
    Restore {
        /// Which.
        nth: u8,
    },
    /// Time.
    Pass {
        /// So much.
        hours: u8,
    },
    /// Of what comes next, a request fails.
    Fail {
        /// The how many-th, from 0.
        nth: u8,
        /// After it took effect.
        late: bool,
    },
}

impl Op {
    /// From up to four bytes.
    pub fn read(rest: &mut &[u8]) -> Option<Op> {
        if rest.is_empty() {
            return None;
        }
        Some(match byte(rest) % 24 {
            0..=6 => Op::Edit { slot: byte(rest) % 12, seed: byte(rest) % 8, length: byte(rest) },
            7 => Op::Delete { slot: byte(rest) % 12 },
            8..=11 => Op::Backup,
            12 | 13 => Op::Remove { nth: byte(rest) },
            14 => Op::Prune { keep: byte(rest) % 4 },
            15 | 16 => Op::Maintain { hours: byte(rest) % 3 },
            17 => Op::Sync { back: byte(rest).is_multiple_of(3) },
            18 => Op::Double { nth: byte(rest) },
            19 => Op::Restore { nth: byte(rest) },
            20 => Op::Pass { hours: byte(rest) % 4 },
            _ => Op::Fail { nth: byte(rest) % 40, late: byte(rest).is_multiple_of(2) },
        })
    }

    /// As many as `data` holds, at most `most`.
    pub fn read_all(mut data: &[u8], most: usize) -> Vec<Op> {
        std::iter::from_fn(|| Op::read(&mut data)).take(most).collect()
    }
}

/// Lets one request fail.
#[derive(Default)]
struct Plan(Mutex<Option<(u8, bool)>>);

impl Plan {
    fn next(&self) -> Option<bool> {
        let mut plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *plan {
            Some((0, late)) => {
                *plan = None;
                Some(late)
            }
            Some((n, late)) => {
                *plan = Some((n - 1, late));
                None
            }
            None => None,
        }
    }
}

impl Gate for Plan {
    fn pass(&self, verb: &'static str, path: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
        let fails = self.next();
        if fails != Some(false) {
            effect();
        }
        match fails {
            None => Ok(()),
            Some(_) => Err(Fault::new(FaultKind::Broken, format!("{verb} {path}: planned failure"))),
        }
    }
}

/// One store and what must be in it.
struct Side {
    files: Files,
    truth: BTreeMap<Mac, Tree>,
    /// Removed here, so never to come back.
    removed: BTreeSet<Mac>,
}

/// See the module.
pub struct Model {
    clock: Arc<HandClock>,
    plan: Arc<Plan>,
    sides: [Side; 2],
    tree: Tree,
    seed: u64,
    /// Requests that were made to fail so far.
    pub failed: usize,
}

impl Default for Model {
    fn default() -> Model {
        Model::new()
    }
}

impl Model {
    /// Two empty stores and an empty tree.
    pub fn new() -> Model {
        let clock = Arc::new(HandClock::new());
        let side =
            |seed| Side { files: create(&clock, seed), truth: BTreeMap::new(), removed: BTreeSet::new() };
        let sides = [side(1), side(2)];
        Model { clock, plan: Arc::default(), sides, tree: Tree::new(), seed: 3, failed: 0 }
    }

    /// Does one step and holds it against the truth.
    pub fn step(&mut self, op: &Op) {
        match op {
            Op::Edit { slot, seed, length } => {
                let content = Rolls::new(u64::from(*seed)).bytes(match length {
                    250.. => 150_000 + usize::from(*length),
                    _ => usize::from(*length) * 40,
                });
                self.tree.insert(file(*slot), Arc::new(content));
            }
            Op::Delete { slot } => drop(self.tree.remove(&file(*slot))),
            Op::Pass { hours } => self.clock.pass(Duration::from_secs(u64::from(*hours) * 3600)),
            Op::Fail { nth, late } => {
                *self.plan.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((*nth, *late));
            }
            Op::Restore { nth } => {
                if let Some(id) = self.pick(*nth) {
                    self.verify(0, &[id]);
                }
            }
            Op::Backup => {
                let tree = self.tree.clone();
                let made = self.opened(0).and_then(|opened| back_up(&opened, "model", &tree, false));
                let made = made.map(|id| vec![(id, tree.clone())]);
                self.settle(0, made, &|_| Some(tree.clone()), &BTreeSet::new());
            }
            Op::Double { nth } => {
                let Some(id) = self.pick(*nth) else { return };
                let tree = self.sides[0].truth[&id].clone();
                let made = self.opened(0).and_then(|opened| double(&opened, &id));
                let made = made.map(|id| vec![(id, tree.clone())]);
                self.settle(0, made, &|_| Some(tree.clone()), &BTreeSet::new());
            }
            Op::Remove { nth } => self.remove(self.pick(*nth).into_iter().collect()),
            Op::Prune { keep } => {
                // Ids are drawn, so that their order is none: any rule will do.
                let ids = self.sides[0].truth.keys().skip(usize::from(*keep)).copied().collect();
                self.remove(ids);
            }
            Op::Maintain { hours } => {
                let grace = Duration::from_secs(u64::from(*hours) * 3600);
                for side in 0..2 {
                    let done = self.opened(side).and_then(|opened| maintain(&opened, grace));
                    self.settle(side, done.map(|_| Vec::new()), &|_| None, &BTreeSet::new());
                    let all: Vec<Mac> = self.sides[side].truth.keys().copied().collect();
                    self.verify(side, &all);
                }
            }
            Op::Sync { back } => self.sync(usize::from(*back), usize::from(!*back)),
        }
    }

    /// Everything in both stores is as it must be, down to each byte, and a full check agrees.
    pub fn finish(&self) {
        for (side, of) in self.sides.iter().enumerate() {
            let all: Vec<Mac> = of.truth.keys().copied().collect();
            self.verify(side, &all);
            let opened = self.opened_safely(side);
            for id in all {
                let found = problems(&opened, &id).expect("a store in a map");
                assert!(found.is_empty(), "store {side}, {}: {found:?}", id.short());
            }
        }
    }

    /// The files of the first store, and what its snapshots hold.
    pub fn stored(&self) -> (&Files, &BTreeMap<Mac, Tree>) {
        (&self.sides[0].files, &self.sides[0].truth)
    }

    fn pick(&self, nth: u8) -> Option<Mac> {
        let truth = &self.sides[0].truth;
        truth.keys().nth(usize::from(nth) % truth.len().max(1)).copied()
    }

    fn opened(&mut self, side: usize) -> Result<Opened, Error> {
        self.seed += 1;
        open(&self.sides[side].files, self.plan.clone(), &self.clock, self.seed)
    }

    fn opened_safely(&self, side: usize) -> Opened {
        open(&self.sides[side].files, Arc::new(Open), &self.clock, self.seed).expect("a store in a map")
    }

    fn remove(&mut self, ids: Vec<Mac>) {
        let removed = self
            .opened(0)
            .and_then(|opened| remove::remove(&opened.repository, &opened.index, &ids, &opened.world));
        let wanted: BTreeSet<Mac> = ids.into_iter().collect();
        if removed.is_ok() {
            self.sides[0].truth.retain(|id, _| !wanted.contains(id));
            self.sides[0].removed.extend(&wanted);
        }
        self.settle(0, removed.map(|()| Vec::new()), &|_| None, &wanted);
    }

    fn sync(&mut self, from: usize, to: usize) {
        let wanted: Vec<(Mac, Tree)> =
            self.sides[from].truth.iter().map(|(id, tree)| (*id, tree.clone())).collect();
        for (id, tree) in wanted {
            if self.sides[to].truth.contains_key(&id) {
                continue;
            }
            let copied = self.opened(from).and_then(|source| {
                let target = self.opened(to)?;
                copy(&source, &target, &id)
            });
            if let Err(error) = &copied
                && error.kind == Kind::Store(FaultKind::Exists)
            {
                assert!(self.sides[to].removed.contains(&id), "{error}");
                continue;
            }
            let made = copied.map(|()| vec![(id, tree.clone())]);
            self.settle(to, made, &|found| (*found == id).then(|| tree.clone()), &BTreeSet::new());
        }
    }

    /// Holds what is listed against the truth. What was reported is there. What failed is there whole
    /// or not at all: `whole` tells what a snapshot that nobody reported must hold, `perhaps` are
    /// those that may be gone.
    fn settle(
        &mut self,
        side: usize,
        done: Result<Vec<(Mac, Tree)>, Error>,
        whole: &dyn Fn(&Mac) -> Option<Tree>,
        perhaps: &BTreeSet<Mac>,
    ) {
        let failure = match done {
            Ok(made) => {
                self.sides[side].truth.extend(made);
                None
            }
            Err(error) => Some(error),
        };
        *self.plan.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let opened = self.opened_safely(side);
        let listed: BTreeSet<Mac> = opened.index.snapshots().into_iter().collect();
        if let Some(error) = failure {
            assert!(error.message.contains("planned failure"), "{error}");
            self.failed += 1;
            for id in &listed {
                let nowhere = || whole(id).unwrap_or_else(|| panic!("{} came out of nowhere", id.short()));
                self.sides[side].truth.entry(*id).or_insert_with(nowhere);
            }
            for id in perhaps.iter().filter(|id| !listed.contains(id)) {
                self.sides[side].truth.remove(id);
                self.sides[side].removed.insert(*id);
            }
        }
        let truth = &self.sides[side].truth;
        assert!(listed.iter().eq(truth.keys()), "listed {listed:?}, not {:?}", truth.keys());
        // A lock that could not be removed keeps others out until it dies, and no longer.
        self.clock.pass(LOCK_DIES);
    }

    fn verify(&self, side: usize, ids: &[Mac]) {
        let opened = self.opened_safely(side);
        for id in ids {
            let found = content(&opened, id).unwrap_or_else(|error| panic!("store {side}: {error}"));
            let expected = &self.sides[side].truth[id];
            assert!(
                found == *expected,
                "store {side}: {} holds {:?}, not {:?}",
                id.short(),
                found.keys(),
                expected.keys()
            );
        }
    }
}

fn file(slot: u8) -> Vec<u8> {
    let directory = ["", "/a", "/a/b", "/a-b"][usize::from(slot) % 4];
    format!("{directory}/file {slot}").into_bytes()
}

/// Operations as data against a store that fails, the truth in a map.
pub fn repository(data: &[u8]) {
    let mut model = Model::new();
    for op in Op::read_all(data, 40) {
        model.step(&op);
    }
    model.finish();
}
