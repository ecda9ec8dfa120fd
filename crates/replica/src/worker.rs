//! A worker: one login on the target, one run at a time.
//!
//! A run is first tried the fast way: its changes pipelined in as few packets as possible, one commit for all. If
//! anything goes wrong there, a transactional run is rolled back and applied again in ever smaller parts, the last of them group by
//! group, statement by statement, so that an error is tied to exactly one of them; a run of non-transactional tables goes on behind the
//! statement that failed. The saved position is always written in the transaction that commits the data.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tributary_client::{ConnectOptions, Error as ClientError, ServerError};
use tributary_schedule::{GroupSeq, Run, RunId, RunKind, WorkerId};

use crate::catalog::Catalog;
use crate::change::{Change, Defines, PreparedGroup, PreparedGroups};
use crate::columns::SourceColumns;
use crate::error::StopReason;
use crate::progress::Progress;
use crate::status::{self, ConnectionCounters};

mod bulk;
mod burst;
mod careful;
mod columns;
mod doubt;
mod engines;
mod half_load;
mod idempotent;
mod ledger;
mod load;
mod login;
mod merge;
mod passing;
mod pieces;
mod plan;
mod reaction;
mod rows;
mod set_rows;
mod trail;
mod unique_keys;
mod xa;

pub(crate) use login::{Login, LoginSettings};

use bulk::Left;
use burst::{Failure, Step};
pub(crate) use doubt::MadeAgain;
use doubt::{InPart, leaves_part};
use passing::Passing;
use plan::{BULK_ROWS_MIN, PlanStep, Planned, plan};
use rows::RowPlace;
use trail::Trail;

/// Attempts of one statement of a non-transactional run after lock waits, before the connection stops.
const STATEMENT_RETRIES_MAX: u32 = 10;

/// What a worker must know of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionShared {
    pub(crate) name: String,
    pub(crate) catalog: Arc<Catalog>,
    /// Whether tables may have another storage engine than on the source.
    pub(crate) maps_engines: bool,
    pub(crate) progress: Progress,
    pub(crate) counters: Arc<ConnectionCounters>,
    /// What is known of the source's columns.
    pub(crate) columns: Arc<SourceColumns>,
    /// Attempts of a group after deadlocks and lock waits.
    pub(crate) retries: u32,
    /// What was made once more.
    pub(crate) made_again: MadeAgain,
}

/// What the applier tells a worker.
#[derive(Debug)]
pub(crate) enum Order {
    Run(Box<RunWork>),
    Release(RunId),
    AllowCommit(RunId),
    Cancel(RunId),
    /// Roll back and begin again when it is this run's turn: an earlier run waits for its locks.
    GiveWay(RunId),
    /// Go on in a new session.
    Renew,
}

/// A run with its groups, in the order of execution.
#[derive(Debug)]
pub(crate) struct RunWork {
    pub(crate) run: Run,
    pub(crate) groups: PreparedGroups,
    pub(crate) connection: Arc<ConnectionShared>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum RunEnd {
    /// All of it is on the target.
    Committed,
    /// Only these groups are; the connection stops, with a reason unless the run was cancelled.
    Stopped {
        committed: Vec<GroupSeq>,
        reason: Option<StopReason>,
    },
    /// A group in pieces was rolled back and must be received once more: the session with the target begins anew.
    BeginAgain(StopReason),
    /// The target is gone; what was under way may or may not be committed. The saved positions tell.
    TargetLost(ClientError),
}

/// What a worker reports.
#[derive(Debug)]
pub(crate) struct RunReport {
    pub(crate) run: RunId,
    pub(crate) end: RunEnd,
    /// What committed groups changed in the catalogue.
    pub(crate) defines: Vec<Defines>,
}

/// Which permissions a run has been given.
#[derive(Debug, Clone, Copy)]
struct Gate {
    run: RunId,
    is_released: bool,
    may_commit: bool,
    is_cancelled: bool,
    must_give_way: bool,
}

impl Gate {
    fn is_open(self) -> bool {
        self.is_released && self.may_commit
    }

    fn take(&mut self, order: &Order) {
        match order {
            Order::Release(run) if *run == self.run => self.is_released = true,
            Order::AllowCommit(run) if *run == self.run => self.may_commit = true,
            Order::Cancel(run) if *run == self.run => self.is_cancelled = true,
            Order::GiveWay(run) if *run == self.run => self.must_give_way = true,
            // About a run that has ended already.
            _ => {}
        }
    }
}

/// How an attempt at a run went.
enum Attempt {
    Committed,
    Cancelled,
    GaveWay,
    /// Something failed; nothing of the attempt is committed.
    Failed(Box<Failure>),
}

/// One login of the pool and what it is doing.
pub(crate) struct Worker {
    id: WorkerId,
    login: Login,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<RunReport>,
    /// What a group in pieces of this run has committed.
    tally: Tally,
    /// Whether groups are named as begun.
    has_named: bool,
    /// Whether something of the group that is applied by itself may be there, should it fail.
    leaves_part: bool,
    /// What the stop that is under way leaves.
    in_part: InPart,
    /// The target, for what must be committed besides an open transaction.
    target: ConnectOptions,
}

/// What committed groups have changed.
#[derive(Debug, Default)]
struct Tally {
    statements: u64,
    rows: u64,
    defines: Vec<Defines>,
}

impl Tally {
    fn add(&mut self, group: &PreparedGroup) {
        for change in &group.changes {
            match change {
                Change::Rows(change) => self.rows += change.row_count as u64,
                Change::Statement(_) | Change::Load(_) => self.statements += 1,
            }
        }
        self.defines.extend(group.defines.clone());
    }
}

impl Worker {
    pub(crate) fn new(
        id: WorkerId,
        login: Login,
        orders: mpsc::Receiver<Order>,
        reports: mpsc::Sender<RunReport>,
        target: ConnectOptions,
    ) -> Self {
        Self {
            id,
            login,
            orders,
            reports,
            tally: Tally::default(),
            has_named: false,
            leaves_part: false,
            in_part: InPart::Nothing,
            target,
        }
    }

    /// Applies runs until the applier is gone or the target is lost.
    pub(crate) async fn run(mut self) {
        while let Some(order) = self.orders.recv().await {
            let work = match order {
                Order::Run(work) => work,
                Order::Renew => {
                    if let Err(error) = self.login.renew(&self.target).await {
                        tracing::warn!("a new login on the target: {error}");
                        return;
                    }
                    continue;
                }
                // About a run that has ended already.
                Order::Release(_) | Order::AllowCommit(_) | Order::Cancel(_) | Order::GiveWay(_) => continue,
            };
            let run = work.run.id;
            let began = Instant::now();
            let end = self.apply(&work).await.unwrap_or_else(RunEnd::TargetLost);
            let is_lost = matches!(end, RunEnd::TargetLost(_));
            let defines = self.settle(&work, &end);
            status::add_time(&work.connection.counters.worker_busy_micros, began.elapsed());
            // The groups, and with them their room in the relay queue, go before the next run can come.
            drop(work);
            if self.reports.send(RunReport { run, end, defines }).await.is_err() || is_lost {
                return;
            }
        }
        self.login.client.quit().await;
    }

    async fn apply(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        if work.run.kind == RunKind::Transactional {
            return self.transactional(work).await;
        }
        let end = match self.record_doubts(work).await? {
            Some(end) => end,
            None => self.for_good(work).await?,
        };
        self.settle_names(work, &end).await?;
        Ok(end)
    }

    /// A run of which something may be final when it is made.
    async fn for_good(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        if work.run.kind == RunKind::Alone {
            return self.one_by_one(work).await;
        }
        self.login.fence(Some((&work.connection.progress, self.id)));
        self.has_named = true;
        let end = match work.groups.iter().any(|group| self.is_in_doubt(work, group)) {
            // Those in front of it are made still.
            true => self.one_by_one(work).await,
            false => self.tables(work).await,
        };
        self.login.fence(None);
        end
    }

    /// Notes down what is committed, and returns what it changed in the catalogue.
    fn settle(&mut self, work: &RunWork, end: &RunEnd) -> Vec<Defines> {
        let is_committed = |seq: &GroupSeq| match end {
            RunEnd::Committed => true,
            RunEnd::Stopped { committed, .. } => committed.contains(seq),
            RunEnd::BeginAgain(_) | RunEnd::TargetLost(_) => false,
        };
        let groups: Vec<&PreparedGroup> = work
            .groups
            .iter()
            .map(Box::as_ref)
            .filter(|group| is_committed(&group.seq))
            .collect();
        let seqs: Vec<GroupSeq> = groups.iter().map(|group| group.seq).collect();
        work.connection.progress.committed(self.id, &seqs);
        let counters = &work.connection.counters;
        status::add(&counters.groups_applied, seqs.len() as u64);
        if let Some(last) = groups.last() {
            status::add(&counters.batches_applied, 1);
            counters.newest_applied.set(last.label.timestamp);
        }
        let mut tally = std::mem::take(&mut self.tally);
        groups.iter().for_each(|group| tally.add(group));
        status::add(&counters.statements_applied, tally.statements);
        status::add(&counters.rows_applied, tally.rows);
        tally.defines
    }

    /// All or nothing, in its turn.
    async fn transactional(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        let run = &work.run;
        let mut gate = Gate {
            run: run.id,
            is_released: run.free == run.groups.len(),
            may_commit: run.may_commit,
            is_cancelled: false,
            must_give_way: false,
        };
        loop {
            match self.attempt(work, &mut gate).await? {
                Attempt::Committed => return Ok(RunEnd::Committed),
                Attempt::Cancelled => return self.cancelled().await,
                Attempt::GaveWay => {
                    self.login.rollback().await?;
                    gate.must_give_way = false;
                    status::add(&work.connection.counters.retried, 1);
                    tracing::debug!(connection = %work.connection.name, run = %run.id, "rolled back: an earlier run waits for its locks");
                    while !gate.is_open() && !gate.is_cancelled {
                        self.wait_order(&mut gate).await?;
                    }
                }
                Attempt::Failed(failure) => {
                    self.login.rollback().await?;
                    status::add(&work.connection.counters.retried, 1);
                    tracing::debug!(connection = %work.connection.name, run = %run.id, error = %failure.error, "applying again in parts");
                    while !gate.is_open() && !gate.is_cancelled {
                        self.wait_order(&mut gate).await?;
                    }
                    if gate.is_cancelled {
                        return Ok(RunEnd::Stopped {
                            committed: Vec::new(),
                            reason: None,
                        });
                    }
                    return self.in_parts(work).await;
                }
            }
        }
    }

    async fn cancelled(&mut self) -> Result<RunEnd, ClientError> {
        self.login.rollback().await?;
        Ok(RunEnd::Stopped {
            committed: Vec::new(),
            reason: None,
        })
    }

    async fn attempt(&mut self, work: &RunWork, gate: &mut Gate) -> Result<Attempt, ClientError> {
        self.login.all_or_nothing();
        let (free, held) = work.groups.split_at(work.run.free.min(work.groups.len()));
        let (free, held) = (
            planned(free.iter().map(Box::as_ref)),
            planned(held.iter().map(Box::as_ref)),
        );
        self.login.begin_steps();
        let free_steps = self.prepared_steps(&free, false).await?;
        let held_steps = self.prepared_steps(&held, false).await?;
        self.login.add_steps(&free_steps, &free).await?;
        self.poll_orders(gate);
        if !gate.is_released {
            if let Some(failure) = self.login.finish().await? {
                return Ok(Attempt::Failed(Box::new(failure)));
            }
            while !gate.is_released {
                if let Some(end) = interruption(*gate) {
                    return Ok(end);
                }
                self.wait_order(gate).await?;
            }
        }
        self.login.add_steps(&held_steps, &held).await?;
        self.poll_orders(gate);
        if !gate.may_commit {
            if let Some(failure) = self.login.finish().await? {
                return Ok(Attempt::Failed(Box::new(failure)));
            }
            while !gate.may_commit {
                if let Some(end) = interruption(*gate) {
                    return Ok(end);
                }
                self.wait_order(gate).await?;
            }
        }
        if gate.is_cancelled {
            self.login.finish().await?;
            return Ok(Attempt::Cancelled);
        }
        self.login
            .add_mark(&work.connection.progress, self.id, &work.run.groups);
        self.login.add_commit();
        Ok(match self.login.finish().await? {
            None => Attempt::Committed,
            Some(failure) => Attempt::Failed(Box::new(failure)),
        })
    }

    /// How the changes are made: in their order, unless some can be made together.
    async fn prepared_steps(
        &mut self,
        changes: &[Planned<'_>],
        is_final: bool,
    ) -> Result<Vec<PlanStep>, ClientError> {
        let one_by_one = || (0..changes.len()).map(PlanStep::One).collect();
        let mut steps = match changes.len() {
            BULK_ROWS_MIN.. => plan(changes, self.login.limits(is_final)),
            _ => one_by_one(),
        };
        if !self.login.writes_binlog {
            steps = set_rows::gather(steps, changes, is_final, self.login.set_rows_min);
        }
        if are_together(&steps) {
            let steps = self.login.prepare_steps(steps, changes).await?;
            if are_together(&steps) {
                return Ok(steps);
            }
        }
        Ok(one_by_one())
    }

    /// Takes orders that are there already.
    fn poll_orders(&mut self, gate: &mut Gate) {
        while let Ok(order) = self.orders.try_recv() {
            gate.take(&order);
        }
    }

    /// Waits for the next order. While a worker waits it holds locks, never an unread reply.
    async fn wait_order(&mut self, gate: &mut Gate) -> Result<(), ClientError> {
        match self.orders.recv().await {
            Some(order) => gate.take(&order),
            // The applier is gone: nothing may be committed any more.
            None => gate.is_cancelled = true,
        }
        Ok(())
    }

    /// Changes that are final when they are made: as many as possible together, then what is left in order; a failure is dealt
    /// with where it happens.
    async fn tables(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        let all = planned(work.groups.iter().map(Box::as_ref));
        self.login.known_keys = None;
        let isolates = |planned: &Planned<'_>| planned.group.was_begun || planned.change.isolates_rows();
        let isolates = all.iter().any(isolates);
        let left = self.take_together(work, &all, isolates).await?;
        let changes: Vec<Planned<'_>> = left.changes.iter().map(|index| all[*index]).collect();
        let mut failed_already = left.failure;
        let mut resume = Resume::default();
        let mut retries = 0;
        // The change whose tables have been looked at again.
        let mut looked_at = None;
        loop {
            let failure = match failed_already.take() {
                Some(failure) => Some(failure),
                None => {
                    self.login.isolate_rows(isolates, resume.at);
                    // Where nothing is left, the packets so far have saved it, or the last one does.
                    if !changes.is_empty() {
                        self.login
                            .follow(Trail::new(work, self.id, &changes, resume.change));
                    }
                    for (index, planned) in changes.iter().enumerate().skip(resume.change) {
                        self.login.add_change(planned.change, index).await?;
                    }
                    self.login.end_trail();
                    self.login.finish().await?
                }
            };
            let Some(failure) = failure else {
                return Ok(RunEnd::Committed);
            };
            let failed = match failure.step {
                Step::Change(index) => index,
                Step::Mark | Step::Commit => {
                    self.in_part = InPart::AsNamed;
                    return self.stop_unsaved(&failure.error).await;
                }
            };
            let Planned { group, change } = changes[failed];
            let is_resumable =
                failure.is_row || failure.made.is_none() && columns::precedes_rows(failure.error.code);
            if is_resumable && looked_at != Some(failed) {
                looked_at = Some(failed);
                if self.definitions_changed(work, change).await? {
                    let done = if failed == resume.change {
                        resume.at
                    } else {
                        RowPlace::default()
                    };
                    resume = Resume {
                        change: failed,
                        at: failure.at.max(done),
                    };
                    continue;
                }
            }
            match self.pass_over(work, group, change, &failure).await? {
                Passing::Retry if retries < STATEMENT_RETRIES_MAX => {
                    retries += 1;
                    status::add(&work.connection.counters.retried, 1);
                    resume = Resume {
                        change: failed,
                        at: failure.at,
                    };
                }
                Passing::Done => {
                    resume = resume_behind(failed, change, &failure);
                    retries = 0;
                }
                Passing::Stop(error) => {
                    let failure = Failure { error, ..failure };
                    return self.stop_tables(work, &changes[failed..], &failure).await;
                }
                Passing::Retry => return self.stop_tables(work, &changes[failed..], &failure).await,
            }
        }
    }

    /// Makes the changes that can be made together, and those between them.
    async fn take_together(
        &mut self,
        work: &RunWork,
        changes: &[Planned<'_>],
        isolates: bool,
    ) -> Result<Left, ClientError> {
        self.login.begin_steps();
        self.login.follow(Trail::new(work, self.id, changes, 0));
        let steps = self.prepared_steps(changes, true).await?;
        if !are_together(&steps) {
            return Ok(Left {
                changes: (0..changes.len()).collect(),
                failure: None,
            });
        }
        self.login.isolate_rows(isolates, RowPlace::default());
        if let Some(failure) = self.announce(work, &steps, changes).await? {
            return Ok(Left {
                changes: Vec::new(),
                failure: Some(failure),
            });
        }
        self.login.take_steps(&steps, changes).await
    }

    /// Says which groups are made by bulk executes, whose packets cannot save them.
    async fn announce(
        &mut self,
        work: &RunWork,
        steps: &[PlanStep],
        changes: &[Planned<'_>],
    ) -> Result<Option<Failure>, ClientError> {
        let groups: Vec<GroupSeq> = steps
            .iter()
            .filter_map(|step| match step {
                PlanStep::Bulk(rows) => Some(rows),
                PlanStep::One(_) | PlanStep::Rows(_) | PlanStep::Set(_) => None,
            })
            .flatten()
            .map(|index| changes[*index].group.seq)
            .collect();
        if groups.is_empty() {
            return Ok(None);
        }
        self.login
            .add_announcement(&work.connection.progress, self.id, &groups);
        self.login.finish().await
    }

    /// Saves what is whole and stops, at the first of the changes that are not made.
    async fn stop_tables(
        &mut self,
        work: &RunWork,
        left: &[Planned<'_>],
        failure: &Failure,
    ) -> Result<RunEnd, ClientError> {
        let is_whole = |seq: &GroupSeq| !left.iter().any(|planned| planned.group.seq == *seq);
        let seqs = work.groups.iter().map(|group| group.seq);
        let committed: Vec<GroupSeq> = seqs.filter(is_whole).collect();
        self.login
            .add_mark(&work.connection.progress, self.id, &committed);
        self.login.add_commit();
        if let Some(second) = self.login.finish().await? {
            self.in_part = InPart::AsNamed;
            return self.stop_unsaved(&second.error).await;
        }
        if failure.is_of_many {
            self.in_part = InPart::AsNamed;
        } else if let Some(Planned { group, change }) = left.first().copied() {
            let of_group = left
                .iter()
                .filter(|planned| planned.group.seq == group.seq)
                .count();
            self.leaves_part = of_group < group.changes.len() || leaves_part(group, change, failure);
            self.note_left(work, group);
        }
        let reason = left
            .first()
            .map(|planned| reaction::stop_reason(planned.group, Some(planned.change), &failure.error));
        Ok(RunEnd::Stopped { committed, reason })
    }

    /// The end of a run of which nothing more can be saved.
    async fn stop_unsaved(&mut self, error: &ServerError) -> Result<RunEnd, ClientError> {
        self.login.rollback().await?;
        Ok(RunEnd::Stopped {
            committed: Vec::new(),
            reason: Some(cannot_save(error)),
        })
    }
}

fn cannot_save(error: &ServerError) -> StopReason {
    let message = format!(
        "cannot save the position on the target: error {}: {}",
        error.code, error.message
    );
    StopReason::new(error.code, message)
}

/// The changes of these groups, in order.
fn planned<'a>(groups: impl IntoIterator<Item = &'a PreparedGroup>) -> Vec<Planned<'a>> {
    let changes = groups
        .into_iter()
        .flat_map(|group| group.changes.iter().map(move |change| Planned { group, change }));
    changes.collect()
}

/// Whether any changes are made together.
fn are_together(steps: &[PlanStep]) -> bool {
    steps.iter().any(|step| !matches!(step, PlanStep::One(_)))
}

/// Where a run of non-transactional tables goes on.
#[derive(Debug, Clone, Copy, Default)]
struct Resume {
    change: usize,
    /// What of that change is done or skipped.
    at: RowPlace,
}

/// Behind the row that failed, if its change has more, else behind the change.
fn resume_behind(failed: usize, change: &Change, failure: &Failure) -> Resume {
    match change {
        Change::Rows(rows) if failure.is_row && failure.at.row + 1 < rows.row_count => Resume {
            change: failed,
            at: failure.at.next(),
        },
        _ => Resume {
            change: failed + 1,
            at: RowPlace::default(),
        },
    }
}

fn interruption(gate: Gate) -> Option<Attempt> {
    if gate.is_cancelled {
        return Some(Attempt::Cancelled);
    }
    gate.must_give_way.then_some(Attempt::GaveWay)
}
