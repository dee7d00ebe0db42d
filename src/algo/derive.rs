//! Passphrase to key: the only file that names the derivation crates.

use crate::base::limits::{KDF_MEMORY_KIB_MAX, KDF_ROUNDS_MAX, KDF_WORK_KIB_MAX};
use crate::base::secret::Secret;
use std::fmt;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// A function and its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Params {
    /// RFC 9106, version 0x13.
    Argon2id {
        /// Passes.
        time: u32,
        /// KiB.
        memory_kib: u32,
        /// Lanes.
        threads: u32,
    },
    /// RFC 7914.
    Scrypt {
        /// Cost; a power of two.
        n: u64,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
    },
    /// RFC 8018 with HMAC-SHA256.
    Pbkdf2Sha256 {
        /// Rounds.
        iterations: u32,
    },
}

/// The cost parameters make no sense, or ask for more memory or time than is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeriveError(pub String);

impl fmt::Display for DeriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key derivation: {}", self.0)
    }
}

/// A key of `key_len` bytes.
///
/// # Errors
/// Parameters that the function refuses, or beyond [`KDF_MEMORY_KIB_MAX`], [`KDF_WORK_KIB_MAX`] or
/// [`KDF_ROUNDS_MAX`].
pub fn derive(
    params: &Params,
    salt: &[u8],
    passphrase: &Secret,
    key_len: usize,
) -> Result<Secret, DeriveError> {
    let refused = |what: &dyn fmt::Display| DeriveError(what.to_string());
    let mut key = Zeroizing::new(vec![0; key_len.min(64)]);
    match *params {
        Params::Argon2id { time, memory_kib, threads } => {
            granted(u128::from(memory_kib), u128::from(memory_kib) * u128::from(time))?;
            let cost = argon2::Params::new(memory_kib, time, threads, None).map_err(|e| refused(&e))?;
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cost)
                .hash_password_into(passphrase.expose(), salt, &mut key)
                .map_err(|e| refused(&e))?;
        }
        Params::Scrypt { n, r, p } => {
            // 128 * r bytes for each of n steps and p lanes; each lane writes and reads all steps.
            let (n_wide, block, lanes) = (u128::from(n), u128::from(r) * 128, u128::from(p));
            let work = block.saturating_mul(n_wide).saturating_mul(lanes);
            granted(block.saturating_mul(n_wide + lanes) / 1024, work / 1024)?;
            if !n.is_power_of_two() {
                return Err(refused(&"scrypt cost is not a power of two"));
            }
            // A logarithm of a u64 is below 64.
            let log_n = n.trailing_zeros() as u8;
            let cost = scrypt::Params::new(log_n, r, p).map_err(|e| refused(&e))?;
            scrypt::scrypt(passphrase.expose(), salt, &cost, &mut key).map_err(|e| refused(&e))?;
        }
        Params::Pbkdf2Sha256 { iterations } => {
            let rounds = NonZeroU32::new(iterations).ok_or_else(|| refused(&"no rounds"))?;
            if iterations > KDF_ROUNDS_MAX {
                return Err(refused(&format!("asks for {iterations} rounds, more than {KDF_ROUNDS_MAX}")));
            }
            ring::pbkdf2::derive(
                ring::pbkdf2::PBKDF2_HMAC_SHA256,
                rounds,
                salt,
                passphrase.expose(),
                &mut key,
            );
        }
    }
    Ok(Secret::new(key.to_vec()))
}

fn granted(memory_kib: u128, work_kib: u128) -> Result<(), DeriveError> {
    for (asked, most, what) in [
        (memory_kib, u128::from(KDF_MEMORY_KIB_MAX), "of memory"),
        (work_kib, u128::from(KDF_WORK_KIB_MAX), "of memory over all passes"),
    ] {
        if asked > most {
            return Err(DeriveError(format!("asks for {asked} KiB {what}, more than {most}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_published_and_reference_keys() {
        let salt: Vec<u8> = (0..16).collect();
        let cases: [(&str, Params, &[u8], &[u8], &str); 3] = [
            (
                "argon2id, as a store is created",
                Params::Argon2id { time: 4, memory_kib: 262_144, threads: 1 },
                b"passphrase",
                &salt,
                "0499a908c7694c153320f69a2416ea20afe893d59306a46a701d3c83becf2230",
            ),
            (
                "scrypt, RFC 7914 section 12, cut to 32 bytes",
                Params::Scrypt { n: 1024, r: 8, p: 16 },
                b"password",
                b"NaCl",
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162",
            ),
            (
                "PBKDF2, RFC 7914 section 11, cut to 32 bytes",
                Params::Pbkdf2Sha256 { iterations: 1 },
                b"passwd",
                b"salt",
                "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
            ),
        ];
        for (name, params, passphrase, salt, key) in cases {
            let derived = derive(&params, salt, &Secret::new(passphrase.to_vec()), 32).unwrap();
            assert_eq!(hex::encode(derived.expose()), key, "{name}");
        }
    }

    #[test]
    fn hostile_costs_are_refused_before_memory_is_taken() {
        let secret = Secret::new(b"x".to_vec());
        for params in [
            Params::Argon2id { time: 1, memory_kib: u32::MAX, threads: 1 },
            Params::Argon2id { time: 0, memory_kib: 1024, threads: 1 },
            Params::Argon2id { time: u32::MAX, memory_kib: 262_144, threads: 1 },
            Params::Scrypt { n: 1 << 40, r: 8, p: 1 },
            Params::Scrypt { n: 4, r: 1 << 29, p: 1 },
            Params::Scrypt { n: 2, r: 1, p: 1 << 29 },
            Params::Scrypt { n: 1 << 20, r: 8, p: 1 << 20 },
            Params::Pbkdf2Sha256 { iterations: u32::MAX },
            Params::Scrypt { n: 3, r: 8, p: 1 },
            Params::Pbkdf2Sha256 { iterations: 0 },
        ] {
            assert!(derive(&params, &[0; 16], &secret, 32).is_err(), "{params:?}");
        }
    }
}
