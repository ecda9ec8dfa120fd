//! One connection to a MariaDB server: login, TLS, compression, pipelined queries, bulk execute, binlog dump.
//!
//! [`Client`] is used for sources and target alike. It owns its socket and has one owner: there is no pool, no reconnect and
//! no retry here. Protocol bytes are `tributary-wire`'s; this crate adds the socket, the deadlines and the memory limits.
//!
//! Promises:
//! - A reply is never taken for the reply to another command. After a timeout, an I/O error, bytes that break the protocol,
//!   or a future that was dropped before it was done, the connection is broken, and every later call says so.
//! - Every wait on the peer has a deadline, every buffer a limit; see [`ConnectOptions`].
//! - Passwords are wiped after use and never printed.
//!
//! ```no_run
//! # async fn example() -> Result<(), tributary_client::Error> {
//! use tributary_client::{Address, Client, ConnectOptions, Secret};
//!
//! let address = Address::Tcp { host: "db1.example".to_owned(), port: 3306 };
//! let mut client = Client::connect(&ConnectOptions::new(address, "repl", Secret::new("..."))).await?;
//! let position = client.query(b"SELECT @@global.gtid_binlog_pos").await?;
//! println!("{} is at {:?}", client.server().version_text, position.first_text());
//!
//! // Three statements in two packets, without waiting in between; then one reply per packet.
//! client.queue_query(&[b"INSERT INTO calls VALUES (1); INSERT INTO calls VALUES (1)"]);
//! client.queue_query(&[b"INSERT INTO calls VALUES (2)"]);
//! client.flush().await?;
//! while client.replies_due() > 0 {
//!     let reply = client.read_reply().await?;
//!     if let Some(error) = reply.error {
//!         println!("statement {} of the packet failed: {error}", reply.results.len());
//!     }
//! }
//! # Ok(()) }
//! ```

mod client;
mod connection;
mod dump;
mod error;
mod local_infile;
mod login;
mod options;
mod secret;
mod server;
mod statement;
mod tls;
mod transport;

pub use client::Client;
pub use dump::{DumpPacket, DumpStream};
pub use error::Error;
pub use options::{Address, ConnectOptions, TlsMode, TlsOptions};
pub use secret::Secret;
pub use server::ServerInfo;
pub use statement::Prepared;
pub use tributary_wire::bulk::{Param, ParamType};
pub use tributary_wire::column::Column;
pub use tributary_wire::replication::{DUMP_ANNOTATE_ROWS, DUMP_NON_BLOCKING, DumpRequest, RegisterReplica};
pub use tributary_wire::result::{Reply, ResultSet, StatementResult};
pub use tributary_wire::row::Row;
pub use tributary_wire::status::{OkInfo, ServerError};
