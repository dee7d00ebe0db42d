//! Signature Version 4 verified: slow, by the book, and written apart from the program's own.

use super::http::{Request, civil, unescape};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Clocks may differ by this much.
const SKEW_SECS_MAX: i64 = 15 * 60;

/// Status and code of a refusal; `None` for a request that is in order.
pub fn refuse(
    request: &Request,
    access_key: &str,
    secret: &str,
    clock_offset: i64,
) -> Option<(u16, &'static str)> {
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let Some(authorization) = header("authorization") else { return Some((403, "AccessDenied")) };
    let field = |name: &str| {
        let at = authorization.find(&format!("{name}="))? + name.len() + 1;
        authorization[at..].split(',').next().map(str::trim)
    };
    let (Some(credential), Some(signed), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return Some((400, "AuthorizationHeaderMalformed"));
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let [key, day, region, "s3", "aws4_request"] = scope[..] else {
        return Some((400, "AuthorizationHeaderMalformed"));
    };
    if key != access_key {
        return Some((403, "InvalidAccessKeyId"));
    }
    let (Some(date), Some(hash)) = (header("x-amz-date"), header("x-amz-content-sha256")) else {
        return Some((403, "AccessDenied"));
    };
    let now = super::now() + clock_offset;
    let (year, month, dom) = civil(now.div_euclid(86_400));
    let told: i64 = seconds_of(date);
    if (told - now).abs() > SKEW_SECS_MAX {
        return Some((403, "RequestTimeTooSkewed"));
    }
    let _ = (year, month, dom);
    if hash != "UNSIGNED-PAYLOAD" && hash != hex(&Sha256::digest(&request.body)) {
        return Some((400, "XAmzContentSHA256Mismatch"));
    }
    for must in ["host", "x-amz-date", "x-amz-content-sha256"] {
        if !signed.split(';').any(|name| name == must) {
            return Some((403, "AccessDenied"));
        }
    }
    let mut pairs: Vec<(String, String)> = request
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (escape(&unescape(name)), escape(&unescape(value))))
        .collect();
    pairs.sort();
    let query: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path: Vec<String> = request.path().split('/').map(|part| escape(&unescape(part))).collect();
    let mut canonical = format!("{}\n{}\n{}\n", request.method, path.join("/"), query.join("&"));
    for name in signed.split(';') {
        let value: Vec<&str> = header(name).unwrap_or("").split_whitespace().collect();
        canonical += &format!("{name}:{}\n", value.join(" "));
    }
    canonical += &format!("\n{signed}\n{hash}");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{day}/{region}/s3/aws4_request\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut derived = mac(format!("AWS4{secret}").as_bytes(), day);
    for part in [region, "s3", "aws4_request", &to_sign] {
        derived = mac(&derived, part);
    }
    if hex(&derived) != signature {
        return Some((403, "SignatureDoesNotMatch"));
    }
    None
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escape(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    bytes
        .iter()
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Of `20261124T050000Z`.
fn seconds_of(text: &str) -> i64 {
    let number = |at: std::ops::Range<usize>| text[at].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(4..6), number(6..8));
    let mut days = (year - 1970) * 365;
    while civil(days) < (year, month, day) {
        days += 1;
    }
    days * 86_400 + number(9..11) * 3600 + number(11..13) * 60 + number(13..15)
}
