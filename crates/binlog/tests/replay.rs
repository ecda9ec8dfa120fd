//! What the crate writes, a real server applies: each captured binlog is replayed through `BINLOG` statements under another
//! database name (table maps renamed, rows plain, no checksums), and leaves the tables that its SQL leaves.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::fs::File;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use support::{events, testdata};
use tributary_binlog::{Assembled, Coordinates, GroupAssembler, GroupItem, RowsItem, StatementItem};
use tributary_sandbox::{Server, ServerOptions, compare};

const SOURCE_DB: &str = "asterisk";
const TARGET_DB: &str = "m1_asterisk";

/// Runs the SQL of a capture in the source's database, as the capture script did.
fn run_sql(server: &Server, name: &str) {
    let status = Command::new("mariadb")
        .arg("--no-defaults")
        .arg(format!("--socket={}", server.socket().display()))
        .args(["-uroot", "--default-character-set=utf8mb4", SOURCE_DB])
        .stdin(File::open(testdata().join(format!("sql/{name}.sql"))).unwrap())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{name}");
}

async fn apply_statement(conn: &mut Conn, item: &StatementItem) {
    if item.query.query.starts_with(b"CREATE DATABASE") {
        return;
    }
    let mode = item.query.status.sql_mode.unwrap();
    conn.query_drop(format!(
        "SET sql_mode={mode}, INSERT_ID={}",
        item.insert_id.unwrap_or(0)
    ))
    .await
    .unwrap();
    conn.query_drop(item.query.query.as_ref()).await.unwrap();
}

/// One `BINLOG` statement with everything a source's statement changed.
async fn apply_rows(conn: &mut Conn, item: &RowsItem) {
    let mut bytes = Vec::new();
    for (header, map) in &item.maps {
        assert_eq!(map.db.as_ref(), SOURCE_DB.as_bytes());
        map.encode_renamed(header, TARGET_DB.as_bytes(), &mut bytes);
    }
    for (header, rows) in &item.events {
        rows.encode_plain(header, &mut bytes);
    }
    conn.query_drop(format!("BINLOG '{}'", STANDARD.encode(bytes)))
        .await
        .unwrap();
}

/// Applies a capture to the target's database; how many rows statements it holds.
async fn replay(server: &Server, name: &str) -> usize {
    let mut conn = server.connect().await.unwrap();
    conn.query_drop(format!("USE {TARGET_DB}")).await.unwrap();
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    let mut rows_statements = 0;
    for (_, event) in events(name) {
        match groups.push(event).unwrap() {
            Some(Assembled::FormatChanged { format, .. }) => {
                let mut bytes = Vec::new();
                format.encode_without_checksum(&mut bytes);
                conn.query_drop(format!("BINLOG '{}'", STANDARD.encode(bytes)))
                    .await
                    .unwrap();
            }
            Some(Assembled::Group(group)) => {
                for item in &group.items {
                    match item {
                        GroupItem::Statement(item) => apply_statement(&mut conn, item).await,
                        GroupItem::Rows(item) => {
                            apply_rows(&mut conn, item).await;
                            rows_statements += 1;
                        }
                        GroupItem::LoadData(_) | GroupItem::LoadFile(_) => panic!("{name} has LOAD DATA"),
                    }
                }
            }
            _ => {}
        }
    }
    conn.disconnect().await.unwrap();
    rows_statements
}

async fn check(server: &Server, name: &str, tables: usize) {
    for db in [SOURCE_DB, TARGET_DB] {
        server
            .run(&format!("DROP DATABASE IF EXISTS {db}; CREATE DATABASE {db}"))
            .await
            .unwrap();
    }
    run_sql(server, name);
    let rows_statements = replay(server, name).await;
    assert!(rows_statements >= 3, "{name}: {rows_statements} rows statements");
    let comparison = compare(server, SOURCE_DB, server, TARGET_DB, &[]).await.unwrap();
    for table in &comparison.tables {
        assert!(
            table.equal,
            "{name}.{}: {:?}",
            table.table, table.first_difference
        );
    }
    assert!(comparison.is_equal());
    assert_eq!(comparison.tables.len(), tables, "{name}");
    assert!(comparison.replicated_rows() > 0, "{name}");
}

#[tokio::test]
async fn captures_replay_through_binlog_statements() {
    let server = Server::start(ServerOptions::plain(1)).await.unwrap();
    for (name, tables) in [("row", 4), ("row-full", 5), ("row-minimal", 2), ("compressed", 2)] {
        check(&server, name, tables).await;
    }
}

#[tokio::test]
async fn old_temporal_columns_replay() {
    let server = Server::start(ServerOptions::plain(1).arg("--mysql56-temporal-format=OFF"))
        .await
        .unwrap();
    check(&server, "old-temporal", 2).await;
}
