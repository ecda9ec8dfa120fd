//! Tributary: a MariaDB binlog-protocol replica engine for fan-in.
//!
//! Several sources flow into one read-only MariaDB target, each under its own database name. Give a [`Replicator`] its
//! [`Options`]; it connects, applies until it is told to stop, and tells its [`Status`] at any time.
//!
//! The path of one event through this crate: [`source`] reads and assembles, [`prepare`] filters and renames, [`relay`]
//! bounds what waits, [`applier`] schedules, [`worker`] applies, [`progress`] and [`positions`] remember.

mod applier;
mod bulk;
mod catalog;
mod change;
mod collations;
mod columns;
mod config;
mod connection_view;
mod context;
mod control;
mod error;
mod heal;
mod images;
mod keys;
mod load_file;
mod pieces;
mod policies;
mod positions;
mod preflight;
mod prepare;
mod progress;
mod receiver;
mod records;
mod relay;
mod replicator;
mod report;
mod retention;
mod session;
mod source;
mod spans;
mod status;
mod temporary;
mod worker;
mod xa;

pub use config::{
    ApplyOptions, ConnectionOptions, Options, Origins, ParallelMode, RelayLogOptions, StartPosition,
    TargetOptions,
};
pub use control::{ConnectionDetail, ControlError, Controller, Threads, Until};
pub use error::StartError;
pub use policies::{ExecMode, IgnoredReads, Policies};
pub use records::{RecordCount, RecordKind};
pub use replicator::{Replicator, Starting, StatusHandle, StopReport};
pub use status::{
    ConnectionStatus, CoordinatesStatus, ErrorStatus, GroupsStatus, IoState, LeftOutStatus, NativeError,
    SqlState, Status, TargetStatus, ThreadRun,
};
pub use tributary_relaylog::{ListedEvent, ListedEvents, Listing, LogView};
pub use tributary_rules::SkipErrors;
