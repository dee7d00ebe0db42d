//! CONFIG: the store's own settings (FORMAT.md, "CONFIG").

use crate::algo::chunk::Chunker;
use crate::algo::compress::Method;
use crate::algo::derive;
use crate::algo::hash::{self, Keyed};
use crate::algo::msgpack::{Reader, Writer};
use crate::algo::seal::Subkey;
use crate::base::mac::Mac;
use crate::base::secret::Secret;
use crate::base::stamp::Stamp;
use crate::format::envelope;
use crate::format::error::FormatError;
use crate::format::fields::{self, field};
use crate::format::kind::{Generation, Resource, Version};

/// What Plakar v1.1 calls the chunker in the stores it makes; v1.0 says `FASTCDC`.
const CHUNKER_V1_1: &str = "fastcdc-v1.0.0";

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

/// What `create` writes for Argon2id: 4 passes over 256 MiB, one lane.
pub const DEFAULT_KDF: KdfParams =
    KdfParams::Argon2id { salt_size: 16, time: 4, memory: 262_144, threads: 1, key_len: 32 };

const WHAT: &str = "CONFIG";

impl Config {
    /// What `create` writes by default, with Plakar v1.0.6's values: BLAKE3, LZ4, FASTCDC
    /// 64 KiB / 1 MiB / 4 MiB, packfiles of 20 MiB, no encryption.
    pub fn new(repository_id: [u8; 16], timestamp: Stamp) -> Config {
        Config {
            version: Version::V1_0_0,
            timestamp,
            repository_id,
            packfile: PackfileSizes { min: 0, avg: 0, max: 20 << 20 },
            chunking: Chunking { algorithm: "FASTCDC".into(), min: 64 << 10, normal: 1 << 20, max: 4 << 20 },
            hashing: Hashing { algorithm: "BLAKE3".into(), bits: 256 },
            compression: Some(Compression {
                algorithm: "LZ4".into(),
                level: 131_072,
                window_size: -1,
                chunk_size: -1,
                block_size: -1,
                enable_crc: false,
            }),
            encryption: None,
        }
    }

    /// Reads the settings out of a CONFIG file without its trailer being verified: the key to
    /// verify it with is derived from what is in here. Refuses unknown versions and algorithms by
    /// name.
    ///
    /// # Errors
    /// `Damaged` or `Unsupported`, naming the field.
    pub fn decode_unverified(file: &[u8]) -> Result<Config, FormatError> {
        let (version, payload, _) = envelope::split(file, Resource::CONFIG)?;
        if version != Version::V1_0_0 {
            return Err(FormatError::unsupported(
                WHAT,
                format!("version {version} is not the {} that this program knows", Version::V1_0_0),
            ));
        }
        let mut config = Config::new([0; 16], Stamp::default());
        (config.compression, config.chunking.algorithm, config.hashing.algorithm) =
            (None, String::new(), String::new());
        fields::map(WHAT, &mut Reader::new(payload), |key, r| match key {
            "Timestamp" => field!(WHAT, key, config.timestamp, r.time()),
            "RepositoryID" => field!(WHAT, key, config.repository_id, fields::uuid(r)),
            "Packfile" => packfile(r, &mut config.packfile),
            "Chunking" => chunking(r, &mut config.chunking),
            "Hashing" => hashing(r, &mut config.hashing),
            "Compression" => {
                config.compression = if r.nil() { None } else { Some(compression(r)?) };
                Ok(true)
            }
            "Encryption" => {
                config.encryption = if r.nil() { None } else { Some(encryption(r)?) };
                Ok(true)
            }
            _ => Ok(false),
        })?;
        config.refuse_unknown()?;
        Ok(config)
    }

    fn refuse_unknown(&self) -> Result<(), FormatError> {
        self.hash()?;
        self.method()?;
        self.chunker()?;
        if let Some(encryption) = &self.encryption {
            encryption.subkey()?;
            if encryption.data_algorithm != "AES256-GCM-SIV" {
                return Err(FormatError::unsupported(
                    "CONFIG, Encryption",
                    format!("data algorithm {}", encryption.data_algorithm),
                ));
            }
            if !(1024..=64 << 20).contains(&encryption.chunk_size) {
                return Err(FormatError::damaged(
                    "CONFIG, Encryption",
                    format!("a block of {} bytes", encryption.chunk_size),
                ));
            }
            encryption.kdf.cost()?;
        }
        Ok(())
    }

    /// Verifies the trailer: keyed with the derived key, or unkeyed in a plaintext store. Always
    /// BLAKE3, whatever the store's own hash.
    ///
    /// # Errors
    /// `Damaged` when the file was altered.
    pub fn verify(file: &[u8], key: Option<&Secret>) -> Result<(), FormatError> {
        let (_, payload, trailer) = envelope::split(file, Resource::CONFIG)?;
        let covered = file.get(..envelope::HEAD + payload.len()).unwrap_or_default();
        if trailer_mac(covered, key)? != trailer {
            return Err(FormatError::damaged(WHAT, "its MAC does not match: it was altered"));
        }
        Ok(())
    }

    /// The whole CONFIG file, envelope and trailer included.
    ///
    /// # Errors
    /// A key that has not 32 bytes.
    pub fn encode(&self, key: Option<&Secret>) -> Result<Vec<u8>, FormatError> {
        let mut file = envelope::head(Resource::CONFIG, self.version).to_vec();
        file.extend(self.encode_payload());
        let mac = trailer_mac(&file, key)?;
        file.extend_from_slice(&mac.0);
        Ok(file)
    }

    fn encode_payload(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(7);
        w.str("Timestamp");
        w.time(self.timestamp);
        w.str("RepositoryID");
        w.bin(&self.repository_id);
        w.str("Packfile");
        w.map(3);
        for (key, value) in
            [("MinSize", self.packfile.min), ("AvgSize", self.packfile.avg), ("MaxSize", self.packfile.max)]
        {
            w.str(key);
            w.u64(value);
        }
        w.str("Chunking");
        w.map(4);
        w.str("Algorithm");
        w.str(&self.chunking.algorithm);
        for (key, value) in [
            ("MinSize", self.chunking.min),
            ("NormalSize", self.chunking.normal),
            ("MaxSize", self.chunking.max),
        ] {
            w.str(key);
            w.u32(value);
        }
        w.str("Hashing");
        w.map(2);
        w.str("Algorithm");
        w.str(&self.hashing.algorithm);
        w.str("Bits");
        w.u32(self.hashing.bits);
        w.str("Compression");
        match &self.compression {
            None => w.nil(),
            Some(compression) => {
                w.map(6);
                w.str("Algorithm");
                w.str(&compression.algorithm);
                for (key, value) in [
                    ("Level", compression.level),
                    ("WindowSize", compression.window_size),
                    ("ChunkSize", compression.chunk_size),
                    ("BlockSize", compression.block_size),
                ] {
                    w.str(key);
                    w.int(value);
                }
                w.str("EnableCRC");
                w.bool(compression.enable_crc);
            }
        }
        w.str("Encryption");
        match &self.encryption {
            None => w.nil(),
            Some(encryption) => encryption.write(&mut w),
        }
        w.finish()
    }

    /// The hash behind [`Hashing::algorithm`].
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn hash(&self) -> Result<hash::Algorithm, FormatError> {
        match (self.hashing.algorithm.as_str(), self.hashing.bits) {
            ("BLAKE3", 256) => Ok(hash::Algorithm::Blake3),
            ("SHA256", 256) => Ok(hash::Algorithm::Sha256),
            (other, bits) => Err(FormatError::unsupported(
                "CONFIG, Hashing",
                format!("algorithm {other:?} of {bits} bits"),
            )),
        }
    }

    /// The compression, if there is one.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn method(&self) -> Result<Option<Method>, FormatError> {
        let Some(compression) = &self.compression else { return Ok(None) };
        match Method::from_name(&compression.algorithm) {
            Some(method) => Ok(Some(method)),
            None => Err(FormatError::unsupported(
                "CONFIG, Compression",
                format!("algorithm {:?}", compression.algorithm),
            )),
        }
    }

    /// The chunker.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn chunker(&self) -> Result<Chunker, FormatError> {
        let Chunking { algorithm, min, normal, max } = &self.chunking;
        Chunker::new(algorithm, *min, *normal, *max)
            .map_err(|detail| FormatError::unsupported("CONFIG, Chunking", detail))
    }

    /// Which Plakar line made the store: they call their one chunker by different names.
    pub fn generation(&self) -> Generation {
        match self.chunking.algorithm.as_str() {
            CHUNKER_V1_1 => Generation::V1_1,
            _ => Generation::V1_0,
        }
    }

    /// The key of the store's MACs: the derived key itself, or the hash of the repository id in a
    /// plaintext store.
    ///
    /// # Errors
    /// A key that has not 32 bytes.
    pub fn keyed(&self, key: Option<&Secret>) -> Result<Keyed, FormatError> {
        let algorithm = self.hash()?;
        let key = match key {
            Some(key) => key_of_32(key)?,
            None => hash::digest(algorithm, &self.repository_id),
        };
        Ok(Keyed::new(algorithm, &key))
    }
}

fn key_of_32(key: &Secret) -> Result<[u8; 32], FormatError> {
    key.expose()
        .try_into()
        .map_err(|_| FormatError::damaged("CONFIG, KDFParams", "a key that has not 32 bytes"))
}

fn trailer_mac(covered: &[u8], key: Option<&Secret>) -> Result<Mac, FormatError> {
    Ok(match key {
        Some(key) => Keyed::new(hash::Algorithm::Blake3, &key_of_32(key)?).mac(covered),
        None => Mac(hash::digest(hash::Algorithm::Blake3, covered)),
    })
}

impl Encryption {
    /// How subkeys are wrapped.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn subkey(&self) -> Result<Subkey, FormatError> {
        match self.subkey_algorithm.as_str() {
            "AES256-KW" => Ok(Subkey::Wrap),
            "AES256-GCM" => Ok(Subkey::Gcm),
            other => {
                Err(FormatError::unsupported("CONFIG, Encryption", format!("subkey algorithm {other:?}")))
            }
        }
    }

    fn write(&self, w: &mut Writer) {
        w.map(5);
        w.str("SubKeyAlgorithm");
        w.str(&self.subkey_algorithm);
        w.str("DataAlgorithm");
        w.str(&self.data_algorithm);
        w.str("ChunkSize");
        w.int(i64::from(self.chunk_size));
        w.str("KDFParams");
        w.map(3);
        w.str("KDF");
        match &self.kdf.params {
            KdfParams::Argon2id { salt_size, time, memory, threads, key_len } => {
                w.str("ARGON2ID");
                w.str("Salt");
                w.bin(&self.kdf.salt);
                w.str("argon2id");
                w.map(5);
                w.str("SaltSize");
                w.u32(*salt_size);
                w.str("Time");
                w.u32(*time);
                w.str("Memory");
                w.u32(*memory);
                w.str("Threads");
                w.u8(*threads);
                w.str("KeyLen");
                w.u32(*key_len);
            }
            KdfParams::Scrypt { salt_size, n, r, p, key_len } => {
                w.str("SCRYPT");
                w.str("Salt");
                w.bin(&self.kdf.salt);
                w.str("scrypt");
                w.map(5);
                w.str("SaltSize");
                w.u32(*salt_size);
                for (key, value) in [("N", n), ("R", r), ("P", p), ("KeyLen", key_len)] {
                    w.str(key);
                    w.int(*value);
                }
            }
            KdfParams::Pbkdf2 { salt_size, iterations, key_len, hashing } => {
                w.str("PBKDF2");
                w.str("Salt");
                w.bin(&self.kdf.salt);
                w.str("pbkdf2");
                w.map(4);
                w.str("SaltSize");
                w.u32(*salt_size);
                w.str("Iterations");
                w.int(*iterations);
                w.str("KeyLen");
                w.int(*key_len);
                w.str("Hashing");
                w.str(hashing);
            }
        }
        w.str("Canary");
        w.bin(&self.canary);
    }
}

impl Kdf {
    /// As CONFIG spells it.
    pub fn name(&self) -> &'static str {
        match self.params {
            KdfParams::Argon2id { .. } => "ARGON2ID",
            KdfParams::Scrypt { .. } => "SCRYPT",
            KdfParams::Pbkdf2 { .. } => "PBKDF2",
        }
    }

    /// Names and values of its cost, for people.
    pub fn costs(&self) -> Vec<(&'static str, i64)> {
        match &self.params {
            KdfParams::Argon2id { salt_size, time, memory, threads, key_len } => vec![
                ("SaltSize", i64::from(*salt_size)),
                ("KeyLen", i64::from(*key_len)),
                ("Time", i64::from(*time)),
                ("Memory", i64::from(*memory)),
                ("Thread", i64::from(*threads)),
            ],
            KdfParams::Scrypt { salt_size, n, r, p, key_len } => {
                vec![
                    ("SaltSize", i64::from(*salt_size)),
                    ("KeyLen", *key_len),
                    ("N", *n),
                    ("R", *r),
                    ("P", *p),
                ]
            }
            KdfParams::Pbkdf2 { salt_size, iterations, key_len, .. } => {
                vec![("SaltSize", i64::from(*salt_size)), ("KeyLen", *key_len), ("Iterations", *iterations)]
            }
        }
    }

    /// The function and cost as `algo` takes them, and the key's length in bytes.
    ///
    /// # Errors
    /// `Unsupported` for another hash than SHA-256 in PBKDF2; `Damaged` for numbers out of range.
    pub fn cost(&self) -> Result<(derive::Params, usize), FormatError> {
        const WHAT: &str = "CONFIG, KDFParams";
        let range = |value: i64| {
            u32::try_from(value).map_err(|_| FormatError::damaged(WHAT, format!("{value} is out of range")))
        };
        let (params, key_len) = match &self.params {
            KdfParams::Argon2id { time, memory, threads, key_len, .. } => {
                let threads = u32::from(*threads);
                (derive::Params::Argon2id { time: *time, memory_kib: *memory, threads }, *key_len)
            }
            KdfParams::Scrypt { n, r, p, key_len, .. } => (
                derive::Params::Scrypt { n: u64::from(range(*n)?), r: range(*r)?, p: range(*p)? },
                range(*key_len)?,
            ),
            KdfParams::Pbkdf2 { iterations, key_len, hashing, .. } => {
                if hashing != "SHA256" {
                    return Err(FormatError::unsupported(WHAT, format!("PBKDF2 with {hashing:?}")));
                }
                (derive::Params::Pbkdf2Sha256 { iterations: range(*iterations)? }, range(*key_len)?)
            }
        };
        if key_len != 32 {
            return Err(FormatError::unsupported(WHAT, format!("a key of {key_len} bytes")));
        }
        Ok((params, 32))
    }
}

fn packfile(r: &mut Reader<'_>, sizes: &mut PackfileSizes) -> Result<bool, FormatError> {
    const WHAT: &str = "CONFIG, Packfile";
    fields::map(WHAT, r, |key, r| match key {
        "MinSize" => field!(WHAT, key, sizes.min, r.number()),
        "AvgSize" => field!(WHAT, key, sizes.avg, r.number()),
        "MaxSize" => field!(WHAT, key, sizes.max, r.number()),
        _ => Ok(false),
    })?;
    Ok(true)
}

fn chunking(r: &mut Reader<'_>, chunking: &mut Chunking) -> Result<bool, FormatError> {
    const WHAT: &str = "CONFIG, Chunking";
    fields::map(WHAT, r, |key, r| match key {
        "Algorithm" => field!(WHAT, key, chunking.algorithm, fields::text(r)),
        "MinSize" => field!(WHAT, key, chunking.min, r.number()),
        "NormalSize" => field!(WHAT, key, chunking.normal, r.number()),
        "MaxSize" => field!(WHAT, key, chunking.max, r.number()),
        _ => Ok(false),
    })?;
    Ok(true)
}

fn hashing(r: &mut Reader<'_>, hashing: &mut Hashing) -> Result<bool, FormatError> {
    const WHAT: &str = "CONFIG, Hashing";
    fields::map(WHAT, r, |key, r| match key {
        "Algorithm" => field!(WHAT, key, hashing.algorithm, fields::text(r)),
        "Bits" => field!(WHAT, key, hashing.bits, r.number()),
        _ => Ok(false),
    })?;
    Ok(true)
}

fn compression(r: &mut Reader<'_>) -> Result<Compression, FormatError> {
    const WHAT: &str = "CONFIG, Compression";
    let mut c = Compression {
        algorithm: String::new(),
        level: 0,
        window_size: 0,
        chunk_size: 0,
        block_size: 0,
        enable_crc: false,
    };
    fields::map(WHAT, r, |key, r| match key {
        "Algorithm" => field!(WHAT, key, c.algorithm, fields::text(r)),
        "Level" => field!(WHAT, key, c.level, r.number()),
        "WindowSize" => field!(WHAT, key, c.window_size, r.number()),
        "ChunkSize" => field!(WHAT, key, c.chunk_size, r.number()),
        "BlockSize" => field!(WHAT, key, c.block_size, r.number()),
        "EnableCRC" => field!(WHAT, key, c.enable_crc, r.bool()),
        _ => Ok(false),
    })?;
    Ok(c)
}

fn encryption(r: &mut Reader<'_>) -> Result<Encryption, FormatError> {
    const WHAT: &str = "CONFIG, Encryption";
    let mut e = Encryption {
        subkey_algorithm: String::new(),
        data_algorithm: String::new(),
        chunk_size: 0,
        kdf: Kdf { salt: Vec::new(), params: DEFAULT_KDF },
        canary: Vec::new(),
    };
    fields::map(WHAT, r, |key, r| match key {
        "SubKeyAlgorithm" => field!(WHAT, key, e.subkey_algorithm, fields::text(r)),
        "DataAlgorithm" => field!(WHAT, key, e.data_algorithm, fields::text(r)),
        "ChunkSize" => field!(WHAT, key, e.chunk_size, r.number()),
        "KDFParams" => {
            e.kdf = kdf(r)?;
            Ok(true)
        }
        "Canary" => field!(WHAT, key, e.canary, r.bytes().map(<[u8]>::to_vec)),
        _ => Ok(false),
    })?;
    Ok(e)
}

fn kdf(r: &mut Reader<'_>) -> Result<Kdf, FormatError> {
    const WHAT: &str = "CONFIG, KDFParams";
    let (mut name, mut salt) = (String::new(), Vec::new());
    let (mut salt_size, mut key_len) = (0u32, 0i64);
    let (mut time, mut memory, mut threads) = (0, 0, 0);
    let (mut n, mut cost_r, mut p, mut iterations, mut hash_name) = (0, 0, 0, 0, String::new());
    fields::map(WHAT, r, |key, r| match key {
        "KDF" => field!(WHAT, key, name, fields::text(r)),
        "Salt" => field!(WHAT, key, salt, r.bytes().map(<[u8]>::to_vec)),
        "argon2id" | "scrypt" | "pbkdf2" => {
            fields::map(WHAT, r, |key, r| match key {
                "SaltSize" => field!(WHAT, key, salt_size, r.number()),
                "KeyLen" => field!(WHAT, key, key_len, r.number()),
                "Time" => field!(WHAT, key, time, r.number()),
                "Memory" => field!(WHAT, key, memory, r.number()),
                "Threads" => field!(WHAT, key, threads, r.number()),
                "N" => field!(WHAT, key, n, r.number()),
                "R" => field!(WHAT, key, cost_r, r.number()),
                "P" => field!(WHAT, key, p, r.number()),
                "Iterations" => field!(WHAT, key, iterations, r.number()),
                "Hashing" => field!(WHAT, key, hash_name, fields::text(r)),
                _ => Ok(false),
            })?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    let params = match name.as_str() {
        "ARGON2ID" => {
            let key_len = u32::try_from(key_len)
                .map_err(|_| FormatError::damaged(WHAT, format!("a key of {key_len} bytes")))?;
            KdfParams::Argon2id { salt_size, time, memory, threads, key_len }
        }
        "SCRYPT" => KdfParams::Scrypt { salt_size, n, r: cost_r, p, key_len },
        "PBKDF2" => KdfParams::Pbkdf2 { salt_size, iterations, key_len, hashing: hash_name },
        other => return Err(FormatError::unsupported(WHAT, format!("function {other:?}"))),
    };
    Ok(Kdf { salt, params })
}
