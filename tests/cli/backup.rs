//! `backup`: what it says, what it takes, and when its exit code is not 0.

use crate::cli::small::{self, id_of};
use crate::kit::command::{Home, Ran};
use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use crate::kit::trees;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[test]
fn every_entry_has_its_line_children_before_parents() {
    let home = small::with_store("backup-lines");
    let ran = home.plakar(&["at", "st", "backup", "tree"]).succeeds().complains("");
    let id = id_of(&ran);
    let tree = home.path("tree");
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    let last = lines.pop().unwrap();
    assert!(
        last.starts_with(&format!("info: backup: created unsigned snapshot {id} of size 29 KiB in "))
            && last.ends_with(')')
            && last.contains(" (wrote "),
        "{ran}"
    );
    let line = |path: &str| format!("{id}: OK ✓ {tree}{path}");
    for path in ["/a.txt", "/link", "/sub/b.bin", "/void", "/sub", ""] {
        assert_eq!(lines.iter().filter(|shown| **shown == line(path)).count(), 1, "{path}\n{ran}");
    }
    for (child, parent) in [("/sub/b.bin", "/sub"), ("/sub", ""), ("/void", ""), ("/a.txt", "")] {
        let place = |path: &str| lines.iter().position(|shown| *shown == line(path));
        assert!(place(child) < place(parent), "{child} after {parent}\n{ran}");
    }
    assert_eq!(lines.last().unwrap(), &format!("{id}: OK ✓ /"));
}

#[test]
fn quiet_and_silent_leave_lines_out() {
    let home = small::with_store("backup-quiet");
    for (options, lines) in [(&["-quiet"][..], 1), (&["-silent"], 1)] {
        let ran = home.plakar(&[&["at", "st", "backup"], options, &["tree"]].concat()).succeeds();
        assert_eq!(ran.stdout.lines().count(), lines, "{ran}");
    }
    home.plakar(&["-quiet", "at", "st", "backup", "tree"]).succeeds().prints_nothing();
}

#[test]
fn an_unreadable_entry_is_told_and_the_exit_code_says_so() {
    let home = small::with_store("backup-unreadable");
    trees::mode(&home.dir().join("tree/a.txt"), 0o000);
    let ran = weak(&home, &["at", "st", "backup", "tree"]).exits(3);
    let id = id_of(&ran);
    let file = home.path("tree/a.txt");
    let why = format!("open {file}: permission denied");
    ran.complains(&format!(
        "{id}: KO ✘ {file}: {why}\nplakar: the snapshot was created, but 1 entry could not be read\n"
    ));
    home.plakar(&["at", "st", "info", "-errors", &id]).succeeds().prints(&format!("{file}: {why}\n"));
    home.plakar(&["at", "st", "check", "-quiet"]).succeeds();
    let listed = home.plakar(&["at", "st", "ls", &id]).succeeds();
    assert!(!listed.stdout.contains("B a.txt\n") && listed.stdout.contains("link -> a.txt\n"), "{listed}");
    let ran = weak(&home, &["at", "st", "backup", "-silent", "tree"]).exits(3);
    assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
}

#[test]
fn a_source_that_cannot_be_read_at_all_makes_no_snapshot() {
    let home = small::with_store("backup-denied");
    trees::mode(&home.dir().join("tree/a.txt"), 0o000);
    trees::mode(&home.dir().join("tree/sub"), 0o000);
    for name in ["tree/a.txt", "tree/sub"] {
        let ran = weak(&home, &["at", "st", "backup", name]).exits(1);
        assert!(ran.stderr.contains("plakar: failed to create snapshot: "), "{ran}");
        assert!(ran.stderr.contains("permission denied"), "{ran}");
    }
    trees::mode(&home.dir().join("tree/sub"), 0o700);
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
}

/// Runs the program without root's right to read everything.
fn weak(home: &Home, words: &[&str]) -> Ran {
    const GONE: &str = "-dac_override,-dac_read_search";
    if !rustix::process::geteuid().is_root() {
        return home.plakar(words);
    }
    let program = ["--bounding-set", GONE, "--inh-caps", GONE, "--", env!("CARGO_BIN_EXE_plakar")];
    home.program("setpriv", &[&program, words].concat())
}

#[test]
fn a_source_that_is_not_there_makes_no_snapshot() {
    let home = small::with_store("backup-nothing");
    let cases: &[(&[&str], &str)] = &[
        (&["nope"], "plakar: failed to create an importer for nope: "),
        (&["@nope"], "plakar: could not resolve importer: @nope\n"),
        (&["a", "b"], "plakar: Too many arguments\n"),
        (
            &["s3://127.0.0.1:1/b"],
            "plakar: failed to create an importer for s3://127.0.0.1:1/b: missing access_key",
        ),
        (&["-force-timestamp", "2100-01-01", "tree"], "plakar: forced timestamp cannot be in the future\n"),
        (&["-ignore-file", "nope", "tree"], "plakar: unable to open excludes file: nope: "),
        (&["-concurrency", "-1", "tree"], "plakar: invalid -concurrency value -1\n"),
    ];
    for (words, complaint) in cases {
        let ran = home.plakar(&[&["at", "st", "backup"], *words].concat()).exits(1).prints("");
        assert!(ran.stderr.starts_with(complaint), "{ran}");
    }
    for words in
        [&["-tag", "a", "-tag", "b", "tree"][..], &["-bogus", "tree"], &["-force-timestamp", "soon", "tree"]]
    {
        home.plakar(&[&["at", "st", "backup"], words].concat()).exits(2).prints("");
    }
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
}

#[test]
fn scan_lists_and_stores_nothing() {
    let home = small::with_store("backup-scan");
    let tree = home.path("tree");
    let ran =
        home.plakar(&["at", "st", "backup", "-scan", "-ignore", "*.bin", "tree"]).succeeds().complains("");
    let mut below: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with(&tree)).collect();
    below.sort_unstable();
    assert_eq!(below, ["", "/a.txt", "/link", "/sub", "/void"].map(|name| format!("{tree}{name}")));
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
}

#[test]
fn patterns_leave_out_what_git_would_ignore() {
    let home = small::with_store("backup-ignore");
    fs::write(home.dir().join("patterns"), "# a comment\n\n*.txt\nsub/\n").unwrap();
    let files = |words: &[&str]| {
        let id = small::backup(&home, words);
        let ran = home.plakar(&["at", "st", "ls", "-recursive", &id]).succeeds();
        let names = ran.stdout.lines().map(|line| line.rsplit('/').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(files(&["-ignore-file", "patterns"]), ["link -> a.txt", "void"]);
    // The command line has the last word.
    assert_eq!(files(&["-ignore-file", "patterns", "-ignore", "!a.txt"]), ["a.txt", "link -> a.txt", "void"]);
    let anchored = home.path("tree/void");
    assert_eq!(files(&["-ignore", &anchored, "-ignore", "link"]), ["a.txt", "sub", "b.bin"]);
}

#[test]
fn tags_and_time_are_kept() {
    let home = small::with_store("backup-tags");
    small::backup(&home, &["-tag", "daily,web", "-force-timestamp", "2024-02-29 12:30"]);
    let ran = home.plakar(&["at", "st", "ls", "-tags"]).succeeds();
    assert!(ran.stdout.starts_with("2024-02-29T12:30:00Z "), "{ran}");
    assert!(ran.stdout.ends_with(&format!("{} tags=daily,web\n", home.path("tree"))), "{ran}");
}

#[test]
fn the_working_directory_and_named_sources_are_sources() {
    let home = small::with_store("backup-sources");
    home.plakar(&["source", "add", "s", &home.path("tree/sub")]).succeeds();
    home.plakar(&["at", "st", "backup", "-quiet", "@s"]).succeeds();
    home.plakar(&[
        "at",
        "st",
        "backup",
        "-quiet",
        "-o",
        &format!("location={}", home.path("tree/void")),
        "@s",
    ])
    .succeeds();
    home.plakar(&["at", "st", "backup", "-quiet"]).succeeds();
    let ran = home.plakar(&["at", "st", "ls"]).succeeds();
    let roots: Vec<&str> = ran.stdout.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(roots, [home.path("").trim_end_matches('/'), &home.path("tree/void"), &home.path("tree/sub")]);
    // The store lies in the working directory, and is not backed up into itself.
    let inside = home.plakar(&["at", "st", "ls", &small::ids(&ran)[0]]).succeeds();
    assert!(inside.stdout.contains(" tree\n") && !inside.stdout.contains(" st\n"), "{inside}");
}

#[test]
fn check_follows_the_backup_when_asked() {
    let home = small::with_store("backup-check");
    let ran = home.plakar(&["at", "st", "backup", "-quiet", "-check", "tree"]).succeeds();
    let id = id_of(&ran);
    let checked = format!("info: check: verification of {id}:");
    assert!(ran.stdout.lines().last().unwrap().starts_with(&checked), "{ran}");
}

#[test]
fn options_with_secrets_are_not_kept_in_the_snapshot() {
    let server = S3Server::start();
    server.objects(|objects| objects.put("photos", b"key", b"value"));
    let home = small::with_store("backup-secrets");
    let source = format!("s3://{}/photos", server.address());
    let (key, secret) = (format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}"));
    let ran = home
        .plakar(&["at", "st", "backup", "-o", "use_tls=false", "-o", &key, "-o", &secret, &source])
        .succeeds()
        .never_says(SECRET_KEY);
    home.plakar(&["at", "st", "info", &id_of(&ran)])
        .succeeds()
        .says("secret_access_key=****")
        .never_says(SECRET_KEY);
}

#[test]
fn a_name_that_is_not_utf8_is_printed_as_it_is() {
    let home: Home = small::with_store("backup-bytes");
    let name = std::ffi::OsStr::from_bytes(b"tree/\xff\xfe");
    fs::write(home.dir().join(name), "x").unwrap();
    let ran = home.plakar(&["at", "st", "backup", "tree"]).succeeds();
    assert!(ran.bytes.windows(8).any(|bytes| bytes == b"/tree/\xff\xfe"), "{ran}");
}
