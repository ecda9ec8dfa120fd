//! The sources of one workload: servers whose binlogs are filled once, before anything is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::Row;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;
use tributary_sandbox::{Server, ServerOptions, Site};

use crate::coordinates::Coordinates;
use crate::login::Login;
use crate::named::Named;
use crate::settings::Settings;
use crate::traffic::Size;
use crate::workload::{SOURCE_DATABASE, Workload};

/// The account replicas log in with. The server listens on the local interface only and lives as long as the bench.
const REPLICATION_USER: &str = "repl";
const REPLICATION_PASSWORD: &str = "repl-bench";

/// All sources of a workload, and what each of them writes.
pub(crate) struct Sources {
    /// The workload.
    pub(crate) workload: Workload,
    /// What one source writes.
    pub(crate) size: Size,
    /// The sources; number 1 is the first.
    pub(crate) all: Vec<Source>,
    filled_in: Duration,
}

/// One source.
pub(crate) struct Source {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// The server, for questions.
    pub(crate) site: Site,
    /// The server, for replicas.
    pub(crate) login: Login,
    /// The database that replicas rename.
    pub(crate) database: String,
    /// The server's process, unless it is the user's.
    pub(crate) server: Option<Server>,
    /// Where the binlog begins.
    pub(crate) start: Coordinates,
    /// Where it ends.
    pub(crate) end: Coordinates,
}

impl Sources {
    /// The user's source, with what it holds between the start he names and its end.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub(crate) async fn named(named: &Named) -> Result<Sources> {
        let site = named.url.site()?;
        let mut source = Source {
            number: 1,
            login: named.url.login()?,
            database: named.database.clone(),
            server: None,
            start: named.start.clone(),
            end: named.start.clone(),
            site,
        };
        source.note_end().await?;
        Ok(Sources {
            workload: Workload::Named,
            // Nobody has counted them.
            size: Size {
                clients: 0,
                units: 0,
                transactions: 0,
                rows: 0,
            },
            all: vec![source],
            filled_in: Duration::ZERO,
        })
    }

    /// Starts the servers with the workload's tables; nothing is in their binlogs.
    ///
    /// # Errors
    /// A server that does not start, or refuses the tables.
    pub(crate) async fn start(workload: Workload, settings: &Settings) -> Result<Sources> {
        let size = (workload.traffic().size)(settings.scale);
        let mut all = Vec::new();
        for number in 1..=workload.sources() {
            all.push(Source::start(number, workload, &size, settings).await?);
        }
        Ok(Sources {
            workload,
            size,
            all,
            filled_in: Duration::ZERO,
        })
    }

    /// Starts the servers and writes the workload to all of them at once.
    ///
    /// # Errors
    /// A statement that fails; a binlog that does not hold the transactions that were written.
    pub(crate) async fn fill(workload: Workload, settings: &Settings) -> Result<Sources> {
        let mut sources = Sources::start(workload, settings).await?;
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for source in &sources.all {
            for client in 0..sources.size.clients {
                let conn = source.connect().await?;
                let size = sources.size.clone();
                clients.spawn(async move { workload.traffic().write_share(conn, client, &size).await });
            }
        }
        while let Some(result) = clients.join_next().await {
            result
                .context("a client's task died")?
                .context("fill the binlog")?;
        }
        sources.filled_in = began.elapsed();
        for source in &mut sources.all {
            source.note_end().await?;
            let (found, expected) = (source.transactions().await?, sources.size.transactions);
            ensure!(
                found == expected,
                "the binlog of source {} holds {found} transactions instead of {expected}",
                source.number
            );
        }
        Ok(sources)
    }

    /// Transactions of all sources together.
    pub(crate) fn transactions(&self) -> u64 {
        self.size.transactions * self.all.len() as u64
    }

    /// Row changes of all sources together.
    pub(crate) fn rows(&self) -> u64 {
        self.size.rows * self.all.len() as u64
    }

    /// CPU time of all sources together, as far as they are ours.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let servers = self.all.iter().filter_map(|source| source.server.as_ref());
        servers.map(Server::cpu_seconds).sum()
    }

    /// One line on what was written.
    pub(crate) fn describe(&self) -> String {
        let bytes: u64 = self
            .all
            .iter()
            .map(|source| source.end.offset - source.start.offset)
            .sum();
        format!(
            "{} transactions, {} row changes, {:.1} MiB of binlog, written by {} clients in {:.1} s",
            self.transactions(),
            self.rows(),
            bytes as f64 / f64::from(1 << 20),
            self.size.clients * self.all.len(),
            self.filled_in.as_secs_f64()
        )
    }
}

impl Source {
    async fn start(number: u32, workload: Workload, size: &Size, settings: &Settings) -> Result<Source> {
        let mut options = ServerOptions::source(number)
            .arg(&format!("--binlog-format={}", workload.binlog_format()))
            // One file: a run is the same whether or not a size limit happens to fall into it.
            .arg("--max-binlog-size=1G")
            .arg("--innodb-buffer-pool-size=256M")
            .arg("--key-buffer-size=128M");
        options.args.extend_from_slice(&settings.source_args);
        let server = Server::start(options).await.context("start a source")?;
        let site: Site = server.as_ref().clone();
        site.run(&prepare_sql(workload, size))
            .await
            .context("create a source's tables and account")?;
        let start = coordinates(&site).await?;
        Ok(Source {
            number,
            login: Login {
                host: "127.0.0.1".to_owned(),
                port: server.port(),
                user: REPLICATION_USER.to_owned(),
                password: REPLICATION_PASSWORD.to_owned(),
            },
            database: SOURCE_DATABASE.to_owned(),
            server: Some(server),
            site,
            end: start.clone(),
            start,
        })
    }

    /// A session in the source's database.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub(crate) async fn connect(&self) -> Result<mysql_async::Conn> {
        let mut conn = self.site.connect().await?;
        conn.query_drop(format!("USE {SOURCE_DATABASE}")).await?;
        Ok(conn)
    }

    /// Whether the binlog still ends at [`Self::end`].
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(crate) async fn is_at_rest(&self) -> Result<bool> {
        Ok(coordinates(&self.site).await? == self.end)
    }

    /// Takes the present end of the binlog for [`Self::end`].
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(crate) async fn note_end(&mut self) -> Result<()> {
        self.end = coordinates(&self.site).await?;
        Ok(())
    }

    /// Transactions since `RESET MASTER`: the sequence number of the last one.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub(crate) async fn transactions(&self) -> Result<u64> {
        let gtid = self.site.value("SELECT @@gtid_binlog_pos").await?;
        let sequence = gtid.rsplit('-').next().unwrap_or_default();
        sequence
            .parse()
            .with_context(|| format!("gtid_binlog_pos {gtid:?} does not end in a sequence number"))
    }
}

/// Tables, their first rows, and the account, kept out of the binlog: it holds what is measured and nothing else.
fn prepare_sql(workload: Workload, size: &Size) -> String {
    let schema = workload
        .traffic()
        .schema(SOURCE_DATABASE, workload.engine(), size);
    format!(
        "SET sql_log_bin=0;\n{};\n\
         CREATE USER {REPLICATION_USER}@'%' IDENTIFIED BY '{REPLICATION_PASSWORD}';\n\
         GRANT REPLICATION SLAVE ON *.* TO {REPLICATION_USER}@'%';\n\
         RESET MASTER",
        schema.join(";\n")
    )
}

/// The end of the server's binlog.
async fn coordinates(server: &Site) -> Result<Coordinates> {
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
