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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `stream` in pieces of `cut` bytes and takes every payload as soon as it is ready.
    fn read_all(stream: &[u8], cut: usize, payload_bytes_max: usize) -> Result<Vec<Bytes>, Error> {
        let mut reader = PacketReader::new(1024, payload_bytes_max);
        let mut payloads = Vec::new();
        for piece in stream.chunks(cut) {
            reader.space().extend_from_slice(piece);
            while reader.is_ready()? {
                payloads.push(reader.take());
            }
        }
        Ok(payloads)
    }

    #[test]
    fn a_payload_in_parts_is_one_packet() {
        let mut out = Vec::new();
        let next = encode(&mut out, 7, [&b"ab"[..], b"", b"c"]);
        assert_eq!((out.as_slice(), next), (&b"\x03\x00\x00\x07abc"[..], 8));
        out.clear();
        assert_eq!(encode(&mut out, 255, []), 0);
        assert_eq!(out, b"\x00\x00\x00\xff");
    }

    /// Sizes around the fragment limit, both ways; the numbers of the fragments wrap around.
    #[test]
    fn large_payloads_travel_in_fragments() {
        const MAX: usize = FRAGMENT_BYTES_MAX;
        for (size, fragments) in [(MAX - 1, 1), (MAX, 2), (MAX + 1, 2), (2 * MAX, 3)] {
            let payload: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let (head, tail) = payload.split_at(size / 3);
            let mut out = Vec::new();
            let next = encode(&mut out, 254, [head, tail]);
            assert_eq!(next, 254u8.wrapping_add(fragments));
            assert_eq!(out.len(), size + usize::from(fragments) * HEADER_BYTES);
            encode(&mut out, 0, [&b"next"[..]]);
            let payloads = read_all(&out, 100_000, 1 << 30).unwrap();
            assert!(payloads == [&payload[..], b"next"], "{size}");
        }
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused_when_it_is_announced() {
        let announced = |header: &[u8], limit| read_all(header, 4, limit);
        assert!(announced(&[0x10, 0x27, 0, 0], 10_000).is_ok());
        let error = announced(&[0x11, 0x27, 0, 0], 10_000).unwrap_err();
        assert_eq!(
            error,
            Error::TooLarge {
                what: "packet",
                size: 10_001,
                limit: 10_000
            }
        );
        // The second fragment goes beyond it.
        let mut stream = vec![0xFF, 0xFF, 0xFF, 0];
        stream.resize(HEADER_BYTES + FRAGMENT_BYTES_MAX, 1);
        stream.extend_from_slice(&[2, 0, 0, 1]);
        assert!(read_all(&stream, 1 << 20, FRAGMENT_BYTES_MAX + 2).is_ok());
        let error = read_all(&stream, 1 << 20, FRAGMENT_BYTES_MAX + 1).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn an_announced_length_reserves_little_memory() {
        let mut reader = PacketReader::new(1024, 1 << 30);
        reader.space().extend_from_slice(&[0xFE, 0xFF, 0xFF, 0, b'x']);
        assert_eq!(reader.is_ready(), Ok(false));
        let State::Gathering { payload, .. } = &reader.state else {
            panic!("{reader:?}")
        };
        assert!(
            payload.capacity() <= 4 * GATHER_START_BYTES,
            "{}",
            payload.capacity()
        );
    }

    #[test]
    fn looking_and_passing_over_do_not_disturb_the_stream() {
        let mut reader = PacketReader::new(64, 1000);
        for payload in [&b"one"[..], b"two", b""] {
            let mut packet = Vec::new();
            encode(&mut packet, 9, [payload]);
            reader.space().extend_from_slice(&packet);
        }
        assert_eq!(
            reader.take(),
            Bytes::new(),
            "nothing is ready before it was asked for"
        );
        assert!(reader.is_ready().unwrap());
        assert_eq!((reader.payload(), reader.sequence()), (&b"one"[..], 9));
        assert!(reader.is_ready().unwrap());
        reader.consume();
        assert!(reader.is_ready().unwrap());
        assert_eq!(reader.take(), "two");
        assert!(reader.is_ready().unwrap());
        assert_eq!(reader.payload(), b"");
        reader.consume();
        assert!(!reader.is_ready().unwrap());
        reader.consume();
        assert_eq!(reader.buffered_bytes(), 0);
    }

    proptest! {
        #[test]
        fn payloads_come_back_however_they_arrive(
            payloads in proptest::collection::vec(
                prop_oneof![
                    9 => proptest::collection::vec(any::<u8>(), 0..300),
                    1 => (60_000usize..200_000).prop_map(|size| vec![7; size]),
                ],
                0..20,
            ),
            cut in prop_oneof![1usize..50, 1000usize..100_000],
        ) {
            let mut stream = Vec::new();
            for payload in &payloads {
                encode(&mut stream, 0, [&payload[..]]);
            }
            prop_assert_eq!(read_all(&stream, cut, 1 << 20).unwrap(), payloads);
        }

        #[test]
        fn hostile_streams_do_not_panic(stream in proptest::collection::vec(any::<u8>(), 0..2000), cut in 1usize..100) {
            let _ = read_all(&stream, cut, 100_000);
        }
    }
}
