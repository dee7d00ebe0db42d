//! Keeps the map in `src/lib.rs` true: who may look at whom, and who may touch the world.

use std::fs;
use std::path::Path;

/// Ground floor first. A folder may use the folders beside it and its own files; a row may only
/// name rows above it, so no circle can form.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("algo", &["base"]),
    ("s3::proto", &["base", "algo"]),
    ("format", &["base", "algo"]),
    ("ports", &["base"]),
    ("pool", &[]),
    ("world", &["base", "ports"]),
    ("s3", &["base", "algo", "s3::proto", "ports", "pool"]),
    ("engine", &["base", "algo", "format", "ports", "pool"]),
    ("connectors", &["base", "algo", "s3::proto", "s3", "ports", "pool"]),
    ("cli", &["base", "ports", "world", "engine", "connectors"]),
];

const PURE: &[&str] = &["base", "algo", "s3::proto", "format"];
const WORLD: &[&str] =
    &["std::fs", "std::net", "std::thread", "std::env", "SystemTime", "Instant::now", "rustix"];

/// Crates that are named in one folder only, so that replacing one touches one place.
const FOREIGN: &[(&str, &str)] = &[
    ("ureq", "src/s3"),
    ("rustls", "src/s3"),
    ("base64", "src/s3"),
    ("quick_xml", "src/s3/proto/xml.rs"),
    ("blake3", "src/algo/hash.rs"),
    ("sha2", "src/algo/hash.rs"),
    ("hmac", "src/algo/hash.rs"),
    ("md5", "src/algo/hash.rs"),
    ("aes_gcm_siv", "src/algo/seal.rs"),
    ("aes_kw", "src/algo/seal.rs"),
    ("argon2", "src/algo/derive.rs"),
    ("scrypt", "src/algo/derive.rs"),
    ("lz4_flex", "src/algo"),
    ("ruzstd", "src/algo"),
    ("flate2", "src/algo"),
    ("getrandom", "src/world/dice.rs"),
    ("signal_hook", "src/world/signal.rs"),
    ("rpassword", "src/cli"),
    ("saphyr_parser", "src/cli"),
    ("tar", "src/connectors/archive.rs"),
];

#[test]
fn the_table_has_no_circle() {
    for (row, (home, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            assert!(MAY_USE[..row].iter().any(|(above, _)| above == used), "{home} names {used} too early");
        }
    }
}

#[test]
fn every_file_keeps_to_the_table() {
    let mut seen = 0;
    let mut faults = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        seen += 1;
        faults.extend(check(path, text));
        faults.extend(check_foreign(path, text));
    });
    assert!(seen > 20, "only {seen} files were looked at");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_forbidden_look_is_caught() {
    let cases = [
        (
            "src/format/state.rs",
            "use crate::engine::backup;",
            "src/format/state.rs:1: format may not look at engine",
        ),
        (
            "src/engine/backup.rs",
            "crate::s3::client::send()",
            "src/engine/backup.rs:1: engine may not look at s3",
        ),
        (
            "src/s3/proto/xml.rs",
            "use crate::s3::client;",
            "src/s3/proto/xml.rs:1: s3::proto may not look at s3",
        ),
        ("src/s3/client.rs", "use crate::format::kind;", "src/s3/client.rs:1: s3 may not look at format"),
        (
            "src/format/state.rs",
            "let now = SystemTime::now();",
            "src/format/state.rs:1: format is pure, and names SystemTime",
        ),
        (
            "src/base/mac.rs",
            "use super::super::engine;",
            "src/base/mac.rs:1: super::super hides a module from this test",
        ),
        (
            "src/base/mac.rs",
            "use crate::{engine, cli};",
            "src/base/mac.rs:1: crate::{ hides a module from this test",
        ),
    ];
    for (path, line, fault) in cases {
        assert_eq!(check(Path::new(path), line), [fault]);
    }
    assert_eq!(
        check_foreign(Path::new("src/engine/codec.rs"), "use blake3::Hasher;"),
        ["src/engine/codec.rs:1: blake3 belongs to src/algo/hash.rs"]
    );
}

fn check(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = shown(path);
    let Some((home, uses)) = row_of(&module_of(&shown)) else { return faults };
    for (number, line) in code_lines(text) {
        let mut fault = |what: String| faults.push(format!("{shown}:{number}: {what}"));
        for (at, found) in line.match_indices("crate::") {
            let Some((there, _)) = row_of(&line[at + found.len()..]) else { continue };
            if there != home && !uses.contains(&there) {
                fault(format!("{home} may not look at {there}"));
            }
        }
        for hidden in ["crate::{", "super::super"] {
            if line.contains(hidden) {
                fault(format!("{hidden} hides a module from this test"));
            }
        }
        for word in WORLD {
            if PURE.contains(&home) && line.contains(word) {
                fault(format!("{home} is pure, and names {word}"));
            }
        }
    }
    faults
}

fn check_foreign(path: &Path, text: &str) -> Vec<String> {
    let shown = shown(path);
    let mut faults = Vec::new();
    for (number, line) in code_lines(text) {
        for (foreign, home) in FOREIGN {
            let named = line
                .match_indices(&format!("{foreign}::"))
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if named && !shown.starts_with(home) {
                faults.push(format!("{shown}:{number}: {foreign} belongs to {home}"));
            }
        }
    }
    faults
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The row with the longest name that the module path begins with.
fn row_of(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    let begins = |name: &str| {
        let rest = module.strip_prefix(name)?;
        (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(())
    };
    MAY_USE.iter().copied().filter(|(name, _)| begins(name).is_some()).max_by_key(|(name, _)| name.len())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}

fn module_of(shown: &str) -> String {
    shown.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::")
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_awkward_tree_equals_itself_and_a_change_is_seen() {
    let dir = std::env::temp_dir().join(format!("plakar-kit-{}", std::process::id()));
    let bulk = crate::kit::trees::Bulk { large: 100_000, tiny: 60 };
    crate::kit::trees::awkward(&dir.join("a"), bulk);
    assert_eq!(crate::kit::trees::differences(&dir.join("a"), &dir.join("a")), Vec::<String>::new());
    assert!(crate::kit::trees::count(&dir.join("a")) > 150);
    crate::kit::trees::awkward(&dir.join("b"), bulk);
    fs::write(dir.join("b/plain.txt"), b"0123456789").unwrap();
    let seen = crate::kit::trees::differences(&dir.join("a"), &dir.join("b"));
    assert!(seen.iter().any(|line| line.starts_with("\"plain.txt\": content differs")), "{seen:?}");
    fs::remove_dir_all(&dir).unwrap();
}
