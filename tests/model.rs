//! Random histories of backup, edit, removal, maintenance, copy and failure, held against a plain copy.

use crate::kit::connect::{Scratch, bytes, context};
use plakar::connectors::context::Writing;
use plakar::connectors::fs_destination::FsDestination;
use plakar::engine::blobs::Blobs;
use plakar::engine::plan::{Fetcher, Width};
use plakar::engine::restore;
use plakar::engine::snapshot::Snapshot;
use plakar::fuzzing::model::{self, Model, Op};
use plakar::fuzzing::world::{HandClock, Open, Rolls};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Histories, and steps in each.
const HISTORIES: u64 = 100;
const STEPS: usize = 60;

fn history(seed: u64) -> Vec<Op> {
    Op::read_all(&Rolls::new(seed).bytes(STEPS * 4), STEPS)
}

/// Lives through it; gives how many requests failed on the way.
fn live(ops: &[Op]) -> Model {
    let mut model = Model::new();
    ops.iter().for_each(|op| model.step(op));
    model.finish();
    model
}

fn fails(ops: &[Op]) -> bool {
    catch_unwind(AssertUnwindSafe(|| live(ops))).is_err()
}

/// Leaves out what the failure does not need.
fn shrunk(mut ops: Vec<Op>) -> Vec<Op> {
    let mut piece = ops.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < ops.len() {
            let mut less = ops.clone();
            less.drain(at..(at + piece).min(ops.len()));
            if fails(&less) {
                ops = less;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    ops
}

#[test]
fn no_history_of_commands_and_failures_loses_or_changes_a_snapshot() {
    let mut failed = 0;
    for seed in 0..HISTORIES {
        let ops = history(seed);
        match catch_unwind(AssertUnwindSafe(|| live(&ops))) {
            Ok(model) => failed += model.failed,
            Err(_) => panic!("history {seed}, shrunk: {:#?}", shrunk(ops)),
        }
    }
    assert!(failed > HISTORIES as usize, "only {failed} commands failed");
}

#[test]
fn what_a_history_leaves_is_restored_into_directories() {
    let mut restored = 0;
    for seed in 0..20 {
        let model = live(&history(1_000_000 + seed));
        let (files, truth) = model.stored();
        let opened = model::open(files, Arc::new(Open), &Arc::new(HandClock::new()), seed).unwrap();
        let blobs = Blobs::for_walks(&opened.repository, &opened.index);
        let fetcher = Fetcher::new(&blobs, &opened.world, Width::for_cores(2));
        for (id, tree) in truth {
            let scratch = Scratch::new("model");
            let to = FsDestination::new(bytes(scratch.path()), &Writing { attributes: false }, context().0);
            let snapshot = Snapshot::open(&blobs, id).unwrap();
            let start = snapshot.entry(&blobs, b"/").unwrap();
            let report = restore::restore(&fetcher, &opened.world, &snapshot, start, b"/", &to).unwrap();
            assert_eq!(report.errors, []);
            for (path, content) in tree {
                let path = scratch.join(std::str::from_utf8(&path[1..]).unwrap());
                assert_eq!(fs::read(&path).unwrap(), **content, "{path:?}");
                restored += 1;
            }
        }
    }
    assert!(restored > 100, "only {restored} files");
}

#[test]
fn the_model_notices_a_snapshot_that_changed() {
    let mut model = Model::new();
    for op in [Op::Edit { slot: 1, seed: 1, length: 9 }, Op::Backup] {
        model.step(&op);
    }
    let packfiles: Vec<String> = model
        .stored()
        .0
        .lock()
        .unwrap()
        .keys()
        .filter(|path| path.starts_with("packfiles/"))
        .cloned()
        .collect();
    model.stored().0.lock().unwrap().remove(&packfiles[0]);
    assert!(catch_unwind(AssertUnwindSafe(|| model.finish())).is_err());
}
