//! What can end the engine's start, a connection, or a run; and the numbers a native replica would show.

use tributary_binlog::Gtid;
use tributary_client::Error as ClientError;
use tributary_sql::StatementKind;

use crate::status::{ErrorStatus, NativeError};

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The options contradict each other.
    #[error("{0}")]
    Config(String),
    /// The target cannot be reached or does not let us in.
    #[error("target {address}: {source}")]
    Target {
        /// Where it should be.
        address: String,
        /// What went wrong.
        #[source]
        source: Box<ClientError>,
    },
    /// The target is not fit to be written to; every finding with what mends it.
    #[error("the target is not ready:\n{}", .0.iter().map(|finding| format!("  - {finding}")).collect::<Vec<_>>().join("\n"))]
    Preflight(Vec<String>),
    /// Another engine holds the target.
    #[error("{0}")]
    Held(String),
    /// Another engine has taken over since this one last wrote.
    #[error("{0}")]
    Fenced(String),
}

/// Numbers of the server's error messages that the engine uses itself.
pub(crate) mod number {
    /// `ER_ACCESS_DENIED_ERROR`.
    pub(crate) const ACCESS_DENIED: u16 = 1045;
    /// `ER_SLAVE_CONVERSION_FAILED`.
    pub(crate) const CONVERSION_FAILED: u16 = 1677;
    /// `ER_UNKNOWN_SYSTEM_VARIABLE`.
    pub(crate) const UNKNOWN_VARIABLE: u16 = 1193;
    /// `ER_DISK_FULL`.
    pub(crate) const DISK_FULL: u16 = 1021;
    /// `ER_BINLOG_ROW_WRONG_TABLE_DEF`: columns of source and target do not go together.
    pub(crate) const WRONG_TABLE_DEFINITION: u16 = 1535;
    /// `ER_MASTER_FATAL_ERROR_READING_BINLOG`.
    pub(crate) const FATAL_READING_BINLOG: u16 = 1236;
    /// `ER_SLAVE_CREATE_EVENT_FAILURE`, `ER_SLAVE_FATAL_ERROR`.
    pub(crate) const REPLICA_FATAL: u16 = 1593;
    /// `ER_SLAVE_RELAY_LOG_READ_FAILURE`: what was read makes no sense.
    pub(crate) const RELAY_READ_FAILURE: u16 = 1594;
    /// `ER_SLAVE_INCIDENT`.
    pub(crate) const INCIDENT: u16 = 1590;
    /// `CR_CONN_HOST_ERROR`.
    pub(crate) const CANNOT_CONNECT: u16 = 2003;
    /// `CR_UNKNOWN_HOST`.
    pub(crate) const UNKNOWN_HOST: u16 = 2005;
    /// `CR_SERVER_LOST`.
    pub(crate) const SERVER_LOST: u16 = 2013;
    /// `CR_SSL_CONNECTION_ERROR`.
    pub(crate) const TLS: u16 = 2026;
    /// `ER_LOCK_WAIT_TIMEOUT`.
    const LOCK_WAIT_TIMEOUT: u16 = 1205;
    /// `ER_LOCK_DEADLOCK`.
    const LOCK_DEADLOCK: u16 = 1213;
    /// `ER_UNKNOWN_ERROR`: the text says it.
    pub(crate) const UNKNOWN: u16 = 1105;

    /// Whether a statement that ended so was cut off at a moment nobody can repeat. MariaDB server, `sql/log_event_server.cc`,
    /// `unexpected_error_code`.
    pub(crate) fn is_kill(code: u16) -> bool {
        matches!(code, 1053 | 1158 | 1160 | 1184 | 1317 | 1927 | 1969)
    }

    /// Whether another session was in the way, and the same statement may succeed the next time.
    pub(crate) fn is_lock_conflict(code: u16) -> bool {
        matches!(code, LOCK_WAIT_TIMEOUT | LOCK_DEADLOCK)
    }
}

/// Why a connection stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopReason {
    pub(crate) number: u16,
    pub(crate) message: String,
    /// What a native replica shows of it.
    pub(crate) native: Option<NativeError>,
}

impl StopReason {
    pub(crate) fn new(number: u16, message: impl Into<String>) -> Self {
        Self {
            number,
            message: message.into(),
            native: None,
        }
    }

    /// A native replica says it so.
    pub(crate) fn natively(self, number: u16, message: impl Into<String>) -> Self {
        Self {
            native: Some(NativeError::new(number, message.into())),
            ..self
        }
    }

    pub(crate) fn status(&self) -> ErrorStatus {
        ErrorStatus {
            number: self.number,
            message: self.message.clone(),
            native: self.native.clone(),
        }
    }
}

/// The number under which a native replica would show an error of the client.
pub(crate) fn client_error_number(error: &ClientError) -> u16 {
    match error {
        ClientError::Server(server) => server.code,
        ClientError::Connect { source, .. } if is_unknown_host(source) => number::UNKNOWN_HOST,
        ClientError::Connect { .. } => number::CANNOT_CONNECT,
        ClientError::Auth { .. } => number::ACCESS_DENIED,
        ClientError::Tls { .. } => number::TLS,
        error if error.is_network() => number::SERVER_LOST,
        _ => number::UNKNOWN,
    }
}

/// Name resolution has no error kind of its own; the resolver's failures are the ones without an OS error number.
fn is_unknown_host(error: &std::io::Error) -> bool {
    error.raw_os_error().is_none() && error.kind() != std::io::ErrorKind::TimedOut
}

/// How a person leaves out one group and nothing else.
pub(crate) fn how_to_leave_out(schema: &str, connection: &str, gtid: Option<Gtid>) -> String {
    let Some(Gtid {
        domain,
        server,
        sequence,
    }) = gtid
    else {
        return String::new();
    };
    let connection = connection.replace('\\', "\\\\").replace('\'', "''");
    format!(
        "; to leave out this group and nothing else, stop the engine, run on the target UPDATE `{schema}`.position SET \
         done=CONCAT_WS(',',NULLIF(done,''),'{domain}-{server}:{sequence}') WHERE connection='{connection}' AND slot=0, and start it again"
    )
}

/// The beginning of a statement for a message. Account statements hold password hashes: only their first word is shown.
pub(crate) fn excerpt_of(kind: StatementKind, text: &[u8]) -> String {
    format!("`{}`", beginning_of(kind, text))
}

/// The same without quotes.
pub(crate) fn beginning_of(kind: StatementKind, text: &[u8]) -> String {
    if kind != StatementKind::Account {
        return beginning(text);
    }
    first_word(text)
}

/// As much of a statement as a native replica shows.
pub(crate) fn native_text_of(kind: StatementKind, text: &[u8]) -> String {
    if kind != StatementKind::Account {
        let cut = &text[..text.len().min(NativeError::MESSAGE_BYTES_MAX)];
        return String::from_utf8_lossy(cut).into_owned();
    }
    first_word(text)
}

fn first_word(text: &[u8]) -> String {
    let word = text
        .split(|byte| !byte.is_ascii_alphabetic())
        .find(|word| !word.is_empty());
    format!("{} ...", String::from_utf8_lossy(word.unwrap_or_default()))
}

/// The beginning of a statement for a message.
pub(crate) fn excerpt(text: &[u8]) -> String {
    format!("`{}`", beginning(text))
}

fn beginning(text: &[u8]) -> String {
    const LENGTH_MAX: usize = 200;
    let cut = &text[..text.len().min(LENGTH_MAX)];
    let more = if text.len() > LENGTH_MAX { "..." } else { "" };
    format!("{}{more}", String::from_utf8_lossy(cut))
}
