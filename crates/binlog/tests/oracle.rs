//! The server's own tool, `mariadb-binlog -vv`, sees the same events, ends, GTIDs and row values in the captured binlogs.
//! Needs `mariadb-binlog`, which comes with `mariadb-client` or `mariadb-server-core`.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::collections::HashMap;
use std::fmt::Write;
use std::process::Command;
use std::sync::Arc;

use support::{events, raw_events, testdata};
use tributary_binlog::{Cell, ColumnType, EventBody, EventType, Row, TableMap, Value};

/// What the tool prints for a capture; bytes, because it prints column values raw.
fn tool_output(name: &str) -> Vec<u8> {
    // It writes the files of LOAD DATA next to its output.
    let files = tempfile::tempdir().unwrap();
    let output = Command::new("mariadb-binlog")
        .args(["--no-defaults", "--base64-output=DECODE-ROWS", "-vv"])
        .arg(format!("--local-load={}", files.path().display()))
        .arg(testdata().join(format!("{name}.bin")))
        .output()
        .expect("mariadb-binlog is installed (package mariadb-client or mariadb-server-core)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Lossily decoded lines: the parts compared as text are ASCII.
fn lines(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output)
        .lines()
        .map(str::to_owned)
        .collect()
}

const ROW_CAPTURES: [&str; 7] = [
    "row",
    "compressed",
    "mixed",
    "relay",
    "alter",
    "commit-id",
    "no-checksum",
];

/// Not `old-temporal`: the tool ends without a word when it meets such columns. Not `encrypted`: it has no key.
#[test]
fn the_same_events_end_at_the_same_places() {
    for name in ROW_CAPTURES
        .into_iter()
        .chain(["statement", "xa", "row-full", "row-minimal"])
    {
        let output = lines(&tool_output(name));
        let mut theirs: Vec<u32> = Vec::new();
        for line in &output {
            if let Some((_, rest)) = line.split_once(" end_log_pos ").filter(|_| line.starts_with('#')) {
                theirs.push(rest.split_whitespace().next().unwrap().parse().unwrap());
            }
        }
        let mut ours: Vec<u32> = events(name)
            .iter()
            .map(|(_, event)| event.header.end_offset)
            .collect();
        // The tool holds Annotate_rows back until it has seen the table.
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
        let checksums = output
            .iter()
            .filter(|line| line.starts_with('#') && line.contains(" CRC32 0x"))
            .count();
        assert_eq!(
            checksums,
            if name == "no-checksum" { 0 } else { ours.len() },
            "{name}"
        );
    }
}

#[test]
fn the_same_gtids_with_the_same_flags() {
    for name in ["statement", "mixed", "xa", "alter", "commit-id"] {
        let output = lines(&tool_output(name));
        let theirs: Vec<&str> = output
            .iter()
            .filter_map(|line| Some(line.split_once("\tGTID ")?.1))
            .collect();
        let ours: Vec<_> = events(name)
            .into_iter()
            .filter_map(|(_, event)| match event.body {
                EventBody::Gtid(gtid) => Some(gtid),
                _ => None,
            })
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            let mut words = theirs.split_whitespace();
            assert_eq!(words.next(), Some(ours.gtid.to_string().as_str()));
            let has = |word: &str| theirs.split_whitespace().any(|other| other == word);
            assert_eq!(has("trans"), ours.flags.is_transactional(), "{theirs}");
            assert_eq!(has("ddl"), ours.flags.is_ddl(), "{theirs}");
            assert_eq!(has("waited"), ours.flags.waited(), "{theirs}");
            if let Some(commit_id) = ours.commit_id {
                assert!(theirs.contains(&format!("cid={commit_id}")), "{theirs}");
            }
        }
    }
}

#[test]
fn the_same_statements_by_the_same_threads() {
    for name in ["statement", "mixed", "compressed"] {
        let output = lines(&tool_output(name));
        let theirs: Vec<&str> = output
            .iter()
            .filter_map(|line| Some(line.split_once("\tthread_id=")?.1))
            .collect();
        let ours: Vec<String> = events(name)
            .into_iter()
            .filter_map(|(_, event)| match event.body {
                EventBody::Query(query) => Some(query),
                EventBody::ExecuteLoadQuery(load) => Some(load.query),
                _ => None,
            })
            .map(|query| {
                format!(
                    "{}\texec_time={}\terror_code={}",
                    query.thread_id, query.exec_time, query.error_code
                )
            })
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(theirs.starts_with(ours.as_str()), "{name}: {ours:?} {theirs:?}");
        }
    }
}

/// The values of all row images in the tool's notation, in its order.
fn tool_values(name: &str) -> Vec<Vec<u8>> {
    let output = tool_output(name);
    let mut values = Vec::new();
    for line in output.split(|&byte| byte == b'\n') {
        let Some(rest) = line.strip_prefix(b"###   @") else {
            continue;
        };
        let start = rest.iter().position(|&byte| byte == b'=').unwrap() + 1;
        let end = rest.windows(4).rposition(|window| window == b" /* ").unwrap();
        values.push(rest[start..end].to_vec());
    }
    values
}

/// A value as `mariadb-binlog` prints it (server `sql/log_event_client.cc`, `log_event_print_value`).
fn in_tool_notation(column: usize, kind: ColumnType, raw: &[u8]) -> Vec<u8> {
    let value = match kind.code {
        // The tool prints what stands in the event.
        ColumnType::VARCHAR_COMPRESSED | ColumnType::BLOB_COMPRESSED => Value::Bytes(raw.into()),
        _ => Value::decode(column, kind, None, raw).unwrap(),
    };
    let text = match value {
        Value::Temporal(text) if kind.code == ColumnType::DATE => format!("'{}'", text.replace('-', ":")),
        // The tool adds 1900 to the zero year as well.
        Value::Year(0) => "1900".to_owned(),
        Value::Bits(bits) => {
            let [part, whole] = kind.meta_bytes();
            let digits: String = bits.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:08b}").unwrap();
                text
            });
            format!(
                "b'{}'",
                &digits[digits.len() - usize::from(part) - 8 * usize::from(whole)..]
            )
        }
        // The tool prints the bytes as they stand, least significant first.
        Value::Set(_) => format!(
            "b'{}'",
            raw.iter().map(|byte| format!("{byte:08b}")).collect::<String>()
        ),
        Value::Bytes(bytes) => {
            let mut quoted = vec![b'\''];
            for &byte in bytes.as_ref() {
                match byte {
                    0x20.. => quoted.push(byte),
                    control => quoted.extend_from_slice(format!("\\x{control:02x}").as_bytes()),
                }
            }
            quoted.push(b'\'');
            return quoted;
        }
        value => value.to_string(),
    };
    text.into_bytes()
}

fn is_same(kind: ColumnType, ours: &[u8], theirs: &[u8]) -> bool {
    if ours != theirs && (kind.code == ColumnType::FLOAT || kind.code == ColumnType::DOUBLE) {
        let number = |text: &[u8]| std::str::from_utf8(text).unwrap().trim().parse::<f64>().unwrap();
        return number(ours) == number(theirs);
    }
    ours == theirs
}

#[test]
fn the_same_values_in_every_row() {
    let mut compared = 0;
    for name in ROW_CAPTURES {
        let theirs = tool_values(name);
        let mut theirs_left = theirs.iter();
        let mut tables: HashMap<u64, Arc<TableMap>> = HashMap::new();
        for (_, event) in events(name) {
            match event.body {
                EventBody::TableMap(map) => {
                    tables.insert(map.table_id, map);
                }
                EventBody::Rows(rows) => {
                    let map = &tables[&rows.table_id];
                    for row in rows.row_images(map) {
                        let Row { before, after, .. } = row.unwrap();
                        for image in [before, after].into_iter().flatten() {
                            for (column, cell) in image.cells().enumerate() {
                                let kind = map.columns[column];
                                let ours = match cell {
                                    Cell::Absent => continue,
                                    Cell::Null => b"NULL".to_vec(),
                                    Cell::Value(raw) => in_tool_notation(column, kind, raw),
                                };
                                let theirs = theirs_left.next().unwrap();
                                assert!(
                                    is_same(kind, &ours, theirs),
                                    "{name} {} column {column} {kind:?}: {:?} {:?}",
                                    map.full_name(),
                                    String::from_utf8_lossy(&ours),
                                    String::from_utf8_lossy(theirs)
                                );
                                compared += 1;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        assert_eq!(theirs_left.count(), 0, "{name}");
    }
    assert!(compared > 2000, "{compared} values");
}

/// The tool verifies checksums too, and would have said so.
#[test]
fn the_captures_hold_what_they_are_for() {
    let kinds =
        |name: &str| -> Vec<EventType> { raw_events(name).iter().map(|raw| EventType(raw[4])).collect() };
    for (name, kind) in [
        ("compressed", EventType::QUERY_COMPRESSED),
        ("compressed", EventType::UPDATE_ROWS_COMPRESSED_V1),
        ("statement", EventType::APPEND_BLOCK),
        ("statement", EventType::RAND),
        ("statement", EventType::USER_VAR),
        ("xa", EventType::XA_PREPARE),
        ("row", EventType::DELETE_ROWS_V1),
        ("encrypted", EventType::START_ENCRYPTION),
    ] {
        assert!(kinds(name).contains(&kind), "{name} has no {kind}");
    }
}
