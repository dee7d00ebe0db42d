//! `help`: every command, every topic, man pages that man reads, and words that were nearly right.

use crate::kit::command::Home;
use crate::kit::skip;
use plakar::cli::commands;
use plakar::cli::manual;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn every_command_and_topic_is_explained() {
    let home = Home::new("help-all");
    let overview = home.plakar(&["help"]).succeeds();
    for row in commands::shown() {
        assert!(overview.stdout.contains(&format!("\n  {} ", row.word)), "{}", row.name());
        let name = row.name();
        let words: Vec<&str> = ["help"].into_iter().chain(name.split(' ')).collect();
        let page = home.plakar(&words).succeeds();
        for part in ["Usage: ", "OPTIONS:\n", "EXAMPLES:\n", "EXIT CODES:\n", "  130  interrupted"] {
            assert!(page.stdout.contains(part), "{part}\n{page}");
        }
        for opt in row.table().into_iter().flatten() {
            assert!(page.stdout.contains(&format!("\n  -{}", opt.name)), "-{}\n{page}", opt.name);
        }
    }
    for (topic, _) in manual::TOPICS {
        home.plakar(&["help", topic]).succeeds();
    }
}

#[test]
fn man_pages_are_read_by_man_without_complaint() {
    if Command::new("groff").arg("--version").output().is_err() {
        return skip::missing("groff is not installed");
    }
    let home = Home::new("help-man");
    let mut pages = vec![home.plakar(&["help", "-style", "man"]).succeeds().stdout];
    for row in commands::shown() {
        let name = row.name();
        let words: Vec<&str> = ["help", "-style", "man"].into_iter().chain(name.split(' ')).collect();
        pages.push(home.plakar(&words).succeeds().stdout);
    }
    for page in pages {
        let mut groff = Command::new("groff")
            .args(["-man", "-Tascii", "-P-cbu", "-ww", "-rHY=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let read = groff.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&read.stderr);
        // Hyphenation is groff's own affair on narrow lines.
        let complaints: Vec<&str> =
            complaints.lines().filter(|line| !line.contains("cannot adjust")).collect();
        assert!(complaints.is_empty(), "{complaints:?}\n{page}");
        assert!(String::from_utf8_lossy(&read.stdout).contains("SYNOPSIS"), "{page}");
    }
}

#[test]
fn nearly_right_words_are_answered_with_the_right_ones() {
    let home = Home::new("help-near");
    home.plakar(&["store", "add", "minio", "/srv/x"]).succeeds();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["bakcup"], 1, "command not found: bakcup\nDid you mean backup?\n"),
        (&["store", "shwo"], 1, "Did you mean store show?\n"),
        (&["policy", "ad", "x"], 1, "Did you mean policy add?\n"),
        (&["at", "@minoi", "ls"], 1, "Did you mean @minio?\n"),
        (&["@minio", "ls"], 1, "Did you mean at @minio?\n"),
        (&["ls", "-recursiv"], 2, "flag provided but not defined: -recursiv\nDid you mean -recursive?\n"),
        (&["-quite", "ls"], 2, "flag provided but not defined: -quite\nDid you mean -quiet?\n"),
        (&["help", "resotre"], 1, "plakar: unknown command: resotre\nDid you mean restore?\n"),
        (&["help", "jsno"], 1, "Did you mean json?\n"),
        (&["store", "rm", "mini"], 1, "Did you mean minio?\n"),
        (&["doctor", "@mini"], 1, "Did you mean @minio?\n"),
    ];
    for (words, code, answer) in cases {
        let ran = home.plakar(words).exits(*code);
        assert!(ran.stderr.contains(answer), "{ran}");
    }
}
