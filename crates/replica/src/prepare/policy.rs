//! Statements that are judged by more than the filters: accounts, housekeeping, events, storage engines, and reads of
//! tables that are not replicated.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_rules::{DecidedBy, Decision};
use tributary_sql::{self as sql, Scanner, StatementKind, TableRef, TokenKind};

use super::bounds::defines_object;
use super::{Place, Preparer};
use crate::error::{StopReason, excerpt_of, number};
use crate::policies::IgnoredReads;
use crate::records::{RecordKind, full_name};
use crate::status;
use crate::temporary::SourceThread;

/// Bytes shown of a statement of which nothing is known.
const UNKNOWN_SHOWN: usize = 32;

/// How much of what a statement changes is meant.
enum Share {
    None,
    /// Parts of a list, which can be taken out.
    Parts,
    Some,
    All,
}

/// A statement in other words, before its databases are renamed.
#[derive(Debug, Default)]
pub(super) struct Redefined {
    /// The new text; `None` when it stays.
    pub(super) text: Option<Vec<u8>>,
    /// Whether it names another storage engine now.
    pub(super) maps_engine: bool,
}

impl Preparer {
    /// Whether the statement is applied at all.
    pub(super) fn is_wanted(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        place: &Place<'_>,
    ) -> Result<bool, StopReason> {
        match statement.kind {
            StatementKind::Begin | StatementKind::Commit | StatementKind::Empty => return Ok(false),
            StatementKind::Account => return Ok(self.wants_account(statement, query)),
            StatementKind::Housekeeping if !self.policies.applies_housekeeping => {
                return Ok(leave_out(&self.counters.housekeeping_left_out));
            }
            StatementKind::Unknown => {
                let start = start_of(&query.query);
                let what = format!("a statement of unknown kind cannot be judged or renamed: {start}");
                return Err(place.stop(number::REPLICA_FATAL, what));
            }
            StatementKind::Install
            | StatementKind::Use
            | StatementKind::LockTables
            | StatementKind::Xa(_) => {
                let what = format!(
                    "a {:?} statement is not applied to the target: {}",
                    statement.kind,
                    excerpt_of(statement.kind, &query.query)
                );
                return Err(place.stop(number::REPLICA_FATAL, what));
            }
            _ => {}
        }
        match self.share_reserved(statement, query) {
            Share::None | Share::Parts => {}
            Share::All => return Ok(leave_out(&self.counters.system_left_out)),
            Share::Some => {
                let what = format!(
                    "the statement changes tables of the source's server or of the engine, which are not replicated, and others; it \
                     cannot be taken apart: {}",
                    excerpt_of(statement.kind, &query.query)
                );
                return Err(place.stop(number::REPLICA_FATAL, what));
            }
        }
        match self.filter.decide(&query.db, statement) {
            Decision::Apply | Decision::Subset => Ok(true),
            Decision::Ignore { .. } => Ok(false),
            Decision::Mixed { applied, ignored } => Err(place.stop(
                number::REPLICA_FATAL,
                format!(
                    "the statement changes {applied}, which is replicated, and {ignored}, which is not; it cannot be taken \
                     apart. Replicate both or neither, or have the source log it as rows: {}",
                    excerpt_of(statement.kind, &query.query)
                ),
            )),
        }
    }

    /// How much of what a statement changes lies in databases that are never written.
    fn share_reserved(&self, statement: &sql::Statement<'_>, query: &QueryEvent) -> Share {
        let is_reserved = |table: &TableRef<'_>| self.is_reserved(table.db.as_deref().unwrap_or(&query.db));
        let home = statement
            .object_database()
            .map_or(&query.db[..], |name| &name[..]);
        let object = defines_object(statement.kind).then(|| self.is_reserved(home));
        let tables = statement.changed_tables().map(is_reserved);
        let databases = statement.databases.iter().map(|d| self.is_reserved(&d.name));
        let (mut reserved, mut others) = (false, false);
        for found in tables.chain(databases).chain(object) {
            *(if found { &mut reserved } else { &mut others }) = true;
        }
        let is_whole = |part: &[TableRef<'_>]| part.iter().all(is_reserved) || !part.iter().any(is_reserved);
        let mut parts = statement.list_parts().peekable();
        match (reserved, others) {
            (false, _) => Share::None,
            (true, false) => Share::All,
            (true, true) if parts.peek().is_some() && parts.all(is_whole) => Share::Parts,
            (true, true) => Share::Some,
        }
    }

    /// Account statements belong to no replicated database: the setting decides, and a rule that names `mysql.user`.
    fn wants_account(&self, statement: &sql::Statement<'_>, query: &QueryEvent) -> bool {
        if !self.policies.applies_accounts {
            return leave_out(&self.counters.accounts_left_out);
        }
        let verdict = self.filter.accepts_table(b"mysql", b"user");
        if !verdict.accepted && matches!(verdict.rule, Some(DecidedBy::Rule { .. })) {
            return false;
        }
        if statement.grants_in_default && !self.filter.accepts_database(&query.db).accepted {
            tracing::warn!(
                database = %String::from_utf8_lossy(&query.db),
                "GRANT or REVOKE on an object of a database that is not replicated is left out"
            );
            return leave_out(&self.counters.accounts_left_out);
        }
        let invoker = invoker(query);
        let is_own = match sql::name_invoker(&query.query, statement, invoker) {
            Ok(Cow::Owned(_)) => invoker.is_some_and(|(user, _)| user == self.own_account.as_ref()),
            Ok(Cow::Borrowed(_)) => false,
            Err(error) => {
                tracing::warn!("an account statement about its invoker is left out: {error}");
                return leave_out(&self.counters.accounts_left_out);
            }
        };
        if is_own || self.names_own_account(statement, query) {
            tracing::warn!(
                account = %String::from_utf8_lossy(&self.own_account),
                "an account statement names the account under which the engine writes; it is left out"
            );
            return leave_out(&self.counters.accounts_left_out);
        }
        true
    }

    /// Whether the statement names the account the engine itself uses on the target, which a source must not take away.
    fn names_own_account(&self, statement: &sql::Statement<'_>, query: &QueryEvent) -> bool {
        Scanner::new(&query.query, statement.dialect()).any(|token| {
            let bytes = query.query.get(token.start..token.end).unwrap_or_default();
            let name = match token.kind {
                TokenKind::Word => bytes,
                TokenKind::Quoted | TokenKind::String => {
                    bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default()
                }
                _ => return false,
            };
            name == self.own_account.as_ref()
        })
    }

    /// The statement as the target is to run it, as far as more than names changes.
    pub(super) fn redefine(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        is_temporary: bool,
    ) -> Result<Redefined, sql::RenameError> {
        match statement.kind {
            StatementKind::CreateEvent | StatementKind::AlterEvent => {
                let text = sql::disable_event(&query.query, statement, invoker(query))?.into_owned();
                Ok(Redefined {
                    text: Some(text),
                    maps_engine: false,
                })
            }
            StatementKind::Account => Ok(Redefined {
                text: match sql::name_invoker(&query.query, statement, invoker(query))? {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(text) => Some(text),
                },
                maps_engine: false,
            }),
            StatementKind::CreateTable { .. } | StatementKind::AlterTable | StatementKind::CreateSequence
                if !is_temporary =>
            {
                Ok(self.with_other_engine(statement, query))
            }
            _ => Ok(Redefined::default()),
        }
    }

    /// The statement with the storage engines that the rules give the table.
    fn with_other_engine(&self, statement: &sql::Statement<'_>, query: &QueryEvent) -> Redefined {
        let Some(table) = statement.changed_tables().next() else {
            return Redefined::default();
        };
        let database = table.db.as_deref().unwrap_or(&query.db);
        let engines = &self.policies.engines;
        let map = |engine: &[u8]| {
            engines
                .target_engine(database, &table.table, engine)
                .map(str::to_owned)
        };
        match sql::rewrite_engine(&query.query, statement, &map) {
            Cow::Borrowed(_) => Redefined::default(),
            Cow::Owned(text) => Redefined {
                text: Some(text),
                maps_engine: true,
            },
        }
    }

    /// Whether the table, in source names, may have another storage engine than on the source.
    pub(super) fn may_be_mapped(&self, database: &[u8], table: &[u8]) -> bool {
        let engines = &self.policies.engines;
        !engines.is_empty() && !engines.is_kept(database, table)
    }

    /// Whether the statement writes such a table, or may do so.
    pub(super) fn may_write_mapped(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        thread: SourceThread,
    ) -> bool {
        let may_be_mapped = |table: &TableRef<'_>| {
            self.may_be_mapped(table.db.as_deref().unwrap_or(&query.db), &table.table)
                && !self.names_temporary(table, query, thread)
        };
        let mut changed = statement.changed_tables().peekable();
        match changed.peek() {
            Some(_) => changed.any(may_be_mapped),
            // A routine may.
            None => !self.policies.engines.is_empty() && statement.kind.is_dml(),
        }
    }

    /// MERGE tables are made of MyISAM tables; they cannot be used when those become something else.
    pub(super) fn refuse_merge(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        let engines = &self.policies.engines;
        let is_merge = |engine: &sql::EngineRef<'_>| {
            [b"MERGE".as_slice(), b"MRG_MYISAM"]
                .iter()
                .any(|name| engine.name.eq_ignore_ascii_case(name))
        };
        if !engines.maps(b"MyISAM") || !statement.engines.iter().any(is_merge) {
            return Ok(());
        }
        let is_mapped = |table: &&TableRef<'_>| {
            table.access == sql::Access::Read
                && !engines.is_kept(table.db.as_deref().unwrap_or(&query.db), &table.table)
        };
        let Some(part) = statement.tables.iter().find(is_mapped) else {
            return Ok(());
        };
        let name = full_name(part.db.as_deref().unwrap_or(&query.db), &part.table);
        let what = format!(
            "a MERGE table is made of MyISAM tables, and tributary_rewrite_engine gives {name} another engine: name its tables in \
             tributary_keep_engine, or leave the MERGE table out with replicate_ignore_table: {}",
            excerpt_of(statement.kind, &query.query)
        );
        Err(place.stop(number::REPLICA_FATAL, what))
    }

    /// A statement that fills a replicated table from one that is not replicated: what to write down about it, if it is
    /// time to.
    pub(super) fn diverging_read(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        thread: SourceThread,
        place: &Place<'_>,
    ) -> Result<Option<String>, StopReason> {
        use StatementKind::{AlterView, CreateTable, CreateView};
        let fills = statement.kind.is_dml()
            || matches!(
                statement.kind,
                CreateView | AlterView | CreateTable { select: true, .. }
            );
        if !fills {
            return Ok(None);
        }
        let Some(read) = statement
            .tables
            .iter()
            .find(|table| self.is_not_here(table, query, thread))
        else {
            return Ok(None);
        };
        let source = full_name(read.db.as_deref().unwrap_or(&query.db), &read.table);
        let written = statement.changed_tables().next().map_or_else(
            || "what the statement calls".to_owned(),
            |table| full_name(&self.table_database(query, table), &table.table),
        );
        let what = format!(
            "{written} is filled from {source}, which is not replicated: it will differ from the source"
        );
        if self.policies.ignored_reads == IgnoredReads::Stop {
            let advice = "Replicate both or neither, have the source log it as rows, or set tributary_ignored_reads=warn";
            let text = excerpt_of(statement.kind, &query.query);
            return Err(place.stop(number::REPLICA_FATAL, format!("{what}. {advice}: {text}")));
        }
        let pair = format!("{written} (from {source})");
        let count = self.counters.records.add(RecordKind::Diverging, &pair, 0);
        if !is_power_of_ten(count) {
            return Ok(None);
        }
        tracing::warn!(count, group = %place.label, "{what}");
        Ok(Some(what))
    }

    /// Whether a table is read whose rows on the target are not those of the source.
    fn is_not_here(&self, table: &TableRef<'_>, query: &QueryEvent, thread: SourceThread) -> bool {
        if table.access != sql::Access::Read {
            return false;
        }
        let database = table.db.as_deref().unwrap_or(&query.db);
        let is_left_out =
            self.is_reserved(database) || !self.filter.accepts_table(database, &table.table).accepted;
        let name = || {
            (
                Bytes::copy_from_slice(database),
                Bytes::copy_from_slice(&table.table),
            )
        };
        is_left_out && !self.temporary.is_open(thread, &name())
    }
}

/// User and host of whom the statement is run for, as far as the source has logged it.
fn invoker(query: &QueryEvent) -> Option<(&[u8], &[u8])> {
    let (user, host) = query.status.invoker.as_ref()?;
    Some((user.as_ref(), host.as_ref()))
}

/// The beginning of a statement of which nothing is known: nobody knows what the rest holds.
pub(super) fn start_of(text: &[u8]) -> String {
    format!(
        "`{}...`",
        String::from_utf8_lossy(&text[..text.len().min(UNKNOWN_SHOWN)])
    )
}

/// Counts a statement that is not applied.
fn leave_out(counter: &AtomicU64) -> bool {
    status::add(counter, 1);
    false
}

fn is_power_of_ten(count: u64) -> bool {
    let mut rest = count;
    while rest >= 10 && rest.is_multiple_of(10) {
        rest /= 10;
    }
    rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_for_each_order_of_magnitude() {
        let recorded: Vec<u64> = (1..=2000).filter(|count| is_power_of_ten(*count)).collect();
        assert_eq!(recorded, [1, 10, 100, 1000]);
        assert!(!is_power_of_ten(u64::MAX));
    }
}
