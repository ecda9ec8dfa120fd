//! What a source writes: tables, the rows they begin with, and the transactions of one workload.

use anyhow::{Context, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

mod big;
mod call;
mod calls;
mod hot_row;
mod no_key;
mod random;
mod slow;
mod sysbench;

pub(crate) use big::BIG;
pub(crate) use calls::{CALLS, STEADY, write_call};
pub(crate) use hot_row::HOT_ROW;
pub(crate) use no_key::NO_KEY;
pub(crate) use slow::SLOW;
pub(crate) use sysbench::SYSBENCH;

/// The server's errors after which a client tries its transaction again: lock wait timeout and deadlock.
const RETRIED_ERRORS: [u16; 2] = [1205, 1213];

/// A transaction that lost this often is not unlucky but stuck.
const ATTEMPTS_MAX: usize = 100;

/// One kind of traffic.
pub(crate) struct Traffic {
    /// Tables and their columns.
    pub(crate) tables: &'static [(&'static str, &'static str)],
    /// How much is written at a scale.
    pub(crate) size: fn(f64) -> Size,
    /// Statements that fill the tables before the binlog begins; the same rows wherever they run.
    pub(crate) preload: fn(&Size) -> Vec<String>,
    /// What each client's session sets first; empty for nothing.
    pub(crate) session: &'static str,
    /// The transactions.
    pub(crate) writer: Writer,
}

/// How a unit of work is written.
#[derive(Clone, Copy)]
pub(crate) enum Writer {
    /// Calls, whose updates need the ids their inserts were given.
    Calls,
    /// Transactions whose statements depend on their number alone.
    Transactions(fn(usize, &Size) -> Vec<String>),
}

/// How much is written to one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Clients that write at the same time.
    pub(crate) clients: usize,
    /// Units of work, shared among the clients.
    pub(crate) units: usize,
    /// Transactions that the binlog will hold.
    pub(crate) transactions: u64,
    /// Row changes in them.
    pub(crate) rows: u64,
}

/// `count` at scale 1, scaled, but no less than `least`.
fn scaled(count: f64, scale: f64, least: usize) -> usize {
    ((count * scale).ceil() as usize).max(least)
}

/// Nothing to begin with.
fn no_preload(_: &Size) -> Vec<String> {
    Vec::new()
}

impl Traffic {
    /// The statements that create the tables in `database` and fill them.
    pub(crate) fn schema(&self, database: &str, engine: &str, size: &Size) -> Vec<String> {
        let mut statements = vec![format!("CREATE DATABASE {database}"), format!("USE {database}")];
        statements.extend(self.tables.iter().map(|(table, columns)| {
            format!("CREATE TABLE {table} ({columns}) ENGINE={engine} DEFAULT CHARSET=utf8mb4")
        }));
        statements.extend((self.preload)(size));
        statements
    }

    /// Writes every [`Size::clients`]-th unit, beginning with `first`.
    ///
    /// # Errors
    /// A statement that fails, with its text.
    pub(crate) async fn write_share(&self, mut conn: Conn, first: usize, size: &Size) -> Result<()> {
        if !self.session.is_empty() {
            conn.query_drop(self.session).await?;
        }
        for unit in (first..size.units).step_by(size.clients) {
            match self.writer {
                Writer::Calls => write_call(&mut conn, unit, None).await?,
                Writer::Transactions(statements) => {
                    write_transaction(&mut conn, &statements(unit, size)).await?;
                }
            }
        }
        conn.disconnect().await?;
        Ok(())
    }
}

/// Runs one transaction, again when it loses against another.
async fn write_transaction(conn: &mut Conn, statements: &[String]) -> Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        match try_transaction(conn, statements).await {
            Err(mysql_async::Error::Server(error)) if RETRIED_ERRORS.contains(&error.code) => {
                conn.query_drop("ROLLBACK").await?;
            }
            done => {
                return done
                    .with_context(|| format!("run {}", statements.first().map_or("", String::as_str)));
            }
        }
    }
    anyhow::bail!("a transaction lost {ATTEMPTS_MAX} times against others: {statements:?}")
}

async fn try_transaction(conn: &mut Conn, statements: &[String]) -> Result<(), mysql_async::Error> {
    for statement in statements {
        conn.query_drop(statement).await?;
    }
    Ok(())
}

/// Runs one statement that must change exactly one row.
async fn change_one_row(conn: &mut Conn, sql: &str) -> Result<()> {
    conn.query_drop(sql).await.with_context(|| format!("run {sql}"))?;
    ensure!(
        conn.affected_rows() == 1,
        "changed {} rows instead of 1: {sql}",
        conn.affected_rows()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_traffic_has_work_at_the_smallest_scale_and_grows_with_it() {
        for traffic in [&CALLS, &STEADY, &SLOW, &NO_KEY, &SYSBENCH, &HOT_ROW, &BIG] {
            let (small, full) = ((traffic.size)(0.000_001), (traffic.size)(1.0));
            assert!(
                small.units >= 1 && small.transactions >= 1 && small.rows >= 1,
                "{small:?}"
            );
            assert!(small.rows < full.rows, "{small:?} {full:?}");
            let sql = traffic.schema("d", "Aria", &small);
            assert_eq!(
                sql.iter().filter(|text| text.contains("ENGINE=Aria")).count(),
                traffic.tables.len()
            );
        }
    }

    #[test]
    fn transactions_begin_and_commit_or_are_one_statement() {
        for traffic in [&SLOW, &NO_KEY, &SYSBENCH, &HOT_ROW, &BIG] {
            let size = (traffic.size)(0.01);
            let Writer::Transactions(statements) = traffic.writer else {
                panic!("not written by statements");
            };
            let statements = statements(0, &size);
            match statements.as_slice() {
                [one] => assert_ne!(one, "BEGIN"),
                [first, .., last] => assert_eq!((first.as_str(), last.as_str()), ("BEGIN", "COMMIT")),
                [] => panic!("no statements"),
            }
        }
    }
}
