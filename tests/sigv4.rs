//! Signatures against the examples that AWS publishes for S3 ("Signature Calculations for the
//! Authorization Header"), and against the kit's own slow implementation for odd keys.

use crate::kit::hand_clock::client;
use crate::kit::s3_server::S3Server;
use plakar::s3::bucket::PutOptions;
use plakar::s3::proto::sign::{canonical_request, day_key, signature, string_to_sign};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn published_examples_give_their_published_signatures() {
    let host = ("host", "examplebucket.s3.amazonaws.com");
    let date = ("x-amz-date", "20130524T000000Z");
    let welcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let cases = [
        (
            "get object",
            ("GET", "/test.txt", "", EMPTY),
            vec![host, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), date],
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "put object",
            ("PUT", "/test%24file.text", "", welcome),
            vec![
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                host,
                ("x-amz-content-sha256", welcome),
                date,
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "get bucket lifecycle",
            ("GET", "/", "lifecycle=", EMPTY),
            vec![host, ("x-amz-content-sha256", EMPTY), date],
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "list objects",
            ("GET", "/", "max-keys=2&prefix=J", EMPTY),
            vec![host, ("x-amz-content-sha256", EMPTY), date],
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    let key = day_key(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3");
    for (name, (method, path, query, hash), headers, expected) in cases {
        let headers: Vec<(String, Vec<u8>)> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        let canonical = canonical_request(method, path, query, &headers, hash);
        let text = string_to_sign("20130524T000000Z", "20130524/us-east-1/s3/aws4_request", &canonical);
        assert_eq!(signature(&key, &text), expected, "{name}");
    }
}

#[test]
fn any_key_is_signed_as_a_second_implementation_signs_it_and_comes_back() {
    let server = S3Server::start();
    let (client, _) = client(&server);
    let bucket = client.bucket("bucket").unwrap();
    bucket.create_bucket().unwrap();
    let mut keys: Vec<Vec<u8>> = [
        "a",
        "a b",
        " lead",
        "trail ",
        "a//b",
        "/lead",
        "trail/",
        ".",
        "..",
        "../x",
        "a/../b",
        "%2F",
        "+",
        "&=?#",
        "~!*()'",
        "grüße/日本",
        "a\tb\nc\r",
        "\u{1}",
        "quote\"",
        "back\\slash",
        "{}[]|^`<>",
        "x".repeat(1024).as_str(),
    ]
    .iter()
    .map(|key| key.as_bytes().to_vec())
    .collect();
    let mut x = 88_172_645_463_325_252_u64;
    for _ in 0..100 {
        let key = (0..=x % 40).map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x % 127 + 1) as u8
        });
        keys.push(key.collect());
    }
    for key in &keys {
        bucket.put_object(key, key, &PutOptions::default()).unwrap();
        assert_eq!(bucket.get_object(key, 2000).unwrap(), *key);
        assert_eq!(bucket.get_range(key, 0, 1, None).unwrap(), key[..1]);
    }
    let mut listed = Vec::new();
    server.set_page(7);
    bucket
        .list_objects_v2(b"", None, &mut |object| {
            listed.push(object.key);
            Ok(())
        })
        .unwrap();
    keys.sort();
    keys.dedup();
    assert_eq!(listed, keys);
    assert!(
        bucket.put_object(b"", b"", &PutOptions::default()).is_err(),
        "the empty key is the bucket itself"
    );
    assert!(bucket.put_object(&[b'k'; 1025], b"", &PutOptions::default()).is_err());
}
