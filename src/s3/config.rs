//! What a client is told before its first request.

use crate::base::limits::S3_PARTS_MAX;
use crate::s3::login::Login;
use crate::s3::proto::address::{Addressing, Endpoint};
use crate::s3::proto::encryption::Encryption;
use crate::s3::proto::proxy::Proxies;
use crate::s3::trust::Trust;
use std::sync::Arc;
use std::time::Duration;

/// Told what a person should know while a request is tried again.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Everything about the server and who asks.
#[derive(Clone)]
pub struct Config {
    /// Host, port, TLS.
    pub endpoint: Endpoint,
    /// For signatures; `us-east-1` until the server says otherwise when `None`.
    pub region: Option<String>,
    /// Who asks.
    pub login: Arc<Login>,
    /// Where the bucket's name stands.
    pub addressing: Addressing,
    /// Proxies to reach it through.
    pub proxies: Proxies,
    /// Whose certificates are accepted, and which one is shown; `None` for the built-in authorities.
    pub trust: Option<Trust>,
    /// Requests in flight at once: the number of threads that will use the client.
    pub connections: usize,
    /// Longest time spent on one request, retries and waits included.
    pub retry_budget: Duration,
    /// Longest time without a byte moving before a connection counts as broken, the wait for an answer
    /// included: huge listings and full disks take their time.
    pub stall: Duration,
    /// Bytes a second of all bodies together, both ways; no limit when `None`.
    pub bandwidth: Option<u64>,
    /// How objects are encrypted by the server.
    pub encryption: Encryption,
    /// Most parts of one upload: some servers take fewer than S3.
    pub parts_max: u64,
    /// Told of every attempt, without any secret.
    pub trace: Option<Notice>,
}

impl Config {
    /// With defaults for the rest: path or host by the endpoint, no proxy, 16 connections, 5 minutes for one
    /// request, 60 seconds of silence.
    pub fn new(endpoint: Endpoint, login: Login) -> Config {
        Config {
            endpoint,
            region: None,
            login: Arc::new(login),
            addressing: Addressing::Auto,
            proxies: Proxies::default(),
            trust: None,
            connections: 16,
            retry_budget: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            bandwidth: None,
            encryption: Encryption::default(),
            parts_max: S3_PARTS_MAX,
            trace: None,
        }
    }
}
