//! Row events as the target takes them: uncompressed, without checksums, renamed, in a `BINLOG` statement.
//!
//! Where it must be known which row fails, every row becomes an event of its own, and between them stand Query events that
//! count (`SET @tributary_row=n`): the server executes those inside `BINLOG` as well (from 10.8 on).

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tributary_binlog::{EventType, FormatDescription, Header, RowsEvent};

use crate::change::RowsChange;

/// One or more row events after which the count goes up by one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unit {
    /// The change it belongs to.
    pub(super) change: usize,
    /// Rows of the change before it.
    pub(super) row: usize,
    /// Whether it is one row of several.
    pub(super) is_row: bool,
}

/// Row events on their way into one `BINLOG` statement.
#[derive(Debug, Default)]
pub(super) struct RowBatch {
    pub(super) events: Vec<u8>,
    pub(super) units: Vec<Unit>,
}

impl RowBatch {
    /// Whether the events count as they go: always, except for a single unit, which needs no count.
    pub(super) fn has_markers(&self) -> bool {
        self.units.len() > 1
    }

    /// Ends a unit that began with `unit`. The marker of a unit is written in front of the next one, so that a single
    /// unit has none.
    fn push(&mut self, unit: Unit) {
        if !self.units.is_empty() {
            let text = format!("SET @tributary_row={}", self.units.len());
            encode_query(text.as_bytes(), &mut self.events);
        }
        self.units.push(unit);
    }
}

/// Adds a change to the batch, the session's format first if it is another one.
pub(super) fn add(
    change: &RowsChange,
    index: usize,
    isolates: bool,
    skip_rows: usize,
    format: &mut Option<Arc<FormatDescription>>,
    batch: &mut RowBatch,
) {
    let is_known = format
        .as_ref()
        .is_some_and(|known| is_same_layout(known, &change.format));
    if !is_known {
        change.format.encode_without_checksum(&mut batch.events);
        *format = Some(change.format.clone());
    }
    if isolates && is_splittable(change) {
        add_row_by_row(change, index, skip_rows, batch);
        return;
    }
    batch.push(Unit {
        change: index,
        row: 0,
        is_row: false,
    });
    for ((header, map), database) in change.item.maps.iter().zip(&change.databases) {
        map.encode_renamed(header, database, &mut batch.events);
    }
    for (header, event) in &change.item.events {
        event.encode_plain(header, &mut batch.events);
    }
}

/// Whether two sources' row events are read the same way.
fn is_same_layout(a: &Arc<FormatDescription>, b: &Arc<FormatDescription>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.server_version == b.server_version && a.post_header_lengths == b.post_header_lengths)
}

/// Rows with columns of unknown size cannot be told apart.
fn is_splittable(change: &RowsChange) -> bool {
    change.item.events.iter().all(|(_, event)| {
        let Some(map) = change.item.map(event.table_id) else {
            return false;
        };
        event.row_images(map).all(|row| row.is_ok())
    })
}

fn add_row_by_row(change: &RowsChange, index: usize, skip_rows: usize, batch: &mut RowBatch) {
    let mut place = 0;
    for (header, event) in &change.item.events {
        let found = change
            .item
            .maps
            .iter()
            .zip(&change.databases)
            .find(|((_, map), _)| map.table_id == event.table_id);
        let Some(((map_header, map), database)) = found else {
            continue;
        };
        for row in event.row_images(map).flatten() {
            if place >= skip_rows {
                batch.push(Unit {
                    change: index,
                    row: place,
                    is_row: true,
                });
                map.encode_renamed(map_header, database, &mut batch.events);
                single_row(event, row.raw).encode_plain(header, &mut batch.events);
            }
            place += 1;
        }
    }
}

fn single_row(event: &RowsEvent, row: &[u8]) -> RowsEvent {
    let rows = event.rows.slice_ref(row);
    RowsEvent {
        rows,
        flags: event.flags | RowsEvent::FLAG_STATEMENT_END,
        ..event.clone()
    }
}

/// The events as the text inside a `BINLOG` statement.
pub(super) fn encode(events: &[u8]) -> String {
    STANDARD.encode(events)
}

/// Appends a Query event without checksum, context and default database. MariaDB protocol documentation, page "QUERY_EVENT".
fn encode_query(text: &[u8], out: &mut Vec<u8>) {
    const POST_HEADER_BYTES: usize = 13;
    let length = 19 + POST_HEADER_BYTES + 1 + text.len();
    let header = Header {
        timestamp: 0,
        kind: EventType::QUERY,
        server_id: 1,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        end_offset: 0,
        flags: 0,
    };
    header.encode(out);
    out.extend_from_slice(&[0; POST_HEADER_BYTES]);
    out.push(0);
    // Writing to a Vec cannot fail.
    let _ = out.write_all(text);
}
