//! The engine between real servers.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a failed step ends the test"
)]

mod backlog;
mod bounds;
mod bulk;
mod columns;
mod connect;
mod context;
mod control;
mod coverage;
mod doubt;
mod engines;
mod errors;
mod fan_in;
mod faults;
mod fencing;
mod filters;
mod formats;
mod gtid;
mod idempotent;
mod large;
mod links;
mod merged_rows;
mod order;
mod policies;
mod preflight;
mod relay_log;
mod restart;
mod session_state;
mod set_rows;
mod skips;
mod status_tables;
mod streamed;
mod support;
mod temporary;
mod types;
mod xa;
