//! Options of connectors: which there are, and what their values mean.

use crate::base::nearest::nearest;
use crate::connectors::s3_identity::{IDENTITY, TRUST, identity, trust};
use crate::connectors::s3_transfer::Transfer;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::chain;
use crate::s3::proto::fault::is_region;
use crate::s3::trust;
use std::collections::BTreeMap;

/// Name and value of each, as the configuration holds them.
pub type Options = BTreeMap<String, String>;

/// What a connector is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It keeps a Kloset.
    Store,
    /// A backup reads from it.
    Source,
    /// A restore writes to it.
    Destination,
}

/// Besides those about who asks and whom to trust.
const S3: [&str; 5] = ["use_tls", "region", "virtual_host", "bandwidth", "sse_customer_key"];

/// Of those that objects are written to.
const WRITING: [&str; 3] = ["max_parts", "sse", "sse_kms_key_id"];

/// Storage classes of packfiles; the last two give nothing back without a thaw.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
];

/// The options that a connector knows.
pub fn known(protocol: &str, role: Role) -> Vec<&'static str> {
    let own: &[&str] = match (protocol, role) {
        ("fs", Role::Source) => &["dont_traverse_fs"],
        ("s3", Role::Store) => &["storage_class"],
        ("s3", Role::Destination) => &["overwrite", "symlinks"],
        _ => &[],
    };
    let shared: &[&[&str]] = match (protocol, role) {
        ("s3", Role::Source) => &[&IDENTITY, &TRUST, &S3],
        ("s3", _) => &[&IDENTITY, &TRUST, &S3, &WRITING],
        _ => &[],
    };
    [shared.concat().as_slice(), own].concat()
}

/// Refuses what the connector would pass over.
///
/// # Errors
/// `Unsupported`: the first unknown option, with the one that was probably meant.
pub fn check(protocol: &str, role: Role, options: &Options) -> Result<(), Fault> {
    let known = known(protocol, role);
    let Some(unknown) = options.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
    let who = match role {
        Role::Store => "store",
        Role::Source => "source",
        Role::Destination => "destination",
    };
    let remedy = match (nearest(unknown, known.iter().copied()), known.as_slice()) {
        (_, []) => "it takes none".to_owned(),
        (Some(near), all) => format!("did you mean {near}? it takes {}", all.join(", ")),
        (None, all) => format!("it takes {}", all.join(", ")),
    };
    let message = format!("unknown option {unknown:?} of a {protocol} {who}");
    Err(Fault::new(FaultKind::Unsupported, message).with_remedy(remedy))
}

/// A yes or no in the ten ways that Go's `strconv.ParseBool` takes.
///
/// # Errors
/// `Unsupported`: `invalid NAME value`.
pub fn flag(options: &Options, name: &str, default: bool) -> Result<bool, Fault> {
    match options.get(name).map(String::as_str) {
        None => Ok(default),
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some(_) => Err(invalid(name, "true or false is expected")),
    }
}

/// A value that cannot be, and what can.
pub(super) fn invalid(name: &str, expected: &str) -> Fault {
    Fault::new(FaultKind::Unsupported, format!("invalid {name} value")).with_remedy(expected)
}

/// How to reach a server, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Options {
    /// Who asks.
    pub identity: chain::Wanted,
    /// Whether to speak TLS.
    pub use_tls: bool,
    /// Whose certificates are accepted, and which one is shown.
    pub trust: trust::Wanted,
    /// For signatures, when the server does not tell.
    pub region: Option<String>,
    /// Bucket in the host name (`Some(true)`), in the path (`Some(false)`), or as is usual there.
    pub virtual_host: Option<bool>,
    /// How bytes travel and are kept.
    pub transfer: Transfer,
    /// Of packfiles; `None` leaves it to the server.
    pub storage_class: Option<String>,
    /// What a restore does about objects that are there.
    pub overwrite: Overwrite,
    /// Whether a restore writes symbolic links as objects.
    pub symlinks: bool,
}

/// What becomes of an object that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It is replaced.
    #[default]
    Always,
    /// It is replaced unless it has the same content.
    IfDifferent,
    /// It stays.
    Never,
}

impl S3Options {
    /// Reads options that [`check`] has passed. Whether they are complete is for the client to say.
    ///
    /// # Errors
    /// `Unsupported`, naming the option whose value cannot be.
    pub fn parse(options: &Options) -> Result<S3Options, Fault> {
        let optional = |name: &str| text(options, name);
        Ok(S3Options {
            identity: identity(options)?,
            use_tls: flag(options, "use_tls", true)?,
            trust: trust(options)?,
            region: match optional("region") {
                Some(region) if !is_region(&region) => {
                    return Err(invalid(
                        "region",
                        "letters, digits, dots, dashes and underscores are expected",
                    ));
                }
                region => region,
            },
            virtual_host: match options.contains_key("virtual_host") {
                true => Some(flag(options, "virtual_host", false)?),
                false => None,
            },
            transfer: Transfer::parse(options)?,
            storage_class: optional("storage_class")
                .map(|class| storage_class(&class))
                .transpose()?
                .flatten(),
            overwrite: match optional("overwrite").as_deref() {
                None | Some("always") => Overwrite::Always,
                Some("if-different") => Overwrite::IfDifferent,
                Some("never") => Overwrite::Never,
                Some(_) => return Err(invalid("overwrite", "one of always, if-different, never")),
            },
            symlinks: match optional("symlinks").as_deref() {
                None | Some("skip") => false,
                Some("object") => true,
                Some(_) => return Err(invalid("symlinks", "one of skip, object")),
            },
        })
    }
}

/// A value that is not empty.
pub(super) fn text(options: &Options, name: &str) -> Option<String> {
    options.get(name).filter(|value| !value.is_empty()).cloned()
}

/// The header's value; none for the class that every server has anyway.
fn storage_class(class: &str) -> Result<Option<String>, Fault> {
    let class = class.to_ascii_uppercase();
    match class.as_str() {
        "STANDARD" => Ok(None),
        "GLACIER" | "DEEP_ARCHIVE" => {
            let message = format!("storage_class {class}: what is stored in it cannot be read back at once");
            Err(Fault::new(FaultKind::Unsupported, message)
                .with_remedy("GLACIER_IR is the cheapest class that can"))
        }
        known if STORAGE_CLASSES.contains(&known) => Ok(Some(class)),
        _ => Err(Fault::new(FaultKind::Unsupported, "invalid storage_class value")
            .with_remedy(format!("one of {}", STORAGE_CLASSES.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Role, S3Options, check};

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn unknown_options_are_refused_with_the_nearest_known_one() {
        let cases = [
            ("s3", Role::Store, "acess_key", Some("did you mean access_key?")),
            ("s3", Role::Store, "storage-class", Some("did you mean storage_class?")),
            ("s3", Role::Source, "storage_class", Some("it takes access_key")),
            ("s3", Role::Source, "usetls", Some("did you mean use_tls?")),
            ("s3", Role::Destination, "zzz", Some("it takes access_key")),
            ("fs", Role::Store, "access_key", Some("it takes none")),
            ("fs", Role::Source, "dont_traverse", Some("did you mean dont_traverse_fs?")),
            ("fs", Role::Source, "dont_traverse_fs", None),
            ("s3", Role::Store, "storage_class", None),
            ("s3", Role::Destination, "overwrite", None),
            ("s3", Role::Source, "max_parts", Some("it takes access_key")),
            ("s3", Role::Destination, "max_parts", None),
            ("s3", Role::Source, "sse_customer_key", None),
            ("s3", Role::Source, "overwrite", Some("it takes access_key")),
        ];
        for (protocol, role, name, told) in cases {
            let found = check(protocol, role, &options(&[(name, "x")])).err().map(|fault| fault.to_string());
            match told {
                None => assert_eq!(found, None),
                Some(told) => {
                    let found = found.unwrap();
                    assert!(found.contains(told) && found.contains(name), "{found}");
                    assert!(!found.contains("did you mean") || told.starts_with("did you"), "{found}");
                }
            }
        }
    }

    #[test]
    fn wrong_values_are_named() {
        let keys = [("access_key", "a"), ("secret_access_key", "hush")];
        let cases: [(&[(&str, &str)], &str); 17] = [
            (&[("region", "eu/west")], "invalid region value"),
            (&[("access_key_env", "$KEY")], "invalid access_key_env value"),
            (&[("sts_endpoint", "minio:9000")], "invalid sts_endpoint value"),
            (&[("instance_metadata", "perhaps")], "invalid instance_metadata value"),
            (&[("shared_credentials_file", "credentials")], "invalid shared_credentials_file value"),
            (&[("web_identity_token_file", "./token")], "invalid web_identity_token_file value"),
            (&[("ca_file", "ca.pem")], "invalid ca_file value"),
            (&[("client_cert", "/c.pem")], "client_cert without client_key"),
            (&[("client_key", "/c.pem")], "client_key without client_cert"),
            (&[("tls_fingerprint", "abc")], "invalid tls_fingerprint value"),
            (&[keys[0], keys[1], ("use_tls", "yes")], "invalid use_tls value"),
            (&[keys[0], keys[1], ("tls_insecure_no_verify", "")], "invalid tls_insecure_no_verify value"),
            (&[keys[0], keys[1], ("storage_class", "COLD")], "invalid storage_class value"),
            (&[keys[0], keys[1], ("storage_class", "glacier")], "storage_class GLACIER: "),
            (&[keys[0], keys[1], ("virtual_host", "maybe")], "invalid virtual_host value"),
            (&[keys[0], keys[1], ("overwrite", "yes")], "invalid overwrite value"),
            (&[keys[0], keys[1], ("symlinks", "follow")], "invalid symlinks value"),
        ];
        for (pairs, begins) in cases {
            let fault = S3Options::parse(&options(pairs)).unwrap_err();
            assert!(fault.message.starts_with(begins), "{fault}");
        }
    }

    #[test]
    fn defaults_and_classes() {
        let keys = [("access_key", "a"), ("secret_access_key", "hush")];
        let parsed = S3Options::parse(&options(&keys)).unwrap();
        assert!(parsed.use_tls && !parsed.trust.insecure);
        assert_eq!((parsed.virtual_host, &parsed.storage_class), (None, &None));
        assert!(!format!("{parsed:?}").contains("hush"));
        for (given, kept) in [("standard", None), ("standard_ia", Some("STANDARD_IA")), ("", None)] {
            let parsed = S3Options::parse(&options(&[keys[0], keys[1], ("storage_class", given)])).unwrap();
            assert_eq!(parsed.storage_class.as_deref(), kept);
        }
    }
}
