//! The engine's state in tables of its own on the target, for whoever can `SELECT`.
//!
//! A task with a login of its own writes down, at most once per [`TargetOptions::status_interval`] and only where something has
//! changed, what [`Status`] says. Nothing waits for it: what cannot be written is logged once and tried again. Rows say when they were
//! written, and the view `status` shows nothing as running that has not been reported lately. An engine whose epoch is over
//! writes no more.
//!
//! [`TargetOptions::status_interval`]: crate::TargetOptions::status_interval

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tributary_client::{Client, Error as ClientError};

use crate::config::Options;
use crate::context::quote_text;
use crate::records::RecordCount;
use crate::replicator::Shared;
use crate::session::own_login;
use crate::status::{ConnectionStatus, ErrorStatus, IoState, SqlState, Status, now_seconds};

mod tables;

use tables::CONNECTION_COLUMNS;
pub(crate) use tables::create;

/// A report that says only that the engine lives comes this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// So many reports may be missing before the engine counts as dead.
const MISSED_MAX: u32 = 3;

/// Longest time a report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time the last report may hold up a stop.
const LAST_REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after a report that failed; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);

/// Longest pause between attempts to report.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Most characters of a message in a row.
const MESSAGE_CHARS_MAX: usize = 4096;

/// Short waits: somebody who locks these tables keeps nobody else waiting. A value too long is cut off.
const SESSION: &[u8] =
    b"SET SESSION sql_mode='',lock_wait_timeout=5,innodb_lock_wait_timeout=5,wait_timeout=3600";

/// Writes reports until it is told to stop; dropped, it ends at once.
pub(crate) struct Reporter {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// Begins to report. `None` when that is turned off.
    pub(crate) fn start(options: &Options, shared: Arc<Shared>) -> Option<Self> {
        let interval = options.target.status_interval;
        if interval.is_zero() {
            return None;
        }
        let (stop, stopped) = watch::channel(false);
        let report = Report {
            options: options.clone(),
            shared,
            interval,
            started_at: now_seconds(),
            written: Written::default(),
        };
        Some(Self {
            stop,
            task: tokio::spawn(report.run(stopped)),
        })
    }

    /// Reports that the engine has stopped.
    pub(crate) async fn finish(mut self) {
        self.stop.send_replace(true);
        // What cannot be written shows by its age.
        let _ = timeout(LAST_REPORT_TIMEOUT, &mut self.task).await;
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is in the tables.
#[derive(Debug, Default)]
struct Written {
    at: Option<Instant>,
    /// The values of each connection.
    connections: HashMap<String, Vec<u8>>,
    records: HashMap<String, Vec<RecordCount>>,
}

struct Report {
    options: Options,
    shared: Arc<Shared>,
    interval: Duration,
    /// In seconds since 1970.
    started_at: i64,
    written: Written,
}

impl Report {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut login = None;
        let mut pause = self.interval;
        let mut has_failed = false;
        loop {
            // Its sender is dropped with this task.
            let is_last = timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok();
            let report = timeout(REPORT_TIMEOUT, self.report(&mut login, is_last)).await;
            let reason = match report {
                Ok(Ok(())) => None,
                Ok(Err(reason)) => Some(reason),
                Err(_) => Some(format!("no answer within {REPORT_TIMEOUT:?}")),
            };
            if is_last {
                return;
            }
            match reason {
                None => {
                    if std::mem::take(&mut has_failed) {
                        tracing::info!("the status tables on the target are written again");
                    }
                    pause = self.interval;
                }
                Some(reason) => {
                    // Half a transaction may be open, and nobody knows what is in the tables.
                    login = None;
                    self.written = Written::default();
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!(
                            "the status tables on the target cannot be written; replication goes on, and it is tried again: {reason}"
                        );
                        pause = RETRY_MIN.max(self.interval);
                    } else {
                        pause = (pause * 2).min(RETRY_MAX.max(self.interval));
                    }
                }
            }
        }
    }

    async fn report(&mut self, login: &mut Option<Client>, is_last: bool) -> Result<(), String> {
        let mut status = self.shared.status();
        if is_last {
            as_stopped(&mut status);
        }
        let changes = self.changes(&status);
        if changes.is_empty() && !self.is_time_for_a_sign() {
            return Ok(());
        }
        let client = match login {
            Some(client) => client,
            None => {
                let mut client = own_login(&self.options)
                    .await
                    .map_err(|error| error.to_string())?;
                client.execute(SESSION).await.map_err(in_words)?;
                login.insert(client)
            }
        };
        if self.write(client, &status, &changes).await.map_err(in_words)? {
            self.note(&status);
        } else {
            // Between two lives, or for good: then the engine learns of it where it applies.
            self.written = Written::default();
        }
        Ok(())
    }

    fn is_time_for_a_sign(&self) -> bool {
        self.written.at.is_none_or(|at| at.elapsed() >= SIGN_OF_LIFE)
    }

    /// Statements that bring the tables from what was written to `status`; the row of the engine has its own.
    fn changes(&self, status: &Status) -> Vec<Vec<u8>> {
        let schema = &self.options.target.schema;
        let written = &self.written;
        let mut statements = Vec::new();
        if written.at.is_none() {
            // What was there before, by an earlier engine or an earlier login, is in nobody's memory.
            statements.push(format!("DELETE FROM `{schema}`.connection_status").into_bytes());
            statements.push(format!("DELETE FROM `{schema}`.record_count").into_bytes());
        }
        let is_gone = |name: &&String| !status.connections.iter().any(|other| other.name == **name);
        for name in written.connections.keys().filter(is_gone) {
            for table in ["connection_status", "record_count"] {
                let mut text = format!("DELETE FROM `{schema}`.{table} WHERE connection_name=").into_bytes();
                quote_text(name.as_bytes(), &mut text);
                statements.push(text);
            }
        }
        for connection in &status.connections {
            let values = values(connection);
            if written.connections.get(&connection.name) != Some(&values) {
                let mut text = format!("REPLACE INTO `{schema}`.connection_status VALUES (").into_bytes();
                text.extend_from_slice(&values);
                text.extend_from_slice(b",NOW(6))");
                statements.push(text);
            }
            let before = written
                .records
                .get(&connection.name)
                .map_or(&[][..], Vec::as_slice);
            let counts = connection.records.iter().filter(|count| !before.contains(count));
            statements.extend(counts.map(|count| record(schema, &connection.name, count)));
            // Counters that begin anew have no row for what they have not counted yet.
            let is_missing = |was: &&RecordCount| !connection.records.iter().any(|is| is.is_of(was));
            statements.extend(
                before
                    .iter()
                    .filter(is_missing)
                    .map(|was| no_record(schema, &connection.name, was)),
            );
        }
        statements
    }

    /// Writes in one transaction. Whether that was still this engine's to do.
    async fn write(
        &self,
        client: &mut Client,
        status: &Status,
        changes: &[Vec<u8>],
    ) -> Result<bool, ClientError> {
        let schema = &self.options.target.schema;
        let epoch = self.shared.epoch();
        let begin =
            format!("START TRANSACTION;SELECT epoch FROM `{schema}`.engine_status WHERE id=1 FOR UPDATE");
        let newest = client.query_all(begin.as_bytes()).await?;
        let newest = newest
            .first()
            .and_then(|set| set.first_text())
            .and_then(|text| text.parse().ok());
        if newest.is_some_and(|newest: u64| newest != epoch) {
            client.execute(b"ROLLBACK").await?;
            return Ok(false);
        }
        let mut text = format!(
            "REPLACE INTO `{schema}`.engine_status VALUES (1,{epoch},'{}',{},{},'{}',FROM_UNIXTIME({}),NOW(6),{})",
            status.version,
            self.options.server_id,
            status.workers,
            status.target.state,
            self.started_at,
            self.silence_max().as_secs(),
        )
        .into_bytes();
        for change in changes {
            text.push(b';');
            text.extend_from_slice(change);
        }
        text.extend_from_slice(b";COMMIT");
        client.execute(&text).await.map(drop)?;
        Ok(true)
    }

    /// After this time without a report the engine counts as dead.
    fn silence_max(&self) -> Duration {
        SIGN_OF_LIFE.max(self.interval) * MISSED_MAX
    }

    fn note(&mut self, status: &Status) {
        let written = &mut self.written;
        written.at = Some(Instant::now());
        written.connections.clear();
        written.records.clear();
        for connection in &status.connections {
            written
                .connections
                .insert(connection.name.clone(), values(connection));
            if !connection.records.is_empty() {
                written
                    .records
                    .insert(connection.name.clone(), connection.records.clone());
            }
        }
    }
}

/// What holds when this engine is no more.
fn as_stopped(status: &mut Status) {
    status.target.state = "stopped";
    for connection in &mut status.connections {
        connection.io_state = IoState::Stopped;
        connection.sql_state = SqlState::Stopped;
        connection.seconds_behind = None;
    }
}

/// The values of a row of `connection_status`, but for the last.
fn values(connection: &ConnectionStatus) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    for (column, index) in CONNECTION_COLUMNS.iter().zip(0..) {
        if index > 0 {
            out.push(b',');
        }
        match (column.value)(connection) {
            Value::Null => out.extend_from_slice(b"NULL"),
            Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Moment(seconds) => out.extend_from_slice(format!("FROM_UNIXTIME({seconds})").as_bytes()),
            Value::Text(text) => quote_text(text.as_bytes(), &mut out),
        }
    }
    out
}

fn record(schema: &str, connection: &str, count: &RecordCount) -> Vec<u8> {
    let mut text = format!("REPLACE INTO `{schema}`.record_count VALUES (").into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    text.extend_from_slice(format!(",'{}',", count.kind.name()).as_bytes());
    quote_text(count.table.as_bytes(), &mut text);
    text.extend_from_slice(format!(",{},{})", count.error, count.count).as_bytes());
    text
}

fn no_record(schema: &str, connection: &str, count: &RecordCount) -> Vec<u8> {
    let mut text = format!("DELETE FROM `{schema}`.record_count WHERE connection_name=").into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    text.extend_from_slice(format!(" AND kind='{}' AND table_name=", count.kind.name()).as_bytes());
    quote_text(count.table.as_bytes(), &mut text);
    text.extend_from_slice(format!(" AND error_number={}", count.error).as_bytes());
    text
}

/// A value of a row.
enum Value {
    Null,
    Number(i128),
    /// Seconds since 1970.
    Moment(i64),
    Text(String),
}

impl Value {
    fn number(number: impl Into<i128>) -> Self {
        Self::Number(number.into())
    }

    fn size(number: usize) -> Self {
        Self::Number(number as i128)
    }

    fn moment(seconds: Option<i64>) -> Self {
        // What the type cannot hold is not known.
        seconds
            .filter(|seconds| (1..=i64::from(i32::MAX)).contains(seconds))
            .map_or(Self::Null, Self::Moment)
    }

    fn error_number(error: Option<&ErrorStatus>) -> Self {
        Self::number(error.map_or(0, |error| error.number))
    }

    fn error_message(error: Option<&ErrorStatus>) -> Self {
        Self::message(error.map_or("", |error| &error.message))
    }

    fn message(text: &str) -> Self {
        Self::Text(text.chars().take(MESSAGE_CHARS_MAX).collect())
    }
}

fn in_words(error: ClientError) -> String {
    error.to_string()
}
