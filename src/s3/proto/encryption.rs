//! Encryption on the server's side: which headers which requests carry.

use crate::algo::hash::md5;
use crate::base::secret::Secret;
use crate::s3::proto::request::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Bytes of an AES-256 key.
const KEY_BYTES: usize = 32;

/// Who keeps the key that objects are encrypted with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Encryption {
    /// As the bucket's own settings say.
    #[default]
    Bucket,
    /// The server (SSE-S3).
    Server,
    /// A key service, under this name or its default (SSE-KMS).
    Kms(Option<String>),
    /// We do, and the server forgets it after each request (SSE-C).
    Customer(CustomerKey),
}

/// An AES-256 key of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerKey(Secret);

impl CustomerKey {
    /// Reads 32 bytes, or the base64 text of 32 bytes.
    ///
    /// # Errors
    /// One line, which does not repeat the text.
    pub fn parse(text: &[u8]) -> Result<CustomerKey, String> {
        if text.len() == KEY_BYTES {
            return Ok(CustomerKey(Secret::new(text.to_vec())));
        }
        let decoded = BASE64.decode(text.trim_ascii()).map(Secret::new);
        decoded
            .ok()
            .filter(|key| key.expose().len() == KEY_BYTES)
            .map(CustomerKey)
            .ok_or_else(|| "32 bytes in base64 are expected".to_owned())
    }
}

impl Encryption {
    /// Adds what the request must say: where an object begins, how it is to be encrypted; wherever
    /// its bytes are read or written, the key that only we have.
    pub fn apply(&self, request: &mut Request) {
        let asks = |name: &str| request.query.iter().any(|(known, _)| *known == name);
        if request.key.is_none() || asks("tagging") {
            return;
        }
        let begins = match request.method {
            Method::Put => !asks("partNumber"),
            Method::Post => asks("uploads"),
            Method::Get | Method::Head | Method::Delete => false,
        };
        let moves = begins || asks("partNumber") || matches!(request.method, Method::Get | Method::Head);
        let mut add = |name: &str, value: Vec<u8>| {
            request.headers.push((format!("x-amz-server-side-encryption{name}"), value));
        };
        match self {
            Encryption::Bucket => {}
            Encryption::Server if begins => add("", b"AES256".to_vec()),
            Encryption::Kms(key) if begins => {
                add("", b"aws:kms".to_vec());
                if let Some(key) = key {
                    add("-aws-kms-key-id", key.clone().into_bytes());
                }
            }
            Encryption::Customer(CustomerKey(key)) if moves => {
                add("-customer-algorithm", b"AES256".to_vec());
                add("-customer-key", BASE64.encode(key.expose()).into_bytes());
                add("-customer-key-md5", BASE64.encode(md5(key.expose())).into_bytes());
            }
            Encryption::Server | Encryption::Kms(_) | Encryption::Customer(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerKey, Encryption};
    use crate::s3::proto::address::Key;
    use crate::s3::proto::multipart;
    use crate::s3::proto::object::{self, PutOptions};
    use crate::s3::proto::request::Request;

    fn customer() -> Encryption {
        Encryption::Customer(CustomerKey::parse(&[b'k'; 32]).unwrap())
    }

    #[test]
    fn each_request_says_what_it_must_and_no_more() {
        let key = Key::new(b"k").unwrap();
        let options = PutOptions::default();
        let requests: [(&str, Request); 10] = [
            ("put", object::put("b", &key, &options)),
            ("create", multipart::create("b", &key, &options)),
            ("part", multipart::put_part("b", &key, "u", 1)),
            ("complete", multipart::complete("b", &key, "u", &[], false).0),
            ("abort", multipart::abort("b", &key, "u")),
            ("get", object::get_range("b", &key, 0, 9, None)),
            ("head", object::head("b", &key)),
            ("delete", object::delete("b", &key)),
            ("tags", object::get_tagging("b", &key)),
            ("bucket", object::head_bucket("b")),
        ];
        let kms = Encryption::Kms(Some("mine".to_owned()));
        for (encryption, said_by, headers) in [
            (Encryption::Bucket, "", 0),
            (Encryption::Server, "put create", 1),
            (Encryption::Kms(None), "put create", 1),
            (kms, "put create", 2),
            (customer(), "put create part get head", 3),
        ] {
            for (name, request) in &requests {
                let mut request = request.clone();
                let before = request.headers.len();
                encryption.apply(&mut request);
                let expected = if said_by.split(' ').any(|word| word == *name) { headers } else { 0 };
                assert_eq!(request.headers.len() - before, expected, "{encryption:?} {name}");
            }
        }
    }

    #[test]
    fn a_key_is_32_bytes_and_never_printed() {
        for good in
            ["a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n"]
        {
            assert_eq!(Encryption::Customer(CustomerKey::parse(good.as_bytes()).unwrap()), customer());
        }
        for bad in ["", "short", "a2tr", "!2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="] {
            let why = CustomerKey::parse(bad.as_bytes()).unwrap_err();
            assert!(bad.is_empty() || !why.contains(bad), "{why}");
        }
        assert!(!format!("{:?}", customer()).contains("kkkk"));
    }
}
