//! The session that README.md shows, run again on a real MinIO: the same commands print the same
//! lines, but for ids, times, and what the padding of files makes of sizes.

use crate::kit::command::{self, Home};
use crate::kit::skip;
use std::fs;
use std::path::Path;

/// Command and what it printed, from the first console block below the heading.
fn session() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## A session\n").expect("the section");
    let (_, block) = section.split_once("```console\n").expect("its block");
    let (block, _) = block.split_once("\n```").expect("the end of its block");
    let mut session: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), session.last_mut()) {
            (Some(command), _) => session.push((command.to_owned(), Vec::new())),
            (None, Some((command, _))) if command.ends_with('\\') => {
                command.pop();
                *command += line.trim_start();
            }
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("the block begins with a command"),
        }
    }
    session
}

/// A line's words, with what no two runs have in common replaced.
fn masked(line: &str) -> Vec<String> {
    let line = line.split(" (wrote ").next().unwrap();
    let mask = |word: &str| {
        let plain = word.trim_end_matches([':', ',']);
        let hexadecimal = plain.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hexadecimal && [8, 64].contains(&plain.len()) {
            return "ID".to_owned();
        }
        if plain.len() == 20 && plain.ends_with('Z') && plain.as_bytes()[10] == b'T' {
            return "TIME".to_owned();
        }
        // Before durations: an ID may begin with a digit, and a path end like a unit.
        if let Some((_, rest)) = word.split_once(':').filter(|(id, _)| masked_id(id)) {
            return format!("ID:{rest}");
        }
        let times = ["s", "ms", "µs", "MB/s"];
        if times.iter().any(|unit| plain.ends_with(unit)) && plain.starts_with(|c: char| c.is_ascii_digit()) {
            return "DURATION".to_owned();
        }
        word.to_owned()
    };
    line.split_whitespace().map(mask).collect()
}

fn masked_id(word: &str) -> bool {
    word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn minio_the_session_of_the_readme_was_really_run() {
    let Some(endpoint) = skip::minio() else { return };
    let session = session();
    assert!(session.len() > 8, "{session:?}");
    let home = Home::new("readme");
    fs::create_dir_all(home.dir().join("bin")).unwrap();
    std::os::unix::fs::symlink(command::program(), home.dir().join("bin/plakar")).unwrap();
    home.env("PATH", format!("{}/bin:{}", home.dir().display(), std::env::var("PATH").unwrap()));
    let bucket = format!("session-{}", std::process::id());
    let here = |text: &str| {
        text.replace("localhost:9000", endpoint.trim_start_matches("http://"))
            .replace("plakar-kloset", &bucket)
    };
    let mark = "--- the next command";
    let script: String = session
        .iter()
        .map(|(command, _)| format!("{{ {}\n}} 2>&1; echo '{mark}'\n", here(command)))
        .collect();
    let ran = home.program("sh", &["-c", &script]);
    let there =
        |text: &str| text.replace(home.dir().to_str().unwrap(), "/home/me").replace(&bucket, "plakar-kloset");
    let printed: Vec<&str> = ran.stdout.split(&format!("{mark}\n")).collect();
    for ((command, expected), printed) in session.iter().zip(printed) {
        let printed: Vec<String> = there(printed).lines().map(str::to_owned).collect();
        let words = |lines: &[String]| lines.iter().map(|line| masked(line)).collect::<Vec<_>>();
        assert_eq!(words(&printed), words(expected), "$ {command}\n{}\n", printed.join("\n"));
    }
}
