//! A captured binlog of MySQL 9.7 becomes the events a MariaDB replica needs. `UPDATE_GOLDEN=1` rewrites the text.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, ColumnType, Coordinates, DecodeError, EventBody, GroupAssembler, GroupEnd,
    Header, Renderer, ReplicaDecoder, RowsOp,
};

fn testdata(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/mysql")
        .join(file)
}

fn raw_events() -> Vec<Bytes> {
    let bytes = fs::read(testdata("mysql-9.7.bin")).unwrap();
    let mut file = BinlogFile::open("mysql-9.7", bytes.as_slice()).unwrap();
    let mut events = Vec::new();
    while let Some((_, raw)) = file.next_raw().unwrap() {
        events.push(raw);
    }
    assert!(events.len() > 80, "{}", events.len());
    events
}

#[test]
fn the_capture_becomes_what_mariadb_knows() {
    let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Crc32);
    let mut renderer = Renderer::new();
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    let (mut text, mut count, mut end) = (String::new(), 0, 4_u64);
    for raw in raw_events() {
        end += raw.len() as u64;
        decoder.push(raw).unwrap();
        while let Some(event) = decoder.fetch().unwrap() {
            if let EventBody::TableMap(map) = &event.body {
                let is_known = |code| code != ColumnType::MYSQL_JSON && code != ColumnType::MYSQL_VECTOR;
                assert!(map.columns.iter().all(|column| is_known(column.code)));
            }
            renderer
                .text(&event, &Coordinates::new("mysql-bin.000001", 0), &mut text)
                .unwrap();
            if let Some(Assembled::Group(group)) = groups.push(event).unwrap() {
                count += 1;
                text.push_str(&format!(
                    "== group {}..{} {:?}, {} items\n",
                    group.start.offset,
                    group.end.offset,
                    group.end_kind,
                    group.items.len()
                ));
                assert_eq!(group.end.offset, end, "a group ends where its last event does");
                if let GroupEnd::Standalone = group.end_kind {
                    assert_eq!(group.items.len(), 1);
                }
            }
        }
    }
    assert!(!groups.is_inside_group() && count > 20, "{count} groups");
    let path = testdata("mysql-9.7.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (number, (got, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "line {}", number + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

/// The events without checksums, which would hide damage from the decoders behind them.
fn bodies() -> Vec<Bytes> {
    let mut events = raw_events();
    // The format announces that no checksums follow.
    let mut format = events[0].to_vec();
    let at = format.len() - 5;
    format[at] = 0;
    let checksum = crc32fast::hash(&format[..at + 1]).to_le_bytes();
    format[at + 1..].copy_from_slice(&checksum);
    for event in &mut events {
        *event = with_length(&event[..event.len() - 4]);
    }
    events[0] = format.into();
    events
}

fn with_length(raw: &[u8]) -> Bytes {
    let mut raw = raw.to_vec();
    let length = u32::try_from(raw.len()).unwrap();
    raw[9..13].copy_from_slice(&length.to_le_bytes());
    raw.into()
}

fn read_all(decoder: &mut ReplicaDecoder, raw: Bytes) -> Result<usize, DecodeError> {
    decoder.push(raw)?;
    let mut count = 0;
    while decoder.fetch()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// MySQL writes every update like this while the setting is on.
#[test]
fn partial_updates_of_tables_without_documents_are_updates() {
    let event = |kind: u8, body: &[u8]| with_length(&[&[0, 0, 0, 0, kind], &[0; 14][..], body].concat());
    let map = event(19, b"\x07\0\0\0\0\0\x01\0\x02db\0\x01t\0\x01\x01\0\x01");
    // Column a is 1 before; the row's options say that there may be changes of documents; it is 2 after.
    let rows = event(39, b"\x07\0\0\0\0\0\x01\0\x02\0\x01\x01\x01\x00\x01\x01\x00\x02");
    let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
    read_all(&mut decoder, bodies()[0].clone()).unwrap();
    read_all(&mut decoder, map).unwrap();
    decoder.push(rows).unwrap();
    let Some(EventBody::Rows(rows)) = decoder.fetch().unwrap().map(|event| event.body) else {
        panic!("a partial update becomes rows")
    };
    assert_eq!((rows.op, &rows.rows[..]), (RowsOp::Update, &[0, 1, 0, 2][..]));
}

#[test]
fn damaged_events_are_errors_and_nothing_worse() {
    let events = bodies();
    let mut errors = 0;
    for (index, raw) in events.iter().enumerate().skip(1) {
        // The map of the rows stands before them.
        let context = events[index.saturating_sub(2).max(1)..index].to_vec();
        let mut damaged = Vec::new();
        let step = (raw.len() / 60).max(1);
        for at in (19..raw.len()).step_by(step) {
            damaged.push(with_length(&raw[..at]));
            for bits in [0x01, 0x80, 0xff] {
                let mut flipped = raw.to_vec();
                flipped[at] ^= bits;
                damaged.push(flipped.into());
            }
        }
        for raw in damaged {
            let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
            read_all(&mut decoder, events[0].clone()).unwrap();
            for before in &context {
                let _ = read_all(&mut decoder, before.clone());
            }
            errors += usize::from(read_all(&mut decoder, raw).is_err());
        }
    }
    assert!(errors > 1000, "{errors} errors");
}

#[test]
fn a_payload_that_lies_about_its_size_is_an_error() {
    let events = bodies();
    let payload = events
        .iter()
        .find(|raw| Header::decode(raw).unwrap().kind.0 == 40)
        .unwrap();
    let read = |raw: Bytes| {
        let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
        read_all(&mut decoder, events[0].clone()).unwrap();
        read_all(&mut decoder, raw)
    };
    assert!(read(payload.clone()).unwrap() > 4);
    // The last field is the size of the events: type 3, length 3, marker of a 16-bit integer.
    let at = payload.windows(3).position(|part| part == [3, 3, 0xfc]).unwrap() + 3;
    for size in [0_u16, 1, 18, u16::MAX] {
        let mut lying = payload.to_vec();
        lying[at..at + 2].copy_from_slice(&size.to_le_bytes());
        let result = read(lying.into());
        assert!(
            size == 0 && result == Ok(0) || result.is_err(),
            "{size}: {result:?}"
        );
    }
}
