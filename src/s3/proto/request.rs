//! What is wanted of a server, before it has an address and a signature.

use crate::s3::proto::address::Key;
use crate::s3::proto::escape::encode_query;
use std::fmt;

/// HTTP's methods, as far as S3 uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads the head only.
    Head,
    /// Stores.
    Put,
    /// Starts and completes uploads.
    Post,
    /// Removes.
    Delete,
}

impl Method {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Put => "PUT",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }
}

/// Name in lower case, and value.
pub type Header = (String, Vec<u8>);

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For messages: `put object`.
    pub operation: &'static str,
    /// What to do.
    pub method: Method,
    /// With what bucket.
    pub bucket: String,
    /// With what object; `None` for the bucket itself.
    pub key: Option<Key>,
    /// Names and values, unescaped, in any order.
    pub query: Vec<(&'static str, Vec<u8>)>,
    /// Besides those that signing and HTTP need; names in lower case.
    pub headers: Vec<Header>,
}

impl Request {
    /// Without query and headers.
    pub fn new(operation: &'static str, method: Method, bucket: &str, key: Option<&Key>) -> Request {
        Request {
            operation,
            method,
            bucket: bucket.to_owned(),
            key: key.cloned(),
            query: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// With one more parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Request {
        self.query.push((name, value.into()));
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The canonical query string, which is also the one that is sent: escaped, sorted, every name
    /// with its `=`.
    pub fn query_string(&self) -> String {
        let mut pairs: Vec<(String, String)> = self
            .query
            .iter()
            .map(|(name, value)| (encode_query(name.as_bytes()), encode_query(value)))
            .collect();
        pairs.sort();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    /// `PUT bucket/key?partNumber=3&uploadId=x`: what is asked, without headers, for whoever traces.
    pub fn line(&self) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("/{key}"));
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{key}{mark}{}", self.method.as_str(), self.bucket, self.query_string())
    }

    /// The name of a header whose value HTTP cannot carry.
    pub fn bad_header(&self) -> Option<&str> {
        let token =
            |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c) && !c.is_ascii_uppercase();
        let carried = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        let bad = |(name, value): &&Header| {
            name.is_empty() || !name.chars().all(token) || !value.iter().all(carried)
        };
        self.headers.iter().find(bad).map(|(name, _)| name.as_str())
    }
}

impl Request {
    /// The right that it needs, in the words of a policy: the action, and the resource whose rules
    /// decide.
    pub fn right(&self) -> String {
        let resource = if self.key.is_some() { "/*" } else { "" };
        let tags = self.headers.iter().any(|(name, _)| name == "x-amz-tagging");
        let also = if tags { " and s3:PutObjectTagging" } else { "" };
        format!("{}{also} on arn:aws:s3:::{}{resource}", self.action(), self.bucket)
    }

    fn action(&self) -> &'static str {
        let asks = |name: &str| self.query.iter().any(|(n, _)| *n == name);
        match (self.method, self.key.is_some()) {
            (Method::Get | Method::Head, true) if asks("tagging") => "s3:GetObjectTagging",
            (Method::Get | Method::Head, true) => "s3:GetObject",
            (Method::Get, false) if asks("uploads") => "s3:ListBucketMultipartUploads",
            (Method::Get | Method::Head, false) => "s3:ListBucket",
            (Method::Put | Method::Post, true) if asks("tagging") => "s3:PutObjectTagging",
            (Method::Put | Method::Post, true) => "s3:PutObject",
            (Method::Put | Method::Post, false) => "s3:CreateBucket",
            (Method::Delete, true) if asks("uploadId") => "s3:AbortMultipartUpload",
            (Method::Delete, true) => "s3:DeleteObject",
            (Method::Delete, false) => "s3:DeleteBucket",
        }
    }
}

/// `put object bucket/key`, for messages.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.bucket)?;
        match &self.key {
            Some(key) => write!(f, "/{key}"),
            None => Ok(()),
        }
    }
}
