//! The tables of the reports, column by column.

use tributary_client::{Client, Error as ClientError};

use super::Value;
use crate::status::{ConnectionStatus, IoState, SqlState};

/// A column of `connection_status`.
pub(super) struct Column {
    name: &'static str,
    definition: &'static str,
    pub(super) value: fn(&ConnectionStatus) -> Value,
}

const fn column(
    name: &'static str,
    definition: &'static str,
    value: fn(&ConnectionStatus) -> Value,
) -> Column {
    Column {
        name,
        definition,
        value,
    }
}

const COUNT: &str = "BIGINT UNSIGNED NOT NULL";

/// All but the last, `reported_at`. What follows a definition is a comment.
pub(super) const CONNECTION_COLUMNS: &[Column] = &[
    column("connection_name", "VARCHAR(64) NOT NULL PRIMARY KEY", |c| {
        Value::Text(c.name.clone())
    }),
    column(
        "source",
        "VARCHAR(512) NOT NULL COMMENT 'address of the source'",
        |c| Value::Text(c.source.clone()),
    ),
    column(
        "source_id",
        "INT UNSIGNED NOT NULL COMMENT 'server_id of the source; 0 before it has been reached'",
        |c| Value::number(c.source_id),
    ),
    column(
        "io_state",
        "VARCHAR(16) NOT NULL COMMENT 'connecting, running, waiting or stopped'",
        |c| Value::Text(io_state(c.io_state).to_owned()),
    ),
    column(
        "sql_state",
        "VARCHAR(16) NOT NULL COMMENT 'running or stopped'",
        |c| Value::Text(sql_state(c.sql_state).to_owned()),
    ),
    column(
        "read_file",
        "VARCHAR(512) NOT NULL COMMENT 'received up to here'",
        |c| Value::Text(c.read.file.clone()),
    ),
    column("read_offset", COUNT, |c| Value::number(c.read.offset)),
    column("read_gtid_pos", "TEXT NOT NULL", |c| {
        Value::Text(c.read_gtid.clone())
    }),
    column(
        "executed_file",
        "VARCHAR(512) NOT NULL COMMENT 'on the target up to here'",
        |c| Value::Text(c.executed.file.clone()),
    ),
    column("executed_offset", COUNT, |c| Value::number(c.executed.offset)),
    column("executed_gtid_pos", "TEXT NOT NULL", |c| {
        Value::Text(c.gtid.clone())
    }),
    column(
        "seconds_behind",
        "BIGINT UNSIGNED COMMENT 'age of the oldest group that is not applied; NULL when that is not known'",
        |c| c.seconds_behind.map_or(Value::Null, Value::number),
    ),
    column(
        "io_error_number",
        "SMALLINT UNSIGNED NOT NULL COMMENT '0: none'",
        |c| Value::error_number(c.io_error.as_ref()),
    ),
    column("io_error", "TEXT NOT NULL", |c| {
        Value::error_message(c.io_error.as_ref())
    }),
    column(
        "sql_error_number",
        "SMALLINT UNSIGNED NOT NULL COMMENT '0: none'",
        |c| Value::error_number(c.sql_error.as_ref()),
    ),
    column("sql_error", "TEXT NOT NULL", |c| {
        Value::error_message(c.sql_error.as_ref())
    }),
    column(
        "purge_warning",
        "TEXT COMMENT 'why the source may soon have purged what comes next'",
        |c| c.purge_warning.as_deref().map_or(Value::Null, Value::message),
    ),
    column(
        "newest_received",
        "TIMESTAMP NULL COMMENT 'when the source executed what was received last, by its clock'",
        |c| Value::moment(c.newest_received),
    ),
    column(
        "newest_applied",
        "TIMESTAMP NULL COMMENT 'the same of what was applied last'",
        |c| Value::moment(c.newest_applied),
    ),
    column(
        "clock_difference",
        "BIGINT NOT NULL COMMENT 'seconds, the clock of the engine minus that of the source'",
        |c| Value::number(c.clock_difference),
    ),
    column("events_received", COUNT, |c| Value::number(c.events_received)),
    column("bytes_received", COUNT, |c| Value::number(c.bytes_received)),
    column("groups_received", COUNT, |c| Value::number(c.groups_received)),
    column("groups_applied", COUNT, |c| Value::number(c.groups_applied)),
    column("groups_filtered", COUNT, |c| Value::number(c.groups_ignored)),
    column("batches_applied", COUNT, |c| Value::number(c.batches_applied)),
    column("statements_applied", COUNT, |c| {
        Value::number(c.statements_applied)
    }),
    column("rows_applied", COUNT, |c| Value::number(c.rows_applied)),
    column("worker_busy_micros", COUNT, |c| {
        Value::number(c.worker_busy_micros)
    }),
    column("retried", COUNT, |c| Value::number(c.retried)),
    column(
        "skipped",
        "BIGINT UNSIGNED NOT NULL COMMENT 'statements and rows; see record_count and skipped'",
        |c| Value::number(c.skipped),
    ),
    column(
        "left_out",
        "BIGINT UNSIGNED NOT NULL COMMENT 'statements that are not applied by design'",
        |c| Value::number(c.statements_left_out),
    ),
    column("heartbeats", COUNT, |c| Value::number(c.heartbeats)),
    column("queue_groups", COUNT, |c| Value::size(c.queue_groups)),
    column("queue_bytes", COUNT, |c| Value::size(c.queue_bytes)),
    column(
        "relay_log_bytes",
        "BIGINT UNSIGNED COMMENT 'NULL without a relay log'",
        |c| c.relay_log_bytes.map_or(Value::Null, Value::number),
    ),
];

/// Creates tables and view. Those of another version are made anew: they hold nothing that is not reported again.
///
/// From then on the engine of this epoch reports. What the account may not do is said and passed over: status is not worth a start.
pub(crate) async fn create(client: &mut Client, schema: &str, epoch: u64) -> Result<(), ClientError> {
    match try_create(client, schema, epoch).await {
        Err(ClientError::Server(error)) => {
            tracing::warn!("the status tables of the schema {schema} cannot be created: {error}");
            Ok(())
        }
        outcome => outcome,
    }
}

async fn try_create(client: &mut Client, schema: &str, epoch: u64) -> Result<(), ClientError> {
    let columns: Vec<String> = CONNECTION_COLUMNS
        .iter()
        .map(|column| format!("{} {}", column.name, column.definition))
        .collect();
    let tables = [
        (
            "engine_status",
            "id TINYINT UNSIGNED NOT NULL PRIMARY KEY COMMENT '1', \
             epoch BIGINT UNSIGNED NOT NULL COMMENT 'that of the engine that reports', \
             version VARCHAR(32) NOT NULL, \
             server_id INT UNSIGNED NOT NULL, \
             workers INT UNSIGNED NOT NULL, \
             state VARCHAR(16) NOT NULL COMMENT 'running, connecting or stopped', \
             started_at TIMESTAMP(6) NULL, \
             reported_at TIMESTAMP(6) NULL, \
             silence_max INT UNSIGNED NOT NULL COMMENT 'seconds without a report after which the engine does not live'"
                .to_owned(),
        ),
        (
            "connection_status",
            format!("{}, reported_at TIMESTAMP(6) NULL COMMENT 'when something has changed last'", columns.join(", ")),
        ),
        (
            "record_count",
            "connection_name VARCHAR(64) NOT NULL, \
             kind VARCHAR(16) NOT NULL COMMENT 'as in skipped', \
             table_name VARCHAR(160) NOT NULL COMMENT 'database.table', \
             error_number SMALLINT UNSIGNED NOT NULL, \
             times BIGINT UNSIGNED NOT NULL COMMENT 'since the start of the engine', \
             PRIMARY KEY (connection_name, kind, table_name, error_number)"
                .to_owned(),
        ),
    ];
    // A table that is there counts by its comment, which names its version.
    let comment = format!("written by the engine, layout {LAYOUT}");
    let names = tables.each_ref().map(|(name, _)| format!("'{name}'")).join(",");
    let found = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='{schema}' AND TABLE_NAME IN ({names}) AND TABLE_COMMENT='{comment}'"
    );
    let found = client.query(found.as_bytes()).await?;
    let is_there = |name: &str| found.rows.iter().any(|row| row.text(0).as_deref() == Some(name));
    let mut text = String::new();
    for (name, definition) in tables.iter().filter(|(name, _)| !is_there(name)) {
        text.push_str(&format!(
            "DROP TABLE IF EXISTS `{schema}`.{name};CREATE TABLE `{schema}`.{name} ({definition}) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='{comment}';"
        ));
    }
    text.push_str(&view(schema));
    text.push_str(&format!(";UPDATE `{schema}`.engine_status SET epoch={epoch}"));
    client.query_all(text.as_bytes()).await.map(drop)
}

/// Changes with the columns of any of the tables.
const LAYOUT: u32 = 1;

fn view(schema: &str) -> String {
    // By the server's clock alone, whatever the time zones of those who ask.
    let is_alive = "(e.state<>'stopped' AND UNIX_TIMESTAMP(e.reported_at)>UNIX_TIMESTAMP()-e.silence_max)";
    let columns: Vec<String> = CONNECTION_COLUMNS
        .iter()
        .map(|column| match column.name {
            name @ ("io_state" | "sql_state") => {
                format!("IF(e.state='stopped' OR {is_alive},c.{name},'unknown') AS {name}")
            }
            name @ ("seconds_behind" | "queue_groups" | "queue_bytes") => {
                format!("IF({is_alive},c.{name},NULL) AS {name}")
            }
            name => format!("c.{name} AS {name}"),
        })
        .collect();
    format!(
        "CREATE OR REPLACE SQL SECURITY INVOKER VIEW `{schema}`.status AS SELECT {},{is_alive} AS is_reported,\
         e.reported_at AS reported_at \
         FROM `{schema}`.connection_status AS c JOIN `{schema}`.engine_status AS e ON e.id=1",
        columns.join(",")
    )
}

fn io_state(state: IoState) -> &'static str {
    match state {
        IoState::Connecting => "connecting",
        IoState::Running => "running",
        IoState::Waiting => "waiting",
        IoState::Stopped => "stopped",
    }
}

fn sql_state(state: SqlState) -> &'static str {
    match state {
        SqlState::Running => "running",
        SqlState::Stopped => "stopped",
    }
}
