//! A small strict S3 server on a loopback port: signatures and payload hashes are verified by an
//! implementation of its own, every request is recorded, and any of them can be made to fail.
//!
//! Whole folder is also built into the demo, so it uses nothing else of the kit.

mod auth;
pub mod http;
mod made_up;
pub mod objects;
pub mod plan;

pub use http::Request;
pub use objects::Objects;
use plan::Plan;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The one pair of keys it accepts.
pub const ACCESS_KEY: &str = "testkey";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "testsecret/with+signs";

/// Keys that are accepted besides the pair, with the token that goes with them.
#[derive(Clone, Debug)]
pub struct TemporaryKeys {
    pub access_key: String,
    pub secret_key: String,
    pub token: String,
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The connection is closed before anything is read.
    ResetBefore,
    /// The connection is closed when half of the request's body has come.
    ResetDuring,
    /// The request is carried out, then the connection is closed without an answer.
    ResetAfter,
    /// The connection is closed, and nobody listens any more until the server is opened again.
    Refused,
    /// No answer comes, and the connection stays open.
    Stall,
    /// The request is carried out, but no answer comes, and the connection stays open.
    StallAfter,
    /// The answer stops after so many bytes of its body.
    CutBody(usize),
    /// Not carried out: this status, an S3 error document of this code, these headers.
    Status(u16, &'static str, Vec<(&'static str, String)>),
    /// Status 200 with an error document as its body; a request that changes something is not
    /// carried out.
    OkWithError(&'static str),
    /// The answer promises more bytes than it has, and the connection stays open.
    LongerThanItIs,
    /// One bit of the answer's body is flipped.
    FlippedBit,
    /// These bytes instead of an answer.
    Raw(&'static [u8]),
    /// The answer of this status and code is sent before the request's body is read, then the
    /// connection is closed under it.
    RefusedUnread(u16, &'static str),
    /// The client waits in vain for the consent that it asked for with `Expect`.
    NoConsent,
    /// The request's body is not read, and the connection stays open.
    Deaf,
    /// The answer's body in so many pieces, with a pause after each.
    Slow(usize, Duration),
    /// The answer's body without a length: it ends with the connection, after so many bytes.
    CloseDelimited(usize),
}

/// When it goes wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only requests with this method.
    pub method: &'static str,
    /// Only requests whose path and query contain this.
    pub contains: &'static str,
    /// So many matching requests pass first.
    pub after: usize,
    /// So many are hit then.
    pub times: usize,
    /// With what.
    pub trouble: Trouble,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<Objects>,
    seen: Mutex<Vec<String>>,
    bell: Condvar,
    rules: Mutex<Vec<Rule>>,
    keys: Mutex<Vec<TemporaryKeys>>,
    signers: Mutex<Vec<String>>,
    connections: AtomicUsize,
    clock_offset: Mutex<i64>,
    page: AtomicUsize,
    plan: Mutex<Option<plan::Running>>,
    listening: Mutex<Option<JoinHandle<()>>>,
    closed: AtomicBool,
}

impl Shared {
    fn temporary(&self, request: &Request) -> Option<TemporaryKeys> {
        let by = request.headers.get("authorization")?;
        let keys = self.keys.lock().unwrap();
        keys.iter().find(|keys| by.contains(&format!("Credential={}/", keys.access_key))).cloned()
    }

    fn record(&self, line: String) {
        self.seen.lock().unwrap().push(line);
        self.bell.notify_all();
    }
}

/// A running server. Its threads end with the process.
pub struct S3Server {
    shared: Arc<Shared>,
    address: String,
}

impl S3Server {
    /// Starts it on a free port of 127.0.0.1.
    pub fn start() -> S3Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared { page: AtomicUsize::new(1000), ..Shared::default() });
        *shared.listening.lock().unwrap() = Some(listen(&shared, listener));
        S3Server { shared, address }
    }

    /// From now on requests are counted, and one of them goes wrong.
    pub fn plan(&self, plan: Plan) {
        *self.shared.plan.lock().unwrap() = Some(plan::Running::new(plan));
    }

    /// The request that the plan has hit, and how often.
    pub fn hit(&self) -> Option<(String, usize)> {
        self.shared.plan.lock().unwrap().as_ref().and_then(plan::Running::hit)
    }

    /// Waits until the plan has hit, or `over` says that nothing more will come.
    pub fn wait_for_hit(&self, over: &mut dyn FnMut() -> bool) -> Option<(String, usize)> {
        loop {
            let hit = self.hit();
            if hit.is_some() || over() {
                return hit.or_else(|| self.hit());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Whether the plan is over once it has hit.
    pub fn lasts_once(&self) -> bool {
        self.shared.plan.lock().unwrap().as_ref().is_some_and(plan::Running::lasts_once)
    }

    /// Everything is answered again.
    pub fn end_plan(&self) {
        *self.shared.plan.lock().unwrap() = None;
        self.open();
    }

    /// Listens again, if it had stopped.
    pub fn open(&self) {
        let mut listening = self.shared.listening.lock().unwrap();
        if !self.shared.closed.load(Ordering::SeqCst) {
            return;
        }
        if let Some(thread) = listening.take() {
            thread.join().unwrap();
        }
        let listener = TcpListener::bind(&self.address).unwrap();
        self.shared.closed.store(false, Ordering::SeqCst);
        *listening = Some(listen(&self.shared, listener));
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes requests fail from now on; rules add up, the first that matches counts.
    pub fn rule(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// `GET /bucket/key?query` and so on, since the last call; `(asks first)` is added to those that
    /// expect a consent to their body.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// Waits until a request with this method and in whose target this stands was received.
    ///
    /// # Panics
    /// After a minute without one.
    pub fn wait_for(&self, method: &str, contains: &str) {
        let seen = self.shared.seen.lock().unwrap();
        let wanted = |seen: &[String]| {
            seen.iter().any(|line| line.split(' ').next() == Some(method) && line.contains(contains))
        };
        let (seen, late) =
            self.shared.bell.wait_timeout_while(seen, Duration::from_secs(60), |seen| !wanted(seen)).unwrap();
        assert!(!late.timed_out(), "no {method} of {contains}, but {seen:?}");
    }

    /// Accepts these keys too.
    pub fn accept(&self, keys: TemporaryKeys) {
        self.shared.keys.lock().unwrap().push(keys);
    }

    /// Whose keys signed the requests since the last call.
    pub fn signers(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.signers.lock().unwrap())
    }

    /// Requests are answered as they should be again.
    pub fn clear_rules(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The server's clock is so many seconds ahead of the machine's.
    pub fn set_clock_offset(&self, seconds: i64) {
        *self.shared.clock_offset.lock().unwrap() = seconds;
    }

    /// Keys on one page of a listing.
    pub fn set_page(&self, keys: usize) {
        self.shared.page.store(keys, Ordering::SeqCst);
    }

    /// What is stored.
    pub fn objects<T>(&self, with: impl FnOnce(&mut Objects) -> T) -> T {
        with(&mut self.shared.objects.lock().unwrap())
    }
}

/// Seconds since 1970: the server's clients may own their clock, a server has the machine's.
#[expect(clippy::disallowed_methods, reason = "a real server's clock")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn listen(shared: &Arc<Shared>, listener: TcpListener) -> JoinHandle<()> {
    let accepted = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if accepted.closed.load(Ordering::SeqCst) {
                return;
            }
            accepted.connections.fetch_add(1, Ordering::SeqCst);
            let shared = Arc::clone(&accepted);
            std::thread::spawn(move || serve(&stream, &shared));
        }
    })
}

/// Stops listening: from here on connections are refused.
fn close(stream: &TcpStream, shared: &Shared) {
    let mut listening = shared.listening.lock().unwrap();
    shared.closed.store(true, Ordering::SeqCst);
    let Some(thread) = listening.take() else { return };
    // The accepting thread sees the flag when something comes.
    let _ = TcpStream::connect(stream.local_addr().unwrap());
    thread.join().unwrap();
}

fn serve(stream: &TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut input = std::io::BufReader::new(stream);
    while let Ok(Some(head)) = http::read_head(&mut input) {
        if shared.closed.load(Ordering::SeqCst) {
            break;
        }
        let trouble = trouble(shared, &head);
        match trouble {
            Some(Trouble::ResetBefore) => break,
            Some(Trouble::Refused) => {
                close(stream, shared);
                break;
            }
            Some(Trouble::ResetDuring) => {
                if head.headers.contains_key("expect") {
                    break;
                }
                let length: u64 = head.headers.get("content-length").map_or(0, |text| text.parse().unwrap());
                let _ = std::io::copy(&mut (&mut input).take(length / 2), &mut std::io::sink());
                break;
            }
            Some(Trouble::Stall) => {
                // Until the client gives up.
                let _ = std::io::copy(&mut input, &mut std::io::sink());
                break;
            }
            _ => {}
        }
        let asks = if head.headers.contains_key("expect") { " (asks first)" } else { "" };
        let line = format!("{} {}{asks}", head.method, head.target);
        if let Some(Trouble::RefusedUnread(status, code)) = trouble {
            shared.record(line);
            let _ = http::write_refusal(&mut &*stream, status, code);
            break;
        }
        if matches!(trouble, Some(Trouble::Deaf)) {
            shared.record(line);
            // Until the process ends.
            loop {
                std::thread::park();
            }
        }
        let consent = !matches!(trouble, Some(Trouble::NoConsent));
        let Ok(request) = http::read_body(&mut input, head, &mut &*stream, consent) else { break };
        shared.record(line);
        let offset = *shared.clock_offset.lock().unwrap();
        let temporary = shared.temporary(&request);
        let (access_key, secret_key) = match &temporary {
            Some(keys) => (keys.access_key.as_str(), keys.secret_key.as_str()),
            None => (ACCESS_KEY, SECRET_KEY),
        };
        shared.signers.lock().unwrap().push(access_key.to_owned());
        let token = request.headers.get("x-amz-security-token");
        let refused = match temporary.as_ref().is_none_or(|keys| token == Some(&keys.token)) {
            true => auth::refuse(&request, access_key, secret_key, offset),
            false => Some((403, "InvalidToken")),
        };
        let answer = match refused {
            Some((status, code)) => http::Answer::error(status, code),
            // Refused, so not carried out.
            None if matches!(trouble, Some(Trouble::Status(..))) => http::Answer::new(500),
            None if matches!(trouble, Some(Trouble::OkWithError(_)))
                && !matches!(request.method.as_str(), "GET" | "HEAD") =>
            {
                http::Answer::new(200)
            }
            None => {
                let page = shared.page.load(Ordering::SeqCst);
                shared.objects.lock().unwrap().answer(&request, page)
            }
        };
        if matches!(trouble, Some(Trouble::StallAfter)) {
            let _ = std::io::copy(&mut input, &mut std::io::sink());
            break;
        }
        let close = request.headers.get("connection").is_some_and(|value| value == "close");
        let kept = http::write(&mut &*stream, &request, answer, trouble, offset).unwrap_or(false);
        if close || !kept {
            break;
        }
    }
    let _ = (&*stream).flush();
    let _ = stream.shutdown(Shutdown::Both);
}

fn trouble(shared: &Shared, request: &Request) -> Option<Trouble> {
    let planned = shared.plan.lock().unwrap().as_mut().and_then(|plan| plan.trouble(request));
    if planned.is_some() {
        return planned;
    }
    for rule in shared.rules.lock().unwrap().iter_mut() {
        if rule.times == 0 || rule.method != request.method || !request.target.contains(rule.contains) {
            continue;
        }
        if rule.after > 0 {
            rule.after -= 1;
            continue;
        }
        rule.times -= 1;
        return Some(rule.trouble.clone());
    }
    None
}

/// Headers by lower-case name.
pub type Headers = BTreeMap<String, String>;
