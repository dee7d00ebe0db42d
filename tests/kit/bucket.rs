//! A bucket as the program's own client sees it, for tests that look at servers directly.

use crate::kit::connect::{self, Remarks};
use crate::kit::hand_clock;
use plakar::s3::bucket::Bucket;
use plakar::s3::client::{Client, Config};
use plakar::s3::proto::address::Endpoint;
use std::time::Duration;

/// On a server without TLS; nothing is asked of it yet. Gives up soon: what a server cannot do, some
/// call an internal error.
pub fn bucket(host: &str, name: &str, key: &str, secret: &str) -> Bucket {
    heard(host, name, key, secret).0
}

/// As [`bucket`], and what the client says while it is used.
pub fn heard(host: &str, name: &str, key: &str, secret: &str) -> (Bucket, Remarks) {
    let endpoint = Endpoint::parse(host, false).unwrap();
    let config = Config {
        retry_budget: Duration::from_secs(5),
        ..Config::new(endpoint, hand_clock::login(key, secret))
    };
    let (context, remarks) = connect::context();
    let (clock, dice, cancel) = (context.clock, context.dice, context.cancel);
    let client = Client::new(config, clock, dice, cancel, context.notice).unwrap();
    (client.bucket(name).unwrap(), remarks)
}
