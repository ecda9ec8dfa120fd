//! What the port asks of the engine behind it.
//!
//! Connections are named as on the server: letters of either case are the same, and `""` is the default connection. Numbers of
//! errors are the server's own.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tributary_binlog::GtidPos;

/// The engine, as replication statements see it. Each call is one statement, and is over when the statement is.
pub trait Engine: Send + Sync + 'static {
    /// All connections, by name.
    fn status(&self) -> Vec<ConnectionStatus>;

    /// `CHANGE MASTER`: makes the connection if there is none of this name. What is given is kept over a restart.
    fn change_master(&self, name: &str, change: ChangeMaster) -> impl Future<Output = Outcome> + Send;

    /// `START SLAVE`. Returns when the threads run; that the source can be reached is not waited for.
    fn start(
        &self,
        name: &str,
        threads: Threads,
        until: Option<Until>,
    ) -> impl Future<Output = Outcome> + Send;

    /// `STOP SLAVE`. Returns when the threads have stopped, at the end of a group.
    fn stop(&self, name: &str, threads: Threads) -> impl Future<Output = Outcome> + Send;

    /// `START ALL SLAVES`.
    fn start_all(&self) -> impl Future<Output = Outcome> + Send;

    /// `STOP ALL SLAVES`.
    fn stop_all(&self) -> impl Future<Output = Outcome> + Send;

    /// `RESET SLAVE`: forgets the place in the source's log, and with `all` the connection.
    fn reset(&self, name: &str, all: bool) -> impl Future<Output = Outcome> + Send;

    /// `SET GLOBAL [name.]variable = value`. The value is as the server has evaluated it; `None` is `DEFAULT`.
    fn set(
        &self,
        name: &str,
        variable: Variable,
        value: Option<String>,
    ) -> impl Future<Output = Outcome> + Send;

    /// A variable as `SELECT @@variable` shows it; `None` if the connection is unknown.
    fn variable(&self, name: &str, variable: Variable) -> Option<String>;

    /// `@@gtid_slave_pos`: the positions of all connections in one.
    fn gtid_slave_pos(&self) -> GtidPos;

    /// `SET GLOBAL gtid_slave_pos`: connections that ask by GTID begin there.
    fn set_gtid_slave_pos(&self, position: GtidPos) -> impl Future<Output = Outcome> + Send;

    /// `MASTER_POS_WAIT`: events waited for; -1 when the time was over, `None` when applying does not run or stops.
    fn wait_for_place(
        &self,
        name: &str,
        place: Place,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Option<i64>> + Send;

    /// `MASTER_GTID_WAIT`: whether the position is reached before the time is over.
    fn wait_for_gtid(
        &self,
        position: GtidPos,
        timeout: Option<Duration>,
    ) -> impl Future<Output = bool> + Send;

    /// `FLUSH RELAY LOGS`: the next event goes into a new file.
    fn flush_relay_log(&self, name: &str) -> impl Future<Output = Outcome> + Send;

    /// The engine in `SHOW PROCESSLIST`.
    fn processes(&self) -> Processes;

    /// `SHOW RELAYLOG EVENTS`.
    fn relay_log_events(
        &self,
        name: &str,
        query: RelayQuery,
    ) -> impl Future<Output = Result<RelayEvents, Refusal>> + Send;
}

/// How a statement went: what there is to note, or why it was refused.
pub type Outcome = Result<Vec<Note>, Refusal>;

/// An error of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The number.
    pub code: u16,
    /// Five characters; `HY000` for most.
    pub sql_state: [u8; 5],
    /// The text.
    pub message: String,
}

impl Refusal {
    /// An error of the general class.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            sql_state: *b"HY000",
            message: message.into(),
        }
    }
}

/// A line of `SHOW WARNINGS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `Warning` instead of `Note`.
    pub is_warning: bool,
    /// The number.
    pub code: u16,
    /// The text.
    pub message: String,
}

/// Which threads of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// That which receives.
    pub io: bool,
    /// That which applies.
    pub sql: bool,
}

impl Threads {
    /// Both.
    pub const BOTH: Self = Self { io: true, sql: true };
}

/// Where applying is to end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// `MASTER_LOG_FILE`, `MASTER_LOG_POS`: behind the first group that ends there or later.
    Place(Place),
    /// `RELAY_LOG_FILE`, `RELAY_LOG_POS`.
    RelayLog(Place),
    /// `MASTER_GTID_POS`: behind the group with this GTID in each domain; domains that are not named are not applied.
    Gtid(GtidPos),
}

/// A place in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Offset in bytes.
    pub offset: u64,
}

/// `MASTER_USE_GTID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UseGtid {
    /// By file and offset.
    No,
    /// From `gtid_slave_pos`.
    #[default]
    SlavePos,
    /// From `gtid_current_pos`.
    CurrentPos,
}

/// A password. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Ids of servers or domains, as in `IGNORE_SERVER_IDS=(1,2)`.
pub type ServerIds = Vec<u32>;

/// The options of one `CHANGE MASTER`: those that it names.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "each is the option of its name")]
pub struct ChangeMaster {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<Password>,
    /// Seconds.
    pub connect_retry: Option<u32>,
    /// 0 turns heartbeats off.
    pub heartbeat_period: Option<Duration>,
    pub log_file: Option<String>,
    pub log_pos: Option<u64>,
    pub relay_log_file: Option<String>,
    pub relay_log_pos: Option<u64>,
    pub use_gtid: Option<UseGtid>,
    pub demote_to_slave: Option<bool>,
    /// Seconds.
    pub delay: Option<u32>,
    pub bind: Option<String>,
    pub ssl: Option<bool>,
    pub ssl_verify_server_cert: Option<bool>,
    pub ssl_ca: Option<String>,
    pub ssl_capath: Option<String>,
    pub ssl_cert: Option<String>,
    pub ssl_key: Option<String>,
    pub ssl_cipher: Option<String>,
    pub ssl_crl: Option<String>,
    pub ssl_crlpath: Option<String>,
    pub ignore_server_ids: Option<ServerIds>,
    pub do_domain_ids: Option<ServerIds>,
    pub ignore_domain_ids: Option<ServerIds>,
}

/// Variables of replication that the engine keeps; all others are the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the variable of its name")]
pub enum Variable {
    ReplicateDoDb,
    ReplicateIgnoreDb,
    ReplicateDoTable,
    ReplicateIgnoreTable,
    ReplicateWildDoTable,
    ReplicateWildIgnoreTable,
    ReplicateRewriteDb,
    SqlSlaveSkipCounter,
    MaxRelayLogSize,
    SlaveParallelMode,
    SlaveParallelThreads,
    SlaveExecMode,
    SlaveNetTimeout,
    SlaveTransactionRetries,
}

impl Variable {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Variable); 14] = [
        ("replicate_do_db", Variable::ReplicateDoDb),
        ("replicate_ignore_db", Variable::ReplicateIgnoreDb),
        ("replicate_do_table", Variable::ReplicateDoTable),
        ("replicate_ignore_table", Variable::ReplicateIgnoreTable),
        ("replicate_wild_do_table", Variable::ReplicateWildDoTable),
        ("replicate_wild_ignore_table", Variable::ReplicateWildIgnoreTable),
        ("replicate_rewrite_db", Variable::ReplicateRewriteDb),
        ("sql_slave_skip_counter", Variable::SqlSlaveSkipCounter),
        ("max_relay_log_size", Variable::MaxRelayLogSize),
        ("slave_parallel_mode", Variable::SlaveParallelMode),
        ("slave_parallel_threads", Variable::SlaveParallelThreads),
        ("slave_exec_mode", Variable::SlaveExecMode),
        ("slave_net_timeout", Variable::SlaveNetTimeout),
        ("slave_transaction_retries", Variable::SlaveTransactionRetries),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let of = |(name, variable): &(&'static str, Variable)| (*variable == self).then_some(*name);
        Self::ALL.iter().find_map(of).unwrap_or_default()
    }

    /// The one of this name, in letters of either case.
    #[must_use]
    pub fn named(name: &str) -> Option<Variable> {
        if name.eq_ignore_ascii_case("slave_parallel_workers") {
            return Some(Variable::SlaveParallelThreads);
        }
        let of = |(known, variable): &(&str, Variable)| known.eq_ignore_ascii_case(name).then_some(*variable);
        Self::ALL.iter().find_map(of)
    }

    /// Whether each connection has a value of its own.
    #[must_use]
    pub fn is_of_connection(self) -> bool {
        use Variable as V;
        !matches!(
            self,
            V::SlaveParallelThreads | V::SlaveExecMode | V::SlaveNetTimeout | V::SlaveTransactionRetries
        )
    }

    /// Whether `SESSION` means the same as `GLOBAL`: the default connection's.
    #[must_use]
    pub fn is_also_of_session(self) -> bool {
        matches!(self, Variable::SqlSlaveSkipCounter | Variable::MaxRelayLogSize)
    }

    /// Whether it is shown without quotes.
    #[must_use]
    pub fn is_number(self) -> bool {
        use Variable as V;
        matches!(
            self,
            V::SqlSlaveSkipCounter
                | V::MaxRelayLogSize
                | V::SlaveParallelThreads
                | V::SlaveNetTimeout
                | V::SlaveTransactionRetries
        )
    }
}

/// `Slave_IO_Running`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Running {
    /// Stopped.
    #[default]
    No,
    /// Trying to reach the source.
    Connecting,
    /// Reached it; asks for its stream.
    Preparing,
    /// Reading.
    Yes,
}

/// One connection, as `SHOW ALL SLAVES STATUS` tells of it; texts are what the columns show.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct ConnectionStatus {
    pub connection_name: String,
    pub slave_sql_state: String,
    pub slave_io_state: String,
    pub master_host: String,
    pub master_user: String,
    pub master_port: u16,
    pub connect_retry: u32,
    pub read_master_log: Place,
    pub relay_log: Place,
    pub exec_master_log: Place,
    pub slave_io_running: Running,
    pub slave_sql_running: bool,
    pub replicate_do_db: String,
    pub replicate_ignore_db: String,
    pub replicate_do_table: String,
    pub replicate_ignore_table: String,
    pub replicate_wild_do_table: String,
    pub replicate_wild_ignore_table: String,
    pub replicate_rewrite_db: String,
    pub skip_counter: u64,
    pub relay_log_space: u64,
    pub until: Option<Until>,
    pub master_ssl_allowed: bool,
    pub master_ssl_ca_file: String,
    pub master_ssl_ca_path: String,
    pub master_ssl_cert: String,
    pub master_ssl_cipher: String,
    pub master_ssl_key: String,
    pub master_ssl_crl: String,
    pub master_ssl_crlpath: String,
    pub master_ssl_verify_server_cert: bool,
    pub seconds_behind_master: Option<u64>,
    pub last_io_error: Option<(u16, String)>,
    pub last_sql_error: Option<(u16, String)>,
    pub replicate_ignore_server_ids: ServerIds,
    pub master_server_id: u32,
    pub using_gtid: UseGtid,
    pub gtid_io_pos: String,
    pub replicate_do_domain_ids: ServerIds,
    pub replicate_ignore_domain_ids: ServerIds,
    pub parallel_mode: String,
    pub sql_delay: u32,
    pub sql_remaining_delay: Option<u32>,
    pub slave_sql_running_state: String,
    pub slave_ddl_groups: u64,
    pub slave_non_transactional_groups: u64,
    pub slave_transactional_groups: u64,
    pub retried_transactions: u64,
    pub max_relay_log_size: u64,
    pub executed_log_entries: u64,
    pub slave_received_heartbeats: u64,
    pub slave_heartbeat_period: Duration,
    pub gtid_slave_pos: String,
    pub slave_open_temp_tables: u64,
    pub slave_skipped_errors: u64,
}

/// What of a process list is the engine's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Threads that run, which the target knows nothing of.
    pub threads: Vec<Thread>,
    /// The engine's account on the target.
    pub user: String,
    /// The numbers of its sessions there that apply.
    pub worker_sessions: Vec<u64>,
}

/// A thread of a connection, as a line of `SHOW PROCESSLIST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Its number, which no session of the target has.
    pub id: u64,
    /// `Slave_IO` or `Slave_SQL`; `Connect` as long as the source is not reached.
    pub command: &'static str,
    /// Seconds since it was started.
    pub seconds: u64,
    /// What it does.
    pub state: String,
}

/// What `SHOW RELAYLOG EVENTS` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayQuery {
    /// The file; the oldest if none is named.
    pub file: Option<String>,
    /// Where its first event begins.
    pub offset: u64,
    /// Events to pass over.
    pub passed: usize,
    /// Events to show at most.
    pub shown: usize,
    /// The target's collations: character set and name by id.
    pub collations: HashMap<u32, (String, String)>,
}

/// Events as they are read, few at a time: whoever takes them sets the pace. It ends when the receiver is dropped.
pub type RelayEvents = mpsc::Receiver<Result<RelayEvent, Refusal>>;

/// A line of `SHOW RELAYLOG EVENTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct RelayEvent {
    pub log_name: String,
    pub pos: u64,
    pub event_type: String,
    pub server_id: u32,
    pub end_log_pos: u64,
    pub info: Vec<u8>,
}
