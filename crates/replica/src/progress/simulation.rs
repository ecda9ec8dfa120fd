//! Scheduler, saved positions and crashes: random streams on a model target, whose engine dies or is stopped again and again.
//!
//! The target keeps what is committed, data and marks. Each life of the engine begins from the marks alone. Whatever happens, every
//! group must take effect exactly once, those that conflict in the source's order, and no mark may claim a group that is not there.

use std::collections::BTreeMap;

use tributary_binlog::{Coordinates, Gtid, GtidPos, GtidSet};
use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, Mode, Run, RunId, RunKind, Scope, TableId, TableUse, WorkerId,
};

use super::{Position, Progress};
use crate::change::GroupLabel;
use crate::positions::Saved;

/// Groups of each connection.
const GROUPS: u64 = 60;

/// Lives that end early, at most: the one after them runs to the end.
const LIVES_MAX: u64 = 8;

/// Streams that are played without `SIMULATION_STREAMS`.
const STREAMS: u64 = 400;

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// What a connection's source has logged, and what is on the target.
struct Stream {
    groups: Vec<GroupInfo>,
    /// The groups that took effect, in that order.
    effects: Vec<u64>,
    /// Each slot's row: groups below the low-water mark, and those above it that are done.
    marks: BTreeMap<u16, (u64, GtidSet)>,
}

/// Every third group has a domain of its own.
fn gtid(seq: u64) -> Gtid {
    Gtid {
        domain: u32::from(seq.is_multiple_of(3)),
        server: 1,
        sequence: seq,
    }
}

fn random_group(random: &mut Random, connection: u16, seq: u64) -> GroupInfo {
    let is_transactional = random.below(3) > 0;
    let mut footprint = Footprint::default();
    for _ in 0..=random.below(2) {
        let access = match random.below(8) {
            0 => Access::Read,
            _ if is_transactional => Access::Keys((0..=random.below(2)).map(|_| random.below(30)).collect()),
            _ => Access::Whole,
        };
        footprint.tables.push(TableUse {
            table: TableId(
                u32::from(connection) * 8 + 2 * random.below(3) as u32 + u32::from(!is_transactional),
            ),
            database: DatabaseId(u32::from(connection)),
            access,
        });
    }
    let mut kind = match is_transactional {
        true => GroupKind::Transactional,
        false => GroupKind::Tables,
    };
    match random.below(40) {
        0 => (kind, footprint.scope) = (GroupKind::Alone, Scope::Everything),
        1 => (kind, footprint.scope) = (GroupKind::Alone, Scope::Connection),
        2 | 3 => kind = GroupKind::Alone,
        4 | 5 => (kind, footprint) = (GroupKind::Empty, Footprint::default()),
        _ => {}
    }
    GroupInfo {
        id: GroupId {
            connection: ConnectionId(connection),
            seq: GroupSeq(seq),
        },
        kind,
        footprint,
        bytes: 50,
        commit_id: None,
        pinned: None,
    }
}

impl Stream {
    fn random(random: &mut Random, connection: u16) -> Self {
        Self {
            groups: (1..=GROUPS)
                .map(|seq| random_group(random, connection, seq))
                .collect(),
            effects: Vec::new(),
            marks: BTreeMap::new(),
        }
    }

    /// As a start reads and merges the rows.
    fn saved(&self) -> Saved {
        let mut done = GtidSet::new();
        self.marks.values().for_each(|(_, own)| done.union(own));
        let seq = self.marks.values().map(|(seq, _)| *seq).max().unwrap_or_default();
        let coordinates = Coordinates::new("b.000001", seq);
        let gtid_pos = GtidPos::default();
        let position = Position {
            seq: GroupSeq(seq),
            coordinates,
            gtid_pos,
        };
        Saved {
            position,
            done,
            announced: GtidSet::new(),
            executed: GtidSet::new(),
            begun: GtidSet::new(),
        }
    }

    /// The target commits groups and the mark that is saved with them.
    fn commit(&mut self, progress: &Progress, slot: WorkerId, with: &[GroupSeq], groups: &[GroupSeq]) {
        let is_applied = |seq: &&GroupSeq| self.groups[seq.0 as usize - 1].kind != GroupKind::Empty;
        self.effects
            .extend(groups.iter().filter(is_applied).map(|seq| seq.0));
        let mut text = Vec::new();
        progress.render_mark(slot, with, &mut text);
        let text = String::from_utf8(text).unwrap();
        let value = |name: &str, end: char| {
            let (_, value) = text.split_once(name).unwrap();
            value.split_once(end).unwrap().0
        };
        let hex = value("done=X'", '\'').as_bytes();
        let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap() as u8;
        let done: Vec<u8> = hex
            .chunks(2)
            .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
            .collect();
        let mark = (
            value("low_water=", ',').parse().unwrap(),
            String::from_utf8(done).unwrap().parse().unwrap(),
        );
        self.claims_only_what_is_there(&mark);
        self.marks.insert(slot.0, mark);
    }

    fn claims_only_what_is_there(&self, (low_water, done): &(u64, GtidSet)) {
        for group in &self.groups {
            let seq = group.id.seq.0;
            let is_claimed = seq <= *low_water || done.contains(&gtid(seq));
            let is_there = group.kind == GroupKind::Empty || self.effects.contains(&seq);
            assert!(
                is_there || !is_claimed,
                "a mark claims {:?}, which is not there",
                group.id
            );
        }
    }

    fn check(&self) {
        let applied = self.groups.iter().filter(|group| group.kind != GroupKind::Empty);
        let mut once = self.effects.clone();
        once.sort_unstable();
        let expected: Vec<u64> = applied.map(|group| group.id.seq.0).collect();
        assert_eq!(once, expected, "each group takes effect once");
        for (index, later) in self.effects.iter().enumerate() {
            for earlier in self.effects[..index].iter().filter(|earlier| *earlier > later) {
                let footprint = |seq: u64| &self.groups[seq as usize - 1].footprint;
                assert!(
                    !footprint(*earlier).conflicts_with(footprint(*later)),
                    "{earlier} took effect before {later}"
                );
            }
        }
    }
}

/// A run that a worker has.
struct Flight {
    run: Run,
    is_released: bool,
    may_commit: bool,
    executed: usize,
}

/// How a life of the engine ends.
#[derive(Clone, Copy, PartialEq)]
enum Death {
    /// Behind so many steps: nothing that is under way is finished.
    Killed(u64),
    /// Behind so many steps it is told to stop.
    Stopped(u64),
    /// When all is applied.
    AtTheEnd,
}

struct Life<'a> {
    streams: &'a mut [Stream],
    progress: Vec<Progress>,
    /// How much of each stream has arrived.
    arrived: Vec<u64>,
    done: Vec<GtidSet>,
    coordinator: Coordinator,
    flights: BTreeMap<RunId, Flight>,
    drained: usize,
    workers: u16,
}

impl<'a> Life<'a> {
    fn begin(streams: &'a mut [Stream], random: &mut Random) -> Self {
        let workers = 1 + random.below(5) as u16;
        let mut coordinator = Coordinator::new(Limits {
            workers,
            run_groups_max: 1 + random.below(12) as usize,
            run_bytes_max: 400,
            scan_groups_max: 64,
            mode: Mode::Parallel,
        });
        let (mut progress, mut arrived, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for stream in streams.iter_mut() {
            let saved = stream.saved();
            arrived.push(saved.position.seq.0);
            done.push(saved.done.clone());
            coordinator.add_connection(saved.position.seq);
            // The rows of an earlier pool are merged into those of this one.
            let row = |slot| {
                let own = match slot == workers {
                    true => saved.done.clone(),
                    false => GtidSet::new(),
                };
                (slot, (saved.position.seq.0, own))
            };
            stream.marks = (0..=workers).map(row).collect();
            progress.push(Progress::new(
                "tributary",
                "m",
                saved,
                usize::from(workers) + 1,
                1,
            ));
        }
        Self {
            streams,
            progress,
            arrived,
            done,
            coordinator,
            flights: BTreeMap::new(),
            drained: 0,
            workers,
        }
    }

    /// Lives until `death`; when that is the end of all streams, everything must be applied.
    fn live(mut self, random: &mut Random, death: Death) {
        let mut is_stopping = false;
        for step in 0.. {
            while let Some(action) = self.coordinator.next_action() {
                self.act(action);
            }
            match death {
                Death::Killed(at) if step >= at => return,
                Death::Stopped(at) if step >= at && !is_stopping => {
                    is_stopping = true;
                    for connection in 0..self.streams.len() {
                        self.coordinator.stop_connection(ConnectionId(connection as u16));
                    }
                    continue;
                }
                _ => {}
            }
            let open = self.arrived.iter().position(|arrived| *arrived < GROUPS);
            match (open, is_stopping) {
                (Some(connection), false) if self.flights.is_empty() || random.below(3) == 0 => {
                    self.arrive(connection, 1 + random.below(10));
                }
                _ if !self.flights.is_empty() => self.step(random),
                (_, true) => {
                    assert_eq!(self.drained, self.streams.len(), "all connections come to rest");
                    return;
                }
                _ => break,
            }
            if random.below(20) == 0 {
                self.save_moved();
            }
        }
        self.save_moved();
        for (stream, progress) in self.streams.iter().zip(&self.progress) {
            assert_eq!(progress.low_water().seq, GroupSeq(GROUPS));
            stream.check();
        }
    }

    fn arrive(&mut self, connection: usize, count: u64) {
        for _ in 0..count.min(GROUPS - self.arrived[connection]) {
            let mut group = self.streams[connection].groups[self.arrived[connection] as usize].clone();
            self.arrived[connection] += 1;
            let seq = group.id.seq.0;
            let label = GroupLabel {
                gtid: Some(gtid(seq)),
                end: Coordinates::new("b.000001", seq),
                timestamp: 0,
                counted: None,
            };
            self.progress[connection].received(label, None);
            if self.done[connection].contains(&gtid(seq)) {
                (group.kind, group.footprint) = (GroupKind::Empty, Footprint::default());
            }
            self.coordinator.group_arrived(group);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start(run) => {
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
            Action::Advance(connection, seq) => self.progress[usize::from(connection.0)].advance(seq),
            Action::Cancel(run) => {
                self.flights.remove(&run);
                self.coordinator.run_stopped(run, &[]);
            }
            Action::Drained(_) => self.drained += 1,
        }
    }

    /// Something goes on in one of the runs.
    fn step(&mut self, random: &mut Random) {
        let able = self.flights.iter().filter(|(_, flight)| flight.can_move());
        let able: Vec<RunId> = able.map(|(id, _)| *id).collect();
        assert!(!able.is_empty(), "every run waits for another");
        let id = able[random.below(able.len() as u64) as usize];
        let flight = self.flights.get_mut(&id).unwrap();
        let (run, is_transactional) = (&flight.run, flight.run.kind == RunKind::Transactional);
        let connection = usize::from(run.connection.0);
        let (stream, progress) = (&mut self.streams[connection], &self.progress[connection]);
        if flight.executed < run.groups.len() {
            let before = flight.executed;
            flight.executed += 1;
            if !is_transactional {
                // A packet makes some groups, and saves them together with those before them.
                let left = (run.groups.len() - before) as u64;
                flight.executed = before + 1 + random.below(left) as usize;
                let with = &run.groups[..flight.executed];
                stream.commit(progress, run.worker, with, &run.groups[before..flight.executed]);
            }
            return;
        }
        if is_transactional {
            stream.commit(progress, run.worker, &run.groups, &run.groups);
            // The target has it, and the engine does not know yet.
            flight.run.kind = RunKind::Tables;
            return;
        }
        progress.committed(run.worker, &run.groups);
        self.flights.remove(&id);
        self.coordinator.run_committed(id);
    }

    /// The applier saves low-water marks in its own rows.
    fn save_moved(&mut self) {
        for (stream, progress) in self.streams.iter_mut().zip(&self.progress) {
            stream.commit(progress, WorkerId(self.workers), &[], &[]);
        }
    }
}

impl Flight {
    fn can_move(&self) -> bool {
        let limit = match self.is_released {
            true => self.run.groups.len(),
            false => self.run.free,
        };
        self.executed < limit || self.executed == self.run.groups.len() && self.may_commit
    }
}

fn play(seed: u64) {
    let random = &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let connections = 1 + random.below(3) as u16;
    let mut streams: Vec<Stream> = (0..connections)
        .map(|connection| Stream::random(random, connection))
        .collect();
    for _ in 0..random.below(LIVES_MAX) {
        let steps = random.below(60);
        let death = match random.below(3) {
            0 => Death::Stopped(steps),
            _ => Death::Killed(steps),
        };
        Life::begin(&mut streams, random).live(random, death);
    }
    Life::begin(&mut streams, random).live(random, Death::AtTheEnd);
}

#[test]
fn whatever_ends_the_engine_each_group_takes_effect_once_and_in_order() {
    let streams = std::env::var("SIMULATION_STREAMS").ok();
    let streams = streams.map_or(STREAMS, |text| {
        text.parse().expect("SIMULATION_STREAMS is a number")
    });
    (1..=streams).for_each(play);
}
