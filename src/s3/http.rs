//! The wire: one signed request out, one answer in. Connections are kept and used again.

use crate::ports::fault::{Fault, FaultKind};
use crate::s3::names::Names;
use crate::s3::proto::address::Endpoint;
use crate::s3::proto::fault::{Failure, Kind, REMEDY_TLS_OFF};
use crate::s3::proto::reply::Head;
use crate::s3::proto::request::{Header, Method};
use crate::s3::throttle::{Held, Throttle};
use crate::s3::tls::Tls;
use crate::s3::trust::{Distrust, Trust};
use std::cell::Cell;
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ureq::unversioned::transport::{ConnectProxyConnector, ConnectionDetails, Connector, TcpConnector};
use ureq::{Agent, BodyReader, Error, Proxy, SendBody};

/// Longest time for a connection to be made, TLS included.
pub const CONNECT: Duration = Duration::from_secs(10);

/// Longest time from the last byte sent to the end of the answer's head, however slowly it drips.
pub const ANSWER: Duration = Duration::from_secs(120);

/// A connection idle for longer is not used again. AWS closes them after 5 s; a probe before each
/// use finds most of the rest.
const IDLE: Duration = Duration::from_secs(4);

/// Bodies up to here are sent without asking first, also after the line broke.
const EXPECT_BYTES: usize = 64 << 10;

/// How to reach the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// Longest time for a connection to be made, TLS included.
    pub connect: Duration,
    /// Longest time from the last byte sent to the end of the answer's head, however slowly it drips.
    pub answer: Duration,
    /// Connections kept idle: as many as threads that send.
    pub connections: usize,
    /// Longest time without a byte moving, either way.
    pub stall: Duration,
    /// The way there, when it is not the straight one.
    pub proxy: Option<Proxy>,
    /// Bytes a second.
    pub throttle: Option<Arc<Throttle>>,
}

/// A proxy by its URL.
///
/// # Errors
/// `Unsupported` for what is no URL of an HTTP proxy; the URL, which may hold a password, is not
/// repeated.
pub fn proxy(url: &str) -> Result<Proxy, Fault> {
    let known = url.starts_with("http://") || url.starts_with("https://");
    known.then(|| Proxy::new(url).ok()).flatten().ok_or_else(|| {
        Fault::new(FaultKind::Unsupported, "the environment's proxy is no HTTP proxy's URL")
            .with_remedy("correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or name the host in NO_PROXY")
    })
}

/// Two agents: the second is for what must still be said when the first was shut down.
pub struct Wire {
    settings: Settings,
    main: Agent,
    last: OnceLock<Agent>,
}

/// What is sent. The body is in memory, so that it can be sent again.
pub struct Outgoing<'a> {
    /// HTTP's verb.
    pub method: Method,
    /// `http://host:port/path?query`, in the characters that were signed.
    pub uri: String,
    /// Signed and complete.
    pub headers: &'a [Header],
    /// Of PUT and POST.
    pub body: Option<&'a [u8]>,
    /// Wait for the server's consent before sending a large body: it may refuse with a reason
    /// that is lost when the connection breaks under the body.
    pub ask_first: bool,
    /// Goes out although the user interrupted.
    pub last_words: bool,
}

thread_local! {
    /// Whether this thread's present request made its own connection.
    static FRESH: Cell<bool> = const { Cell::new(false) };
}

/// Stands first in the chain of connectors, which only runs when no kept connection serves.
#[derive(Debug)]
struct Witness;

impl Connector<()> for Witness {
    type Out = ();

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<()>, Error> {
        FRESH.set(true);
        Ok(chained)
    }
}

impl Wire {
    /// Opens nothing yet.
    pub fn new(settings: Settings) -> Wire {
        Wire { main: agent(&settings), settings, last: OnceLock::new() }
    }

    /// Breaks every request in flight, and all later ones but last words.
    pub fn shut_down(&self) {
        self.main.clone().shutdown();
    }

    /// Sends and waits for the head of the answer.
    ///
    /// # Errors
    /// When the line fails: an answer of any status is `Ok`.
    pub fn send(&self, out: &Outgoing<'_>) -> Result<Incoming, Failure> {
        let agent = match out.last_words {
            true => self.last.get_or_init(|| {
                agent(&Settings {
                    stall: self.settings.stall.min(Duration::from_secs(5)),
                    ..self.settings.clone()
                })
            }),
            false => &self.main,
        };
        let mut request = ureq::http::Request::builder().method(out.method.as_str()).uri(&out.uri);
        for (name, value) in out.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        if out.ask_first && out.body.is_some_and(|body| body.len() > EXPECT_BYTES) {
            request = request.header("expect", "100-continue");
        }
        FRESH.set(false);
        let throttle = &self.settings.throttle;
        let answer = match (out.body, throttle) {
            (Some(body), None) => {
                request.body(body).map_err(Error::from).and_then(|request| agent.run(request))
            }
            (Some(body), Some(throttle)) => {
                let mut held = Held::new(body, throttle);
                // A reader's length is not known to HTTP unless it is told.
                let request = request.header("content-length", body.len());
                let request = request.body(SendBody::from_reader(&mut held)).map_err(Error::from);
                request.and_then(|request| agent.run(request))
            }
            (None, _) => request.body(()).map_err(Error::from).and_then(|request| agent.run(request)),
        };
        let tls = out.uri.starts_with("https:");
        let answer = answer.map_err(|error| {
            // One that was closed while idle breaks at once; a stall is to be told.
            let stalled = matches!(error, Error::Timeout(_));
            let mut failure = failure(error, tls);
            failure.stale = failure.kind == Kind::Line && !stalled && !FRESH.get();
            failure
        })?;
        let (parts, body) = answer.into_parts();
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        Ok(Incoming {
            head: Head { status: parts.status.as_u16(), headers },
            body: Arriving {
                reader: body.into_with_config().limit(u64::MAX).reader(),
                throttle: throttle.clone(),
            },
            tls,
        })
    }
}

fn agent(settings: &Settings) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // A redirect would take the signature, and a session token, to another host.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(settings.connections)
        .max_idle_connections_per_host(settings.connections)
        .max_idle_age(IDLE)
        .timeout_connect(Some(settings.connect))
        .timeout_recv_response(Some(settings.answer.max(settings.stall)))
        .timeout_per_read(Some(settings.stall))
        .timeout_per_write(Some(settings.stall))
        .user_agent(concat!("plakar/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .proxy(settings.proxy.clone());
    let chain =
        ().chain(Witness)
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Tls(settings.trust.config()));
    Agent::with_parts(config.build(), chain, Names::default())
}

/// An answer whose body is still on the wire.
pub struct Incoming {
    /// Status and headers.
    pub head: Head,
    body: Arriving,
    tls: bool,
}

/// Its bytes, at the pace that is allowed.
struct Arriving {
    reader: BodyReader<'static>,
    throttle: Option<Arc<Throttle>>,
}

impl Read for Arriving {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(throttle) = &self.throttle else { return self.reader.read(out) };
        let read = self.reader.read(throttle.piece(out))?;
        throttle.pass(read);
        Ok(read)
    }
}

impl Incoming {
    /// Whether the status is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status)
    }

    /// Whether it came over TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The whole body, at most `limit` bytes of it, and as long as the head promised.
    ///
    /// # Errors
    /// `Line` when it breaks or is shorter than promised, `Unsupported` when it is longer than
    /// `limit`.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let promised = self.head.content_length();
        let room = promised.unwrap_or(0).min(limit);
        // Promised by a stranger, so that it is reserved only up to a size that costs nothing.
        let mut bytes = Vec::with_capacity(usize::try_from(room.min(1 << 20)).unwrap_or(0));
        let read = (&mut self.body).take(limit + 1).read_to_end(&mut bytes);
        if let Err(error) = read {
            return Err(failure(Error::from(error), self.tls));
        }
        let got = bytes.len() as u64;
        if got > limit {
            return Err(Failure::strange(&self.head, format!("the answer is longer than {limit} bytes")));
        }
        match promised {
            Some(promised) if promised != got => Err(short(promised, got)),
            _ => Ok(bytes),
        }
    }

    /// Appends exactly `length` bytes, and proves that no more come, which also gives the
    /// connection back.
    ///
    /// # Errors
    /// `Line`, with what arrived before it broke left in `out`.
    pub fn read_exactly(&mut self, length: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
        let before = out.len();
        let read = (&mut self.body).take(length).read_to_end(out);
        let got = (out.len() - before) as u64;
        let result = match read {
            Err(error) => Err(failure(Error::from(error), self.tls)),
            Ok(_) if got < length => Err(short(length, got)),
            Ok(_) => match self.body.read(&mut [0]) {
                Ok(0) => Ok(()),
                Ok(_) => {
                    Err(Failure::strange(&self.head, format!("more than the wanted {length} bytes came")))
                }
                // All that was wanted is here; what is lost is the connection.
                Err(_) => Ok(()),
            },
        };
        result.map_err(|mut failure| {
            failure.progressed = got > 0;
            failure
        })
    }

    /// Some bytes of the body; 0 at its end.
    ///
    /// # Errors
    /// `Line`.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        self.body.read(out).map_err(|error| failure(Error::from(error), self.tls))
    }

    /// The refusal that this answer is, its body read as far as it helps.
    pub fn into_failure(mut self) -> Failure {
        let limit = crate::base::limits::S3_ERROR_BYTES_MAX;
        let mut body = Vec::new();
        // A body that breaks off still says something; the status says enough without it.
        let _ = (&mut self.body).take(limit).read_to_end(&mut body);
        let _ = self.body.read(&mut [0]);
        Failure::from_reply(&self.head, &body, self.tls)
    }
}

fn short(promised: u64, got: u64) -> Failure {
    Failure::new(Kind::Line, format!("the answer ended after {got} of {promised} bytes"))
}

/// Where to send.
pub fn uri(endpoint: &Endpoint, authority: &str, path: &str, query: &str) -> String {
    let scheme = if endpoint.tls() { "https" } else { "http" };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{authority}{path}{mark}{query}")
}

fn failure(error: Error, tls: bool) -> Failure {
    match error {
        Error::Io(error) => io_failure(&error),
        Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Failure::new(Kind::Unreachable, "no connection within the time allowed")
        }
        Error::Timeout(_) => Failure::new(Kind::Line, "nothing moved on the connection for too long"),
        Error::HostNotFound => Failure::new(Kind::Unreachable, "no address is known for the host"),
        Error::ConnectionFailed => Failure::new(Kind::Unreachable, "the connection failed"),
        Error::ConnectProxyFailed(why) => {
            Failure::new(Kind::Unreachable, format!("the proxy refused: {why}"))
                .with_remedy("name the host in NO_PROXY if it is reached directly")
        }
        Error::Protocol(error) if error.to_string().contains("too many headers") => {
            Failure::new(Kind::Unsupported, "the answer has more headers than the 128 that are read")
                .with_remedy("the object has too many metadata entries")
        }
        Error::Protocol(error) if !tls => Failure::new(Kind::Unreachable, format!("no HTTP answer: {error}"))
            .with_remedy("if the endpoint speaks TLS, set use_tls=true"),
        other => Failure::new(Kind::Unsupported, other.to_string()),
    }
}

fn io_failure(error: &io::Error) -> Failure {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_failure(error);
    }
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Kind::Unreachable,
        _ => Kind::Line,
    };
    let text = match error.kind() {
        ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        ErrorKind::BrokenPipe => "the server closed the connection while it was sent to".to_owned(),
        ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(kind, text)
}

fn tls_failure(error: &rustls::Error) -> Failure {
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};
    let distrust = match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref::<Distrust>()
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Failure::new(Kind::Trust, format!("TLS: {error}")).with_remedy(REMEDY_TLS_OFF);
        }
        Error::AlertReceived(
            alert @ (AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => {
            return Failure::new(Kind::Trust, format!("TLS: the server said {alert:?}"))
                .with_remedy("it wants another certificate of us: set client_cert and client_key");
        }
        _ => None,
    };
    match distrust {
        Some(distrust) => {
            Failure::new(Kind::Trust, format!("TLS: {distrust}")).with_remedy(distrust.remedy())
        }
        None => Failure::new(Kind::Line, format!("TLS: {error}")),
    }
}
