//! Statements: judged by source names, renamed, and reduced to what a worker and the scheduler must know.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::{Header, QueryEvent, StatementItem, UserVar, UserVarValue};
use tributary_schedule::{Access, Scope};
use tributary_sql::{self as sql, Dialect, StatementKind, TableRef};

use super::bounds::looks_in_default;
use super::patterns::Found;
use super::policy::start_of;
use super::shapes::RowsWritten;
use super::{Draft, Place, Preparer, add_related};
use crate::catalog::TableUseDraft;
use crate::change::{Change, Inputs, StatementChange, ThreadIdentity};
use crate::context::{Context, target_sql_mode};
use crate::error::{StopReason, excerpt_of, number};
use crate::keys::{self, GeneratedIds};
use crate::temporary::SourceThread;

/// Sessions kept for sharing; call-centre traffic has one or two per program.
const CONTEXTS_MAX: usize = 8;

/// What the events before a statement give it.
pub(super) struct Given {
    pub(super) insert_id: Option<u64>,
    pub(super) last_insert_id: Option<u64>,
    pub(super) rand: Option<(u64, u64)>,
    pub(super) user_vars: Vec<UserVar>,
    /// The file of a LOAD DATA.
    pub(super) has_file: bool,
}

/// What is left of a statement after filter and rename.
struct Renamed {
    text: Bytes,
    database: Bytes,
    kind: StatementKind,
    is_joinable: bool,
    /// The same with the storage engine of the source, where the rules give another.
    kept_engine: Option<Bytes>,
}

impl Preparer {
    pub(super) fn prepare_statement(
        &mut self,
        item: StatementItem,
        server_id: u32,
        draft: &mut Draft,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        let StatementItem {
            header,
            mut query,
            insert_id,
            last_insert_id,
            rand,
            user_vars,
        } = item;
        let given = Given {
            insert_id,
            last_insert_id,
            rand,
            user_vars,
            has_file: false,
        };
        let change = match self.change_by_pattern(&header, &mut query, &given, server_id, draft) {
            Some(change) => Some(change),
            None => self.change(&header, &query, given, server_id, draft, place)?,
        };
        if let Some(change) = change {
            draft.changes.push(Change::Statement(Box::new(change)));
        }
        Ok(())
    }

    /// The change that a Query event makes; `None` when it is filtered or left out.
    pub(super) fn change(
        &mut self,
        header: &Header,
        query: &QueryEvent,
        mut given: Given,
        server_id: u32,
        draft: &mut Draft,
        place: &Place<'_>,
    ) -> Result<Option<StatementChange>, StopReason> {
        let dialect = self.dialect(query);
        let call = self.package_call(query, &dialect);
        let query = call.as_ref().unwrap_or(query);
        let mut statement = self.parse(&query.query, &dialect, query).map_err(|error| {
            place.stop(
                number::REPLICA_FATAL,
                format!("cannot read the statement: {error}: {}", start_of(&query.query)),
            )
        })?;
        statement.note_updated_tables(query.status.table_map_for_update.unwrap_or(0));
        let thread = (server_id, query.thread_id);
        let is_temporary = self.is_about_temporary(&statement, query, thread);
        let is_wanted = if is_temporary {
            self.filter.accepts_database(&query.db).accepted && !self.is_reserved(&query.db)
        } else {
            self.is_wanted(&statement, query, place)?
        };
        let is_change = !matches!(
            statement.kind,
            StatementKind::Begin | StatementKind::Commit | StatementKind::Empty
        );
        draft.did_more |= is_change && (is_temporary || !is_wanted);
        if !is_wanted {
            return Ok(None);
        }
        self.refuse_lost(&statement, query, thread, place)?;
        // Temporary sequences are not in the list of temporary tables; the source flags statements about either.
        let is_pinned = is_temporary || header.is_thread_specific() || self.temporary.has_any(thread);
        self.refuse_merge(&statement, query, place)?;
        let divergence = self.diverging_read(&statement, query, thread, place)?;
        self.note_foreign_statement(&statement);
        let about = (is_temporary, given.has_file);
        let Some(renamed) = self.rename(header, query, &statement, about, place)? else {
            draft.did_more = true;
            return Ok(None);
        };
        let may_be_mapped = !is_temporary && self.may_write_mapped(&statement, query, thread);
        draft.may_be_mapped |= may_be_mapped;
        self.check_collations(&given, place)?;
        // A table that cannot be rolled back took with a warning what STRICT_TRANS_TABLES would refuse here.
        let is_lenient = may_be_mapped && query.error_code == 0 && statement.kind.is_dml();
        let context = self
            .context(query, renamed.database.clone(), is_lenient)
            .map_err(|what| {
                place.stop(
                    number::REPLICA_FATAL,
                    format!("{what}: {}", excerpt_of(statement.kind, &query.query)),
                )
            })?;
        let text = self.collated(renamed.text, &statement, &dialect, &context, place)?;
        let kept_engine = renamed
            .kept_engine
            .map(|text| self.collated(text, &statement, &dialect, &context, place))
            .transpose()?;
        let ids = GeneratedIds {
            first: given.insert_id,
            step: context.auto_increment_step(),
        };
        let rows = self.rows_written(&statement, query, &dialect, ids, is_temporary);
        let may_generate_id =
            self.add_footprint(&statement, query, rows.as_ref(), (thread, is_temporary), draft);
        let positional = self.positional(&statement, query, &dialect, (thread, is_temporary));
        self.note_temporary(&statement, query, thread, &context, draft);
        if is_pinned {
            draft.is_alone = true;
            draft.is_pinned = true;
        }
        if query.error_code != 0 || divergence.is_some() {
            draft.is_alone = true;
        }
        let wants_thread = is_pinned || tells_session(&query.query);
        let identity = wants_thread.then(|| ThreadIdentity {
            server_id: self.server_ids.on_target(self.index, server_id),
            thread_id: query.thread_id,
        });
        let table = statement.changed_tables().next();
        let effects = if is_temporary {
            Vec::new()
        } else {
            self.effects(&statement, query, &dialect)
        };
        let changed = statement.changed_tables();
        let tolerance = self.tolerances.of_tables(
            changed.map(|table| (table.db.as_deref().unwrap_or(&query.db), table.table.as_bytes())),
        );
        let inputs = statement_inputs(&mut given, identity);
        let is_as_written = text.len() == query.query.len() && text.as_ptr() == query.query.as_ptr();
        let stands_alone = is_pinned
            || query.error_code != 0
            || divergence.is_some()
            || kept_engine.is_some()
            || positional.is_some()
            || inputs.is_some()
            || !effects.is_empty()
            || !renamed.is_joinable;
        let is_one_row = rows.as_ref().is_some_and(RowsWritten::is_one_final_row);
        // A source that stops kills statements, and logs those that had changed a table for good.
        let was_whole = number::is_kill(query.error_code) && is_one_row;
        let rows = rows.filter(|_| is_as_written && !stands_alone);
        let bulk = rows
            .as_ref()
            .and_then(|rows| self.bulk_row(rows, query, given.insert_id, &context));
        let (bulk, parameters) = bulk.unzip();
        let change = StatementChange {
            bulk,
            tolerance,
            divergence,
            kept_engine,
            effects,
            positional,
            table: table.map(|table| {
                (
                    self.table_database(query, table),
                    Bytes::copy_from_slice(&table.table),
                )
            }),
            text,
            kind: renamed.kind,
            context,
            timestamp: (header.timestamp, query.status.microseconds),
            insert_id: given.insert_id,
            inputs,
            expected_error: if was_whole { 0 } else { query.error_code },
            is_one_row,
            is_joinable: renamed.is_joinable,
            may_generate_id,
        };
        if let (Some(rows), Some(parameters)) = (rows, parameters) {
            let found = Found {
                rows,
                parameters,
                may_be_mapped,
            };
            self.keep_pattern(header, query, &given, server_id, &change, found);
        }
        Ok(Some(change))
    }

    /// How the statement's bytes are read.
    pub(super) fn dialect(&self, query: &QueryEvent) -> Dialect {
        let client = query.status.charset.map_or(0, |charset| charset.client);
        Dialect::from_event(query.status.sql_mode.unwrap_or(0), client, self.version.1)
    }

    fn rename(
        &self,
        header: &Header,
        query: &QueryEvent,
        statement: &sql::Statement<'_>,
        (is_temporary, has_file): (bool, bool),
        place: &Place<'_>,
    ) -> Result<Option<Renamed>, StopReason> {
        if let Some(text) = self.drop_of_temporary(statement, query) {
            return Ok(Some(Renamed {
                kept_engine: None,
                text,
                database: Bytes::new(),
                kind: statement.kind,
                is_joinable: true,
            }));
        }
        let refused = |error: sql::RenameError| {
            place.stop(
                number::REPLICA_FATAL,
                format!("{error}: {}", excerpt_of(statement.kind, &query.query)),
            )
        };
        let keep = |table: &TableRef<'_>| {
            let database = table.db.as_deref().unwrap_or(&query.db);
            !self.is_reserved(database) && self.filter.accepts_table(database, &table.table).accepted
        };
        let is_hidden = header.suppresses_use() && !looks_in_default(statement);
        let database = if is_hidden || self.needs_no_default(query, statement) {
            Bytes::new()
        } else {
            self.target_database(&query.db)
        };
        self.check_bounds(statement, query, &database, has_file, place)?;
        let is_list = !is_temporary && statement.list_parts().next().is_some();
        let redefined = self.redefine(statement, query, is_temporary).map_err(refused)?;
        let kept_engine = if redefined.maps_engine {
            let text = self.renamed(&query.query, statement, place)?;
            Some(Bytes::from(text.into_owned()))
        } else {
            None
        };
        let kept = if let Some(text) = redefined.text {
            Some(Cow::Owned(text))
        } else if is_list {
            sql::keep_tables(&query.query, statement, &keep).map_err(refused)?
        } else {
            Some(Cow::Borrowed(&query.query[..]))
        };
        let Some(kept) = kept else { return Ok(None) };
        let (kind, is_joinable) = (statement.kind, statement.is_joinable);
        let text = match kept {
            Cow::Borrowed(_) => match self.renamed(&query.query, statement, place)? {
                Cow::Borrowed(_) => query.query.clone(),
                Cow::Owned(text) => text.into(),
            },
            // Places in the text have moved: read it once more.
            Cow::Owned(text) => {
                let again = self
                    .parse(&text, statement.dialect(), query)
                    .map_err(|error| place.stop(number::REPLICA_FATAL, error))?;
                self.renamed(&text, &again, place)?.into_owned().into()
            }
        };
        Ok(Some(Renamed {
            text,
            database,
            kind,
            is_joinable,
            kept_engine,
        }))
    }

    /// Whether nothing is looked up in the default database, and the target may lack it: it is left out by the filters, or the
    /// statement does not touch it. A session keeps the name of a database that was dropped.
    fn needs_no_default(&self, query: &QueryEvent, statement: &sql::Statement<'_>) -> bool {
        use StatementKind::{
            AlterTable, CreateIndex, CreateTable, Delete, DropIndex, DropTable, Insert, RenameTable, Replace,
            TruncateTable, Update,
        };
        let names_all = !statement.tables.is_empty()
            && statement.tables.iter().all(|table| table.db.is_some())
            && statement.calls.is_empty()
            && statement.uncertain.is_none();
        let is_untouched = !statement.reads_database_name
            && statement
                .tables
                .iter()
                .all(|table| table.db.as_deref() != Some(&query.db[..]))
            && matches!(
                statement.kind,
                Insert
                    | Replace
                    | Update
                    | Delete
                    | CreateTable { .. }
                    | AlterTable
                    | DropTable { .. }
                    | RenameTable
                    | TruncateTable
                    | CreateIndex
                    | DropIndex
            );
        let is_elsewhere = names_all || statement.kind == StatementKind::Account;
        is_elsewhere && ((names_all && is_untouched) || !self.filter.accepts_database(&query.db).accepted)
    }

    fn check_collations(&self, given: &Given, place: &Place<'_>) -> Result<(), StopReason> {
        for variable in &given.user_vars {
            if let Some(UserVarValue::String { collation, .. }) = &variable.value
                && self.collations.get(*collation).is_none()
            {
                let name = String::from_utf8_lossy(&variable.name).into_owned();
                let what = format!(
                    "the user variable @{name} has collation {collation}, which the target does not know"
                );
                return Err(place.stop(number::REPLICA_FATAL, what));
            }
        }
        Ok(())
    }

    /// The text with the collations that the target has.
    fn collated(
        &self,
        text: Bytes,
        statement: &sql::Statement<'_>,
        dialect: &Dialect,
        context: &Context,
        place: &Place<'_>,
    ) -> Result<Bytes, StopReason> {
        let translated = self.collations.translate(
            &text,
            dialect,
            statement.kind.is_ddl(),
            context.default_collations(),
        );
        match translated {
            Ok(Cow::Borrowed(_)) => Ok(text),
            Ok(Cow::Owned(translated)) => Ok(translated.into()),
            Err(what) => Err(place.stop(
                number::REPLICA_FATAL,
                format!("{what}: {}", excerpt_of(statement.kind, &text)),
            )),
        }
    }

    fn context(
        &mut self,
        query: &QueryEvent,
        database: Bytes,
        is_lenient: bool,
    ) -> Result<Arc<Context>, String> {
        let sql_mode = target_sql_mode(query.status.sql_mode, is_lenient);
        if let Some(known) = self
            .contexts
            .iter()
            .find(|known| known.is_of(query, &database, sql_mode, self.known_flags))
        {
            return Ok(known.clone());
        }
        let collations = self.collations.of_statement(&query.status)?;
        let context = Arc::new(Context::new(
            &query.status,
            collations,
            database,
            sql_mode,
            self.known_flags,
        ));
        if self.contexts.len() == CONTEXTS_MAX {
            self.contexts.remove(0);
        }
        self.contexts.push(context.clone());
        Ok(context)
    }

    /// The target's name of the database a table lies in.
    pub(super) fn table_database(&self, query: &QueryEvent, table: &TableRef<'_>) -> Bytes {
        match &table.db {
            Some(name) => Bytes::copy_from_slice(self.rewrite.target_name(name)),
            None => self.target_database(&query.db),
        }
    }

    /// Says once that a MySQL source logs row changes as statements: MariaDB may compute other values from them.
    fn note_foreign_statement(&mut self, statement: &sql::Statement<'_>) {
        use StatementKind::{Delete, Insert, Replace, Update};
        if self.is_mysql()
            && !self.warned_statements
            && matches!(statement.kind, Insert | Replace | Update | Delete)
        {
            self.warned_statements = true;
            tracing::warn!(
                "the MySQL source logs changes as statements, from which MariaDB may compute other values (1/7 into a FLOAT column, \
                 for one): set binlog_format=ROW on it"
            );
        }
    }

    /// The rows that the statement writes, if it is one of simple form about one table that is known.
    fn rows_written<'a>(
        &self,
        statement: &sql::Statement<'a>,
        query: &'a QueryEvent,
        dialect: &Dialect,
        ids: GeneratedIds,
        is_temporary: bool,
    ) -> Option<RowsWritten<'a>> {
        let [table] = statement.tables.as_slice() else {
            return None;
        };
        if is_temporary || table.access == sql::Access::Read {
            return None;
        }
        let (found, literals) = sql::recognise_literals(&query.query, statement, dialect)?;
        let database = self.table_database(query, table);
        let (name, info) = self.catalog.table(&database, &table.table);
        let info = info?;
        let goes_by_name = !statement.is_positional || self.goes_by_place(&database, table);
        let keys = goes_by_name
            .then(|| keys::of_statement(&info, &found, ids))
            .flatten();
        Some(RowsWritten {
            statement: found,
            literals,
            name,
            info,
            keys,
        })
    }

    /// Adds what the statement touches to the group's footprint. Returns whether it may take an automatic id.
    fn add_footprint<'a>(
        &self,
        statement: &sql::Statement<'a>,
        query: &'a QueryEvent,
        rows: Option<&RowsWritten<'a>>,
        (thread, is_temporary): (SourceThread, bool),
        draft: &mut Draft,
    ) -> bool {
        use StatementKind::{Delete, Insert, Replace, Update};
        let default_database = self.catalog.database(&self.target_database(&query.db));
        let is_plain = matches!(statement.kind, Insert | Replace | Update | Delete);
        if !is_plain {
            draft.is_alone = true;
        }
        if !statement.calls.is_empty() || statement.uncertain.is_some() {
            // What a routine reaches is not known.
            draft.widen(Scope::Everything);
        }
        if is_temporary && statement.kind.is_ddl() {
            draft.is_alone = true;
        } else if statement.kind.is_ddl() {
            self.add_definition(statement, query, draft);
        } else if statement.tables.is_empty() {
            draft.widen(Scope::Database(default_database));
        }
        let mut may_generate_id = !is_plain;
        let first = draft.tables.len();
        for table in &statement.tables {
            let is_written = table.access != sql::Access::Read;
            // Nobody else sees a temporary table, whatever table it hides.
            if (is_temporary && is_written) || self.names_temporary(table, query, thread) {
                draft.uses_temporary = true;
                draft.fills_temporary |=
                    is_written && self.outlives(table, query, thread, statement.kind, draft);
                may_generate_id = true;
                continue;
            }
            let database = self.table_database(query, table);
            let (name, info) = self.catalog.table(&database, &table.table);
            if info
                .as_ref()
                .is_none_or(|info| info.auto_increment().is_some() || info.has_triggers)
            {
                may_generate_id |= matches!(statement.kind, Insert | Replace)
                    || info.as_ref().is_none_or(|info| info.has_triggers);
            }
            if is_written && info.as_ref().is_some_and(|info| info.has_triggers) {
                draft.widen(Scope::Everything);
            }
            let access = match &info {
                _ if !is_written => Access::Read,
                Some(info) if info.is_transactional => rows
                    .filter(|rows| Arc::ptr_eq(&rows.info, info))
                    .and_then(|rows| rows.keys.clone())
                    .map_or(Access::Whole, Access::Keys),
                _ => Access::Whole,
            };
            draft.add_table(TableUseDraft {
                name,
                access,
                info,
                is_written,
            });
        }
        add_related(&self.catalog, draft, first);
        may_generate_id
    }

    /// Notes what must be read again from the target after DDL, and how far the statement reaches.
    fn add_definition(&self, statement: &sql::Statement<'_>, query: &QueryEvent, draft: &mut Draft) {
        use StatementKind::{
            AlterTable, CreateIndex, CreateTable, CreateTrigger, DropIndex, DropTable, DropTrigger,
            RenameTable, TruncateTable,
        };
        draft.is_alone = true;
        let home = match statement.object_database() {
            Some(name) => Bytes::copy_from_slice(self.rewrite.target_name(name)),
            None => self.target_database(&query.db),
        };
        match statement.kind {
            CreateTable { .. }
            | AlterTable
            | DropTable { .. }
            | RenameTable
            | CreateIndex
            | DropIndex
            | CreateTrigger => {
                let tables = statement.tables.iter();
                draft.defined_tables.extend(tables.map(|table| {
                    (
                        self.table_database(query, table),
                        Bytes::copy_from_slice(&table.table),
                    )
                }));
                if statement.kind == CreateTrigger {
                    draft.widen(Scope::Database(self.catalog.database(&home)));
                }
            }
            TruncateTable => {}
            DropTrigger => self.define_database(&home, draft),
            _ => {
                let named: Vec<Bytes> = statement
                    .databases
                    .iter()
                    .map(|d| Bytes::copy_from_slice(self.rewrite.target_name(&d.name)))
                    .collect();
                if named.is_empty() {
                    self.define_database(&home, draft);
                    let elsewhere = statement.changed_tables().filter(|table| table.db.is_some());
                    elsewhere
                        .for_each(|table| self.define_database(&self.table_database(query, table), draft));
                }
                named
                    .iter()
                    .for_each(|database| self.define_database(database, draft));
            }
        }
    }

    fn define_database(&self, database: &Bytes, draft: &mut Draft) {
        draft.widen(Scope::Database(self.catalog.database(database)));
        draft.defined_databases.push(database.clone());
    }
}

fn statement_inputs(given: &mut Given, thread: Option<ThreadIdentity>) -> Option<Box<Inputs>> {
    let (last_insert_id, rand_seeds) = (given.last_insert_id, given.rand);
    let user_vars = std::mem::take(&mut given.user_vars);
    let is_empty =
        last_insert_id.is_none() && rand_seeds.is_none() && user_vars.is_empty() && thread.is_none();
    (!is_empty).then(|| {
        Box::new(Inputs {
            last_insert_id,
            rand_seeds,
            user_vars,
            thread,
        })
    })
}

/// Whether the text may ask for its session's number, which the source's thread id stands in for.
fn tells_session(text: &[u8]) -> bool {
    const FUNCTION: &[u8] = b"connection_id";
    const VARIABLE: &[u8] = b"pseudo_thread_id";
    let ends_in = |end: usize, name: &[u8]| {
        let start = text[..end].trim_ascii_end().len().checked_sub(name.len());
        start.is_some_and(|start| text[start..start + name.len()].eq_ignore_ascii_case(name))
    };
    let is_variable = |index: usize| {
        let name = text.get(index..index + VARIABLE.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(VARIABLE))
    };
    text.iter().enumerate().any(|(index, byte)| match byte {
        b'(' => ends_in(index, FUNCTION),
        b'p' | b'P' => is_variable(index),
        _ => false,
    })
}
