//! One server, one set of credentials, and the loop that every request goes through.

use crate::algo::hash::md5;
use crate::base::secret::Secret;
use crate::ports::cancel::Cancel;
use crate::ports::clock::Clock;
use crate::ports::dice::Dice;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::Bucket;
use crate::s3::http::{ANSWER, CONNECT, Incoming, Outgoing, Settings, Wire, proxy, uri};
use crate::s3::interrupt::Watch;
use crate::s3::learned::Learned;
use crate::s3::payload::Payload;
use crate::s3::proto::address::{check_bucket, place};
use crate::s3::proto::date::amz_date;
use crate::s3::proto::encryption::Encryption;
use crate::s3::proto::fault::{Failure, Kind, is_region};
use crate::s3::proto::identity::Keys;
use crate::s3::proto::pace::Pace;
use crate::s3::proto::request::{Method, Request};
use crate::s3::proto::retry::{History, Next, Outlook, RETRIES_PER_SECOND, RETRIES_SAVED, decide};
use crate::s3::proto::sign::{Signer, day_key, sign};
use crate::s3::refusal::{Refusal, shown};
use crate::s3::throttle::Throttle;
use crate::s3::trust::{self, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest time for last words: removing a lock, aborting an upload.
const LAST_WORDS_BUDGET: Duration = Duration::from_secs(10);

/// For an endpoint that has not answered once.
const REMEDY_TLS_ON: &str = "if the endpoint speaks TLS, set use_tls=true";
const REMEDY_TLS_OFF: &str = "if the endpoint speaks plain HTTP, set use_tls=false";

/// Most attempts at them: an interrupted clock does not wait in between.
const LAST_WORDS_ATTEMPTS: u32 = 3;

pub use crate::s3::config::{Config, Notice};

/// A server. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Client {
    pub(super) core: Arc<Core>,
}

impl Client {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Unsupported` for settings that no request could be signed with.
    pub fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
        cancel: Cancel,
        notice: Notice,
    ) -> Result<Client, Fault> {
        let refuse = |why: &str| Err(Fault::new(FaultKind::Unsupported, why));
        if config.region.as_deref().is_some_and(|region| !is_region(region)) {
            return refuse("region is made of letters, digits, dots, dashes and underscores");
        }
        if matches!(config.encryption, Encryption::Customer(_)) && !config.endpoint.tls() {
            let fault =
                Fault::new(FaultKind::Unsupported, "sse_customer_key would cross the line in the open");
            return Err(fault.with_remedy("servers refuse that: speak TLS, with use_tls=true"));
        }
        let wire = Arc::new(Wire::new(Settings {
            trust: match &config.trust {
                Some(trust) => trust.clone(),
                None => Trust::load(&trust::Wanted::default())?,
            },
            connect: CONNECT,
            // As ANSWER is to the ordinary limit.
            answer: ANSWER.min(config.stall.saturating_mul(4)),
            connections: config.connections.max(1),
            stall: config.stall,
            proxy: config.proxies.choose(&config.endpoint).map(proxy).transpose()?,
            throttle: config.bandwidth.map(|rate| Arc::new(Throttle::new(rate, Arc::clone(&clock)))),
        }));
        let learned = Learned::new(config.region.as_deref().unwrap_or("us-east-1"));
        let watch = Watch::start(cancel.clone(), Arc::clone(&wire));
        Ok(Client {
            core: Arc::new(Core {
                config,
                clock,
                dice,
                cancel,
                notice,
                wire,
                learned,
                day_key: Mutex::new(None),
                retries: Mutex::new(Pace::new(RETRIES_PER_SECOND, RETRIES_SAVED)),
                _watch: watch,
            }),
        })
    }

    /// A bucket; nothing is asked of the server.
    ///
    /// # Errors
    /// `Unsupported` when no bucket can have that name, or not at that place.
    pub fn bucket(&self, name: &str) -> Result<Bucket, Fault> {
        let checked = check_bucket(name)
            .and_then(|()| place(&self.core.config.endpoint, self.core.config.addressing, name, None));
        match checked {
            Ok(_) => Ok(Bucket::new(Arc::clone(&self.core), name)),
            Err(why) => Err(Fault::new(FaultKind::Unsupported, why)),
        }
    }
}

/// What all buckets of a client share.
pub struct Core {
    pub(super) config: Config,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    cancel: Cancel,
    notice: Notice,
    wire: Arc<Wire>,
    pub(super) learned: Learned,
    /// Keys, day and region, and the key they give.
    day_key: Mutex<Option<(Arc<Keys>, String, String, Zeroizing<[u8; 32]>)>>,
    retries: Mutex<Pace>,
    _watch: Watch,
}

impl Core {
    /// Sends once and judges nothing.
    pub(super) fn send_once(&self, out: &Outgoing<'_>) -> Result<Incoming, Failure> {
        self.wire.send(out)
    }

    /// This machine's clock, in seconds since 1970.
    pub(super) fn wall_clock_secs(&self) -> i64 {
        self.clock.now_ns() / 1_000_000_000
    }

    /// Names the server where it is the server, not the object, that could not be had.
    fn subject(&self, request: &Request, failure: &Failure) -> String {
        match failure.kind {
            Kind::Unreachable | Kind::Line | Kind::Trust if failure.status.is_none() => {
                format!("{request} at {}", self.config.endpoint)
            }
            _ => request.to_string(),
        }
    }

    /// Sends what `make` gives until `take` is content with an answer of success, and waits in
    /// between as [`decide`] says. `make` is asked anew for each attempt.
    ///
    /// # Errors
    /// The last failure.
    pub fn perform<T>(
        &self,
        payload: &Payload<'_>,
        make: &mut dyn FnMut() -> Request,
        take: &mut dyn FnMut(Incoming) -> Result<T, Failure>,
    ) -> Result<T, Box<Refusal>> {
        let mut history = History::default();
        let mut started = self.clock.monotonic();
        let mut ask_first = false;
        loop {
            let mut request = make();
            if let Some(body) = payload.bytes.filter(|_| self.learned.wants_md5.is_set()) {
                request = request.header("content-md5", BASE64.encode(md5(body)));
            }
            // An interrupted run still removes what it left behind.
            let last_words = self.cancel.is_cancelled();
            let refuse = |failure: Failure, history, cancelled| {
                Err(Box::new(Refusal {
                    subject: self.subject(&request, &failure),
                    right: request.right(),
                    failure,
                    history,
                    cancelled,
                }))
            };
            if last_words && request.method != Method::Delete {
                return refuse(Failure::new(Kind::Line, ""), history, true);
            }
            history.attempts += 1;
            let keys = self.config.login.keys(self.now(), &*self.notice);
            let answer = match &keys {
                Ok(keys) => self.once(&request, keys, payload, ask_first, last_words),
                Err(failure) => Err(failure.clone()),
            };
            let mut failure = match answer.and_then(&mut *take) {
                Ok(value) => {
                    self.learned.reached.set();
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            if failure.status.is_some() {
                self.learned.reached.set();
            } else if failure.kind == Kind::Line && !self.learned.reached.is_set() {
                let tls = self.config.endpoint.tls();
                let other = if tls { REMEDY_TLS_OFF } else { REMEDY_TLS_ON };
                failure.remedy.get_or_insert(other);
            }
            if self.cancel.is_cancelled() && !last_words {
                if request.method == Method::Delete {
                    continue;
                }
                return refuse(failure, history, true);
            }
            if failure.progressed {
                started = self.clock.monotonic();
                history.attempts = 1;
            }
            history.elapsed = self.clock.monotonic().saturating_sub(started);
            let broke = matches!(failure.kind, Kind::Line) && failure.status.is_none();
            history.uncertain |= broke || failure.status.is_some_and(|status| status >= 500);
            ask_first |= broke && !failure.stale;
            let next = decide(&failure, &history, &self.outlook(last_words));
            match next {
                Next::Stop => return refuse(failure, history, false),
                Next::Now => {
                    history.stale_spent = true;
                    history.attempts -= 1;
                }
                Next::Wait(time) => {
                    let time = if last_words { time } else { time.max(self.turn()) };
                    let tried = history.attempts + 1;
                    (self.notice)(&format!("{request}: {failure}; attempt {tried} in {}", shown(time)));
                    self.clock.wait(time);
                }
                Next::AddMd5 => {
                    history.md5_added = true;
                    self.learned.wants_md5.set();
                }
                Next::CorrectClock(time) => {
                    history.clock_corrected = true;
                    let here = self.clock.now_ns().div_euclid(1_000_000_000);
                    self.learned.correct_clock(time.saturating_sub(here), &*self.notice);
                }
                Next::RenewKeys => {
                    history.keys_renewed = true;
                    if let Ok(keys) = &keys {
                        self.config.login.expire(keys);
                    }
                }
                Next::UseRegion(region) => {
                    history.region_corrected = true;
                    let known = self.learned.set_region(&region);
                    if self.config.region.is_some() && known != region {
                        (self.notice)(&format!(
                            "the bucket is in region {region}, not {known}: using {region}"
                        ));
                    }
                }
            }
        }
    }

    /// How long until one more attempt is no burden to the server.
    fn turn(&self) -> Duration {
        let now = self.clock.monotonic();
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).take(1, now)
    }

    /// As [`Core::perform`], for one unchanging request.
    ///
    /// # Errors
    /// The last failure.
    pub fn run<T>(
        &self,
        request: &Request,
        payload: &Payload<'_>,
        take: &mut dyn FnMut(Incoming) -> Result<T, Failure>,
    ) -> Result<T, Box<Refusal>> {
        self.perform(payload, &mut || request.clone(), take)
    }

    /// Passes on what a person should know.
    pub fn tell(&self, text: &str) {
        (self.notice)(text);
    }

    /// Whether the user interrupted.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn outlook(&self, last_words: bool) -> Outlook {
        let mut dice = [0; 8];
        self.dice.fill(&mut dice);
        Outlook {
            budget: if last_words { LAST_WORDS_BUDGET } else { self.config.retry_budget },
            attempts_max: if last_words { LAST_WORDS_ATTEMPTS } else { u32::MAX },
            reached: self.learned.reached.is_set(),
            now: self.now(),
            dice: u64::from_le_bytes(dice),
        }
    }

    /// Nanoseconds since 1970 by the server's clock, as far as it is known.
    pub fn now_ns(&self) -> i64 {
        self.clock.now_ns().saturating_add(self.learned.skew_secs().saturating_mul(1_000_000_000))
    }

    fn now(&self) -> i64 {
        self.now_ns().div_euclid(1_000_000_000)
    }

    /// One attempt, told to whoever traces.
    fn once(
        &self,
        request: &Request,
        keys: &Arc<Keys>,
        payload: &Payload<'_>,
        ask_first: bool,
        last_words: bool,
    ) -> Result<Incoming, Failure> {
        let Some(trace) = &self.config.trace else {
            return self.attempt(request, keys, payload, ask_first, last_words);
        };
        let started = self.clock.monotonic();
        let answer = self.attempt(request, keys, payload, ask_first, last_words);
        let took = self.clock.monotonic().saturating_sub(started).as_millis();
        let outcome = match &answer {
            Ok(answer) => answer.head.status.to_string(),
            Err(failure) => failure.to_string(),
        };
        trace(&format!("{} → {outcome} in {took}ms", request.line()));
        answer
    }

    fn attempt(
        &self,
        request: &Request,
        keys: &Arc<Keys>,
        payload: &Payload<'_>,
        ask_first: bool,
        last_words: bool,
    ) -> Result<Incoming, Failure> {
        let mut request = request.clone();
        self.config.encryption.apply(&mut request);
        if let Some(name) = request.bad_header() {
            return Err(Failure::new(Kind::Unsupported, format!("HTTP cannot carry the value of {name}")));
        }
        let config = &self.config;
        let place = place(&config.endpoint, config.addressing, &request.bucket, request.key.as_ref())
            .map_err(|why| Failure::new(Kind::Unsupported, why))?;
        let (now, region) = (self.now(), self.learned.region());
        let day_key = self.day_key(keys, &amz_date(now).day, &region);
        let signer = Signer {
            access_key: &keys.access_key,
            session_token: keys.session_token.as_ref().map(Secret::expose),
            region: &region,
            service: "s3",
            day_key: &day_key,
        };
        let headers = sign(&request, &place, &signer, now, payload.hash(config.endpoint.tls()));
        let out = Outgoing {
            method: request.method,
            uri: uri(&config.endpoint, &place.authority, &place.path, &request.query_string()),
            headers: &headers,
            body: payload.bytes,
            ask_first,
            last_words,
        };
        let answer = self.wire.send(&out)?;
        if answer.is_success() {
            return Ok(answer);
        }
        let mut failure = answer.into_failure();
        // A refused If-Match means the opposite of a refused If-None-Match.
        if failure.kind == Kind::Exists && request.headers.iter().any(|(name, _)| name == "if-match") {
            failure.kind = Kind::Changed;
            failure.detail = "the object was replaced since it was looked at".into();
        }
        let own_key = matches!(self.config.encryption, Encryption::Customer(_));
        if own_key && &*failure.code == "AccessDenied" && matches!(request.method, Method::Get) {
            let told = failure.detail.trim_end_matches('.');
            failure.detail = format!("{told}; sse_customer_key may not be the one it was stored with").into();
        }
        // What MinIO says of temporary keys that it has cleared away.
        if &*failure.code == "InvalidAccessKeyId" && keys.session_token.is_some() {
            failure.kind = Kind::Expired;
        }
        // HEAD has no body to say so in.
        if request.method == Method::Head && request.key.is_some() && failure.status == Some(400) {
            failure.remedy.get_or_insert("an object encrypted with a key of its own needs sse_customer_key");
        }
        Err(failure)
    }

    fn day_key(&self, keys: &Arc<Keys>, day: &str, region: &str) -> Zeroizing<[u8; 32]> {
        let mut known = self.day_key.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((of_keys, of_day, of_region, key))
                if Arc::ptr_eq(of_keys, keys) && of_day == day && of_region == region =>
            {
                key.clone()
            }
            _ => {
                let key = day_key(keys.secret_key.expose(), day, region, "s3");
                *known = Some((Arc::clone(keys), day.to_owned(), region.to_owned(), key.clone()));
                key
            }
        }
    }
}
