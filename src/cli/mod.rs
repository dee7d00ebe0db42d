//! Words in, words out.

pub mod args;
pub mod cache;
pub mod cmd;
pub mod commands;
pub mod completion;
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
pub mod manual;
pub mod open;
pub mod output;
pub mod passphrase;
pub mod policies;
pub mod progress;
pub mod record;
pub mod removal;
pub mod report;
pub mod session;
pub mod settings;
pub mod sheet;
pub mod strength;
pub mod summary;
pub mod unified;
pub mod yaml;

use crate::base::nearest::nearest;
use crate::cli::args::{Parsed, Refused};
use crate::cli::cmd::gone;
use crate::cli::commands::{At, Command};
use crate::cli::exit::{DONE, Failure};
use crate::cli::output::Output;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::world::host;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

/// Runs a command line, the program's own name in front.
pub fn run(words: Vec<OsString>) -> ExitCode {
    ExitCode::from(run_in(words.get(1..).unwrap_or_default(), &Arc::new(Output::new()), &mut |_| {}))
}

/// Runs the words behind the program's name, with these streams, in a session that `prepare` has
/// changed: another clock, another place for copies. Gives the exit code.
pub fn run_in(words: &[OsString], out: &Arc<Output>, prepare: &mut dyn FnMut(&mut Session)) -> u8 {
    let started = Instant::now();
    let mut name = String::new();
    let code = command(words, out, &mut name, prepare).unwrap_or_else(|failure| {
        if failure.code == exit::USAGE && words.iter().any(|word| word == "-json" || word == "--json") {
            out.speak_json();
        }
        complain(&failure, out);
        failure.code
    });
    out.record(
        Record::new("end")
            .text("command", &name)
            .number("code", code)
            .number("duration_ns", i128::try_from(started.elapsed().as_nanos()).unwrap_or(i128::MAX)),
    );
    out.flush();
    code
}

fn complain(failure: &Failure, out: &Output) {
    if out.speaks_json() {
        let mut texts = failure.message.iter().chain(&failure.more).map(String::as_str);
        if let Some(message) = texts.next() {
            let record = Record::new("error").text("message", message);
            // A usage belongs to a person.
            let hints: Vec<&str> = texts.filter(|_| failure.code != exit::USAGE).collect();
            out.record(if hints.is_empty() { record } else { record.texts("hints", hints) });
        }
        return;
    }
    if let Some(message) = &failure.message {
        out.error_line(format!("plakar: {message}"));
    }
    for text in &failure.more {
        out.error_text(&format!("{}\n", text.trim_end()));
    }
}

fn command(
    words: &[OsString],
    out: &Arc<Output>,
    name: &mut String,
    prepare: &mut dyn FnMut(&mut Session),
) -> Result<u8, Failure> {
    let Some(globals) = globals::read(words, host::cores())? else {
        out.error_text(&format!("{}\nCOMMANDS:\n{}", globals::usage(), commands::list()));
        return Ok(DONE);
    };
    if globals.json {
        out.speak_json();
    }
    if globals.command.is_empty() {
        return Err(Failure::new("a subcommand must be provided").and(commands::list()));
    }
    let Some((command, rest)) = commands::find(&globals.command) else {
        return Err(unknown(&globals.command));
    };
    *name = command.name();
    if globals.at.is_some() && command.at == At::Nothing {
        return Err(Failure::new(format!("{} command cannot be used with 'at' parameter", command.word)));
    }
    let parsed = match args::parse(&command.table(), rest) {
        Ok(parsed) => parsed,
        Err(Refused::Help) => {
            out.error_text(&command.usage());
            return Ok(DONE);
        }
        // What is not here has no options either: the answer is the same whatever they are.
        Err(Refused::Bad(_)) if gone::is_gone(command) => Parsed::default(),
        Err(Refused::Bad(complaint)) => return Err(Failure::usage(&complaint, command.usage())),
    };
    if parsed.switch("json") && !command.has_own_json() {
        out.speak_json();
    }
    let meant = meant(command, &parsed);
    let timed = globals.time;
    let mut session = Session::new(globals, Arc::clone(out))?;
    prepare(&mut session);
    let started = session.clock.monotonic();
    let ended = (command.run)(&mut session, command, parsed);
    if timed {
        let took = session.clock.monotonic().saturating_sub(started);
        session
            .say(&format!("time: {}", gotime::duration(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX))));
    }
    match meant {
        Some(near) => ended.map_err(|failure| failure.and(format!("Did you mean {near}?"))),
        None => ended,
    }
}

/// The second word that was probably meant, when the first one alone was understood.
fn meant(command: &Command, parsed: &Parsed) -> Option<String> {
    let word = parsed.rest.first()?.to_str()?;
    let actions = commands::all().filter(|row| row.word == command.word && !row.action.is_empty());
    match command.action {
        "" => nearest(word, actions.map(|row| row.action)).map(|near| Command::name_of(command.word, near)),
        _ => None,
    }
}

fn unknown(words: &[OsString]) -> Failure {
    let word = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let failure = Failure::silent(exit::FAILED).and(format!("command not found: {}", exit::printable(&word)));
    if word.starts_with('@') && words.len() > 1 {
        return failure.and(format!("Did you mean at {}?", exit::printable(&word)));
    }
    match nearest(&word, commands::shown().map(|row| row.word)) {
        Some(near) => failure.and(format!("Did you mean {near}?")),
        None => failure,
    }
}
