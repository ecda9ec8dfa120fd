//! The control port: looks to a client like the target server with its replication in working order.
//!
//! Clients log in on the target through it, with the target's accounts. What they send goes through untouched, but for
//! replication statements: those are answered by the [`Engine`] behind the port.

mod engine;

pub use engine::{
    ChangeMaster, ConnectionStatus, Engine, Note, Outcome, Place, Refusal, RelayEvent, Running, ServerIds,
    Threads, Until, UseGtid, Variable,
};
