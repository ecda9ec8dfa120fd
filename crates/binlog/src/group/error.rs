//! Why events do not make a group.

use crate::coordinates::Coordinates;
use crate::event_type::EventType;

/// Why events do not make a group. `group` is the group's GTID, or where it begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// An event stands where it cannot stand.
    #[error("assemble group {group}: {event} before {at} stands {why}")]
    Unexpected {
        /// The event's type.
        event: EventType,
        /// The group that is open, or the end of the one before.
        group: String,
        /// Where the event ends, or begins.
        at: Coordinates,
        /// Where it stands.
        why: &'static str,
    },
    /// The group needs more memory than allowed.
    #[error(
        "assemble group {group}: {bytes} bytes so far exceed group_bytes_max = {limit}; \
         raise the setting if this transaction is real"
    )]
    TooLarge {
        /// The group.
        group: String,
        /// Its bytes up to now.
        bytes: usize,
        /// The setting's value.
        limit: usize,
    },
    /// Rows of a table that the statement has not named.
    #[error("assemble group {group}: rows of table id {table_id}, for which the statement has no table map")]
    MissingTableMap {
        /// The group.
        group: String,
        /// The id in the rows event.
        table_id: u64,
    },
    /// One id for two tables.
    #[error("assemble group {group}: table id {table_id} is {first} and {second} in one statement")]
    TableMapConflict {
        /// The group.
        group: String,
        /// The id.
        table_id: u64,
        /// Its first table.
        first: String,
        /// Its second table.
        second: String,
    },
    /// A block or the statement of a LOAD DATA without its beginning.
    #[error("assemble group {group}: LOAD DATA file {file_id} has no first block")]
    MissingLoadFile {
        /// The group.
        group: String,
        /// The file's id.
        file_id: u32,
    },
    /// An event ends before the one ahead of it.
    #[error("read {file}: an event ends at {next}, after one that ended at {end}; the stream went back")]
    OffsetWentBack {
        /// The file.
        file: String,
        /// The end of the earlier event.
        end: u64,
        /// The end of the later one, modulo 4 GiB.
        next: u32,
    },
}
