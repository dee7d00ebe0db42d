//! The little of YAML that settings need: reading text into maps, and writing maps of strings in
//! the shape Plakar's own files have.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// Nesting that real settings never reach.
const DEPTH_MAX: usize = 16;

/// A value as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Any scalar, as its source text; an unquoted `null`, `~` or nothing is empty.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping with scalar keys, in order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A name for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Text(_) => "a value",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        }
    }
}

/// The first document of `text`; an empty mapping when there is none.
///
/// # Errors
/// Where the text is no YAML, or uses what settings have no need for (aliases, deep nesting,
/// duplicate keys).
pub fn read(text: &str) -> Result<Node, String> {
    let mut events = Parser::new_from_str(text);
    loop {
        match next(&mut events)? {
            None | Some(Event::StreamEnd) => return Ok(Node::Map(Vec::new())),
            Some(Event::StreamStart | Event::DocumentStart(_) | Event::Nothing) => {}
            Some(event) => return node(event, &mut events, 0),
        }
    }
}

type Events<'a> = Parser<'a, saphyr_parser::StrInput<'a>>;

fn following<'a>(events: &mut Events<'a>) -> Result<Event<'a>, String> {
    next(events)?.ok_or_else(|| "ends in the middle".to_owned())
}

fn next<'a>(events: &mut Events<'a>) -> Result<Option<Event<'a>>, String> {
    match events.next_event() {
        None => Ok(None),
        Some(Ok((event, _))) => Ok(Some(event)),
        Some(Err(error)) => Err(format!("line {}: {}", error.marker().line(), error.info())),
    }
}

fn node<'a>(event: Event<'a>, events: &mut Events<'a>, depth: usize) -> Result<Node, String> {
    if depth > DEPTH_MAX {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "null" | "Null" | "NULL" | "~") => {
            Ok(Node::Text(String::new()))
        }
        Event::Scalar(text, ..) => Ok(Node::Text(text.into_owned())),
        Event::Alias(_) => Err("aliases are not supported here".to_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match following(events)? {
                    Event::SequenceEnd => return Ok(Node::List(list)),
                    event => list.push(node(event, events, depth + 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut pairs: Vec<(String, Node)> = Vec::new();
            loop {
                let key = match following(events)? {
                    Event::MappingEnd => return Ok(Node::Map(pairs)),
                    Event::Scalar(text, ..) => text.into_owned(),
                    _ => return Err("a key that is not a word".to_owned()),
                };
                if pairs.iter().any(|(name, _)| *name == key) {
                    return Err(format!("key {key:?} appears twice"));
                }
                let event = following(events)?;
                pairs.push((key, node(event, events, depth + 1)?));
            }
        }
        Event::Nothing
        | Event::StreamStart
        | Event::StreamEnd
        | Event::DocumentStart(_)
        | Event::DocumentEnd
        | Event::SequenceEnd
        | Event::MappingEnd => Err("a value is missing".to_owned()),
    }
}

/// `name:` and its options below it, indented by `indent` and four more; `{}` when there are none.
pub fn write_options(out: &mut String, indent: usize, name: &str, options: &BTreeMap<String, String>) {
    let pad = " ".repeat(indent);
    if options.is_empty() {
        *out += &format!("{pad}{}: {{}}\n", scalar(name));
        return;
    }
    *out += &format!("{pad}{}:\n", scalar(name));
    for (key, value) in options {
        *out += &format!("{pad}    {}: {}\n", scalar(key), scalar(value));
    }
}

/// A string, quoted where it would read as something else: doubly where it would be another type
/// or holds what single quotes cannot, singly where it would be other syntax.
pub fn scalar(text: &str) -> String {
    let unprintable =
        text.chars().any(|c| c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}'));
    if unprintable || is_other_type(text) {
        double_quoted(text)
    } else if is_syntax(text) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            '\r' => out += "\\r",
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                out += &format!("\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether the text, unquoted, would mean a truth value, a number, a date or nothing in any
/// YAML version.
fn is_other_type(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "", "~", "null", "true", "false", "y", "n", "yes", "no", "on", "off", "<<", ".inf", "-.inf", "+.inf",
        ".nan",
    ];
    WORDS.contains(&text.to_ascii_lowercase().as_str())
        || is_number(text)
        || is_base_60(text)
        || is_date(text)
}

fn is_number(text: &str) -> bool {
    let text = text.replace('_', "");
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(rest) = digits.strip_prefix(prefix) {
            return !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix));
        }
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (digits, None),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_is_one = match (whole, part) {
        ("", part) => all_digits(part),
        (whole, "") => all_digits(whole),
        (whole, part) => all_digits(whole) && all_digits(part),
    };
    mantissa_is_one && exponent.is_none_or(all_digits)
}

fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    let digits =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.');
    let rest: Vec<&str> = parts.collect();
    digits(first) && !first.contains('.') && !rest.is_empty() && rest.iter().all(|part| digits(part))
}

fn is_date(text: &str) -> bool {
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let day = text.get(..end).unwrap_or_default();
    let parts: Vec<&str> = day.split('-').collect();
    matches!(parts.as_slice(), [year, month, day] if year.len() == 4
        && [year, month, day].iter().all(|p| !p.is_empty() && p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit())))
}

fn is_syntax(text: &str) -> bool {
    let first = text.chars().next();
    let followed_by_space =
        |at: usize| text.get(at + 1..).is_none_or(|rest| rest.is_empty() || rest.starts_with(' '));
    text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with(' ')
        || first.is_some_and(|c| "#,[]{}&*!|>'\"%@`".contains(c))
        || (first.is_some_and(|c| "?:-".contains(c)) && followed_by_space(0))
        || text.match_indices(':').any(|(at, _)| followed_by_space(at))
        || text.contains(" #")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        let cases = [
            ("minioadmin", "minioadmin"),
            ("s3://localhost:9000/plakar-kloset", "s3://localhost:9000/plakar-kloset"),
            ("p@ss: word", "'p@ss: word'"),
            ("********", "'********'"),
            ("it's", "it's"),
            ("'quoted'", "'''quoted'''"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            ("a:", "'a:'"),
            ("-", "'-'"),
            ("-x", "-x"),
            (" x", "' x'"),
            ("@x", "'@x'"),
            ("", "\"\""),
            ("false", "\"false\""),
            ("Yes", "\"Yes\""),
            ("n", "\"n\""),
            ("12", "\"12\""),
            ("0777", "\"0777\""),
            ("0x1f", "\"0x1f\""),
            ("1e5", "\"1e5\""),
            ("1.5", "\"1.5\""),
            ("1.2.3", "1.2.3"),
            ("v1.0.0", "v1.0.0"),
            ("12:30", "\"12:30\""),
            ("10.0.0.1:9000", "10.0.0.1:9000"),
            ("2024-01-02", "\"2024-01-02\""),
            ("2024-backup", "2024-backup"),
            ("null", "\"null\""),
            ("a\nb", "\"a\\nb\""),
            ("tab\there", "\"tab\\there\""),
            ("naïve-日本", "naïve-日本"),
        ];
        for (text, written) in cases {
            assert_eq!(scalar(text), written, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let awkward = [
            "",
            " ",
            "a\nb",
            "\"",
            "'",
            "\\",
            "#",
            "a: b",
            "{}",
            "[x]",
            "\u{1b}[0m",
            "~",
            "1_000",
            "0b1",
            "-",
            "---",
            "... x",
            "? x",
            "x ",
            "\t",
            "\u{2028}",
            "日本",
            "!tag",
            "&a",
            "*a",
            "%d",
            "`x`",
            "1:2:3",
            "=",
        ];
        let options: BTreeMap<String, String> =
            awkward.iter().enumerate().map(|(n, text)| (format!("k{n}"), (*text).to_owned())).collect();
        for name in awkward {
            let mut text = String::new();
            write_options(&mut text, 0, name, &options);
            let node = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let found = node.get(name).unwrap_or_else(|| panic!("{name:?} in\n{text}"));
            for (key, value) in &options {
                assert_eq!(found.get(key), Some(&Node::Text(value.clone())), "{key}\n{text}");
            }
        }
    }

    #[test]
    fn unquoted_scalars_keep_their_text() {
        let node = read("a: false\nb: 12\nc: 2024-01-02\nd: null\ne:\nf: 'null'\n").unwrap();
        for (key, text) in
            [("a", "false"), ("b", "12"), ("c", "2024-01-02"), ("d", ""), ("e", ""), ("f", "null")]
        {
            assert_eq!(node.get(key), Some(&Node::Text(text.into())), "{key}");
        }
        assert_eq!(read("").unwrap(), Node::Map(Vec::new()));
        assert_eq!(read("# nothing\n").unwrap(), Node::Map(Vec::new()));
    }

    #[test]
    fn hostile_text_is_refused_without_harm() {
        let deep = "[".repeat(10_000);
        let wide = format!("a: {}", "{a: ".repeat(200));
        for text in ["a: [1", "a: b: c", "a: *x", "a: 1\na: 2", "&a [*a]", &deep, &wide, "a: \"\\x\"", "}"] {
            assert!(read(text).is_err(), "{text:.40}");
        }
    }
}
