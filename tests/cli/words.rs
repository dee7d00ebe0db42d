//! The words before and around commands: usage, unknown words, `at`, `help`, exit codes.

use crate::kit::command::Home;

#[test]
fn malformed_command_lines_are_refused_without_touching_anything() {
    let home = Home::new("words");
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 1, "plakar: a subcommand must be provided\n  agent\n"),
        (&["foo"], 1, "command not found: foo\n"),
        (&["at"], 1, "plakar: missing plakar repository\n"),
        (&["at", "@x"], 1, "plakar: missing command\n"),
        (&["at", "@x", "store", "show"], 1, "plakar: store command cannot be used with 'at' parameter\n"),
        (&["-bogus", "ls"], 2, "flag provided but not defined: -bogus\nUsage: plakar "),
        (&["-cpu", "0", "version"], 1, "plakar: invalid -cpu value 0\n"),
        (&["-cpu", "99999", "version"], 1, "plakar: can't use more cores than available: "),
        (&["-cpu", "x", "version"], 2, "invalid value \"x\" for flag -cpu: parse error\n"),
        (&["store", "show", "-bogus"], 2, "flag provided but not defined: -bogus\nUsage: store show "),
        (&["mount", "/mnt"], 1, "plakar: mount: not available: "),
        (&["agent"], 1, "plakar: agent: not needed: "),
        (&["agent", "start", "-foreground"], 1, "plakar: agent: not needed: "),
        (&["login", "-status"], 1, "plakar: login: not needed: "),
        (&["ui", "-addr", "localhost:1"], 1, "plakar: ui: not available: "),
        (&["help", "nope"], 1, "plakar: unknown command: nope\n"),
    ];
    for (words, code, complaint) in cases {
        let ran = home.plakar(words).exits(*code).prints("");
        assert!(ran.stderr.starts_with(complaint), "{ran}");
    }
    assert!(!home.dir().join("home/.config").exists(), "a refused command left something behind");
}

#[test]
fn help_is_an_answer_not_a_failure() {
    let home = Home::new("help");
    home.plakar(&["-h"]).succeeds().prints("").says("COMMANDS:\n");
    home.plakar(&["store", "show", "-h"]).succeeds().prints("").says("  -secrets\n");
    home.plakar(&["help"]).succeeds().says("  version ");
    home.plakar(&["help", "store", "add"])
        .succeeds()
        .says("Usage: store add [OPTIONS] NAME LOCATION [KEY=VALUE]...\n");
    home.plakar(&["version"]).succeeds().says("plakar/").says("Kloset 1.0.0");
}

#[test]
fn agent_switches_change_nothing() {
    let home = Home::new("agentless");
    home.env("PLAKAR_AGENTLESS", "");
    let plain = home.plakar(&["version"]).succeeds();
    home.plakar(&["-no-agent", "version"]).succeeds().prints(&plain.stdout);
    home.plakar(&["-time", "version"]).succeeds().says("\ntime: ");
}

#[test]
fn the_s3_package_is_already_there() {
    let home = Home::new("pkg");
    home.plakar(&["pkg", "add", "s3"]).succeeds().says("s3 is part of this program");
    home.plakar(&["pkg", "add", "s3"]).succeeds();
    home.plakar(&["pkg", "list"]).succeeds().says("s3@v");
    home.plakar(&["pkg", "show", "-long"]).succeeds().says("s3_v");
    home.plakar(&["pkg", "add", "ftp"]).exits(1).says("no package \"ftp\"");
    home.plakar(&["pkg", "rm", "s3"]).exits(1).says("failed to remove \"s3\": it is part of this program");
    home.plakar(&["pkg"]).exits(1).complains("plakar: no action specified\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new("pipe");
    let program = env!("CARGO_BIN_EXE_plakar");
    home.program("sh", &["-c", &format!("{program} help | head -c 1; {program} help >&-; echo $?")])
        .succeeds()
        .prints("U0\n")
        .complains("");
}

/// What Plakar v1.0.6 lists when it is called without a command.
const PLAKARS: &str = "agent archive backup cat check clone create destination diff digest dup help info locate \
    login logout ls maintenance mount pkg policy prune ptar repair restore rm scheduler server service source \
    store sync token ui version";

/// Those that are not here.
const GONE: [&str; 9] =
    ["agent", "login", "logout", "mount", "scheduler", "server", "service", "token", "ui"];

#[test]
fn every_command_of_plakar_works_or_says_in_one_line_what_to_use_instead() {
    let home = Home::new("every-command");
    for word in PLAKARS.split_whitespace() {
        home.plakar(&["help", word]).succeeds().complains("");
        if !GONE.contains(&word) {
            home.plakar(&[word, "-h"]).succeeds().says("Usage: ");
            continue;
        }
        for more in [&[][..], &["start"], &["-addr", "x", "y"]] {
            let ran = home.plakar(&[&[word], more].concat()).exits(1).prints("");
            let begins = format!("plakar: {word}: not ");
            assert!(ran.stderr.starts_with(&begins) && ran.stderr.lines().count() == 1, "{ran}");
        }
    }
}

#[test]
fn the_table_of_the_readme_is_the_list_of_the_program() {
    let listed = Home::new("readme").plakar::<&str>(&[]).exits(1).stderr;
    let mut words: Vec<&str> =
        listed.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    words.sort_unstable();
    words.dedup();
    for word in PLAKARS.split_whitespace() {
        assert!(words.contains(&word), "{word} is in no list");
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| *line != "| commands | |").skip(2);
    let (mut told, mut gone) = (Vec::new(), Vec::new());
    for row in rows.take_while(|line| line.starts_with('|')) {
        let (names, about) = row.trim_start_matches('|').split_once('|').unwrap();
        let names = names.split('`').skip(1).step_by(2);
        let here = if about.trim().starts_with("not here") { &mut gone } else { &mut told };
        here.extend(names);
    }
    gone.sort_unstable();
    assert_eq!(gone, GONE);
    told.extend(gone);
    told.sort_unstable();
    assert_eq!(told, words);
}
