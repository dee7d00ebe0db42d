//! Options as Go's `flag` package reads them, from one static table per command.
//!
//! `-x`, `--x`, `-x=v`, `-x v`; a switch takes a value only after `=`; reading stops at the first
//! word that is no option, or behind `--`.

use crate::base::nearest::nearest;
use crate::cli::dates;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What follows an option's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// Text in UTF-8; the word names it in the usage.
    Text(&'static str),
    /// A path: any bytes.
    Path(&'static str),
    /// Text that may come only once, and the complaint when it comes again.
    Once(&'static str, &'static str),
    /// A whole number.
    Number,
    /// A date or an age, see [`dates`].
    Date,
}

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// Without the dash.
    pub name: &'static str,
    /// What follows.
    pub takes: Takes,
    /// One line for the usage.
    pub help: &'static str,
}

impl Opt {
    /// A table row.
    pub const fn new(name: &'static str, takes: Takes, help: &'static str) -> Opt {
        Opt { name, takes, help }
    }
}

/// Why the words were not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `-h`: the usage was asked for.
    Help,
    /// The complaint.
    Bad(String),
}

/// Options found, and the words behind them.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    given: Vec<(&'static str, OsString)>,
    /// Positional words.
    pub rest: Vec<OsString>,
}

impl Parsed {
    /// Whether the switch is on; the last one given decides.
    pub fn switch(&self, name: &str) -> bool {
        self.path(name).is_some_and(|value| value == "true")
    }

    /// The last value of a text option.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.path(name).and_then(OsStr::to_str)
    }

    /// The last value of any option, as bytes.
    pub fn path(&self, name: &str) -> Option<&OsStr> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// Every value of a text option, in order.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(given, _)| *given == name).filter_map(|(_, value)| value.to_str())
    }

    /// Every value of a path option, in order.
    pub fn paths<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// The last value of a number option.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(number)
    }

    /// Whether the option was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }
}

/// Reads the options of `table` at the front of `words`.
///
/// # Errors
/// [`Refused`]; nothing was done then.
pub fn parse(table: &[&'static [Opt]], words: &[OsString]) -> Result<Parsed, Refused> {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    loop {
        let rest = words.as_slice();
        let Some(word) = words.next() else { return Ok(parsed) };
        let Some((name, value)) = split(word)? else {
            let skipped = usize::from(word == "--");
            parsed.rest = rest.get(skipped..).unwrap_or_default().to_vec();
            return Ok(parsed);
        };
        let Some(opt) = table.iter().copied().flatten().find(|opt| opt.name.as_bytes() == name) else {
            return Err(match name {
                b"h" | b"help" => Refused::Help,
                _ => Refused::Bad(undefined(table, &String::from_utf8_lossy(name))),
            });
        };
        let value = match (opt.takes, value) {
            (_, Some(value)) => value,
            (Takes::Switch, None) => OsString::from("true"),
            (_, None) => match words.next() {
                Some(value) => value.clone(),
                None => return Err(Refused::Bad(format!("flag needs an argument: -{}", opt.name))),
            },
        };
        let value = judge(opt, value, parsed.has(opt.name)).map_err(Refused::Bad)?;
        parsed.given.push((opt.name, value));
    }
}

fn undefined(table: &[&'static [Opt]], name: &str) -> String {
    let complaint = format!("flag provided but not defined: -{name}");
    match nearest(name, table.iter().copied().flatten().map(|opt| opt.name)) {
        Some(near) => format!("{complaint}\nDid you mean -{near}?"),
        None => complaint,
    }
}

type Split<'a> = Option<(&'a [u8], Option<OsString>)>;

/// Name and `=value` of an option word; `None` for a word that is no option.
fn split(word: &OsStr) -> Result<Split<'_>, Refused> {
    let bytes = word.as_bytes();
    let Some(one) = bytes.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else { return Ok(None) };
    let name = one.strip_prefix(b"-").unwrap_or(one);
    match name.first() {
        None => Ok(None),
        Some(b'-' | b'=') => Err(Refused::Bad(format!("bad flag syntax: {}", word.display()))),
        Some(_) => Ok(Some(match name.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let (name, value) = name.split_at(at);
                (name, Some(OsString::from_vec(value.get(1..).unwrap_or_default().to_vec())))
            }
            None => (name, None),
        })),
    }
}

fn judge(opt: &Opt, value: OsString, again: bool) -> Result<OsString, String> {
    let shown = || value.to_string_lossy().into_owned();
    let invalid = |why: &str| Err(format!("invalid value {:?} for flag -{}: {why}", shown(), opt.name));
    let text = value.to_str();
    match opt.takes {
        Takes::Path(_) => Ok(value),
        Takes::Switch => match text.and_then(truth) {
            Some(truth) => Ok(OsString::from(truth.to_string())),
            None => Err(format!("invalid boolean value {:?} for -{}: parse error", shown(), opt.name)),
        },
        Takes::Once(_, complaint) if again => invalid(complaint),
        Takes::Text(_) | Takes::Once(..) if text.is_none() => invalid("not UTF-8"),
        Takes::Text(_) | Takes::Once(..) => Ok(value),
        Takes::Number if text.and_then(number).is_none() => invalid("parse error"),
        Takes::Number => Ok(value),
        Takes::Date => match text.and_then(|text| dates::parse(text, 0)) {
            Some(_) => Ok(value),
            None => invalid(&format!("invalid time format: {:?}", shown())),
        },
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A truth value in any of the eleven spellings that options and settings share.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The options of `table` by name.
pub fn sorted(table: &[&'static [Opt]]) -> Vec<&'static Opt> {
    let mut rows: Vec<&Opt> = table.iter().copied().flatten().collect();
    rows.sort_by_key(|opt| opt.name);
    rows
}

/// The word that stands for a value in usages; `None` for a switch.
pub fn value_word(takes: Takes) -> Option<&'static str> {
    match takes {
        Takes::Switch => None,
        Takes::Text(word) | Takes::Path(word) | Takes::Once(word, _) => Some(word),
        Takes::Number => Some("int"),
        Takes::Date => Some("value"),
    }
}

/// The options of `table` in the shape of Go's `PrintDefaults`, sorted by name.
pub fn describe(table: &[&'static [Opt]]) -> String {
    let mut text = String::new();
    for opt in sorted(table) {
        let value = value_word(opt.takes).map_or(String::new(), |word| format!(" {word}"));
        let gap = if opt.name.len() + value.len() == 1 { "\t" } else { "\n    \t" };
        text += &format!("  -{}{value}{gap}{}\n", opt.name, opt.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt] = &[
        Opt::new("to", Takes::Path("string"), "where to"),
        Opt::new("quiet", Takes::Switch, "say less"),
        Opt::new("concurrency", Takes::Number, "tasks"),
        Opt::new("since", Takes::Date, "not before"),
        Opt::new("tag", Takes::Once("string", "only once"), "tags"),
        Opt::new("o", Takes::Text("value"), "option"),
    ];

    fn read(words: &[&str]) -> Result<Parsed, Refused> {
        parse(&[TABLE], &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn every_spelling_of_an_option_is_understood() {
        for words in [&["-to", "x", "y"], &["--to", "x", "y"]] {
            let parsed = read(words).unwrap();
            assert_eq!((parsed.text("to"), parsed.rest.as_slice()), (Some("x"), &["y".into()][..]));
        }
        assert_eq!(read(&["-to=a=b"]).unwrap().text("to"), Some("a=b"));
        assert_eq!(read(&["-to="]).unwrap().text("to"), Some(""));
        assert!(read(&["-quiet"]).unwrap().switch("quiet"));
        assert!(!read(&["-quiet", "-quiet=f"]).unwrap().switch("quiet"));
        assert_eq!(read(&["-quiet", "false"]).unwrap().rest, ["false"]);
        assert_eq!(read(&["-o", "a=1", "-o=b"]).unwrap().texts("o").collect::<Vec<_>>(), ["a=1", "b"]);
        assert_eq!(read(&["-concurrency", "-3"]).unwrap().number("concurrency"), Some(-3));
    }

    #[test]
    fn options_end_at_the_first_other_word() {
        assert_eq!(read(&["ID", "-to", "x"]).unwrap().rest, ["ID", "-to", "x"]);
        assert_eq!(read(&["-quiet", "--", "-to"]).unwrap().rest, ["-to"]);
        assert_eq!(read(&["-", "x"]).unwrap().rest, ["-", "x"]);
    }

    #[test]
    fn refusals_are_worded_as_scripts_know_them() {
        let cases: [(&[&str], &str); 10] = [
            (&["-bogus"], "flag provided but not defined: -bogus"),
            (&["-quite"], "flag provided but not defined: -quite\nDid you mean -quiet?"),
            (&["-to"], "flag needs an argument: -to"),
            (&["-concurrency", "x"], "invalid value \"x\" for flag -concurrency: parse error"),
            (&["-quiet=maybe"], "invalid boolean value \"maybe\" for -quiet: parse error"),
            (&["---x"], "bad flag syntax: ---x"),
            (&["-=x"], "bad flag syntax: -=x"),
            (&["-tag", "a", "-tag", "b"], "invalid value \"b\" for flag -tag: only once"),
            (&["-since", "soon"], "invalid value \"soon\" for flag -since: invalid time format: \"soon\""),
            (&["-quiet="], "invalid boolean value \"\" for -quiet: parse error"),
        ];
        for (words, complaint) in cases {
            assert_eq!(read(words).unwrap_err(), Refused::Bad(complaint.to_owned()), "{words:?}");
        }
        for words in [["-h"], ["-help"], ["--help"]] {
            assert_eq!(read(&words).unwrap_err(), Refused::Help);
        }
    }

    #[test]
    fn the_usage_lists_options_by_name() {
        let text = describe(&[TABLE]);
        assert!(text.starts_with(
            "  -concurrency int\n    \ttasks\n  -o value\n    \toption\n  -quiet\n    \tsay less\n"
        ));
    }
}
