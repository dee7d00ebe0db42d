//! Credential texts — files of other programs, answers of issuers — read into keys and their expiry.
//!
//! No error repeats a part of a text: it may be a secret. Names of sections and aliases are none.

use crate::base::limits::S3_TOKEN_BYTES_MAX;
use crate::base::secret::Secret;
use crate::s3::proto::date::parse_iso;
use crate::s3::proto::escape::{Plus, decode};
use crate::s3::proto::{json, xml};
use std::collections::BTreeMap;

/// Who signs, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The access key's name.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
    /// Of temporary keys.
    pub session_token: Option<Secret>,
    /// When they end, in seconds since 1970.
    pub expires: Option<i64>,
}

impl Keys {
    /// Keys that a request can be signed with. An empty token is none.
    ///
    /// # Errors
    /// What is wrong with which of them, without its text.
    pub fn new(
        access_key: &str,
        secret_key: Secret,
        session_token: Option<Secret>,
        expires: Option<i64>,
    ) -> Result<Keys, String> {
        let plain = |c: char| c.is_ascii_graphic() && c != ',' && c != '/';
        if access_key.is_empty() || !access_key.chars().all(plain) {
            return Err("access_key is empty or has characters that no access key has".to_owned());
        }
        if secret_key.expose().is_empty() {
            return Err("secret_access_key is empty".to_owned());
        }
        let session_token = session_token.filter(|token| !token.expose().is_empty());
        if let Some(token) = &session_token
            && (token.expose().len() > S3_TOKEN_BYTES_MAX || !token.expose().iter().all(u8::is_ascii_graphic))
        {
            return Err("session_token has characters that no token has, or is too long".to_owned());
        }
        Ok(Keys { access_key: access_key.to_owned(), secret_key, session_token, expires })
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// The keys of one profile of a shared credentials file: sections in brackets, `name = value` below
/// them, names in any case, comments after `#` and `;` at the start of a line.
///
/// # Errors
/// When there is no such profile, or it holds no keys; what there is instead.
pub fn parse_profile(text: &str, profile: &str) -> Result<Keys, String> {
    let mut sections: Vec<&str> = Vec::new();
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    let mut inside = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        // An indented line belongs to the setting above it, which is none of keys.
        if line.starts_with([' ', '\t', '#', ';']) || line.trim().is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.split(']').next().unwrap_or_default().trim();
            let name = name.strip_prefix("profile ").unwrap_or(name).trim();
            inside = name == profile;
            sections.push(name);
        } else if inside && let Some((name, value)) = line.split_once('=') {
            found.insert(name.trim().to_ascii_lowercase(), value.trim());
        }
    }
    if !sections.contains(&profile) {
        return Err(format!("no profile {profile:?} in it{}", there(&sections)));
    }
    let value = |name: &str| found.get(name).copied().filter(|value| !value.is_empty());
    let Some(access_key) = value("aws_access_key_id") else {
        let others: Vec<&str> = found.keys().map(String::as_str).collect();
        return Err(format!("profile {profile:?} has no aws_access_key_id{}", there(&others)));
    };
    let Some(secret_key) = value("aws_secret_access_key") else {
        return Err(format!("profile {profile:?} has no aws_secret_access_key"));
    };
    Keys::new(access_key, secret(secret_key), value("aws_session_token").map(secret), None)
}

fn there(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(10).map(|name| printable(name, 40)).collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!("; there is {}", shown.join(", ")),
    }
}

fn printable(text: &str, max: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect()
}

/// The keys of one alias of `mc`'s `config.json`.
///
/// # Errors
/// When it is no JSON, there is no such alias, or it holds no keys.
pub fn parse_mc_config(body: &[u8], alias: &str) -> Result<Keys, String> {
    let mut aliases: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, Secret> = BTreeMap::new();
    json::read(body, &mut |path, text| {
        // Before version 10 they were `hosts`.
        let [kind, name, field] = path else { return };
        if kind != "aliases" && kind != "hosts" {
            return;
        }
        if !aliases.contains(name) {
            aliases.push(name.clone());
        }
        if name == alias {
            found.insert(field.clone(), secret(text));
        }
    })?;
    let names: Vec<&str> = aliases.iter().map(String::as_str).collect();
    if !names.contains(&alias) {
        return Err(format!("no alias {alias:?} in it{}", there(&names)));
    }
    let mut take = |name: &str| found.remove(name).filter(|value| !value.expose().is_empty());
    let (access_key, secret_key, token) = (take("accessKey"), take("secretKey"), take("sessionToken"));
    let access_key = access_key.map(|key| String::from_utf8_lossy(key.expose()).into_owned());
    let (Some(access_key), Some(secret_key)) = (access_key, secret_key) else {
        return Err(format!("alias {alias:?} has no keys"));
    };
    Keys::new(&access_key, secret_key, token, None)
}

/// The keys in `https://KEY:SECRET[:TOKEN]@HOST`, as `MC_HOST_alias` holds them.
///
/// # Errors
/// When there are none.
pub fn parse_mc_host(text: &str) -> Result<Keys, String> {
    let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
    let missing = || "no KEY:SECRET@ before the host".to_owned();
    let (user, _) = behind.rsplit_once('@').ok_or_else(missing)?;
    let decoded = |part: &str| {
        decode(part, Plus::Literal).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(missing)
    };
    let mut parts = user.splitn(3, ':');
    let access_key = decoded(parts.next().unwrap_or_default())?;
    let secret_key = decoded(parts.next().ok_or_else(missing)?)?;
    let token = parts.next().map(decoded).transpose()?;
    Keys::new(&access_key, secret(&secret_key), token.as_deref().map(secret), None)
}

/// The answer of an instance's or a container's credentials service.
///
/// # Errors
/// When it is no such answer, or says that there are none.
pub fn parse_issued(body: &[u8]) -> Result<Keys, String> {
    let mut found: BTreeMap<String, Secret> = BTreeMap::new();
    json::read(body, &mut |path, text| {
        if let [name] = path {
            found.insert(name.clone(), secret(text));
        }
    })?;
    let text = |name: &str| found.get(name).and_then(|value| std::str::from_utf8(value.expose()).ok());
    if let Some(code) = text("Code").filter(|code| *code != "Success") {
        let message = text("Message").unwrap_or_default();
        return Err(format!("it says {}: {}", printable(code, 64), printable(message, 200)));
    }
    issued(&|name| text(if name == "SessionToken" { "Token" } else { name }))
}

/// The answer of a security token service: `<AssumeRole…Response>`.
///
/// # Errors
/// When it is no such answer.
pub fn parse_assumed(body: &[u8]) -> Result<Keys, String> {
    let mut found: BTreeMap<String, Secret> = BTreeMap::new();
    xml::read(body, &mut |path, text| {
        if let [_, result, credentials, name] = path
            && result.ends_with("Result")
            && credentials == "Credentials"
        {
            found.insert(name.clone(), secret(text.trim()));
        }
    })
    // In the reader's own words there may be a part of the text.
    .map_err(|_| "the answer is not the XML of a token service".to_owned())?;
    issued(&|name| found.get(name).and_then(|value| std::str::from_utf8(value.expose()).ok()))
}

fn issued<'a>(get: &dyn Fn(&str) -> Option<&'a str>) -> Result<Keys, String> {
    let need = |name: &str| get(name).ok_or_else(|| format!("no {name} in the answer"));
    let expires = match get("Expiration").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let at = parse_iso(text).ok_or("the answer's Expiration is no time")?;
            Some(at.div_euclid(1_000_000_000))
        }
    };
    let token = get("SessionToken").map(secret);
    Keys::new(need("AccessKeyId")?, secret(need("SecretAccessKey")?), token, expires)
}

/// What a security token service says when it refuses: `Code: message`, or nothing.
pub fn parse_refusal(body: &[u8]) -> String {
    let (mut code, mut message) = (String::new(), String::new());
    let whole = xml::read(body, &mut |path, text| match path {
        [.., error, name] if error == "Error" && name == "Code" => code = printable(text.trim(), 64),
        [.., error, name] if error == "Error" && name == "Message" => message = printable(text.trim(), 300),
        _ => {}
    });
    match whole {
        Ok(_) if !code.is_empty() => format!("{code}: {message}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(keys: Result<Keys, String>) -> Result<String, String> {
        let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        keys.map(|keys| {
            let token = keys.session_token.as_ref().map(text).unwrap_or_default();
            format!("{} {} {token} {:?}", keys.access_key, text(&keys.secret_key), keys.expires)
        })
    }

    const FILE: &str = "# comment\n[default]\naws_access_key_id = AK\nAWS_SECRET_ACCESS_KEY= se=cr#et \n\n\
                        [ work ]\r\naws_access_key_id=WK\r\naws_secret_access_key=hush\r\naws_session_token=tok\r\n\
                        s3 =\n  aws_access_key_id = nested\n[profile other]\naws_access_key_id=OK\n\
                        [role]\nrole_arn=arn\nsource_profile=work\n[half]\naws_access_key_id=\n";

    #[test]
    fn profiles_are_read_as_other_programs_read_them() {
        for (profile, expected) in [
            ("default", Ok("AK se=cr#et  None")),
            ("work", Ok("WK hush tok None")),
            ("other", Err("profile \"other\" has no aws_secret_access_key")),
            ("role", Err("profile \"role\" has no aws_access_key_id; there is role_arn, source_profile")),
            ("half", Err("profile \"half\" has no aws_access_key_id; there is aws_access_key_id")),
            ("gone", Err("no profile \"gone\" in it; there is default, work, other, role, half")),
        ] {
            let found = shown(parse_profile(FILE, profile));
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        assert_eq!(parse_profile("", "default").unwrap_err(), "no profile \"default\" in it");
    }

    #[test]
    fn aliases_of_mc_are_read_from_both_its_versions_and_its_variables() {
        let v10 = br#"{"version":"10","aliases":{"gcs":{"url":"https://x","accessKey":"YOUR","secretKey":"","api":"S3v2"},
            "m":{"url":"http://h:9000","accessKey":"AK","secretKey":"s\"k","sessionToken":"t","api":"S3v4"}}}"#;
        let v9 = br#"{"version":"9","hosts":{"m":{"url":"http://h","accessKey":"AK","secretKey":"sk"}}}"#;
        for (body, alias, expected) in [
            (&v10[..], "m", Ok("AK s\"k t None")),
            (v9, "m", Ok("AK sk  None")),
            (v10, "gcs", Err("alias \"gcs\" has no keys")),
            (v10, "x", Err("no alias \"x\" in it; there is gcs, m")),
            (b"{}", "m", Err("no alias \"m\" in it")),
            (b"{\"aliases\":", "m", Err("not JSON at byte 11: no value")),
        ] {
            let found = shown(parse_mc_config(body, alias));
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        for (text, expected) in [
            ("https://AK:sk@host:9000", Ok("AK sk  None")),
            ("http://AK:s%2Fk%40:to:k@host", Ok("AK s/k@ to:k None")),
            ("https://host", Err("no KEY:SECRET@ before the host")),
            ("https://AK@host", Err("no KEY:SECRET@ before the host")),
            ("https://AK:@host", Err("secret_access_key is empty")),
        ] {
            let found = shown(parse_mc_host(text));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }

    #[test]
    fn answers_of_issuers_become_keys_with_an_end() {
        let imds = br#"{"Code":"Success","LastUpdated":"2012-04-26T16:39:16Z","Type":"AWS-HMAC","AccessKeyId":"ASIA",
            "SecretAccessKey":"sk","Token":"tok","Expiration":"1970-01-01T00:01:40Z"}"#;
        let ecs =
            br#"{"RoleArn":"arn","AccessKeyId":"ASIA","SecretAccessKey":"sk","Token":"tok","Expiration":""}"#;
        for (body, expected) in [
            (&imds[..], Ok("ASIA sk tok Some(100)")),
            (ecs, Ok("ASIA sk tok None")),
            (
                br#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no\u0007"}"#,
                Err("it says AssumeRoleUnauthorizedAccess: no "),
            ),
            (br#"{"AccessKeyId":"ASIA"}"#, Err("no SecretAccessKey in the answer")),
            (
                br#"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}"#,
                Err("the answer's Expiration is no time"),
            ),
            (
                br#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":"a b"}"#,
                Err("session_token has characters that no token has, or is too long"),
            ),
            (b"<html>", Err("not JSON at byte 0: no value")),
        ] {
            let found = shown(parse_issued(body));
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        let sts =
            b"<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
            <AssumedRoleUser><Arn></Arn></AssumedRoleUser><Credentials><AccessKeyId>K</AccessKeyId>\
            <SecretAccessKey>s&amp;</SecretAccessKey><Expiration>1970-01-01T00:00:07Z</Expiration>\
            <SessionToken>t</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        assert_eq!(shown(parse_assumed(sts)).as_deref(), Ok("K s& t Some(7)"));
        assert!(parse_assumed(&sts[..sts.len() - 3]).is_err(), "a cut answer");
        assert_eq!(parse_assumed(b"<r/>").unwrap_err(), "no AccessKeyId in the answer");
        for (body, told) in [
            (&b"<ErrorResponse><Error><Type/><Code>AccessDenied</Code><Message>no\n</Message></Error></ErrorResponse>"[..], "AccessDenied: no"),
            (b"<Error><Code>InvalidAccessKeyId</Code><Message>m</Message></Error>", "InvalidAccessKeyId: m"),
            (b"<html>", ""),
            (b"", ""),
        ] {
            assert_eq!(parse_refusal(body), told);
        }
    }

    #[test]
    fn keys_that_no_request_can_carry_are_refused_and_debug_hides_secrets() {
        for (key, secret_key, token) in
            [("", "s", ""), ("a b", "s", ""), ("a/b", "s", ""), ("a", "", ""), ("a", "s", "x\r\ny")]
        {
            assert!(Keys::new(key, secret(secret_key), Some(secret(token)), None).is_err(), "{key:?}");
        }
        let keys = Keys::new("a", secret("hush"), Some(secret("quiet")), None).unwrap();
        let shown = format!("{keys:?}");
        assert!(!shown.contains("hush") && !shown.contains("quiet"), "{shown}");
    }
}
