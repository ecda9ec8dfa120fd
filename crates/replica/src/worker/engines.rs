//! Tables that have another storage engine than on the source (`tributary_rewrite_engine`).
//!
//! What the source could not undo, the target can: a statement that failed half way, or a group that ended in `ROLLBACK`,
//! stays on the source as far as it went and would vanish here. Where it is certain what stayed, the same is kept;
//! else the connection stops.

use bytes::Bytes;
use tributary_client::{Error as ClientError, ServerError};
use tributary_sql::StatementKind;

use super::careful::Outcome;
use super::columns::count_definition;
use super::ledger::Record;
use super::{RunWork, Worker, burst, reaction};
use crate::change::{Change, PreparedGroup, StatementChange};
use crate::error::{StopReason, excerpt_of, number};
use crate::records::RecordKind;

/// What an engine answers to a table it cannot hold: keys too long or too many, an automatic id that is not first in a
/// key, rows too large, kinds of columns and keys it does not know, options it does not know.
const REFUSALS: [u16; 17] = [
    1005, 1069, 1071, 1075, 1118, 1121, 1163, 1164, 1167, 1178, 1214, 1286, 1464, 1478, 1709, 1901, 1911,
];

/// Options of another engine, which InnoDB passes over when it is not strict.
const OPTIONS: [u16; 3] = [1005, 1478, 1911];

/// Said of DDL on a table whose engine may be mapped.
pub(super) const HINT: &str = "; the table may have another storage engine than on the source, by tributary_rewrite_engine: on the \
     target, ALTER TABLE ... ENGINE gives it back, and tributary_keep_engine keeps later statements from changing it again";

/// Whether the error may be about the storage engine.
pub(super) fn is_refusal(code: u16) -> bool {
    REFUSALS.contains(&code)
}

/// What is known of the tables a group writes.
enum Written {
    /// All of them have the storage engine of the source.
    AsOnSource,
    /// None of them can be rolled back on the target.
    Final,
    /// One table, which can be rolled back on the target.
    OneTransactional,
    /// Several, or more than is known.
    Unclear,
}

impl Worker {
    /// Makes a table that cannot have the engine of the rules: without options that are foreign to it, or in the engine
    /// of the source. Either is recorded. The texts are for the one and the other.
    pub(super) async fn keep_engine(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        (text, kept): (&Bytes, &Bytes),
        refusal: &ServerError,
    ) -> Result<Outcome, ClientError> {
        let Change::Statement(statement) = change else {
            return Ok(Outcome::Stop(reaction::stop_reason(group, Some(change), refusal)));
        };
        let mut is_made = false;
        if OPTIONS.contains(&refusal.code) {
            self.login
                .own_statement(b"SET SESSION innodb_strict_mode=0")
                .await?;
            count_definition(work, statement.kind);
            let outcome = self.try_text(text).await?;
            self.login
                .own_statement(b"SET SESSION innodb_strict_mode=DEFAULT")
                .await?;
            if let Err(error) = &outcome
                && reaction::is_transient(error)
            {
                return Ok(Outcome::Retry(error.clone()));
            }
            is_made = outcome.is_ok();
        }
        let what = if is_made {
            "the table is made without options of the source's engine"
        } else {
            count_definition(work, statement.kind);
            if let Err(error) = self.try_text(kept).await? {
                if reaction::is_transient(&error) {
                    return Ok(Outcome::Retry(error));
                }
                return Ok(Outcome::Stop(reaction::stop_reason(group, Some(change), &error)));
            }
            "the table keeps the source's engine"
        };
        let record = Record {
            kind: RecordKind::Engine,
            change,
            table: change.table().unwrap_or_default(),
            error: refusal.code,
            message: format!("{what}: {}", refusal.message),
            row: None,
        };
        Ok(match self.login.record(work, group, &record).await? {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Stop(reaction::stop_reason(group, None, &error)),
        })
    }

    /// Runs a statement in the session that has just been brought about for another form of it.
    pub(super) async fn try_text(&mut self, text: &[u8]) -> Result<Result<(), ServerError>, ClientError> {
        let outcome = burst::single(&mut self.login.client, text).await?;
        if outcome.is_err() {
            self.login.has_old_errors = true;
            self.login.clear_errors().await?;
        }
        Ok(outcome.map(|_| ()))
    }

    fn written(work: &RunWork, group: &PreparedGroup) -> Written {
        let is_whole = group.scope == tributary_schedule::Scope::Tables;
        if is_whole && !group.may_be_mapped {
            return Written::AsOnSource;
        }
        let mut ids: Vec<_> = group
            .tables
            .iter()
            .filter(|table| table.is_written)
            .map(|table| table.name.id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let infos: Vec<_> = ids.iter().map(|id| work.connection.catalog.info(*id)).collect();
        let is_final = |info: &Option<std::sync::Arc<crate::catalog::TableInfo>>| {
            info.as_ref().is_some_and(|info| !info.is_transactional)
        };
        match infos.as_slice() {
            _ if !is_whole => Written::Unclear,
            [Some(info)] if info.is_transactional && !info.has_triggers && !group.did_more => {
                Written::OneTransactional
            }
            infos if infos.iter().all(is_final) => Written::Final,
            _ => Written::Unclear,
        }
    }

    /// Whether the target rolls back what it has made of a group that ends in `ROLLBACK`.
    ///
    /// The source writes such a group down only when something in it could not be rolled back. Of a group with one
    /// table that is this table.
    pub(super) fn what_rollback_undoes(
        &self,
        work: &RunWork,
        group: &PreparedGroup,
    ) -> Result<bool, StopReason> {
        let has_return = returns(group);
        if !work.connection.maps_engines || !(group.rolls_back || has_return) {
            return Ok(group.rolls_back);
        }
        match Self::written(work, group) {
            Written::AsOnSource | Written::Final => Ok(group.rolls_back),
            Written::OneTransactional if !has_return => Ok(false),
            Written::OneTransactional | Written::Unclear => Err(self.rollback_unclear(work, group)),
        }
    }

    /// Why a piece of a group that rolls something back cannot be applied: the other pieces are not known.
    pub(super) fn rollback_in_pieces(&self, work: &RunWork, piece: &PreparedGroup) -> Option<StopReason> {
        (work.connection.maps_engines && (piece.rolls_back || returns(piece)))
            .then(|| self.rollback_unclear(work, piece))
    }

    fn rollback_unclear(&self, work: &RunWork, group: &PreparedGroup) -> StopReason {
        self.cannot_tell(
            work,
            group,
            number::UNKNOWN,
            "the source has rolled back what it could of a transaction, and kept what it did to tables that cannot be rolled \
             back there"
                .to_owned(),
        )
    }

    /// Why a statement that failed half way on the source cannot have the same partial effect here.
    pub(super) fn partial_effect_lost(
        &self,
        work: &RunWork,
        group: &PreparedGroup,
        statement: &StatementChange,
    ) -> Option<StopReason> {
        let code = statement.expected_error;
        let is_concerned = code != 0 && work.connection.maps_engines && statement.kind.is_dml();
        if !is_concerned || matches!(Self::written(work, group), Written::AsOnSource | Written::Final) {
            return None;
        }
        let what = format!(
            "{}: {}",
            half_way(code),
            excerpt_of(statement.kind, &statement.text)
        );
        Some(self.cannot_tell(work, group, code, what))
    }

    /// Records that such a statement is left out, by the rules, with all that the source has kept of it.
    pub(super) async fn skip_partial_effect(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        statement: &StatementChange,
    ) -> Result<Outcome, ClientError> {
        let record = Record {
            kind: RecordKind::Skipped,
            change,
            table: change.table().unwrap_or_default(),
            error: statement.expected_error,
            message: half_way(statement.expected_error),
            row: None,
        };
        Ok(match self.login.record(work, group, &record).await? {
            Ok(()) => Outcome::Skipped,
            Err(error) => Outcome::Stop(reaction::stop_reason(group, None, &error)),
        })
    }

    fn cannot_tell(&self, work: &RunWork, group: &PreparedGroup, number: u16, what: String) -> StopReason {
        let message = format!(
            "{what} ({}). By tributary_rewrite_engine the target's tables can be rolled back, so the same cannot be done here. Bring \
             the rows it changed to what they are on the source{}",
            group.label,
            self.how_to_leave_out(work, group)
        );
        StopReason::new(number, message)
    }
}

/// Whether the group goes back to a savepoint.
fn returns(group: &PreparedGroup) -> bool {
    let is_return =
        |change: &Change| matches!(change, Change::Statement(s) if s.kind == StatementKind::RollbackTo);
    group.changes.iter().any(is_return)
}

fn half_way(code: u16) -> String {
    format!(
        "the statement failed half way on the source (error {code}), which kept what it had done to tables that cannot be rolled \
         back there"
    )
}
