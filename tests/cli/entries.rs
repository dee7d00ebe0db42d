//! `store`, `source`, `destination`: what is kept, what is shown, and that secrets are not.

use crate::kit::command::Home;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const ADD: [&str; 7] = [
    "store",
    "add",
    "minio",
    "s3://localhost:9000/plakar-kloset",
    "access_key=minioadmin",
    "secret_access_key=hush",
    "use_tls=false",
];

#[test]
fn an_entry_lives_from_add_to_rm() {
    let home = Home::new("entries");
    for (role, plural) in [("store", "stores"), ("source", "sources"), ("destination", "destinations")] {
        let run = |words: &[&str]| home.plakar(&[&[role], words].concat());
        run(&["add", "@x", "location=/srv/x", "empty="]).succeeds().prints_nothing();
        run(&["add", "x", "/srv/y"]).exits(1).complains(&format!("plakar: {role} \"x\" already exists\n"));
        run(&["set", "x", "k=a=b", "location=/srv/z"]).succeeds().prints_nothing();
        run(&["unset", "x", "empty", "never"]).succeeds().prints_nothing();
        run(&["unset", "x", "location"]).exits(1).complains("plakar: cannot unset location\n");
        run(&["show"]).succeeds().prints("x:\n    k: a=b\n    location: /srv/z\n");
        let text = fs::read_to_string(home.settings(&format!("{plural}.yml"))).unwrap();
        assert_eq!(
            text,
            format!("version: v1.0.0\n{plural}:\n    x:\n        k: a=b\n        location: /srv/z\n")
        );
        run(&["rm", "x"]).succeeds().prints_nothing();
        run(&["rm", "x"]).exits(1).complains(&format!("plakar: {role} \"x\" does not exist\n"));
        let text = fs::read_to_string(home.settings(&format!("{plural}.yml"))).unwrap();
        assert_eq!(text, format!("version: v1.0.0\n{plural}: {{}}\n"));
    }
}

#[test]
fn malformed_actions_are_refused_and_save_nothing() {
    let home = Home::new("entries-bad");
    home.plakar(&ADD).succeeds();
    let before = fs::read(home.settings("stores.yml")).unwrap();
    let usage = "plakar: Usage: plakar store add <name> <location> [<key>=<value>...]\n";
    let cases: &[(&[&str], &str)] = &[
        (&[], "plakar: no action specified\n"),
        (&["frob"], "plakar: usage: plakar store [add|check|import|ping|rm|set|show|unset]\n"),
        (&["add"], usage),
        (&["add", "y"], usage),
        (&["add", "y", "/y", "novalue"], usage),
        (&["add", "y", "/y", "=v"], usage),
        (&["set", "minio"], "plakar: Usage: plakar store set <name> <key>=<value>...\n"),
        (&["set", "minio", "a=b", "c"], "plakar: usage: plakar store set <name> [<key>=<value>, ...]\n"),
        (&["set", "nope", "a=b"], "plakar: store \"nope\" does not exists\n"),
        (&["unset", "nope", "a"], "plakar: store \"nope\" does not exists\n"),
        (&["rm", "mini"], "plakar: store \"mini\" does not exist\nDid you mean minio?\n"),
        (&["show", "nope"], "store \"nope\" does not exist\nplakar: one or more stores do not exist\n"),
        (&["check", "nope"], "plakar: store \"nope\" does not exists\n"),
    ];
    for (words, complaint) in cases {
        home.plakar(&[&["store"], *words].concat()).exits(1).prints("").complains(complaint);
    }
    assert_eq!(fs::read(home.settings("stores.yml")).unwrap(), before);
}

#[test]
fn secrets_are_shown_only_when_asked_for() {
    let home = Home::new("entries-secrets");
    home.plakar(&ADD).succeeds();
    home.plakar(&["store", "set", "minio", "passphrase=open sesame"]).succeeds();
    for notation in ["-yaml", "-json", "-ini"] {
        home.plakar(&["store", "show", notation])
            .succeeds()
            .never_says("hush")
            .never_says("open sesame")
            .never_says("minioadmin");
    }
    home.plakar(&["-trace", "all", "store", "show"]).succeeds().never_says("hush");
    home.plakar(&["store", "show", "-json"]).succeeds().prints(
        "{\"minio\":{\"access_key\":\"********\",\"location\":\"s3://localhost:9000/plakar-kloset\",\
         \"passphrase\":\"********\",\"secret_access_key\":\"********\",\"use_tls\":\"false\"}}\n",
    );
    home.plakar(&["store", "show", "-ini", "minio"])
        .succeeds()
        .says("[minio]\naccess_key        = ********\n");
    home.plakar(&["store", "show", "-secrets"]).succeeds().says("    secret_access_key: hush\n");
    let mode = fs::metadata(home.settings("stores.yml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_settings_file_open_to_others_is_closed_and_told() {
    let home = Home::new("entries-mode");
    home.plakar(&ADD).succeeds();
    let file = home.settings("stores.yml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    home.plakar(&["store", "show"])
        .succeeds()
        .says("stores.yml could be read by others (mode 644); it is 600 now");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.plakar(&["store", "show"]).succeeds().stderr, "");
}

#[test]
fn a_file_that_cannot_be_read_is_left_as_it_is() {
    let home = Home::new("entries-corrupt");
    home.plakar(&ADD).succeeds();
    home.plakar(&["source", "add", "s", "/srv"]).succeeds();
    let stores = home.settings("stores.yml");
    for text in
        ["stores: [", "version: v9\nstores: {}\n", "\0\u{1}", "version: v1.0.0\nstores:\n  a: {k: [1]}\n"]
    {
        fs::write(&stores, text).unwrap();
        let ran = home.plakar(&["store", "add", "y", "/y"]).exits(1).prints("");
        assert!(
            ran.stderr
                .starts_with("plakar: could not load configuration: failed to parse config file: yaml: "),
            "{ran}"
        );
        assert_eq!(fs::read_to_string(&stores).unwrap(), text);
    }
    fs::remove_file(&stores).unwrap();
    home.plakar(&["store", "show"]).succeeds().prints_nothing();
    home.plakar(&["source", "show"]).succeeds().prints("s:\n    location: /srv\n");
    fs::write(&stores, "").unwrap();
    home.plakar(&ADD).succeeds();
}

#[test]
fn an_older_file_is_read_when_there_is_no_newer_one() {
    let home = Home::new("entries-older");
    fs::create_dir_all(home.settings("")).unwrap();
    fs::write(home.settings("klosets.yml"), "old: {location: /srv/old, .isDefault: yes}\n").unwrap();
    home.plakar(&["store", "show"]).succeeds().prints("old:\n    location: /srv/old\n");
    home.plakar(&["store", "add", "new", "/srv/new"]).succeeds();
    let text = fs::read_to_string(home.settings("stores.yml")).unwrap();
    assert!(text.starts_with("version: v1.0.0\ndefault: old\nstores:\n    new:\n"), "{text}");
}

#[test]
fn a_configuration_directory_can_be_named() {
    let home = Home::new("entries-config");
    let dir = home.path("elsewhere");
    home.plakar(&["-config", &dir, "store", "add", "x", "/x"]).succeeds();
    home.plakar(&["-config", &dir, "store", "show"]).succeeds().prints("x:\n    location: /x\n");
    home.plakar(&["store", "show"]).succeeds().prints("");
}

#[test]
fn other_programs_files_can_be_imported() {
    let home = Home::new("entries-import");
    let ini = b"[a]\nlocation = s3://h/a\n[b]\nlocation = s3://h/b\n";
    home.plakar_with_input(&["source", "import"], ini).succeeds().prints_nothing();
    home.plakar_with_input(&["source", "import", "a:c", "zzz"], ini)
        .succeeds()
        .complains("source \"zzz\" does not exist in config\n");
    home.plakar_with_input(&["source", "import", "a"], b"{\"a\":{\"location\":\"/new\"}}")
        .succeeds()
        .complains("source \"a\" already exists, skipping\n");
    home.plakar_with_input(&["source", "import", "-overwrite", "a"], b"a: {location: /new}\n").succeeds();
    home.plakar(&["source", "show", "a", "c"])
        .succeeds()
        .prints("a:\n    location: /new\nc:\n    location: s3://h/a\n");
    fs::write(home.dir().join("rclone.conf"), "[r]\ntype = drive\n").unwrap();
    home.plakar(&["source", "import", "-config", "rclone.conf"])
        .exits(1)
        .complains("plakar: failed to load config: missing 'location' key in config data, `-rclone` import option missing ?\n");
    home.plakar(&["source", "import", "-rclone", "-config", "rclone.conf"]).succeeds();
    home.plakar(&["source", "show", "r"])
        .succeeds()
        .prints("r:\n    location: rclone://\n    rclone_type: drive\n");
    home.plakar(&["source", "import"]).exits(1).complains("plakar: no valid sources found in config\n");
}
