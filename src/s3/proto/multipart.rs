//! Uploads in parts: create, send, complete, abort, list.

use crate::algo::hash::md5;
use crate::s3::proto::address::Key;
use crate::s3::proto::date::parse_iso;
use crate::s3::proto::escape::{Plus, decode};
use crate::s3::proto::object::PutOptions;
use crate::s3::proto::reply::trim_etag;
use crate::s3::proto::request::{Method, Request};
use crate::s3::proto::xml;

/// `POST /bucket/key?uploads`.
pub fn create(bucket: &str, key: &Key, options: &PutOptions) -> Request {
    options.apply(Request::new("create upload", Method::Post, bucket, Some(key)).query("uploads", ""))
}

/// The upload's name from the answer to [`create`].
///
/// # Errors
/// One line.
pub fn parse_create(body: &[u8]) -> Result<String, String> {
    let mut id = String::new();
    let root = xml::read(body, &mut |path, text| {
        if path.iter().skip(1).eq(["UploadId"]) {
            id = text.to_owned();
        }
    })?;
    // Not by the root's name, which rclone's server gives as `InitiateMultipartUpload`.
    match root != "Error" && !id.is_empty() {
        true => Ok(id),
        false => Err("the answer names no upload".to_owned()),
    }
}

/// `PUT /bucket/key?partNumber=N&uploadId=…`. Parts are numbered from 1.
pub fn put_part(bucket: &str, key: &Key, upload: &str, number: u64) -> Request {
    Request::new("put part", Method::Put, bucket, Some(key))
        .query("partNumber", number.to_string())
        .query("uploadId", upload)
}

/// `POST /bucket/key?uploadId=…` and its body, from the parts' entity tags in order.
pub fn complete(
    bucket: &str,
    key: &Key,
    upload: &str,
    etags: &[String],
    if_none_match: bool,
) -> (Request, Vec<u8>) {
    let mut body =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (n, etag) in etags.iter().enumerate() {
        body.push_str(&format!(
            "<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag></Part>",
            n + 1,
            xml::escape(etag)
        ));
    }
    body.push_str("</CompleteMultipartUpload>");
    let mut request =
        Request::new("complete upload", Method::Post, bucket, Some(key)).query("uploadId", upload);
    if if_none_match {
        request = request.header("if-none-match", "*");
    }
    (request, body.into_bytes())
}

/// What the answer to [`complete`] says, whose status 200 was sent before the outcome was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The object is there, with this entity tag.
    Done(String),
    /// The body is an error.
    Failed,
}

/// Reads it.
///
/// # Errors
/// One line, when it is neither.
pub fn parse_complete(body: &[u8]) -> Result<Completed, String> {
    let mut etag = String::new();
    let root = xml::read(body, &mut |path, text| {
        if path.iter().skip(1).eq(["ETag"]) {
            etag = trim_etag(text);
        }
    })?;
    match root.as_str() {
        "CompleteMultipartUploadResult" => Ok(Completed::Done(etag)),
        "Error" => Ok(Completed::Failed),
        _ => Err("neither a result nor an error".to_owned()),
    }
}

/// The entity tag that S3 and most others give an object of these parts; `None` where the parts'
/// own are no MD5 sums.
pub fn whole_etag(etags: &[String]) -> Option<String> {
    let mut sums = Vec::with_capacity(etags.len() * 16);
    for etag in etags {
        let mut sum = [0; 16];
        hex::decode_to_slice(etag, &mut sum).ok()?;
        sums.extend_from_slice(&sum);
    }
    Some(format!("{}-{}", hex::encode(md5(&sums)), etags.len()))
}

/// `DELETE /bucket/key?uploadId=…`.
pub fn abort(bucket: &str, key: &Key, upload: &str) -> Request {
    Request::new("abort upload", Method::Delete, bucket, Some(key)).query("uploadId", upload)
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The object it would become.
    pub key: Vec<u8>,
    /// Its name.
    pub upload: String,
    /// When it was begun, by the server's clock, in nanoseconds since 1970; `None` when not told.
    pub begun_ns: Option<i64>,
}

/// One page of [`list`].
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PendingPage {
    /// In the server's order.
    pub pending: Vec<Pending>,
    /// Key marker and upload marker of the next page, encoded as they came.
    pub next: Option<(Vec<u8>, String)>,
}

/// `GET /bucket?uploads`, from the markers of the page before.
pub fn list(bucket: &str, prefix: &[u8], after: Option<&(Vec<u8>, String)>) -> Request {
    let request = Request::new("list uploads", Method::Get, bucket, None)
        .query("uploads", "")
        .query("encoding-type", "url")
        .query("prefix", prefix);
    match after {
        Some((key, upload)) => {
            request.query("key-marker", key.as_slice()).query("upload-id-marker", upload.as_str())
        }
        None => request,
    }
}

/// Reads one page.
///
/// # Errors
/// One line, when it is cut or does not say whether it is the last.
pub fn parse_list(body: &[u8]) -> Result<PendingPage, String> {
    let mut now: (String, String, Option<i64>) = Default::default();
    let mut found = Vec::new();
    let (mut truncated, mut url) = (None, false);
    let mut next = (String::new(), String::new());
    let root = xml::read(body, &mut |path, text| {
        let names: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match names.as_slice() {
            ["Upload", "Key"] => text.clone_into(&mut now.0),
            ["Upload", "UploadId"] => text.clone_into(&mut now.1),
            ["Upload", "Initiated"] => now.2 = parse_iso(text),
            ["Upload"] => found.push(std::mem::take(&mut now)),
            ["IsTruncated"] => truncated = text.trim().parse::<bool>().ok(),
            ["NextKeyMarker"] => next.0 = text.to_owned(),
            ["NextUploadIdMarker"] => next.1 = text.to_owned(),
            ["EncodingType"] => url = text.trim() == "url",
            _ => {}
        }
    })?;
    if root != "ListMultipartUploadsResult" {
        return Err("not a listing of uploads".to_owned());
    }
    let plain = |text: &str| match url {
        true => decode(text, Plus::Space).ok_or_else(|| "a key is badly encoded".to_owned()),
        false => Ok(text.as_bytes().to_vec()),
    };
    let mut page = PendingPage::default();
    for (key, upload, begun_ns) in found {
        page.pending.push(Pending { key: plain(&key)?, upload, begun_ns });
    }
    page.next = match truncated {
        None => return Err("the page does not say whether it is the last".to_owned()),
        Some(false) => None,
        Some(true) if next.0.is_empty() => return Err("more is announced, but not how to get it".to_owned()),
        Some(true) => Some((plain(&next.0)?, next.1)),
    };
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::{Completed, Pending, complete, parse_complete, parse_create, parse_list, whole_etag};
    use crate::s3::proto::address::Key;

    #[test]
    fn an_error_sent_with_status_200_is_seen() {
        let error = b"<?xml version=\"1.0\"?>\n \n<Error><Code>InternalError</Code></Error>";
        assert_eq!(parse_complete(error), Ok(Completed::Failed));
        let done =
            b"<CompleteMultipartUploadResult><ETag>&quot;ab-2&quot;</ETag></CompleteMultipartUploadResult>";
        assert_eq!(parse_complete(done), Ok(Completed::Done("ab-2".to_owned())));
        assert!(parse_complete(b"").is_err());
        assert!(parse_complete(b"<CompleteMultipartUploadResult>").is_err());
    }

    #[test]
    fn the_entity_tag_of_the_whole_is_that_of_the_parts_sums() {
        // md5sum of the 32 bytes that the two sums are.
        let parts =
            ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"].map(str::to_owned);
        assert_eq!(whole_etag(&parts).unwrap(), "96e024ba2074fe77e8e965ba43a704be-2");
        assert_eq!(whole_etag(&["random".to_owned()]), None);
    }

    #[test]
    fn an_upload_without_a_name_is_refused() {
        let body = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(parse_create(body), Ok("u1".to_owned()));
        let rclone = b"<InitiateMultipartUpload><UploadId>u1</UploadId></InitiateMultipartUpload>";
        assert_eq!(parse_create(rclone), Ok("u1".to_owned()));
        assert!(parse_create(b"<InitiateMultipartUploadResult/>").is_err());
        assert!(parse_create(b"<Error><UploadId>u1</UploadId></Error>").is_err());
    }

    #[test]
    fn parts_are_numbered_from_one() {
        let key = Key::new(b"k").unwrap();
        let (request, body) = complete("b", &key, "u+1", &["e1".to_owned(), "e2".to_owned()], false);
        assert_eq!(request.query_string(), "uploadId=u%2B1");
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains("<PartNumber>1</PartNumber><ETag>&quot;e1&quot;"));
        assert!(body.contains("<PartNumber>2</PartNumber><ETag>&quot;e2&quot;"));
    }

    #[test]
    fn pending_uploads_are_listed() {
        let body =
            b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>\
                     <Upload><Key>a+b%2F</Key><UploadId>u</UploadId>\
                     <Initiated>2009-10-12T17:50:30.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let page = parse_list(body).unwrap();
        assert_eq!(
            page.pending,
            [Pending {
                key: b"a b/".to_vec(),
                upload: "u".to_owned(),
                begun_ns: Some(1_255_369_830_000_000_000)
            }]
        );
        assert_eq!(page.next, None);
        assert!(parse_list(b"<ListMultipartUploadsResult/>").is_err());
    }
}
