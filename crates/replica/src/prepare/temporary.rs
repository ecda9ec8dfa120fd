//! Which temporary tables the threads of a source have open, by the statements that make and drop them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_rules::Rewrite;
use tributary_schedule::{Scope, WorkerId};
use tributary_sql::{self as sql, StatementKind, TableRef};

use super::{Draft, Place, Preparer, TEMPORARY_TABLES_WORKER};
use crate::change::{Change, Inputs, StatementChange, ThreadIdentity};
use crate::context::{Context, quote_name};
use crate::error::{StopReason, excerpt_of, how_to_leave_out};
use crate::temporary::{SourceThread, TableKey, TemporaryNote, names};

/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;

/// A temporary table that is open in the target's session.
#[derive(Debug)]
struct Open {
    /// How a statement names it, in the character set of `context`.
    text: Vec<u8>,
    /// The session in which it was made.
    context: Arc<Context>,
}

/// The temporary tables of one connection.
#[derive(Debug, Default)]
pub(crate) struct TemporaryTables {
    open: HashMap<SourceThread, HashMap<TableKey, Open>>,
    /// Open on the source, gone from the target with an earlier session.
    lost: HashMap<SourceThread, HashSet<TableKey>>,
    /// What the source's end has left: gone there, to be dropped on the target.
    leftovers: Vec<(SourceThread, TableKey, Option<Open>)>,
}

impl TemporaryTables {
    /// With the tables that were open when the last session of the target ended.
    pub(crate) fn with_lost(connection: &str, lost: Vec<(SourceThread, TableKey)>) -> Self {
        if !lost.is_empty() {
            tracing::warn!(
                connection,
                tables = %names(lost.iter().map(|(_, table)| table)),
                "temporary tables of the source were open when the engine or the target last stopped, and are gone; a statement \
                 that needs one will stop the connection"
            );
        }
        let mut tables = Self::default();
        for (thread, table) in lost {
            tables.lost.entry(thread).or_default().insert(table);
        }
        tables
    }

    /// With the tables that are open in the target's session from an earlier life of the connection.
    pub(crate) fn with_open(rewrite: &Rewrite, open: Vec<(SourceThread, TableKey)>) -> Self {
        let mut tables = Self::default();
        for (thread, table) in open {
            let mut text = Vec::new();
            quote_name(rewrite.target_name(&table.0), &mut text);
            text.push(b'.');
            quote_name(&table.1, &mut text);
            let context = Arc::new(Context::default());
            tables
                .open
                .entry(thread)
                .or_default()
                .insert(table, Open { text, context });
        }
        tables
    }

    /// The source has started anew: its sessions are gone, and their temporary tables with them.
    pub(crate) fn source_restarted(&mut self) {
        for (thread, tables) in self.open.drain() {
            let tables = tables.into_iter().map(|(name, open)| (thread, name, Some(open)));
            self.leftovers.extend(tables);
        }
        for (thread, tables) in self.lost.drain() {
            self.leftovers
                .extend(tables.into_iter().map(|name| (thread, name, None)));
        }
    }

    /// Whether a thread has any open.
    pub(super) fn has_any(&self, thread: SourceThread) -> bool {
        self.open.contains_key(&thread)
    }

    /// Whether anything is known of the temporary tables of a thread.
    pub(super) fn knows(&self, thread: SourceThread) -> bool {
        !(self.open.is_empty() && self.lost.is_empty())
            && (self.open.contains_key(&thread) || self.lost.contains_key(&thread))
    }

    /// Whether a thread has this table open.
    pub(super) fn is_open(&self, thread: SourceThread, name: &TableKey) -> bool {
        self.open
            .get(&thread)
            .is_some_and(|tables| tables.contains_key(name))
    }

    fn insert(&mut self, thread: SourceThread, name: TableKey, open: Open, draft: &mut Draft) {
        draft.temporary.push(TemporaryNote {
            is_open: true,
            thread,
            table: name.clone(),
        });
        self.forget_lost(thread, &name);
        self.open.entry(thread).or_default().insert(name, open);
    }

    fn remove(&mut self, thread: SourceThread, name: &TableKey, draft: &mut Draft) -> bool {
        let tables = self.open.get_mut(&thread);
        let was_open = tables.is_some_and(|tables| tables.remove(name).is_some());
        if self.open.get(&thread).is_some_and(HashMap::is_empty) {
            self.open.remove(&thread);
        }
        if self.forget_lost(thread, name) || was_open {
            draft.temporary.push(TemporaryNote {
                is_open: false,
                thread,
                table: name.clone(),
            });
        }
        was_open
    }

    fn forget_lost(&mut self, thread: SourceThread, name: &TableKey) -> bool {
        let Some(tables) = self.lost.get_mut(&thread) else {
            return false;
        };
        let was_lost = tables.remove(name);
        if tables.is_empty() {
            self.lost.remove(&thread);
        }
        was_lost
    }
}

impl Preparer {
    /// Whether all that the statement changes is temporary tables of its session.
    pub(super) fn is_about_temporary(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        thread: SourceThread,
    ) -> bool {
        match statement.kind {
            StatementKind::CreateTable { temporary, .. } => temporary,
            StatementKind::DropTable { temporary: true, .. } => true,
            _ if !self.temporary.has_any(thread) => false,
            StatementKind::RenameTable | StatementKind::AlterTable => {
                let renamed = renamed_tables(statement);
                !renamed.is_empty()
                    && renamed
                        .iter()
                        .all(|(from, _)| self.temporary.is_open(thread, &key(from, query)))
            }
            _ => {
                let mut changed = statement.changed_tables().peekable();
                changed.peek().is_some()
                    && changed.all(|table| self.temporary.is_open(thread, &key(table, query)))
            }
        }
    }

    /// Whether the name stands for a temporary table of the thread.
    pub(super) fn names_temporary(
        &self,
        table: &TableRef<'_>,
        query: &QueryEvent,
        thread: SourceThread,
    ) -> bool {
        self.temporary.has_any(thread) && self.temporary.is_open(thread, &key(table, query))
    }

    /// Whether rows written to a temporary table may still be there when the group is rolled back and begun again: its engine is
    /// not known, and the group itself does not make it anew.
    pub(super) fn outlives(
        &self,
        table: &TableRef<'_>,
        query: &QueryEvent,
        thread: SourceThread,
        kind: StatementKind,
        draft: &Draft,
    ) -> bool {
        if let StatementKind::CreateTable { if_not_exists, .. } = kind {
            // Made anew by the repetition, unless it leaves a table that is there as it is.
            return if_not_exists;
        }
        let table = key(table, query);
        if matches!(kind, StatementKind::DropTable { .. }) && !self.temporary.is_open(thread, &table) {
            return false;
        }
        !draft
            .temporary
            .iter()
            .any(|note| note.is_open && note.thread == thread && note.table == table)
    }

    /// Stops at a statement that needs a temporary table which is gone: a table of the same name would stand in for it.
    pub(super) fn refuse_lost(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        thread: SourceThread,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        let makes_or_drops = |table: &TableRef<'_>| {
            matches!(
                statement.kind,
                StatementKind::CreateTable { temporary: true, .. } | StatementKind::DropTable { .. }
            ) && table.access != sql::Access::Read
        };
        let Some(lost) = self.temporary.lost.get(&thread) else {
            return Ok(());
        };
        let needed = statement
            .tables
            .iter()
            .filter(|table| !makes_or_drops(table))
            .map(|table| key(table, query))
            .find(|name| lost.contains(name));
        let Some(name) = needed else { return Ok(()) };
        let schema = String::from_utf8_lossy(&self.schema);
        Err(place.stop(
            NO_SUCH_TABLE,
            format!(
                "the statement needs the temporary table {} of the source's session {}, which was lost when the engine or the target \
                 last stopped: {}. Bring the tables it changes to what they are on the source{}",
                names([&name]),
                thread.1,
                excerpt_of(statement.kind, &query.query),
                how_to_leave_out(&schema, &self.connection, place.label.gtid)
            ),
        ))
    }

    /// Keeps the list of open temporary tables.
    pub(super) fn note_temporary(
        &mut self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        thread: SourceThread,
        context: &Arc<Context>,
        draft: &mut Draft,
    ) {
        let open = |preparer: &Self, table: &TableRef<'_>| Open {
            text: preparer.spelled(table),
            context: context.clone(),
        };
        match statement.kind {
            StatementKind::CreateTable { temporary: true, .. } => {
                for table in statement.changed_tables() {
                    let entry = open(self, table);
                    self.temporary.insert(thread, key(table, query), entry, draft);
                }
            }
            StatementKind::DropTable { .. } => {
                for table in statement.changed_tables() {
                    self.temporary.remove(thread, &key(table, query), draft);
                }
            }
            StatementKind::RenameTable | StatementKind::AlterTable if self.temporary.has_any(thread) => {
                for (from, to) in renamed_tables(statement) {
                    let Some(to) = to else { continue };
                    if self.temporary.remove(thread, &key(from, query), draft) {
                        let entry = open(self, to);
                        self.temporary.insert(thread, key(to, query), entry, draft);
                    }
                }
            }
            _ => {}
        }
    }

    /// Has the next group drop what a restart of the source has left on the target.
    pub(super) fn drop_leftovers(&mut self, timestamp: u32, draft: &mut Draft) {
        for (thread, table, open) in std::mem::take(&mut self.temporary.leftovers) {
            draft.temporary.push(TemporaryNote {
                is_open: false,
                thread,
                table,
            });
            // A later group may make a table of the same name for a new session with the same number.
            draft.widen(Scope::Everything);
            draft.is_pinned = true;
            let Some(Open { text, context }) = open else {
                continue;
            };
            let identity = ThreadIdentity {
                server_id: self.server_ids.on_target(self.index, thread.0),
                thread_id: thread.1,
            };
            draft.changes.push(Change::Statement(Box::new(StatementChange {
                effects: Vec::new(),
                positional: None,
                tolerance: self.tolerances.of_tables([]),
                divergence: None,
                kept_engine: None,
                bulk: None,
                text: [b"DROP TEMPORARY TABLE IF EXISTS ", &text[..]].concat().into(),
                kind: StatementKind::DropTable {
                    temporary: true,
                    if_exists: true,
                },
                context,
                timestamp: (timestamp, None),
                inputs: Some(Box::new(Inputs {
                    thread: Some(identity),
                    ..Inputs::default()
                })),
                insert_id: None,
                expected_error: 0,
                is_one_row: false,
                is_joinable: true,
                may_generate_id: false,
                table: None,
            })));
        }
    }

    /// The statement with which a session of the source ends, with every database named: the default one may be gone.
    pub(super) fn drop_of_temporary(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
    ) -> Option<Bytes> {
        let StatementKind::DropTable {
            temporary: true,
            if_exists: true,
        } = statement.kind
        else {
            return None;
        };
        let mut text = b"DROP TEMPORARY TABLE IF EXISTS ".to_vec();
        for (index, table) in statement.changed_tables().enumerate() {
            let (database, name) = key(table, query);
            // Beyond ASCII the default database and the names in the text are in different character sets.
            if !database.is_ascii() || !name.is_ascii() || database.is_empty() {
                return None;
            }
            if index > 0 {
                text.push(b',');
            }
            quote_name(self.rewrite.target_name(&database), &mut text);
            text.push(b'.');
            quote_name(&name, &mut text);
        }
        Some(text.into())
    }

    /// A table as a statement on the target names it.
    fn spelled(&self, table: &TableRef<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(database) = &table.db {
            quote_name(self.rewrite.target_name(database), &mut text);
            text.push(b'.');
        }
        quote_name(&table.table, &mut text);
        text
    }

    /// Whose session holds them.
    pub(super) fn temporary_worker(draft: &Draft) -> Option<WorkerId> {
        draft.is_pinned.then_some(TEMPORARY_TABLES_WORKER)
    }
}

/// The tables an ALTER or RENAME is about, each with its new name if it gets one.
fn renamed_tables<'s, 'a>(
    statement: &'s sql::Statement<'a>,
) -> Vec<(&'s TableRef<'a>, Option<&'s TableRef<'a>>)> {
    let tables: Vec<&TableRef<'a>> = statement.changed_tables().collect();
    match (statement.kind, tables.as_slice()) {
        (StatementKind::AlterTable, [table]) => vec![(table, None)],
        (StatementKind::AlterTable, [table, new]) => vec![(table, Some(new))],
        (StatementKind::RenameTable, tables) => tables
            .chunks_exact(2)
            .map(|pair| (pair[0], Some(pair[1])))
            .collect(),
        _ => Vec::new(),
    }
}

/// The name of a table on the source.
fn key(table: &TableRef<'_>, query: &QueryEvent) -> TableKey {
    let database = table
        .db
        .as_deref()
        .map_or_else(|| query.db.clone(), Bytes::copy_from_slice);
    (database, Bytes::copy_from_slice(&table.table))
}
