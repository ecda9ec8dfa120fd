//! Forming runs: which waiting groups an idle worker gets.
//!
//! Three kinds of run, after the oldest waiting group that can start:
//! - a *transactional* run is a contiguous stretch of the connection's transactional groups. What conflicts with runs
//!   under way goes to its end and is held; the rest is executed meanwhile.
//! - a *tables* run takes the lanes (tables) that are this worker's share of what is ready, in the source's order.
//! - an *alone* run is one group.

use smallvec::SmallVec;

use super::{Action, Coordinator, Flight, Mode};
use crate::hash::QuickMap;
use crate::ids::{ConnectionId, GroupId, GroupSeq, RunId, TableId, WorkerId};
use crate::run::{Run, RunKind};
use crate::window::{GroupKind, Slot, State, Window};

/// A transactional run starts beside others only if at least one in this many of its groups is free at once.
const FREE_SHARE: usize = 4;

/// Each worker takes an equal share of the backlog, but so many groups at least: with fewer, commits cost more than is gained
/// by workers beside each other.
const SHARE_GROUPS_MIN: usize = 500;

/// So many bytes at least, for the same reason.
const SHARE_BYTES_MIN: usize = 1 << 20;

/// A run before it has a number.
struct Draft {
    kind: RunKind,
    groups: Vec<GroupSeq>,
    free: usize,
    waits_for: Vec<GroupId>,
}

/// Adds up groups until a run is full.
struct Budget {
    groups: usize,
    bytes: usize,
}

impl Budget {
    /// Takes a group out of the budget; the first always fits.
    fn take(&mut self, bytes: usize, is_first: bool) -> bool {
        if !is_first && (self.groups == 0 || self.bytes < bytes) {
            return false;
        }
        self.groups = self.groups.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

impl Coordinator {
    /// Forms one run for an idle worker and queues its start. False when nothing can start.
    pub(super) fn form_run(&mut self) -> bool {
        for step in 0..self.connections.len() {
            let index = (self.turn + step) % self.connections.len();
            let connection = ConnectionId(index as u16);
            self.connections[index].window.skip_started();
            if self.connections[index].is_stopping {
                continue;
            }
            for position in (0..self.idle.len()).rev() {
                let worker = self.idle[position];
                if let Some(draft) = self.draft(connection, worker) {
                    self.idle.remove(position);
                    self.turn = index + 1;
                    self.start(connection, worker, draft);
                    return true;
                }
                if !self.has_pinned(connection) {
                    break;
                }
            }
        }
        false
    }

    /// Whether it matters which worker is asked.
    fn has_pinned(&self, connection: ConnectionId) -> bool {
        let window = &self.connections[usize::from(connection.0)].window;
        window
            .waiting()
            .take(self.limits.scan_groups_max)
            .any(|(_, slot)| slot.pinned.is_some())
    }

    fn draft(&self, connection: ConnectionId, worker: WorkerId) -> Option<Draft> {
        let state = &self.connections[usize::from(connection.0)];
        if state.runs > 0 && (!self.may_run_beside(connection) || self.is_behind_wall(connection)) {
            return None;
        }
        let is_serial = self.limits.mode != Mode::Parallel;
        let mut has_passed_transactional = false;
        for (seq, slot) in state.window.waiting().take(self.limits.scan_groups_max) {
            let can_take = slot.pinned.is_none_or(|pinned| pinned == worker);
            let draft = match slot.kind {
                GroupKind::Empty => None,
                GroupKind::Alone if can_take && self.is_ready(slot) => Some(Draft {
                    kind: RunKind::Alone,
                    groups: vec![seq],
                    free: 1,
                    waits_for: Vec::new(),
                }),
                GroupKind::Tables if can_take && self.is_ready(slot) => {
                    Some(self.draft_tables(connection, worker, seq))
                }
                GroupKind::Transactional if !has_passed_transactional => {
                    has_passed_transactional = true;
                    if can_take {
                        self.draft_transactional(connection, worker)
                    } else {
                        None
                    }
                }
                _ => None,
            };
            // Nothing behind a wall is ready before the wall is committed.
            if draft.is_some() || is_serial || slot.is_wall {
                return draft;
            }
        }
        None
    }

    /// Whether a group is under way that every waiting one of its connection depends on.
    fn is_behind_wall(&self, connection: ConnectionId) -> bool {
        let mut flights = self.flights.values();
        flights.any(|flight| flight.is_wall && flight.connection == connection)
    }

    /// Whether the connection's next group may start while others of it are under way, by the mode alone.
    fn may_run_beside(&self, connection: ConnectionId) -> bool {
        match self.limits.mode {
            Mode::Parallel => true,
            Mode::Serial => false,
            Mode::SameCommit => {
                let window = &self.connections[usize::from(connection.0)].window;
                let Some((_, next)) = window.waiting().next() else {
                    return false;
                };
                next.commit_id.is_some()
                    && self
                        .flights
                        .values()
                        .filter(|flight| flight.connection == connection)
                        .all(|flight| {
                            flight.groups.iter().all(|seq| {
                                window
                                    .get(*seq)
                                    .is_none_or(|slot| slot.commit_id == next.commit_id)
                            })
                        })
            }
        }
    }

    /// Whether everything the group depends on is committed.
    fn is_ready(&self, slot: &Slot) -> bool {
        slot.dependencies.iter().all(|id| self.is_settled(*id))
    }

    /// An equal share of the backlog, within the limits.
    fn budget(&self, window: &Window) -> Budget {
        let backlog = window.backlog();
        let workers = usize::from(self.limits.workers.max(1));
        let share = |all: usize, min: usize, max: usize| (all / workers).max(min).min(max);
        Budget {
            groups: share(backlog.groups, SHARE_GROUPS_MIN, self.limits.run_groups_max).max(1),
            bytes: share(backlog.bytes, SHARE_BYTES_MIN, self.limits.run_bytes_max),
        }
    }

    /// How many waiting groups are looked at to fill a run: those of other workers' tables lie between its own.
    fn reach(&self, budget: &Budget) -> usize {
        let workers = usize::from(self.limits.workers.max(1));
        self.limits
            .scan_groups_max
            .max(budget.groups.saturating_mul(workers))
    }

    /// Whether a run formed one after the other may go on with this group in the current mode.
    fn may_join(&self, first: &Slot, next: &Slot) -> bool {
        self.limits.mode != Mode::SameCommit || first.commit_id == next.commit_id
    }

    /// The share of ready lanes that `worker` takes, beginning with the lane of `seed`.
    fn draft_tables(&self, connection: ConnectionId, worker: WorkerId, seed: GroupSeq) -> Draft {
        let window = &self.connections[usize::from(connection.0)].window;
        let is_serial = self.limits.mode != Mode::Parallel;
        let mut budget = self.budget(window);
        let reach = self.reach(&budget);
        let lanes = if is_serial {
            None
        } else {
            Some(self.choose_lanes(window, seed, reach))
        };
        let mut groups = Vec::new();
        let seed_slot = window.get(seed);
        for (seq, slot) in window.waiting().take(reach) {
            let in_lane = lanes.as_ref().is_none_or(|lanes| {
                seq == seed || slot.lane.is_some_and(|lane| lanes.binary_search(&lane).is_ok())
            });
            let fits = slot.kind == GroupKind::Tables
                && in_lane
                && slot.pinned.is_none_or(|pinned| pinned == worker)
                && seed_slot.is_none_or(|first| self.may_join(first, slot))
                && slot.dependencies.iter().all(|id| {
                    self.is_settled(*id)
                        || (id.connection == connection && groups.binary_search(&id.seq).is_ok())
                });
            if !fits {
                if is_serial {
                    break;
                }
                continue;
            }
            if !budget.take(slot.bytes, groups.is_empty()) {
                break;
            }
            // In order: groups wait in that of the source.
            groups.push(seq);
        }
        let free = groups.len();
        Draft {
            kind: RunKind::Tables,
            groups,
            free,
            waits_for: Vec::new(),
        }
    }

    /// Lanes for one worker: the seed's, then the fullest others, up to an equal share among idle workers. Sorted.
    fn choose_lanes(&self, window: &Window, seed: GroupSeq, reach: usize) -> Vec<TableId> {
        let mut counts: QuickMap<TableId, usize> = QuickMap::default();
        for (_, slot) in window.waiting().take(reach) {
            if let (GroupKind::Tables, Some(lane)) = (slot.kind, slot.lane) {
                *counts.entry(lane).or_default() += 1;
            }
        }
        for flight in self.flights.values() {
            for seq in flight.groups.iter().filter(|_| flight.kind == RunKind::Tables) {
                if let Some(lane) = window.get(*seq).and_then(|slot| slot.lane) {
                    counts.remove(&lane);
                }
            }
        }
        let share = counts.values().sum::<usize>().div_ceil(self.idle.len().max(1));
        let mut chosen = Vec::new();
        let mut load = 0;
        if let Some(lane) = window.get(seed).and_then(|slot| slot.lane) {
            load += counts.remove(&lane).unwrap_or(0);
            chosen.push(lane);
        }
        let mut others: Vec<(TableId, usize)> = counts.into_iter().collect();
        others.sort_unstable_by_key(|(lane, count)| (std::cmp::Reverse(*count), *lane));
        for (lane, count) in others {
            if load + count <= share {
                load += count;
                chosen.push(lane);
            }
        }
        chosen.sort_unstable();
        chosen
    }

    /// The next stretch of transactional groups, if enough of it can be executed now.
    fn draft_transactional(&self, connection: ConnectionId, worker: WorkerId) -> Option<Draft> {
        let window = &self.connections[usize::from(connection.0)].window;
        let (mut free, mut held) = (Vec::new(), Vec::new());
        let mut waits_for: Vec<GroupId> = Vec::new();
        let mut place: QuickMap<GroupSeq, bool> = QuickMap::default();
        let mut budget = self.budget(window);
        let mut first: Option<&Slot> = None;
        for (seq, slot) in window.waiting().take(self.reach(&budget)) {
            if slot.kind != GroupKind::Transactional {
                if self.limits.mode == Mode::Parallel {
                    continue;
                }
                break;
            }
            if slot.pinned.is_some_and(|pinned| pinned != worker)
                || first.is_some_and(|first| !self.may_join(first, slot))
            {
                break;
            }
            let Some(outside) = self.outside(connection, slot, &place) else {
                break;
            };
            if !budget.take(slot.bytes, first.is_none()) {
                break;
            }
            first = first.or(Some(slot));
            let depends_on_held = slot
                .dependencies
                .iter()
                .any(|id| id.connection == connection && place.get(&id.seq) == Some(&false));
            let is_free = outside.is_empty() && !depends_on_held;
            let total = free.len() + held.len();
            if !is_free && total >= SHARE_GROUPS_MIN && free.len() * FREE_SHARE <= total {
                break;
            }
            place.insert(seq, is_free);
            if is_free { &mut free } else { &mut held }.push(seq);
            waits_for.extend(outside);
        }
        let total = free.len() + held.len();
        if total == 0 || free.len() * FREE_SHARE < total {
            return None;
        }
        waits_for.sort_unstable_by_key(|id| (id.connection, id.seq));
        waits_for.dedup();
        let free_count = free.len();
        free.append(&mut held);
        Some(Draft {
            kind: RunKind::Transactional,
            groups: free,
            free: free_count,
            waits_for,
        })
    }

    /// The uncommitted dependencies outside the run being formed; `None` when one of them has not even been started,
    /// so that waiting for it could be for ever.
    fn outside(
        &self,
        connection: ConnectionId,
        slot: &Slot,
        place: &QuickMap<GroupSeq, bool>,
    ) -> Option<SmallVec<[GroupId; 4]>> {
        let mut outside = SmallVec::new();
        for id in &slot.dependencies {
            if self.is_settled(*id) || (id.connection == connection && place.contains_key(&id.seq)) {
                continue;
            }
            let other = self.connections[usize::from(id.connection.0)]
                .window
                .get(id.seq)?;
            if other.state != State::Running {
                return None;
            }
            outside.push(*id);
        }
        Some(outside)
    }

    fn start(&mut self, connection: ConnectionId, worker: WorkerId, draft: Draft) {
        let id = RunId(self.next_run);
        self.next_run += 1;
        let state = &mut self.connections[usize::from(connection.0)];
        let mut is_wall = false;
        for seq in &draft.groups {
            is_wall |= state.window.start(*seq);
        }
        state.window.skip_started();
        state.runs += 1;
        let mut may_commit = true;
        if draft.kind == RunKind::Transactional {
            may_commit = state.commit_order.is_empty();
            state.commit_order.push_back(id);
        }
        self.flights.insert(
            id,
            Flight {
                worker,
                connection,
                kind: draft.kind,
                groups: draft.groups.clone(),
                waits_for: draft.waits_for,
                may_commit,
                is_cancelled: false,
                is_wall,
            },
        );
        self.actions.push_back(Action::Start(Run {
            id,
            worker,
            connection,
            kind: draft.kind,
            groups: draft.groups,
            free: draft.free,
            may_commit,
        }));
    }
}
