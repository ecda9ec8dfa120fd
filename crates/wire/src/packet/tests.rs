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

#[test]
fn a_payload_that_has_begun_to_arrive_can_be_looked_at() {
    const MAX: usize = FRAGMENT_BYTES_MAX;
    for (size, arrived, announced, is_last) in [
        (10, 3, 10, true),
        (100_000, 70_000, 100_000, true),
        (MAX + 9, 70_000, MAX, false),
        // The header of the second packet has arrived.
        (MAX + 9, MAX + HEADER_BYTES, MAX + 9, true),
    ] {
        let payload: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let mut out = Vec::new();
        encode(&mut out, 0, [&payload[..]]);
        let mut reader = PacketReader::new(1024, 1 << 30);
        assert_eq!(reader.unfinished(), None);
        reader.space().extend_from_slice(&out[..HEADER_BYTES + arrived]);
        assert!(!reader.is_ready().unwrap());
        let head = &payload[..arrived.min(MAX)];
        let expected = Unfinished {
            head,
            announced,
            is_last,
        };
        assert!(reader.unfinished() == Some(expected), "{size} {arrived}");
        reader.space().extend_from_slice(&out[HEADER_BYTES + arrived..]);
        assert!(reader.is_ready().unwrap());
        assert_eq!(reader.unfinished(), None);
    }
}
