//! One socket with its buffers: packets in, packets out, deadlines. What the packets mean is decided by its users.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tributary_wire::compress::{FrameReader, FrameWriter};
use tributary_wire::packet::{self, PacketReader, Unfinished};
use zeroize::Zeroize;

use crate::transport::Transport;
use crate::{ConnectOptions, Error};

/// Room for one read of a connection that runs commands: dozens of replies, or a few hundred rows.
const COMMAND_CHUNK_BYTES: usize = 64 * 1024;

/// Room for one read of the dump stream. An event handed out keeps its whole chunk in memory.
const DUMP_CHUNK_BYTES: usize = 256 * 1024;

/// A write buffer larger than this is given back when it is empty.
const WRITE_BUFFER_KEPT_BYTES: usize = 4 << 20;

/// A socket with its buffers.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    packets: PacketReader,
    compression: Option<Compression>,
    /// Packets or frames to send; the first `sent` bytes are sent already.
    out: Vec<u8>,
    sent: usize,
    received_bytes: u64,
    reply_timeout: Duration,
    reply_bytes_max: usize,
    /// Why sending failed. Kept while replies that arrived before are still read.
    write_failure: Option<io::Error>,
}

#[derive(Debug)]
struct Compression {
    reader: FrameReader,
    writer: FrameWriter,
    /// The packets of one command, before they become frames.
    plain: Vec<u8>,
}

/// A packet that has begun to arrive must bring this much within each time a silence may take, or end.
const PROGRESS_BYTES_MIN: u64 = 16 * 1024;

/// The number of a command's first packet.
pub(crate) const COMMAND_SEQUENCE: u8 = 0;

impl Connection {
    pub(crate) fn new(transport: Transport, options: &ConnectOptions) -> Connection {
        Connection {
            transport,
            packets: PacketReader::new(COMMAND_CHUNK_BYTES, options.packet_bytes_max),
            compression: None,
            out: Vec::new(),
            sent: 0,
            received_bytes: 0,
            reply_timeout: options.reply_timeout,
            reply_bytes_max: options.reply_bytes_max,
            write_failure: None,
        }
    }

    pub(crate) fn set_reply_timeout(&mut self, reply_timeout: Duration) {
        self.reply_timeout = reply_timeout;
    }

    pub(crate) fn reply_bytes_max(&self) -> usize {
        self.reply_bytes_max
    }

    /// Bytes received from the socket, as they travelled: compressed, but without TLS.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Bytes queued and not sent yet.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The packets received so far.
    pub(crate) fn packets(&mut self) -> &mut PacketReader {
        &mut self.packets
    }

    /// Sends and receives in zlib frames from now on.
    pub(crate) fn start_compression(&mut self) {
        let reader = FrameReader::new(COMMAND_CHUNK_BYTES);
        self.compression = Some(Compression {
            reader,
            writer: FrameWriter::new(),
            plain: Vec::new(),
        });
    }

    /// Makes room for the dump stream's large reads.
    pub(crate) fn expect_dump(&mut self) {
        match &mut self.compression {
            Some(compression) => compression.reader.set_chunk_bytes(DUMP_CHUNK_BYTES),
            None => self.packets.set_chunk_bytes(DUMP_CHUNK_BYTES),
        }
    }

    /// The socket, to be wrapped in TLS; only before anything but the greeting was read.
    pub(crate) fn into_transport(self) -> Transport {
        self.transport
    }

    /// Queues one payload, given in parts, numbered from `first`. Returns the number after it: the server's answer starts there,
    /// and so does what else is sent before an answer.
    pub(crate) fn queue<'a>(
        &mut self,
        first: u8,
        parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    ) -> u8 {
        match &mut self.compression {
            None => packet::encode(&mut self.out, first, parts),
            Some(Compression { writer, plain, .. }) => {
                plain.clear();
                packet::encode(plain, first, parts);
                writer.encode(&mut self.out, first, plain)
            }
        }
    }

    /// The number that follows the server's last one; of frames, when the connection is compressed.
    pub(crate) fn next_sequence(&self) -> u8 {
        let last = match &self.compression {
            None => self.packets.sequence(),
            Some(compression) => compression.reader.sequence(),
        };
        last.wrapping_add(1)
    }

    /// Waits until a payload is ready in [`packets`](Connection::packets). Loses nothing when dropped.
    pub(crate) async fn ready(&mut self, what: &'static str) -> Result<(), Error> {
        self.ready_within(what, self.reply_timeout, |_| Ok(())).await
    }

    /// Whether a payload is ready in [`packets`](Connection::packets), of what has been received.
    pub(crate) fn has_arrived(&mut self, what: &'static str) -> Result<bool, Error> {
        loop {
            if self.packets.is_ready().map_err(Error::wire(what))? {
                return Ok(true);
            }
            let Some(compression) = &mut self.compression else {
                return Ok(false);
            };
            let frame = compression.reader.decode_next(self.packets.space());
            if !frame.map_err(Error::wire(what))? {
                return Ok(false);
            }
        }
    }

    /// As [`ready`](Connection::ready), with another limit for the silence, which is counted anew from the first byte and from
    /// then on with every [`PROGRESS_BYTES_MIN`], and with a `check` of what has arrived of a payload.
    pub(crate) async fn ready_within(
        &mut self,
        what: &'static str,
        silence_max: Duration,
        check: impl Fn(Unfinished<'_>) -> Result<(), tributary_wire::Error>,
    ) -> Result<(), Error> {
        let mut due_bytes = self.received_bytes + 1;
        let mut deadline = Instant::now() + silence_max;
        loop {
            if self.has_arrived(what)? {
                return Ok(());
            }
            if let Some(unfinished) = self.packets.unfinished() {
                check(unfinished).map_err(Error::wire(what))?;
            }
            if self.received_bytes >= due_bytes {
                due_bytes = self.received_bytes + PROGRESS_BYTES_MIN;
                deadline = Instant::now() + silence_max;
            }
            let received = timeout_at(deadline, poll_fn(|cx| self.poll_receive(cx))).await;
            match received {
                Ok(Ok(0)) => return Err(self.write_failure_or(Error::Closed { what })),
                Ok(Ok(_)) => {}
                Ok(Err(source)) => return Err(self.write_failure_or(Error::Io { doing: what, source })),
                Err(_) => {
                    if let Some(compression) = &mut self.compression {
                        compression.reader.check_unfinished().map_err(Error::wire(what))?;
                    }
                    return Err(Error::Timeout {
                        what: what.into(),
                        after: silence_max,
                    });
                }
            }
        }
    }

    /// Sends everything that is queued. Reads while it writes: a server that is blocked on its replies would not read on.
    /// Loses nothing when dropped: the next call goes on where this one was.
    ///
    /// When sending fails, the error is kept for the reads that follow, so that what the server answered before, and maybe its
    /// reason, can still be read.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let doing = "send to the server";
        if self.write_failure.is_some() {
            return Err(self.write_failure_or(Error::Broken));
        }
        loop {
            let is_done = match timeout(self.reply_timeout, poll_fn(|cx| self.poll_send(cx))).await {
                Ok(Ok(is_done)) => is_done,
                Ok(Err(SendFailure::Socket(source))) => {
                    self.write_failure = Some(source);
                    true
                }
                Ok(Err(SendFailure::TooManyReplies)) => {
                    let (size, limit) = (self.read_ahead_bytes() as u64, self.reply_bytes_max as u64);
                    return Err(Error::TooLarge {
                        what: "replies that arrived while sending",
                        size,
                        limit,
                    });
                }
                Err(_) => {
                    return Err(Error::Timeout {
                        what: doing.into(),
                        after: self.reply_timeout,
                    });
                }
            };
            if is_done {
                self.forget_sent();
                return Ok(());
            }
        }
    }

    /// Sends one payload that may hold a password, and wipes it from the buffers.
    pub(crate) async fn send_secret(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(self.next_sequence(), [payload]);
        let sent = self.flush().await;
        self.out.zeroize();
        self.sent = 0;
        sent
    }

    /// Tells the peer that nothing more will be sent; best effort.
    pub(crate) async fn shut_down(&mut self) {
        // The peer may be gone already, which is just as good.
        let _ = poll_fn(|cx| Pin::new(&mut self.transport).poll_shutdown(cx)).await;
    }

    /// One step of sending: writes some bytes, or receives some. Ready with `true` when everything is sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, SendFailure>> {
        let unsent = self.out.get(self.sent..).unwrap_or_default();
        let sending = if unsent.is_empty() {
            Pin::new(&mut self.transport).poll_flush(cx).map_ok(|()| true)
        } else {
            match Pin::new(&mut self.transport).poll_write(cx, unsent) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    Poll::Ready(Ok(false))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        };
        if sending.is_ready() {
            return sending.map_err(SendFailure::Socket);
        }
        if self.read_ahead_bytes() > self.reply_bytes_max {
            return Poll::Ready(Err(SendFailure::TooManyReplies));
        }
        match self.poll_receive(cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(SendFailure::Socket(io::ErrorKind::BrokenPipe.into()))),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(false)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(SendFailure::Socket(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// One read from the socket, as large as the buffer has room.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let space: &mut BytesMut = match &mut self.compression {
            Some(compression) => compression.reader.space(),
            None => self.packets.space(),
        };
        let read = pin!(self.transport.read_buf(space)).poll(cx);
        if let Poll::Ready(Ok(count)) = &read {
            self.received_bytes += *count as u64;
        }
        read
    }

    fn read_ahead_bytes(&self) -> usize {
        let frames = self
            .compression
            .as_ref()
            .map_or(0, |compression| compression.reader.buffered_bytes());
        self.packets.buffered_bytes() + frames
    }

    fn forget_sent(&mut self) {
        self.sent = 0;
        if self.out.capacity() > WRITE_BUFFER_KEPT_BYTES {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
    }

    fn write_failure_or(&mut self, error: Error) -> Error {
        match self.write_failure.take() {
            Some(source) => Error::Io {
                doing: "send to the server",
                source,
            },
            None => error,
        }
    }
}

/// Why a step of sending failed.
#[derive(Debug)]
enum SendFailure {
    Socket(io::Error),
    TooManyReplies,
}
