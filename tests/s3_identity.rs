//! Where keys come from, in what order, and how they are renewed: against scripted services, time by
//! hand, and a real MinIO's security token service.

use crate::kit::command::Home;
use crate::kit::connect::Scratch;
use crate::kit::hand_clock::{HandClock, Heard, client_with};
use crate::kit::http_script::HttpScript;
use crate::kit::s3_server::{Rule, S3Server, TemporaryKeys, Trouble};
use crate::kit::skip;
use plakar::base::secret::Secret;
use plakar::ports::clock::Clock;
use plakar::ports::fault::{Fault, FaultKind};
use plakar::s3::bucket::{Bucket, PutOptions};
use plakar::s3::chain::{Surroundings, Wanted, choose, url_endpoint};
use plakar::s3::login::Login;
use plakar::s3::proto::address::Endpoint;
use plakar::s3::proto::proxy::Proxies;
use plakar::s3::proto::sts::Role;
use plakar::s3::trust::{self, Trust};
use plakar::world::shell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: i64 = 1_764_495_813;

/// What is around a store at `host` when these variables are set.
fn around(host: &str, variables: &[(&str, &str)]) -> Surroundings {
    let set: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Surroundings {
        endpoint: Endpoint::parse(host, false).unwrap(),
        region: None,
        trust: Trust::load(&trust::Wanted::default()).unwrap(),
        has_certificate: false,
        proxies: Proxies::default(),
        environment: Arc::new(move |name: &str| set.get(name).cloned()),
        shell: Arc::new(shell::line),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes().to_vec()))
}

/// `KEY SECRET TOKEN`, or the message.
fn keys(wanted: &Wanted, around: &Surroundings) -> Result<String, String> {
    let login = choose(wanted, around).map_err(|fault| fault.to_string())?;
    let keys = login.keys(NOW, &|_| ()).map_err(|failure| failure.to_string())?;
    let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
    let token = keys.session_token.as_ref().map(text).unwrap_or_default();
    Ok(format!("{} {} {token}", keys.access_key, text(&keys.secret_key)))
}

#[test]
fn the_first_source_in_the_order_wins() {
    let scratch = Scratch::new("chain");
    let home = scratch.path().to_str().unwrap();
    fs::create_dir_all(scratch.join(".aws")).unwrap();
    fs::create_dir_all(scratch.join(".mc")).unwrap();
    fs::write(
        scratch.join(".aws/credentials"),
        "[default]\naws_access_key_id=file\naws_secret_access_key=s\n\
         [work]\naws_access_key_id=work\naws_secret_access_key=s\naws_session_token=t\n[empty]\n",
    )
    .unwrap();
    let mc = r#"{"version":"10","aliases":{"m":{"url":"http://h","accessKey":"alias","secretKey":"s"}}}"#;
    fs::write(scratch.join(".mc/config.json"), mc).unwrap();
    let nothing = Wanted::default();
    let given = Wanted { access_key: text("given"), secret_key: secret("s"), ..nothing.clone() };
    let container = HttpScript::start(|_| (200, r#"{"AccessKeyId":"ecs","SecretAccessKey":"s"}"#.to_owned()));
    let full = format!("{}/role", container.url());

    let aws = [("AWS_ACCESS_KEY_ID", "aws"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let minio = [("MINIO_ACCESS_KEY", "minio"), ("MINIO_SECRET_KEY", "s")];
    let root = [("MINIO_ROOT_USER", "root"), ("MINIO_ROOT_PASSWORD", "s")];
    let file = [("HOME", home)];
    let ecs = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str())];
    // Each adds what comes before the ones above it.
    let mut variables: Vec<(&str, &str)> = Vec::new();
    for (added, expected) in [
        (&ecs[..], "ecs s "),
        (&file, "file s "),
        (&root, "root s "),
        (&minio, "minio s "),
        (&aws, "aws s t"),
    ] {
        variables.extend(added);
        assert_eq!(keys(&nothing, &around("h", &variables)).as_deref(), Ok(expected));
    }
    // What the options name is used, whatever the environment holds.
    let mc_host = [&variables[..], &[("MC_HOST_m", "http://host-alias:s@h")]].concat();
    for (wanted, variables, expected) in [
        (given.clone(), &variables, "given s "),
        (
            Wanted { secret_key: None, secret_key_cmd: text("echo printed"), ..given.clone() },
            &variables,
            "given printed ",
        ),
        (
            Wanted { secret_key: None, secret_key_env: text("HOME"), ..given.clone() },
            &variables,
            &*format!("given {home} "),
        ),
        (
            Wanted {
                access_key_env: text("MINIO_ACCESS_KEY"),
                secret_key_env: text("MINIO_SECRET_KEY"),
                session_token_env: text("AWS_SESSION_TOKEN"),
                ..nothing.clone()
            },
            &variables,
            "minio s t",
        ),
        (Wanted { profile: text("work"), ..nothing.clone() }, &variables, "work s t"),
        (
            Wanted { credentials_file: Some(scratch.join(".aws/credentials")), ..nothing.clone() },
            &variables,
            "file s ",
        ),
        (Wanted { mc_alias: text("m"), ..nothing.clone() }, &variables, "alias s "),
        (Wanted { mc_alias: text("m"), ..nothing.clone() }, &mc_host, "host-alias s "),
    ] {
        assert_eq!(keys(&wanted, &around("h", variables)).as_deref(), Ok(expected));
    }
    let set = [("HOME", home), ("AWS_PROFILE", "work")];
    assert_eq!(keys(&nothing, &around("h", &set)).as_deref(), Ok("work s t"));
    let moved = scratch.join("moved");
    fs::rename(scratch.join(".aws/credentials"), &moved).unwrap();
    let set = [("HOME", home), ("AWS_SHARED_CREDENTIALS_FILE", moved.to_str().unwrap())];
    assert_eq!(keys(&nothing, &around("h", &set)).as_deref(), Ok("file s "));
    fs::rename(scratch.join(".mc"), scratch.join("mc")).unwrap();
    let dir = scratch.join("mc");
    let set = [("HOME", home), ("MC_CONFIG_DIR", dir.to_str().unwrap())];
    assert_eq!(
        keys(&Wanted { mc_alias: text("m"), ..nothing }, &around("h", &set)).as_deref(),
        Ok("alias s ")
    );
}

#[test]
fn what_is_missing_or_contradicts_itself_is_named() {
    let scratch = Scratch::new("chain-missing");
    let home = scratch.path().to_str().unwrap();
    let file = scratch.join("credentials");
    fs::write(&file, "[a]\naws_access_key_id=hush\n").unwrap();
    let nothing = Wanted::default();
    let with_key = Wanted { access_key: text("given"), ..nothing.clone() };
    let in_file = |profile: Option<&str>| Wanted {
        credentials_file: Some(file.clone()),
        profile: profile.map(str::to_owned),
        ..Wanted::default()
    };
    let at_home = [("HOME", home)];
    let remote = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://metadata.example/x")];
    let cases: Vec<(Wanted, &[(&str, &str)], Vec<&str>)> = vec![
        (
            nothing.clone(),
            &at_home,
            vec![
                "missing access_key: looked at AWS_ and MINIO_ variables; ",
                ".aws/credentials, which is not there",
                "instance_metadata=true",
                "give access_key and secret_access_key, or profile",
            ],
        ),
        (nothing.clone(), &[], vec!["missing access_key: looked at AWS_ and MINIO_ variables; no instance"]),
        (
            with_key.clone(),
            &[],
            vec!["missing secret_access_key (give secret_access_key, secret_access_key_env or "],
        ),
        (Wanted { secret_key: secret("hush"), ..nothing.clone() }, &[], vec!["missing access_key"]),
        (Wanted { session_token: secret("hush"), ..nothing.clone() }, &[], vec!["missing access_key"]),
        (
            Wanted { access_key_env: text("GONE"), ..nothing.clone() },
            &[],
            vec!["missing access_key: the variable \"GONE\""],
        ),
        (
            Wanted { secret_key_env: text("GONE"), ..with_key.clone() },
            &[],
            vec!["missing secret_access_key: the variable \"GONE\""],
        ),
        (
            Wanted { secret_key: secret("hush"), secret_key_cmd: text("echo hush"), ..with_key.clone() },
            &[],
            vec!["secret_access_key is given in more than one way", "keep one"],
        ),
        (
            Wanted { profile: text("a"), ..with_key.clone() },
            &[],
            vec!["keys and profile are given", "keep one"],
        ),
        (
            Wanted { mc_alias: text("a"), profile: text("a"), ..nothing.clone() },
            &[],
            vec!["profile and mc_alias are given"],
        ),
        (in_file(None), &[], vec!["shared_credentials_file /", "no profile \"default\" in it; there is a"]),
        (in_file(Some("a")), &[], vec!["profile \"a\" has no aws_secret_access_key"]),
        (
            Wanted { profile: text("a"), ..nothing.clone() },
            &at_home,
            vec!["shared_credentials_file /", ".aws/credentials: no such file"],
        ),
        (Wanted { profile: text("a"), ..nothing.clone() }, &[], vec!["HOME is not set"]),
        (
            Wanted { mc_alias: text("m"), ..nothing.clone() },
            &at_home,
            vec!["mc_alias /", ".mc/config.json: no such file"],
        ),
        (
            Wanted { mc_alias: text("m"), ..nothing.clone() },
            &[("MC_HOST_m", "http://hush")],
            vec!["mc_alias: MC_HOST_m: no KEY:SECRET@"],
        ),
        (
            nothing.clone(),
            &[("AWS_ACCESS_KEY_ID", "hush")],
            vec!["AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"],
        ),
        (
            nothing.clone(),
            &[("AWS_ACCESS_KEY_ID", "a b"), ("AWS_SECRET_ACCESS_KEY", "hush")],
            vec!["AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: access_key is empty or has characters"],
        ),
        (
            Wanted { secret_key: secret("hush"), session_token: secret("hush\n"), ..with_key.clone() },
            &[],
            vec!["session_token has characters"],
        ),
        (
            nothing.clone(),
            &remote,
            vec!["AWS_CONTAINER_CREDENTIALS_FULL_URI: not a URL that credentials may come from", "https://"],
        ),
        (
            nothing.clone(),
            &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/")],
            vec!["does not begin with /"],
        ),
        (
            Wanted { secret_key_cmd: text("exit 7"), ..with_key.clone() },
            &[],
            vec!["secret_access_key_cmd failed: exit status: 7"],
        ),
        (
            Wanted { secret_key_cmd: text("true"), ..with_key.clone() },
            &[],
            vec!["secret_access_key_cmd printed nothing"],
        ),
        (
            Wanted { secret_key_cmd: text("echo hush; echo hush"), ..with_key },
            &[],
            vec!["secret_access_key_cmd returned too many lines"],
        ),
    ];
    for (wanted, variables, said) in cases {
        let told = keys(&wanted, &around("minio.lan:9000", variables)).unwrap_err();
        assert!(said.iter().all(|said| told.contains(said)), "{said:?}\n{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

/// An instance's metadata service with one role.
fn metadata() -> HttpScript {
    HttpScript::start(|request| {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let session = header("x-aws-ec2-metadata-token") == Some("session-1");
        match (request.method.as_str(), request.target.as_str()) {
            ("PUT", "/latest/api/token") if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
                (200, "session-1".to_owned())
            }
            ("GET", "/latest/meta-data/iam/security-credentials/") if session => (200, "backup\n".to_owned()),
            ("GET", "/latest/meta-data/iam/security-credentials/backup") if session => (
                200,
                r#"{"Code":"Success","AccessKeyId":"imds","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}"#.to_owned(),
            ),
            _ => (401, String::new()),
        }
    })
}

#[test]
fn an_instance_is_asked_by_imdsv2_and_only_when_something_speaks_for_there_being_one() {
    let service = metadata();
    let url = service.url();
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str());
    let off = ("AWS_EC2_METADATA_DISABLED", "true");
    let wanted = |instance| Wanted { instance, ..Wanted::default() };
    assert_eq!(keys(&wanted(None), &around("minio.lan", &[endpoint])).as_deref(), Ok("imds s t"));
    assert_eq!(
        service.requests(),
        [
            "PUT /latest/api/token",
            "GET /latest/meta-data/iam/security-credentials/",
            "GET /latest/meta-data/iam/security-credentials/backup"
        ]
    );
    for (instance, host, variables, asked) in [
        (Some(true), "minio.lan", vec![endpoint, off], true),
        (Some(false), "minio.lan", vec![endpoint], false),
        (None, "minio.lan", vec![endpoint, off], false),
        (None, "minio.lan", vec![], false),
        (None, "s3.eu-west-1.amazonaws.com", vec![], true),
        (None, "s3.eu-west-1.amazonaws.com", vec![off], false),
        (None, "fake-amazonaws.com", vec![], false),
        (Some(true), "minio.lan", vec![], true),
    ] {
        // To decide costs no request: an appliance without a network does not wait for one.
        let chosen = choose(&wanted(instance), &around(host, &variables));
        assert_eq!(chosen.is_ok(), asked, "{instance:?} {host} {variables:?}");
        assert_eq!(service.requests(), Vec::<String>::new());
        if let Err(fault) = chosen {
            assert!(fault.message.starts_with("missing access_key: looked at "), "{fault}");
        }
    }
}

#[test]
fn a_container_asks_its_host_with_its_token_and_nobody_else_in_the_clear() {
    let scratch = Scratch::new("container");
    let file = scratch.join("token");
    fs::write(&file, "from-file\n").unwrap();
    let service = HttpScript::start(|request| match request.headers.get("authorization") {
        Some(token) => (200, format!(r#"{{"AccessKeyId":"ecs","SecretAccessKey":"s","Token":"{token}"}}"#)),
        None => (403, String::new()),
    });
    let url = format!("{}/v1/role?x=1", service.url());
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let by_text = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "from-text");
    let by_file = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap());
    for (variables, expected) in [
        (vec![full, by_text], Ok("ecs s from-text")),
        (vec![full, by_text, by_file], Ok("ecs s from-file")),
        (vec![full], Err("403")),
    ] {
        let found = keys(&Wanted::default(), &around("h", &variables));
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected)),
            Err(part) => assert!(found.unwrap_err().contains(part)),
        }
        assert_eq!(service.requests(), ["GET /v1/role?x=1"]);
    }
    for (url, allowed) in [
        ("http://127.0.0.1/x", true),
        ("http://[::1]:80/x", true),
        ("http://localhost:1", true),
        ("http://169.254.170.2/x", true),
        ("http://169.254.170.23/v1/credentials", true),
        ("http://[fd00:ec2::23]/v1", true),
        ("https://example.com/x", true),
        ("http://169.254.169.254/x", false),
        ("http://example.com/x", false),
        ("http://127.0.0.1@example.com/x", false),
        ("http://localhost.example.com/", false),
        ("ftp://127.0.0.1/", false),
        ("127.0.0.1/x", false),
    ] {
        let chosen = choose(&Wanted::default(), &around("h", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]));
        assert_eq!(chosen.is_ok(), allowed, "{url}");
    }
}

fn assumed(number: usize, expiration: &str) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>issued-{number}</AccessKeyId>\
         <SecretAccessKey>secret-{number}</SecretAccessKey><SessionToken>token-{number}</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}

#[test]
fn a_token_service_is_asked_in_the_form_that_fits_who_asks() {
    let scratch = Scratch::new("sts");
    let file = scratch.join("token");
    fs::write(&file, "eyJ.x.y\n").unwrap();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&bodies);
    let service = HttpScript::start(move |request| {
        let signed = request
            .headers
            .get("authorization")
            .is_some_and(|text| text.contains("/eu-x-1/sts/aws4_request"));
        heard.lock().unwrap().push((signed, String::from_utf8(request.body.clone()).unwrap()));
        (200, assumed(1, "2100-01-01T00:00:00Z"))
    });
    let sts = Some(url_endpoint(&service.url()).unwrap());
    let role = Role { arn: text("arn:x"), session_name: text("me"), external_id: text("e") };
    let long_term = Wanted { access_key: text("k"), secret_key: secret("s"), ..Wanted::default() };
    let identity = Wanted {
        web_identity: Some(file.clone()),
        sts: sts.clone(),
        role: role.clone(),
        ..Wanted::default()
    };
    let by_variable = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:v"),
        ("AWS_ENDPOINT_URL_STS", &service.url()),
    ];
    for (wanted, variables, signed, parts) in [
        (
            Wanted { sts: sts.clone(), ..long_term.clone() },
            &[][..],
            true,
            vec!["Action=AssumeRole&", "RoleSessionName=plakar"],
        ),
        (
            Wanted { sts: sts.clone(), role, ..long_term.clone() },
            &[],
            true,
            vec!["RoleArn=arn%3Ax", "RoleSessionName=me", "ExternalId=e"],
        ),
        (
            identity,
            &[],
            false,
            vec!["Action=AssumeRoleWithWebIdentity&", "RoleArn=arn%3Ax", "WebIdentityToken=eyJ.x.y"],
        ),
        (Wanted::default(), &by_variable, false, vec!["AssumeRoleWithWebIdentity", "RoleArn=arn%3Av"]),
    ] {
        let around = Surroundings { region: text("eu-x-1"), ..around("h", variables) };
        assert_eq!(keys(&wanted, &around).as_deref(), Ok("issued-1 secret-1 token-1"));
        let (was_signed, body) = bodies.lock().unwrap().pop().unwrap();
        assert_eq!(was_signed, signed, "{body}");
        assert!(parts.iter().all(|part| body.contains(part)), "{body}");
    }
    // Without an endpoint of its own, the store's server is asked, as MinIO has it.
    let own = around(service.address(), &[]);
    let wanted = Wanted { role: Role { arn: text("arn:x"), ..Role::default() }, ..long_term };
    assert_eq!(keys(&wanted, &own).as_deref(), Ok("issued-1 secret-1 token-1"));
}

/// A bucket whose client signs with keys that a service issues for an hour at a time. `pause` is called
/// before each answer with its number.
fn issued(
    server: &S3Server,
    pause: impl Fn(usize) -> Option<u16> + Send + Sync + 'static,
) -> (Bucket, Heard, HttpScript) {
    for number in 1..=4 {
        server.accept(TemporaryKeys {
            access_key: format!("issued-{number}"),
            secret_key: format!("secret-{number}"),
            token: format!("token-{number}"),
        });
    }
    let count = Mutex::new(0);
    let service = HttpScript::start(move |_| {
        let mut count = count.lock().unwrap();
        match pause(*count + 1) {
            Some(status) => (status, String::new()),
            None => {
                *count += 1;
                // From the second on for ever: time moves in the test, not in the service.
                let year = if *count == 1 { in_an_hour() } else { "2100-01-01T00:00:00Z".to_owned() };
                (200, assumed(*count, &year))
            }
        }
    });
    let wanted = Wanted {
        access_key: text("k"),
        secret_key: secret("s"),
        sts: Some(url_endpoint(&service.url()).unwrap()),
        ..Wanted::default()
    };
    let login = choose(&wanted, &around("h", &[])).unwrap();
    let (client, heard) = client_with(server, |config| config.login = Arc::new(login));
    let bucket = client.bucket("bucket").unwrap();
    server.objects(|objects| objects.put("bucket", b"key", b"body"));
    (bucket, heard, service)
}

fn in_an_hour() -> String {
    let output = Command::new("date").args(["-u", "-d", "+1 hour", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn read(bucket: &Bucket) -> Result<(), Fault> {
    bucket.head_object(b"key").map(|_| ())
}

#[test]
fn keys_are_renewed_before_they_end_by_one_thread_while_the_others_go_on() {
    let server = S3Server::start();
    let (done, finished) = channel();
    let finished = Mutex::new(finished);
    let (bucket, heard, service) = issued(&server, move |number| {
        // The second answer waits until three of four threads are done with the old keys.
        if number == 2 {
            (0..3).for_each(|_| finished.lock().unwrap().recv_timeout(Duration::from_secs(9)).unwrap());
        }
        None
    });
    read(&bucket).unwrap();
    heard.clock.advance(Duration::from_secs(3000));
    server.set_clock_offset(3000);
    read(&bucket).unwrap();
    assert_eq!(service.requests().len(), 1, "keys with ten minutes left are good");

    heard.clock.advance(Duration::from_secs(400));
    server.set_clock_offset(3400);
    server.signers();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (bucket, done) = (&bucket, done.clone());
            scope.spawn(move || {
                read(bucket).unwrap();
                // The last one's message finds nobody.
                let _ = done.send(());
            });
        }
    });
    let mut signers = server.signers();
    signers.sort();
    assert_eq!(signers, ["issued-1", "issued-1", "issued-1", "issued-2"]);
    assert_eq!(service.requests().len(), 1);
    read(&bucket).unwrap();
    assert_eq!((server.signers(), service.requests().len()), (vec!["issued-2".to_owned()], 0));
}

#[test]
fn keys_that_cannot_be_renewed_serve_until_their_end() {
    let server = S3Server::start();
    let (bucket, heard, service) = issued(&server, |number| (number == 2).then_some(503));
    read(&bucket).unwrap();
    for (seconds, asked) in [(3400, 1), (5, 0), (30, 1)] {
        heard.clock.advance(Duration::from_secs(seconds));
        server.set_clock_offset(3440);
        service.requests();
        read(&bucket).unwrap();
        assert_eq!(service.requests().len(), asked, "after {seconds} more seconds");
    }
    let told = heard.notices.lock().unwrap().join("\n");
    assert!(
        told.contains("the credentials could not be renewed yet: http://127.0.0.1:") && told.contains("503"),
        "{told}"
    );
    heard.clock.advance(Duration::from_secs(600));
    let fault = read(&bucket).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Busy);
    assert!(fault.message.contains("no credentials: http://127.0.0.1:"), "{fault}");
    assert!(heard.clock.waited() > Duration::from_secs(200), "a service that answered once is waited for");
}

#[test]
fn keys_that_the_server_no_longer_takes_are_fetched_anew_once() {
    let expired = |code: &'static str, times| Rule {
        method: "PUT",
        contains: "",
        after: 0,
        times,
        trouble: Trouble::Status(400, code, Vec::new()),
    };
    for code in ["ExpiredToken", "InvalidTokenId", "InvalidAccessKeyId"] {
        let server = S3Server::start();
        let (bucket, heard, service) = issued(&server, |_| None);
        server.rule(expired(code, 1));
        bucket.put_object(b"key", b"new", &PutOptions::default()).unwrap();
        assert_eq!(server.signers(), ["issued-1", "issued-2"], "{code}");
        assert_eq!((service.requests().len(), heard.clock.waited()), (2, Duration::ZERO));

        server.rule(expired(code, usize::MAX));
        let fault = bucket.put_object(b"key", b"new", &PutOptions::default()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.message.contains(code), "{fault}");
        assert_eq!((server.signers().len(), service.requests().len()), (2, 1), "once, then it is said");
    }
}

#[test]
fn a_wrong_clock_is_corrected_by_what_the_token_service_answers() {
    let server = S3Server::start();
    // The service's clock is right, and its first answer a refusal.
    let asked = Mutex::new(0);
    let (bucket, heard, service) = issued(&server, move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        (*asked == 1).then_some(403)
    });
    heard.clock.advance(Duration::from_secs(9 * 3600));
    read(&bucket).unwrap();
    assert_eq!((service.requests().len(), server.signers().len()), (2, 1));
    let told = heard.notices.lock().unwrap().join("\n");
    assert!(told.contains("this machine's clock is") && told.contains("ahead of the server's"), "{told}");
}

#[test]
fn a_service_that_refuses_or_is_not_there_is_told_soon_and_by_name() {
    let server = S3Server::start();
    let refusal =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    let refusing = HttpScript::start(move |_| (403, refusal.to_owned()));
    let ill = HttpScript::start(|_| (500, "<html>".to_owned()));
    let odd = HttpScript::start(|_| (200, "<html>".to_owned()));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, asked, said) in [
        (refusing.url(), 1, "403 AccessDenied: not you"),
        (ill.url(), 3, "500"),
        (odd.url(), 1, "XML"),
        (format!("http://{closed}"), 0, "refused"),
    ] {
        let sts = Some(url_endpoint(&url).unwrap());
        let wanted = Wanted { access_key: text("k"), secret_key: secret("hush"), sts, ..Wanted::default() };
        let login: Login = choose(&wanted, &around("h", &[])).unwrap();
        let (client, heard) = client_with(&server, |config| config.login = Arc::new(login));
        let fault = read(&client.bucket("bucket").unwrap()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.message.contains("no credentials: ") && fault.message.contains(&url), "{fault}");
        assert!(fault.message.contains(said) && !fault.message.contains("hush"), "{fault}");
        assert!(heard.clock.waited() < Duration::from_secs(5));
        let requests = [&refusing, &ill, &odd].map(|service| service.requests().len());
        assert_eq!(requests.iter().sum::<usize>(), asked);
    }
    assert_eq!(server.requests(), Vec::<String>::new(), "nothing is sent unsigned");
}

/// A user of the shared MinIO who may do everything with objects, removed at the end.
struct User<'a> {
    mc: PathBuf,
    scratch: &'a Scratch,
    name: String,
}

impl User<'_> {
    fn mc(&self, words: &[&str]) {
        let ran =
            Command::new(&self.mc).arg("--config-dir").arg(self.scratch.path()).args(words).output().unwrap();
        assert!(ran.status.success(), "{words:?}: {ran:?}");
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.mc(&["admin", "user", "rm", "m", &self.name]);
        }
    }
}

#[test]
fn minio_gives_temporary_keys_for_long_term_ones_and_aliases_of_mc_work() {
    let (Some(url), Some(mc)) = (skip::minio(), skip::mc_program()) else { return };
    let scratch = Scratch::new("minio-sts");
    let name = format!("user{}", std::process::id());
    let user = User { mc, scratch: &scratch, name: name.clone() };
    user.mc(&["alias", "set", "m", &url, "minioadmin", "minioadmin"]);
    user.mc(&["admin", "user", "add", "m", &name, "longtermsecret"]);
    user.mc(&["admin", "policy", "attach", "m", "readwrite", "--user", &name]);
    user.mc(&["alias", "set", "own", &url, &name, "longtermsecret"]);

    let host = url.strip_prefix("http://").unwrap();
    let wanted = Wanted {
        access_key: Some(name.clone()),
        secret_key: secret("longtermsecret"),
        sts: Some(url_endpoint(&url).unwrap()),
        ..Wanted::default()
    };
    let login = choose(&wanted, &around(host, &[])).unwrap();
    let now = HandClock::new().now_ns() / 1_000_000_000;
    let temporary = login.keys(now, &|_| ()).unwrap();
    assert!(temporary.session_token.is_some() && temporary.access_key != name);
    assert!(temporary.expires.is_some());

    let home = Home::new("minio-sts");
    home.env("MC_CONFIG_DIR", scratch.path());
    let location = format!("s3://{host}/sts-{}", std::process::id());
    let keys = [format!("access_key={name}"), "secret_access_key=longtermsecret".to_owned()];
    let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
    let copied = [
        format!("access_key={}", temporary.access_key),
        format!("secret_access_key={}", text(&temporary.secret_key)),
        format!("session_token={}", text(temporary.session_token.as_ref().unwrap())),
    ];
    let sts = format!("sts_endpoint={url}");
    let mut stores: Vec<(&str, Vec<&str>)> = vec![
        ("role", vec![&keys[0], &keys[1], &sts]),
        ("arn", vec![&keys[0], &keys[1], "role_arn=arn:minio:iam:::role/any"]),
        ("token", copied.iter().map(String::as_str).collect()),
        ("alias", vec!["mc_alias=own"]),
        ("alias-role", vec!["mc_alias=own", &sts]),
        ("command", vec![&keys[0], "secret_access_key_cmd=echo longtermsecret"]),
    ];
    home.plakar(&["store", "add", "root", &location, "mc_alias=m", "use_tls=false"]).succeeds();
    home.plakar(&["at", "@root", "create", "-plaintext"]).succeeds();
    for (name, options) in &mut stores {
        options.push("use_tls=false");
        home.plakar(&[&["store", "add", name, &location], &options[..]].concat()).succeeds().prints_nothing();
        home.plakar(&["at", &format!("@{name}"), "ls"]).succeeds().prints_nothing();
    }
    home.plakar(&["store", "set", "role", "secret_access_key=wrongsecret"]).succeeds();
    home.plakar(&["at", "@role", "ls"])
        .exits(1)
        .says(&format!("no credentials: {url}: 403 "))
        .never_says("wrongsecret");
    home.plakar(&["store", "set", "alias", "mc_alias=gone"]).succeeds();
    home.plakar(&["at", "@alias", "ls"]).exits(1).says("no alias \"gone\" in it; there is ").says("own");
    user.mc(&["rb", "--force", &format!("m/sts-{}", std::process::id())]);
}
