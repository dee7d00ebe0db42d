//! The first word to a server: an unsigned request whose answer proves the connection, TLS and the
//! clock, whatever the server thinks of the request.

use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::{Bucket, drain};
use crate::s3::http::{Outgoing, uri};
use crate::s3::proto::request::Method;

/// What an answer told besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The program that answered, if it said.
    pub server: String,
    /// How many seconds the server's clock is before this machine's; `None` when it did not say.
    pub clock_ahead_secs: Option<i64>,
}

impl Bucket {
    /// Asks once, with no credentials.
    ///
    /// # Errors
    /// `Broken` when the connection or TLS failed: an answer of any status is one.
    pub fn greet(&self) -> Result<Greeting, Fault> {
        let endpoint = &self.core.config.endpoint;
        let out = Outgoing {
            method: Method::Get,
            uri: uri(endpoint, &endpoint.to_string(), "/", ""),
            headers: &[],
            body: None,
            ask_first: false,
            last_words: false,
        };
        let answer = self.core.send_once(&out).map_err(|failure| {
            let fault = Fault::new(FaultKind::Broken, failure.to_string());
            match failure.remedy {
                Some(remedy) => fault.with_remedy(remedy),
                None => fault,
            }
        })?;
        let here = self.core.wall_clock_secs();
        let greeting = Greeting {
            server: answer.head.text("server").unwrap_or_default().to_owned(),
            clock_ahead_secs: answer.head.date().map(|there| there - here),
        };
        // What it says is of no matter, and a connection that is lost here is made again.
        let _ = drain(answer);
        Ok(greeting)
    }
}
