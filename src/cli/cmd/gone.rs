//! Commands of Plakar that this program does not have: each says what to use instead.

use crate::cli::args::Parsed;
use crate::cli::commands::{At, Command};
use crate::cli::exit::Failure;
use crate::cli::session::Session;

/// Their rows.
pub static COMMANDS: &[Command] = &[
    gone("agent", "Not needed: every command does its work in its own process."),
    gone("login", "Not needed: the S3 connector is built in, nothing has to be fetched or unlocked."),
    gone("logout", "Not needed: this program never logs in anywhere."),
    gone("mount", "Not available: use ls, cat and restore to reach files of a snapshot."),
    gone("scheduler", "Not available: call backup from cron or a systemd timer."),
    gone("server", "Not available: a bucket or a directory can be shared between machines as it is."),
    gone("service", "Not available: this program uses no service of Plakar's web site."),
    gone("token", "Not needed: this program never logs in anywhere."),
    gone("ui", "Not available: use ls, cat and info."),
];

/// Whether a command is one of them.
pub fn is_gone(command: &Command) -> bool {
    COMMANDS.iter().any(|row| row.word == command.word)
}

const fn gone(word: &'static str, about: &'static str) -> Command {
    Command { word, action: "", synopsis: "", about, options: &[], at: At::Store, run: tell }
}

fn tell(_: &mut Session, command: &Command, _: Parsed) -> Result<u8, Failure> {
    let mut about = command.about.trim_end_matches('.').chars();
    let first = about.next().map(|c| c.to_ascii_lowercase());
    Err(Failure::new(format!(
        "{}: {}{}",
        command.word,
        first.map(String::from).unwrap_or_default(),
        about.as_str()
    )))
}
