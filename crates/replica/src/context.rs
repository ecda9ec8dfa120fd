//! The session a source statement ran in, and how a target session is brought to it: only differences are sent.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::{Charset, QueryEvent, StatusVars, UserVar, UserVarValue};

use crate::change::{Inputs, StatementChange, ThreadIdentity};
use crate::collations::{Collations, StatementCollations};

/// Option bits of a Query event that a session variable stands for, with the value the variable has when the bit is set.
/// Determined bit by bit on MariaDB 10.11.19.
///
/// `unique_checks` (0x0800_0000) is left out: it changes no result, and without it InnoDB gathers the rows for an empty table
/// up to the end of the statement, where a duplicate is error 1180 for all of them and undoes the whole transaction.
const FLAGS2: [(u32, &str, bool); 6] = [
    (0x0000_4000, "sql_auto_is_null", true),
    (0x0000_8000, "check_constraint_checks", false),
    (0x0100_0000, "explicit_defaults_for_timestamp", true),
    (0x0400_0000, "foreign_key_checks", false),
    (0x1000_0000, "sql_if_exists", true),
    (0x4000_0000, "system_versioning_insert_history", true),
];

/// `NO_DIR_IN_CREATE` in `sql_mode`: the target's own choice, as on a native replica.
const NO_DIR_IN_CREATE: u64 = 0x80;

/// `STRICT_TRANS_TABLES` in `sql_mode`.
const STRICT_TRANS_TABLES: u64 = 1 << 21;

/// `STRICT_ALL_TABLES` in `sql_mode`.
const STRICT_ALL_TABLES: u64 = 1 << 22;

/// The `sql_mode` of the target's session for a source's. With `is_lenient`, values that do not fit are taken with a
/// warning, as tables that cannot be rolled back take them.
pub(crate) fn target_sql_mode(source: Option<u64>, is_lenient: bool) -> Option<u64> {
    let left_out = match is_lenient {
        true => NO_DIR_IN_CREATE | STRICT_TRANS_TABLES,
        false => NO_DIR_IN_CREATE,
    };
    source.map(|mode| mode & !left_out)
}

/// Session settings that most statements of a source share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Context {
    /// Default database, in the target's names; empty leaves whatever there is.
    pub(crate) database: Bytes,
    sql_mode: Option<u64>,
    flags2: Option<u32>,
    /// Collation ids of client, connection and server, as the target has them.
    charset: Option<(u16, u16, u16)>,
    /// `None`: the database's own.
    collation_database: Option<u16>,
    /// What a character set stands for that is named alone; `None`: not known to have been set.
    default_collations: Option<Vec<(u16, u16)>>,
    /// The collations as the source logged them.
    logged: Logged,
    /// `None`: the statement does not depend on it.
    time_zone: Option<Bytes>,
    lc_time_names: u16,
    auto_increment: (u16, u16),
}

/// Collations of a session as the source logged them: by them a session is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Logged {
    charset: Option<Charset>,
    database: Option<u16>,
    defaults: Option<Vec<(u16, u16)>>,
}

impl Context {
    /// The session of one Query event, with the collations that the target has for those of the event. `known_flags` are the
    /// option bits the source's version writes, `sql_mode` is that of the target's session.
    pub(crate) fn new(
        status: &StatusVars,
        collations: StatementCollations,
        database: Bytes,
        sql_mode: Option<u64>,
        known_flags: u32,
    ) -> Self {
        Self {
            database: Bytes::copy_from_slice(&database),
            sql_mode,
            flags2: status
                .flags2
                .map(|flags| (flags & known_flags) | (default_flags() & !known_flags)),
            charset: collations.charset,
            collation_database: collations.database,
            default_collations: Some(collations.defaults),
            logged: Logged {
                charset: status.charset,
                database: status.charset_database,
                defaults: status.character_set_collations.clone(),
            },
            // Copies: slices would keep all that was read with them.
            time_zone: status.time_zone.as_deref().map(Bytes::copy_from_slice),
            lc_time_names: status.lc_time_names.unwrap_or(0),
            auto_increment: status.auto_increment.unwrap_or((1, 1)),
        }
    }

    /// Whether this is the session of `query`, so that it can be shared instead of built again.
    pub(crate) fn is_of(
        &self,
        query: &QueryEvent,
        database: &[u8],
        sql_mode: Option<u64>,
        known_flags: u32,
    ) -> bool {
        let status = &query.status;
        self.database == database
            && self.sql_mode == sql_mode
            && self.flags2
                == status
                    .flags2
                    .map(|flags| (flags & known_flags) | (default_flags() & !known_flags))
            && self.logged.charset == status.charset
            && self.logged.database == status.charset_database
            && self.logged.defaults == status.character_set_collations
            && self.time_zone == status.time_zone
            && self.lc_time_names == status.lc_time_names.unwrap_or(0)
            && self.auto_increment == status.auto_increment.unwrap_or((1, 1))
    }

    /// What a character set stands for that is named alone.
    pub(crate) fn default_collations(&self) -> &[(u16, u16)] {
        self.default_collations.as_deref().unwrap_or_default()
    }

    /// Whether a value that does not fit its column is an error: in tables that can be rolled back, or in all.
    pub(crate) fn is_strict(&self, is_transactional: bool) -> bool {
        let strict = if is_transactional {
            STRICT_TRANS_TABLES | STRICT_ALL_TABLES
        } else {
            STRICT_ALL_TABLES
        };
        self.sql_mode.is_some_and(|mode| mode & strict != 0)
    }

    /// Whether 0 in a column of automatic ids stays 0.
    pub(crate) fn keeps_zero_ids(&self) -> bool {
        const NO_AUTO_VALUE_ON_ZERO: u64 = 1 << 19;
        self.sql_mode
            .is_some_and(|mode| mode & NO_AUTO_VALUE_ON_ZERO != 0)
    }

    /// Whether a value handed over beside a statement means what a literal in its text does.
    ///
    /// Not under modes that read literals in their own way (`EMPTY_STRING_IS_NULL`, ORACLE and its like), or whose bits are unknown.
    pub(crate) fn allows_bulk(&self) -> bool {
        /// `REAL_AS_FLOAT` to `NO_DIR_IN_CREATE`, and `NO_AUTO_VALUE_ON_ZERO` to `NO_ENGINE_SUBSTITUTION`.
        const HARMLESS: u64 = 0xff | 0x7ff8_0000;
        self.sql_mode.is_some_and(|mode| mode & !HARMLESS == 0)
    }

    /// The client's collation, as the target has it.
    pub(crate) fn client_collation(&self) -> Option<u16> {
        self.charset.map(|(client, ..)| client)
    }

    /// The session in which every row of a statement is checked as the only row of one is: STRICT_TRANS_TABLES lets a value
    /// that does not fit pass behind the first row where tables cannot be rolled back.
    fn with_strict_rows(&self) -> Self {
        let sql_mode = self.sql_mode.map(|mode| match mode & STRICT_TRANS_TABLES {
            0 => mode,
            _ => mode | STRICT_ALL_TABLES,
        });
        Self {
            sql_mode,
            ..self.clone()
        }
    }

    /// The distance between automatic ids, for statements that generate several.
    pub(crate) fn auto_increment_step(&self) -> u64 {
        u64::from(self.auto_increment.0.max(1))
    }
}

/// The option bits a source of this version writes; the others say nothing.
///
/// `sql_if_exists` (10.8), `explicit_defaults_for_timestamp` and `system_versioning_insert_history` (10.11) came late.
pub(crate) fn known_flags(version: (u16, u16, u16)) -> u32 {
    let old = 0x0000_4000 | 0x0000_8000 | 0x0400_0000;
    match version {
        // MySQL. `explicit_defaults_for_timestamp` is a status variable there, and among the bits when it comes here.
        (major, ..) if major < 10 => old | 0x0100_0000,
        (major, minor, _) if (major, minor) >= (10, 11) => old | 0x0100_0000 | 0x1000_0000 | 0x4000_0000,
        (10, minor, _) if minor >= 8 => old | 0x1000_0000,
        _ => old,
    }
}

/// What bits the source does not know mean: explicit defaults for TIMESTAMP, as on the target.
fn default_flags() -> u32 {
    0x0100_0000
}

/// What a login on the target is known to be set to.
///
/// Unknown fields are `None` and are sent when next needed.
#[derive(Debug)]
pub(crate) struct Session {
    current: Option<Context>,
    time_zone: Option<Bytes>,
    timestamp: Option<(u32, Option<u32>)>,
    /// An `INSERT_ID` has been set and may not have been used.
    has_insert_id: bool,
    thread: Option<ThreadIdentity>,
    /// The session may stand in for a source's thread, whose temporary tables would hide tables of the same name.
    has_thread: bool,
    collations: Arc<Collations>,
}

impl Session {
    /// The session of a new login, of which nothing is known.
    pub(crate) fn new(collations: Arc<Collations>) -> Self {
        Self {
            current: None,
            time_zone: None,
            timestamp: None,
            has_insert_id: false,
            thread: None,
            has_thread: false,
            collations,
        }
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&mut self) {
        // What may be pending stays pending until it has been taken back.
        *self = Self {
            has_insert_id: true,
            has_thread: true,
            ..Self::new(self.collations.clone())
        };
    }

    /// A `BINLOG` statement leaves the clock at the event's time; row events change nothing else of the session. Query
    /// events among them, which count, set what a Query event without status variables stands for (seen on 10.11.19).
    pub(crate) fn row_events_ran(&mut self, has_counted: bool) {
        self.timestamp = None;
        if has_counted {
            self.current = None;
            self.time_zone = None;
        }
    }

    /// A statement has made, changed or dropped a database: the session may have no default database any more.
    pub(crate) fn databases_changed(&mut self) {
        self.current = None;
    }

    /// Appends the statements that bring the session to `statement`'s. Returns how many were appended.
    pub(crate) fn switch(&mut self, statement: &StatementChange, out: &mut Vec<u8>) -> usize {
        let mut count = self.switch_database(&statement.context.database, out);
        let start = out.len();
        out.extend_from_slice(b"SET ");
        let first = out.len();
        self.set_context(&statement.context, out);
        self.set_clock(statement.timestamp, out);
        self.set_insert_id(statement, out);
        self.set_thread(statement.inputs.as_ref().and_then(|inputs| inputs.thread), out);
        if let Some(inputs) = &statement.inputs {
            self.set_inputs(inputs, out);
        }
        count += close_settings(start, first, out);
        count
    }

    /// Appends the statements that bring the session to where statements of one shape are executed in bulk; `timestamp` where
    /// they may read the clock, `is_strict` where rows cannot be taken back. Returns how many were appended.
    pub(crate) fn switch_for_bulk(
        &mut self,
        context: &Context,
        timestamp: Option<(u32, Option<u32>)>,
        is_strict: bool,
        out: &mut Vec<u8>,
    ) -> usize {
        let mut count = self.switch_database(&context.database, out);
        let start = out.len();
        out.extend_from_slice(b"SET ");
        let first = out.len();
        if is_strict {
            self.set_context(&context.with_strict_rows(), out);
        } else {
            self.set_context(context, out);
        }
        if let Some(timestamp) = timestamp {
            self.set_clock(timestamp, out);
        }
        self.set_thread(None, out);
        count += close_settings(start, first, out);
        count
    }

    fn switch_database(&mut self, database: &Bytes, out: &mut Vec<u8>) -> usize {
        if database.is_empty()
            || self
                .current
                .as_ref()
                .is_some_and(|current| current.database == database)
        {
            return 0;
        }
        let mut count = 1;
        if !database.is_ascii() {
            // The name is UTF-8 in the event; the session's client character set may be another.
            out.extend_from_slice(b"SET NAMES utf8mb4;\n");
            if let Some(current) = &mut self.current {
                current.charset = None;
            }
            count += 1;
        }
        out.extend_from_slice(b"USE ");
        quote_name(database, out);
        out.extend_from_slice(b";\n");
        self.current.get_or_insert_default().database = database.clone();
        // The default of this variable is the database's, so it follows USE.
        self.current.get_or_insert_default().collation_database = None;
        count
    }

    fn set_context(&mut self, wanted: &Context, out: &mut Vec<u8>) {
        let is_new = self
            .current
            .as_ref()
            .is_none_or(|current| current.sql_mode.is_none());
        let current = self.current.get_or_insert_default();
        if wanted.sql_mode.is_some() && current.sql_mode != wanted.sql_mode {
            current.sql_mode = wanted.sql_mode;
            assign(out, "sql_mode", wanted.sql_mode.unwrap_or(0));
        }
        if let Some((client, connection, server)) = wanted.charset
            && current.charset != wanted.charset
        {
            current.charset = wanted.charset;
            assign(out, "character_set_client", client);
            assign(out, "collation_connection", connection);
            assign(out, "collation_server", server);
        }
        if self.collations.takes_defaults() && current.default_collations != wanted.default_collations {
            current.default_collations.clone_from(&wanted.default_collations);
            let value = self.collations.render_defaults(wanted.default_collations());
            assign(out, "character_set_collations", format_args!("'{value}'"));
        }
        if current.collation_database != wanted.collation_database {
            current.collation_database = wanted.collation_database;
            match wanted.collation_database {
                Some(id) => assign(out, "collation_database", id),
                None => out.extend_from_slice(b"collation_database=DEFAULT,"),
            }
        }
        if let Some(flags) = wanted.flags2 {
            let differing = current.flags2.map_or(u32::MAX, |known| known ^ flags);
            for (bit, name, when_set) in FLAGS2.iter().filter(|(bit, ..)| differing & bit != 0) {
                assign(out, name, u8::from((flags & bit != 0) == *when_set));
            }
            current.flags2 = Some(flags);
        }
        if let Some(zone) = &wanted.time_zone
            && self.time_zone.as_ref() != Some(zone)
        {
            self.time_zone = Some(zone.clone());
            out.extend_from_slice(b"time_zone=");
            quote_text(zone, out);
            out.push(b',');
        }
        if is_new || current.lc_time_names != wanted.lc_time_names {
            current.lc_time_names = wanted.lc_time_names;
            assign(out, "lc_time_names", wanted.lc_time_names);
        }
        if is_new || current.auto_increment != wanted.auto_increment {
            current.auto_increment = wanted.auto_increment;
            assign(out, "auto_increment_increment", wanted.auto_increment.0);
            assign(out, "auto_increment_offset", wanted.auto_increment.1);
        }
    }

    fn set_clock(&mut self, timestamp: (u32, Option<u32>), out: &mut Vec<u8>) {
        if self.timestamp == Some(timestamp) {
            return;
        }
        self.timestamp = Some(timestamp);
        match timestamp {
            (seconds, Some(micros)) => assign(out, "timestamp", format_args!("{seconds}.{micros:06}")),
            (seconds, None) => assign(out, "timestamp", seconds),
        }
    }

    fn set_insert_id(&mut self, statement: &StatementChange, out: &mut Vec<u8>) {
        if let Some(id) = statement.insert_id {
            self.has_insert_id = true;
            assign(out, "insert_id", id);
        } else if self.has_insert_id && statement.may_generate_id {
            // An id that nothing has used yet would be taken by this statement.
            self.has_insert_id = false;
            assign(out, "insert_id", 0);
        }
    }

    /// The session stands in for nobody knows whom: `XA PREPARE` has taken the thread away on some servers (11.8), on others not.
    pub(crate) fn forget_thread(&mut self) {
        (self.thread, self.has_thread) = (None, true);
    }

    /// Stands in for a thread of the source, or for none, so that nobody sees the temporary tables of another.
    fn set_thread(&mut self, wanted: Option<ThreadIdentity>, out: &mut Vec<u8>) {
        match wanted {
            Some(thread) if self.thread != wanted => {
                (self.thread, self.has_thread) = (wanted, true);
                assign(out, "pseudo_thread_id", thread.thread_id);
                assign(out, "server_id", thread.server_id);
            }
            None if self.has_thread => {
                (self.thread, self.has_thread) = (None, false);
                assign(out, "pseudo_thread_id", 0);
            }
            _ => {}
        }
    }

    fn set_inputs(&mut self, inputs: &Inputs, out: &mut Vec<u8>) {
        if let Some(id) = inputs.last_insert_id {
            assign(out, "last_insert_id", id);
        }
        if let Some((first, second)) = inputs.rand_seeds {
            assign(out, "rand_seed1", first);
            assign(out, "rand_seed2", second);
        }
        for variable in &inputs.user_vars {
            assign_user_var(variable, &self.collations, out);
        }
    }
}

/// Ends a list of settings that began with `SET ` at `start`, or takes that away when there is none. Returns how many statements
/// it is.
fn close_settings(start: usize, first: usize, out: &mut Vec<u8>) -> usize {
    if out.len() == first {
        out.truncate(start);
        return 0;
    }
    out.pop();
    out.extend_from_slice(b";\n");
    1
}

fn assign(out: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{name}={value},");
}

/// ``@`name`:=value,``. Strings travel as hexadecimal with their character set, so that no quoting rule applies.
fn assign_user_var(variable: &UserVar, collations: &Collations, out: &mut Vec<u8>) {
    out.push(b'@');
    quote_name(&variable.name, out);
    out.extend_from_slice(b":=");
    // Writing to a Vec cannot fail.
    let _ = match &variable.value {
        None => write!(out, "NULL"),
        Some(UserVarValue::Int(value)) => write!(out, "{value}"),
        Some(UserVarValue::Unsigned(value)) => write!(out, "CAST({value} AS UNSIGNED)"),
        Some(UserVarValue::Real(value)) => write!(out, "{value:e}"),
        Some(UserVarValue::Decimal(value)) => write!(out, "{value}"),
        Some(UserVarValue::String { collation, value }) => {
            // An id the target does not know is refused when the group is prepared; binary keeps the bytes as they are.
            let (charset, name) = collations.get(*collation).unwrap_or(("binary", "binary"));
            let _ = write!(out, "_{charset} ");
            quote_text(value, out);
            // In backticks: `binary` is a reserved word.
            write!(out, " COLLATE `{name}`")
        }
    };
    out.push(b',');
}

/// Appends a name in backticks.
pub(crate) fn quote_name(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'`');
    for &byte in name {
        if byte == b'`' {
            out.push(b'`');
        }
        out.push(byte);
    }
    out.push(b'`');
}

/// Appends a text as a hexadecimal literal, which means the same under every `sql_mode` and character set.
pub(crate) fn quote_text(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(2 * text.len() + 3);
    out.extend_from_slice(b"X'");
    out.extend(
        text.iter()
            .flat_map(|byte| [byte >> 4, byte & 0x0f])
            .map(|half| DIGITS[usize::from(half)]),
    );
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_sql::StatementKind;

    fn context(status: &StatusVars, database: Bytes, version: (u16, u16, u16)) -> Context {
        let collations = Collations::default().of_statement(status).unwrap();
        let sql_mode = target_sql_mode(status.sql_mode, false);
        Context::new(status, collations, database, sql_mode, known_flags(version))
    }

    fn status() -> StatusVars {
        StatusVars {
            flags2: Some(0),
            sql_mode: Some(0x200),
            charset: Some(Charset {
                client: 8,
                connection: 8,
                server: 8,
            }),
            ..StatusVars::default()
        }
    }

    fn statement(
        database: &'static str,
        status: &StatusVars,
        seconds: u32,
        insert_id: Option<u64>,
    ) -> StatementChange {
        StatementChange {
            effects: Vec::new(),
            positional: None,
            tolerance: Arc::default(),
            divergence: None,
            kept_engine: None,
            bulk: None,
            text: Bytes::from_static(b"INSERT INTO t VALUES (1)"),
            kind: StatementKind::Insert,
            context: Arc::new(context(
                status,
                Bytes::from_static(database.as_bytes()),
                (10, 11, 0),
            )),
            timestamp: (seconds, None),
            inputs: None,
            insert_id,
            expected_error: 0,
            is_one_row: false,
            is_joinable: true,
            may_generate_id: true,
            table: None,
        }
    }

    fn switch(session: &mut Session, statement: &StatementChange) -> String {
        let mut out = Vec::new();
        let count = session.switch(statement, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.matches(";\n").count(),
            count,
            "every setting has a result: {text}"
        );
        text
    }

    #[test]
    fn only_the_strictness_of_transactional_tables_is_left_out() {
        let mode = Some(STRICT_TRANS_TABLES | NO_DIR_IN_CREATE | 1 << 22 | 0x200);
        assert_eq!(target_sql_mode(mode, true), Some(1 << 22 | 0x200));
        assert_eq!(
            target_sql_mode(mode, false),
            Some(STRICT_TRANS_TABLES | 1 << 22 | 0x200)
        );
        assert_eq!(target_sql_mode(None, true), None);
    }

    #[test]
    fn only_differences_are_sent() {
        let mut session = Session::new(Arc::default());
        let first = switch(&mut session, &statement("a", &status(), 100, None));
        for part in [
            "USE `a`;",
            "sql_mode=512,",
            "character_set_client=8,",
            "foreign_key_checks=1,",
            "timestamp=100",
            "lc_time_names=0,",
        ] {
            assert!(first.contains(part), "{part} in {first}");
        }
        assert_eq!(switch(&mut session, &statement("a", &status(), 100, None)), "");
        assert_eq!(
            switch(&mut session, &statement("a", &status(), 101, None)),
            "SET timestamp=101;\n"
        );
        let other = StatusVars {
            flags2: Some(0x0400_0000),
            ..status()
        };
        assert_eq!(
            switch(&mut session, &statement("a", &other, 101, None)),
            "SET foreign_key_checks=0;\n"
        );
        session.row_events_ran(false);
        assert_eq!(
            switch(&mut session, &statement("a", &other, 101, None)),
            "SET timestamp=101;\n",
            "BINLOG moves the clock"
        );
        session.forget();
        assert!(switch(&mut session, &statement("a", &other, 101, None)).starts_with("USE `a`;"));
    }

    #[test]
    fn a_thread_that_a_prepared_transaction_may_have_taken_is_set_again() {
        let thread = crate::change::ThreadIdentity {
            server_id: 1,
            thread_id: 18,
        };
        let inputs = Inputs {
            last_insert_id: None,
            rand_seeds: None,
            user_vars: Vec::new(),
            thread: Some(thread),
        };
        let of_thread = StatementChange {
            inputs: Some(Box::new(inputs)),
            ..statement("a", &status(), 1, None)
        };
        let mut session = Session::new(Arc::default());
        assert!(switch(&mut session, &of_thread).contains("pseudo_thread_id=18"));
        assert_eq!(switch(&mut session, &of_thread), "");
        session.forget_thread();
        assert_eq!(
            switch(&mut session, &of_thread),
            "SET pseudo_thread_id=18,server_id=1;\n"
        );
        session.forget_thread();
        assert_eq!(
            switch(&mut session, &statement("a", &status(), 1, None)),
            "SET pseudo_thread_id=0;\n"
        );
    }

    #[test]
    fn an_unused_automatic_id_is_taken_back() {
        let mut session = Session::new(Arc::default());
        switch(&mut session, &statement("a", &status(), 1, None));
        assert_eq!(
            switch(&mut session, &statement("a", &status(), 1, Some(5))),
            "SET insert_id=5;\n"
        );
        assert_eq!(
            switch(&mut session, &statement("a", &status(), 1, None)),
            "SET insert_id=0;\n"
        );
        assert_eq!(switch(&mut session, &statement("a", &status(), 1, None)), "");
    }

    #[test]
    fn names_and_texts_cannot_break_out() {
        let mut out = Vec::new();
        quote_name(b"a`b", &mut out);
        quote_text(b"'\\", &mut out);
        assert_eq!(out, b"`a``b`X'275C'");
    }

    #[test]
    fn bits_an_old_source_does_not_write_keep_their_default() {
        let old = context(&status(), Bytes::new(), (10, 6, 0));
        let new = context(&status(), Bytes::new(), (10, 11, 0));
        assert_eq!(
            old.flags2,
            Some(0x0100_0000),
            "explicit_defaults_for_timestamp is on by default"
        );
        assert_eq!(new.flags2, Some(0), "a source that writes the bit had it off");
    }
}
