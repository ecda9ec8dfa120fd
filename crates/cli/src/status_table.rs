//! The status as columns for a person.
//!
//! It reads the JSON document, not the engine's types: a newer command then shows an older engine's status
//! and the other way round. What is missing shows as `-`.

use std::fmt::Write;

use serde_json::Value;

const COLUMNS: [(&str, Align); 13] = [
    ("CONNECTION", Align::Left),
    ("IO", Align::Left),
    ("SQL", Align::Left),
    ("BEHIND", Align::Right),
    ("EXECUTED", Align::Left),
    ("READ", Align::Left),
    ("GROUPS", Align::Right),
    ("STATEMENTS", Align::Right),
    ("ROWS", Align::Right),
    ("IGNORED", Align::Right),
    ("SKIPPED", Align::Right),
    ("QUEUED", Align::Right),
    ("RELAY LOG", Align::Right),
];

/// Tables and errors shown of each connection.
const RECORDS_SHOWN: usize = 20;

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

/// Renders the document: a line on the engine, a table of the connections, and the last error of each that has one.
pub(crate) fn render(status: &Value) -> String {
    let connections = status["connections"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut text = format!(
        "tributary {}, pid {}, up {}, {} connection{}\n",
        cell(&status["version"]),
        cell(&status["pid"]),
        status["uptime_seconds"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), duration),
        connections.len(),
        if connections.len() == 1 { "" } else { "s" },
    );
    render_error(&mut text, "target", &status["target"]["last_error"]);
    text.push('\n');
    render_table(&mut text, connections);
    for connection in connections {
        render_error(&mut text, &cell(&connection["name"]), &connection["last_error"]);
        render_purge_warning(&mut text, connection);
    }
    for connection in connections {
        render_left_out(&mut text, connection);
        render_records(&mut text, connection);
    }
    text
}

/// Statements that were not applied, by kind.
fn render_left_out(text: &mut String, connection: &Value) {
    let kinds = connection["left_out"].as_object().into_iter().flatten();
    let counts: Vec<String> = kinds
        .filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0))
        .map(|(kind, count)| format!("{count} {}", printable(kind)))
        .collect();
    if !counts.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{}: statements left out: {}\n",
            cell(&connection["name"]),
            counts.join(", ")
        );
    }
}

/// What is not as on the source, the most frequent first.
fn render_records(text: &mut String, connection: &Value) {
    let mut records: Vec<&Value> = connection["records"].as_array().into_iter().flatten().collect();
    if records.is_empty() {
        return;
    }
    records.sort_by_key(|record| std::cmp::Reverse(record["count"].as_u64()));
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n{}: not as on the source (table tributary.skipped holds each):\n",
        cell(&connection["name"])
    );
    for record in records.iter().take(RECORDS_SHOWN) {
        let error = match record["error"].as_u64() {
            Some(0) | None => String::new(),
            Some(number) => format!(", error {number}"),
        };
        let _ = writeln!(
            text,
            "  {} {} {}{error}",
            cell(&record["count"]),
            cell(&record["kind"]),
            cell(&record["table"])
        );
    }
    if records.len() > RECORDS_SHOWN {
        let _ = writeln!(text, "  ... and {} more in --json", records.len() - RECORDS_SHOWN);
    }
}

fn render_table(text: &mut String, connections: &[Value]) {
    let rows: Vec<[String; COLUMNS.len()]> = connections.iter().map(row).collect();
    let mut widths = COLUMNS.map(|(title, _)| title.len());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    for row in std::iter::once(&titles).chain(&rows) {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(COLUMNS) {
            // Writing to a String cannot fail.
            let _ = match align {
                Align::Left => write!(line, "{cell:<width$}  "),
                Align::Right => write!(line, "{cell:>width$}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn row(connection: &Value) -> [String; COLUMNS.len()] {
    let number = |key: &str| cell(&connection[key]);
    let queued = match (
        connection["queue_groups"].as_u64(),
        connection["queue_bytes"].as_u64(),
    ) {
        (Some(groups), Some(bytes)) => format!("{groups} ({})", size(bytes)),
        _ => "-".to_owned(),
    };
    let place = |key: &str| match connection[key]["file"].as_str() {
        Some(file) if !file.is_empty() => format!("{file}:{}", cell(&connection[key]["offset"])),
        _ => "-".to_owned(),
    };
    [
        cell(&connection["name"]),
        cell(&connection["io_state"]),
        cell(&connection["sql_state"]),
        connection["seconds_behind"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), duration),
        place("executed"),
        place("read"),
        number("groups_applied"),
        number("statements_applied"),
        number("rows_applied"),
        number("groups_ignored"),
        number("skipped"),
        queued,
        connection["relay_log_bytes"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), size),
    ]
}

fn render_error(text: &mut String, whose: &str, error: &Value) {
    if let Some(message) = error["message"].as_str() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{whose}: error {}: {}\n",
            cell(&error["number"]),
            printable(message)
        );
    }
}

fn render_purge_warning(text: &mut String, connection: &Value) {
    if let Some(warning) = connection["purge_warning"].as_str() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}: {}\n", cell(&connection["name"]), printable(warning));
    }
}

/// A value as a cell. Text from elsewhere cannot steer the terminal.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() && letter != '\n' {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

/// `0s`, `59s`, `2m05s`, `3h20m`, `4d07h`.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `0 B`, `1.5 KiB`, `64.0 MiB`.
fn size(bytes: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_lines_up_and_errors_follow() {
        let status = json!({
            "version": "0.1.0", "pid": 7, "uptime_seconds": 3725,
            "connections": [
                {"name": "master1", "io_state": "running", "sql_state": "running", "seconds_behind": 0,
                 "executed": {"file": "mysql-bin.000042", "offset": 1234},
                 "read": {"file": "mysql-bin.000042", "offset": 5678}, "relay_log_bytes": 1572864, "groups_applied": 100, "statements_applied": 2,
                 "rows_applied": 300, "groups_ignored": 4, "skipped": 0, "queue_groups": 5, "queue_bytes": 1536, "last_error": null},
                {"name": "eu", "io_state": "stopped", "sql_state": "running", "seconds_behind": null,
                 "executed": {"file": "", "offset": 0},
                 "left_out": {"accounts": 2, "housekeeping": 0, "system": 1},
                 "records": [{"kind": "skipped", "table": "eu.log", "error": 1062, "count": 3},
                             {"kind": "diverging", "table": "eu.log", "error": 0, "count": 12}],
                 "last_error": {"number": 1236, "message": "binlog\u{1b}[2J purged"}},
            ],
        });
        let lines = [
            "tributary 0.1.0, pid 7, up 1h02m, 2 connections",
            "",
            "CONNECTION  IO       SQL      BEHIND  EXECUTED               READ                   GROUPS  STATEMENTS  ROWS  IGNORED  SKIPPED       QUEUED  RELAY LOG",
            "master1     running  running      0s  mysql-bin.000042:1234  mysql-bin.000042:5678     100           2   300        4        0  5 (1.5 KiB)    1.5 MiB",
            "eu          stopped  running       -  -                      -                           -           -     -        -        -            -          -",
            "",
            "eu: error 1236: binlog [2J purged",
            "",
            "eu: statements left out: 2 accounts, 1 system",
            "",
            "eu: not as on the source (table tributary.skipped holds each):",
            "  12 diverging eu.log",
            "  3 skipped eu.log, error 1062",
            "",
        ];
        assert_eq!(render(&status), lines.join("\n"));
    }

    #[test]
    fn any_document_renders() {
        for document in [
            json!(null),
            json!([]),
            json!({"connections": [1, null, {"name": 3}]}),
            json!({"connections": "x"}),
            json!({"connections": [{"records": [1, null, {"count": "x"}], "left_out": {"a": "b"}}]}),
        ] {
            assert!(render(&document).starts_with("tributary -"), "{document}");
        }
    }

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(
            [0, 59, 125, 12_000, 370_800].map(duration),
            ["0s", "59s", "2m05s", "3h20m", "4d07h"]
        );
        assert_eq!(
            [0, 1023, 1536, 64 << 20].map(size),
            ["0 B", "1023 B", "1.5 KiB", "64.0 MiB"]
        );
    }
}
