//! Groups that cannot be rolled back and may be on the target in part: the target was lost in their middle, or they failed there.
//!
//! What the server makes is named in front of it (column `begun`): by the packet itself, or, where no packet both makes and saves a group,
//! by one of its own. So whoever comes next knows what is there for sure, what is not, and what may be in part. A group of the last kind
//! that a packet makes and saves is made again, and is recorded; of the others (`LOAD DATA` above all) much may be there, and their
//! connection stops: only a person can tell.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tributary_client::{Client, Error as ClientError, ServerError};
use tributary_schedule::{GroupSeq, RunKind, TableId};
use tributary_sql::StatementKind;

use super::burst::{Failure, Step};
use super::careful::{Outcome, saves_itself};
use super::ledger::Record;
use super::rows::RowPlace;
use super::{RunEnd, RunWork, Worker, cannot_save, reaction};
use crate::bulk::BulkRow;
use crate::catalog::TableUseDraft;
use crate::change::{Change, PreparedGroup};
use crate::context::quote_text;
use crate::error::{StopReason, number};
use crate::progress::FENCED;
use crate::records::RecordKind;
use crate::session::OWN_REPLY_TIMEOUT;

/// Row events are longer in a packet than in the binlog: 4 bytes for 3.
const fn packed(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 3)
}

/// What a stop leaves of groups that are not saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum InPart {
    #[default]
    Nothing,
    /// Perhaps a part of this one.
    Group(GroupSeq),
    /// What is written down already.
    AsNamed,
}

/// Rows that statements have written to which came once more, and may have been there already.
///
/// An `UPDATE` that found no row when it was first made finds the one that a later `INSERT` has made, where that was made, too.
#[derive(Debug, Default)]
pub(crate) struct MadeAgain(Mutex<HashSet<(TableId, u64)>>);

impl MadeAgain {
    /// Whether a row that the group inserts may have been changed by what stands in front of it. Notes what the group changes.
    fn has_overtaken(&self, group: &PreparedGroup) -> bool {
        let mut updated = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_overtaken = false;
        for change in &group.changes {
            let Change::Statement(statement) = change else {
                continue;
            };
            let Some(bulk) = &statement.bulk else { continue };
            let mut rows = bulk.keys.iter().map(|key| (bulk.shape.table, *key));
            match statement.kind {
                StatementKind::Update => updated.extend(rows),
                StatementKind::Insert => is_overtaken |= rows.any(|row| updated.contains(&row)),
                _ => {}
            }
        }
        is_overtaken
    }
}

/// What is done when a name cannot be written: nothing is begun yet.
pub(super) fn name_refused(error: ServerError) -> Outcome {
    match reaction::is_transient(&error) {
        true => Outcome::Retry(error),
        false => Outcome::Stop(cannot_save(&error)),
    }
}

impl Worker {
    /// Names the group that is about to be made by itself if no packet both makes and saves it; why that cannot be.
    pub(super) async fn name_by_itself(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
    ) -> Result<Option<Outcome>, ClientError> {
        if group.was_begun || !self.needs_name(work, group, true) {
            return Ok(None);
        }
        // Nothing is begun yet.
        let refused = self.name(work, &[group.seq]).await?;
        Ok(refused.map(name_refused))
    }

    /// Names groups, in place of those before; why that cannot be. Commits.
    pub(super) async fn name(
        &mut self,
        work: &RunWork,
        groups: &[GroupSeq],
    ) -> Result<Option<ServerError>, ClientError> {
        self.has_named = !groups.is_empty();
        self.login.add_begun(&work.connection.progress, self.id, groups);
        Ok(self.login.finish().await?.map(|failure| failure.error))
    }

    /// The same for one group, in a session of its own: the worker's has a transaction open.
    pub(super) async fn name_apart(
        &self,
        work: &RunWork,
        group: GroupSeq,
    ) -> Result<Option<ServerError>, ClientError> {
        let mut text = Vec::new();
        work.connection
            .progress
            .render_begun(self.id, &[group], &mut text);
        let mut login = match Client::connect(&self.target).await {
            Ok(login) => login,
            Err(ClientError::Server(error)) => return Ok(Some(error)),
            Err(error) => return Err(error),
        };
        login.set_reply_timeout(OWN_REPLY_TIMEOUT);
        login.execute(b"SET SESSION autocommit=1").await?;
        let named = match login.execute(b"SET SESSION sql_log_bin=0").await {
            Ok(_) | Err(ClientError::Server(_)) => login.execute(&text).await,
            Err(error) => Err(error),
        };
        login.quit().await;
        match named {
            Ok(_) => Ok(None),
            // Another engine has begun.
            Err(ClientError::Server(error)) if error.code == FENCED => Err(ClientError::Broken),
            Err(ClientError::Server(error)) => Ok(Some(error)),
            Err(error) => Err(error),
        }
    }

    /// Leaves named what a stop has left in part, and nothing else.
    pub(super) async fn settle_names(&mut self, work: &RunWork, end: &RunEnd) -> Result<(), ClientError> {
        let has_named = std::mem::take(&mut self.has_named);
        let in_part = std::mem::take(&mut self.in_part);
        let names: &[GroupSeq] = match &in_part {
            _ if !matches!(end, RunEnd::Stopped { .. } | RunEnd::BeginAgain(_)) => return Ok(()),
            InPart::AsNamed => return Ok(()),
            InPart::Nothing if !has_named => return Ok(()),
            InPart::Nothing => &[],
            InPart::Group(seq) => std::slice::from_ref(seq),
        };
        // Should it fail, what was named stays so.
        if let Some(error) = self.name(work, names).await? {
            self.login.rollback().await?;
            tracing::warn!(connection = %work.connection.name, %error, "cannot write down which group is made in part");
        }
        Ok(())
    }

    /// Remembers whether a change that has failed may be there in part. When it was not the change that failed but what saves it: how
    /// the group ends, since the change may be there as a whole.
    pub(super) fn note_failure(
        &mut self,
        group: &PreparedGroup,
        change: &Change,
        failure: &Failure,
    ) -> Option<Outcome> {
        if matches!(failure.step, Step::Mark | Step::Commit) {
            self.in_part = InPart::AsNamed;
            return Some(Outcome::Stop(cannot_save(&failure.error)));
        }
        self.leaves_part |= leaves_part(group, change, failure);
        None
    }

    /// Remembers what a stop inside this group leaves of it.
    pub(super) fn note_left(&mut self, work: &RunWork, group: &PreparedGroup) {
        if self.leaves_part && writes_for_good(work, group) {
            self.in_part = InPart::Group(group.seq);
        }
    }

    /// Records which groups of the run are made once more although a part of them may be there.
    pub(super) async fn record_doubts(&mut self, work: &RunWork) -> Result<Option<RunEnd>, ClientError> {
        for group in &work.groups {
            let comes_again = group.was_begun || group.may_be_made;
            if !comes_again || is_ddl(group) || !writes_for_good(work, group) || self.is_in_doubt(work, group)
            {
                continue;
            }
            let is_overtaken = work.connection.made_again.has_overtaken(group);
            if !is_overtaken && (!group.was_begun || can_be_made_twice(work, group)) {
                continue;
            }
            // Once in the engine's life: it may be tried again and again.
            if !work.connection.counters.is_new_doubt(group.label.identity()) {
                continue;
            }
            let mut tables = Vec::new();
            for change in &group.changes {
                let table = change.table().unwrap_or_default();
                if tables.contains(&table) {
                    continue;
                }
                tables.push(table.clone());
                let record = Record {
                    kind: RecordKind::InDoubt,
                    change,
                    table,
                    error: 0,
                    message: "a part of it may have been there already, from before the target was lost or it failed".to_owned(),
                    row: None,
                };
                if let Err(error) = self.login.record(work, group, &record).await? {
                    self.in_part = InPart::AsNamed;
                    return self.stop_unsaved(&error).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Whether the group may stay on the target in part, without a word in the saved position. One that is not made by itself shares the
    /// packets of its run, which save it.
    fn needs_name(&self, work: &RunWork, group: &PreparedGroup, is_by_itself: bool) -> bool {
        if work.run.kind == RunKind::Transactional || group.xa.is_some() {
            return false;
        }
        let is_rows = |change: &Change| matches!(change, Change::Rows(_));
        let has_rows = group.changes.iter().any(is_rows);
        let has_load = group
            .changes
            .iter()
            .any(|change| matches!(change, Change::Load(_)));
        let is_mixed = has_rows && !group.changes.iter().all(is_rows);
        let is_split = is_by_itself && (group.changes.len() > 1 || !saves_itself(group));
        let is_long = has_rows && packed(group.bytes) > self.login.packet_bytes_max;
        (has_load || is_mixed || is_split || is_long) && (is_ddl(group) || writes_for_good(work, group))
    }

    /// Whether a group comes once more of which much may be there.
    pub(super) fn is_in_doubt(&self, work: &RunWork, group: &PreparedGroup) -> bool {
        group.was_begun
            && match is_ddl(group) {
                true => turns_back(group),
                false => self.needs_name(work, group, work.run.kind == RunKind::Alone),
            }
    }

    /// Why a group stops that comes once more.
    pub(super) fn in_doubt(&self, work: &RunWork, group: &PreparedGroup) -> StopReason {
        let mut connection = Vec::new();
        quote_text(work.connection.name.as_bytes(), &mut connection);
        let message = format!(
            "an engine or a target that was killed may have left {} made in part, in {}, which cannot be rolled back. Compare with the source \
             and bring it to what it was before this group; then stop the engine, run on the target UPDATE `{}`.position SET begun='' WHERE \
             connection={}, and start it again. Or bring it to what it is behind the group{}",
            group.label,
            tables(&group.changes),
            self.login.schema,
            String::from_utf8_lossy(&connection),
            self.how_to_leave_out(work, group),
        );
        StopReason::new(number::REPLICA_FATAL, message)
    }
}

/// Whether statements of the group define something that outlives its session: made again, they mostly find it so.
pub(super) fn is_ddl(group: &PreparedGroup) -> bool {
    let is_ddl = |change: &Change| matches!(change, Change::Statement(statement) if statement.kind.is_ddl());
    !group.uses_temporary && group.changes.iter().any(is_ddl)
}

/// Whether a definition that is made twice may be taken back by that: tables that change their names among each other, or places.
fn turns_back(group: &PreparedGroup) -> bool {
    const EXCHANGE: &[u8] = b"EXCHANGE";
    group.changes.iter().any(|change| match change {
        Change::Statement(statement) => match statement.kind {
            StatementKind::RenameTable => group.tables.len() > 2,
            StatementKind::AlterTable => {
                let mut words = statement.text.windows(EXCHANGE.len());
                words.any(|word| word.eq_ignore_ascii_case(EXCHANGE))
            }
            _ => false,
        },
        Change::Rows(_) | Change::Load(_) => false,
    })
}

/// Whether the group makes a table: one that is there already is made anew, with its rows.
pub(super) fn makes_table(group: &PreparedGroup) -> bool {
    matches!(
        group.changes.first(),
        Some(Change::Statement(statement)) if matches!(statement.kind, StatementKind::CreateTable { if_not_exists: false, .. })
    )
}

/// Whether a change that cannot be rolled back and has failed may be there in part.
pub(super) fn leaves_part(group: &PreparedGroup, change: &Change, failure: &Failure) -> bool {
    let is_one_row = match change {
        Change::Rows(rows) => failure.at == RowPlace::default() && (failure.is_row || rows.row_count == 1),
        // All or nothing.
        Change::Statement(statement) if statement.kind.is_ddl() => return false,
        Change::Statement(statement) => statement.is_one_row && !reaction::is_kill(&failure.error),
        Change::Load(_) => false,
    };
    // Locks of tables are waited for in front of the first row, those of rows are not.
    let is_lock_of_tables = reaction::is_lock_conflict(&failure.error) && !group.locks_rows();
    !is_one_row && !is_lock_of_tables && !reaction::precedes_changes(&failure.error)
}

/// Whether the same rows are there when the group is made once more, however much of it was there: it names each row by a key, and gives
/// values that do not depend on what was there.
fn can_be_made_twice(work: &RunWork, group: &PreparedGroup) -> bool {
    let catalog = work.connection.columns.catalog();
    let has_key = |used: &TableUseDraft| {
        let info = catalog.info(used.name.id).or_else(|| used.info.clone());
        !used.is_written || info.is_some_and(|info| info.has_primary)
    };
    let is_keyed = group.tables.iter().all(has_key);
    group.changes.iter().all(|change| match change {
        Change::Rows(_) => is_keyed,
        Change::Statement(statement) => statement.bulk.as_ref().is_some_and(BulkRow::can_be_made_twice),
        Change::Load(_) => false,
    })
}

/// Whether the group writes tables whose changes stay, whatever happens.
pub(super) fn writes_for_good(work: &RunWork, group: &PreparedGroup) -> bool {
    let catalog = work.connection.columns.catalog();
    group.tables.iter().filter(|used| used.is_written).any(|used| {
        // It may have been made since the group was prepared.
        let info = catalog.info(used.name.id).or_else(|| used.info.clone());
        info.is_none_or(|info| !info.is_transactional)
    })
}

/// The first table that each change writes.
fn tables(changes: &[Change]) -> String {
    let mut names: Vec<String> = changes
        .iter()
        .filter_map(Change::table)
        .map(|(database, table)| {
            format!(
                "{}.{}",
                String::from_utf8_lossy(&database),
                String::from_utf8_lossy(&table)
            )
        })
        .collect();
    names.dedup();
    match names.is_empty() {
        true => "tables that it does not name".to_owned(),
        false => names.join(", "),
    }
}
