//! What the engine is told: where to read, where to write, by which rules.
//!
//! Plain data, already checked; `crates/cli` makes it from option files, other programs make it by hand.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tributary_binlog::{Coordinates, GtidPos};
use tributary_client::ConnectOptions;
use tributary_rules::{Filter, Rewrite, SkipErrors};

use crate::policies::Policies;

/// Everything a [`Replicator`](crate::Replicator) needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The id under which the engine registers on every source; unique among all servers and replicas.
    pub server_id: u32,
    /// The server that is written to.
    pub target: TargetOptions,
    /// One entry per source. Names are unique.
    pub connections: Vec<ConnectionOptions>,
    /// How changes are applied; shared by all connections.
    pub apply: ApplyOptions,
}

/// The target server.
#[derive(Debug, Clone)]
pub struct TargetOptions {
    /// How every worker logs in.
    pub login: ConnectOptions,
    /// The database on the target that holds positions and the ledger of skips. Never replicated onto.
    pub schema: String,
    /// How often at most the state of the engine is written to tables in [`Self::schema`], and then only what has changed; zero:
    /// never. What is written is seconds old by as much.
    pub status_interval: Duration,
}

/// One named stream from one source.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// The name, as in MariaDB's `connection_name`: the key under which positions are saved.
    pub name: String,
    /// How the engine logs in on the source.
    pub source: ConnectOptions,
    /// Overrides [`Options::server_id`] towards this source.
    pub server_id: Option<u32>,
    /// Where to begin when the target holds no position of this connection yet.
    pub start: Option<StartPosition>,
    /// Ask the source by GTID (`master_use_gtid=slave_pos`) instead of by file and offset.
    pub use_gtid: bool,
    /// Whose groups are applied.
    pub origins: Origins,
    /// How old a group must be by the source's clock before it is applied (`master_delay`), in whole seconds.
    pub delay: Duration,
    /// Pause between attempts to reach the source (`master_connect_retry`).
    pub connect_retry: Duration,
    /// After how many attempts in a row to reach the source the stream stops (`master_retry_count`); `None`: never.
    pub connect_attempts_max: Option<u32>,
    /// How often an idle source sends a sign of life (`master_heartbeat_period`); zero turns it off.
    pub heartbeat_period: Duration,
    /// Silence after which the stream counts as broken (`slave_net_timeout`).
    pub net_timeout: Duration,
    /// How often the source is asked how long it keeps what comes next, where that is not at hand (`tributary_purge_check`);
    /// zero: never.
    pub purge_check: Duration,
    /// Which databases and tables are replicated, in the source's names.
    pub filter: Filter,
    /// Which databases are renamed on the way.
    pub rewrite: Rewrite,
    /// Errors of the target that are recorded and passed over (`slave_skip_errors`).
    pub skip_errors: SkipErrors,
    /// Drop the values of columns that a table of the target lacks (`drop_missing_columns`), instead of stopping at them.
    pub drop_missing_columns: bool,
    /// What else is done about errors, and about statements that not every target wants.
    pub policies: Policies,
    /// Most bytes of events held in memory between source and workers. Worst case for the connection: this, plus
    /// [`Self::group_bytes_max`], plus the largest event, plus [`ApplyOptions::batch_bytes_max`] per worker.
    pub relay_bytes_max: usize,
    /// Most event groups held in memory between source and workers.
    pub relay_groups_max: usize,
    /// Most bytes of one event group that are waited for before it is applied; the bookkeeping of its events counts. A larger
    /// group is applied as it arrives, alone on its connection and without being held in memory. Worst case for the connection
    /// while it is: three times this, and the largest event.
    pub group_bytes_max: usize,
    /// Where received events are written down, so that receiving does not depend on applying; `None` to hold them in memory only.
    pub relay_log: Option<RelayLogOptions>,
}

/// The relay log of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLogOptions {
    /// The directory of this connection's log, and of nothing else; made if need be.
    pub dir: PathBuf,
    /// Most bytes of all files (`relay_log_space_limit`); `None` for no limit. Disk: this.
    pub space_bytes_max: Option<u64>,
    /// A file that has this many bytes is not written on when a group ends (`max_relay_log_size`); at most a quarter of
    /// [`Self::space_bytes_max`].
    pub file_bytes_max: u64,
    /// After how many events the log is made to survive a power cut (`sync_relay_log`); 0 leaves that to the system.
    pub sync_events: u64,
    /// Fetch everything that is not applied once more, instead of using what an earlier life has received
    /// (`relay_log_recovery`).
    pub discards_at_start: bool,
}

impl RelayLogOptions {
    /// Most bytes of received events in memory beside the relay queue; as many again may be on their way.
    const FRESH_BYTES_MAX: usize = 4 << 20;

    /// A log in this directory: files of 256 MiB, 16 GiB at most, made to survive a power cut every 10,000 events.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            space_bytes_max: Some(16 << 30),
            file_bytes_max: 256 << 20,
            sync_events: 10_000,
            discards_at_start: false,
        }
    }

    pub(crate) fn limits(&self) -> tributary_relaylog::Limits {
        tributary_relaylog::Limits {
            space_bytes_max: self.space_bytes_max,
            file_bytes_max: self.file_bytes_max,
            sync_events: self.sync_events,
            fresh_bytes_max: Self::FRESH_BYTES_MAX,
        }
    }
}

impl ConnectionOptions {
    /// A connection without rules and start position, and with the server's own defaults: retry after 60 s, heartbeats every
    /// 30 s, 60 s of silence allowed; 64 MiB and 60,000 groups in the relay queue.
    #[must_use]
    pub fn new(name: impl Into<String>, source: ConnectOptions) -> Self {
        Self {
            name: name.into(),
            source,
            server_id: None,
            start: None,
            use_gtid: false,
            origins: Origins::default(),
            delay: Duration::ZERO,
            connect_retry: Duration::from_secs(60),
            connect_attempts_max: None,
            heartbeat_period: Duration::from_secs(30),
            net_timeout: Duration::from_secs(60),
            purge_check: Duration::from_secs(600),
            filter: Filter::new(),
            rewrite: Rewrite::new(),
            skip_errors: SkipErrors::None,
            drop_missing_columns: false,
            policies: Policies::default(),
            relay_bytes_max: 64 << 20,
            relay_groups_max: 60_000,
            group_bytes_max: 8 << 20,
            relay_log: None,
        }
    }
}

/// Which groups of a source are applied, by where they were first committed. The others move the position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Not those of these servers (`ignore_server_ids`).
    pub ignore_server_ids: Vec<u32>,
    /// Only those of these GTID domains, if any is named (`do_domain_ids`).
    pub do_domain_ids: Vec<u32>,
    /// Not those of these GTID domains (`ignore_domain_ids`).
    pub ignore_domain_ids: Vec<u32>,
}

impl Origins {
    pub(crate) fn accepts(&self, server_id: u32, domain: u32) -> bool {
        !self.ignore_server_ids.contains(&server_id)
            && !self.ignore_domain_ids.contains(&domain)
            && (self.do_domain_ids.is_empty() || self.do_domain_ids.contains(&domain))
    }
}

/// A place in a source's binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartPosition {
    /// File and offset, as `SHOW MASTER STATUS` prints them.
    Coordinates(Coordinates),
    /// The newest GTID of each domain that is already on the target.
    Gtid(GtidPos),
}

/// How changes are applied.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// Logins on the target that write (`slave_parallel_threads`); at least 1.
    pub workers: usize,
    /// How far groups may run beside each other.
    pub mode: ParallelMode,
    /// Most event groups that share one commit on the target.
    pub batch_groups_max: usize,
    /// Most bytes of events that share one commit on the target, unless a single group is larger.
    pub batch_bytes_max: usize,
    /// How often a group is tried again after a deadlock or lock wait (`slave_transaction_retries`).
    pub transaction_retries: u32,
    /// Whether row changes of one table and kind are brought together in one event, where their order does not matter.
    pub merge_rows: bool,
    /// Whether a row that is inserted or updated and then updated again in one batch is written once. Needs [`Self::merge_rows`].
    pub net_changes: bool,
    /// From how many on updated and deleted rows of a table without any index are found together, by statements that read the
    /// table once for all of them; 0: never.
    pub set_rows: usize,
    /// Longest time a clean stop may take before the rest is rolled back.
    pub stop_timeout: Duration,
    /// Where files of `LOAD DATA` wait for their statement, as far as they exceed [`ConnectionOptions::group_bytes_max`]
    /// (`slave_load_tmpdir`). Room: [`ConnectionOptions::relay_bytes_max`] and the largest file, for each connection.
    pub load_tmpdir: PathBuf,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            workers: 4,
            mode: ParallelMode::Optimistic,
            batch_groups_max: 10_000,
            batch_bytes_max: 8 << 20,
            transaction_retries: 10,
            merge_rows: true,
            net_changes: true,
            set_rows: 16,
            stop_timeout: Duration::from_secs(30),
            load_tmpdir: std::env::temp_dir(),
        }
    }
}

/// `slave_parallel_mode`, with its names kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParallelMode {
    /// One group after the other.
    None,
    /// Like [`Self::None`]: the engine has no mode in which only the commit step is parallel.
    Minimal,
    /// Only groups that committed together on the source run beside each other.
    Conservative,
    /// Groups run beside each other unless they are known to conflict.
    #[default]
    Optimistic,
    /// Like [`Self::Optimistic`]; the source's hints about waiting are not looked at.
    Aggressive,
}

impl FromStr for ParallelMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "minimal" => Ok(Self::Minimal),
            "conservative" => Ok(Self::Conservative),
            "optimistic" => Ok(Self::Optimistic),
            "aggressive" => Ok(Self::Aggressive),
            _ => Err(format!(
                "slave_parallel_mode '{text}': allowed are none, minimal, conservative, optimistic, aggressive"
            )),
        }
    }
}
