//! From a location and its options to a bucket.

use crate::connectors::context::Context;
use crate::connectors::location::S3Location;
use crate::connectors::options::S3Options;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::bucket::Bucket;
use crate::s3::chain::{Surroundings, choose};
use crate::s3::client::{Client, Config};
use crate::s3::proto::address::{Addressing, Endpoint};
use crate::s3::proto::proxy::Proxies;
use crate::s3::trust::Trust;
use std::sync::Arc;

/// Connects to nothing yet.
///
/// # Errors
/// `Unsupported`: a host, a bucket or a key that cannot be.
pub fn bucket(location: &S3Location, options: &S3Options, context: &Context) -> Result<Bucket, Fault> {
    let endpoint = Endpoint::parse(&location.host, options.use_tls)
        .map_err(|why| Fault::new(FaultKind::Unsupported, format!("{location}: {why}")))?;
    let wanted = &options.trust;
    let named = !wanted.fingerprints.is_empty() || wanted.authorities.is_some() || wanted.identity.is_some();
    let speaks_tls = endpoint.tls() || options.identity.sts.as_ref().is_some_and(Endpoint::tls);
    if named && !speaks_tls {
        let why =
            "use_tls=false: certificates have no part in it, and everything crosses the line in the open";
        return Err(Fault::new(FaultKind::Unsupported, why).with_remedy("set use_tls=true"));
    }
    let trust = Trust::load(wanted)?;
    let proxies = Proxies::from_environment(&*context.environment);
    let around = Surroundings {
        endpoint: endpoint.clone(),
        region: options.region.clone(),
        trust: trust.clone(),
        has_certificate: options.trust.identity.is_some(),
        proxies: proxies.clone(),
        environment: Arc::clone(&context.environment),
        shell: Arc::clone(&context.shell),
    };
    let login = choose(&options.identity, &around)?;
    let config = Config {
        region: options.region.clone(),
        addressing: match options.virtual_host {
            None => Addressing::Auto,
            Some(true) => Addressing::VirtualHost,
            Some(false) => Addressing::Path,
        },
        proxies,
        trust: Some(trust),
        connections: context.concurrency,
        bandwidth: options.transfer.bandwidth,
        encryption: options.transfer.encryption.clone(),
        parts_max: options.transfer.parts_max,
        trace: context.trace.clone(),
        stall: context.stall,
        ..Config::new(endpoint, login)
    };
    let client = Client::new(
        config,
        Arc::clone(&context.clock),
        Arc::clone(&context.dice),
        context.cancel.clone(),
        Arc::clone(&context.notice),
    )?;
    client.bucket(&location.bucket)
}
