//! Whom TLS trusts, and who we are to the server.
//!
//! Trusted are, in this order: certificates whose fingerprint is pinned, and then no others;
//! certificates that stand in the file of one's own, as they are; certificates that lead to an
//! authority of that file or to one of the built-in ones.

use crate::algo::hash::sha256;
use crate::ports::fault::{Fault, FaultKind};
use crate::s3::file;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The SHA-256 of a certificate in DER.
pub type Fingerprint = [u8; 32];

/// What a person may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Accept every certificate.
    pub insecure: bool,
    /// Accept these certificates and no others; empty for the usual rules.
    pub fingerprints: Vec<Fingerprint>,
    /// PEM file of authorities, added to the built-in ones, and of servers' own certificates.
    pub authorities: Option<PathBuf>,
    /// PEM files of our certificate with its chain, and of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// TLS settings, ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Reads the files.
    ///
    /// # Errors
    /// `Unsupported`, naming the file, for one that cannot be read, or that holds anything that
    /// would be passed over.
    pub fn load(wanted: &Wanted) -> Result<Trust, Fault> {
        let refuse = |text: String| Fault::new(FaultKind::Unsupported, text);
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let own = match &wanted.authorities {
            Some(path) => certificates("ca_file", path)?,
            None => Vec::new(),
        };
        for (number, certificate) in (1..).zip(&own) {
            roots.add(certificate.clone()).map_err(|error| {
                let path = wanted.authorities.as_deref().unwrap_or(Path::new(""));
                refuse(format!("ca_file {}: certificate {number} cannot be used: {error}", path.display()))
            })?;
        }
        let rules = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| refuse(format!("TLS: {error}")))?;
        let judge = Judge {
            insecure: wanted.insecure,
            fingerprints: wanted.fingerprints.clone(),
            own,
            rules,
            algorithms,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(format!("TLS: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge));
        let config = match &wanted.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("client_cert", certificate)?;
                builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| {
                    refuse(format!(
                        "client_cert {} and client_key {} do not fit each other: {error}",
                        certificate.display(),
                        key.display()
                    ))
                })?
            }
        };
        Ok(Trust(Arc::new(config)))
    }

    /// For the one place that opens sessions.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let refuse =
        |why: String| Fault::new(FaultKind::Unsupported, format!("{option} {}: {why}", path.display()));
    let text = file::read(option, path)?;
    let mut found = Vec::new();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&text)) {
        let certificate = certificate.map_err(|error| refuse(told(&error)))?;
        // What is only nearly a certificate must not be dropped in silence later on.
        ParsedCertificate::try_from(&certificate)
            .map_err(|error| refuse(format!("certificate {number} cannot be used: {error}")))?;
        found.push(certificate);
    }
    match found.is_empty() {
        true => Err(refuse("no certificate in PEM form in it".to_owned())),
        false => Ok(found),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = file::read("client_key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let shown = path.display();
        let fault = Fault::new(FaultKind::Unsupported, format!("client_key {shown}: {}", told(&error)));
        match String::from_utf8_lossy(&text).contains("ENCRYPTED") {
            true => fault.with_remedy("an encrypted key cannot be used: decrypt it with openssl pkey"),
            false => fault,
        }
    })
}

/// Without what stands in the file.
fn told(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "nothing in PEM form that would fit".to_owned(),
        pem::Error::MissingSectionEnd { .. } => "a PEM section does not end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a PEM section begins wrongly".to_owned(),
        pem::Error::Base64Decode(_) => "a PEM section is not base64".to_owned(),
        _ => "not in PEM form".to_owned(),
    }
}

/// Why a certificate is not trusted, and how it is told apart from all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Distrust {
    /// What the rules said; `None` when it is not the pinned one.
    pub why: Option<rustls::Error>,
    /// Of the certificate that the server showed.
    pub seen: Fingerprint,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{why}")?,
            None => f.write_str("the server's certificate is not the one that tls_fingerprint names")?,
        }
        write!(f, "; the certificate seen has the fingerprint {}", hex::encode(self.seen))
    }
}

impl std::error::Error for Distrust {}

impl Distrust {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        use rustls::Error::InvalidCertificate;
        match &self.why {
            None => "if the server has a new certificate, and this is it, set tls_fingerprint to it",
            Some(InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "the certificate's issuer is not known: name a file with the issuer's certificate in ca_file, \
                 or, if this is the server's, set tls_fingerprint to it"
            }
            // `openssl req -x509` makes such certificates, and Go's clients accept them.
            Some(why @ InvalidCertificate(_)) if why.to_string().contains("CaUsedAsEndEntity") => {
                "the certificate is marked as a CA's, CA:TRUE: name a file with it in ca_file, or, if this is \
                 the server's, set tls_fingerprint to it"
            }
            Some(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {
                "use a host name that the certificate was made for, or, if this is the server's, set \
                 tls_fingerprint to it"
            }
            Some(InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                "renew the server's certificate, or set this machine's clock"
            }
            Some(_) => "if this is the server's certificate, set tls_fingerprint to it",
        }
    }
}

#[derive(Debug)]
struct Judge {
    insecure: bool,
    fingerprints: Vec<Fingerprint>,
    own: Vec<CertificateDer<'static>>,
    rules: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = sha256(shown);
        let judged = if self.insecure || self.fingerprints.contains(&seen) {
            Ok(ServerCertVerified::assertion())
        } else if !self.fingerprints.is_empty() {
            Err(None)
        } else if self.own.iter().any(|own| own == shown) {
            // The rules refuse a self-signed certificate marked as a CA, which is what most
            // appliances have; named by its owner it is as good as an authority, for its own names.
            ParsedCertificate::try_from(shown)
                .and_then(|shown| rustls::client::verify_server_name(&shown, name))
                .map(|()| ServerCertVerified::assertion())
                .map_err(Some)
        } else {
            self.rules.verify_server_cert(shown, chain, name, ocsp, now).map_err(Some)
        };
        judged.map_err(|why| {
            let distrust = Distrust { why, seen };
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(distrust))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.insecure {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => verify_tls12_signature(message, shown, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.insecure {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => verify_tls13_signature(message, shown, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
