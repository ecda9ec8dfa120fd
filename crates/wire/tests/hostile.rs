//! Whatever bytes come from the other end, every decoder returns. The bytes are random ones, and good ones with damage.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use tributary_wire::auth::{Channel, Login, PublicKey};
use tributary_wire::column::Column;
use tributary_wire::handshake::{Greeting, HandshakeRequest};
use tributary_wire::prepared::PreparedInfo;
use tributary_wire::replication::DumpFrame;
use tributary_wire::row::Row;
use tributary_wire::status::{ErrPacket, OkInfo};

/// One good example of each structure.
fn examples() -> Vec<Vec<u8>> {
    let greeting = Greeting {
        version_text: "10.11.19-MariaDB".to_owned(),
        connection_id: 42,
        nonce: b"abcdefghijklmnopqrst".to_vec(),
        capabilities: !1,
        collation: 45,
        status: 2,
        auth_plugin: b"mysql_native_password".to_vec(),
    };
    let (mut greeting_bytes, mut column_bytes) = (Vec::new(), Vec::new());
    greeting.encode(&mut greeting_bytes).unwrap();
    Column {
        name: "id".to_owned(),
        ..Column::default()
    }
    .encode(&mut column_bytes);
    vec![
        greeting_bytes,
        column_bytes,
        b"\x00\xfc\x00\x01\xfd\x00\x00\x01\x02\x00\x00\x00".to_vec(),
        b"\xff\x26\x04#23000Duplicate entry".to_vec(),
        b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0".to_vec(),
        b"\x00\x01\x00\x00\x00\x02\x00\x03\x00\x00\x00\x00".to_vec(),
        b"\x03abc\xfb\xfc\x03\x00def".to_vec(),
        b"\x00\xef\x01event".to_vec(),
        b"\x01-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQ==\n-----END PUBLIC KEY-----\n".to_vec(),
    ]
}

/// Gives the bytes to every decoder.
fn decode_as_everything(bytes: &[u8]) {
    let _ = Greeting::decode(bytes);
    let _ = HandshakeRequest::decode(bytes);
    let _ = OkInfo::decode(bytes);
    let _ = OkInfo::decode_eof(bytes);
    let _ = ErrPacket::decode(bytes);
    let _ = Column::decode(bytes);
    let _ = PreparedInfo::decode(bytes);
    let _ = PublicKey::from_pem(bytes);
    for columns in [0, 1, 3, usize::MAX] {
        let _ = Row::decode(Bytes::copy_from_slice(bytes), columns);
    }
    for semi_sync in [false, true] {
        if let Ok(DumpFrame::Event { start, .. }) = DumpFrame::decode(bytes, semi_sync) {
            assert!(start <= bytes.len(), "the event starts within the payload");
        }
    }
    for channel in [Channel::Open, Channel::Private] {
        let mut login = Login::new(b"caching_sha2_password", b"abcdefghijklmnopqrst", channel);
        // First the request for the full authentication, so that keys are looked at, too.
        let _ = login.receive(&[1, 4], b"secret");
        let _ = login.receive(bytes, b"secret");
    }
}

#[test]
fn good_bytes_cut_anywhere() {
    for example in examples() {
        for length in 0..=example.len() {
            decode_as_everything(&example[..length]);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn good_bytes_with_damage(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = which.get(&examples()).clone();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        decode_as_everything(&bytes);
    }
}
