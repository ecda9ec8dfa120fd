//! How much of a backlog one run takes.

use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, Run, Scope, TableId, TableUse,
};

/// A pool of four with one connection, and groups that have arrived, each writing the row that `key` names.
fn backlog(kind: GroupKind, limits: Limits, groups: u64, key: impl Fn(u64) -> u64) -> Coordinator {
    let mut coordinator = Coordinator::new(limits);
    coordinator.add_connection(GroupSeq(0));
    for seq in 1..=groups {
        let table = TableUse {
            table: TableId((seq % 5) as u32),
            database: DatabaseId(1),
            access: match kind {
                GroupKind::Tables => Access::Whole,
                _ => Access::Keys(std::iter::once(key(seq)).collect()),
            },
        };
        coordinator.group_arrived(GroupInfo {
            id: GroupId {
                connection: ConnectionId(0),
                seq: GroupSeq(seq),
            },
            kind,
            footprint: Footprint {
                tables: std::iter::once(table).collect(),
                scope: Scope::Tables,
            },
            bytes: 100,
            commit_id: None,
            pinned: None,
        });
    }
    coordinator
}

fn started(coordinator: &mut Coordinator) -> Vec<Run> {
    let actions = std::iter::from_fn(|| coordinator.next_action());
    let run = |action| match action {
        Action::Start(run) => Some(run),
        _ => None,
    };
    actions.filter_map(run).collect()
}

fn sizes(runs: &[Run]) -> Vec<usize> {
    runs.iter().map(|run| run.groups.len()).collect()
}

#[test]
fn each_worker_takes_a_share_of_what_is_left() {
    let mut all = backlog(GroupKind::Transactional, Limits::default(), 20_000, |seq| seq);
    assert_eq!(sizes(&started(&mut all)), [5000, 3750, 2812, 2109]);
}

#[test]
fn a_small_backlog_is_not_cut_into_small_commits() {
    let mut all = backlog(GroupKind::Transactional, Limits::default(), 1200, |seq| seq);
    assert_eq!(sizes(&started(&mut all)), [500, 500, 200]);
}

#[test]
fn the_limits_hold_whatever_waits() {
    let limits = Limits {
        run_groups_max: 300,
        ..Limits::default()
    };
    let mut all = backlog(GroupKind::Transactional, limits, 20_000, |seq| seq);
    assert_eq!(sizes(&started(&mut all)), [300; 4]);
    let limits = Limits {
        run_bytes_max: 20_000,
        ..Limits::default()
    };
    let mut all = backlog(GroupKind::Transactional, limits, 20_000, |seq| seq);
    assert_eq!(sizes(&started(&mut all)), [200; 4]);
}

/// Each of the rows is written again and again: a run beside another has a quarter of it free at least, or does not start.
#[test]
fn a_run_ends_where_too_much_of_it_would_have_to_wait() {
    let mut all = backlog(GroupKind::Transactional, Limits::default(), 20_000, |seq| {
        if seq > 7000 { seq % 5 } else { seq }
    });
    for run in started(&mut all) {
        assert!(
            run.free * 4 >= run.groups.len(),
            "{} of {}",
            run.free,
            run.groups.len()
        );
    }
}

#[test]
fn lanes_of_tables_are_shared_out_over_the_whole_backlog() {
    let mut all = backlog(GroupKind::Tables, Limits::default(), 20_000, |seq| seq);
    let runs = started(&mut all);
    assert_eq!(runs.len(), 4, "five lanes");
    for run in runs {
        assert!(run.groups.len() >= 500, "{}", run.groups.len());
    }
}
