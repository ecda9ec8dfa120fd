//! A random workload: whatever the generator can think of, from several clients at once, following from a seed.
//!
//! [`crate::Traffic`] is what a call centre does; this is what a server can log. Every statement is one a replica can
//! repeat exactly: under `binlog_format=STATEMENT` only what does the same wherever it is repeated, elsewhere
//! everything that MIXED and ROW make repeatable. Statements may fail on the source, as those of real clients do.
//!
//! The choices of one client follow from the seed and from the tables there are. Which tables there are depends on how
//! the clients interleave, so two runs with one seed are alike and not equal; a single client's runs are equal.

mod changes;
mod charset;
mod client;
mod ddl;
mod generator;
mod grammar;
mod kind;
mod load;
mod model;
mod routines;
mod rows;
mod script;
mod session;
mod table;
mod temporary;
mod transactions;
mod value;
mod various;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::task::JoinSet;

use crate::clients::{self, Pace};
use crate::watchdog::ScratchDirectory;
use crate::{ServerOptions, Site};
use client::{Client, Killable};
use generator::Generator;
use generator::Surroundings;
use model::Model;

pub use grammar::Grammar;
pub use script::{Script, ScriptStatement};

/// The databases the workload writes.
pub const DATABASES: [&str; 2] = ["asterisk", "tools"];
/// Tables of `asterisk` that are written too, and that a replica under test leaves out.
pub const IGNORED_TABLES: [&str; 2] = ["ignored_1", "ignored_2"];
/// The server has ended the connection with these: 1053 shutdown, 1927 killed, 1184 and 1152 aborted.
const CONNECTION_ENDED: [u16; 4] = [1053, 1927, 1184, 1152];
/// How long the last statements of a source may take to end.
const QUIET_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether they have.
const QUIET_INTERVAL: Duration = Duration::from_millis(20);

/// Which kinds of statements there are. Rows are always added, changed and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Tables are created, altered, renamed and dropped on the way.
    pub ddl: bool,
    /// Transactions, with savepoints and rollbacks.
    pub transactions: bool,
    /// Transactions that also write tables that cannot be rolled back.
    pub mixed_engines: bool,
    /// XA transactions.
    pub xa: bool,
    /// Temporary tables.
    pub temporary_tables: bool,
    /// `LOAD DATA LOCAL`.
    pub load_data: bool,
    /// `LOAD DATA` of a file the server reads itself: it must run on this machine.
    pub server_files: bool,
    /// Procedures and functions.
    pub routines: bool,
    /// Triggers.
    pub triggers: bool,
    /// Views.
    pub views: bool,
    /// Events: the source's scheduler must be on for them to run.
    pub events: bool,
    /// Sequences.
    pub sequences: bool,
    /// Foreign keys.
    pub foreign_keys: bool,
    /// `ALTER TABLE` of partitions.
    pub partitions: bool,
    /// `sql_mode`, character sets, time zones, user variables and more, changed on the way.
    pub sessions: bool,
    /// `binlog_format` and `binlog_row_image` changed on the way.
    pub formats: bool,
    /// Functions of the clock.
    pub clock: bool,
    /// `UUID()` and its like, which MIXED logs as rows.
    pub unsafe_functions: bool,
    /// Clients that leave and come back, some without a word, and statements that are killed.
    pub interruptions: bool,
    /// `FLUSH BINARY LOGS`.
    pub flush_logs: bool,
    /// Statements prepared from a string.
    pub prepared: bool,
    /// Several statements in one packet.
    pub packets: bool,
}

impl Kinds {
    /// Everything.
    pub const ALL: Kinds = Kinds {
        ddl: true,
        transactions: true,
        mixed_engines: true,
        xa: true,
        temporary_tables: true,
        load_data: true,
        server_files: true,
        routines: true,
        triggers: true,
        views: true,
        events: true,
        sequences: true,
        foreign_keys: true,
        partitions: true,
        sessions: true,
        formats: true,
        clock: true,
        unsafe_functions: true,
        interruptions: true,
        flush_logs: true,
        prepared: true,
        packets: true,
    };

    /// Without the kinds of these names, which are the fields' names.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn without(mut self, names: &[&str]) -> anyhow::Result<Kinds> {
        for name in names {
            let Some((_, field)) = self.fields().into_iter().find(|(known, _)| known == name) else {
                bail!("there is no kind of statements called '{name}'")
            };
            *field = false;
        }
        Ok(self)
    }

    fn fields(&mut self) -> [(&'static str, &mut bool); 22] {
        [
            ("ddl", &mut self.ddl),
            ("transactions", &mut self.transactions),
            ("mixed_engines", &mut self.mixed_engines),
            ("xa", &mut self.xa),
            ("temporary_tables", &mut self.temporary_tables),
            ("load_data", &mut self.load_data),
            ("server_files", &mut self.server_files),
            ("routines", &mut self.routines),
            ("triggers", &mut self.triggers),
            ("views", &mut self.views),
            ("events", &mut self.events),
            ("sequences", &mut self.sequences),
            ("foreign_keys", &mut self.foreign_keys),
            ("partitions", &mut self.partitions),
            ("sessions", &mut self.sessions),
            ("formats", &mut self.formats),
            ("clock", &mut self.clock),
            ("unsafe_functions", &mut self.unsafe_functions),
            ("interruptions", &mut self.interruptions),
            ("flush_logs", &mut self.flush_logs),
            ("prepared", &mut self.prepared),
            ("packets", &mut self.packets),
        ]
    }
}

/// How much of it.
#[derive(Clone, Debug)]
pub struct WorkloadPlan {
    /// What every choice follows from.
    pub seed: u64,
    /// Connections that work at the same time, 1 to 99.
    pub clients: usize,
    /// Upper limit of statements per second for all clients together; `None` is as fast as the server goes.
    pub statements_per_second_max: Option<u32>,
    /// What there is.
    pub kinds: Kinds,
    /// What the servers understand.
    pub grammar: Grammar,
}

/// What the workload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadReport {
    /// Statements the server executed.
    pub statements: u64,
    /// Rows they changed, as the server counts.
    pub rows: u64,
    /// Statements the server refused, by error number.
    pub refused: BTreeMap<u16, u64>,
    /// Times a client lost or left its connection and came back.
    pub reconnects: u64,
    /// Statements and connections killed by other clients.
    pub kills: u64,
}

/// Running clients. Dropping it ends them at once.
pub struct Workload {
    shared: Arc<Shared>,
    clients: JoinSet<anyhow::Result<()>>,
}

struct Shared {
    plan: WorkloadPlan,
    source: Site,
    pace: Arc<Pace>,
    model: Arc<Model>,
    killable: Vec<Killable>,
    statements: AtomicU64,
    rows: AtomicU64,
    reconnects: AtomicU64,
    kills: AtomicU64,
    refused: Mutex<BTreeMap<u16, u64>>,
    files: ScratchDirectory,
}

impl Workload {
    /// The options a source needs for everything the workload can do; `program` as in [`ServerOptions`].
    pub fn source_options(server_id: u32, program: Option<&Path>) -> ServerOptions {
        let options = match program {
            Some(program) => ServerOptions::source_of(server_id, program),
            None => ServerOptions::source(server_id),
        };
        options
            .arg("--local-infile=ON")
            .arg("--secure-file-priv=")
            .arg("--event-scheduler=ON")
            .arg("--log-bin-trust-function-creators=ON")
            .arg("--max-binlog-size=64M")
    }

    /// Creates the databases on a source and starts the clients.
    ///
    /// # Errors
    /// When the plan has no clients or too many, or the source cannot be prepared.
    pub async fn start(source: &impl AsRef<Site>, plan: WorkloadPlan) -> anyhow::Result<Workload> {
        clients::check_count(plan.clients)?;
        let shared = Arc::new(Shared {
            source: source.as_ref().clone(),
            pace: Pace::new(plan.statements_per_second_max),
            model: Arc::new(Model::new()),
            killable: (0..plan.clients).map(|_| Killable::default()).collect(),
            statements: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            kills: AtomicU64::new(0),
            refused: Mutex::default(),
            files: ScratchDirectory::create("tributary-workload-")?,
            plan,
        });
        for database in DATABASES {
            shared
                .source
                .run(&format!("CREATE DATABASE IF NOT EXISTS {database}"))
                .await?;
        }
        Client::new(0, shared.clone())
            .prepare()
            .await
            .context("prepare the workload's databases")?;
        let clients = clients::start(shared.plan.clients, &shared.pace, |number| {
            Client::new(number, shared.clone()).run()
        });
        Ok(Workload { shared, clients })
    }

    /// What has been done so far.
    pub fn report(&self) -> WorkloadReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkloadReport {
            statements: read(&self.shared.statements),
            rows: read(&self.shared.rows),
            refused: self
                .shared
                .refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            reconnects: read(&self.shared.reconnects),
            kills: read(&self.shared.kills),
        }
    }

    /// Whether a client has ended, which before its time it does on errors only; [`Workload::stop`] tells which.
    pub fn has_ended(&self) -> bool {
        self.shared.pace.has_ended()
    }

    /// Lets every client finish its step and begin no other.
    pub fn begin_stop(&self) {
        self.shared.pace.stop();
    }

    /// [`Workload::begin_stop`], and waits until nothing runs on the source any more.
    ///
    /// # Errors
    /// The first client's failure: a server that is gone.
    pub async fn stop(mut self) -> anyhow::Result<WorkloadReport> {
        self.begin_stop();
        while let Some(ended) = self.clients.join_next().await {
            ended.context("a client of the workload panicked")??;
        }
        self.quiet().await?;
        Ok(self.report())
    }

    /// Events may still run, and sessions that were left may still drop their temporary tables.
    async fn quiet(&self) -> anyhow::Result<()> {
        let source = &self.shared.source;
        source.run("SET GLOBAL event_scheduler = OFF").await?;
        let others = "SELECT COUNT(*) FROM information_schema.processlist \
            WHERE command NOT IN ('Binlog Dump', 'Daemon') AND id <> CONNECTION_ID()";
        let deadline = Instant::now() + QUIET_TIMEOUT;
        while source.value(others).await? != "0" {
            ensure!(
                Instant::now() < deadline,
                "sessions still run on {} after {QUIET_TIMEOUT:?}",
                source.name()
            );
            tokio::time::sleep(QUIET_INTERVAL).await;
        }
        Ok(())
    }
}

impl Shared {
    fn generator(&self, client: usize) -> Generator {
        let file = self.files.path().join(format!("load-{client}.txt"));
        let surroundings = Surroundings {
            model: self.model.clone(),
            kinds: self.plan.kinds,
            grammar: self.plan.grammar,
            file,
        };
        Generator::new(self.plan.seed, client, surroundings)
    }

    fn goes_on(&self) -> bool {
        !self.pace.is_stopping()
    }

    fn refused(&self, number: u16) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(number).or_insert(0) += 1;
    }
}
