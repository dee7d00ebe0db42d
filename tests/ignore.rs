//! Ignore patterns against git itself.

use crate::kit::skip;
use plakar::connectors::ignore::Ignore;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PIECES: [&str; 14] =
    ["a", "b", "ab", "*", "?", "**", "/", "/", "[ab]", "[!a]", "[^b-z]", "\\a", "c ", "[[:alpha:]]"];

#[test]
fn patterns_mean_what_git_itself_takes_them_for() {
    if Command::new("git").arg("--version").output().is_err() {
        return skip::missing("git is not installed");
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ignore-{}", std::process::id()));
    let paths = tree(&dir);
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(words).current_dir(&dir).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_CONFIG_NOSYSTEM", "1").stdout(Stdio::piped()).stdin(Stdio::piped());
        command
    };
    assert!(git(&["init", "-q"]).status().unwrap().success());
    let mut dice = 7_u64;
    let mut pick = |limit: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % limit
    };
    let (mut compared, mut ignored) = (0, 0);
    for _ in 0..150 {
        let patterns: Vec<String> = (0..1 + pick(3))
            .map(|_| {
                let mut pattern = String::from(if pick(5) == 0 { "!" } else { "" });
                (0..1 + pick(5)).for_each(|_| pattern += PIECES[pick(PIECES.len())]);
                pattern
            })
            .collect();
        let ours = Ignore::new(&patterns).unwrap_or_else(|why| panic!("{why}"));
        fs::write(dir.join(".gitignore"), patterns.join("\n") + "\n").unwrap();
        let mut child = git(&["check-ignore", "--no-index", "-z", "--stdin"]).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for (path, _) in &paths {
            input.write_all(format!("{path}\0").as_bytes()).unwrap();
        }
        drop(input);
        let told = child.wait_with_output().unwrap().stdout;
        let told: Vec<&str> = std::str::from_utf8(&told).unwrap().split('\0').collect();
        for (path, directory) in &paths {
            let theirs = told.contains(&path.as_str());
            let shown = format!("/{path}");
            assert_eq!(ours.excluded(shown.as_bytes(), *directory), theirs, "{patterns:?} on {shown}");
            compared += 1;
            ignored += usize::from(theirs);
        }
    }
    assert!(ignored > 500 && compared - ignored > 500, "{ignored} of {compared}");
    fs::remove_dir_all(&dir).unwrap();
}

/// Real directories and files: whether a path is a directory is git's to look up.
fn tree(dir: &Path) -> Vec<(String, bool)> {
    let mut paths = Vec::new();
    for name in ["a", "b", "a/b", "a/ab", "a/b/a", "ab", "b/ab/a", "b/ab", "zz"] {
        fs::create_dir_all(dir.join(name)).unwrap();
        paths.push((name.to_owned(), true));
        for file in ["c", "aa", "bz", "z", "c "] {
            fs::write(dir.join(name).join(file), "").unwrap();
            paths.push((format!("{name}/{file}"), false));
        }
    }
    paths
}
