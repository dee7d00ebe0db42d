//! The main job, shown: a small strict S3 server on a loopback port (or a server of yours), and
//! the real command lines against it, each with its output and its time.
//!
//! `PLAKAR_DEMO_ENDPOINT` (`http://host:9000`), `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`
//! name a server to use instead; a bucket `plakar-demo-…` is made on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a demonstration ends by panicking when something is wrong"
)]

#[path = "../kit/s3_server/mod.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod s3_server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Set in the processes that act as the program itself.
const AS_PROGRAM: &str = "PLAKAR_DEMO_AS_PROGRAM";

fn main() -> ExitCode {
    if std::env::var_os(AS_PROGRAM).is_some() {
        return plakar::cli::main();
    }
    let server = s3_server::S3Server::start();
    let variable = |name: &str| std::env::var(name).ok();
    let (endpoint, access_key, secret) = match variable("PLAKAR_DEMO_ENDPOINT") {
        Some(endpoint) => (
            endpoint,
            variable("AWS_ACCESS_KEY_ID").expect("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY").expect("AWS_SECRET_ACCESS_KEY"),
        ),
        None => {
            let keys = (s3_server::ACCESS_KEY.to_owned(), s3_server::SECRET_KEY.to_owned());
            (format!("http://{}", server.address()), keys.0, keys.1)
        }
    };
    let (tls, host) = match endpoint.split_once("://") {
        Some((scheme, host)) => (scheme == "https", host.trim_end_matches('/')),
        None => (true, endpoint.as_str()),
    };
    let work = std::env::temp_dir().join(format!("plakar-demo-{}", std::process::id()));
    let demo = Demo { home: work.join("home"), work: work.clone() };
    fs::create_dir_all(&demo.home).unwrap();
    let tree = work.join("documents");
    make_tree(&tree);

    let location = format!("s3://{host}/plakar-demo-{}", std::process::id());
    println!("# a store in a bucket of {endpoint}\n");
    demo.run(&[
        "store",
        "add",
        "minio",
        &location,
        &format!("access_key={access_key}"),
        &format!("secret_access_key={secret}"),
        &format!("use_tls={tls}"),
    ]);
    demo.run(&["at", "@minio", "create"]);
    let tree_text = tree.to_str().unwrap();
    demo.run(&["at", "@minio", "backup", "-quiet", tree_text]);
    fs::write(tree.join("letters/letter-007.txt"), "Dear reader,\n\nsecond thoughts.\n").unwrap();
    demo.run(&["at", "@minio", "backup", "-quiet", tree_text]);
    let listed = demo.run(&["at", "@minio", "ls"]);
    demo.run(&["at", "@minio", "check", "-quiet"]);
    let newest = listed.lines().next().unwrap().split_whitespace().nth(1).unwrap();
    let out = work.join("restored");
    demo.run(&["at", "@minio", "restore", "-quiet", "-to", out.to_str().unwrap(), newest]);
    let compared = compare(&tree, &out.join("documents"));
    println!("# {compared} files compared byte for byte: no difference");
    fs::remove_dir_all(&work).unwrap();
    ExitCode::SUCCESS
}

struct Demo {
    home: PathBuf,
    work: PathBuf,
}

impl Demo {
    /// Runs one command line, shows it, and gives its output.
    fn run(&self, words: &[&str]) -> String {
        let shown: Vec<String> = words.iter().map(|word| hide(word)).collect();
        println!("$ plakar {}", shown.join(" "));
        let start = Instant::now();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(words)
            .env_clear()
            .env(AS_PROGRAM, "1")
            .env("HOME", &self.home)
            .env("PLAKAR_PASSPHRASE", "correct horse battery staple")
            .current_dir(&self.work)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}{}", String::from_utf8_lossy(&output.stderr));
        println!("  [{:.2} s]\n", start.elapsed().as_secs_f64());
        assert!(output.status.success(), "the command failed: {}", output.status);
        text
    }
}

fn hide(word: &str) -> String {
    match word.split_once("_key=").or_else(|| word.split_once("access_key=")) {
        Some((name, _)) => format!("{name}_key=…"),
        None => word.to_owned(),
    }
}

/// A few hundred small files and one of 20 MiB.
fn make_tree(tree: &Path) {
    fs::create_dir_all(tree.join("letters")).unwrap();
    for n in 0..400 {
        let text = format!("Dear reader {n},\n\n{}\n", "all is well. ".repeat(n % 50));
        fs::write(tree.join(format!("letters/letter-{n:03}.txt")), text).unwrap();
    }
    let mut x: u64 = 42;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) as u8
    })
    .take(20 << 20)
    .collect();
    fs::write(tree.join("photograph.raw"), noise).unwrap();
}

fn compare(expected: &Path, found: &Path) -> usize {
    let mut compared = 0;
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(expected), names(found));
    for name in names(expected) {
        let (a, b) = (expected.join(&name), found.join(&name));
        if a.is_dir() {
            compared += compare(&a, &b);
        } else {
            assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{} differs", a.display());
            compared += 1;
        }
    }
    compared
}
