//! Many changes in few packets, without waiting for replies in between.
//!
//! Inside a multi-statement packet the server stops at the first error. Across packets it would go on with the next one,
//! so every packet sent before the replies to earlier ones are read begins with a guard that fails if anything before it
//! failed. What follows a failure is therefore never executed, and a burst may hold its own commit. A bulk execute, which
//! can carry no guard, is executed behind a failure all the same; the guards around it see to it that nothing becomes final.

use std::collections::VecDeque;
use std::io::Write as _;

use tributary_binlog::{Header, RowsEvent, RowsOp};
use tributary_client::{Client, Error as ClientError, Reply, ResultSet, ServerError, StatementResult};
use tributary_failpoint::{self as failpoint, Place};
use tributary_schedule::{GroupSeq, WorkerId};
use tributary_sql::StatementKind;

use super::Login;
use super::merge::MergedRows;
use super::plan::Planned;
use super::rows::{self, Lengths, RowBatch, RowPlace, STATEMENT_EVENTS_BYTES, Unit};
use super::trail::Trail;
use crate::change::{Change, RowsChange, StatementChange};
use crate::columns::Positional;
use crate::context::Context;
use crate::error::number;
use crate::progress::Progress;

mod packets;

/// A packet is closed when its text is this long, in bytes.
const PACKET_TEXT_BYTES: usize = 64 * 1024;

/// A packet is closed when it holds this many statements, so that replies to packets in flight stay small.
const PACKET_STATEMENTS_MAX: usize = 400;

/// Results and row events that are due before the first of their replies is read: memory for replies, and for what they are about.
/// It is so many because over a long line each wait for a reply costs a round trip.
const RESULTS_IN_FLIGHT_MAX: usize = 16 * 1024;

/// Room for guard, counter and keywords around the events of a `BINLOG` statement, in bytes.
const STATEMENT_ROOM: usize = 512;

/// A buffer that one large row or statement has made longer than this is given back.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// Appends a statement that fails with error 1242 if the last statement with conditions had an error, or if the guard `before` it
/// failed: a bulk execute in between may have had none. Means the same under every `sql_mode`.
fn append_guard(before: Option<u64>, number: u64, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "SET @tributary_guard=IF(@@error_count=0");
    if let Some(before) = before {
        let _ = write!(out, " AND @tributary_guard={before}");
    }
    let _ = writeln!(out, ",{number},(SELECT 1 UNION SELECT 2));");
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The change with this index.
    Change(usize),
    /// Saving the position.
    Mark,
    /// The commit.
    Commit,
}

/// The first thing that failed in a burst.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) error: ServerError,
    /// What of a rows change is on the target already, or skipped; the row that failed, where rows are isolated.
    pub(super) at: RowPlace,
    /// Whether exactly one row failed, so that the change can go on behind it.
    pub(super) is_row: bool,
    /// How many rows of an event of several changes the storage engine was told of.
    pub(super) made: Option<u64>,
    /// Whether changes of several groups were made together, and it is not known how many are.
    pub(super) is_of_many: bool,
}

/// Whose a result is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// The guard, or a setting for this change.
    For(Step),
    /// A statement for this change that changes so many rows.
    Changes(Step, u64),
    Change(usize),
    Rows,
    Mark,
    Commit,
}

/// A packet that has been sent: who gets its results, and the row events in it.
#[derive(Debug, Default)]
struct Sent {
    owners: Vec<Owner>,
    units: Vec<Unit>,
    /// What counts the rows of its event.
    counter: Option<&'static str>,
}

impl Sent {
    fn of(owners: impl Into<Vec<Owner>>) -> Self {
        Self {
            owners: owners.into(),
            ..Self::default()
        }
    }

    /// What it adds to [`RESULTS_IN_FLIGHT_MAX`].
    fn weight(&self) -> usize {
        self.owners.len() + self.units.len()
    }

    /// The first result that does not have as many rows as its owner says.
    fn miscounted(&self, results: &[StatementResult]) -> Option<(usize, ServerError)> {
        let mut results = self.owners.iter().zip(results).enumerate();
        results.find_map(|(place, result)| match result {
            (Owner::Changes(_, rows), StatementResult::Ok(info)) if info.affected_rows != *rows => {
                let message = format!(
                    "{rows} rows of a table without an index were found, and {} changed: somebody else writes to it",
                    info.affected_rows
                );
                let error = ServerError {
                    code: number::UNKNOWN,
                    sqlstate: *b"HY000",
                    message,
                };
                Some((place, error))
            }
            _ => None,
        })
    }
}

/// The first reply that was an error.
#[derive(Debug)]
struct Failed {
    step: Step,
    error: ServerError,
    units: Vec<Unit>,
    /// What counted the rows of the event, and where it stood before.
    counter: Option<(&'static str, u64)>,
}

/// What is being put together and what is under way.
#[derive(Debug, Default)]
pub(super) struct Burst {
    text: Vec<u8>,
    current: Sent,
    rows: RowBatch,
    in_flight: VecDeque<Sent>,
    /// The sum of their weights.
    weight_in_flight: usize,
    /// The number of the newest guard of this login.
    last_guard: u64,
    /// Whether that one is of this burst.
    has_guard: bool,
    /// A packet has been sent since the last time all replies had been read.
    needs_guard: bool,
    failure: Option<Failed>,
    /// A change that was not sent, because the target could not take it. Everything before it has been.
    refused: Option<(Step, ServerError)>,
    isolates_rows: bool,
    /// Where the next change begins; what is before is done.
    begin_at: RowPlace,
    /// What the packets save themselves, where changes are final when they are made.
    trail: Option<Trail>,
    /// What a packet begins with: the statement that fails when another engine has taken over.
    fence: Option<Vec<u8>>,
    /// Where that stands in the open packet: its place in the text and among the owners.
    fence_at: Option<(usize, usize)>,
}

impl Burst {
    /// Whether something has failed or was refused: nothing more may be executed until that is dealt with.
    fn has_failed(&self) -> bool {
        self.failure.is_some() || self.refused.is_some()
    }

    /// Every reply has been read: the next packet follows nothing that could fail.
    fn forget_guards(&mut self) {
        self.needs_guard = false;
        self.has_guard = false;
    }
}

impl Login {
    /// Whether rows of one statement are applied one by one and counted, and where the first change goes on.
    pub(super) fn isolate_rows(&mut self, isolates: bool, begin_at: RowPlace) {
        self.burst.isolates_rows = isolates;
        self.burst.begin_at = begin_at;
        self.burst.rows.is_counted = true;
    }

    /// What fails is undone with all the rest, so it need not be known which change it was.
    pub(super) fn all_or_nothing(&mut self) {
        self.isolate_rows(false, RowPlace::default());
        self.burst.rows.is_counted = false;
    }

    /// From here on each packet saves what is whole with it.
    pub(super) fn follow(&mut self, trail: Trail) {
        self.burst.trail = Some(trail);
    }

    /// Saves what no packet has saved, and leaves the rest to marks of their own again.
    pub(super) fn end_trail(&mut self) {
        self.close_rows();
        self.close_packet();
        if self.burst.refused.is_none() && self.burst.trail.as_ref().is_some_and(Trail::has_news) {
            self.begin_packet(Step::Mark);
            self.add_trail();
            self.close_packet();
        }
        self.lose_trail();
    }

    /// From here on the packets save nothing. After a failure: not all that was in them is made.
    pub(super) fn lose_trail(&mut self) -> Option<Trail> {
        self.burst.trail.take()
    }

    /// Adds what says that the worker will make these groups by packets that do not save them.
    pub(super) fn add_announcement(&mut self, progress: &Progress, worker: WorkerId, groups: &[GroupSeq]) {
        self.begin_packet(Step::Mark);
        progress.render_announcement(worker, groups, &mut self.burst.text);
        self.burst.text.extend_from_slice(b";\nCOMMIT");
        self.burst.current.owners.extend([Owner::Mark, Owner::Commit]);
        self.queue_packet();
    }

    /// Adds what says which groups are begun that may stay in part.
    pub(super) fn add_begun(&mut self, progress: &Progress, worker: WorkerId, groups: &[GroupSeq]) {
        self.begin_packet(Step::Mark);
        progress.render_begun(worker, groups, &mut self.burst.text);
        self.burst.text.extend_from_slice(b";\nCOMMIT");
        self.burst.current.owners.extend([Owner::Mark, Owner::Commit]);
        self.queue_packet();
    }

    /// These changes are in the open packet as a whole, or have been made by other means.
    pub(super) fn made(&mut self, changes: &[usize]) {
        if let Some(trail) = &mut self.burst.trail {
            changes.iter().for_each(|index| trail.made(*index));
        }
    }

    /// Adds a change to the burst; may send packets, and read replies when too many are in flight.
    pub(super) async fn add_change(&mut self, change: &Change, index: usize) -> Result<(), ClientError> {
        if self.burst.has_failed() {
            return Ok(());
        }
        match change {
            Change::Statement(statement) => {
                self.close_rows();
                self.add_statement(statement, index);
            }
            Change::Rows(rows) => {
                let moved = match rows.source.resolve(rows) {
                    Ok(moved) => moved,
                    Err(reason) => {
                        self.burst.refused = Some((Step::Change(index), wrong_definition(&reason)));
                        return Ok(());
                    }
                };
                return self.add_rows(moved.as_ref().unwrap_or(rows), index).await;
            }
            // Needs an answer to the server's request for the file: has a round trip of its own.
            Change::Load(_) => {}
        }
        self.send_full().await
    }

    async fn add_rows(&mut self, rows: &RowsChange, index: usize) -> Result<(), ClientError> {
        let begin_at = std::mem::take(&mut self.burst.begin_at);
        if let Some(trail) = &mut self.burst.trail {
            trail.enter(index);
        }
        // Rows were told apart already where one of them has failed.
        let isolates = self.burst.isolates_rows && (begin_at.row > 0 || rows::is_splittable(rows));
        let mut lengths = Lengths::from(begin_at);
        let mut next = Some(begin_at);
        while let Some(from) = next
            && !self.burst.has_failed()
        {
            next = rows::add(
                rows,
                index,
                isolates.then_some(&mut lengths),
                from,
                &mut self.format,
                &mut self.burst.rows,
            );
            if next.is_none() {
                self.made(&[index]);
            }
            // Behind a row that failed, statements are short: the next row may fail, too.
            let is_short = begin_at != RowPlace::default();
            let is_cut = next.is_some() && (is_short || !self.is_final());
            self.end_rows(is_cut).await?;
        }
        Ok(())
    }

    /// Adds rows of several changes, which were [prepared](RowsChange::spans) for the columns that the target had then.
    pub(super) async fn add_merged(
        &mut self,
        rows: &MergedRows,
        changes: &[Planned<'_>],
    ) -> Result<(), ClientError> {
        let Some(id) = rows.first_id() else {
            return Ok(());
        };
        let Some(first) = rows.first(changes) else {
            return Ok(());
        };
        if self.burst.has_failed() {
            return Ok(());
        }
        if !matches!(first.change.source.resolve(first.change), Ok(None)) {
            let error = wrong_definition("it has changed since the rows were brought together");
            self.burst.refused = Some((Step::Change(id.change), error));
            return Ok(());
        }
        let counter = self.burst.rows.is_counted.then(|| counter_of(first.event.op));
        if counter.is_some() {
            self.close_rows();
        }
        rows::add_merged(rows, id.change, changes, &mut self.format, &mut self.burst.rows);
        self.burst.rows.counter = counter;
        rows.changes().for_each(|change| self.made(&[change]));
        self.end_rows(counter.is_some()).await
    }

    /// Ends the `BINLOG` statement that is being put together when it is long enough and no group is torn by that, or has to be ended.
    async fn end_rows(&mut self, has_to: bool) -> Result<(), ClientError> {
        let length = self.burst.rows.events.len();
        let is_long = length >= STATEMENT_EVENTS_BYTES && !self.is_inside_group();
        let is_full = rows::encoded_len(length + STATEMENT_EVENTS_BYTES) > self.packet_bytes_max;
        if has_to || is_long || is_full {
            self.close_rows();
        }
        self.send_full().await
    }

    /// Adds statements of the engine's own to the open packet, with how many rows they change where that is known. The packet itself
    /// cannot look: when the engine is gone, the server has an error instead of a count.
    pub(super) fn add_own(&mut self, step: Step, statements: &[(String, Option<u64>)]) {
        self.begin_packet(step);
        for (text, rows) in statements {
            self.burst.text.extend_from_slice(text.as_bytes());
            self.burst.text.extend_from_slice(b";\n");
            let owner = rows.map_or(Owner::For(step), |rows| Owner::Changes(step, rows));
            self.burst.current.owners.push(owner);
        }
    }

    /// Adds an event of these images to the burst; `event` comes without rows. Where changes are final, they stay in the open packet.
    pub(super) async fn add_images(
        &mut self,
        change: &RowsChange,
        index: usize,
        event: (&Header, &RowsEvent),
        images: impl Iterator<Item = &[u8]>,
    ) -> Result<(), ClientError> {
        rows::add_images(
            change,
            index,
            event,
            images,
            &mut self.format,
            &mut self.burst.rows,
        );
        if self.is_final() {
            return Ok(());
        }
        self.close_rows();
        self.send_full().await
    }

    /// These changes are under way as a whole.
    pub(super) fn end_set(&mut self, set: &[usize]) {
        self.made(set);
        self.close_rows();
        self.close_packet();
    }

    /// Whether changes are final when they are made, and packets save them.
    pub(super) fn is_final(&self) -> bool {
        self.burst.trail.is_some()
    }

    fn is_inside_group(&self) -> bool {
        self.burst.trail.as_ref().is_some_and(Trail::is_inside_group)
    }

    fn add_statement(&mut self, statement: &StatementChange, index: usize) {
        let step = Step::Change(index);
        let text = match statement
            .positional
            .as_ref()
            .map(|positional| positional.resolve(&statement.text))
        {
            Some(Err(reason)) => {
                self.burst.refused = Some((step, wrong_definition(&reason)));
                return;
            }
            Some(Ok(Some(text))) => text,
            Some(Ok(None)) | None => statement.text.clone(),
        };
        let size = text.len();
        if size > self.packet_bytes_max {
            self.burst.refused = Some((step, too_large("the statement", size, self.packet_bytes_max)));
            return;
        }
        if size >= PACKET_TEXT_BYTES {
            self.end_packet();
        }
        self.begin_packet(step);
        let settings = self.session.switch(statement, &mut self.burst.text);
        self.burst
            .current
            .owners
            .extend(std::iter::repeat_n(Owner::For(step), settings));
        if self.burst.text.len() + size > self.packet_bytes_max {
            self.close_packet();
            self.begin_packet(step);
        }
        self.burst.text.extend_from_slice(&text);
        self.burst.current.owners.push(Owner::Change(index));
        self.made(&[index]);
        if matches!(
            statement.kind,
            StatementKind::CreateDatabase | StatementKind::AlterDatabase | StatementKind::DropDatabase
        ) {
            self.session.databases_changed();
        }
        if statement.is_joinable {
            self.burst.text.extend_from_slice(b";\n");
        } else {
            // Nothing may follow it; the next packet saves it.
            self.queue_packet();
        }
    }

    /// Brings the session to where statements are executed in bulk. `false` when nothing more is sent.
    pub(super) fn begin_bulk(
        &mut self,
        context: &Context,
        timestamp: Option<(u32, Option<u32>)>,
        index: usize,
    ) -> bool {
        if self.burst.has_failed() {
            return false;
        }
        self.close_rows();
        self.close_packet();
        let step = Step::Change(index);
        let mut settings = Vec::new();
        let count = self
            .session
            .switch_for_bulk(context, timestamp, false, &mut settings);
        // Behind a bulk execute that has failed, another one would make the failure forgotten.
        if count > 0 || self.burst.needs_guard || self.burst.fence.is_some() {
            self.begin_packet(step);
            self.burst.text.extend_from_slice(&settings);
            self.burst
                .current
                .owners
                .extend(std::iter::repeat_n(Owner::For(step), count));
            self.close_packet();
        }
        true
    }

    /// A bulk execute has been queued, whose first change is the one with this index.
    pub(super) fn bulk_queued(&mut self, index: usize) {
        self.sent(Sent::of([Owner::Change(index)]));
    }

    /// A packet has been queued.
    fn sent(&mut self, sent: Sent) {
        let burst = &mut self.burst;
        burst.weight_in_flight += sent.weight();
        burst.in_flight.push_back(sent);
        burst.needs_guard = true;
    }

    /// Adds the statement that saves the position of a worker as it will be with `groups`.
    ///
    /// Nothing is added behind a change that has failed or was refused.
    pub(super) fn add_mark(&mut self, progress: &Progress, worker: WorkerId, groups: &[GroupSeq]) {
        self.close_rows();
        if self.burst.has_failed() {
            return;
        }
        failpoint::reach(Place::BeforeMark);
        self.begin_packet(Step::Mark);
        progress.render_mark(worker, groups, &mut self.burst.text);
        self.burst.text.extend_from_slice(b";\n");
        self.burst.current.owners.push(Owner::Mark);
        failpoint::reach(Place::AfterMark);
    }

    /// Adds the commit.
    pub(super) fn add_commit(&mut self) {
        if self.burst.has_failed() {
            return;
        }
        failpoint::reach(Place::BeforeCommit);
        self.begin_packet(Step::Commit);
        self.burst.text.extend_from_slice(b"COMMIT");
        self.burst.current.owners.push(Owner::Commit);
        self.close_packet();
    }

    /// Sends the rest and reads every reply. `false` when something has failed.
    pub(super) async fn settle(&mut self) -> Result<bool, ClientError> {
        self.close_rows();
        self.close_packet();
        send(&mut self.client).await?;
        while !self.burst.in_flight.is_empty() {
            self.read_one().await?;
        }
        let is_done = !self.burst.has_failed();
        if is_done {
            failpoint::reach(Place::AfterCommit);
            self.burst.forget_guards();
        }
        Ok(is_done)
    }

    /// Nothing more is sent: this has failed.
    pub(super) fn refuse(&mut self, step: Step, error: ServerError) {
        self.burst.refused = Some((step, error));
    }

    /// Sends the rest and reads every reply. Returns the first failure, after which nothing was executed.
    pub(super) async fn finish(&mut self) -> Result<Option<Failure>, ClientError> {
        self.settle().await?;
        self.burst.forget_guards();
        self.burst.begin_at = RowPlace::default();
        let refused = self.burst.refused.take().map(|(step, error)| Failed {
            step,
            error,
            units: Vec::new(),
            counter: None,
        });
        let Some(failed) = self.burst.failure.take().or(refused) else {
            return Ok(None);
        };
        self.lose_trail();
        self.has_old_errors = true;
        // Settings behind the failure were never made.
        self.session.forget();
        self.format = None;
        Ok(Some(self.failure(failed).await?))
    }

    /// Finds out which change of a `BINLOG` statement failed.
    async fn failure(&mut self, failed: Failed) -> Result<Failure, ClientError> {
        let Failed {
            step,
            error,
            units,
            counter,
        } = failed;
        let mut made = None;
        if let Some((name, before)) = counter {
            let after = self.client.query(&show_counter(name)).await?;
            made = counted(&after).and_then(|after| after.checked_sub(before));
        }
        if units.is_empty() {
            self.clear_errors().await?;
            return Ok(Failure {
                step,
                error,
                at: RowPlace::default(),
                is_row: false,
                made,
                is_of_many: false,
            });
        }
        let done = self.client.query(b"SELECT @tributary_row").await?;
        let done = done
            .first_text()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0_usize);
        self.clear_errors().await?;
        let unit = units.get(done).or(units.last()).copied().unwrap_or_default();
        Ok(Failure {
            step: Step::Change(unit.change),
            error,
            at: unit.at,
            is_row: unit.is_row,
            made,
            is_of_many: false,
        })
    }
}

/// What counts the rows that a storage engine is told of in this session.
fn counter_of(op: RowsOp) -> &'static str {
    match op {
        RowsOp::Write => "Handler_write",
        RowsOp::Update => "Handler_update",
        RowsOp::Delete => "Handler_delete",
    }
}

/// Tells where a counter stands. The statement itself is not counted.
fn show_counter(name: &str) -> Vec<u8> {
    format!("SHOW SESSION STATUS LIKE '{name}'").into_bytes()
}

fn counted(shown: &ResultSet) -> Option<u64> {
    shown.rows.first()?.text(1)?.parse().ok()
}

/// What the server would say, had it been asked: `ER_NET_PACKET_TOO_LARGE`.
fn too_large(what: &str, size: usize, limit: usize) -> ServerError {
    ServerError {
        code: 1153,
        sqlstate: *b"08S01",
        message: format!(
            "{what} needs a packet of {size} bytes, max_allowed_packet on the target is {limit}"
        ),
    }
}

/// What keeps a `LOAD DATA` from a table whose columns differ.
pub(super) fn refusal(positional: &Positional, text: &[u8]) -> Option<ServerError> {
    positional
        .resolve(text)
        .err()
        .map(|reason| wrong_definition(&reason))
}

/// What the server would say, could it know: `ER_BINLOG_ROW_WRONG_TABLE_DEF`.
fn wrong_definition(reason: &str) -> ServerError {
    ServerError {
        code: number::WRONG_TABLE_DEFINITION,
        sqlstate: *b"HY000",
        message: format!("the table's definition on source and target does not match: {reason}"),
    }
}

/// Runs one statement by itself and says how it went.
pub(super) async fn single(
    client: &mut Client,
    text: &[u8],
) -> Result<Result<Vec<StatementResult>, ServerError>, ClientError> {
    client.queue_query(&[text]);
    send(client).await?;
    let Reply { results, error } = client.read_reply().await?;
    Ok(error.map_or(Ok(results), Err))
}

/// Sends what is queued.
pub(super) async fn send(client: &mut Client) -> Result<(), ClientError> {
    failpoint::reach(Place::BeforeSend);
    client.flush().await?;
    failpoint::reach(Place::AfterSend);
    Ok(())
}
