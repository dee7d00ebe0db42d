//! A bucket of so many keys that nobody could hold them: each page of its listing is made up when
//! it is asked for.

use super::http::{Answer, Request};

/// The page that a request asks for, of `keys` keys: `d00000/k000`, a thousand to a directory.
pub fn list(keys: u64, request: &Request, page: usize) -> Answer {
    let parameter = |name: &str| String::from_utf8(request.parameter(name).unwrap_or_default()).unwrap();
    let from: u64 = parameter("continuation-token").parse().unwrap_or(0);
    let to = keys.min(from + page as u64);
    let mut body = String::with_capacity(page * 180);
    body += "<ListBucketResult>";
    if parameter("encoding-type") == "url" {
        body += "<EncodingType>url</EncodingType>";
    }
    for n in from..to {
        let (directory, key) = (n / 1000, n % 1000);
        body += &format!(
            "<Contents><Key>d{directory:05}/k{key:03}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>\
             <ETag>&#34;{n:x}&#34;</ETag><Size>{key}</Size></Contents>"
        );
    }
    body += &format!("<IsTruncated>{}</IsTruncated>", to < keys);
    if to < keys {
        body += &format!("<NextContinuationToken>{to}</NextContinuationToken>");
    }
    Answer::xml(body + "</ListBucketResult>")
}
