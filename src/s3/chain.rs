//! Which source keys come from.
//!
//! What the options name is used, and nothing else; then nothing of the environment is looked at.
//! When they name nothing, the first of these that is there is used:
//!
//! 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`
//! 2. `MINIO_ACCESS_KEY`, `MINIO_SECRET_KEY`
//! 3. `MINIO_ROOT_USER`, `MINIO_ROOT_PASSWORD`
//! 4. `AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`
//! 5. the profile `AWS_PROFILE`, or `default`, of `AWS_SHARED_CREDENTIALS_FILE`, or
//!    `~/.aws/credentials`
//! 6. `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `AWS_CONTAINER_CREDENTIALS_FULL_URI`
//! 7. the instance's metadata service, when an option, an AWS variable or an endpoint of AWS's
//!    speaks for there being one: elsewhere asking would only cost time
//!
//! Files are read when the client is made, commands and services are asked at the first request.

use crate::base::secret::Secret;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::issuer::Sts;
use crate::s3::login::{Login, Source, Token, alias_keys, profile_keys};
use crate::s3::proto::address::Endpoint;
use crate::s3::proto::fault::is_region;
use crate::s3::proto::identity::{Keys, parse_mc_host};
use crate::s3::proto::proxy::Proxies;
use crate::s3::proto::sts::Role;
use crate::s3::trust::Trust;
use core::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs a command line and gives the one line that it prints; an error without it.
pub type Shell = Arc<dyn Fn(&str) -> Result<Secret, String> + Send + Sync>;

/// What the options say about who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `access_key`.
    pub access_key: Option<String>,
    /// `secret_access_key`.
    pub secret_key: Option<Secret>,
    /// `session_token`.
    pub session_token: Option<Secret>,
    /// `access_key_env`: a variable's name.
    pub access_key_env: Option<String>,
    /// `secret_access_key_env`: a variable's name.
    pub secret_key_env: Option<String>,
    /// `session_token_env`: a variable's name.
    pub session_token_env: Option<String>,
    /// `secret_access_key_cmd`: prints the secret key.
    pub secret_key_cmd: Option<String>,
    /// `profile` of a shared credentials file.
    pub profile: Option<String>,
    /// `shared_credentials_file`.
    pub credentials_file: Option<PathBuf>,
    /// `mc_alias`.
    pub mc_alias: Option<String>,
    /// `web_identity_token_file`.
    pub web_identity: Option<PathBuf>,
    /// `role_arn`, `role_session_name`, `external_id`.
    pub role: Role,
    /// `sts_endpoint`, and whether it speaks TLS.
    pub sts: Option<Endpoint>,
    /// `instance_metadata`: whether the instance may be asked.
    pub instance: Option<bool>,
}

/// What the client knows besides.
#[derive(Clone)]
pub struct Surroundings {
    /// The store's own server.
    pub endpoint: Endpoint,
    /// For signatures, when it is known.
    pub region: Option<String>,
    /// Whose certificates are accepted, and which one is shown.
    pub trust: Trust,
    /// Whether there is one to show.
    pub has_certificate: bool,
    /// Proxies to reach services through.
    pub proxies: Proxies,
    /// Variables.
    pub environment: Arc<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// For commands.
    pub shell: Shell,
}

impl Surroundings {
    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }
}

fn refuse(text: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Unsupported, text)
}

/// Decides on a source. Reads files, but runs no command and asks no service.
///
/// # Errors
/// `Unsupported`: what is missing, contradicts itself, or cannot be read. When there is nothing
/// at all it begins with `missing access_key` and says what was looked at.
pub fn choose(wanted: &Wanted, around: &Surroundings) -> Result<Login, Fault> {
    let source = match named(wanted, around)? {
        Some(source) => source,
        None => found(wanted, around)?,
    };
    let has_role = matches!(source, Source::WebIdentity { .. } | Source::Certificate(_));
    let source = match (wanted.role.arn.is_some() || wanted.sts.is_some()) && !has_role {
        true => Source::Role { of: Box::new(source), sts: sts(wanted, around)? },
        false => source,
    };
    Ok(Login::from(source))
}

/// The source that the options name; `None` when they name none.
fn named(wanted: &Wanted, around: &Surroundings) -> Result<Option<Source>, Fault> {
    let keys = wanted.access_key.is_some()
        || wanted.access_key_env.is_some()
        || wanted.secret_key.is_some()
        || wanted.secret_key_env.is_some()
        || wanted.secret_key_cmd.is_some()
        || wanted.session_token.is_some()
        || wanted.session_token_env.is_some();
    let profile = wanted.profile.is_some() || wanted.credentials_file.is_some();
    let groups = [
        (keys, "keys"),
        (profile, "profile"),
        (wanted.mc_alias.is_some(), "mc_alias"),
        (wanted.web_identity.is_some(), "web_identity_token_file"),
    ];
    let given: Vec<&str> = groups.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
    if given.len() > 1 {
        return Err(refuse(format!("{} are given, and each says who asks", given.join(" and ")))
            .with_remedy("keep one of them"));
    }
    if keys {
        return given_keys(wanted, around).map(Some);
    }
    if profile {
        let path = wanted.credentials_file.clone().or_else(|| credentials_file(around));
        let path = path.ok_or_else(|| refuse("profile: HOME is not set, where its file would be"))?;
        let profile = wanted.profile.clone().or_else(|| around.variable("AWS_PROFILE"));
        let profile = profile.unwrap_or_else(|| "default".to_owned());
        profile_keys(&path, &profile)?;
        return Ok(Some(Source::Profile { path, profile }));
    }
    if let Some(alias) = &wanted.mc_alias {
        let variable = format!("MC_HOST_{alias}");
        if let Some(text) = around.variable(&variable) {
            let keys = parse_mc_host(&text).map_err(|why| refuse(format!("mc_alias: {variable}: {why}")))?;
            return Ok(Some(Source::Given(keys)));
        }
        let dir = around.variable("MC_CONFIG_DIR").map(PathBuf::from);
        let dir = dir.or_else(|| Some(home(around)?.join(".mc")));
        let dir = dir.ok_or_else(|| refuse("mc_alias: HOME is not set, where .mc/config.json would be"))?;
        let (path, alias) = (dir.join("config.json"), alias.clone());
        alias_keys(&path, &alias)?;
        return Ok(Some(Source::Alias { path, alias }));
    }
    if let Some(path) = wanted.web_identity.clone() {
        return Ok(Some(Source::WebIdentity { path, sts: sts(wanted, around)? }));
    }
    if wanted.sts.is_some() && around.has_certificate {
        return Ok(Some(Source::Certificate(sts(wanted, around)?)));
    }
    Ok(None)
}

fn given_keys(wanted: &Wanted, around: &Surroundings) -> Result<Source, Fault> {
    // A value that is given twice has two meanings.
    let one = |name: &str, count: usize| match count {
        0 | 1 => Ok(()),
        _ => Err(refuse(format!("{name} is given in more than one way")).with_remedy("keep one of them")),
    };
    one(
        "access_key",
        [wanted.access_key.is_some(), wanted.access_key_env.is_some()].iter().filter(|g| **g).count(),
    )?;
    let secret_ways =
        [wanted.secret_key.is_some(), wanted.secret_key_env.is_some(), wanted.secret_key_cmd.is_some()];
    one("secret_access_key", secret_ways.iter().filter(|given| **given).count())?;
    let token_ways = [wanted.session_token.is_some(), wanted.session_token_env.is_some()];
    one("session_token", token_ways.iter().filter(|given| **given).count())?;
    let by_name = |option: &str, name: &Option<String>| match name {
        None => Ok(None),
        Some(name) => around.variable(name).map(Some).ok_or_else(|| {
            refuse(format!("missing {option}: the variable {name:?}, which {option}_env names, is not set"))
        }),
    };
    let secret = |text: String| Secret::new(text.into_bytes());
    let access_key = match &wanted.access_key {
        Some(key) => Some(key.clone()),
        None => by_name("access_key", &wanted.access_key_env)?,
    };
    let access_key = access_key.ok_or_else(|| refuse("missing access_key"))?;
    let secret_key = match &wanted.secret_key {
        Some(key) => Some(key.clone()),
        None => by_name("secret_access_key", &wanted.secret_key_env)?.map(secret),
    };
    let session_token = match &wanted.session_token {
        Some(token) => Some(token.clone()),
        None => by_name("session_token", &wanted.session_token_env)?.map(secret),
    };
    match (secret_key, &wanted.secret_key_cmd) {
        (Some(secret_key), _) => {
            Keys::new(&access_key, secret_key, session_token, None).map(Source::Given).map_err(refuse)
        }
        (None, Some(command)) => Ok(Source::Command {
            access_key,
            session_token,
            command: command.clone(),
            shell: Arc::clone(&around.shell),
        }),
        (None, None) => Err(refuse("missing secret_access_key")
            .with_remedy("give secret_access_key, secret_access_key_env or secret_access_key_cmd")),
    }
}

/// The first source that this machine has.
fn found(wanted: &Wanted, around: &Surroundings) -> Result<Source, Fault> {
    for (key, secret, token) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", ""),
        ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", ""),
    ] {
        match (around.variable(key), around.variable(secret)) {
            (Some(access_key), Some(secret_key)) => {
                let token = (!token.is_empty()).then(|| around.variable(token)).flatten();
                let token = token.map(|token| Secret::new(token.into_bytes()));
                return Keys::new(&access_key, Secret::new(secret_key.into_bytes()), token, None)
                    .map(Source::Given)
                    .map_err(|why| refuse(format!("{key}, {secret}: {why}")));
            }
            (Some(_), None) => return Err(refuse(format!("{key} is set without {secret}"))),
            (None, _) => {}
        }
    }
    if let Some(path) = around.variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let arn = wanted.role.arn.clone().or_else(|| around.variable("AWS_ROLE_ARN"));
        let session_name =
            wanted.role.session_name.clone().or_else(|| around.variable("AWS_ROLE_SESSION_NAME"));
        let role = Role { arn, session_name, ..wanted.role.clone() };
        let sts = sts(&Wanted { role, ..wanted.clone() }, around)?;
        return Ok(Source::WebIdentity { path: path.into(), sts });
    }
    let mut looked = vec!["AWS_ and MINIO_ variables".to_owned()];
    if let Some(path) = credentials_file(around) {
        let profile = around.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        match profile_keys(&path, &profile) {
            Ok(_) => return Ok(Source::Profile { path, profile }),
            Err(fault) if fault.kind == FaultKind::Missing => {
                looked.push(format!("{}, which is not there", path.display()));
            }
            Err(fault) => looked.push(fault.to_string()),
        }
    }
    if let Some(source) = container(around)? {
        return Ok(source);
    }
    let endpoint = instance(wanted, around)?;
    if let Some(endpoint) = endpoint {
        return Ok(Source::Instance { trust: around.trust.clone(), endpoint });
    }
    looked.push("no instance, which only instance_metadata=true would ask".to_owned());
    Err(refuse(format!("missing access_key: looked at {}", looked.join("; ")))
        .with_remedy("give access_key and secret_access_key, or profile, or mc_alias"))
}

fn home(around: &Surroundings) -> Option<PathBuf> {
    around.variable("HOME").map(PathBuf::from)
}

fn credentials_file(around: &Surroundings) -> Option<PathBuf> {
    let path = around.variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    path.or_else(|| Some(home(around)?.join(".aws/credentials")))
}

fn container(around: &Surroundings) -> Result<Option<Source>, Fault> {
    let url = match around.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) if path.starts_with('/') => format!("http://169.254.170.2{path}"),
        Some(_) => return Err(refuse("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /")),
        None => match around.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            Some(url) => url,
            None => return Ok(None),
        },
    };
    if !may_hold_keys(&url) {
        return Err(refuse("AWS_CONTAINER_CREDENTIALS_FULL_URI: not a URL that credentials may come from")
            .with_remedy(
                "it begins with https://, or with http:// and this machine or the container's host",
            ));
    }
    let token = match around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Token::File(path.into()),
        None => match around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
            Some(text) if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => {
                Token::Text(Secret::new(text.into_bytes()))
            }
            Some(_) => return Err(refuse("AWS_CONTAINER_AUTHORIZATION_TOKEN is no header's value")),
            None => Token::None,
        },
    };
    Ok(Some(Source::Container { trust: around.trust.clone(), url, token }))
}

/// By TLS from anywhere, in the clear only from this machine and from the services of ECS and EKS.
fn may_hold_keys(url: &str) -> bool {
    let parsed = |rest: &str, tls: bool| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Endpoint::parse(authority, tls).ok().filter(|_| rest.chars().all(|c| c.is_ascii_graphic()))
    };
    match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => parsed(rest, true).is_some(),
        (_, Some(rest)) => parsed(rest, false).is_some_and(|endpoint| {
            let known = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
            let ip = endpoint.host().parse::<IpAddr>().ok();
            endpoint.is_loopback() || known.iter().any(|known| ip == known.parse().ok() && ip.is_some())
        }),
        (None, None) => false,
    }
}

/// The instance's metadata service, when it may be asked.
fn instance(wanted: &Wanted, around: &Surroundings) -> Result<Option<String>, Fault> {
    let set = around.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let off =
        around.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let ask = wanted.instance.unwrap_or(!off && (set.is_some() || around.endpoint.is_aws()));
    if !ask {
        return Ok(None);
    }
    let v6 = around
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let usual = if v6 { "http://[fd00:ec2::254]" } else { "http://169.254.169.254" };
    let endpoint = set.unwrap_or_else(|| usual.to_owned());
    match url_endpoint(&endpoint) {
        Ok(_) => Ok(Some(endpoint.trim_end_matches('/').to_owned())),
        Err(why) => Err(refuse(format!("AWS_EC2_METADATA_SERVICE_ENDPOINT: {why}"))),
    }
}

/// `http://host:port` or `https://host`, with or without a slash behind.
///
/// # Errors
/// One line that says what is wrong.
pub fn url_endpoint(url: &str) -> Result<Endpoint, String> {
    let (rest, tls) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        (None, None) => return Err("a URL is expected, http://host:port or https://host".to_owned()),
    };
    Endpoint::parse(rest.trim_end_matches('/'), tls)
}

/// The security token service: the one named, AWS's own for a store there, or the store's server,
/// as MinIO has it.
fn sts(wanted: &Wanted, around: &Surroundings) -> Result<Sts, Fault> {
    let region = around.region.clone().or_else(|| around.variable("AWS_REGION"));
    let region = region.filter(|region| is_region(region));
    let endpoint = match (&wanted.sts, around.variable("AWS_ENDPOINT_URL_STS")) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(url)) => {
            url_endpoint(&url).map_err(|why| refuse(format!("AWS_ENDPOINT_URL_STS: {why}")))?
        }
        (None, None) if around.endpoint.is_aws() => {
            let end = if around.endpoint.host().ends_with(".cn") { ".cn" } else { "" };
            let host = match &region {
                Some(region) => format!("sts.{region}.amazonaws.com{end}"),
                None => format!("sts.amazonaws.com{end}"),
            };
            Endpoint::parse(&host, true).map_err(|why| refuse(format!("sts_endpoint: {why}")))?
        }
        (None, None) => around.endpoint.clone(),
    };
    Ok(Sts {
        endpoint,
        trust: around.trust.clone(),
        proxies: around.proxies.clone(),
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        role: wanted.role.clone(),
    })
}
