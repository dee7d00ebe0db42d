//! The head of an answer: status and headers.

use crate::s3::proto::date::parse_http;
use crate::s3::proto::request::Header;

/// Status and headers, names in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// HTTP's number.
    pub status: u16,
    /// In the order of arrival.
    pub headers: Vec<Header>,
}

impl Head {
    /// The first header of that name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The same as text, when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    /// `Content-Length`.
    pub fn content_length(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    /// `Content-Range`: first byte, last byte and the object's size, checked against each other.
    pub fn content_range(&self) -> Option<(u64, u64, u64)> {
        let (range, size) = self.text("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, size) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
        (first <= last && last < size).then_some((first, last, size))
    }

    /// The entity tag without its quotes.
    pub fn etag(&self) -> String {
        trim_etag(self.text("etag").unwrap_or_default())
    }

    /// The server's clock, in seconds since 1970.
    pub fn date(&self) -> Option<i64> {
        self.text("date").and_then(parse_http)
    }
}

/// An entity tag without its quotes.
pub fn trim_etag(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}
