//! Cases that a test went through, one line each, where `tests/run` counts them.

use std::io::Write;

/// Notes so many cases of a kind.
pub fn count(kind: &str, number: usize) {
    println!("{kind}: {number}");
    let Some(file) = std::env::var_os("PLAKAR_COUNTS") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    writeln!(file, "{kind}\t{number}").unwrap();
}
