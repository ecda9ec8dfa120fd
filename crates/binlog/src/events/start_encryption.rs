//! Start_encryption (164): all after it in the file is encrypted.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// All after it in the *file* is encrypted. A source decrypts what it sends, so in a stream it means nothing.
///
/// # Wire form
/// Scheme `u8`, key version `u32`, nonce, 12 bytes. MariaDB protocol documentation, page "START_ENCRYPTION_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartEncryption {
    /// 1, the only one known.
    pub scheme: u8,
    /// Which version of the key.
    pub key_version: u32,
    /// Random bytes of this file.
    pub nonce: [u8; 12],
}

impl StartEncryption {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<StartEncryption, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let scheme = reader.u8("encryption scheme")?;
        let key_version = reader.u32("key version")?;
        let mut nonce = [0; 12];
        nonce.copy_from_slice(reader.slice(12, "nonce")?);
        Ok(StartEncryption {
            scheme,
            key_version,
            nonce,
        })
    }
}
