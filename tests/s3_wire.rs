//! What the client does to its line and asks of its server: rates, traces, listings, conditions,
//! limits of parts, uploads that nobody finished.

use crate::kit::command::Home;
use crate::kit::connect::{self, Scratch};
use crate::kit::hand_clock::{client, client_of, client_with, login};
use crate::kit::s3_server::objects::Listing;
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::trees::noise;
use crate::kit::{skip, tls_minio};
use plakar::base::mac::Mac;
use plakar::connectors::location::Location;
use plakar::connectors::open;
use plakar::connectors::options::Options;
use plakar::ports::cancel::Cancel;
use plakar::ports::dice::Dice;
use plakar::ports::fault::{Fault, FaultKind};
use plakar::ports::store::{Item, Store};
use plakar::s3::bucket::{Bucket, PutOptions};
use plakar::s3::client::{Client, Config};
use plakar::s3::proto::address::Endpoint;
use plakar::s3::proto::encryption::{CustomerKey, Encryption};
use plakar::s3::trust::{Trust, Wanted};
use plakar::world::clock::SystemClock;
use plakar::world::dice::SystemDice;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const ALWAYS: usize = usize::MAX;

fn hit(method: &'static str, contains: &'static str, times: usize, trouble: Trouble) -> Rule {
    Rule { method, contains, after: 0, times, trouble }
}

fn empty(server: &S3Server, client: &Client) -> Bucket {
    server.objects(|objects| {
        objects.buckets.entry("bucket".to_owned()).or_default();
    });
    client.bucket("bucket").unwrap()
}

#[test]
fn bodies_keep_to_the_bandwidth_both_ways_and_to_the_byte() {
    const RATE: u64 = 1_000_000;
    let server = S3Server::start();
    let (client, heard) = client_with(&server, |config| config.bandwidth = Some(RATE));
    let bucket = empty(&server, &client);
    let body = noise(1, 5_000_000);
    bucket.put_object(b"object", &body, &PutOptions::default()).unwrap();
    assert!(bucket.get_object(b"object", 1 << 23).unwrap() == body);
    let mut streamed = Vec::new();
    bucket.get_reader(b"object", 5_000_000, "").unwrap().read_to_end(&mut streamed).unwrap();
    assert!(streamed == body);
    // A tenth of a second's bytes, or 64 KiB, are there from the start.
    let (exact, saved) = (Duration::from_secs(15), Duration::from_millis(66));
    let waited = heard.clock.waited();
    assert!(waited > exact - saved && waited < exact + Duration::from_millis(1), "{waited:?}");
}

/// Waits are as short as they can be.
struct NoJitter;

impl Dice for NoJitter {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

#[test]
fn a_sick_server_is_asked_again_by_many_threads_no_more_often_than_by_few() {
    let server = S3Server::start();
    let budget = Duration::from_secs(20);
    let (client, heard) = client_of(&server, Arc::new(NoJitter), |config| config.retry_budget = budget);
    let bucket = empty(&server, &client);
    server.rule(hit("GET", "object", ALWAYS, Trouble::Status(503, "SlowDown", vec![])));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(bucket.get_object(b"object", 10).unwrap_err().kind, FaultKind::Busy));
        }
    });
    let asked = server.requests().len();
    let waited = heard.clock.waited();
    // The first attempts, what is saved up, and four a second; without jitter nothing else would
    // hold them back.
    let allowed = 16 + 20 + 4 * usize::try_from(waited.as_secs() + 1).unwrap();
    assert!(asked > 36 && asked <= allowed, "{asked} requests in {waited:?}");
}

#[test]
fn a_server_that_stops_reading_is_left_and_asked_again() {
    let server = S3Server::start();
    let (client, heard) = client_with(&server, |config| config.stall = Duration::from_secs(2));
    let bucket = empty(&server, &client);
    let body = noise(2, 24 << 20);
    server.rule(hit("PUT", "object", 1, Trouble::Deaf));
    bucket.put_object(b"object", &body, &PutOptions::default()).unwrap();
    assert!(server.objects(|objects| objects.buckets["bucket"][&b"object"[..]].body == body));
    let notices = heard.notices.lock().unwrap();
    assert!(notices.len() == 1 && notices[0].contains("attempt 2"), "{notices:?}");
}

#[test]
fn minio_frozen_in_the_middle_of_an_upload_is_told_and_outlasted() {
    let Some(program) = skip::minio_program() else { return };
    let scratch = Scratch::new("frozen");
    let server = tls_minio::start(&program, &scratch, "public.crt", &[]);
    let insecure = Wanted { insecure: true, ..Wanted::default() };
    let config = Config {
        trust: Some(Trust::load(&insecure).unwrap()),
        stall: Duration::from_secs(2),
        ..Config::new(Endpoint::parse(&server.host, true).unwrap(), login("minioadmin", "minioadmin"))
    };
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let notice = Arc::new(move |line: &str| tell.lock().unwrap().send(line.to_owned()).unwrap());
    let cancel = Cancel::new();
    let clock = Arc::new(SystemClock::new(cancel.clone()));
    let client = Client::new(config, clock, Arc::new(SystemDice), cancel, notice).unwrap();
    let bucket = client.bucket("frozen").unwrap();
    // Each attempt waits a while for a server that is not up yet.
    assert!((0..60).any(|_| bucket.create_bucket().is_ok()));
    bucket.put_object(b"before", b"x", &PutOptions::default()).unwrap();
    while told.try_recv().is_ok() {}
    let body = noise(5, 24 << 20);
    server.freeze();
    std::thread::scope(|scope| {
        let put = scope.spawn(|| bucket.put_object(b"object", &body, &PutOptions::default()));
        let line = told.recv_timeout(Duration::from_secs(60));
        server.thaw();
        let line = line.unwrap();
        assert!(line.contains("nothing moved") && line.contains("attempt 2"), "{line}");
        put.join().unwrap().unwrap();
    });
    assert!(bucket.get_object(b"object", 1 << 25).unwrap() == body);
}

#[test]
fn an_interrupt_ends_an_upload_to_a_server_that_stopped_reading() {
    let server = S3Server::start();
    let (client, heard) = client(&server);
    let bucket = empty(&server, &client);
    server.rule(hit("PUT", "object", ALWAYS, Trouble::Deaf));
    std::thread::scope(|scope| {
        let put = scope.spawn(|| bucket.put_object(b"object", &noise(3, 24 << 20), &PutOptions::default()));
        server.wait_for("PUT", "object");
        heard.cancel.cancel();
        assert_eq!(put.join().unwrap().unwrap_err().kind, FaultKind::Cancelled);
    });
    assert_eq!(server.requests().len(), 1, "none was tried again");
}

#[test]
fn a_trace_tells_every_request_and_no_secret() {
    let server = S3Server::start();
    let home = Home::new("trace");
    let location = format!("s3://{}/kloset", server.address());
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    let token = "session_token=tokenofmine";
    home.plakar(&["store", "add", "s", &location, &keys[0], &keys[1], token, "use_tls=false"]).succeeds();
    home.env("PLAKAR_PASSPHRASE", "passphraseofmine");
    let ran = home.plakar(&["-trace", "s3", "at", "@s", "create"]).succeeds();
    for secret in [ACCESS_KEY, SECRET_KEY, "tokenofmine", "passphraseofmine", "Signature", "AWS4-HMAC"] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{secret}: {ran}");
    }
    let traced: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("trace: s3: ")).collect();
    let requests = server.requests();
    assert_eq!(traced.len(), requests.len(), "{ran}\n{requests:?}");
    for (line, outcome) in [
        ("PUT kloset/CONFIG → ", "404 NoSuchBucket: NoSuchBucket & nothing else (request REQ1)"),
        ("PUT kloset → ", "200"),
        ("PUT kloset/CONFIG → ", "200"),
    ] {
        let found = traced.iter().any(|told| {
            let rest = told.strip_prefix(line).and_then(|rest| rest.strip_prefix(outcome));
            rest.is_some_and(|rest| rest.starts_with(" in ") && rest.ends_with("ms"))
        });
        assert!(found, "{line}{outcome}: {ran}");
    }
    let ran = home.plakar(&["-trace", "other", "at", "@s", "ls"]).succeeds();
    assert!(!ran.stdout.contains("trace:"), "{ran}");
    home.plakar(&["-trace", "all", "at", "@s", "ls"])
        .succeeds()
        .says("trace: s3: GET kloset/CONFIG → 200 in ");
}

#[test]
fn a_server_that_lists_only_in_version_one_is_listed_whole() {
    for (listing, refused) in [(Listing::OnlyV1, 1), (Listing::ShapedAsV1, 0)] {
        let server = S3Server::start();
        let (client, _) = client(&server);
        let bucket = empty(&server, &client);
        let keys: BTreeSet<Vec<u8>> = (0..95).map(|n| format!("a b+c/{n:02}&<é>").into_bytes()).collect();
        server.objects(|objects| {
            objects.listing = listing;
            keys.iter().for_each(|key| objects.put("bucket", key, b"x"));
        });
        server.set_page(10);
        for times in 1..=2 {
            let mut found = BTreeSet::new();
            let visit = &mut |listed: plakar::s3::bucket::Listed| {
                assert!(found.insert(listed.key));
                Ok(())
            };
            bucket.list_objects_v2(b"a b", None, visit).unwrap();
            assert_eq!(found, keys, "{listing:?}");
            // That the server does not speak the newer version is learnt once.
            let expected = if times == 1 { 10 + refused } else { 10 };
            assert_eq!(server.requests().len(), expected, "{listing:?}");
        }
        server.rule(hit("GET", "prefix", ALWAYS, Trouble::Status(403, "AccessDenied", vec![])));
        let ended = bucket.list_objects_v2(b"", None, &mut |_| Ok(()));
        assert_eq!(ended.unwrap_err().kind, FaultKind::Denied, "{listing:?}");
    }
}

const ONCE: PutOptions = PutOptions {
    storage_class: None,
    any_storage_class: false,
    make_bucket: false,
    if_none_match: true,
    headers: Vec::new(),
    tags: None,
};

#[test]
fn conditions_are_tried_out_once_before_they_are_relied_on() {
    let server = S3Server::start();
    let (client, heard) = client(&server);
    let bucket = empty(&server, &client);
    bucket.put_object(b"a", b"a", &ONCE).unwrap();
    bucket.put_object(b"b", b"b", &ONCE).unwrap();
    assert_eq!(bucket.put_object(b"a", b"other", &ONCE).unwrap_err().kind, FaultKind::Exists);
    assert!(bucket.keeps_conditions() && heard.notices.lock().unwrap().is_empty());
    let once = |line: &str| server_line(line);
    let expected = ["HEAD a", "PUT a", "PUT a", "PUT b", "PUT a"].map(once);
    assert_eq!(server.requests(), expected);
}

fn server_line(line: &str) -> String {
    line.replace(' ', " /bucket/")
}

#[test]
fn a_server_that_passes_over_conditions_is_asked_first_and_that_is_said_once() {
    let not_implemented = || Trouble::Status(501, "NotImplemented", vec![]);
    for refuses in [false, true] {
        let server = S3Server::start();
        let (client, heard) = client(&server);
        let bucket = empty(&server, &client);
        server.objects(|objects| objects.ignores_conditions = true);
        if refuses {
            server.rule(hit("PUT", "/a", 1, not_implemented()));
        }
        bucket.put_object(b"a", b"a", &ONCE).unwrap();
        assert_eq!(bucket.put_object(b"a", b"other", &ONCE).unwrap_err().kind, FaultKind::Exists);
        bucket.put_object(b"b", b"b", &ONCE).unwrap();
        assert_eq!(bucket.get_object(b"a", 10).unwrap(), b"a");
        assert!(!bucket.keeps_conditions());
        let notices = heard.notices.lock().unwrap();
        let told = notices.iter().filter(|line| line.contains("If-None-Match")).count();
        assert_eq!((told, notices.len()), (1, 1), "{notices:?}");
    }
}

fn store(server: &S3Server) -> Arc<dyn Store> {
    let location = Location::of_store(format!("s3://{}/kloset/pre", server.address()).as_bytes(), b"/");
    let pairs = [("access_key", ACCESS_KEY), ("secret_access_key", SECRET_KEY), ("use_tls", "false")];
    let options: Options = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    open::store(&location, &options, &connect::context().0).unwrap()
}

#[test]
fn a_create_that_was_overtaken_where_conditions_do_not_hold_is_no_success() {
    let server = S3Server::start();
    server.objects(|objects| objects.ignores_conditions = true);
    let theirs = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ntheirs";
    server.rule(hit("GET", "CONFIG", 1, Trouble::Raw(theirs)));
    assert_eq!(store(&server).create(b"ours").unwrap_err().kind, FaultKind::Exists);
}

#[test]
fn an_upload_whose_completion_was_not_heard_is_looked_for_and_no_other_is_taken_for_it() {
    let body = noise(8, 30 << 20);
    let server = S3Server::start();
    let (client, _) = client(&server);
    let bucket = empty(&server, &client);
    let put = || bucket.put_stream(b"object", &mut &body[..], Some(30 << 20), &PutOptions::default());
    server.rule(hit("POST", "uploadId", 1, Trouble::ResetAfter));
    put().unwrap();
    assert!(server.objects(|objects| objects.buckets["bucket"][&b"object"[..]].body == body));
    // One of the same size that was there before, and a completion that was not carried out.
    server.objects(|objects| objects.put("bucket", b"object", &vec![0; 30 << 20]));
    server.rule(hit("POST", "uploadId", 1, Trouble::ResetBefore));
    server.rule(hit("POST", "uploadId", ALWAYS, Trouble::Status(404, "NoSuchUpload", vec![])));
    assert!(put().is_err());
}

#[test]
fn bytes_that_were_altered_on_their_way_are_read_again_before_anything_is_called_damaged() {
    let server = S3Server::start();
    let home = Home::new("altered");
    let location = format!("s3://{}/kloset", server.address());
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    home.plakar(&["store", "add", "s", &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    home.plakar(&["at", "@s", "create", "-plaintext"]).succeeds();
    fs::write(home.dir().join("file"), noise(9, 3 << 20)).unwrap();
    home.plakar(&["at", "@s", "backup", "-quiet", "file"]).succeeds();
    for after in 0..3 {
        let rule = Rule { after, ..hit("GET", "/packfiles/", 1, Trouble::FlippedBit) };
        server.rule(rule.clone());
        home.plakar(&["at", "@s", "check", "-quiet"]).succeeds().complains("");
        server.clear_rules();
        server.rule(rule);
        let out = format!("out{after}");
        home.plakar(&["at", "@s", "restore", "-quiet", "-to", &out]).succeeds().complains("");
        assert!(fs::read(home.dir().join(out).join("file")).unwrap() == noise(9, 3 << 20), "{after}");
        server.clear_rules();
    }
}

#[test]
fn many_threads_find_out_about_a_wrong_clock_at_once_and_it_is_said_once() {
    let server = S3Server::start();
    server.set_clock_offset(7200);
    server.objects(|objects| objects.put("bucket", b"object", b"x"));
    let (client, heard) = client(&server);
    let bucket = client.bucket("bucket").unwrap();
    let start = std::sync::Barrier::new(16);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                start.wait();
                assert_eq!(bucket.get_object(b"object", 10).unwrap(), b"x");
            });
        }
    });
    let notices = heard.notices.lock().unwrap();
    assert!(notices.len() == 1 && notices[0].contains("behind"), "{notices:?}");
}

#[test]
fn uploads_keep_to_the_most_parts_that_a_server_takes() {
    let server = S3Server::start();
    let (client, _) = client_with(&server, |config| config.parts_max = 3);
    let bucket = empty(&server, &client);
    let body = noise(4, 50 << 20);
    bucket.put_stream(b"object", &mut &body[..], Some(50 << 20), &PutOptions::default()).unwrap();
    assert!(server.objects(|objects| objects.buckets["bucket"][&b"object"[..]].body == body));
    let parts = server.requests().iter().filter(|line| line.contains("partNumber")).count();
    assert_eq!(parts, 3);
    // A body that does not tell its length cannot be planned for, and is refused when it is too long.
    let ended = bucket.put_stream(b"other", &mut &body[..], None, &PutOptions::default());
    assert!(ended.unwrap_err().message.contains("longer than 3 parts"));
    assert!(server.objects(|objects| objects.uploads.is_empty()));
}

#[test]
fn a_key_of_ones_own_never_crosses_an_open_line() {
    let endpoint = Endpoint::parse("127.0.0.1:1", false).unwrap();
    let key = CustomerKey::parse(&[7; 32]).unwrap();
    let encryption = Encryption::Customer(key);
    let config = Config { encryption, ..Config::new(endpoint, login("key", "secret")) };
    let cancel = Cancel::new();
    let clock = Arc::new(SystemClock::new(cancel.clone()));
    let made = Client::new(config, clock, Arc::new(SystemDice), cancel, Arc::new(|_: &str| ()));
    let fault = made.err().unwrap();
    assert!(fault.to_string().contains("use_tls=true"), "{fault}");
}

#[test]
fn maintenance_ends_uploads_of_the_store_that_nobody_finished() {
    let server = S3Server::start();
    let home = Home::new("stale-uploads");
    let location = format!("s3://{}/shared/pre", server.address());
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    home.plakar(&["store", "add", "s", &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    home.plakar(&["at", "@s", "create", "-plaintext"]).succeeds();
    let file = |id: u8| format!("pre/{}", Item::Packfile(Mac([id; 32])).path());
    let (old, fresh) = ("2020-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z");
    let cases = [
        (file(1), old, false),
        (format!("pre/{}", Item::State(Mac([2; 32])).path()), old, false),
        (file(3), fresh, true),
        ("pre/holiday.mp4".to_owned(), old, true),
        (format!("other/{}", file(4)), old, true),
    ];
    server.objects(|objects| {
        cases.iter().for_each(|(key, begun, _)| objects.begin("shared", key.as_bytes(), begun));
    });
    let ran = home.plakar(&["at", "@s", "maintenance"]).succeeds();
    ran.says("maintenance: what 2 broken-off writes left behind was removed\n");
    let stay: BTreeSet<String> = cases.iter().filter(|case| case.2).map(|case| case.0.clone()).collect();
    let found = server.objects(|objects| objects.pending_keys());
    assert_eq!(found, stay);
    // A right that nothing else needs is missing: told, and no reason to fail.
    server.rule(hit("GET", "uploads", ALWAYS, Trouble::Status(403, "AccessDenied", vec![])));
    let ran = home.plakar(&["at", "@s", "maintenance"]).succeeds();
    ran.says("needs s3:ListBucketMultipartUploads on arn:aws:s3:::shared");
}

#[test]
fn maintenance_removes_temporary_files_of_a_directory_that_nobody_will_rename() {
    let home = Home::new("stale-files");
    home.plakar(&["at", "st", "create", "-plaintext"]).succeeds();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for (name, old) in [
        ("packfiles/tmp.0123456789", true),
        ("states/tmp.0123456789", true),
        ("tmp.0123456789", true),
        ("packfiles/tmp.0000000000", false),
        ("tmp.holiday", true),
    ] {
        let file = File::create(home.dir().join("st").join(name)).unwrap();
        if old {
            file.set_modified(long_ago).unwrap();
        }
    }
    let ran = home.plakar(&["at", "st", "maintenance"]).succeeds();
    ran.says("maintenance: what 3 broken-off writes left behind was removed\n");
    let stays = |name: &str| fs::exists(home.dir().join("st").join(name)).unwrap();
    assert!(stays("packfiles/tmp.0000000000") && stays("tmp.holiday"));
    assert!(!stays("packfiles/tmp.0123456789") && !stays("states/tmp.0123456789"));
}

/// Gives so many bytes, then none until it is told to fail.
struct Stuck {
    left: usize,
    told: std::sync::mpsc::Receiver<()>,
}

impl Read for Stuck {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            // Either way it is over.
            let _ = self.told.recv();
            return Err(std::io::Error::other("given up"));
        }
        let got = out.len().min(self.left);
        out[..got].fill(b'x');
        self.left -= got;
        Ok(got)
    }
}

#[test]
fn minio_tells_which_uploads_nobody_finished_and_ends_them() {
    let Some(address) = skip::minio() else { return };
    let host = address.trim_start_matches("http://");
    let place = format!("stale-{}", std::process::id());
    let location = Location::of_store(format!("s3://{host}/{place}/pre").as_bytes(), b"/");
    let pairs = [("access_key", "minioadmin"), ("secret_access_key", "minioadmin"), ("use_tls", "false")];
    let options: Options = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let store = open::store(&location, &options, &connect::context().0).unwrap();
    store.create(b"config").unwrap();
    let cancel = Cancel::new();
    let clock = Arc::new(SystemClock::new(cancel.clone()));
    let config = Config::new(Endpoint::parse(host, false).unwrap(), login("minioadmin", "minioadmin"));
    let client = Client::new(config, clock, Arc::new(SystemDice), cancel, Arc::new(|_: &str| ())).unwrap();
    let bucket = client.bucket(&place).unwrap();
    let (tell, told) = channel();
    let ended: Result<(), Fault> = std::thread::scope(|scope| {
        let key = format!("pre/{}", Item::Packfile(Mac([1; 32])).path());
        let upload = scope.spawn({
            let bucket = bucket.clone();
            move || {
                let mut body = Stuck { left: 20 << 20, told };
                bucket.put_stream(key.as_bytes(), &mut body, None, &PutOptions::default())
            }
        });
        // It is begun once the first part is full.
        while bucket.pending_uploads(b"pre/").unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(store.tidy(Duration::from_secs(3600)).unwrap(), 0, "too young");
        assert_eq!(store.tidy(Duration::ZERO).unwrap(), 1);
        assert_eq!(bucket.pending_uploads(b"pre/").unwrap(), []);
        tell.send(()).unwrap();
        upload.join().unwrap()
    });
    assert!(ended.is_err());
}
