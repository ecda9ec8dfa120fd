//! Whether a target holds exactly what its source holds, table by table, row by row, every column byte by byte.
//!
//! Both tables are read as streams and matched as multisets of row fingerprints, so neither the order of rows nor a
//! missing key matters, and only rows still without a partner are held. Values come over the binary protocol, which
//! does not round floating-point numbers, in UTC and without character set conversion. A fingerprint has 128 bits
//! under keys drawn for this run: two different rows share one with a chance of 2^-128.

mod code;
mod definition;
mod fingerprint;
mod rows;

use std::fmt;

use anyhow::Context;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::Site;
use rows::Side;

pub use code::{CodeComparison, compare_code};

/// What [`compare`] found, one report per table of either side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Sorted by name.
    pub tables: Vec<TableReport>,
}

/// One table on both sides.
#[derive(Clone, Debug)]
pub struct TableReport {
    /// The table's name without its database.
    pub table: String,
    /// Rows on the source; 0 when it is not there.
    pub source_rows: u64,
    /// Rows on the target; 0 when it is not there.
    pub target_rows: u64,
    /// Same definition and same rows; for an ignored table: absent or empty on the target.
    pub equal: bool,
    /// Whether the table was named as ignored.
    pub ignored: bool,
    /// What differs, the first of it, in words.
    pub first_difference: Option<String>,
}

impl Comparison {
    /// Whether every table is as it should be, and there was one at all.
    pub fn is_equal(&self) -> bool {
        !self.tables.is_empty() && self.tables.iter().all(|table| table.equal)
    }

    /// Rows on the source in tables that are not ignored.
    pub fn replicated_rows(&self) -> u64 {
        self.tables
            .iter()
            .filter(|table| !table.ignored)
            .map(|table| table.source_rows)
            .sum()
    }
}

/// Lists the tables that differ, or says that none does.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tables.is_empty() {
            return write!(f, "no tables to compare");
        }
        let mut different = self.tables.iter().filter(|table| !table.equal).peekable();
        if different.peek().is_none() {
            return write!(f, "all {} tables are equal", self.tables.len());
        }
        for table in different {
            let difference = table.first_difference.as_deref().unwrap_or("differs");
            writeln!(f, "{}: {difference}", table.table)?;
        }
        Ok(())
    }
}

/// Compares every table of `source_db` on `source` with the one of the same name in `target_db` on `target`.
///
/// Servers of two vendors write definitions in their own ways: there only the columns' names and the rows are compared.
///
/// Tables named in `ignored` must be absent or empty on the target. Views are compared by definition. Nothing may
/// write to either side meanwhile.
///
/// # Errors
/// When a server cannot be read. A difference is not an error.
pub async fn compare(
    source: &impl AsRef<Site>,
    source_db: &str,
    target: &impl AsRef<Site>,
    target_db: &str,
    ignored: &[&str],
) -> anyhow::Result<Comparison> {
    let is_one_vendor = source.as_ref().is_mysql().await? == target.as_ref().is_mysql().await?;
    let mut pair = Pair {
        is_one_vendor,
        source: Side::new(connect(source.as_ref()).await?, source_db),
        target: Side::new(connect(target.as_ref()).await?, target_db),
    };
    let on_source = pair.source.tables().await?;
    let on_target = pair.target.tables().await?;
    let mut tables = Vec::new();
    for table in on_source.union(&on_target) {
        let there = (on_source.contains(table), on_target.contains(table));
        let report = if ignored.contains(&table.as_str()) {
            pair.ignored_table(table, there).await
        } else {
            pair.table(table, there).await
        };
        tables.push(report.with_context(|| format!("compare table {table}"))?);
    }
    pair.source.conn.disconnect().await.ok();
    pair.target.conn.disconnect().await.ok();
    Ok(Comparison { tables })
}

/// Reads one row of every table of a database.
///
/// A restarted source writes a `TRUNCATE` for each MEMORY table to its binary log when the table is first opened;
/// whoever compares must have had these events applied before.
///
/// # Errors
/// The server's error.
pub async fn open_all_tables(server: &impl AsRef<Site>, database: &str) -> anyhow::Result<()> {
    let mut side = Side::new(connect(server.as_ref()).await?, database);
    for table in side.tables().await? {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", side.qualified(&table));
        side.conn
            .query_drop(&sql)
            .await
            .with_context(|| format!("open table {table}"))?;
    }
    side.conn.disconnect().await.ok();
    Ok(())
}

async fn connect(server: &Site) -> anyhow::Result<Conn> {
    let mut conn = server.connect().await?;
    let is_mysql = server.is_mysql().await?;
    let no_limit = if is_mysql {
        "max_execution_time"
    } else {
        "max_statement_time"
    };
    conn.query_drop(format!(
        "SET character_set_results = NULL, time_zone = '+00:00', sql_mode = '', {no_limit} = 0"
    ))
    .await
    .context("prepare a session for comparing")?;
    Ok(conn)
}

struct Pair {
    /// Whether definitions are comparable as text.
    is_one_vendor: bool,
    source: Side,
    target: Side,
}

impl Pair {
    async fn ignored_table(&mut self, table: &str, there: (bool, bool)) -> anyhow::Result<TableReport> {
        let source_rows = if there.0 {
            self.source.count(table).await?
        } else {
            0
        };
        let target_rows = if there.1 {
            self.target.count(table).await?
        } else {
            0
        };
        let first_difference =
            (target_rows > 0).then(|| format!("ignored, but {target_rows} rows on the target"));
        Ok(report(table, (source_rows, target_rows), true, first_difference))
    }

    async fn table(&mut self, table: &str, there: (bool, bool)) -> anyhow::Result<TableReport> {
        match there {
            (true, false) => {
                let rows = self.source.count(table).await?;
                return Ok(report(
                    table,
                    (rows, 0),
                    false,
                    Some("not on the target".to_owned()),
                ));
            }
            (false, _) => {
                let rows = self.target.count(table).await?;
                return Ok(report(
                    table,
                    (0, rows),
                    false,
                    Some("not on the source".to_owned()),
                ));
            }
            (true, true) => {}
        }
        let (here, there) = (
            self.source.definition(table).await?,
            self.target.definition(table).await?,
        );
        let definitions = if self.is_one_vendor || here.columns != there.columns {
            definition::first_difference(&here, &there)
        } else {
            None
        };
        if here.is_view || there.is_view {
            return Ok(report(table, (0, 0), false, definitions));
        }
        if here.columns != there.columns {
            let rows = (self.source.count(table).await?, self.target.count(table).await?);
            return Ok(report(table, rows, false, definitions));
        }
        let (counts, unmatched) = rows::unmatched(&mut self.source, &mut self.target, table, &here).await?;
        let first_difference = match (definitions, unmatched.is_empty()) {
            (Some(difference), _) => Some(difference),
            (None, true) => None,
            (None, false) => {
                Some(rows::describe(&mut self.source, &mut self.target, table, &here, &unmatched).await?)
            }
        };
        Ok(report(table, counts, false, first_difference))
    }
}

fn report(
    table: &str,
    (source_rows, target_rows): (u64, u64),
    ignored: bool,
    first_difference: Option<String>,
) -> TableReport {
    let equal = first_difference.is_none();
    TableReport {
        table: table.to_owned(),
        source_rows,
        target_rows,
        equal,
        ignored,
        first_difference,
    }
}
