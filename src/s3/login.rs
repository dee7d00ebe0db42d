//! Keys, fetched when they are needed and renewed before they end: by one thread, while the others go
//! on with the old ones.

use crate::base::secret::Secret;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::chain::Shell;
use crate::s3::file;
use crate::s3::issuer::{self, Sts, Trouble};
use crate::s3::proto::fault::{Failure, Kind};
use crate::s3::proto::identity::{Keys, parse_mc_config, parse_profile};
use crate::s3::trust::Trust;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Keys are renewed when they have less than this left, or half their life.
const MARGIN_SECS: i64 = 300;

/// Time until the next try when renewing failed and the old keys still hold.
const AGAIN_SECS: i64 = 30;

/// Tries at a service that never gave keys.
const FIRST_TRIES: u32 = 3;

/// Where keys come from.
pub(super) enum Source {
    /// Options or variables.
    Given(Keys),
    /// A secret key that a command prints.
    Command { access_key: String, session_token: Option<Secret>, command: String, shell: Shell },
    /// A shared credentials file.
    Profile { path: PathBuf, profile: String },
    /// `mc`'s configuration.
    Alias { path: PathBuf, alias: String },
    /// A service that takes another provider's token.
    WebIdentity { path: PathBuf, sts: Sts },
    /// A service that takes our certificate.
    Certificate(Sts),
    /// A service that takes other keys.
    Role { of: Box<Source>, sts: Sts },
    /// The container's host.
    Container { trust: Trust, url: String, token: Token },
    /// The instance's host.
    Instance { trust: Trust, endpoint: String },
}

/// What a container's service wants to see.
pub(super) enum Token {
    /// Nothing.
    None,
    /// This.
    Text(Secret),
    /// What stands in this file at the time.
    File(PathBuf),
}

/// Keys, fetched when needed. Shared by threads.
pub struct Login {
    source: Source,
    held: Mutex<Held>,
    turn: Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Option<Arc<Keys>>,
    renew_at: Option<i64>,
    succeeded: bool,
    failures: u32,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    /// These keys, for ever.
    pub fn fixed(keys: Keys) -> Login {
        Login::from(Source::Given(keys))
    }

    /// From where the chain decided on.
    pub(super) fn from(source: Source) -> Login {
        Login { source, held: Mutex::default(), turn: Mutex::default() }
    }

    /// The keys to sign with at `now`, in seconds since 1970 by the server's clock. `tell` hears of
    /// keys that could not be renewed yet.
    ///
    /// # Errors
    /// `Busy` when asking again may help, `Denied` when not.
    pub fn keys(&self, now: i64, tell: &dyn Fn(&str)) -> Result<Arc<Keys>, Failure> {
        if let Some(keys) = self.held().fresh(now) {
            return Ok(keys);
        }
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                if let Some(keys) = self.held().good(now) {
                    return Ok(keys);
                }
                self.turn.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        // Another thread may have been faster.
        if let Some(keys) = self.held().fresh(now) {
            return Ok(keys);
        }
        let fetched = self.source.fetch(now);
        let mut held = self.held();
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                let renew_at = keys.expires.map(|end| (end - MARGIN_SECS).max(now + (end - now) / 2));
                *held = Held { keys: Some(Arc::clone(&keys)), renew_at, succeeded: true, failures: 0 };
                Ok(keys)
            }
            Err(trouble) => {
                held.failures = held.failures.saturating_add(1);
                if let Some(keys) = held.good(now) {
                    held.renew_at = Some(now + AGAIN_SECS);
                    drop(held);
                    tell(&format!("the credentials could not be renewed yet: {}", trouble.why));
                    return Ok(keys);
                }
                let again = trouble.passing && (held.succeeded || held.failures < FIRST_TRIES);
                let kind = if again { Kind::Busy } else { Kind::Denied };
                let mut failure = Failure::new(kind, format!("no credentials: {}", trouble.why));
                failure.server_time = trouble.server_time;
                Err(failure)
            }
        }
    }

    /// The server no longer takes these keys: others are fetched before the next request.
    pub fn expire(&self, keys: &Arc<Keys>) {
        let mut held = self.held();
        if held.keys.as_ref().is_some_and(|held| Arc::ptr_eq(held, keys)) {
            held.keys = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn good(&self, now: i64) -> Option<Arc<Keys>> {
        self.keys.clone().filter(|keys| keys.expires.is_none_or(|end| now < end))
    }

    fn fresh(&self, now: i64) -> Option<Arc<Keys>> {
        self.good(now).filter(|_| self.renew_at.is_none_or(|at| now < at))
    }
}

impl Source {
    fn fetch(&self, now: i64) -> Result<Keys, Trouble> {
        match self {
            Source::Given(keys) => Ok(keys.clone()),
            Source::Command { access_key, session_token, command, shell } => shell(command)
                .and_then(|secret| Keys::new(access_key, secret, session_token.clone(), None))
                .map_err(|why| Trouble::lasting(format!("secret_access_key_cmd {why}"))),
            Source::Profile { path, profile } => {
                profile_keys(path, profile).map_err(|fault| Trouble::lasting(fault.to_string()))
            }
            Source::Alias { path, alias } => {
                alias_keys(path, alias).map_err(|fault| Trouble::lasting(fault.to_string()))
            }
            Source::WebIdentity { path, sts } => {
                sts.assume_role_with_web_identity(&token(path, "web_identity_token_file")?)
            }
            Source::Certificate(sts) => sts.assume_role_with_certificate(),
            Source::Role { of, sts } => sts.assume_role(&of.fetch(now)?, now),
            Source::Container { trust, url, token: by } => {
                let text = match by {
                    Token::None => None,
                    Token::Text(text) => Some(String::from_utf8_lossy(text.expose()).into_owned()),
                    Token::File(path) => Some(token(path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?),
                };
                issuer::container(trust, url, text.as_deref())
            }
            Source::Instance { trust, endpoint } => issuer::instance(trust, endpoint),
        }
    }
}

/// Another provider's token, which it replaces in its file from time to time.
fn token(path: &Path, option: &str) -> Result<String, Trouble> {
    let content = file::read(option, path).map_err(|fault| Trouble::lasting(fault.to_string()))?;
    let text = String::from_utf8_lossy(&content).trim().to_owned();
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(text),
        false => Err(Trouble::lasting(format!("{option} {}: no token in it", path.display()))),
    }
}

/// Of a shared credentials file.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn profile_keys(path: &Path, profile: &str) -> Result<Keys, Fault> {
    let content = file::read("shared_credentials_file", path)?;
    parse_profile(&String::from_utf8_lossy(&content), profile).map_err(|why| {
        Fault::new(FaultKind::Unsupported, format!("shared_credentials_file {}: {why}", path.display()))
    })
}

/// Of `mc`'s configuration.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn alias_keys(path: &Path, alias: &str) -> Result<Keys, Fault> {
    let content = file::read("mc_alias", path)?;
    parse_mc_config(&content, alias)
        .map_err(|why| Fault::new(FaultKind::Unsupported, format!("mc_alias {}: {why}", path.display())))
}
