//! Results that `tests/run` shows at its end.

use std::io::Write;

/// One line, among the last that `tests/run` prints.
pub fn say(line: &str) {
    println!("{line}");
    if let Some(path) = std::env::var_os("PLAKAR_SAYS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write, so that lines of parallel tests do not mix.
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
