//! Reading both sides of one table and matching their rows.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Conn, QueryResult, Row, Value};

use super::definition::{Definition, with_new_names, with_one_order, without_counter};
use super::fingerprint::Fingerprints;

/// Values are quoted in a description up to this many characters.
const QUOTED_CHARS_MAX: usize = 120;

/// One server's side of a comparison: a session and the database in it.
pub(super) struct Side {
    pub(super) conn: Conn,
    database: String,
}

/// Rows without a partner: fingerprint to how many more there are on the source; negative: on the target.
pub(super) struct Unmatched {
    fingerprints: Fingerprints,
    counts: HashMap<u128, i64>,
}

impl Unmatched {
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add(&mut self, row: Row, sign: i64) {
        let fingerprint = self.fingerprints.of(&row.unwrap());
        let count = self.counts.entry(fingerprint).or_insert(0);
        *count += sign;
        if *count == 0 {
            self.counts.remove(&fingerprint);
        }
    }
}

impl Side {
    pub(super) fn new(conn: Conn, database: &str) -> Side {
        Side {
            conn,
            database: database.to_owned(),
        }
    }

    pub(super) fn qualified(&self, table: &str) -> String {
        format!("{}.{}", identifier(&self.database), identifier(table))
    }

    /// Tables and views.
    pub(super) async fn tables(&mut self) -> anyhow::Result<BTreeSet<String>> {
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?";
        let names: Vec<Vec<u8>> = self
            .conn
            .exec(sql, (&self.database,))
            .await
            .with_context(|| format!("list tables of {}", self.database))?;
        Ok(names
            .into_iter()
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect())
    }

    pub(super) async fn count(&mut self, table: &str) -> anyhow::Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.qualified(table));
        let count: Option<u64> = self.conn.query_first(&sql).await.context("count rows")?;
        count.context("COUNT(*) gave no row")
    }

    pub(super) async fn definition(&mut self, table: &str) -> anyhow::Result<Definition> {
        let sql = format!("SHOW CREATE TABLE {}", self.qualified(table));
        let row: Option<Row> = self.conn.query_first(&sql).await.context("read the definition")?;
        let row = row.context("SHOW CREATE TABLE gave no row")?;
        let is_view = row
            .columns_ref()
            .first()
            .is_some_and(|column| column.name_str() == "View");
        let statement: Vec<u8> = row.get(1).context("SHOW CREATE TABLE gave no statement")?;
        let statement = String::from_utf8_lossy(&statement).into_owned();
        // A view names its own database, and so does a default that a sequence gives.
        let mut statement = statement.replace(&format!("{}.", identifier(&self.database)), "");
        if !is_view {
            statement = with_one_order(&with_new_names(&without_counter(&statement)));
        }
        let (columns, key) = self.columns(table).await?;
        Ok(Definition {
            statement,
            is_view,
            columns,
            key,
        })
    }

    async fn columns(&mut self, table: &str) -> anyhow::Result<(Vec<String>, Vec<usize>)> {
        let sql = "SELECT column_name, column_key = 'PRI' FROM information_schema.columns \
                   WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
        let rows: Vec<(Vec<u8>, bool)> = self
            .conn
            .exec(sql, (&self.database, table))
            .await
            .context("read the columns")?;
        let key = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.1)
            .map(|(index, _)| index)
            .collect();
        let columns = rows
            .iter()
            .map(|row| String::from_utf8_lossy(&row.0).into_owned())
            .collect();
        Ok((columns, key))
    }

    async fn read(
        &mut self,
        table: &str,
        definition: &Definition,
    ) -> anyhow::Result<QueryResult<'_, 'static, BinaryProtocol>> {
        let columns: Vec<String> = definition
            .columns
            .iter()
            .map(|column| identifier(column))
            .collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), self.qualified(table));
        self.conn
            .exec_iter(sql, ())
            .await
            .with_context(|| format!("read {}.{table}", self.database))
    }
}

/// Reads both sides at once. Both servers keep rows in much the same order, so few wait for their partner.
pub(super) async fn unmatched(
    source: &mut Side,
    target: &mut Side,
    table: &str,
    definition: &Definition,
) -> anyhow::Result<((u64, u64), Unmatched)> {
    let mut unmatched = Unmatched {
        fingerprints: Fingerprints::new(),
        counts: HashMap::new(),
    };
    let mut here = source.read(table, definition).await?;
    let mut there = target.read(table, definition).await?;
    let (mut source_rows, mut target_rows) = (0, 0);
    loop {
        let source_row = here.next().await.context("read a row of the source")?;
        let target_row = there.next().await.context("read a row of the target")?;
        if source_row.is_none() && target_row.is_none() {
            return Ok(((source_rows, target_rows), unmatched));
        }
        if let Some(row) = source_row {
            source_rows += 1;
            unmatched.add(row, 1);
        }
        if let Some(row) = target_row {
            target_rows += 1;
            unmatched.add(row, -1);
        }
    }
}

/// Reads both tables once more to show the first row without a partner, and its like on the other side.
pub(super) async fn describe(
    source: &mut Side,
    target: &mut Side,
    table: &str,
    definition: &Definition,
    unmatched: &Unmatched,
) -> anyhow::Result<String> {
    let only_source = first_row(source, table, definition, unmatched, |count| count > 0, None).await?;
    let key = only_source.as_ref().map(|row| key_of(definition, row));
    let only_target = first_row(
        target,
        table,
        definition,
        unmatched,
        |count| count < 0,
        key.as_deref(),
    )
    .await?;
    let surplus: i64 = unmatched.counts.values().filter(|count| **count > 0).sum();
    let shortage: i64 = unmatched.counts.values().filter(|count| **count < 0).sum();
    let counts = format!(
        "{surplus} rows only on the source, {} only on the target",
        -shortage
    );
    let first = match (only_source, only_target) {
        (Some(here), Some(there))
            if !definition.key.is_empty() && key_of(definition, &here) == key_of(definition, &there) =>
        {
            different_columns(definition, &here, &there)
        }
        (Some(here), _) => format!("only on the source: {}", row_text(definition, &here)),
        (None, Some(there)) => format!("only on the target: {}", row_text(definition, &there)),
        (None, None) => "the rows changed while they were read".to_owned(),
    };
    Ok(format!("{counts}; {first}"))
}

/// The first row whose surplus is as `wanted`; with a `key`, the one with this key, or else the first.
async fn first_row(
    side: &mut Side,
    table: &str,
    definition: &Definition,
    unmatched: &Unmatched,
    wanted: fn(i64) -> bool,
    key: Option<&[Value]>,
) -> anyhow::Result<Option<Vec<Value>>> {
    let mut fingerprints = unmatched.fingerprints.clone();
    let mut rows = side.read(table, definition).await?;
    let mut first = None;
    while let Some(row) = rows.next().await.context("read a row")? {
        let row = row.unwrap();
        let count = unmatched.counts.get(&fingerprints.of(&row)).copied().unwrap_or(0);
        if !wanted(count) {
            continue;
        }
        if key.is_none_or(|key| key.is_empty() || key == key_of(definition, &row)) {
            first = Some(row);
            break;
        }
        first.get_or_insert(row);
    }
    rows.drop_result().await.context("end reading")?;
    Ok(first)
}

fn key_of(definition: &Definition, row: &[Value]) -> Vec<Value> {
    definition
        .key
        .iter()
        .filter_map(|index| row.get(*index).cloned())
        .collect()
}

fn different_columns(definition: &Definition, here: &[Value], there: &[Value]) -> String {
    let pairs = definition.columns.iter().zip(here.iter().zip(there));
    let different: Vec<String> = pairs
        .filter(|(_, (a, b))| a != b)
        .map(|(column, (a, b))| format!("{column} is {} on the source, {} on the target", text(a), text(b)))
        .collect();
    let key = definition
        .key
        .iter()
        .map(|index| format!("{}={}", definition.columns[*index], text(&here[*index])));
    let row = key.collect::<Vec<_>>().join(", ");
    format!("row {row}: {}", different.join("; "))
}

fn row_text(definition: &Definition, row: &[Value]) -> String {
    let columns = definition.columns.iter().zip(row);
    columns
        .map(|(column, value)| format!("{column}={}", text(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn text(value: &Value) -> String {
    let text = match value {
        Value::Bytes(bytes) => format!("'{}'", bytes.escape_ascii()),
        other => other.as_sql(true),
    };
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
