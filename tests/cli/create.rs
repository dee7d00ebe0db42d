//! `create`: a store is made where there is none, and nowhere else.

use crate::cli::small::PASSPHRASE;
use crate::kit::command::Home;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_store_is_made_in_silence_and_only_once() {
    let home = Home::new("create");
    home.env("PLAKAR_PASSPHRASE", PASSPHRASE);
    home.plakar(&["at", "st", "create"]).succeeds().prints_nothing();
    let before = fs::read(home.dir().join("st/CONFIG")).unwrap();
    for name in ["st", "st/packfiles", "st/states", "st/locks"] {
        let mode = fs::metadata(home.dir().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    let refusal = format!("plakar: directory {} is not empty", home.path("st"));
    for words in [&["at", "st", "create"][..], &["at", "st", "create", "-plaintext"]] {
        let ran = home.plakar(words).exits(1).prints("");
        assert!(ran.stderr.starts_with(&refusal), "{ran}");
    }
    assert_eq!(fs::read(home.dir().join("st/CONFIG")).unwrap(), before);
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
    home.plakar(&["at", "st", "check"]).succeeds().prints_nothing();
}

#[test]
fn what_was_asked_for_is_in_the_store() {
    let home = Home::new("create-options");
    home.env("PLAKAR_PASSPHRASE", PASSPHRASE);
    let cases: &[(&str, &[&str], &[&str], &[&str])] = &[
        (
            "default",
            &[],
            &["Hashing:\n - Algorithm: BLAKE3\n", " - Algorithm: LZ4\n", " - KDF: ARGON2ID\n"],
            &[],
        ),
        ("sha", &["-hashing", "sha256"], &["Hashing:\n - Algorithm: SHA256\n"], &[]),
        ("bare", &["-plaintext", "-no-compression"], &[], &["Compression:", "Encryption:"]),
        ("weak", &["-weak-passphrase"], &["Encryption:\n"], &[]),
    ];
    for (name, options, said, unsaid) in cases {
        home.plakar(&[&["at", name, "create"], *options].concat()).succeeds().prints_nothing();
        let ran = home.plakar(&["at", name, "info"]).succeeds();
        for text in *said {
            assert!(ran.stdout.contains(text), "{name}: {text:?}\n{ran}");
        }
        for text in *unsaid {
            assert!(!ran.stdout.contains(text), "{name}: {text:?}\n{ran}");
        }
    }
}

#[test]
fn a_refused_create_leaves_nothing() {
    let home = Home::new("create-refused");
    fs::create_dir(home.dir().join("full")).unwrap();
    fs::write(home.dir().join("full/x"), "").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["at", "st", "create", "word"], "plakar: too many parameters"),
        (&["at", "st", "create", "-hashing", "MD5"], "plakar: unknown hashing algorithm: MD5"),
        (&["at", "st", "create"], "plakar: cannot ask for the repository passphrase: no terminal"),
        (&["at", "full", "create", "-plaintext"], "plakar: directory "),
        (&["at", "ftp://x/y", "create", "-plaintext"], "plakar: backend 'ftp' does not exist"),
        (&["-keyfile", "nope", "at", "st", "create"], "plakar: could not read key file nope"),
        (
            &["-keyfile", "/dev/null", "at", "st", "create"],
            "plakar: can't encrypt the repository with an empty",
        ),
    ];
    for (words, complaint) in cases {
        let ran = home.plakar(words).exits(1).prints("");
        assert!(ran.stderr.starts_with(complaint), "{ran}");
        assert!(!home.dir().join("st").exists(), "{words:?} left something");
    }
    assert_eq!(fs::read_dir(home.dir().join("full")).unwrap().count(), 1);
}

#[test]
fn every_place_a_passphrase_may_come_from_opens_the_store() {
    let home = Home::new("create-passphrase");
    fs::write(home.dir().join("key"), format!("{PASSPHRASE}\n")).unwrap();
    home.plakar(&["-keyfile", "key", "at", "st", "create"]).succeeds().prints_nothing();
    home.plakar(&["-keyfile", "key", "at", "st", "ls"]).succeeds().prints_nothing();
    let add = |name: &str, option: &str| {
        home.plakar(&["store", "add", name, &home.path("st"), option]).succeeds();
    };
    add("option", &format!("passphrase={PASSPHRASE}"));
    add("command", "passphrase_cmd=head -n 1 key");
    add("two", "passphrase_cmd=printf 'a\\nb\\n'");
    add("none", "passphrase_cmd=true");
    add("fails", "passphrase_cmd=exit 3");
    add("wrong", "passphrase=not this one");
    for name in ["@option", "@command"] {
        home.plakar(&["at", name, "ls"]).succeeds().prints_nothing();
    }
    for (name, complaint) in [
        ("@two", "plakar: passphrase_cmd returned too many lines"),
        ("@none", "plakar: passphrase_cmd printed nothing"),
        ("@fails", "plakar: passphrase_cmd failed: exit status: 3"),
        ("@wrong", "plakar: failed to unlock repository"),
    ] {
        let ran = home.plakar(&["at", name, "ls"]).exits(1).prints("").never_says("not this one");
        assert!(ran.stderr.starts_with(complaint), "{ran}");
    }
    home.env("PLAKAR_PASSPHRASE", PASSPHRASE);
    home.plakar(&["at", "st", "ls"]).succeeds().prints_nothing();
    // Configuration wins over the environment, the key file over both.
    home.plakar(&["at", "@wrong", "ls"]).exits(1);
    home.plakar(&["-keyfile", "key", "at", "@wrong", "ls"]).succeeds();
}
