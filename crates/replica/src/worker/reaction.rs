//! What is done about an error of the target: one table, from error to reaction.

use bytes::Bytes;
use tributary_client::ServerError;
use tributary_rules::SkipErrors;
use tributary_sql::StatementKind;

use crate::change::{Change, PreparedGroup, RowsChange, StatementChange};
use crate::error::{StopReason, beginning_of, native_text_of, number};
use crate::records::full_name;

/// What is done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Another session was in the way: the same again.
    Retry,
    /// The rules say that this statement or row may be left out; it is recorded.
    Skip,
    /// A person must look.
    Stop,
}

/// Errors that time heals: the native replica's `slave_transaction_retry_errors`, and the guard of a packet whose
/// predecessor failed.
const TRANSIENT: [u16; 8] = [1020, 1158, 1159, 1160, 1161, 1205, 1213, 1429];

/// Whether another session was in the way.
pub(super) fn is_transient(error: &ServerError) -> bool {
    TRANSIENT.contains(&error.code)
}

/// Whether another session held a lock for too long, or this one had to give way: `ER_LOCK_WAIT_TIMEOUT`, `ER_LOCK_DEADLOCK`.
pub(super) fn is_lock_conflict(error: &ServerError) -> bool {
    matches!(error.code, 1205 | 1213)
}

/// Whether a statement was ended by somebody, at a moment nobody can tell.
pub(super) fn is_kill(error: &ServerError) -> bool {
    number::is_kill(error.code)
}

/// Whether the server refuses a statement with this error before it changes any row: it cannot be understood, names what is not there,
/// or is not allowed.
pub(super) fn precedes_changes(error: &ServerError) -> bool {
    const REFUSALS: [u16; 28] = [
        1044,
        1045,
        1046,
        1049,
        1050,
        1051,
        1054,
        1064,
        1109,
        1115,
        1136,
        1142,
        1143,
        1146,
        1153,
        1193,
        1227,
        1231,
        1273,
        1290,
        1298,
        1305,
        1370,
        1429,
        1449,
        number::WRONG_TABLE_DEFINITION,
        1792,
        4031,
    ];
    REFUSALS.contains(&error.code)
}

/// The reaction to an error of a statement or row event.
pub(super) fn to(error: &ServerError, skip: &SkipErrors) -> Reaction {
    if is_transient(error) {
        Reaction::Retry
    } else if skip.contains(error.code) {
        Reaction::Skip
    } else {
        Reaction::Stop
    }
}

/// What the source's client got, for statements that failed there half way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// No error.
    Success,
    /// This error, with the same partial effect.
    Error(u16),
    /// The effect is undone, whatever happens: a lock conflict of the source, or an error that the rules pass over.
    AnythingUndone,
    /// The statement was killed at a moment nobody can repeat.
    Killed(u16),
}

/// What to expect of a statement that ended on the source with error `code`.
///
/// MariaDB server, `sql/log_event_server.cc`, `concurrency_error_code`.
pub(super) fn expected(code: u16, skip: &SkipErrors) -> Expected {
    match code {
        0 => Expected::Success,
        code if skip.contains(code) => Expected::AnythingUndone,
        1205 | 1213 | 1614 => Expected::AnythingUndone,
        code if number::is_kill(code) => Expected::Killed(code),
        code => Expected::Error(code),
    }
}

/// Whether the target's error is the one the source had, or one that a native replica takes for it.
///
/// MariaDB server, `sql/log_event_server.cc`, `test_if_equal_repl_errors`.
pub(super) fn is_equivalent(expected: u16, actual: u16) -> bool {
    /// `ER_DUP_ENTRY`, `ER_DUP_ENTRY_WITH_KEY_NAME`, `ER_AUTOINC_READ_FAILED`, `HA_ERR_AUTOINC_ERANGE`.
    const DUPLICATES: [u16; 4] = [1062, 1586, 1467, 167];
    /// `ER_UNKNOWN_TABLE`, `ER_IT_IS_A_VIEW`.
    const UNKNOWN_TABLE: (u16, u16) = (1109, 1965);
    expected == actual
        || DUPLICATES.contains(&expected) && DUPLICATES.contains(&actual)
        || (expected, actual) == UNKNOWN_TABLE
}

/// DDL that is already so on the target counts as done (`slave_ddl_exec_mode=IDEMPOTENT`, the native default).
pub(super) fn is_already_so(kind: StatementKind, code: u16) -> bool {
    use StatementKind::{CreateDatabase, DropDatabase, DropEvent, DropSequence, DropTable, DropView};
    match kind {
        CreateDatabase => code == 1007,
        DropDatabase => code == 1008,
        DropEvent => code == 1539,
        DropTable { .. } | DropView | DropSequence => matches!(code, 1051 | 4091 | 4092),
        _ => false,
    }
}

/// Whether the error is what a definition meets that has been made already.
pub(super) fn is_made(kind: StatementKind, code: u16) -> bool {
    use StatementKind::{
        AlterTable, CreateEvent, CreateIndex, CreateRoutine, CreateSequence, CreateTrigger, CreateView,
        DropIndex, DropRoutine, DropTrigger, RenameTable,
    };
    match kind {
        // A column, key, primary key, constraint or partition is there, or is not.
        AlterTable | CreateIndex | DropIndex => {
            matches!(code, 1060 | 1061 | 1068 | 1091 | 1507 | 1517 | 1826)
        }
        RenameTable => matches!(code, 1050 | 1146),
        CreateView | CreateSequence => code == 1050,
        CreateTrigger => code == 1359,
        DropTrigger => code == 1360,
        CreateRoutine => code == 1304,
        DropRoutine => code == 1305,
        CreateEvent => code == 1537,
        _ => false,
    }
}

/// `CREATE OR REPLACE TABLE ...` for a `CREATE TABLE` that met an existing table, as the native replica does it. `text` is a form
/// of the statement.
pub(super) fn or_replace(statement: &StatementChange, text: &[u8]) -> Option<Bytes> {
    let StatementKind::CreateTable {
        or_replace: false,
        if_not_exists: false,
        ..
    } = statement.kind
    else {
        return None;
    };
    let (first, rest) = text.split_at_checked(b"CREATE".len())?;
    first
        .eq_ignore_ascii_case(b"CREATE")
        .then(|| [first, b" OR REPLACE", rest].concat().into())
}

/// Takes the statement's own words out of a syntax error: those of account statements hold password hashes.
pub(super) fn leave_out_text(error: &mut ServerError) {
    if let Some(place) = error.message.find(" near ") {
        error.message.truncate(place);
    }
}

/// The message with which a connection stops. It begins with a native replica's words, which people and programs look for.
pub(super) fn stop_reason(group: &PreparedGroup, change: Option<&Change>, error: &ServerError) -> StopReason {
    stop_reason_at(group, change, error, 0)
}

/// The same for an error in one of the change's row events.
pub(super) fn stop_reason_at(
    group: &PreparedGroup,
    change: Option<&Change>,
    error: &ServerError,
    event: usize,
) -> StopReason {
    let on_query = |statement: &StatementChange| {
        let error = format!("Error '{}' on query.", error.message);
        let native = format!("{error} {}", native_query_of(statement));
        (format!("{error} {}", query_of(statement)), Some(native))
    };
    let (what, native) = match change {
        Some(Change::Statement(statement)) => on_query(statement),
        Some(Change::Load(load)) => on_query(&load.statement),
        Some(change @ Change::Rows(rows)) => {
            let native = rows_failed(group, change, rows, error, event);
            // The server keeps to itself which column it means.
            let definitions = match error.code {
                number::UNKNOWN => rows.source.describe(rows),
                _ => String::new(),
            };
            let words = format!("{native}{definitions}");
            // Of these errors it has others.
            let is_ours = matches!(error.code, number::UNKNOWN | number::WRONG_TABLE_DEFINITION);
            (words, (!is_ours).then_some(native))
        }
        None => (
            format!("error {} on the target: {}: the group", error.code, error.message),
            None,
        ),
    };
    let hint = hint(error.code);
    let doubt = match group.was_begun {
        true => "; a part of the group may have been there before (table skipped, kind in_doubt)",
        false => "",
    };
    // A replica's own number for a column that cannot take the source's values.
    let code = match change {
        Some(Change::Rows(_)) if error.code == number::UNKNOWN => number::CONVERSION_FAILED,
        _ => error.code,
    };
    let reason = StopReason::new(code, format!("{what} ({}){hint}{doubt}", group.label));
    match native {
        Some(native) => reason.natively(code, native),
        None => reason,
    }
}

/// A statement and where it ran. Native form: MariaDB server, `sql/log_event_server.cc`, `Query_log_event::do_apply_event`.
pub(super) fn query_of(statement: &StatementChange) -> String {
    let text = beginning_of(statement.kind, &statement.text);
    let database = String::from_utf8_lossy(&statement.context.database);
    format!("Default database: '{database}'. Query: '{text}'")
}

/// The same with as much of the statement as a native replica shows.
pub(super) fn native_query_of(statement: &StatementChange) -> String {
    let text = native_text_of(statement.kind, &statement.text);
    let database = String::from_utf8_lossy(&statement.context.database);
    format!("Default database: '{database}'. Query: '{text}'")
}

/// Native form: MariaDB server, `sql/log_event_server.cc`, `slave_rows_error_report`.
fn rows_failed(
    group: &PreparedGroup,
    change: &Change,
    rows: &RowsChange,
    error: &ServerError,
    event: usize,
) -> String {
    let events = &rows.item.events;
    let failed = events.get(event).or(events.first());
    let (event, end) = failed.map_or(("row", 0), |(header, _)| {
        (header.kind.name(), u64::from(header.end_offset))
    });
    let (database, table) = change.table().unwrap_or_default();
    let table = full_name(&database, &table);
    let handler = match handler_error(error.code) {
        // Searched for in the whole table.
        Some(KEY_NOT_FOUND) if is_without_index(group) => Some("HA_ERR_END_OF_FILE"),
        handler => handler,
    };
    let handler = handler.map_or_else(String::new, |name| format!(" handler error {name};"));
    format!(
        "Could not execute {event} event on table {table}; {}, Error_code: {};{handler} the event's master log {}, end_log_pos {end}",
        error.message, error.code, group.label.end.file,
    )
}

/// Whether the tables that a group writes are known to have no index.
fn is_without_index(group: &PreparedGroup) -> bool {
    let mut written = group.tables.iter().filter(|table| table.is_written).peekable();
    written.peek().is_some() && written.all(|table| table.info.as_ref().is_some_and(|info| info.is_bare))
}

/// What a storage engine calls a row that is not there.
const KEY_NOT_FOUND: &str = "HA_ERR_KEY_NOT_FOUND";

/// What a storage engine calls the error.
fn handler_error(code: u16) -> Option<&'static str> {
    Some(match code {
        1022 | 1062 | 1586 => "HA_ERR_FOUND_DUPP_KEY",
        1032 => KEY_NOT_FOUND,
        1114 => "HA_ERR_RECORD_FILE_FULL",
        1205 => "HA_ERR_LOCK_WAIT_TIMEOUT",
        1213 => "HA_ERR_LOCK_DEADLOCK",
        1451 => "HA_ERR_ROW_IS_REFERENCED",
        1452 => "HA_ERR_NO_REFERENCED_ROW",
        _ => return None,
    })
}

/// What a person can do about frequent errors.
fn hint(code: u16) -> &'static str {
    match code {
        1032 => "; a row is missing on the target: compare the table with the source",
        1062 => "; a row is on the target already: compare the table with the source",
        1146 => "; the table is missing on the target: create it, or add a replicate_ignore_table rule",
        1290 => "; the target is read-only for this account: GRANT READ_ONLY ADMIN to it",
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 => "; the account on the target lacks a privilege",
        1105 => {
            "; for row events this is what a column looks like whose type differs from the source's in a way that \
             slave_type_conversions of the target does not allow; its error log has error 1677"
        }
        number::WRONG_TABLE_DEFINITION => {
            "; make the target's table as the source's, or see \"Tables that differ\" in docs/positions.md"
        }
        1298 => "; load the time zone tables on the target: mariadb-tzinfo-to-sql",
        1115 | 1273 => {
            "; the target does not know this character set or collation: use a target of the source's version or newer"
        }
        1153 => "; raise max_allowed_packet on the target",
        1021 | 1114 => "; the target has no room left",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16) -> ServerError {
        ServerError {
            code,
            sqlstate: *b"HY000",
            message: String::new(),
        }
    }

    #[test]
    fn lock_waits_are_repeated_even_when_they_could_be_skipped() {
        assert_eq!(to(&error(1205), &SkipErrors::All), Reaction::Retry);
        assert_eq!(to(&error(1062), &SkipErrors::List([1062].into())), Reaction::Skip);
        assert_eq!(to(&error(1032), &SkipErrors::List([1062].into())), Reaction::Stop);
        assert_eq!(to(&error(1062), &SkipErrors::None), Reaction::Stop);
    }

    #[test]
    fn a_syntax_error_can_be_told_without_the_text() {
        let mut error = error(1064);
        error.message = "use near ''*0123' near b' at line 1".to_owned();
        leave_out_text(&mut error);
        assert_eq!(error.message, "use");
    }

    #[test]
    fn some_errors_are_the_same_under_two_numbers() {
        assert!(is_equivalent(1062, 1062) && is_equivalent(1062, 1586) && is_equivalent(1109, 1965));
        assert!(!is_equivalent(1062, 1032) && !is_equivalent(1965, 1109));
    }

    #[test]
    fn errors_of_the_source_are_expected_killed_statements_are_not() {
        assert_eq!(expected(0, &SkipErrors::None), Expected::Success);
        assert_eq!(expected(1062, &SkipErrors::None), Expected::Error(1062));
        assert_eq!(expected(1317, &SkipErrors::None), Expected::Killed(1317));
        assert_eq!(expected(1205, &SkipErrors::None), Expected::AnythingUndone);
        assert_eq!(
            expected(1317, &SkipErrors::List([1317].into())),
            Expected::AnythingUndone
        );
    }
}
