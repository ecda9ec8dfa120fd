//! The ledger of skips: every statement or row that was left out because of an error, with where it came from.

use std::io::Write as _;

use tributary_binlog::{Cell, RowImage, TableMap, Value};
use tributary_client::{Error as ClientError, ServerError};

use super::burst::Failure;
use super::{Login, RunWork, burst};
use crate::change::{Change, PreparedGroup};
use crate::context::quote_text;
use crate::status;

/// Longest statement text kept in the ledger, in bytes.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;

impl Login {
    /// Records a skip in the open transaction, so that it becomes visible with the position behind it. A skip that cannot be
    /// recorded, for which the server's error is returned, must not happen.
    pub(super) async fn record_skip(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        failure: &Failure,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let connection = &work.connection;
        let row = failure.is_row.then_some(failure.rows_done + 1);
        tracing::warn!(
            connection = %connection.name,
            error = failure.error.code,
            message = %failure.error.message,
            group = %group.label,
            row,
            "skipped by slave_skip_errors"
        );
        status::add(&connection.counters.skipped, 1);
        // The ledger's own id and time, not those of the source's statement.
        self.own_statement(b"SET insert_id=0,timestamp=DEFAULT,time_zone=DEFAULT")
            .await?;
        self.session.forget();
        let text = self.skip_statement(&connection.name, group, change, &failure.error, row);
        let outcome = burst::single(&mut self.client, &text).await?;
        if outcome.is_err() {
            self.has_old_errors = true;
            self.clear_errors().await?;
        }
        Ok(outcome.map(|_| ()))
    }

    fn skip_statement(
        &self,
        connection: &str,
        group: &PreparedGroup,
        change: &Change,
        error: &ServerError,
        row: Option<usize>,
    ) -> Vec<u8> {
        let mut text = Vec::new();
        let (database, table) = change.table().unwrap_or_default();
        // Writing to a Vec cannot fail.
        let _ = write!(
            text,
            "INSERT INTO `{}`.skipped (skipped_at,connection,log_file,log_offset,gtid,database_name,table_name,\
             error_number,error_message,event_row,statement) VALUES (NOW(6),",
            self.schema
        );
        quote_text(connection.as_bytes(), &mut text);
        text.push(b',');
        quote_text(group.label.end.file.as_bytes(), &mut text);
        let _ = write!(text, ",{},", group.label.end.offset);
        quote_text(
            group
                .label
                .gtid
                .map_or_else(String::new, |gtid| gtid.to_string())
                .as_bytes(),
            &mut text,
        );
        text.push(b',');
        quote_text(&database, &mut text);
        text.push(b',');
        quote_text(&table, &mut text);
        let _ = write!(text, ",{},", error.code);
        quote_text(error.message.as_bytes(), &mut text);
        let _ = match row {
            Some(row) => write!(text, ",{row},"),
            None => write!(text, ",NULL,"),
        };
        quote_text(&describe(change, row), &mut text);
        text.push(b')');
        text
    }
}

/// What was skipped: the statement, or the values of the row.
fn describe(change: &Change, row: Option<usize>) -> Vec<u8> {
    let text = match change {
        Change::Statement(statement) => statement.text.to_vec(),
        Change::Load(load) => load.statement.text.to_vec(),
        Change::Rows(rows) => describe_rows(rows, row),
    };
    text[..text.len().min(STATEMENT_BYTES_MAX)].to_vec()
}

fn describe_rows(change: &crate::change::RowsChange, row: Option<usize>) -> Vec<u8> {
    let mut place = 0;
    let mut out = Vec::new();
    for (_, event) in &change.item.events {
        let mut maps = change.item.maps.iter().zip(&change.columns);
        let Some(((_, map), columns)) = maps.find(|((_, map), _)| map.table_id == event.table_id) else {
            continue;
        };
        let digits = change.source.old_digits(map, columns);
        let images = if digits.is_empty() {
            event.row_images(map)
        } else {
            event.row_images_with(map, &digits)
        };
        for found in images.flatten() {
            place += 1;
            if row.is_none_or(|wanted| wanted == place) && out.len() < STATEMENT_BYTES_MAX {
                let _ = write!(out, "{:?}", event.op);
                for (name, image) in [(" before ", &found.before), (" after ", &found.after)] {
                    if let Some(image) = image {
                        out.extend_from_slice(name.as_bytes());
                        describe_image(map, image, &mut out);
                    }
                }
                out.push(b'\n');
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
