//! The relay log: received binlog events on disk, between the source and the applier.
//!
//! One directory per connection holds files in binlog format, `relay-bin.000001` and on, which `mariadb-binlog` reads, and
//! an index of them. [`RelayLog`] writes: events go in as the source sent them, and from the end of the last whole group the
//! source is asked again after whatever happened. [`RelayReader`] hands them out again from any place where a group ended, the
//! way a source's dump thread would; while it keeps up it gets them from memory.
//!
//! # What a file holds
//! The four magic bytes; a *head* (the source's Format_description, an artificial Rotate with the source's coordinates, and,
//! unless the file begins inside a group, an artificial Gtid_list with the GTID position there); then the events. Heartbeats are
//! left out. Every event has a CRC32: if the source sends none, one is added, which the flag `RELAY_LOG` of the
//! Format_description tells.
//!
//! Blocking, and without tasks or clocks: whoever writes waits, whoever reads asks again.
#![forbid(unsafe_code)]

mod directory;
mod error;
mod event_file;
mod head;
mod listing;
mod log;
mod reader;
mod recovery;
mod shared;
mod sink;

pub use directory::{INDEX_FILE, file_name, file_number};
pub use error::{Damage, Error};
pub use listing::{ListedEvent, ListedEvents, Listing, LogView};
pub use log::{Limits, RelayLog};
pub use reader::{Next, RelayReader};
pub use recovery::Recovery;
pub use shared::Place;

// The support of the other tests, which know the crate by its name.
#[cfg(test)]
extern crate self as tributary_relaylog;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod support;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
