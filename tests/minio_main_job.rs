//! The main job as a person does it, on a real MinIO, from an empty home directory: a store in a
//! bucket, encrypted; a toolchain's tree backed up; listed, checked, restored; every byte compared.

use crate::kit::command::Home;
use crate::kit::{skip, trees};
use std::path::PathBuf;
use std::process::Command;

/// A tree of at least this many files, as the promise says.
const FILES_MIN: usize = 15_000;

#[test]
fn minio_a_real_tree_comes_back_from_an_encrypted_store() {
    let Some(endpoint) = skip::minio() else { return };
    let Some(tree) = toolchain() else {
        return skip::missing("a toolchain tree of 15,000 files (Go's, or Rust's with its documentation)");
    };
    let home = Home::new("main-job");
    let host = endpoint.trim_start_matches("http://");
    let location = format!("s3://{host}/plakar-kloset-{}", std::process::id());
    home.env("PLAKAR_PASSPHRASE", "correct horse battery staple");
    home.plakar(&[
        "store",
        "add",
        "minio",
        &location,
        "access_key=minioadmin",
        "secret_access_key=minioadmin",
        "use_tls=false",
    ])
    .succeeds();
    home.plakar(&["at", "@minio", "create"]).succeeds().prints_nothing();

    let tree_text = tree.to_str().unwrap();
    let first = home.plakar(&["at", "@minio", "backup", "-quiet", tree_text]).succeeds();
    assert!(first.stdout.contains("info: backup: created unsigned snapshot "), "{}", first.stdout);
    let again = home.plakar(&["at", "@minio", "backup", "-quiet", tree_text]).succeeds();
    assert!(again.stdout.contains("created unsigned snapshot"), "{}", again.stdout);

    let listed = home.plakar(&["at", "@minio", "ls"]).succeeds();
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", listed.stdout);
    assert!(lines.iter().all(|line| line.ends_with(tree_text)), "{}", listed.stdout);
    let id = lines[0].split_whitespace().nth(1).unwrap();

    let checked = home.plakar(&["at", "@minio", "check", "-quiet"]).succeeds();
    assert_eq!(checked.stdout.matches("completed successfully").count(), 2, "{}", checked.stdout);

    let out = home.dir().join("restored");
    home.plakar(&["at", "@minio", "restore", "-quiet", "-to", out.to_str().unwrap(), id]).succeeds();
    let restored = out.join(tree.file_name().unwrap());
    let faults = trees::differences(&tree, &restored);
    assert!(
        faults.is_empty(),
        "{} differences, among them:\n{}",
        faults.len(),
        faults[..faults.len().min(20)].join("\n")
    );
    assert!(trees::count(&restored) >= FILES_MIN);
}

#[test]
fn minio_everything_awkward_comes_back() {
    let Some(endpoint) = skip::minio() else { return };
    let host = endpoint.trim_start_matches("http://");
    for (case, create) in
        [("plaintext", &["-plaintext"][..]), ("encrypted", &[]), ("raw", &["-plaintext", "-no-compression"])]
    {
        let home = Home::new(&format!("awkward-{case}"));
        let tree = home.dir().join("tree");
        trees::awkward(&tree, trees::Bulk { large: 30 << 20, tiny: 300 });
        home.env("PLAKAR_PASSPHRASE", "correct horse battery staple");
        let location = format!("s3://{host}/awkward-{case}-{}/a/prefix", std::process::id());
        home.plakar(&[
            "store",
            "add",
            "s",
            &location,
            "access_key=minioadmin",
            "secret_access_key=minioadmin",
            "use_tls=false",
        ])
        .succeeds();
        home.plakar(&[&["at", "@s", "create"], create].concat()).succeeds();
        home.plakar(&["at", "@s", "backup", "-quiet", tree.to_str().unwrap()]).succeeds();
        home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
        let out = home.dir().join("out");
        home.plakar(&["at", "@s", "restore", "-quiet", "-to", out.to_str().unwrap()]).succeeds();
        assert_eq!(trees::differences(&tree, &out.join("tree")), Vec::<String>::new(), "{case}");
    }
}

/// The installed toolchain with enough files: Go's sources, or Rust's sysroot.
fn toolchain() -> Option<PathBuf> {
    let ask = |program: &str, words: &[&str]| {
        let out = Command::new(program).args(words).output().ok()?;
        Some(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim()))
    };
    let candidates = [ask("go", &["env", "GOROOT"]), ask("rustc", &["--print", "sysroot"])];
    candidates.into_iter().flatten().filter(|path| path.is_dir()).find(|path| trees::count(path) >= FILES_MIN)
}
