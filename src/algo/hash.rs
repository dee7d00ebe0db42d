//! BLAKE3, SHA-256, HMAC (FORMAT.md, "Hashing and MACs") and S3's MD5: the only file that names their crates.

use crate::base::mac::Mac;
use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The hash a store is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// BLAKE3, keyed as BLAKE3 does it.
    Blake3,
    /// SHA-256, keyed as HMAC.
    Sha256,
}

/// Unkeyed digest, 32 bytes.
pub fn digest(algorithm: Algorithm, data: &[u8]) -> [u8; 32] {
    match algorithm {
        Algorithm::Blake3 => *blake3::hash(data).as_bytes(),
        Algorithm::Sha256 => sha256(data),
    }
}

/// SHA-256, 32 bytes.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// MD5, 16 bytes: no proof of anything, but what S3 servers name small objects by and sometimes
/// want to see.
pub fn md5(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

/// An unkeyed digest fed in pieces.
pub struct Digest(Unkeyed);

enum Unkeyed {
    Blake3(Box<blake3::Hasher>),
    Sha256(Sha256),
}

impl Digest {
    /// Nothing fed yet.
    pub fn new(algorithm: Algorithm) -> Digest {
        Digest(match algorithm {
            Algorithm::Blake3 => Unkeyed::Blake3(Box::default()),
            Algorithm::Sha256 => Unkeyed::Sha256(Sha256::default()),
        })
    }

    /// More bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            Unkeyed::Blake3(hasher) => {
                hasher.update(data);
            }
            Unkeyed::Sha256(hasher) => hasher.update(data),
        }
    }

    /// The digest of all bytes fed, 32 bytes.
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            Unkeyed::Blake3(hasher) => *hasher.finalize().as_bytes(),
            Unkeyed::Sha256(hasher) => hasher.finalize().into(),
        }
    }
}

/// HMAC-SHA256, 32 bytes. Any key length.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = hmac(key);
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::new_from_slice(key).expect("any key length")
}

/// SHA-256 fed in pieces.
#[derive(Clone, Default)]
pub struct Sha256Stream(Sha256);

impl Sha256Stream {
    /// Nothing fed yet.
    pub fn new() -> Sha256Stream {
        Sha256Stream::default()
    }

    /// More bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all bytes fed.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The keyed hash of a store: names its blobs and guards its files.
#[derive(Clone)]
pub struct Keyed(Start);

#[derive(Clone)]
enum Start {
    Blake3(Box<Zeroizing<[u8; 32]>>),
    Sha256(Box<Hmac<Sha256>>),
}

impl Keyed {
    /// With the store's 32-byte key.
    pub fn new(algorithm: Algorithm, key: &[u8; 32]) -> Keyed {
        Keyed(match algorithm {
            Algorithm::Blake3 => Start::Blake3(Box::new(Zeroizing::new(*key))),
            Algorithm::Sha256 => Start::Sha256(Box::new(hmac(key))),
        })
    }

    /// The MAC of `data`.
    pub fn mac(&self, data: &[u8]) -> Mac {
        match &self.0 {
            Start::Blake3(key) => Mac(*blake3::keyed_hash(key, data).as_bytes()),
            Start::Sha256(_) => {
                let mut running = self.start();
                running.update(data);
                running.finish()
            }
        }
    }

    /// A MAC over bytes that come in pieces.
    pub fn start(&self) -> Running {
        Running(match &self.0 {
            Start::Blake3(key) => State::Blake3(Box::new(blake3::Hasher::new_keyed(key))),
            Start::Sha256(hmac) => State::Sha256(hmac.clone()),
        })
    }
}

/// A MAC being computed.
#[derive(Clone)]
pub struct Running(State);

#[derive(Clone)]
enum State {
    Blake3(Box<blake3::Hasher>),
    Sha256(Box<Hmac<Sha256>>),
}

impl Running {
    /// More bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.0 {
            State::Blake3(hasher) => {
                hasher.update(data);
            }
            State::Sha256(hmac) => hmac.update(data),
        }
    }

    /// The MAC of all bytes fed.
    pub fn finish(self) -> Mac {
        match self.0 {
            State::Blake3(hasher) => Mac(*hasher.finalize().as_bytes()),
            State::Sha256(hmac) => Mac(hmac.finalize().into_bytes().into()),
        }
    }
}
