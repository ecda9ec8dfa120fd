//! Format_description (15): what all events after it look like.

use bytes::Bytes;

use crate::checksum::ChecksumAlgorithm;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::header::{self, HEADER_BYTES, Header};
use crate::reader::Reader;

/// The only binlog version in use since MySQL 5.0.
const BINLOG_VERSION: u16 = 4;
const SERVER_VERSION_BYTES: usize = 50;
/// The first servers whose Format_description carries a checksum algorithm.
const MARIADB_WITH_CHECKSUM: (u32, u32, u32) = (5, 3, 0);
const MYSQL_WITH_CHECKSUM: (u32, u32, u32) = (5, 6, 1);

/// What all events after it look like; the first event of every binlog file.
///
/// # Wire form
/// Binlog version `u16`; server version, 50 bytes padded with NUL; created `u32`; header length `u8`; post-header
/// lengths, one byte per event type from type 1 on; checksum algorithm `u8`; always a CRC32.
/// MariaDB protocol documentation, page "FORMAT_DESCRIPTION_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    /// When the event was written, seconds since the epoch.
    pub timestamp: u32,
    /// The server that wrote the file.
    pub server_id: u32,
    /// Always 4.
    pub binlog_version: u16,
    /// As `SELECT VERSION()` on the source: `10.11.19-MariaDB-log`.
    pub server_version: String,
    /// Seconds since the epoch; not 0 only in the first file after the server's start.
    pub created: u32,
    /// Bytes of the fixed part of each event type's body; index is the type minus 1.
    pub post_header_lengths: Bytes,
    /// How the events after this one end.
    pub checksum: ChecksumAlgorithm,
    /// The 50 bytes of the version, for writing the event back.
    version_field: Bytes,
}

impl FormatDescription {
    /// Reads the body without the trailing checksum, which [`crate::Decoder`] has verified.
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<FormatDescription, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let binlog_version = reader.u16("binlog version")?;
        if binlog_version != BINLOG_VERSION {
            return Err(reader.invalid(
                "binlog version",
                HEADER_BYTES,
                format!("{binlog_version}; only version 4 is known"),
            ));
        }
        let version_field = reader.bytes(SERVER_VERSION_BYTES, "server version")?;
        let created = reader.u32("creation time")?;
        let offset = reader.offset();
        let header_length = reader.u8("header length")?;
        if usize::from(header_length) != HEADER_BYTES {
            return Err(reader.invalid(
                "header length",
                offset,
                format!("{header_length}; only 19 is known"),
            ));
        }
        let server_version = text_up_to_nul(&version_field);
        if !has_checksum_field(&server_version) {
            return Err(DecodeError::Refused {
                event: header.kind,
                name: header.kind.name(),
                why: "the source is older than MariaDB 5.3; this engine reads from MariaDB 10.6 and later",
            });
        }
        let left = reader.left();
        let post_header_lengths = reader.bytes(left.saturating_sub(1), "post-header lengths")?;
        let offset = reader.offset();
        let code = reader.u8("checksum algorithm")?;
        let checksum = ChecksumAlgorithm::from_code(code).ok_or_else(|| {
            DecodeError::invalid(
                header.kind,
                "checksum algorithm",
                offset,
                format!("{code} is neither 0 nor 1"),
            )
        })?;
        Ok(FormatDescription {
            timestamp: header.timestamp,
            server_id: header.server_id,
            binlog_version,
            server_version,
            created,
            post_header_lengths,
            checksum,
            version_field,
        })
    }

    /// The fixed part of a body of type `kind`; `None` for types the source does not know.
    #[must_use]
    pub fn post_header_length(&self, kind: EventType) -> Option<usize> {
        let index = usize::from(kind.0).checked_sub(1)?;
        self.post_header_lengths
            .get(index)
            .map(|&length| usize::from(length))
    }

    /// The same with another server version, of at most 49 bytes, and other post-header lengths.
    pub(crate) fn with_version(&self, version: &str, post_header_lengths: Bytes) -> FormatDescription {
        let mut field = version.as_bytes().to_vec();
        field.resize(SERVER_VERSION_BYTES, 0);
        FormatDescription {
            server_version: version.to_owned(),
            version_field: field.into(),
            post_header_lengths,
            ..self.clone()
        }
    }

    /// Whether the source is a MariaDB server.
    #[must_use]
    pub fn is_mariadb(&self) -> bool {
        self.server_version.contains("MariaDB")
    }

    /// Major, minor and patch number of the source's version.
    #[must_use]
    pub fn version(&self) -> Option<(u32, u32, u32)> {
        version_numbers(&self.server_version)
    }

    /// The version as version comments write it: `101119` for 10.11.19; 0 if the text holds no version.
    #[must_use]
    pub fn version_number(&self) -> u32 {
        self.version().map_or(0, |(major, minor, patch)| {
            major
                .saturating_mul(10_000)
                .saturating_add(minor.saturating_mul(100))
                .saturating_add(patch)
        })
    }

    /// Appends the whole event with a right CRC32, announcing `checksum` for the events after it.
    pub fn encode(&self, header: &Header, checksum: ChecksumAlgorithm, out: &mut Vec<u8>) {
        let start = out.len();
        header.encode(out);
        out.extend_from_slice(&self.binlog_version.to_le_bytes());
        out.extend_from_slice(&self.version_field);
        out.extend_from_slice(&self.created.to_le_bytes());
        out.push(HEADER_BYTES as u8);
        out.extend_from_slice(&self.post_header_lengths);
        out.push(checksum.code());
        header::finish(out, start, ChecksumAlgorithm::Crc32);
    }

    /// Appends the event for a `BINLOG` statement after which events without checksum follow: the statement's server
    /// cuts checksums off unverified, so leaving them out saves their bytes and their computation.
    pub fn encode_without_checksum(&self, out: &mut Vec<u8>) {
        let header = Header {
            timestamp: self.timestamp,
            kind: EventType::FORMAT_DESCRIPTION,
            server_id: self.server_id,
            length: 0,
            end_offset: 0,
            flags: 0,
        };
        self.encode(&header, ChecksumAlgorithm::Off, out);
    }
}

fn text_up_to_nul(field: &[u8]) -> String {
    let text = field.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn has_checksum_field(server_version: &str) -> bool {
    let first = if server_version.contains("MariaDB") {
        MARIADB_WITH_CHECKSUM
    } else {
        MYSQL_WITH_CHECKSUM
    };
    version_numbers(server_version).is_some_and(|version| version >= first)
}

/// The leading `major.minor.patch`; what follows the digits of the patch number does not matter.
fn version_numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, '.');
    let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let patch = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?, patch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_from_the_text() {
        assert_eq!(
            version_numbers("10.11.19-MariaDB-0+deb12u1-log"),
            Some((10, 11, 19))
        );
        assert_eq!(version_numbers("8.0.36"), Some((8, 0, 36)));
        assert_eq!(version_numbers("MariaDB"), None);
        assert!(has_checksum_field("10.6.1-MariaDB"));
        assert!(!has_checksum_field("5.2.14-MariaDB"));
        assert!(!has_checksum_field("5.5.60-log"));
    }
}
