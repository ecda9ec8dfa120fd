//! Query (2) and Query_compressed (165): a statement with its context.

use bytes::Bytes;

use crate::compress::Expander;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::status_vars::StatusVars;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// Bytes of the fixed part that every server writes.
pub(crate) const POST_HEADER_BYTES: usize = 13;

/// A statement with its context.
///
/// # Wire form
/// Thread id `u32`, execution time `u32`, length of the database's name `u8`, error code `u16`, length of the status
/// variables `u16`; status variables; database and a NUL; statement, to the end, as one compressed block in
/// Query_compressed. MariaDB protocol documentation, page "QUERY_EVENT".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryEvent {
    /// The source's session. Temporary tables belong to it.
    pub thread_id: u32,
    /// Seconds the statement ran on the source. Senseless after `SET TIMESTAMP` on the source.
    pub exec_time: u32,
    /// The error the source's client got although the statement had changed something; 0 for none.
    pub error_code: u16,
    /// The session's settings that matter for this statement.
    pub status: StatusVars,
    /// The status variables as they came: equal bytes mean an equal context.
    pub raw_status: Bytes,
    /// The default database; for statements on a database that database; may be empty.
    pub db: Bytes,
    /// The statement, as the source's client sent it, in its character set; expanded.
    pub query: Bytes,
    /// Whether the source had compressed the statement.
    pub was_compressed: bool,
}

impl QueryEvent {
    pub(crate) fn decode(
        header: &Header,
        body: &Bytes,
        post_header: usize,
        expander: &mut Expander,
    ) -> Result<Box<QueryEvent>, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let mut event = decode_up_to_text(&mut reader, post_header, |_| Ok(()))?;
        let offset = reader.offset();
        event.query = reader.rest();
        if header.kind == EventType::QUERY_COMPRESSED {
            event.query = expander.expand(&event.query, header.kind, "statement text", offset)?;
            event.was_compressed = true;
        }
        Ok(event)
    }
}

/// Reads all up to the statement's text. `extra` reads what Execute_load_query has behind the common fixed part.
pub(crate) fn decode_up_to_text(
    reader: &mut Reader<'_>,
    post_header: usize,
    extra: impl FnOnce(&mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<Box<QueryEvent>, DecodeError> {
    // Filled in where it stays.
    let mut event = Box::<QueryEvent>::default();
    event.thread_id = reader.u32("thread id")?;
    event.exec_time = reader.u32("execution time")?;
    let db_length = usize::from(reader.u8("database length")?);
    event.error_code = reader.u16("error code")?;
    let status_length = usize::from(reader.u16("status variables length")?);
    extra(reader)?;
    if let Some(unknown) = post_header.checked_sub(reader.position()) {
        reader.slice(unknown, "post-header")?;
    }
    let offset = reader.offset();
    event.raw_status = reader.bytes(status_length, "status variables")?;
    event.status.fill(&event.raw_status, reader.event(), offset)?;
    event.db = reader.bytes(db_length, "database")?;
    reader.nul("database")?;
    Ok(event)
}
