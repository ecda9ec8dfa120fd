//! A connection of the engine as `SHOW ALL SLAVES STATUS` shows it.

use tributary::{
    ConnectionDetail, ConnectionOptions, CoordinatesStatus, ErrorStatus, IoState, SqlState, ThreadRun,
    Threads, Until,
};
use tributary_client::TlsMode;
use tributary_control as control;
use tributary_control::{ConnectionStatus, Place, Running, UseGtid};
use tributary_rules::FilterKind;

use super::engine::host_and_port;
use super::options::{filter_text, rewrite_text};

/// Which threads run.
pub(super) fn runs(detail: &ConnectionDetail) -> Threads {
    Threads {
        io: detail.status.io_state != IoState::Stopped,
        sql: detail.status.sql_state != SqlState::Stopped,
    }
}

/// The columns of a connection.
pub(crate) fn of(detail: &ConnectionDetail, parallel_mode: &str) -> ConnectionStatus {
    let ConnectionDetail {
        options,
        status,
        until,
        skip_events,
        io_thread: _,
        sql_thread: _,
    } = detail;
    let (master_host, master_port) = host_and_port(&options.source.address);
    let tls = &options.source.tls;
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let filter = |kind| filter_text(&options.filter, kind);
    let io = match status.io_state {
        IoState::Stopped => Running::No,
        IoState::Connecting => Running::Connecting,
        IoState::Running | IoState::Waiting => Running::Yes,
    };
    let is_applying = status.sql_state == SqlState::Running;
    let has_all = status.executed == status.read;
    let sql_state = match (is_applying, has_all) {
        (false, _) => "",
        (true, true) => "Slave has read all relay log; waiting for more updates",
        (true, false) => "Reading event from the relay log",
    };
    ConnectionStatus {
        connection_name: options.name.clone(),
        slave_sql_state: sql_state.to_owned(),
        slave_io_state: io_state(status.io_state).to_owned(),
        master_host,
        master_user: options.source.user.clone(),
        master_port,
        connect_retry: seconds(options.connect_retry),
        read_master_log: place(&status.read),
        relay_log: place(&status.relay_log),
        // Nowhere, until it runs.
        exec_master_log: match status.executed.file.is_empty() && !is_applying {
            true => Place::default(),
            false => place(&status.executed),
        },
        slave_io_running: io,
        slave_sql_running: is_applying,
        replicate_do_db: filter(FilterKind::DoDb),
        replicate_ignore_db: filter(FilterKind::IgnoreDb),
        replicate_do_table: filter(FilterKind::DoTable),
        replicate_ignore_table: filter(FilterKind::IgnoreTable),
        replicate_wild_do_table: filter(FilterKind::WildDoTable),
        replicate_wild_ignore_table: filter(FilterKind::WildIgnoreTable),
        replicate_rewrite_db: rewrite_text(&options.rewrite),
        skip_counter: *skip_events,
        relay_log_space: status.relay_log_bytes.unwrap_or(0),
        until: until.as_ref().map(until_of),
        master_ssl_allowed: tls.mode != TlsMode::Off,
        master_ssl_ca_file: path(&tls.ca_file),
        master_ssl_cert: path(&tls.cert_file),
        master_ssl_key: path(&tls.key_file),
        master_ssl_verify_server_cert: tls.mode == TlsMode::VerifyIdentity,
        // Only while both run, as on the server.
        seconds_behind_master: status
            .seconds_behind
            .filter(|_| is_applying && io == Running::Yes),
        last_io_error: status.io_error.as_ref().map(error),
        last_sql_error: status.sql_error.as_ref().map(error),
        replicate_ignore_server_ids: options.origins.ignore_server_ids.clone(),
        master_server_id: status.source_id,
        using_gtid: use_gtid(options),
        gtid_io_pos: match options.use_gtid {
            true if status.read_gtid.is_empty() => status.gtid.clone(),
            true => status.read_gtid.clone(),
            false => String::new(),
        },
        replicate_do_domain_ids: options.origins.do_domain_ids.clone(),
        replicate_ignore_domain_ids: options.origins.ignore_domain_ids.clone(),
        parallel_mode: parallel_mode.to_owned(),
        sql_delay: seconds(options.delay),
        slave_sql_running_state: sql_state.to_owned(),
        slave_ddl_groups: status.groups_done.ddl,
        slave_non_transactional_groups: status.groups_done.non_transactional,
        slave_transactional_groups: status.groups_done.transactional,
        retried_transactions: status.retried,
        max_relay_log_size: options.relay_log.as_ref().map_or(0, |relay| relay.file_bytes_max),
        executed_log_entries: status.groups_applied + status.groups_ignored,
        slave_received_heartbeats: status.heartbeats,
        slave_heartbeat_period: options.heartbeat_period,
        slave_skipped_errors: status.skipped,
        ..ConnectionStatus::default()
    }
}

/// Numbers of threads begin here: the target's own are smaller, and nobody ends a session there who means one of these.
const THREAD_IDS_FROM: u64 = 1 << 32;

/// The threads that run, as a process list shows them.
pub(super) fn threads(detail: &ConnectionDetail) -> Vec<control::Thread> {
    let thread = |run: ThreadRun, command, state: String| control::Thread {
        id: THREAD_IDS_FROM + run.number(),
        command,
        seconds: run.running().as_secs(),
        state,
    };
    let shown = of(detail, "");
    let command = match shown.slave_io_running {
        Running::Yes => "Slave_IO",
        Running::No | Running::Connecting | Running::Preparing => "Connect",
    };
    let io = detail.io_thread.filter(|_| shown.slave_io_running != Running::No);
    let sql = detail.sql_thread.filter(|_| shown.slave_sql_running);
    let io = io.map(|run| thread(run, command, shown.slave_io_state));
    let sql = sql.map(|run| thread(run, "Slave_SQL", shown.slave_sql_running_state));
    io.into_iter().chain(sql).collect()
}

fn io_state(state: IoState) -> &'static str {
    match state {
        IoState::Stopped => "",
        IoState::Connecting => "Connecting to master",
        IoState::Running => "Waiting for master to send event",
        IoState::Waiting => "Waiting for the slave SQL thread to free enough relay log space",
    }
}

fn use_gtid(options: &ConnectionOptions) -> UseGtid {
    match options.use_gtid {
        true => UseGtid::SlavePos,
        false => UseGtid::No,
    }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn place(coordinates: &CoordinatesStatus) -> Place {
    Place {
        file: coordinates.file.clone(),
        offset: coordinates.offset,
    }
}

fn error(error: &ErrorStatus) -> (u16, String) {
    // Tools look for the server's words; the log and the tables on the target have ours.
    match &error.native {
        Some(native) => (native.number, native.message.clone()),
        None => (error.number, error.message.clone()),
    }
}

fn until_of(until: &Until) -> control::Until {
    match until {
        Until::Coordinates(coordinates) => control::Until::Place(Place {
            file: coordinates.file.to_string(),
            offset: coordinates.offset,
        }),
        Until::Gtid(position) => control::Until::Gtid(position.clone()),
        Until::RelayLog(place) => control::Until::RelayLog(Place {
            file: place.file.to_string(),
            offset: place.offset,
        }),
    }
}
