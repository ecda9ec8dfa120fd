//! Captured binlogs of a real server decode to the text beside them, and what the engine sends on encodes back to the
//! captured bytes. `UPDATE_GOLDEN=1` rewrites the text; read the difference before committing it.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::fmt::Write;
use std::fs;

use bytes::Bytes;
use support::{capture, captures, events, testdata};
use tributary_binlog::file::{BinlogFile, FileError};
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, Decoder, Event, EventBody, EventGroup, EventType,
    GroupAssembler, GroupItem, Renderer,
};

/// Compares with a file of expected text, or writes it.
fn check(file: &str, text: &str) {
    let path = testdata().join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    for (number, (got, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "{file}, line {}", number + 1);
    }
    assert_eq!(
        text.lines().count(),
        expected.lines().count(),
        "{file}: number of lines"
    );
}

/// How a group was put together, in one line and one per change.
fn group_text(group: &EventGroup) -> String {
    let mut text = format!(
        "== group {} {}..{} {:?}\n",
        group.name(),
        group.start.offset,
        group.end.offset,
        group.end_kind
    );
    for item in &group.items {
        let what = match item {
            GroupItem::Statement(item) => format!(
                "statement of {} bytes, insert id {:?}, last insert id {:?}, rand {:?}, {} user variables",
                item.query.query.len(),
                item.insert_id,
                item.last_insert_id,
                item.rand,
                item.user_vars.len()
            ),
            GroupItem::Rows(item) => {
                let tables: Vec<String> = item.maps.iter().map(|(_, map)| map.full_name()).collect();
                format!("rows, {} events, tables {}", item.events.len(), tables.join(" "))
            }
            GroupItem::LoadData(item) => format!(
                "load data, {} blocks, {} bytes, duplicates {:?}, insert id {:?}",
                item.blocks.len(),
                item.blocks.iter().map(Bytes::len).sum::<usize>(),
                item.duplicates,
                item.insert_id
            ),
            GroupItem::LoadFile(_) => panic!("groups come whole here"),
        };
        writeln!(text, "== {what}").unwrap();
    }
    text
}

#[test]
fn captures_decode_to_the_expected_text() {
    for name in captures() {
        let bytes = capture(&name);
        let mut renderer = Renderer::new();
        let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
        let mut text = String::new();
        for item in BinlogFile::open(&name, bytes.as_slice()).unwrap() {
            match item {
                Ok((at, event)) => {
                    renderer.text(&event, &at, &mut text).unwrap();
                    if let Some(Assembled::Group(group)) = groups.push(event).unwrap() {
                        text.push_str(&group_text(&group));
                    }
                }
                Err(error) => writeln!(text, "== {error}").unwrap(),
            }
        }
        assert!(!groups.is_inside_group(), "{name}");
        check(&format!("{name}.txt"), &text);
    }
}

#[test]
fn captures_decode_to_the_expected_json() {
    for name in ["row-full", "xa", "row-minimal"] {
        let bytes = capture(name);
        let mut renderer = Renderer::new();
        let mut text = String::new();
        for item in BinlogFile::open(name, bytes.as_slice()).unwrap() {
            let (at, event) = item.unwrap();
            writeln!(text, "{}", renderer.json(&event, &at)).unwrap();
        }
        check(&format!("{name}.jsonl"), &text);
    }
}

/// Every offset and end the decoder reports is where the next event in the file really begins.
#[test]
fn ends_meet_beginnings() {
    for name in captures().into_iter().filter(|name| name != "relay") {
        let mut offset = 4;
        for (raw, event) in events(&name) {
            offset += raw.len() as u64;
            assert_eq!(u64::from(event.header.end_offset), offset, "{name}");
        }
    }
}

fn with_checksum(mut raw: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&raw);
    raw.extend_from_slice(&crc.to_le_bytes());
    raw
}

/// What the engine sends on, written again from its decoded form, is byte for byte what came.
#[test]
fn events_encode_back() {
    let mut counts = [0; 3];
    for name in captures().into_iter().filter(|name| name != "no-checksum") {
        for (raw, event) in events(&name) {
            let mut header = event.header;
            let mut out = Vec::new();
            match &event.body {
                EventBody::FormatDescription(format) => {
                    format.encode(&header, format.checksum, &mut out);
                    counts[0] += 1;
                }
                EventBody::TableMap(map) => {
                    map.encode_renamed(&header, &map.db, &mut out);
                    header.length -= 4;
                    assert_eq!(
                        out[9..13],
                        header.length.to_le_bytes(),
                        "the length is that of the event as written"
                    );
                    out[9..13].copy_from_slice(&event.header.length.to_le_bytes());
                    out = with_checksum(out);
                    counts[1] += 1;
                }
                EventBody::Rows(rows) if !rows.was_compressed => {
                    rows.encode_plain(&header, &mut out);
                    out[9..13].copy_from_slice(&event.header.length.to_le_bytes());
                    out = with_checksum(out);
                    counts[2] += 1;
                }
                _ => continue,
            }
            assert_eq!(out, raw, "{name}: {}", event.header.kind);
        }
    }
    assert!(counts.iter().all(|&count| count >= 12), "{counts:?}");
}

fn decode_plain(raw: Vec<u8>) -> Event {
    Decoder::new(ChecksumAlgorithm::Off)
        .decode(Bytes::from(raw))
        .unwrap()
}

/// A compressed rows event, written plain, holds the same rows under a plain type.
#[test]
fn compressed_rows_encode_plain() {
    let mut count = 0;
    for (_, event) in events("compressed") {
        let EventBody::Rows(rows) = event.body else {
            continue;
        };
        let mut out = Vec::new();
        rows.encode_plain(&event.header, &mut out);
        let again = decode_plain(out);
        assert!(
            [
                EventType::WRITE_ROWS_V1,
                EventType::UPDATE_ROWS_V1,
                EventType::DELETE_ROWS_V1
            ]
            .contains(&again.header.kind)
        );
        let EventBody::Rows(again) = again.body else {
            panic!("no rows event")
        };
        assert_eq!(
            *again,
            tributary_binlog::RowsEvent {
                was_compressed: false,
                ..*rows.clone()
            }
        );
        count += usize::from(rows.was_compressed);
    }
    assert!(count >= 4, "{count} compressed rows events");
}

/// Renaming changes the database and nothing else, whatever the length of the new name.
#[test]
fn renamed_table_maps_keep_everything_else() {
    for name in ["row", "row-full", "mixed"] {
        for (_, event) in events(name) {
            let EventBody::TableMap(map) = event.body else {
                continue;
            };
            for db in ["a", "asterisk", "m1_asterisk_with_a_rather_long_name", ""] {
                let mut out = vec![1, 2, 3];
                map.encode_renamed(&event.header, db.as_bytes(), &mut out);
                let again = decode_plain(out.split_off(3));
                assert_eq!(out, [1, 2, 3], "what stood in the buffer stays");
                assert_eq!(again.header.end_offset, event.header.end_offset);
                let EventBody::TableMap(again) = again.body else {
                    panic!("no table map")
                };
                assert_eq!((again.db.as_ref(), &again.table), (db.as_bytes(), &map.table));
                assert_eq!((again.table_id, again.flags), (map.table_id, map.flags));
                assert_eq!((&again.columns, &again.nullable), (&map.columns, &map.nullable));
                assert_eq!(again.optional, map.optional);
                assert_eq!(
                    again.optional_metadata().unwrap(),
                    map.optional_metadata().unwrap()
                );
            }
        }
    }
}

/// The Format_description for a BINLOG statement says "no checksums" and is itself whole.
#[test]
fn format_description_without_checksum() {
    let (_, event) = events("row").remove(0);
    let EventBody::FormatDescription(format) = event.body else {
        panic!("no format description")
    };
    let mut out = Vec::new();
    format.encode_without_checksum(&mut out);
    assert_eq!(out.len(), 252);
    let again = decode_plain(out);
    assert_eq!(
        (
            again.header.end_offset,
            again.header.flags,
            again.header.server_id
        ),
        (0, 0, 101)
    );
    let EventBody::FormatDescription(again) = again.body else {
        panic!("no format description")
    };
    assert_eq!(again.checksum, ChecksumAlgorithm::Off);
    assert_eq!(again.post_header_lengths.len(), 171);
    assert_eq!((again.version(), again.is_mariadb()), (format.version(), true));
    assert!(again.version_number() >= 100_000, "{}", again.version_number());
}

/// A table map that comes again is the same allocation, which users may compare instead of its bytes.
#[test]
fn repeated_table_maps_are_shared() {
    let maps: Vec<_> = events("compressed")
        .into_iter()
        .filter_map(|(_, event)| match event.body {
            EventBody::TableMap(map) => Some(map),
            _ => None,
        })
        .collect();
    assert!(maps.len() >= 4);
    assert_eq!(maps[0].body, maps[1].body);
    assert!(std::sync::Arc::ptr_eq(&maps[0], &maps[1]));
}

#[test]
fn an_encrypted_file_is_refused_by_name() {
    let bytes = capture("encrypted");
    let items: Vec<_> = BinlogFile::open("encrypted", bytes.as_slice()).unwrap().collect();
    assert_eq!(items.len(), 2);
    assert!(
        matches!(&items[1], Err(FileError::Encrypted { at }) if at.offset == 256),
        "{items:?}"
    );
}

#[test]
fn a_torn_tail_is_told_with_its_offset() {
    let bytes = capture("xa");
    let whole = events("xa");
    let last = whole.last().unwrap().0.len();
    for cut in 1..last {
        let items: Vec<_> = BinlogFile::open("xa", &bytes[..bytes.len() - cut])
            .unwrap()
            .collect();
        assert_eq!(items.len(), whole.len());
        let Some(Err(FileError::TornTail { at, left, .. })) = items.last() else {
            panic!("{:?}", items.last())
        };
        assert_eq!((at.offset, *left), ((bytes.len() - last) as u64, last - cut));
    }
    let items: Vec<_> = BinlogFile::open("xa", &bytes[..bytes.len() - last])
        .unwrap()
        .collect();
    assert!(items.len() == whole.len() - 1 && items.iter().all(Result::is_ok));
}

/// Old temporal columns with digits read when the caller, who knows the table, says how many there are.
#[test]
fn old_temporal_columns_read_with_known_digits() {
    let mut tables = std::collections::HashMap::new();
    let mut rows_with_digits = 0;
    for (_, event) in events("old-temporal") {
        match event.body {
            EventBody::TableMap(map) => {
                tables.insert(map.table_id, map);
            }
            EventBody::Rows(rows) if tables[&rows.table_id].table.as_ref() == b"parts" => {
                let map = &tables[&rows.table_id];
                let error = rows.row_images(map).next().unwrap().unwrap_err();
                assert!(
                    error
                        .to_string()
                        .contains("fractional digits the event does not tell"),
                    "{error}"
                );
                for row in rows.row_images_with(map, &[0, 3, 6, 2]) {
                    let after = row.unwrap().after.unwrap();
                    let note = after.cell(4).value().unwrap();
                    assert!([&b"one"[..], b"two", b"three"].contains(&note), "{note:?}");
                    rows_with_digits += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(rows_with_digits, 3);
}
