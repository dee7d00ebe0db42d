//! `help` and `version`.

use crate::base::nearest::nearest;
use crate::cli::args::Parsed;
use crate::cli::commands::{self, Command};
use crate::cli::exit::{DONE, Failure};
use crate::cli::manual;
use crate::cli::record::Record;
use crate::cli::session::Session;

/// Explains a command or a topic, or lists all.
///
/// # Errors
/// `unknown command: x`.
pub fn help(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let man = parsed.text("style") == Some("man");
    if parsed.rest.is_empty() {
        session.out.page(&if man { manual::program_page() } else { manual::overview() });
        return Ok(DONE);
    }
    let words: Vec<_> = parsed.rest.iter().map(|word| word.to_string_lossy()).collect();
    if let [name] = words.as_slice()
        && let Some(text) = manual::topic(name)
    {
        session.out.page(&text);
        return Ok(DONE);
    }
    let Some((command, [])) = commands::find(&parsed.rest) else {
        let words = words.join(" ");
        let failure = Failure::new(format!("unknown command: {words}"));
        let names: Vec<String> = commands::shown().map(Command::name).collect();
        let topics = manual::TOPICS.iter().map(|(name, _)| *name);
        return Err(match nearest(&words, names.iter().map(String::as_str).chain(topics)) {
            Some(near) => failure.and(format!("Did you mean {near}?")),
            None => failure,
        });
    };
    session.out.page(&if man { manual::command_page(command) } else { manual::text(command) });
    Ok(DONE)
}

/// `plakar/0.1.0 (Kloset 1.0.0)`.
///
/// # Errors
/// None.
pub fn version(session: &mut Session, _: &Command, _: Parsed) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    session.out.tell(
        || Record::new("version").text("version", version).text("format", "1.0.0"),
        || format!("plakar/{version} (Kloset 1.0.0)"),
    );
    Ok(DONE)
}
