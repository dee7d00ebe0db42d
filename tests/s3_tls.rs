//! A real MinIO that speaks TLS with a certificate of its own making, as appliances do.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::{skip, trees};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Good until 2126, for 127.0.0.1, by no authority; its key is no secret.
const CERTIFICATE: &str = include_str!("kit/tls/public.crt");
const KEY: &str = include_str!("kit/tls/private.key");

/// Stopped when dropped.
struct Server {
    child: Child,
    host: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and nothing is lost with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &Path, scratch: &Scratch) -> Server {
    let certs = scratch.join("certs");
    fs::create_dir(&certs).unwrap();
    fs::write(certs.join("public.crt"), CERTIFICATE).unwrap();
    fs::write(certs.join("private.key"), KEY).unwrap();
    // Free a moment ago; only another program's bad luck could take it in between.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let child = Command::new(program)
        .args(["server", "--quiet", "--address", &host, "--certs-dir"])
        .args([certs, scratch.join("data")])
        .envs([("MINIO_ROOT_USER", "minioadmin"), ("MINIO_ROOT_PASSWORD", "minioadmin")])
        .envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Server { child, host }
}

#[test]
fn minio_with_its_own_certificate_is_trusted_only_when_told_so() {
    let Some(program) = skip::minio_program() else { return };
    let scratch = Scratch::new("tls");
    let server = start(&program, &scratch);
    let home = Home::new("tls");
    let tree = home.dir().join("tree");
    trees::awkward(&tree, trees::Bulk { large: 1 << 20, tiny: 20 });
    let add = |name: &str, options: &[&str]| {
        let location = format!("s3://{}/{name}", server.host);
        let keys = ["access_key=minioadmin", "secret_access_key=minioadmin"];
        home.plakar(&[&["store", "add", name, &location], &keys[..], options].concat()).succeeds();
    };
    add("trusting", &["use_tls=true", "tls_insecure_no_verify=true"]);
    add("careful", &["use_tls=true"]);
    add("plain", &["use_tls=false"]);

    // Each attempt waits about a second for a server that is not up yet.
    let attempts = (0..60).map(|_| home.plakar(&["at", "@trusting", "create", "-plaintext"]));
    attempts
        .into_iter()
        .find(|ran| ran.code == Some(0) || !ran.stderr.contains("refused"))
        .unwrap()
        .succeeds();
    home.plakar(&["at", "@trusting", "backup", "-quiet", tree.to_str().unwrap()]).succeeds();
    home.plakar(&["at", "@trusting", "check", "-quiet"]).succeeds();
    let out = home.path("out");
    home.plakar(&["at", "@trusting", "restore", "-quiet", "-to", &out]).succeeds();
    assert_eq!(trees::differences(&tree, &Path::new(&out).join("tree")), Vec::<String>::new());

    for (store, said) in [
        ("@careful", ["issuer is not known", "tls_insecure_no_verify=true"]),
        ("@plain", ["the endpoint speaks TLS", "use_tls=true"]),
    ] {
        let refused = home.plakar(&["at", store, "ls"]).exits(1);
        for part in said {
            assert!(refused.stderr.contains(part), "{store}: {part} is not in: {refused}");
        }
    }
}
