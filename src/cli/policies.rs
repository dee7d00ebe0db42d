//! Named retention policies, and the file that keeps them: `policies.yml`, in the shape that Plakar
//! gives it.
//!
//! Ages are kept as the moments they meant when they were set, because Plakar reads nothing else
//! there. A policy with a word in it that this program does not know is refused, not half obeyed:
//! it decides what is deleted.

use crate::base::stamp::Stamp;
use crate::cli::gotime;
use crate::cli::json;
use crate::cli::settings;
use crate::cli::yaml::{self, Node};
use crate::engine::dates;
use crate::engine::retention::{Period, Retention};
use crate::engine::select::Filters;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use time::Weekday;

const FILE: &str = "policies.yml";
const VERSION: &str = "v1.0.0";

/// What Go writes for a date that was never set.
const NO_DATE: &str = "0001-01-01T00:00:00Z";

/// Periods in the order of the file.
const PERIODS: [Period; 13] = [
    Period::Minute,
    Period::Hour,
    Period::Day,
    Period::Week,
    Period::Month,
    Period::Year,
    Period::On(Weekday::Monday),
    Period::On(Weekday::Tuesday),
    Period::On(Weekday::Wednesday),
    Period::On(Weekday::Thursday),
    Period::On(Weekday::Friday),
    Period::On(Weekday::Saturday),
    Period::On(Weekday::Sunday),
];

/// One policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which snapshots it is about.
    pub filters: Filters,
    /// How many of them it keeps.
    pub periods: Retention,
}

/// All of them, by name.
#[derive(Debug)]
pub struct Policies {
    path: PathBuf,
    /// Name to policy.
    pub named: BTreeMap<String, Policy>,
}

impl Policies {
    /// Reads what is in the settings directory; a missing file holds none.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn load(dir: &Path, warn: &mut dyn FnMut(String)) -> Result<Policies, String> {
        let path = dir.join(FILE);
        let shown = |error: String| format!("{}: {error}", path.display());
        let named = match settings::read_private(&path, warn).map_err(|error| shown(error.to_string()))? {
            None => BTreeMap::new(),
            Some(text) => parse(&text).map_err(shown)?,
        };
        Ok(Policies { path, named })
    }

    /// Writes the file: whole, durable, readable by its owner only.
    ///
    /// # Errors
    /// A sentence naming the file; the older file is then still there.
    pub fn save(&self) -> Result<(), String> {
        let written = match self.path.parent() {
            Some(dir) => fs::create_dir_all(dir),
            None => Ok(()),
        };
        written
            .and_then(|()| settings::replace(&self.path, emit(&self.named).as_bytes()))
            .map_err(|error| format!("could not save {}: {error}", self.path.display()))
    }
}

impl Policy {
    /// Sets what the option of that name sets. Nothing, `0` and `false` leave it open again.
    ///
    /// # Errors
    /// Why not: a key that is no option, a value that it does not take.
    pub fn set(&mut self, key: &str, value: &str, now: Stamp) -> Result<(), String> {
        let invalid = |why: String| format!("invalid value: {why}");
        let filters = &mut self.filters;
        match key {
            "before" => filters.before = date(value, now).map_err(invalid)?,
            "since" => filters.since = date(value, now).map_err(invalid)?,
            "name" => value.clone_into(&mut filters.name),
            "category" => value.clone_into(&mut filters.category),
            "environment" => value.clone_into(&mut filters.environment),
            "perimeter" => value.clone_into(&mut filters.perimeter),
            "job" => value.clone_into(&mut filters.job),
            "tags" | "tag" => {
                (filters.tags, filters.without_tags) = (Vec::new(), Vec::new());
                filters.add_tags(value);
            }
            "roots" | "root" => {
                filters.roots.clear();
                filters.add_roots(value.as_bytes());
            }
            "ids" => filters.prefixes = prefixes(value).map_err(invalid)?,
            "latest" => {
                filters.latest = match value {
                    "" => false,
                    _ => crate::cli::args::truth(value)
                        .ok_or_else(|| invalid(format!("{value:?} is neither true nor false")))?,
                }
            }
            key => {
                let number = || match value {
                    "" => Ok(0),
                    _ if value.starts_with('-') => Err("negative value".to_owned()),
                    _ => value.parse().map_err(|_| invalid(format!("{value:?} is not a whole number"))),
                };
                let (period, caps) = rule(key).ok_or_else(|| "invalid key".to_owned())?;
                let number = number()?;
                let mut rule = self.periods.of(period);
                *(if caps { &mut rule.cap } else { &mut rule.keep }) = number;
                self.periods.set(period, rule);
            }
        }
        Ok(())
    }

    /// The policy below `name:`, as the file and `show` have it.
    pub fn write_yaml(&self, out: &mut String, indent: usize, name: &str) {
        let pad = " ".repeat(indent);
        let (filters, periods) = (self.filters_set(), self.periods_set());
        if filters.is_empty() && periods.is_empty() {
            *out += &format!("{pad}{}: {{}}\n", yaml::scalar(name));
            return;
        }
        *out += &format!("{pad}{}:\n", yaml::scalar(name));
        if !filters.is_empty() {
            *out += &format!("{pad}    filters:\n");
        }
        for (key, value) in filters {
            match value {
                Value::Bare(text) => *out += &format!("{pad}        {key}: {text}\n"),
                Value::Text(text) => *out += &format!("{pad}        {key}: {}\n", yaml::scalar(&text)),
                Value::List(items) => {
                    *out += &format!("{pad}        {key}:\n");
                    for item in items {
                        *out += &format!("{pad}            - {}\n", yaml::scalar(&item));
                    }
                }
            }
        }
        if !periods.is_empty() {
            *out += &format!("{pad}    periods:\n");
        }
        for (period, numbers) in periods {
            *out += &format!("{pad}        {}:\n", period.name());
            for (key, number) in numbers {
                *out += &format!("{pad}            {key}: {number}\n");
            }
        }
    }

    /// The policy as one line of JSON, periods that ask for nothing among them.
    pub fn json(&self, name: &str) -> String {
        let mut filters: Vec<String> = Vec::new();
        for (key, date) in [("before", self.filters.before), ("since", self.filters.since)] {
            filters.push(format!("{}:{}", json::string(key), json::string(&moment(date))));
        }
        for (key, value) in self.filters_set() {
            let value = match value {
                _ if key == "before" || key == "since" => continue,
                Value::Bare(text) => text,
                Value::Text(text) => json::string(&text),
                Value::List(items) => {
                    let items: Vec<String> = items.iter().map(|item| json::string(item)).collect();
                    format!("[{}]", items.join(","))
                }
            };
            filters.push(format!("{}:{value}", json::string(key)));
        }
        let period = |period: &Period| {
            let numbers: Vec<String> = self
                .numbers(*period)
                .map(|(key, number)| format!("{}:{number}", json::string(key)))
                .collect();
            format!("{}:{{{}}}", json::string(period.name()), numbers.join(","))
        };
        let periods: Vec<String> = PERIODS.iter().map(period).collect();
        format!(
            "{{{}:{{\"filters\":{{{}}},\"periods\":{{{}}}}}}}\n",
            json::string(name),
            filters.join(","),
            periods.join(",")
        )
    }

    fn filters_set(&self) -> Vec<(&'static str, Value)> {
        let filters = &self.filters;
        let date = |date: Option<Stamp>| date.map(|_| Value::Bare(moment(date)));
        let text = |text: &String| (!text.is_empty()).then(|| Value::Text(text.clone()));
        let list = |items: Vec<String>| (!items.is_empty()).then_some(Value::List(items));
        let excluded = filters.without_tags.iter().map(|tag| format!("!{tag}"));
        let roots = filters.roots.iter().map(|root| String::from_utf8_lossy(root).into_owned());
        [
            ("before", date(filters.before)),
            ("since", date(filters.since)),
            ("name", text(&filters.name)),
            ("category", text(&filters.category)),
            ("environment", text(&filters.environment)),
            ("perimeter", text(&filters.perimeter)),
            ("job", text(&filters.job)),
            ("tags", list(filters.tags.iter().cloned().chain(excluded).collect())),
            ("latest", filters.latest.then(|| Value::Bare("true".to_owned()))),
            ("ids", list(filters.prefixes.clone())),
            ("roots", list(roots.collect())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }

    fn periods_set(&self) -> Vec<(Period, Vec<(&'static str, u32)>)> {
        let numbers = |period: Period| (period, self.numbers(period).collect::<Vec<_>>());
        PERIODS.into_iter().map(numbers).filter(|(_, numbers)| !numbers.is_empty()).collect()
    }

    fn numbers(&self, period: Period) -> impl Iterator<Item = (&'static str, u32)> {
        let rule = self.periods.of(period);
        [("keep", rule.keep), ("cap", rule.cap)].into_iter().filter(|(_, number)| *number > 0)
    }
}

enum Value {
    /// No type but its own: dates, truth.
    Bare(String),
    Text(String),
    List(Vec<String>),
}

/// `days`, `per-day`: the period, and whether it caps.
fn rule(key: &str) -> Option<(Period, bool)> {
    let named = |name: &str| PERIODS.into_iter().find(|period| period.name() == name);
    match key.strip_prefix("per-") {
        Some(name) => named(name).map(|period| (period, true)),
        None => named(key.strip_suffix('s')?).map(|period| (period, false)),
    }
}

fn date(text: &str, now: Stamp) -> Result<Option<Stamp>, String> {
    match text {
        "" | NO_DATE => Ok(None),
        text => dates::moment(text, now).map(Some),
    }
}

fn moment(date: Option<Stamp>) -> String {
    date.map_or_else(|| NO_DATE.to_owned(), gotime::rfc3339_nanos)
}

fn prefixes(list: &str) -> Result<Vec<String>, String> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(word.to_ascii_lowercase()),
            false => Err(format!("{word:?} begins no snapshot ID")),
        })
        .collect()
}

fn parse(text: &str) -> Result<BTreeMap<String, Policy>, String> {
    let node = yaml::read(text)?;
    let mut policies = BTreeMap::new();
    for (key, value) in pairs("the file", &node)? {
        match (key.as_str(), value) {
            ("version", Node::Text(version)) if version == VERSION => {}
            ("version", Node::Text(version)) => return Err(format!("unsupported version {version:?}")),
            ("policies", Node::Text(nothing)) if nothing.is_empty() => {}
            ("policies", named) => {
                for (name, node) in pairs("policies", named)? {
                    let policy = policy(node).map_err(|error| format!("policy {name:?}: {error}"))?;
                    policies.insert(name.clone(), policy);
                }
            }
            (key, value) => return Err(format!("unexpected {} under {key:?}", value.kind())),
        }
    }
    Ok(policies)
}

fn policy(node: &Node) -> Result<Policy, String> {
    let mut policy = Policy::default();
    for (part, values) in pairs("it", node)? {
        if !matches!(part.as_str(), "filters" | "periods") {
            return Err(format!("unknown key {part:?}"));
        }
        for (key, value) in pairs(part, values)? {
            match part.as_str() {
                "filters" => {
                    let known = matches!(value, Node::List(_)) == matches!(&**key, "tags" | "roots" | "ids");
                    let value = flat(key, value)?;
                    if !known && !value.is_empty() || rule(key).is_some() {
                        return Err(format!("unexpected value under {key:?}"));
                    }
                    policy.set(key, &value, Stamp::default()).map_err(|error| format!("{key:?}: {error}"))?;
                }
                _ => {
                    for (which, number) in pairs(key, value)? {
                        let option = match which.as_str() {
                            "keep" => format!("{key}s"),
                            "cap" => format!("per-{key}"),
                            other => return Err(format!("unknown key {other:?} under {key:?}")),
                        };
                        let number = flat(which, number)?;
                        policy
                            .set(&option, &number, Stamp::default())
                            .map_err(|error| format!("{key:?}: {error}"))?;
                    }
                }
            }
        }
    }
    Ok(policy)
}

/// A scalar, or the items of a list joined as options take them.
fn flat(key: &str, node: &Node) -> Result<String, String> {
    let text = |node: &Node| match node {
        Node::Text(text) => Ok(text.clone()),
        other => Err(format!("unexpected {} under {key:?}", other.kind())),
    };
    match node {
        Node::List(items) => Ok(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(",")),
        other => text(other),
    }
}

/// The pairs of a map; none of nothing.
fn pairs<'n>(what: &str, node: &'n Node) -> Result<&'n [(String, Node)], String> {
    match node {
        Node::Map(pairs) => Ok(pairs),
        Node::Text(nothing) if nothing.is_empty() => Ok(&[]),
        other => Err(format!("{what}: expected a map, found {}", other.kind())),
    }
}

fn emit(named: &BTreeMap<String, Policy>) -> String {
    let mut text = format!("version: {VERSION}\n");
    if named.is_empty() {
        text += "policies: {}\n";
        return text;
    }
    text += "policies:\n";
    for (name, policy) in named {
        policy.write_yaml(&mut text, 4, name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_of(options: &[(&str, &str)]) -> Policy {
        let now = dates::moment("2025-11-30", Stamp::default()).unwrap();
        let mut policy = Policy::default();
        for (key, value) in options {
            policy.set(key, value, now).unwrap();
        }
        policy
    }

    #[test]
    fn the_emitted_shape_is_the_reference_one_and_is_read_back() {
        let full = policy_of(&[
            ("before", "2025-01-02"),
            ("since", "2024-01-01T10:11:12.5Z"),
            ("name", "n"),
            ("category", "c"),
            ("tags", "x,y,!z"),
            ("roots", "/etc,/var"),
            ("latest", "true"),
            ("ids", "AA,bb"),
            ("sundays", "1"),
            ("days", "7"),
            ("per-day", "1"),
            ("saturdays", "0"),
        ]);
        let named = BTreeMap::from([("a b".to_owned(), full), ("none".to_owned(), Policy::default())]);
        let text = emit(&named);
        assert_eq!(
            text,
            "version: v1.0.0\npolicies:\n    a b:\n        filters:\n            \
             before: 2025-01-02T00:00:00Z\n            since: 2024-01-01T10:11:12.5Z\n            \
             name: \"n\"\n            category: c\n            tags:\n                - x\n                \
             - \"y\"\n                - '!z'\n            latest: true\n            ids:\n                \
             - aa\n                - bb\n            roots:\n                - /etc\n                - /var\n        \
             periods:\n            day:\n                keep: 7\n                cap: 1\n            \
             sunday:\n                keep: 1\n    none: {}\n"
        );
        assert_eq!(parse(&text).unwrap(), named);
        assert_eq!(emit(&BTreeMap::new()), "version: v1.0.0\npolicies: {}\n");
    }

    #[test]
    fn json_names_every_period() {
        assert_eq!(
            policy_of(&[("per-week", "2"), ("tags", "a")]).json("w"),
            "{\"w\":{\"filters\":{\"before\":\"0001-01-01T00:00:00Z\",\"since\":\"0001-01-01T00:00:00Z\",\
             \"tags\":[\"a\"]},\"periods\":{\"minute\":{},\"hour\":{},\"day\":{},\"week\":{\"cap\":2},\
             \"month\":{},\"year\":{},\"monday\":{},\"tuesday\":{},\"wednesday\":{},\"thursday\":{},\
             \"friday\":{},\"saturday\":{},\"sunday\":{}}}}\n"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let now = Stamp::default();
        for (key, value, complaint) in [
            ("foo", "1", "invalid key"),
            ("per-", "1", "invalid key"),
            ("days", "x", "invalid value: \"x\" is not a whole number"),
            ("days", "-3", "negative value"),
            ("latest", "maybe", "invalid value: \"maybe\" is neither true nor false"),
            ("before", "zzz", "invalid value: invalid time format: \"zzz\""),
            ("ids", "xyz", "invalid value: \"xyz\" begins no snapshot ID"),
        ] {
            assert_eq!(Policy::default().set(key, value, now), Err(complaint.to_owned()), "{key}={value}");
        }
        for text in [
            "version: v2\npolicies: {}\n",
            "policies:\n  a:\n    filters:\n      unknown: x\n",
            "policies:\n  a:\n    periods:\n      fortnight:\n        keep: 1\n",
            "policies:\n  a:\n    periods:\n      day:\n        keep: -1\n",
            "policies:\n  a:\n    periods:\n      day:\n        max: 1\n",
            "policies:\n  a:\n    filters:\n      tags: x\n",
            "policies:\n  a:\n    filters:\n      days: 3\n",
            "policies:\n  a:\n    except: {}\n",
            "- a\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("").unwrap(), BTreeMap::new());
        assert_eq!(parse("version: v1.0.0\npolicies:\n  a:\n").unwrap().len(), 1);
    }
}
