//! The manual in the language of man.

use crate::cli::args::{self, Opt};
use crate::cli::commands::{self, Command};
use crate::cli::exit;
use crate::cli::globals;
use crate::cli::manual;

/// The page of a command, `plakar-store-add(1)`.
pub fn command_page(command: &Command) -> String {
    let name = format!("plakar-{}", command.name().replace(' ', "-"));
    let mut page = head(&name, command.about);
    page += &format!(".SH SYNOPSIS\n.B plakar\n{}\n", plain(&synopsis(command)));
    if let Some(text) = manual::page_of(command).map(|page| page.text) {
        page += &format!(".SH DESCRIPTION\n{}\n", plain(text));
    }
    page += &options(&command.table());
    page += ".SH EXAMPLES\n";
    for (line, what) in manual::examples(command) {
        page += &format!(
            ".TP\n.B {}\n{}\n",
            plain(&line),
            plain(if what.is_empty() { command.about } else { what })
        );
    }
    page += ".SH EXIT STATUS\n";
    for code in command.codes() {
        page += &format!(".TP\n.B {code}\n{}\n", plain(exit::meaning(*code)));
    }
    page + ".SH SEE ALSO\n.BR plakar (1)\n"
}

/// The page of the program, `plakar(1)`.
pub fn program_page() -> String {
    let mut page = head("plakar", "backs up to, from and into S3 buckets in Plakar's Kloset format.");
    page += ".SH SYNOPSIS\n.B plakar\n[OPTIONS] [at STORE] COMMAND [COMMAND_OPTIONS]...\n.SH DESCRIPTION\n";
    page += "STORE is @NAME, a path, fs:PATH, ptar:FILE, a file that ends in .ptar, or \
             s3://HOST[:PORT]/BUCKET[/PREFIX]. Without at, it is PLAKAR_REPOSITORY, the default entry, or \
             ~/.plakar.\n";
    page += &options(&[globals::OPTIONS]);
    page += ".SH COMMANDS\n";
    for row in commands::shown() {
        page += &format!(".TP\n.B {}\n{}\n", plain(&row.name()), plain(row.about));
    }
    page += ".SH ENVIRONMENT\n";
    for (name, what) in manual::ENVIRONMENT {
        page += &format!(".TP\n.B {}\n{}\n", plain(name), plain(what));
    }
    page += ".SH FILES\n.TP\n.B ~/.config/plakar\nnamed stores, sources and destinations\n.TP\n\
             .B ~/.cache/plakar\ncopies of what stores say; deleting it costs time, nothing else\n.SH EXIT STATUS\n";
    for (code, what) in exit::CODES {
        page += &format!(".TP\n.B {code}\n{}\n", plain(what));
    }
    page
}

fn head(name: &str, about: &str) -> String {
    let about = about.trim_end_matches('.');
    format!(
        ".TH {} 1 \"\" \"plakar {}\" \"plakar\"\n.SH NAME\n{} \\- {}\n",
        name.to_uppercase(),
        env!("CARGO_PKG_VERSION"),
        plain(name),
        plain(about)
    )
}

fn synopsis(command: &Command) -> String {
    let at = if command.at == commands::At::Store { "[at STORE] " } else { "" };
    format!("{at}{} [OPTIONS] {}", command.name(), command.synopsis).trim_end().to_owned()
}

fn options(table: &[&'static [Opt]]) -> String {
    let mut page = String::from(".SH OPTIONS\n");
    for opt in args::sorted(table) {
        let value = args::value_word(opt.takes).map_or(String::new(), |word| format!(" {word}"));
        page +=
            &format!(".TP\n.B {}{}\n{}\n", plain(&format!("-{}", opt.name)), plain(&value), plain(opt.help));
    }
    page
}

/// Text without anything that roff would take for a command.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}
