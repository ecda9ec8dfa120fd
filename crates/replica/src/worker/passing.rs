//! What happens when a change fails: another attempt, passing over it with a record, or the end.

use tributary_binlog::RowsOp;
use tributary_client::{Error as ClientError, ServerError};
use tributary_sql::StatementKind;

use super::burst::{Failure, Step};
use super::ledger::Record;
use super::reaction::{self, Reaction};
use super::{RunWork, Worker, idempotent};
use crate::change::{Change, PreparedGroup};
use crate::records::RecordKind;

/// How a failure was dealt with.
#[derive(Debug)]
pub(super) enum Passing {
    /// Another session was in the way: the same again.
    Retry,
    /// What failed is passed over and recorded; the change goes on behind it.
    Done,
    /// The connection must stop.
    Stop(ServerError),
}

impl Worker {
    /// Decides about a failed change by the rules of the table it is about, and records what is passed over.
    pub(super) async fn pass_over(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        failure: &Failure,
    ) -> Result<Passing, ClientError> {
        if group.may_be_made && idempotent::DUPLICATE.contains(&failure.error.code) && is_insert(change)
            || group.was_begun && is_made_row(change, failure)
        {
            tracing::info!(
                connection = %work.connection.name,
                group = %group.label,
                "the row is there already: it was sent before the last engine or the target's session ended"
            );
            return Ok(Passing::Done);
        }
        let event = failure.is_row.then_some(failure.at.event);
        let tolerance = change.tolerance(event);
        let is_change = matches!(failure.step, Step::Change(_));
        if tolerance.is_idempotent
            && is_change
            && idempotent::is_forgiven(failure.error.code)
            && matches!(change, Change::Rows(_))
        {
            return self.forgive(work, group, change, failure).await;
        }
        match reaction::to(&failure.error, &tolerance.skip) {
            Reaction::Retry => Ok(Passing::Retry),
            Reaction::Skip if is_change => {
                let record = Record::of_failure(RecordKind::Skipped, change, failure);
                Ok(match self.login.record(work, group, &record).await? {
                    Ok(()) => Passing::Done,
                    Err(error) => Passing::Stop(error),
                })
            }
            Reaction::Skip | Reaction::Stop => Ok(Passing::Stop(failure.error.clone())),
        }
    }
}

fn is_insert(change: &Change) -> bool {
    matches!(change, Change::Statement(statement) if statement.kind == StatementKind::Insert)
}

/// Whether the failure is what a row looks like that is made already.
fn is_made_row(change: &Change, failure: &Failure) -> bool {
    let is_duplicate = idempotent::DUPLICATE.contains(&failure.error.code);
    match change {
        Change::Rows(rows) if failure.is_row || rows.row_count == 1 => {
            match rows.item.events.get(failure.at.event) {
                Some((_, event)) if event.op == RowsOp::Write => is_duplicate,
                Some((_, event)) if event.op == RowsOp::Delete => failure.error.code == idempotent::NOT_FOUND,
                Some(_) | None => false,
            }
        }
        Change::Statement(statement) => is_duplicate && is_insert(change) && statement.is_one_row,
        Change::Rows(_) | Change::Load(_) => false,
    }
}
