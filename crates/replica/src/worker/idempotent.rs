//! Rows under `slave_exec_mode=IDEMPOTENT`, to the same effect as on a native replica.
//!
//! The target's own variable of this name is global, so it is left alone and each row that fails is mended by itself. What
//! the native server does: MariaDB server, `sql/log_event_server.cc`, `Rows_log_event::write_row` and
//! `idempotent_error_code`. An inserted row whose key is taken becomes an update of the row in its way if that key is
//! the table's last unique one and no foreign key refers to the table; else the row in its way is deleted and the
//! insert tried again.
//!
//! Rows in the way are named to the server by the columns of their key alone. On a table with a primary key the server
//! finds the row of an event by that key whatever columns the event has (seen on 10.11.19: it takes a default value for
//! one that is absent, and with it another row), so rows that are in the way under another key go by a statement.

use bytes::Bytes;
use smallvec::smallvec;
use tributary_binlog::{Bitmap, Header, Row, RowsEvent, RowsItem, RowsOp, TableMap};
use tributary_client::{Error as ClientError, ServerError};

use super::burst::{self, Failure};
use super::ledger::Record;
use super::passing::Passing;
use super::rows::RowPlace;
use super::unique_keys::{UniqueKey, UniqueKeys};
use super::{Login, RunWork, Worker};
use crate::change::{Change, PreparedGroup, RowsChange};
use crate::context::quote_name;
use crate::records::RecordKind;

/// A key of an inserted row is taken.
pub(super) const DUPLICATE: [u16; 4] = [1022, 1062, 1169, 1586];

/// The row to change is missing, or a foreign key or another row forbids the change.
const FORBIDDEN: [u16; 8] = [1032, 1216, 1217, 1451, 1452, 1557, 1761, 1762];

/// No row has the key.
pub(super) const NOT_FOUND: u16 = 1032;

/// Whether the row is passed over or mended after this error.
pub(super) fn is_forgiven(code: u16) -> bool {
    DUPLICATE.contains(&code) || FORBIDDEN.contains(&code)
}

/// The row of a change that failed.
struct FailedRow<'c> {
    rows: &'c RowsChange,
    /// Its table, as an index into `rows.item.maps`.
    index: usize,
    map: &'c TableMap,
    header: Header,
    event: &'c RowsEvent,
    row: Row<'c>,
}

impl<'c> FailedRow<'c> {
    /// The row at this place.
    fn find(rows: &'c RowsChange, at: RowPlace) -> Option<Self> {
        let (header, event) = rows.item.events.get(at.event)?;
        let index = rows.map_of_event(at.event)?;
        let (_, map) = rows.item.maps.get(index)?;
        let row = event.row_images(map).nth(at.row_of_event)?.ok()?;
        Some(Self {
            rows,
            index,
            map,
            header: *header,
            event,
            row,
        })
    }

    fn database(&self) -> Option<&Bytes> {
        self.rows.databases.get(self.index)
    }

    /// The event of one row that replaces this one.
    fn event(&self, op: RowsOp, present: Bitmap, present_after: Option<Bitmap>, bytes: Vec<u8>) -> RowsEvent {
        let flags = match op {
            RowsOp::Write => self.event.flags,
            // Only the key's columns are there.
            RowsOp::Update | RowsOp::Delete => self.event.flags & !RowsEvent::FLAG_COMPLETE_ROWS,
        };
        RowsEvent {
            op,
            flags: flags | RowsEvent::FLAG_STATEMENT_END,
            present,
            present_after,
            rows: bytes.into(),
            was_compressed: false,
            ..self.event.clone()
        }
    }

    /// The change that consists of this event alone.
    fn change(&self, event: RowsEvent) -> Option<Change> {
        Some(Change::Rows(Box::new(RowsChange {
            format: self.rows.format.clone(),
            item: RowsItem {
                maps: smallvec::smallvec![self.rows.item.maps.get(self.index)?.clone()],
                events: smallvec::smallvec![(self.header, Box::new(event))],
                annotate: None,
            },
            databases: smallvec![self.database()?.clone()],
            columns: smallvec![self.rows.columns.get(self.index)?.clone()],
            source: self.rows.source.clone(),
            tolerances: smallvec![],
            row_count: 1,
            spans: None,
            read_through: None,
        })))
    }

    /// The row as it was to be inserted.
    fn write(&self) -> RowsEvent {
        self.event(
            RowsOp::Write,
            self.event.present.clone(),
            None,
            self.row.raw.to_vec(),
        )
    }

    /// A deletion of the row with the same key, or, with `replaces`, an update of it to this row.
    fn on_key(&self, key: &UniqueKey, replaces: bool) -> Option<RowsEvent> {
        let columns = Bitmap::of(
            self.event.column_count,
            key.columns.iter().map(|part| part.position),
        );
        let mut bytes = self.row.after?.only(&columns)?;
        if !replaces {
            return Some(self.event(RowsOp::Delete, columns, None, bytes));
        }
        bytes.extend_from_slice(self.row.raw);
        let present_after = Some(self.event.present.clone());
        Some(self.event(RowsOp::Update, columns, present_after, bytes))
    }

    /// Whether the row has a value for every column of the key: only then can it be taken.
    fn has_key(&self, key: &UniqueKey) -> bool {
        let columns = key.columns.iter().map(|part| part.position);
        let after = self.row.after.as_ref();
        after.is_some_and(|after| {
            after
                .only(&Bitmap::of(self.event.column_count, columns))
                .is_some()
        })
    }
}

impl Worker {
    /// Passes over a row that failed, or mends the failure, and records which.
    pub(super) async fn forgive(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        failure: &Failure,
    ) -> Result<Passing, ClientError> {
        let Change::Rows(rows) = change else {
            return Ok(Passing::Stop(failure.error.clone()));
        };
        let is_known = failure.is_row || rows.row_count == 1;
        let at = if failure.is_row {
            failure.at
        } else {
            RowPlace::default()
        };
        let Some(row) = FailedRow::find(rows, at).filter(|_| is_known) else {
            return Ok(Passing::Stop(failure.error.clone()));
        };
        let mut kind = RecordKind::Ignored;
        if row.event.op == RowsOp::Write && DUPLICATE.contains(&failure.error.code) {
            if !matches!(rows.source.resolve(rows), Ok(None)) {
                return Ok(Passing::Stop(not_mended(
                    "the table's columns are not those of the source",
                )));
            }
            match self.login.overwrite(group, &row).await? {
                Ok(()) => kind = RecordKind::Overwritten,
                // A foreign key holds the row in the way, or the inserted one has no parent.
                Err(error) if FORBIDDEN.contains(&error.code) => {}
                Err(error) if super::reaction::is_transient(&error) => return Ok(Passing::Retry),
                Err(error) => return Ok(Passing::Stop(error)),
            }
        }
        let record = Record::of_failure(kind, change, failure);
        Ok(match self.login.record(work, group, &record).await? {
            Ok(()) => Passing::Done,
            Err(error) => Passing::Stop(error),
        })
    }
}

impl Login {
    /// Puts the row in the place of those that have one of its unique keys.
    async fn overwrite(
        &mut self,
        group: &PreparedGroup,
        row: &FailedRow<'_>,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let Some(database) = row.database().cloned() else {
            return Ok(Err(not_mended("its table is not known")));
        };
        let may_be_referenced = group.may_have_foreign_keys();
        let table = match self
            .unique_keys(&database, &row.map.table, may_be_referenced)
            .await?
        {
            Ok(table) => table,
            Err(error) => return Ok(Err(error)),
        };
        let keys: Vec<&UniqueKey> = table.keys.iter().filter(|key| row.has_key(key)).collect();
        let is_simple = table.keys.len() == 1 && !table.is_referenced;
        if !is_simple && !row.event.present.is_full() {
            return Ok(Err(not_mended(
                "the event has not all columns of the row (binlog_row_image), and those of the row in its way would be lost",
            )));
        }
        let last = table.keys.last();
        for key in keys {
            let is_last = last.is_some_and(|last| std::ptr::eq(last, key));
            let replaces = is_simple && is_last && key.finds_rows;
            match self.clear_key(row, &database, &table, key, replaces).await? {
                Ok(()) if replaces => return Ok(Ok(())),
                Ok(()) => {}
                Err(error) if error.code == NOT_FOUND => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        self.apply_event(row, row.write()).await
    }

    /// Removes, or replaces, the row that has this key. Error 1032 when none has it.
    async fn clear_key(
        &mut self,
        row: &FailedRow<'_>,
        database: &[u8],
        table: &UniqueKeys,
        key: &UniqueKey,
        replaces: bool,
    ) -> Result<Result<(), ServerError>, ClientError> {
        if key.finds_rows {
            return match row.on_key(key, replaces) {
                Some(event) => self.apply_event(row, event).await,
                None => Ok(Err(not_mended("its key cannot be read"))),
            };
        }
        if table.has_delete_trigger {
            return Ok(Err(not_mended(
                "the row in its way has another primary key and can only be deleted by a statement, for which a trigger of the target would run",
            )));
        }
        let Some(condition) = row
            .row
            .after
            .as_ref()
            .and_then(|after| key.condition(row.map, after))
        else {
            return Ok(Err(not_mended(
                "the row in its way has another primary key, and a column of the unique key cannot be written in a statement",
            )));
        };
        let has_checks = row.event.flags & RowsEvent::FLAG_NO_FOREIGN_KEY_CHECKS == 0;
        let mut text = format!(
            "SET NAMES utf8mb4, foreign_key_checks={}, sql_mode='', time_zone=DEFAULT;DELETE FROM ",
            u8::from(has_checks)
        )
        .into_bytes();
        quote_name(database, &mut text);
        text.push(b'.');
        quote_name(&row.map.table, &mut text);
        text.extend_from_slice(b" WHERE ");
        text.extend_from_slice(condition.as_bytes());
        self.session.forget();
        let outcome = burst::single(&mut self.client, &text).await?;
        if outcome.is_err() {
            self.has_old_errors = true;
            self.clear_errors().await?;
        }
        Ok(outcome.map(|_| ()))
    }

    async fn apply_event(
        &mut self,
        row: &FailedRow<'_>,
        event: RowsEvent,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let Some(change) = row.change(event) else {
            return Ok(Err(not_mended("its table is not known")));
        };
        self.isolate_rows(false, super::rows::RowPlace::default());
        self.add_change(&change, 0).await?;
        Ok(self.finish().await?.map_or(Ok(()), |failure| Err(failure.error)))
    }
}

/// A row that cannot be put in the place of another.
fn not_mended(why: &str) -> ServerError {
    ServerError {
        code: 1062,
        sqlstate: *b"23000",
        message: format!(
            "a row is in the way of an inserted one and slave_exec_mode=IDEMPOTENT cannot replace it: {why}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_servers_list_and_no_other() {
        for code in [1032, 1062, 1451, 1452] {
            assert!(is_forgiven(code), "{code}");
        }
        for code in [1146, 1205, 1048, 1264, 1105] {
            assert!(!is_forgiven(code), "{code}");
        }
    }
}
