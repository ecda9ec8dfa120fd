//! Transaction_payload (40): a whole transaction, compressed.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes, buf};
use ruzstd::decoding::StreamingDecoder;

use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::header::{HEADER_BYTES, Header};

/// A whole transaction from BEGIN to its end, compressed (`binlog_transaction_compression` of MySQL).
///
/// # Wire form
/// Fields, each a type, a length and a value, the first two as length-encoded integers: 1 size of the payload, 2 algorithm,
/// 3 size of the events; 0 ends them and has neither length nor value. Then the payload. Its events have no checksums.
/// MySQL server, `libs/mysql/binlog/event/codecs/binary.cpp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionPayload {
    /// 0: zstd; 255: none.
    pub algorithm: u64,
    /// Bytes of the events.
    pub plain_bytes: u64,
    /// The events, compressed.
    pub payload: Bytes,
}

impl TransactionPayload {
    const END: u64 = 0;
    const PAYLOAD_SIZE: u64 = 1;
    const ALGORITHM: u64 = 2;
    const PLAIN_SIZE: u64 = 3;
    const ZSTD: u64 = 0;
    const NONE: u64 = 255;

    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<TransactionPayload, DecodeError> {
        let mut reader = crate::reader::Reader::new(body, header.kind, HEADER_BYTES);
        let (mut size, mut plain_bytes, mut algorithm) = (None, None, TransactionPayload::ZSTD);
        loop {
            let field = reader.lenenc("payload field")?;
            if field == TransactionPayload::END {
                break;
            }
            let length = reader.lenenc_size("payload field length")?;
            let value = reader.bytes(length, "payload field")?;
            let mut value = crate::reader::Reader::new(&value, header.kind, reader.offset() - length);
            match field {
                TransactionPayload::PAYLOAD_SIZE => size = Some(value.lenenc("payload size")?),
                TransactionPayload::ALGORITHM => algorithm = value.lenenc("compression algorithm")?,
                TransactionPayload::PLAIN_SIZE => plain_bytes = Some(value.lenenc("size of the events")?),
                // A field of a newer server: its length is known.
                _ => {}
            }
        }
        let offset = reader.offset();
        let payload = reader.rest();
        if size.is_some_and(|size| size != payload.len() as u64) {
            let why = format!("{} bytes came, {} announced", payload.len(), size.unwrap_or(0));
            return Err(reader.invalid("payload", offset, why));
        }
        // Without compression the size of the events may be left out.
        let plain_bytes = plain_bytes.unwrap_or(payload.len() as u64);
        Ok(TransactionPayload {
            algorithm,
            plain_bytes,
            payload,
        })
    }
}

/// Where an event of a payload stands in the source's file: nowhere, up to the last, with which the whole payload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    end_offset: u32,
    length: u32,
}

impl Place {
    pub(super) fn apply(self, header: &mut Header) {
        header.end_offset = self.end_offset;
        header.length = self.length;
    }
}

/// Reads the events of a payload one by one; of what is expanded only the decompressor's window and one event are held.
pub(super) struct Reader {
    source: Source,
    /// Bytes of events that have not been read yet.
    left: u64,
    outer: Header,
}

enum Source {
    Plain(buf::Reader<Bytes>),
    Zstd(Box<StreamingDecoder<buf::Reader<Bytes>, ruzstd::decoding::FrameDecoder>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(bytes) => bytes.read(buffer),
            Source::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(payload: &TransactionPayload, outer: Header) -> Result<Reader, DecodeError> {
        let bytes = payload.payload.clone().reader();
        let source = match payload.algorithm {
            TransactionPayload::NONE => Source::Plain(bytes),
            TransactionPayload::ZSTD => {
                Source::Zstd(Box::new(StreamingDecoder::new(bytes).map_err(invalid)?))
            }
            other => return Err(invalid(format!("compressed with the unknown algorithm {other}"))),
        };
        Ok(Reader {
            source,
            left: payload.plain_bytes,
            outer,
        })
    }

    /// The next event; `None` behind the last.
    pub(super) fn read(&mut self, bytes_max: usize) -> Result<Option<(Bytes, Place)>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut raw = Vec::new();
        self.take(HEADER_BYTES as u64, &mut raw)?;
        let length = u64::from(Header::decode(&raw)?.length);
        let rest = length
            .checked_sub(HEADER_BYTES as u64)
            .filter(|_| length <= self.left.min(bytes_max as u64))
            .ok_or_else(|| invalid(format!("an event of {length} bytes, {} are left", self.left)))?;
        self.take(rest, &mut raw)?;
        self.left -= length;
        let place = if self.left == 0 {
            Place {
                end_offset: self.outer.end_offset,
                length: self.outer.length,
            }
        } else {
            Place {
                end_offset: self.outer.end_offset.wrapping_sub(self.outer.length),
                length: 0,
            }
        };
        Ok(Some((raw.into(), place)))
    }

    /// Appends exactly `count` bytes. Memory grows with what is there, not with what is announced.
    fn take(&mut self, count: u64, raw: &mut Vec<u8>) -> Result<(), DecodeError> {
        let read = (&mut self.source).take(count).read_to_end(raw).map_err(invalid)?;
        if read as u64 == count {
            return Ok(());
        }
        Err(invalid(format!(
            "it ends {} bytes too early",
            count - read as u64
        )))
    }
}

#[cold]
fn invalid(why: impl fmt::Display) -> DecodeError {
    DecodeError::invalid(
        EventType::MYSQL_TRANSACTION_PAYLOAD,
        "payload",
        HEADER_BYTES,
        why.to_string(),
    )
}
