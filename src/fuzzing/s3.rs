//! Answers of a server, and the requests that are signed for it.

use crate::algo::hash::{hmac_sha256, sha256};
use crate::fuzzing::line;
use crate::s3::proto::address::{Addressing, Endpoint, Key, check_bucket, place};
use crate::s3::proto::escape::{Plus, decode, encode_query};
use crate::s3::proto::fault::{Failure, is_region};
use crate::s3::proto::identity::{
    Keys, parse_assumed, parse_issued, parse_mc_config, parse_mc_host, parse_profile, parse_refusal,
};
use crate::s3::proto::list::{self, Next as Onward, Progress};
use crate::s3::proto::multipart::{self, Completed, Pending};
use crate::s3::proto::object::{check_range, parse_head, put, whole_length};
use crate::s3::proto::reply::Head;
use crate::s3::proto::retry::{self, History, Next, Outlook, decide};
use crate::s3::proto::sign::{Signer, canonical_request, day_key, sign};
use crate::s3::proto::{date, json, xml};
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys beyond this no longer fit the cap of one element once every byte is escaped.
const RENDERED_KEY_MAX: usize = 20_000;

fn plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !"\t\r\n".contains(c))
}

/// A page that was read, written anew, reads the same; and no page that was cut is accepted.
pub fn s3_list(data: &[u8]) {
    let Ok(page) = list::parse_page(data) else { return };
    assert!(page.listed.iter().all(|item| !item.key.is_empty()), "an empty key");
    assert!(page.next != Some(Onward::Token(String::new())), "an empty token");
    let mut progress = Progress::default();
    let first = progress.accept(b"", &page);
    let again = progress.accept(b"", &page);
    assert!(page.listed.is_empty() || first.is_err() || again.is_err(), "the same page twice");

    let next = match &page.next {
        Some(Onward::Token(token)) if plain(token) => Some(token.as_str()),
        _ => None,
    };
    let mut body = format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>",
        next.is_some()
    );
    if let Some(token) = next {
        body += &format!("<NextContinuationToken>{}</NextContinuationToken>", xml::escape(token));
    }
    for item in &page.listed {
        let key = encode_query(&item.key);
        body += &match item.is_prefix {
            true => format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"),
            false => format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", item.size),
        };
    }
    body += "</ListBucketResult>";
    if page.listed.iter().any(|item| item.key.len() > RENDERED_KEY_MAX) {
        return;
    }
    let read = list::parse_page(body.as_bytes()).expect("a page in our own words");
    assert_eq!(read.next, next.map(|token| Onward::Token(token.to_owned())));
    assert_eq!(read.listed.len(), page.listed.len());
    for (read, item) in read.listed.iter().zip(&page.listed) {
        assert_eq!((&read.key, read.is_prefix, read.size), (&item.key, item.is_prefix, item.size));
    }
    let cut = data.len() % body.len();
    assert!(list::parse_page(&body.as_bytes()[..cut]).is_err(), "cut at {cut}: {body}");
}

/// Lines of status, region, `Retry-After` and `Date`, then a body: a refusal is told in one line
/// whatever it holds, and what is done about it keeps to the caps.
pub fn s3_error(data: &[u8]) {
    let mut rest = data;
    let status = String::from_utf8_lossy(line(&mut rest)).trim().parse().unwrap_or(500);
    let mut head = Head { status, headers: Vec::new() };
    for name in ["x-amz-bucket-region", "retry-after", "date"] {
        let value = line(&mut rest);
        if !value.is_empty() {
            head.headers.push((name.to_owned(), value.to_vec()));
        }
    }
    for tls in [false, true] {
        for failure in [Failure::from_reply(&head, rest, tls), Failure::from_body(&head, rest, tls)] {
            let told = failure.to_string();
            assert!(!told.chars().any(char::is_control), "{told:?}");
            assert!(told.chars().count() < 1000, "{} characters", told.chars().count());
            assert!(failure.region.as_deref().is_none_or(is_region), "{:?}", failure.region);
            let history = History { attempts: 1, ..History::default() };
            let outlook = Outlook {
                budget: Duration::from_secs(300),
                attempts_max: 10,
                reached: true,
                now: 1_764_495_813,
                dice: data.len() as u64,
            };
            if let Next::Wait(wait) = decide(&failure, &history, &outlook) {
                assert!(wait <= retry::WAIT_MAX, "{wait:?}");
            }
        }
    }
}

/// Answers to uploads in parts; and a completion holds the entity tags it was made of.
pub fn s3_multipart(data: &[u8]) {
    if let Ok(upload) = multipart::parse_create(data) {
        assert!(!upload.is_empty());
    }
    if let Ok(completed) = multipart::parse_complete(data) {
        assert!(matches!(completed, Completed::Done(_) | Completed::Failed));
    }
    if let Ok(page) = multipart::parse_list(data) {
        let mut body = String::from(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>",
        );
        for pending in &page.pending {
            let (key, upload) = (encode_query(&pending.key), xml::escape(&pending.upload));
            body += &format!("<Upload><Key>{key}</Key><UploadId>{upload}</UploadId></Upload>");
        }
        body += "</ListMultipartUploadsResult>";
        if page.pending.iter().all(|pending| pending.key.len() < RENDERED_KEY_MAX && plain(&pending.upload)) {
            let read = multipart::parse_list(body.as_bytes()).expect("a page in our own words");
            let same =
                |(read, page): (&Pending, &Pending)| (&read.key, &read.upload) == (&page.key, &page.upload);
            assert!(read.pending.len() == page.pending.len());
            assert!(read.pending.iter().zip(&page.pending).all(same), "{body}");
        }
        let cut = data.len() % body.len();
        assert!(multipart::parse_list(&body.as_bytes()[..cut]).is_err(), "cut at {cut}: {body}");
    }
    let text = String::from_utf8_lossy(data);
    let etags: Vec<String> = text.lines().take(100).map(|tag| tag.chars().take(100).collect()).collect();
    let key = Key::new(b"k").expect("a key");
    let (_, body) = multipart::complete("bucket", &key, "upload", &etags, false);
    let mut read = Vec::new();
    xml::read(&body, &mut |path, text| {
        if path.last().is_some_and(|name| name == "ETag") {
            read.push(text.to_owned());
        }
    })
    .expect("our own completion");
    assert_eq!(read.len(), etags.len());
    for (read, etag) in read.iter().zip(&etags) {
        let kept: String = etag.chars().filter(|c| plain(c.encode_utf8(&mut [0; 4]))).collect();
        assert_eq!(*read, format!("\"{kept}\""));
    }
}

/// A line that names a profile or an alias, then a text that may hold credentials: what comes out can
/// sign, and what is refused is told in one line.
pub fn s3_identity(data: &[u8]) {
    let mut rest = data;
    let name = String::from_utf8_lossy(line(&mut rest)).into_owned();
    let text = String::from_utf8_lossy(rest).into_owned();
    let told = |text: &str| {
        assert!(!text.chars().any(char::is_control) && text.chars().count() < 1000, "{text:?}");
    };
    told(&parse_refusal(rest));
    for found in [
        parse_profile(&text, &name),
        parse_mc_config(rest, &name),
        parse_mc_host(&text),
        parse_issued(rest),
        parse_assumed(rest),
    ] {
        let Keys { access_key, secret_key, session_token, .. } = match found {
            Ok(keys) => keys,
            Err(why) => {
                told(&why.replace(&format!("{name:?}"), ""));
                continue;
            }
        };
        assert!(!access_key.is_empty() && access_key.chars().all(|c| c.is_ascii_graphic()), "{access_key:?}");
        assert!(!secret_key.expose().is_empty());
        let header = |token: &[u8]| !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
        assert!(session_token.is_none_or(|token| header(token.expose())));
    }
}

/// Names and texts of an object, written anew, read the same; and no value that was cut is accepted.
pub fn s3_json(data: &[u8]) {
    let mut found = BTreeMap::new();
    let whole = json::read(data, &mut |path, text| {
        assert!(path.len() <= crate::base::limits::S3_JSON_DEPTH_MAX);
        if let [name] = path {
            found.insert(name.clone(), text.to_owned());
        }
    });
    if whole.is_err() {
        return;
    }
    let body = crate::cli::json::object(&found);
    let mut again = BTreeMap::new();
    json::read(body.as_bytes(), &mut |path, text| {
        again.insert(path.concat(), text.to_owned());
    })
    .expect("JSON in our own words");
    assert_eq!(again, found);
    let cut = data.len() % body.len();
    assert!(json::read(&body.as_bytes()[..cut], &mut |_, _| ()).is_err(), "cut at {cut}: {body}");
}

/// A line of status, then headers as `name: value`: nothing is read out of them that contradicts
/// itself.
pub fn s3_head(data: &[u8]) {
    let mut rest = data;
    let status = String::from_utf8_lossy(line(&mut rest)).trim().parse().unwrap_or(200);
    let mut head = Head { status, headers: Vec::new() };
    while !rest.is_empty() {
        let mut header = line(&mut rest).splitn(2, |&byte| byte == b':');
        let name = String::from_utf8_lossy(header.next().unwrap_or_default()).to_ascii_lowercase();
        head.headers.push((name, header.next().unwrap_or_default().to_vec()));
    }
    if let Some((first, last, size)) = head.content_range() {
        assert!(first <= last && last < size);
        let accepted = check_range(&head, first, last).is_ok();
        assert!(!accepted || head.content_length().is_none_or(|length| length == last - first + 1));
    }
    if check_range(&head, 10, 19).is_ok() {
        let told = head.content_range().map(|(first, last, _)| (first, last));
        assert_eq!(told, Some((10, 19)), "{head:?}");
    }
    if let Ok(info) = parse_head(&head) {
        assert_eq!(Some(info.size), head.content_length());
        assert_eq!(whole_length(&head, info.size).ok(), Some(info.size));
    }
    if let Some(secs) = head.date() {
        let signed = date::amz_date(secs);
        assert_eq!((signed.full.len(), signed.day.len()), (16, 8), "{secs}");
        assert!(signed.full.starts_with(&signed.day));
    }
    for (_, value) in &head.headers {
        if let Ok(text) = std::str::from_utf8(value) {
            let _ = date::parse_iso(text);
        }
    }
}

/// Lines of secret, region, header and query value, and the rest a key: the key never leaves its
/// bucket, two implementations agree on what is signed, and another key gets another signature.
pub fn s3_sign(data: &[u8]) {
    let mut rest = data;
    let secret = line(&mut rest);
    let region = String::from_utf8_lossy(line(&mut rest)).into_owned();
    let (value, query) = (line(&mut rest), line(&mut rest));
    let Ok(key) = Key::new(rest) else { return };
    let endpoint = Endpoint::parse("minio.local:9000", false).expect("an endpoint");
    let signed = |key: &Key| {
        let place = place(&endpoint, Addressing::Auto, "bucket", Some(key)).expect("a place");
        let request =
            put("bucket", key, &Default::default()).header("x-amz-meta-v", value).query("prefix", query);
        let signer = Signer {
            access_key: "access",
            session_token: None,
            region: &region,
            service: "s3",
            day_key: &day_key(secret, "20130524", &region, "s3"),
        };
        let headers = sign(&request, &place, &signer, 1_369_353_600, "UNSIGNED-PAYLOAD");
        (place, request, headers)
    };
    let (place, request, headers) = signed(&key);
    let path = place.path.strip_prefix("/bucket/").expect("the key lies in its bucket");
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    assert!(path.bytes().all(kept), "{path}");
    assert_eq!(decode(path, Plus::Literal).as_deref(), Some(key.as_bytes()));
    assert_eq!(decode(path, Plus::Space).as_deref(), Some(key.as_bytes()));

    let (name, authorization) = headers.last().expect("a signature");
    let authorization = String::from_utf8_lossy(authorization);
    assert_eq!(name, "authorization");
    let canonical = slow_canonical_request(key.as_bytes(), value, query);
    let mut covered = vec![
        ("host".to_owned(), place.authority.clone().into_bytes()),
        ("x-amz-content-sha256".to_owned(), b"UNSIGNED-PAYLOAD".to_vec()),
        ("x-amz-date".to_owned(), b"20130524T000000Z".to_vec()),
        ("x-amz-meta-v".to_owned(), value.to_vec()),
    ];
    covered.sort();
    let quick = canonical_request("PUT", &place.path, &request.query_string(), &covered, "UNSIGNED-PAYLOAD");
    assert_eq!(quick, canonical, "{}", String::from_utf8_lossy(&canonical));
    assert!(authorization.ends_with(&slow_signature(secret, &region, &canonical)), "{authorization}");

    let other = Key::new(&[key.as_bytes(), b"x"].concat());
    if let Ok(other) = other {
        assert_ne!(signed(&other).2.last(), headers.last(), "another key, the same signature");
    }
}

/// The canonical request of [`s3_sign`], a character at a time.
fn slow_canonical_request(key: &[u8], value: &[u8], query: &[u8]) -> Vec<u8> {
    let escaped = |bytes: &[u8], plain: &[u8]| -> String {
        let one = |byte: &u8| match byte.is_ascii_alphanumeric() || plain.contains(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        bytes.iter().map(one).collect()
    };
    let mut out = format!("PUT\n/bucket/{}\nprefix={}\n", escaped(key, b"-._~/"), escaped(query, b"-._~"));
    out += "host:minio.local:9000\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n";
    let mut out = out.into_bytes();
    out.extend_from_slice(b"x-amz-meta-v:");
    let start = out.len();
    for &byte in value {
        let space = byte.is_ascii_whitespace();
        if !space {
            out.push(byte);
        } else if out.len() > start && !out.ends_with(b" ") {
            out.push(b' ');
        }
    }
    if out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
    out.extend_from_slice(b"\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-meta-v\nUNSIGNED-PAYLOAD");
    out
}

fn slow_signature(secret: &[u8], region: &str, canonical: &[u8]) -> String {
    let hash = hex::encode(sha256(canonical));
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/{region}/s3/aws4_request\n{hash}");
    let mut key = [b"AWS4", secret].concat();
    for step in ["20130524", region, "s3", "aws4_request"] {
        key = hmac_sha256(&key, step.as_bytes()).to_vec();
    }
    hex::encode(hmac_sha256(&key, text.as_bytes()))
}

/// An endpoint reads back as it prints, and carries nothing that could end its header.
pub fn s3_address(data: &[u8]) {
    let mut rest = data;
    let text = String::from_utf8_lossy(line(&mut rest)).into_owned();
    let bucket = String::from_utf8_lossy(line(&mut rest)).into_owned();
    for tls in [false, true] {
        let Ok(endpoint) = Endpoint::parse(&text, tls) else { continue };
        let shown = endpoint.to_string();
        assert_eq!(Endpoint::parse(&shown, tls).as_ref(), Ok(&endpoint), "{shown}");
        if check_bucket(&bucket).is_err() {
            continue;
        }
        for how in [Addressing::Auto, Addressing::Path, Addressing::VirtualHost] {
            let key = Key::new(rest).ok();
            let Ok(place) = place(&endpoint, how, &bucket, key.as_ref()) else { continue };
            let carried = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
            assert!(place.authority.chars().all(carried), "{}", place.authority);
            assert!(place.path.starts_with('/') && place.path.is_ascii(), "{}", place.path);
            assert!(!place.path.contains([' ', '?', '#', '\r', '\n']), "{}", place.path);
        }
    }
    if let Ok(key) = Key::new(rest) {
        assert!(!key.to_string().chars().any(char::is_control), "{key}");
    }
}
