//! `restore`: where things land, what is said, what is refused.

use crate::cli::small;
use crate::kit::trees;
use std::fs;

#[test]
fn the_tree_comes_back_and_every_entry_is_told() {
    let home = small::with_store("restore");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    let ran = home.plakar(&["at", "st", "restore", "-to", "out", &id]).succeeds().complains("");
    for name in ["", "/a.txt", "/link", "/sub", "/sub/b.bin", "/void"] {
        assert!(ran.stdout.contains(&format!("info: {id}: OK ✓ {tree}{name}\n")), "{name}\n{ran}");
    }
    let done = format!("info: restore: restoration of {id}:{tree} at out completed successfully\n");
    assert!(ran.stdout.ends_with(&done), "{ran}");
    assert_eq!(
        trees::differences(&home.dir().join("tree"), &home.dir().join("out/tree")),
        Vec::<String>::new()
    );
    home.plakar(&["at", "st", "restore", "-quiet", "-to", "out", &id]).succeeds().prints(&done);
    home.plakar(&["-quiet", "at", "st", "restore", "-silent", "-to", "out"]).succeeds().prints_nothing();
}

#[test]
fn the_argument_decides_where_files_land() {
    let home = small::with_store("restore-where");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    let cases: &[(String, String)] = &[
        (id.clone(), "tree/sub/b.bin".into()),
        (format!("{id}:"), "tree/sub/b.bin".into()),
        (format!("{id}:./"), "sub/b.bin".into()),
        (format!("{id}:sub"), "sub/b.bin".into()),
        (format!("{id}:sub/"), "b.bin".into()),
        (format!("{id}:{tree}/sub"), format!("{}/sub/b.bin", &tree[1..])),
        (format!("{id}:sub/b.bin"), "b.bin".into()),
    ];
    for (n, (word, lands)) in cases.iter().enumerate() {
        let out = home.path(&format!("out-{n}"));
        home.plakar(&["at", "st", "restore", "-quiet", "-to", &out, word]).succeeds();
        let found = fs::read(home.dir().join(&out).join(lands))
            .unwrap_or_else(|why| panic!("{word}: {lands}: {why}"));
        assert_eq!(found, trees::noise(1, 30_000), "{word}");
    }
}

#[test]
fn without_a_place_a_new_directory_is_made() {
    let home = small::with_store("restore-default");
    small::backup(&home, &[]);
    home.plakar(&["at", "st", "restore", "-quiet"]).succeeds();
    let made: Vec<String> = fs::read_dir(home.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("plakar-"))
        .collect();
    assert_eq!(made.len(), 1);
    assert!(made[0].len() == "plakar-20240101000000".len(), "{made:?}");
    assert!(home.dir().join(&made[0]).join("tree/a.txt").exists());
}

#[test]
fn the_newest_match_is_restored_without_an_id() {
    let home = small::with_store("restore-newest");
    small::backup(&home, &[]);
    fs::write(home.dir().join("tree/a.txt"), "second\n").unwrap();
    small::backup(&home, &[]);
    home.plakar(&["at", "st", "restore", "-quiet", "-to", "out"]).succeeds();
    assert_eq!(fs::read(home.dir().join("out/tree/a.txt")).unwrap(), b"second\n");
}

#[test]
fn permissions_can_be_left_alone() {
    use std::os::unix::fs::MetadataExt;
    let home = small::with_store("restore-permissions");
    small::backup(&home, &[]);
    home.plakar(&["at", "st", "restore", "-quiet", "-skip-permissions", "-to", "out"]).succeeds();
    let file = fs::metadata(home.dir().join("out/tree/a.txt")).unwrap();
    assert_ne!(file.mtime(), 1_700_000_000);
    assert_eq!(fs::metadata(home.dir().join("out/tree/sub")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn what_cannot_be_restored_is_refused_before_anything_is_made() {
    let home = small::with_store("restore-refused");
    home.plakar(&["at", "st", "restore", "-to", "out"]).exits(1).complains("plakar: no snapshots found\n");
    let id = small::backup(&home, &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["-to", "@nope"], "plakar: could not resolve exporter: @nope\n"),
        (&["-to", "out", "zz"], "plakar: no snapshots found\n"),
        (&["-to", "out", &id, "more"], "plakar: multiple snapshots found, please specify one\n"),
        (
            &[&id, "-to", "out"],
            "plakar: multiple snapshots found, please specify one\nOptions come before the snapshot: -to\n",
        ),
        (&["-to", "out", "/nope"], "plakar: /nope: file does not exist\n"),
        (&["-to", "s3://127.0.0.1:1/b"], "plakar: missing access_key"),
        (&["-to", "ftp://x/y"], "plakar: unsupported exporter protocol"),
    ];
    for (words, complaint) in cases {
        let ran = home.plakar(&[&["at", "st", "restore"], *words].concat()).exits(1).prints("");
        assert!(ran.stderr.starts_with(complaint), "expected {complaint:?}\n{ran}");
    }
    assert!(!home.dir().join("out").exists());
}
