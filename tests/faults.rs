//! The n-th request of each command fails, for n = 1, 2, 3 … until the command is done without being
//! hit; in the ways that a network and a server have of failing, once and for good. What was stored
//! before is still there, the store checks clean, nothing blocks, and the next run completes. Commands
//! that read by the code of another one get fewer ways, and the longest two every second or third n.

use crate::kit::cases;
use crate::kit::planned::{Planned, Said};
use crate::kit::s3_server::Trouble;
use crate::kit::s3_server::plan::{Lasting, Plan};
use crate::kit::trees;
use plakar::base::mac::Mac;
use std::fs;
use std::time::Duration;

/// More requests than any command makes here.
const REQUESTS_MAX: usize = 200;

/// A lock left behind by an outage is a dead one's by then.
const LATER_NS: i64 = 11 * 60 * 1_000_000_000;

/// A command on the small store, and what it may change.
struct Row {
    name: &'static str,
    /// `TREE`, `OLDER`, `NEWER` (ids), `OUT` (a fresh place) and `FILE` are filled in.
    words: &'static [&'static str],
    effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing is written anywhere; what is printed is always the same.
    Prints,
    /// Something is written to `OUT` or `FILE` on this machine.
    Writes,
    /// A store changes.
    Stores,
    /// The older snapshot is removed from the store.
    Removes,
    /// A bucket is filled.
    Restores,
}

const READING: &[Row] = &[
    Row { name: "ls", words: &["at", "@s", "ls"], effect: Effect::Prints },
    Row {
        name: "ls of a snapshot",
        words: &["at", "@s", "ls", "-recursive", "NEWER"],
        effect: Effect::Prints,
    },
    Row { name: "cat", words: &["at", "@s", "cat", "NEWER:new"], effect: Effect::Prints },
    Row { name: "info", words: &["at", "@s", "info"], effect: Effect::Prints },
    Row { name: "info of a snapshot", words: &["at", "@s", "info", "NEWER"], effect: Effect::Prints },
    Row { name: "diff", words: &["at", "@s", "diff", "OLDER", "NEWER"], effect: Effect::Prints },
    Row { name: "digest", words: &["at", "@s", "digest", "NEWER"], effect: Effect::Prints },
    Row { name: "locate", words: &["at", "@s", "locate", "noise"], effect: Effect::Prints },
    Row { name: "repair, looking", words: &["at", "@s", "repair"], effect: Effect::Prints },
];

const CHECKING: &[Row] = &[
    Row { name: "check", words: &["at", "@s", "check", "-quiet"], effect: Effect::Prints },
    Row { name: "check -fast", words: &["at", "@s", "check", "-quiet", "-fast"], effect: Effect::Prints },
    Row {
        name: "restore",
        words: &["at", "@s", "restore", "-quiet", "-to", "OUT", "NEWER:./"],
        effect: Effect::Writes,
    },
    Row {
        name: "archive",
        words: &["at", "@s", "archive", "-format", "tar", "-output", "FILE", "NEWER"],
        effect: Effect::Writes,
    },
    Row { name: "ptar", words: &["ptar", "-plaintext", "-o", "FILE", "-k", "@s"], effect: Effect::Writes },
];

const WRITING: &[Row] = &[
    Row { name: "create", words: &["at", "@n", "create", "-plaintext"], effect: Effect::Stores },
    Row { name: "backup", words: &["at", "@s", "backup", "-quiet", "TREE"], effect: Effect::Stores },
    Row {
        name: "backup of a bucket",
        words: &["at", "@s", "backup", "-quiet", "@b"],
        effect: Effect::Stores,
    },
    Row {
        name: "restore to a bucket",
        words: &["at", "@s", "restore", "-quiet", "-to", "@d", "NEWER:./"],
        effect: Effect::Restores,
    },
];

const CHANGING: &[Row] = &[
    Row { name: "rm", words: &["at", "@s", "rm", "-apply", "OLDER"], effect: Effect::Removes },
    Row {
        name: "prune",
        words: &["at", "@s", "prune", "-apply", "-per-month", "1", "-months", "1"],
        effect: Effect::Removes,
    },
    Row { name: "dup", words: &["at", "@s", "dup", "OLDER"], effect: Effect::Stores },
    Row { name: "maintenance", words: &["at", "@s", "maintenance"], effect: Effect::Stores },
    Row { name: "repair", words: &["at", "@s", "repair", "-apply"], effect: Effect::Stores },
];

const COPYING: &[Row] = &[
    Row { name: "sync", words: &["at", "@s", "sync", "to", "@p"], effect: Effect::Stores },
    Row { name: "clone", words: &["at", "@s", "clone", "to", "@n"], effect: Effect::Stores },
];

/// A way to fail.
struct Way {
    name: &'static str,
    trouble: fn() -> Trouble,
    /// Whether the next attempt may succeed: a retry is due then, and the command does not fail.
    passes: bool,
}

const WAYS: &[Way] = &[
    Way { name: "refused", trouble: || Trouble::Refused, passes: true },
    Way { name: "reset before", trouble: || Trouble::ResetBefore, passes: true },
    Way { name: "reset during", trouble: || Trouble::ResetDuring, passes: true },
    Way { name: "reset after", trouble: || Trouble::ResetAfter, passes: true },
    Way { name: "cut short", trouble: || Trouble::CutBody(0), passes: true },
    Way { name: "500", trouble: || Trouble::Status(500, "InternalError", Vec::new()), passes: true },
    Way {
        name: "503 with Retry-After",
        trouble: || Trouble::Status(503, "SlowDown", vec![("retry-after", "7".to_owned())]),
        passes: true,
    },
    Way { name: "403", trouble: || Trouble::Status(403, "AccessDenied", Vec::new()), passes: false },
    Way { name: "a stall", trouble: || Trouble::Stall, passes: true },
    Way { name: "200 with an error", trouble: || Trouble::OkWithError("InternalError"), passes: true },
    Way { name: "wrong length", trouble: || Trouble::LongerThanItIs, passes: true },
    Way { name: "a flipped bit", trouble: || Trouble::FlippedBit, passes: true },
];

struct Trial<'a> {
    planned: &'a Planned,
    row: &'a Row,
    way: &'a Way,
    lasting: Lasting,
    at: usize,
    hit: String,
    faults: &'a mut Vec<String>,
}

fn run(planned: &Planned, row: &Row) -> Said {
    let words = planned.words(row.words);
    planned.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn tidy(planned: &Planned) {
    let _ = fs::remove_dir_all(planned.scratch.join("out"));
    let _ = fs::remove_file(planned.scratch.join("file.ptar"));
}

/// Takes every command of a table through every way to fail; gives the number of faults.
fn fail_at_every_step(name: &str, rows: &[Row]) {
    let planned = Planned::new(name);
    let mut faults = Vec::new();
    let mut injected = 0;
    for row in rows {
        planned.again();
        tidy(&planned);
        let reference = run(&planned, row);
        assert_eq!(reference.code, 0, "{}: {}", row.name, reference.stderr);
        let step = step(row);
        for (number, way) in WAYS.iter().filter(|way| is_tried(row, way)).enumerate() {
            for lasting in [Lasting::Once, Lasting::SameRequest, Lasting::Everything] {
                if !is_due(way, lasting) {
                    continue;
                }
                for at in (1 + number % step..).step_by(step) {
                    assert!(at < REQUESTS_MAX, "{}: no end of requests", row.name);
                    planned.again();
                    tidy(&planned);
                    // An answer that does come takes a few milliseconds; a late one is asked for again.
                    let silent = matches!(way.name, "a stall" | "wrong length");
                    let stall = if silent { Duration::from_millis(60) } else { Duration::from_secs(30) };
                    *planned.stall.lock().unwrap() = stall;
                    planned.server.plan(Plan { at, trouble: (way.trouble)(), lasting });
                    let said = run(&planned, row);
                    let Some((hit, _)) = planned.server.hit() else {
                        assert_eq!(said.code, 0, "{}: {}", row.name, said.stderr);
                        break;
                    };
                    injected += 1;
                    planned.server.end_plan();
                    Trial { planned: &planned, row, way, lasting, at, hit, faults: &mut faults }
                        .judge(&said, &reference);
                }
            }
        }
    }
    cases::count("faults injected", injected);
    assert!(injected > 100, "{injected}");
    assert!(faults.is_empty(), "{} of {injected}:\n{}", faults.len(), faults.join("\n"));
}

/// Commands that read what another one of the table reads, by the same code, get fewer ways.
fn is_tried(row: &Row, way: &Way) -> bool {
    const LIKE_OTHERS: [&str; 12] = [
        "check",
        "ptar",
        "clone",
        "ls of a snapshot",
        "info of a snapshot",
        "digest",
        "locate",
        "check -fast",
        "archive",
        "prune",
        "dup",
        "repair",
    ];
    !LIKE_OTHERS.contains(&row.name) || matches!(way.name, "reset before" | "500" | "403" | "a flipped bit")
}

/// The longest commands fail at every second or third request for each way, from another one for the next
/// way: over all ways, each request is hit.
fn step(row: &Row) -> usize {
    match row.name {
        "sync" => 3,
        "backup of a bucket" => 2,
        _ => 1,
    }
}

/// What lasts is told apart by what the client makes of it: a broken line, a server's error, a refusal,
/// damage. An outage is one whatever it looks like.
fn is_due(way: &Way, lasting: Lasting) -> bool {
    match lasting {
        Lasting::Once => true,
        Lasting::SameRequest => matches!(way.name, "reset before" | "500" | "403" | "a flipped bit"),
        Lasting::Everything => way.name == "refused",
    }
}

impl Trial<'_> {
    fn fault(&mut self, what: &str, said: &Said) {
        let (row, way, lasting, at, hit) = (self.row.name, self.way.name, self.lasting, self.at, &self.hit);
        let end = said.stderr.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
        self.faults
            .push(format!("{row}, {way} {lasting:?} at {at} ({hit}): {what}: exit {}, {end}", said.code));
    }

    fn judge(&mut self, said: &Said, reference: &Said) {
        match said.code {
            0 => self.is_right(said, reference),
            1 => {
                if self.lasting == Lasting::Once && self.way.passes {
                    self.fault("a passing trouble was not got over", said);
                }
                if !self.is_named(&said.stderr) {
                    self.fault("what failed is not named", said);
                }
            }
            // The snapshot lacks what could not be read, and says so.
            3 if self.hit.contains("/source/") && self.is_named(&said.stderr) => {}
            _ => self.fault("a strange exit code", said),
        }
        self.nothing_half_made(said);
        self.stores_are_sound(said);
        if self.planned.stored() != self.planned.image || self.row.effect == Effect::Writes {
            self.the_next_run_completes(said);
        }
    }

    /// The object that was asked for, or the bucket when it was none.
    fn is_named(&self, text: &str) -> bool {
        let path = self.hit.split_whitespace().nth(1).unwrap().split('?').next().unwrap();
        let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let object = key.rsplit('/').next().filter(|name| !name.is_empty());
        text.contains(bucket) || object.is_some_and(|object| text.contains(object))
    }

    /// It says that all went well: then it did.
    fn is_right(&mut self, said: &Said, reference: &Said) {
        match self.row.effect {
            // To find a state that cannot be read is what it is for.
            Effect::Prints if self.row.name.starts_with("repair") && self.is_named(&said.stdout) => {}
            // What is lost is said, and the rest is printed.
            Effect::Prints if self.row.name == "info" && self.is_named(&said.stderr) => {}
            // A header that cannot be read when the snapshots are put in order, and then can, in a longer
            // range whose altered byte is one that is not read here: that snapshot is told of last.
            Effect::Prints
                if self.row.name == "check -fast"
                    && (self.way.name, self.lasting) == ("a flipped bit", Lasting::SameRequest)
                    && sorted(&said.stdout) == sorted(&reference.stdout) => {}
            Effect::Prints if said.stdout != reference.stdout => {
                self.fault(&format!("it printed something else: {:?}", said.stdout), said);
            }
            Effect::Writes if self.row.name == "restore" => {
                let differences = trees::differences(&self.planned.tree, &self.planned.scratch.join("out"));
                if !differences.is_empty() {
                    self.fault(&differences.join(", "), said);
                }
            }
            Effect::Writes if !self.planned.scratch.join("file.ptar").exists() => self.fault("no file", said),
            Effect::Restores => {
                let there = self.planned.stored()["restored"]
                    .iter()
                    .map(|(key, object)| (key.clone(), object.body.clone()))
                    .collect::<Vec<_>>();
                let wanted: Vec<(Vec<u8>, Vec<u8>)> = ["a.txt", "empty", "new", "sub/noise"]
                    .iter()
                    .map(|name| (name.as_bytes().to_vec(), fs::read(self.planned.tree.join(name)).unwrap()))
                    .collect();
                if there != wanted {
                    self.fault("not all objects", said);
                }
            }
            _ => {}
        }
    }

    fn nothing_half_made(&mut self, said: &Said) {
        let file = self.planned.scratch.join("file.ptar");
        // Like a restore, an archive keeps what could be read, and tells of each entry that could not.
        let keeps = self.row.name == "archive" && said.stderr.contains("error: archive: ");
        if said.code != 0 && file.exists() && !keeps {
            self.fault("half a file under its name", said);
        }
        let uploads = self.planned.server.objects(|objects| objects.uploads.len());
        if uploads > 0 && self.lasting == Lasting::Once {
            self.fault("an upload stayed", said);
        }
        let outage = self.lasting == Lasting::Everything || self.hit.starts_with("DELETE");
        for (bucket, objects) in self.planned.stored() {
            if !outage && objects.keys().any(|key| key.starts_with(b"locks/")) {
                self.fault(&format!("a lock stayed in {bucket}"), said);
            }
        }
        if self.row.effect == Effect::Writes {
            let out = self.planned.scratch.join("out");
            for name in ["a.txt", "new", "sub/noise"] {
                let there = fs::read(out.join(name)).ok();
                if there.is_some_and(|there| there != fs::read(self.planned.tree.join(name)).unwrap()) {
                    self.fault(&format!("half of {name} under its name"), said);
                }
            }
        }
    }

    fn stores_are_sound(&mut self, said: &Said) {
        let stored = self.planned.stored();
        for bucket in ["kloset", "peer", "fresh"] {
            let before = self.planned.image.get(bucket);
            if stored.get(bucket) == before
                || stored.get(bucket).is_none_or(|keys| !keys.contains_key(&b"CONFIG"[..]))
            {
                continue;
            }
            let (mut problems, snapshots) = self.planned.look(bucket);
            self.forgive_what_is_back(&mut problems);
            // A clone that was broken off is no store yet: its states come last.
            let is_begun = bucket == "fresh" && said.code != 0;
            if !problems.is_empty() && !is_begun {
                self.fault(&format!("{bucket} does not check clean: {}", problems.join(", ")), said);
            }
            if bucket == "kloset" {
                let may_go = self.row.effect == Effect::Removes;
                let needed: &[Mac] = if may_go { &self.planned.kept[1..] } else { &self.planned.kept };
                if needed.iter().any(|id| !snapshots.contains(id)) {
                    self.fault("a snapshot is gone", said);
                } else if self.planned.differences(bucket, &self.planned.kept[1]) != Vec::<String>::new() {
                    self.fault("the newest snapshot restores otherwise", said);
                }
            }
        }
    }

    /// A state that cannot be read, ever, is given up by a repair, and with it that a snapshot was removed:
    /// such a snapshot is back, with what is left of it.
    fn forgive_what_is_back(&self, problems: &mut Vec<String>) {
        if self.row.name == "repair" && self.way.name == "a flipped bit" && self.lasting != Lasting::Once {
            problems.retain(|problem| self.planned.kept.iter().any(|id| problem.starts_with(&id.short())));
        }
    }

    fn the_next_run_completes(&mut self, before: &Said) {
        *self.planned.stall.lock().unwrap() = Duration::from_secs(30);
        *self.planned.offset_ns.lock().unwrap() = LATER_NS;
        if before.code == 0 && self.row.effect == Effect::Writes {
            tidy(self.planned);
        }
        let again = run(self.planned, self.row);
        *self.planned.offset_ns.lock().unwrap() = 0;
        // What was done although its answer was lost, or is done already, is not done twice.
        let is_there = again.stderr.contains("already initialized");
        let made = matches!(self.row.name, "create" | "clone") && is_there;
        if again.code != 0 && !made {
            self.fault(&format!("the next run fails: {}", again.stderr), before);
        }
        let (mut problems, _) = self.planned.look("kloset");
        self.forgive_what_is_back(&mut problems);
        if !problems.is_empty() {
            self.fault(&format!("after the next run: {}", problems.join(", ")), before);
        }
    }
}

#[test]
fn commands_that_look_at_a_store() {
    fail_at_every_step("faults-reading", READING);
}

#[test]
fn commands_that_read_all_of_a_store() {
    fail_at_every_step("faults-checking", CHECKING);
}

#[test]
fn commands_that_make_and_fill_a_store_or_a_bucket() {
    fail_at_every_step("faults-writing", WRITING);
}

#[test]
fn commands_that_change_a_store() {
    fail_at_every_step("faults-changing", CHANGING);
}

#[test]
fn commands_that_copy_a_store() {
    fail_at_every_step("faults-copying", COPYING);
}
