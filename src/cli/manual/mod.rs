//! The manual: `help`, man pages and topics, made from the table of commands and its pages.

pub mod errors;
mod pages;
mod roff;

pub use roff::{command_page, program_page};

use crate::cli::commands::{self, Command};
use crate::cli::exit;
use crate::cli::globals;
use crate::cli::record;

/// Columns of a page on a terminal.
const COLUMNS: usize = 80;

/// What is told of a command beside its row.
pub struct Page {
    /// The command.
    pub name: &'static str,
    /// What it does, in full.
    pub text: &'static str,
    /// Command lines, and what each is for.
    pub examples: &'static [(&'static str, &'static str)],
}

/// Environment variables, and what each does.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("PLAKAR_REPOSITORY", "the store, when 'at' names none"),
    ("PLAKAR_PASSPHRASE", "the store's passphrase, when neither -keyfile nor its entry gives one"),
    ("PLAKAR_GRACEPERIOD", "how long maintenance waits before it removes what nobody needs: 720h"),
    ("PLAKAR_NODELETION", "true: maintenance removes nothing"),
    ("PLAKAR_LOCKLESS", "true: no locks, for stores that nobody else can reach"),
    ("PLAKAR_AGENTLESS", "accepted: there never is an agent"),
    ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "proxies, and what is reached without one"),
    ("XDG_CONFIG_HOME, XDG_CACHE_HOME, HOME", "where settings and the cache are"),
    ("NO_COLOR", "no colours"),
    ("TERM", "dumb: no colours and no progress line"),
];

/// Topics of `help` that are no command, and what each is about.
pub const TOPICS: &[(&str, &str)] = &[
    ("json", "what -json prints"),
    ("exit-codes", "what a command hands to the shell"),
    ("environment", "variables that are read"),
    ("errors", "messages, and what mends each"),
];

/// A topic's text.
pub fn topic(name: &str) -> Option<String> {
    Some(match name {
        "json" => wrapped_lines(&record::page()),
        "exit-codes" => exit::CODES.iter().map(|(code, what)| format!("{code:4}  {what}\n")).collect(),
        "errors" => errors::page(),
        "environment" => {
            ENVIRONMENT.iter().map(|(name, what)| format!("{name}\n{}", wrapped(what, 4))).collect()
        }
        _ => return None,
    })
}

/// The page of a command; `None` for commands that only say what to use instead.
pub fn page_of(command: &Command) -> Option<&'static Page> {
    let generic = match command.word {
        "store" | "source" | "destination" => Command::name_of("ROLE", command.action),
        _ => command.name(),
    };
    pages::PAGES.iter().find(|page| page.name == generic)
}

/// Names of all pages.
pub fn page_names() -> impl Iterator<Item = &'static str> {
    pages::PAGES.iter().map(|page| page.name)
}

/// Its examples, ready to type.
pub fn examples(command: &Command) -> Vec<(String, &'static str)> {
    let page = page_of(command);
    let own = page.map_or(&[][..], |page| page.examples);
    own.iter().map(|(line, what)| (line.replace("ROLE", command.word), *what)).collect()
}

/// Everything about a command, as text.
pub fn text(command: &Command) -> String {
    let mut text = format!("{}\n\n{}", command.about, command.usage());
    if let Some(page) = page_of(command) {
        text += &format!("\n{}", wrapped(page.text, 0));
        text += "\nEXAMPLES:\n";
        for (line, what) in examples(command) {
            text += &format!("  $ {line}\n");
            if !what.is_empty() {
                text += &wrapped(what, 6);
            }
        }
    }
    text += "\nEXIT CODES:\n";
    for code in command.codes() {
        text += &format!("  {code:3}  {}\n", exit::meaning(*code));
    }
    text
}

/// The program as a whole: usage, commands, topics.
pub fn overview() -> String {
    let mut rows: Vec<&Command> = commands::shown().filter(|row| row.action.is_empty()).collect();
    rows.sort_by_key(|row| row.word);
    let commands: String = rows.iter().map(|row| format!("  {:12} {}\n", row.word, row.about)).collect();
    let topics: String = TOPICS.iter().map(|(name, what)| format!("  {name:12} {what}\n")).collect();
    format!("{}\nCOMMANDS:\n{commands}\nTOPICS:\n{topics}", globals::usage())
}

/// Words in lines of at most `COLUMNS` letters, indented.
pub fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out += &format!("{:indent$}{line}\n", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    out + &format!("{:indent$}{line}\n", "")
}

/// Lines that are too long, wrapped; the others as they are.
fn wrapped_lines(text: &str) -> String {
    let wrap = |line: &str| match line.starts_with(' ') || line.is_empty() {
        true => format!("{line}\n"),
        false => wrapped(line, 0),
    };
    text.lines().map(wrap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args;
    use std::ffi::OsString;

    #[test]
    fn every_command_has_a_page_and_every_page_a_command() {
        for row in commands::shown() {
            assert!(page_of(row).is_some(), "no page: {}", row.name());
        }
        for name in page_names() {
            let name = name.replace("ROLE", "store");
            assert!(commands::shown().any(|row| row.name() == name), "a page of nothing: {name}");
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        for row in commands::shown() {
            assert!(!examples(row).is_empty(), "{}: no example", row.name());
            for (line, _) in examples(row) {
                let words: Vec<OsString> =
                    line.split(' ').skip(1).map(|word| OsString::from(word.trim_matches('\''))).collect();
                let globals = globals::read(&words, 8).unwrap().unwrap();
                let (found, rest) = commands::find(&globals.command).expect(&line);
                assert!(
                    found.word == row.word || row.action.is_empty(),
                    "{line}: an example of {}",
                    found.name()
                );
                assert!(globals.at.is_none() || found.at == commands::At::Store, "{line}");
                args::parse(&found.table(), rest).expect(&line);
            }
        }
    }

    #[test]
    fn pages_fit_a_terminal() {
        for row in commands::shown() {
            for line in
                text(row).lines().filter(|line| !line.starts_with("  $ ") && !line.starts_with("Usage"))
            {
                assert!(line.chars().count() <= 100, "{}: {line}", row.name());
            }
        }
    }

    #[test]
    fn every_topic_has_a_text_and_is_no_command() {
        for (name, _) in TOPICS {
            assert!(topic(name).is_some_and(|text| text.len() > 50), "{name}");
            assert!(commands::all().all(|row| row.word != *name), "{name} is a command too");
        }
    }
}
