//! A bucket as the source of a backup and as the destination of a restore, through the command
//! line: every key and byte of it, and what is said when it cannot be had.

use crate::kit::command::{Home, Ran};
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::{skip, trees};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys that S3 allows and file trees do not, or not side by side.
fn odd_keys() -> Keys {
    let long = [b'k'; 1024];
    let keys: [&[u8]; 24] = [
        b"plain.txt",
        b"a",
        b"a/b",
        b"a-b",
        b"a//b",
        b"a/",
        b"/leading",
        b"/",
        b".",
        b"..",
        b"./x",
        b"../x",
        b"a/../b",
        b"dir/./x",
        b"ends/with/slash/",
        b"space and+plus&amp;<xml>",
        b"percent%2Fencoded",
        b"quote\"'`",
        b"line\nbreak\ttab\x01control",
        "\u{fc}ml\u{e4}ut/\u{1f980}".as_bytes(),
        b"star*?[]~#",
        b"back\\slash",
        b"deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/x",
        &long,
    ];
    let mut all: Keys =
        keys.iter().enumerate().map(|(n, key)| (key.to_vec(), trees::noise(n as u64, 100 * n))).collect();
    all.insert(b"large/object".to_vec(), trees::noise(99, 21 << 20));
    all
}

fn stored(server: &S3Server, bucket: &str) -> Keys {
    server.objects(|objects| {
        let keys = objects.buckets.get(bucket).into_iter().flatten();
        keys.map(|(key, object)| (key.clone(), object.body.clone())).collect()
    })
}

fn put(server: &S3Server, bucket: &str, keys: &Keys) {
    server.objects(|objects| keys.iter().for_each(|(key, body)| objects.put(bucket, key, body)));
}

/// A home with a plaintext store in a directory, and entries `@src` and `@dst` on the server.
fn home(name: &str, host: &str, keys: [&str; 2], places: [&str; 2]) -> Home {
    let home = Home::new(name);
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds();
    let options = [format!("access_key={}", keys[0]), format!("secret_access_key={}", keys[1])];
    for (role, entry, place) in [("source", "src", places[0]), ("destination", "dst", places[1])] {
        let location = format!("s3://{host}/{place}");
        home.plakar(&[role, "add", entry, &location, &options[0], &options[1], "use_tls=false"]).succeeds();
    }
    home
}

fn kit_home(name: &str, server: &S3Server, source: &str) -> Home {
    home(name, server.address(), [ACCESS_KEY, SECRET_KEY], [source, "restored"])
}

fn at(home: &Home, words: &[&str]) -> Ran {
    home.plakar(&[&["at", "st"], words].concat())
}

fn assert_same(found: &Keys, wanted: &Keys) {
    let shown =
        |keys: &Keys| keys.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>();
    assert_eq!(shown(found), shown(wanted));
    let differing: Vec<_> = wanted.keys().filter(|key| found[*key] != wanted[*key]).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn every_key_and_byte_of_a_bucket_comes_back_in_another() {
    let server = S3Server::start();
    server.set_page(7);
    let keys = odd_keys();
    put(&server, "photos", &keys);
    let home = kit_home("bucket-round", &server, "photos");
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    at(&home, &["check", "-quiet"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds().complains("");
    assert_same(&stored(&server, "restored"), &keys);
    assert!(server.objects(|objects| objects.uploads.is_empty()), "an upload stayed");
}

#[test]
fn a_prefix_is_a_directory_however_it_is_written() {
    let all: Keys = ["pre", "pre/a", "pre/b/c", "prefix2/x", "pre-x", "other"]
        .map(|key| (key.as_bytes().to_vec(), key.as_bytes().to_vec()))
        .into();
    for source in ["photos/pre", "photos/pre/"] {
        let server = S3Server::start();
        put(&server, "photos", &all);
        let home = kit_home("bucket-prefix", &server, source);
        at(&home, &["backup", "-quiet", "@src"]).succeeds();
        at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
        let found: Vec<Vec<u8>> = stored(&server, "restored").into_keys().collect();
        assert_eq!(found, [b"pre/a".to_vec(), b"pre/b/c".to_vec()], "{source}");
    }
}

#[test]
fn a_restore_goes_below_the_prefix_of_its_destination() {
    let server = S3Server::start();
    let home =
        home("bucket-below", server.address(), [ACCESS_KEY, SECRET_KEY], ["photos", "restored/some/place/"]);
    fs::create_dir_all(home.dir().join("tree/sub")).unwrap();
    fs::write(home.dir().join("tree/sub/file"), b"content").unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    let keys: Vec<Vec<u8>> = stored(&server, "restored").into_keys().collect();
    assert_eq!(keys, [b"some/place/tree/sub/file".to_vec()]);
}

#[test]
fn a_bucket_that_cannot_be_listed_whole_makes_no_snapshot() {
    let keys: Keys = (0..30).map(|n| (format!("key{n:02}").into_bytes(), vec![b'x'; n])).collect();
    let denied = || Trouble::Status(403, "AccessDenied", Vec::new());
    let rule =
        |after, trouble| Rule { method: "GET", contains: "list-type", after, times: usize::MAX, trouble };
    for (case, rule, complaint) in [
        ("missing", None, "NoSuchBucket"),
        ("denied at once", Some(rule(0, denied())), "AccessDenied"),
        ("denied on page two", Some(rule(1, denied())), "AccessDenied"),
        ("refused with status 200", Some(rule(1, Trouble::OkWithError("AccessDenied"))), "AccessDenied"),
    ] {
        let server = S3Server::start();
        server.set_page(10);
        if let Some(rule) = rule {
            put(&server, "photos", &keys);
            server.rule(rule);
        }
        let home = kit_home("bucket-unlisted", &server, "photos");
        let ran = at(&home, &["backup", "-quiet", "@src"]).exits(1).never_says(SECRET_KEY);
        assert!(ran.stderr.contains(complaint), "{case}: {ran}");
        at(&home, &["ls"]).succeeds().prints_nothing();
        assert_eq!(fs::read_dir(home.dir().join("st/locks")).unwrap().count(), 0, "{case}: a lock stayed");
    }
}

#[test]
fn an_object_that_cannot_be_read_is_told_and_the_rest_is_kept() {
    let server = S3Server::start();
    let keys: Keys =
        ["a", "b/forbidden", "c"].map(|key| (key.as_bytes().to_vec(), b"content".to_vec())).into();
    put(&server, "photos", &keys);
    let trouble = Trouble::Status(403, "AccessDenied", Vec::new());
    server.rule(Rule { method: "GET", contains: "forbidden", after: 0, times: usize::MAX, trouble });
    let home = kit_home("bucket-denied", &server, "photos");
    let ran = at(&home, &["backup", "-quiet", "@src"]).exits(3);
    assert!(ran.stderr.contains("KO ✘ /b/forbidden: ") && ran.stderr.contains("AccessDenied"), "{ran}");
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    let keys: Vec<Vec<u8>> = stored(&server, "restored").into_keys().collect();
    assert_eq!(keys, [b"a".to_vec(), b"c".to_vec()]);
}

#[test]
fn a_second_backup_downloads_nothing_that_has_not_changed() {
    let server = S3Server::start();
    let keys: Keys = (0..40).map(|n| (format!("d/key{n:02}").into_bytes(), trees::noise(n, 5000))).collect();
    put(&server, "photos", &keys);
    let home = kit_home("bucket-again", &server, "photos");
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    let gets = |requests: &[String]| requests.iter().filter(|line| line.starts_with("GET /photos/d")).count();
    assert_eq!(gets(&server.requests()), 40);
    server.objects(|objects| objects.put("photos", b"d/new", b"new"));
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    assert_eq!(gets(&server.requests()), 1);
}

#[test]
fn what_a_bucket_cannot_hold_is_told_and_everything_else_arrives() {
    let server = S3Server::start();
    let home = kit_home("bucket-links", &server, "photos");
    fs::create_dir_all(home.dir().join("tree/empty")).unwrap();
    fs::write(home.dir().join("tree/file"), b"content").unwrap();
    std::os::unix::fs::symlink("file", home.dir().join("tree/link")).unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    let ran = at(&home, &["restore", "-to", "@dst"]).succeeds();
    assert!(ran.stderr.starts_with("warn: 2 entries that @dst has no place for left out: "), "{ran}");
    let keys: Vec<Vec<u8>> = stored(&server, "restored").into_keys().collect();
    assert_eq!(keys, [b"tree/file".to_vec()]);
}

#[test]
fn a_large_object_is_read_by_ranges_over_several_connections() {
    let server = S3Server::start();
    let keys = Keys::from([(b"large".to_vec(), trees::noise(8, 21 << 20))]);
    put(&server, "photos", &keys);
    // Slow enough that one connection could not have served them all in turn.
    let trouble = Trouble::Slow(4, Duration::from_millis(50));
    server.rule(Rule { method: "GET", contains: "/large", after: 0, times: usize::MAX, trouble });
    let home = kit_home("bucket-ranges", &server, "photos");
    at(&home, &["backup", "-quiet", "@src"]).succeeds().complains("");
    let requests = server.requests();
    let asked = |method: &str| requests.iter().filter(|line| line.starts_with(method)).count();
    assert_eq!((asked("HEAD /photos/large"), asked("GET /photos/large")), (1, 11), "{requests:?}");
    assert!(server.connections() >= 3, "{}", server.connections());
    server.clear_rules();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_same(&stored(&server, "restored"), &keys);
}

#[test]
fn a_large_object_replaced_while_it_is_read_is_read_again_and_never_mixed() {
    for trouble in [Trouble::Slow(20, Duration::from_millis(50)), Trouble::CutBody(1 << 20)] {
        let server = S3Server::start();
        put(&server, "photos", &Keys::from([(b"large".to_vec(), vec![b'1'; 20 << 20])]));
        server.rule(Rule { method: "GET", contains: "/large", after: 0, times: 3, trouble });
        let home = kit_home("bucket-replaced", &server, "photos");
        let started = home.start(&["at", "st", "backup", "-quiet", "@src"]);
        server.wait_for("GET", "/large");
        put(&server, "photos", &Keys::from([(b"large".to_vec(), vec![b'2'; 20 << 20])]));
        let ran = started.ends().succeeds();
        at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
        let whole = stored(&server, "restored").remove(&b"large"[..]).unwrap();
        assert!(whole.len() == 20 << 20 && whole.iter().all(|byte| *byte == b'2'), "{ran}");
    }
}

#[test]
fn many_small_objects_are_asked_for_at_once() {
    let server = S3Server::start();
    let keys: Keys = (0..60).map(|n| (format!("key{n:02}").into_bytes(), trees::noise(n, 3000))).collect();
    put(&server, "photos", &keys);
    let trouble = Trouble::Slow(2, Duration::from_millis(100));
    server.rule(Rule { method: "GET", contains: "/key", after: 0, times: usize::MAX, trouble });
    let home = kit_home("bucket-small", &server, "photos");
    let ran = at(&home, &["backup", "-quiet", "-concurrency", "1", "@src"]).succeeds();
    assert!(server.connections() >= 8, "{} connections: {ran}", server.connections());
    server.clear_rules();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_same(&stored(&server, "restored"), &keys);
}

#[test]
fn an_archived_object_is_told_with_its_remedy_and_the_rest_is_kept() {
    let server = S3Server::start();
    let keys: Keys = ["a", "frozen", "z"].map(|key| (key.as_bytes().to_vec(), b"content".to_vec())).into();
    put(&server, "photos", &keys);
    let trouble = Trouble::Status(403, "InvalidObjectState", Vec::new());
    server.rule(Rule { method: "GET", contains: "/frozen", after: 0, times: usize::MAX, trouble });
    let home = kit_home("bucket-frozen", &server, "photos");
    let ran = at(&home, &["backup", "-quiet", "@src"]).exits(3);
    let told = ran.stderr.lines().find(|line| line.contains("KO ✘ /frozen: ")).unwrap();
    assert!(told.contains("403 InvalidObjectState") && told.contains("archived: restore it first"), "{ran}");
    let asked = server.requests().into_iter().filter(|line| line.contains("/frozen")).count();
    assert_eq!(asked, 1, "a refusal of that kind is not tried again");
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    let keys: Vec<Vec<u8>> = stored(&server, "restored").into_keys().collect();
    assert_eq!(keys, [b"a".to_vec(), b"z".to_vec()]);
}

/// What a client can give an object besides its content.
fn dress(server: &S3Server, key: &[u8], headers: &[(&str, &str)], tags: &str) {
    server.objects(|objects| {
        let object = objects.buckets.get_mut("photos").unwrap().get_mut(key).unwrap();
        object.headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        object.tags = tags.to_owned();
    });
}

#[test]
fn types_metadata_tags_and_classes_come_back_with_small_objects_and_large() {
    let server = S3Server::start();
    let keys = Keys::from([
        (b"bare".to_vec(), b"1".to_vec()),
        (b"small".to_vec(), b"22".to_vec()),
        (b"large".to_vec(), trees::noise(5, 21 << 20)),
    ]);
    put(&server, "photos", &keys);
    let headers = [
        ("cache-control", "max-age=3600"),
        ("content-disposition", "attachment; filename=\"a b.txt\""),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-type", "text/plain; charset=utf-8"),
        ("expires", "Thu, 01 Dec 2033 16:00:00 GMT"),
        ("x-amz-meta-owner", "Z\u{fc}rich, two  words"),
        ("x-amz-meta-z", "1"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    dress(&server, b"small", &headers, "a=b&two%20words=c%26d%3De");
    dress(&server, b"large", &headers, "only=one");
    let home = kit_home("bucket-dress", &server, "photos");
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    // And from the snapshot after it, which reads nothing anew.
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    let requests = server.requests();
    let gets = requests.iter().filter(|line| line.starts_with("GET /photos/small")).count();
    assert_eq!(gets, 2, "the object and its tags, once: {requests:?}");
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds().complains("");
    assert_same(&stored(&server, "restored"), &keys);
    server.objects(|objects| {
        for (key, was) in &objects.buckets["photos"] {
            let is = &objects.buckets["restored"][key];
            let shown = String::from_utf8_lossy(key);
            assert_eq!(is.headers, was.headers, "{shown}");
            assert_eq!(is.tags, was.tags, "{shown}");
        }
    });
}

#[test]
fn tags_that_may_not_be_read_are_said_once_and_cost_nothing_else() {
    let server = S3Server::start();
    let keys: Keys = (0..9).map(|n| (format!("key{n}").into_bytes(), vec![b'x'; n])).collect();
    put(&server, "photos", &keys);
    keys.keys().for_each(|key| dress(&server, key, &[("content-type", "a/b")], "a=b"));
    let trouble = Trouble::Status(403, "AccessDenied", Vec::new());
    server.rule(Rule { method: "GET", contains: "?tagging", after: 0, times: usize::MAX, trouble });
    let home = kit_home("bucket-untagged", &server, "photos");
    let ran = at(&home, &["backup", "-quiet", "@src"]).succeeds();
    assert_eq!(ran.stderr.matches("tags are left out").count(), 1, "{ran}");
    assert!(ran.stderr.contains("needs s3:GetObjectTagging on arn:aws:s3:::photos/*"), "{ran}");
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_same(&stored(&server, "restored"), &keys);
}

#[test]
fn a_server_without_storage_classes_gets_everything_all_the_same() {
    let server = S3Server::start();
    let keys = Keys::from([(b"a".to_vec(), vec![1; 10]), (b"b".to_vec(), trees::noise(1, 17 << 20))]);
    put(&server, "photos", &keys);
    keys.keys().for_each(|key| dress(&server, key, &[("x-amz-storage-class", "STANDARD_IA")], ""));
    let home = kit_home("bucket-classless", &server, "photos");
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    server.objects(|objects| objects.has_no_classes = true);
    let ran = at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_eq!(ran.stderr.matches("storage classes are left to the server").count(), 1, "{ran}");
    assert_same(&stored(&server, "restored"), &keys);
}

#[test]
fn a_server_that_wants_an_md5_gets_it_from_the_first_refusal_on() {
    let server = S3Server::start();
    server.objects(|objects| {
        objects.buckets.entry("restored".to_owned()).or_default();
        objects.wants_md5 = true;
    });
    let home = kit_home("bucket-md5", &server, "photos");
    fs::create_dir_all(home.dir().join("tree")).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(home.dir().join("tree").join(name), name).unwrap();
    }
    fs::write(home.dir().join("tree/large"), trees::noise(4, 17 << 20)).unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_eq!(stored(&server, "restored").len(), 4);
    let puts = server.requests().into_iter().filter(|line| line.starts_with("PUT /restored/tree/a")).count();
    let others = stored(&server, "restored").len();
    assert!(puts <= 2 && others == 4, "{puts}");
}

#[test]
fn a_restore_asks_for_no_bucket_and_makes_only_one_that_is_missing() {
    let server = S3Server::start();
    let home = kit_home("bucket-probe", &server, "photos");
    fs::create_dir_all(home.dir().join("tree")).unwrap();
    fs::write(home.dir().join("tree/file"), b"content").unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    let asked = |to: &str| {
        at(&home, &["restore", "-quiet", "-to", to]).succeeds();
        server.requests().into_iter().filter(|line| !line.contains("/tree/")).collect::<Vec<_>>()
    };
    assert_eq!(asked("@dst"), ["PUT /restored"]);
    assert_eq!(asked("@dst"), [""; 0]);
}

#[test]
fn what_is_there_already_is_overwritten_as_told() {
    let large = trees::noise(7, 17 << 20);
    for (mode, replaced, left_out) in [("always", "abcL", 0), ("if-different", "bc", 2), ("never", "c", 3)] {
        let server = S3Server::start();
        let home = kit_home("bucket-overwrite", &server, "photos");
        let keys = Keys::from([
            (b"a".to_vec(), b"same".to_vec()),
            (b"b".to_vec(), b"ours".to_vec()),
            (b"c".to_vec(), b"new".to_vec()),
            (b"L".to_vec(), large.clone()),
        ]);
        put(&server, "photos", &keys);
        at(&home, &["backup", "-quiet", "@src"]).succeeds();
        server.objects(|objects| {
            let there = objects.buckets["photos"].clone();
            objects.buckets.insert("restored".to_owned(), there);
            objects.put("restored", b"b", b"theirs");
            objects.buckets.get_mut("restored").unwrap().remove(&b"c"[..]);
        });
        server.requests();
        let option = format!("overwrite={mode}");
        let ran = at(&home, &["restore", "-o", &option, "-to", "@dst"]).succeeds();
        let found = stored(&server, "restored");
        assert_eq!(found[&b"b"[..]], if mode == "never" { &b"theirs"[..] } else { b"ours" }, "{mode}");
        assert_eq!((&found[&b"c"[..]][..], found[&b"L"[..]] == large), (&b"new"[..], true), "{mode}");
        let requests = server.requests();
        for name in ["a", "b", "c", "L"] {
            let asked = requests.iter().filter(|line| {
                let (method, rest) = line.split_once(' ').unwrap();
                method != "HEAD" && rest.starts_with(&format!("/restored/{name}"))
            });
            let sent = asked.count() > 0;
            // "never" of small objects is a conditional PUT, once the server was seen to keep to it:
            // nobody can come between.
            let tried = mode == "never" && name != "L";
            assert!(sent == replaced.contains(name) || tried, "{mode} {name}: {requests:?}");
        }
        let told = ran.stderr.contains(&format!("{left_out} "));
        assert!(left_out == 0 || told, "{mode}: {ran}");
    }
}

#[test]
fn symbolic_links_can_travel_through_a_bucket_as_marked_objects() {
    let server = S3Server::start();
    let home = kit_home("bucket-symlinks", &server, "restored");
    fs::create_dir_all(home.dir().join("tree")).unwrap();
    fs::write(home.dir().join("tree/file"), b"content").unwrap();
    std::os::unix::fs::symlink("../tree/./file", home.dir().join("tree/link")).unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    at(&home, &["restore", "-quiet", "-o", "symlinks=object", "-to", "@dst"]).succeeds().complains("");
    server.objects(|objects| {
        let link = &objects.buckets["restored"][&b"tree/link"[..]];
        assert_eq!(link.body, b"../tree/./file");
        assert_eq!(link.header("x-amz-meta-plakar-type"), "symlink");
    });
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "out"]).succeeds();
    assert_eq!(fs::read_link(home.dir().join("out/tree/link")).unwrap().to_str(), Some("../tree/./file"));
    assert_eq!(fs::read(home.dir().join("out/tree/link")).unwrap(), b"content");
}

#[test]
fn minio_a_bucket_goes_into_another_and_comes_back() {
    let Some(endpoint) = skip::minio() else { return };
    let host = endpoint.trim_start_matches("http://");
    let number = std::process::id();
    let (first, second) = (format!("round-a-{number}"), format!("round-b-{number}"));
    let home = home("minio-round", host, ["minioadmin"; 2], [&first, &second]);
    home.plakar(&[
        "destination",
        "add",
        "first",
        &format!("s3://{host}/{first}"),
        "access_key=minioadmin",
        "secret_access_key=minioadmin",
        "use_tls=false",
    ])
    .succeeds();
    home.plakar(&[
        "source",
        "add",
        "second",
        &format!("s3://{host}/{second}"),
        "access_key=minioadmin",
        "secret_access_key=minioadmin",
        "use_tls=false",
    ])
    .succeeds();
    let tree = home.dir().join("tree");
    for name in
        ["a.txt", "\u{fc}ml\u{e4}ut \u{1f980}", "sp ace+plus&<xml>", "per%2Fcent", "quote\"'`", "star*?[]~#"]
    {
        fs::create_dir_all(tree.join("sub/dir")).unwrap();
        fs::write(tree.join("sub/dir").join(name), name).unwrap();
    }
    fs::write(tree.join("large"), trees::noise(3, 30 << 20)).unwrap();
    fs::write(tree.join("empty"), b"").unwrap();
    at(&home, &["backup", "-quiet", "tree"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@first"]).succeeds();
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    at(&home, &["backup", "-quiet", "@second"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "out"]).succeeds();
    for name in ["sub/dir/a.txt", "sub/dir/per%2Fcent", "sub/dir/star*?[]~#", "large", "empty"] {
        let (was, is) = (fs::read(tree.join(name)), fs::read(home.dir().join("out/tree").join(name)));
        assert!(was.unwrap() == is.unwrap(), "{name}");
    }
    assert_eq!(trees::count(&home.dir().join("out/tree")), trees::count(&tree));
}
