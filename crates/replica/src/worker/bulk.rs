//! Statements of one shape in one packet, by bulk execute.
//!
//! A bulk execute cannot carry a guard, so it is not sent behind anything that could fail where that could not be taken back.

use std::sync::Arc;

use tributary_client::{Error as ClientError, Prepared, ServerError, StatementResult};

use super::Login;
use super::burst::{Failure, Step, send, single};
use super::plan::{BULK_BYTES_MAX, Limits, PlanStep, Planned};
use super::rows::RowPlace;
use super::set_rows::SetEnd;
use crate::bulk::{Repeats, Shape};
use crate::context::Context;
use crate::error::number;

/// Statements that one login keeps prepared.
const PREPARED_MAX: usize = 128;

/// Conditions of a failed statement that are looked at, from the last one: it is the error, but for what followed from it.
const CONDITIONS_MAX: usize = 16;

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
    /// Where `uses` stood when the run began that is under way.
    begun: u64,
    /// The server has refused to keep more: everything is sent as text.
    is_full: bool,
}

/// Every statement that is kept is needed by the run under way.
struct AllNeeded;

impl PreparedShapes {
    fn find(&mut self, shape: &Arc<Shape>, context: &Arc<Context>) -> Option<usize> {
        self.uses += 1;
        let uses = self.uses;
        let place = self
            .kept
            .iter()
            .position(|kept| Arc::ptr_eq(&kept.shape, shape) && is_same(&kept.context, context))?;
        self.kept[place].last_used = uses;
        Some(place)
    }

    /// What is prepared from here on stays until this is called again.
    fn begin(&mut self) {
        self.begun = self.uses;
    }

    /// The statement to give up for one more beside `coming` others; `Err` when all are needed.
    fn oldest(&mut self, coming: usize) -> Result<Option<Prepared>, AllNeeded> {
        if self.kept.len() + coming < PREPARED_MAX {
            return Ok(None);
        }
        let oldest = self
            .kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| kept.last_used <= self.begun)
            .min_by_key(|(_, kept)| kept.last_used);
        let (place, _) = oldest.ok_or(AllNeeded)?;
        Ok(Some(self.kept.swap_remove(place).statement))
    }
}

/// What is left of changes that are final when they are made.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The changes that are not made, in the order of the steps.
    pub(super) changes: Vec<usize>,
    /// How the first of them has failed; `None`: it has not been tried by itself.
    pub(super) failure: Option<Failure>,
}

impl Login {
    /// What limits the steps of a run.
    pub(super) fn limits(&self, is_final: bool) -> Limits {
        Limits {
            bytes_max: BULK_BYTES_MAX.min(self.packet_bytes_max / 2),
            is_final,
            nets: self.nets_changes,
        }
    }

    /// A run begins: what it has prepared stays until it ends.
    pub(super) fn begin_steps(&mut self) {
        self.prepared.begin();
    }

    /// Prepares what the steps need. A step that cannot be prepared is sent as text.
    ///
    /// Nothing of a transaction may have been executed yet: an error here can undo it.
    pub(super) async fn prepare_steps(
        &mut self,
        steps: Vec<PlanStep>,
        changes: &[Planned<'_>],
    ) -> Result<Vec<PlanStep>, ClientError> {
        let mut missing = self.not_prepared(&steps, changes);
        while let Some((_, context)) = missing.first() {
            let context = context.clone();
            let (here, elsewhere) = missing
                .into_iter()
                .partition(|(_, other)| is_same(other, &context));
            missing = elsewhere;
            self.prepare_shapes(here, &context).await?;
        }
        let mut ready = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                PlanStep::Bulk(rows) if !self.is_prepared(&rows, changes) => {
                    ready.extend(rows.into_iter().map(PlanStep::One));
                }
                step => ready.push(step),
            }
        }
        Ok(ready)
    }

    /// What the steps need and is not prepared, each once. What is prepared stays until the run ends.
    fn not_prepared(
        &mut self,
        steps: &[PlanStep],
        changes: &[Planned<'_>],
    ) -> Vec<(Arc<Shape>, Arc<Context>)> {
        let mut missing: Vec<(Arc<Shape>, Arc<Context>)> = Vec::new();
        for step in steps {
            let PlanStep::Bulk(rows) = step else { continue };
            let Some((shape, context)) = shape_of(rows, changes) else {
                continue;
            };
            let is_listed = |(listed, at): &(Arc<Shape>, Arc<Context>)| {
                Arc::ptr_eq(listed, shape) && is_same(at, context)
            };
            if self.prepared.find(shape, context).is_none() && !missing.iter().any(is_listed) {
                missing.push((shape.clone(), context.clone()));
            }
        }
        missing
    }

    fn is_prepared(&mut self, rows: &[usize], changes: &[Planned<'_>]) -> bool {
        shape_of(rows, changes).is_some_and(|(shape, context)| self.prepared.find(shape, context).is_some())
    }

    /// Prepares these shapes, all to be executed in one context, as far as there is room for them.
    async fn prepare_shapes(
        &mut self,
        mut shapes: Vec<(Arc<Shape>, Arc<Context>)>,
        context: &Context,
    ) -> Result<(), ClientError> {
        if self.prepared.is_full || !self.switched_for_bulk(context, None, false).await? {
            return Ok(());
        }
        for place in 0..shapes.len() {
            match self.prepared.oldest(place) {
                Ok(None) => {}
                Ok(Some(oldest)) => self.client.close_prepared(oldest).await?,
                Err(AllNeeded) => {
                    shapes.truncate(place);
                    break;
                }
            }
        }
        let texts: Vec<&[u8]> = shapes.iter().map(|(shape, _)| &shape.text[..]).collect();
        let all = self.client.prepare_all(&texts).await?;
        let last_used = self.prepared.uses;
        let mut has_failed = false;
        for ((shape, context), prepared) in shapes.into_iter().zip(all) {
            match prepared {
                Ok(statement) if statement.parameter_count() == shape.types.len() => {
                    self.prepared.kept.push(Kept {
                        shape,
                        context,
                        statement,
                        last_used,
                    });
                }
                Ok(statement) => self.client.close_prepared(statement).await?,
                Err(error) => {
                    self.prepared.is_full |= error.code == TOO_MANY_PREPARED;
                    has_failed = true;
                }
            }
        }
        if has_failed {
            self.forget_after_error().await?;
        }
        Ok(())
    }

    /// Brings the session there at once; see [`Session::switch_for_bulk`](crate::context::Session::switch_for_bulk).
    async fn switched_for_bulk(
        &mut self,
        context: &Context,
        timestamp: Option<(u32, Option<u32>)>,
        is_strict: bool,
    ) -> Result<bool, ClientError> {
        let mut settings = Vec::new();
        let count = self
            .session
            .switch_for_bulk(context, timestamp, is_strict, &mut settings);
        let is_done = count == 0 || single(&mut self.client, &settings).await?.is_ok();
        if !is_done {
            self.forget_after_error().await?;
        }
        Ok(is_done)
    }

    pub(super) async fn forget_after_error(&mut self) -> Result<(), ClientError> {
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
                PlanStep::Rows(rows) => self.add_merged(rows, changes).await?,
                PlanStep::Set(set) => self.add_set(set, changes).await?,
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
                PlanStep::Bulk(_) | PlanStep::Set(_) => place + 1,
                PlanStep::One(_) | PlanStep::Rows(_) => steps[place..]
                    .iter()
                    .position(|step| matches!(step, PlanStep::Bulk(_) | PlanStep::Set(_)))
                    .map_or(steps.len(), |count| place + count),
            };
            match step {
                PlanStep::Bulk(rows) => {
                    if let Some((first, failure)) = self.take_bulk(rows, changes).await? {
                        return Ok(Left {
                            changes: from(&steps[place..], first),
                            failure,
                        });
                    }
                }
                PlanStep::Set(set) => {
                    if let Some(failure) = self.take_final_set(set, changes).await? {
                        let first = first_of(step);
                        return Ok(Left {
                            changes: from(&steps[place..], first),
                            failure,
                        });
                    }
                }
                PlanStep::One(_) | PlanStep::Rows(_) => {
                    self.add_steps(&steps[place..end], changes).await?;
                    if let Some(failure) = self.finish().await? {
                        let failed = match failure.step {
                            Step::Change(index) => index,
                            Step::Mark | Step::Commit => {
                                return Ok(Left {
                                    changes: Vec::new(),
                                    failure: Some(failure),
                                });
                            }
                        };
                        if let Some((first, failure)) =
                            rows_left(&steps[place..end], failed, &failure, changes)
                        {
                            return Ok(Left {
                                changes: from(&steps[place..], first),
                                failure,
                            });
                        }
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
    ) -> Result<Option<(usize, Option<Failure>)>, ClientError> {
        let untried = Ok(rows.first().map(|first| (*first, None)));
        let Some(bulk) = BulkExecute::of(rows, changes) else {
            return untried;
        };
        let is_ready = self.switched_for_bulk(bulk.context, bulk.timestamp, true).await?;
        if !is_ready || !self.queue_bulk(&bulk)? {
            return untried;
        }
        send(&mut self.client).await?;
        let Some(error) = self.client.read_reply().await?.error else {
            self.made(rows);
            return Ok(None);
        };
        self.lose_trail();
        let done = match bulk.shape.repeats {
            Repeats::Counted | Repeats::CountedOver => self.rows_done(error.code).await?,
            Repeats::Same | Repeats::Differs => Some(0),
        };
        tracing::debug!(
            code = error.code,
            done,
            rows = rows.len(),
            "a bulk execute has failed"
        );
        self.forget_after_error().await?;
        let first = done.map_or(rows.first(), |done| rows.get(done).or(rows.last()));
        let failure = done.is_none().then(|| in_doubt(rows.len(), &error));
        Ok(first.map(|first| (*first, failure)))
    }

    /// A set whose effects are final. `Some` when it is not made, with the failure if it may be made in part.
    async fn take_final_set(
        &mut self,
        set: &[usize],
        changes: &[Planned<'_>],
    ) -> Result<Option<Option<Failure>>, ClientError> {
        let error = match self.take_set(set, changes).await? {
            SetEnd::Sent => {
                let failure = self.finish().await?;
                return Ok(failure.map(|failure| Some(in_doubt(set.len(), &failure.error))));
            }
            SetEnd::Untouched => return Ok(Some(None)),
            SetEnd::Failed(error) => error,
        };
        tracing::debug!(%error, "rows are not found together");
        self.forget_after_error().await?;
        Ok(Some(None))
    }

    /// How many rows of the INSERT that has just failed with `code` are in; `None` when the server does not tell. Conditions stand in
    /// the order in which they arose, so that warnings about earlier rows come before the error.
    async fn rows_done(&mut self, code: u16) -> Result<Option<usize>, ClientError> {
        let ask = "GET DIAGNOSTICS @tributary_row=NUMBER;SELECT @tributary_row,0";
        let Some((count, _)) = self.two_numbers(ask).await? else {
            return Ok(None);
        };
        for condition in (1..=count).rev().take(CONDITIONS_MAX) {
            let ask = format!(
                "GET DIAGNOSTICS CONDITION {condition} @tributary_row=ROW_NUMBER,@tributary_code=MYSQL_ERRNO;\
                 SELECT @tributary_row,@tributary_code"
            );
            match self.two_numbers(&ask).await? {
                // 0 when there was no row yet: a table that is locked or missing.
                Some((row, found)) if found == usize::from(code) => return Ok(Some(row.saturating_sub(1))),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn two_numbers(&mut self, ask: &str) -> Result<Option<(usize, usize)>, ClientError> {
        let Ok(results) = single(&mut self.client, ask.as_bytes()).await? else {
            return Ok(None);
        };
        let row = results.iter().find_map(|result| match result {
            StatementResult::Rows(rows) => rows.rows.first(),
            StatementResult::Ok(_) => None,
        });
        let number = |place| row?.text(place)?.parse::<usize>().ok();
        Ok(number(0).zip(number(1)))
    }

    /// Adds a bulk execute to the burst; what it does must be undone when anything fails.
    async fn add_bulk(&mut self, rows: &[usize], changes: &[Planned<'_>]) -> Result<(), ClientError> {
        let (Some(bulk), Some(index)) = (BulkExecute::of(rows, changes), rows.first()) else {
            return Ok(());
        };
        if !self.begin_bulk(bulk.context, bulk.timestamp, *index) {
            return Ok(());
        }
        if self.queue_bulk(&bulk)? {
            self.bulk_queued(*index);
            return self.send_full().await;
        }
        for index in rows {
            self.add_change(changes[*index].change, *index).await?;
        }
        Ok(())
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

fn is_same(one: &Arc<Context>, other: &Arc<Context>) -> bool {
    Arc::ptr_eq(one, other) || **one == **other
}

/// The shape and the context of what is executed together.
fn shape_of<'a>(rows: &[usize], changes: &[Planned<'a>]) -> Option<(&'a Arc<Shape>, &'a Arc<Context>)> {
    let (first, row) = changes.get(*rows.first()?)?.bulk()?;
    Some((&row.shape, &first.context))
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

/// The changes of these steps from `first` on: behind it in the order of the source, since what has failed may leave other rows in the way
/// than are on the source.
fn from(steps: &[PlanStep], first: usize) -> Vec<usize> {
    let mut all = Vec::new();
    for step in steps {
        match step {
            PlanStep::One(index) => all.push(*index),
            PlanStep::Bulk(rows) | PlanStep::Set(rows) => all.extend_from_slice(rows),
            PlanStep::Rows(rows) => all.extend(rows.changes()),
        }
    }
    let place = all.iter().position(|index| *index == first);
    let mut left = all.split_off(place.unwrap_or_default());
    if let Some((_, behind)) = left.split_first_mut() {
        behind.sort_unstable();
    }
    left
}

/// The change with which a step begins.
fn first_of(step: &PlanStep) -> usize {
    match step {
        PlanStep::One(index) => *index,
        PlanStep::Bulk(rows) | PlanStep::Set(rows) => rows.first().copied().unwrap_or_default(),
        PlanStep::Rows(rows) => rows.first_id().map_or(0, |id| id.change),
    }
}

/// Where an event of several changes failed, the first change that is not made; `None` when it was something else that failed.
fn rows_left(
    steps: &[PlanStep],
    failed: usize,
    failure: &Failure,
    changes: &[Planned<'_>],
) -> Option<(usize, Option<Failure>)> {
    let rows = steps.iter().find_map(|step| match step {
        PlanStep::Rows(rows) if first_of(step) == failed => Some(rows),
        _ => None,
    })?;
    // Without a count, it was not begun.
    let done = match failure.made {
        Some(made) => rows.done(changes, made, failure.error.code),
        None => Some(0),
    };
    tracing::debug!(
        code = failure.error.code,
        ?done,
        "rows that were brought together have failed"
    );
    match done.and_then(|done| rows.change_at(done)) {
        Some(first) => Some((first, None)),
        None => {
            let doubt = in_doubt(rows.changes().count(), &failure.error);
            let made = failure.made;
            Some((failed, Some(Failure { made, ..doubt })))
        }
    }
}

/// What is told when it is not known how much of a bulk execute was done.
fn in_doubt(rows: usize, error: &ServerError) -> Failure {
    let message = format!(
        "{rows} statements like this one were executed together and failed, and the server does not tell how many of them were done: error {}: {}",
        error.code, error.message
    );
    Failure {
        step: Step::Change(0),
        error: ServerError {
            code: number::UNKNOWN,
            sqlstate: *b"HY000",
            message,
        },
        at: RowPlace::default(),
        is_row: false,
        made: None,
        is_of_many: true,
    }
}
