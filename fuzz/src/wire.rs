//! Targets of `tributary-wire`.

use bytes::{Bytes, BytesMut};
use tributary_wire::auth::{Channel, Login};
use tributary_wire::compress::FrameReader;
use tributary_wire::handshake::Greeting;
use tributary_wire::packet::PacketReader;
use tributary_wire::replication::DumpFrame;
use tributary_wire::result::{ReplyDecoder, ReplyFormat, Rows, Step};
use tributary_wire::row::Row;

const CHUNK_BYTES: usize = 4096;
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// A stream of packets, however its bytes arrive: in one piece or in pieces of the first byte's size, the payloads are the
/// same.
pub fn packets(data: &[u8]) {
    let Some((&piece, stream)) = data.split_first() else {
        return;
    };
    let whole = read_packets(stream, stream.len().max(1));
    let pieces = read_packets(stream, usize::from(piece).max(1));
    assert_eq!(whole, pieces, "payloads do not depend on how bytes arrive");
    for payload in &whole {
        for semi_sync in [false, true] {
            if let Ok(DumpFrame::Event { start, .. }) = DumpFrame::decode(payload, semi_sync) {
                assert!(start <= payload.len());
            }
        }
    }
}

fn read_packets(stream: &[u8], piece: usize) -> Vec<Bytes> {
    let mut reader = PacketReader::new(CHUNK_BYTES, PAYLOAD_BYTES_MAX);
    let mut payloads = Vec::new();
    for part in stream.chunks(piece) {
        reader.space().extend_from_slice(part);
        loop {
            match reader.is_ready() {
                Ok(true) => payloads.push(reader.take()),
                Ok(false) => break,
                Err(_) => return payloads,
            }
        }
    }
    payloads
}

/// A greeting, then the packets of a login, each with a length byte in front.
pub fn handshake(data: &[u8]) {
    let Some((&length, rest)) = data.split_first() else {
        return;
    };
    let (greeting, mut packets) = rest.split_at(usize::from(length).min(rest.len()));
    let Ok(greeting) = Greeting::decode(greeting) else {
        return;
    };
    let mut encoded = Vec::new();
    if greeting.encode(&mut encoded).is_ok() {
        let again = Greeting::decode(&encoded).expect("what we write we read");
        assert_eq!(again.nonce, greeting.nonce);
    }
    let _ = greeting.version();
    for channel in [Channel::Open, Channel::Private] {
        let mut login = Login::new(&greeting.auth_plugin, &greeting.nonce, channel);
        let _ = login.first_response(b"secret");
        while let Some((&length, rest)) = packets.split_first() {
            let (payload, later) = rest.split_at(usize::from(length).min(rest.len()));
            packets = later;
            if login.receive(payload, b"secret").is_err() {
                break;
            }
        }
    }
}

/// Replies to commands: the first byte chooses the format, the rest is a stream of packets.
pub fn replies(data: &[u8]) {
    let Some((&format, stream)) = data.split_first() else {
        return;
    };
    let mut reader = PacketReader::new(CHUNK_BYTES, PAYLOAD_BYTES_MAX);
    reader.space().extend_from_slice(stream);
    let format = ReplyFormat {
        deprecate_eof: format & 1 != 0,
        rows: if format & 2 == 0 {
            Rows::Keep
        } else {
            Rows::Discard
        },
        reply_bytes_max: PAYLOAD_BYTES_MAX,
    };
    let mut reply = ReplyDecoder::new(format);
    while let Ok(true) = reader.is_ready() {
        match reply.step(&mut reader) {
            Ok(Step::More | Step::LocalInfile(_)) => {}
            Ok(Step::Done) => {
                let _ = std::mem::replace(&mut reply, ReplyDecoder::new(format)).into_reply();
            }
            Err(_) => return,
        }
    }
    if let Ok(row) = Row::decode(Bytes::copy_from_slice(stream), 3) {
        assert_eq!(row.cells().count(), row.len());
    }
}

/// Frames of the compressed protocol.
pub fn compressed_frames(data: &[u8]) {
    let mut reader = FrameReader::new(CHUNK_BYTES);
    reader.space().extend_from_slice(data);
    let mut plain = BytesMut::new();
    while let Ok(true) = reader.decode_next(&mut plain) {
        assert!(reader.buffered_bytes() <= data.len());
        if plain.len() > PAYLOAD_BYTES_MAX {
            return;
        }
    }
}
