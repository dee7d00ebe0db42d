//! From a place in the settings to a connector.

use crate::cli::exit::Failure;
use crate::cli::session::{Place, Session};
use crate::cli::settings::{Options, Role};
use crate::connectors::context::{Context, Notice, Reading, Writing};
use crate::connectors::doctor;
use crate::connectors::location::Location;
use crate::connectors::{open, options};
use crate::ports::destination::Destination;
use crate::ports::source::Source;
use crate::ports::store::{Item, Store};
use crate::world::host::{self, Accounts};
use crate::world::shell;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Builds a store's connector, which judges its options, and contacts nothing.
///
/// # Errors
/// What the connector says.
pub fn store(session: &Session, place: &Place) -> Result<Arc<dyn Store>, Failure> {
    let location = location(session, Role::Store, place)?;
    Ok(open::store(&location, &place.options, &context(session)?)?)
}

/// Builds a source's connector.
///
/// # Errors
/// What the connector says, and a directory that is not there.
pub fn source(session: &Session, place: &Place, reading: Reading) -> Result<Arc<dyn Source>, Failure> {
    let location = location(session, Role::Source, place)?;
    Ok(open::source(&location, &place.options, reading, &context(session)?)?)
}

/// Builds a destination's connector. With `attributes`, mode, owner and times are restored.
///
/// # Errors
/// What the connector says.
pub fn destination(
    session: &Session,
    place: &Place,
    attributes: bool,
) -> Result<Arc<dyn Destination>, Failure> {
    let location = location(session, Role::Destination, place)?;
    Ok(open::destination(&location, &place.options, &Writing { attributes }, &context(session)?)?)
}

/// Judges an entry's options as they are written down: those that were `typed`, and others that are
/// known. What another program wrote there is not what was just typed, and passphrases are for no
/// connector to see.
///
/// # Errors
/// What is wrong with which.
pub fn judge(
    session: &Session,
    role: Role,
    entry: &Options,
    typed: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    let mut options = entry.clone();
    let word = options.remove("location").unwrap_or_default();
    let location = parse(session, role, word.as_bytes())?;
    let used_as = match role {
        Role::Store => options::Role::Store,
        Role::Source => options::Role::Source,
        Role::Destination => options::Role::Destination,
    };
    let known = options::known(&location.protocol, used_as);
    let secret = |key: &str| role == Role::Store && matches!(key, "passphrase" | "passphrase_cmd");
    options.retain(|key, _| !secret(key) && (typed(key) || known.contains(&key.as_str())));
    Ok(open::judge(&location, used_as, &options)?)
}

/// Builds any of them and forgets it.
///
/// # Errors
/// What the connector says.
pub fn construct(session: &Session, role: Role, place: &Place) -> Result<(), Failure> {
    match role {
        Role::Store => store(session, place).map(|_| ()),
        Role::Source => source(session, place, Reading { xattrs: true, skip: Vec::new() }).map(|_| ()),
        Role::Destination => destination(session, place, true).map(|_| ()),
    }
}

/// Contacts it: what it answered, as a phrase.
///
/// # Errors
/// What went wrong.
pub fn ping(session: &Session, role: Role, place: &Place) -> Result<String, Failure> {
    match role {
        Role::Store => {
            let store = store(session, place)?;
            store.get(Item::Config, crate::base::limits::CONFIG_BYTES_MAX)?;
            Ok(format!("there is a store at {}", store.location()))
        }
        Role::Source => {
            let source = source(session, place, Reading { xattrs: false, skip: Vec::new() })?;
            let mut seen = 0;
            source.walk(&mut |_| {
                seen += 1;
                // The directories above the root come first: a few entries prove the right to list.
                if seen < 64 { crate::ports::source::Step::Descend } else { crate::ports::source::Step::Stop }
            })?;
            Ok("it answers, and can be listed".to_owned())
        }
        Role::Destination => {
            let destination = destination(session, place, true)?;
            Ok(format!("{} is well-formed; nothing was written to try it", destination.location()))
        }
    }
}

/// Tries it step by step: whether all went well, and the policy document for its role.
///
/// # Errors
/// Without a location.
pub fn examine(
    session: &Session,
    role: Role,
    name: &str,
    tell: doctor::Tell<'_>,
) -> Result<(bool, Option<String>), Failure> {
    let mut place = session.place(role, std::ffi::OsStr::new(&format!("@{name}")))?;
    place.options.retain(|key, _| key != "passphrase" && key != "passphrase_cmd");
    let location = location(session, role, &place)?;
    Ok(doctor::examine(&location, &place.options, role.as_connector(), &context(session)?, tell))
}

/// The place as a location, for messages: `fs:///srv/kloset`.
pub fn shown(session: &Session, place: &Place) -> String {
    location(session, Role::Store, place).map_or_else(|_| place.word.clone(), |location| location.to_string())
}

/// The parsed location of a place.
///
/// # Errors
/// Without a working directory.
pub fn location(session: &Session, role: Role, place: &Place) -> Result<Location, Failure> {
    parse(session, role, place.location.as_bytes())
}

fn parse(session: &Session, role: Role, word: &[u8]) -> Result<Location, Failure> {
    let cwd = context(session)?.cwd;
    Ok(match role {
        Role::Store => Location::of_store(word, &cwd),
        Role::Source | Role::Destination => Location::parse(word, &cwd),
    })
}

fn context(session: &Session) -> Result<Context, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
    let out = Arc::clone(&session.out);
    let trace: Option<Notice> = session.globals.traces("s3").then(|| {
        let out = Arc::clone(&session.out);
        Arc::new(move |line: &str| {
            out.line(format!("trace: s3: {line}"));
            // What hangs is to be seen while it hangs.
            out.flush();
        }) as Notice
    });
    Ok(Context {
        clock: Arc::clone(&session.clock),
        dice: Arc::clone(&session.dice),
        cancel: session.cancel.clone(),
        notice: Arc::new(move |line: &str| out.error_line(format!("warn: {line}"))),
        trace,
        cwd: cwd.as_os_str().as_bytes().to_vec(),
        concurrency: 32,
        stall: session.stall,
        environment: Arc::new(|name: &str| std::env::var(name).ok()),
        shell: Arc::new(shell::line),
        hostname: host::hostname(),
        names: Arc::new(Accounts::load()),
    })
}
