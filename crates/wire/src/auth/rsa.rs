//! RSA encryption with the public key that a server sends for `caching_sha2_password`.
//!
//! The arithmetic is `mysql_common`'s. Reading the key is ours, because the key comes from the other end: it may be no key,
//! a key of absurd size, or one too small for the password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mysql_common::crypto::rsa;
use num_bigint::BigUint;

use crate::Error;

/// What a decoding error names.
const WHAT: &str = "public key of the server";

/// Modulus sizes we accept. Smaller ones do not protect, larger ones keep a processor busy on a stranger's word.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 128..=1024;

/// Exponents have up to this many bytes; 65537, in use everywhere, has three.
const EXPONENT_BYTES_MAX: usize = 4;

/// What the padding (OAEP with SHA-1) needs beside the message.
const PADDING_BYTES: usize = 42;

/// The largest PEM text we look at.
const PEM_BYTES_MAX: usize = 16 * 1024;

const TAG_INTEGER: u8 = 0x02;
const TAG_BIT_STRING: u8 = 0x03;
const TAG_SEQUENCE: u8 = 0x30;

/// An RSA public key.
#[derive(Debug)]
pub struct PublicKey {
    key: rsa::PublicKey,
    modulus_bytes: usize,
}

impl PublicKey {
    /// Reads a key in PEM form, `BEGIN PUBLIC KEY` (any algorithm name is taken for RSA) or `BEGIN RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not such a key, or its numbers are out of the range that we accept.
    pub fn from_pem(pem: &[u8]) -> Result<PublicKey, Error> {
        let der = decode_pem(pem)?;
        let (mut outer, _) = take(&der, TAG_SEQUENCE)?;
        if outer.first() == Some(&TAG_SEQUENCE) {
            let (_algorithm, rest) = take(outer, TAG_SEQUENCE)?;
            let (bits, _) = take(rest, TAG_BIT_STRING)?;
            // The first byte counts unused bits, of which a key has none.
            (outer, _) = take(bits.get(1..).unwrap_or_default(), TAG_SEQUENCE)?;
        }
        let (modulus, rest) = take(outer, TAG_INTEGER)?;
        let (exponent, _) = take(rest, TAG_INTEGER)?;
        let (modulus, exponent) = (without_sign(modulus), without_sign(exponent));
        // The arithmetic takes the size in bytes from the size in bits, and needs the top bit for that.
        if !MODULUS_BYTES.contains(&modulus.len()) || modulus.first().is_none_or(|top| top & 0x80 == 0) {
            return Err(Error::invalid(
                WHAT,
                format!("its modulus has {} bytes", modulus.len()),
            ));
        }
        if exponent.is_empty() || exponent.len() > EXPONENT_BYTES_MAX {
            return Err(Error::invalid(
                WHAT,
                format!("its exponent has {} bytes", exponent.len()),
            ));
        }
        let key = rsa::PublicKey::new(BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
        Ok(PublicKey {
            key,
            modulus_bytes: modulus.len(),
        })
    }

    /// Encrypts `message`, padded by OAEP with SHA-1.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the message does not fit the key.
    pub fn encrypt(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let limit = self.modulus_bytes - PADDING_BYTES;
        if message.len() > limit {
            let (size, limit) = (message.len() as u64, limit as u64);
            return Err(Error::TooLarge {
                what: "password to encrypt with the server's key",
                size,
                limit,
            });
        }
        Ok(self
            .key
            .encrypt_block(message, rsa::Pkcs1OaepPadding::new(rsa::GetRandom)))
    }
}

/// The bytes between the two marker lines.
fn decode_pem(pem: &[u8]) -> Result<Vec<u8>, Error> {
    let text = match std::str::from_utf8(pem) {
        Ok(text) if pem.len() <= PEM_BYTES_MAX => text,
        _ => return Err(Error::invalid(WHAT, "it is not PEM text")),
    };
    let mut lines = text.lines().map(str::trim);
    let begins = |line: &str| {
        matches!(
            line,
            "-----BEGIN PUBLIC KEY-----" | "-----BEGIN RSA PUBLIC KEY-----"
        )
    };
    if !lines.any(begins) {
        return Err(Error::invalid(WHAT, "it is not PEM text with a public key"));
    }
    let body: String = lines.take_while(|line| !line.starts_with("-----")).collect();
    STANDARD
        .decode(body)
        .map_err(|error| Error::invalid(WHAT, format!("its base64 is broken: {error}")))
}

/// Takes one DER element with the given tag. Returns its content, and what follows.
fn take(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), Error> {
    let broken = || {
        Error::invalid(
            WHAT,
            format!("its DER has no element {tag:#04x} where one belongs"),
        )
    };
    let (&found, rest) = der.split_first().ok_or_else(broken)?;
    let (&first, rest) = rest.split_first().ok_or_else(broken)?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest
                .split_at_checked(usize::from(first & 0x7F))
                .ok_or_else(broken)?;
            (
                bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte)),
                rest,
            )
        }
        // Longer than 64 KiB, or of unknown length: no key.
        _ => return Err(broken()),
    };
    match rest.split_at_checked(length) {
        Some(parts) if found == tag => Ok(parts),
        _ => Err(broken()),
    }
}

/// A DER integer without the zero bytes that keep it positive.
fn without_sign(mut integer: &[u8]) -> &[u8] {
    while let Some((0, rest)) = integer.split_first() {
        integer = rest;
    }
    integer
}

#[cfg(test)]
pub(super) mod tests {
    use sha1::{Digest, Sha1};

    use super::*;

    /// A key made for this test and used nowhere else.
    pub(crate) const PUBLIC_KEY_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1HbXepNzpuEIwtbfTmso\n\
PzutiQs8AkCJ50Gn6SCw/k8Jh1ed5/oE5nBQlYfDc3g7iWheNw20ElDrDPjqUXYi\n\
ZyB8IHwXZtA45PouuXXcb9Gzy3B/FsxCEWehsmKvZkfkk7uPEmQlUvh5NpEHhqIt\n\
e6aBVqpbcF7fcgO5iXSJSdooSNT7UUbA2H0+6Mzt6vJKiEGm8ASz769wqgD3227n\n\
dPwy2GsUd2O0cN9NfM705u9sYlShEFvpR/cMmS6DVj6MMLphoWJn1fgjsBvHw6/V\n\
LK72f3NldQ67E7eJI3/Nx5dBeRfkmUNkvEeVBDYMFktDW1nijYLvskk/NBu8YsL+\n\
5wIDAQAB\n\
-----END PUBLIC KEY-----\n";

    /// The same key in the older form.
    const RSA_PUBLIC_KEY_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----\n\
MIIBCgKCAQEA1HbXepNzpuEIwtbfTmsoPzutiQs8AkCJ50Gn6SCw/k8Jh1ed5/oE\n\
5nBQlYfDc3g7iWheNw20ElDrDPjqUXYiZyB8IHwXZtA45PouuXXcb9Gzy3B/FsxC\n\
EWehsmKvZkfkk7uPEmQlUvh5NpEHhqIte6aBVqpbcF7fcgO5iXSJSdooSNT7UUbA\n\
2H0+6Mzt6vJKiEGm8ASz769wqgD3227ndPwy2GsUd2O0cN9NfM705u9sYlShEFvp\n\
R/cMmS6DVj6MMLphoWJn1fgjsBvHw6/VLK72f3NldQ67E7eJI3/Nx5dBeRfkmUNk\n\
vEeVBDYMFktDW1nijYLvskk/NBu8YsL+5wIDAQAB\n\
-----END RSA PUBLIC KEY-----\n";

    /// Its private exponent.
    const PRIVATE_EXPONENT: &str = "\
1f1e0ac026a16d230f53ee0185ac37184fc6c248157164ff6d91d5a454c7e76f2eff960b08033bbd7e5ca711dbc3e92b9b1b\
e094a29aa986156ef073ed1b66bd80e9fd1dff956cd0b0649dfc46b152e53d368212f3055675d31e4110a80ccc61c36b5870\
829f5ed00a7cbdf002bd74f8e3b194be5da70f161dce42d9c96a24191da1400f3ba42175cc0fb294cf9ba6d5c18e5748ebc0\
1b398319af472ee1a8217e0d973dc9a6967b35b016151a430a884261d6e14a96169ad079fcf8aec86de9e3de3d288cd63863\
a2bd7cf39aed59451a9bd79db10e2b25ec159f93af8340eeb78558a377a666a5707468c5977529e51998168627a56e286679\
3a4f76490a71";

    /// MGF1 with SHA-1, RFC 8017 appendix B.2.1.
    fn xor_with_mask(seed: &[u8], bytes: &mut [u8]) {
        for (counter, block) in bytes.chunks_mut(20).enumerate() {
            let mask = Sha1::digest([seed, &(counter as u32).to_be_bytes()].concat());
            block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }

    /// Undoes the padding, RFC 8017 section 7.1.2.
    fn remove_padding(padded: &[u8]) -> Vec<u8> {
        let (mut seed, mut block) = (padded[..20].to_vec(), padded[20..].to_vec());
        xor_with_mask(&block, &mut seed);
        xor_with_mask(&seed, &mut block);
        assert_eq!(&block[..20], Sha1::digest([]).as_slice());
        let start = 20 + block[20..].iter().position(|byte| *byte == 1).unwrap() + 1;
        block[start..].to_vec()
    }

    fn decrypt(key: &PublicKey, encrypted: &[u8]) -> Vec<u8> {
        let exponent = BigUint::parse_bytes(PRIVATE_EXPONENT.as_bytes(), 16).unwrap();
        let padded = BigUint::from_bytes_be(encrypted)
            .modpow(&exponent, key.key.modulus())
            .to_bytes_be();
        // The first byte of the padded block is zero and falls away in the number.
        assert_eq!(padded.len(), 255);
        remove_padding(&padded)
    }

    #[test]
    fn the_owner_of_the_private_key_reads_the_message() {
        for pem in [PUBLIC_KEY_PEM, RSA_PUBLIC_KEY_PEM] {
            let key = PublicKey::from_pem(pem.as_bytes()).unwrap();
            let encrypted = key.encrypt(b"secret\0").unwrap();
            assert_eq!(decrypt(&key, &encrypted), b"secret\0");
        }
    }

    #[test]
    fn a_message_too_long_for_the_key_is_an_error() {
        let key = PublicKey::from_pem(PUBLIC_KEY_PEM.as_bytes()).unwrap();
        assert!(key.encrypt(&[1; 214]).is_ok());
        assert_eq!(
            key.encrypt(&[1; 215]),
            Err(Error::TooLarge {
                what: "password to encrypt with the server's key",
                size: 215,
                limit: 214
            })
        );
    }

    #[test]
    fn what_is_not_a_key_is_an_error() {
        let garbage = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
        let not_base64 = "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----";
        for text in ["", "key", "-----BEGIN PUBLIC KEY-----", garbage, not_base64] {
            assert!(PublicKey::from_pem(text.as_bytes()).is_err(), "{text}");
        }
        assert!(PublicKey::from_pem(&[0xFF; 100]).is_err());
    }

    /// Every cut and every changed byte of a good key either fails or yields a key that can be used.
    #[test]
    fn damaged_keys_do_not_panic() {
        let der = decode_pem(PUBLIC_KEY_PEM.as_bytes()).unwrap();
        let wrap = |der: &[u8]| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
                STANDARD.encode(der)
            )
        };
        for length in 0..der.len() {
            assert!(
                PublicKey::from_pem(wrap(&der[..length]).as_bytes()).is_err(),
                "length {length}"
            );
        }
        for index in 0..40 {
            for value in [0, 1, 0x30, 0x7F, 0x80, 0x82, 0xFF] {
                let mut damaged = der.clone();
                damaged[index] = value;
                if let Ok(key) = PublicKey::from_pem(wrap(&damaged).as_bytes()) {
                    let _ = key.encrypt(b"x").unwrap();
                }
            }
        }
    }
}
