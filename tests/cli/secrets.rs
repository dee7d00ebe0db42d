//! No secret in any output, whatever fails: keys in options, variables and files, tokens, what
//! commands print, what services answer.

use crate::kit::command::{Home, Ran};
use crate::kit::http_script::HttpScript;
use crate::kit::s3_server::{ACCESS_KEY, Rule, S3Server, SECRET_KEY, Trouble};
use std::fs;

/// Every secret of these tests has it inside, also when it is escaped.
const MARK: &str = "hUsH";

#[track_caller]
fn silent(ran: Ran) -> Ran {
    ran.never_says(MARK).never_says(SECRET_KEY).never_says("hush").never_says("panicked")
}

#[test]
fn no_failure_and_no_trace_tells_a_secret() {
    let server = S3Server::start();
    let home = Home::new("secrets");
    let write = |name: &str, text: &str| {
        fs::write(home.dir().join(name), text).unwrap();
        home.path(name)
    };
    let credentials = write(
        "credentials",
        "[default]\naws_access_key_id=AK\naws_secret_access_key=hUsH-file\naws_session_token=hUsH-token\n\
         [half]\naws_secret_access_key=hUsH-half\n hUsH nested\n",
    );
    let token = write("token", "hUsH.jwt\n");
    fs::create_dir_all(home.dir().join("home/.mc")).unwrap();
    write(
        "home/.mc/config.json",
        r#"{"aliases":{"m":{"accessKey":"AK","secretKey":"hUsH-mc"},"cut":{"accessKey":"hUsH"#,
    );
    let key = write("key.pem", "-----BEGIN PRIVATE KEY-----\nhUsH\n-----END PRIVATE KEY-----\n");
    let certificate = format!("{}/tests/kit/tls/client.crt", env!("CARGO_MANIFEST_DIR"));
    home.env("OUR_SECRET", "hUsH-variable");
    home.env("PLAKAR_PASSPHRASE", "hUsH-passphrase");
    home.env("MC_HOST_h", "http://AK:hUsH-host@h");

    let refusing = HttpScript::start(|_| (403, "<Error><Code>AccessDenied</Code></Error>".to_owned()));
    let chatty = HttpScript::start(|_| {
        (
            200,
            "<r><x><Credentials><SecretAccessKey>hUsH-issued</SecretAccessKey></Credentials></x></r>"
                .to_owned(),
        )
    });
    let expiring = HttpScript::start(|_| {
        let keys = "<AccessKeyId>IK</AccessKeyId><SecretAccessKey>hUsH-issued</SecretAccessKey><SessionToken>hUsH-session</SessionToken>";
        (
            200,
            format!(
                "<R><RResult><Credentials>{keys}<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></RResult></R>"
            ),
        )
    });
    let plain = |service: &HttpScript| format!("sts_endpoint={}", service.url());
    let place = format!("s3://{}/kloset", server.address());
    let file = |option: &str, path: &str| format!("{option}={path}");
    let cases: Vec<Vec<String>> = [
        vec!["access_key=AK", "secret_access_key=hUsH"],
        vec!["access_key=AK", "secret_access_key=hUsH", "session_token=hUsH-token"],
        vec!["access_key=AK", "secret_access_key=hUsH", "session_token=hUsH token"],
        vec!["access_key=A K", "secret_access_key=hUsH"],
        vec!["access_key=AK", "secret_access_key_env=OUR_SECRET"],
        vec!["access_key=AK", "secret_access_key=hUsH", "secret_access_key_env=OUR_SECRET"],
        vec!["access_key=AK", "secret_access_key_cmd=cat token"],
        vec!["access_key=AK", "secret_access_key_cmd=cat token token"],
        vec!["access_key=AK", "secret_access_key_cmd=cat token; exit 3"],
        vec!["secret_access_key=hUsH"],
        vec![&file("shared_credentials_file", &credentials)],
        vec![&file("shared_credentials_file", &credentials), "profile=half"],
        vec![&file("shared_credentials_file", &token)],
        vec!["mc_alias=m"],
        vec!["mc_alias=h"],
        vec!["access_key=AK", "secret_access_key=hUsH", &plain(&refusing)],
        vec!["access_key=AK", "secret_access_key=hUsH", &plain(&chatty)],
        vec!["access_key=AK", "secret_access_key=hUsH", &plain(&expiring)],
        vec![&file("web_identity_token_file", &token), &plain(&refusing)],
        vec![&file("web_identity_token_file", &token), &plain(&chatty)],
        vec![&file("web_identity_token_file", &credentials), &plain(&refusing)],
        vec!["access_key=AK", "secret_access_key=hUsH", "sse=C", "sse_customer_key=hUsH"],
    ]
    .iter()
    .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
    .collect();
    let mut refused = 0;
    for (number, options) in cases.iter().enumerate() {
        let name = format!("s{number}");
        for role in ["store", "source", "destination"] {
            let words: Vec<&str> = options.iter().map(String::as_str).collect();
            silent(home.plakar(&[&[role, "add", &name, &place, "use_tls=false"], &words[..]].concat()));
            for notation in ["-yaml", "-json", "-ini"] {
                // A command is shown as it was typed, and this one reads a file.
                silent(home.plakar(&[role, "show", notation, &name]));
            }
            silent(home.plakar(&["-trace", "all", role, "check", &name]));
            silent(home.plakar(&["-trace", "all", role, "ping", &name]));
        }
        let store = format!("@{name}");
        for command in [&["ls"][..], &["create"], &["restore", "-to", &store], &["info"]] {
            let ran = silent(home.plakar(&[&["-trace", "all", "at", &store], command].concat()));
            refused += usize::from(ran.code == Some(1));
        }
        silent(home.plakar(&["-trace", "all", "at", "fs:local", "backup", &store]));
    }
    assert_eq!(refused, cases.len() * 4, "each is to fail, or nothing is tested");

    // Keys of a client certificate.
    let words = [file("client_cert", &certificate), file("client_key", &key)];
    silent(home.plakar(&["store", "add", "tls", &place, &words[0], &words[1]])).exits(1);
    // A proxy's password.
    let keys = [format!("access_key={ACCESS_KEY}"), format!("secret_access_key={SECRET_KEY}")];
    home.plakar(&["store", "add", "far", "s3://store.example/kloset", &keys[0], &keys[1], "use_tls=false"])
        .succeeds();
    for proxy in ["http://user:hUsH@127.0.0.1:1", "socks5://user:hUsH@127.0.0.1:1", "http://user:hUsH@[bad"] {
        home.env("HTTP_PROXY", proxy);
        silent(home.plakar(&["-trace", "all", "at", "@far", "ls"]).exits(1));
    }
    // Right keys, and a server that fails in every way.
    home.plakar(&["store", "add", "good", &place, &keys[0], &keys[1], "use_tls=false"]).succeeds();
    silent(home.plakar(&["-trace", "all", "at", "@good", "create"]).succeeds());
    for trouble in [
        Trouble::Status(403, "AccessDenied", Vec::new()),
        Trouble::Status(400, "ExpiredToken", Vec::new()),
        Trouble::Status(501, "NotImplemented", Vec::new()),
        Trouble::Raw(b"hello\r\n\r\n"),
        Trouble::CutBody(3),
        Trouble::FlippedBit,
    ] {
        server.clear_rules();
        for method in ["GET", "HEAD"] {
            let trouble = trouble.clone();
            server.rule(Rule { method, contains: "", after: 0, times: 6, trouble });
        }
        silent(home.plakar(&["-trace", "all", "at", "@good", "ls"]));
    }
}
