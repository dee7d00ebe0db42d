//! `policy`: named sets of filters and periods for `prune`.

use crate::base::nearest::nearest;
use crate::base::stamp::Stamp;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::{At, Command};
use crate::cli::exit::{DONE, Failure};
use crate::cli::policies::{Policies, Policy};
use crate::cli::record::Record;
use crate::cli::session::Session;

const SHOW: &[Opt] = &[
    Opt::new("ini", Takes::Switch, "refused: policies have no INI form"),
    Opt::new("json", Takes::Switch, "output in JSON format"),
    Opt::new("yaml", Takes::Switch, "output in YAML format (default)"),
];

/// Its rows.
pub static COMMANDS: &[Command] = &[
    row("add", "NAME [OPTION=VALUE]...", "Adds a named policy.", &[], add),
    row("rm", "NAME", "Removes a policy.", &[], rm),
    row("set", "NAME OPTION=VALUE...", "Changes options of a policy.", &[], set),
    row("show", "[NAME]...", "Prints policies.", &[SHOW], show),
    row("unset", "NAME OPTION...", "Removes options from a policy.", &[], unset),
    row(
        "",
        "[add|rm|set|show|unset]",
        "Manages the retention policies of prune; their options are those of prune.",
        &[],
        none,
    ),
];

const fn row(
    action: &'static str,
    synopsis: &'static str,
    about: &'static str,
    options: &'static [&'static [Opt]],
    run: crate::cli::commands::Run,
) -> Command {
    Command { word: "policy", action, synopsis, about, options, at: At::Nothing, run }
}

/// Reads all policies.
///
/// # Errors
/// A file that cannot be read or understood.
pub fn load(session: &Session) -> Result<Policies, Failure> {
    let out = &session.out;
    Policies::load(session.settings.dir(), &mut |line| out.error_line(format!("warn: {line}")))
        .map_err(|error| Failure::new(format!("could not load policies: {error}")))
}

/// The words as text, the first one without its `@`.
fn words(parsed: &Parsed) -> Result<(String, Vec<String>), Failure> {
    let text = |word: &std::ffi::OsString| {
        let text = word.to_str().map(str::to_owned);
        text.ok_or_else(|| Failure::new(format!("{}: not UTF-8", word.display())))
    };
    let mut all: Vec<String> = parsed.rest.iter().map(text).collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Ok((String::new(), all));
    }
    let name = all.remove(0);
    Ok((name.strip_prefix('@').unwrap_or(&name).to_owned(), all))
}

fn none(_: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    Err(Failure::new(match parsed.rest.is_empty() {
        true => "no action specified".to_owned(),
        false => format!("usage: plakar policy {}", command.synopsis),
    }))
}

/// Sets every `OPTION=VALUE`; `usage` is the complaint about one that is not of that form.
fn apply(session: &Session, policy: &mut Policy, pairs: &[String], usage: &str) -> Result<(), Failure> {
    let now = Stamp::from_nanos(session.clock.now_ns());
    for word in pairs {
        let (key, value) = word
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Failure::new(usage.to_owned()))?;
        policy
            .set(key, value, now)
            .map_err(|why| Failure::new(format!("failed to set key {key:?}: {why}")))?;
    }
    Ok(())
}

fn save(policies: &Policies) -> Result<u8, Failure> {
    policies.save().map_err(Failure::new)?;
    Ok(DONE)
}

fn unknown(policies: &Policies, what: String, name: &str) -> Failure {
    let failure = Failure::new(what);
    match nearest(name, policies.named.keys().map(String::as_str)) {
        Some(near) => failure.and(format!("Did you mean {near}?")),
        None => failure,
    }
}

fn add(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    const USAGE: &str = "Usage: plakar policy add <name> [<key>=<value>...]";
    let (name, pairs) = words(&parsed)?;
    if name.is_empty() {
        return Err(Failure::new(USAGE));
    }
    let mut policies = load(session)?;
    if policies.named.contains_key(&name) {
        return Err(Failure::new(format!("policy {name:?} already exists")));
    }
    let mut policy = Policy::default();
    apply(session, &mut policy, &pairs, USAGE)?;
    policies.named.insert(name, policy);
    save(&policies)
}

fn set(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let (name, pairs) = words(&parsed)?;
    if pairs.is_empty() {
        return Err(Failure::new("Usage: plakar policy set <name> <key>=<value>..."));
    }
    let mut policies = load(session)?;
    let missing = unknown(&policies, format!("policy {name:?} does not exists"), &name);
    let Some(policy) = policies.named.get_mut(&name) else { return Err(missing) };
    apply(session, policy, &pairs, "usage: plakar policy set <name> [<key>=<value>, ...]")?;
    save(&policies)
}

fn unset(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let (name, keys) = words(&parsed)?;
    if keys.is_empty() {
        return Err(Failure::new("Usage: plakar policy unset <name> <key>..."));
    }
    let mut policies = load(session)?;
    let missing = unknown(&policies, format!("policy {name:?} does not exists"), &name);
    let Some(policy) = policies.named.get_mut(&name) else { return Err(missing) };
    for key in keys {
        policy
            .set(&key, "", Stamp::default())
            .map_err(|why| Failure::new(format!("failed to unset key {key:?}: {why}")))?;
    }
    save(&policies)
}

fn rm(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let (name, others) = words(&parsed)?;
    if name.is_empty() || !others.is_empty() {
        return Err(Failure::new("Usage: plakar policy rm <name>"));
    }
    let mut policies = load(session)?;
    if policies.named.remove(&name).is_none() {
        return Err(unknown(&policies, format!("policy {name:?} does not exist"), &name));
    }
    save(&policies)
}

fn show(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    if parsed.switch("ini") && !parsed.switch("json") {
        return Err(Failure::new("unknown format \"ini\""));
    }
    let policies = load(session)?;
    let named = |word: &std::ffi::OsString| {
        let word = word.to_string_lossy();
        word.strip_prefix('@').unwrap_or(&word).to_owned()
    };
    let names: Vec<String> = match parsed.rest.as_slice() {
        [] => policies.named.keys().cloned().collect(),
        words => words.iter().map(named).collect(),
    };
    for name in &names {
        let Some(policy) = policies.named.get(name) else {
            return Err(unknown(&policies, format!("entry {name:?} not found"), name));
        };
        let mut text = String::new();
        if session.out.speaks_json() {
            policy.write_yaml(&mut text, 0, name);
            session.out.record(Record::new("policy").text("name", name).text("text", &text));
            continue;
        }
        if parsed.switch("json") {
            text = policy.json(name);
        } else {
            policy.write_yaml(&mut text, 0, name);
        }
        if session.out.raw(text.as_bytes()).is_err() {
            break;
        }
    }
    Ok(DONE)
}
