//! What is on the target of changes that are final when they are made, saved by the packets that make them.
//!
//! A packet that the server has received whole is executed to its end, whatever becomes of the engine. So each packet saves,
//! behind its changes, which groups are whole with it: a killed engine finds a group either made and saved, or neither.

use std::sync::Arc;

use tributary_schedule::{GroupSeq, QuickMap, WorkerId};

use super::plan::Planned;
use super::{ConnectionShared, RunWork};

/// A group whose changes are not all made.
#[derive(Debug)]
struct OpenGroup {
    seq: GroupSeq,
    /// How many of its changes are in no packet yet, of how many.
    left: usize,
    of: usize,
    /// Something of it is in a packet.
    is_entered: bool,
}

/// The groups of a run, and which of their changes are in packets.
#[derive(Debug)]
pub(super) struct Trail {
    connection: Arc<ConnectionShared>,
    worker: WorkerId,
    /// The group of each change, by its place in `groups`; `None`: the change is made already.
    group_of: Vec<Option<usize>>,
    groups: Vec<OpenGroup>,
    /// How many groups are in packets in part.
    torn: usize,
    /// All of these is made, or in a packet.
    whole: Vec<GroupSeq>,
    /// How many of `whole` are saved, or in a packet that saves them.
    saved: usize,
    /// How many of `whole` are saved by packets before the one that is being put together.
    saved_before: usize,
    /// Groups of which something is in a packet, by their place in `groups`; those that are whole may be among them.
    entered: Vec<usize>,
    /// Groups have entered that no packet has named as begun.
    has_entered: bool,
    /// Whether the group needs more than what its packet makes: the packet saves only that the statement is executed.
    is_execution: bool,
}

impl Trail {
    /// Nothing of `changes` from `first` on is made; everything else of the run's groups is.
    pub(super) fn new(work: &RunWork, worker: WorkerId, changes: &[Planned<'_>], first: usize) -> Self {
        let mut groups: Vec<OpenGroup> = Vec::new();
        let mut places: QuickMap<GroupSeq, usize> = QuickMap::default();
        let group_of = changes.iter().enumerate().map(|(index, planned)| {
            if index < first {
                return None;
            }
            let seq = planned.group.seq;
            let place = *places.entry(seq).or_insert(groups.len());
            if place == groups.len() {
                groups.push(OpenGroup {
                    seq,
                    left: 0,
                    of: 0,
                    is_entered: false,
                });
            }
            groups[place].left += 1;
            groups[place].of += 1;
            Some(place)
        });
        let group_of = group_of.collect();
        let seqs = work.groups.iter().map(|group| group.seq);
        let whole = seqs.filter(|seq| !places.contains_key(seq)).collect();
        Self {
            connection: work.connection.clone(),
            worker,
            group_of,
            groups,
            torn: 0,
            whole,
            saved: 0,
            saved_before: 0,
            entered: Vec::new(),
            has_entered: false,
            is_execution: false,
        }
    }

    /// As [`Trail::new`], for one group whose run is applied group by group.
    pub(super) fn of_group(work: &RunWork, worker: WorkerId, changes: &[Planned<'_>]) -> Self {
        let mut trail = Self::new(work, worker, changes, 0);
        trail.whole.clear();
        trail
    }

    /// As [`Trail::of_group`], where more belongs to the group than the packet of its one change can save.
    pub(super) fn of_execution(work: &RunWork, worker: WorkerId, change: Planned<'_>) -> Self {
        Self {
            is_execution: true,
            ..Self::of_group(work, worker, &[change])
        }
    }

    /// Something of the change with this index is about to be in a packet.
    pub(super) fn enter(&mut self, index: usize) {
        let Some(place) = self.group_of.get(index).copied().flatten() else {
            return;
        };
        if !std::mem::replace(&mut self.groups[place].is_entered, true) {
            self.entered.push(place);
            self.has_entered = true;
        }
    }

    /// All of the change with this index is in the packet that is being put together, or was in one before it.
    pub(super) fn made(&mut self, index: usize) {
        self.enter(index);
        let Some(place) = self.group_of.get_mut(index).and_then(Option::take) else {
            return;
        };
        let group = &mut self.groups[place];
        let was_torn = group.left < group.of;
        group.left -= 1;
        let is_torn = group.left > 0;
        self.torn = self.torn + usize::from(is_torn) - usize::from(was_torn);
        if !is_torn {
            self.whole.push(group.seq);
        }
    }

    /// Whether a group would be torn if a packet ended here.
    pub(super) fn is_inside_group(&self) -> bool {
        self.torn > 0
    }

    /// Appends the statement that names the groups that the open packet begins, with those before it that are not saved; `false` when it
    /// begins none.
    pub(super) fn intent(&mut self, out: &mut Vec<u8>) -> bool {
        let saved_before = std::mem::replace(&mut self.saved_before, self.saved);
        let groups = &self.groups;
        self.entered.retain(|place| groups[*place].left > 0);
        if !std::mem::take(&mut self.has_entered) {
            return false;
        }
        let torn = self.entered.iter().map(|place| groups[*place].seq);
        let begun: Vec<GroupSeq> = self.whole[saved_before..].iter().copied().chain(torn).collect();
        self.connection.progress.render_begun(self.worker, &begun, out);
        true
    }

    /// Whether groups are whole that are not saved.
    pub(super) fn has_news(&self) -> bool {
        self.saved < self.whole.len()
    }

    /// Appends the statement that saves what is whole: all of it at first, then what is new.
    pub(super) fn mark(&mut self, out: &mut Vec<u8>) {
        let progress = &self.connection.progress;
        // In order, they are put together faster.
        self.whole[self.saved..].sort_unstable();
        match (self.saved, self.whole.first()) {
            (_, Some(seq)) if self.is_execution => progress.render_executed(self.worker, seq, out),
            (0, _) => progress.render_mark(self.worker, &self.whole, out),
            (saved, _) => progress.render_addition(self.worker, &self.whole[saved..], out),
        }
    }

    /// The packet has taken the mark.
    pub(super) fn is_saved(&mut self) {
        self.saved = self.whole.len();
    }
}
