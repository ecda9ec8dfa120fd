//! Targets of `tributary-binlog`.

use std::sync::OnceLock;

use bytes::Bytes;
use tributary_binlog::file::BinlogFile;
use tributary_binlog::{
    ChecksumAlgorithm, Coordinates, Decoder, Event, EventBody, GroupAssembler, Gtid, GtidPos, GtidSet,
    Renderer, StatusVars, Value,
};

use crate::seeds;

/// Expanded events may be this large: enough to overrun any fixed buffer, too little to look like a leak.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

/// A decoder that knows the format of 10.11 and expects no checksums, so that bodies are reached without guessing one.
pub(crate) fn decoder() -> Decoder {
    static FORMAT: OnceLock<Bytes> = OnceLock::new();
    let format = FORMAT.get_or_init(seeds::format_description);
    let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
    decoder
        .decode(format.clone())
        .expect("the captured format description is whole");
    decoder.set_event_bytes_max(EVENT_BYTES_MAX);
    decoder
}

/// The input as an event: the length in its header is made right, which no mutation would find.
pub(crate) fn as_event(data: &[u8]) -> Bytes {
    let mut raw = data.to_vec();
    let length = u32::try_from(raw.len()).unwrap_or(u32::MAX);
    if let Some(field) = raw.get_mut(9..13) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Bytes::from(raw)
}

/// The input as events one after the other; each takes as much as its header says, and at least a header.
pub(crate) fn split_events(mut data: &[u8]) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let stated = data.get(9..13)?;
        let stated = u32::from_le_bytes([stated[0], stated[1], stated[2], stated[3]]) as usize;
        let (event, rest) = data.split_at(stated.clamp(19, data.len().max(19)).min(data.len()));
        data = rest;
        Some(as_event(event))
    })
}

fn render(renderer: &mut Renderer, event: &Event) {
    let at = Coordinates::new("fuzz", 4);
    let mut text = String::new();
    renderer
        .text(event, &at, &mut text)
        .expect("writing to a string does not fail");
    assert!(
        !text
            .chars()
            .any(|character| character.is_control() && character != '\n'),
        "the text is safe to print"
    );
    let json = renderer.json(event, &at);
    assert_eq!(json["offset"], 4);
}

/// One event; whatever decodes also prints, and what is sent on decodes again to the same.
pub fn event(data: &[u8]) {
    let Ok(event) = decoder().decode(as_event(data)) else {
        return;
    };
    render(&mut Renderer::new(), &event);
    match &event.body {
        EventBody::TableMap(map) => {
            let mut out = Vec::new();
            map.encode_renamed(&event.header, b"another_name", &mut out);
            let again = decoder()
                .decode(Bytes::from(out))
                .expect("a renamed table map decodes");
            let EventBody::TableMap(again) = again.body else {
                panic!("a table map stays one")
            };
            assert_eq!(
                (&again.table, &again.columns, &again.optional),
                (&map.table, &map.columns, &map.optional)
            );
        }
        EventBody::Rows(rows) => {
            let mut out = Vec::new();
            rows.encode_plain(&event.header, &mut out);
            let again = decoder()
                .decode(Bytes::from(out))
                .expect("a plain rows event decodes");
            let EventBody::Rows(again) = again.body else {
                panic!("a rows event stays one")
            };
            assert_eq!((&again.rows, &again.present), (&rows.rows, &rows.present));
        }
        _ => {}
    }
}

/// A whole file.
pub fn file(data: &[u8]) {
    let Ok(mut file) = BinlogFile::open("fuzz", data) else {
        return;
    };
    file.set_event_bytes_max(EVENT_BYTES_MAX);
    let mut renderer = Renderer::new();
    let mut end = 4;
    for item in file {
        let Ok((at, event)) = item else { break };
        assert_eq!(at.offset, end, "events stand one after the other");
        end += event.raw_len as u64;
        render(&mut renderer, &event);
    }
    assert!(end <= data.len() as u64);
}

/// Groups of a few events come in parts.
const PART_BYTES_MAX: usize = 4096;

/// A stream of events: the coordinates never stand inside a group, and rows find their table.
pub fn group(data: &[u8]) {
    let mut decoder = decoder();
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    groups.set_group_bytes_max(EVENT_BYTES_MAX);
    groups.set_part_bytes_max(PART_BYTES_MAX);
    for raw in split_events(data) {
        let Ok(event) = decoder.decode(raw) else { continue };
        let before = groups.coordinates().clone();
        match groups.push(event) {
            Ok(None) => assert_eq!(
                &before,
                groups.coordinates(),
                "inside a group the safe place stays"
            ),
            Ok(Some(
                tributary_binlog::Assembled::Group(group) | tributary_binlog::Assembled::Part(group),
            )) => {
                let is_open = group.end_kind == tributary_binlog::GroupEnd::Open;
                assert_eq!(is_open, groups.is_inside_group());
                // Events that say nothing of where they end need not move anything.
                let safe = if is_open { &before } else { &group.end };
                assert_eq!(safe, groups.coordinates());
                for item in &group.items {
                    let tributary_binlog::GroupItem::Rows(item) = item else {
                        continue;
                    };
                    assert!(
                        item.events
                            .last()
                            .is_some_and(|(_, rows)| rows.is_statement_end())
                    );
                    assert!(
                        item.events
                            .iter()
                            .all(|(_, rows)| item.map(rows.table_id).is_some())
                    );
                }
            }
            Ok(Some(_)) => {}
            Err(_) => groups.reset(),
        }
    }
}

/// A table map, then a rows event of its table: all values of all rows.
pub fn rows(data: &[u8]) {
    let mut decoder = decoder();
    let mut events = split_events(data).filter_map(|raw| decoder.decode(raw).ok());
    let Some(EventBody::TableMap(map)) = events.next().map(|event| event.body) else {
        return;
    };
    let Some(EventBody::Rows(rows)) = events.next().map(|event| event.body) else {
        return;
    };
    let digits: Vec<u8> = data.iter().take(map.columns.len()).map(|byte| byte % 7).collect();
    let mut bytes = 0;
    for row in rows.row_images(&map) {
        let Ok(row) = row else { break };
        assert!(!row.raw.is_empty(), "every row takes bytes, so rows end");
        bytes += row.raw.len();
        for image in [row.before, row.after].into_iter().flatten() {
            assert_eq!(
                image.cells().count(),
                map.columns.len(),
                "an image that was handed out reads to its end"
            );
            for (column, cell) in image.cells().enumerate() {
                assert_eq!(cell, image.cell(column));
                let Some(raw) = cell.value() else { continue };
                for is_unsigned in [None, Some(true), Some(false)] {
                    if let Ok(value) = Value::decode(column, map.columns[column], is_unsigned, raw) {
                        let _ = value.to_string();
                    }
                }
            }
        }
    }
    assert!(bytes <= rows.rows.len());
    let _ = rows.row_images_with(&map, &digits).count();
}

/// The optional metadata of a table map.
pub fn optional_metadata(data: &[u8]) {
    let Ok(Event {
        body: EventBody::TableMap(map),
        ..
    }) = decoder().decode(as_event(data))
    else {
        return;
    };
    let Ok(metadata) = map.optional_metadata() else {
        return;
    };
    for column in 0..=map.columns.len() {
        let _ = metadata.name(column);
        let _ = metadata.is_unsigned(&map.columns, column);
        let _ = metadata.collation(&map.columns, column);
        let _ = metadata.enum_values(&map.columns, column);
        let _ = metadata.set_members(&map.columns, column);
    }
    for (column, _) in metadata.primary_key.into_iter().flatten() {
        assert!(column < map.columns.len());
    }
}

/// A block of status variables.
pub fn status_vars(data: &[u8]) {
    let _ = StatusVars::decode(&Bytes::copy_from_slice(data));
}

/// GTIDs, positions, sets and coordinates as text: what parses prints to text that parses to the same.
pub fn gtid_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(gtid) = text.parse::<Gtid>() {
        assert_eq!(gtid.to_string().parse(), Ok(gtid));
    }
    if let Ok(position) = text.parse::<GtidPos>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
    if let Ok(set) = text.parse::<GtidSet>() {
        assert_eq!(set.to_string().parse().as_ref(), Ok(&set));
        assert_eq!(set.is_empty(), set.range_count() == 0);
    }
    if let Ok(coordinates) = text.parse::<Coordinates>() {
        assert_eq!(coordinates.to_string().parse(), Ok(coordinates));
    }
}
