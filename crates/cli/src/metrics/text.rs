//! The engine's status as metrics.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tributary::{ConnectionDetail, ConnectionStatus, ErrorStatus, IoState, SqlState, Status, StatusHandle};

use super::families::{Families, Label};
use super::health::io_word;
use super::{native, process};

/// All metrics of the engine as text.
///
/// # Errors
/// None that is known; the library's type.
pub(super) fn render(engine: &StatusHandle) -> Result<String, fmt::Error> {
    let snapshot = Snapshot {
        status: engine.status(),
        details: engine.connections(),
        resident_bytes: process::resident_bytes(),
    };
    snapshot.render()
}

/// What one answer is made from.
#[derive(Debug)]
struct Snapshot {
    status: Status,
    details: Vec<ConnectionDetail>,
    resident_bytes: Option<u64>,
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.engine(&mut families)?;
        self.states(&mut families)?;
        self.progress(&mut families)?;
        self.received(&mut families)?;
        self.losses(&mut families)?;
        native::add(&mut families, &self.details)
    }
}

impl Snapshot {
    fn render(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn engine(&self, families: &mut Families<'_>) -> fmt::Result {
        let one = |value: f64| [(Vec::new(), value)];
        let version = vec![("version", self.status.version.to_owned())];
        families.gauge("tributary_build_info", "The engine's version", [(version, 1.0)])?;
        let uptime = self.status.uptime_seconds as f64;
        families.gauge(
            "tributary_uptime_seconds",
            "Time since the engine started",
            one(uptime),
        )?;
        let help = "1 while the target can be written to, 0 while it cannot be reached";
        let target_runs = is(self.status.target.state == "running");
        families.gauge("tributary_target_up", help, one(target_runs))?;
        let count = self.status.connections.len() as f64;
        families.gauge(
            "tributary_connections",
            "Connections there are, running or not",
            one(count),
        )?;
        let help = "Workers that apply, of all connections together";
        families.gauge("tributary_workers", help, one(self.status.workers as f64))?;
        let resident = self.resident_bytes.map(|bytes| (Vec::new(), bytes as f64));
        families.gauge("process_resident_memory_bytes", "Memory the engine has", resident)
    }

    /// What threads do, and why they do not.
    fn states(&self, families: &mut Families<'_>) -> fmt::Result {
        let states = [
            IoState::Connecting,
            IoState::Running,
            IoState::Waiting,
            IoState::Stopped,
        ];
        let io_states = self.each().flat_map(|connection| {
            let sample = move |state| {
                let labels = with(connection, "state", io_word(state));
                (labels, is(connection.io_state == state))
            };
            states.into_iter().map(sample)
        });
        families.gauge(
            "tributary_io_state",
            "1 for the state of the stream from the source, 0 for the others",
            io_states,
        )?;
        self.gauge(
            families,
            "tributary_sql_running",
            "1 while changes are applied, 0 while that is stopped",
            |of| Some(is(of.sql_state == SqlState::Running)),
        )?;
        let errors = self.each().flat_map(|connection| {
            let number =
                |error: &Option<ErrorStatus>| error.as_ref().map_or(0.0, |error| error.number.into());
            [
                (with(connection, "thread", "io"), number(&connection.io_error)),
                (with(connection, "thread", "sql"), number(&connection.sql_error)),
            ]
        });
        families.gauge(
            "tributary_last_error_number",
            "The error a thread has stopped with, 0 without one",
            errors,
        )?;
        self.gauge(
            families,
            "tributary_purge_warning",
            "1 if the source may soon purge what is still to be read",
            |of| Some(is(of.purge_warning.is_some())),
        )
    }

    /// What has come, and when the source made what has come and what has been applied.
    fn received(&self, families: &mut Families<'_>) -> fmt::Result {
        self.counter(families, "tributary_events_received", "Events received", |of| {
            of.events_received
        })?;
        self.counter(
            families,
            "tributary_groups_received",
            "Event groups received",
            |of| of.groups_received,
        )?;
        self.counter(
            families,
            "tributary_bytes_received",
            "Bytes of the events received",
            |of| of.bytes_received,
        )?;
        self.gauge(
            families,
            "tributary_newest_received_timestamp_seconds",
            "When the source executed the group received last, by its clock",
            |of| of.newest_received.map(|time| time as f64),
        )?;
        self.gauge(
            families,
            "tributary_newest_applied_timestamp_seconds",
            "When the source executed the group applied last, by its clock",
            |of| of.newest_applied.map(|time| time as f64),
        )?;
        self.gauge(
            families,
            "tributary_clock_difference_seconds",
            "The engine's clock minus the source's",
            |of| Some(of.clock_difference as f64),
        )
    }

    /// What has been applied and what waits.
    fn progress(&self, families: &mut Families<'_>) -> fmt::Result {
        self.gauge(
            families,
            "tributary_seconds_behind",
            "Age of the oldest event group that is received and not applied, by the source's clock; no sample while it is unknown",
            |of| of.seconds_behind.map(|lag| lag as f64),
        )?;
        self.counter(
            families,
            "tributary_groups_applied",
            "Event groups applied",
            |of| of.groups_applied,
        )?;
        self.counter(
            families,
            "tributary_batches_applied",
            "Runs of groups that a worker applied in one go",
            |of| of.batches_applied,
        )?;
        let busy = self
            .each()
            .map(|connection| (named(connection), connection.worker_busy_micros as f64 / 1e6));
        families.seconds_counter(
            "tributary_worker_busy_seconds",
            "Time workers spent on groups, waiting for locks and their turn included",
            busy,
        )?;
        self.counter(
            families,
            "tributary_statements_applied",
            "Statements applied",
            |of| of.statements_applied,
        )?;
        self.counter(families, "tributary_rows_applied", "Row changes applied", |of| {
            of.rows_applied
        })?;
        self.counter(
            families,
            "tributary_groups_filtered",
            "Event groups of which nothing was left after the filters",
            |of| of.groups_ignored,
        )?;
        self.counter(
            families,
            "tributary_retries",
            "Groups applied again after a deadlock or lock wait",
            |of| of.retried,
        )?;
        self.counter(families, "tributary_heartbeats", "Heartbeats received", |of| {
            of.heartbeats
        })?;
        self.gauge(
            families,
            "tributary_queue_groups",
            "Event groups in the relay queue, in memory",
            |of| Some(of.queue_groups as f64),
        )?;
        self.gauge(
            families,
            "tributary_queue_bytes",
            "Bytes in the relay queue, in memory",
            |of| Some(of.queue_bytes as f64),
        )?;
        self.gauge(
            families,
            "tributary_relay_log_bytes",
            "Bytes of the relay log on disk",
            |of| of.relay_log_bytes.map(|bytes| bytes as f64),
        )
    }

    /// What is not as on the source.
    fn losses(&self, families: &mut Families<'_>) -> fmt::Result {
        self.counter(
            families,
            "tributary_skipped",
            "Statements and rows left out because of an error the rules pass over",
            |of| of.skipped,
        )?;
        let records = self.each().flat_map(|connection| {
            let mut sums: BTreeMap<(&str, u16), u64> = BTreeMap::new();
            for record in &connection.records {
                *sums.entry((record.kind.name(), record.error)).or_default() += record.count;
            }
            sums.into_iter().map(|((kind, error), count)| {
                let mut labels = with(connection, "kind", kind);
                labels.push(("error", error.to_string()));
                (labels, count)
            })
        });
        families.counter(
            "tributary_records",
            "Entries of the table tributary.skipped, by kind and error number",
            records,
        )?;
        let left_out = self.each().flat_map(|connection| {
            let kinds = [
                ("accounts", connection.left_out.accounts),
                ("housekeeping", connection.left_out.housekeeping),
                ("system", connection.left_out.system),
            ];
            kinds.map(|(kind, count)| (with(connection, "kind", kind), count))
        });
        families.counter(
            "tributary_statements_left_out",
            "Statements that are not applied by design",
            left_out,
        )
    }

    fn each(&self) -> impl Iterator<Item = &ConnectionStatus> {
        self.status.connections.iter()
    }

    fn gauge(
        &self,
        families: &mut Families<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&ConnectionStatus) -> Option<f64>,
    ) -> fmt::Result {
        let samples = self
            .each()
            .filter_map(|connection| Some((named(connection), value(connection)?)));
        families.gauge(name, help, samples)
    }

    fn counter(
        &self,
        families: &mut Families<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&ConnectionStatus) -> u64,
    ) -> fmt::Result {
        families.counter(
            name,
            help,
            self.each()
                .map(|connection| (named(connection), value(connection))),
        )
    }
}

fn named(connection: &ConnectionStatus) -> Vec<Label> {
    vec![("connection_name", connection.name.clone())]
}

fn with(connection: &ConnectionStatus, name: &'static str, value: &str) -> Vec<Label> {
    let mut labels = named(connection);
    labels.push((name, value.to_owned()));
    labels
}

fn is(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[cfg(test)]
mod tests {
    use tributary::{RecordCount, RecordKind};

    use super::super::testing::{connection, detail, engine};
    use super::*;

    fn text(connections: Vec<ConnectionStatus>) -> String {
        let snapshot = Snapshot {
            status: engine(connections.clone()),
            details: connections.into_iter().map(detail).collect(),
            resident_bytes: Some(1 << 20),
        };
        snapshot.render().unwrap()
    }

    #[track_caller]
    fn assert_has(text: &str, line: &str) {
        assert!(
            text.lines().any(|other| other == line),
            "no line {line} in:\n{text}"
        );
    }

    #[test]
    fn each_connection_has_its_samples() {
        let mut eu = connection("eu");
        (eu.groups_applied, eu.seconds_behind) = (7, Some(12));
        eu.relay_log_bytes = Some(4096);
        (eu.bytes_received, eu.worker_busy_micros) = (700, 1_500_000);
        (eu.newest_received, eu.newest_applied) = (Some(1_700_000_012), Some(1_700_000_000));
        let record = |table: &str, count| RecordCount {
            kind: RecordKind::Skipped,
            table: table.to_owned(),
            error: 1062,
            count,
        };
        eu.records = vec![record("d.a", 3), record("d.b", 4)];
        let mut us = connection("us");
        (us.io_state, us.seconds_behind) = (IoState::Stopped, None);
        us.io_error = Some(ErrorStatus::new(1236, "purged"));
        let text = text(vec![eu, us]);
        for line in [
            "tributary_target_up 1.0",
            "tributary_build_info{version=\"0.1.0\"} 1.0",
            "process_resident_memory_bytes 1048576.0",
            "# TYPE tributary_groups_applied counter",
            "tributary_workers 4.0",
            "tributary_bytes_received_total{connection_name=\"eu\"} 700",
            "tributary_worker_busy_seconds_total{connection_name=\"eu\"} 1.5",
            "tributary_newest_received_timestamp_seconds{connection_name=\"eu\"} 1700000012.0",
            "tributary_newest_applied_timestamp_seconds{connection_name=\"eu\"} 1700000000.0",
            "tributary_groups_applied_total{connection_name=\"eu\"} 7",
            "tributary_seconds_behind{connection_name=\"eu\"} 12.0",
            "tributary_io_state{connection_name=\"us\",state=\"stopped\"} 1.0",
            "tributary_io_state{connection_name=\"us\",state=\"running\"} 0.0",
            "tributary_last_error_number{connection_name=\"us\",thread=\"io\"} 1236.0",
            "tributary_last_error_number{connection_name=\"eu\",thread=\"io\"} 0.0",
            // The tables are added up: their number has no bound that a monitoring system would like.
            "tributary_records_total{connection_name=\"eu\",kind=\"skipped\",error=\"1062\"} 7",
            "tributary_relay_log_bytes{connection_name=\"eu\"} 4096.0",
        ] {
            assert_has(&text, line);
        }
        for absent in [
            "tributary_seconds_behind{connection_name=\"us\"}",
            "tributary_relay_log_bytes{connection_name=\"us\"}",
            "tributary_newest_applied_timestamp_seconds{connection_name=\"us\"}",
        ] {
            assert!(!text.contains(absent), "{absent} in:\n{text}");
        }
    }

    #[test]
    fn the_exporters_names_and_labels_are_there() {
        let mut stopped = connection("us");
        (stopped.sql_state, stopped.seconds_behind) = (SqlState::Stopped, Some(9));
        stopped.sql_error = Some(ErrorStatus::new(1062, "Duplicate entry"));
        let text = text(vec![connection("eu"), stopped]);
        let sample = |name: &str, connection: &str, value: &str| {
            let labels = format!(
                "master_host=\"192.0.2.11\",master_uuid=\"\",channel_name=\"\",connection_name=\"{connection}\""
            );
            format!("mysql_slave_status_{name}{{{labels}}} {value}")
        };
        for (name, connection, value) in [
            ("slave_io_running", "eu", "1.0"),
            ("slave_sql_running", "eu", "1.0"),
            ("slave_sql_running", "us", "0.0"),
            ("seconds_behind_master", "eu", "0.0"),
            ("last_sql_errno", "us", "1062.0"),
            ("last_errno", "us", "1062.0"),
            ("last_io_errno", "us", "0.0"),
            ("master_port", "eu", "3307.0"),
            ("master_server_id", "eu", "1.0"),
            ("exec_master_log_pos", "eu", "1234.0"),
            ("read_master_log_pos", "eu", "1234.0"),
        ] {
            assert_has(&text, &sample(name, connection, value));
        }
        assert!(
            !text.contains(&sample("seconds_behind_master", "us", "").trim_end().to_owned()),
            "NULL on a server is no sample:\n{text}"
        );
    }

    #[test]
    fn names_of_connections_cannot_break_out_of_their_label() {
        let text = text(vec![connection("a\"} 1\nx\\")]);
        assert_has(
            &text,
            r#"tributary_sql_running{connection_name="a\"} 1\nx\\"} 1.0"#,
        );
    }

    #[test]
    fn families_are_whole_and_told_apart() {
        let text = text(vec![connection("eu"), connection("us")]);
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        let mut seen = std::collections::HashSet::new();
        let mut family = String::new();
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(family.clone()), "{family} is there twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert_eq!(rest.split(' ').next(), Some(family.as_str()));
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name.strip_suffix("_total").unwrap_or(name), family, "{line}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(seen.len() > 40, "{}", seen.len());
    }
}
