//! Several writers on one store, every request a point where another may go first: no interleaving
//! loses a snapshot that was reported. Failures print the seed, and the seed repeats the schedule.

use plakar::base::mac::Mac;
use plakar::engine::error::{Error, Kind};
use plakar::engine::lock::{self, Claim};
use plakar::engine::remove;
use plakar::fuzzing::model::{self, Opened};
use plakar::fuzzing::world::{Files, Gate, HandClock, MapStore, Open, Rolls, Tree};
use plakar::ports::fault::{Fault, FaultKind};
use plakar::ports::store::{self, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Schedules tried; `PLAKAR_TEST_SEEDS` tries so many, from 0.
const SEEDS: u64 = 600;

const MINUTE: Duration = Duration::from_secs(60);

/// What a command does to the shared store.
#[derive(Clone, Debug)]
enum Act {
    Backup { host: &'static str, tree: Tree, lockless: bool },
    Remove(Vec<Mac>),
    Maintain(Duration),
    Copy(Mac),
    Double(Mac),
}

/// What it reported to whoever started it.
#[derive(Debug)]
enum Done {
    Made(Mac, Tree),
    Removed(Vec<Mac>),
    Maintained(usize),
    Nothing(Error),
}

struct Turn {
    whose: usize,
    /// Requests until it is somebody else's, so that a schedule depends on their number alone.
    left: usize,
    running: Vec<bool>,
    /// Requests until the process is killed.
    dies_in: Vec<Option<usize>>,
    dice: Rolls,
    trace: Vec<String>,
    switches: usize,
}

/// Lets one command at a time reach the store, and now and then another one first.
struct Turns {
    turn: Mutex<Turn>,
    changed: Condvar,
    clock: Arc<HandClock>,
}

impl Turns {
    fn new(commands: usize, seed: u64, clock: &Arc<HandClock>) -> Turns {
        let mut dice = Rolls::new(seed);
        let whose = dice.below(commands);
        let mut dies_in = vec![None; commands];
        if dice.once_in(4) {
            dies_in[dice.below(commands)] = Some(1 + dice.below(25));
        }
        let (running, trace) = (vec![true; commands], Vec::new());
        let turn = Turn { whose, left: 1, running, dies_in, dice, trace, switches: 0 };
        Turns { turn: Mutex::new(turn), changed: Condvar::new(), clock: Arc::clone(clock) }
    }

    /// Waits for the command's turn.
    fn of(&self, command: usize) -> MutexGuard<'_, Turn> {
        self.changed.wait_while(self.turn.lock().unwrap(), |turn| turn.whose != command).unwrap()
    }

    fn end(&self, command: usize) {
        let mut turn = self.of(command);
        turn.running[command] = false;
        turn.trace.push(format!("{command} ends"));
        turn.next();
        self.changed.notify_all();
    }
}

impl Turn {
    fn next(&mut self) {
        let running: Vec<usize> = (0..self.running.len()).filter(|c| self.running[*c]).collect();
        if let Some(next) = running.get(self.dice.below(running.len())) {
            self.switches += usize::from(*next != self.whose);
            self.whose = *next;
        }
        self.left = 1 + self.dice.below(6);
    }
}

/// A command's way to the store.
struct Seat {
    turns: Arc<Turns>,
    command: usize,
    /// Stands still between its requests, whoever sleeps then: what it sees depends on its turns alone.
    clock: Arc<HandClock>,
}

impl Gate for Seat {
    fn pass(&self, verb: &'static str, path: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
        let mut turn = self.turns.of(self.command);
        if turn.dies_in[self.command] == Some(0) {
            // Its last turn, which lasts until its threads have noticed.
            return Err(Fault::new(FaultKind::Broken, "killed"));
        }
        // Mostly moments pass; now and then a process sleeps long enough to be taken for dead.
        let slept = match turn.dice.below(60) {
            0 => 11 * MINUTE,
            1 | 2 => 6 * MINUTE,
            _ => Duration::from_secs(1),
        };
        self.turns.clock.pass(slept);
        self.clock.meet(&self.turns.clock);
        let kind = path.split('/').next().unwrap_or_default();
        turn.trace.push(format!("{} {verb} {kind}", self.command));
        effect();
        if let Some(left) = &mut turn.dies_in[self.command] {
            *left -= 1;
        }
        turn.left -= 1;
        if turn.left == 0 && turn.dies_in[self.command] != Some(0) {
            turn.next();
            self.turns.changed.notify_all();
        }
        Ok(())
    }
}

/// The store before the race: a snapshot of each host, of which some content is shared.
struct Start {
    clock: Arc<HandClock>,
    files: Files,
    peer: Files,
    truth: BTreeMap<Mac, Tree>,
    abroad: BTreeMap<Mac, Tree>,
}

fn tree(of: &[u64]) -> Tree {
    let file = |n: &u64| (format!("/d{}/f{n}", n % 3).into_bytes(), Arc::new(Rolls::new(*n).bytes(900)));
    of.iter().map(file).collect()
}

fn opened(files: &Files, clock: &Arc<HandClock>, seed: u64) -> Opened {
    model::open(files, Arc::new(Open), clock, seed).unwrap()
}

fn backed_up(files: &Files, clock: &Arc<HandClock>, seed: u64, host: &str, tree: &Tree) -> Mac {
    model::back_up(&opened(files, clock, seed), host, tree, false).unwrap()
}

impl Start {
    fn new() -> Start {
        let clock = Arc::new(HandClock::new());
        let (files, peer) = (model::create(&clock, 1), model::create(&clock, 2));
        let mut start = Start { clock, files, peer, truth: BTreeMap::new(), abroad: BTreeMap::new() };
        for (seed, host, of) in [(3, "alpha", [1, 2, 3]), (4, "beta", [4, 5, 6]), (5, "gone", [7, 8, 9])] {
            let id = backed_up(&start.files, &start.clock, seed, host, &tree(&of));
            start.truth.insert(id, tree(&of));
        }
        // What only it held is there still, and free to be coloured.
        let gone = *start.truth.iter().find(|(_, content)| **content == tree(&[7, 8, 9])).unwrap().0;
        let at = opened(&start.files, &start.clock, 6);
        remove::remove(&at.repository, &at.index, &[gone], &at.world).unwrap();
        start.truth.remove(&gone);
        let id = backed_up(&start.peer, &start.clock, 7, "abroad", &tree(&[1, 8, 20]));
        start.abroad.insert(id, tree(&[1, 8, 20]));
        start
    }

    /// A start of its own with the same content.
    fn fork(&self) -> Start {
        let copy = |files: &Files| Arc::new(Mutex::new(files.lock().unwrap().clone()));
        Start {
            clock: Arc::new(HandClock::new()),
            files: copy(&self.files),
            peer: copy(&self.peer),
            truth: self.truth.clone(),
            abroad: self.abroad.clone(),
        }
    }

    /// Two to four commands.
    fn acts(&self, dice: &mut Rolls) -> Vec<Act> {
        let ids: Vec<Mac> = self.truth.keys().copied().collect();
        let abroad: Vec<Mac> = self.abroad.keys().copied().collect();
        let one = |dice: &mut Rolls, from: &[Mac]| from[dice.below(from.len())];
        (0..2 + dice.below(3))
            .map(|n| match dice.below(12) {
                0..=3 => {
                    let host = ["alpha", "beta", "gamma"][dice.below(3)];
                    // Of what is there, what may go, and what is new.
                    let of = [1 + dice.below(6) as u64, 7 + dice.below(3) as u64, 30 + n as u64];
                    Act::Backup { host, tree: tree(&of), lockless: false }
                }
                4 | 5 => Act::Remove(vec![one(dice, &ids)]),
                6 => Act::Remove(ids.clone()),
                7..=9 => Act::Maintain(if dice.once_in(2) { Duration::ZERO } else { 60 * MINUTE }),
                10 => Act::Copy(one(dice, &abroad)),
                _ => Act::Double(one(dice, &ids)),
            })
            .collect()
    }
}

fn act(start: &Start, seat: Arc<Seat>, seed: u64, act: &Act) -> Result<Done, Error> {
    let clock = Arc::clone(&seat.clock);
    let at = model::open(&start.files, seat, &clock, seed)?;
    Ok(match act {
        Act::Backup { host, tree, lockless } => {
            Done::Made(model::back_up(&at, host, tree, *lockless)?, tree.clone())
        }
        Act::Remove(ids) => {
            remove::remove(&at.repository, &at.index, ids, &at.world)?;
            Done::Removed(ids.clone())
        }
        Act::Maintain(grace) => Done::Maintained(model::maintain(&at, *grace)?.rescued),
        Act::Copy(id) => {
            model::copy(&opened(&start.peer, &clock, seed), &at, id)?;
            Done::Made(*id, start.abroad[id].clone())
        }
        Act::Double(id) => Done::Made(model::double(&at, id)?, start.truth[id].clone()),
    })
}

/// What a schedule came to.
#[derive(Default)]
struct Tally {
    made: usize,
    removed: usize,
    maintained: usize,
    rescued: usize,
    refused: usize,
    killed: usize,
    switches: usize,
}

/// Runs the commands side by side; gives what each reported, and every request in order.
fn race(start: &Start, seed: u64, acts: &[Act]) -> (Vec<Done>, Vec<String>, usize) {
    let turns = Arc::new(Turns::new(acts.len(), seed, &start.clock));
    let clocks: Vec<_> = acts.iter().map(|_| Arc::new(HandClock::new())).collect();
    clocks.iter().for_each(|clock| clock.meet(&start.clock));
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = clocks
            .into_iter()
            .enumerate()
            .map(|(command, clock)| {
                let turns = Arc::clone(&turns);
                scope.spawn(move || {
                    let seat = Arc::new(Seat { turns: Arc::clone(&turns), command, clock });
                    let done = act(start, seat, seed * 16 + command as u64, &acts[command]);
                    turns.end(command);
                    done.unwrap_or_else(Done::Nothing)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let turn = turns.turn.lock().unwrap();
    (done, turn.trace.clone(), turn.switches)
}

/// Everything that was reported and not removed is listed and holds what it must.
fn is_whole(start: &Start, truth: &BTreeMap<Mac, Tree>, removed: &BTreeSet<Mac>, when: &str) {
    let at = opened(&start.files, &start.clock, 99);
    let listed = at.index.snapshots();
    for (id, tree) in truth {
        assert!(listed.contains(id), "{when}: {} is not listed", id.short());
        let found = model::content(&at, id).unwrap_or_else(|error| panic!("{when}: {}: {error}", id.short()));
        assert_eq!(found, *tree, "{when}: {}", id.short());
    }
    for id in removed {
        assert!(!listed.contains(id), "{when}: {} came back", id.short());
    }
}

fn simulate(start: &Start, seed: u64, acts: &[Act], tally: &mut Tally) {
    let (done, trace, switches) = race(start, seed, acts);
    tally.switches += switches;
    if std::env::var_os("PLAKAR_TEST_SEED").is_some() {
        println!("{}\n{done:?}", trace.join("\n"));
    }
    let (mut truth, mut removed) = (start.truth.clone(), BTreeSet::new());
    for (command, done) in done.iter().enumerate() {
        match done {
            Done::Made(id, tree) => {
                tally.made += 1;
                truth.insert(*id, tree.clone());
            }
            Done::Removed(ids) => {
                tally.removed += 1;
                removed.extend(ids);
            }
            Done::Maintained(rescued) => {
                tally.maintained += 1;
                tally.rescued += rescued;
            }
            Done::Nothing(error) if error.message.contains("killed") => {
                tally.killed += 1;
                // Whether it took effect, nobody was told.
                if let Act::Remove(ids) = &acts[command] {
                    ids.iter().for_each(|id| drop(truth.remove(id)));
                }
            }
            Done::Nothing(error) => {
                let taken = matches!(error.kind, Kind::Locked | Kind::NotFound)
                    || error.kind == Kind::Store(FaultKind::Exists);
                // What maintenance removed while it was being read.
                let gone = error.kind == Kind::Store(FaultKind::Missing) || error.kind == Kind::Damaged;
                assert!(taken || gone, "command {command}: {error}\n{}", trace.join("\n"));
                tally.refused += 1;
            }
        }
    }
    truth.retain(|id, _| !removed.contains(id));
    is_whole(start, &truth, &removed, "after the race");
    // And nothing of it is taken for garbage later on.
    for run in ["first", "second"] {
        start.clock.pass(11 * MINUTE);
        let at = opened(&start.files, &start.clock, 98);
        if let Err(error) = model::maintain(&at, Duration::ZERO) {
            // Only what a killed command left half made may keep maintenance from its work.
            assert!(tally.killed > 0 && error.message.contains("what it needs is unknown"), "{run}: {error}");
        }
        is_whole(start, &truth, &removed, run);
    }
}

#[test]
fn no_interleaving_of_commands_loses_a_reported_snapshot() {
    let start = Start::new();
    let mut tally = Tally::default();
    let number = |name: &str| std::env::var(name).ok().map(|seed| seed.parse::<u64>().unwrap());
    let only = number("PLAKAR_TEST_SEED");
    let seeds = number("PLAKAR_TEST_SEEDS").unwrap_or(SEEDS);
    for seed in only.map_or(0..seeds, |seed| seed..seed + 1) {
        let start = start.fork();
        let acts = start.acts(&mut Rolls::new(seed ^ 0x00ac_7500));
        if catch_unwind(AssertUnwindSafe(|| simulate(&start, seed, &acts, &mut tally))).is_err() {
            let brief: Vec<String> = acts
                .iter()
                .map(|act| match act {
                    Act::Backup { host, tree, .. } => format!("backup of {host}, {} files", tree.len()),
                    other => format!("{other:?}"),
                })
                .collect();
            panic!("PLAKAR_TEST_SEED={seed} repeats it: {brief:#?}");
        }
    }
    if only.is_none() {
        println!(
            "{seeds} schedules, {} switches: {} made, {} removals, {} maintenances, {} rescued, {} refused, {} killed",
            tally.switches,
            tally.made,
            tally.removed,
            tally.maintained,
            tally.rescued,
            tally.refused,
            tally.killed
        );
        let seeds = seeds as usize;
        assert!(tally.made > seeds / 2 && tally.removed > seeds / 4 && tally.maintained > seeds / 8);
        assert!(tally.rescued > 0 && tally.refused > 0 && tally.killed > 0 && tally.switches > 5 * seeds);
    }
}

#[test]
fn a_seed_repeats_its_schedule() {
    let start = Start::new();
    for seed in 0..20 {
        let acts = start.acts(&mut Rolls::new(seed ^ 0x00ac_7500));
        let traces = [(); 2].map(|()| race(&start.fork(), seed, &acts).1);
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

#[test]
fn the_simulation_notices_writers_that_do_not_look() {
    let start = Start::new();
    let lost = (0..200).any(|seed| {
        let start = start.fork();
        let backup = Act::Backup { host: "gamma", tree: tree(&[7, 8, 9]), lockless: true };
        let acts = [backup, Act::Maintain(Duration::ZERO)];
        catch_unwind(AssertUnwindSafe(|| simulate(&start, seed, &acts, &mut Tally::default()))).is_err()
    });
    assert!(lost, "two hundred schedules without locks and looks, and nothing was lost");
}

/// Calls once, before the request, when a put of that kind comes.
struct Before<'a> {
    kind: &'static str,
    act: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl Gate for Before<'_> {
    fn pass(&self, verb: &'static str, path: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
        if verb == "put" && path.starts_with(self.kind) {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act();
            }
        }
        effect();
        Ok(())
    }
}

/// A backup of what the removed snapshot held, with maintenance before its first put of a kind.
fn backup_around_maintenance(kind: &'static str, locks_die: bool) -> (Start, Mac) {
    let start = Start::new();
    let id = {
        let (files, clock) = (Arc::clone(&start.files), Arc::clone(&start.clock));
        let act = Box::new(move || {
            if locks_die {
                clock.pass(11 * MINUTE);
            }
            let report = model::maintain(&opened(&files, &clock, 50), Duration::ZERO).unwrap();
            assert!(report.coloured > 0);
        });
        let gate = Arc::new(Before { kind, act: Mutex::new(Some(act)) });
        let at = model::open(&start.files, gate, &start.clock, 51).unwrap();
        model::back_up(&at, "gamma", &tree(&[7, 8, 9]), false).unwrap()
    };
    (start, id)
}

#[test]
fn what_was_hidden_after_the_states_were_read_and_before_the_lock_is_not_relied_on() {
    let (mut start, id) = backup_around_maintenance("locks/", false);
    start.truth.insert(id, tree(&[7, 8, 9]));
    is_whole(&start, &start.truth, &BTreeSet::new(), "after");
}

#[test]
fn what_is_hidden_while_the_lock_is_taken_for_a_dead_ones_is_stored_anew() {
    for kind in ["packfiles/", "states/"] {
        let (mut start, id) = backup_around_maintenance(kind, true);
        start.truth.insert(id, tree(&[7, 8, 9]));
        is_whole(&start, &start.truth, &BTreeSet::new(), kind);
        model::maintain(&opened(&start.files, &start.clock, 52), Duration::ZERO).unwrap();
        is_whole(&start, &start.truth, &BTreeSet::new(), kind);
    }
}

/// Time flies, and from some request on nothing passes.
struct Dying {
    clock: Arc<HandClock>,
    left: Mutex<usize>,
}

impl Gate for Dying {
    fn pass(&self, verb: &'static str, path: &str, effect: &mut dyn FnMut()) -> Result<(), Fault> {
        let mut left = self.left.lock().unwrap();
        if *left == 0 {
            return Err(Fault::new(FaultKind::Broken, format!("{verb} {path}: killed")));
        }
        *left -= 1;
        self.clock.pass(6 * MINUTE);
        effect();
        Ok(())
    }
}

#[test]
fn a_long_backup_that_dies_after_a_checkpoint_leaves_no_half_snapshot() {
    let before = Start::new();
    let content = tree(&[50, 51, 52, 53, 54, 55, 56, 57]);
    let mut checkpoints = 0;
    for left in 0.. {
        let mut start = before.fork();
        let states = start.files.lock().unwrap().keys().filter(|path| path.starts_with("states/")).count();
        let gate = Arc::new(Dying { clock: Arc::clone(&start.clock), left: Mutex::new(left) });
        let made = model::open(&start.files, gate, &start.clock, 90)
            .and_then(|at| model::back_up(&at, "gamma", &content, false));
        let listed = opened(&start.files, &start.clock, 91).index.snapshots();
        let extra: Vec<Mac> = listed.into_iter().filter(|id| !start.truth.contains_key(id)).collect();
        let after = start.files.lock().unwrap().keys().filter(|path| path.starts_with("states/")).count();
        checkpoints += usize::from(made.is_err() && after > states && extra.is_empty());
        start.truth.extend(extra.into_iter().map(|id| (id, content.clone())));
        is_whole(&start, &start.truth, &BTreeSet::new(), &format!("{left} requests"));
        if made.is_ok() {
            break;
        }
    }
    assert!(checkpoints > 0, "no checkpoint was left behind");
}

#[test]
fn two_who_copy_the_same_snapshot_do_not_replace_one_anothers_state() {
    let mut start = Start::new();
    let (id, content) = start.abroad.iter().map(|(id, tree)| (*id, tree.clone())).next().unwrap();
    let first = opened(&start.files, &start.clock, 60);
    let second = opened(&start.files, &start.clock, 61);
    let source = opened(&start.peer, &start.clock, 62);
    model::copy(&source, &first, &id).unwrap();
    // Relies on what the first copy brought.
    let more = tree(&[20, 21]);
    let relying = backed_up(&start.files, &start.clock, 63, "gamma", &more);
    let refused = model::copy(&source, &second, &id).unwrap_err();
    assert_eq!(refused.kind, Kind::Store(FaultKind::Exists), "{refused}");
    start.truth.extend([(id, content), (relying, more)]);
    is_whole(&start, &start.truth, &BTreeSet::new(), "after both");
    assert_eq!(opened(&start.files, &start.clock, 64).repository.store.list(store::Kind::Lock).unwrap(), []);
}

#[test]
fn a_removed_snapshot_is_not_copied_again_unseen() {
    let start = Start::new();
    let id = *start.abroad.keys().next().unwrap();
    let source = opened(&start.peer, &start.clock, 70);
    model::copy(&source, &opened(&start.files, &start.clock, 71), &id).unwrap();
    let at = opened(&start.files, &start.clock, 72);
    remove::remove(&at.repository, &at.index, &[id], &at.world).unwrap();
    let files = start.files.lock().unwrap().len();
    let refused = model::copy(&source, &opened(&start.files, &start.clock, 73), &id).unwrap_err();
    assert!(refused.message.contains("never comes back"), "{refused}");
    assert_eq!(start.files.lock().unwrap().len(), files);
}

#[test]
fn a_lock_keeps_others_out_until_ten_minutes_after_its_owner_died() {
    let start = Start::new();
    let at = opened(&start.files, &start.clock, 80);
    let held = lock::take(&at.repository, Mac([9; 32]), "dead", Claim::Shared, &at.world).unwrap();
    std::mem::forget(held);
    for (minutes, free) in [(0, false), (9, false), (1, true)] {
        start.clock.pass(minutes * MINUTE);
        let run = model::maintain(&opened(&start.files, &start.clock, 81), 60 * MINUTE);
        assert_eq!(run.is_ok(), free, "{minutes} minutes on: {run:?}");
        backed_up(&start.files, &start.clock, 82 + u64::from(minutes), "gamma", &tree(&[40]));
    }
    let store = MapStore::new(&start.files, Arc::new(Open));
    assert_eq!(store.list(store::Kind::Lock).unwrap(), []);
}
