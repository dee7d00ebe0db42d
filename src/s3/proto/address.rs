//! Where a request goes: endpoint, bucket and key, and the host and path they become.

use crate::base::limits::S3_KEY_BYTES_MAX;
use crate::s3::proto::escape::encode_into;
use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

/// A server: host, port, and whether it speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    /// Lower case; an IPv6 literal is without its brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`. Without a port it is 443 or 80.
    ///
    /// # Errors
    /// One line that says what is wrong with the text.
    pub fn parse(text: &str, tls: bool) -> Result<Endpoint, String> {
        let fault = |why: &str| Err(format!("endpoint {text:?}: {why}"));
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let Some((literal, after)) = rest.split_once(']') else {
                return fault("the [ of the IPv6 address is not closed");
            };
            if literal.parse::<Ipv6Addr>().is_err() {
                return fault("not an IPv6 address between [ and ]");
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => (literal, None),
                Some(port) => (literal, Some(port)),
                None => return fault("a port is written after a colon"),
            }
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return fault("an IPv6 address is written between [ and ]");
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || (!text.starts_with('[') && !host.chars().all(name)) {
            return fault("not a host name");
        }
        let port = match port {
            None if tls => 443,
            None => 80,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return fault("the port is not a number from 1 to 65535"),
            },
        };
        Ok(Endpoint { tls, host: host.to_ascii_lowercase(), port })
    }

    /// Whether requests go over TLS.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The host, an IPv6 literal without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also when it is the scheme's own.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is this machine, by its address or as `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    fn is_ip(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// `host`, or `host:port` when the port is not the scheme's own: exactly what the `Host` header
    /// carries, so that what is signed is what is sent.
    fn authority(&self, bucket: Option<&str>) -> String {
        let mut out = String::new();
        if let Some(bucket) = bucket {
            out.push_str(bucket);
            out.push('.');
        }
        if self.host.contains(':') {
            out.push('[');
            out.push_str(&self.host);
            out.push(']');
        } else {
            out.push_str(&self.host);
        }
        if self.port != if self.tls { 443 } else { 80 } {
            out.push(':');
            out.push_str(&self.port.to_string());
        }
        out
    }

    /// Whether it is one of AWS's.
    pub fn is_aws(&self) -> bool {
        ["amazonaws.com", "amazonaws.com.cn"]
            .iter()
            .any(|domain| self.host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
    }

    /// Whether the service is one that is known to want the bucket in the host name.
    fn wants_virtual_host(&self) -> bool {
        self.is_aws() || self.host.ends_with(".aliyuncs.com")
    }
}

/// `host` or `host:port`, as a person wrote it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority(None))
    }
}

/// Where the bucket's name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Addressing {
    /// In the host name for services that want it so, in the path for all others.
    #[default]
    Auto,
    /// `http://host/bucket/key`.
    Path,
    /// `http://bucket.host/key`.
    VirtualHost,
}

/// A bucket's name: 3 to 255 of letters, digits, `.`, `-` and `_`, not made of dots alone.
///
/// Wider than what can be created today, since old buckets must stay readable.
///
/// # Errors
/// One line that says so.
pub fn check_bucket(name: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(3..=255).contains(&name.len()) || !name.chars().all(known) || name.chars().all(|c| c == '.') {
        return Err(format!(
            "bucket {name:?}: a bucket's name is 3 to 255 letters, digits, dots, dashes and underscores"
        ));
    }
    Ok(())
}

/// An object's key: 1 to 1024 bytes of any value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Takes the bytes as they are.
    ///
    /// # Errors
    /// Refuses the empty key, which would turn an object's request into its bucket's, and keys
    /// that are too long.
    pub fn new(bytes: &[u8]) -> Result<Key, String> {
        match bytes.len() {
            0 => Err("the empty key names the bucket, not an object".to_owned()),
            1..=S3_KEY_BYTES_MAX => Ok(Key(bytes.to_vec())),
            length => {
                Err(format!("a key of {length} bytes is longer than the {S3_KEY_BYTES_MAX} that S3 allows"))
            }
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// For messages: what is no readable text is escaped.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in String::from_utf8_lossy(&self.0).chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Where one request goes, in the very characters that are signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The `Host` header.
    pub authority: String,
    /// Begins with `/`; percent-encoded once, never normalised.
    pub path: String,
}

/// Puts the bucket where `addressing` and the endpoint want it.
///
/// # Errors
/// When the bucket's name cannot stand in a host name and was asked to.
pub fn place(
    endpoint: &Endpoint,
    addressing: Addressing,
    bucket: &str,
    key: Option<&Key>,
) -> Result<Place, String> {
    let label = |part: &str| {
        let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(inside) && !part.starts_with('-') && !part.ends_with('-')
    };
    let fits = bucket.len() <= 63 && bucket.split('.').all(label) && !endpoint.is_ip();
    let in_host = match addressing {
        Addressing::Path => false,
        Addressing::VirtualHost if !fits => {
            return Err(format!("bucket {bucket} cannot be part of the host name {endpoint}"));
        }
        Addressing::VirtualHost => true,
        // A wildcard certificate covers one label: a bucket with a dot would fail its check.
        Addressing::Auto => endpoint.wants_virtual_host() && fits && !(endpoint.tls && bucket.contains('.')),
    };
    let mut path = String::from("/");
    if !in_host {
        encode_into(&mut path, bucket.as_bytes(), false);
        if key.is_some() {
            path.push('/');
        }
    }
    if let Some(key) = key {
        encode_into(&mut path, key.as_bytes(), true);
    }
    Ok(Place { authority: endpoint.authority(in_host.then_some(bucket)), path })
}

#[cfg(test)]
mod tests {
    use super::{Addressing, Endpoint, Key, check_bucket, place};

    #[test]
    fn endpoints_are_read_and_printed() {
        for (text, tls, host, shown) in [
            ("127.0.0.1:9000", false, "127.0.0.1", "127.0.0.1:9000"),
            ("MinIO.local", true, "minio.local", "minio.local"),
            ("minio.local:443", true, "minio.local", "minio.local"),
            ("minio.local:80", true, "minio.local", "minio.local:80"),
            ("minio.local:80", false, "minio.local", "minio.local"),
            ("[::1]:9000", false, "::1", "[::1]:9000"),
            ("[FE80::1]", true, "fe80::1", "[fe80::1]"),
        ] {
            let endpoint = Endpoint::parse(text, tls).unwrap();
            assert_eq!((endpoint.host(), endpoint.to_string().as_str()), (host, shown));
        }
        for bad in [
            "",
            ":9000",
            "host:",
            "host:0",
            "host:65536",
            "::1",
            "[::1",
            "[host]",
            "[::1]9",
            "a/b",
            "http://a",
            "user@host",
            "a b",
            "a\r\nb",
        ] {
            assert!(Endpoint::parse(bad, false).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_never_leaves_its_bucket() {
        let endpoint = Endpoint::parse("minio.local:9000", false).unwrap();
        for (key, path) in [
            ("a/../../other/x", "/bucket/a/../../other/x"),
            ("//evil.example/x", "/bucket///evil.example/x"),
            ("?x=1#y", "/bucket/%3Fx%3D1%23y"),
            (" + %", "/bucket/%20%2B%20%25"),
            ("dir/", "/bucket/dir/"),
        ] {
            let key = Key::new(key.as_bytes()).unwrap();
            let place = place(&endpoint, Addressing::Auto, "bucket", Some(&key)).unwrap();
            assert_eq!((place.authority.as_str(), place.path.as_str()), ("minio.local:9000", path));
        }
        assert!(Key::new(b"").is_err());
        assert!(Key::new(&[b'a'; 1025]).is_err());
        assert!(Key::new(&[0xff; 1024]).is_ok());
    }

    #[test]
    fn the_bucket_stands_where_the_service_wants_it() {
        use Addressing::{Auto, Path, VirtualHost};
        for (host, tls, how, bucket, authority, path) in [
            ("s3.eu-west-1.amazonaws.com", true, Auto, "data", "data.s3.eu-west-1.amazonaws.com", "/k"),
            ("s3.amazonaws.com", true, Auto, "a.b", "s3.amazonaws.com", "/a.b/k"),
            ("s3.amazonaws.com", false, Auto, "a.b", "a.b.s3.amazonaws.com", "/k"),
            ("s3.amazonaws.com", true, Auto, "Old_Bucket", "s3.amazonaws.com", "/Old_Bucket/k"),
            ("notamazonaws.com", true, Auto, "data", "notamazonaws.com", "/data/k"),
            ("s3.amazonaws.com", true, Path, "data", "s3.amazonaws.com", "/data/k"),
            ("minio.local:9000", false, VirtualHost, "data", "data.minio.local:9000", "/k"),
        ] {
            let endpoint = Endpoint::parse(host, tls).unwrap();
            let key = Key::new(b"k").unwrap();
            let at = place(&endpoint, how, bucket, Some(&key)).unwrap();
            assert_eq!((at.authority.as_str(), at.path.as_str()), (authority, path));
        }
        let ip = Endpoint::parse("10.0.0.1", false).unwrap();
        assert!(place(&ip, VirtualHost, "data", None).is_err());
        assert_eq!(place(&ip, Auto, "data", None).unwrap().path, "/data");
    }

    #[test]
    fn bucket_names_are_checked() {
        for good in ["abc", "plakar-kloset", "Old_Bucket.2009"] {
            assert_eq!(check_bucket(good), Ok(()));
        }
        for bad in ["", "ab", "...", "a/b", "a b", "é12", &"x".repeat(256)] {
            assert!(check_bucket(bad).is_err(), "{bad:?}");
        }
    }
}
