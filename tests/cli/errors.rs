//! The table of messages against the sources, and a first few of them met for real.

use plakar::cli::manual::errors::ERRORS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How a failure with a message is made.
const MAKERS: [&str; 4] = ["Failure::new(", "Fault::new(", "Error::new(", "Error::damaged("];

#[test]
fn every_message_is_in_the_table_with_its_remedy() {
    let mut said = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |text| {
        let text = text.split("#[cfg(test)]").next().unwrap();
        for maker in MAKERS {
            for (at, _) in text.match_indices(maker) {
                let arguments = arguments(&text[at + maker.len()..]);
                said.extend(literal(arguments).map(|message| generalized(&message)));
            }
        }
    });
    assert!(said.len() > 150, "only {} messages were found", said.len());
    let listed: BTreeSet<String> = ERRORS
        .iter()
        .flat_map(|(_, rows)| *rows)
        .flat_map(|(messages, _)| *messages)
        .map(|m| (*m).to_owned())
        .collect();
    let missing: Vec<&String> = said.difference(&listed).filter(|message| message.as_str() != "").collect();
    assert!(missing.is_empty(), "messages without a remedy in src/cli/manual/errors.rs:\n{missing:#?}");
    // A usage is made elsewhere than where it is said.
    let stale: Vec<&String> =
        listed.difference(&said).filter(|message| !message.starts_with("usage: clone")).collect();
    assert!(stale.is_empty(), "rows of messages that nobody says:\n{stale:#?}");
}

/// Up to the bracket that closes the call.
fn arguments(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// The first text in the arguments.
fn literal(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once('"')?;
    let mut message = String::new();
    let mut rest = rest.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Some(message),
            '\\' => match rest.next()? {
                // A line that goes on.
                '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                c => message.push(c),
            },
            c => message.push(c),
        }
    }
    None
}

/// What differs from case to case as `…`.
fn generalized(message: &str) -> String {
    let mut general = String::new();
    let mut inside = false;
    for c in message.chars() {
        match c {
            '{' => {
                inside = true;
                general.push('…');
            }
            '}' => inside = false,
            c if !inside => general.push(c),
            _ => {}
        }
    }
    general
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if !path.ends_with("fuzzing") => walk(&path, visit),
            false if path.extension().is_some_and(|ext| ext == "rs") => {
                visit(&fs::read_to_string(&path).unwrap())
            }
            _ => {}
        }
    }
}

#[test]
fn the_page_of_errors_is_a_topic_of_help() {
    let home = crate::kit::command::Home::new("errors-page");
    let page = home.plakar(&["help", "errors"]).succeeds();
    for (about, rows) in ERRORS {
        assert!(page.stdout.contains(&format!("{about}:\n")), "{about}");
        for (messages, remedy) in *rows {
            assert!(!remedy.is_empty() && messages.iter().all(|message| page.stdout.contains(message)));
        }
    }
}
