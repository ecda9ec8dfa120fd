//! MySQL's events as a MariaDB replica needs them.
//!
//! MariaDB and MySQL share most of the binlog format. What MySQL alone has is turned into what MariaDB has for it: compressed
//! transactions become their events, JSON columns become text, partial JSON updates become whole values, session settings get
//! MariaDB's numbers. GTIDs and information for people are dropped. What has no counterpart is refused by name.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::checksum::ChecksumAlgorithm;
use crate::decoder::Decoder;
use crate::error::DecodeError;
use crate::event::{Event, EventBody};
use crate::event_type::EventType;
use crate::events::{FormatDescription, QueryEvent, RowsEvent, TableMap};

mod json;
mod json_diff;
mod number;
mod payload;
mod rows;
mod session;

pub use payload::TransactionPayload;
pub use rows::PartialRows;

/// Table maps that are remembered until the rows come; a statement names no more tables than this.
const TABLES_MAX: usize = 4096;

/// Decodes the events of one stream, from MariaDB or MySQL, as a MariaDB replica needs them.
///
/// Events of a MariaDB source pass unchanged. Use [`Decoder`] to see what a source has written.
#[derive(Debug)]
pub struct ReplicaDecoder {
    decoder: Decoder,
    is_mysql: bool,
    /// Maps of the running statement as they came, by table id.
    tables: HashMap<u64, Table>,
    /// Decoded, and not fetched yet.
    next: Option<Event>,
    /// Behind `next`.
    after: Option<Event>,
    payload: Option<payload::Reader>,
}

#[derive(Debug)]
struct Table {
    map: Arc<TableMap>,
    /// Whether it has columns that MariaDB does not know, which are rewritten.
    has_json: bool,
}

impl ReplicaDecoder {
    /// A decoder for a new stream; see [`Decoder::new`].
    #[must_use]
    pub fn new(first: ChecksumAlgorithm) -> ReplicaDecoder {
        ReplicaDecoder {
            decoder: Decoder::new(first),
            is_mysql: false,
            tables: HashMap::new(),
            next: None,
            after: None,
            payload: None,
        }
    }

    /// See [`Decoder::set_event_bytes_max`]; events inside of others have the same limit.
    pub fn set_event_bytes_max(&mut self, bytes: usize) {
        self.decoder.set_event_bytes_max(bytes);
    }

    /// Takes the next event of the stream. Everything of the one before must have been fetched.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn push(&mut self, raw: Bytes) -> Result<(), DecodeError> {
        let event = self.decoder.decode(raw)?;
        if let EventBody::FormatDescription(format) = &event.body {
            self.is_mysql = !format.is_mariadb();
            self.tables.clear();
        }
        if !self.is_mysql {
            self.next = Some(event);
            return Ok(());
        }
        if let EventBody::TransactionPayload(payload) = &event.body {
            self.payload = Some(payload::Reader::new(payload, event.header)?);
            return Ok(());
        }
        self.translate(event)
    }

    /// The next event, until there is none: the stream's next packet is due then.
    ///
    /// # Errors
    /// As [`Decoder::decode`], for events inside of others.
    pub fn fetch(&mut self) -> Result<Option<Event>, DecodeError> {
        loop {
            if let Some(event) = self.next.take() {
                self.next = self.after.take();
                return Ok(Some(event));
            }
            let Some(payload) = &mut self.payload else {
                return Ok(None);
            };
            match payload.read(self.decoder.event_bytes_max())? {
                None => self.payload = None,
                Some((raw, place)) => {
                    let mut event = self.decoder.decode_unchecked(raw)?;
                    place.apply(&mut event.header);
                    self.translate(event)?;
                }
            }
        }
    }

    fn translate(&mut self, mut event: Event) -> Result<(), DecodeError> {
        event.body = match event.body {
            EventBody::Query(query) => {
                return self.translate_query(event.header, *query, event.raw_len, event.plain_len);
            }
            EventBody::TableMap(map) => EventBody::TableMap(self.translate_map(map)?),
            EventBody::Rows(rows) => {
                let is_end = rows.is_statement_end();
                let rows = match self.tables.get(&rows.table_id) {
                    Some(table) if table.has_json => rows::with_json_text(*rows, &table.map)?,
                    _ => *rows,
                };
                self.end_statement(is_end);
                EventBody::Rows(Box::new(with_known_flags(rows)))
            }
            EventBody::PartialRows(partial) => {
                let is_end = partial.rows.is_statement_end();
                // With the setting on, all updates come like this, those of tables without JSON columns too.
                let Some(table) = self.tables.get(&partial.rows.table_id) else {
                    return Err(DecodeError::invalid(
                        event.header.kind,
                        "table id",
                        crate::header::HEADER_BYTES,
                        "no table map came before",
                    ));
                };
                let rows = partial.into_rows(&table.map)?;
                self.end_statement(is_end);
                EventBody::Rows(Box::new(with_known_flags(rows)))
            }
            // The place behind it is reached by the next event; groups begin at BEGIN.
            EventBody::Ignorable(_) if event.header.kind != EventType::MYSQL_PREVIOUS_GTIDS => return Ok(()),
            EventBody::TransactionPayload(_) => {
                return Err(DecodeError::invalid(
                    event.header.kind,
                    "payload",
                    crate::header::HEADER_BYTES,
                    "one transaction inside another",
                ));
            }
            body => body,
        };
        event.plain_len = event.plain_len.max(plain_len(&event.body));
        self.next = Some(event);
        Ok(())
    }

    fn translate_query(
        &mut self,
        header: crate::header::Header,
        mut query: QueryEvent,
        raw_len: usize,
        plain_len: usize,
    ) -> Result<(), DecodeError> {
        session::to_mariadb(&mut query.status);
        // CREATE TABLE ... SELECT of a transactional table: the definition, the rows and the commit follow each other.
        let begins = session::take_start_transaction(&mut query);
        let wrap = |query: QueryEvent, raw_len, plain_len| Event {
            header,
            body: EventBody::Query(Box::new(query)),
            raw_len,
            plain_len,
        };
        if begins {
            let begin = QueryEvent {
                query: Bytes::from_static(b"BEGIN"),
                ..query.clone()
            };
            self.next = Some(wrap(begin, 0, 0));
            self.after = Some(wrap(query, raw_len, plain_len));
        } else {
            self.next = Some(wrap(query, raw_len, plain_len));
        }
        Ok(())
    }

    fn translate_map(&mut self, map: Arc<TableMap>) -> Result<Arc<TableMap>, DecodeError> {
        let plain = rows::without_json(&map)?.map(Arc::new);
        if self.tables.len() >= TABLES_MAX {
            self.tables.clear();
        }
        let table = Table {
            map: Arc::clone(&map),
            has_json: plain.is_some(),
        };
        self.tables.insert(map.table_id, table);
        Ok(plain.unwrap_or(map))
    }

    fn end_statement(&mut self, is_end: bool) {
        if is_end {
            self.tables.clear();
        }
    }
}

/// MySQL 9.7 sets a flag, 0x10, that says who checked foreign keys there.
fn with_known_flags(rows: RowsEvent) -> RowsEvent {
    const KNOWN: u16 = RowsEvent::FLAG_STATEMENT_END
        | RowsEvent::FLAG_NO_FOREIGN_KEY_CHECKS
        | RowsEvent::FLAG_RELAXED_UNIQUE_CHECKS
        | RowsEvent::FLAG_COMPLETE_ROWS;
    RowsEvent {
        flags: rows.flags & KNOWN,
        ..rows
    }
}

fn plain_len(body: &EventBody) -> usize {
    match body {
        EventBody::Rows(rows) => crate::header::HEADER_BYTES + rows.rows.len(),
        _ => 0,
    }
}

impl FormatDescription {
    /// How a target reads the row events of this source: as the source wrote them, or, of a MySQL source, as
    /// [`ReplicaDecoder`] and [`RowsEvent::encode_plain`](crate::RowsEvent::encode_plain) leave them.
    #[must_use]
    pub fn for_target(self: &Arc<FormatDescription>) -> Arc<FormatDescription> {
        if self.is_mariadb() {
            return Arc::clone(self);
        }
        /// MySQL 8.4 and later know the rows events of version 1 no more.
        const ROWS_V1_BYTES: u8 = 8;
        let mut lengths = self.post_header_lengths.to_vec();
        for kind in [
            EventType::WRITE_ROWS_V1,
            EventType::UPDATE_ROWS_V1,
            EventType::DELETE_ROWS_V1,
        ] {
            if let Some(length) = lengths.get_mut(usize::from(kind.0) - 1) {
                *length = ROWS_V1_BYTES;
            }
        }
        Arc::new(self.with_version("10.11.0-MariaDB", lengths.into()))
    }
}
