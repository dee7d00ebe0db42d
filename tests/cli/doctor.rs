//! `doctor`: what it finds, on servers that are well and ill; and that its policies suffice.

use crate::cli::small;
use crate::kit::command::{Home, Ran};
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use crate::kit::skip;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

fn add(home: &Home, role: &str, name: &str, location: &str, keys: (&str, &str)) {
    let (access, secret) = keys;
    let keys = [format!("access_key={access}"), format!("secret_access_key={secret}")];
    home.plakar(&[role, "add", name, location, &keys[0], &keys[1], "use_tls=false"]).succeeds();
}

const KEYS: (&str, &str) = (ACCESS_KEY, SECRET_KEY);

fn lines(ran: &Ran, mark: char) -> Vec<String> {
    let of = |line: &str| {
        let rest = line.trim_start().strip_prefix(mark)?;
        Some(rest.trim().split("  ").next().unwrap().to_owned())
    };
    ran.stdout.lines().filter_map(of).collect()
}

#[test]
fn a_store_that_is_well_passes_every_step_and_nothing_is_left_in_it() {
    let server = S3Server::start();
    let home = small::home("doctor-well");
    server.objects(|objects| objects.buckets.insert("kloset".to_owned(), Default::default()));
    add(&home, "store", "s", &format!("s3://{}/kloset/deep", server.address()), KEYS);
    let ran = home.plakar(&["doctor", "@s"]).succeeds().never_says(SECRET_KEY);
    assert_eq!(
        lines(&ran, '✓'),
        [
            "options",
            "name",
            "connection",
            "HTTP",
            "clock",
            "keys, s3:ListBucket",
            "s3:PutObject",
            "conditional writes",
            "s3:GetObject",
            "s3:DeleteObject on locks"
        ],
        "{ran}"
    );
    assert!(ran.stdout.contains("MB/s"), "{ran}");
    assert!(ran.stdout.contains("\"arn:aws:s3:::kloset/deep/locks/*\""), "{ran}");
    assert!(server.objects(|objects| objects.buckets["kloset"].is_empty()), "something was left");
}

#[test]
fn each_illness_is_named_with_what_mends_it() {
    let server = S3Server::start();
    server.objects(|objects| objects.buckets.insert("kloset".to_owned(), Default::default()));
    let at = |bucket: &str| format!("s3://{}/{bucket}", server.address());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = small::home("doctor-ill");
    add(&home, "store", "nohost", "s3://no-such-host.invalid/kloset", KEYS);
    add(&home, "store", "closed", &format!("s3://{closed}/kloset"), KEYS);
    add(&home, "store", "wrongkey", &at("kloset"), (ACCESS_KEY, "wrong"));
    add(&home, "source", "nobucket", &at("none"), KEYS);
    add(&home, "store", "tls", &at("kloset"), KEYS);
    home.plakar(&["store", "set", "tls", "use_tls=true"]).succeeds();
    // Written down by another program: here it would be refused.
    let typo = format!("typo: {{location: '{}', acces_key: x}}\n", at("kloset"));
    home.plakar_with_input(&["store", "import"], typo.as_bytes()).succeeds();
    home.plakar(&["source", "add", "nodir", "/no/such/directory"]).succeeds();
    for (name, step, remedy) in [
        ("nohost", "name", "/etc/resolv.conf"),
        ("closed", "connection", "start the server"),
        ("wrongkey", "keys, s3:ListBucket", "secret_access_key"),
        ("nobucket", "keys, s3:ListBucket", ""),
        ("tls", "TLS", "use_tls=false"),
        ("typo", "options", "did you mean access_key"),
        ("nodir", "directory", ""),
    ] {
        let ran = home.plakar(&["doctor", name]).exits(1);
        assert_eq!(lines(&ran, '✘'), [step], "{ran}");
        assert!(ran.stdout.contains(remedy), "{remedy}\n{ran}");
        ran.never_says(SECRET_KEY).says("plakar: doctor: 1 of 1 places are not well\n");
    }
    server.set_clock_offset(3600);
    add(&home, "store", "late", &at("kloset"), KEYS);
    let ran = home.plakar(&["store", "doctor", "late"]).exits(1);
    assert!(lines(&ran, '✘').contains(&"clock".to_owned()), "{ran}");
}

#[test]
fn a_right_that_is_missing_is_named() {
    let server = S3Server::start();
    server.objects(|objects| objects.buckets.insert("kloset".to_owned(), Default::default()));
    let home = small::home("doctor-right");
    add(&home, "store", "s", &format!("s3://{}/kloset", server.address()), KEYS);
    let denied = Trouble::Status(403, "AccessDenied", Vec::new());
    server.rule(Rule {
        method: "PUT",
        contains: "plakar-doctor",
        after: 0,
        times: usize::MAX,
        trouble: denied,
    });
    let ran = home.plakar(&["doctor", "s"]).exits(1);
    assert_eq!(lines(&ran, '✘'), ["s3:PutObject"], "{ran}");
}

#[test]
fn directories_are_examined_too() {
    let home = small::with_store("doctor-fs");
    home.plakar(&["store", "add", "d", &home.path("st")]).succeeds();
    home.plakar(&["destination", "add", "d", &home.path("new")]).succeeds();
    let ran = home.plakar(&["doctor", "@d"]).succeeds().says("store @d:\n").says("destination @d:\n");
    assert_eq!(lines(&ran, '✓'), ["options", "directory", "read", "write", "options", "directory"], "{ran}");
    assert!(!home.dir().join("new").exists());
}

/// A user of MinIO with a policy of its own.
fn user(mc: &str, name: &str, policy: &str, home: &Home) -> (String, String) {
    let file = home.path(&format!("{name}.json"));
    fs::write(&file, policy).unwrap();
    let config = home.path("mc");
    let endpoint = std::env::var("PLAKAR_TEST_MINIO").unwrap();
    let run = |words: &[&str]| {
        let out = Command::new(mc).args(["--quiet", "--config-dir", &config]).args(words).output().unwrap();
        assert!(out.status.success(), "mc {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run(&["alias", "set", "doc", &endpoint, "minioadmin", "minioadmin"]);
    let (key, secret) = (format!("doctor-{name}-{}", std::process::id()), "a-very-strong-secret");
    run(&["admin", "policy", "create", "doc", &key, &file]);
    run(&["admin", "user", "add", "doc", &key, secret]);
    run(&["admin", "policy", "attach", "doc", &key, "--user", &key]);
    (key, secret.to_owned())
}

#[test]
fn minio_the_policies_suffice_for_everything_that_a_role_does() {
    let Some(endpoint) = skip::minio() else { return };
    let Ok(mc) = std::env::var("PLAKAR_TEST_MC") else { return skip::missing("mc") };
    let host = endpoint.trim_start_matches("http://");
    let home = small::home("doctor-policy");
    let bucket = format!("doctor-{}", std::process::id());
    let location = |prefix: &str| format!("s3://{host}/{bucket}/{prefix}");
    let root = ("minioadmin", "minioadmin");
    let roles = [("store", "kloset"), ("source", "objects"), ("destination", "objects")];
    for (role, prefix) in roles {
        add(&home, role, "root", &location(prefix), root);
    }
    // The bucket is not there: whoever creates it has one right more.
    home.plakar(&["store", "doctor", "-policy", "root"]).succeeds().says("s3:CreateBucket");
    home.plakar(&["at", "@root", "create", "-plaintext"]).succeeds();
    for (role, prefix) in roles {
        let policy = home.plakar(&[role, "doctor", "-policy", "root"]).succeeds().stdout;
        assert!(!policy.contains("CreateBucket"), "{policy}");
        let (key, secret) = user(&mc, role, &policy, &home);
        add(&home, role, "least", &location(prefix), (&key, &secret));
    }
    let id =
        small::id_of(&home.plakar(&["at", "@least", "backup", "-quiet", "tree"]).succeeds().complains(""));
    home.plakar(&["at", "@least", "restore", "-quiet", "-o", "symlinks=object", "-to", "@least", &id])
        .succeeds()
        .never_says("AccessDenied");
    home.plakar(&["at", "@least", "backup", "-quiet", "@least"]).succeeds().complains("");
    home.plakar(&["at", "@least", "check", "-quiet"]).succeeds().complains("");
    home.plakar(&["at", "@least", "rm", "-apply", &id]).succeeds();
    home.env("PLAKAR_GRACEPERIOD", "0s");
    home.plakar(&["at", "@least", "maintenance"]).succeeds().complains("");
    home.plakar(&["at", "@least", "maintenance"]).succeeds().complains("");
    let ran = home.plakar(&["doctor", "@least"]).succeeds();
    assert_eq!(lines(&ran, '✘'), [""; 0], "{ran}");
    // And no more than that: a source's user cannot write.
    let keys = home.plakar(&["source", "show", "-secrets", "least"]).succeeds().stdout;
    let of =
        |name: &str| keys.split(&format!(" {name}: ")).nth(1).unwrap().lines().next().unwrap().to_owned();
    let (key, secret) = (of("access_key"), of("secret_access_key"));
    add(&home, "store", "reader", &location("kloset"), (&key, &secret));
    home.plakar(&["store", "doctor", "reader"]).exits(1).says("AccessDenied");
}
