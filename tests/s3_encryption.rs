//! Objects that a real MinIO encrypts, with its own key, a key service's, and one that only we have.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::skip;
use crate::kit::tls_minio::{TlsMinio, create, start};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Its master key, as its documentation writes one.
const MASTER: (&str, &str) = ("MINIO_KMS_SECRET_KEY", "our-key:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");

const OWN: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
const WRONG: &str = "d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=";

const MARKER: &[u8] = b"a sentence that no disk shall see in the open; ";

fn add(home: &Home, server: &TlsMinio, role: &str, name: &str, bucket: &str, options: &[&str]) {
    let location = format!("s3://{}/{bucket}", server.host);
    let keys = ["access_key=minioadmin", "secret_access_key=minioadmin", "tls_insecure_no_verify=true"];
    home.plakar(&[&[role, "add", name, &location], &keys[..], options].concat()).succeeds();
}

/// Whether the marker is on the server's disk, in the bucket's files.
fn in_the_open(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).any(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return in_the_open(&entry.path());
        }
        let mut begin = Vec::new();
        File::open(entry.path()).unwrap().take(256 << 10).read_to_end(&mut begin).unwrap();
        begin.windows(MARKER.len()).any(|window| window == MARKER)
    })
}

#[test]
fn minio_encrypts_as_told_and_only_who_has_the_key_reads() {
    let Some(program) = skip::minio_program() else { return };
    let scratch = Scratch::new("sse");
    let server = start(&program, &scratch, "public.crt", &[MASTER]);
    let home = Home::new("sse");
    let tree = home.dir().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("small"), MARKER.repeat(100)).unwrap();
    fs::write(tree.join("empty"), b"").unwrap();
    // In parts.
    fs::write(tree.join("large"), MARKER.repeat(450_000)).unwrap();
    let key_file = home.dir().join("key");
    fs::write(&key_file, [b'k'; 32]).unwrap();
    let (own, own_file) =
        (format!("sse_customer_key={OWN}"), format!("sse_customer_key=file:{}", key_file.display()));

    // A store of its own key, whatever it holds.
    add(&home, &server, "store", "s", "kloset", &[&own]);
    create(&home, "@s");
    let at = |words: &[&str]| home.plakar(&[&["at", "@s"], words].concat());
    at(&["backup", "-quiet", "tree"]).succeeds().complains("");
    at(&["backup", "-quiet", "tree"]).succeeds();
    at(&["check", "-quiet"]).succeeds().complains("");

    for (bucket, write, read) in [
        ("plain", vec![], vec![]),
        ("sse-s3", vec!["sse=AES256"], vec![]),
        ("sse-kms", vec!["sse=aws:kms", "sse_kms_key_id=our-key"], vec![]),
        ("sse-c", vec![&*own_file], vec![&*own]),
    ] {
        let (to, from) = (format!("to-{bucket}"), format!("from-{bucket}"));
        add(&home, &server, "destination", &to, bucket, &write);
        add(&home, &server, "source", &from, bucket, &read);
        at(&["restore", "-quiet", "-to", &format!("@{to}")]).succeeds().complains("");
        assert_eq!(in_the_open(&scratch.join("data").join(bucket)), bucket == "plain", "{bucket}");
        at(&["backup", "-quiet", "-tag", bucket, &format!("@{from}")]).succeeds().complains("");
        let out = home.path(&format!("out-{bucket}"));
        at(&["restore", "-quiet", "-tag", bucket, "-to", &out]).succeeds();
        for name in ["small", "empty", "large"] {
            let (is, was) = (fs::read(Path::new(&out).join("tree").join(name)), fs::read(tree.join(name)));
            assert!(is.unwrap() == was.unwrap(), "{bucket} {name}");
        }
    }

    // In a store that knows nothing of the bucket yet: what is known is not read again.
    home.plakar(&["at", "other", "create", "-plaintext"]).succeeds();
    let wrong = format!("sse_customer_key={WRONG}");
    for (name, options) in [("keyless", &[][..]), ("mistaken", &[&*wrong][..])] {
        add(&home, &server, "source", name, "sse-c", options);
        let ran = home.plakar(&["at", "other", "backup", "-quiet", &format!("@{name}")]).exits(3);
        assert!(ran.stderr.contains("KO ✘ /tree/small: ") && ran.stderr.contains("/tree/large: "), "{ran}");
        ran.never_says(OWN).never_says(WRONG);
        add(&home, &server, "store", name, "kloset", options);
        let ran = home.plakar(&["at", &format!("@{name}"), "ls"]).exits(1);
        assert!(options.is_empty() || ran.stderr.contains("sse_customer_key may not be the one"), "{ran}");
        ran.never_says(OWN).never_says(WRONG);
    }
    let shown = home.plakar(&["store", "show", "s"]).succeeds().never_says(OWN);
    assert!(shown.stdout.contains("sse_customer_key"), "{shown}");
    home.plakar(&["-trace", "all", "at", "@s", "ls"]).succeeds().says("trace: s3: GET").never_says(OWN);
}
