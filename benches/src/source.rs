//! The source of one workload: a server whose binlog is filled once, before anything is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tokio::task::JoinSet;
use tributary_sandbox::{Server, ServerOptions};

use crate::call::{CALL_STATEMENTS, Call, CallIds};
use crate::coordinates::Coordinates;
use crate::settings::Settings;
use crate::workload::{SOURCE_DATABASE, Workload};

/// Clients that write calls at the same time; their statements interleave in the binlog.
const CLIENTS: usize = 8;

/// The account replicas log in with. The server listens on the local interface only and lives as long as the bench.
pub(crate) const REPLICATION_USER: &str = "repl";
/// Its password.
pub(crate) const REPLICATION_PASSWORD: &str = "repl-bench";

/// A source with a full binlog.
pub(crate) struct Source {
    /// What it holds.
    pub(crate) workload: Workload,
    /// The running server.
    pub(crate) server: Server,
    /// Where the calls begin.
    pub(crate) start: Coordinates,
    /// Where the calls end.
    pub(crate) end: Coordinates,
    /// Transactions in between, as the server counted them.
    pub(crate) transactions: u64,
    filled_in: Duration,
}

impl Source {
    /// Starts a server and writes the calls to it.
    ///
    /// # Errors
    /// A statement that fails; a binlog that does not hold one transaction for each statement.
    pub(crate) async fn fill(workload: Workload, settings: &Settings) -> Result<Source> {
        let calls = settings.calls;
        let mut options = ServerOptions::source(1)
            .arg(&format!("--binlog-format={}", workload.binlog_format()))
            // One file: a run is the same whether or not a size limit happens to fall into it.
            .arg("--max-binlog-size=1G")
            .arg("--innodb-buffer-pool-size=256M")
            .arg("--key-buffer-size=128M");
        options.args.extend_from_slice(&settings.source_args);
        let server = Server::start(options).await.context("start the source")?;
        server
            .run(&prepare_sql(workload))
            .await
            .context("create the source's tables and account")?;
        let start = coordinates(&server).await?;
        let began = Instant::now();
        write_calls(&server, calls).await.context("write the calls")?;
        let filled_in = began.elapsed();
        let end = coordinates(&server).await?;
        let transactions = transactions(&server).await?;
        let expected = (calls * CALL_STATEMENTS) as u64;
        ensure!(
            transactions == expected,
            "the binlog holds {transactions} transactions for {expected} statements"
        );
        Ok(Source {
            workload,
            server,
            start,
            end,
            transactions,
            filled_in,
        })
    }

    /// One line on what was written.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{} transactions, {:.1} MiB of binlog, written by {CLIENTS} clients in {:.1} s",
            self.transactions,
            (self.end.offset - self.start.offset) as f64 / (1 << 20) as f64,
            self.filled_in.as_secs_f64()
        )
    }
}

/// Tables and account, kept out of the binlog: it holds the calls and nothing else.
fn prepare_sql(workload: Workload) -> String {
    format!(
        "SET sql_log_bin=0;\n{}\
         CREATE USER {REPLICATION_USER}@'%' IDENTIFIED BY '{REPLICATION_PASSWORD}';\n\
         GRANT REPLICATION SLAVE ON *.* TO {REPLICATION_USER}@'%';\n\
         RESET MASTER",
        workload.schema(SOURCE_DATABASE)
    )
}

/// The end of the server's binlog.
async fn coordinates(server: &Server) -> Result<Coordinates> {
    let mut conn = server.connect().await?;
    let row: Row = conn
        .query_first("SHOW MASTER STATUS")
        .await?
        .context("the source writes no binlog")?;
    conn.disconnect().await?;
    let file = row.get_opt("File").context("SHOW MASTER STATUS has no File")??;
    let offset = row
        .get_opt("Position")
        .context("SHOW MASTER STATUS has no Position")??;
    Ok(Coordinates { file, offset })
}

/// Transactions since `RESET MASTER`: the sequence number of the last one.
async fn transactions(server: &Server) -> Result<u64> {
    let gtid = server.value("SELECT @@gtid_binlog_pos").await?;
    let sequence = gtid.rsplit('-').next().unwrap_or_default();
    sequence
        .parse()
        .with_context(|| format!("gtid_binlog_pos {gtid:?} does not end in a sequence number"))
}

/// Writes all calls, each client every [`CLIENTS`]-th.
async fn write_calls(server: &Server, calls: usize) -> Result<()> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let conn = server.connect().await?;
        clients.spawn(write_share(conn, client, calls));
    }
    while let Some(result) = clients.join_next().await {
        result.context("a client's task died")??;
    }
    Ok(())
}

async fn write_share(mut conn: Conn, first: usize, calls: usize) -> Result<()> {
    conn.query_drop(format!("USE {SOURCE_DATABASE}")).await?;
    for number in (first..calls).step_by(CLIENTS) {
        let call = Call::new(number);
        let mut ids = CallIds::default();
        for step in 0..CALL_STATEMENTS {
            let sql = call.statement(step, ids);
            conn.query_drop(&sql)
                .await
                .with_context(|| format!("run {sql}"))?;
            ensure!(
                conn.affected_rows() == 1,
                "changed {} rows instead of 1: {sql}",
                conn.affected_rows()
            );
            call.note_id(step, conn.last_insert_id(), &mut ids);
        }
    }
    conn.disconnect().await?;
    Ok(())
}
