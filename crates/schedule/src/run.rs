//! A run: the groups that one worker applies under one commit.

use crate::ids::{ConnectionId, GroupSeq, RunId, WorkerId};

/// What may be done with the groups of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Every change can be rolled back. The run commits as a whole, in its turn.
    Transactional,
    /// Changes of tables that cannot be rolled back; each is final when it is made. Commits without waiting.
    Tables,
    /// One group by itself: DDL, a mix of both kinds of tables, or something not understood in detail.
    Alone,
}

/// Groups of one connection, handed to one worker.
///
/// # Order
/// `groups` is the order of execution, not always the source's: groups that depend on a run still under way stand at the
/// end. The target looks the same, because the whole run becomes visible at once and conflicting groups keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Who applies it.
    pub worker: WorkerId,
    /// Whose groups they are.
    pub connection: ConnectionId,
    /// What kind of groups they are.
    pub kind: RunKind,
    /// The groups, in the order in which they are to be executed.
    pub groups: Vec<GroupSeq>,
    /// How many of `groups`, from the front, may be executed at once. The rest waits for
    /// [`Action::Release`](crate::Action::Release).
    pub free: usize,
    /// Whether it is this run's turn to commit already; else [`Action::AllowCommit`](crate::Action::AllowCommit) follows.
    pub may_commit: bool,
}
