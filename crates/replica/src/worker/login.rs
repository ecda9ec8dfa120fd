//! A worker's login on the target: its settings, its session, and the burst it is sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tributary_binlog::FormatDescription;
use tributary_client::{Client, ConnectOptions, Error as ClientError};

use super::bulk::PreparedShapes;
use super::burst::Burst;
use super::unique_keys::KnownKeys;
use crate::collations::Collations;
use crate::context::Session;
use crate::session::OWN_REPLY_TIMEOUT;

/// Longest time one statement of a source may take on the target. A statement that the source ran for hours may run
/// for hours here; only a peer that has vanished without a word is silent longer.
const STATEMENT_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// The server's default of `max_allowed_packet`, for one that does not tell.
const PACKET_BYTES_DEFAULT: usize = 16 << 20;

/// The least a server can be set to take is 1 KiB; replication needs more than that for its own statements.
const PACKET_BYTES_MIN: usize = 64 << 10;

/// Settings of every login that applies changes; they hold for its whole life.
///
/// `autocommit=0` makes sure that nothing is final before its position is saved in the same transaction.
/// `READ COMMITTED` avoids gap locks; rows are changed by one worker at a time anyway. A table that somebody holds
/// locked is tried again after `lock_wait_timeout`: the server does not see every deadlock between table and metadata locks.
/// The source has decided whether a table with history may be altered, so it may be here, as in a native replica.
/// Every condition of a statement is kept (`max_error_count`): an error stands behind the warnings about earlier rows.
const SETTINGS: &str = "SET SESSION autocommit=0, tx_isolation='READ-COMMITTED', completion_type=0, \
     max_statement_time=0, sql_big_selects=1, unique_checks=1, pseudo_slave_mode=1, system_versioning_alter_history=KEEP, wait_timeout=31536000, lock_wait_timeout=60, \
     net_read_timeout=3600, net_write_timeout=3600, character_set_results=utf8mb4, max_error_count=65535";

/// What a login needs to know of the target.
#[derive(Debug, Clone)]
pub(crate) struct LoginSettings {
    pub(crate) schema: String,
    pub(crate) collations: Arc<Collations>,
    /// Whether what is applied goes into the target's own binlog.
    pub(crate) writes_binlog: bool,
    /// Whether that has to be told to take rows.
    pub(crate) logs_mixed: bool,
    /// Whether a row that is changed several times in one transaction is written once.
    pub(crate) nets_changes: bool,
    /// From how many on rows of a table without an index are found together.
    pub(crate) set_rows_min: usize,
}

/// A login on the target.
pub(crate) struct Login {
    pub(crate) client: Client,
    pub(super) session: Session,
    pub(super) burst: Burst,
    /// The format under which this session reads row events.
    pub(super) format: Option<Arc<FormatDescription>>,
    pub(super) schema: String,
    /// Longest text the target takes in one packet (`max_allowed_packet`).
    pub(super) packet_bytes_max: usize,
    /// Whether a row that is changed several times in one transaction is written once.
    pub(super) nets_changes: bool,
    /// From how many on rows of a table without an index are found together.
    pub(super) set_rows_min: usize,
    /// Whether what is applied goes into the target's own binlog.
    pub(super) writes_binlog: bool,
    /// An error of an earlier statement may still stand in the session's list, where a guard would see it.
    pub(super) has_old_errors: bool,
    /// Keys of the table whose rows were replaced last.
    pub(super) known_keys: KnownKeys,
    pub(super) prepared: PreparedShapes,
    /// What the session was opened with.
    opened_with: (LoginSettings, String),
    /// The server's number of the session, for whoever looks at lock waits.
    session_number: Arc<AtomicU32>,
}

impl Login {
    /// Prepares a session that has just begun, and takes the lock `slot_lock`. Also returns whether nobody else holds it.
    pub(crate) async fn open(
        mut client: Client,
        settings: &LoginSettings,
        slot_lock: &str,
    ) -> Result<(Self, bool), ClientError> {
        let unlogged = match (settings.writes_binlog, settings.logs_mixed) {
            (false, _) => "SET SESSION sql_log_bin=0;",
            (true, true) => "SET SESSION binlog_format=MIXED;",
            (true, false) => "",
        };
        let text = format!(
            "{SETTINGS};{unlogged}SELECT @@session.max_allowed_packet,GET_LOCK('{slot_lock}',0),@@log_bin AND @@sql_log_bin"
        );
        let answer = client.query_all(text.as_bytes()).await?;
        let answer = |index: usize| answer.first()?.rows.first()?.text(index);
        let limit = answer(0)
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(PACKET_BYTES_DEFAULT);
        let writes_binlog = answer(2).as_deref() != Some("0");
        let has_lock = answer(1).as_deref() == Some("1");
        let login = Self {
            client,
            packet_bytes_max: limit.max(PACKET_BYTES_MIN) - 1,
            nets_changes: settings.nets_changes,
            set_rows_min: settings.set_rows_min,
            writes_binlog,
            session: Session::new(settings.collations.clone()),
            burst: Burst::default(),
            format: None,
            schema: settings.schema.clone(),
            has_old_errors: false,
            known_keys: None,
            prepared: PreparedShapes::default(),
            opened_with: (settings.clone(), slot_lock.to_owned()),
            session_number: Arc::default(),
        };
        login.tell_session_number();
        Ok((login, has_lock))
    }

    /// Goes on in a new session, which has the server's global settings as they are now. A login that is refused leaves
    /// the old session as it is. Only while nothing is under way, and no temporary table of a source is open.
    pub(super) async fn renew(&mut self, target: &ConnectOptions) -> Result<(), ClientError> {
        let client = match Client::connect(target).await {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(
                    "the target takes no new login; its global settings are those of the old one: {error}"
                );
                return Ok(());
            }
        };
        let (settings, lock) = self.opened_with.clone();
        self.client.set_reply_timeout(OWN_REPLY_TIMEOUT);
        self.client
            .execute(format!("DO RELEASE_LOCK('{lock}')").as_bytes())
            .await?;
        let (mut renewed, has_lock) = Self::open(client, &settings, &lock).await?;
        if !has_lock {
            // Another engine has come in between: the next life with the target finds out.
            return Err(ClientError::Broken);
        }
        renewed.session_number = self.session_number.clone();
        renewed.tell_session_number();
        renewed.waits_for_statements();
        let old = std::mem::replace(self, renewed);
        old.client.quit().await;
        Ok(())
    }

    /// From now on statements of sources are answered, which may take long.
    pub(crate) fn waits_for_statements(&mut self) {
        self.client.set_reply_timeout(STATEMENT_TIME_MAX);
    }

    /// The server's number of this session, also when it is renewed.
    pub(crate) fn session_number(&self) -> Arc<AtomicU32> {
        self.session_number.clone()
    }

    fn tell_session_number(&self) {
        let number = self.client.server().connection_id;
        self.session_number.store(number, Ordering::Relaxed);
    }

    /// Runs a statement of the engine's own, and tells whether it succeeded.
    pub(super) async fn own_statement(&mut self, text: &[u8]) -> Result<bool, ClientError> {
        let is_done = super::burst::single(&mut self.client, text).await?.is_ok();
        if !is_done {
            self.has_old_errors = true;
            self.clear_errors().await?;
        }
        Ok(is_done)
    }

    /// Undoes what is not committed.
    pub(super) async fn rollback(&mut self) -> Result<(), ClientError> {
        self.client.execute(b"ROLLBACK").await?;
        self.clear_errors().await
    }

    /// Empties the session's list of errors: only a statement that uses a table does that.
    pub(super) async fn clear_errors(&mut self) -> Result<(), ClientError> {
        if self.has_old_errors {
            self.client
                .execute(format!("SELECT 1 FROM `{}`.position LIMIT 0", self.schema).as_bytes())
                .await?;
            self.has_old_errors = false;
        }
        Ok(())
    }
}
