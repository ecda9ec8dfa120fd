//! Commands to a running engine: `tributary start`, `stop`, `change`, `reset`, `skip` and `wait`.
//!
//! [`client`] sends one request over a unix socket in the state directory, as a line of JSON, and reads one reply. [`server`] is the
//! engine's side: it admits the engine's own user (and root), and hands requests to what answers replication statements, too.
//! So who may read the state directory as its owner may command the engine, and nobody else.

mod args;
mod client;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tributary_control::{ChangeMaster, Password, Refusal, UseGtid};

pub(crate) use args::{ChangeArgs, ResetArgs, SkipArgs, StartArgs, StopArgs, WaitArgs};
pub(crate) use client::send;
pub(crate) use server::{Commands, listen, serve};

/// Longest time that a `wait` may ask for: a week.
pub(crate) const WAIT_SECONDS_MAX: u64 = 7 * 24 * 3600;
/// How often a server that is busy says that it lives.
const ALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Start {
        names: Names,
        threads: Which,
        until: Option<Goal>,
    },
    Stop {
        names: Names,
        threads: Which,
    },
    Reset {
        name: String,
        /// Removes the connection.
        all: bool,
    },
    Change {
        name: String,
        change: Box<Change>,
    },
    Skip {
        name: String,
        count: u64,
    },
    Wait {
        /// `None`, with a GTID: whichever connection brings it.
        name: Option<String>,
        goal: Goal,
        seconds: u64,
    },
}

/// Which connections.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Names {
    All,
    These(Vec<String>),
}

/// Which threads; both, if none is named.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    pub(crate) io: bool,
    pub(crate) sql: bool,
}

/// A place to come to.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    Place { file: String, offset: u64 },
    Gtid(String),
}

/// The options of `change`: those that are said. It holds a password and is never printed.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Change {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    log_file: Option<String>,
    log_pos: Option<u64>,
    use_gtid: Option<GtidUse>,
    connect_retry: Option<u32>,
    heartbeat_ms: Option<u64>,
    delay: Option<u32>,
    ssl: Option<bool>,
    ssl_verify_server_cert: Option<bool>,
    ssl_ca: Option<String>,
    ssl_cert: Option<String>,
    ssl_key: Option<String>,
    ignore_server_ids: Option<Vec<u32>>,
    do_domain_ids: Option<Vec<u32>>,
    ignore_domain_ids: Option<Vec<u32>>,
}

/// `MASTER_USE_GTID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum GtidUse {
    /// By file and offset
    No,
    /// From gtid_slave_pos
    SlavePos,
    /// From gtid_current_pos
    CurrentPos,
}

impl Change {
    /// As the statement has it.
    ///
    /// # Errors
    /// What the statement would be refused for.
    fn into_statement(self) -> Result<ChangeMaster, Refusal> {
        let ids = |ids: Option<Vec<u32>>| {
            ids.map(|mut ids| {
                ids.sort_unstable();
                ids.dedup();
                ids
            })
        };
        let change = ChangeMaster {
            host: self.host,
            port: self.port,
            user: self.user,
            password: self.password.map(Password),
            log_file: self.log_file,
            log_pos: self.log_pos,
            use_gtid: self.use_gtid.map(|use_gtid| match use_gtid {
                GtidUse::No => UseGtid::No,
                GtidUse::SlavePos => UseGtid::SlavePos,
                GtidUse::CurrentPos => UseGtid::CurrentPos,
            }),
            connect_retry: self.connect_retry,
            heartbeat_period: self.heartbeat_ms.map(Duration::from_millis),
            delay: self.delay,
            ssl: self.ssl,
            ssl_verify_server_cert: self.ssl_verify_server_cert,
            ssl_ca: self.ssl_ca,
            ssl_cert: self.ssl_cert,
            ssl_key: self.ssl_key,
            ignore_server_ids: ids(self.ignore_server_ids),
            do_domain_ids: ids(self.do_domain_ids),
            ignore_domain_ids: ids(self.ignore_domain_ids),
            ..ChangeMaster::default()
        };
        match change.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(change),
        }
    }
}

/// What came of it, for each connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) results: Vec<Done>,
}

/// What came of it for one connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The connection; `None` if it is about none.
    pub(crate) name: Option<String>,
    pub(crate) outcome: Outcome,
    /// The server's number of the error, if there is one.
    pub(crate) number: Option<u16>,
    /// Why not.
    pub(crate) message: Option<String>,
    /// What there is to note.
    pub(crate) notes: Vec<String>,
    /// The connection's state behind it; `None` if there is no such connection.
    pub(crate) state: Option<State>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done,
    Refused,
    /// The place of a `wait` is reached.
    Reached,
    /// It is not, and the time is over.
    NotReached,
    /// It is not, and applying does not run.
    NotApplying,
}

/// What the threads of a connection do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) io: Io,
    pub(crate) is_applying: bool,
}

/// What the thread does that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Io {
    Stopped,
    Connecting,
    Receiving,
}

impl Done {
    fn refused(name: Option<&str>, number: Option<u16>, message: impl Into<String>) -> Self {
        Self {
            name: name.map(str::to_owned),
            outcome: Outcome::Refused,
            number,
            message: Some(message.into()),
            notes: Vec::new(),
            state: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert!(read(r#"{"command":"stop","names":"all","threads":{"io":false,"sql":true}}"#).is_ok());
        assert!(read(r#"{"command":"skip","name":"m","count":1}"#).is_ok());
        for text in [
            "",
            "{}",
            r#"{"command":"drop","name":"m"}"#,
            r#"{"command":"skip","name":"m","count":-1}"#,
            r#"{"command":"skip","name":"m","count":1,"more":1}"#,
            r#"{"command":"change","name":"m","change":{"hots":"h"}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_change_is_checked_as_the_statement_is() {
        let change = |change: Change| change.into_statement().map_err(|refusal| refusal.code);
        let empty = Change {
            host: Some(String::new()),
            ..Change::default()
        };
        assert_eq!(change(empty), Err(1210));
        let long = Change {
            password: Some("p".repeat(97)),
            ..Change::default()
        };
        assert_eq!(change(long), Err(1470));
        let lists = Change {
            use_gtid: Some(GtidUse::CurrentPos),
            heartbeat_ms: Some(1500),
            ignore_server_ids: Some(vec![3, 1, 3]),
            ..Change::default()
        };
        let lists = change(lists).unwrap();
        assert_eq!(lists.use_gtid, Some(UseGtid::CurrentPos));
        assert_eq!(lists.heartbeat_period, Some(Duration::from_millis(1500)));
        assert_eq!(lists.ignore_server_ids, Some(vec![1, 3]));
    }
}
