//! Groups that are handed out in parts say the same as whole ones.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what it shows in its name and fails by panicking"
)]

mod support;

use std::collections::HashMap;

use support::{captures, events};
use tributary_binlog::{
    Assembled, Coordinates, EventGroup, GroupAssembler, GroupEnd, GroupItem, LoadDataItem, RowsEvent,
    RowsItem,
};

/// What a group asks for, whether it came whole or in parts.
#[derive(Debug, PartialEq)]
struct Said {
    name: String,
    start: Coordinates,
    end: Coordinates,
    end_kind: GroupEnd,
    bytes: usize,
    changes: Vec<String>,
}

/// Parts of the group that is open, joined.
#[derive(Default)]
struct Joined {
    parts: usize,
    bytes: usize,
    changes: Vec<String>,
    files: HashMap<(u32, u32), Vec<u8>>,
}

impl Joined {
    fn add(&mut self, part: &EventGroup) {
        assert_eq!(part.part, self.parts);
        self.parts += 1;
        self.bytes += part.bytes;
        for item in &part.items {
            match item {
                GroupItem::Statement(item) => self.changes.push(format!("{item:?}")),
                GroupItem::Rows(item) => self.rows(item),
                GroupItem::LoadFile(piece) => {
                    let file = self.files.entry((piece.server_id, piece.file_id)).or_default();
                    if piece.is_first {
                        file.clear();
                    }
                    file.extend(piece.blocks.concat());
                }
                GroupItem::LoadData(item) => self.load(item),
            }
        }
    }

    fn rows(&mut self, item: &RowsItem) {
        assert!(item.events.last().unwrap().1.is_statement_end());
        for (header, event) in &item.events {
            let mut event = event.clone();
            event.flags &= !RowsEvent::FLAG_STATEMENT_END;
            let table = item.map(event.table_id).unwrap().full_name();
            self.changes.push(format!("{table} {header:?} {event:?}"));
        }
    }

    fn load(&mut self, item: &LoadDataItem) {
        let key = (item.header.server_id, item.file_id);
        let mut file = self.files.remove(&key).unwrap_or_default();
        file.extend(item.blocks.concat());
        let mut rest = item.clone();
        rest.blocks.clear();
        self.changes.push(format!("{file:?} {rest:?}"));
    }

    fn end(self, group: &EventGroup) -> Said {
        Said {
            name: group.name(),
            start: group.start.clone(),
            end: group.end.clone(),
            end_kind: group.end_kind.clone(),
            bytes: self.bytes,
            changes: self.changes,
        }
    }
}

/// The groups of a capture, and in how many parts they came.
fn said(capture: &str, part_bytes_max: usize) -> (Vec<Said>, usize) {
    let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
    groups.set_part_bytes_max(part_bytes_max);
    let (mut said, mut parts) = (Vec::new(), 0);
    let mut open = Joined::default();
    for (_, event) in events(capture) {
        let before = groups.coordinates().clone();
        match groups.push(event).unwrap() {
            Some(Assembled::Part(part)) => {
                parts += 1;
                assert_eq!(groups.coordinates(), &before, "no place to resume inside a group");
                assert!(groups.is_inside_group());
                assert_eq!(part.end_kind, GroupEnd::Open);
                assert!(part.start.is_before(&part.end));
                open.add(&part);
            }
            Some(Assembled::Group(group)) => {
                parts += 1;
                open.add(&group);
                said.push(std::mem::take(&mut open).end(&group));
            }
            _ => {}
        }
    }
    (said, parts)
}

#[test]
fn a_group_in_parts_says_what_the_whole_one_says() {
    let mut split = 0;
    for name in captures() {
        let (whole, count) = said(&name, usize::MAX);
        assert_eq!(count, whole.len());
        // At every event; now and then; at the large ones.
        for part_bytes_max in [0, 3000, 20_000] {
            let (parts, count) = said(&name, part_bytes_max);
            assert_eq!(parts, whole, "{name}, parts of {part_bytes_max} bytes");
            split += count - whole.len();
        }
    }
    assert!(split > 500, "{split} parts beside the first ones");
}

/// What is held never exceeds the limit by more than one event: the next part begins at zero.
#[test]
fn parts_are_as_small_as_the_limit() {
    for name in captures() {
        let largest = events(&name)
            .iter()
            .map(|(_, event)| event.plain_len)
            .max()
            .unwrap();
        let mut groups = GroupAssembler::new(Coordinates::new("mysql-bin.000001", 4));
        groups.set_part_bytes_max(2000);
        for (_, event) in events(&name) {
            if let Some(Assembled::Part(group) | Assembled::Group(group)) = groups.push(event).unwrap() {
                assert!(group.bytes <= 2000 + largest, "{name}: {} bytes", group.bytes);
            }
        }
    }
}
