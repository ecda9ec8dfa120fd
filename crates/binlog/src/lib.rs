//! MariaDB binary log: event bytes to typed events, GTIDs, coordinates and event groups.
//!
//! [`Decoder`] turns the bytes of one event into an [`Event`]: it verifies length and checksum, expands compressed
//! parts, and shares the input's buffer for all that is not expanded. [`GroupAssembler`] turns events into
//! [`EventGroup`]s, the unit that is filtered, ordered, applied and retried, and knows the coordinates from which reading
//! may resume. [`file::BinlogFile`] reads the events of a file; [`Renderer`] prints them as text or JSON.
//!
//! The crate knows no sockets, tasks or clocks. Its input is hostile: no byte sequence makes it panic, index past a
//! check, or allocate more than the settings allow.
//!
//! ```
//! use bytes::Bytes;
//! use tributary_binlog::{ChecksumAlgorithm, Decoder, EventBody};
//!
//! let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
//! // An artificial Rotate event, as a source sends it first: the stream begins at mysql-bin.000001:4.
//! let raw = Bytes::from_static(b"\0\0\0\0\x04\x01\0\0\0\x2b\0\0\0\0\0\0\0\x20\0\x04\0\0\0\0\0\0\0mysql-bin.000001");
//! let event = decoder.decode(raw)?;
//! assert!(event.header.is_artificial());
//! let EventBody::Rotate(rotate) = event.body else { unreachable!() };
//! assert_eq!((rotate.file.as_ref(), rotate.offset), (&b"mysql-bin.000001"[..], 4));
//! # Ok::<(), tributary_binlog::DecodeError>(())
//! ```
#![forbid(unsafe_code)]

mod bitmap;
mod checksum;
mod compress;
mod coordinates;
mod decoder;
mod error;
mod event;
mod event_type;
mod events;
pub mod file;
mod group;
mod gtid;
mod gtid_set;
mod header;
mod info;
mod moved;
mod mysql;
mod reader;
mod render;
mod row;
mod table_map_cache;
mod value;

pub use bitmap::Bitmap;
pub use checksum::{CHECKSUM_BYTES, ChecksumAlgorithm, append_checksum, verify_event};
pub use coordinates::{Coordinates, ParseCoordinatesError};
pub use decoder::Decoder;
pub use error::DecodeError;
pub use event::{Event, EventBody};
pub use event_type::EventType;
pub use events::*;
pub use group::{
    Assembled, DuplicateHandling, EventGroup, GroupAssembler, GroupEnd, GroupError, GroupItem, GroupTracker,
    LoadDataItem, LoadFileItem, RowsItem, StatementItem, TrackError,
};
pub use gtid::{Gtid, GtidPos, ParseGtidError};
pub use gtid_set::GtidSet;
pub use header::{HEADER_BYTES, Header};
pub use info::info;
pub use moved::{ColumnMove, MovedColumn, PeriodEnd};
pub use mysql::{PartialRows, ReplicaDecoder, TransactionPayload};
pub use render::{Renderer, render_text, to_json};
pub use row::{Cell, Cells, Row, RowImage, RowIter};
pub use value::Value;
