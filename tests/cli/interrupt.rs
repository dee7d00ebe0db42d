//! Ctrl-C in the middle of work with a bucket: exit 130, nothing left behind, the next run works.

use crate::cli::small;
use crate::kit::command::Home;
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::trees;
use std::fs;

/// A home that knows the server as `@s` (a store) and `@d` (a destination).
fn home(name: &str, server: &S3Server) -> Home {
    let home = small::home(name);
    home.env("PLAKAR_PASSPHRASE", small::PASSPHRASE);
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    for (role, entry, bucket) in [("store", "s", "kloset"), ("destination", "d", "restored")] {
        let location = format!("s3://{}/{bucket}", server.address());
        home.plakar(&[role, "add", entry, &location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    }
    home.plakar(&["at", "@s", "create"]).succeeds();
    home
}

fn keys(server: &S3Server, bucket: &str, below: &str) -> usize {
    server.objects(|objects| {
        let keys = objects.buckets.get(bucket).into_iter().flat_map(|keys| keys.keys());
        keys.filter(|key| key.starts_with(below.as_bytes())).count()
    })
}

#[test]
fn an_interrupted_backup_takes_its_lock_away_and_the_next_one_works() {
    // Where the work stands when the signal comes: the request that never succeeds.
    for (case, stuck) in [("packfile", "/packfiles/"), ("state", "/states/")] {
        let server = S3Server::start();
        let home = home(&format!("interrupt-{case}"), &server);
        fs::write(home.dir().join("tree/large"), trees::noise(9, 30 << 20)).unwrap();
        let busy = Trouble::Status(503, "SlowDown", Vec::new());
        server.rule(Rule { method: "PUT", contains: stuck, after: 0, times: usize::MAX, trouble: busy });
        let started = home.start(&["at", "@s", "backup", "tree"]);
        server.wait_for("PUT", "/locks/");
        server.wait_for("PUT", stuck);
        started.interrupt();
        let ran = started.ends().exits(130).never_says(SECRET_KEY).never_says(small::PASSPHRASE);
        assert!(ran.stderr.ends_with("plakar: interrupted\n"), "{ran}");
        assert!(!ran.stdout.contains("created unsigned snapshot"), "{ran}");
        assert_eq!(keys(&server, "kloset", "locks/"), 0, "{case}: a lock stayed");
        assert!(server.objects(|objects| objects.uploads.is_empty()), "{case}: an upload stayed");
        server.clear_rules();
        home.plakar(&["at", "@s", "ls"]).succeeds().prints_nothing();
        home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds();
        home.plakar(&["at", "@s", "check", "-quiet"]).succeeds();
        home.plakar(&["at", "@s", "restore", "-quiet", "-to", "out"]).succeeds();
        let differences = trees::differences(&home.dir().join("tree"), &home.dir().join("out/tree"));
        assert_eq!(differences, Vec::<String>::new(), "{case}");
        assert_eq!(keys(&server, "kloset", "locks/"), 0);
    }
}

#[test]
fn an_interrupted_restore_to_a_bucket_leaves_no_upload() {
    let server = S3Server::start();
    let home = home("interrupt-restore", &server);
    fs::remove_file(home.dir().join("tree/link")).unwrap();
    fs::write(home.dir().join("tree/large"), trees::noise(9, 40 << 20)).unwrap();
    home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds();
    let busy = Trouble::Status(503, "SlowDown", Vec::new());
    server.rule(Rule { method: "PUT", contains: "partNumber=2", after: 0, times: usize::MAX, trouble: busy });
    let started = home.start(&["at", "@s", "restore", "-to", "@d"]);
    server.wait_for("PUT", "partNumber=2");
    started.interrupt();
    let ran = started.ends().exits(130).never_says(SECRET_KEY);
    assert!(ran.stderr.ends_with("plakar: interrupted\n"), "{ran}");
    assert!(server.objects(|objects| objects.uploads.is_empty()), "an upload stayed");
    assert_eq!(keys(&server, "restored", "tree/large"), 0, "half an object");
    server.clear_rules();
    home.plakar(&["at", "@s", "restore", "-quiet", "-to", "@d"]).succeeds();
    assert_eq!(
        server.objects(|objects| objects.buckets["restored"][&b"tree/large"[..]].body.len()),
        40 << 20
    );
}

#[test]
fn an_interrupted_restore_to_a_directory_leaves_no_half_file() {
    let server = S3Server::start();
    let home = home("interrupt-directory", &server);
    fs::write(home.dir().join("tree/large"), trees::noise(9, 60 << 20)).unwrap();
    home.plakar(&["at", "@s", "backup", "-quiet", "tree"]).succeeds();
    server.requests();
    let busy = Trouble::Status(503, "SlowDown", Vec::new());
    server.rule(Rule { method: "GET", contains: "/packfiles/", after: 3, times: usize::MAX, trouble: busy });
    let started = home.start(&["at", "@s", "restore", "-to", "out"]);
    server.wait_for("GET", "/packfiles/");
    started.interrupt();
    started.ends().exits(130);
    assert!(!home.dir().join("out/tree/large").exists(), "half a file under a right name");
    server.clear_rules();
    home.plakar(&["at", "@s", "restore", "-quiet", "-to", "out"]).succeeds();
    assert_eq!(
        trees::differences(&home.dir().join("tree"), &home.dir().join("out/tree")),
        Vec::<String>::new()
    );
}
