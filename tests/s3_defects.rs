//! Plakar's S3 integration v1.0.6 has ten known defects. Each has its test here, named after what
//! happens instead; further tests of the same are named in the comments.

use crate::kit::command::{Home, Ran};
use crate::kit::connect;
use crate::kit::hand_clock::{client, client_with, temporary};
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::trees::noise;
use plakar::base::mac::Mac;
use plakar::connectors::location::Location;
use plakar::connectors::open;
use plakar::connectors::options::Options;
use plakar::ports::fault::FaultKind;
use plakar::ports::store::{Item, Store};
use plakar::s3::bucket::PutOptions;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

const ALWAYS: usize = usize::MAX;

/// How long the original goes on asking: ten attempts, a second apart at most.
const ORIGINAL_PATIENCE: Duration = Duration::from_millis(8400);

fn denied() -> Trouble {
    Trouble::Status(403, "AccessDenied", vec![])
}

/// A home that knows `@s` (a store), `@src` and `@dst` on the server.
fn home(name: &str, server: &S3Server, places: [&str; 3]) -> Home {
    let home = Home::new(name);
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    for ((role, entry), place) in
        [("store", "s"), ("source", "src"), ("destination", "dst")].iter().zip(places)
    {
        let location = format!("s3://{}/{place}", server.address());
        home.plakar(&[role, "add", entry, &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    }
    home.plakar(&["at", "@s", "create", "-plaintext"]).succeeds();
    home
}

fn at(home: &Home, words: &[&str]) -> Ran {
    home.plakar(&[&["at", "@s"], words].concat())
}

fn store(server: &S3Server, place: &str) -> Arc<dyn Store> {
    let location = Location::of_store(format!("s3://{}/{place}", server.address()).as_bytes(), b"/");
    let pairs = [("access_key", ACCESS_KEY), ("secret_access_key", SECRET_KEY), ("use_tls", "false")];
    let options: Options = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    open::store(&location, &options, &connect::context().0).unwrap()
}

fn keys(server: &S3Server, bucket: &str, below: &str) -> Vec<String> {
    server.objects(|objects| {
        let keys = objects.buckets.get(bucket).into_iter().flat_map(|keys| keys.keys());
        let keys = keys.map(|key| String::from_utf8_lossy(key).into_owned());
        keys.filter(|key| key.starts_with(below)).collect()
    })
}

/// Also `s3_connectors::a_prefix_is_a_directory_however_it_is_written`.
#[test]
fn defect_1_a_prefix_that_other_keys_begin_with_ends_and_holds_its_directory_only() {
    let server = S3Server::start();
    let home = home("defect-1", &server, ["kloset", "photos/foo", "restored"]);
    server.objects(|objects| {
        for key in ["foo", "foo/a", "foo/b/c", "foobar/x", "foo-"] {
            objects.put("photos", key.as_bytes(), key.as_bytes());
        }
    });
    at(&home, &["backup", "-quiet", "@src"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert_eq!(keys(&server, "restored", ""), ["foo/a", "foo/b/c"]);
}

/// Also `s3_connectors::a_bucket_that_cannot_be_listed_whole_makes_no_snapshot` and
/// `s3_client::listings_are_complete_or_an_error`.
#[test]
fn defect_2_a_listing_that_fails_fails_the_backup() {
    for (place, after) in [("photos", 0), ("photos", 2), ("photos/sub", 0), ("photos/sub", 2)] {
        let server = S3Server::start();
        let home = home("defect-2", &server, ["kloset", place, "restored"]);
        server.objects(|objects| {
            (0..9).for_each(|n| objects.put("photos", format!("sub/{n}").as_bytes(), b"x"));
        });
        server.set_page(2);
        server.rule(Rule { method: "GET", contains: "/photos?", after, times: ALWAYS, trouble: denied() });
        let ran = at(&home, &["backup", "-quiet", "@src"]).exits(1);
        assert!(ran.stderr.contains("AccessDenied"), "{place} {after}: {ran}");
        at(&home, &["ls"]).succeeds().prints_nothing();
    }
}

#[test]
fn defect_3_a_store_listing_that_fails_is_no_shorter_store_and_maintenance_removes_nothing() {
    let server = S3Server::start();
    let home = home("defect-3", &server, ["kloset", "photos", "restored"]);
    home.env("PLAKAR_GRACEPERIOD", "0s");
    for n in 0..3 {
        fs::write(home.dir().join("file"), noise(n, 10_000)).unwrap();
        at(&home, &["backup", "-quiet", "file"]).succeeds();
    }
    let listed = at(&home, &["ls", "-uuid"]).succeeds();
    // The newest: older ones hold what later ones need.
    let newest = listed.stdout.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    at(&home, &["rm", "-apply", &newest]).succeeds();
    let before = keys(&server, "kloset", "packfiles/");
    server.set_page(1);
    for kind in ["prefix=states", "prefix=packfiles", "prefix=locks"] {
        for trouble in [denied(), Trouble::OkWithError("AccessDenied")] {
            server.clear_rules();
            server.requests();
            let rule = Rule { method: "GET", contains: kind, after: 1, times: ALWAYS, trouble };
            if kind == "prefix=locks" {
                // Two locks of a run that died, so that there is a second page.
                server.objects(|objects| {
                    for id in [1, 2] {
                        let key = Item::Lock(Mac([id; 32])).path();
                        objects.put("kloset", key.as_bytes(), b"");
                    }
                });
            }
            server.rule(rule);
            at(&home, &["maintenance"]).exits(1);
            let requests = server.requests();
            let removed = requests.iter().any(|line| line.starts_with("DELETE /kloset/packfiles"));
            assert!(!removed, "{kind}: {requests:?}");
        }
    }
    server.clear_rules();
    server.rule(Rule {
        method: "GET",
        contains: "prefix=states",
        after: 1,
        times: ALWAYS,
        trouble: denied(),
    });
    at(&home, &["ls"]).exits(1);
    assert_eq!(keys(&server, "kloset", "packfiles/"), before);
    // The same work is done when the listings are whole.
    server.clear_rules();
    server.objects(|objects| {
        objects.buckets.get_mut("kloset").unwrap().retain(|key, _| !key.starts_with(b"locks/"));
    });
    at(&home, &["maintenance"]).succeeds();
    at(&home, &["maintenance"]).succeeds();
    assert!(keys(&server, "kloset", "packfiles/").len() < before.len());
    at(&home, &["check", "-quiet"]).succeeds().complains("");
}

#[test]
fn defect_4_reading_takes_few_requests_however_large_the_file() {
    let server = S3Server::start();
    let home = home("defect-4", &server, ["kloset", "photos", "restored"]);
    let body = noise(4, 23 << 20);
    fs::write(home.dir().join("file"), &body).unwrap();
    at(&home, &["backup", "-quiet", "file"]).succeeds();
    server.requests();
    let listed = at(&home, &["ls", "-uuid"]).succeeds();
    let id = listed.stdout.split_whitespace().nth(1).unwrap().to_owned();
    let ran = at(&home, &["cat", &format!("{id}:{}", home.path("file"))]).succeeds();
    assert!(ran.bytes == body);
    let requests = server.requests();
    let gets = requests.iter().filter(|line| line.starts_with("GET /kloset/packfiles")).count();
    // The original asks once for every 128 KiB: 184 times.
    assert!(gets <= 40, "{gets} of {}", requests.len());
}

/// That no body is of unknown length, the kit's server asserts of every request.
#[test]
fn defect_5_states_and_locks_are_one_sized_request_each() {
    let server = S3Server::start();
    let home = home("defect-5", &server, ["kloset", "photos", "restored"]);
    fs::write(home.dir().join("file"), b"content").unwrap();
    server.requests();
    at(&home, &["backup", "-quiet", "file"]).succeeds();
    let requests = server.requests();
    let writes = |folder: &str| {
        let target = format!("/kloset/{folder}/");
        let of =
            |line: &&String| !line.starts_with("GET") && !line.starts_with("HEAD") && line.contains(&target);
        requests.iter().filter(of).map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(writes("states"), ["PUT"]);
    // Taken, and given back.
    assert_eq!(writes("locks"), ["PUT", "DELETE"]);
    assert!(!requests.iter().any(|line| line.contains("?uploads")), "{requests:?}");
}

#[test]
fn defect_6_a_packfile_that_failed_leaves_nothing_in_the_next_one() {
    let server = S3Server::start();
    let store = store(&server, "kloset");
    store.create(b"config").unwrap();
    let file = |id: u8| Item::Packfile(Mac([id; 32]));
    let (lost, kept) = (noise(6, 3 << 20), noise(7, 1 << 20));
    server.rule(Rule { method: "PUT", contains: "/packfiles/", after: 0, times: 1, trouble: denied() });
    assert_eq!(store.put(file(1), &lost).unwrap_err().kind, FaultKind::Denied);
    // And one that is sent again.
    let busy = Trouble::Status(503, "SlowDown", vec![]);
    server.rule(Rule { method: "PUT", contains: "/packfiles/", after: 0, times: 1, trouble: busy });
    store.put(file(2), &kept).unwrap();
    assert_eq!(store.get(file(1), 1 << 23).unwrap_err().kind, FaultKind::Missing);
    assert!(store.get(file(2), 1 << 23).unwrap() == kept);
}

/// Also `s3_connectors::a_restore_asks_for_no_bucket_and_makes_only_one_that_is_missing`.
#[test]
fn defect_7_a_destination_has_a_prefix_and_needs_no_right_to_make_buckets() {
    let server = S3Server::start();
    let home = home("defect-7", &server, ["kloset", "photos", "restored/below/this"]);
    fs::write(home.dir().join("file"), b"content").unwrap();
    at(&home, &["backup", "-quiet", "file"]).succeeds();
    server.objects(|objects| {
        objects.buckets.entry("restored".to_owned()).or_default();
    });
    server.requests();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds().complains("");
    assert_eq!(keys(&server, "restored", ""), ["below/this/file"]);
    let asked: Vec<String> =
        server.requests().into_iter().filter(|line| line.contains("/restored")).collect();
    assert_eq!(asked, ["PUT /restored/below/this/file"], "neither made nor looked for");
}

/// Also `store_contract::of_two_creates_in_one_bucket_one_wins` and
/// `s3_wire::a_create_that_was_overtaken_where_conditions_do_not_hold_is_no_success`.
#[test]
fn defect_8_of_many_creates_one_wins_also_without_the_right_to_look_first() {
    let server = S3Server::start();
    // Without s3:ListBucket, what is not there is "forbidden".
    for method in ["HEAD", "GET"] {
        server.rule(Rule { method, contains: "/CONFIG", after: 0, times: ALWAYS, trouble: denied() });
    }
    let stores: Vec<_> = (0..8).map(|_| store(&server, "kloset")).collect();
    let created: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = stores.iter().map(|store| scope.spawn(|| store.create(b"config"))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won = created.iter().filter(|result| result.is_ok()).count();
    assert_eq!(won, 1, "{created:?}");
    let others = created.iter().filter_map(|result| result.as_ref().err());
    assert!(others.into_iter().all(|fault| fault.kind == FaultKind::Exists), "{created:?}");
}

#[test]
fn defect_9_escapes_in_a_location_are_resolved() {
    let server = S3Server::start();
    let home = home("defect-9", &server, ["kloset/a%20b/c%2Bd", "photos", "restored/%C3%A9"]);
    fs::write(home.dir().join("file"), b"content").unwrap();
    at(&home, &["backup", "-quiet", "file"]).succeeds();
    at(&home, &["restore", "-quiet", "-to", "@dst"]).succeeds();
    assert!(keys(&server, "kloset", "").iter().all(|key| key.starts_with("a b/c+d/")));
    assert!(keys(&server, "kloset", "").contains(&"a b/c+d/CONFIG".to_owned()));
    assert_eq!(keys(&server, "restored", ""), ["é/file"]);
}

/// A CA of one's own: `s3_tls`. A server that stops reading, or sending:
/// `s3_wire::a_server_that_stops_reading_is_left_and_asked_again`,
/// `s3_client::a_slow_body_is_waited_for_and_a_stalled_one_is_not`.
#[test]
fn defect_10_session_tokens_and_regions_are_known_and_patience_outlasts_ten_attempts() {
    let server = S3Server::start();
    server.objects(|objects| {
        objects.buckets.entry("bucket".to_owned()).or_default();
        objects.wants_token = Some("token".to_owned());
        objects.region = Some("eu-central-7".to_owned());
    });
    let token = |config: &mut plakar::s3::client::Config| {
        config.login = temporary(ACCESS_KEY, SECRET_KEY, "token").into();
    };
    let put = |client: plakar::s3::client::Client| {
        client.bucket("bucket").unwrap().put_object(b"object", b"x", &PutOptions::default())
    };
    let fault = put(client(&server).0).unwrap_err();
    assert!(fault.message.contains("InvalidToken"), "{fault}");
    // The region that the server names is found out, once per run; or given.
    server.requests();
    put(client_with(&server, token).0).unwrap();
    assert_eq!(server.requests().len(), 2);
    let given = |config: &mut plakar::s3::client::Config| {
        token(config);
        config.region = Some("eu-central-7".to_owned());
    };
    let (client, heard) = client_with(&server, given);
    put(client.clone()).unwrap();
    assert_eq!(server.requests().len(), 1);
    let busy = Trouble::Status(503, "SlowDown", vec![("retry-after", "2".to_owned())]);
    server.rule(Rule { method: "PUT", contains: "object", after: 0, times: 12, trouble: busy });
    put(client).unwrap();
    assert!(heard.clock.waited() > 2 * ORIGINAL_PATIENCE, "{:?}", heard.clock.waited());
}
