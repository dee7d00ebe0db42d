//! The real program is killed, by SIGKILL, when the server sees its n-th request, before that is carried
//! out and after, and at random moments. Nothing that was stored or reported is gone, the store checks
//! clean, garbage is found and freed, and nothing else with it.

use crate::kit::cases;
use crate::kit::command::Home;
use crate::kit::planned::{Planned, Said};
use crate::kit::s3_server::Trouble;
use crate::kit::s3_server::plan::{Lasting, Plan};
use crate::kit::trees;
use plakar::base::mac::Mac;
use std::fs;
use std::time::Duration;

const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// More requests than any command makes here.
const REQUESTS_MAX: usize = 200;

/// Kills at random moments, for each command.
const RANDOM_KILLS: u64 = 6;

struct Row {
    name: &'static str,
    words: &'static [&'static str],
    /// The older snapshot may be gone.
    removes: bool,
}

const STORES: &[Row] = &[
    Row { name: "backup", words: &["at", "@s", "backup", "-quiet", "TREE"], removes: false },
    Row { name: "rm", words: &["at", "@s", "rm", "-apply", "OLDER"], removes: true },
    Row {
        name: "prune",
        words: &["at", "@s", "prune", "-apply", "-per-month", "1", "-months", "1"],
        removes: true,
    },
    Row { name: "maintenance", words: &["at", "@s", "maintenance"], removes: false },
    Row { name: "sync", words: &["at", "@p", "sync", "to", "@s"], removes: false },
];

const FILES: &[Row] = &[
    Row {
        name: "restore",
        words: &["at", "@s", "restore", "-quiet", "-to", "OUT", "NEWER:./"],
        removes: false,
    },
    Row { name: "ptar", words: &["ptar", "-plaintext", "-o", "FILE", "-k", "@s"], removes: false },
];

struct Bench {
    planned: Planned,
    home: Home,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let home = Home::new(name);
        Bench { planned: Planned::new(name), home }
    }

    fn words(&self, row: &Row) -> Vec<String> {
        let planned = &self.planned;
        let config = planned.scratch.join("config");
        let fixed = ["-config".to_owned(), config.to_str().unwrap().to_owned()];
        fixed.into_iter().chain(planned.words(row.words)).collect()
    }

    fn fresh(&self) {
        self.planned.again();
        let _ = fs::remove_dir_all(self.planned.scratch.join("out"));
        let _ = fs::remove_file(self.planned.scratch.join("file.ptar"));
    }

    /// What the store must be after any end of the command.
    fn judge(&self, row: &Row, told: &str, stdout: &str) {
        let planned = &self.planned;
        let told = format!("{}, {told}", row.name);
        let needed: &[Mac] = if row.removes { &planned.kept[1..] } else { &planned.kept };
        let (problems, snapshots) = planned.look("kloset");
        assert_eq!(problems, Vec::<String>::new(), "{told}");
        assert!(needed.iter().all(|id| snapshots.contains(id)), "{told}: a snapshot is gone");
        for word in stdout.lines().filter_map(|line| line.split_once("created unsigned snapshot ")) {
            let id = word.1.split(' ').next().unwrap();
            assert!(
                snapshots.iter().any(|known| known.short() == id),
                "{told}: {id} was reported and is gone"
            );
        }
        if planned.stored().get("kloset") == planned.image.get("kloset") {
            return;
        }
        assert_eq!(planned.differences("kloset", &planned.kept[1]), Vec::<String>::new(), "{told}");
        // Two months later nobody's lock counts, and what nobody needs is due.
        for days in [40, 80] {
            *planned.offset_ns.lock().unwrap() = days * DAY_NS;
            let said: Said = planned.run(&["at", "@s", "maintenance"]);
            *planned.offset_ns.lock().unwrap() = 0;
            assert_eq!(said.code, 0, "{told}: {}", said.stderr);
        }
        let opened = crate::kit::reader::Opened::new(planned.store("kloset"), None).unwrap();
        assert_eq!(opened.packfiles().unnamed, [], "{told}: garbage stayed");
        let (problems, after) = planned.look("kloset");
        assert_eq!(problems, Vec::<String>::new(), "{told}, after maintenance");
        assert_eq!(after, snapshots, "{told}, after maintenance");
        assert_eq!(planned.differences("kloset", &planned.kept[1]), Vec::<String>::new(), "{told}");
        assert!(planned.stored()["kloset"].keys().all(|key| !key.starts_with(b"locks/")), "{told}: a lock");
    }

    fn nothing_half_made(&self, row: &Row, told: &str) {
        let out = self.planned.scratch.join("out");
        for name in ["a.txt", "new", "sub/noise"] {
            if let Ok(there) = fs::read(out.join(name)) {
                let whole = fs::read(self.planned.tree.join(name)).unwrap();
                assert!(there == whole, "{}, {told}: half of {name}", row.name);
            }
        }
        let archive = self.planned.scratch.join("file.ptar");
        if archive.exists() {
            let said = self.planned.run(&["at", archive.to_str().unwrap(), "check", "-quiet"]);
            assert_eq!(said.code, 0, "{}, {told}: half an archive: {}", row.name, said.stderr);
        }
        // What was broken off is done when it is run again.
        self.planned.server.end_plan();
        let _ = fs::remove_file(&archive);
        self.home.start(&self.words(row)).ends().succeeds();
        if row.name == "restore" {
            // What was being written when it was killed is gone, too.
            let found = trees::differences(&self.planned.tree, &out);
            assert_eq!(found, Vec::<String>::new(), "{told}");
        }
    }

    /// Kills at every request; gives how often, and how long an undisturbed run takes.
    fn at_every_request(&self, row: &Row, judge: &dyn Fn(&str, &str)) -> usize {
        let mut kills = 0;
        for (moment, trouble) in [("before", Trouble::Stall), ("after", Trouble::StallAfter)] {
            for at in 1.. {
                assert!(at < REQUESTS_MAX, "{}: no end of requests", row.name);
                self.fresh();
                self.planned.server.plan(Plan { at, trouble: trouble.clone(), lasting: Lasting::Once });
                let mut started = self.home.start(&self.words(row));
                let hit = self.planned.server.wait_for_hit(&mut || started.is_over());
                let ran = match hit {
                    Some(_) => started.kill(),
                    None => started.ends().succeeds(),
                };
                self.planned.server.end_plan();
                let Some((request, _)) = hit else { break };
                kills += 1;
                judge(&format!("killed {moment} request {at}, {request}"), &ran.stdout);
            }
        }
        kills
    }

    fn at_random_moments(&self, row: &Row, judge: &dyn Fn(&str, &str)) -> usize {
        let seed = std::env::var("PLAKAR_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_125);
        self.fresh();
        let started = std::time::Instant::now();
        self.home.start(&self.words(row)).ends().succeeds();
        let whole = u64::try_from(started.elapsed().as_micros()).unwrap();
        for number in 0..RANDOM_KILLS {
            self.fresh();
            let dice = trees::noise(seed + number, 8);
            let after = u64::from_le_bytes(dice.try_into().unwrap()) % whole;
            let started = self.home.start(&self.words(row));
            // The moment itself is what is drawn.
            std::thread::sleep(Duration::from_micros(after));
            let ran = started.kill();
            judge(&format!("seed {seed}, kill {number} after {after} µs"), &ran.stdout);
        }
        usize::try_from(RANDOM_KILLS).unwrap()
    }
}

fn kill_everywhere(name: &str, rows: &[Row], judge: fn(&Bench, &Row, &str, &str)) {
    let bench = Bench::new(name);
    let mut kills = 0;
    for row in rows {
        let judge = |told: &str, stdout: &str| judge(&bench, row, told, stdout);
        kills += bench.at_every_request(row, &judge);
        kills += bench.at_random_moments(row, &judge);
    }
    cases::count("kills survived", kills);
    assert!(kills > 20, "{kills}");
}

#[test]
fn a_killed_command_loses_nothing_of_a_store() {
    kill_everywhere("kills-stores", STORES, |bench, row, told, stdout| bench.judge(row, told, stdout));
}

#[test]
fn a_killed_restore_or_archive_leaves_nothing_half_under_a_right_name() {
    kill_everywhere("kills-files", FILES, |bench, row, told, _| bench.nothing_half_made(row, told));
}

#[test]
fn a_file_under_way_in_a_killed_restore_is_removed_by_the_next() {
    const TRIES: usize = 50;
    let home = Home::new("kills-leftovers");
    let (tree, out) = (home.dir().join("tree"), home.dir().join("out"));
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("sub/large"), trees::noise(5, 24 << 20)).unwrap();
    let store = home.path("store");
    home.plakar(&["at", &store, "create", "-plaintext"]).succeeds();
    home.plakar(&["at", &store, "backup", "-quiet", "tree"]).succeeds();
    let listed = home.plakar(&["at", &store, "ls", "-uuid"]).succeeds();
    let id = listed.stdout.split_whitespace().nth(1).unwrap();
    let whole = format!("{id}:./");
    let restore = ["at", &store, "restore", "-quiet", "-to", "out", &whole];
    let under_way = || {
        let names =
            fs::read_dir(out.join("sub")).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.as_encoded_bytes().starts_with(b".plakar-")).count()
    };
    let mut left = 0;
    for _ in 0..TRIES {
        let _ = fs::remove_file(out.join("sub/large"));
        let mut started = home.start(&restore);
        while under_way() == 0 && !started.is_over() {
            std::thread::yield_now();
        }
        started.kill();
        left = under_way();
        if left > 0 {
            break;
        }
    }
    assert_eq!(left, 1, "{TRIES} restores were over before they were killed");
    home.plakar(&restore).succeeds();
    assert_eq!(trees::differences(&tree, &out), Vec::<String>::new());
}
