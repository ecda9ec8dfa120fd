//! `LOAD DATA` that failed half way on the source, in a table that keeps what it got.
//!
//! The same error must end it here, at the same row. `REPLACE` and `IGNORE` mean the same with `LOCAL` as without, so these
//! just run. Without either, `LOCAL` means `IGNORE`, and the row at which the source has ended would be passed over. So the file
//! goes into a table without keys first, with `REPLACE`, which has nothing to replace there and ends at the first value that
//! does not fit; then its rows go on by `INSERT ... SELECT`, which ends at the first row that a key or a check refuses.
//!
//! What a trigger would do in between is not known, nor is it where 0 and no value become the same. There the connection stops.

use tributary_client::{Error as ClientError, ServerError};

use super::careful::{Outcome, differs};
use super::reaction::{self, Expected};
use super::{RunWork, Worker, burst};
use crate::change::{Change, LoadChange, LoadInSteps, PreparedGroup};
use crate::error::{StopReason, excerpt};

/// How a load has ended.
type Ended = Result<(), ServerError>;

impl Worker {
    /// Has the table keep what the source's has kept.
    pub(super) async fn half_load(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        load: &LoadChange,
    ) -> Result<Outcome, ClientError> {
        let statement = &load.statement;
        let code = statement.expected_error;
        let expected = reaction::expected(code, &statement.tolerance.skip);
        if let Some(reason) = self.partial_effect_lost(work, group, statement) {
            return match expected {
                Expected::AnythingUndone => self.skip_partial_effect(work, group, change, statement).await,
                _ => Ok(Outcome::Stop(reason)),
            };
        }
        let is_repeatable = match &load.in_steps {
            _ if matches!(expected, Expected::Killed(_)) => false,
            None => !load.has_errors,
            Some(_) => self.goes_in_steps(work, load),
        };
        if !is_repeatable {
            let message = format!(
                "LOAD DATA ended half way on the source, with error {code}; where cannot be repeated exactly: {} ({}). Bring the rows \
                 it changed to what they are on the source{}",
                excerpt(&statement.text),
                group.label,
                self.how_to_leave_out(work, group)
            );
            return Ok(Outcome::Stop(StopReason::new(code, message)));
        }
        let ended = match self.switch_to(statement).await? {
            Err(error) => Err(error),
            Ok(()) => match &load.in_steps {
                Some(steps) => self.load_in_steps(load, steps).await?,
                None => self.load_file(load, &statement.text).await?,
            },
        };
        self.leaves_part = true;
        self.login.has_old_errors |= ended.is_err();
        self.login.clear_errors().await?;
        Ok(match (expected, ended) {
            (Expected::AnythingUndone, _) => Outcome::Done,
            (_, Err(error)) if reaction::is_equivalent(code, error.code) => Outcome::Done,
            (_, Err(error)) => Outcome::Stop(differs(group, statement, code, Some(&error))),
            (_, Ok(())) => Outcome::Stop(differs(group, statement, code, None)),
        })
    }

    /// Whether the table makes of a row what it makes of the row's values.
    fn goes_in_steps(&self, work: &RunWork, load: &LoadChange) -> bool {
        let Some((database, table)) = &load.statement.table else {
            return false;
        };
        let Some(info) = work.connection.columns.catalog().table(database, table).1 else {
            return false;
        };
        let makes_ids_of_nothing_only =
            info.auto_increment().is_some() && load.statement.context.keeps_zero_ids();
        !info.is_transactional && !info.is_view && !info.has_triggers && !makes_ids_of_nothing_only
    }

    async fn load_in_steps(&mut self, load: &LoadChange, steps: &LoadInSteps) -> Result<Ended, ClientError> {
        self.login.own_statement(&steps.drop).await?;
        if let Err(error) = burst::single(&mut self.login.client, &steps.create).await? {
            return Ok(Err(error));
        }
        let loaded = self.load_file(load, &steps.load).await?;
        let inserted = burst::single(&mut self.login.client, &steps.insert).await?;
        self.login.own_statement(&steps.drop).await?;
        Ok(inserted.and(loaded))
    }

    async fn load_file(&mut self, load: &LoadChange, text: &[u8]) -> Result<Ended, ClientError> {
        match self.login.client.load_local(text, load.file.reader()).await {
            Ok(_) => Ok(Ok(())),
            Err(ClientError::Server(error)) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}
