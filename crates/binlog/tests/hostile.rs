//! Whatever the bytes, decoders return: every truncation of every captured event, flipped bits, random bytes.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::{capture, captures, raw_events};
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    ChecksumAlgorithm, Coordinates, Decoder, EventBody, FormatDescription, GroupAssembler, Renderer,
    StatusVars,
};

/// A decoder that knows the format of 10.11 but expects no checksums, so damaged bodies reach the body decoders.
fn decoder() -> Decoder {
    let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
    let event = decoder.decode(raw_events("no-checksum").remove(0)).unwrap();
    assert!(matches!(event.body, EventBody::FormatDescription(_)));
    decoder.set_event_bytes_max(1 << 20);
    decoder
}

/// Sets the length in the header to the real one.
fn with_length(mut raw: Vec<u8>) -> Bytes {
    let length = u32::try_from(raw.len()).unwrap();
    if let Some(field) = raw.get_mut(9..13) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Bytes::from(raw)
}

/// The captured events without checksum; those of the small captures, and one of each type of the others.
fn bodies() -> Vec<Bytes> {
    let mut all = Vec::new();
    for name in captures() {
        let mut seen = std::collections::HashSet::new();
        for raw in raw_events(&name) {
            if raw.len() < 3000 && seen.insert((raw[4], raw.len() / 40)) {
                let checksum = if name == "no-checksum" { 0 } else { 4 };
                all.push(raw.slice(..raw.len() - checksum));
            }
        }
    }
    all
}

/// Decodes, prints and assembles: everything a stream's bytes reach.
fn exercise(decoder: &mut Decoder, renderer: &mut Renderer, groups: &mut GroupAssembler, raw: Bytes) -> bool {
    let at = Coordinates::new("fuzz", 4);
    let Ok(event) = decoder.decode(raw) else {
        return false;
    };
    let mut text = String::new();
    renderer.text(&event, &at, &mut text).unwrap();
    let _ = renderer.json(&event, &at);
    if let EventBody::TableMap(map) = &event.body {
        let _ = map.optional_metadata();
        let mut out = Vec::new();
        map.encode_renamed(&event.header, b"other", &mut out);
    }
    if let EventBody::Rows(rows) = &event.body {
        let mut out = Vec::new();
        rows.encode_plain(&event.header, &mut out);
    }
    if groups.push(event).is_err() {
        groups.reset();
    }
    true
}

fn assembler() -> GroupAssembler {
    GroupAssembler::new(Coordinates::new("fuzz", 4))
}

#[test]
fn every_truncation_returns() {
    let (mut decoder, mut renderer, mut groups) = (decoder(), Renderer::new(), assembler());
    let (mut accepted, mut refused) = (0, 0);
    for body in bodies() {
        for length in 0..body.len() {
            let cut = with_length(body[..length].to_vec());
            let is_accepted = exercise(&mut decoder, &mut renderer, &mut groups, cut);
            *(if is_accepted { &mut accepted } else { &mut refused }) += 1;
        }
        exercise(
            &mut decoder,
            &mut renderer,
            &mut groups,
            with_length(body.to_vec()),
        );
    }
    assert!(
        accepted > 1000 && refused > 1000,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn every_single_changed_byte_returns() {
    let (mut decoder, mut renderer, mut groups) = (decoder(), Renderer::new(), assembler());
    for body in bodies().iter().filter(|body| body.len() < 400) {
        for index in (0..body.len()).filter(|index| !(9..13).contains(index)) {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xfb, 0xfe, 0xff] {
                let mut changed = body.to_vec();
                changed[index] = value;
                exercise(&mut decoder, &mut renderer, &mut groups, Bytes::from(changed));
            }
        }
    }
}

/// A changed byte anywhere in an event with a checksum is found.
#[test]
fn checksums_find_every_changed_byte() {
    let raw = raw_events("row");
    let mut decoder = Decoder::new(ChecksumAlgorithm::Crc32);
    for event in raw.iter().take(12) {
        for index in 0..event.len() {
            let mut changed = event.to_vec();
            changed[index] ^= 0x10;
            assert!(decoder.decode(Bytes::from(changed)).is_err(), "byte {index}");
        }
        decoder.decode(event.clone()).unwrap();
    }
}

/// Arbitrary edits of a whole file: the reader ends, with an error or without.
fn damaged_file() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "row",
        "row-full",
        "compressed",
        "xa",
        "alter",
        "old-temporal",
        "relay",
    ]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20);
    (names, edits, any::<prop::sample::Index>()).prop_map(|(name, edits, end)| {
        let mut bytes = capture(name);
        for (index, value) in edits {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        let keep = bytes.len() - end.index(bytes.len()) / 8;
        bytes.truncate(keep);
        bytes
    })
}

proptest! {
    #[test]
    fn random_bodies_return(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut raw = vec![0; 19];
        raw[4] = kind;
        raw.extend_from_slice(&body);
        exercise(&mut decoder(), &mut Renderer::new(), &mut assembler(), with_length(raw));
    }

    #[test]
    fn random_status_variables_return(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = StatusVars::decode(&Bytes::from(raw));
    }

    #[test]
    fn damaged_files_end(bytes in damaged_file()) {
        if let Ok(file) = BinlogFile::open("damaged", bytes.as_slice()) {
            prop_assert!(file.count() <= bytes.len() / 19 + 1);
        }
    }

    #[test]
    fn random_text_never_panics(text in "[0-9:.,-]{0,40}") {
        let _ = text.parse::<tributary_binlog::Gtid>();
        let _ = text.parse::<tributary_binlog::GtidPos>();
        let _ = text.parse::<tributary_binlog::GtidSet>();
        let _ = text.parse::<Coordinates>();
    }
}

/// The types that other threads share can be.
#[test]
fn shared_types_are_send_and_sync() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Decoder>();
    is_shared::<GroupAssembler>();
    is_shared::<FormatDescription>();
    is_shared::<tributary_binlog::EventGroup>();
}
