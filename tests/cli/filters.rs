//! Options that select snapshots, for every command that has them.

use crate::cli::small;

#[test]
fn each_filter_keeps_what_it_says() {
    let home = small::with_store("filters");
    let days = ["2024-03-01", "2024-03-02 10:00", "2024-03-02 11:00", "2024-04-01"];
    let tags = ["a", "a,b", "b", ""];
    let made: Vec<String> = days
        .iter()
        .zip(tags)
        .map(|(day, tags)| small::backup(&home, &["-force-timestamp", day, "-tag", tags]))
        .collect();
    let tree = home.path("tree");
    let cases: &[(&[&str], &[usize])] = &[
        (&[], &[3, 2, 1, 0]),
        (&["-latest"], &[3]),
        (&["-since", "2024-03-02"], &[3, 2, 1]),
        (&["-before", "2024-03-02"], &[0]),
        (&["-since", "2024-03-02 10:00", "-before", "2024-03-02 11:00"], &[2, 1]),
        (&["-since", "2024-03-02T10:30:00Z", "-before", "2024/03/15"], &[2]),
        (&["-since", "10y"], &[3, 2, 1, 0]),
        (&["-before", "10y"], &[]),
        (&["-tag", "a"], &[1, 0]),
        (&["-tag", "a,b"], &[1]),
        (&["-tag", "a", "-tag", "b"], &[1]),
        (&["-tag", "!a"], &[3, 2]),
        (&["-tag", "b,!a"], &[2]),
        (&["-tag", "b", "-latest"], &[2]),
        (&["-name", "default"], &[3, 2, 1, 0]),
        (&["-name", "other"], &[]),
        (&["-category", "default", "-environment", "default", "-perimeter", "default"], &[3, 2, 1, 0]),
        (&["-job", "default"], &[3, 2, 1, 0]),
        (&["-job", "x"], &[]),
        (&["-root", &tree], &[3, 2, 1, 0]),
        (&["-root", "/nope"], &[]),
        (&["-root", &format!("{tree},/nope")], &[]),
        (&["-per-day", "1"], &[3, 2, 0]),
        (&["-per-month", "1"], &[3, 2]),
        (&["-per-year", "1"], &[3]),
        (&["-per-friday", "1"], &[0]),
        (&["-per-saturday", "5"], &[2, 1]),
        (&["-per-month", "1", "-per-friday", "1"], &[3, 2, 0]),
        (&["-days", "3"], &[]),
        (&["-years", "100"], &[3, 2, 1, 0]),
    ];
    for (words, kept) in cases {
        let ran = home.plakar(&[&["at", "st", "ls"], *words].concat()).succeeds();
        let expected: Vec<&String> = kept.iter().map(|&n| &made[n]).collect();
        assert_eq!(small::ids(&ran).iter().collect::<Vec<_>>(), expected, "{ran}");
        let ran = home.plakar(&[&["at", "st", "check", "-quiet"], *words].concat()).succeeds();
        let checked: Vec<&str> = ran
            .stdout
            .lines()
            .map(|line| &line.strip_prefix("info: check: verification of ").unwrap()[..8])
            .collect();
        assert_eq!(checked, expected, "{ran}");
    }
}

#[test]
fn restore_has_filters_of_its_own() {
    let home = small::with_store("filters-restore");
    let old = small::backup(&home, &["-force-timestamp", "2024-03-01", "-tag", "a"]);
    let new = small::backup(&home, &["-force-timestamp", "2024-03-02", "-tag", "b"]);
    for (words, id) in [
        (&["-tag", "a"][..], Some(&old)),
        (&["-tag", "b"], Some(&new)),
        (&["-name", "default", "-category", "default", "-job", "default"], Some(&new)),
        (&["-environment", "default", "-perimeter", "default"], Some(&new)),
        (&["-tag", "c"], None),
        (&["-name", "x"], None),
    ] {
        let ran = home.plakar(&[&["at", "st", "restore", "-quiet", "-to", "out"], words].concat());
        match id {
            Some(id) => ran.succeeds().says(&format!("restoration of {id}:")),
            None => ran.exits(1).complains("plakar: no snapshots found\n"),
        };
    }
    for option in ["-latest", "-before", "-since"] {
        home.plakar(&["at", "st", "restore", option, "2024-01-01"]).exits(2);
    }
}

#[test]
fn a_malformed_filter_is_a_usage_error() {
    let home = small::with_store("filters-bad");
    for (words, complaint) in [
        (["-since", "soon"], "invalid value \"soon\" for flag -since: invalid time format: \"soon\"\n"),
        (["-before", "10"], "invalid value \"10\" for flag -before: invalid time format: \"10\"\n"),
        (["-per-day", "x"], "invalid value \"x\" for flag -per-day: parse error\n"),
    ] {
        let ran = home.plakar(&[&["at", "st", "ls"], &words[..]].concat()).exits(2).prints("");
        assert!(ran.stderr.starts_with(complaint), "{ran}");
    }
    home.plakar(&["at", "st", "ls", "-per-day", "-1"]).exits(1);
}
