//! A group in pieces: applied as they arrive, in one transaction.
//!
//! Nothing of it is kept, so it cannot be tried again from memory. After a deadlock it is rolled back, and the session with
//! the target begins anew from the saved positions; the source then sends the group once more.

use tokio::sync::mpsc;
use tributary_client::Error as ClientError;

use super::careful::Outcome;
use super::doubt::{InPart, makes_table, writes_for_good};
use super::{RunWork, Tally, Worker, reaction};
use crate::change::{Change, PreparedGroup};
use crate::error::{StopReason, number};
use crate::pieces::Piece;
use crate::status;
use crate::temporary::TemporaryNote;

/// How a group in pieces ended.
pub(super) enum PiecesEnd {
    Done,
    /// The connection stops; without a reason because it was told to.
    Stop(Option<StopReason>),
    /// It must be received once more.
    Again(StopReason),
}

/// What has been applied of it.
#[derive(Debug, Default)]
struct Applied {
    tally: Tally,
    /// Temporary tables opened and closed, to be noted with the position.
    temporary: Vec<TemporaryNote>,
    /// Changes that stay whatever happens.
    has_final: bool,
}

impl Worker {
    /// Applies the pieces of `head` until the last, and commits.
    pub(super) async fn in_pieces(
        &mut self,
        work: &RunWork,
        head: &PreparedGroup,
        pieces: mpsc::Receiver<Piece>,
    ) -> Result<PiecesEnd, ClientError> {
        let end = self.take_pieces(work, head, pieces).await?;
        if self.in_part == InPart::AsNamed && !self.leaves_part {
            // It was about to make what cannot be rolled back, and has not.
            self.in_part = InPart::Nothing;
            self.has_named = true;
        }
        Ok(end)
    }

    async fn take_pieces(
        &mut self,
        work: &RunWork,
        head: &PreparedGroup,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<PiecesEnd, ClientError> {
        let mut applied = Applied::default();
        loop {
            // The target may vanish meanwhile; the applier, which asks it all the time, then ends this task.
            let mut piece = match pieces.recv().await {
                Some(Piece::Changes(piece)) => piece,
                Some(Piece::Refused(reason)) => return Ok(stop(&applied, reason)),
                Some(Piece::Void(why)) => {
                    let message = format!("{} cannot go on: {why}", head.label);
                    let reason = StopReason::new(number::RELAY_READ_FAILURE, message);
                    return Ok(again(work, head, &applied, reason));
                }
                // The source took it for one that can be rolled back, by what was known when it was prepared.
                Some(Piece::Away) if applied.has_final => {
                    return Ok(PiecesEnd::Stop(cut_off(head, &applied)));
                }
                Some(Piece::Away) => {
                    let message = format!(
                        "{} is rolled back until its source, which is away, sends the rest",
                        head.label
                    );
                    return Ok(PiecesEnd::Again(StopReason::new(number::SERVER_LOST, message)));
                }
                None => return Ok(PiecesEnd::Stop(cut_off(head, &applied))),
            };
            piece.look_again(work.connection.columns.catalog());
            if let Some(reason) = self.rollback_in_pieces(work, &piece) {
                return Ok(stop(&applied, reason));
            }
            if !applied.has_final
                && !piece.can_roll_back()
                && let Some(reason) = self.name_pieces(work, head, &piece).await?
            {
                return Ok(stop(&applied, reason));
            }
            let outcome = match self.piece_at_once(&piece).await? {
                Some(Outcome::Done) => None,
                Some(outcome) => Some(outcome),
                None => self.changes(work, &piece).await?,
            };
            if let Some(outcome) = outcome {
                return Ok(match outcome {
                    Outcome::Done | Outcome::Skipped => PiecesEnd::Done,
                    Outcome::Stop(reason) => stop(&applied, reason),
                    Outcome::Retry(error) => {
                        let reason = reaction::stop_reason(&piece, None, &error);
                        again(work, head, &applied, reason)
                    }
                });
            }
            applied.has_final |= !piece.can_roll_back();
            applied.tally.add(&piece);
            applied.temporary.append(&mut piece.temporary);
            if !piece.is_open {
                piece.temporary = std::mem::take(&mut applied.temporary);
                return self.end_pieces(work, head, &piece, applied).await;
            }
        }
    }

    /// Names the group, which is about to make what cannot be rolled back; why that cannot be, or must not.
    async fn name_pieces(
        &mut self,
        work: &RunWork,
        head: &PreparedGroup,
        piece: &PreparedGroup,
    ) -> Result<Option<StopReason>, ClientError> {
        if makes_table(piece) || !writes_for_good(work, piece) {
            return Ok(None);
        }
        // It stays named, unless nothing or all of it is made.
        self.in_part = InPart::AsNamed;
        self.leaves_part = head.was_begun;
        if head.was_begun {
            return Ok(Some(self.in_doubt(work, piece)));
        }
        let refused = self.name_apart(work, head.seq).await?;
        Ok(refused.map(|error| reaction::stop_reason(piece, None, &error)))
    }

    /// Makes the rows of a piece without knowing which one fails, and undoes them if any does. `None` when nothing is done: each
    /// change must be made by itself.
    async fn piece_at_once(&mut self, piece: &PreparedGroup) -> Result<Option<Outcome>, ClientError> {
        let is_rows = |change: &Change| matches!(change, Change::Rows(_));
        if !piece.can_roll_back()
            || !piece.changes.iter().all(is_rows)
            || !self.login.own_statement(b"SAVEPOINT tributary_piece").await?
        {
            return Ok(None);
        }
        self.login.all_or_nothing();
        for (index, change) in piece.changes.iter().enumerate() {
            self.login.add_change(change, index).await?;
        }
        let Some(failure) = self.login.finish().await? else {
            return Ok(Some(Outcome::Done));
        };
        // A deadlock undoes the whole transaction, the savepoint included.
        if reaction::is_transient(&failure.error) {
            return Ok(Some(Outcome::Retry(failure.error)));
        }
        let undo = b"ROLLBACK TO SAVEPOINT tributary_piece";
        Ok(match self.login.own_statement(undo).await? {
            true => None,
            false => Some(Outcome::Retry(failure.error)),
        })
    }

    async fn end_pieces(
        &mut self,
        work: &RunWork,
        head: &PreparedGroup,
        last: &PreparedGroup,
        applied: Applied,
    ) -> Result<PiecesEnd, ClientError> {
        if last.rolls_back {
            self.login.rollback().await?;
        }
        work.connection.progress.ended(head.seq, &last.label);
        Ok(match self.mark(work, last).await? {
            Outcome::Done | Outcome::Skipped => {
                self.in_part = InPart::Nothing;
                self.tally = applied.tally;
                PiecesEnd::Done
            }
            Outcome::Stop(reason) => stop(&applied, reason),
            Outcome::Retry(error) => {
                let reason = reaction::stop_reason(last, None, &error);
                again(work, head, &applied, reason)
            }
        })
    }
}

/// Another attempt from the saved positions, unless something cannot be undone or there were enough.
fn again(work: &RunWork, head: &PreparedGroup, applied: &Applied, reason: StopReason) -> PiecesEnd {
    if applied.has_final {
        return stop(applied, reason);
    }
    let StopReason { number, message, .. } = reason;
    let counters = &work.connection.counters;
    let name = head.pieces.as_ref().map_or("", |pieces| &pieces.name);
    let times = counters.begun_again.count(name);
    if times > work.connection.retries {
        let message = format!("{message} after {} retries", times - 1);
        return PiecesEnd::Stop(Some(StopReason::new(number, message)));
    }
    status::add(&counters.retried, 1);
    PiecesEnd::Again(StopReason::new(number, message))
}

/// The end of the connection, with what is left on the target.
fn stop(applied: &Applied, reason: StopReason) -> PiecesEnd {
    PiecesEnd::Stop(Some(match applied.has_final {
        true => StopReason {
            message: format!("{}; {STAYS}", reason.message),
            ..reason
        },
        false => reason,
    }))
}

/// What is said of a group whose rest does not come because the connection stops: nothing, if it can be undone.
fn cut_off(head: &PreparedGroup, applied: &Applied) -> Option<StopReason> {
    applied.has_final.then(|| {
        let message = format!("stopped inside {}: {STAYS}", head.label);
        StopReason::new(number::REPLICA_FATAL, message)
    })
}

const STAYS: &str = "what it has changed in tables that cannot be rolled back stays on the target, and comes again when the connection \
     is started: compare those tables with the source first";
