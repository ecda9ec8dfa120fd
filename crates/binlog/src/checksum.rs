//! The checksum behind an event: which kind, how to verify it, how to make it.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::header::{self, Header};

/// Bytes a CRC32 takes behind the body.
pub const CHECKSUM_BYTES: usize = 4;

/// How events end: `binlog_checksum` of the server that wrote them.
///
/// # Wire form
/// One byte in the Format_description event: 0 or 1. `NONE` and `CRC32` in `@@global.binlog_checksum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// Nothing behind the body.
    Off,
    /// The zlib CRC32 of header and body, little-endian.
    Crc32,
}

impl ChecksumAlgorithm {
    /// The algorithm for its byte in a Format_description event.
    #[must_use]
    pub fn from_code(code: u8) -> Option<ChecksumAlgorithm> {
        match code {
            0 => Some(ChecksumAlgorithm::Off),
            1 => Some(ChecksumAlgorithm::Crc32),
            _ => None,
        }
    }

    /// The algorithm's byte in a Format_description event.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            ChecksumAlgorithm::Off => 0,
            ChecksumAlgorithm::Crc32 => 1,
        }
    }

    /// The algorithm for the text of `@@global.binlog_checksum`; letter case does not matter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ChecksumAlgorithm> {
        if name.eq_ignore_ascii_case("NONE") {
            Some(ChecksumAlgorithm::Off)
        } else if name.eq_ignore_ascii_case("CRC32") {
            Some(ChecksumAlgorithm::Crc32)
        } else {
            None
        }
    }
}

/// Checks that `raw` is one whole event, with a right checksum if `algorithm` is one; a Format_description always has one.
///
/// # Errors
/// [`DecodeError::Length`], [`DecodeError::Truncated`] and [`DecodeError::Checksum`].
pub fn verify_event(raw: &Bytes, algorithm: ChecksumAlgorithm) -> Result<Header, DecodeError> {
    let header = header::decode_whole(raw)?;
    if header.kind == EventType::FORMAT_DESCRIPTION || algorithm == ChecksumAlgorithm::Crc32 {
        verify(&header, raw)?;
    }
    Ok(header)
}

/// Checks the CRC32 in the last four bytes of `raw`.
///
/// The flag that marks an open file is set and cleared without touching the checksum, so it counts as clear.
pub(crate) fn verify(header: &Header, raw: &[u8]) -> Result<(), DecodeError> {
    let Some((covered, stored)) = raw.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(DecodeError::Truncated {
            event: header.kind,
            field: "checksum",
            offset: 0,
            needed: CHECKSUM_BYTES,
            left: raw.len(),
        });
    };
    let stored = u32::from_le_bytes(*stored);
    let computed = compute(header, covered);
    if computed == stored || is_made_on_the_way(header, covered) {
        Ok(())
    } else {
        Err(DecodeError::Checksum {
            event: header.kind,
            stored,
            computed,
            end_offset: header.end_offset,
        })
    }
}

/// Whether it is a Format_description that a source without checksums sends in front of the middle of a file: it has no place there
/// and another time, and the checksum of what it was in the file. MariaDB server, `sql/sql_repl.cc`,
/// `send_format_descriptor_event`.
fn is_made_on_the_way(header: &Header, covered: &[u8]) -> bool {
    header.kind == EventType::FORMAT_DESCRIPTION
        && header.end_offset == 0
        && covered.last() == Some(&ChecksumAlgorithm::Off.code())
}

fn compute(header: &Header, covered: &[u8]) -> u32 {
    const FLAGS_OFFSET: usize = 17;
    if header.kind == EventType::FORMAT_DESCRIPTION
        && header.flags & Header::FLAG_IN_USE != 0
        && covered.len() > FLAGS_OFFSET
    {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&covered[..FLAGS_OFFSET]);
        hasher.update(&[covered[FLAGS_OFFSET] & 0xfe]);
        hasher.update(&covered[FLAGS_OFFSET + 1..]);
        return hasher.finalize();
    }
    crc32fast::hash(covered)
}

/// Appends the CRC32 of the event that begins at `start` of `out`, which the length in its header counts already.
pub fn append_checksum(out: &mut Vec<u8>, start: usize) {
    let crc = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes() {
        assert_eq!(
            ChecksumAlgorithm::from_name("crc32"),
            Some(ChecksumAlgorithm::Crc32)
        );
        assert_eq!(ChecksumAlgorithm::from_name("NONE"), Some(ChecksumAlgorithm::Off));
        assert_eq!(ChecksumAlgorithm::from_name("SHA"), None);
        for algorithm in [ChecksumAlgorithm::Off, ChecksumAlgorithm::Crc32] {
            assert_eq!(ChecksumAlgorithm::from_code(algorithm.code()), Some(algorithm));
        }
        assert_eq!(ChecksumAlgorithm::from_code(255), None);
    }

    #[test]
    fn a_changed_byte_is_found() {
        let mut raw = Vec::new();
        let header = Header {
            timestamp: 1,
            kind: EventType::STOP,
            server_id: 1,
            length: 23,
            end_offset: 77,
            flags: 0,
        };
        header.encode(&mut raw);
        append_checksum(&mut raw, 0);
        assert_eq!(verify(&header, &raw), Ok(()));
        raw[0] ^= 1;
        let message = verify(&header, &raw).unwrap_err().to_string();
        assert!(message.contains("event ends at 77"), "{message}");
        assert!(verify(&header, &raw[..3]).is_err());
    }

    #[test]
    fn a_format_without_checksums_may_be_changed_on_its_way_and_no_other() {
        let mut raw = Vec::new();
        let mut header = Header {
            timestamp: 1,
            kind: EventType::FORMAT_DESCRIPTION,
            server_id: 1,
            length: 24,
            end_offset: 0,
            flags: 0,
        };
        header.encode(&mut raw);
        raw.extend_from_slice(&[ChecksumAlgorithm::Off.code(), 1, 2, 3, 4]);
        assert_eq!(verify(&header, &raw), Ok(()));
        header.end_offset = 256;
        assert!(verify(&header, &raw).is_err(), "in a file it is whole");
        header.end_offset = 0;
        raw[19] = ChecksumAlgorithm::Crc32.code();
        assert!(verify(&header, &raw).is_err(), "it was made with a checksum");
    }
}
