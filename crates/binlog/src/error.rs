//! The one error type for bytes that are not what the binlog format says.

use std::borrow::Cow;

use crate::event_type::EventType;

/// Why bytes could not be read as an event, or as a part of one.
///
/// Offsets count from the first byte of the event, header included, unless the message says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A field runs past the end.
    #[error("decode {event}: {field} needs {needed} bytes at offset {offset}, {left} left")]
    Truncated {
        /// The event that was being read.
        event: EventType,
        /// The field that does not fit.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// How many bytes the field takes.
        needed: usize,
        /// How many bytes there are.
        left: usize,
    },
    /// The length in the header is not the number of bytes received.
    #[error("decode {event}: the header says {stated} bytes, {actual} came")]
    Length {
        /// The event that was being read.
        event: EventType,
        /// The length in the header.
        stated: usize,
        /// The length of the input.
        actual: usize,
    },
    /// The CRC32 at the end is not the one of the bytes before it: damaged in storage or on the way.
    #[error(
        "decode {event}: checksum {computed:08x} computed, {stored:08x} stored (event ends at {end_offset}); \
         the event was damaged in the source's binlog or on the way"
    )]
    Checksum {
        /// The event that was being read.
        event: EventType,
        /// The checksum in the event.
        stored: u32,
        /// The checksum of the bytes received.
        computed: u32,
        /// The end offset in the header.
        end_offset: u32,
    },
    /// A field holds what the format does not allow.
    #[error("decode {event}: {field} at offset {offset}: {why}")]
    Invalid {
        /// The event that was being read.
        event: EventType,
        /// The field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// What is wrong with it.
        why: Cow<'static, str>,
    },
    /// A status variable of a Query event this version does not know. Its length is unknown, so what follows cannot
    /// be read, and running the statement without its context would change its meaning.
    #[error(
        "decode {event}: unknown status variable {code} at offset {offset}; \
         the source is newer than this engine, which must learn the variable first"
    )]
    UnknownStatusVariable {
        /// The event that was being read.
        event: EventType,
        /// The variable's code.
        code: u8,
        /// Where its code stands.
        offset: usize,
    },
    /// An event the engine knows by name and does not process.
    #[error("refuse {event}: {why}")]
    Refused {
        /// The event's type.
        event: EventType,
        /// The event's name, as the server prints it.
        name: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A type code of no known server, without the flag that allows to pass over it.
    #[error(
        "refuse event type {}: unknown, and not flagged as ignorable; the source is newer than this engine",
        .event.0
    )]
    UnknownType {
        /// The event's type.
        event: EventType,
    },
    /// More bytes than the setting allows.
    #[error(
        "decode {event}: {what} of {bytes} bytes exceeds {setting} = {limit}; raise the setting if this is real"
    )]
    TooLarge {
        /// The event that was being read.
        event: EventType,
        /// What is too large.
        what: &'static str,
        /// How large it claims to be.
        bytes: u64,
        /// The setting's value.
        limit: u64,
        /// The setting's name.
        setting: &'static str,
    },
    /// A column's bytes could not be told from the next column's, or do not hold a value of its type.
    #[error("column {column} ({kind}): {why}")]
    Value {
        /// The column's index, from 0.
        column: usize,
        /// The column's type.
        kind: Cow<'static, str>,
        /// What is wrong.
        why: Cow<'static, str>,
    },
}

impl DecodeError {
    pub(crate) fn invalid(
        event: EventType,
        field: &'static str,
        offset: usize,
        why: impl Into<Cow<'static, str>>,
    ) -> DecodeError {
        DecodeError::Invalid {
            event,
            field,
            offset,
            why: why.into(),
        }
    }
}
