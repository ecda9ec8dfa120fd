//! Plays the text files in `testdata/schedule/` against a coordinator and compares its actions with the recorded ones.
//! `UPDATE_SCENARIOS=1` rewrites the files. The language is described in `testdata/schedule/README.md`.
#![allow(clippy::unwrap_used, reason = "a broken scenario file should end the test")]

use std::fmt::Write as _;
use std::path::Path;

use tributary_schedule::{
    Access, Action, ConnectionId, Coordinator, DatabaseId, Footprint, GroupId, GroupInfo, GroupKind,
    GroupSeq, Limits, Mode, RunId, Scope, TableId, TableUse, WorkerId,
};

/// Plays one file's commands and returns the file as it should be.
fn play(text: &str) -> String {
    let mut out = String::new();
    let mut coordinator = None;
    for line in text.lines() {
        if line.starts_with("  ") {
            continue;
        }
        writeln!(out, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        command(&mut coordinator, line);
        if line == "ahead" {
            for (run, later) in coordinator.as_ref().unwrap().ahead_of_others(ConnectionId(0)) {
                let later: Vec<String> = later.iter().map(ToString::to_string).collect();
                writeln!(out, "  {run} must get on before {}", later.join(" ")).unwrap();
            }
        }
        while let Some(action) = coordinator.as_mut().unwrap().next_action() {
            writeln!(out, "  {}", render(&action)).unwrap();
        }
    }
    out
}

fn command(coordinator: &mut Option<Coordinator>, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words[0] == "pool" {
        *coordinator = Some(pool(&words[1..]));
        return;
    }
    let coordinator = coordinator.as_mut().unwrap();
    let run = || RunId(words[1].trim_start_matches('r').parse().unwrap());
    match words[0] {
        "arrive" => words[1..]
            .iter()
            .for_each(|word| coordinator.group_arrived(group(word))),
        "committed" => coordinator.run_committed(run()),
        "stopped" => {
            let committed: Vec<GroupSeq> = words[2..]
                .iter()
                .map(|seq| GroupSeq(seq.parse().unwrap()))
                .collect();
            coordinator.run_stopped(run(), &committed);
        }
        "ahead" => {}
        "stop" => {
            coordinator.stop_connection(ConnectionId(words[1].trim_start_matches('c').parse().unwrap()))
        }
        other => panic!("unknown command {other}"),
    }
}

fn pool(words: &[&str]) -> Coordinator {
    let mut limits = Limits::default();
    let mut connections = 1;
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "workers" => limits.workers = value.parse().unwrap(),
            "connections" => connections = value.parse().unwrap(),
            "run" => limits.run_groups_max = value.parse().unwrap(),
            "mode" => {
                limits.mode = match value {
                    "serial" => Mode::Serial,
                    "same-commit" => Mode::SameCommit,
                    _ => Mode::Parallel,
                }
            }
            other => panic!("unknown setting {other}"),
        }
    }
    let mut coordinator = Coordinator::new(limits);
    for _ in 0..connections {
        coordinator.add_connection(GroupSeq(0));
    }
    coordinator
}

/// `[c1:]SEQ:KIND[:USE,USE...][:commit=N][:pin=N]` with KIND `trx`, `tab`, `alone`, `empty`, and USE `t1` (whole), `t1?` (read),
/// `t1#5#6` (keys), `d1` (whole database), `c` (whole connection), `*` (everything).
fn group(word: &str) -> GroupInfo {
    let mut parts: Vec<&str> = word.split(':').collect();
    let connection = if parts[0].starts_with('c') {
        parts.remove(0)[1..].parse().unwrap()
    } else {
        0
    };
    let kind = match parts[1] {
        "trx" => GroupKind::Transactional,
        "tab" => GroupKind::Tables,
        "alone" => GroupKind::Alone,
        "empty" => GroupKind::Empty,
        other => panic!("unknown kind {other}"),
    };
    let mut info = GroupInfo {
        id: GroupId {
            connection: ConnectionId(connection),
            seq: GroupSeq(parts[0].parse().unwrap()),
        },
        kind,
        footprint: Footprint::default(),
        bytes: 100,
        commit_id: None,
        pinned: None,
    };
    for part in &parts[2..] {
        if let Some(id) = part.strip_prefix("commit=") {
            info.commit_id = Some(id.parse().unwrap());
        } else if let Some(worker) = part.strip_prefix("pin=") {
            info.pinned = Some(WorkerId(worker.parse().unwrap()));
        } else {
            part.split(',')
                .for_each(|used| add_use(&mut info.footprint, used));
        }
    }
    info
}

fn add_use(footprint: &mut Footprint, word: &str) {
    if word == "*" {
        footprint.scope = Scope::Everything;
    } else if word == "c" {
        footprint.scope = Scope::Connection;
    } else if let Some(database) = word.strip_prefix('d') {
        footprint.scope = Scope::Database(DatabaseId(database.parse().unwrap()));
    } else {
        let name = word.trim_start_matches('t');
        let (table, access) = match (name.strip_suffix('?'), name.split_once('#')) {
            (Some(table), _) => (table, Access::Read),
            (None, Some((table, keys))) => (
                table,
                Access::Keys(keys.split('#').map(|k| k.parse().unwrap()).collect()),
            ),
            (None, None) => (name, Access::Whole),
        };
        let table: u32 = table.parse().unwrap();
        footprint.tables.push(TableUse {
            table: TableId(table),
            database: DatabaseId(table / 10),
            access,
        });
    }
}

fn render(action: &Action) -> String {
    match action {
        Action::Start(run) => {
            let list = |groups: &[GroupSeq]| {
                groups
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let mut text = format!(
                "start {} {:?} {} on {}: {}",
                run.id,
                run.kind,
                run.connection,
                run.worker,
                list(&run.groups[..run.free])
            );
            if run.free < run.groups.len() {
                write!(text, " | held {}", list(&run.groups[run.free..])).unwrap();
            }
            if !run.may_commit {
                text.push_str(" (not its turn)");
            }
            text.to_lowercase()
        }
        Action::Release(run) => format!("release {run}"),
        Action::AllowCommit(run) => format!("allow commit {run}"),
        Action::Cancel(run) => format!("cancel {run}"),
        Action::Advance(connection, seq) => format!("advance {connection} to {seq}"),
        Action::Drained(connection) => format!("drained {connection}"),
    }
}

#[test]
fn scenarios_play_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/schedule");
    let mut played = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let result = play(&text);
        played += 1;
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            std::fs::write(&path, result).unwrap();
        } else {
            assert_eq!(text, result, "{} plays differently", path.display());
        }
    }
    assert!(
        played >= 8,
        "only {played} scenario files found in {}",
        directory.display()
    );
}
