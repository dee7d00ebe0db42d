//! `doctor`: what is wrong with a place of the settings, and what mends it.

use crate::base::nearest::nearest;
use crate::cli::args::{Opt, Parsed, Takes};
use crate::cli::commands::Command;
use crate::cli::connect;
use crate::cli::exit::{DONE, Failure};
use crate::cli::record::Record;
use crate::cli::session::Session;
use crate::cli::settings::Role;
use crate::connectors::doctor::Step;

/// Its options.
pub const OPTIONS: &[Opt] =
    &[Opt::new("policy", Takes::Switch, "print the policy document alone, for mc admin policy create")];

/// Examines places by name, in every role that has the name; all of them without a name.
///
/// # Errors
/// When anything is wrong.
pub fn run(session: &mut Session, _: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let roles = [Role::Store, Role::Source, Role::Destination];
    let mut places = Vec::new();
    for word in &parsed.rest {
        let word = word.to_string_lossy();
        let name = word.strip_prefix('@').unwrap_or(&word).to_owned();
        let found: Vec<_> = roles.into_iter().filter(|role| has(session, *role, &name)).collect();
        if found.is_empty() {
            return Err(unknown(session, &roles, &name));
        }
        places.extend(found.into_iter().map(|role| (role, name.clone())));
    }
    if parsed.rest.is_empty() {
        let all =
            roles.map(|role| session.settings.of(role).named.keys().map(move |name| (role, name.clone())));
        places = all.into_iter().flatten().collect();
    }
    examine(session, &parsed, &places)
}

/// The same for one role: `store doctor NAME`.
///
/// # Errors
/// When anything is wrong.
pub fn of_role(session: &mut Session, command: &Command, parsed: Parsed) -> Result<u8, Failure> {
    let role = super::entries::role(command);
    let names = parsed.rest.iter().map(|word| word.to_string_lossy());
    let names: Vec<String> = names.map(|word| word.strip_prefix('@').unwrap_or(&word).to_owned()).collect();
    match names.iter().find(|name| !has(session, role, name)) {
        Some(name) => Err(unknown(session, &[role], name)),
        None if names.is_empty() => Err(Failure::new(format!("Usage: plakar {} doctor <name>", role.word()))),
        None => {
            let places: Vec<_> = names.into_iter().map(|name| (role, name)).collect();
            examine(session, &parsed, &places)
        }
    }
}

fn has(session: &Session, role: Role, name: &str) -> bool {
    session.settings.of(role).named.contains_key(name)
}

fn unknown(session: &Session, roles: &[Role], name: &str) -> Failure {
    let nouns: Vec<&str> = roles.iter().map(|role| role.word()).collect();
    let failure = Failure::new(format!("no {} is named {name:?}", nouns.join(" or ")));
    let names = roles.iter().flat_map(|role| session.settings.of(*role).named.keys());
    match nearest(name, names.map(String::as_str)) {
        Some(near) => failure.and(format!("Did you mean @{near}?")),
        None => failure,
    }
}

fn examine(session: &Session, parsed: &Parsed, places: &[(Role, String)]) -> Result<u8, Failure> {
    session.interruptible()?;
    let policy_only = parsed.switch("policy");
    let mut ill = 0;
    for (role, name) in places {
        session.refuse_when_cancelled()?;
        let title = format!("{} @{name}", role.word());
        if !policy_only && !session.out.speaks_json() {
            session.out.line(format!("{title}:"));
        }
        let mut tell = |step: Step| {
            if !policy_only {
                say(session, &title, &step);
                session.out.flush();
            }
        };
        let (well, policy) = connect::examine(session, *role, name, &mut tell)?;
        ill += usize::from(!well);
        if let Some(document) = policy {
            say_policy(session, &title, role.word(), name, &document, policy_only);
        }
    }
    match ill {
        0 => Ok(DONE),
        _ if policy_only => Ok(DONE),
        ill => Err(Failure::new(format!("doctor: {ill} of {} places are not well", places.len()))),
    }
}

fn say(session: &Session, title: &str, step: &Step) {
    let (found, remedy) = match &step.result {
        Ok(found) => (found.as_str(), None),
        Err(fault) => (fault.message.as_str(), fault.remedy.as_deref()),
    };
    let ok = step.result.is_ok();
    session.out.tell(
        || {
            Record::new("step")
                .text("place", title)
                .text("step", step.name)
                .truth("ok", ok)
                .text("found", found)
                .maybe_text("remedy", remedy)
        },
        || format!("  {} {:26} {found}", if ok { '✓' } else { '✘' }, step.name),
    );
    if let Some(remedy) = remedy
        && !session.out.speaks_json()
    {
        session.out.line(format!("    {:26} → {remedy}", ""));
    }
}

fn say_policy(session: &Session, title: &str, role: &str, name: &str, document: &str, alone: bool) {
    if session.out.speaks_json() {
        let record = Record::new("policy_document").text("place", title).text("document", document);
        return session.out.record(record);
    }
    if !alone {
        session.out.line(format!(
            "  the least rights it needs; plakar {role} doctor -policy {name} > policy.json; mc admin policy create \
             ALIAS NAME policy.json:"
        ));
    }
    for line in document.lines() {
        session.out.line(if alone { line.to_owned() } else { format!("    {line}") });
    }
}
