//! Objects and buckets: requests, and what their replies say.

use crate::s3::proto::address::Key;
use crate::s3::proto::date::parse_http;
use crate::s3::proto::escape::encode_query;
use crate::s3::proto::fault::{Failure, Kind};
use crate::s3::proto::reply::Head;
use crate::s3::proto::request::{Header, Method, Request};
use crate::s3::proto::xml;

/// How an object is stored.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// `STANDARD`, `STANDARD_IA`…; the server's default when `None`.
    pub storage_class: Option<String>,
    /// Leaves the class to a server that has no such class.
    pub any_storage_class: bool,
    /// Makes the bucket when the server says that there is none.
    pub make_bucket: bool,
    /// Fails with `Exists` when there is an object of that key (`If-None-Match: *`).
    pub if_none_match: bool,
    /// What is kept with the object and given back with it: see [`is_kept`].
    pub headers: Vec<Header>,
    /// Tags as a query string: `a=b&c=d`.
    pub tags: Option<Vec<u8>>,
}

/// Whether a header is a fact of an object that a client gave it, so that a copy should have it too:
/// its type, how it is to be cached and shown, and the user's own (`x-amz-meta-…`).
pub fn is_kept(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
        "x-amz-website-redirect-location",
    ];
    KEPT.contains(&name) || name.starts_with("x-amz-meta-")
}

impl PutOptions {
    /// Adds them to a PUT, or to the start of an upload. `if_none_match` is not among them: of an
    /// upload, its completion carries it.
    pub fn apply(&self, mut request: Request) -> Request {
        if let Some(class) = &self.storage_class {
            request = request.header("x-amz-storage-class", class.as_str());
        }
        if let Some(tags) = &self.tags {
            request = request.header("x-amz-tagging", tags.clone());
        }
        request.headers.extend(self.headers.iter().cloned());
        request
    }
}

/// What HEAD tells of an object.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ObjectInfo {
    /// Length in bytes.
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// Nanoseconds since 1970, in whole seconds; 0 when not told.
    pub last_modified_ns: i64,
    /// Those that [`is_kept`], sorted by name.
    pub headers: Vec<Header>,
    /// Number of tags, as far as it is told.
    pub tags: u64,
    /// Empty when not told: the standard class.
    pub storage_class: String,
}

/// `HEAD /bucket/key`.
pub fn head(bucket: &str, key: &Key) -> Request {
    Request::new("head object", Method::Head, bucket, Some(key))
}

/// `GET /bucket/key`, all of it.
pub fn get(bucket: &str, key: &Key) -> Request {
    Request::new("get object", Method::Get, bucket, Some(key))
}

/// `GET /bucket/key` from `first` to `last`, both included, of the object with this entity tag.
pub fn get_range(bucket: &str, key: &Key, first: u64, last: u64, if_match: Option<&str>) -> Request {
    let request = get(bucket, key).header("range", format!("bytes={first}-{last}"));
    match if_match {
        Some(etag) => request.header("if-match", format!("\"{etag}\"")),
        None => request,
    }
}

/// `PUT /bucket/key`.
pub fn put(bucket: &str, key: &Key, options: &PutOptions) -> Request {
    let request = options.apply(Request::new("put object", Method::Put, bucket, Some(key)));
    match options.if_none_match {
        true => request.header("if-none-match", "*"),
        false => request,
    }
}

/// `DELETE /bucket/key`.
pub fn delete(bucket: &str, key: &Key) -> Request {
    Request::new("delete object", Method::Delete, bucket, Some(key))
}

/// `GET /bucket/key?tagging`.
pub fn get_tagging(bucket: &str, key: &Key) -> Request {
    Request::new("get tags", Method::Get, bucket, Some(key)).query("tagging", "")
}

/// Reads the answer to [`get_tagging`] into the form of [`PutOptions::tags`].
///
/// # Errors
/// One line.
pub fn parse_tagging(body: &[u8]) -> Result<Vec<u8>, String> {
    let (mut tags, mut name, mut value) = (Vec::new(), String::new(), String::new());
    let root = xml::read(body, &mut |path, text| match path
        .iter()
        .skip(1)
        .map(String::as_str)
        .collect::<Vec<_>>()[..]
    {
        ["TagSet", "Tag", "Key"] => text.clone_into(&mut name),
        ["TagSet", "Tag", "Value"] => text.clone_into(&mut value),
        ["TagSet", "Tag"] => {
            tags.push(format!("{}={}", encode_query(name.as_bytes()), encode_query(value.as_bytes())));
            value.clear();
        }
        _ => {}
    })?;
    match root.as_str() {
        "Tagging" => Ok(tags.join("&").into_bytes()),
        _ => Err("the answer is no set of tags".to_owned()),
    }
}

/// `HEAD /bucket`.
pub fn head_bucket(bucket: &str) -> Request {
    Request::new("head bucket", Method::Head, bucket, None)
}

/// `PUT /bucket`, and its body.
pub fn create_bucket(bucket: &str, region: &str) -> (Request, Vec<u8>) {
    let request = Request::new("create bucket", Method::Put, bucket, None);
    // us-east-1 is the one region that must not be named.
    let body = match region {
        "us-east-1" => String::new(),
        _ => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    (request, body.into_bytes())
}

/// Reads the answer to HEAD.
///
/// # Errors
/// When the length is not told.
pub fn parse_head(head: &Head) -> Result<ObjectInfo, Failure> {
    let size = head
        .content_length()
        .ok_or_else(|| Failure::strange(head, "the answer does not tell the object's length"))?;
    let mut headers: Vec<Header> = head.headers.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
    headers.sort();
    Ok(ObjectInfo {
        size,
        etag: head.etag(),
        last_modified_ns: head
            .text("last-modified")
            .and_then(parse_http)
            .map_or(0, |secs| secs.saturating_mul(1_000_000_000)),
        headers,
        tags: head.text("x-amz-tagging-count").and_then(|count| count.parse().ok()).unwrap_or(0),
        storage_class: head.text("x-amz-storage-class").unwrap_or_default().to_owned(),
    })
}

/// The length of a whole object's body, from the head of its answer.
///
/// # Errors
/// When it is not told, or over `limit`.
pub fn whole_length(head: &Head, limit: u64) -> Result<u64, Failure> {
    let Some(length) = head.content_length() else {
        return Err(Failure::strange(head, "the answer does not tell its length"));
    };
    if length > limit {
        let detail = format!("the object is {length} bytes long, more than the {limit} accepted");
        return Err(Failure { code: "TooLong".into(), ..Failure::strange(head, detail) });
    }
    Ok(length)
}

/// Checks that the answer to [`get_range`] carries exactly those bytes. `first` to `last`, both
/// included, was asked for.
///
/// # Errors
/// `Damaged` when the object ends before `last`; `Unsupported` when the server answered another
/// question.
pub fn check_range(head: &Head, first: u64, last: u64) -> Result<(), Failure> {
    let wanted = last - first + 1;
    let short = |size: u64| {
        let detail = format!("the object ends at byte {size}, before the wanted {first} to {last}");
        Failure { kind: Kind::Damaged, code: "InvalidRange".into(), ..Failure::strange(head, detail) }
    };
    let partial = head.status == 206 || head.content_range().is_some();
    match partial {
        // Some servers send a range, and say so, under status 200.
        true => {
            let Some((got_first, got_last, size)) = head.content_range() else {
                return Err(Failure::strange(head, "a partial answer without a good Content-Range"));
            };
            if got_first == first && got_last < last && got_last + 1 == size {
                return Err(short(size));
            }
            if (got_first, got_last) != (first, last) {
                let detail =
                    format!("asked for bytes {first} to {last}, the answer has {got_first} to {got_last}");
                return Err(Failure::strange(head, detail));
            }
        }
        // A server may answer a range that covers everything with all of it, and one that it cannot
        // read, like MinIO from 2^63 on, as if none had been asked for.
        false => match head.content_length() {
            Some(length) if first == 0 && length == wanted => {}
            Some(length) if length <= last => return Err(short(length)),
            _ => return Err(Failure::strange(head, "the server ignores ranges")),
        },
    }
    match head.content_length() {
        Some(length) if length != wanted => {
            let detail = format!("{wanted} bytes were asked for, the answer promises {length}");
            Err(Failure { kind: Kind::Line, ..Failure::strange(head, detail) })
        }
        _ => Ok(()),
    }
}

/// Checks that the answer is of the object with that entity tag: a server may pass over `If-Match`.
///
/// # Errors
/// `Changed`.
pub fn check_etag(head: &Head, wanted: Option<&str>) -> Result<(), Failure> {
    let found = head.etag();
    match wanted {
        Some(wanted) if !found.is_empty() && found != wanted => {
            let detail = "the object was replaced since it was looked at";
            Err(Failure { kind: Kind::Changed, ..Failure::strange(head, detail) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_etag, check_range};
    use crate::s3::proto::fault::Kind;
    use crate::s3::proto::reply::Head;

    #[test]
    fn only_the_bytes_asked_for_are_accepted() {
        let cases: &[(u16, &str, &str, Option<Kind>)] = &[
            (206, "bytes 10-19/100", "10", None),
            (206, "bytes 10-19/20", "", None),
            (206, "bytes 10-14/15", "5", Some(Kind::Damaged)),
            (206, "bytes 10-18/100", "9", Some(Kind::Unsupported)),
            (206, "bytes 0-9/100", "10", Some(Kind::Unsupported)),
            (206, "bytes 10-19/100", "9", Some(Kind::Line)),
            (206, "bytes 10-19/*", "10", Some(Kind::Unsupported)),
            (206, "", "10", Some(Kind::Unsupported)),
            (200, "bytes 10-19/100", "10", None),
            (200, "bytes 10-14/15", "5", Some(Kind::Damaged)),
            (200, "bytes 0-99/100", "100", Some(Kind::Unsupported)),
            (200, "", "100", Some(Kind::Unsupported)),
            (200, "", "20", Some(Kind::Unsupported)),
            (200, "", "19", Some(Kind::Damaged)),
            (200, "", "5", Some(Kind::Damaged)),
            (200, "", "", Some(Kind::Unsupported)),
        ];
        for (status, range, length, kind) in cases {
            let mut head = Head { status: *status, headers: Vec::new() };
            for (name, value) in [("content-range", range), ("content-length", length)] {
                if !value.is_empty() {
                    head.headers.push((name.to_owned(), value.as_bytes().to_vec()));
                }
            }
            assert_eq!(check_range(&head, 10, 19).err().map(|f| f.kind), *kind, "{range} {length}");
        }
        let tagged = Head { status: 206, headers: vec![("etag".to_owned(), b"\"a\"".to_vec())] };
        let untagged = Head { status: 206, headers: Vec::new() };
        for (head, wanted, kind) in [
            (&tagged, Some("a"), None),
            (&tagged, None, None),
            (&untagged, Some("a"), None),
            (&tagged, Some("b"), Some(Kind::Changed)),
        ] {
            assert_eq!(check_etag(head, wanted).err().map(|f| f.kind), kind, "{wanted:?}");
        }
        let all = Head { status: 200, headers: vec![("content-length".to_owned(), b"20".to_vec())] };
        assert_eq!(check_range(&all, 0, 19), Ok(()));
        assert_eq!(check_range(&all, 0, 29).unwrap_err().kind, Kind::Damaged);
    }
}
