//! AWS Signature Version 4 in a header: canonical request, string to sign, signature.

use crate::algo::hash::{hmac_sha256, sha256};
use crate::s3::proto::address::Place;
use crate::s3::proto::date::amz_date;
use crate::s3::proto::request::{Header, Request};
use zeroize::Zeroizing;

/// `x-amz-content-sha256` of a body that TLS already protects.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// `x-amz-content-sha256` of a body.
pub fn payload_hash(body: &[u8]) -> String {
    hex::encode(sha256(body))
}

/// Who signs.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The access key's name.
    pub access_key: &'a str,
    /// Of temporary credentials.
    pub session_token: Option<&'a [u8]>,
    /// From the server's settings, `us-east-1` for most that are not AWS.
    pub region: &'a str,
    /// `s3`, or `sts` for temporary keys.
    pub service: &'a str,
    /// From [`day_key`] for the day of `now`.
    pub day_key: &'a [u8; 32],
}

/// The key that signs all requests of one day to one service in one region. `day` is `YYYYMMDD`.
/// It is wiped when dropped: until midnight it is as good as the secret key.
pub fn day_key(secret_key: &[u8], day: &str, region: &str, service: &str) -> Zeroizing<[u8; 32]> {
    let mut first = Zeroizing::new(Vec::with_capacity(4 + secret_key.len()));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(secret_key);
    let step = |key: &[u8], step: &str| Zeroizing::new(hmac_sha256(key, step.as_bytes()));
    [region, service, "aws4_request"].iter().fold(step(&first, day), |key, next| step(&*key, next))
}

/// The canonical request. `headers` are sorted by name, in lower case, `host` among them.
pub fn canonical_request(
    method: &str,
    path: &str,
    query: &str,
    headers: &[Header],
    payload_hash: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    for line in [method, path, query] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    for (name, value) in headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        // Runs of white space count as one space, those at the ends as none.
        let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (n, word) in words.enumerate() {
            if n > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers(headers).as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash.as_bytes());
    out
}

/// The string that is signed. `date` is `YYYYMMDDTHHMMSSZ`, `scope` `YYYYMMDD/region/s3/aws4_request`.
pub fn string_to_sign(date: &str, scope: &str, canonical_request: &[u8]) -> String {
    format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(sha256(canonical_request)))
}

/// The signature, in hexadecimal digits.
pub fn signature(day_key: &[u8; 32], string_to_sign: &str) -> String {
    hex::encode(hmac_sha256(day_key, string_to_sign.as_bytes()))
}

/// All headers to send but `host`, which the HTTP layer derives from the same place: those of the
/// request, the date, the body's hash, the token and the signature over all of them.
///
/// `now` is in seconds since 1970 by the server's clock.
pub fn sign(
    request: &Request,
    place: &Place,
    signer: &Signer<'_>,
    now: i64,
    payload_hash: &str,
) -> Vec<Header> {
    let date = amz_date(now);
    let mut headers = request.headers.clone();
    headers.push(("host".to_owned(), place.authority.clone().into_bytes()));
    headers.push(("x-amz-date".to_owned(), date.full.clone().into_bytes()));
    headers.push(("x-amz-content-sha256".to_owned(), payload_hash.as_bytes().to_vec()));
    if let Some(token) = signer.session_token {
        headers.push(("x-amz-security-token".to_owned(), token.to_vec()));
    }
    headers.sort();
    let canonical = canonical_request(
        request.method.as_str(),
        &place.path,
        &request.query_string(),
        &headers,
        payload_hash,
    );
    let scope = format!("{}/{}/{}/aws4_request", date.day, signer.region, signer.service);
    let signature = signature(signer.day_key, &string_to_sign(&date.full, &scope, &canonical));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={},Signature={signature}",
        signer.access_key,
        signed_headers(&headers)
    );
    headers.retain(|(name, _)| name != "host");
    headers.push(("authorization".to_owned(), authorization.into_bytes()));
    headers
}

fn signed_headers(headers: &[Header]) -> String {
    headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";")
}
