//! Definitions of tables that change: by statements of the source, which change the lists of its columns, and by somebody
//! else, which is noticed when rows fail.

use std::sync::Arc;

use tributary_client::Error as ClientError;
use tributary_sql::StatementKind;

use super::careful::Outcome;
use super::{RunWork, Worker, burst, reaction};
use crate::catalog;
use crate::change::{Change, PreparedGroup, StatementChange};
use crate::columns::{Ended, TableColumns, Watch, realign, save_statement};
use crate::error::number;

/// Counts a statement that is about to be sent, if it is one of those the target counts and others are noticed by.
pub(super) fn count_definition(work: &RunWork, kind: StatementKind) {
    if matches!(
        kind,
        StatementKind::AlterTable
            | StatementKind::RenameTable
            | StatementKind::CreateTable { temporary: false, .. }
            | StatementKind::DropTable { temporary: false, .. }
    ) {
        work.connection.columns.own_definitions().add(1);
    }
}

impl Worker {
    /// Carries a statement's effects out on the lists of columns and saves these, in the transaction that will save the
    /// position behind the statement. `outcome` is how the statement ended, and is handed back.
    pub(super) async fn note_columns(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        statement: &StatementChange,
        watch: Watch,
        outcome: Outcome,
    ) -> Result<Outcome, ClientError> {
        let ended = match outcome {
            Outcome::Done if statement.expected_error != 0 => Ended::Failed,
            Outcome::Done => Ended::Applied,
            Outcome::Skipped => Ended::Skipped,
            outcome => return Ok(outcome),
        };
        let columns = &work.connection.columns;
        let names = watch.names();
        if !names.is_empty() {
            let loaded = catalog::load_tables(&mut self.login.client, &names).await?;
            self.login.has_old_errors = true;
            self.login.clear_errors().await?;
            columns.catalog().replace_tables(&names, loaded);
        }
        let tables = watch.end(columns, &statement.effects, ended);
        Ok(self.save_columns(work, group, &tables).await?.unwrap_or(outcome))
    }

    /// Does what belongs to a statement that an earlier life has executed.
    pub(super) async fn was_executed(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        statement: &StatementChange,
    ) -> Result<Outcome, ClientError> {
        tracing::info!(connection = %work.connection.name, group = %group.label, "executed before, and not saved");
        let tables = realign(&work.connection.columns, &statement.effects);
        Ok(self
            .save_columns(work, group, &tables)
            .await?
            .unwrap_or(Outcome::Done))
    }

    /// Saves lists of columns, in the transaction that saves the position behind the group; why not, if not.
    async fn save_columns(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        tables: &[Arc<TableColumns>],
    ) -> Result<Option<Outcome>, ClientError> {
        for table in tables {
            let text = save_statement(&self.login.schema, &work.connection.name, table);
            if let Err(error) = burst::single(&mut self.login.client, &text).await? {
                return Ok(Some(Outcome::Stop(reaction::stop_reason(group, None, &error))));
            }
        }
        Ok(None)
    }

    /// Whether the target's definition of a table that a change writes is no longer what the engine knew. From here on it
    /// knows.
    pub(super) async fn definitions_changed(
        &mut self,
        work: &RunWork,
        change: &Change,
    ) -> Result<bool, ClientError> {
        let Change::Rows(rows) = change else {
            return Ok(false);
        };
        let names: Vec<_> = rows.columns.iter().map(|table| table.name.clone()).collect();
        let catalog = work.connection.columns.catalog();
        let since = catalog.reading();
        let loaded = catalog::load_tables(&mut self.login.client, &names).await?;
        self.login.has_old_errors = true;
        self.login.clear_errors().await?;
        let changed = catalog.replace_changed(loaded, since);
        if !changed.is_empty() {
            tracing::info!(connection = %work.connection.name, tables = ?changed, "defined anew on the target by somebody else");
        }
        Ok(!changed.is_empty())
    }
}

/// Whether an error comes before any row of its change is applied.
pub(super) fn precedes_rows(code: u16) -> bool {
    matches!(code, number::WRONG_TABLE_DEFINITION | number::UNKNOWN)
}
