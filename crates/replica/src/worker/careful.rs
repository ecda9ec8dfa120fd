//! Group by group, statement by statement: slower, and every error is tied to exactly one statement or row.

use std::time::Duration;

use tributary_client::{Error as ClientError, ServerError};
use tributary_rules::SkipErrors;
use tributary_schedule::{GroupSeq, RunKind};
use tributary_sql::StatementKind;

use super::burst::{self, Failure};
use super::columns::{count_definition, precedes_rows};
use super::doubt::{self, InPart, is_ddl, writes_for_good};
use super::engines;
use super::ledger::Record;
use super::passing::Passing;
use super::pieces::PiecesEnd;
use super::plan::Planned;
use super::reaction::{self, Expected, Reaction};
use super::rows::RowPlace;
use super::trail::Trail;
use super::{RunEnd, RunWork, STATEMENT_RETRIES_MAX, Worker, planned};
use crate::change::{Change, PreparedGroup, StatementChange};
use crate::columns::{Effect, Watch};
use crate::error::{StopReason, excerpt_of, how_to_leave_out, number};
use crate::pieces::Pieces;
use crate::records::RecordKind;
use crate::{status, temporary};

/// Pause before a group is applied again; grows with each attempt up to ten times this.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// So many groups that cannot be applied together are applied one by one.
const PART_GROUPS_MIN: usize = 8;

/// How a change ended.
pub(super) enum Outcome {
    Done,
    /// It failed, may be left out, and is in the ledger.
    Skipped,
    /// The group must be applied again from its start.
    Retry(ServerError),
    Stop(StopReason),
}

/// The groups of a run in the source's order.
fn in_order(work: &RunWork) -> Vec<&PreparedGroup> {
    let mut groups: Vec<&PreparedGroup> = work.groups.iter().map(Box::as_ref).collect();
    groups.sort_unstable_by_key(|group| group.seq);
    groups
}

impl Worker {
    /// Applies the groups of a transactional run that has failed, in the source's order and in parts, each with one commit. A part
    /// that fails is halved, so that few groups of a large run are applied by themselves.
    pub(super) async fn in_parts(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        let groups = in_order(work);
        let mut committed: Vec<GroupSeq> = Vec::new();
        // Where the parts that are not committed end, the next one last.
        let mut ends = vec![groups.len(), groups.len() / 2];
        while let Some(end) = ends.pop() {
            let part = &groups[committed.len()..end];
            if part.len() <= PART_GROUPS_MIN {
                if let Some(end) = self.group_by_group(work, part, &mut committed).await? {
                    return Ok(end);
                }
            } else if self.part(work, part).await? {
                let seqs: Vec<GroupSeq> = part.iter().map(|group| group.seq).collect();
                // The next part's mark names these, too.
                work.connection.progress.committed(self.id, &seqs);
                committed.extend(seqs);
            } else {
                ends.extend([end, committed.len() + part.len() / 2]);
            }
        }
        Ok(RunEnd::Committed)
    }

    /// Applies groups under one commit, all or nothing.
    async fn part(&mut self, work: &RunWork, part: &[&PreparedGroup]) -> Result<bool, ClientError> {
        let changes = planned(part.iter().copied());
        self.login.all_or_nothing();
        self.login.begin_steps();
        let steps = self.prepared_steps(&changes, false).await?;
        self.login.add_steps(&steps, &changes).await?;
        let seqs: Vec<GroupSeq> = part.iter().map(|group| group.seq).collect();
        self.login.add_mark(&work.connection.progress, self.id, &seqs);
        self.login.add_commit();
        let is_committed = self.login.finish().await?.is_none();
        if !is_committed {
            self.login.rollback().await?;
        }
        Ok(is_committed)
    }

    /// Applies the groups of a run in the source's order, each with a commit of its own.
    pub(super) async fn one_by_one(&mut self, work: &RunWork) -> Result<RunEnd, ClientError> {
        let end = self
            .group_by_group(work, &in_order(work), &mut Vec::new())
            .await?;
        Ok(end.unwrap_or(RunEnd::Committed))
    }

    /// Applies groups, each with a commit of its own, and adds them to `committed`; how the run has ended, if before the last.
    async fn group_by_group(
        &mut self,
        work: &RunWork,
        groups: &[&PreparedGroup],
        committed: &mut Vec<GroupSeq>,
    ) -> Result<Option<RunEnd>, ClientError> {
        for group in groups {
            let end = match group.pieces.as_ref().and_then(Pieces::take) {
                Some(pieces) => self.in_pieces(work, group, pieces).await?,
                None => match self.group(work, group).await? {
                    None => PiecesEnd::Done,
                    reason => PiecesEnd::Stop(reason),
                },
            };
            if !matches!(end, PiecesEnd::Done) {
                self.login.rollback().await?;
            }
            match end {
                PiecesEnd::Done => {}
                PiecesEnd::Stop(reason) => {
                    let committed = std::mem::take(committed);
                    return Ok(Some(RunEnd::Stopped { committed, reason }));
                }
                PiecesEnd::Again(reason) => return Ok(Some(RunEnd::BeginAgain(reason))),
            }
            // The next group's mark names this one, too.
            work.connection.progress.committed(self.id, &[group.seq]);
            committed.push(group.seq);
        }
        Ok(None)
    }

    /// Applies one group, again and again while other sessions are in the way.
    async fn group(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
    ) -> Result<Option<StopReason>, ClientError> {
        let mut attempt = 0;
        self.leaves_part = false;
        loop {
            let error = match self.try_group(work, group).await? {
                Outcome::Done | Outcome::Skipped => return Ok(None),
                Outcome::Stop(reason) => {
                    self.note_left(work, group);
                    return Ok(Some(reason));
                }
                Outcome::Retry(error) => error,
            };
            self.login.rollback().await?;
            if attempt == work.connection.retries {
                self.note_left(work, group);
                let reason = reaction::stop_reason(group, None, &error);
                return Ok(Some(StopReason::new(
                    reason.number,
                    format!("{} after {attempt} retries", reason.message),
                )));
            }
            attempt += 1;
            status::add(&work.connection.counters.retried, 1);
            tokio::time::sleep(RETRY_PAUSE * attempt.min(10)).await;
        }
    }

    async fn try_group(&mut self, work: &RunWork, group: &PreparedGroup) -> Result<Outcome, ClientError> {
        if let Some(xa) = &group.xa {
            return self.xa(work, group, xa).await;
        }
        if self.is_in_doubt(work, group) {
            self.in_part = InPart::AsNamed;
            return Ok(Outcome::Stop(self.in_doubt(work, group)));
        }
        let undone = match self.what_rollback_undoes(work, group) {
            Ok(undone) => undone,
            Err(reason) => return Ok(Outcome::Stop(reason)),
        };
        if let Some(outcome) = self.name_by_itself(work, group).await? {
            return Ok(outcome);
        }
        let saves_itself = saves_itself(group);
        // Within a run of tables it is there already.
        let mut has_fence = work.run.kind == RunKind::Alone
            && (is_ddl(group) || saves_itself && writes_for_good(work, group));
        if has_fence && sets_for_itself(group) {
            // The fence would open a transaction, in which not every setting can be made. A name asks the same, and commits.
            if let Some(error) = self.name(work, &[group.seq]).await? {
                return Ok(doubt::name_refused(error));
            }
            has_fence = false;
        }
        if has_fence {
            self.has_named = true;
            self.login.fence(Some((&work.connection.progress, self.id)));
        }
        if saves_itself {
            let planned = group.changes.iter().map(|change| Planned { group, change });
            let planned: Vec<Planned<'_>> = planned.collect();
            self.login.follow(Trail::of_group(work, self.id, &planned));
        }
        let outcome = self.changes(work, group).await;
        if has_fence {
            self.login.fence(None);
        }
        let outcome = outcome?;
        let is_saved = saves_itself && self.login.lose_trail().is_some_and(|trail| !trail.has_news());
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
        if is_saved {
            return Ok(Outcome::Done);
        }
        if undone {
            self.login.rollback().await?;
        }
        self.mark(work, group).await
    }

    /// Saves the position behind the group, with what else must be remembered of it.
    pub(super) async fn mark(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
    ) -> Result<Outcome, ClientError> {
        if !group.temporary.is_empty() {
            let notes = temporary::render_notes(&self.login.schema, &work.connection.name, &group.temporary);
            if let Err(error) = burst::single(&mut self.login.client, &notes).await? {
                self.login.has_old_errors = true;
                return Ok(Outcome::Stop(reaction::stop_reason(group, None, &error)));
            }
        }
        self.login
            .add_mark(&work.connection.progress, self.id, &[group.seq]);
        self.commit(group).await
    }

    /// Makes the changes of a group, without their commit; `None` when all are made.
    pub(super) async fn changes(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
    ) -> Result<Option<Outcome>, ClientError> {
        self.login.known_keys = None;
        for (index, change) in group.changes.iter().enumerate() {
            match self.change(work, group, change).await? {
                Outcome::Done | Outcome::Skipped => {
                    self.leaves_part = true;
                    if let Err(error) = self.note_divergence(work, group, change).await? {
                        return Ok(Some(Outcome::Stop(reaction::stop_reason(group, None, &error))));
                    }
                }
                // What went before cannot be undone, so the group cannot be begun again.
                Outcome::Retry(error) if index > 0 && !group.can_roll_back() => {
                    return Ok(Some(Outcome::Stop(reaction::stop_reason(
                        group,
                        Some(change),
                        &error,
                    ))));
                }
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }

    /// Commits what saves the position of the group.
    async fn commit(&mut self, group: &PreparedGroup) -> Result<Outcome, ClientError> {
        self.login.add_commit();
        Ok(match self.login.finish().await? {
            None => Outcome::Done,
            Some(failure)
                if reaction::to(&failure.error, &SkipErrors::None) == Reaction::Retry
                    && group.can_roll_back() =>
            {
                Outcome::Retry(failure.error)
            }
            Some(failure) => Outcome::Stop(reaction::stop_reason(group, None, &failure.error)),
        })
    }

    /// Writes down that the change has left a table at variance with the source.
    async fn note_divergence(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
    ) -> Result<Result<(), ServerError>, ClientError> {
        let statement: &StatementChange = match change {
            Change::Statement(statement) => statement,
            Change::Load(load) => &load.statement,
            Change::Rows(_) => return Ok(Ok(())),
        };
        let Some(message) = &statement.divergence else {
            return Ok(Ok(()));
        };
        let record = Record {
            kind: RecordKind::Diverging,
            change,
            table: change.table().unwrap_or_default(),
            error: 0,
            message: message.clone(),
            row: None,
        };
        self.login
            .write_record(&work.connection.name, group, &record)
            .await
    }

    async fn change(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
    ) -> Result<Outcome, ClientError> {
        match change {
            Change::Statement(statement) => {
                if group.is_executed && !statement.effects.is_empty() {
                    return self.was_executed(work, group, statement).await;
                }
                let watch = Watch::begin(&work.connection.columns, &statement.effects);
                let says_so =
                    watch.as_ref().is_some_and(Watch::is_aligned) && says_executed(group, statement);
                if says_so {
                    let planned = Planned { group, change };
                    self.login.follow(Trail::of_execution(work, self.id, planned));
                }
                let outcome = self.statement(work, group, change, statement).await?;
                if says_so {
                    self.login.lose_trail();
                }
                match watch {
                    Some(watch) => self.note_columns(work, group, statement, watch, outcome).await,
                    None => Ok(outcome),
                }
            }
            Change::Load(load) => self.load(work, group, change, load).await,
            Change::Rows(_) => self.rows(work, group, change).await,
        }
    }

    pub(super) fn how_to_leave_out(&self, work: &RunWork, group: &PreparedGroup) -> String {
        how_to_leave_out(&self.login.schema, &work.connection.name, group.label.gtid)
    }

    async fn statement(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        statement: &StatementChange,
    ) -> Result<Outcome, ClientError> {
        let skip = &statement.tolerance.skip;
        let expected = reaction::expected(statement.expected_error, skip);
        if let Expected::Killed(code) = expected {
            let message = format!(
                "the statement was killed on the source (error {code}) after it had changed something; it cannot be repeated \
                 exactly: {} ({}). Bring the rows it changed to what they are on the source{}",
                excerpt_of(statement.kind, &statement.text),
                group.label,
                self.how_to_leave_out(work, group)
            );
            return Ok(Outcome::Stop(StopReason::new(code, message)));
        }
        let lost = self.partial_effect_lost(work, group, statement);
        if let Some(reason) = &lost
            && !skip.contains(statement.expected_error)
        {
            return Ok(Outcome::Stop(reason.clone()));
        }
        count_definition(work, statement.kind);
        if expected == Expected::AnythingUndone {
            return match self.undone(group, change).await? {
                Outcome::Done if lost.is_some() => {
                    self.skip_partial_effect(work, group, change, statement).await
                }
                outcome => Ok(outcome),
            };
        }
        self.login.add_change(change, 0).await?;
        let mut failure = self.login.finish().await?;
        if let Some(failure) = &failure
            && let Some(outcome) = self.note_failure(group, change, failure)
        {
            return Ok(outcome);
        }
        if let Some(failure) = failure
            .as_mut()
            .filter(|_| statement.kind == StatementKind::Account)
        {
            reaction::leave_out_text(&mut failure.error);
        }
        match (expected, failure) {
            (Expected::Success, None) => Ok(Outcome::Done),
            (Expected::Error(code), Some(failure)) if reaction::is_equivalent(code, failure.error.code) => {
                Ok(Outcome::Done)
            }
            (_, Some(failure)) if reaction::is_transient(&failure.error) => {
                self.statement_failed(work, group, change, statement, failure)
                    .await
            }
            (Expected::Error(code), None) => Ok(Outcome::Stop(differs(group, statement, code, None))),
            (Expected::Error(code), Some(failure)) if !skip.contains(failure.error.code) => Ok(
                Outcome::Stop(differs(group, statement, code, Some(&failure.error))),
            ),
            (Expected::Killed(_) | Expected::AnythingUndone, None) => Ok(Outcome::Done),
            (_, Some(failure)) => {
                self.statement_failed(work, group, change, statement, failure)
                    .await
            }
        }
    }

    /// Runs a statement for what it does to tables that cannot be rolled back; the rest of it is undone, and only of it.
    async fn undone(&mut self, group: &PreparedGroup, change: &Change) -> Result<Outcome, ClientError> {
        self.login.own_statement(b"SAVEPOINT tributary_statement").await?;
        self.login.add_change(change, 0).await?;
        // A deadlock undoes the whole transaction, not only this statement.
        if let Some(Failure { error, .. }) = self.login.finish().await?
            && reaction::is_transient(&error)
        {
            return Ok(match group.can_roll_back() {
                true => Outcome::Retry(error),
                false => Outcome::Stop(reaction::stop_reason(group, Some(change), &error)),
            });
        }
        // A statement that commits by itself has taken the savepoint with it.
        self.login
            .own_statement(b"ROLLBACK TO SAVEPOINT tributary_statement")
            .await?;
        Ok(Outcome::Done)
    }

    async fn statement_failed(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        statement: &StatementChange,
        failure: Failure,
    ) -> Result<Outcome, ClientError> {
        if reaction::is_already_so(statement.kind, failure.error.code) {
            return Ok(Outcome::Done);
        }
        if group.was_begun && reaction::is_made(statement.kind, failure.error.code) {
            tracing::warn!(
                connection = %work.connection.name,
                group = %group.label,
                error = %failure.error,
                "taken for executed: it was sent before the target was lost, and is so now"
            );
            return Ok(Outcome::Done);
        }
        if failure.error.code == 1050
            && let Some(text) = reaction::or_replace(statement, &statement.text)
        {
            count_definition(work, statement.kind);
            let kept = statement.kept_engine.as_ref();
            let kept = kept.and_then(|kept| reaction::or_replace(statement, kept));
            return Ok(match (self.try_text(&text).await?, kept) {
                (Ok(()), _) => Outcome::Done,
                (Err(error), Some(kept)) if engines::is_refusal(error.code) => {
                    self.keep_engine(work, group, change, (&text, &kept), &error)
                        .await?
                }
                (Err(error), _) if reaction::is_transient(&error) => Outcome::Retry(error),
                (Err(error), _) => Outcome::Stop(reaction::stop_reason(group, Some(change), &error)),
            });
        }
        if let Some(kept) = &statement.kept_engine
            && engines::is_refusal(failure.error.code)
        {
            let texts = (&statement.text, kept);
            return self.keep_engine(work, group, change, texts, &failure.error).await;
        }
        let code = failure.error.code;
        let mut outcome = self.failed(work, group, change, failure).await?;
        if let Outcome::Stop(reason) = &mut outcome
            && work.connection.maps_engines
            && statement.kind.is_ddl()
            && engines::is_refusal(code)
        {
            reason.message.push_str(engines::HINT);
        }
        Ok(outcome)
    }

    /// The general answer to a failed change.
    pub(super) async fn failed(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
        failure: Failure,
    ) -> Result<Outcome, ClientError> {
        let event = failure.at.event;
        Ok(match self.pass_over(work, group, change, &failure).await? {
            Passing::Retry => Outcome::Retry(failure.error),
            Passing::Done => Outcome::Skipped,
            Passing::Stop(error) => {
                Outcome::Stop(reaction::stop_reason_at(group, Some(change), &error, event))
            }
        })
    }

    /// Rows of one statement; a row that fails and may be skipped does not take the others with it.
    async fn rows(
        &mut self,
        work: &RunWork,
        group: &PreparedGroup,
        change: &Change,
    ) -> Result<Outcome, ClientError> {
        let isolates = group.was_begun || change.isolates_rows();
        let mut begin_at = RowPlace::default();
        let mut retries = 0;
        let mut has_looked = false;
        loop {
            self.login.isolate_rows(isolates, begin_at);
            self.login.add_change(change, 0).await?;
            let failure = self.login.finish().await?;
            self.login.isolate_rows(false, RowPlace::default());
            let Some(failure) = failure else {
                return Ok(Outcome::Done);
            };
            if let Some(outcome) = self.note_failure(group, change, &failure) {
                return Ok(outcome);
            }
            let is_retry = reaction::to(&failure.error, &SkipErrors::None) == Reaction::Retry;
            if is_retry && failure.at != RowPlace::default() && !group.can_roll_back() {
                // The rows before this place are final: only the rest can be tried again.
                if retries == STATEMENT_RETRIES_MAX {
                    return Ok(Outcome::Stop(reaction::stop_reason_at(
                        group,
                        Some(change),
                        &failure.error,
                        failure.at.event,
                    )));
                }
                (begin_at, retries) = (failure.at, retries + 1);
                continue;
            }
            if !has_looked && !is_retry {
                has_looked = true;
                if self.definitions_changed(work, change).await? {
                    if group.can_roll_back() {
                        return Ok(Outcome::Retry(failure.error));
                    }
                    if failure.is_row || precedes_rows(failure.error.code) {
                        begin_at = begin_at.max(failure.at);
                        continue;
                    }
                }
            }
            let next = super::resume_behind(0, change, &failure);
            match self.failed(work, group, change, failure).await? {
                Outcome::Skipped if next.change == 0 => begin_at = next.at,
                outcome => return Ok(outcome),
            }
        }
    }
}

/// Whether a statement of the group makes settings of its own (`SET STATEMENT ... FOR`), such as `binlog_format`.
fn sets_for_itself(group: &PreparedGroup) -> bool {
    const WORDS: [&[u8]; 2] = [b"SET", b"STATEMENT"];
    let begins_so = |text: &[u8]| {
        let words = text
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let mut found = words.zip(WORDS).map(|(word, own)| word.eq_ignore_ascii_case(own));
        found.next() == Some(true) && found.next() == Some(true)
    };
    let mut changes = group.changes.iter();
    changes.any(|change| matches!(change, Change::Statement(statement) if begins_so(&statement.text)))
}

/// Whether the packet of the group's one change can save the group: it cannot be undone, and there is nothing else to remember.
pub(super) fn saves_itself(group: &PreparedGroup) -> bool {
    let [change] = group.changes.as_slice() else {
        return false;
    };
    let is_plain = match change {
        Change::Statement(statement) => {
            statement.expected_error == 0 && statement.effects.is_empty() && statement.divergence.is_none()
        }
        Change::Rows(_) => true,
        Change::Load(_) => false,
    };
    is_plain && group.temporary.is_empty() && !group.rolls_back && !group.can_roll_back()
}

/// Whether the packet of the group's one change can say that it is executed, so that it is not repeated should the engine die before
/// the columns of the tables it defines are noted.
fn says_executed(group: &PreparedGroup, statement: &StatementChange) -> bool {
    group.changes.len() == 1
        && statement.expected_error == 0
        && statement.divergence.is_none()
        && statement.effects.iter().all(Effect::keeps_alignment)
        && !group.can_roll_back()
}

pub(super) fn differs(
    group: &PreparedGroup,
    statement: &StatementChange,
    expected: u16,
    actual: Option<&ServerError>,
) -> StopReason {
    let ended = actual.map_or("no error".to_owned(), ToString::to_string);
    let message = format!(
        "Query caused different errors on master and slave: it ended with error {expected} on the source and with {ended} on the target. {} ({})",
        reaction::query_of(statement),
        group.label
    );
    // The source's message is not in its binlog.
    let native = format!(
        "Query caused different errors on master and slave.     Error on master: error code={expected} ; Error on slave: \
         actual message='{}', error code={}. {}",
        actual.map_or("no error", |error| &error.message),
        actual.map_or(0, |error| error.code),
        reaction::native_query_of(statement),
    );
    StopReason::new(number::UNKNOWN, message).natively(0, native)
}
