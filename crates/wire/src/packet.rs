//! Packets: a stream of bytes cut into payloads, and payloads wrapped for the stream.
//!
//! A packet is a four-byte header (length in three bytes, sequence number in one) and its payload. A payload of
//! 0xFFFFFF bytes or more travels as several packets; the first one shorter than that, possibly empty, ends it.
//! MariaDB protocol documentation, "0 - Packet".
//!
//! Sequence numbers are reported, not enforced: they restart at each reply, and a server that was sent a semi-sync
//! acknowledgement restarts them in the middle of the dump stream (observed on 10.11).

use bytes::{Buf, Bytes, BytesMut};

use crate::Error;
use crate::writer::put_u24;

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 4;

/// The largest payload one packet can carry; a packet this long says that another one follows.
pub const FRAGMENT_BYTES_MAX: usize = 0xFF_FFFF;

/// Payloads up to here are handed out where they lie in the read buffer; longer ones are gathered in memory of their own,
/// which grows only as their bytes arrive.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What is reserved at first for a payload that is gathered.
const GATHER_START_BYTES: usize = 2 * INLINE_BYTES_MAX;

/// Appends one payload, given in parts, as packets numbered from `first_sequence`. Returns the number after the last one.
///
/// The parts are copied once, to their place in `out`.
pub fn encode<'a>(
    out: &mut Vec<u8>,
    first_sequence: u8,
    parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
) -> u8 {
    let mut parts = parts.into_iter();
    let mut left: usize = parts.clone().map(<[u8]>::len).sum();
    out.reserve(left + (left / FRAGMENT_BYTES_MAX + 1) * HEADER_BYTES);
    let mut part: &[u8] = &[];
    let mut sequence = first_sequence;
    loop {
        let fragment = left.min(FRAGMENT_BYTES_MAX);
        put_u24(out, fragment as u32);
        out.push(sequence);
        sequence = sequence.wrapping_add(1);
        left -= fragment;
        let end = out.len() + fragment;
        while out.len() < end {
            if part.is_empty() {
                part = parts.next().expect("the fragments add up to the parts");
                continue;
            }
            let (now, later) = part.split_at(part.len().min(end - out.len()));
            out.extend_from_slice(now);
            part = later;
        }
        if fragment < FRAGMENT_BYTES_MAX {
            return sequence;
        }
    }
}

/// Cuts a stream of bytes into payloads.
///
/// Bytes go in through [`space`](PacketReader::space); when [`is_ready`](PacketReader::is_ready) says so, one payload
/// can be looked at with [`payload`](PacketReader::payload) and is then either passed over with
/// [`consume`](PacketReader::consume) or kept with [`take`](PacketReader::take), which does not copy it.
///
/// Memory: one read chunk, at most one unread packet of 64 KiB, what was read ahead, and one payload of at most
/// `payload_bytes_max`.
#[derive(Debug)]
pub struct PacketReader {
    buffer: BytesMut,
    chunk_bytes: usize,
    payload_bytes_max: usize,
    sequence: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next bytes are a packet header.
    Header,
    /// A whole packet lies at the start of the buffer, its payload has this many bytes.
    Inline(usize),
    /// The bytes of a longer payload are being gathered.
    Gathering {
        payload: BytesMut,
        fragment_left: usize,
        is_last: bool,
    },
    /// A longer payload is whole.
    Gathered(Bytes),
}

/// The beginning of a payload whose rest has not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished<'a> {
    /// What has arrived of it.
    pub head: &'a [u8],
    /// Its length as far as headers of packets have announced it.
    pub announced: usize,
    /// Whether no other packet continues it, so that `announced` is its whole length.
    pub is_last: bool,
}

impl PacketReader {
    /// A reader without bytes. `chunk_bytes` is how much room it offers for one read at least; it accepts payloads of up to
    /// `payload_bytes_max` bytes.
    pub fn new(chunk_bytes: usize, payload_bytes_max: usize) -> PacketReader {
        PacketReader {
            buffer: BytesMut::new(),
            chunk_bytes,
            payload_bytes_max,
            sequence: 0,
            state: State::Header,
        }
    }

    /// The buffer to append received bytes to, with room for more of them.
    pub fn space(&mut self) -> &mut BytesMut {
        // A nearly full chunk would cost a system call for a few bytes.
        if self.buffer.capacity() - self.buffer.len() < self.chunk_bytes / 4 {
            self.buffer.reserve(self.chunk_bytes);
        }
        &mut self.buffer
    }

    /// How many received bytes were not handed out yet.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The sequence number of the packet read last.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Goes on counting from `sequence`, when the stream moves to another socket (TLS).
    pub fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Changes how much room one read gets.
    pub fn set_chunk_bytes(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    /// Whether a whole payload is there.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when a payload announces or reaches more than the limit. The stream cannot be read on.
    pub fn is_ready(&mut self) -> Result<bool, Error> {
        loop {
            match &mut self.state {
                State::Inline(_) | State::Gathered(_) => return Ok(true),
                State::Header => {
                    let Some(&header) = self.buffer.first_chunk::<HEADER_BYTES>() else {
                        return Ok(false);
                    };
                    let length = self.checked_length(header, 0)?;
                    if length > INLINE_BYTES_MAX {
                        self.start_gathering(header[3], length);
                    } else if self.buffer.len() - HEADER_BYTES < length {
                        return Ok(false);
                    } else {
                        self.sequence = header[3];
                        self.state = State::Inline(length);
                    }
                }
                State::Gathering { .. } => {
                    if !self.gather()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// The payload that is ready; empty when there is none.
    pub fn payload(&self) -> &[u8] {
        match &self.state {
            State::Inline(length) => self
                .buffer
                .get(HEADER_BYTES..HEADER_BYTES + length)
                .unwrap_or_default(),
            State::Gathered(payload) => payload,
            State::Header | State::Gathering { .. } => &[],
        }
    }

    /// The payload that has begun to arrive, when [`is_ready`](PacketReader::is_ready) found none.
    pub fn unfinished(&self) -> Option<Unfinished<'_>> {
        match &self.state {
            State::Inline(_) | State::Gathered(_) => None,
            State::Header => {
                let &[a, b, c, _] = self.buffer.first_chunk::<HEADER_BYTES>()?;
                Some(Unfinished {
                    head: &self.buffer[HEADER_BYTES..],
                    announced: u32::from_le_bytes([a, b, c, 0]) as usize,
                    is_last: true,
                })
            }
            State::Gathering {
                payload,
                fragment_left,
                is_last,
            } => Some(Unfinished {
                head: payload,
                announced: payload.len() + fragment_left,
                is_last: *is_last,
            }),
        }
    }

    /// Passes over the payload that is ready.
    pub fn consume(&mut self) {
        match self.state {
            State::Inline(length) => self.buffer.advance(HEADER_BYTES + length),
            State::Gathered(_) => {}
            State::Header | State::Gathering { .. } => return,
        }
        self.state = State::Header;
    }

    /// Takes the payload that is ready out of the stream, without copying it; empty when there is none.
    pub fn take(&mut self) -> Bytes {
        match std::mem::replace(&mut self.state, State::Header) {
            State::Inline(length) => {
                let mut packet = self.buffer.split_to(HEADER_BYTES + length);
                packet.advance(HEADER_BYTES);
                packet.freeze()
            }
            State::Gathered(payload) => payload,
            state @ (State::Header | State::Gathering { .. }) => {
                self.state = state;
                Bytes::new()
            }
        }
    }

    /// The length in a header, checked together with what the payload has already.
    fn checked_length(&self, header: [u8; HEADER_BYTES], already: usize) -> Result<usize, Error> {
        let [a, b, c, _] = header;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if length > self.payload_bytes_max.saturating_sub(already) {
            let size = already as u64 + length as u64;
            return Err(Error::TooLarge {
                what: "packet",
                size,
                limit: self.payload_bytes_max as u64,
            });
        }
        Ok(length)
    }

    fn start_gathering(&mut self, sequence: u8, length: usize) {
        self.buffer.advance(HEADER_BYTES);
        self.sequence = sequence;
        self.state = State::Gathering {
            payload: BytesMut::with_capacity(length.min(GATHER_START_BYTES)),
            fragment_left: length,
            is_last: length < FRAGMENT_BYTES_MAX,
        };
    }

    /// Moves what has arrived of a longer payload. Returns whether there is more to do without new bytes.
    fn gather(&mut self) -> Result<bool, Error> {
        let State::Gathering {
            payload,
            fragment_left,
            is_last,
        } = &mut self.state
        else {
            return Ok(true);
        };
        let count = (*fragment_left).min(self.buffer.len());
        payload.extend_from_slice(&self.buffer[..count]);
        self.buffer.advance(count);
        *fragment_left -= count;
        if *fragment_left > 0 {
            return Ok(false);
        }
        if *is_last {
            self.state = State::Gathered(std::mem::take(payload).freeze());
            return Ok(true);
        }
        let already = payload.len();
        let Some(&header) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(false);
        };
        let length = self.checked_length(header, already)?;
        self.buffer.advance(HEADER_BYTES);
        self.sequence = header[3];
        if let State::Gathering {
            fragment_left,
            is_last,
            ..
        } = &mut self.state
        {
            *fragment_left = length;
            *is_last = length < FRAGMENT_BYTES_MAX;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
