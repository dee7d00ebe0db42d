//! What a test does when a part it needs is not on this machine: it says so where the closing line
//! of `tests/run` counts it, and under `CI=true` it fails.

use std::io::Write;
use std::path::PathBuf;

/// Notes that something was left out. Call it and return.
///
/// # Panics
/// Under `CI=true`: nothing may be left out there.
pub fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "left out under CI: {what}");
    eprintln!("left out: {what}");
    if let Some(path) = std::env::var_os("PLAKAR_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        let test = std::thread::current().name().unwrap_or("?").to_owned();
        // One write, so that lines of parallel tests do not mix.
        file.write_all(format!("{test}: {what}\n").as_bytes()).unwrap();
    }
}

/// The folder of reference stores and the independent reader, when it is beside the checkout.
pub fn shared() -> Option<PathBuf> {
    let path = match std::env::var_os("PLAKAR_SHARED") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    if path.join("fixtures").is_dir() {
        return Some(path);
    }
    missing("the reference stores are not beside this checkout");
    None
}

/// Base address of the MinIO server that `tests/run` started (keys minioadmin / minioadmin).
pub fn minio() -> Option<String> {
    let address = std::env::var("PLAKAR_TEST_MINIO").ok();
    if address.is_none() {
        missing("no MinIO server (tests/run starts one)");
    }
    address
}

/// The `mc` program, which makes users and policies.
pub fn mc_program() -> Option<PathBuf> {
    let path = std::env::var_os("PLAKAR_TEST_MC").map(PathBuf::from);
    if path.is_none() {
        missing("no mc program (tests/run gets one)");
    }
    path
}

/// The MinIO program, for tests that start a server of their own.
pub fn minio_program() -> Option<PathBuf> {
    let path = std::env::var_os("PLAKAR_TEST_MINIO_BIN").map(PathBuf::from);
    if path.is_none() {
        missing("no MinIO program (tests/run gets one)");
    }
    path
}
