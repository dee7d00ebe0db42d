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
        run(&["add", "@x", "location=s3://h/x", "region="]).succeeds().prints_nothing();
        run(&["add", "x", "/srv/y"]).exits(1).complains(&format!("plakar: {role} \"x\" already exists\n"));
        run(&["set", "x", "external_id=a=b", "location=s3://h/z"]).succeeds().prints_nothing();
        run(&["unset", "x", "region", "never"]).succeeds().prints_nothing();
        run(&["unset", "x", "location"]).exits(1).complains("plakar: cannot unset location\n");
        run(&["show"]).succeeds().prints("x:\n    external_id: a=b\n    location: s3://h/z\n");
        let text = fs::read_to_string(home.settings(&format!("{plural}.yml"))).unwrap();
        assert_eq!(
            text,
            format!(
                "version: v1.0.0\n{plural}:\n    x:\n        external_id: a=b\n        location: s3://h/z\n"
            )
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

#[test]
fn options_are_judged_when_they_are_written_down() {
    let home = Home::new("entries-judged");
    let place = "s3://h:9000/bucket";
    let pem = home.dir().join("ca.pem");
    fs::write(&pem, "no certificate\n").unwrap();
    let ca_file = format!("ca_file={}", pem.display());
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "store",
            &[place, "acess_key=a"],
            &["unknown option \"acess_key\" of a s3 store", "did you mean access_key?"],
        ),
        ("source", &[place, "storage_class=GLACIER"], &["unknown option \"storage_class\" of a s3 source"]),
        ("source", &[place, "passphrase=p"], &["unknown option \"passphrase\" of a s3 source"]),
        (
            "destination",
            &[place, "overwrite=maybe"],
            &["invalid overwrite value", "always, if-different, never"],
        ),
        ("store", &[place, "storage_class=FROZEN"], &["invalid storage_class value", "GLACIER_IR"]),
        ("store", &[place, "use_tls=perhaps"], &["invalid use_tls value", "true or false"]),
        (
            "store",
            &[place, "tls_fingerprint=abc"],
            &["invalid tls_fingerprint value", "64 hexadecimal digits"],
        ),
        ("store", &[place, "ca_file=ca.pem"], &["invalid ca_file value", "absolute path"]),
        ("store", &[place, &ca_file], &["ca_file /", "no certificate in PEM form"]),
        ("store", &[place, "ca_file=/nowhere/ca.pem"], &["ca_file /nowhere/ca.pem: no such file"]),
        ("store", &[place, "sts_endpoint=minio"], &["invalid sts_endpoint value", "http://host:port"]),
        ("store", &["s3://h:9000"], &["no bucket", "s3://HOST[:PORT]/BUCKET[/PREFIX]"]),
        (
            "store",
            &["/srv/kloset", "use_tls=false"],
            &["unknown option \"use_tls\" of a fs store", "it takes none"],
        ),
        ("source", &["/srv", "dont_traverse_fs=perhaps"], &["invalid dont_traverse_fs value"]),
    ];
    for (role, words, said) in cases {
        let ran = home.plakar(&[&[*role, "add", "x"], *words].concat()).exits(1).prints("");
        assert!(
            said.iter().all(|text| ran.stderr.contains(text)) && ran.stderr.lines().count() == 1,
            "{ran}"
        );
        // Nothing was kept, and the same goes for a change.
        home.plakar(&[role, "add", "x", words[0].trim_end_matches("://h:9000")]).succeeds();
        let before = fs::read(home.settings(&format!("{role}s.yml"))).unwrap();
        let location = format!("location={}", words[0]);
        let pairs = [&[location.as_str()], &words[1..]].concat();
        let ran = home.plakar(&[&[*role, "set", "x"], &*pairs].concat()).exits(1).prints("");
        assert!(said.iter().all(|text| ran.stderr.contains(text)), "{ran}");
        assert_eq!(fs::read(home.settings(&format!("{role}s.yml"))).unwrap(), before);
        home.plakar(&[role, "rm", "x"]).succeeds();
    }
    // Keys may follow later, a store's passphrase is no connector's, and other protocols are other programs'.
    home.plakar(&["store", "add", "later", place, "passphrase=p", "use_tls=false"]).succeeds();
    home.plakar(&["store", "set", "later", "access_key=a", "secret_access_key=b"]).succeeds();
    home.plakar(&["source", "add", "mail", "imap://host", "username=u"]).succeeds();
    // What another program wrote does not stand in the way of a change.
    home.plakar_with_input(&["store", "import"], b"other: {location: 's3://h/b', root: /x}\n").succeeds();
    home.plakar(&["store", "set", "other", "use_tls=false"]).succeeds();
    home.plakar(&["store", "set", "other", "root=/y"]).exits(1).says("unknown option \"root\"");
}
