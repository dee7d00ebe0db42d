//! Time that passes only when somebody waits, and a client that lives by it.

use crate::kit::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use plakar::base::secret::Secret;
use plakar::ports::cancel::Cancel;
use plakar::ports::clock::Clock;
use plakar::ports::dice::Dice;
use plakar::s3::client::{Client, Config};
use plakar::s3::login::Login;
use plakar::s3::proto::address::Endpoint;
use plakar::s3::proto::identity::Keys;
use plakar::world::clock::SystemClock;
use plakar::world::dice::SystemDice;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// See the module. The wall clock is the machine's, moved on by hand.
pub struct HandClock {
    real: SystemClock,
    waited: Mutex<Duration>,
    moved: Mutex<Duration>,
}

impl HandClock {
    /// Nothing was waited yet.
    pub fn new() -> HandClock {
        HandClock { real: SystemClock::new(Cancel::new()), waited: Mutex::default(), moved: Mutex::default() }
    }

    /// Moves the wall clock on.
    pub fn advance(&self, time: Duration) {
        *self.moved.lock().unwrap() += time;
    }

    /// How long was waited in all.
    pub fn waited(&self) -> Duration {
        *self.waited.lock().unwrap()
    }
}

impl Clock for HandClock {
    fn now_ns(&self) -> i64 {
        self.real.now_ns() + i64::try_from(self.moved.lock().unwrap().as_nanos()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.waited()
    }

    fn wait(&self, time: Duration) {
        *self.waited.lock().unwrap() += time;
    }
}

/// A client of the test server, with its clock, and what it said.
pub struct Heard {
    pub clock: Arc<HandClock>,
    pub cancel: Cancel,
    pub notices: Arc<Mutex<Vec<String>>>,
}

/// With the keys the server accepts.
pub fn client(server: &S3Server) -> (Client, Heard) {
    client_with(server, |_| {})
}

/// Keys that last.
pub fn login(access_key: &str, secret_key: &str) -> Login {
    temporary(access_key, secret_key, "")
}

/// Keys with a token.
pub fn temporary(access_key: &str, secret_key: &str, token: &str) -> Login {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    Login::fixed(Keys::new(access_key, secret(secret_key), Some(secret(token)), None).unwrap())
}

/// With settings changed.
pub fn client_with(server: &S3Server, change: impl FnOnce(&mut Config)) -> (Client, Heard) {
    client_of(server, Arc::new(SystemDice), change)
}

/// With dice of the test's own: jitter is their doing.
pub fn client_of(
    server: &S3Server,
    dice: Arc<dyn Dice>,
    change: impl FnOnce(&mut Config),
) -> (Client, Heard) {
    let endpoint = Endpoint::parse(server.address(), false).unwrap();
    let mut config = Config::new(endpoint, login(ACCESS_KEY, SECRET_KEY));
    change(&mut config);
    let (clock, cancel) = (Arc::new(HandClock::new()), Cancel::new());
    let heard = Heard { clock, cancel, notices: Arc::default() };
    let notices = Arc::clone(&heard.notices);
    let notice = Arc::new(move |line: &str| notices.lock().unwrap().push(line.to_owned()));
    let client = Client::new(config, heard.clock.clone(), dice, heard.cancel.clone(), notice).unwrap();
    (client, heard)
}
