//! Which proxy, if any, stands between here and an endpoint.

use crate::s3::proto::address::Endpoint;
use core::net::IpAddr;
use std::fmt;

/// The environment's proxies, in the field's own variables: `HTTPS_PROXY` for TLS, `HTTP_PROXY` for
/// plain HTTP, `ALL_PROXY` for both, `NO_PROXY` for hosts that are reached directly; each also in
/// lower case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    plain: Option<String>,
    tls: Option<String>,
    direct: Vec<Direct>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    All,
    /// A host with all hosts below it, or only those below, at one port or any.
    Host {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Net {
        network: IpAddr,
        bits: u8,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Reads the variables through `get`. An empty one counts as unset.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Proxies {
        let value = |name: &str| {
            let found = get(name).filter(|text| !text.trim().is_empty());
            let found = found.or_else(|| get(&name.to_ascii_lowercase()));
            found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let with_scheme = |text: String| match text.contains("://") {
            true => text,
            false => format!("http://{text}"),
        };
        let all = value("ALL_PROXY");
        let direct = value("NO_PROXY").unwrap_or_default();
        let words = direct.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        Proxies {
            plain: value("HTTP_PROXY").or_else(|| all.clone()).map(with_scheme),
            tls: value("HTTPS_PROXY").or(all).map(with_scheme),
            direct: words.map(Direct::parse).collect(),
        }
    }

    /// The proxy's URL. `None` for the straight way, which this machine itself is always reached by.
    pub fn choose(&self, endpoint: &Endpoint) -> Option<&str> {
        let proxy = if endpoint.tls() { &self.tls } else { &self.plain };
        let straight = endpoint.is_loopback() || self.direct.iter().any(|direct| direct.covers(endpoint));
        proxy.as_deref().filter(|_| !straight)
    }
}

/// Their URLs may hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |url: &Option<String>| if url.is_some() { "set" } else { "unset" };
        write!(f, "Proxies {{ plain: {}, tls: {}, ", set(&self.plain), set(&self.tls))?;
        write!(f, "direct: {:?} }}", self.direct)
    }
}

impl Direct {
    fn parse(word: &str) -> Direct {
        if word == "*" {
            return Direct::All;
        }
        if let Some((network, bits)) = word.split_once('/')
            && let (Ok(network), Ok(bits)) = (network.parse(), bits.parse())
        {
            return Direct::Net { network, bits, port: None };
        }
        // An address without brackets has colons of its own.
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) if word.parse::<IpAddr>().is_err() => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (word, None),
            },
            _ => (word, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(network) = host.parse::<IpAddr>() {
            return Direct::Net { network, bits: 128, port };
        }
        let below = host.trim_start_matches('*');
        let name = below.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        Direct::Host { name, itself: !below.starts_with('.'), port }
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        let host = endpoint.host().trim_end_matches('.');
        let at = |port: &Option<u16>| port.is_none_or(|port| port == endpoint.port());
        match self {
            Direct::All => true,
            Direct::Host { name, itself, port } => {
                let rest = host.strip_suffix(name.as_str());
                let here = rest.is_some_and(|rest| (rest.is_empty() && *itself) || rest.ends_with('.'));
                !name.is_empty() && here && at(port)
            }
            Direct::Net { network, bits, port } => {
                host.parse().is_ok_and(|ip| within(ip, *network, *bits)) && at(port)
            }
        }
    }
}

/// Whether the first `bits` of both are the same; more bits than there are mean all.
fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let head = |all: u128, width: u32| all.checked_shr(width.saturating_sub(u32::from(bits))).unwrap_or(0);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            head(u128::from(ip.to_bits()), 32) == head(u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => head(ip.to_bits(), 128) == head(network.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Proxies;
    use crate::s3::proto::address::Endpoint;

    fn chosen(set: &[(&str, &str)], endpoint: &str, tls: bool) -> Option<String> {
        let get = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let endpoint = Endpoint::parse(endpoint, tls).unwrap();
        Proxies::from_environment(&get).choose(&endpoint).map(str::to_owned)
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let both = [("HTTPS_PROXY", "http://tls:1"), ("http_proxy", "plain:2")];
        assert_eq!(chosen(&both, "minio.lan", true).as_deref(), Some("http://tls:1"));
        assert_eq!(chosen(&both, "minio.lan", false).as_deref(), Some("http://plain:2"));
        let only = [("HTTPS_PROXY", "http://tls:1"), ("HTTP_PROXY", " ")];
        assert_eq!(chosen(&only, "minio.lan", false), None);
        let all = [("ALL_PROXY", "http://all:3"), ("HTTPS_PROXY", "http://tls:1")];
        assert_eq!(chosen(&all, "minio.lan", false).as_deref(), Some("http://all:3"));
        assert_eq!(chosen(&all, "minio.lan", true).as_deref(), Some("http://tls:1"));
    }

    #[test]
    fn hosts_that_are_reached_directly() {
        for (direct, endpoint, straight) in [
            ("", "127.0.0.1:9000", true),
            ("", "localhost", true),
            ("", "[::1]:9000", true),
            ("", "minio.lan", false),
            ("*", "minio.lan", true),
            ("a.lan, minio.lan ,b.lan", "minio.lan", true),
            ("a.lan  minio.lan", "minio.lan", true),
            ("minio.lan", "node1.minio.lan", true),
            ("minio.lan", "otherminio.lan", false),
            (".minio.lan", "minio.lan", false),
            ("*.lan", "minio.lan", true),
            ("MinIO.lan.", "minio.lan", true),
            ("minio.lan:9000", "minio.lan:9000", true),
            ("minio.lan:9000", "minio.lan:9001", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.1.2.3", "10.1.2.3:9000", true),
            ("10.1.2.3:80", "10.1.2.3:9000", false),
            ("10.1.2", "10.1.2.3", false),
            ("fd00::/8", "[fd12::1]:9000", true),
            ("fd12::1", "[fd12::1]:9000", true),
            ("[fd12::1]:9000", "[fd12::1]:9000", true),
            ("fd00::/8", "10.1.2.3", false),
            (".", "minio.lan", false),
        ] {
            let set = [("HTTP_PROXY", "http://proxy:8080"), ("no_proxy", direct)];
            assert_eq!(chosen(&set, endpoint, false).is_none(), straight, "{direct:?} {endpoint}");
        }
    }

    #[test]
    fn a_proxys_password_is_not_printed() {
        let get = |name: &str| (name == "ALL_PROXY").then(|| "http://user:secret@proxy".to_owned());
        assert!(!format!("{:?}", Proxies::from_environment(&get)).contains("secret"));
    }
}
