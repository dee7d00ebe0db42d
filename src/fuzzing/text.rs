//! What people and their files say.

use crate::base::file::Mode;
use crate::base::path;
use crate::base::stamp::Stamp;
use crate::cli::args::Refused;
use crate::cli::yaml::Node;
use crate::cli::{commands, globals, gotime, human};
use crate::connectors::ignore::Ignore;
use crate::connectors::location::{Location, S3Location};
use crate::engine::select::Argument;
use crate::fuzzing::line;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Settings that were read, written anew, read the same; and so does any text as a value.
pub fn yaml(data: &[u8]) {
    use crate::cli::yaml::{read, write_options};
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut maps: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    if let Ok(Node::Map(pairs)) = read(text) {
        for (name, node) in pairs {
            let Node::Map(options) = node else { continue };
            let texts = options.into_iter().filter_map(|(key, value)| match value {
                Node::Text(text) => Some((key, text)),
                _ => None,
            });
            maps.push((name, texts.collect()));
        }
    }
    let any: String = text.chars().take(1000).collect();
    maps.push(("any".to_owned(), BTreeMap::from([("value".to_owned(), any)])));
    for (name, options) in maps {
        // YAML's own limit for a key on one line.
        if name.len() > 200 || options.keys().any(|key| key.len() > 200) {
            continue;
        }
        let mut written = String::new();
        write_options(&mut written, 0, &name, &options);
        let again = read(&written).unwrap_or_else(|why| panic!("{why}: {written:?}"));
        let Some(Node::Map(pairs)) = again.get(&name) else { panic!("{name:?} is not in {written:?}") };
        let pairs: BTreeMap<String, String> = pairs
            .iter()
            .filter_map(|(key, value)| match value {
                Node::Text(text) => Some((key.clone(), text.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(pairs, options, "{written:?}");
    }
}

/// Sections that were read, written anew, read the same.
pub fn ini(data: &[u8]) {
    use crate::cli::ini::{read, write_section};
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(sections) = read(text) else { return };
    for (name, options) in sections {
        let mut written = String::new();
        write_section(&mut written, &name, &options);
        assert_eq!(read(&written), Ok(vec![(name, options)]), "{written:?}");
    }
}

/// Any text is written as JSON that a strict reader gives back.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let written = crate::cli::json::string(&text);
    assert_eq!(unquoted(&written).as_deref(), Some(&*text), "{written}");
    assert!(!written.contains(['<', '>', '&', '\u{2028}', '\u{2029}']));
    let object = crate::cli::json::object(&BTreeMap::from([(text.clone().into_owned(), String::new())]));
    assert_eq!(object, format!("{{{written}:\"\"}}"));
}

/// A JSON string by RFC 8259, without surrogate pairs, which the writer never makes.
fn unquoted(written: &str) -> Option<String> {
    let mut chars = written.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut out = String::new();
    while let Some(c) = chars.next() {
        out.push(match c {
            '"' => return None,
            c if c < ' ' => return None,
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                c @ ('"' | '\\' | '/') => c,
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

/// Dates, ages and how they are shown: what is shown of an instant reads back as its second.
pub fn dates(data: &[u8]) {
    const NOW: Stamp = Stamp { secs: 1_764_495_813, nanos: 5 };
    let text = String::from_utf8_lossy(data);
    if let Ok(moment) = crate::engine::dates::moment(&text, NOW) {
        assert!(moment.nanos < 1_000_000_000);
        let _ = (gotime::full(moment), gotime::compact(moment));
    }
    let _ = crate::engine::dates::duration_seconds(&text);
    let number = i64::from_le_bytes(*data.first_chunk().unwrap_or(&[0; 8]));
    let stamp = Stamp::from_nanos(number);
    assert_eq!(stamp.to_nanos(), number);
    let shown = gotime::rfc3339(stamp);
    let read = crate::engine::dates::moment(&shown, NOW);
    assert_eq!(read, Ok(Stamp { secs: stamp.secs, nanos: 0 }), "{shown}");
    let far = gotime::rfc3339(Stamp { secs: number, nanos: 0 });
    assert!(far.len() <= 24, "{far}");
    for shown in [gotime::duration(number), gotime::duration_in_seconds(number)] {
        assert!(shown.ends_with('s') && shown.len() < 40, "{shown}");
    }
    let mode = gotime::mode(Mode(number as u32));
    assert!((10..=22).contains(&mode.len()), "{mode}");
    assert!(human::bytes(number.cast_unsigned()).len() <= 8);
}

/// Words of a command line, a line each: globals, then the command's own options.
pub fn args(data: &[u8]) {
    let words: Vec<OsString> =
        data.split(|&byte| byte == b'\n').map(|word| OsString::from_vec(word.to_vec())).collect();
    let Ok(Some(globals)) = globals::read(&words, 4) else { return };
    assert!((1..=4).contains(&globals.cpu));
    assert!(words.ends_with(&globals.command), "the command is what follows the globals");
    let Some((command, rest)) = commands::find(&globals.command) else { return };
    assert!(globals.command.ends_with(rest));
    match crate::cli::args::parse(command.options, rest) {
        Ok(parsed) => assert!(rest.ends_with(&parsed.rest)),
        Err(Refused::Help) => assert!(!command.usage().is_empty()),
        Err(Refused::Bad(complaint)) => assert!(!complaint.is_empty()),
    }
}

/// Patterns, a line each, the last being a path: what is left out takes all below along.
pub fn ignore(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A pattern's automaton grows with its length.
    let lines: Vec<String> = text.lines().take(16).map(|line| line.chars().take(64).collect()).collect();
    let Some((last, patterns)) = lines.split_last() else { return };
    let Ok(ignore) = Ignore::new(patterns) else { return };
    assert!(!ignore.excluded(b"/", true), "/ is never left out");
    let path = path::clean(last.as_bytes());
    for is_dir in [false, true] {
        let excluded = ignore.excluded(&path, is_dir);
        if excluded && is_dir {
            assert!(ignore.excluded(&path::join(&path, b"below"), false), "{last:?} by {patterns:?}");
        }
    }
}

/// Words for places: they print as what they mean.
pub fn location(data: &[u8]) {
    let mut rest = data;
    let word = line(&mut rest);
    assert_eq!(path::is_clean(word), path::clean(word) == word);
    for found in [Location::parse(word, b"/dir"), Location::of_store(word, b"/dir")] {
        if matches!(found.protocol.as_str(), "fs" | "ptar") {
            assert_eq!(path::clean(&found.rest), found.rest);
        }
        if std::str::from_utf8(&found.rest).is_ok() {
            assert_eq!(Location::parse(found.to_string().as_bytes(), b"/elsewhere"), found);
        }
    }
    if let Ok(bucket) = S3Location::parse(rest) {
        assert!(!bucket.host.is_empty() && !bucket.bucket.is_empty());
        let directory = bucket.directory();
        assert!(!directory.starts_with(b"/") && !directory.ends_with(b"/"));
        assert_eq!(path::clean(&directory)[1..], directory);
    }
    let argument = Argument::parse(word);
    for root in [b"/".as_slice(), b"/root", rest] {
        let resolved = argument.resolve(root);
        assert_eq!(path::clean(&resolved), resolved);
    }
}
