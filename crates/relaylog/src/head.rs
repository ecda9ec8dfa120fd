//! What every file begins with, so that it can be read alone.

use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::file::MAGIC;
use tributary_binlog::{
    ChecksumAlgorithm, Coordinates, Decoder, EventBody, EventType, FormatDescription, GtidList, GtidPos,
    Header, Rotate,
};

/// What the source's events look like, and what is written in place of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Format {
    /// Says nothing of a restart of the source: it is told where the event itself stands.
    description: Arc<FormatDescription>,
}

impl Format {
    /// From a Format_description event of a source; `None` if it is none.
    pub(crate) fn of(raw: &Bytes) -> Option<Format> {
        let mut description = decode(raw)?;
        description.created = 0;
        let description = Arc::new(description);
        Some(Format { description })
    }

    /// From a Format_description event of a file, with the event as the source sent it.
    pub(crate) fn read(raw: &Bytes) -> Option<(Format, Bytes)> {
        let header = Header::decode(raw).ok()?;
        if header.flags & Header::FLAG_RELAY_LOG == 0 {
            return Some((Format::of(raw)?, raw.clone()));
        }
        let flags = header.flags & !Header::FLAG_RELAY_LOG;
        let mut sent = Vec::new();
        decode(raw)?.encode(&Header { flags, ..header }, ChecksumAlgorithm::Off, &mut sent);
        let sent = Bytes::from(sent);
        Some((Format::of(&sent)?, sent))
    }

    /// Appends the Format_description event of a source that sends no checksums, so that it announces them.
    pub(crate) fn write_announcing(raw: &Bytes, header: &Header, out: &mut Vec<u8>) {
        if let Some(description) = decode(raw) {
            let flags = header.flags | Header::FLAG_RELAY_LOG;
            description.encode(&Header { flags, ..*header }, ChecksumAlgorithm::Crc32, out);
        }
    }

    /// How the source ends its events.
    pub(crate) fn checksum(&self) -> ChecksumAlgorithm {
        self.description.checksum
    }

    /// The event as the source would send it in the middle of a file.
    pub(crate) fn as_sent(&self) -> Bytes {
        let mut out = Vec::new();
        self.description.encode(
            &self.header(EventType::FORMAT_DESCRIPTION, 0),
            self.checksum(),
            &mut out,
        );
        out.into()
    }

    /// The Rotate event with which the source would begin a stream there.
    pub(crate) fn rotate_as_sent(server_id: u32, to: &Coordinates) -> Bytes {
        let mut out = Vec::new();
        let header = artificial(EventType::ROTATE, server_id, Header::FLAG_ARTIFICIAL);
        rotate_to(to).encode(&header, ChecksumAlgorithm::Off, &mut out);
        out.into()
    }

    pub(crate) fn server_id(&self) -> u32 {
        self.description.server_id
    }

    /// Appends magic and head of a file that begins at `coordinates` of the source. Without `gtid_pos` it begins inside a group.
    pub(crate) fn write_head(
        &self,
        coordinates: &Coordinates,
        gtid_pos: Option<&GtidPos>,
        out: &mut Vec<u8>,
    ) {
        const MADE_HERE: u16 = Header::FLAG_ARTIFICIAL | Header::FLAG_RELAY_LOG;
        out.extend_from_slice(&MAGIC);
        let flags = match self.checksum() {
            ChecksumAlgorithm::Off => Header::FLAG_RELAY_LOG,
            ChecksumAlgorithm::Crc32 => 0,
        };
        let header = self.header(EventType::FORMAT_DESCRIPTION, flags);
        self.description.encode(&header, ChecksumAlgorithm::Crc32, out);
        let header = self.header(EventType::ROTATE, MADE_HERE);
        rotate_to(coordinates).encode(&header, ChecksumAlgorithm::Crc32, out);
        if let Some(gtid_pos) = gtid_pos {
            let list = GtidList {
                gtids: gtid_pos.iter().collect(),
                is_until_reached: false,
                is_ignored_gtids: false,
            };
            let header = self.header(EventType::GTID_LIST, MADE_HERE);
            list.encode(&header, ChecksumAlgorithm::Crc32, out);
        }
    }

    fn header(&self, kind: EventType, flags: u16) -> Header {
        Header {
            timestamp: self.description.timestamp,
            ..artificial(kind, self.description.server_id, flags)
        }
    }
}

fn decode(raw: &Bytes) -> Option<FormatDescription> {
    let event = Decoder::new(ChecksumAlgorithm::Off).decode(raw.clone()).ok()?;
    match event.body {
        EventBody::FormatDescription(description) => Some(Arc::unwrap_or_clone(description)),
        _ => None,
    }
}

fn artificial(kind: EventType, server_id: u32, flags: u16) -> Header {
    Header {
        timestamp: 0,
        kind,
        server_id,
        length: 0,
        end_offset: 0,
        flags,
    }
}

fn rotate_to(coordinates: &Coordinates) -> Rotate {
    Rotate {
        offset: coordinates.offset,
        file: Bytes::copy_from_slice(coordinates.file.as_bytes()),
    }
}

/// The head of a file, read back.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) format: Format,
    /// Where the file's first event begins in the source's binlog.
    pub(crate) coordinates: Coordinates,
    /// `None` if the file begins inside a group.
    pub(crate) gtid_pos: Option<GtidPos>,
    /// Where it ends.
    pub(crate) end: u64,
}
