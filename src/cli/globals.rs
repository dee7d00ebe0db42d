//! The words before the command: global options and `at STORE`.

use crate::cli::args::{self, Opt, Parsed, Refused, Takes};
use crate::cli::exit::Failure;
use std::ffi::OsString;
use std::path::PathBuf;

const JSON: Opt = Opt::new("json", Takes::Switch, "print one JSON object a line: see help json");

/// Options that every command takes, beside its own.
pub const COMMON: &[Opt] = &[JSON];

/// Options that come before `at` and the command.
pub const OPTIONS: &[Opt] = &[
    Opt::new("config", Takes::Path("string"), "configuration directory"),
    Opt::new("cpu", Takes::Number, "limit the number of usable cores"),
    JSON,
    Opt::new("keyfile", Takes::Path("string"), "use passphrase from key file when prompted"),
    Opt::new("no-agent", Takes::Switch, "accepted: everything always runs in this process"),
    Opt::new("quiet", Takes::Switch, "no output except errors"),
    Opt::new("trace", Takes::Text("string"), "trace these subsystems, comma-separated: s3, or all"),
    Opt::new("time", Takes::Switch, "display command execution time"),
    Opt::new("enable-security-check", Takes::Switch, "accepted: no update check is ever made"),
    Opt::new("disable-security-check", Takes::Switch, "accepted: no update check is ever made"),
];

/// Global options, the store's word, and what follows them.
#[derive(Clone, Debug)]
pub struct Globals {
    /// `-config`.
    pub config: Option<PathBuf>,
    /// `-cpu`, checked; else all there are.
    pub cpu: usize,
    /// `-json`.
    pub json: bool,
    /// `-keyfile`.
    pub keyfile: Option<PathBuf>,
    /// `-quiet`.
    pub quiet: bool,
    /// `-trace`: subsystems, or `all`.
    pub trace: Vec<String>,
    /// `-time`.
    pub time: bool,
    /// What followed `at`.
    pub at: Option<OsString>,
    /// The command and its words.
    pub command: Vec<OsString>,
}

/// Reads them off the front of `words`; `cores` is what this machine has.
///
/// # Errors
/// `Ok(None)` when the usage was asked for; a failure for anything malformed.
pub fn read(words: &[OsString], cores: usize) -> Result<Option<Globals>, Failure> {
    let parsed = match args::parse(&[OPTIONS], words) {
        Ok(parsed) => parsed,
        Err(Refused::Help) => return Ok(None),
        Err(Refused::Bad(complaint)) => return Err(Failure::usage(&complaint, usage())),
    };
    let cpu = cpu(&parsed, cores)?;
    let (at, command) = match parsed.rest.split_first() {
        Some((at, rest)) if at == "at" => match rest.split_first() {
            None => return Err(Failure::new("missing plakar repository")),
            Some((_, [])) => return Err(Failure::new("missing command")),
            Some((store, command)) => (Some(store.clone()), command.to_vec()),
        },
        _ => (None, parsed.rest.clone()),
    };
    Ok(Some(Globals {
        config: parsed.path("config").map(PathBuf::from),
        cpu,
        json: parsed.switch("json"),
        keyfile: parsed.path("keyfile").map(PathBuf::from),
        quiet: parsed.switch("quiet"),
        trace: parsed.text("trace").map(subsystems).unwrap_or_default(),
        time: parsed.switch("time"),
        at,
        command,
    }))
}

fn subsystems(list: &str) -> Vec<String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

impl Globals {
    /// Whether `-trace` asks for this subsystem.
    pub fn traces(&self, subsystem: &str) -> bool {
        self.trace.iter().any(|name| name == subsystem || name == "all")
    }
}

fn cpu(parsed: &Parsed, cores: usize) -> Result<usize, Failure> {
    let Some(wanted) = parsed.number("cpu") else { return Ok(cores) };
    match usize::try_from(wanted) {
        Err(_) | Ok(0) => Err(Failure::new(format!("invalid -cpu value {wanted}"))),
        Ok(wanted) if wanted > cores => {
            Err(Failure::new(format!("can't use more cores than available: {cores}")))
        }
        Ok(wanted) => Ok(wanted),
    }
}

/// The usage of the program as a whole, without the commands.
pub fn usage() -> String {
    format!(
        "Usage: plakar [OPTIONS] [at STORE] COMMAND [COMMAND_OPTIONS]...\n\nOPTIONS:\n{}",
        args::describe(&[OPTIONS])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn options_store_and_command_are_told_apart() {
        let globals = read(&words("-quiet -cpu 2 at @minio ls -uuid"), 4).unwrap().unwrap();
        assert!(globals.quiet);
        assert_eq!(globals.cpu, 2);
        assert_eq!(globals.at.unwrap(), "@minio");
        assert_eq!(globals.command, ["ls", "-uuid"]);
        let globals = read(&words("ls at"), 4).unwrap().unwrap();
        assert_eq!((globals.at, globals.cpu), (None, 4));
        assert!(read(&words("-h"), 4).unwrap().is_none());
        for (list, traced) in [("s3", true), ("cache, s3", true), ("all", true), ("s3x,", false)] {
            let globals = read(&["-trace".into(), list.into(), "ls".into()], 1).unwrap().unwrap();
            assert_eq!(globals.traces("s3"), traced, "{list}");
        }
    }

    #[test]
    fn malformed_words_are_named() {
        for (text, message) in [
            ("at", "missing plakar repository"),
            ("at @minio", "missing command"),
            ("-cpu 0 ls", "invalid -cpu value 0"),
            ("-cpu -1 ls", "invalid -cpu value -1"),
            ("-cpu 5 ls", "can't use more cores than available: 4"),
        ] {
            assert_eq!(read(&words(text), 4).unwrap_err(), Failure::new(message), "{text}");
        }
        assert_eq!(read(&words("-nope"), 4).unwrap_err().code, 2);
    }
}
