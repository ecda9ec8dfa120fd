//! The numbers of `SHOW ALL SLAVES STATUS` under the names that `mysqld_exporter` gives them, for dashboards and alerts that exist.

use tributary::ConnectionDetail;
use tributary_control::{ConnectionStatus, Running};

use super::families::{Families, Label};
use crate::control::native_status;

const HELP: &str = "Generic metric from SHOW SLAVE STATUS";

/// A column: its name in the metric, and its number. `None` is NULL, for which there is no sample.
type Column = (&'static str, fn(&ConnectionStatus) -> Option<f64>);

const COLUMNS: &[Column] = &[
    ("master_port", |of| Some(of.master_port.into())),
    ("connect_retry", |of| Some(of.connect_retry.into())),
    ("read_master_log_pos", |of| Some(of.read_master_log.offset as f64)),
    ("relay_log_pos", |of| Some(of.relay_log.offset as f64)),
    // Connecting is not running.
    ("slave_io_running", |of| is(of.slave_io_running == Running::Yes)),
    ("slave_sql_running", |of| is(of.slave_sql_running)),
    ("last_errno", |of| errno(&of.last_sql_error)),
    ("skip_counter", |of| Some(of.skip_counter as f64)),
    ("exec_master_log_pos", |of| Some(of.exec_master_log.offset as f64)),
    ("relay_log_space", |of| Some(of.relay_log_space as f64)),
    ("master_ssl_allowed", |of| is(of.master_ssl_allowed)),
    ("master_ssl_verify_server_cert", |of| {
        is(of.master_ssl_verify_server_cert)
    }),
    ("seconds_behind_master", |of| {
        of.seconds_behind_master.map(|lag| lag as f64)
    }),
    ("last_io_errno", |of| errno(&of.last_io_error)),
    ("last_sql_errno", |of| errno(&of.last_sql_error)),
    ("master_server_id", |of| Some(of.master_server_id.into())),
    ("sql_delay", |of| Some(of.sql_delay.into())),
    ("sql_remaining_delay", |of| of.sql_remaining_delay.map(f64::from)),
    ("slave_ddl_groups", |of| Some(of.slave_ddl_groups as f64)),
    ("slave_non_transactional_groups", |of| {
        Some(of.slave_non_transactional_groups as f64)
    }),
    ("slave_transactional_groups", |of| {
        Some(of.slave_transactional_groups as f64)
    }),
    ("retried_transactions", |of| Some(of.retried_transactions as f64)),
    ("max_relay_log_size", |of| Some(of.max_relay_log_size as f64)),
    ("executed_log_entries", |of| Some(of.executed_log_entries as f64)),
    ("slave_received_heartbeats", |of| {
        Some(of.slave_received_heartbeats as f64)
    }),
    ("slave_heartbeat_period", |of| {
        Some(of.slave_heartbeat_period.as_secs_f64())
    }),
];

/// Adds them.
pub(super) fn add(families: &mut Families<'_>, details: &[ConnectionDetail]) -> std::fmt::Result {
    let rows: Vec<(Vec<Label>, ConnectionStatus)> = details
        .iter()
        .map(|detail| {
            let status = native_status(detail, "");
            (labels(&status), status)
        })
        .collect();
    for (name, number) in COLUMNS {
        let samples = rows
            .iter()
            .filter_map(|(labels, status)| Some((labels.clone(), number(status)?)));
        families.gauge(&format!("mysql_slave_status_{name}"), HELP, samples)?;
    }
    Ok(())
}

/// The exporter's labels. Those of MySQL are empty with a MariaDB server.
fn labels(status: &ConnectionStatus) -> Vec<Label> {
    vec![
        ("master_host", status.master_host.clone()),
        ("master_uuid", String::new()),
        ("channel_name", String::new()),
        ("connection_name", status.connection_name.clone()),
    ]
}

fn is(is_so: bool) -> Option<f64> {
    Some(f64::from(u8::from(is_so)))
}

fn errno(error: &Option<(u16, String)>) -> Option<f64> {
    Some(error.as_ref().map_or(0.0, |(number, _)| (*number).into()))
}
