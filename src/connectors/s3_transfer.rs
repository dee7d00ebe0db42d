//! Options about how an object's bytes travel and are kept: rate, parts, encryption.

use crate::base::limits::S3_PARTS_MAX;
use crate::base::secret::Secret;
use crate::connectors::options::{Options, invalid};
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::proto::encryption::{CustomerKey, Encryption};

/// Slower, a part would take days, and servers hang up.
const RATE_MIN: u64 = 1024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes a second, both ways together.
    pub bandwidth: Option<u64>,
    /// Most parts of one upload.
    pub parts_max: u64,
    /// How the server encrypts objects.
    pub encryption: Encryption,
}

impl Transfer {
    /// Reads `bandwidth`, `max_parts` and the three of `sse`.
    ///
    /// # Errors
    /// `Unsupported`, naming the option; a key's file that cannot be read.
    pub fn parse(options: &Options) -> Result<Transfer, Fault> {
        let given = |name: &str| options.get(name).filter(|value| !value.is_empty());
        Ok(Transfer {
            bandwidth: given("bandwidth").map(|text| rate(text)).transpose()?,
            parts_max: given("max_parts").map_or(Ok(S3_PARTS_MAX), |text| parts(text))?,
            encryption: encryption(given("sse"), given("sse_kms_key_id"), given("sse_customer_key"))?,
        })
    }
}

/// Bytes a second: `5000000`, `10MiB`, `1.5MB`.
fn rate(text: &str) -> Result<u64, Fault> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("k", 1 << 10),
        ("kib", 1 << 10),
        ("kb", 1000),
        ("m", 1 << 20),
        ("mib", 1 << 20),
        ("mb", 1_000_000),
        ("gib", 1 << 30),
        ("gb", 1_000_000_000),
    ];
    let text = text.trim().trim_end_matches("/s").to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let (whole, fraction) = digits.trim_end().split_once('.').unwrap_or((digits.trim_end(), "0"));
    let read = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
    };
    let found = (|| {
        let unit = unit?;
        let of = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = u128::from(read(fraction)?) * u128::from(unit) / u128::from(of);
        read(whole)?.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
    })();
    match found {
        Some(bytes) if bytes >= RATE_MIN => Ok(bytes),
        _ => Err(invalid("bandwidth", "bytes a second, at least 1KiB: 5000000, 10MiB or 1.5MB")),
    }
}

fn parts(text: &str) -> Result<u64, Fault> {
    text.parse()
        .ok()
        .filter(|parts| (1..=S3_PARTS_MAX).contains(parts))
        .ok_or_else(|| invalid("max_parts", "a number from 1 to 10000"))
}

fn encryption(
    sse: Option<&String>,
    kms_key: Option<&String>,
    own_key: Option<&String>,
) -> Result<Encryption, Fault> {
    if let Some(own_key) = own_key {
        if sse.is_some() || kms_key.is_some() {
            let why = "sse_customer_key goes with neither sse nor sse_kms_key_id";
            return Err(Fault::new(FaultKind::Unsupported, why).with_remedy("one key encrypts an object"));
        }
        return customer_key(own_key).map(Encryption::Customer);
    }
    match (sse.map(String::as_str), kms_key) {
        (None, None) => Ok(Encryption::Bucket),
        (Some("AES256"), None) => Ok(Encryption::Server),
        (Some("aws:kms") | None, key) => Ok(Encryption::Kms(key.cloned())),
        (Some("AES256"), Some(_)) => Err(invalid("sse", "sse_kms_key_id goes with sse=aws:kms")),
        (Some(_), _) => Err(invalid("sse", "AES256 or aws:kms")),
    }
}

/// From base64 text, or from a file by its absolute path: commands run in more than one directory.
fn customer_key(text: &str) -> Result<CustomerKey, Fault> {
    const NAME: &str = "sse_customer_key";
    let bytes = match text.strip_prefix("file:") {
        Some(path) if !path.starts_with('/') => {
            return Err(invalid(NAME, "an absolute path is expected behind file:"));
        }
        Some(path) => std::fs::read(path)
            .map_err(|error| Fault::from_io(format_args!("{NAME}: read {path}"), &error))?,
        None => text.as_bytes().to_vec(),
    };
    let bytes = Secret::new(bytes);
    CustomerKey::parse(bytes.expose()).map_err(|why| invalid(NAME, &format!("{why}, or file:/PATH")))
}

#[cfg(test)]
mod tests {
    use super::{Transfer, rate};
    use crate::s3::proto::encryption::Encryption;

    #[test]
    fn rates_are_read_in_bytes_and_their_multiples() {
        for (text, bytes) in [
            ("5000000", 5_000_000),
            ("1024", 1024),
            ("10MiB", 10 << 20),
            ("10M", 10 << 20),
            ("1.5MB", 1_500_000),
            ("1.5 mib/s", 3 << 19),
            ("0.25GiB", 1 << 28),
            ("64k", 64 << 10),
            ("64kb", 64_000),
        ] {
            assert_eq!(rate(text).unwrap(), bytes, "{text}");
        }
        for bad in [
            "",
            "fast",
            "1023",
            "-1M",
            "1..5M",
            "1.M",
            "10 parsecs",
            "99999999999GiB",
            "1e6",
            "M",
            "\u{661}M",
        ] {
            let fault = rate(bad).unwrap_err().to_string();
            assert!(fault.starts_with("invalid bandwidth value"), "{bad}: {fault}");
        }
    }

    #[test]
    fn what_encrypts_is_one_thing_and_well_formed() {
        let parse = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Transfer::parse(&pairs.collect()).map(|transfer| transfer.encryption)
        };
        let key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
        assert_eq!(parse(&[]).unwrap(), Encryption::Bucket);
        assert_eq!(parse(&[("sse", "AES256")]).unwrap(), Encryption::Server);
        assert_eq!(parse(&[("sse", "aws:kms")]).unwrap(), Encryption::Kms(None));
        let named = Encryption::Kms(Some("k1".to_owned()));
        assert_eq!(parse(&[("sse", "aws:kms"), ("sse_kms_key_id", "k1")]).unwrap(), named);
        assert_eq!(parse(&[("sse_kms_key_id", "k1")]).unwrap(), named);
        assert!(matches!(parse(&[("sse_customer_key", key)]).unwrap(), Encryption::Customer(_)));
        for (pairs, named) in [
            (&[("sse", "aes")][..], "invalid sse value"),
            (&[("sse", "AES256"), ("sse_kms_key_id", "k1")], "invalid sse value"),
            (&[("sse", "AES256"), ("sse_customer_key", key)], "sse_customer_key goes with neither"),
            (&[("sse_customer_key", "c2hvcnQ=")], "invalid sse_customer_key value"),
            (&[("sse_customer_key", "file:key")], "invalid sse_customer_key value"),
            (&[("sse_customer_key", "file:/nowhere/at/all")], "read /nowhere/at/all"),
            (&[("max_parts", "0")], "invalid max_parts value"),
            (&[("max_parts", "10001")], "invalid max_parts value"),
        ] {
            let fault = parse(pairs).unwrap_err().to_string();
            assert!(fault.contains(named) && !fault.contains("c2hvcnQ"), "{fault}");
        }
    }
}
