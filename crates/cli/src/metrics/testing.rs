//! A status for the tests of this module.

use std::path::PathBuf;

use tributary::{
    ConnectionDetail, ConnectionStatus, CoordinatesStatus, IoState, LeftOutStatus, SqlState, Status,
    TargetStatus,
};

use crate::config::testing::Memory;
use crate::config::{self, Input};

/// A connection that runs and has nothing to do.
pub(super) fn connection(name: &str) -> ConnectionStatus {
    let place = CoordinatesStatus {
        file: "mysql-bin.000042".to_owned(),
        offset: 1234,
    };
    ConnectionStatus {
        name: name.to_owned(),
        source: "192.0.2.11:3306".to_owned(),
        source_id: 1,
        io_state: IoState::Running,
        sql_state: SqlState::Running,
        executed: place.clone(),
        read: place,
        read_gtid: String::new(),
        gtid: String::new(),
        events_received: 0,
        groups_received: 0,
        bytes_received: 0,
        newest_received: None,
        newest_applied: None,
        clock_difference: 0,
        batches_applied: 0,
        worker_busy_micros: 0,
        groups_applied: 0,
        statements_applied: 0,
        rows_applied: 0,
        groups_done: Default::default(),
        groups_ignored: 0,
        skipped: 0,
        records: Vec::new(),
        retried: 0,
        statements_left_out: 0,
        left_out: LeftOutStatus::default(),
        heartbeats: 0,
        seconds_behind: Some(0),
        last_error: None,
        io_error: None,
        sql_error: None,
        retries_in: None,
        purge_warning: None,
        queue_groups: 0,
        queue_bytes: 0,
        relay_log_bytes: None,
    }
}

/// An engine with these connections.
pub(super) fn engine(connections: Vec<ConnectionStatus>) -> Status {
    Status {
        version: "0.1.0",
        uptime_seconds: 5,
        workers: 4,
        target: TargetStatus {
            state: "running",
            last_error: None,
        },
        connections,
    }
}

/// The connection with options, as a file would give them.
pub(super) fn detail(status: ConnectionStatus) -> ConnectionDetail {
    let text = "[tributary]\nserver_id=9\ntarget_socket=/t.sock\ntarget_user=t\n\
        a.master_host=192.0.2.11\na.master_port=3307\na.master_user=r\na.master_ssl_mode=off\n";
    let input = Input {
        files: vec![PathBuf::from("t.cnf")],
        ..Input::default()
    };
    let mut config = config::load(&input, &mut Memory::with_file("t.cnf", text)).expect("a configuration");
    let mut options = config.options.connections.remove(0);
    options.name.clone_from(&status.name);
    ConnectionDetail {
        options,
        status,
        until: None,
        skip_events: 0,
    }
}
