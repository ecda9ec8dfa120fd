//! The control port: looks to a client like the target server with its replication in working order.
//!
//! Clients log in on the target through it, with the target's accounts. What they send goes through untouched, but for
//! replication statements: those are answered by the [`Engine`] behind the port. Wherever the target can tell itself (whether an
//! account may do something, what an expression comes to, which columns a result has), it is asked, in the client's own session.
//!
//! The path of a statement: [`port`] accepts, [`relay`] finds where commands begin, [`statement`] recognises those about replication,
//! [`conversation`] answers them.

mod answers;
mod assignment;
mod change;
mod columns;
mod conversation;
mod engine;
mod peer;
mod port;
mod processes;
mod question;
mod relay;
mod reply;
mod statement;
mod substitute;
mod tls;
mod tokens;

pub use engine::{
    ChangeMaster, ConnectionStatus, Engine, Note, Outcome, Password, Place, Processes, Refusal, RelayEvent,
    RelayEvents, RelayQuery, Running, ServerIds, Thread, Threads, Until, UseGtid, Variable,
};
pub use port::{ControlPort, Limits, Target};
pub use tls::{Renewal, Tls};
