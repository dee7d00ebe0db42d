//! Options about who asks, and about whose certificates are trusted.

use crate::base::secret::Secret;
use crate::connectors::options::{Options, flag, invalid, text};
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::chain::{self, url_endpoint};
use crate::s3::proto::sts::Role;
use crate::s3::trust;
use std::path::PathBuf;

/// Names of the options about who asks.
pub const IDENTITY: [&str; 16] = [
    "access_key",
    "secret_access_key",
    "session_token",
    "access_key_env",
    "secret_access_key_env",
    "session_token_env",
    "secret_access_key_cmd",
    "profile",
    "shared_credentials_file",
    "mc_alias",
    "role_arn",
    "role_session_name",
    "external_id",
    "web_identity_token_file",
    "sts_endpoint",
    "instance_metadata",
];

/// Names of the options about TLS, besides whether it is spoken.
pub const TRUST: [&str; 5] =
    ["tls_insecure_no_verify", "tls_fingerprint", "ca_file", "client_cert", "client_key"];

/// Who asks, as far as the options say.
///
/// # Errors
/// `Unsupported`, naming the option whose value cannot be.
pub fn identity(options: &Options) -> Result<chain::Wanted, Fault> {
    let secret = |name: &str| text(options, name).map(|text| Secret::new(text.into_bytes()));
    let variable = |name: &str| match text(options, name) {
        Some(variable) if variable.contains(['=', '$', ' ']) => {
            Err(invalid(name, "the name of an environment variable is expected"))
        }
        variable => Ok(variable),
    };
    let sts = text(options, "sts_endpoint").map(|url| url_endpoint(&url)).transpose();
    Ok(chain::Wanted {
        access_key: text(options, "access_key"),
        secret_key: secret("secret_access_key"),
        session_token: secret("session_token"),
        access_key_env: variable("access_key_env")?,
        secret_key_env: variable("secret_access_key_env")?,
        session_token_env: variable("session_token_env")?,
        secret_key_cmd: text(options, "secret_access_key_cmd"),
        profile: text(options, "profile"),
        credentials_file: file(options, "shared_credentials_file")?,
        mc_alias: text(options, "mc_alias"),
        web_identity: file(options, "web_identity_token_file")?,
        role: Role {
            arn: text(options, "role_arn"),
            session_name: text(options, "role_session_name"),
            external_id: text(options, "external_id"),
        },
        sts: sts.map_err(|why| invalid("sts_endpoint", &why))?,
        instance: match options.contains_key("instance_metadata") {
            true => Some(flag(options, "instance_metadata", false)?),
            false => None,
        },
    })
}

/// Whose certificates are accepted, and which one is shown.
///
/// # Errors
/// `Unsupported`, naming the option whose value cannot be.
pub fn trust(options: &Options) -> Result<trust::Wanted, Fault> {
    let refuse = |text: &str| Fault::new(FaultKind::Unsupported, text);
    let pins = text(options, "tls_fingerprint").unwrap_or_default();
    let pins = pins.split(',').map(str::trim).filter(|pin| !pin.is_empty()).map(fingerprint);
    let fingerprints = pins.collect::<Option<Vec<_>>>().ok_or_else(|| {
        let expected =
            "the SHA-256 of a certificate is expected: 64 hexadecimal digits, with or without colons";
        invalid("tls_fingerprint", expected)
    })?;
    let insecure = flag(options, "tls_insecure_no_verify", false)?;
    let authorities = file(options, "ca_file")?;
    if insecure && (authorities.is_some() || !fingerprints.is_empty()) {
        return Err(refuse(
            "tls_insecure_no_verify accepts every certificate, whatever ca_file and tls_fingerprint say",
        )
        .with_remedy("leave it out"));
    }
    Ok(trust::Wanted {
        insecure,
        fingerprints,
        authorities,
        identity: match (file(options, "client_cert")?, file(options, "client_key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(refuse("client_cert without client_key")),
            (None, Some(_)) => return Err(refuse("client_key without client_cert")),
        },
    })
}

/// As a refusal shows it, or as openssl prints it.
fn fingerprint(text: &str) -> Option<trust::Fingerprint> {
    let digits = text.replace(':', "").to_ascii_lowercase();
    let digits = digits.strip_prefix("sha256").unwrap_or(&digits);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok().map(|()| bytes)
}

/// A file by its absolute path: commands run in more than one directory.
fn file(options: &Options, name: &str) -> Result<Option<PathBuf>, Fault> {
    match text(options, name).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(invalid(name, "an absolute path is expected")),
        path => Ok(path),
    }
}
