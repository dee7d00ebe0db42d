//! What goes wrong between a client and an S3 server, each as it was seen in the field, on real
//! sockets: what is survived comes back whole, what is not is told by its name.

use crate::kit::connect_proxy::ConnectProxy;
use crate::kit::hand_clock::{client, client_with, login};
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::trees::noise;
use plakar::ports::fault::FaultKind;
use plakar::s3::bucket::{Bucket, PutOptions};
use plakar::s3::proto::address::Endpoint;
use plakar::s3::proto::proxy::Proxies;
use std::io::Read;
use std::time::Duration;

fn bucket(server: &S3Server) -> Bucket {
    let (client, _) = client(server);
    server.objects(|objects| {
        objects.buckets.entry("bucket".to_owned()).or_default();
    });
    client.bucket("bucket").unwrap()
}

fn hit(method: &'static str, contains: &'static str, trouble: Trouble) -> Rule {
    Rule { method, contains, after: 0, times: 1, trouble }
}

fn put(bucket: &Bucket, key: &[u8], body: &[u8]) {
    bucket.put_object(key, body, &PutOptions::default()).unwrap();
}

#[test]
fn a_read_survives_every_way_a_line_breaks_and_comes_back_whole() {
    let body = noise(1, 300_000);
    let cases = [
        ("reset before", Trouble::ResetBefore),
        ("reset after", Trouble::ResetAfter),
        ("cut at once", Trouble::CutBody(0)),
        ("cut in the middle", Trouble::CutBody(150_000)),
        ("500", Trouble::Status(500, "InternalError", vec![])),
        ("503", Trouble::Status(503, "SlowDown", vec![])),
        ("503 with a long wish", Trouble::Status(503, "SlowDown", vec![("retry-after", "120".to_owned())])),
        ("429", Trouble::Status(429, "TooManyRequests", vec![])),
        ("no http at all", Trouble::Raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
        ("half a head", Trouble::Raw(b"HTTP/1.1 200 OK\r\nContent-Le")),
    ];
    for (name, trouble) in cases {
        let server = S3Server::start();
        let bucket = bucket(&server);
        put(&bucket, b"object", &body);
        server.rule(hit("GET", "object", trouble.clone()));
        assert!(bucket.get_object(b"object", 1 << 20).unwrap() == body, "whole, {name}");
        server.rule(hit("GET", "object", trouble.clone()));
        let range = bucket.get_range(b"object", 100, 200_000, None).unwrap();
        assert!(range == body[100..200_100], "range, {name}");
        server.rule(hit("GET", "object", trouble));
        let mut streamed = Vec::new();
        let mut reader = bucket.get_reader(b"object", body.len() as u64, "").unwrap();
        reader.read_to_end(&mut streamed).unwrap();
        assert!(streamed == body, "stream, {name}");
    }
}

#[test]
fn a_body_of_the_wrong_length_is_an_error_or_made_whole_never_taken_for_the_whole() {
    let body = noise(1, 100_000);
    for (name, trouble) in [
        ("ends with the connection", Trouble::CloseDelimited(60_000)),
        ("promises more than it has", Trouble::LongerThanItIs),
    ] {
        let server = S3Server::start();
        let bucket = bucket(&server);
        put(&bucket, b"object", &body);
        server.rule(Rule { times: usize::MAX, ..hit("GET", "object", trouble) });
        let right =
            |read: Result<Vec<u8>, plakar::ports::fault::Fault>| read.is_err() || read.unwrap() == body;
        assert!(bucket.get_object(b"object", 1 << 20).is_err(), "whole: {name}");
        assert!(right(bucket.get_range(b"object", 0, 100_000, None)), "range: {name}");
        let mut streamed = Vec::new();
        let ended = bucket.get_reader(b"object", 100_000, "").unwrap().read_to_end(&mut streamed);
        assert!(ended.is_err() || streamed == body, "stream: {name}");
    }
}

#[test]
fn a_write_survives_what_can_be_survived_and_is_stored_once_and_whole() {
    let body = noise(2, 6 << 20);
    for (name, trouble) in [
        ("reset before", Trouble::ResetBefore),
        ("reset after", Trouble::ResetAfter),
        ("500", Trouble::Status(500, "InternalError", vec![])),
        ("503", Trouble::Status(503, "SlowDown", vec![("retry-after", "1".to_owned())])),
        ("timeout", Trouble::Status(400, "RequestTimeout", vec![])),
    ] {
        let server = S3Server::start();
        let bucket = bucket(&server);
        server.rule(hit("PUT", "object", trouble.clone()));
        put(&bucket, b"object", &body);
        assert!(server.objects(|objects| objects.buckets["bucket"][&b"object"[..]].body == body), "{name}");
        // A conditional write whose answer was lost is recognised as our own.
        server.rule(hit("PUT", "once", trouble));
        let once = PutOptions { if_none_match: true, ..PutOptions::default() };
        bucket.put_object(b"once", b"mine", &once).unwrap();
        let again = bucket.put_object(b"once", b"other", &once).unwrap_err();
        assert_eq!(again.kind, FaultKind::Exists, "{name}");
    }
}

#[test]
fn refusals_are_told_at_once_by_kind_with_code_status_and_request() {
    for (status, code, kind) in [
        (403, "AccessDenied", FaultKind::Denied),
        (403, "SignatureDoesNotMatch", FaultKind::Denied),
        (403, "InvalidAccessKeyId", FaultKind::Denied),
        (404, "NoSuchKey", FaultKind::Missing),
        (404, "NoSuchBucket", FaultKind::Missing),
        (412, "PreconditionFailed", FaultKind::Exists),
        (501, "NotImplemented", FaultKind::Unsupported),
    ] {
        let server = S3Server::start();
        let bucket = bucket(&server);
        server
            .rule(Rule { times: usize::MAX, ..hit("PUT", "object", Trouble::Status(status, code, vec![])) });
        let once = PutOptions { if_none_match: status == 412, ..PutOptions::default() };
        let fault = bucket.put_object(b"object", b"x", &once).unwrap_err();
        assert_eq!(fault.kind, kind, "{code}: {fault}");
        for part in ["put object", "bucket/object", code, &status.to_string(), "REQ1"] {
            assert!(fault.message.contains(part), "{part} is not in: {fault}");
        }
        let puts = server.requests().into_iter().filter(|line| line.starts_with("PUT")).count();
        assert_eq!(puts, 1, "{code} is not tried again");
    }
}

#[test]
fn a_refusal_sent_while_a_large_body_is_on_its_way_is_heard() {
    let body = noise(5, 24 << 20);
    let server = S3Server::start();
    let bucket = bucket(&server);
    let refused = Trouble::RefusedUnread(403, "AccessDenied");
    server.rule(Rule { times: usize::MAX, ..hit("PUT", "forbidden", refused) });
    let fault = bucket.put_object(b"forbidden", &body, &PutOptions::default()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    assert!(fault.message.contains("AccessDenied"), "{fault}");
    server.rule(Rule { times: 2, ..hit("PUT", "busy", Trouble::RefusedUnread(503, "SlowDown")) });
    put(&bucket, b"busy", &body);
    assert!(server.objects(|objects| objects.buckets["bucket"][&b"busy"[..]].body == body));
}

#[test]
fn a_server_that_never_consents_to_a_body_gets_it_all_the_same() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    let body = noise(6, 1 << 20);
    // On the first connection, which is not taken for a stale one: the next attempt asks first.
    server.rule(hit("PUT", "object", Trouble::ResetBefore));
    server.rule(hit("PUT", "object", Trouble::NoConsent));
    put(&bucket, b"object", &body);
    assert_eq!(server.requests(), ["PUT /bucket/object (asks first)"]);
    assert!(server.objects(|objects| objects.buckets["bucket"][&b"object"[..]].body == body));
}

#[test]
fn redirects_are_not_followed_with_a_signature_or_a_body() {
    let (elsewhere, server) = (S3Server::start(), S3Server::start());
    let bucket = bucket(&server);
    for (method, status) in [("PUT", 307), ("PUT", 301), ("GET", 302), ("GET", 308)] {
        let there = vec![("location", format!("http://{}/bucket/object", elsewhere.address()))];
        server.rule(hit(method, "object", Trouble::Status(status, "TemporaryRedirect", there)));
        let fault = match method {
            "PUT" => bucket.put_object(b"object", b"body", &PutOptions::default()).unwrap_err(),
            _ => bucket.get_object(b"object", 10).unwrap_err(),
        };
        assert!(fault.to_string().contains("redirects are not followed"), "{method} {status}: {fault}");
    }
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(server.requests().len(), 4, "none is tried again");
}

#[test]
fn headers_no_text_is_made_of_and_too_many_of_them_are_survived_or_told() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    server.rule(hit(
        "HEAD",
        "latin1",
        Trouble::Raw(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\netag: \"e\"\r\nx-amz-meta-name: caf\xe9\r\nconnection: close\r\n\r\n",
        ),
    ));
    let info = bucket.head_object(b"latin1").unwrap();
    assert_eq!((info.size, info.headers), (5, vec![("x-amz-meta-name".to_owned(), b"caf\xe9".to_vec())]));
    let many: String = (0..200).map(|n| format!("x-amz-meta-{n}: x\r\n")).collect();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n{many}connection: close\r\n\r\n");
    server.rule(hit("HEAD", "many", Trouble::Raw(Box::leak(answer.into_boxed_str()).as_bytes())));
    server.requests();
    let fault = bucket.head_object(b"many").unwrap_err();
    assert!(fault.to_string().contains("too many metadata"), "{fault}");
    assert_eq!(server.requests().len(), 1, "not tried again");
}

#[test]
fn bytes_stored_with_a_content_encoding_come_back_as_they_are() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    server.rule(hit(
        "GET",
        "packed",
        Trouble::Raw(
            b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8bnot!",
        ),
    ));
    assert_eq!(bucket.get_object(b"packed", 10).unwrap(), b"\x1f\x8bnot!");
}

#[test]
fn a_slow_body_is_waited_for_and_a_stalled_one_is_not() {
    let server = S3Server::start();
    let (client, heard) = client_with(&server, |config| config.stall = Duration::from_millis(300));
    server.objects(|objects| objects.put("bucket", b"object", &noise(7, 40_000)));
    let bucket = client.bucket("bucket").unwrap();
    // 40 pieces, each well within the limit, and all together far beyond it.
    server.rule(hit("GET", "object", Trouble::Slow(40, Duration::from_millis(30))));
    assert_eq!(bucket.get_object(b"object", 1 << 20).unwrap(), noise(7, 40_000));
    assert!(heard.notices.lock().unwrap().is_empty());
    server.rule(hit("GET", "object", Trouble::LongerThanItIs));
    server.rule(hit("GET", "object", Trouble::Slow(2, Duration::from_secs(2))));
    assert_eq!(bucket.get_range(b"object", 0, 40_000, None).unwrap(), noise(7, 40_000));
    assert!(!heard.notices.lock().unwrap().is_empty(), "the stall was said aloud");
}

#[test]
fn the_environments_proxy_is_used_unless_the_host_is_excepted() {
    let server = S3Server::start();
    let proxy = ConnectProxy::start(server.address());
    let with = |direct: &str| {
        let direct = direct.to_owned();
        let at = proxy.address.clone();
        let get = move |name: &str| match name {
            "HTTP_PROXY" => Some(at.clone()),
            "NO_PROXY" => Some(direct.clone()),
            _ => None,
        };
        let (client, _) = client_with(&server, |config| {
            config.endpoint = Endpoint::parse("minio.invalid:9000", false).unwrap();
            config.proxies = Proxies::from_environment(&get);
        });
        client.bucket("bucket").unwrap()
    };
    with("").create_bucket().unwrap();
    assert_eq!(proxy.asked(), ["CONNECT minio.invalid:9000 HTTP/1.1"]);
    let fault = with("10.0.0.0/8, invalid").create_bucket().unwrap_err();
    assert_eq!((fault.kind, proxy.asked().len()), (FaultKind::Broken, 0), "{fault}");
}

#[test]
fn retries_end_with_their_budget_and_are_said_aloud() {
    let server = S3Server::start();
    let (client, heard) = client_with(&server, |config| config.retry_budget = Duration::from_secs(60));
    let bucket = client.bucket("bucket").unwrap();
    server.rule(Rule { times: usize::MAX, ..hit("GET", "object", Trouble::Status(503, "SlowDown", vec![])) });
    let fault = bucket.get_object(b"object", 10).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Busy);
    assert!(heard.clock.waited() <= Duration::from_secs(60), "{:?}", heard.clock.waited());
    let attempts = server.requests().len();
    assert!((5..200).contains(&attempts), "{attempts}");
    assert_eq!(heard.notices.lock().unwrap().len(), attempts - 1);
    assert!(fault.message.contains("attempts"), "{fault}");
}

#[test]
fn a_server_whose_clock_is_an_hour_off_is_believed() {
    for offset in [3600, -3600] {
        let server = S3Server::start();
        server.set_clock_offset(offset);
        let (client, heard) = client(&server);
        let bucket = client.bucket("bucket").unwrap();
        bucket.create_bucket().unwrap();
        put(&bucket, b"object", b"x");
        assert_eq!(bucket.get_object(b"object", 10).unwrap(), b"x");
        assert_eq!(heard.notices.lock().unwrap().len(), 1, "said once");
        assert_eq!(server.requests().len(), 4, "one request was signed anew");
    }
}

#[test]
fn a_region_that_the_server_wants_is_used() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    put(&bucket, b"object", b"x");
    let region = vec![("x-amz-bucket-region", "eu-west-3".to_owned())];
    server.rule(hit("GET", "object", Trouble::Status(400, "AuthorizationHeaderMalformed", region)));
    assert_eq!(bucket.get_object(b"object", 10).unwrap(), b"x");
}

#[test]
fn connections_are_kept_also_after_errors() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    for n in 0..20 {
        put(&bucket, format!("k{n}").as_bytes(), &noise(n, 5000));
        assert!(bucket.get_object(b"nothing", 10).is_err());
        assert!(bucket.head_object(b"nothing").is_err());
        bucket.get_range(format!("k{n}").as_bytes(), 10, 100, None).unwrap();
        bucket.delete_object(format!("k{n}").as_bytes()).unwrap();
    }
    assert!(server.connections() <= 2, "{} connections for 100 requests", server.connections());
    let server_of_threads = S3Server::start();
    let bucket = self::bucket(&server_of_threads);
    put(&bucket, b"object", b"x");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(bucket.get_object(b"object", 10).unwrap(), b"x")));
        }
    });
    let connections = server_of_threads.connections();
    assert!(connections <= 10, "{connections} connections for 8 threads");
}

#[test]
fn a_source_that_is_shorter_or_longer_than_promised_is_an_error_and_leaves_nothing() {
    let server = S3Server::start();
    let bucket = bucket(&server);
    let body = noise(3, 40 << 20);
    for (name, given, promised) in [
        ("short, one request", 1000, 2000),
        ("long, one request", 2000, 1000),
        ("short, in parts", 33 << 20, 40 << 20),
        ("long, in parts", 40 << 20, 33 << 20),
    ] {
        let ended = bucket.put_stream(b"object", &mut &body[..given], Some(promised), &PutOptions::default());
        assert!(ended.is_err(), "{name}");
        let (objects, uploads) = server.objects(|o| (o.buckets["bucket"].len(), o.uploads.len()));
        assert_eq!((objects, uploads), (0, 0), "{name}");
    }
}

#[test]
fn streams_become_objects_in_parts_and_parts_that_fail_are_sent_again_or_all_is_aborted() {
    let body = noise(4, 50 << 20);
    let server = S3Server::start();
    let bucket = bucket(&server);
    for size in [None, Some(body.len() as u64)] {
        server.rule(hit("PUT", "partNumber=2", Trouble::ResetAfter));
        server.rule(hit("PUT", "partNumber=3", Trouble::Status(503, "SlowDown", vec![])));
        server.rule(hit("POST", "uploadId", Trouble::ResetBefore));
        bucket.put_stream(b"object", &mut &body[..], size, &PutOptions::default()).unwrap();
        assert!(server.objects(|o| o.buckets["bucket"][&b"object"[..]].body == body));
    }
    server.objects(|o| o.buckets.get_mut("bucket").unwrap().clear());
    for (name, rule) in [
        ("a part refused", hit("PUT", "partNumber=2", Trouble::Status(403, "AccessDenied", vec![]))),
        ("an error with status 200", hit("POST", "uploadId", Trouble::OkWithError("MalformedXML"))),
    ] {
        server.rule(Rule { times: usize::MAX, ..rule });
        assert!(
            bucket.put_stream(b"object", &mut &body[..], None, &PutOptions::default()).is_err(),
            "{name}"
        );
        let found = server.objects(|o| o.uploads.len());
        assert_eq!(found, 0, "{name}: the upload was aborted");
    }
}

#[test]
fn listings_are_complete_or_an_error() {
    let page = |body: &'static str| -> Trouble {
        let text =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        Trouble::Raw(Box::leak(text.into_boxed_str()).as_bytes())
    };
    let start = "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>";
    let cases = [
        ("cut inside", page("<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>")),
        ("nothing said about more", page(Box::leak(format!("{start}</ListBucketResult>").into_boxed_str()))),
        (
            "more, but no token",
            page(Box::leak(
                format!("{start}<IsTruncated>true</IsTruncated></ListBucketResult>").into_boxed_str(),
            )),
        ),
        ("a page of a proxy", page("<html><body>Please log in</body></html>")),
        ("an entity bomb", page("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>")),
    ];
    for (name, trouble) in cases {
        let server = S3Server::start();
        let bucket = bucket(&server);
        server.rule(Rule { times: usize::MAX, ..hit("GET", "list-type", trouble) });
        let ended = bucket.list_objects_v2(b"", None, &mut |_| Ok(()));
        assert!(ended.is_err(), "{name}");
    }
    let server = S3Server::start();
    let bucket = bucket(&server);
    for n in 0..95 {
        put(&bucket, format!("dir &<>\"/{n:03}").as_bytes(), b"");
    }
    server.set_page(10);
    server.requests();
    server.rule(Rule { after: 4, ..hit("GET", "list-type", Trouble::CutBody(300)) });
    // As a gateway does that had sent its status before it knew.
    server.rule(Rule { after: 6, ..hit("GET", "list-type", Trouble::OkWithError("InternalError")) });
    let mut found = 0;
    bucket
        .list_objects_v2(b"dir", None, &mut |_| {
            found += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!((found, server.requests().len()), (95, 12), "ten pages, two of them twice");
}

#[test]
fn keys_that_do_not_sign_and_servers_that_are_not_there_are_named() {
    let server = S3Server::start();
    let refused = |change: fn(&mut plakar::s3::client::Config)| {
        client_with(&server, change).0.bucket("bucket").unwrap().get_object(b"k", 10).unwrap_err()
    };
    let fault = refused(|config| config.login = login(ACCESS_KEY, "wrong").into());
    assert!(fault.kind == FaultKind::Denied && fault.message.contains("SignatureDoesNotMatch"), "{fault}");
    assert!(!fault.to_string().contains("wrong"));
    let fault = refused(|config| config.login = login("nobody", SECRET_KEY).into());
    assert!(fault.message.contains("InvalidAccessKeyId"), "{fault}");
    let fault = refused(|config| {
        config.endpoint = Endpoint::parse("127.0.0.1:1", false).unwrap();
    });
    assert!(fault.kind == FaultKind::Broken && fault.message.contains("127.0.0.1:1"), "{fault}");
    let plain = Endpoint::parse(server.address(), true).unwrap();
    let (client, _) = client_with(&server, |config| config.endpoint = plain);
    let fault = client.bucket("bucket").unwrap().get_object(b"k", 10).unwrap_err();
    assert!(fault.to_string().contains("use_tls=false"), "{fault}");
}
