//! The binlog dump: a connection that has turned into a stream of events.

use std::time::Duration;

use bytes::{Buf, Bytes};
use tributary_wire::packet::Unfinished;
use tributary_wire::replication::{DumpFrame, encode_semi_sync_ack};

use crate::connection::{COMMAND_SEQUENCE, Connection};
use crate::{Client, DumpRequest, Error};

/// What was being done when the stream failed.
const READING: &str = "read the binlog stream";

/// A stream of binlog events.
///
/// Every method loses nothing when its future is dropped; the next call goes on where it was.
#[derive(Debug)]
pub struct DumpStream {
    connection: Connection,
    is_semi_sync: bool,
    /// Whether the stream has ended, well or not.
    is_ended: bool,
}

/// One packet of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpPacket {
    /// An event.
    Event {
        /// The event's bytes from its header to its checksum. A slice of the read buffer: keeping it keeps up to 256 KiB, or the
        /// event's own size if it is larger than 64 KiB.
        payload: Bytes,
        /// Whether the source waits for [`DumpStream::acknowledge`] of this event.
        ack_wanted: bool,
    },
    /// The source has no more: the end of the binlog in a non-blocking dump, or the until position. There is no next packet.
    EndOfStream,
}

impl Client {
    /// Asks for the binlog. Session variables for the dump (`@slave_connect_state` and others) must be set before. Refusals,
    /// such as a missing privilege (1227) or a purged file (1236), come with the first [`DumpStream::next`].
    ///
    /// # Errors
    /// [`Error::Misuse`] when replies are due, [`Error::Broken`], or why the request cannot be sent.
    pub async fn dump(self, request: &DumpRequest) -> Result<DumpStream, Error> {
        self.start_dump(request, false).await
    }

    /// As [`Client::dump`], when `SET @rpl_semi_sync_slave=1` was sent to a source with semi-sync switched on: the source then
    /// asks for acknowledgements, and marks every event for that.
    ///
    /// # Errors
    /// As [`Client::dump`].
    pub async fn dump_semi_sync(self, request: &DumpRequest) -> Result<DumpStream, Error> {
        self.start_dump(request, true).await
    }

    async fn start_dump(mut self, request: &DumpRequest, is_semi_sync: bool) -> Result<DumpStream, Error> {
        self.idle()?;
        self.begin()?;
        self.connection.queue(COMMAND_SEQUENCE, [&request.encode()[..]]);
        self.connection.flush().await?;
        self.connection.expect_dump();
        Ok(DumpStream {
            connection: self.connection,
            is_semi_sync,
            is_ended: false,
        })
    }
}

impl DumpStream {
    /// Waits for the next packet; `timeout` is the longest silence. A source with a heartbeat period is never silent for longer
    /// than that. A packet that has begun to arrive must bring at least 16 KiB, or end, within each `timeout`: one whose length
    /// was damaged on the way would be fed by heartbeats for hours.
    ///
    /// # Errors
    /// [`Error::Timeout`] when no byte came for that long, or too few of a packet: nothing is lost, and the call may be
    /// repeated. All others end the stream: [`Error::Server`] with the source's reason, [`Error::Closed`], [`Error::Io`],
    /// [`Error::Protocol`], [`Error::TooLarge`]; then [`Error::Broken`].
    pub async fn next(&mut self, timeout: Duration) -> Result<DumpPacket, Error> {
        if self.is_ended {
            return Err(Error::Broken);
        }
        let packet = self.read(timeout).await;
        self.is_ended = !matches!(packet, Ok(DumpPacket::Event { .. }) | Err(Error::Timeout { .. }));
        packet
    }

    /// As [`DumpStream::next`], but `None` when the next packet has not arrived yet. Reads nothing from the socket.
    ///
    /// # Errors
    /// As [`DumpStream::next`], without those of the socket.
    pub fn next_arrived(&mut self) -> Result<Option<DumpPacket>, Error> {
        if self.is_ended {
            return Err(Error::Broken);
        }
        let packet = self.arrived();
        self.is_ended = !matches!(packet, Ok(Some(DumpPacket::Event { .. }) | None));
        packet
    }

    async fn read(&mut self, timeout: Duration) -> Result<DumpPacket, Error> {
        let is_semi_sync = self.is_semi_sync;
        let check = |unfinished: Unfinished<'_>| DumpFrame::check_unfinished(unfinished, is_semi_sync);
        loop {
            if let Some(packet) = self.arrived()? {
                return Ok(packet);
            }
            self.connection.ready_within(READING, timeout, check).await?;
        }
    }

    fn arrived(&mut self) -> Result<Option<DumpPacket>, Error> {
        while self.connection.has_arrived(READING)? {
            let packets = self.connection.packets();
            let frame =
                DumpFrame::decode(packets.payload(), self.is_semi_sync).map_err(Error::wire(READING))?;
            match frame {
                DumpFrame::Event { start, ack_wanted } => {
                    let mut payload = packets.take();
                    payload.advance(start);
                    return Ok(Some(DumpPacket::Event { payload, ack_wanted }));
                }
                DumpFrame::Progress => packets.consume(),
                DumpFrame::EndOfStream => {
                    packets.consume();
                    return Ok(Some(DumpPacket::EndOfStream));
                }
                DumpFrame::Error(error) => return Err(Error::Server(error)),
            }
        }
        Ok(None)
    }

    /// Tells the source that everything up to the end of an event was received; `file` and `end_offset` are that event's.
    /// Call it once per event with `ack_wanted`, in order.
    ///
    /// # Errors
    /// [`Error::Timeout`] or [`Error::Io`] when it cannot be sent.
    pub async fn acknowledge(&mut self, file: &[u8], end_offset: u64) -> Result<(), Error> {
        if self.is_ended {
            return Err(Error::Broken);
        }
        self.connection
            .queue(COMMAND_SEQUENCE, [&encode_semi_sync_ack(file, end_offset)[..]]);
        self.connection.flush().await
    }

    /// Bytes received on this connection, the login's included, as they travelled (compressed, but without TLS).
    pub fn received_bytes(&self) -> u64 {
        self.connection.received_bytes()
    }
}
