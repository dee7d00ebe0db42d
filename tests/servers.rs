//! The three connectors on S3 servers by other hands, and what each of those lacks: detected,
//! held against the table in the README, and worked around or told.

use crate::kit::bucket::{bucket, heard};
use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::{say, skip, trees};
use plakar::ports::fault::FaultKind;
use plakar::s3::bucket::{Bucket, PutOptions};
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server program and what it lacks.
struct Server {
    name: &'static str,
    /// The variable that holds the program's path.
    program: &'static str,
    command: fn(&Path, u16, &Path) -> Command,
    lacks: &'static [&'static str],
}

const KEY: &str = "serverkey";
const SECRET: &str = "serversecret";

/// What is said of a server that lets two writers win.
const CONDITION_IGNORED: &str = "the server passes over If-None-Match";

const MOTO: Server = Server {
    name: "moto",
    program: "PLAKAR_TEST_MOTO",
    command: |program, port, _| {
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    },
    lacks: &["checking of signatures", "keys with line breaks"],
};

const RCLONE: Server = Server {
    name: "rclone serve s3",
    program: "PLAKAR_TEST_RCLONE",
    command: |program, port, data| {
        let mut command = Command::new(program);
        command.args(["serve", "s3", "--addr", &format!("127.0.0.1:{port}")]);
        command.args(["--auth-key", &format!("{KEY},{SECRET}")]).arg(data);
        // Without settings of the user's.
        command.args(["--config", "/dev/null"]);
        command
    },
    lacks: &[
        "If-None-Match on PUT",
        "expires",
        "expires of an object in parts",
        "tags",
        "the number of tags on HEAD",
        "keys that end in /",
        "keys with //",
        "keys with . and ..",
        "an object beside objects below it",
        "names over 255 bytes",
    ],
};

const S3S: Server = Server {
    name: "s3s-fs",
    program: "PLAKAR_TEST_S3S_FS",
    command: |program, port, data| {
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", KEY, "--secret-key", SECRET]).arg(data);
        command
    },
    lacks: &[
        "tags",
        "the number of tags on HEAD",
        "storage classes",
        "keys with + and %",
        "keys that end in /",
        "keys with //",
        "keys with . and ..",
        "an object beside objects below it",
        "names over 255 bytes",
    ],
};

const MINIO: Server = Server {
    name: "MinIO",
    program: "PLAKAR_TEST_MINIO_BIN",
    command: |program, port, data| {
        let mut command = Command::new(program);
        command.args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")]).arg(data);
        command.envs([("MINIO_ROOT_USER", KEY), ("MINIO_ROOT_PASSWORD", SECRET)]);
        command.envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")]);
        command
    },
    lacks: &[
        "keys with //",
        "keys with . and ..",
        "an object beside objects below it",
        "names over 255 bytes",
    ],
};

/// A server at work; stopped when dropped.
struct Running {
    child: Child,
    host: String,
    _data: Scratch,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and nothing is lost with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(server: &Server, program: &Path) -> Running {
        let data = Scratch::new("server");
        // Free a moment ago; only another program's bad luck could take it in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = (server.command)(program, port, data.path());
        let command = command.current_dir(data.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let running =
            Running { child: command.spawn().unwrap(), host: format!("127.0.0.1:{port}"), _data: data };
        let up = |_: &u32| TcpStream::connect(&running.host).is_ok();
        let wait = |_: &u32| {
            // A condition that never comes true: it waits, and no longer than this.
            std::thread::park_timeout(std::time::Duration::from_millis(50));
            true
        };
        assert!((0..1200).find(|n| up(n) || !wait(n)).is_some(), "{} does not start", server.name);
        running
    }

    fn bucket(&self, name: &str, secret: &str) -> Bucket {
        bucket(&self.host, name, KEY, secret)
    }

    /// A home with a plain store in a directory, and entries in buckets of these names.
    fn home(&self, store: &str, source: &str, destination: &str) -> Home {
        let home = Home::new("server");
        let keys = [format!("access_key={KEY}"), format!("secret_access_key={SECRET}")];
        for (role, entry, place) in
            [("store", "store", store), ("source", "src", source), ("destination", "dst", destination)]
        {
            let location = format!("s3://{}/{place}", self.host);
            home.plakar(&[role, "add", entry, &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
        }
        home.plakar(&["at", "local", "create", "-plaintext"]).succeeds();
        home
    }
}

/// Headers that objects are given, and should have again.
const HEADERS: [(&str, &str); 8] = [
    ("cache-control", "max-age=3600"),
    ("content-disposition", "attachment; filename=\"a b.txt\""),
    ("content-encoding", "gzip"),
    ("content-language", "de"),
    ("content-type", "text/x-plakar; charset=utf-8"),
    ("expires", "Thu, 01 Dec 2033 16:00:00 GMT"),
    ("x-amz-meta-first", "1"),
    ("x-amz-meta-words", "two  words"),
];

/// Keys by what is odd about them.
const KEYS: [(&str, &[&str]); 10] = [
    ("keys with spaces, &, <, quotes", &["sp ace", "amp&amp;<x>", "q\"'`"]),
    ("keys with + and %", &["plus+x", "per%2Fcent"]),
    ("keys beyond ASCII", &["\u{fc}ml\u{e4}ut/\u{1f980}", "u\u{308}"]),
    ("keys with line breaks", &["line\nbreak"]),
    ("keys with control characters", &["tab\tx", "one\x01"]),
    ("keys that end in /", &["ends/in/slash/"]),
    ("keys with //", &["double//slash"]),
    ("keys with . and ..", &["dot/./x", "dot/../y"]),
    ("an object beside objects below it", &["both", "both/below"]),
    ("names over 255 bytes", &["nnnnnnnnnn"]),
];

fn key_of(key: &str) -> Vec<u8> {
    match key {
        "nnnnnnnnnn" => vec![b'n'; 700],
        key => key.as_bytes().to_vec(),
    }
}

fn dress() -> PutOptions {
    let headers = HEADERS.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    PutOptions { headers: headers.into(), ..PutOptions::default() }
}

fn keys(bucket: &Bucket) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let listed = bucket.list_objects_v2(b"", None, &mut |object| {
        keys.push(object.key);
        Ok(())
    });
    listed.map(|()| keys).unwrap_or_default()
}

/// What a server lacks, found by trying. Makes buckets of its own.
fn lacking(running: &Running) -> Vec<String> {
    let (bucket, remarks) = heard(&running.host, "abilities", KEY, SECRET);
    // A server that listens already may still refuse everybody, at once or after some seconds.
    let ready = (0..600).any(|_| {
        let made = bucket.create_bucket().is_ok();
        if !made {
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        made
    });
    assert!(ready, "{}", bucket.create_bucket().unwrap_err());
    let plain = PutOptions::default();
    let mut lacks = Vec::new();
    let mut lack = |what: &str, has: Result<bool, plakar::ports::fault::Fault>| {
        if !matches!(has, Ok(true)) {
            lacks.push(what.to_owned());
        }
    };

    let stranger = running.bucket("abilities", "not-the-secret").put_object(b"k", b"x", &plain);
    lack("checking of signatures", Ok(stranger.is_err()));

    let once = PutOptions { if_none_match: true, ..PutOptions::default() };
    bucket.put_object(b"once", b"first", &once).unwrap();
    let again = bucket.put_object(b"once", b"second", &once);
    assert!(again.is_err_and(|fault| fault.kind == FaultKind::Exists));
    let passed_over = remarks.lock().unwrap().iter().any(|remark| remark.contains(CONDITION_IGNORED));
    lack("If-None-Match on PUT", Ok(!passed_over));

    let ranged = bucket.get_range(b"once", 1, 3, None);
    lack("ranges", ranged.map(|bytes| bytes.len() == 3));
    let stale = bucket.get_range(b"once", 1, 3, Some("0123456789abcdef0123456789abcdef"));
    lack("If-Match on GET", Ok(stale.is_err()));

    for (what, size) in [("", 100), (" of an object in parts", 17 << 20)] {
        let body = trees::noise(1, size);
        let key = format!("dressed{what}").into_bytes();
        let put = bucket.put_stream(&key, &mut &body[..], Some(size as u64), &dress());
        lack(&format!("the content{what}"), {
            put.and_then(|()| Ok(bucket.get_object(&key, 32 << 20)? == body))
        });
        let found = bucket.head_object(&key).unwrap_or_default().headers;
        for (name, value) in dress().headers {
            let kept = found.iter().any(|(found, has)| (found, has) == (&name, &value));
            lack(&format!("{name}{what}"), Ok(kept));
        }
    }

    let tagged = PutOptions { tags: Some(b"a=b&two%20words=c%2Bd".to_vec()), ..PutOptions::default() };
    let tags = bucket.put_object(b"tagged", b"x", &tagged).and_then(|()| {
        assert!(bucket.head_object(b"tagged").is_ok());
        bucket.get_object_tagging(b"tagged")
    });
    lack("tags", tags.map(|tags| Some(tags) == tagged.tags));
    let count = bucket.head_object(b"tagged").unwrap_or_default().tags;
    lack("the number of tags on HEAD", Ok(count == 2));

    let class = PutOptions { storage_class: Some("REDUCED_REDUNDANCY".to_owned()), ..PutOptions::default() };
    let classed = bucket.put_object(b"classed", b"x", &class).and_then(|()| bucket.head_object(b"classed"));
    lack("storage classes", classed.map(|info| info.storage_class == "REDUCED_REDUNDANCY"));

    for (n, (what, odd)) in KEYS.into_iter().enumerate() {
        let place = running.bucket(&format!("odd-keys-{n}"), SECRET);
        place.create_bucket().unwrap();
        let mut wanted: Vec<_> = odd.iter().map(|key| key_of(key)).collect();
        let stored = wanted.iter().try_for_each(|key| place.put_object(key, key, &plain));
        wanted.sort();
        let whole = |key: &Vec<u8>| place.get_object(key, 4096).is_ok_and(|body| body == *key);
        lack(what, stored.map(|()| keys(&place) == wanted && wanted.iter().all(whole)));
    }
    lacks
}

fn program(server: &Server) -> Option<PathBuf> {
    let path = std::env::var_os(server.program).map(PathBuf::from);
    if path.is_none() {
        skip::missing(&format!("no {} (tests/run gets one)", server.name));
    }
    path
}

/// The same for every server: what it lacks is as the table says, and everything else works.
fn suite(server: &Server) {
    let Some(program) = program(server) else { return };
    let running = Running::start(server, &program);
    let lacks = lacking(&running);
    say::say(&format!(
        "{} lacks: {}",
        server.name,
        if lacks.is_empty() { "nothing".to_owned() } else { lacks.join(", ") }
    ));
    a_store_works(&running, &lacks);
    a_bucket_goes_into_another(&running, &lacks);
    assert_eq!(lacks, server.lacks, "{}: correct the table here and in the README", server.name);
}

fn a_store_works(running: &Running, lacks: &[String]) {
    let lacks = |what: &str| lacks.iter().any(|lack| lack == what);
    let home = running.home("kloset/deep/prefix", "unused", "unused");
    let tree = home.dir().join("tree");
    trees::awkward(&tree, trees::Bulk { large: 20 << 20, tiny: 120 });
    let at = |words: &[&str]| home.plakar(&[&["at", "@store"], words].concat());
    let created = at(&["create", "-plaintext"]).succeeds();
    assert!(lacks("If-None-Match on PUT") == created.stderr.contains(CONDITION_IGNORED), "{created}");
    at(&["create", "-plaintext"]).exits(1).says("bucket already initialized");
    for _ in 0..2 {
        at(&["backup", "-quiet", "tree"]).succeeds().complains("");
    }
    assert_eq!(at(&["ls"]).succeeds().stdout.lines().count(), 2);
    at(&["check", "-quiet"]).succeeds().complains("");
    at(&["restore", "-quiet", "-to", "out"]).succeeds().complains("");
    assert_eq!(trees::differences(&tree, &home.dir().join("out/tree")), Vec::<String>::new());
    let locks = keys(&running.bucket("kloset", SECRET))
        .into_iter()
        .filter(|key| String::from_utf8_lossy(key).contains("/locks/"));
    assert_eq!(locks.count(), 0, "a lock stayed");
}

fn a_bucket_goes_into_another(running: &Running, lacks: &[String]) {
    let lacks = |what: &str| lacks.iter().any(|lack| lack == what);
    let was = running.bucket("was-bucket", SECRET);
    was.create_bucket().unwrap();
    let mut objects: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (what, odd) in KEYS.into_iter().filter(|(what, _)| !lacks(what)) {
        objects.extend(odd.iter().map(|key| (key_of(key), what.as_bytes().to_vec())));
    }
    // More than a page of a listing, and one in parts.
    objects.extend((0..1100).map(|n| (format!("many/{n:04}").into_bytes(), trees::noise(n, 50))));
    objects.insert(b"large/object".to_vec(), trees::noise(9, 21 << 20));
    let tags = (!lacks("tags")).then(|| b"a=b&c=d".to_vec());
    let options = PutOptions { tags, ..dress() };
    for (key, body) in &objects {
        was.put_stream(key, &mut &body[..], Some(body.len() as u64), &options).unwrap();
    }
    let home = running.home("unused", "was-bucket", "is-bucket");
    let at = |words: &[&str]| home.plakar(&[&["at", "local"], words].concat());
    at(&["backup", "-quiet", "@src"]).succeeds().complains("");
    at(&["check", "-quiet"]).succeeds();
    at(&["restore", "-quiet", "-to", "@dst"]).succeeds().complains("");
    let is = running.bucket("is-bucket", SECRET);
    assert_eq!(keys(&is), objects.keys().cloned().collect::<Vec<_>>());
    for (key, body) in &objects {
        let (found, info) = is.get_object_and_info(key, 32 << 20).unwrap();
        let shown = String::from_utf8_lossy(key);
        assert!(found == *body, "{shown}");
        assert_eq!(info.headers, was.head_object(key).unwrap().headers, "{shown}");
        if !lacks("tags") && !lacks("the number of tags on HEAD") {
            assert_eq!(is.get_object_tagging(key).unwrap(), b"a=b&c=d", "{shown}");
        }
    }
    assert!(is.pending_uploads(b"").unwrap_or_default().is_empty());
    // Nothing changed, so nothing is read again; nothing is written that is there.
    let again = at(&["backup", "-quiet", "@src"]).succeeds();
    assert!(again.stdout.contains("created unsigned snapshot"), "{again}");
    at(&["restore", "-quiet", "-o", "overwrite=never", "-to", "@dst"]).succeeds();
}

#[test]
fn minio_as_any_other_server() {
    suite(&MINIO);
}

#[test]
fn moto_in_server_mode() {
    suite(&MOTO);
}

#[test]
fn rclone_serving_a_directory() {
    suite(&RCLONE);
}

#[test]
fn s3s_on_a_file_system() {
    suite(&S3S);
}
