//! `check`: what it says of a sound store, and that no damage passes in silence.

use crate::cli::small;
use crate::kit::command::Home;
use std::fs;
use std::path::PathBuf;

#[test]
fn a_sound_snapshot_has_a_line_for_each_entry_and_one_for_itself() {
    let home = small::with_store("check");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    let done = format!("info: check: verification of {id}:{tree} completed successfully\n");
    let ran = home.plakar(&["at", "st", "check"]).succeeds().complains("");
    assert!(ran.stdout.ends_with(&done), "{ran}");
    for name in ["", "/a.txt", "/sub", "/sub/b.bin", "/void"] {
        assert!(ran.stdout.contains(&format!("info: {id}: ✓ {tree}{name}\n")), "{name}\n{ran}");
    }
    for options in [
        &["-quiet"][..],
        &["-silent"],
        &["-fast", "-quiet"],
        &["-no-verify", "-quiet"],
        &["-quiet", "-concurrency", "1"],
    ] {
        home.plakar(&[&["at", "st", "check"], options].concat()).succeeds().prints(&done).complains("");
    }
    home.plakar(&["-quiet", "at", "st", "check"]).succeeds().prints_nothing();
    home.plakar(&["at", "st", "check", "-quiet", &id[..1]]).succeeds().prints(&done);
    home.plakar(&["at", "st", "check", "-quiet", &format!("{id}:sub")])
        .succeeds()
        .prints(&format!("info: check: verification of {id}:{tree}/sub completed successfully\n"));
}

#[test]
fn an_id_that_names_nothing_is_an_error() {
    let home = small::with_store("check-nothing");
    home.plakar(&["at", "st", "check"]).succeeds().prints_nothing();
    home.plakar(&["at", "st", "check", "abcd"]).exits(1).complains("plakar: no snapshot has prefix: abcd\n");
    small::backup(&home, &[]);
    home.plakar(&["at", "st", "check", "zz"]).exits(1).complains("plakar: no snapshot has prefix: zz\n");
    home.plakar(&["at", "st", "check", "-quiet", "/nope"]).exits(1).says("/nope: file does not exist");
}

#[test]
fn damage_is_told_with_the_file_it_hits() {
    let home = small::with_store("check-damage");
    let id = small::backup(&home, &[]);
    let packfiles = files(&home, "st/packfiles");
    let sound: Vec<Vec<u8>> = packfiles.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut content_lost = 0;
    for (path, bytes) in packfiles.iter().zip(&sound) {
        fs::remove_file(path).unwrap();
        let ran = home.plakar(&["at", "st", "check", "-quiet"]).exits(1);
        assert!(ran.stderr.contains(&format!("warn: check failed for snapshot {id}")), "{ran}");
        assert!(ran.stderr.ends_with("plakar: check failed for 1 packfile, 1 snapshot\n"), "{ran}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(ran.stderr.contains(name), "the packfile is not named\n{ran}");
        content_lost += usize::from(ran.stderr.contains(&format!("✘ {}: ", home.path("tree/a.txt"))));
        home.plakar(&["at", "st", "check", "-silent", "-fast"]).exits(1);
        fs::write(path, bytes).unwrap();
        home.plakar(&["at", "st", "check", "-silent"]).succeeds();
    }
    assert!(content_lost > 0, "no loss hit the content");
}

#[test]
fn one_altered_byte_of_content_is_found_and_named() {
    let home = small::home("check-flip");
    home.plakar(&["at", "st", "create", "-plaintext", "-no-compression"]).succeeds();
    let id = small::backup(&home, &[]);
    let (path, at) = place_of(&home, b"hello\n");
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let ran = home.plakar(&["at", "st", "check"]).exits(1);
    assert!(ran.stderr.contains(&format!("warn: {id}: ✘ {}: ", home.path("tree/a.txt"))), "{ran}");
    assert!(
        ran.stdout.contains(&format!("✓ {}\n", home.path("tree/sub/b.bin"))),
        "the rest is checked\n{ran}"
    );
    // Everything is there: that is all a fast check promises.
    home.plakar(&["at", "st", "check", "-fast"]).succeeds();
    let ran = home.plakar(&["at", "st", "restore", "-to", "out", &id]).exits(1);
    assert!(ran.stderr.contains(&format!("warn: {id}: KO ✘ {}: ", home.path("tree/a.txt"))), "{ran}");
    assert!(ran.stderr.ends_with("plakar: restoration completed with 1 error\n"), "{ran}");
    assert!(!home.dir().join("out/tree/a.txt").exists(), "wrong bytes were written");
    assert!(home.dir().join("out/tree/sub/b.bin").exists());
    home.plakar(&["at", "st", "cat", &format!("{id}:a.txt")]).exits(1).prints("");
}

#[test]
fn an_altered_state_or_config_is_named() {
    let home = small::with_store("check-state");
    small::backup(&home, &[]);
    let state = files(&home, "st/states").remove(0);
    let config = home.dir().join("st/CONFIG");
    let name = state.file_name().unwrap().to_str().unwrap().to_owned();
    let cases: [(PathBuf, &str, &str); 2] = [(state, &name, "state"), (config, "CONFIG", "CONFIG")];
    for (path, said, kind) in cases {
        let sound = fs::read(&path).unwrap();
        let damages: [(&str, Vec<u8>); 5] = [
            ("empty", Vec::new()),
            ("cut", sound[..sound.len() / 2].to_vec()),
            ("one byte short", sound[..sound.len() - 1].to_vec()),
            ("altered", sound.iter().enumerate().map(|(n, b)| if n == 60 { b ^ 4 } else { *b }).collect()),
            ("another file", b"hello".repeat(100)),
        ];
        for (what, bytes) in damages {
            fs::write(&path, bytes).unwrap();
            // Without what this machine remembers of the store.
            let _ = fs::remove_dir_all(home.dir().join("home/.cache"));
            for command in ["ls", "check", "restore", "info"] {
                let ran = home.plakar(&["at", "st", command]).exits(1).prints("");
                assert!(
                    ran.stderr.contains("plakar: ") && ran.stderr.contains(said),
                    "{kind}, {what}\n{ran}"
                );
                assert!(!ran.stderr.contains("panicked"), "{kind}, {what}\n{ran}");
            }
        }
        fs::write(&path, &sound).unwrap();
    }
    home.plakar(&["at", "st", "check", "-silent"]).succeeds();
}

/// Every file below a directory.
fn files(home: &Home, below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![home.dir().join(below)];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The packfile and the offset at which these bytes are stored.
fn place_of(home: &Home, wanted: &[u8]) -> (PathBuf, usize) {
    files(home, "st/packfiles")
        .into_iter()
        .find_map(|path| {
            let bytes = fs::read(&path).unwrap();
            let at = bytes.windows(wanted.len()).position(|window| window == wanted)?;
            Some((path, at))
        })
        .unwrap()
}
