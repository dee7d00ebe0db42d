//! Why one attempt failed: the server's refusal or the line's, as a value to judge.

use crate::s3::proto::date::parse_iso;
use crate::s3::proto::reply::Head;
use crate::s3::proto::xml;
use std::fmt;
use std::time::Duration;

/// What went wrong, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No such object, upload or version.
    Missing,
    /// No such bucket.
    MissingBucket,
    /// It is there already.
    Exists,
    /// It is no longer the object that was asked for.
    Changed,
    /// Credentials or rights do not suffice.
    Denied,
    /// The server asks to come back later, or failed inside.
    Busy,
    /// No connection could be made.
    Unreachable,
    /// The connection broke, stalled, or carried less than promised.
    Line,
    /// What arrived is not what was sent or asked for.
    Damaged,
    /// The request makes no sense to the server, or its answer makes none to us.
    Unsupported,
    /// The keys are no longer good; there may be others.
    Expired,
    /// The clocks differ too much for a signature to hold.
    Clock,
    /// The bucket lives in another region.
    Region,
    /// The server wants to see the body's MD5.
    WantsMd5,
    /// The server's certificate is not trusted, or TLS does not fit the endpoint.
    Trust,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the next step depends on.
    pub kind: Kind,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// S3's code; empty when there was none.
    pub code: Box<str>,
    /// In words.
    pub detail: Box<str>,
    /// The server's name for the request; empty when there was none.
    pub request_id: Box<str>,
    /// What the server asked to wait.
    pub retry_after: Option<Duration>,
    /// The server's clock, in seconds since 1970.
    pub server_time: Option<i64>,
    /// The region that the server wants in signatures.
    pub region: Option<Box<str>>,
    /// Whether a kept connection broke before any answer: most likely it was closed while idle.
    pub stale: bool,
    /// Whether bytes of a body arrived before it broke, so that the next attempt starts further on.
    pub progressed: bool,
    /// What a person can do.
    pub remedy: Option<&'static str>,
}

/// For plain requests to a server that speaks TLS.
pub const REMEDY_TLS_ON: &str = "the endpoint speaks TLS: set use_tls=true";

/// For TLS to a server that speaks plain HTTP.
pub const REMEDY_TLS_OFF: &str = "the endpoint speaks plain HTTP: set use_tls=false";

impl Failure {
    /// Without an answer from the server.
    pub fn new(kind: Kind, detail: impl Into<Box<str>>) -> Failure {
        Failure {
            kind,
            status: None,
            code: Box::default(),
            detail: detail.into(),
            request_id: Box::default(),
            retry_after: None,
            server_time: None,
            region: None,
            stale: false,
            progressed: false,
            remedy: None,
        }
    }

    /// An answer that cannot be right.
    pub fn strange(head: &Head, detail: impl Into<Box<str>>) -> Failure {
        let mut failure = Failure::new(Kind::Unsupported, detail);
        failure.status = Some(head.status);
        failure.request_id = request_id(head);
        failure
    }

    /// The same failure, with what helps.
    #[must_use]
    pub fn with_remedy(mut self, remedy: &'static str) -> Failure {
        self.remedy = Some(remedy);
        self
    }

    /// From an answer that is not a success, and as much of its body as was read.
    pub fn from_reply(head: &Head, body: &[u8], tls: bool) -> Failure {
        let told = parse_error(body);
        let mut failure = Failure::new(Kind::Unsupported, told.message);
        failure.status = Some(head.status);
        // HEAD has no body: MinIO names the reason in a header.
        let code = head.text("x-minio-error-code").filter(|_| told.code.is_empty());
        failure.code = code.map_or(told.code, |code| printable(code, 64)).into();
        failure.request_id = match request_id(head) {
            id if id.is_empty() => told.request_id.into(),
            id => id,
        };
        failure.retry_after = head
            .text("retry-after")
            .and_then(|secs| secs.parse().ok())
            .map(Duration::from_secs)
            .or_else(|| head.text("x-amz-retry-after")?.parse().ok().map(Duration::from_millis));
        failure.server_time = told.server_time.or_else(|| head.date());
        let header = head.text("x-amz-bucket-region").filter(|region| is_region(region));
        failure.region = header.map(str::to_owned).or(told.region).map(Box::from);
        failure.kind = classify(head.status, &failure.code, failure.region.is_some());
        // AWS says it in words only.
        if failure.status == Some(400) && failure.detail.contains("Content-MD5") {
            failure.kind = Kind::WantsMd5;
        }
        if failure.code.is_empty() && failure.detail.is_empty() {
            failure.detail = excerpt(body).into();
        }
        failure.remedy = remedy(&failure, tls);
        if failure.remedy == Some(REMEDY_TLS_ON) {
            failure.kind = Kind::Trust;
        }
        failure
    }

    /// Whether the server knows no such request.
    pub fn is_not_implemented(&self) -> bool {
        self.status == Some(501) || matches!(&*self.code, "NotImplemented" | "UnsupportedOperation")
    }

    /// From a body that holds an error although the status said success.
    pub fn from_body(head: &Head, body: &[u8], tls: bool) -> Failure {
        // 500 is what S3 documents to have meant when it had sent 200 too early.
        let mut failure =
            Failure::from_reply(&Head { status: 500, headers: head.headers.clone() }, body, tls);
        failure.status = Some(head.status);
        failure
    }
}

/// `503 SlowDown: reduce your request rate (request 17F…)`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(status) = self.status {
            write!(f, "{status}")?;
            gap = " ";
        }
        if !self.code.is_empty() {
            write!(f, "{gap}{}", self.code)?;
            gap = ": ";
        } else if !gap.is_empty() {
            gap = ": ";
        }
        if !self.detail.is_empty() {
            write!(f, "{gap}{}", self.detail)?;
        }
        if !self.request_id.is_empty() {
            write!(f, " (request {})", self.request_id)?;
        }
        Ok(())
    }
}

fn request_id(head: &Head) -> Box<str> {
    printable(head.text("x-amz-request-id").unwrap_or_default(), 128).into()
}

fn classify(status: u16, code: &str, region_told: bool) -> Kind {
    match code {
        "NoSuchBucket" => return Kind::MissingBucket,
        "NoSuchKey" | "NoSuchUpload" | "NoSuchVersion" => return Kind::Missing,
        "PreconditionFailed" => return Kind::Exists,
        "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" => return Kind::Exists,
        "RequestTimeTooSkewed" => return Kind::Clock,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "InvalidTokenId"
        | "TokenRefreshRequired" => {
            return Kind::Expired;
        }
        "MissingContentMD5" => return Kind::WantsMd5,
        "AuthorizationHeaderMalformed"
        | "InvalidRegion"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "IllegalLocationConstraintException"
            if region_told =>
        {
            return Kind::Region;
        }
        "AccessDenied"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "NotSignedUp"
        | "InvalidSecurity" => {
            return Kind::Denied;
        }
        "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" | "InvalidRange" => {
            return Kind::Damaged;
        }
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "RequestTimeout"
        | "InternalError"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "OperationAborted"
        | "ConditionalRequestConflict" => return Kind::Busy,
        _ => {}
    }
    match status {
        304 | 412 => Kind::Exists,
        301 | 307 | 308 | 400 if region_told => Kind::Region,
        401 | 403 => Kind::Denied,
        404 => Kind::Missing,
        408 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=529 => Kind::Busy,
        416 => Kind::Damaged,
        _ => Kind::Unsupported,
    }
}

fn remedy(failure: &Failure, tls: bool) -> Option<&'static str> {
    // What Go's, nginx's and Apache's servers say to plain HTTP on a TLS port.
    let plain =
        ["HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS", "speaking plain HTTP"];
    if !tls && failure.status == Some(400) && plain.iter().any(|text| failure.detail.contains(text)) {
        return Some(REMEDY_TLS_ON);
    }
    Some(match &*failure.code {
        "NoSuchBucket" => "create the bucket, or correct its name in the location",
        "InvalidAccessKeyId" => "check access_key",
        "SignatureDoesNotMatch" => "check secret_access_key",
        "ExpiredToken" | "InvalidToken" | "InvalidTokenId" => {
            "the session token is no longer good: get new credentials"
        }
        "RequestTimeTooSkewed" => "set this machine's clock",
        "InvalidObjectState" => "the object is archived: restore it first",
        "XMinioStorageFull" | "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded" => {
            "free space on the server"
        }
        _ if matches!(failure.status, Some(301 | 302 | 307 | 308)) => {
            "redirects are not followed: correct the endpoint or set the region"
        }
        _ => return None,
    })
}

/// What an error's body says; every field may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ErrorBody {
    /// S3's code.
    pub code: String,
    /// S3's sentence.
    pub message: String,
    /// The server's name for the request.
    pub request_id: String,
    /// The region wanted, by its own element or from the sentence.
    pub region: Option<String>,
    /// `ServerTime`, in seconds since 1970.
    pub server_time: Option<i64>,
}

/// Reads an `<Error>` document; anything else gives empty fields.
pub fn parse_error(body: &[u8]) -> ErrorBody {
    let mut found = ErrorBody::default();
    let mut endpoint = String::new();
    let whole = xml::read(body, &mut |path, text| {
        let [root, name] = path else { return };
        if root != "Error" {
            return;
        }
        match name.as_str() {
            "Code" => found.code = printable(text, 64),
            "Message" => found.message = printable(text, 300),
            "Endpoint" => endpoint = printable(text, 253),
            "RequestId" => found.request_id = printable(text, 128),
            "Region" if !text.is_empty() => found.region = Some(text.to_owned()),
            "ServerTime" => found.server_time = parse_iso(text).map(|ns| ns.div_euclid(1_000_000_000)),
            _ => {}
        }
    });
    if !matches!(whole.as_deref(), Ok("Error")) {
        return ErrorBody::default();
    }
    if !endpoint.is_empty() {
        // AWS says "the specified endpoint", and names it apart.
        let told = found.message.trim_end_matches('.');
        found.message = printable(&format!("{told}: {endpoint}"), 600);
    }
    if found.region.is_none() {
        // AWS: "the region 'us-east-1' is wrong; expecting 'eu-west-1'".
        let after = found.message.split_once("expecting '").map(|(_, rest)| rest);
        found.region = after.and_then(|rest| rest.split_once('\'')).map(|(region, _)| region.to_owned());
    }
    found.region = found.region.filter(|region| is_region(region));
    found
}

/// Whether the text can be a region's name: it goes into every signature.
pub fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The first 200 bytes of a body that is no S3 error, for the message.
fn excerpt(body: &[u8]) -> String {
    let head = body.get(..200).unwrap_or(body);
    let text = printable(&String::from_utf8_lossy(head), 200);
    match text.is_empty() {
        true => String::new(),
        false => format!("the answer is not S3's: {text}"),
    }
}

/// On one line, without control characters, at most `most` characters.
fn printable(text: &str, most: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::{Failure, Kind, REMEDY_TLS_ON};
    use crate::s3::proto::reply::Head;
    use std::time::Duration;

    fn head(status: u16, headers: &[(&str, &str)]) -> Head {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
        Head { status, headers }
    }

    fn error(code: &str, rest: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m&amp;n</Message>{rest}</Error>")
    }

    #[test]
    fn refusals_become_kinds() {
        for (status, body, kind) in [
            (404, error("NoSuchKey", ""), Kind::Missing),
            (404, error("NoSuchBucket", ""), Kind::MissingBucket),
            (404, String::new(), Kind::Missing),
            (412, error("PreconditionFailed", ""), Kind::Exists),
            (304, String::new(), Kind::Exists),
            (403, error("AccessDenied", ""), Kind::Denied),
            (403, error("RequestTimeTooSkewed", ""), Kind::Clock),
            (400, error("AuthorizationHeaderMalformed", "<Region>garage</Region>"), Kind::Region),
            (400, error("AuthorizationHeaderMalformed", ""), Kind::Unsupported),
            (400, error("AuthorizationHeaderMalformed", "<Region>a b</Region>"), Kind::Unsupported),
            (400, error("RequestTimeout", ""), Kind::Busy),
            (400, error("MissingContentMD5", ""), Kind::WantsMd5),
            (
                400,
                error("InvalidRequest", "").replace("m&amp;n", "Content-MD5 HTTP header is required"),
                Kind::WantsMd5,
            ),
            (503, error("SlowDown", ""), Kind::Busy),
            (503, "<html><body>Bad gateway & co".to_owned(), Kind::Busy),
            (400, error("BadDigest", ""), Kind::Damaged),
            (501, error("NotImplemented", ""), Kind::Unsupported),
            (302, String::new(), Kind::Unsupported),
        ] {
            assert_eq!(Failure::from_reply(&head(status, &[]), body.as_bytes(), false).kind, kind, "{body}");
        }
    }

    #[test]
    fn everything_told_is_kept() {
        let head = head(
            503,
            &[("x-amz-request-id", "17F"), ("retry-after", "120"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
        );
        let failure = Failure::from_reply(&head, error("SlowDown", "").as_bytes(), false);
        assert_eq!(failure.to_string(), "503 SlowDown: m&n (request 17F)");
        assert_eq!(failure.retry_after, Some(Duration::from_secs(120)));
        assert_eq!(failure.server_time, Some(784_111_777));
    }

    #[test]
    fn a_proxys_page_is_quoted_in_part() {
        let page = format!("<html><h1>Denied\r\n by proxy</h1>{}</html>", "x".repeat(5000));
        let failure = Failure::from_reply(&head(403, &[]), page.as_bytes(), false);
        assert!(
            failure.to_string().starts_with("403: the answer is not S3's: <html><h1>Denied by proxy</h1>xxx")
        );
        assert!(failure.to_string().len() < 260);
    }

    #[test]
    fn regions_are_taken_from_where_servers_put_them() {
        let aws = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message></Error>";
        for (head, body) in [
            (head(400, &[]), aws),
            (head(301, &[("x-amz-bucket-region", "eu-west-1")]), ""),
            (head(400, &[("x-amz-bucket-region", "eu-west-1")]), ""),
        ] {
            let failure = Failure::from_reply(&head, body.as_bytes(), true);
            assert_eq!((failure.kind, failure.region.as_deref()), (Kind::Region, Some("eu-west-1")));
        }
    }

    #[test]
    fn where_a_bucket_is_to_be_asked_for_is_told() {
        let body = "<Error><Code>PermanentRedirect</Code><Message>Use the specified endpoint.</Message>\
                    <Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
        let failure = Failure::from_reply(&head(301, &[]), body.as_bytes(), true);
        let told = "301 PermanentRedirect: Use the specified endpoint: b.s3.eu-west-1.amazonaws.com";
        assert_eq!(failure.to_string(), told);
    }

    #[test]
    fn plain_http_to_a_tls_port_names_the_remedy() {
        let failure =
            Failure::from_reply(&head(400, &[]), b"Client sent an HTTP request to an HTTPS server.\n", false);
        assert_eq!((failure.kind, failure.remedy), (Kind::Trust, Some(REMEDY_TLS_ON)));
    }
}
