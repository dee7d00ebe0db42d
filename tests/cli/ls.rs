//! `ls`: both lists, to the column.

use crate::cli::small;

#[test]
fn snapshots_are_listed_newest_first_in_columns() {
    let home = small::with_store("ls-list");
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
    let old = small::backup(&home, &["-force-timestamp", "2024-01-01", "-tag", "x,y"]);
    let new = small::backup(&home, &["-force-timestamp", "2024-01-02"]);
    let tree = home.path("tree");
    home.plakar(&["at", "st", "ls"]).succeeds().prints(&format!(
        "2024-01-02T00:00:00Z   {new}    29 KiB        0s {tree}\n\
         2024-01-01T00:00:00Z   {old}    29 KiB        0s {tree}\n"
    ));
    let tagged = home.plakar(&["at", "st", "ls", "-tags"]).succeeds();
    assert!(tagged.stdout.ends_with(&format!(" {tree} tags=x,y\n")), "{tagged}");
    let full = home.plakar(&["at", "st", "ls", "-uuid"]).succeeds();
    for (line, id) in full.stdout.lines().zip([&new, &old]) {
        let shown = line.split(' ').nth(1).unwrap();
        assert!(shown.len() == 64 && shown.starts_with(id.as_str()), "{full}");
    }
}

#[test]
fn entries_of_a_snapshot_are_listed_in_columns() {
    let home = small::with_store("ls-inside");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    let owner = {
        use std::os::unix::fs::MetadataExt;
        let uid = std::fs::metadata(&tree).unwrap().uid();
        if uid == 0 { "root".to_owned() } else { return }
    };
    let own = format!("{owner:>8} {owner:>8}");
    let ran = home.plakar(&["at", "st", "ls", &id]).succeeds().complains("");
    let lines: Vec<String> =
        ran.stdout
            .lines()
            // The size of a directory is its file system's affair.
            .map(|line| {
                if line.contains(" d") { format!("{}*{}", &line[..49], &line[58..]) } else { line.to_owned() }
            })
            .collect();
    assert_eq!(
        lines,
        [
            format!("2023-11-14T22:13:20Z -rw-r--r-- {own}      6 B a.txt"),
            format!("2023-11-14T22:13:20Z Lrwxrwxrwx {own}      5 B link -> a.txt"),
            format!("2023-11-14T22:13:20Z drwxr-x--- {own}* sub"),
            format!("2023-11-14T22:13:20Z drwx------ {own}* void"),
        ],
        "{ran}"
    );
    let below = format!("{id}:{tree}/sub");
    let expected = format!("2023-11-14T22:13:20Z -rw-r--r-- {own}   29 KiB");
    home.plakar(&["at", "st", "ls", &below]).succeeds().prints(&format!("{expected} b.bin\n"));
    home.plakar(&["at", "st", "ls", &format!("{id}:sub/b.bin")])
        .succeeds()
        .prints(&format!("{expected} b.bin\n"));
    let ran = home.plakar(&["at", "st", "ls", "-recursive", &format!("{id}:sub")]).succeeds();
    ran.prints(&format!("{expected} {tree}/sub/b.bin\n"));
}

#[test]
fn every_way_to_name_a_snapshot_and_a_path() {
    let home = small::with_store("ls-names");
    let id = small::backup(&home, &[]);
    let tree = home.path("tree");
    let names = |word: &str| {
        let ran = home.plakar(&["at", "st", "ls", word]).succeeds();
        let names = ran.stdout.lines().map(|line| line[59..].to_owned());
        names.collect::<Vec<_>>()
    };
    let top = ["a.txt", "link -> a.txt", "sub", "void"];
    for word in [
        id.as_str(),
        &id[..1],
        &id.to_uppercase(),
        &tree,
        &format!("{id}:"),
        &format!(":{tree}"),
        &format!("{id}:./"),
    ] {
        assert_eq!(names(word), top, "{word}");
    }
    for word in ["sub", "sub/", "./sub", "void/../sub"] {
        assert_eq!(names(&format!("{id}:{word}")), ["b.bin"], "{word}");
    }
    // Links inside a snapshot are followed.
    std::os::unix::fs::symlink("sub", home.dir().join("tree/way")).unwrap();
    let second = small::backup(&home, &[]);
    assert_eq!(names(&format!("{second}:way/b.bin")), ["b.bin"]);
}

#[test]
fn what_names_nothing_is_an_error() {
    let home = small::with_store("ls-errors");
    let first = small::backup(&home, &[]);
    let cases: &[(&[&str], &str)] = &[
        (&["abcdef0123"], "plakar: no snapshot has prefix: abcdef0123\n"),
        (&["zz"], "plakar: no snapshot has prefix: zz\n"),
        (&["/nope"], "plakar: /nope: file does not exist\n"),
        (&["a", "b"], "plakar: too many arguments\n"),
    ];
    for (words, complaint) in cases {
        home.plakar(&[&["at", "st", "ls"], *words].concat()).exits(1).prints("").complains(complaint);
    }
    small::backup(&home, &[]);
    home.plakar(&["at", "st", "ls", "/"])
        .exits(1)
        .complains("plakar: snapshot ID is ambiguous:  (matches 2 snapshots)\n");
    home.plakar(&["at", "st", "ls", &format!("{first}:nope")]).exits(1).says("file does not exist");
}
