//! Words in, words out.

pub mod args;
pub mod cache;
pub mod cmd;
pub mod commands;
pub mod connect;
pub mod dates;
pub mod exit;
pub mod filters;
pub mod globals;
pub mod gotime;
pub mod human;
pub mod ini;
pub mod json;
pub mod lines;
pub mod open;
pub mod output;
pub mod passphrase;
pub mod policies;
pub mod removal;
pub mod report;
pub mod session;
pub mod settings;
pub mod strength;
pub mod yaml;

use crate::cli::args::Refused;
use crate::cli::commands::At;
use crate::cli::exit::{DONE, Failure};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::world::host;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

/// Runs a command line, the program's own name in front.
pub fn run(words: Vec<OsString>) -> ExitCode {
    let out = Arc::new(Output::new());
    let code = match command(words.get(1..).unwrap_or_default(), &out) {
        Ok(code) => code,
        Err(failure) => {
            if let Some(message) = &failure.message {
                out.error_line(format!("plakar: {message}"));
            }
            for text in &failure.more {
                out.error_text(&format!("{}\n", text.trim_end()));
            }
            failure.code
        }
    };
    out.flush();
    ExitCode::from(code)
}

fn command(words: &[OsString], out: &Arc<Output>) -> Result<u8, Failure> {
    let Some(globals) = globals::read(words, host::cores())? else {
        out.error_text(&format!("{}\nCOMMANDS:\n{}", globals::usage(), commands::list()));
        return Ok(DONE);
    };
    if globals.command.is_empty() {
        return Err(Failure::new("a subcommand must be provided").and(commands::list()));
    }
    let Some((command, rest)) = commands::find(&globals.command) else {
        return Err(unknown(&globals.command));
    };
    if globals.at.is_some() && command.at == At::Nothing {
        return Err(Failure::new(format!("{} command cannot be used with 'at' parameter", command.word)));
    }
    let parsed = match args::parse(command.options, rest) {
        Ok(parsed) => parsed,
        Err(Refused::Help) => {
            out.error_text(&command.usage());
            return Ok(DONE);
        }
        Err(Refused::Bad(complaint)) => return Err(Failure::usage(&complaint, command.usage())),
    };
    let timed = globals.time;
    let mut session = Session::new(globals, Arc::clone(out))?;
    let started = session.clock.monotonic();
    let ended = (command.run)(&mut session, command, parsed);
    if timed {
        let took = session.clock.monotonic().saturating_sub(started);
        out.line(format!("time: {}", gotime::duration(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX))));
    }
    ended
}

fn unknown(words: &[OsString]) -> Failure {
    let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let mut failure =
        Failure::silent(exit::FAILED).and(format!("command not found: {}", exit::printable(&word)));
    if let Some(near) = session::nearest(&word, commands::all().map(|row| row.word)) {
        failure = failure.and(format!("Did you mean {near}?"));
    }
    failure
}
