//! The coordinator with a backlog: groups arrive, runs start, and each is committed at once.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, RunId, Scope, TableId, TableUse,
};

const GROUPS: u64 = 2048;
const TABLES: u64 = 5;

/// Groups through the coordinator, as rows of transactional tables and as whole tables of the other kind.
pub(crate) fn scheduler(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduler");
    group.throughput(Throughput::Elements(GROUPS));
    // 100,000 rows hardly ever meet; of 10 each waits for another.
    for (name, rows) in [("keys", Some(100_000)), ("hot keys", Some(10)), ("tables", None)] {
        group.bench_with_input(BenchmarkId::from_parameter(name), &rows, |bencher, rows| {
            bencher.iter_batched(
                || backlog(*rows),
                |infos| black_box(drain(infos)),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn backlog(rows: Option<u64>) -> Vec<GroupInfo> {
    (1..=GROUPS)
        .map(|seq| {
            // Scattered, and the same in every run.
            let number = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let access = match rows {
                Some(rows) => Access::Keys([number % rows].into_iter().collect()),
                None => Access::Whole,
            };
            let used = TableUse {
                table: TableId((number % TABLES) as u32),
                database: DatabaseId(0),
                access,
            };
            GroupInfo {
                id: GroupId {
                    connection: ConnectionId(0),
                    seq: GroupSeq(seq),
                },
                kind: match rows {
                    Some(_) => GroupKind::Transactional,
                    None => GroupKind::Tables,
                },
                footprint: Footprint {
                    tables: [used].into_iter().collect(),
                    scope: Scope::Tables,
                },
                bytes: 250,
                commit_id: None,
                pinned: None,
            }
        })
        .collect()
}

/// Every group from arrival to commit; gives the number of runs.
fn drain(infos: Vec<GroupInfo>) -> usize {
    let mut coordinator = Coordinator::new(Limits::default());
    let connection = coordinator.add_connection(GroupSeq(0));
    for info in infos {
        coordinator.group_arrived(info);
    }
    // Whether all of a run may be executed, and whether it may commit.
    let mut running: HashMap<RunId, (bool, bool)> = HashMap::new();
    let mut runs = 0;
    loop {
        while let Some(action) = coordinator.next_action() {
            match action {
                Action::Start(run) => {
                    runs += 1;
                    running.insert(run.id, (run.free == run.groups.len(), run.may_commit));
                }
                Action::Release(run) => running.entry(run).or_default().0 = true,
                Action::AllowCommit(run) => running.entry(run).or_default().1 = true,
                Action::Cancel(_) | Action::Advance(..) | Action::Drained(_) => {}
            }
        }
        let Some(run) = running
            .iter()
            .find(|(_, state)| **state == (true, true))
            .map(|(run, _)| *run)
        else {
            break;
        };
        running.remove(&run);
        coordinator.run_committed(run);
    }
    assert_eq!(coordinator.low_water(connection), GroupSeq(GROUPS));
    runs
}
