//! `prune`: keeps what a period or a filter keeps, lists unless told to apply.

use crate::kit::small_store::SmallStore;

const EVERYTHING: &str = "plakar: no filter specified, not going to prune everything\n";

/// Three days with two snapshots each, the older of each day tagged; ids, newest first.
fn three_days(name: &str) -> (SmallStore, Vec<String>) {
    let small = SmallStore::new(name);
    for day in ["2025-01-06", "2025-01-07", "2025-01-14"] {
        small.backup(&format!("{day} 08:00"), "morning");
        small.backup(&format!("{day} 20:00"), "x");
    }
    let ids = small.ids();
    (small, ids)
}

/// `keep` or `delete` and the reason, line by line, of a dry run.
fn judged(small: &SmallStore, words: &[&str]) -> Vec<String> {
    let ran = small.run(&[&["prune"], words].concat()).succeeds();
    assert!(ran.stderr.is_empty(), "{ran}");
    let line = |line: &str| {
        let (verdict, rest) = line.split_once(' ').unwrap();
        format!("{verdict} {}", rest.rsplit_once("  ").unwrap().1)
    };
    ran.stdout.lines().skip(1).map(line).collect()
}

#[test]
fn periods_decide_and_nothing_goes_without_apply() {
    let (small, ids) = three_days("prune");
    let root = small.home.path("tree");
    let lines = [
        ("keep     2025-01-14T20:00:00Z", 0, " tags=x        match=day:2025-01-14 rank=1 cap=1"),
        ("delete   2025-01-14T08:00:00Z", 1, " tags=morning  match=day:2025-01-14 rank=2 cap=1"),
        ("keep     2025-01-07T20:00:00Z", 2, " tags=x        match=day:2025-01-07 rank=1 cap=1"),
        ("delete   2025-01-07T08:00:00Z", 3, " tags=morning  match=day:2025-01-07 rank=2 cap=1"),
        ("keep     2025-01-06T20:00:00Z", 4, " tags=x        match=day:2025-01-06 rank=1 cap=1"),
        ("delete   2025-01-06T08:00:00Z", 5, " tags=morning  match=day:2025-01-06 rank=2 cap=1"),
    ];
    let mut expected =
        "prune: would keep 3 and delete 3 snapshot(s), run with -apply to proceed\n".to_owned();
    for (front, id, back) in lines {
        expected += &format!("{front} {:>10}      11 B {root}{back}\n", &ids[id][..8]);
    }
    small.run(&["prune", "-per-day", "1"]).succeeds().prints(&expected);
    assert_eq!(small.ids(), ids);
    let removed = |n: usize| format!("info: prune: removal of {} completed successfully\n", &ids[n][..8]);
    small
        .run(&["prune", "-apply", "-per-day", "1"])
        .succeeds()
        .prints(&(removed(1) + &removed(3) + &removed(5)));
    assert_eq!(small.ids(), [ids[0].clone(), ids[2].clone(), ids[4].clone()]);
    small.run(&["prune", "-apply", "-per-day", "1"]).succeeds().prints_nothing();
    small.is_sound();
}

#[test]
fn only_what_the_filters_and_words_choose_is_judged() {
    let (small, ids) = three_days("prune-filters");
    assert_eq!(judged(&small, &["-per-month", "1", "-tag", "morning"]).len(), 3);
    assert_eq!(
        judged(&small, &["-per-month", "1", "-since", "2025-01-07", "-before", "2025-01-08"]).len(),
        2
    );
    assert_eq!(
        judged(&small, &["-per-month", "1", &ids[3], &ids[5]]),
        ["keep match=month:2025-01 rank=1 cap=1", "delete match=month:2025-01 rank=2 cap=1",]
    );
    assert_eq!(judged(&small, &["-tag", "x"]), ["keep reason=matched filters"; 3]);
    assert_eq!(judged(&small, &["-days", "3"]), ["delete reason=outside retention windows"; 6]);
    assert_eq!(
        judged(&small, &["-per-monday", "1"])[4..],
        [
            "keep match=monday:2025-W02-monday rank=1 cap=1",
            "delete match=monday:2025-W02-monday rank=2 cap=1",
        ]
    );
}

#[test]
fn a_policy_brings_periods_and_filters_and_the_command_line_wins() {
    let (small, _) = three_days("prune-policy");
    let policy = |words: &[&str]| small.home.plakar(&[&["policy"], words].concat()).succeeds();
    policy(&["add", "p", "per-month=1", "tags=morning"]);
    policy(&["add", "empty"]);
    let of = |words: &[&str]| judged(&small, words).iter().filter(|line| line.starts_with("keep")).count();
    assert_eq!((of(&["-policy", "p"]), judged(&small, &["-policy", "p"]).len()), (1, 3));
    assert_eq!(of(&["-policy", "p", "-per-month", "2"]), 2);
    assert_eq!(judged(&small, &["-policy", "p", "-tag", "x"]).len(), 3);
    assert_eq!(judged(&small, &["-policy", "p", "-per-day", "1"]).len(), 3);
    small.run(&["prune", "-policy", "empty"]).exits(1).prints("").complains(EVERYTHING);
    small.run(&["prune", "-policy", "nope"]).exits(1).complains("plakar: policy \"nope\" not found\n");
}

#[test]
fn nothing_chosen_or_nonsense_removes_nothing() {
    let (small, ids) = three_days("prune-refused");
    small.run(&["prune"]).exits(1).prints("").complains(EVERYTHING);
    small.run(&["prune", "-apply", "-tag", "!x"]).exits(1).complains(EVERYTHING);
    small.run(&["prune", "-apply", "-days", "-1"]).exits(1).says("invalid value -1 for -days");
    small.run(&["prune", "-apply", "-days", "x"]).exits(2);
    small.run(&["prune", "-apply", "-per-day", "1", "xyz"]).exits(1).says("invalid snapshot prefix: \"xyz\"");
    small
        .run(&["prune", "-tag", "nope"])
        .succeeds()
        .prints("prune: would keep 0 and delete 0 snapshot(s), run with -apply to proceed\n");
    assert_eq!(small.ids(), ids);
}
