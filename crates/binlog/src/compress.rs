//! Compressed parts of events: statement text, row data, column values.
//!
//! The decompressor is made once and reused; the plain length an event states is checked against the limit before
//! anything of that size is allocated.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use libdeflater::Decompressor;

use crate::error::DecodeError;
use crate::event_type::EventType;

/// Deflate expands a byte to this many at most (zlib's technical notes, "Maximum Compression Factor"): a stated length
/// beyond that is a lie, and not worth its memory.
const EXPANSION_MAX: usize = 1032;

/// The setting that limits a decompressed event.
pub(crate) const EVENT_BYTES_MAX: &str = "event_bytes_max";

/// Expands the compressed part of Query_compressed and compressed rows events.
///
/// # Wire form
/// One byte `0x80 | algorithm << 4 | n`; the plain length in `n` (1 to 4) bytes, big-endian; a zlib stream. Algorithm 0
/// is zlib, the only one. MariaDB protocol documentation, page "QUERY_COMPRESSED_EVENT".
pub(crate) struct Expander {
    decompressor: Decompressor,
    pub(crate) bytes_max: usize,
}

impl Expander {
    pub(crate) fn new(bytes_max: usize) -> Expander {
        Expander {
            decompressor: Decompressor::new(),
            bytes_max,
        }
    }

    /// The plain bytes of `block`, which begins at `offset` of the event.
    pub(crate) fn expand(
        &mut self,
        block: &[u8],
        event: EventType,
        field: &'static str,
        offset: usize,
    ) -> Result<Bytes, DecodeError> {
        let (stated, stream) = split_block(block, event, field, offset)?;
        if stated > self.bytes_max {
            return Err(DecodeError::TooLarge {
                event,
                what: field,
                bytes: stated as u64,
                limit: self.bytes_max as u64,
                setting: EVENT_BYTES_MAX,
            });
        }
        if stated / EXPANSION_MAX > stream.len() {
            let why = format!("{} compressed bytes cannot expand to {stated}", stream.len());
            return Err(DecodeError::invalid(event, field, offset, why));
        }
        let mut plain = vec![0_u8; stated];
        match self.decompressor.zlib_decompress(stream, &mut plain) {
            Ok(written) if written == stated => Ok(Bytes::from(plain)),
            Ok(written) => Err(DecodeError::invalid(
                event,
                field,
                offset,
                format!("{stated} bytes announced, {written} decompressed"),
            )),
            Err(error) => Err(DecodeError::invalid(
                event,
                field,
                offset,
                format!(
                    "zlib stream of {} bytes does not decompress to {stated}: {error:?}",
                    stream.len()
                ),
            )),
        }
    }
}

impl fmt::Debug for Expander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expander")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// The stated plain length, and the stream behind it.
fn split_block<'a>(
    block: &'a [u8],
    event: EventType,
    field: &'static str,
    offset: usize,
) -> Result<(usize, &'a [u8]), DecodeError> {
    let truncated = |needed| DecodeError::Truncated {
        event,
        field,
        offset,
        needed,
        left: block.len(),
    };
    let (&marker, rest) = block.split_first().ok_or_else(|| truncated(1))?;
    if marker & 0x80 == 0 || marker & 0x70 != 0 {
        return Err(DecodeError::invalid(
            event,
            field,
            offset,
            format!("compression marker {marker:#04x}; only zlib (0x81 to 0x84) is known"),
        ));
    }
    let length_bytes = usize::from(marker & 0x07);
    if !(1..=4).contains(&length_bytes) {
        return Err(DecodeError::invalid(
            event,
            field,
            offset,
            format!("compression marker {marker:#04x} announces a length of {length_bytes} bytes"),
        ));
    }
    let (length, stream) = rest
        .split_at_checked(length_bytes)
        .ok_or_else(|| truncated(1 + length_bytes))?;
    let stated = length
        .iter()
        .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
    Ok((stated, stream))
}

/// Why a compressed column value could not be expanded.
pub(crate) type ValueProblem = Cow<'static, str>;

/// Expands one value of a `COMPRESSED` column (types 140 and 141).
///
/// # Wire form
/// Empty: the empty value. First byte 0: the rest is plain. Otherwise `0x80 | wrap | n`: the plain length in `n` bytes,
/// big-endian, then deflate data; bit `0x08` set means without zlib header. MariaDB server, `sql/field_comp.cc`.
pub(crate) fn expand_value(raw: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, ValueProblem> {
    let Some((&marker, rest)) = raw.split_first() else {
        return Ok(Cow::Borrowed(&[]));
    };
    if marker == 0 {
        return Ok(Cow::Borrowed(rest));
    }
    if marker & 0x80 == 0 || marker & 0x70 != 0 {
        return Err(Cow::Owned(format!(
            "column compression marker {marker:#04x} is not known"
        )));
    }
    let length_bytes = usize::from(marker & 0x07);
    if !(1..=4).contains(&length_bytes) {
        return Err(Cow::Owned(format!(
            "column compression marker {marker:#04x} announces no length"
        )));
    }
    let (length, stream) = rest
        .split_at_checked(length_bytes)
        .ok_or(Cow::Borrowed("the compressed value ends inside its length"))?;
    let stated = length
        .iter()
        .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
    if stated > bytes_max {
        return Err(Cow::Owned(format!(
            "{stated} bytes decompressed exceed the limit of {bytes_max}"
        )));
    }
    if stated / EXPANSION_MAX > stream.len() {
        return Err(Cow::Owned(format!(
            "{} compressed bytes cannot expand to {stated}",
            stream.len()
        )));
    }
    let mut plain = vec![0_u8; stated];
    let mut decompressor = Decompressor::new();
    let written = if marker & 0x08 == 0 {
        decompressor.zlib_decompress(stream, &mut plain)
    } else {
        decompressor.deflate_decompress(stream, &mut plain)
    };
    match written {
        Ok(written) if written == stated => Ok(Cow::Owned(plain)),
        Ok(written) => Err(Cow::Owned(format!(
            "{stated} bytes announced, {written} decompressed"
        ))),
        Err(error) => Err(Cow::Owned(format!(
            "does not decompress to {stated} bytes: {error:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libdeflater::{CompressionLvl, Compressor};

    fn block(plain: &[u8]) -> Vec<u8> {
        let mut compressor = Compressor::new(CompressionLvl::default());
        let mut out = vec![0; compressor.zlib_compress_bound(plain.len())];
        let size = compressor.zlib_compress(plain, &mut out).unwrap();
        let mut block = vec![0x82];
        block.extend_from_slice(&u16::try_from(plain.len()).unwrap().to_be_bytes());
        block.extend_from_slice(&out[..size]);
        block
    }

    #[test]
    fn expands_what_the_server_compresses() {
        let plain = b"INSERT INTO t VALUES ".repeat(30);
        let mut expander = Expander::new(1 << 20);
        let got = expander
            .expand(&block(&plain), EventType::QUERY_COMPRESSED, "query", 40)
            .unwrap();
        assert_eq!(got, plain);
    }

    #[test]
    fn refuses_before_allocating() {
        let mut expander = Expander::new(1000);
        let huge = [0x84, 0xff, 0xff, 0xff, 0xff, 0x78, 0x9c];
        let error = expander
            .expand(&huge, EventType::QUERY_COMPRESSED, "query", 40)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "decode Query_compressed event (type 165): query of 4294967295 bytes exceeds event_bytes_max = 1000; \
             raise the setting if this is real"
        );
    }

    #[test]
    fn a_length_beyond_deflate_is_refused() {
        let mut expander = Expander::new(1 << 30);
        let bomb = [0x84, 0x30, 0, 0, 0, 0x78, 0x9c, 1, 2, 3];
        let error = expander
            .expand(&bomb, EventType::QUERY_COMPRESSED, "query", 40)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("5 compressed bytes cannot expand to 805306368"),
            "{error}"
        );
        assert!(
            expand_value(&[0x8c, 0x30, 0, 0, 0, 1, 2], 1 << 30)
                .unwrap_err()
                .contains("cannot expand")
        );
        // Nothing compresses better than one byte repeated, and that still reads.
        let zeros = vec![0; 60_000];
        assert_eq!(
            expander
                .expand(&block(&zeros), EventType::QUERY_COMPRESSED, "query", 40)
                .unwrap(),
            zeros
        );
    }

    #[test]
    fn damaged_blocks_are_errors() {
        let mut expander = Expander::new(1 << 20);
        let mut check = |raw: &[u8]| {
            expander
                .expand(raw, EventType::QUERY_COMPRESSED, "query", 0)
                .unwrap_err()
        };
        assert!(check(&[]).to_string().contains("needs 1 bytes"));
        assert!(check(&[0x91, 1]).to_string().contains("only zlib"));
        assert!(check(&[0x85, 1]).to_string().contains("length of 5"));
        assert!(check(&[0x84, 1]).to_string().contains("needs 5 bytes"));
        let mut wrong = block(b"some text");
        wrong[2] += 1;
        assert!(check(&wrong).to_string().contains("announced"));
        wrong[2] -= 2;
        assert!(check(&wrong).to_string().contains("does not decompress"));
    }

    #[test]
    fn column_values() {
        // Captured from a 10.11 server: 100 times 'a' in a compressed column, then a value below the threshold.
        let raw = [0x89, 0x64, 0x4b, 0x4c, 0xa4, 0x3d, 0, 0];
        assert_eq!(expand_value(&raw, 1000).unwrap(), b"a".repeat(100).as_slice());
        assert_eq!(expand_value(&[0, b'x'], 1000).unwrap(), b"x".as_slice());
        assert_eq!(expand_value(&[], 1000).unwrap(), b"".as_slice());
        assert!(expand_value(&raw, 99).is_err());
        assert!(expand_value(&[0x8c, 1], 99).is_err());
        assert!(expand_value(&[0x01, 1], 99).is_err());
    }
}
