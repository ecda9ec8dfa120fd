//! Events to event groups: the unit that is filtered, ordered, applied and retried.
//!
//! A group is handed out when it is whole. The coordinates then move to its end, and never stand inside a group: they are
//! where reading may resume after any disconnect. Only events that stand in the source's file move them.
//!
//! A group larger than a limit is handed out in parts, if the caller has set one: the same stream gives the same parts.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinates::Coordinates;
use crate::event::{Event, EventBody};
use crate::events::{FormatDescription, GtidList};
use crate::gtid::GtidPos;
use crate::header::Header;

mod error;
mod event_group;
mod partial;
mod stream_offset;
mod tracker;

pub use error::GroupError;
pub use event_group::{
    DuplicateHandling, EventGroup, GroupEnd, GroupItem, LoadDataItem, LoadFileItem, RowsItem, StatementItem,
};
use partial::{Partial, Pushed};
use stream_offset::StreamOffset;
pub use tracker::{GroupTracker, TrackError};

/// What an event led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Assembled {
    /// A whole group, or the last part of one.
    Group(Box<EventGroup>),
    /// A part of a group that goes on. The coordinates still stand before the group.
    Part(Box<EventGroup>),
    /// The binlog goes on in another file; the coordinates have moved there.
    Rotated,
    /// Events look different from here on.
    FormatChanged {
        /// The first file after the source's start: its temporary tables and open transactions are gone.
        source_restarted: bool,
        /// The new format.
        format: Arc<FormatDescription>,
    },
    /// A sign of life: where the source's dump thread stands. No progress; in another file than ours modulo 4 GiB.
    Heartbeat {
        /// See the variant.
        coordinates: Coordinates,
    },
    /// The source left out groups that the replica has; with them it stands at this position. Also ends a stream that was
    /// asked for only up to there, which the list says.
    GtidListReached(GtidPos, GtidList),
    /// Only the coordinates moved.
    Advanced,
    /// The source lost events. The coordinates still stand before the incident.
    Incident {
        /// 1: lost events.
        number: u16,
        /// What the source says.
        message: Bytes,
    },
    /// The source shut down.
    Stopped,
}

/// Assembles groups from the events of one stream, in order.
///
/// Grammar, from MariaDB server `sql/log_event.h` and observation:
///
/// ```text
/// group  := Gtid(standalone) prefix* (Query | load) | Gtid item* end
/// item   := prefix* Query | load | Annotate? Table_map+ rows+
/// prefix := Intvar | Rand | User_var
/// end    := Xid | Query 'COMMIT' | Query 'ROLLBACK' | XA_prepare
/// ```
///
/// `BEGIN` and `XA END` statements, which the frame of the group implies, are left out of the items. Streams without GTIDs
/// (MySQL) have groups from `BEGIN` to the end, and single statements. A MariaDB source always sends GTIDs: there a change
/// without one means that reading began inside a group, which is an error.
#[derive(Debug)]
pub struct GroupAssembler {
    stream: StreamOffset,
    /// The end of the last complete group or stand-alone event.
    safe: Coordinates,
    partial: Option<Partial>,
    format: Option<Arc<FormatDescription>>,
    group_bytes_max: usize,
    part_bytes_max: usize,
}

impl GroupAssembler {
    /// Default of [`GroupAssembler::set_group_bytes_max`].
    pub const GROUP_BYTES_MAX: usize = 1 << 30;

    /// An assembler for a stream that begins at `start`.
    #[must_use]
    pub fn new(start: Coordinates) -> GroupAssembler {
        GroupAssembler {
            stream: StreamOffset::new(&start),
            safe: start,
            partial: None,
            format: None,
            group_bytes_max: GroupAssembler::GROUP_BYTES_MAX,
            part_bytes_max: usize::MAX,
        }
    }

    /// Limits the memory of one group. A larger one is an error.
    pub fn set_group_bytes_max(&mut self, bytes: usize) {
        self.group_bytes_max = bytes;
    }

    /// Hands out a group in parts once it holds more than this, counting events and their bookkeeping. A part is never less than
    /// one event. XA transactions come whole, and without a call of this all groups do.
    pub fn set_part_bytes_max(&mut self, bytes: usize) {
        self.part_bytes_max = bytes;
    }

    /// The end of the last complete group or stand-alone event: where reading may resume.
    #[must_use]
    pub fn coordinates(&self) -> &Coordinates {
        &self.safe
    }

    /// Whether a group has begun and not ended.
    #[must_use]
    pub fn is_inside_group(&self) -> bool {
        self.partial.is_some()
    }

    /// Bytes of the group that has begun.
    #[must_use]
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, Partial::bytes)
    }

    /// Drops a group that has begun: after a disconnect the source sends it again from its beginning.
    pub fn reset(&mut self) {
        self.partial = None;
        self.format = None;
        self.stream = StreamOffset::new(&self.safe);
    }

    /// Takes the next event. `None`: it is part of a group that has not ended.
    ///
    /// # Errors
    /// [`GroupError`] when the event cannot stand where it stands, or the group grows too large. The group is dropped.
    pub fn push(&mut self, event: Event) -> Result<Option<Assembled>, GroupError> {
        let result = self.push_any(event);
        if result.is_err() {
            self.partial = None;
        }
        result
    }

    fn push_any(&mut self, event: Event) -> Result<Option<Assembled>, GroupError> {
        match event.body {
            EventBody::Heartbeat(heartbeat) => {
                let coordinates = self.stream.widen(&heartbeat.file, event.header.end_offset);
                Ok(Some(Assembled::Heartbeat { coordinates }))
            }
            EventBody::Rotate(rotate) => {
                let is_cut = self.partial.is_some() && !event.header.is_artificial();
                if is_cut {
                    return Err(self.unexpected(&event.header, "inside a group"));
                }
                self.stream.rotate(&rotate);
                if self.partial.is_none() {
                    self.safe = self.stream.coordinates();
                }
                Ok(Some(Assembled::Rotated))
            }
            EventBody::FormatDescription(format) => self.format_changed(&event.header, format).map(Some),
            EventBody::Incident(incident) => Ok(Some(Assembled::Incident {
                number: incident.number,
                message: incident.message,
            })),
            EventBody::GtidList(list) if event.header.is_artificial() => {
                self.refuse_inside_group(&event.header)?;
                self.stream.jump(&event.header)?;
                self.safe = self.stream.coordinates();
                Ok(Some(Assembled::GtidListReached(list.position(), list)))
            }
            EventBody::GtidList(_) | EventBody::BinlogCheckpoint(_) | EventBody::Ignorable(_) => {
                self.pass(&event.header, Assembled::Advanced)
            }
            // It stands near the start of the file, but is sent wherever a stream begins.
            EventBody::StartEncryption(_) => Ok(Some(Assembled::Advanced)),
            EventBody::Stop => self.pass(&event.header, Assembled::Stopped),
            _ => self.push_change(event),
        }
    }

    fn format_changed(
        &mut self,
        header: &Header,
        format: Arc<FormatDescription>,
    ) -> Result<Assembled, GroupError> {
        let source_restarted = format.created != 0;
        if source_restarted {
            // The source died while it wrote the group and has rolled it back.
            self.partial = None;
        }
        self.refuse_inside_group(header)?;
        self.stream.enter(header);
        self.safe = self.stream.coordinates();
        self.format = Some(Arc::clone(&format));
        Ok(Assembled::FormatChanged {
            source_restarted,
            format,
        })
    }

    /// An event without meaning for groups: inside one it only moves the offset.
    fn pass(&mut self, header: &Header, outside: Assembled) -> Result<Option<Assembled>, GroupError> {
        self.stream.advance(header, self.is_inside_group())?;
        if self.is_inside_group() {
            return Ok(None);
        }
        self.safe = self.stream.coordinates();
        Ok(Some(outside))
    }

    fn push_change(&mut self, event: Event) -> Result<Option<Assembled>, GroupError> {
        let header = event.header;
        let begin = self.stream.coordinates();
        self.stream.advance(&header, true)?;
        let partial = match (&mut self.partial, event.body) {
            (Some(_), EventBody::Gtid(_)) => {
                return Err(self.unexpected(&header, "inside a group that has not ended"));
            }
            (None, EventBody::Gtid(gtid)) => {
                let start = self.stream.begin_of(&header).unwrap_or(begin);
                self.partial = Some(Partial::with_gtid(gtid, &header, start, event.plain_len));
                return Ok(None);
            }
            (Some(partial), body) => {
                partial.grow(event.plain_len, self.group_bytes_max)?;
                (partial.push(header, body)?, partial)
            }
            (None, body) => {
                self.check_group_without_gtid(&header, &body)?;
                let start = self.stream.begin_of(&header).unwrap_or(begin);
                let partial = self.partial.insert(Partial::without_gtid(&header, &body, start));
                partial.grow(event.plain_len, self.group_bytes_max)?;
                (partial.push(header, body)?, partial)
            }
        };
        match partial {
            (Pushed::Open, partial) if partial.is_part_due(self.part_bytes_max) => Ok(Some(Assembled::Part(
                partial.take_part(self.stream.coordinates()),
            ))),
            (Pushed::Open, _) => Ok(None),
            (Pushed::Ended(end_kind), _) => Ok(self.end_group(end_kind)),
        }
    }

    fn end_group(&mut self, end_kind: GroupEnd) -> Option<Assembled> {
        let partial = self.partial.take()?;
        let end = self.stream.coordinates();
        self.safe = end.clone();
        Some(Assembled::Group(partial.into_group(end, end_kind)))
    }

    /// MariaDB since 10.0.2 begins every group with a GTID, so a change without one is the middle of a group.
    fn check_group_without_gtid(&self, header: &Header, body: &EventBody) -> Result<(), GroupError> {
        const WITH_GTID: (u32, u32, u32) = (10, 0, 2);
        let needs_gtid = self.format.as_ref().is_some_and(|format| {
            format.is_mariadb() && format.version().is_some_and(|version| version >= WITH_GTID)
        });
        if needs_gtid {
            return Err(self.unexpected(
                header,
                "outside a group; reading began inside one, resume where one ends",
            ));
        }
        if partial::ends_group(body) {
            return Err(self.unexpected(header, "without a group that it could end"));
        }
        Ok(())
    }

    fn refuse_inside_group(&self, header: &Header) -> Result<(), GroupError> {
        match self.partial {
            Some(_) => Err(self.unexpected(header, "inside a group that has not ended")),
            None => Ok(()),
        }
    }

    #[cold]
    fn unexpected(&self, header: &Header, why: &'static str) -> GroupError {
        let group = self
            .partial
            .as_ref()
            .map_or_else(|| self.safe.to_string(), Partial::name);
        GroupError::Unexpected {
            event: header.kind,
            group,
            at: self.stream.coordinates(),
            why,
        }
    }
}
