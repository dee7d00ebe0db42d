//! `completion`, and what the scripts it prints call.

use crate::cli::args::Parsed;
use crate::cli::commands::Command;
use crate::cli::completion;
use crate::cli::exit::{DONE, Failure};
use crate::cli::globals;
use crate::cli::session::Session;
use crate::world::host;
use std::ffi::OsString;
use std::time::Duration;

/// The command that the scripts call.
pub const WORD: &str = "__complete";

/// Longer than any store needs to be unlocked and listed; a prompt is not held up for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints a shell's script.
///
/// # Errors
/// An unknown shell.
pub fn script(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let [word] = parsed.rest.as_slice() else {
        return Err(Failure::new("name a shell: bash, zsh or fish"));
    };
    let shell = word.to_string_lossy();
    let text = completion::script(&shell)
        .ok_or_else(|| Failure::new(format!("no completion for {shell:?}: bash, zsh and fish have one")))?;
    session.out.page(text);
    Ok(DONE)
}

/// Prints candidates, one a line, a tab and what it is behind each.
///
/// # Errors
/// Settings that cannot be read.
pub fn complete(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let Some((current, before)) = parsed.rest.split_last() else { return Ok(DONE) };
    // A store that does not answer must not hold up the prompt.
    let watch = std::thread::Builder::new().name("patience".to_owned());
    let watched = watch.spawn(|| {
        std::thread::sleep(PATIENCE);
        std::process::exit(i32::from(DONE));
    });
    if watched.is_err() {
        return Ok(DONE);
    }
    let mut of_words = with_their_options(session, before)?;
    let current = current.to_string_lossy();
    for (word, about) in completion::candidates(&mut of_words, before, &current) {
        session.out.line(format!("{word}\t{about}"));
    }
    Ok(DONE)
}

/// A session as the words before the command ask for: another directory of settings, a key file.
fn with_their_options(session: &Session, words: &[OsString]) -> Result<Session, Failure> {
    let mut line: Vec<OsString> = words.iter().take_while(|word| *word != "at").cloned().collect();
    line.push("ls".into());
    let globals = match globals::read(&line, host::cores()) {
        Ok(Some(globals)) => globals,
        _ => session.globals.clone(),
    };
    Session::new(globals, session.out.clone())
}
