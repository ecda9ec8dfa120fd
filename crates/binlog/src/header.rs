//! The 19 bytes every event begins with.

use bytes::Bytes;

use crate::checksum::{CHECKSUM_BYTES, ChecksumAlgorithm, append_checksum};
use crate::error::DecodeError;
use crate::event_type::EventType;

/// The header's size in bytes. It is the same in every server this engine reads from.
pub const HEADER_BYTES: usize = 19;

/// The header of an event.
///
/// # Wire form
/// Little-endian: timestamp `u32`, type `u8`, server id `u32`, length `u32`, end offset `u32`, flags `u16`.
/// MariaDB protocol documentation, page "2-Binlog Event Header".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Seconds since the epoch when the statement began; 0 in artificial events and heartbeats.
    pub timestamp: u32,
    /// What the body holds.
    pub kind: EventType,
    /// The server the change was first made on.
    pub server_id: u32,
    /// Bytes of the whole event: header, body and checksum.
    pub length: u32,
    /// Offset of the byte after the event in the source's file, modulo 4 GiB. 0 means: not told.
    pub end_offset: u32,
    /// See the `FLAG_*` constants.
    pub flags: u16,
}

impl Header {
    /// In a Format_description only: the file was not closed (yet).
    pub const FLAG_IN_USE: u16 = 0x0001;
    /// The statement uses temporary tables, so the thread id matters.
    pub const FLAG_THREAD_SPECIFIC: u16 = 0x0004;
    /// The statement needs no default database.
    pub const FLAG_SUPPRESS_USE: u16 = 0x0008;
    /// Made up by the source's dump thread: not in the file, no part of any position.
    pub const FLAG_ARTIFICIAL: u16 = 0x0020;
    /// Written into a relay log by a replica.
    pub const FLAG_RELAY_LOG: u16 = 0x0040;
    /// May be passed over by a reader that does not know the type.
    pub const FLAG_IGNORABLE: u16 = 0x0080;
    /// The session had `skip_replication` set.
    pub const FLAG_SKIP_REPLICATION: u16 = 0x8000;

    /// Reads the header at the start of `raw`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer than 19 bytes.
    pub fn decode(raw: &[u8]) -> Result<Header, DecodeError> {
        let Some(h) = raw.first_chunk::<HEADER_BYTES>() else {
            return Err(DecodeError::Truncated {
                event: EventType(raw.get(4).copied().unwrap_or(0)),
                field: "event header",
                offset: 0,
                needed: HEADER_BYTES,
                left: raw.len(),
            });
        };
        Ok(Header {
            timestamp: u32::from_le_bytes([h[0], h[1], h[2], h[3]]),
            kind: EventType(h[4]),
            server_id: u32::from_le_bytes([h[5], h[6], h[7], h[8]]),
            length: u32::from_le_bytes([h[9], h[10], h[11], h[12]]),
            end_offset: u32::from_le_bytes([h[13], h[14], h[15], h[16]]),
            flags: u16::from_le_bytes([h[17], h[18]]),
        })
    }

    /// Appends the header in its wire form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        out.push(self.kind.0);
        out.extend_from_slice(&self.server_id.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.end_offset.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
    }

    /// Whether the dump thread made the event up.
    #[must_use]
    pub fn is_artificial(&self) -> bool {
        self.flags & Header::FLAG_ARTIFICIAL != 0
    }

    /// Whether the statement uses temporary tables.
    #[must_use]
    pub fn is_thread_specific(&self) -> bool {
        self.flags & Header::FLAG_THREAD_SPECIFIC != 0
    }

    /// Whether the statement needs no default database.
    #[must_use]
    pub fn suppresses_use(&self) -> bool {
        self.flags & Header::FLAG_SUPPRESS_USE != 0
    }

    /// Whether a reader that does not know the type may pass over the event.
    #[must_use]
    pub fn is_ignorable(&self) -> bool {
        self.flags & Header::FLAG_IGNORABLE != 0
    }

    /// Whether the session on the source had `skip_replication` set.
    #[must_use]
    pub fn skips_replication(&self) -> bool {
        self.flags & Header::FLAG_SKIP_REPLICATION != 0
    }
}

/// Reads the header and checks that the input is exactly the one event it announces.
pub(crate) fn decode_whole(raw: &Bytes) -> Result<Header, DecodeError> {
    let header = Header::decode(raw)?;
    if usize::try_from(header.length) == Ok(raw.len()) {
        Ok(header)
    } else {
        let stated = usize::try_from(header.length).unwrap_or(usize::MAX);
        Err(DecodeError::Length {
            event: header.kind,
            stated,
            actual: raw.len(),
        })
    }
}

/// Ends the event that begins at `start`: its checksum, and its final length in the header.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize, checksum: ChecksumAlgorithm) {
    match checksum {
        ChecksumAlgorithm::Off => patch_length(out, start),
        ChecksumAlgorithm::Crc32 => {
            let end = out.len();
            out.resize(end + CHECKSUM_BYTES, 0);
            patch_length(out, start);
            out.truncate(end);
            append_checksum(out, start);
        }
    }
}

/// Writes the final length of the event that begins at `start` into its header.
pub(crate) fn patch_length(out: &mut [u8], start: usize) {
    let length =
        u32::try_from(out.len() - start).expect("an event we encode came from one whose length fits u32");
    out[start + 9..start + 13].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: [u8; 19] = [
        0x78, 0x56, 0x34, 0x12, 2, 0xca, 0, 0, 0, 19, 0, 0, 0, 0x00, 0x01, 0, 0, 0x28, 0x80,
    ];

    #[test]
    fn header_reads_and_writes_back() {
        let header = Header::decode(&RAW).unwrap();
        assert_eq!(header.timestamp, 0x1234_5678);
        assert_eq!(header.kind, EventType::QUERY);
        assert_eq!(header.server_id, 202);
        assert_eq!(header.end_offset, 256);
        assert!(header.is_artificial() && header.suppresses_use() && header.skips_replication());
        assert!(!header.is_thread_specific() && !header.is_ignorable());
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!(out, RAW);
    }

    #[test]
    fn a_length_other_than_the_input_is_an_error() {
        assert!(decode_whole(&Bytes::from_static(&RAW)).is_ok());
        let mut longer = RAW.to_vec();
        longer.push(0);
        let error = decode_whole(&Bytes::from(longer)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "decode Query event (type 2): the header says 19 bytes, 20 came"
        );
        assert!(matches!(
            Header::decode(&RAW[..18]),
            Err(DecodeError::Truncated { left: 18, .. })
        ));
    }
}
