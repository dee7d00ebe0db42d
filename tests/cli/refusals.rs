//! What goes wrong between a person and a store: each time one clear line that says what, where and
//! what helps, a failing exit code, and no secret.

use crate::cli::small::{self, PASSPHRASE};
use crate::kit::command::{Home, Ran};
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use std::fs;
use std::net::TcpListener;

const HINT: &str = "To specify an alternative repository, please use \"plakar at <location> <command>\".\n";

/// A home with a store in a bucket of the server, known as `@s`, with one snapshot.
fn home(name: &str, server: &S3Server) -> Home {
    let home = small::home(name);
    home.env("PLAKAR_PASSPHRASE", PASSPHRASE);
    add(
        &home,
        "s",
        &format!("s3://{}/kloset/a/prefix", server.address()),
        ACCESS_KEY,
        SECRET_KEY,
        "use_tls=false",
    );
    home.plakar(&["at", "@s", "create"]).succeeds().prints_nothing();
    home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds();
    home
}

fn add(home: &Home, name: &str, location: &str, key: &str, secret: &str, option: &str) {
    let key = format!("access_key={key}");
    let secret = format!("secret_access_key={secret}");
    home.plakar(&["store", "add", name, location, &key, &secret, option]).succeeds().prints_nothing();
}

#[track_caller]
fn no_secret(ran: Ran) -> Ran {
    let ran = ran.never_says(SECRET_KEY).never_says(PASSPHRASE).never_says("wrongsecret");
    ran.never_says("panicked").never_says("RUST_BACKTRACE")
}

#[test]
fn a_store_that_cannot_be_opened_is_told_in_two_lines() {
    let server = S3Server::start();
    let home = home("refusals", &server);
    let here = format!("s3://{}/kloset/a/prefix", server.address());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    add(&home, "wrong-key", &here, "nobody", SECRET_KEY, "use_tls=false");
    add(&home, "wrong-secret", &here, ACCESS_KEY, "wrongsecret", "use_tls=false");
    add(
        &home,
        "no-bucket",
        &format!("s3://{}/other", server.address()),
        ACCESS_KEY,
        SECRET_KEY,
        "use_tls=false",
    );
    add(
        &home,
        "no-store",
        &format!("s3://{}/kloset/b", server.address()),
        ACCESS_KEY,
        SECRET_KEY,
        "use_tls=false",
    );
    add(&home, "down", &format!("s3://{closed}/kloset"), ACCESS_KEY, SECRET_KEY, "use_tls=false");
    add(&home, "tls", &here, ACCESS_KEY, SECRET_KEY, "use_tls=true");
    // Nothing judges what another program wrote down until it is used.
    for (name, option) in [("bool", "use_tls: perhaps"), ("class", "storage_class: FROZEN")] {
        let keys = format!("access_key: {ACCESS_KEY}, secret_access_key: {SECRET_KEY}");
        let entry = format!("{name}: {{location: '{here}', {keys}, {option}}}\n");
        home.plakar_with_input(&["store", "import"], entry.as_bytes()).succeeds();
    }
    home.plakar(&["store", "add", "keyless", &here, "use_tls=false"]).succeeds();
    let cases: &[(&str, &[&str])] = &[
        ("@wrong-key", &["InvalidAccessKeyId", "check access_key"]),
        ("@wrong-secret", &["SignatureDoesNotMatch", "check secret_access_key"]),
        ("@no-bucket", &["bucket does not exist", "`create`"]),
        ("@no-store", &["no Kloset store at", "`create`"]),
        ("@down", &["connection was refused", &closed.to_string()]),
        ("@tls", &["set use_tls=false"]),
        ("@bool", &["invalid use_tls value"]),
        ("@class", &["invalid storage_class value", "STANDARD_IA"]),
        ("@keyless", &["missing access_key"]),
        (&here, &["missing access_key"]),
        ("nowhere", &["CONFIG: no such file or directory"]),
    ];
    for (store, said) in cases {
        for command in [&["ls"][..], &["check"], &["restore", "-to", "out"], &["backup", "tree"], &["info"]] {
            let ran = no_secret(home.plakar(&[&["at", store], command].concat()).exits(1).prints(""));
            let mut lines: Vec<&str> =
                ran.stderr.lines().filter(|line| !line.starts_with("warn: ")).collect();
            assert_eq!(lines.pop(), Some(HINT.trim_end()), "{ran}");
            let line = lines.pop().unwrap();
            assert!(line.starts_with("plakar: failed to open the repository at "), "{ran}");
            assert_eq!(lines.len(), 0, "more than one line\n{ran}");
            for text in *said {
                assert!(line.contains(text), "{text:?}\n{ran}");
            }
        }
    }
    assert!(!home.dir().join("out").exists());
    home.plakar(&["at", "@s", "ls"]).succeeds();
}

#[test]
fn create_says_what_keeps_it_from_creating() {
    let server = S3Server::start();
    let home = home("refusals-create", &server);
    let here = format!("s3://{}/kloset/a/prefix", server.address());
    let new = format!("s3://{}/kloset/new", server.address());
    add(&home, "wrong-key", &new, "nobody", SECRET_KEY, "use_tls=false");
    add(&home, "wrong-secret", &new, ACCESS_KEY, "wrongsecret", "use_tls=false");
    add(&home, "tls", &new, ACCESS_KEY, SECRET_KEY, "use_tls=true");
    for (store, said) in [
        ("@s", "plakar: bucket already initialized"),
        ("@wrong-key", "check access_key"),
        ("@wrong-secret", "check secret_access_key"),
        ("@tls", "set use_tls=false"),
        (&here, "plakar: missing access_key"),
    ] {
        let ran = no_secret(home.plakar(&["at", store, "create"]).exits(1).prints(""));
        assert!(ran.stderr.contains(said), "{said:?}\n{ran}");
    }
    let made = server.objects(|objects| objects.buckets["kloset"].keys().any(|key| key.starts_with(b"new")));
    assert!(!made, "something was created");
    home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
}

#[test]
fn plain_requests_to_a_tls_server_are_recognised() {
    let server = S3Server::start();
    let home = home("refusals-tls", &server);
    let answer: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    for method in ["GET", "HEAD", "PUT"] {
        let trouble = Trouble::Raw(answer);
        server.rule(Rule { method, contains: "", after: 0, times: usize::MAX, trouble });
    }
    no_secret(home.plakar(&["at", "@s", "ls"]).exits(1).prints("").says("set use_tls=true"));
}

#[test]
fn a_wrong_clock_is_corrected() {
    let server = S3Server::start();
    let home = home("refusals-clock", &server);
    for hours in [-9, 9] {
        server.set_clock_offset(hours * 3600);
        no_secret(home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds());
        no_secret(home.plakar(&["at", "@s", "check", "-quiet"]).succeeds());
    }
}

#[test]
fn a_passphrase_that_is_wrong_or_missing_is_told() {
    let server = S3Server::start();
    let home = home("refusals-passphrase", &server);
    fs::write(home.dir().join("wrong"), "wrongsecret\n").unwrap();
    let ran = no_secret(home.plakar(&["-keyfile", "wrong", "at", "@s", "ls"]).exits(1).prints(""));
    assert!(
        ran.stderr.starts_with("plakar: failed to unlock repository") && ran.stderr.lines().count() == 1,
        "{ran}"
    );
    home.env("PLAKAR_PASSPHRASE", "");
    let ran = no_secret(home.plakar(&["at", "@s", "ls"]).exits(1).prints(""));
    assert!(ran.stderr.contains("no terminal") && ran.stderr.contains("PLAKAR_PASSPHRASE"), "{ran}");
}

#[test]
fn a_name_that_is_not_known_is_told_with_the_nearest_one() {
    let home = Home::new("refusals-name");
    home.plakar(&["store", "add", "minio", "/srv/x"]).succeeds();
    for command in ["ls", "create", "check"] {
        home.plakar(&["at", "@nope", command])
            .exits(1)
            .prints("")
            .complains("plakar: could not resolve repository: @nope\n");
    }
    home.plakar(&["at", "@mini", "ls"])
        .exits(1)
        .complains("plakar: could not resolve repository: @mini\nDid you mean @minio?\n");
    home.env("PLAKAR_REPOSITORY", "@gone");
    home.plakar(&["ls"]).exits(1).complains("plakar: could not resolve repository: @gone\n");
    // What needs no store does not care.
    home.plakar(&["version"]).succeeds();
}

#[test]
fn a_settings_file_that_makes_no_sense_is_told_and_kept() {
    let home = small::with_store("refusals-settings");
    fs::create_dir_all(home.settings("")).unwrap();
    for file in ["stores.yml", "sources.yml", "destinations.yml"] {
        fs::write(home.settings(file), "version: v1.0.0\nstores: [\n").unwrap();
        let ran = home.plakar(&["at", "st", "ls"]).exits(1).prints("");
        assert!(ran.stderr.contains("plakar: could not load configuration: "), "{ran}");
        assert_eq!(fs::read_to_string(home.settings(file)).unwrap(), "version: v1.0.0\nstores: [\n");
        fs::remove_file(home.settings(file)).unwrap();
    }
}

#[test]
fn a_damaged_object_of_the_bucket_is_named() {
    let server = S3Server::start();
    let home = home("refusals-damage", &server);
    let sound = server.objects(|objects| objects.buckets["kloset"].clone());
    for (key, object) in &sound {
        let name = String::from_utf8(key.clone()).unwrap();
        let id = name.rsplit('/').next().unwrap().to_owned();
        let mut altered = object.body.clone();
        // Not in the padding that some packfiles begin with: in everything.
        for byte in altered.iter_mut().skip(48) {
            *byte ^= 0x55;
        }
        for (what, body) in [("empty", Vec::new()), ("cut", object.body[..40].to_vec()), ("altered", altered)]
        {
            server.objects(|objects| objects.put("kloset", key, &body));
            let _ = fs::remove_dir_all(home.dir().join("home/.cache"));
            let ran = no_secret(home.plakar(&["at", "@s", "check", "-quiet"]).exits(1));
            assert!(ran.stderr.contains(&id), "{what} {name} is not named\n{ran}");
            let ran = no_secret(home.plakar(&["at", "@s", "restore", "-quiet", "-to", "out"]).exits(1));
            assert!(ran.stderr.contains(&id), "{what} {name} is not named\n{ran}");
            let _ = fs::remove_dir_all(home.dir().join("out"));
        }
        server.objects(|objects| objects.put("kloset", key, &object.body));
    }
    let _ = fs::remove_dir_all(home.dir().join("home/.cache"));
    home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
}

#[test]
fn rights_that_do_not_suffice_are_told() {
    let server = S3Server::start();
    let home = home("refusals-rights", &server);
    let denied = || Trouble::Status(403, "AccessDenied", Vec::new());
    server.rule(Rule { method: "PUT", contains: "", after: 0, times: usize::MAX, trouble: denied() });
    let ran = no_secret(home.plakar(&["at", "@s", "backup", "tree"]).exits(1));
    assert!(
        ran.stderr.starts_with("plakar: failed to create snapshot: ") && ran.stderr.contains("AccessDenied"),
        "{ran}"
    );
    // Reading needs no right to write.
    home.plakar(&["at", "@s", "ls"]).succeeds();
    home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
    home.plakar(&["at", "@s", "restore", "-quiet", "-to", "out"]).succeeds();
    server.rule(Rule { method: "GET", contains: "", after: 0, times: usize::MAX, trouble: denied() });
    let ran = no_secret(home.plakar(&["at", "@s", "ls"]).exits(1).prints(""));
    assert!(ran.stderr.contains("AccessDenied") && ran.stderr.ends_with(HINT), "{ran}");
}
