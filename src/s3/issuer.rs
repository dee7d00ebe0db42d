//! Asks those who hand out temporary keys: security token services, and the credentials services of
//! instances and containers.

use crate::base::limits::S3_XML_BYTES_MAX;
use crate::base::secret::Secret;
use crate::s3::http::{Outgoing, Settings, Wire, proxy, uri};
use crate::s3::proto::address::{Endpoint, Place};
use crate::s3::proto::date::amz_date;
use crate::s3::proto::fault::Kind;
use crate::s3::proto::identity::{Keys, parse_assumed, parse_issued, parse_refusal};
use crate::s3::proto::proxy::Proxies;
use crate::s3::proto::request::{Header, Method, Request};
use crate::s3::proto::sign::{Signer, day_key, payload_hash, sign};
use crate::s3::proto::sts::{self, Role};
use crate::s3::trust::Trust;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest wait for a service that is on this machine or its host: where there is none, nobody
/// answers at all.
const LOCAL: Duration = Duration::from_secs(1);

/// Longest wait for a security token service to connect, and then to answer.
const REMOTE: Duration = Duration::from_secs(10);

/// Life of an IMDSv2 session, which serves for two or three requests.
const SESSION_SECS: &str = "60";

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether asking again may help.
    pub passing: bool,
    /// In words, with who was asked.
    pub why: String,
    /// The clock of who refused, in seconds since 1970: ours may be the reason.
    pub server_time: Option<i64>,
}

impl Trouble {
    /// One that asking again does not change.
    pub fn lasting(why: impl Into<String>) -> Trouble {
        Trouble { passing: false, why: why.into(), server_time: None }
    }
}

/// A security token service.
#[derive(Clone, Debug)]
pub struct Sts {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Whose certificates are accepted, and which one is shown.
    pub trust: Trust,
    /// Proxies to reach it through.
    pub proxies: Proxies,
    /// For signatures.
    pub region: String,
    /// What is asked for.
    pub role: Role,
}

impl Sts {
    /// `AssumeRole`, with long-term keys, at `now` in seconds since 1970.
    ///
    /// # Errors
    /// What the service or the line said.
    pub fn assume_role(&self, keys: &Keys, now: i64) -> Result<Keys, Trouble> {
        let (request, body) = sts::assume_role(&self.role);
        let place = Place { authority: self.endpoint.to_string(), path: "/".to_owned() };
        let day_key = day_key(keys.secret_key.expose(), &amz_date(now).day, &self.region, "sts");
        let signer = Signer {
            access_key: &keys.access_key,
            session_token: keys.session_token.as_ref().map(Secret::expose),
            region: &self.region,
            service: "sts",
            day_key: &day_key,
        };
        let headers = sign(&request, &place, &signer, now, &payload_hash(&body));
        self.ask(&request, &headers, &body)
    }

    /// `AssumeRoleWithWebIdentity`, with another provider's token.
    ///
    /// # Errors
    /// What the service or the line said.
    pub fn assume_role_with_web_identity(&self, token: &str) -> Result<Keys, Trouble> {
        let (request, body) = sts::assume_role_with_web_identity(&self.role, token);
        self.ask(&request, &request.headers, &body)
    }

    /// `AssumeRoleWithCertificate`, with the client certificate.
    ///
    /// # Errors
    /// What the service or the line said.
    pub fn assume_role_with_certificate(&self) -> Result<Keys, Trouble> {
        let request = sts::assume_role_with_certificate();
        self.ask(&request, &[], &[])
    }

    fn ask(&self, request: &Request, headers: &[Header], body: &[u8]) -> Result<Keys, Trouble> {
        let authority = self.endpoint.to_string();
        let to = uri(&self.endpoint, &authority, "/", &request.query_string());
        let who = uri(&self.endpoint, &authority, "", "");
        let proxy = self.proxies.choose(&self.endpoint).map(proxy).transpose();
        let proxy = proxy.map_err(|fault| Trouble::lasting(fault.to_string()))?;
        let settings = Settings { proxy, ..settings(&self.trust, REMOTE) };
        let answer = ask(settings, Method::Post, to, headers, Some(body), &who)?;
        parse_assumed(&answer).map_err(|why| Trouble::lasting(format!("{who}: {why}")))
    }
}

/// The credentials service of a container, as ECS, EKS and their like offer it.
///
/// # Errors
/// What the service or the line said.
pub fn container(trust: &Trust, url: &str, token: Option<&str>) -> Result<Keys, Trouble> {
    let headers: Vec<Header> =
        token.map(|token| ("authorization".to_owned(), token.as_bytes().to_vec())).into_iter().collect();
    let answer = ask(settings(trust, LOCAL), Method::Get, url.to_owned(), &headers, None, url)?;
    parse_issued(&answer).map_err(|why| Trouble::lasting(format!("{url}: {why}")))
}

/// The credentials service of an instance, by IMDSv2: a session first, then the role's name, then
/// its keys.
///
/// # Errors
/// What the service or the line said.
pub fn instance(trust: &Trust, endpoint: &str) -> Result<Keys, Trouble> {
    const KEYS: &str = "/latest/meta-data/iam/security-credentials/";
    let text = |answer: Zeroizing<Vec<u8>>, what: &str| {
        let text = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().trim().to_owned();
        let plain = !text.is_empty() && text.len() <= 1024 && text.chars().all(|c| c.is_ascii_graphic());
        plain.then_some(text).ok_or_else(|| Trouble::lasting(format!("{endpoint}: no {what} in the answer")))
    };
    let ttl = [("x-aws-ec2-metadata-token-ttl-seconds".to_owned(), SESSION_SECS.as_bytes().to_vec())];
    let to = format!("{endpoint}/latest/api/token");
    let token = text(ask(settings(trust, LOCAL), Method::Put, to, &ttl, Some(&[]), endpoint)?, "session")?;
    let session = [("x-aws-ec2-metadata-token".to_owned(), token.into_bytes())];
    let get = |to: String| ask(settings(trust, LOCAL), Method::Get, to, &session, None, endpoint);
    let role = text(get(format!("{endpoint}{KEYS}"))?, "role")?;
    let answer = get(format!("{endpoint}{KEYS}{role}"))?;
    parse_issued(&answer).map_err(|why| Trouble::lasting(format!("{endpoint}: {why}")))
}

/// Without a proxy: none can reach what is on this machine.
fn settings(trust: &Trust, limit: Duration) -> Settings {
    Settings {
        trust: trust.clone(),
        connect: limit,
        answer: limit,
        connections: 1,
        stall: limit,
        proxy: None,
        throttle: None,
    }
}

fn ask(
    settings: Settings,
    method: Method,
    uri: String,
    headers: &[Header],
    body: Option<&[u8]>,
    who: &str,
) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let out = Outgoing { method, uri, headers, body, ask_first: false, last_words: false };
    let mut answer = Wire::new(settings).send(&out).map_err(|failure| Trouble {
        passing: failure.kind != Kind::Trust,
        why: format!("{who}: {failure}"),
        server_time: None,
    })?;
    let status = answer.head.status;
    let body = answer.read_all(S3_XML_BYTES_MAX).map(Zeroizing::new);
    let body = body.map_err(|failure| Trouble {
        passing: true,
        why: format!("{who}: {failure}"),
        server_time: None,
    })?;
    if answer.is_success() {
        return Ok(body);
    }
    let said = parse_refusal(&body);
    let gap = if said.is_empty() { "" } else { " " };
    Err(Trouble {
        passing: status >= 500 || status == 429,
        why: format!("{who}: {status}{gap}{said}"),
        server_time: answer.head.date(),
    })
}
