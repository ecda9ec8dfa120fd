//! The ledger of skips: every statement or row that was left out because of an error, with where it came from.

use std::io::Write as _;

use bytes::Bytes;
use tributary_binlog::{Cell, RowImage, TableMap, Value};
use tributary_client::{Error as ClientError, ServerError};
use tributary_sql::StatementKind;

use super::burst::Failure;
use super::rows::RowPlace;
use super::{Login, RunWork, burst};
use crate::change::{Change, PreparedGroup, RowsChange};
use crate::context::quote_text;
use crate::error::excerpt_of;
use crate::records::{RecordKind, full_name};
use crate::status;

/// Longest statement text kept in the ledger, in bytes.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;

/// An entry for the ledger.
pub(super) struct Record<'r> {
    pub(super) kind: RecordKind,
    pub(super) change: &'r Change,
    /// The table it is about, in the target's names.
    pub(super) table: (Bytes, Bytes),
    /// The server's error number, 0 for none, and its message or ours.
    pub(super) error: u16,
    pub(super) message: String,
    /// Which row of the change.
    pub(super) row: Option<RowPlace>,
}

impl<'r> Record<'r> {
    /// The entry for a change, or a row of it, that failed.
    pub(super) fn of_failure(kind: RecordKind, change: &'r Change, failure: &Failure) -> Self {
        let row = failure.is_row.then_some(failure.at);
        let of_row = match (change, row) {
            (Change::Rows(rows), Some(at)) => rows.map_of_event(at.event).and_then(|index| {
                let (_, map) = rows.item.maps.get(index)?;
                Some((rows.databases.get(index)?.clone(), map.table.clone()))
            }),
            _ => None,
        };
        Self {
            kind,
            change,
            table: of_row.or_else(|| change.table()).unwrap_or_default(),
            error: failure.error.code,
            message: failure.error.message.clone(),
            row,
        }
    }
}

impl Login {
    /// Writes a record in the open transaction, so that it becomes visible with the position behind it. What cannot be
    /// recorded, for which the server's error is returned, must not be passed over.
    pub(super) async fn record(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        record: &Record<'_>,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let connection = &work.connection;
        let table = full_name(&record.table.0, &record.table.1);
        tracing::warn!(
            connection = %connection.name,
            kind = record.kind.name(),
            table = %table,
            error = record.error,
            message = %record.message,
            group = %group.label,
            row = record.row.map(|at| at.row + 1),
            "not as on the source"
        );
        if record.kind == RecordKind::Skipped {
            status::add(&connection.counters.skipped, 1);
        }
        connection.counters.records.add(record.kind, &table, record.error);
        self.write_record(&connection.name, group, record).await
    }

    /// Writes a record that is counted already.
    pub(super) async fn write_record(
        &mut self,
        connection: &str,
        group: &PreparedGroup,
        record: &Record<'_>,
    ) -> Result<Result<(), ServerError>, ClientError> {
        // The ledger's own id and time, not those of the source's statement.
        self.own_statement(b"SET insert_id=0,timestamp=DEFAULT,time_zone=DEFAULT")
            .await?;
        self.session.forget();
        let text = self.insert_record(connection, group, record);
        let outcome = burst::single(&mut self.client, &text).await?;
        if outcome.is_err() {
            self.has_old_errors = true;
            self.clear_errors().await?;
        }
        Ok(outcome.map(|_| ()))
    }

    fn insert_record(&self, connection: &str, group: &PreparedGroup, record: &Record<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        let gtid = group.label.gtid.map_or_else(String::new, |gtid| gtid.to_string());
        // Writing to a Vec cannot fail.
        let _ = write!(
            text,
            "INSERT INTO `{}`.skipped (skipped_at,kind,connection,log_file,log_offset,gtid,database_name,table_name,\
             error_number,error_message,event_row,statement) VALUES (NOW(6),'{}',",
            self.schema,
            record.kind.name()
        );
        quote_text(connection.as_bytes(), &mut text);
        text.push(b',');
        quote_text(group.label.end.file.as_bytes(), &mut text);
        let _ = write!(text, ",{},", group.label.end.offset);
        for value in [gtid.as_bytes(), &record.table.0, &record.table.1] {
            quote_text(value, &mut text);
            text.push(b',');
        }
        let _ = write!(text, "{},", record.error);
        quote_text(record.message.as_bytes(), &mut text);
        let _ = match record.row {
            Some(at) => write!(text, ",{},", at.row + 1),
            None => write!(text, ",NULL,"),
        };
        quote_text(&describe(record.change, record.row), &mut text);
        text.push(b')');
        text
    }
}

/// What was skipped: the statement, or the values of the row.
fn describe(change: &Change, row: Option<RowPlace>) -> Vec<u8> {
    let text = match change {
        // It may hold the hash of a password.
        Change::Statement(statement) if statement.kind == StatementKind::Account => {
            excerpt_of(statement.kind, &statement.text).into_bytes()
        }
        Change::Statement(statement) => statement.text.to_vec(),
        Change::Load(load) => load.statement.text.to_vec(),
        Change::Rows(rows) => describe_rows(rows, row),
    };
    text[..text.len().min(STATEMENT_BYTES_MAX)].to_vec()
}

fn describe_rows(change: &RowsChange, row: Option<RowPlace>) -> Vec<u8> {
    let (events, rows) = match row {
        Some(at) => (at.event..at.event + 1, at.row_of_event..at.row_of_event + 1),
        None => (0..change.item.events.len(), 0..usize::MAX),
    };
    let mut out = Vec::new();
    for (_, event) in change.item.events.get(events).unwrap_or_default() {
        let mut maps = change.item.maps.iter().zip(&change.columns);
        let Some(((_, map), columns)) = maps.find(|((_, map), _)| map.table_id == event.table_id) else {
            continue;
        };
        let digits = change.source.old_digits(map, columns, &change.format);
        let images = if digits.is_empty() {
            event.row_images(map)
        } else {
            event.row_images_with(map, &digits)
        };
        for found in images.skip(rows.start).take(rows.len()).flatten() {
            let _ = write!(out, "{:?}", event.op);
            for (name, image) in [(" before ", &found.before), (" after ", &found.after)] {
                if let Some(image) = image {
                    out.extend_from_slice(name.as_bytes());
                    describe_image(map, image, &mut out);
                }
            }
            out.push(b'\n');
            if out.len() >= STATEMENT_BYTES_MAX {
                return out;
            }
        }
    }
    out
}

/// `(1, 'abc', NULL)`, with `-` for columns the image does not have.
fn describe_image(map: &TableMap, image: &RowImage<'_>, out: &mut Vec<u8>) {
    out.push(b'(');
    for (index, (cell, kind)) in image.cells().zip(map.columns.iter()).enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        let _ = match cell {
            Cell::Absent => write!(out, "-"),
            Cell::Null => write!(out, "NULL"),
            Cell::Value(bytes) => match Value::decode(index, *kind, None, bytes) {
                Ok(value) => write!(out, "{value}"),
                Err(_) => write!(out, "{bytes:02X?}"),
            },
        };
    }
    out.push(b')');
}
