//! `store`, `source` and `destination`: the same actions on three kinds of named entries.

use crate::base::nearest::nearest;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::cmd::import;
use crate::cli::commands::{At, Command};
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure};
use crate::cli::ini;
use crate::cli::json;
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::settings::{Options, Role};
use crate::cli::yaml;
use std::collections::BTreeMap;

const SHOW: &[Opt] = &[
    Opt::new("ini", Takes::Switch, "output in INI format"),
    Opt::new("json", Takes::Switch, "output in JSON format"),
    Opt::new("secrets", Takes::Switch, "show keys and passwords instead of masking them"),
    Opt::new("yaml", Takes::Switch, "output in YAML format (default)"),
];

const IMPORT: &[Opt] = &[
    Opt::new("config", Takes::Path("string"), "read from this file instead of standard input"),
    Opt::new("overwrite", Takes::Switch, "replace entries that exist"),
    Opt::new("rclone", Takes::Switch, "the input is an rclone configuration"),
];

/// Rows of [`commands`].
pub const COUNT: usize = 10;

/// The rows of one kind.
pub const fn commands(word: &'static str) -> [Command; COUNT] {
    const NONE: &[&[Opt]] = &[];
    const fn row(
        word: &'static str,
        action: &'static str,
        synopsis: &'static str,
        about: &'static str,
        options: &'static [&'static [Opt]],
        run: crate::cli::commands::Run,
    ) -> Command {
        Command { word, action, synopsis, about, options, at: At::Nothing, run }
    }
    [
        row(word, "add", "NAME LOCATION [KEY=VALUE]...", "Adds a named entry.", NONE, add),
        row(word, "check", "NAME", "Checks the options of an entry, without connecting.", NONE, check),
        row(
            word,
            "doctor",
            "NAME",
            "Tries an entry step by step, and tells what mends it.",
            &[super::doctor::OPTIONS],
            super::doctor::of_role,
        ),
        row(
            word,
            "import",
            "[SECTION[:NEWNAME]]...",
            "Adds entries from YAML, JSON or INI.",
            &[IMPORT],
            bring,
        ),
        row(word, "ping", "NAME", "Connects to an entry and says whether it answers.", NONE, ping),
        row(word, "rm", "NAME", "Removes an entry from the settings; what it names stays.", NONE, rm),
        row(word, "set", "NAME KEY=VALUE...", "Changes options of an entry.", NONE, set),
        row(word, "show", "[NAME]...", "Prints entries, keys and passwords masked.", &[SHOW], show),
        row(word, "unset", "NAME KEY...", "Removes options from an entry.", NONE, unset),
        row(
            word,
            "",
            "[add|check|import|ping|rm|set|show|unset]",
            "Manages named stores, sources and destinations.",
            NONE,
            none,
        ),
    ]
}

/// Which kind a row is about.
pub fn role(command: &Command) -> Role {
    match command.word {
        "source" => Role::Source,
        "destination" => Role::Destination,
        _ => Role::Store,
    }
}

/// The words as text, the first one without its `@`.
fn words(parsed: &Parsed) -> Result<(String, Vec<String>), Failure> {
    let text = |word: &std::ffi::OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| {
            Failure::new(format!("{}: settings are kept as text, and this is not UTF-8", word.display()))
        })
    };
    let mut all: Vec<String> = parsed.rest.iter().map(text).collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Ok((String::new(), all));
    }
    let name = all.remove(0);
    Ok((name.strip_prefix('@').unwrap_or(&name).to_owned(), all))
}

fn pair(word: &str) -> Option<(String, String)> {
    let (key, value) = word.split_once('=')?;
    (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

fn unknown(session: &Session, role: Role, name: &str, verb: &str) -> Failure {
    let failure = Failure::new(format!("{} {name:?} {verb}", role.word()));
    match nearest(name, session.settings.of(role).named.keys().map(String::as_str)) {
        Some(near) => failure.and(format!("Did you mean {near}?")),
        None => failure,
    }
}

fn save(session: &Session, role: Role) -> Result<u8, Failure> {
    session.settings.save(role).map_err(Failure::new)?;
    Ok(DONE)
}

fn none(_: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    Err(Failure::new(match parsed.rest.is_empty() {
        true => "no action specified".to_owned(),
        false => format!("usage: plakar {} {}", command.word, command.synopsis),
    }))
}

fn add(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = role(command);
    let usage =
        || Failure::new(format!("Usage: plakar {} add <name> <location> [<key>=<value>...]", role.word()));
    let (name, words) = words(&parsed)?;
    let Some((location, pairs)) = words.split_first() else { return Err(usage()) };
    if name.is_empty() || location.is_empty() {
        return Err(usage());
    }
    let location = location.strip_prefix("location=").unwrap_or(location);
    let mut options = Options::from([("location".to_owned(), location.to_owned())]);
    for word in pairs {
        let (key, value) = pair(word).ok_or_else(usage)?;
        options.insert(key, value);
    }
    if session.settings.of(role).named.contains_key(&name) {
        return Err(Failure::new(format!("{} {name:?} already exists", role.word())));
    }
    connect::judge(session, role, &options, &|_| true)?;
    session.settings.of_mut(role).named.insert(name, options);
    save(session, role)
}

fn set(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = role(command);
    let (name, words) = words(&parsed)?;
    if words.is_empty() {
        return Err(Failure::new(format!("Usage: plakar {} set <name> <key>=<value>...", role.word())));
    }
    let Some(before) = session.settings.of(role).named.get(&name) else {
        return Err(unknown(session, role, &name, "does not exists"));
    };
    let mut options = before.clone();
    for word in &words {
        let Some((key, value)) = pair(word) else {
            return Err(Failure::new(format!(
                "usage: plakar {} set <name> [<key>=<value>, ...]",
                role.word()
            )));
        };
        options.insert(key, value);
    }
    let typed = |key: &str| words.iter().any(|word| word.split('=').next() == Some(key));
    connect::judge(session, role, &options, &typed)?;
    session.settings.of_mut(role).named.insert(name, options);
    save(session, role)
}

fn unset(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = role(command);
    let (name, keys) = words(&parsed)?;
    if keys.is_empty() {
        return Err(Failure::new(format!("Usage: plakar {} unset <name> <key>...", role.word())));
    }
    if keys.iter().any(|key| key == "location") {
        return Err(Failure::new("cannot unset location"));
    }
    let missing = unknown(session, role, &name, "does not exists");
    let Some(options) = session.settings.of_mut(role).named.get_mut(&name) else { return Err(missing) };
    options.retain(|key, _| !keys.contains(key));
    save(session, role)
}

fn rm(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = role(command);
    let (name, others) = words(&parsed)?;
    if name.is_empty() || !others.is_empty() {
        return Err(Failure::new(format!("Usage: plakar {} rm <name>", role.word())));
    }
    let missing = unknown(session, role, &name, "does not exist");
    let entries = session.settings.of_mut(role);
    if entries.named.remove(&name).is_none() {
        return Err(missing);
    }
    if entries.default.as_deref() == Some(name.as_str()) {
        entries.default = None;
    }
    save(session, role)
}

fn show(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = role(command);
    let named = &session.settings.of(role).named;
    let asked: Vec<String> = parsed
        .rest
        .iter()
        .map(|word| word.to_string_lossy())
        .map(|word| word.strip_prefix('@').unwrap_or(&word).to_owned())
        .collect();
    let names = if asked.is_empty() { named.keys().cloned().collect() } else { asked };
    let mut missing = false;
    for name in &names {
        let Some(options) = named.get(name) else {
            session.out.error_line(format!("{} {name:?} does not exist", role.word()));
            missing = true;
            continue;
        };
        let options = if parsed.switch("secrets") { options.clone() } else { masked(options) };
        if session.out.speaks_json() {
            let record = Record::new("place").text("role", role.word()).text("name", name);
            session.out.record(record.map("options", &options));
            continue;
        }
        let mut text = String::new();
        if parsed.switch("json") {
            text = format!("{{{}:{}}}\n", json::string(name), json::object(&options));
        } else if parsed.switch("ini") {
            ini::write_section(&mut text, name, &options);
        } else {
            yaml::write_options(&mut text, 0, name, &options);
        }
        if session.out.raw(text.as_bytes()).is_err() {
            break;
        }
    }
    match missing {
        true => Err(Failure::new(format!("one or more {} do not exist", role.plural()))),
        false => Ok(DONE),
    }
}

/// Whether an option of this name holds a key or a password.
pub fn is_secret(name: &str) -> bool {
    const SECRETS: [&str; 10] = [
        "access_key",
        "customer_key",
        "secret_access_key",
        "passphrase",
        "password",
        "pass",
        "token",
        "client_id",
        "client_secret",
        "auth_token",
    ];
    let name = name.to_ascii_lowercase();
    let ends_in = |secret: &&str| {
        name.strip_suffix(secret).is_some_and(|before| before.is_empty() || before.ends_with('_'))
    };
    SECRETS.iter().any(ends_in)
}

/// The options with the values of keys and passwords replaced.
pub fn masked(options: &Options) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|(key, value)| (key.clone(), if is_secret(key) { "********".to_owned() } else { value.clone() }))
        .collect()
}

fn named_place(
    session: &Session,
    command: &Command,
    parsed: &Parsed,
) -> Result<crate::cli::session::Place, Failure> {
    let role = role(command);
    let (name, others) = words(parsed)?;
    if name.is_empty() || !others.is_empty() {
        return Err(Failure::new(format!("Usage: plakar {} {} <name>", role.word(), command.action)));
    }
    if !session.settings.of(role).named.contains_key(&name) {
        return Err(unknown(session, role, &name, "does not exists"));
    }
    let mut place = session.place(role, std::ffi::OsStr::new(&format!("@{name}")))?;
    if role == Role::Store {
        place.options.retain(|key, _| key != "passphrase" && key != "passphrase_cmd");
    }
    Ok(place)
}

fn check(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let place = named_place(session, command, &parsed)?;
    connect::construct(session, role(command), &place)?;
    Ok(DONE)
}

fn ping(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let place = named_place(session, command, &parsed)?;
    session.interruptible()?;
    let answer = connect::ping(session, role(command), &place)?;
    session.info(&format!("{}: {answer}", place.word));
    Ok(DONE)
}

fn bring(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    import::run(session, role(command), &parsed)?;
    save(session, role(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_are_masked_whatever_their_prefix() {
        let options: Options = [
            "access_key",
            "SECRET_ACCESS_KEY",
            "passphrase",
            "rclone_pass",
            "my_token",
            "client_id",
            "location",
            "passphrase_cmd",
            "use_tls",
            "bypass",
            "tokens",
        ]
        .map(|key| (key.to_owned(), "v".to_owned()))
        .into();
        let shown: Vec<String> =
            masked(&options).into_iter().filter(|(_, value)| value == "v").map(|(key, _)| key).collect();
        assert_eq!(shown, ["bypass", "location", "passphrase_cmd", "tokens", "use_tls"]);
    }
}
