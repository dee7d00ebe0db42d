//! The one table of commands: dispatch, usage, `help` and completion all read it.

use crate::cli::args::{self, Opt, Parsed, Takes};
use crate::cli::cmd::{
    archive, backup, cat, check, clone, completion, create, diff, digest, doctor, dup, entries, gone, help,
    info, locate, ls, maintenance, pkg, policy, prune, ptar, repair, restore, rm, sync,
};
use crate::cli::exit::{self, Failure};
use crate::cli::filters;
use crate::cli::globals;
use crate::cli::session::Session;
use std::ffi::OsString;

/// Runs a command: its exit code, or why it has none to be proud of.
pub type Run = fn(&mut Session, &Command, Parsed) -> Result<u8, Failure>;

/// One row.
pub struct Command {
    /// First word.
    pub word: &'static str,
    /// Second word; empty for a command of one word.
    pub action: &'static str,
    /// What may follow, for the usage.
    pub synopsis: &'static str,
    /// What it does: one line.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [&'static [Opt]],
    /// Whether `at STORE` makes sense with it.
    pub at: At,
    /// What it does: the code.
    pub run: Run,
}

/// Whether a command works on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// It does.
    Store,
    /// It does not, and `at` is refused.
    Nothing,
}

impl Command {
    /// `ls`, `store add`.
    pub fn name(&self) -> String {
        Command::name_of(self.word, self.action)
    }

    /// The two words of a command as one name.
    pub fn name_of(word: &str, action: &str) -> String {
        match action {
            "" => word.to_owned(),
            action => format!("{word} {action}"),
        }
    }

    /// Its options, those of every command among them.
    pub fn table(&self) -> Vec<&'static [Opt]> {
        let mut table = self.options.to_vec();
        if !self.has_own_json() {
            table.push(globals::COMMON);
        }
        table
    }

    /// Whether `-json` is an option of its own, with a form of its own.
    pub fn has_own_json(&self) -> bool {
        self.options.iter().copied().flatten().any(|opt| opt.name == "json")
    }

    /// The exit codes it can end with.
    pub fn codes(&self) -> &'static [u8] {
        match self.word {
            "backup" | "ptar" => {
                &[exit::DONE, exit::FAILED, exit::USAGE, exit::INCOMPLETE, exit::INTERRUPTED]
            }
            _ => &[exit::DONE, exit::FAILED, exit::USAGE, exit::INTERRUPTED],
        }
    }

    /// Usage line and options.
    pub fn usage(&self) -> String {
        let options = args::describe(&self.table());
        let words = format!("{} [OPTIONS] {}", self.name(), self.synopsis);
        format!("Usage: {}\n\nOPTIONS:\n{options}", words.trim_end())
    }
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Command> {
    [&STORE[..], &SOURCE, &DESTINATION, PKG, policy::COMMANDS, OTHERS, gone::COMMANDS].into_iter().flatten()
}

/// Rows that `help` explains: not those that only say what to use instead, nor what shells call.
pub fn shown() -> impl Iterator<Item = &'static Command> {
    let gone = |row: &Command| gone::COMMANDS.iter().any(|other| other.word == row.word);
    all().filter(move |row| !gone(row) && !row.word.starts_with('_'))
}

/// The row that `words` begin with, and the words behind it. Two words win over one.
pub fn find(words: &[OsString]) -> Option<(&'static Command, &[OsString])> {
    let first = words.first()?;
    let second = words.get(1);
    let two = all().find(|row| {
        first == row.word && !row.action.is_empty() && second.is_some_and(|word| word == row.action)
    });
    let (row, used) = match two {
        Some(row) => (row, 2),
        None => (all().find(|row| first == row.word && row.action.is_empty())?, 1),
    };
    Some((row, words.get(used..).unwrap_or_default()))
}

/// The list below the usage of the program: a command a line, its second words behind it.
pub fn list() -> String {
    let mut words: Vec<&str> = all().map(|row| row.word).filter(|word| !word.starts_with('_')).collect();
    words.sort_unstable();
    words.dedup();
    let mut text = String::new();
    for word in words {
        let mut actions: Vec<&str> =
            all().filter(|row| row.word == word && !row.action.is_empty()).map(|row| row.action).collect();
        actions.sort_unstable();
        match actions.as_slice() {
            [] => text += &format!("  {word}\n"),
            actions => text += &format!("  {word} [{}]\n", actions.join(" | ")),
        }
    }
    text
}

static STORE: [Command; entries::COUNT] = entries::commands("store");
static SOURCE: [Command; entries::COUNT] = entries::commands("source");
static DESTINATION: [Command; entries::COUNT] = entries::commands("destination");

static PKG: &[Command] = &[
    Command {
        word: "pkg",
        action: "add",
        synopsis: "NAME...",
        about: "Confirms that a connector is part of this program.",
        options: &[],
        at: At::Nothing,
        run: pkg::add,
    },
    Command {
        word: "pkg",
        action: "list",
        synopsis: "",
        about: "Lists the connectors that are part of this program.",
        options: &[pkg::LIST],
        at: At::Nothing,
        run: pkg::list,
    },
    Command {
        word: "pkg",
        action: "show",
        synopsis: "",
        about: "The same as pkg list.",
        options: &[pkg::LIST],
        at: At::Nothing,
        run: pkg::list,
    },
    Command {
        word: "pkg",
        action: "rm",
        synopsis: "NAME...",
        about: "Says why a built-in connector cannot be removed.",
        options: &[],
        at: At::Nothing,
        run: pkg::rm,
    },
    Command {
        word: "pkg",
        action: "",
        synopsis: "[add | list | rm | show]",
        about: "Tells which connectors there are.",
        options: &[],
        at: At::Nothing,
        run: pkg::none,
    },
];

static OTHERS: &[Command] = &[
    Command {
        word: "create",
        action: "",
        synopsis: "",
        about: "Creates a store.",
        options: &[create::OPTIONS],
        at: At::Store,
        run: create::run,
    },
    Command {
        word: "backup",
        action: "",
        synopsis: "[PATH | LOCATION | @SOURCE]",
        about: "Makes a snapshot of a directory or a bucket.",
        options: &[backup::OPTIONS],
        at: At::Store,
        run: backup::run,
    },
    Command {
        word: "ptar",
        action: "",
        synopsis: "-o FILE [-k STORE]... [PATH]...",
        about: "Writes snapshots of stores and of paths into one .ptar file.",
        options: &[ptar::OPTIONS],
        at: At::Store,
        run: ptar::run,
    },
    Command {
        word: "sync",
        action: "",
        synopsis: "[SNAPSHOT] to|from|with STORE",
        about: "Copies snapshots between two stores.",
        options: &[sync::OPTIONS, filters::GENERIC],
        at: At::Store,
        run: sync::run,
    },
    Command {
        word: "ls",
        action: "",
        synopsis: "[SNAPSHOT[:PATH]]",
        about: "Lists the snapshots of a store, or what is in one.",
        options: &[ls::OPTIONS, filters::GENERIC, filters::PERIODS],
        at: At::Store,
        run: ls::run,
    },
    Command {
        word: "check",
        action: "",
        synopsis: "[SNAPSHOT[:PATH]]...",
        about: "Verifies that everything in snapshots is there and is what it was.",
        options: &[check::OPTIONS, filters::GENERIC, filters::PERIODS],
        at: At::Store,
        run: check::run,
    },
    Command {
        word: "restore",
        action: "",
        synopsis: "[SNAPSHOT[:PATH]]",
        about: "Restores a snapshot, the newest by default, or a part of one.",
        options: &[restore::OPTIONS, filters::OF_RESTORE],
        at: At::Store,
        run: restore::run,
    },
    Command {
        word: "cat",
        action: "",
        synopsis: "SNAPSHOT[:PATH]...",
        about: "Prints the content of files, verified.",
        options: &[cat::OPTIONS],
        at: At::Store,
        run: cat::run,
    },
    Command {
        word: "locate",
        action: "",
        synopsis: "PATTERN...",
        about: "Finds entries by name in all snapshots.",
        options: &[locate::OPTIONS, filters::GENERIC, filters::PERIODS],
        at: At::Store,
        run: locate::run,
    },
    Command {
        word: "digest",
        action: "",
        synopsis: "SNAPSHOT[:PATH]...",
        about: "Prints checksums of files.",
        options: &[digest::OPTIONS],
        at: At::Store,
        run: digest::run,
    },
    Command {
        word: "diff",
        action: "",
        synopsis: "SNAPSHOT[:PATH] [SNAPSHOT[:PATH]]",
        about: "Compares two files or directories of snapshots, or one with this machine.",
        options: &[diff::OPTIONS],
        at: At::Store,
        run: diff::run,
    },
    Command {
        word: "dup",
        action: "",
        synopsis: "SNAPSHOT...",
        about: "Makes a new snapshot with the same content.",
        options: &[],
        at: At::Store,
        run: dup::run,
    },
    Command {
        word: "clone",
        action: "",
        synopsis: "to STORE",
        about: "Copies a whole store, file by file, under the same id.",
        options: &[],
        at: At::Store,
        run: clone::run,
    },
    Command {
        word: "archive",
        action: "",
        synopsis: "SNAPSHOT[:PATH]",
        about: "Writes a snapshot or a part of one into a tar or zip file.",
        options: &[archive::OPTIONS],
        at: At::Store,
        run: archive::run,
    },
    Command {
        word: "info",
        action: "",
        synopsis: "[SNAPSHOT[:PATH]]",
        about: "Tells the settings and the size of a store, or the facts of a snapshot.",
        options: &[info::OPTIONS],
        at: At::Store,
        run: info::run,
    },
    Command {
        word: "rm",
        action: "",
        synopsis: "[SNAPSHOT]...",
        about: "Removes snapshots; without -apply only lists them.",
        options: &[rm::OPTIONS, filters::GENERIC],
        at: At::Store,
        run: rm::run,
    },
    Command {
        word: "prune",
        action: "",
        synopsis: "[SNAPSHOT]...",
        about: "Removes snapshots that no period keeps; without -apply only lists them.",
        options: &[prune::OPTIONS, filters::GENERIC, filters::PERIODS],
        at: At::Store,
        run: prune::run,
    },
    Command {
        word: "maintenance",
        action: "",
        synopsis: "",
        about: "Frees the space of what no snapshot needs, when a grace period has passed.",
        options: &[],
        at: At::Store,
        run: maintenance::run,
    },
    Command {
        word: "repair",
        action: "",
        synopsis: "",
        about: "Rebuilds lost or damaged states from packfiles; without -apply only tells.",
        options: &[repair::OPTIONS],
        at: At::Store,
        run: repair::run,
    },
    Command {
        word: "doctor",
        action: "",
        synopsis: "[@NAME]...",
        about: "Tries places of the settings step by step, and tells what mends them.",
        options: &[doctor::OPTIONS],
        at: At::Nothing,
        run: doctor::run,
    },
    Command {
        word: "completion",
        action: "",
        synopsis: "bash|zsh|fish",
        about: "Prints a script that teaches a shell to complete words.",
        options: &[],
        at: At::Nothing,
        run: completion::script,
    },
    Command {
        word: completion::WORD,
        action: "",
        synopsis: "WORD...",
        about: "Prints what the last word may become, for shells.",
        options: &[],
        at: At::Nothing,
        run: completion::complete,
    },
    Command {
        word: "help",
        action: "",
        synopsis: "[COMMAND [SUBCOMMAND] | TOPIC]",
        about: "Explains a command.",
        options: &[&[Opt::new(
            "style",
            Takes::Text("string"),
            "man: in the language of man; anything else is plain text",
        )]],
        at: At::Nothing,
        run: help::help,
    },
    Command {
        word: "version",
        action: "",
        synopsis: "",
        about: "Prints the versions of this program and of the format it writes.",
        options: &[],
        at: At::Nothing,
        run: help::version,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_words_win_over_one() {
        let words: Vec<OsString> = ["store", "add", "x"].map(OsString::from).to_vec();
        let (row, rest) = find(&words).unwrap();
        assert_eq!((row.name().as_str(), rest), ("store add", &words[2..]));
        let words: Vec<OsString> = ["store", "nope"].map(OsString::from).to_vec();
        let (row, rest) = find(&words).unwrap();
        assert_eq!((row.name().as_str(), rest), ("store", &words[1..]));
        assert!(find(&["nope".into()]).is_none());
    }

    #[test]
    fn the_table_is_complete_and_unambiguous() {
        let mut names: Vec<String> = all().map(Command::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a name appears twice");
        for row in all() {
            assert!(row.about.ends_with('.'), "{}", row.name());
            let mut options: Vec<&str> = row.options.iter().copied().flatten().map(|opt| opt.name).collect();
            let count = options.len();
            options.sort_unstable();
            options.dedup();
            assert_eq!(options.len(), count, "{}: an option appears twice", row.name());
        }
    }
}
