//! Sealing: AES-256-GCM-SIV blocks under a subkey of their own (FORMAT.md, "Keys and sealing"). The only
//! file that names the cipher crates.
//!
//! Layout: the wrapped subkey, then for each `chunk_size` of plaintext a nonce of 12 bytes, the
//! ciphertext and a tag of 16.

use crate::base::secret::Secret;
use aes_gcm_siv::aead::AeadInOut;
use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce, Tag};
use ring::aead;
use std::fmt;
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG: usize = 16;
const BLOCK_OVERHEAD: usize = NONCE + TAG;
const SUBKEY: usize = 32;

/// How a subkey is wrapped under the store's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subkey {
    /// RFC 3394 key wrap: 40 bytes.
    Wrap,
    /// AES-256-GCM with a random nonce: 60 bytes.
    Gcm,
}

impl Subkey {
    fn wrapped_len(self) -> usize {
        match self {
            Subkey::Wrap => SUBKEY + 8,
            Subkey::Gcm => NONCE + SUBKEY + TAG,
        }
    }
}

/// Sealed bytes that do not open: altered, cut, or under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealError(pub &'static str);

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Seals and opens under one key.
#[derive(Clone)]
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    subkey: Subkey,
    chunk_size: usize,
}

impl Sealer {
    /// With a key of 32 bytes; `chunk_size` is the plaintext length of a block.
    ///
    /// # Errors
    /// Another key length, or a chunk size of 0.
    pub fn new(key: &Secret, subkey: Subkey, chunk_size: usize) -> Result<Sealer, SealError> {
        let key = key.expose().try_into().map_err(|_| SealError("a sealing key has 32 bytes"))?;
        if chunk_size == 0 {
            return Err(SealError("a block of 0 bytes"));
        }
        Ok(Sealer { key: Zeroizing::new(key), subkey, chunk_size })
    }

    /// Length of the sealed form of `plain_len` bytes.
    pub fn sealed_len(&self, plain_len: usize) -> usize {
        self.subkey.wrapped_len() + plain_len + BLOCK_OVERHEAD * plain_len.div_ceil(self.chunk_size)
    }

    /// Appends the sealed form of `plain` to `out`. `fill` gives random bytes.
    pub fn seal(&self, plain: &[u8], fill: &mut dyn FnMut(&mut [u8]), out: &mut Vec<u8>) {
        let mut subkey = Zeroizing::new([0; SUBKEY]);
        fill(&mut *subkey);
        out.reserve(self.sealed_len(plain.len()));
        self.wrap(&subkey, fill, out);
        let cipher = Aes256GcmSiv::new((&*subkey).into());
        for block in plain.chunks(self.chunk_size) {
            let mut nonce = [0; NONCE];
            fill(&mut nonce);
            out.extend_from_slice(&nonce);
            let start = out.len();
            out.extend_from_slice(block);
            let body = out.get_mut(start..).unwrap_or_default();
            #[expect(clippy::expect_used, reason = "a block is far below the cipher's 64 GiB limit")]
            let tag = cipher
                .encrypt_inout_detached(&Nonce::from(nonce), &[], InOutBuf::from(body))
                .expect("a short block");
            out.extend_from_slice(&tag);
        }
    }

    /// The plaintext, at most `limit` bytes of it.
    ///
    /// # Errors
    /// Anything but what [`Sealer::seal`] wrote, or longer than `limit`.
    pub fn open(&self, sealed: &[u8], limit: usize) -> Result<Vec<u8>, SealError> {
        let mut plain = Vec::new();
        self.open_into(sealed, limit, &mut plain)?;
        Ok(plain)
    }

    /// The plaintext, in place of what `plain` held.
    ///
    /// # Errors
    /// As [`Sealer::open`]; what `plain` holds then is of no use.
    pub fn open_into(&self, sealed: &[u8], limit: usize, plain: &mut Vec<u8>) -> Result<(), SealError> {
        let (wrapped, body) = sealed
            .split_at_checked(self.subkey.wrapped_len())
            .ok_or(SealError("sealed bytes are cut short"))?;
        let subkey = self.unwrap(wrapped)?;
        let cipher = Aes256GcmSiv::new((&*subkey).into());
        let blocks = body.len().div_ceil(self.chunk_size + BLOCK_OVERHEAD);
        let plain_len = body.len().saturating_sub(blocks * BLOCK_OVERHEAD);
        if plain_len > limit {
            return Err(SealError("sealed bytes are longer than allowed"));
        }
        plain.clear();
        plain.reserve(plain_len);
        for block in body.chunks(self.chunk_size + BLOCK_OVERHEAD) {
            let cut = SealError("a sealed block is cut short");
            let (nonce, rest) = block.split_first_chunk::<NONCE>().ok_or(cut.clone())?;
            let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(cut)?;
            let start = plain.len();
            plain.extend_from_slice(text);
            let body = plain.get_mut(start..).unwrap_or_default();
            cipher
                .decrypt_inout_detached(&Nonce::from(*nonce), &[], InOutBuf::from(body), &Tag::from(*tag))
                .map_err(|_| SealError("a sealed block was altered, or sealed under another key"))?;
        }
        Ok(())
    }

    fn wrap(&self, subkey: &[u8; SUBKEY], fill: &mut dyn FnMut(&mut [u8]), out: &mut Vec<u8>) {
        match self.subkey {
            Subkey::Wrap => {
                let mut wrapped = [0; SUBKEY + 8];
                #[expect(clippy::expect_used, reason = "32 bytes wrap into 40")]
                aes_kw::KwAes256::new((&*self.key).into())
                    .wrap_key(subkey, &mut wrapped)
                    .expect("40 bytes of room");
                out.extend_from_slice(&wrapped);
            }
            Subkey::Gcm => {
                let mut nonce = [0; NONCE];
                fill(&mut nonce);
                let mut body = Zeroizing::new(subkey.to_vec());
                #[expect(clippy::expect_used, reason = "32 bytes are within the cipher's limit")]
                let tag = self
                    .gcm()
                    .seal_in_place_separate_tag(
                        aead::Nonce::assume_unique_for_key(nonce),
                        aead::Aad::empty(),
                        &mut body,
                    )
                    .expect("a short message");
                out.extend_from_slice(&nonce);
                out.extend_from_slice(&body);
                out.extend_from_slice(tag.as_ref());
            }
        }
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; SUBKEY]>, SealError> {
        let failed = SealError("the subkey does not unwrap: altered, or another key");
        let mut subkey = Zeroizing::new([0; SUBKEY]);
        match self.subkey {
            Subkey::Wrap => {
                aes_kw::KwAes256::new((&*self.key).into())
                    .unwrap_key(wrapped, &mut *subkey)
                    .map_err(|_| failed)?;
            }
            Subkey::Gcm => {
                let (nonce, body) = wrapped.split_first_chunk::<NONCE>().ok_or(failed.clone())?;
                let mut body = Zeroizing::new(body.to_vec());
                let plain = self
                    .gcm()
                    .open_in_place(aead::Nonce::assume_unique_for_key(*nonce), aead::Aad::empty(), &mut body)
                    .map_err(|_| failed.clone())?;
                *subkey = (&*plain).try_into().map_err(|_| failed)?;
            }
        }
        Ok(subkey)
    }

    fn gcm(&self) -> aead::LessSafeKey {
        #[expect(clippy::expect_used, reason = "the key has 32 bytes")]
        aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &*self.key).expect("32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(subkey: Subkey) -> Sealer {
        let key = hex::decode("0499a908c7694c153320f69a2416ea20afe893d59306a46a701d3c83becf2230").unwrap();
        Sealer::new(&Secret::new(key), subkey, 65536).unwrap()
    }

    #[test]
    fn equals_the_reference_bytes() {
        let mut given: Vec<u8> = (0x40..0x60).chain(0x70..0x7c).collect();
        let mut fill = |out: &mut [u8]| {
            let rest = given.split_off(out.len());
            out.copy_from_slice(&given);
            given = rest;
        };
        let mut out = Vec::new();
        sealer(Subkey::Wrap).seal(b"hello world\n", &mut fill, &mut out);
        assert_eq!(
            hex::encode(&out),
            "5ade58ae8ba93759402d5c37c7554a25bc41a7da95e77fed462c8599b7f209736c9992ece1b5cbdb\
             707172737475767778797a7b378a0886e1ff49646f648a5c7ea0e90a8706dd30d69356f51ab99d80"
        );
    }

    #[test]
    fn every_length_opens_and_every_change_is_noticed() {
        for subkey in [Subkey::Wrap, Subkey::Gcm] {
            let sealer = sealer(subkey);
            for len in [0, 1, 65535, 65536, 65537, 131_072, 200_000] {
                let plain: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
                let mut sealed = Vec::new();
                sealer.seal(&plain, &mut |out| out.fill(9), &mut sealed);
                assert_eq!(sealed.len(), sealer.sealed_len(len));
                assert_eq!(sealer.open(&sealed, len).unwrap(), plain);
                if len > 0 {
                    assert!(sealer.open(&sealed, len - 1).is_err());
                }
                for at in [0, 39, sealed.len() / 2, sealed.len() - 1] {
                    let mut altered = sealed.clone();
                    altered[at] ^= 1;
                    assert!(sealer.open(&altered, len).is_err(), "byte {at} of {len}");
                }
                assert!(sealer.open(&sealed[..sealed.len() - 1], len).is_err());
            }
        }
    }
}
