//! The compressed protocol: zlib frames around the packet stream.
//!
//! A frame is a seven-byte header (compressed length 3, frame sequence 1, plain length 3) and its content. Plain length 0
//! says that the content is not compressed. Packets and frames need not begin or end together. Frames start after the
//! login's last OK. MariaDB protocol documentation, "0 - Packet", section "Compressed packet".

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Error;
use crate::writer::put_u24;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 7;

/// The most plain bytes of one frame.
const PLAIN_BYTES_MAX: usize = 0xFF_FFFF;

/// Shorter contents are not worth compressing; the servers draw the same line.
const COMPRESS_BYTES_MIN: usize = 50;

/// Output grows by this much at a time, so that a false plain length reserves nothing.
const GROW_BYTES: usize = 64 * 1024;

/// Turns received frames back into the packet stream.
///
/// Memory: what was received and not decoded, and per [`decode_next`](FrameReader::decode_next) at most 16 MiB of output.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    chunk_bytes: usize,
    sequence: u8,
    zlib: Decompress,
}

impl FrameReader {
    /// A reader without bytes; `chunk_bytes` is how much room it offers for one read at least.
    pub fn new(chunk_bytes: usize) -> FrameReader {
        FrameReader {
            buffer: BytesMut::new(),
            chunk_bytes,
            sequence: 0,
            zlib: Decompress::new(true),
        }
    }

    /// The buffer to append received bytes to, with room for more of them.
    pub fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < self.chunk_bytes / 4 {
            self.buffer.reserve(self.chunk_bytes);
        }
        &mut self.buffer
    }

    /// How many received bytes were not decoded yet.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The sequence number of the frame decoded last. In the middle of a command (LOAD DATA LOCAL) the client's frames go on
    /// from the server's.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Changes how much room one read gets.
    pub fn set_chunk_bytes(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    /// Appends the content of the next frame to `out`. Returns `false` when no whole frame is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the content is not zlib data of the length the header says. The stream cannot be read on.
    pub fn decode_next(&mut self, out: &mut BytesMut) -> Result<bool, Error> {
        let Some(&[a, b, c, sequence, d, e, f]) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(false);
        };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let plain_length = u32::from_le_bytes([d, e, f, 0]) as usize;
        let Some(content) = self.buffer.get(HEADER_BYTES..HEADER_BYTES + length) else {
            return Ok(false);
        };
        if plain_length == 0 {
            out.extend_from_slice(content);
        } else {
            self.zlib.reset(true);
            inflate(&mut self.zlib, content, plain_length, out)?;
        }
        self.buffer.advance(HEADER_BYTES + length);
        self.sequence = sequence;
        Ok(true)
    }

    /// Looks into a compressed frame whose rest has not arrived, and forgets what it finds: for when that takes suspiciously
    /// long. A frame whose length was damaged on the way takes the frames that follow for its rest.
    ///
    /// # Errors
    /// [`Error::Invalid`] when its data ends before the frame does, or is no zlib data.
    pub fn check_unfinished(&mut self) -> Result<(), Error> {
        let Some((&[a, b, c, _, d, e, f], content)) = self.buffer.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(());
        };
        if (d, e, f) == (0, 0, 0) {
            return Ok(());
        }
        let length = u32::from_le_bytes([a, b, c, 0]);
        let broken = |detail: String| Error::invalid("compressed frame", detail);
        self.zlib.reset(true);
        let mut scratch = vec![0; GROW_BYTES];
        loop {
            let found = self.zlib.total_in();
            let input = content.get(found as usize..).unwrap_or_default();
            let before = (found, self.zlib.total_out());
            let status = self
                .zlib
                .decompress(input, &mut scratch, FlushDecompress::None)
                .map_err(|error| broken(format!("its zlib data is broken: {error}")))?;
            let found = self.zlib.total_in();
            match status {
                Status::StreamEnd if found < u64::from(length) => {
                    return Err(broken(format!(
                        "its zlib data ends after {found} bytes, its header says {length}"
                    )));
                }
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError if (found, self.zlib.total_out()) == before => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

/// Appends `plain_length` bytes, decompressed from `content`, to `out`.
fn inflate(
    zlib: &mut Decompress,
    content: &[u8],
    plain_length: usize,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let broken = |detail: String| Error::invalid("compressed frame", detail);
    let start = out.len();
    loop {
        let written = zlib.total_out() as usize;
        let room = (plain_length - written).min(GROW_BYTES);
        out.resize(start + written + room, 0);
        let input = content.get(zlib.total_in() as usize..).unwrap_or_default();
        let before = (zlib.total_in(), zlib.total_out());
        let status = zlib
            .decompress(input, &mut out[start + written..], FlushDecompress::None)
            .map_err(|error| broken(format!("its zlib data is broken: {error}")))?;
        let written = zlib.total_out() as usize;
        match status {
            Status::StreamEnd if zlib.total_in() != content.len() as u64 => {
                let (found, length) = (zlib.total_in(), content.len());
                return Err(broken(format!(
                    "its zlib data ends after {found} bytes, its header says {length}"
                )));
            }
            Status::StreamEnd if written == plain_length => {
                out.truncate(start + written);
                return Ok(());
            }
            Status::StreamEnd => {
                return Err(broken(format!(
                    "it holds {written} bytes, its header says {plain_length}"
                )));
            }
            Status::Ok | Status::BufError if (zlib.total_in(), zlib.total_out()) == before => {
                let detail =
                    format!("its zlib data does not end after {plain_length} bytes, {written} were found");
                return Err(broken(detail));
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Wraps packets into frames.
#[derive(Debug)]
pub struct FrameWriter {
    zlib: Compress,
}

impl Default for FrameWriter {
    fn default() -> FrameWriter {
        FrameWriter::new()
    }
}

impl FrameWriter {
    /// A writer that prefers speed: it shares its processor with the applier, and level 1 already saves most of SQL text.
    pub fn new() -> FrameWriter {
        FrameWriter {
            zlib: Compress::new(Compression::fast(), true),
        }
    }

    /// Appends the packets of one command as frames, numbered from `first_sequence`. Returns the number after the last one.
    ///
    /// Two commands never share a frame: the server writes its answer to the first over what it has read ahead.
    pub fn encode(&mut self, out: &mut Vec<u8>, first_sequence: u8, packets: &[u8]) -> u8 {
        let mut sequence = first_sequence;
        for plain in packets.chunks(PLAIN_BYTES_MAX) {
            let start = out.len();
            out.extend_from_slice(&[0; HEADER_BYTES]);
            let plain_length = if self.deflate(out, plain) {
                plain.len() as u32
            } else {
                out.truncate(start + HEADER_BYTES);
                out.extend_from_slice(plain);
                0
            };
            let mut header = Vec::with_capacity(HEADER_BYTES);
            put_u24(&mut header, (out.len() - start - HEADER_BYTES) as u32);
            header.push(sequence);
            put_u24(&mut header, plain_length);
            out[start..start + HEADER_BYTES].copy_from_slice(&header);
            sequence = sequence.wrapping_add(1);
        }
        sequence
    }

    /// Appends `plain`, compressed. Returns `false`, with anything appended, when that saves nothing.
    fn deflate(&mut self, out: &mut Vec<u8>, plain: &[u8]) -> bool {
        if plain.len() < COMPRESS_BYTES_MIN {
            return false;
        }
        self.zlib.reset();
        // No room for more than the plain bytes: what does not fit is not worth sending.
        let start = out.len();
        out.resize(start + plain.len(), 0);
        let status = self
            .zlib
            .compress(plain, &mut out[start..], FlushCompress::Finish);
        out.truncate(start + self.zlib.total_out() as usize);
        matches!(status, Ok(Status::StreamEnd))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(plain_length: u32, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_u24(&mut bytes, content.len() as u32);
        bytes.push(0);
        put_u24(&mut bytes, plain_length);
        bytes.extend_from_slice(content);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Option<BytesMut>, Error> {
        let mut reader = FrameReader::new(1024);
        reader.space().extend_from_slice(bytes);
        let mut out = BytesMut::new();
        Ok(reader.decode_next(&mut out)?.then_some(out))
    }

    /// Captured from a 10.11.19 server.
    #[test]
    fn a_frame_that_is_not_compressed_is_passed_on() {
        let bytes = b"\x0b\x00\x00\x01\x00\x00\x00\x07\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00";
        assert_eq!(decode(bytes).unwrap().unwrap(), bytes[7..]);
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]).unwrap(), None, "length {length}");
        }
    }

    #[test]
    fn a_header_that_lies_about_the_plain_length_is_an_error() {
        let mut good = Vec::new();
        FrameWriter::new().encode(&mut good, 0, &[b'a'; 1000]);
        let content = &good[HEADER_BYTES..];
        assert_eq!(decode(&frame(1000, content)).unwrap().unwrap(), [b'a'; 1000][..]);
        for plain_length in [1, 999, 1001, 0xFF_FFFF] {
            let error = decode(&frame(plain_length, content)).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
    }

    /// The frame's length was damaged: the next frame lies in it.
    #[test]
    fn a_frame_that_goes_on_after_its_data_is_an_error() {
        let mut frames = Vec::new();
        let mut writer = FrameWriter::new();
        writer.encode(&mut frames, 0, &[b'a'; 1000]);
        let first = frames.len();
        writer.encode(&mut frames, 1, &[b'b'; 1000]);
        frames[0] = (frames.len() - HEADER_BYTES) as u8;
        decode(&frames).unwrap_err();
        // So it is when it has not arrived whole, and otherwise one cannot tell.
        let mut reader = FrameReader::new(1024);
        reader.space().extend_from_slice(&frames[..first - 1]);
        reader.check_unfinished().unwrap();
        assert!(!reader.decode_next(&mut BytesMut::new()).unwrap());
        reader.space().extend_from_slice(&frames[first - 1..=first]);
        reader.check_unfinished().unwrap_err();
    }

    #[test]
    fn a_whole_frame_is_as_before_after_it_was_looked_into() {
        let plain: Vec<u8> = (0..300_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let mut frame = Vec::new();
        FrameWriter::new().encode(&mut frame, 0, &plain);
        let mut reader = FrameReader::new(1024);
        for piece in frame.chunks(frame.len() / 3) {
            reader.check_unfinished().unwrap();
            reader.space().extend_from_slice(piece);
        }
        reader.check_unfinished().unwrap();
        let mut found = BytesMut::new();
        assert!(reader.decode_next(&mut found).unwrap());
        assert_eq!(found, plain);
    }

    #[test]
    fn content_that_is_no_zlib_data_is_an_error() {
        for content in [&b""[..], b"x", b"\x78\x9c", &[0xFF; 100]] {
            assert!(
                matches!(decode(&frame(100, content)), Err(Error::Invalid { .. })),
                "{content:?}"
            );
        }
    }

    #[test]
    fn short_and_random_contents_travel_plain() {
        let mut state = 1u32;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(5000)
        .collect();
        for plain in [&b"short"[..], &random] {
            let mut out = Vec::new();
            FrameWriter::new().encode(&mut out, 3, plain);
            assert_eq!(out[3..7], [3, 0, 0, 0]);
            assert_eq!(out[7..], *plain);
        }
    }

    #[test]
    fn more_than_one_frame_is_numbered_on() {
        let plain = vec![7; PLAIN_BYTES_MAX + 1];
        let mut out = Vec::new();
        assert_eq!(FrameWriter::new().encode(&mut out, 255, &plain), 1);
        let mut reader = FrameReader::new(1024);
        reader.space().extend_from_slice(&out);
        let mut found = BytesMut::new();
        while reader.decode_next(&mut found).unwrap() {}
        assert_eq!(found, plain);
    }

    proptest! {
        #[test]
        fn frames_come_back_however_they_arrive(
            commands in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..3000), 1..8),
            cut in 1usize..500,
        ) {
            let mut writer = FrameWriter::new();
            let mut bytes = Vec::new();
            for command in &commands {
                writer.encode(&mut bytes, 0, command);
            }
            let mut reader = FrameReader::new(64);
            let mut found = BytesMut::new();
            for piece in bytes.chunks(cut) {
                reader.space().extend_from_slice(piece);
                while reader.decode_next(&mut found).unwrap() {}
            }
            prop_assert_eq!(found.as_ref(), commands.concat());
            prop_assert_eq!(reader.buffered_bytes(), 0);
        }

        #[test]
        fn hostile_frames_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), plain_length in 0u32..2000) {
            let _ = decode(&bytes);
            let _ = decode(&frame(plain_length, &bytes));
        }
    }
}
