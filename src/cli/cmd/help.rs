//! `help` and `version`.

use crate::cli::args::Parsed;
use crate::cli::commands::{self, Command};
use crate::cli::exit::{DONE, Failure};
use crate::cli::globals;
use crate::cli::session::Session;

/// Explains a command, or lists all.
///
/// # Errors
/// `unknown command: x`.
pub fn help(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.rest.is_empty() {
        session.out.line(format!("{}\nCOMMANDS:\n{}", globals::usage(), summary().trim_end()));
        return Ok(DONE);
    }
    let Some((command, [])) = commands::find(&parsed.rest) else {
        let words: Vec<_> = parsed.rest.iter().map(|word| word.to_string_lossy()).collect();
        return Err(Failure::new(format!("unknown command: {}", words.join(" "))));
    };
    session.out.line(format!("{}\n\n{}", command.about, command.usage().trim_end()));
    Ok(DONE)
}

fn summary() -> String {
    let mut rows: Vec<&Command> = commands::all().filter(|row| row.action.is_empty()).collect();
    rows.sort_by_key(|row| row.word);
    rows.iter().map(|row| format!("  {:12} {}\n", row.word, row.about)).collect()
}

/// `plakar/0.1.0 (Kloset 1.0.0)`.
///
/// # Errors
/// None.
pub fn version(session: &mut Session, _: &Command, _: Parsed) -> Result<u8, Failure> {
    session.out.line(format!("plakar/{} (Kloset 1.0.0)", env!("CARGO_PKG_VERSION")));
    Ok(DONE)
}
