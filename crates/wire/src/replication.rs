//! Commands and packets of a binlog dump.
//!
//! MariaDB protocol documentation, "Replication Protocol"; pages "COM_REGISTER_SLAVE", "COM_BINLOG_DUMP", "Semi-Sync
//! Replication". What differs from the pages was observed on 10.11.19.

use crate::Error;
use crate::command;
use crate::packet::Unfinished;
use crate::reader::Reader;
use crate::status::{EOF, ERR, ErrPacket, OK, ServerError};

/// Dump flag: at the end of the binlog, send an end-of-stream packet instead of waiting for more.
pub const DUMP_NON_BLOCKING: u16 = 0x0001;

/// Dump flag: send the events that carry the text of row statements.
pub const DUMP_ANNOTATE_ROWS: u16 = 0x0002;

/// Marks the two bytes before each event of a semi-synchronous dump, and an acknowledgement.
const SEMI_SYNC_MAGIC: u8 = 0xEF;

/// Semi-sync flag: the source waits for an acknowledgement of this event.
const ACK_WANTED: u8 = 0x01;

/// Where the header of an event says how long the event is.
const EVENT_LENGTH_AT: std::ops::Range<usize> = 9..13;

/// How the replica presents itself to the source: the columns of `SHOW SLAVE HOSTS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisterReplica {
    /// Server id of the replica.
    pub server_id: u32,
    /// Host to show; when empty, the source shows the peer's host name. At most 255 bytes, like the next two.
    pub host: String,
    /// User to show.
    pub user: String,
    /// Password to show. Leave it empty: the source shows it to others.
    pub password: String,
    /// Port to show.
    pub port: u16,
}

impl RegisterReplica {
    /// The payload of the command.
    ///
    /// # Errors
    /// [`Error::Unencodable`] when a text has more than 255 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut out = vec![command::REGISTER_SLAVE];
        out.extend_from_slice(&self.server_id.to_le_bytes());
        for (name, text) in [
            ("host", &self.host),
            ("user", &self.user),
            ("password", &self.password),
        ] {
            let length = u8::try_from(text.len()).map_err(|_| {
                Error::unencodable(
                    "replica registration",
                    format!("its {name} has more than 255 bytes"),
                )
            })?;
            out.push(length);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&self.port.to_le_bytes());
        // The recovery rank, not in use, and the source's id, which the source fills in.
        out.extend_from_slice(&[0; 8]);
        Ok(out)
    }
}

/// What to send of the binlog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpRequest {
    /// File to start in. Empty: the oldest; in GTID mode (`@slave_connect_state` is set) the source picks it.
    pub file: Vec<u8>,
    /// Where to start in the file: the end offset of an event, or 4. A source does not notice an offset inside an event.
    pub offset: u32,
    /// `DUMP_*`.
    pub flags: u16,
    /// Server id of the replica, unique among the replicas of the source: a second dump with the same id ends the first.
    pub server_id: u32,
}

impl DumpRequest {
    /// The payload of the command.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![command::BINLOG_DUMP];
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.server_id.to_le_bytes());
        out.extend_from_slice(&self.file);
        out
    }
}

/// What one payload of the dump stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpFrame {
    /// An event: the payload from `start` on.
    Event {
        /// Bytes before the event.
        start: usize,
        /// Whether the source waits for an acknowledgement of this event.
        ack_wanted: bool,
    },
    /// The source ends the stream with an error.
    Error(ServerError),
    /// The source ends the stream: the end of the binlog in a non-blocking dump, the until position, or a shutdown.
    EndOfStream,
    /// A progress report; the stream goes on.
    Progress,
}

impl DumpFrame {
    /// Looks at one payload of the stream. `semi_sync` says whether the dump was asked for with `@rpl_semi_sync_slave=1`
    /// from a source that has semi-sync switched on: then two bytes stand before every event. The bytes themselves do not
    /// tell, since an event may start with 0xEF.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when it starts with an unknown byte.
    pub fn decode(payload: &[u8], semi_sync: bool) -> Result<DumpFrame, Error> {
        let mut reader = Reader::new("dump packet", payload);
        match reader.u8("status byte")? {
            OK if semi_sync => {
                let magic = reader.u8("semi-sync mark")?;
                if magic != SEMI_SYNC_MAGIC {
                    let detail = format!("the semi-sync mark is {magic:#04x}, expected 0xef");
                    return Err(Error::invalid("dump packet", detail));
                }
                let ack_wanted = reader.u8("semi-sync flag")? & ACK_WANTED != 0;
                Ok(DumpFrame::Event {
                    start: reader.offset(),
                    ack_wanted,
                })
            }
            OK => Ok(DumpFrame::Event {
                start: reader.offset(),
                ack_wanted: false,
            }),
            ERR => Ok(match ErrPacket::decode(payload)? {
                ErrPacket::Error(error) => DumpFrame::Error(error),
                ErrPacket::Progress => DumpFrame::Progress,
            }),
            // An OK packet in EOF's clothes when both sides have DEPRECATE_EOF: its length is not fixed.
            EOF => Ok(DumpFrame::EndOfStream),
            other => Err(Error::invalid(
                "dump packet",
                format!("the status byte is {other:#04x}"),
            )),
        }
    }

    /// Compares the lengths that an unfinished packet and the event in it announce, as soon as both are there. Where they
    /// differ, a length was damaged on the way: the packet's would take whatever follows for the rest of the event, heartbeats
    /// too, and so the stream would stand still without ever being silent.
    ///
    /// # Errors
    /// As [`DumpFrame::decode`]; [`Error::Invalid`] when the lengths differ.
    pub fn check_unfinished(packet: Unfinished<'_>, semi_sync: bool) -> Result<(), Error> {
        let bytes_before_event = if semi_sync { 3 } else { 1 };
        if packet.head.len() < bytes_before_event + EVENT_LENGTH_AT.end || packet.head.first() != Some(&OK) {
            return Ok(());
        }
        let DumpFrame::Event { start, .. } = DumpFrame::decode(packet.head, semi_sync)? else {
            return Ok(());
        };
        let Some(length) = packet.head[start..].get(EVENT_LENGTH_AT) else {
            return Ok(());
        };
        let length = length
            .iter()
            .rev()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        let announced = packet.announced - start.min(packet.announced);
        if announced > length || packet.is_last && announced < length {
            let detail = format!(
                "the packet has room for an event of {announced} bytes, the event says it has {length}"
            );
            return Err(Error::invalid("dump packet", detail));
        }
        Ok(())
    }
}

/// The payload that acknowledges all events up to the end offset of one; it travels with sequence number 0.
pub fn encode_semi_sync_ack(file: &[u8], end_offset: u64) -> Vec<u8> {
    let mut out = vec![SEMI_SYNC_MAGIC];
    out.extend_from_slice(&end_offset.to_le_bytes());
    out.extend_from_slice(file);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from a native 10.11.19 replica.
    #[test]
    fn the_registration_is_the_native_one() {
        let request = RegisterReplica {
            server_id: 202,
            port: 34001,
            ..RegisterReplica::default()
        };
        let expected = [0x15, 0xCA, 0, 0, 0, 0, 0, 0, 0xD1, 0x84, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(request.encode().unwrap(), expected);
        let request = RegisterReplica {
            host: "x".repeat(256),
            ..request
        };
        assert!(request.encode().unwrap_err().to_string().contains("host"));
    }

    /// Captured from a native 10.11.19 replica.
    #[test]
    fn the_dump_request_is_the_native_one() {
        let request = DumpRequest {
            offset: 4,
            flags: DUMP_ANNOTATE_ROWS,
            server_id: 202,
            file: Vec::new(),
        };
        assert_eq!(request.encode(), [0x12, 4, 0, 0, 0, 2, 0, 0xCA, 0, 0, 0]);
        let request = DumpRequest {
            file: b"bin.000001".to_vec(),
            ..request
        };
        assert!(request.encode().ends_with(b"bin.000001"));
    }

    /// Captured from a native 10.11.19 replica.
    #[test]
    fn the_acknowledgement_is_the_native_one() {
        let expected = [&[0xEF, 0xED, 1, 0, 0, 0, 0, 0, 0][..], b"m-bin.000001"].concat();
        assert_eq!(encode_semi_sync_ack(b"m-bin.000001", 0x01ED), expected);
    }

    #[test]
    fn events_errors_and_ends_are_told_apart() {
        let event = |start, ack_wanted| Ok(DumpFrame::Event { start, ack_wanted });
        assert_eq!(DumpFrame::decode(b"\x00\xef\x01event", false), event(1, false));
        assert_eq!(DumpFrame::decode(b"\x00\xef\x01event", true), event(3, true));
        assert_eq!(DumpFrame::decode(b"\x00\xef\x00event", true), event(3, false));
        assert_eq!(
            DumpFrame::decode(b"\xfe\x00\x00\x02\x00", false),
            Ok(DumpFrame::EndOfStream)
        );
        assert_eq!(
            DumpFrame::decode(b"\xff\xff\xff\x01\x01", false),
            Ok(DumpFrame::Progress)
        );
        let error = DumpFrame::decode(b"\xff\xd4\x04#HY000Could not find", false);
        assert!(matches!(error, Ok(DumpFrame::Error(error)) if error.code == 1236));
    }

    #[test]
    fn lengths_that_differ_are_noticed_before_the_packet_is_whole() {
        let mut event = [0; 19];
        event[9] = 200;
        for (mark, semi_sync) in [(&b"\x00"[..], false), (b"\x00\xef\x01", true)] {
            let head = [mark, &event[..]].concat();
            let check = |arrived: usize, announced: usize, is_last: bool| {
                let packet = Unfinished {
                    head: &head[..arrived],
                    announced: mark.len() + announced,
                    is_last,
                };
                DumpFrame::check_unfinished(packet, semi_sync)
            };
            let enough = mark.len() + 13;
            assert_eq!(check(enough, 200, true), Ok(()));
            assert_eq!(check(enough, 100, false), Ok(()), "more packets follow");
            assert_eq!(check(enough - 1, 456, true), Ok(()), "not there yet");
            assert!(check(enough, 456, true).is_err());
            assert!(check(enough, 456, false).is_err());
            assert!(check(enough, 199, true).is_err());
        }
        let error = Unfinished {
            head: b"\xff\xd4\x04#HY000Could not find",
            announced: 99,
            is_last: true,
        };
        assert_eq!(DumpFrame::check_unfinished(error, false), Ok(()));
    }

    #[test]
    fn what_is_none_of_them_is_an_error() {
        for (payload, semi_sync) in [
            (&b""[..], false),
            (b"\x01", false),
            (b"\x00", true),
            (b"\x00\xef", true),
            (b"\x00\xee\x00", true),
        ] {
            assert!(DumpFrame::decode(payload, semi_sync).is_err(), "{payload:?}");
        }
    }
}
