//! The groups of one connection between arrival and the low-water mark.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::footprint::Footprint;
use crate::ids::{GroupId, GroupSeq, TableId, WorkerId};

/// What kind of group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// Nothing to apply (filtered away); only moves the position.
    Empty,
    /// All changes are in transactional tables of the target and can be rolled back.
    Transactional,
    /// All changes are in non-transactional tables of the target.
    Tables,
    /// Anything else: applied by itself.
    Alone,
}

/// What the coordinator must know of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Which group; `seq` must be one above the connection's previous.
    pub id: GroupId,
    /// What kind.
    pub kind: GroupKind,
    /// What it touches.
    pub footprint: Footprint,
    /// Its size, for batching.
    pub bytes: usize,
    /// Groups with an equal commit id committed together on the source.
    pub commit_id: Option<u64>,
    /// The only worker that may apply it, for what lives in a session (temporary tables).
    pub pinned: Option<WorkerId>,
}

/// How far a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// In a run that has been handed out.
    Running,
    Committed,
    /// Its connection stopped before it was started.
    Abandoned,
}

/// A group in the window.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) kind: GroupKind,
    pub(crate) state: State,
    pub(crate) bytes: usize,
    pub(crate) commit_id: Option<u64>,
    pub(crate) pinned: Option<WorkerId>,
    /// Whether every later group depends on this one.
    pub(crate) is_wall: bool,
    /// The table whose lane the group stands in, for balancing lanes over workers.
    pub(crate) lane: Option<TableId>,
    /// Earlier groups that must come first; may name groups that have committed since.
    pub(crate) dependencies: SmallVec<[GroupId; 4]>,
}

/// Groups of one connection, oldest first, without holes.
///
/// Invariant: the first slot, if any, is not committed; every group before it is.
#[derive(Debug)]
pub(crate) struct Window {
    /// The seq of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
    /// No slot before this index (relative to `first`) is waiting: where scans begin.
    first_waiting: usize,
    backlog: Backlog,
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backlog {
    pub(crate) groups: usize,
    pub(crate) bytes: usize,
}

impl Window {
    pub(crate) fn new(low_water: GroupSeq) -> Self {
        Self {
            first: low_water.0 + 1,
            slots: VecDeque::new(),
            first_waiting: 0,
            backlog: Backlog::default(),
        }
    }

    /// The newest group with no uncommitted group at or before it.
    pub(crate) fn low_water(&self) -> GroupSeq {
        GroupSeq(self.first - 1)
    }

    /// The seq the next arriving group must have.
    pub(crate) fn next_seq(&self) -> GroupSeq {
        GroupSeq(self.first + self.slots.len() as u64)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How much waits to be started.
    pub(crate) fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Adds the next group, which waits.
    pub(crate) fn push(&mut self, slot: Slot) {
        self.backlog.groups += 1;
        self.backlog.bytes += slot.bytes;
        self.slots.push_back(slot);
    }

    /// A group does not wait any more.
    fn leave_backlog(&mut self, seq: GroupSeq, state: State) {
        let Some(index) = self.index(seq) else { return };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        if slot.state == State::Waiting {
            self.backlog.groups -= 1;
            self.backlog.bytes -= slot.bytes;
        }
        slot.state = state;
    }

    /// A group has been handed out. Returns whether every later one depends on it.
    pub(crate) fn start(&mut self, seq: GroupSeq) -> bool {
        self.leave_backlog(seq, State::Running);
        self.get(seq).is_some_and(|slot| slot.is_wall)
    }

    fn index(&self, seq: GroupSeq) -> Option<usize> {
        usize::try_from(seq.0.checked_sub(self.first)?).ok()
    }

    /// The slot of a group that has not passed the low-water mark.
    pub(crate) fn get(&self, seq: GroupSeq) -> Option<&Slot> {
        self.slots.get(self.index(seq)?)
    }

    pub(crate) fn is_committed(&self, seq: GroupSeq) -> bool {
        seq.0 < self.first || self.get(seq).is_some_and(|slot| slot.state == State::Committed)
    }

    /// Marks a group committed; the low-water mark follows.
    pub(crate) fn commit(&mut self, seq: GroupSeq) {
        self.leave_backlog(seq, State::Committed);
        if let Some(slot) = self.index(seq).and_then(|index| self.slots.get_mut(index)) {
            slot.dependencies = SmallVec::new();
        }
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.state == State::Committed)
        {
            self.slots.pop_front();
            self.first += 1;
            self.first_waiting = self.first_waiting.saturating_sub(1);
        }
    }

    /// Waiting groups, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (GroupSeq, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .skip(self.first_waiting)
            .filter(|(_, slot)| slot.state == State::Waiting)
            .map(|(index, slot)| (GroupSeq(self.first + index as u64), slot))
    }

    /// Moves the start of scans past groups that no longer wait. Call after states have changed.
    pub(crate) fn skip_started(&mut self) {
        while self
            .slots
            .get(self.first_waiting)
            .is_some_and(|slot| slot.state != State::Waiting)
        {
            self.first_waiting += 1;
        }
    }

    /// Forgets every group that has not been started. The window takes no more groups after this.
    pub(crate) fn drop_waiting(&mut self) {
        while self.slots.back().is_some_and(|slot| slot.state == State::Waiting) {
            self.slots.pop_back();
        }
        for slot in &mut self.slots {
            if slot.state == State::Waiting {
                slot.state = State::Abandoned;
            }
        }
        self.first_waiting = self.slots.len();
        self.backlog = Backlog::default();
    }
}
