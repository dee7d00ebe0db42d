//! What every command is given: settings, streams, the world, and the store it was told to use.

use crate::base::nearest::nearest;
use crate::base::secret::Secret;
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::Output;
use crate::cli::passphrase;
use crate::cli::record::Record;
use crate::cli::settings::{Options, Role, Settings};
use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use crate::ports::dice::Dice;
use crate::world::clock::SystemClock;
use crate::world::dice::SystemDice;
use crate::world::signal;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Slower than any network that works, faster than a person gives up.
const STALL: Duration = Duration::from_secs(30);

/// A store, source or destination as the user named it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The word as typed, for messages: `@minio_dst`, `/srv/out`.
    pub word: String,
    /// The location, unparsed.
    pub location: OsString,
    /// Options of the entry, `location` and passphrases taken out.
    pub options: Options,
    /// A passphrase that needs no asking; stores only.
    pub passphrase: Option<Secret>,
    /// Whether the entry itself says how to get it, and so that the store is encrypted.
    pub is_sealed: bool,
}

/// One run of the program.
pub struct Session {
    /// Words before the command.
    pub globals: Globals,
    /// The named stores, sources and destinations.
    pub settings: Settings,
    /// Both streams.
    pub out: Arc<Output>,
    /// Raised by Ctrl-C, once [`Session::interruptible`] was called.
    pub cancel: Cancel,
    /// The machine's clock.
    pub clock: Arc<dyn Clock>,
    /// The machine's dice.
    pub dice: Arc<dyn Dice>,
    /// For copies of what stores say: `$XDG_CACHE_HOME/plakar`, or `~/.cache/plakar`; `None` without
    /// a home.
    pub cache_dir: Option<PathBuf>,
    /// Longest time without a byte moving before a connection counts as broken.
    pub stall: Duration,
    /// Whether signals are this run's to handle.
    pub signals: bool,
    flag: Arc<AtomicBool>,
}

impl Session {
    /// Loads the settings.
    ///
    /// # Errors
    /// When a file of them cannot be read, or there is no directory for them.
    pub fn new(globals: Globals, out: Arc<Output>) -> Result<Session, Failure> {
        let dir = match &globals.config {
            Some(dir) => dir.clone(),
            None => directory("XDG_CONFIG_HOME", ".config")
                .ok_or_else(|| Failure::new("could not get config directory: $HOME is not defined"))?,
        };
        let settings = Settings::load(&dir, &mut |line| out.error_line(format!("warn: {line}")))
            .map_err(|error| Failure::new(format!("could not load configuration: {error}")))?;
        let flag = Arc::new(AtomicBool::new(false));
        let cancel = Cancel::from_flag(Arc::clone(&flag));
        Ok(Session {
            globals,
            settings,
            out,
            clock: Arc::new(SystemClock::new(cancel.clone())),
            dice: Arc::new(SystemDice),
            cache_dir: directory("XDG_CACHE_HOME", ".cache"),
            stall: STALL,
            signals: true,
            cancel,
            flag,
        })
    }

    /// From now on Ctrl-C ends work cleanly; before, it ends the process, as at a prompt.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn interruptible(&self) -> Result<(), Failure> {
        if !self.signals {
            return Ok(());
        }
        signal::raise_on_interrupt(&self.flag)
            .map_err(|error| Failure::new(format!("cannot watch for Ctrl-C: {error}")))
    }

    /// Between two items of work that asks nobody else whether to go on.
    ///
    /// # Errors
    /// Ended by Ctrl-C.
    pub fn refuse_when_cancelled(&self) -> Result<(), Failure> {
        match self.cancel.is_cancelled() {
            true => Err(Failure::interrupted()),
            false => Ok(()),
        }
    }

    /// A line for people, which scripts get as an `info` record.
    pub fn say(&self, line: &str) {
        self.out.tell(|| Record::new("info").text("message", line), || line);
    }

    /// An `info:` line, unless `-quiet`.
    pub fn info(&self, line: &str) {
        if !self.globals.quiet {
            self.out.tell(|| Record::new("info").text("message", line), || format!("info: {line}"));
        }
    }

    /// The store of `at`, else of `PLAKAR_REPOSITORY`, else the default entry, else `~/.plakar`.
    ///
    /// # Errors
    /// A name without an entry, a passphrase that cannot be had.
    pub fn store(&self) -> Result<Place, Failure> {
        self.store_named(&self.store_word()?)
    }

    /// The word for that store.
    ///
    /// # Errors
    /// When there is none, nor a home directory to have one in.
    pub fn store_word(&self) -> Result<OsString, Failure> {
        let variable = std::env::var_os("PLAKAR_REPOSITORY").filter(|word| !word.is_empty());
        if let Some(word) = self.globals.at.clone().or(variable) {
            return Ok(word);
        }
        if let Some(name) = &self.settings.of(Role::Store).default {
            return Ok(OsString::from(format!("@{name}")));
        }
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or_else(|| Failure::new("no store named, and $HOME is not defined"))?;
        let mut word = OsString::from("fs:");
        word.push(PathBuf::from(home).join(".plakar"));
        Ok(word)
    }

    /// The store behind a word.
    ///
    /// # Errors
    /// As [`Session::store`].
    pub fn store_named(&self, word: &OsStr) -> Result<Place, Failure> {
        let mut place = self.place(Role::Store, word)?;
        place.is_sealed = passphrase::OPTIONS.iter().any(|option| place.options.contains_key(*option));
        place.passphrase = passphrase::supplied(self.globals.keyfile.as_deref(), &mut place.options)?;
        Ok(place)
    }

    /// The entry behind `@name`, or the word itself as a location without options.
    ///
    /// # Errors
    /// A name without an entry, an entry without a location.
    pub fn place(&self, role: Role, word: &OsStr) -> Result<Place, Failure> {
        let shown = word.to_string_lossy().into_owned();
        let Some(name) = word.as_bytes().strip_prefix(b"@") else {
            return Ok(Place {
                word: shown,
                location: word.to_owned(),
                options: Options::new(),
                passphrase: None,
                is_sealed: false,
            });
        };
        let noun = match role {
            Role::Store => "repository",
            Role::Source => "importer",
            Role::Destination => "exporter",
        };
        let named = &self.settings.of(role).named;
        let entry = std::str::from_utf8(name).ok().and_then(|name| named.get(name));
        let Some(mut options) = entry.cloned() else {
            let failure = Failure::new(format!("could not resolve {noun}: {shown}"));
            return Err(match nearest(&String::from_utf8_lossy(name), named.keys().map(String::as_str)) {
                Some(near) => failure.and(format!("Did you mean @{near}?")),
                None => failure,
            });
        };
        let location = options.remove("location").filter(|location| !location.is_empty());
        let Some(location) = location else {
            return Err(Failure::new(match role {
                Role::Store => format!("{noun} {shown} has no location"),
                _ => format!("could not resolve {noun} location: {shown}"),
            }));
        };
        Ok(Place { word: shown, location: location.into(), options, passphrase: None, is_sealed: false })
    }
}

fn directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match set(variable) {
        // A relative one is invalid by the XDG rules, and passed over.
        Some(dir) if Path::new(&dir).is_absolute() => PathBuf::from(dir),
        _ => PathBuf::from(set("HOME")?).join(below_home),
    };
    Some(base.join("plakar"))
}
