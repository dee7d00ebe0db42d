//! Completion: what may come next, and the three scripts in their real shells.

use crate::cli::small;
use crate::kit::command::Home;
use crate::kit::skip;
use plakar::cli::commands;
use std::fs;
use std::path::Path;
use std::process::Command;

/// First columns of what the program offers for the last word.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let ran = home.plakar(&[&["__complete", "--"], words].concat()).succeeds();
    ran.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

fn home(name: &str) -> Home {
    let home = small::with_store(name);
    let store = home.path("st");
    for (role, entry, location) in [
        ("store", "minio", store.as_str()),
        ("store", "other", "/nowhere"),
        ("source", "minio_src", "s3://localhost:9000/mybucket"),
        ("destination", "minio_dst", "s3://localhost:9000/mybucket"),
    ] {
        home.plakar(&[role, "add", entry, location]).succeeds();
    }
    home
}

#[test]
fn every_place_of_a_command_line_offers_what_may_stand_there() {
    let home = home("complete");
    let id = small::backup(&home, &[]);
    let id = id.as_str();
    let cases: &[(&[&str], &[&str])] = &[
        (&["ba"], &["backup"]),
        (&["a"], &["archive", "at"]),
        (&["-qui"], &["-quiet"]),
        (&["at", ""], &["@minio", "@other"]),
        (&["at", "@m"], &["@minio"]),
        (&["-quiet", "at", "@minio", "resto"], &["restore"]),
        (&["at", "@minio", "backup", "@"], &["@minio_src"]),
        (&["at", "@minio", "backup", "-igno"], &["-ignore", "-ignore-file"]),
        (&["at", "@minio", "backup", "-tag", "x", "@mi"], &["@minio_src"]),
        (&["at", "@minio", "restore", "-to", "@"], &["@minio_dst"]),
        (&["at", "@minio", "restore", "-to", "@minio_dst", &id[..3]], &[id]),
        (&["at", "@minio", "ls", ""], &[id]),
        (&["at", "@minio", "sync", id, ""], &["to", "from", "with"]),
        (&["at", "@minio", "sync", "to", "@o"], &["@other"]),
        (&["ptar", "-k", "@mi"], &["@minio"]),
        (&["store", "s"], &["set", "show"]),
        (&["store", "set", "m"], &["minio"]),
        (&["source", "set", "minio_src", "use_"], &["use_tls="]),
        (&["destination", "show", ""], &["minio_dst"]),
        (&["doctor", "@minio_"], &["@minio_dst", "@minio_src"]),
        (&["help", "stor"], &["store"]),
        (&["help", "store", "pi"], &["ping"]),
        (&["help", "js"], &["json"]),
        (&["completion", ""], &["bash", "zsh", "fish"]),
        (&["at", "@other", "ls", ""], &[]),
        (&["nope", ""], &[]),
    ];
    for (words, expected) in cases {
        assert_eq!(offered(&home, words), *expected, "{words:?}");
    }
    let all = offered(&home, &[""]);
    for row in commands::shown() {
        assert!(all.iter().any(|word| word == row.word), "{} is not offered", row.word);
        let name = row.name();
        let words: Vec<&str> = name.split(' ').chain(["-"]).collect();
        let options = offered(&home, &words);
        for opt in row.table().into_iter().flatten() {
            assert!(options.contains(&format!("-{}", opt.name)), "{name} -{}", opt.name);
        }
    }
}

#[test]
fn ids_of_an_encrypted_store_come_only_without_asking() {
    let home = small::home("complete-secret");
    home.env("PLAKAR_PASSPHRASE", small::PASSPHRASE);
    home.plakar(&["at", "st", "create"]).succeeds();
    let ran = home.plakar(&["at", "st", "backup", "-quiet", "tree"]).succeeds();
    assert_eq!(offered(&home, &["at", "st", "ls", ""]), [small::id_of(&ran)]);
    home.env("PLAKAR_PASSPHRASE", "");
    assert_eq!(offered(&home, &["at", "st", "ls", ""]), [""; 0]);
}

/// Runs a script in a shell that finds this build under its own name.
fn shell(home: &Home, program: &str, words: &[&str]) -> Option<String> {
    if Command::new(program).arg("--version").output().is_err() {
        skip::missing(&format!("{program} is not installed"));
        return None;
    }
    let bin = home.dir().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = bin.join("plakar");
    if !link.exists() {
        std::os::unix::fs::symlink(Path::new(env!("CARGO_BIN_EXE_plakar")), link).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    home.env("PATH", path);
    let ran = home.program(program, words).succeeds();
    Some(ran.stdout)
}

#[test]
fn bash_completes() {
    let home = home("complete-bash");
    let id = small::backup(&home, &[]);
    let script = r#"
        eval "$(plakar completion bash)"
        try() { COMP_LINE=$1 COMP_POINT=${#1}; _plakar plakar; echo "${COMPREPLY[*]}"; }
        try 'plakar bac'
        try 'plakar at @mi'
        try 'plakar source set minio_src use_'
        try "plakar at @minio ls $ID"
        try 'plakar nope x'
    "#
    .replace("$ID", &id[..4]);
    let Some(out) = shell(&home, "bash", &["-c", &script]) else { return };
    assert_eq!(out, format!("backup\nminio\nuse_tls=\n{id}\n\n"));
}

#[test]
fn zsh_completes() {
    let home = home("complete-zsh");
    let script = r#"
        compdef() { :; }
        _describe() { print -l -- ${(P)2}; }
        _files() { print files; }
        eval "$(plakar completion zsh)"
        words=(plakar at @mi) CURRENT=3; _plakar
        words=(plakar source set minio_src use_) CURRENT=5; _plakar
        words=(plakar nope x) CURRENT=3; _plakar
    "#;
    let Some(out) = shell(&home, "zsh", &["-f", "-c", script]) else { return };
    assert_eq!(out, format!("@minio:{}\nuse_tls=:\nfiles\n", home.path("st")));
}

#[test]
fn fish_completes() {
    let home = home("complete-fish");
    let script = "plakar completion fish | source; complete -C 'plakar at @mi'; complete -C 'plakar help js'";
    let Some(out) = shell(&home, "fish", &["--no-config", "-c", script]) else { return };
    assert_eq!(out, format!("@minio\t{}\njson\twhat -json prints\n", home.path("st")));
}
