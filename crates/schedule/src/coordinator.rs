//! The coordinator: facts in, actions out.

use std::collections::{HashMap, VecDeque};

use crate::dependencies::Dependencies;
use crate::footprint::Scope;
use crate::ids::{ConnectionId, GroupId, GroupSeq, RunId, WorkerId};
use crate::run::{Run, RunKind};
use crate::window::{GroupInfo, GroupKind, Slot, State, Window};

mod form;

/// How far groups of one connection may run beside each other (`slave_parallel_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One run at a time, groups in the source's order.
    Serial,
    /// Beside each other only when they committed together on the source.
    SameCommit,
    /// Whatever does not conflict.
    #[default]
    Parallel,
}

/// Bounds of the coordinator's choices.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of the worker pool; at least 1.
    pub workers: u16,
    /// Most groups in one run.
    pub run_groups_max: usize,
    /// Most bytes in one run, unless its first group alone is larger.
    pub run_bytes_max: usize,
    /// Most waiting groups looked at to find one that can start; a run is filled from as many as all workers may take.
    pub scan_groups_max: usize,
    /// How far groups may run beside each other.
    pub mode: Mode,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 4,
            run_groups_max: 10_000,
            run_bytes_max: 8 << 20,
            scan_groups_max: 4096,
            mode: Mode::Parallel,
        }
    }
}

/// What the applier must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Hand this run to its worker.
    Start(Run),
    /// The rest of the run may be executed: everything it depends on is committed.
    Release(RunId),
    /// The run may commit when it is executed.
    AllowCommit(RunId),
    /// Roll the run back and report it with [`Coordinator::run_stopped`]; its connection is stopping.
    Cancel(RunId),
    /// Every group of the connection up to this one is committed.
    Advance(ConnectionId, GroupSeq),
    /// The connection is stopping and nothing of it is under way any more.
    Drained(ConnectionId),
}

/// A run that has been handed out.
#[derive(Debug)]
struct Flight {
    worker: WorkerId,
    connection: ConnectionId,
    kind: RunKind,
    groups: Vec<GroupSeq>,
    /// Groups outside the run that the held part still waits for.
    waits_for: Vec<GroupId>,
    may_commit: bool,
    is_cancelled: bool,
    /// Whether it is a group that every later group depends on.
    is_wall: bool,
}

#[derive(Debug)]
struct Connection {
    window: Window,
    /// Transactional runs under way, in commit order.
    commit_order: VecDeque<RunId>,
    /// All runs under way.
    runs: usize,
    is_stopping: bool,
    /// A group was given up: nothing that must follow it may commit any more.
    has_failed: bool,
    is_drained: bool,
    announced: GroupSeq,
}

/// Decides which group starts where, and which run may commit. See the crate's documentation.
#[derive(Debug)]
pub struct Coordinator {
    limits: Limits,
    connections: Vec<Connection>,
    dependencies: Dependencies,
    idle: Vec<WorkerId>,
    flights: HashMap<RunId, Flight>,
    next_run: u64,
    /// The connection that is asked first when the next run is formed.
    turn: usize,
    actions: VecDeque<Action>,
    /// Whether a fact since the last look could have made a new run possible.
    is_dirty: bool,
}

impl Coordinator {
    /// A coordinator with an idle pool and no connections.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            connections: Vec::new(),
            dependencies: Dependencies::default(),
            idle: (0..limits.workers.max(1)).rev().map(WorkerId).collect(),
            flights: HashMap::new(),
            next_run: 1,
            turn: 0,
            actions: VecDeque::new(),
            is_dirty: false,
        }
    }

    /// Adds a connection; its first group will be the one after `low_water`.
    pub fn add_connection(&mut self, low_water: GroupSeq) -> ConnectionId {
        let id = ConnectionId(u16::try_from(self.connections.len()).unwrap_or(u16::MAX));
        self.connections.push(Connection {
            window: Window::new(low_water),
            commit_order: VecDeque::new(),
            runs: 0,
            is_stopping: false,
            has_failed: false,
            is_drained: false,
            announced: low_water,
        });
        id
    }

    /// A group has arrived. Groups of a connection that is stopping are dropped.
    ///
    /// # Panics
    /// When `seq` is not the connection's next: the caller has lost or repeated a group.
    pub fn group_arrived(&mut self, info: GroupInfo) {
        let GroupId { connection, seq } = info.id;
        if self.connections[usize::from(connection.0)].is_stopping {
            return;
        }
        let expected = self.connections[usize::from(connection.0)].window.next_seq();
        assert_eq!(seq, expected, "groups of {connection} must arrive in order");
        let connections = &self.connections;
        let is_committed = |id: GroupId| is_settled(connections, id);
        let dependencies = match info.kind {
            GroupKind::Empty => smallvec::SmallVec::new(),
            _ => self.dependencies.enter(info.id, &info.footprint, &is_committed),
        };
        let window = &mut self.connections[usize::from(connection.0)].window;
        window.push(Slot {
            kind: info.kind,
            state: State::Waiting,
            bytes: info.bytes,
            commit_id: info.commit_id,
            pinned: info.pinned,
            is_wall: matches!(info.footprint.scope, Scope::Everything | Scope::Connection),
            lane: info.footprint.tables.first().map(|used| used.table),
            dependencies,
        });
        if info.kind == GroupKind::Empty {
            window.commit(seq);
            self.announce(connection);
        } else {
            self.is_dirty = true;
        }
    }

    /// The run is committed as a whole; its worker is idle again.
    pub fn run_committed(&mut self, run: RunId) {
        let Some(flight) = self.end_flight(run) else {
            return;
        };
        for seq in &flight.groups {
            self.connections[usize::from(flight.connection.0)]
                .window
                .commit(*seq);
        }
        self.after_end(flight.connection);
    }

    /// The run ended early: `committed` of its groups are on the target, the others are not. The connection stops; no
    /// new run of it is handed out, and runs that wait for this one are cancelled.
    pub fn run_stopped(&mut self, run: RunId, committed: &[GroupSeq]) {
        let Some(flight) = self.end_flight(run) else {
            return;
        };
        for seq in committed {
            self.connections[usize::from(flight.connection.0)]
                .window
                .commit(*seq);
        }
        self.connections[usize::from(flight.connection.0)].has_failed = true;
        self.stop_connection(flight.connection);
        self.after_end(flight.connection);
    }

    /// Hands out no more groups of this connection. Runs under way end by themselves, except those that wait for
    /// their turn behind one that will not come. [`Action::Drained`] tells when nothing is left.
    pub fn stop_connection(&mut self, connection: ConnectionId) {
        let state = &mut self.connections[usize::from(connection.0)];
        state.is_stopping = true;
        state.window.drop_waiting();
        self.report_drained(connection);
    }

    /// Cancels runs of a stopping connection that wait for a group that will never commit: call when a run of it has
    /// stopped with an error.
    fn cancel_stuck(&mut self, connection: ConnectionId) {
        let stuck: Vec<RunId> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.connection == connection && !flight.is_cancelled)
            .filter(|(_, flight)| {
                flight.kind == RunKind::Transactional && (!flight.may_commit || !flight.waits_for.is_empty())
            })
            .map(|(run, _)| *run)
            .collect();
        for run in stuck {
            if let Some(flight) = self.flights.get_mut(&run) {
                flight.is_cancelled = true;
            }
            self.actions.push_back(Action::Cancel(run));
        }
    }

    /// The next thing to do, or `None` until another fact is reported.
    pub fn next_action(&mut self) -> Option<Action> {
        while self.actions.is_empty() && self.is_dirty && !self.idle.is_empty() {
            if !self.form_run() {
                self.is_dirty = false;
            }
        }
        self.actions.pop_front()
    }

    /// The newest group of the connection with no uncommitted group at or before it.
    #[must_use]
    pub fn low_water(&self, connection: ConnectionId) -> GroupSeq {
        self.connections[usize::from(connection.0)].window.low_water()
    }

    /// Groups of the connection that have arrived and are not below the low-water mark.
    #[must_use]
    pub fn groups_open(&self, connection: ConnectionId) -> usize {
        self.connections[usize::from(connection.0)].window.len()
    }

    /// Whose groups a run under way has.
    #[must_use]
    pub fn connection_of(&self, run: RunId) -> Option<ConnectionId> {
        self.flights.get(&run).map(|flight| flight.connection)
    }

    /// The groups of a run under way.
    pub fn groups_of(&self, run: RunId) -> impl Iterator<Item = GroupId> + '_ {
        let flight = self.flights.get(&run);
        flight.into_iter().flat_map(|flight| {
            flight.groups.iter().map(|seq| GroupId {
                connection: flight.connection,
                seq: *seq,
            })
        })
    }

    /// Runs of the connection that must get on, and for each the later runs that may wait for it while they hold row locks: the oldest
    /// in the order of commits, and groups that are applied alone.
    #[must_use]
    pub fn ahead_of_others(&self, connection: ConnectionId) -> Vec<(RunId, Vec<RunId>)> {
        let order = &self.connections[usize::from(connection.0)].commit_order;
        let mut found = Vec::new();
        if let Some(first) = order.front() {
            found.push((*first, order.iter().skip(1).copied().collect::<Vec<_>>()));
        }
        let alone = |(_, flight): &(&RunId, &Flight)| {
            flight.connection == connection && flight.kind == RunKind::Alone
        };
        for (run, flight) in self.flights.iter().filter(alone) {
            let last = flight.groups.iter().max();
            let is_later = |other: &&RunId| {
                self.flights
                    .get(other)
                    .is_some_and(|other| other.groups.iter().min() > last)
            };
            found.push((*run, order.iter().filter(is_later).copied().collect()));
        }
        found.retain(|(_, later)| !later.is_empty());
        found
    }

    fn is_settled(&self, id: GroupId) -> bool {
        is_settled(&self.connections, id)
    }

    fn end_flight(&mut self, run: RunId) -> Option<Flight> {
        let flight = self.flights.remove(&run)?;
        let connection = &mut self.connections[usize::from(flight.connection.0)];
        connection.runs -= 1;
        connection.commit_order.retain(|ordered| *ordered != run);
        self.idle.push(flight.worker);
        self.is_dirty = true;
        Some(flight)
    }

    /// What follows from groups having been committed or given up.
    fn after_end(&mut self, connection: ConnectionId) {
        if self.connections[usize::from(connection.0)].has_failed {
            self.cancel_stuck(connection);
        } else {
            self.allow_next_commit(connection);
        }
        self.announce(connection);
        self.report_drained(connection);
        self.release_ready();
    }

    fn release_ready(&mut self) {
        let connections = &self.connections;
        let mut released = Vec::new();
        for (run, flight) in &mut self.flights {
            if flight.waits_for.is_empty() {
                continue;
            }
            flight.waits_for.retain(|id| !is_settled(connections, *id));
            if flight.waits_for.is_empty() && !flight.is_cancelled {
                released.push(*run);
            }
        }
        released.sort_unstable();
        self.actions.extend(released.into_iter().map(Action::Release));
    }

    /// Gives the oldest transactional run under way its turn.
    fn allow_next_commit(&mut self, connection: ConnectionId) {
        let Some(run) = self.connections[usize::from(connection.0)]
            .commit_order
            .front()
            .copied()
        else {
            return;
        };
        let Some(flight) = self.flights.get_mut(&run) else {
            return;
        };
        if !flight.may_commit {
            flight.may_commit = true;
            self.actions.push_back(Action::AllowCommit(run));
        }
    }

    fn announce(&mut self, connection: ConnectionId) {
        let state = &mut self.connections[usize::from(connection.0)];
        let low_water = state.window.low_water();
        if low_water > state.announced {
            state.announced = low_water;
            self.actions.push_back(Action::Advance(connection, low_water));
        }
    }

    fn report_drained(&mut self, connection: ConnectionId) {
        let state = &mut self.connections[usize::from(connection.0)];
        if state.is_stopping && state.runs == 0 && !state.is_drained {
            state.is_drained = true;
            self.is_dirty = true;
            self.actions.push_back(Action::Drained(connection));
        }
    }
}

/// Whether nobody needs to wait for the group any more: it is committed, or its connection has ended without it.
fn is_settled(connections: &[Connection], id: GroupId) -> bool {
    let connection = &connections[usize::from(id.connection.0)];
    connection.is_drained || connection.window.is_committed(id.seq)
}
