//! What the program is built from: known licences, one registry, no crate twice but for a reason.
//! Advisories need a database from the network, which this test does without.

use crate::kit::json::Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Terms that a permissive program may be shipped under.
const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "ISC",
    "BSD-3-Clause",
    "0BSD",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    // Of the list of certificate authorities.
    "CDLA-Permissive-2.0",
];

/// Crates of which there are two versions, and who holds on to the older one.
const TWICE: [(&str, &str); 2] = [("getrandom", "ring"), ("windows-sys", "ring, never built on Linux")];

/// Most crates that `Cargo.lock` may name.
const CRATES_MAX: usize = 120;

struct Crate {
    version: String,
    licence: String,
    source: Option<String>,
}

fn crates() -> BTreeMap<String, Vec<Crate>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]).current_dir(root);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = Json::parse(&String::from_utf8(output.stdout).unwrap());
    let mut found: BTreeMap<String, Vec<Crate>> = BTreeMap::new();
    for package in metadata.list("packages") {
        let text = |key: &str| package.text(key).map(str::to_owned);
        found.entry(text("name").unwrap()).or_default().push(Crate {
            version: text("version").unwrap(),
            licence: text("license").unwrap_or_default(),
            source: text("source"),
        });
    }
    found
}

/// Whether one may choose terms that are all on the list.
fn may_ship(licence: &str) -> bool {
    let term = |term: &str| LICENCES.contains(&term.trim_matches(['(', ')', ' ']));
    let licence = licence.replace('/', " OR ");
    licence.split(" AND ").all(|all| all.split(" OR ").any(term))
}

#[test]
fn every_crate_comes_from_the_registry_under_terms_that_may_be_shipped() {
    for (name, versions) in crates() {
        for found in versions {
            let what = format!("{name} {}", found.version);
            match &found.source {
                None => assert_eq!(name, "plakar"),
                Some(source) => {
                    assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{what}")
                }
            }
            assert!(may_ship(&found.licence), "{what} is under {:?}", found.licence);
        }
    }
}

#[test]
fn terms_are_told_apart() {
    for (licence, may) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0", false),
        ("MIT OR LGPL-2.1-or-later", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND GPL-2.0", false),
        ("", false),
    ] {
        assert_eq!(may_ship(licence), may, "{licence:?}");
    }
}

#[test]
fn there_are_few_crates_and_none_twice_but_for_a_reason() {
    let crates = crates();
    let twice: Vec<&str> =
        crates.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = TWICE.iter().map(|(name, _)| *name).collect();
    assert_eq!(twice, known);
    let count: usize = crates.values().map(Vec::len).sum();
    assert!(count <= CRATES_MAX, "{count} crates");
}
