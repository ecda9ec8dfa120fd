//! Row events as the target takes them: uncompressed, without checksums, renamed, in a `BINLOG` statement.
//!
//! Where it must be known which row fails, every row becomes an event of its own, and between them stand Query events that
//! count (`SET @tributary_row=n`): the server executes those inside `BINLOG` as well (from 10.8 on).

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tributary_binlog::{EventType, FormatDescription, Header, RowsEvent};

use super::merge::MergedRows;
use super::plan::Planned;
use crate::change::RowsChange;

/// Row events of one statement are cut into several `BINLOG` statements of about this many bytes, before base64.
pub(super) const STATEMENT_EVENTS_BYTES: usize = 256 * 1024;

/// The same behind a row that failed: the next one may fail, too, and what was sent behind it was for nothing.
const AFTER_FAILURE_BYTES: usize = 2 * 1024;

/// As many such statements are sent before the first is known to have succeeded (one more than may be in flight); then they grow.
const AFTER_FAILURE_COUNT: u32 = 9;

/// How long the statements of a change become, one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    bytes: usize,
    small: u32,
}

impl Lengths {
    /// Those of a change that begins at `from`.
    pub(super) fn from(from: RowPlace) -> Self {
        if from == RowPlace::default() {
            Self {
                bytes: STATEMENT_EVENTS_BYTES,
                small: 0,
            }
        } else {
            Self {
                bytes: AFTER_FAILURE_BYTES,
                small: AFTER_FAILURE_COUNT,
            }
        }
    }

    /// The length of the next one.
    fn next(&mut self) -> usize {
        let bytes = self.bytes;
        self.small = self.small.saturating_sub(1);
        if self.small == 0 {
            self.bytes = (2 * bytes).min(STATEMENT_EVENTS_BYTES);
        }
        bytes
    }
}

/// A row of a change, by what lies before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowPlace {
    /// Events before the one it is in.
    pub(super) event: usize,
    /// Rows of that event before it. Known, as `row` is, only where rows are isolated.
    pub(super) row_of_event: usize,
    /// Rows of the change before it.
    pub(super) row: usize,
}

impl RowPlace {
    /// The row behind this one; maybe the first of the next event.
    pub(super) fn next(self) -> Self {
        Self {
            row_of_event: self.row_of_event + 1,
            row: self.row + 1,
            ..self
        }
    }
}

/// One or more row events after which the count goes up by one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unit {
    /// The change it belongs to.
    pub(super) change: usize,
    /// Where in the change it begins.
    pub(super) at: RowPlace,
    /// Whether it is one row of several.
    pub(super) is_row: bool,
}

/// Row events on their way into one `BINLOG` statement.
#[derive(Debug, Default)]
pub(super) struct RowBatch {
    pub(super) events: Vec<u8>,
    pub(super) units: Vec<Unit>,
    /// Whether it must be known which unit fails.
    pub(super) is_counted: bool,
    /// What counts the rows of its one event, if that is of several changes.
    pub(super) counter: Option<&'static str>,
}

impl RowBatch {
    /// Whether the events count as they go: except for a single unit, which needs no count.
    pub(super) fn has_markers(&self) -> bool {
        self.units.len() > 1
    }

    /// Ends a unit that began with `unit`. The marker of a unit is written in front of the next one, so that a single
    /// unit has none.
    fn push(&mut self, unit: Unit) {
        if !self.is_counted && !self.units.is_empty() {
            return;
        }
        if !self.units.is_empty() {
            let text = format!("SET @tributary_row={}", self.units.len());
            encode_query(text.as_bytes(), &mut self.events);
        }
        self.units.push(unit);
    }
}

/// Adds a change to the batch from `from` on, the session's format first if it is another one, until the batch is long enough
/// for one `BINLOG` statement. With `isolates` each row is an event of its own. Returns where the change goes on, if it does.
pub(super) fn add(
    change: &RowsChange,
    index: usize,
    isolates: Option<&mut Lengths>,
    from: RowPlace,
    format: &mut Option<Arc<FormatDescription>>,
    batch: &mut RowBatch,
) -> Option<RowPlace> {
    add_format(change, format, batch);
    if let Some(lengths) = isolates {
        return add_row_by_row(change, index, from, lengths.next(), batch);
    }
    add_events(change, index, from.event, batch)
}

/// The session's format, if it is another one.
fn add_format(change: &RowsChange, format: &mut Option<Arc<FormatDescription>>, batch: &mut RowBatch) {
    let is_known = format
        .as_ref()
        .is_some_and(|known| is_same_layout(known, &change.format));
    if !is_known {
        change.format.encode_without_checksum(&mut batch.events);
        *format = Some(change.format.clone());
    }
}

/// Adds rows of several changes as one event, the session's format first if it is another one. `index` is the first of the changes.
pub(super) fn add_merged(
    rows: &MergedRows,
    index: usize,
    changes: &[Planned<'_>],
    format: &mut Option<Arc<FormatDescription>>,
    batch: &mut RowBatch,
) {
    let Some(first) = rows.first(changes) else { return };
    add_format(first.change, format, batch);
    batch.push(Unit {
        change: index,
        ..Unit::default()
    });
    rows.encode(changes, &mut batch.events);
}

/// Adds an event of these images, the session's format first if it is another one. `event` comes without rows, with its header.
pub(super) fn add_images<'a>(
    change: &RowsChange,
    index: usize,
    (header, event): (&Header, &RowsEvent),
    images: impl Iterator<Item = &'a [u8]>,
    format: &mut Option<Arc<FormatDescription>>,
    batch: &mut RowBatch,
) {
    let (Some((map_header, map)), Some(database)) = (change.item.maps.first(), change.databases.first())
    else {
        return;
    };
    add_format(change, format, batch);
    batch.push(Unit {
        change: index,
        ..Unit::default()
    });
    map.encode_renamed(map_header, database, &mut batch.events);
    event.encode_plain_of(header, images, &mut batch.events);
}

fn add_events(change: &RowsChange, index: usize, first: usize, batch: &mut RowBatch) -> Option<RowPlace> {
    let at = RowPlace {
        event: first,
        ..RowPlace::default()
    };
    batch.push(Unit {
        change: index,
        at,
        is_row: false,
    });
    for ((header, map), database) in change.item.maps.iter().zip(&change.databases) {
        map.encode_renamed(header, database, &mut batch.events);
    }
    let mut events = change.item.events.iter().enumerate().skip(first).peekable();
    while let Some((_, (header, event))) = events.next() {
        let end = batch.events.len() + event.rows.len();
        match events.peek() {
            Some((next, (_, following))) if end + following.rows.len() > STATEMENT_EVENTS_BYTES => {
                // The server closes the tables behind each `BINLOG` statement, as it does behind the source's.
                ending(event).encode_plain(header, &mut batch.events);
                let event = *next;
                return Some(RowPlace { event, ..at });
            }
            _ => event.encode_plain(header, &mut batch.events),
        }
    }
    None
}

/// The same event, with the statement ending behind it.
fn ending(event: &RowsEvent) -> RowsEvent {
    RowsEvent {
        flags: event.flags | RowsEvent::FLAG_STATEMENT_END,
        ..event.clone()
    }
}

/// Whether two sources' row events are read the same way.
pub(super) fn is_same_layout(a: &Arc<FormatDescription>, b: &Arc<FormatDescription>) -> bool {
    Arc::ptr_eq(a, b)
        || (a.server_version == b.server_version && a.post_header_lengths == b.post_header_lengths)
}

/// Whether the rows can be told apart: not where columns have an unknown size, and one row alone need not be.
pub(super) fn is_splittable(change: &RowsChange) -> bool {
    change.row_count > 1
        && change.item.events.iter().all(|(_, event)| {
            let Some(map) = change.item.map(event.table_id) else {
                return false;
            };
            event.row_images(map).all(|row| row.is_ok())
        })
}

fn add_row_by_row(
    change: &RowsChange,
    index: usize,
    from: RowPlace,
    bytes_max: usize,
    batch: &mut RowBatch,
) -> Option<RowPlace> {
    let mut at = from;
    for (place, (header, event)) in change.item.events.iter().enumerate().skip(from.event) {
        if place > from.event {
            (at.event, at.row_of_event) = (place, 0);
        }
        let found = change
            .item
            .maps
            .iter()
            .zip(&change.databases)
            .find(|((_, map), _)| map.table_id == event.table_id);
        let Some(((map_header, map), database)) = found else {
            continue;
        };
        for row in event.row_images(map).skip(at.row_of_event).flatten() {
            if batch.events.len() >= bytes_max && !batch.units.is_empty() {
                return Some(at);
            }
            batch.push(Unit {
                change: index,
                at,
                is_row: true,
            });
            map.encode_renamed(map_header, database, &mut batch.events);
            single_row(event, row.raw).encode_plain(header, &mut batch.events);
            at = at.next();
        }
    }
    None
}

fn single_row(event: &RowsEvent, row: &[u8]) -> RowsEvent {
    let rows = event.rows.slice_ref(row);
    RowsEvent {
        rows,
        ..ending(event)
    }
}

/// The events as the text inside a `BINLOG` statement.
pub(super) fn encode(events: &[u8]) -> String {
    STANDARD.encode(events)
}

/// As [`encode`], appended without a copy.
pub(super) fn encode_into(events: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_len(events.len()), 0);
    let written = STANDARD.encode_slice(events, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

/// How long the text for so many bytes of events is.
pub(super) fn encoded_len(events: usize) -> usize {
    events.div_ceil(3).saturating_mul(4)
}

/// Appends a Query event without checksum, context and default database. MariaDB protocol documentation, page "QUERY_EVENT".
pub(super) fn encode_query(text: &[u8], out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_sent_behind_a_row_that_failed_until_the_next_ones_succeed() {
        let bytes = |from: RowPlace| {
            let mut lengths = Lengths::from(from);
            std::iter::repeat_with(move || lengths.next())
        };
        assert_eq!(bytes(RowPlace::default()).next(), Some(STATEMENT_EVENTS_BYTES));
        let behind: Vec<usize> = bytes(RowPlace::default().next()).take(20).collect();
        assert!(
            behind[..9].iter().all(|bytes| *bytes == AFTER_FAILURE_BYTES),
            "{behind:?}"
        );
        assert_eq!(behind[9..11], [2 * AFTER_FAILURE_BYTES, 4 * AFTER_FAILURE_BYTES]);
        assert_eq!(behind.last(), Some(&STATEMENT_EVENTS_BYTES));
    }
}
