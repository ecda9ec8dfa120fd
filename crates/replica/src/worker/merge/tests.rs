//! Random rows of a table with two unique keys: what the plan writes leaves the table as the source's order does, and meets a row
//! in the way whenever the source's order does.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};
use tributary_binlog::{
    Bitmap, ChecksumAlgorithm, Coordinates, Decoder, EventBody, EventGroup, EventType, FormatDescription,
    GroupEnd, Header, RowsEvent, RowsItem, RowsOp, RowsVersion, TableMap,
};
use tributary_schedule::{Access, DatabaseId, GroupSeq, TableId};

use super::super::plan::{BULK_BYTES_MAX, Limits, PlanStep, Planned, plan};
use super::*;
use crate::applier::OwnDefinitions;
use crate::catalog::{Catalog, ColumnInfo, TableInfo, TableName, TableUseDraft, ValueClass, Visibility};
use crate::change::PreparedGroup;
use crate::columns::SourceColumns;
use crate::keys;

/// `id INT PRIMARY KEY, u INT UNIQUE, n INT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Values {
    id: u32,
    u: Option<u32>,
    n: u32,
}

#[derive(Debug, Clone, Copy)]
enum Did {
    Insert(Values),
    Update(Values, Values),
    Delete(Values),
}

/// What one group does: rows of one kind, or a statement that adds to `n` of every row.
#[derive(Debug, Clone)]
enum Act {
    Rows(Vec<Did>),
    Whole(u32),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table(BTreeMap<u32, Values>);

impl Table {
    fn has_u(&self, u: Option<u32>, but: u32) -> bool {
        u.is_some() && self.0.values().any(|row| row.u == u && row.id != but)
    }

    /// What a server does, which finds rows by their primary key.
    fn make(&mut self, did: Did) -> Result<(), u16> {
        match did {
            Did::Insert(row) => {
                if self.0.contains_key(&row.id) || self.has_u(row.u, row.id) {
                    return Err(1062);
                }
                self.0.insert(row.id, row);
            }
            Did::Update(before, after) => {
                if !self.0.contains_key(&before.id) {
                    return Err(1032);
                }
                let is_taken = after.id != before.id && self.0.contains_key(&after.id);
                if is_taken || self.has_u(after.u, before.id) {
                    return Err(1062);
                }
                self.0.remove(&before.id);
                self.0.insert(after.id, after);
            }
            Did::Delete(row) => {
                self.0.remove(&row.id).ok_or(1032_u16)?;
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), u16> {
        match act {
            Act::Rows(rows) => rows.iter().try_for_each(|did| self.make(*did)),
            Act::Whole(by) => {
                self.0.values_mut().for_each(|row| row.n += by);
                Ok(())
            }
        }
    }
}

fn image(row: Values) -> Vec<u8> {
    let mut bytes = vec![0xf8 | u8::from(row.u.is_none()) << 1];
    bytes.extend(row.id.to_le_bytes());
    row.u.iter().for_each(|u| bytes.extend(u.to_le_bytes()));
    bytes.extend(row.n.to_le_bytes());
    bytes
}

fn read(bytes: &[u8]) -> (Values, &[u8]) {
    let (nulls, mut rest) = bytes.split_first().unwrap();
    let mut next = || {
        let (number, left) = rest.split_at(4);
        rest = left;
        u32::from_le_bytes(number.try_into().unwrap())
    };
    let id = next();
    let u = (nulls & 2 == 0).then(&mut next);
    let n = next();
    (Values { id, u, n }, rest)
}

fn info() -> TableInfo {
    let column = |name: &'static str| ColumnInfo {
        name: Bytes::from_static(name.as_bytes()),
        class: ValueClass::Integer {
            size: 4,
            is_unsigned: true,
        },
        is_nullable: name == "u",
        is_auto_increment: false,
        definition: Bytes::new(),
        kind: None,
        digits: 0,
        visibility: Visibility::Visible,
    };
    TableInfo {
        is_transactional: true,
        is_view: false,
        has_triggers: false,
        is_partitioned: false,
        reads_clock: false,
        columns: ["id", "u", "n"].map(column).to_vec(),
        unique_keys: vec![Some(vec![0]), Some(vec![1])],
        has_primary: true,
        period_end: None,
        related: Vec::new(),
        is_bare: false,
    }
}

/// What all groups of a test share.
struct Source {
    info: TableInfo,
    format: Arc<FormatDescription>,
    map: (Header, Arc<TableMap>),
    columns: Arc<SourceColumns>,
}

const TABLE: TableId = TableId(0);

fn header(kind: EventType, length: usize) -> Header {
    Header {
        timestamp: 0,
        kind,
        server_id: 1,
        length: u32::try_from(length).unwrap(),
        end_offset: 0,
        flags: 0,
    }
}

impl Source {
    fn new() -> Self {
        let file = include_bytes!("../../../../../testdata/binlog/no-checksum.bin");
        let length = u32::from_le_bytes(file[13..17].try_into().unwrap()) as usize;
        let mut decoder = Decoder::new(ChecksumAlgorithm::Off);
        let decoded = decoder.decode(Bytes::copy_from_slice(&file[4..4 + length]));
        let EventBody::FormatDescription(format) = decoded.unwrap().body else {
            panic!("a file begins with its format");
        };
        let body = [
            &[7, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, b't', 0, 3, 3, 3, 3, 0][..],
            &[2],
        ]
        .concat();
        let map_header = header(EventType::TABLE_MAP, 19 + body.len());
        let mut raw = Vec::new();
        map_header.encode(&mut raw);
        raw.extend(body);
        let EventBody::TableMap(map) = decoder.decode(raw.into()).unwrap().body else {
            panic!("a table map");
        };
        let catalog = Arc::new(Catalog::default());
        Self {
            info: info(),
            format,
            map: (map_header, map),
            columns: Arc::new(SourceColumns::new(
                catalog,
                Arc::new(OwnDefinitions::default()),
                false,
            )),
        }
    }

    fn event(&self, rows: &[Did]) -> RowsEvent {
        let (op, bytes): (RowsOp, Vec<Vec<u8>>) = match rows[0] {
            Did::Insert(_) => (RowsOp::Write, rows.iter().map(|did| both(*did)).collect()),
            Did::Update(..) => (RowsOp::Update, rows.iter().map(|did| both(*did)).collect()),
            Did::Delete(_) => (RowsOp::Delete, rows.iter().map(|did| both(*did)).collect()),
        };
        let all = Bitmap::of(3, 0..3);
        RowsEvent {
            op,
            version: RowsVersion::V1,
            table_id: 7,
            flags: RowsEvent::FLAG_STATEMENT_END,
            column_count: 3,
            present_after: (op == RowsOp::Update).then(|| all.clone()),
            present: all,
            rows: bytes.concat().into(),
            was_compressed: false,
        }
    }

    fn group(&self, act: &Act) -> PreparedGroup {
        let at = Coordinates::new("b.000001", 4);
        let event_group = EventGroup {
            gtid: None,
            timestamp: 0,
            items: smallvec![],
            end: at.clone(),
            end_kind: GroupEnd::Commit,
            bytes: 0,
            start: at,
            server_id: 1,
            flags: 0,
            part: 0,
        };
        let mut group = PreparedGroup::empty(&event_group, GroupSeq(0));
        let mut change = RowsChange {
            format: self.format.clone(),
            item: RowsItem {
                maps: smallvec![self.map.clone()],
                events: smallvec![],
                annotate: None,
            },
            databases: smallvec![Bytes::from_static(b"d")],
            columns: SmallVec::new(),
            source: self.columns.clone(),
            tolerances: SmallVec::new(),
            row_count: 0,
            spans: None,
            read_through: None,
        };
        let mut access = Access::Whole;
        // A change without rows stands for a statement: it has no spans.
        if let Act::Rows(rows) = act {
            let event = self.event(rows);
            let mut spans = RowSpans::of_table(TABLE, &self.info, &self.map.1).unwrap();
            let mut all = keys::Keys::new();
            for row in event.row_images(&self.map.1) {
                let row = row.unwrap();
                let of_row = keys::of_row(&self.info, &self.map.1, event.op, &row).unwrap();
                all.extend_from_slice(&of_row.keys);
                spans = spans.with(&self.info, (0, &event), &row, of_row).unwrap();
            }
            access = Access::Keys(all);
            change.spans = Some(Box::new(spans));
            change
                .item
                .events
                .push((header(event.plain_kind(), 0), Box::new(event)));
        }
        group.tables.push(TableUseDraft {
            name: TableName {
                id: TABLE,
                database: DatabaseId(0),
            },
            access,
            info: None,
            is_written: true,
        });
        group.changes.push(Change::Rows(Box::new(change)));
        group
    }
}

fn both(did: Did) -> Vec<u8> {
    match did {
        Did::Insert(row) | Did::Delete(row) => image(row),
        Did::Update(before, after) => [image(before), image(after)].concat(),
    }
}

/// Where a plan has failed.
#[derive(Debug, PartialEq, Eq)]
struct Stopped {
    step: usize,
    /// Rows of the step that the storage engine was told of.
    made: u64,
    code: u16,
}

/// Carries out a plan as the target would: from the bytes that are sent. Returns how many rows were written.
fn carry_out(
    steps: &[PlanStep],
    changes: &[Planned<'_>],
    acts: &[Act],
    table: &mut Table,
) -> Result<usize, Stopped> {
    let mut written = 0;
    for (step, what) in steps.iter().enumerate() {
        let stopped = |made, code| Stopped { step, made, code };
        match what {
            PlanStep::One(index) => table.act(&acts[*index]).map_err(|code| stopped(0, code))?,
            PlanStep::Bulk(_) | PlanStep::Set(_) => panic!("no statements"),
            PlanStep::Rows(rows) => {
                let all = sent(rows, changes);
                written += all.len();
                for (place, did) in all.into_iter().enumerate() {
                    // A row that is not found never gets to be changed.
                    table
                        .make(did)
                        .map_err(|code| stopped(place as u64 + u64::from(code == 1062), code))?;
                }
            }
        }
    }
    Ok(written)
}

/// What the event that is sent says.
fn sent(rows: &MergedRows, changes: &[Planned<'_>]) -> Vec<Did> {
    let mut bytes = Vec::new();
    rows.encode(changes, &mut bytes);
    let length = |at: usize| u32::from_le_bytes(bytes[at + 9..at + 13].try_into().unwrap()) as usize;
    let event = length(0);
    assert_eq!(bytes[4], EventType::TABLE_MAP.0);
    assert_eq!(length(event), bytes.len() - event);
    let op = rows.first(changes).unwrap().event.op;
    let bitmaps = if op == RowsOp::Update { 2 } else { 1 };
    let mut left = &bytes[event + 19 + 8 + 1 + bitmaps..];
    let mut all = Vec::new();
    while !left.is_empty() {
        let mut next = || {
            let (row, rest) = read(left);
            left = rest;
            row
        };
        all.push(match op {
            RowsOp::Write => Did::Insert(next()),
            RowsOp::Delete => Did::Delete(next()),
            RowsOp::Update => Did::Update(next(), next()),
        });
    }
    all
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }

    /// The next thing that happens to the source's table, which it is made on.
    fn act(&mut self, table: &mut Table, rows_max: u32) -> Act {
        if self.below(60) == 0 {
            let act = Act::Whole(1000);
            table.act(&act).unwrap();
            return act;
        }
        let kind = self.below(6);
        let mut rows = Vec::new();
        for _ in 0..1 + self.below(rows_max) {
            let u = (self.below(4) > 0).then(|| self.below(10));
            let fresh = Values {
                id: self.below(10),
                u,
                n: self.below(3),
            };
            let old = table.0.values().nth(self.below(10) as usize).copied();
            let did = match (kind, old) {
                (0 | 1, _) => Did::Insert(fresh),
                (2, Some(old)) => Did::Delete(old),
                (3, Some(old)) => Did::Update(old, fresh),
                (_, Some(old)) => Did::Update(old, Values { n: fresh.n, ..old }),
                _ => continue,
            };
            if table.clone().make(did).is_ok() {
                table.make(did).unwrap();
                rows.push(did);
            }
        }
        if rows.is_empty() {
            self.act(table, rows_max)
        } else {
            Act::Rows(rows)
        }
    }
}

#[test]
fn what_is_written_is_what_the_sources_order_leaves() {
    let source = Source::new();
    let mut random = Random(7);
    let (mut given, mut written, mut in_the_way) = (0, 0, 0);
    for round in 0..2000 {
        let mut begin = Table::default();
        for _ in 0..random.below(8) {
            random.act(&mut begin, 3);
        }
        let mut end = begin.clone();
        let acts: Vec<Act> = (0..1 + random.below(30))
            .map(|_| random.act(&mut end, 3))
            .collect();
        let groups: Vec<_> = acts.iter().map(|act| source.group(act)).collect();
        let changes: Vec<Planned<'_>> = groups
            .iter()
            .map(|group| Planned {
                group,
                change: &group.changes[0],
            })
            .collect();
        let limits = Limits {
            bytes_max: if round % 5 == 0 { 60 } else { BULK_BYTES_MAX },
            is_final: false,
            nets: round % 4 > 0,
        };
        let steps = plan(&changes, limits);
        let mut target = begin.clone();
        let count = carry_out(&steps, &changes, &acts, &mut target).unwrap();
        assert_eq!(target, end, "{acts:?}");
        let rows = |act: &Act| match act {
            Act::Rows(rows) => rows.len(),
            Act::Whole(_) => 0,
        };
        let all: usize = acts.iter().map(rows).sum();
        assert!(limits.nets || count == all, "every row is written");
        (given, written) = (given + all, written + count);
        // A row that only the target has.
        let extra = Values {
            id: 20,
            u: Some(random.below(10)),
            n: 0,
        };
        let mut target = begin.clone();
        if target.make(Did::Insert(extra)).is_err() {
            continue;
        }
        let mut sequential = target.clone();
        let expected = acts.iter().try_for_each(|act| sequential.act(act));
        let found = carry_out(&steps, &changes, &acts, &mut target);
        assert_eq!(found.is_err(), expected.is_err(), "{acts:?}");
        in_the_way += usize::from(found.is_err());
        assert!(found.is_err() || target == sequential, "{acts:?}");
    }
    assert!(written < given * 9 / 10, "{written} of {given} rows were written");
    assert!(in_the_way > 100, "a row was in the way {in_the_way} times");
}

#[test]
fn a_row_that_is_inserted_and_updated_is_inserted_once() {
    let source = Source::new();
    let row = |n| Values { id: 1, u: None, n };
    let acts = [
        Act::Rows(vec![Did::Insert(row(0))]),
        Act::Rows(vec![Did::Update(row(0), row(1))]),
        Act::Rows(vec![Did::Update(row(1), row(2))]),
    ];
    let groups = acts.clone().map(|act| source.group(&act));
    let changes: Vec<Planned<'_>> = groups
        .iter()
        .map(|group| Planned {
            group,
            change: &group.changes[0],
        })
        .collect();
    for (nets, expected) in [(true, 1), (false, 3)] {
        let limits = Limits {
            bytes_max: BULK_BYTES_MAX,
            is_final: false,
            nets,
        };
        let mut table = Table::default();
        let written = carry_out(&plan(&changes, limits), &changes, &acts, &mut table);
        assert_eq!(written, Ok(expected));
        assert_eq!(table.0[&1], row(2));
    }
}

/// What is final when it is made: behind a failure it is known what is in, and what is left comes to what the source's order would
/// have come to, with every row that fails passed over.
#[test]
fn what_is_left_behind_a_failure_is_neither_lost_nor_doubled() {
    let source = Source::new();
    let mut random = Random(11);
    let (mut together, mut failed) = (0, 0);
    for _ in 0..500 {
        let mut begin = Table::default();
        for _ in 0..random.below(8) {
            random.act(&mut begin, 1);
        }
        let mut end = begin.clone();
        let acts: Vec<Act> = (0..150).map(|_| random.act(&mut end, 1)).collect();
        let groups: Vec<_> = acts.iter().map(|act| source.group(act)).collect();
        let changes: Vec<Planned<'_>> = groups
            .iter()
            .map(|group| Planned {
                group,
                change: &group.changes[0],
            })
            .collect();
        let limits = Limits {
            bytes_max: BULK_BYTES_MAX,
            is_final: true,
            nets: true,
        };
        let steps = plan(&changes, limits);
        let mut target = begin.clone();
        // Rows that only the target has.
        for id in 20..20 + random.below(3) {
            let row = Values {
                id,
                u: Some(random.below(10)),
                n: 0,
            };
            let _ = target.make(Did::Insert(row));
        }
        let mut expected = target.clone();
        let skipped = acts.iter().filter(|act| expected.act(act).is_err()).count();
        let mut passed_over = 0;
        if let Err(stopped) = carry_out(&steps, &changes, &acts, &mut target) {
            let mut left = Vec::new();
            for (place, step) in steps.iter().enumerate().skip(stopped.step) {
                match step {
                    PlanStep::One(index) => left.push(*index),
                    PlanStep::Bulk(_) | PlanStep::Set(_) => panic!("no statements"),
                    PlanStep::Rows(rows) if place == stopped.step => {
                        let done = rows.done(&changes, stopped.made, stopped.code).unwrap();
                        let first = rows.change_at(done).unwrap();
                        left.extend(rows.changes().skip_while(|index| *index != first));
                        failed += 1;
                    }
                    PlanStep::Rows(rows) => left.extend(rows.changes()),
                }
            }
            left[1..].sort_unstable();
            passed_over = left
                .iter()
                .filter(|index| target.act(&acts[**index]).is_err())
                .count();
        }
        assert_eq!((&target, passed_over), (&expected, skipped), "{acts:?}");
        together += steps
            .iter()
            .filter(|step| matches!(step, PlanStep::Rows(_)))
            .count();
    }
    assert!(together > 50, "{together} events of several changes");
    assert!(failed > 10, "{failed} of them failed");
}
