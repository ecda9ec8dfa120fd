//! Targets of `tributary-binlog` for what MySQL alone writes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value as JsonText;
use tributary_binlog::{
    ChecksumAlgorithm, ColumnType, Coordinates, DecodeError, Event, EventBody, EventType, GroupAssembler,
    ReplicaDecoder, RowsEvent, TableMap, Value,
};

use crate::binlog::{EVENT_BYTES_MAX, as_event, decoder, split_events};
use crate::seeds;

/// A decoder that knows the format of 9.7 and expects no checksums.
fn mysql_decoder() -> ReplicaDecoder {
    static FORMAT: OnceLock<Bytes> = OnceLock::new();
    let format = FORMAT.get_or_init(seeds::mysql_format_description);
    let mut decoder = ReplicaDecoder::new(ChecksumAlgorithm::Off);
    decoder
        .push(format.clone())
        .expect("the captured format description is whole");
    while let Ok(Some(_)) = decoder.fetch() {}
    decoder.set_event_bytes_max(EVENT_BYTES_MAX);
    decoder
}

/// What one event of the source becomes.
fn translate(decoder: &mut ReplicaDecoder, raw: Bytes) -> (Vec<Event>, Result<(), DecodeError>) {
    let mut events = Vec::new();
    let result = decoder.push(raw).and_then(|()| {
        while let Some(event) = decoder.fetch()? {
            events.push(event);
        }
        Ok(())
    });
    (events, result)
}

/// A stream of events: what comes out of it a MariaDB server reads, and groups take it.
pub fn stream(data: &[u8]) {
    let mut decoder = mysql_decoder();
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    groups.set_group_bytes_max(EVENT_BYTES_MAX);
    let mut maps: HashMap<u64, Arc<TableMap>> = HashMap::new();
    for raw in split_events(data) {
        let (events, result) = translate(&mut decoder, raw);
        for event in events {
            match &event.body {
                EventBody::TableMap(map) => {
                    let is_known = |code| code != ColumnType::MYSQL_JSON && code != ColumnType::MYSQL_VECTOR;
                    assert!(map.columns.iter().all(|column| is_known(column.code)));
                    maps.insert(map.table_id, Arc::clone(map));
                }
                EventBody::Rows(rows) => {
                    assert_eq!(read_again(&event, rows), **rows);
                    if let Some(map) = maps.get(&rows.table_id) {
                        read_values(rows, map);
                    }
                }
                body => assert!(!matches!(
                    body,
                    EventBody::PartialRows(_) | EventBody::TransactionPayload(_)
                )),
            }
            if groups.push(event).is_err() {
                groups.reset();
            }
        }
        if result.is_err() {
            // A stream is not read beyond an error.
            return;
        }
    }
}

/// The rows as a MariaDB server reads them when they are sent on.
fn read_again(event: &Event, rows: &RowsEvent) -> RowsEvent {
    let mut out = Vec::new();
    rows.encode_plain(&event.header, &mut out);
    let again = decoder()
        .decode(Bytes::from(out))
        .expect("rows that are sent on decode");
    let EventBody::Rows(again) = again.body else {
        panic!("a rows event stays one")
    };
    RowsEvent {
        version: rows.version,
        was_compressed: rows.was_compressed,
        ..*again
    }
}

fn read_values(rows: &RowsEvent, map: &TableMap) {
    for row in rows.row_images(map) {
        let Ok(row) = row else { break };
        for image in [row.before, row.after].into_iter().flatten() {
            for (column, cell) in image.cells().enumerate() {
                let Some(raw) = cell.value() else { continue };
                if let Ok(value) = Value::decode(column, map.columns[column], None, raw) {
                    let _ = value.to_string();
                }
            }
        }
    }
}

/// The table id of [`json`].
const TABLE: [u8; 6] = [7, 0, 0, 0, 0, 0];

/// A JSON document behind its length of two bytes, then changes of it: the row is inserted and updated.
pub fn json(data: &[u8]) {
    let Some((&length, rest)) = data.split_first_chunk() else {
        return;
    };
    let (document, changes) = rest.split_at(usize::from(u16::from_le_bytes(length)).min(rest.len()));
    let map = [&TABLE[..], b"\x01\0\x02db\0\x01t\0\x01\xf5\x01\x04\x01"].concat();
    let inserted = [&rows_start(b"\x01\x01"), &image(document)[..]].concat();
    let before_and_after = [&image(document)[..], b"\x01\x01", &image(changes)].concat();
    let updated = [&rows_start(b"\x01\x01\x01"), &before_and_after[..]].concat();
    let texts = [
        (EventType::WRITE_ROWS_V2, inserted),
        (EventType::MYSQL_PARTIAL_UPDATE_ROWS, updated),
    ];
    for (kind, rows) in texts {
        let mut decoder = mysql_decoder();
        let (events, _) = translate(&mut decoder, with_header(EventType::TABLE_MAP, &map));
        let Some(EventBody::TableMap(map)) = events.first().map(|event| &event.body) else {
            panic!("the table map is right: {events:?}")
        };
        let (events, _) = translate(&mut decoder, with_header(kind, &rows));
        for event in &events {
            let EventBody::Rows(rows) = &event.body else {
                panic!("rows stay rows: {event:?}")
            };
            check_documents(rows, map);
        }
    }
}

/// A rows event up to its rows: the end of its statement, without extra data, with one column.
fn rows_start(columns: &[u8]) -> Vec<u8> {
    [&TABLE[..], b"\x01\0\x02\0", columns].concat()
}

/// A row image of one column that is not NULL.
fn image(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    [b"\0", &length.to_le_bytes()[..], value].concat()
}

fn with_header(kind: EventType, body: &[u8]) -> Bytes {
    as_event(&[b"\0\0\0\0", &[kind.0][..], &[0; 14], body].concat())
}

/// What was written for documents is JSON, unless their strings are no text.
fn check_documents(rows: &RowsEvent, map: &TableMap) {
    let mut count = 0;
    for row in rows.row_images(map) {
        let row = row.expect("rows that were written again read to their end");
        count += 1;
        for image in [row.before, row.after].into_iter().flatten() {
            let text = image.cell(0).value().expect("the column has a value");
            let Ok(text) = std::str::from_utf8(text) else {
                continue;
            };
            // The parser's own limit is 128; documents are 100 deep, and changes may make 200 of that.
            if text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() < 128
                && let Err(error) = serde_json::from_str::<JsonText>(text)
            {
                panic!("{error}: {text}");
            }
        }
    }
    assert_eq!(count, 1);
}
