//! A real MinIO that speaks TLS with a certificate of its own making, as appliances do.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::tls_minio::{KEY, create, file, start};
use crate::kit::{skip, trees};
use plakar::s3::trust::{Trust, Wanted};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// For 127.0.0.1, by no authority.
const SELF_SIGNED: &str = "public.crt";

/// The same, but marked as an authority's, as `openssl req -x509` does.
const MARKED: &str = "marked.crt";

/// For 127.0.0.1, and for a client called `readwrite`, by the authority of the last one.
const ISSUED: &str = "issued.crt";
const CLIENT: &str = "client.crt";
const AUTHORITY: &str = "authority.crt";

#[test]
fn minio_with_its_own_certificate_is_trusted_only_when_told_so() {
    let Some(program) = skip::minio_program() else { return };
    let scratch = Scratch::new("tls");
    let server = start(&program, &scratch, SELF_SIGNED, &[]);
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

    create(&home, "@trusting");
    home.plakar(&["at", "@trusting", "backup", "-quiet", tree.to_str().unwrap()]).succeeds();
    home.plakar(&["at", "@trusting", "check", "-quiet"]).succeeds();
    let out = home.path("out");
    home.plakar(&["at", "@trusting", "restore", "-quiet", "-to", &out]).succeeds();
    assert_eq!(trees::differences(&tree, &Path::new(&out).join("tree")), Vec::<String>::new());

    for (store, said) in [
        ("@careful", ["issuer is not known", "name a file with the issuer's certificate in ca_file"]),
        ("@plain", ["the endpoint speaks TLS", "use_tls=true"]),
    ] {
        let refused = home.plakar(&["at", store, "ls"]).exits(1);
        for part in said {
            assert!(refused.stderr.contains(part), "{store}: {part} is not in: {refused}");
        }
    }
}

#[test]
fn minio_is_trusted_by_fingerprint_by_its_own_certificate_or_by_its_authority() {
    let Some(program) = skip::minio_program() else { return };
    for (certificate, authority, reason) in [
        (MARKED, MARKED, "marked as a CA's, CA:TRUE"),
        (ISSUED, AUTHORITY, "issuer is not known"),
        (SELF_SIGNED, SELF_SIGNED, "issuer is not known"),
    ] {
        let scratch = Scratch::new("trust");
        let server = start(&program, &scratch, certificate, &[]);
        let home = Home::new("trust");
        let location = format!("s3://{}/kloset", server.host);
        let store = |option: &str| {
            let keys = ["access_key=minioadmin", "secret_access_key=minioadmin"];
            home.plakar(&[&["store", "add", "s", &location], &keys[..], &[option]].concat()).succeeds();
        };
        let again = |option: &str| {
            home.plakar(&["store", "rm", "s"]).succeeds();
            store(option);
        };
        let ca_file = |name: &str| format!("ca_file={}", file(name).display());
        store("tls_insecure_no_verify=true");
        create(&home, "@s");

        again("use_tls=true");
        let refused = home.plakar(&["at", "@s", "ls"]).exits(1).says(reason).says("tls_fingerprint");
        let (_, seen) = refused.stderr.split_once("has the fingerprint ").unwrap();
        let seen = &seen[..64];

        // What the message shows can be copied, and so can what openssl prints.
        let colons: Vec<String> =
            seen.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into()).collect();
        let other = "0".repeat(64);
        for pin in [seen, &colons.join(":").to_uppercase(), &format!("{other},{seen}")] {
            again(&format!("tls_fingerprint={pin}"));
            home.plakar(&["at", "@s", "ls"]).succeeds().prints_nothing();
        }
        again(&format!("tls_fingerprint={other}"));
        home.plakar(&["at", "@s", "ls"]).exits(1).says("not the one that tls_fingerprint names").says(seen);

        again(&ca_file(authority));
        home.plakar(&["at", "@s", "ls"]).succeeds().prints_nothing();
        // A pin counts alone: what an authority says does not help another certificate.
        home.plakar(&["store", "set", "s", &format!("tls_fingerprint={other}")]).succeeds();
        home.plakar(&["at", "@s", "ls"]).exits(1).says("not the one that tls_fingerprint names");

        let stranger = if authority == AUTHORITY { MARKED } else { AUTHORITY };
        again(&ca_file(stranger));
        home.plakar(&["at", "@s", "ls"]).exits(1).says(reason).says(seen);

        // The right certificate does not help under a name that it was not made for.
        let localhost = server.host.replace("127.0.0.1", "localhost");
        home.plakar(&[
            "store",
            "set",
            "s",
            &ca_file(authority),
            &format!("location=s3://{localhost}/kloset"),
        ])
        .succeeds();
        home.plakar(&["at", "@s", "ls"]).exits(1).says("use a host name that the certificate was made for");
    }
}

#[test]
fn files_of_certificates_are_taken_whole_or_refused_by_name() {
    let scratch = Scratch::new("trust-files");
    let good = fs::read_to_string(file(AUTHORITY)).unwrap();
    let write = |name: &str, text: &str| {
        let path = scratch.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    // A certificate in its wrapping, but not inside it.
    let hollow = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let stranger = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let key = write("private.key", KEY);
    let wanted = |authorities: PathBuf| Wanted { authorities: Some(authorities), ..Wanted::default() };
    let shown = |certificate: PathBuf, key: PathBuf| Wanted {
        identity: Some((certificate, key)),
        ..Wanted::default()
    };
    let cases = [
        (wanted(write("two.pem", &format!("{good}{good}"))), None),
        (shown(file(SELF_SIGNED), key.clone()), None),
        (wanted(scratch.join("gone.pem")), Some("ca_file /.*gone.pem: no such file or directory")),
        (wanted(write("empty.pem", "")), Some("ca_file /.*empty.pem: no certificate in PEM form")),
        (wanted(key.clone()), Some("ca_file /.*private.key: no certificate in PEM form")),
        (
            wanted(write("hollow.pem", &format!("{good}{hollow}"))),
            Some("ca_file /.*hollow.pem: certificate 2 "),
        ),
        (wanted(write("cut.pem", &good[..good.len() - 40])), Some("ca_file /.*cut.pem: a PEM section")),
        (wanted(write("noise.pem", &good.replace('M', "*"))), Some("ca_file /.*noise.pem: a PEM section")),
        (shown(file(SELF_SIGNED), file(SELF_SIGNED)), Some("client_key /.*public.crt: nothing in PEM form")),
        (
            shown(file(SELF_SIGNED), write("enc.key", encrypted)),
            Some("client_key /.*decrypt it with openssl"),
        ),
        (shown(file(SELF_SIGNED), write("odd.key", stranger)), Some("client_cert /.*do not fit each other")),
    ];
    for (wanted, complaint) in cases {
        let found = Trust::load(&wanted).err().map(|fault| fault.to_string());
        match (complaint, &found) {
            (None, None) => {}
            (Some(complaint), Some(found)) => {
                let parts: Vec<&str> = complaint.split(".*").collect();
                assert!(parts.iter().all(|part| found.contains(part)), "{complaint:?}\n{found}");
                assert!(!found.contains("MIG") && !found.contains("MAA"), "{found}");
            }
            _ => panic!("{wanted:?}: {found:?}"),
        }
    }
}

#[test]
fn minio_gives_temporary_keys_for_a_client_certificate() {
    let Some(program) = skip::minio_program() else { return };
    let scratch = Scratch::new("certificate");
    let server = start(&program, &scratch, ISSUED, &[("MINIO_IDENTITY_TLS_ENABLE", "on")]);
    let home = Home::new("certificate");
    fs::write(home.dir().join("file"), "content").unwrap();
    let location = format!("s3://{}/kloset", server.host);
    let sts = format!("sts_endpoint=https://{}", server.host);
    let option = |name: &str, value: &str| format!("{name}={}", file(value).display());
    let add = |name: &str, options: &[&str]| {
        let ca_file = option("ca_file", AUTHORITY);
        home.plakar(&[&["store", "add", name, &location, &ca_file], options].concat()).succeeds();
    };
    let key = option("client_key", "private.key");
    add("root", &["access_key=minioadmin", "secret_access_key=minioadmin"]);
    add("mine", &[&sts, &key, &option("client_cert", CLIENT)]);
    add("bare", &[&sts]);
    add("stranger", &[&sts, &key, &option("client_cert", SELF_SIGNED)]);
    create(&home, "@root");
    home.plakar(&["at", "@mine", "backup", "-quiet", &home.path("file")]).succeeds();
    home.plakar(&["at", "@mine", "check", "-quiet"]).succeeds();
    home.plakar(&["at", "@bare", "ls"]).exits(1).says("missing access_key: looked at ");
    let refused = home.plakar(&["at", "@stranger", "ls"]).exits(1);
    refused.says(&format!("no credentials: https://{}: 40", server.host)).says("InvalidClientCertificate");
}

/// Wants a certificate by the authority before it answers that there is no such object.
fn strict_server() -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(AUTHORITY)).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file(ISSUED)).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut line = StreamOwned::new(session, stream);
            let body = "<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>";
            let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            // A client that was refused is gone, and the next one waits.
            if line.read(&mut [0; 4096]).is_ok() {
                let _ = line.write_all(answer.as_bytes()).and_then(|()| line.flush());
            }
            line.conn.send_close_notify();
            let _ = line.flush();
        }
    });
    host
}

#[test]
fn a_server_that_wants_a_certificate_gets_it_and_its_refusal_is_told() {
    let location = format!("s3://{}/kloset", strict_server());
    let home = Home::new("strict");
    let option = |name: &str, value: &str| format!("{name}={}", file(value).display());
    let keys = ["access_key=a", "secret_access_key=b"];
    let ca_file = option("ca_file", AUTHORITY);
    home.plakar(&[&["store", "add", "s", &location, &ca_file], &keys[..]].concat()).succeeds();
    home.plakar(&["at", "@s", "ls"])
        .exits(1)
        .says("the server said CertificateRequired")
        .says("set client_cert");
    let key = option("client_key", "private.key");
    home.plakar(&["store", "set", "s", &key, &option("client_cert", SELF_SIGNED)]).succeeds();
    home.plakar(&["at", "@s", "ls"]).exits(1).says("it wants another certificate of us");
    home.plakar(&["store", "set", "s", &option("client_cert", CLIENT)]).succeeds();
    home.plakar(&["at", "@s", "ls"]).exits(1).says("bucket does not exist");
}

#[test]
fn options_that_would_have_no_effect_are_refused() {
    let home = Home::new("trust-contradiction");
    let place = "s3://127.0.0.1:1/kloset";
    let keys = ["access_key=a", "secret_access_key=b"];
    let pin = format!("tls_fingerprint={}", "0".repeat(64));
    let ca_file = format!("ca_file={}", file(AUTHORITY).display());
    for option in [&pin, &ca_file] {
        let both = [&["store", "add", "s", place, option, "tls_insecure_no_verify=true"], &keys[..]].concat();
        home.plakar(&both).exits(1).says("tls_insecure_no_verify accepts every certificate");
        home.plakar(&[&["store", "add", "s", place, option, "use_tls=false"], &keys[..]].concat()).succeeds();
        home.plakar(&["at", "@s", "ls"]).exits(1).says("use_tls=false").says("set use_tls=true");
        home.plakar(&["store", "rm", "s"]).succeeds();
    }
}
