//! CONFIG: the store's own settings.

use crate::algo::hash;
use crate::base::secret::Secret;
use crate::base::stamp::Stamp;
use crate::format::error::FormatError;
use crate::format::kind::Version;

/// The settings of a store, written once when it is created.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// From the envelope; exactly 1.0.0 so far.
    pub version: Version,
    /// Creation time.
    pub timestamp: Stamp,
    /// UUIDv4.
    pub repository_id: [u8; 16],
    /// Sizes of packfiles.
    pub packfile: PackfileSizes,
    /// How content is cut.
    pub chunking: Chunking,
    /// How things are named.
    pub hashing: Hashing,
    /// `None` in an uncompressed store.
    pub compression: Option<Compression>,
    /// `None` in a plaintext store.
    pub encryption: Option<Encryption>,
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackfileSizes {
    /// Always 0 so far.
    pub min: u64,
    /// Always 0 so far.
    pub avg: u64,
    /// A packfile is closed once its blobs exceed this.
    pub max: u64,
}

/// Parameters of content-defined chunking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// `FASTCDC` or `fastcdc-v1.0.0`, matched without regard to case.
    pub algorithm: String,
    /// Bytes.
    pub min: u32,
    /// Bytes.
    pub normal: u32,
    /// Bytes.
    pub max: u32,
}

/// The hash of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// `BLAKE3` or `SHA256`.
    pub algorithm: String,
    /// 256.
    pub bits: u32,
}

/// The compression of every blob, state and lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// `LZ4`, `GZIP` or `ZSTD`.
    pub algorithm: String,
    /// Recorded, never used.
    pub level: i64,
    /// Recorded, never used.
    pub window_size: i64,
    /// Recorded, never used.
    pub chunk_size: i64,
    /// Recorded, never used.
    pub block_size: i64,
    /// Recorded, never used.
    pub enable_crc: bool,
}

/// How the store is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `AES256-KW` or `AES256-GCM`.
    pub subkey_algorithm: String,
    /// `AES256-GCM-SIV`.
    pub data_algorithm: String,
    /// Plaintext bytes of a sealed block.
    pub chunk_size: u32,
    /// How the passphrase becomes the key.
    pub kdf: Kdf,
    /// Random bytes sealed under the key: opening them proves the passphrase.
    pub canary: Vec<u8>,
}

/// A key derivation and its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kdf {
    /// 16 bytes.
    pub salt: Vec<u8>,
    /// The function and its cost.
    pub params: KdfParams,
}

/// Cost parameters as CONFIG spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KdfParams {
    /// The default.
    Argon2id {
        /// Bytes of salt.
        salt_size: u32,
        /// Passes.
        time: u32,
        /// KiB.
        memory: u32,
        /// Lanes.
        threads: u8,
        /// Bytes of key.
        key_len: u32,
    },
    /// Readable.
    Scrypt {
        /// Bytes of salt.
        salt_size: u32,
        /// Cost.
        n: i64,
        /// Block size.
        r: i64,
        /// Parallelism.
        p: i64,
        /// Bytes of key.
        key_len: i64,
    },
    /// Readable.
    Pbkdf2 {
        /// Bytes of salt.
        salt_size: u32,
        /// Rounds.
        iterations: i64,
        /// Bytes of key.
        key_len: i64,
        /// Hash of the HMAC.
        hashing: String,
    },
}

impl Config {
    /// What `create` writes by default, with Plakar v1.0.6's values: BLAKE3, LZ4, FASTCDC
    /// 64 KiB / 1 MiB / 4 MiB, packfiles of 20 MiB, no encryption.
    pub fn new(repository_id: [u8; 16], timestamp: Stamp) -> Config {
        let _ = (repository_id, timestamp);
        todo!()
    }

    /// Reads the settings out of a CONFIG file without its trailer being verified: the key to
    /// verify it with is derived from what is in here. Refuses unknown versions and algorithms by
    /// name.
    ///
    /// # Errors
    /// `Damaged` or `Unsupported`, naming the field.
    pub fn decode_unverified(file: &[u8]) -> Result<Config, FormatError> {
        let _ = file;
        todo!()
    }

    /// Verifies the trailer: keyed with the derived key, or unkeyed in a plaintext store.
    ///
    /// # Errors
    /// `Damaged` when the file was altered.
    pub fn verify(file: &[u8], key: Option<&Secret>) -> Result<(), FormatError> {
        let _ = (file, key);
        todo!()
    }

    /// The whole CONFIG file, envelope and trailer included.
    pub fn encode(&self, key: Option<&Secret>) -> Vec<u8> {
        let _ = key;
        todo!()
    }

    /// The hash behind [`Hashing::algorithm`].
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn hash(&self) -> Result<hash::Algorithm, FormatError> {
        todo!()
    }
}
