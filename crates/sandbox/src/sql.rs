//! Small helpers over the SQL client.

use std::path::Path;

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};

/// Statements are quoted in errors up to this many characters.
const QUOTED_CHARS_MAX: usize = 200;

/// Options for `root` without a password over a unix socket.
pub(crate) fn root_over_socket(socket: &Path) -> Opts {
    let socket = socket.to_string_lossy().into_owned();
    OptsBuilder::default()
        .socket(Some(socket))
        .user(Some("root"))
        .prefer_socket(false)
        .into()
}

/// Runs one or many statements and drops their results; the first error ends it.
pub(crate) async fn run(conn: &mut Conn, sql: &str) -> anyhow::Result<()> {
    conn.query_drop(sql)
        .await
        .with_context(|| format!("run {}", quoted(sql)))
}

/// The rows of one statement, each value as text; bytes that are no UTF-8 are replaced.
pub(crate) async fn rows(conn: &mut Conn, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let rows: Vec<Row> = conn
        .query(sql)
        .await
        .with_context(|| format!("run {}", quoted(sql)))?;
    Ok(rows
        .into_iter()
        .map(|row| row.unwrap().into_iter().map(text).collect())
        .collect())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    }
}

/// `sql` for an error message: on one line and not too long.
pub(crate) fn quoted(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("`{}...`", &line[..end]),
        None => format!("`{line}`"),
    }
}
