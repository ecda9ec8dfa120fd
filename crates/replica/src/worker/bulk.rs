//! Statements of one shape in one packet, by bulk execute.
//!
//! A bulk execute cannot carry a guard, so it is not sent behind anything that could fail where that could not be taken back.

use std::sync::Arc;

use tributary_client::{Error as ClientError, Prepared, StatementResult};

use super::Login;
use super::burst::{Failure, Step, single};
use super::plan::{PlanStep, Planned};
use crate::bulk::{Repeats, Shape};
use crate::context::Context;

/// Statements that one login keeps prepared.
const PREPARED_MAX: usize = 128;

/// The server keeps no more prepared statements (`max_prepared_stmt_count`).
const TOO_MANY_PREPARED: u16 = 1461;

/// A statement that is kept prepared: names in it were looked up, and its text was read, in this session.
#[derive(Debug)]
struct Kept {
    shape: Arc<Shape>,
    context: Arc<Context>,
    statement: Prepared,
    last_used: u64,
}

/// The prepared statements of a login.
#[derive(Debug, Default)]
pub(super) struct PreparedShapes {
    kept: Vec<Kept>,
    uses: u64,
    /// The server has refused to keep more: everything is sent as text.
    is_full: bool,
}

impl PreparedShapes {
    fn find(&mut self, shape: &Arc<Shape>, context: &Arc<Context>) -> Option<usize> {
        self.uses += 1;
        let uses = self.uses;
        let place = self.kept.iter().position(|kept| {
            Arc::ptr_eq(&kept.shape, shape)
                && (Arc::ptr_eq(&kept.context, context) || *kept.context == **context)
        })?;
        self.kept[place].last_used = uses;
        Some(place)
    }

    /// Makes room for one more.
    fn oldest(&mut self) -> Option<Prepared> {
        if self.kept.len() < PREPARED_MAX {
            return None;
        }
        let (place, _) = self
            .kept
            .iter()
            .enumerate()
            .min_by_key(|(_, kept)| kept.last_used)?;
        Some(self.kept.swap_remove(place).statement)
    }
}

/// What is left of changes that are final when they are made.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The changes that are not made, in the source's order.
    pub(super) changes: Vec<usize>,
    /// How the first of them has failed; `None`: it has not been tried by itself.
    pub(super) failure: Option<Failure>,
}

impl Login {
    /// Prepares what the steps need. A step that cannot be prepared is sent as text.
    pub(super) async fn prepare_steps(
        &mut self,
        steps: Vec<PlanStep>,
        changes: &[Planned<'_>],
    ) -> Result<Vec<PlanStep>, ClientError> {
        let mut ready = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                PlanStep::Bulk(rows) if !self.is_prepared(&rows, changes).await? => {
                    ready.extend(rows.into_iter().map(PlanStep::One));
                }
                step => ready.push(step),
            }
        }
        Ok(ready)
    }

    async fn is_prepared(&mut self, rows: &[usize], changes: &[Planned<'_>]) -> Result<bool, ClientError> {
        let Some((first, row)) = rows
            .first()
            .and_then(|index| changes.get(*index))
            .and_then(Planned::bulk)
        else {
            return Ok(false);
        };
        if self.prepared.find(&row.shape, &first.context).is_some() {
            return Ok(true);
        }
        if self.prepared.is_full {
            return Ok(false);
        }
        let mut settings = Vec::new();
        if self
            .session
            .switch_for_bulk(&first.context, None, false, &mut settings)
            > 0
            && single(&mut self.client, &settings).await?.is_err()
        {
            self.forget_after_error().await?;
            return Ok(false);
        }
        if let Some(oldest) = self.prepared.oldest() {
            self.client.close_prepared(oldest).await?;
        }
        match self.client.prepare(&row.shape.text).await {
            Ok(statement) if statement.parameter_count() == row.shape.types.len() => {
                let last_used = self.prepared.uses;
                self.prepared.kept.push(Kept {
                    shape: row.shape.clone(),
                    context: first.context.clone(),
                    statement,
                    last_used,
                });
                Ok(true)
            }
            Ok(statement) => {
                self.client.close_prepared(statement).await?;
                Ok(false)
            }
            Err(ClientError::Server(error)) => {
                self.prepared.is_full |= error.code == TOO_MANY_PREPARED;
                self.forget_after_error().await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn forget_after_error(&mut self) -> Result<(), ClientError> {
        self.session.forget();
        self.has_old_errors = true;
        self.clear_errors().await
    }

    /// Adds steps to the burst, as [`Login::add_change`] does. What they do must be undone when any of them fails.
    pub(super) async fn add_steps(
        &mut self,
        steps: &[PlanStep],
        changes: &[Planned<'_>],
    ) -> Result<(), ClientError> {
        for step in steps {
            match step {
                PlanStep::One(index) => self.add_change(changes[*index].change, *index).await?,
                PlanStep::Bulk(rows) => self.add_bulk(rows, changes).await?,
            }
        }
        Ok(())
    }

    /// Takes steps whose effects are final. After a failure nothing more is executed, and it is known what was.
    pub(super) async fn take_steps(
        &mut self,
        steps: &[PlanStep],
        changes: &[Planned<'_>],
    ) -> Result<Left, ClientError> {
        let mut place = 0;
        while let Some(step) = steps.get(place) {
            let end = match step {
                PlanStep::Bulk(_) => place + 1,
                PlanStep::One(_) => steps[place..]
                    .iter()
                    .position(|step| matches!(step, PlanStep::Bulk(_)))
                    .map_or(steps.len(), |count| place + count),
            };
            match step {
                PlanStep::Bulk(rows) => {
                    if let Some(first) = self.take_bulk(rows, changes).await? {
                        return Ok(Left {
                            changes: from(&steps[place..], first),
                            failure: None,
                        });
                    }
                }
                PlanStep::One(first) => {
                    self.add_steps(&steps[place..end], changes).await?;
                    if let Some(failure) = self.finish().await? {
                        let failed = match failure.step {
                            Step::Change(index) => index,
                            Step::Mark | Step::Commit => *first,
                        };
                        return Ok(Left {
                            changes: from(&steps[place..], failed),
                            failure: Some(Failure {
                                step: Step::Change(0),
                                ..failure
                            }),
                        });
                    }
                }
            }
            place = end;
        }
        Ok(Left::default())
    }

    /// One bulk execute whose effects are final. When it fails, the first change that is not made: rows of an INSERT in front of the
    /// one that failed are in; other statements may be repeated from the first one.
    async fn take_bulk(
        &mut self,
        rows: &[usize],
        changes: &[Planned<'_>],
    ) -> Result<Option<usize>, ClientError> {
        let Some(bulk) = BulkExecute::of(rows, changes) else {
            return Ok(rows.first().copied());
        };
        let mut settings = Vec::new();
        let count = self
            .session
            .switch_for_bulk(bulk.context, bulk.timestamp, true, &mut settings);
        if count > 0 && single(&mut self.client, &settings).await?.is_err() {
            self.forget_after_error().await?;
            return Ok(rows.first().copied());
        }
        if !self.queue_bulk(&bulk)? {
            return Ok(rows.first().copied());
        }
        self.client.flush().await?;
        let Some(error) = self.client.read_reply().await?.error else {
            return Ok(None);
        };
        let done = match bulk.shape.repeats {
            Repeats::Counted => self.rows_done().await?,
            Repeats::Same | Repeats::Differs => 0,
        };
        tracing::debug!(
            code = error.code,
            done,
            rows = rows.len(),
            "a bulk execute has failed"
        );
        self.forget_after_error().await?;
        Ok(rows.get(done).or(rows.last()).copied())
    }

    /// How many rows of the INSERT that has just failed are in.
    async fn rows_done(&mut self) -> Result<usize, ClientError> {
        let asked = single(
            &mut self.client,
            b"GET DIAGNOSTICS CONDITION 1 @tributary_row=ROW_NUMBER;SELECT @tributary_row",
        )
        .await?;
        let row = asked.ok().and_then(|results| {
            results.iter().find_map(|result| match result {
                StatementResult::Rows(rows) => rows.first_text()?.parse::<usize>().ok(),
                StatementResult::Ok(_) => None,
            })
        });
        Ok(row.unwrap_or(0).saturating_sub(1))
    }

    /// Adds a bulk execute to the burst; what it does must be undone when anything fails.
    async fn add_bulk(&mut self, rows: &[usize], changes: &[Planned<'_>]) -> Result<(), ClientError> {
        let (Some(bulk), Some(index)) = (BulkExecute::of(rows, changes), rows.first()) else {
            return Ok(());
        };
        if self.begin_bulk(bulk.context, bulk.timestamp, *index) && self.queue_bulk(&bulk)? {
            self.bulk_queued(*index);
        }
        self.send_full().await
    }

    /// Queues it; `false` when it is not prepared.
    fn queue_bulk(&mut self, bulk: &BulkExecute<'_>) -> Result<bool, ClientError> {
        let Some(place) = self.prepared.find(bulk.shape, bulk.context) else {
            return Ok(false);
        };
        let statement = &self.prepared.kept[place].statement;
        self.client
            .queue_bulk_rows(statement, &bulk.shape.types, &bulk.values)?;
        Ok(true)
    }
}

/// Statements of one shape, and where they are executed.
struct BulkExecute<'a> {
    shape: &'a Arc<Shape>,
    context: &'a Arc<Context>,
    timestamp: Option<(u32, Option<u32>)>,
    values: Vec<&'a [u8]>,
}

impl<'a> BulkExecute<'a> {
    fn of(rows: &[usize], changes: &[Planned<'a>]) -> Option<Self> {
        let all: Option<Vec<_>> = rows
            .iter()
            .map(|index| changes.get(*index).and_then(Planned::bulk))
            .collect();
        let all = all?;
        let (statement, row) = all.first()?;
        Some(Self {
            shape: &row.shape,
            context: &statement.context,
            timestamp: row.shape.reads_clock.then_some(statement.timestamp),
            values: all.iter().map(|(_, row)| &row.values[..]).collect(),
        })
    }
}

/// The changes of these steps from `first` on, in the source's order.
fn from(steps: &[PlanStep], first: usize) -> Vec<usize> {
    let all = steps.iter().flat_map(|step| match step {
        PlanStep::One(index) => std::slice::from_ref(index),
        PlanStep::Bulk(rows) => rows,
    });
    let mut left: Vec<usize> = all.copied().skip_while(|index| *index != first).collect();
    left.sort_unstable();
    left
}
