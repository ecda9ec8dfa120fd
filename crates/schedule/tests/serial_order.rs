//! Random streams over random pools: whatever order runs end in, the target must end as in serial order.
//!
//! The model target is a log per key: applying a group appends its number to every row it writes, and records what it
//! reads. Work of a transactional run is visible only once it commits. Seeds are fixed, so a failure repeats.
#![allow(clippy::unwrap_used, reason = "a broken model should end the test")]

use std::collections::{BTreeMap, HashMap};

use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, Mode, Run, RunId, RunKind, Scope, TableId, TableUse,
};

/// xorshift64*: small, seeded, good enough to shuffle with.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

fn random_group(random: &mut Random, connection: u16, seq: u64, connections: u64) -> GroupInfo {
    // Even tables are transactional. Tables 0..6 belong to the connection, 100 and 101 are shared by all.
    let is_transactional = random.below(3) > 0;
    let mut footprint = Footprint::default();
    for _ in 0..=random.below(2) {
        let is_shared = connections > 1 && random.below(8) == 0;
        let base = if is_shared {
            100
        } else {
            u32::from(connection) * 10
        };
        let table =
            base + 2 * random.below(if is_shared { 1 } else { 3 }) as u32 + u32::from(!is_transactional);
        let access = match random.below(8) {
            0 => Access::Read,
            1 => Access::Whole,
            _ if is_transactional => Access::Keys((0..=random.below(2)).map(|_| random.below(40)).collect()),
            _ => Access::Whole,
        };
        footprint.tables.push(TableUse {
            table: TableId(table),
            database: DatabaseId(base / 10),
            access,
        });
    }
    let mut kind = if is_transactional {
        GroupKind::Transactional
    } else {
        GroupKind::Tables
    };
    match random.below(60) {
        0 => {
            (kind, footprint.scope) = (
                GroupKind::Alone,
                Scope::Database(DatabaseId(u32::from(connection))),
            )
        }
        1 => (kind, footprint.scope) = (GroupKind::Alone, Scope::Everything),
        2 | 3 => kind = GroupKind::Alone,
        5 => (kind, footprint.scope) = (GroupKind::Alone, Scope::Connection),
        4 => (kind, footprint) = (GroupKind::Empty, Footprint::default()),
        _ => {}
    }
    let id = GroupId {
        connection: ConnectionId(connection),
        seq: GroupSeq(seq),
    };
    GroupInfo {
        id,
        kind,
        footprint,
        bytes: 50,
        commit_id: Some(seq / 3),
        pinned: None,
    }
}

/// A run the model has been handed.
struct Flight {
    run: Run,
    is_released: bool,
    may_commit: bool,
    executed: usize,
}

/// Everything conflicting groups did, in the order it took effect.
struct Model {
    groups: HashMap<(u16, u64), GroupInfo>,
    effects: Vec<(u16, u64)>,
    flights: BTreeMap<RunId, Flight>,
    low_water: HashMap<u16, u64>,
}

impl Model {
    fn act(&mut self, action: Action) {
        match action {
            Action::Start(run) => {
                assert!(run.free > 0 && run.free <= run.groups.len());
                let flight = Flight {
                    is_released: run.free == run.groups.len(),
                    may_commit: run.may_commit,
                    executed: 0,
                    run,
                };
                self.flights.insert(flight.run.id, flight);
            }
            Action::Release(run) => self.flights.get_mut(&run).unwrap().is_released = true,
            Action::AllowCommit(run) => self.flights.get_mut(&run).unwrap().may_commit = true,
            Action::Advance(connection, seq) => {
                assert!(
                    self.low_water
                        .insert(connection.0, seq.0)
                        .is_none_or(|before| before < seq.0)
                );
            }
            Action::Cancel(_) | Action::Drained(_) => panic!("nothing stops in this test"),
        }
    }

    /// Executes one group of a random flight, or commits it. Returns the run if it is committed.
    fn step(&mut self, random: &mut Random) -> Option<RunId> {
        let able: Vec<RunId> = self
            .flights
            .iter()
            .filter(|(_, f)| f.can_move())
            .map(|(id, _)| *id)
            .collect();
        assert!(
            !able.is_empty(),
            "every run waits: the coordinator has made a deadlock"
        );
        let id = able[random.below(able.len() as u64) as usize];
        let flight = self.flights.get_mut(&id).unwrap();
        if flight.executed < flight.run.groups.len() {
            flight.executed += 1;
            if flight.run.kind == RunKind::Transactional {
                return None;
            }
            self.effects
                .push((flight.run.connection.0, flight.run.groups[flight.executed - 1].0));
            return None;
        }
        if flight.run.kind == RunKind::Transactional {
            self.effects.extend(
                flight
                    .run
                    .groups
                    .iter()
                    .map(|seq| (flight.run.connection.0, seq.0)),
            );
        }
        self.flights.remove(&id);
        Some(id)
    }

    /// Conflicting groups of one connection must have taken effect in its order.
    fn check(&self) {
        for (index, later) in self.effects.iter().enumerate() {
            for earlier in &self.effects[index.saturating_sub(400)..index] {
                let (a, b) = (&self.groups[earlier], &self.groups[later]);
                let is_inverted = earlier.0 == later.0 && earlier.1 > later.1;
                assert!(
                    !(is_inverted && a.footprint.conflicts_with(&b.footprint)),
                    "{:?} took effect before {:?}",
                    a,
                    b
                );
            }
        }
    }
}

impl Flight {
    fn can_move(&self) -> bool {
        let limit = if self.is_released {
            self.run.groups.len()
        } else {
            self.run.free
        };
        self.executed < limit || (self.executed == self.run.groups.len() && self.may_commit)
    }
}

fn play(seed: u64, mode: Mode) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let connections = 1 + random.below(3);
    let workers = 1 + random.below(5) as u16;
    let limits = Limits {
        workers,
        run_groups_max: 1 + random.below(12) as usize,
        run_bytes_max: 400,
        scan_groups_max: 64,
        mode,
    };
    let mut coordinator = Coordinator::new(limits);
    let mut model = Model {
        groups: HashMap::new(),
        effects: Vec::new(),
        flights: BTreeMap::new(),
        low_water: HashMap::new(),
    };
    for _ in 0..connections {
        coordinator.add_connection(GroupSeq(0));
    }
    let total = 120;
    let mut sent = vec![0_u64; connections as usize];
    loop {
        while let Some(action) = coordinator.next_action() {
            model.act(action);
        }
        let open = sent.iter().position(|&count| count < total);
        if open.is_some() && (model.flights.is_empty() || random.below(3) == 0) {
            let connection = random.below(connections) as usize;
            for _ in 0..=random.below(10).min(total.saturating_sub(sent[connection] + 1)) {
                if sent[connection] < total {
                    sent[connection] += 1;
                    let group = random_group(&mut random, connection as u16, sent[connection], connections);
                    model
                        .groups
                        .insert((connection as u16, sent[connection]), group.clone());
                    coordinator.group_arrived(group);
                }
            }
        } else if model.flights.is_empty() {
            break;
        } else if let Some(run) = model.step(&mut random) {
            coordinator.run_committed(run);
        }
    }
    let applied = model
        .groups
        .values()
        .filter(|group| group.kind != GroupKind::Empty)
        .count();
    assert_eq!(
        model.effects.len(),
        applied,
        "seed {seed}: every group takes effect exactly once"
    );
    for connection in 0..connections as u16 {
        assert_eq!(
            model.low_water.get(&connection),
            Some(&total),
            "seed {seed}: the low-water mark reaches the end"
        );
    }
    model.check();
}

#[test]
fn parallel_streams_end_as_in_serial_order() {
    (1..=600).for_each(|seed| play(seed, Mode::Parallel));
}

#[test]
fn serial_and_same_commit_modes_end_as_in_serial_order() {
    (1..=150).for_each(|seed| play(seed, Mode::Serial));
    (1..=150).for_each(|seed| play(seed, Mode::SameCommit));
}
