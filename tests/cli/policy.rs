//! `policy`: every action, its words and its refusals.

use crate::kit::command::Home;
use std::fs;

#[test]
fn policies_are_added_changed_shown_and_removed() {
    let home = Home::new("policy");
    home.plakar(&["policy", "show"]).succeeds().prints_nothing();
    assert!(!home.settings("policies.yml").exists(), "looking changes nothing");
    home.plakar(&["policy", "add", "weekly"]).succeeds().prints_nothing();
    home.plakar(&["policy", "set", "@weekly", "per-week=1", "tags=web,!tmp"]).succeeds().prints_nothing();
    home.plakar(&["policy", "add", "b", "days=7", "per-day=2", "name=n"]).succeeds();
    let weekly = "weekly:\n    filters:\n        tags:\n            - web\n            - '!tmp'\n    \
                  periods:\n        week:\n            cap: 1\n";
    let b = "b:\n    filters:\n        name: \"n\"\n    periods:\n        day:\n            keep: 7\n            cap: 2\n";
    home.plakar(&["policy", "show", "weekly"]).succeeds().prints(weekly);
    home.plakar(&["policy", "show"]).succeeds().prints(&format!("{b}{weekly}"));
    home.plakar(&["policy", "show", "weekly", "b"]).succeeds().prints(&format!("{weekly}{b}"));
    home.plakar(&["policy", "show", "-json", "b"]).succeeds().says("\"day\":{\"keep\":7,\"cap\":2}");
    home.plakar(&["policy", "unset", "b", "days", "name", "job"]).succeeds();
    home.plakar(&["policy", "show", "b"])
        .succeeds()
        .prints("b:\n    periods:\n        day:\n            cap: 2\n");
    home.plakar(&["policy", "rm", "b"]).succeeds().prints_nothing();
    home.plakar(&["policy", "rm", "weekly"]).succeeds();
    assert_eq!(fs::read_to_string(home.settings("policies.yml")).unwrap(), "version: v1.0.0\npolicies: {}\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(home.settings("policies.yml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn refusals_change_nothing() {
    let home = Home::new("policy-refusals");
    home.plakar(&["policy", "add", "daily", "days=7"]).succeeds();
    let before = fs::read(home.settings("policies.yml")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "no action specified"),
        (&["foo"], "usage: plakar policy [add|rm|set|show|unset]"),
        (&["add"], "Usage: plakar policy add <name> [<key>=<value>...]"),
        (&["add", "daily"], "policy \"daily\" already exists"),
        (&["add", "x", "foo"], "Usage: plakar policy add <name> [<key>=<value>...]"),
        (&["add", "x", "days=x"], "failed to set key \"days\": invalid value: \"x\" is not a whole number"),
        (&["add", "x", "days=-3"], "failed to set key \"days\": negative value"),
        (&["set", "daily"], "Usage: plakar policy set <name> <key>=<value>..."),
        (&["set", "daily", "days"], "usage: plakar policy set <name> [<key>=<value>, ...]"),
        (&["set", "daily", "days=9", "foo=2"], "failed to set key \"foo\": invalid key"),
        (&["set", "monthly", "days=9"], "policy \"monthly\" does not exists"),
        (&["unset", "daily"], "Usage: plakar policy unset <name> <key>..."),
        (&["unset", "daily", "dayz"], "failed to unset key \"dayz\": invalid key"),
        (&["rm"], "Usage: plakar policy rm <name>"),
        (&["rm", "daily", "b"], "Usage: plakar policy rm <name>"),
        (&["rm", "nope"], "policy \"nope\" does not exist"),
        (&["show", "nope"], "entry \"nope\" not found"),
        (&["show", "-ini"], "unknown format \"ini\""),
    ];
    for (words, complaint) in cases {
        let words = [&["policy"], *words].concat();
        home.plakar(&words).exits(1).prints("").complains(&format!("plakar: {complaint}\n"));
    }
    home.plakar(&["policy", "rm", "dayly"]).exits(1).says("Did you mean daily?");
    home.plakar(&["policy", "show", "-bogus"]).exits(2);
    home.plakar(&["at", "x", "policy", "show"])
        .exits(1)
        .says("policy command cannot be used with 'at' parameter");
    assert_eq!(fs::read(home.settings("policies.yml")).unwrap(), before);
    fs::write(
        home.settings("policies.yml"),
        "policies:\n  a:\n    periods:\n      fortnight:\n        keep: 1\n",
    )
    .unwrap();
    home.plakar(&["policy", "add", "b"])
        .exits(1)
        .says("could not load policies: ")
        .says("policies.yml: policy \"a\": ");
}
