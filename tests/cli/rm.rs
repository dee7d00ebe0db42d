//! `rm`: lists unless told to apply, removes exactly what was named, and never everything by accident.

use crate::kit::small_store::SmallStore;

#[test]
fn nothing_is_removed_without_apply_and_only_what_was_named_with_it() {
    let small = SmallStore::new("rm");
    let old = small.backup("2025-01-01", "one,web");
    let new = small.backup("2025-02-01", "two");
    let line = format!(
        "2025-01-01T00:00:00Z {:>10}      11 B        0s {} tags=one,web\n",
        &old[..8],
        small.home.path("tree")
    );
    small
        .run(&["rm", &old[..8]])
        .succeeds()
        .prints(&format!("rm: would remove these 1 snapshot(s), run with -apply to proceed\n{line}"));
    assert_eq!(small.ids(), [new.clone(), old.clone()]);
    let states = small.files("states").len();
    small
        .run(&["rm", "-apply", &old[..8]])
        .succeeds()
        .prints(&format!("info: rm: removal of {} completed successfully\n", &old[..8]));
    assert_eq!(small.ids(), std::slice::from_ref(&new));
    assert_eq!(small.files("states").len(), states + 1);
    small.is_sound();
    small
        .run(&["rm", "-apply", &old[..8]])
        .succeeds()
        .prints("info: rm: no snapshots matched the selection\n");
    assert_eq!(small.files("states").len(), states + 1, "a second removal writes nothing");
    assert!(small.files("locks").is_empty());
}

#[test]
fn words_that_name_nothing_or_everything_by_accident_are_refused() {
    let small = SmallStore::new("rm-words");
    let id = small.backup("2025-01-01", "one");
    let everything = "plakar: no filter specified, not going to remove everything\n";
    small.run(&["rm"]).exits(1).prints("").complains(everything);
    small.run(&["rm", "-apply"]).exits(1).complains(everything);
    small.run(&["rm", "-apply", "-tag", "!x"]).exits(1).complains(everything);
    small.run(&["rm", "-apply", ""]).exits(1).complains("plakar: invalid snapshot prefix: \"\"\n");
    small
        .run(&["rm", &id[..4], "-apply"])
        .exits(1)
        .says("invalid snapshot prefix: \"-apply\"")
        .says("Options come before");
    small.run(&["rm", "-apply", "xyz"]).exits(1).says("invalid snapshot prefix: \"xyz\"");
    small.run(&["rm", "-bogus"]).exits(2).says("flag provided but not defined: -bogus\nUsage: rm ");
    let absent = if id.starts_with('0') { "1" } else { "0" };
    small.run(&["rm", "-apply", absent]).succeeds().prints("info: rm: no snapshots matched the selection\n");
    assert_eq!(small.ids(), [id]);
}

#[test]
fn filters_and_prefixes_all_must_hold() {
    let small = SmallStore::new("rm-filters");
    let a = small.backup("2025-01-01", "one");
    let b = small.backup("2025-02-01", "one,web");
    let c = small.backup("2025-03-01", "two");
    let dry = |words: &[&str]| {
        let ran = small.run(&[&["rm"], words].concat()).succeeds();
        let short = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        ran.stdout.lines().skip(1).filter_map(short).collect::<Vec<_>>()
    };
    let short = |ids: &[&String]| ids.iter().map(|id| id[..8].to_owned()).collect::<Vec<_>>();
    assert_eq!(dry(&["-tag", "one"]), short(&[&b, &a]));
    assert_eq!(dry(&["-tag", "one,!web"]), short(&[&a]));
    assert_eq!(dry(&["-latest"]), short(&[&c]));
    assert_eq!(dry(&["-latest", "-tag", "one"]), short(&[&b]));
    assert_eq!(dry(&["-before", "2025-02-01"]), short(&[&b, &a]));
    assert_eq!(dry(&["-since", "2025-02-01", &a, &b]), short(&[&b]));
    assert_eq!(dry(&[&a, &c]), short(&[&c, &a]));
    small.run(&["rm", "-apply", "-before", "2025-02-01"]).succeeds();
    assert_eq!(small.ids(), [c]);
    small.is_sound();
}

#[test]
fn a_snapshot_whose_header_is_lost_can_be_removed_by_its_id_alone() {
    let small = SmallStore::new("rm-lost");
    let id = small.backup("2025-01-01", "one");
    for name in small.files("packfiles") {
        std::fs::remove_file(small.home.dir().join(format!("store/packfiles/{}/{name}", &name[..2])))
            .unwrap();
    }
    small.run(&["check"]).exits(1);
    small.run(&["rm", "-apply", "-tag", "one"]).succeeds().says("is left alone, its header cannot be read");
    small.run(&["rm", &id[..8]]).succeeds().says("header cannot be read");
    small.run(&["rm", "-apply", &id[..8]]).succeeds();
    // What is lost is named until maintenance has found that nobody needs it.
    small.run(&["check"]).exits(1).says("not in the store");
    small.run(&["maintenance"]).succeeds();
    small.run(&["check"]).succeeds().prints("").complains("");
}

#[test]
fn an_archive_is_left_alone() {
    let small = SmallStore::new("rm-archive");
    let archive = small.home.path("one.ptar");
    small.home.plakar(&["ptar", "-plaintext", "-o", &archive, &small.home.path("tree")]).succeeds();
    let bytes = std::fs::read(&archive).unwrap();
    small
        .home
        .plakar(&["at", &archive, "rm", "-latest"])
        .succeeds()
        .says("rm: would remove these 1 snapshot(s)");
    let refused = small.home.plakar(&["at", &archive, "rm", "-apply", "-latest"]).exits(1);
    refused.says("an archive is never written to again");
    assert!(std::fs::read(&archive).unwrap() == bytes);
}
