//! Requests for temporary keys, in the words that AWS's and MinIO's services share.

use crate::s3::proto::escape::encode_query;
use crate::s3::proto::request::{Method, Request};
use zeroize::Zeroizing;

/// How long the keys are to live. Roles allow an hour unless told otherwise.
const DURATION_SECS: &str = "3600";

const VERSION: &str = "2011-06-15";

/// For what role; MinIO needs neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::123456789012:role/backup`.
    pub arn: Option<String>,
    /// What the service's log calls us.
    pub session_name: Option<String>,
    /// What the role's owner agreed upon with us.
    pub external_id: Option<String>,
}

/// With long-term keys: the request is to be signed for the service `sts`.
pub fn assume_role(role: &Role) -> (Request, Zeroizing<Vec<u8>>) {
    form(&[
        ("Action", Some("AssumeRole")),
        ("Version", Some(VERSION)),
        ("DurationSeconds", Some(DURATION_SECS)),
        ("RoleArn", role.arn.as_deref()),
        ("RoleSessionName", Some(role.session_name.as_deref().unwrap_or("plakar"))),
        ("ExternalId", role.external_id.as_deref()),
    ])
}

/// With a token of another identity provider; not signed.
pub fn assume_role_with_web_identity(role: &Role, token: &str) -> (Request, Zeroizing<Vec<u8>>) {
    form(&[
        ("Action", Some("AssumeRoleWithWebIdentity")),
        ("Version", Some(VERSION)),
        ("DurationSeconds", Some(DURATION_SECS)),
        ("RoleArn", role.arn.as_deref()),
        ("RoleSessionName", Some(role.session_name.as_deref().unwrap_or("plakar"))),
        ("WebIdentityToken", Some(token)),
    ])
}

/// With the client certificate of the TLS connection, as MinIO offers it; not signed.
pub fn assume_role_with_certificate() -> Request {
    Request::new("assume role", Method::Post, "", None)
        .query("Action", "AssumeRoleWithCertificate")
        .query("Version", VERSION)
        .query("DurationSeconds", DURATION_SECS)
}

fn form(pairs: &[(&str, Option<&str>)]) -> (Request, Zeroizing<Vec<u8>>) {
    let mut body = Zeroizing::new(Vec::new());
    for (name, value) in pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        let gap = if body.is_empty() { "" } else { "&" };
        body.extend_from_slice(format!("{gap}{name}={}", encode_query(value.as_bytes())).as_bytes());
    }
    let request = Request::new("assume role", Method::Post, "", None)
        .header("content-type", "application/x-www-form-urlencoded");
    (request, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_hold_what_is_known_and_nothing_else() {
        let role = Role {
            arn: Some("arn:aws:iam::1:role/b".to_owned()),
            external_id: Some("x y".to_owned()),
            ..Role::default()
        };
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(
            text(&assume_role(&role).1),
            "Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fb\
             &RoleSessionName=plakar&ExternalId=x%20y"
        );
        assert_eq!(
            text(&assume_role_with_web_identity(&Role::default(), "a.b=").1),
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&DurationSeconds=3600&RoleSessionName=plakar\
             &WebIdentityToken=a.b%3D"
        );
        assert_eq!(
            assume_role_with_certificate().query_string(),
            "Action=AssumeRoleWithCertificate&DurationSeconds=3600&Version=2011-06-15"
        );
    }
}
