//! The bytes of one event to an [`Event`], with what the events before it said.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::checksum::{self, CHECKSUM_BYTES, ChecksumAlgorithm};
use crate::compress::Expander;
use crate::error::DecodeError;
use crate::event::{Context, Event, EventBody};
use crate::event_type::EventType;
use crate::events::FormatDescription;
use crate::header::{self, HEADER_BYTES, Header};
use crate::table_map_cache::TableMapCache;

/// Decodes events in the order of the stream.
///
/// It remembers the current Format_description, and with it the checksum algorithm, and keeps one decompressor. Feed it
/// every event of one stream; take a new one after a reconnect, because the first event then has the algorithm of the
/// session again.
#[derive(Debug)]
pub struct Decoder {
    checksum: ChecksumAlgorithm,
    format: Option<Arc<FormatDescription>>,
    expander: Expander,
    tables: TableMapCache,
}

impl Decoder {
    /// Default of [`Decoder::set_event_bytes_max`]: the largest event a server sends.
    pub const EVENT_BYTES_MAX: usize = 1 << 30;

    /// A decoder for a new stream. `first` is the algorithm of the events before the first Format_description: in a
    /// stream the answer to `SELECT @master_binlog_checksum`; in a file it does not matter.
    #[must_use]
    pub fn new(first: ChecksumAlgorithm) -> Decoder {
        Decoder {
            checksum: first,
            format: None,
            expander: Expander::new(Decoder::EVENT_BYTES_MAX),
            tables: TableMapCache::default(),
        }
    }

    /// Limits one event, as it comes and expanded. Worst case for memory: twice this, while one is expanded.
    pub fn set_event_bytes_max(&mut self, bytes: usize) {
        self.expander.bytes_max = bytes;
    }

    pub(crate) fn event_bytes_max(&self) -> usize {
        self.expander.bytes_max
    }

    /// The last Format_description seen.
    #[must_use]
    pub fn format(&self) -> Option<&FormatDescription> {
        self.format.as_deref()
    }

    /// Decodes one event: header, body and, if the stream has them, checksum. What is not expanded shares `raw`'s buffer.
    ///
    /// # Errors
    /// [`DecodeError`] when length or checksum do not hold, when a field does not fit, or when the event is of a kind
    /// the engine refuses. The decoder stays usable, but a stream with a hole in it is not worth reading on.
    pub fn decode(&mut self, raw: Bytes) -> Result<Event, DecodeError> {
        let raw_len = raw.len();
        let header = header::decode_whole(&raw)?;
        if raw_len > self.expander.bytes_max {
            return Err(DecodeError::TooLarge {
                event: header.kind,
                what: "event",
                bytes: raw_len as u64,
                limit: self.expander.bytes_max as u64,
                setting: crate::compress::EVENT_BYTES_MAX,
            });
        }
        let body = self.body(&header, raw)?;
        let mut context = Context {
            format: self.format.as_deref(),
            expander: &mut self.expander,
            tables: &mut self.tables,
        };
        let decoded = EventBody::decode(&header, &body, &mut context)?;
        let plain_len = raw_len.max(plain_len(&decoded));
        if let EventBody::FormatDescription(format) = &decoded {
            self.checksum = format.checksum;
            self.format = Some(Arc::clone(format));
            self.tables = TableMapCache::default();
        }
        Ok(Event {
            header,
            body: decoded,
            raw_len,
            plain_len,
        })
    }

    /// As [`Decoder::decode`], for an event that is part of another one and has no checksum of its own.
    pub(crate) fn decode_unchecked(&mut self, raw: Bytes) -> Result<Event, DecodeError> {
        let checksum = std::mem::replace(&mut self.checksum, ChecksumAlgorithm::Off);
        let event = self.decode(raw);
        self.checksum = checksum;
        event
    }

    /// Cuts off header and checksum, which is verified. A Format_description has one whatever the algorithm.
    fn body(&self, header: &Header, mut raw: Bytes) -> Result<Bytes, DecodeError> {
        let has_checksum =
            header.kind == EventType::FORMAT_DESCRIPTION || self.checksum == ChecksumAlgorithm::Crc32;
        if has_checksum {
            if raw.len() < HEADER_BYTES + CHECKSUM_BYTES {
                return Err(DecodeError::Truncated {
                    event: header.kind,
                    field: "checksum",
                    offset: HEADER_BYTES,
                    needed: CHECKSUM_BYTES,
                    left: raw.len() - HEADER_BYTES,
                });
            }
            checksum::verify(header, &raw)?;
            raw.truncate(raw.len() - CHECKSUM_BYTES);
        }
        raw.advance(HEADER_BYTES);
        Ok(raw)
    }
}

/// The expanded size of an event that was compressed.
fn plain_len(body: &EventBody) -> usize {
    match body {
        EventBody::Query(query) if query.was_compressed => {
            HEADER_BYTES + query.raw_status.len() + query.db.len() + query.query.len()
        }
        EventBody::Rows(rows) if rows.was_compressed => HEADER_BYTES + rows.rows.len(),
        _ => 0,
    }
}
