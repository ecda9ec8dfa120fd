//! One side of a relayed connection: bytes in, bytes out, and packets where they are looked at.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::tls::Tls;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of a packet's head.
pub(crate) const HEAD_BYTES: usize = 4;

/// A packet of this length goes on in the next one.
pub(crate) const FULL_PACKET_BYTES: usize = 0xFF_FFFF;

/// A socket of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes that follow.
    pub(crate) length: usize,
    pub(crate) sequence: u8,
}

impl Head {
    pub(crate) fn of(bytes: &[u8]) -> Option<Head> {
        let [a, b, c, sequence] = *bytes.first_chunk::<HEAD_BYTES>()?;
        Some(Head {
            length: usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16,
            sequence,
        })
    }
}

/// See the module.
pub(crate) struct Peer {
    read: ReadHalf<Box<dyn Socket>>,
    write: WriteHalf<Box<dyn Socket>>,
    /// What has been read and not looked at.
    pub(crate) input: BytesMut,
    /// What is to be written.
    pub(crate) output: BytesMut,
    /// TLS, which may hold back what it was given until it is flushed.
    is_secured: bool,
    /// It may hold back something.
    is_held_back: bool,
    /// How long the other side may take nothing of it.
    write_wait_max: Duration,
}

impl Peer {
    pub(crate) fn new(socket: Box<dyn Socket>, write_wait_max: Duration) -> Self {
        let (read, write) = tokio::io::split(socket);
        Self {
            read,
            write,
            input: BytesMut::new(),
            output: BytesMut::new(),
            is_secured: false,
            is_held_back: false,
            write_wait_max,
        }
    }

    /// Goes on by TLS. What has been read and not looked at belongs to the handshake: nothing of it is taken for a packet.
    pub(crate) async fn secure(&mut self, tls: &Tls) -> io::Result<()> {
        self.flush().await?;
        let nothing = Peer::new(Box::new(tokio::io::empty()), self.write_wait_max);
        let plain = std::mem::replace(self, nothing);
        let stream = tls.accept(plain.input, plain.read.unsplit(plain.write)).await?;
        *self = Peer {
            is_secured: true,
            ..Peer::new(stream, plain.write_wait_max)
        };
        Ok(())
    }

    /// Whether something is to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || self.is_held_back
    }

    /// Reads some bytes; 0 at the end. Cancel-safe.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(READ_BYTES);
        self.read.read_buf(&mut self.input).await
    }

    /// Writes some of what is to be written. Cancel-safe.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            tokio::time::timeout(self.write_wait_max, self.write.flush()).await??;
            self.is_held_back = false;
            return Ok(());
        }
        let writing = self.write.write(&self.output);
        let written = tokio::time::timeout(self.write_wait_max, writing).await??;
        self.is_held_back = self.is_secured;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.output.advance(written);
        Ok(())
    }

    /// Writes all that is to be written.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while self.has_output() {
            self.drain().await?;
        }
        Ok(())
    }

    pub(crate) async fn shut_down(&mut self) {
        // The other side may have gone already.
        let _ = self.write.shutdown().await;
    }

    /// The next packet as it is on the line: a part, if it is long.
    pub(crate) async fn packet(&mut self) -> io::Result<(Head, Bytes)> {
        loop {
            if let Some(head) = Head::of(&self.input)
                && self.input.len() >= HEAD_BYTES + head.length
            {
                self.input.advance(HEAD_BYTES);
                return Ok((head, self.input.split_to(head.length).freeze()));
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Appends a packet.
    pub(crate) fn put(&mut self, sequence: u8, payload: &[u8]) {
        let mut rest = payload;
        let mut sequence = sequence;
        loop {
            let length = rest.len().min(FULL_PACKET_BYTES);
            let (now, later) = rest.split_at(length);
            // No more than 24 bits, by the line above.
            self.output.extend_from_slice(&(length as u32).to_le_bytes()[..3]);
            self.output.extend_from_slice(&[sequence]);
            self.output.extend_from_slice(now);
            if length < FULL_PACKET_BYTES {
                return;
            }
            (rest, sequence) = (later, sequence.wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_come_back_however_they_are_cut() {
        let (left, right) = tokio::io::duplex(7);
        let (mut left, mut right) = (
            Peer::new(Box::new(left), Duration::from_secs(60)),
            Peer::new(Box::new(right), Duration::from_secs(60)),
        );
        left.put(3, b"hello, world");
        left.put(4, b"");
        let writing = tokio::spawn(async move { left.flush().await });
        let (head, payload) = right.packet().await.unwrap();
        assert_eq!((head.sequence, &payload[..]), (3, &b"hello, world"[..]));
        let (head, payload) = right.packet().await.unwrap();
        assert_eq!((head.sequence, payload.len()), (4, 0));
        writing.await.unwrap().unwrap();
        assert!(right.packet().await.is_err(), "the end");
    }
}
