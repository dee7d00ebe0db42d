//! From a host's name to its addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The system's names, and `localhost`, which is this machine whatever files or servers say (RFC
/// 6761, section 6.3): a static program may run where there is no `/etc/hosts`.
#[derive(Debug, Default)]
pub struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        match uri.host() {
            Some(host) if is_this_machine(host) => {
                let mut found = self.empty();
                found.push((Ipv4Addr::LOCALHOST, port).into());
                found.push((Ipv6Addr::LOCALHOST, port).into());
                Ok(found)
            }
            _ => self.0.resolve(uri, config, timeout),
        }
    }
}

/// `localhost` and names below it.
pub fn is_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}
