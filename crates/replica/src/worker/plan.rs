//! In which order the changes of a run are made so that statements of one shape, and rows of one table and kind, come together.
//!
//! Changes that may touch the same row keep their order, so what comes out is what the order of the source gives.

use std::sync::Arc;

use tributary_schedule::{Access, QuickMap, Scope, TableId};

use super::merge::{FoundRow, MergedRows, RowId};
use crate::bulk::BulkRow;
use crate::change::{Change, PreparedGroup, StatementChange};
use crate::spans::RowSpans;

/// Fewer rows than this are sent as text: a bulk execute has a packet, and perhaps a prepared statement, of its own.
pub(super) const BULK_ROWS_MIN: usize = 4;

/// Most rows of one bulk execute.
const BULK_ROWS_MAX: usize = 4000;

/// Longest values of one bulk execute, in bytes.
pub(super) const BULK_BYTES_MAX: usize = 512 << 10;

/// Steps that are looked at for one more row, from the last one.
const OPEN_MAX: usize = 256;

/// Fewer changes of rows than this go by themselves where they are final: to count the rows of an event costs a statement.
const COUNTED_ROWS_MIN: usize = 16;

/// Events of a table that are looked at for one more row, from the last one.
const OPEN_ROWS_MAX: usize = 16;

/// What is done in one go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlanStep {
    /// One change.
    One(usize),
    /// Statements of one shape, in this order.
    Bulk(Vec<usize>),
    /// Rows of changes, in one event.
    Rows(MergedRows),
    /// Changes of a table without an index, by statements.
    Set(Vec<usize>),
}

/// A change of a run, and the group it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) group: &'a PreparedGroup,
    pub(super) change: &'a Change,
}

impl<'a> Planned<'a> {
    /// The statement and its values, if it has a shape.
    pub(super) fn bulk(&self) -> Option<(&'a StatementChange, &'a BulkRow)> {
        match self.change {
            Change::Statement(statement) => Some((statement, statement.bulk.as_ref()?)),
            Change::Rows(_) | Change::Load(_) => None,
        }
    }

    /// Its rows, if they may be brought together with others.
    fn spans(&self) -> Option<&'a RowSpans> {
        match self.change {
            Change::Rows(rows) => rows.spans.as_deref(),
            Change::Statement(_) | Change::Load(_) => None,
        }
    }
}

/// What limits the steps of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Longest values of one bulk execute, and longest rows of one event.
    pub(super) bytes_max: usize,
    /// Nothing that is done can be taken back: only changes come together whose executions can be accounted for when one of them
    /// fails.
    pub(super) is_final: bool,
    /// Whether a row that is changed several times is written once.
    pub(super) nets: bool,
}

/// Where a key was touched last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    step: usize,
    /// The row, where the step is an event of several.
    row: usize,
}

impl Place {
    fn of_step(step: usize) -> Self {
        Self {
            step,
            row: usize::MAX,
        }
    }
}

/// The steps that touched a table so far, counted from 1.
#[derive(Default)]
struct Touched {
    last_whole: usize,
    keys: QuickMap<u64, Place>,
    /// Events to which rows may still be added.
    open_rows: Vec<usize>,
}

/// A bulk execute to which rows may still be added.
struct Open<'a> {
    step: usize,
    row: &'a BulkRow,
    statement: &'a StatementChange,
    bytes: usize,
}

impl Open<'_> {
    fn takes(&self, statement: &StatementChange, row: &BulkRow, rows: usize, bytes_max: usize) -> bool {
        Arc::ptr_eq(&self.row.shape, &row.shape)
            && Arc::ptr_eq(&self.statement.context, &statement.context)
            && (!row.shape.reads_clock || self.statement.timestamp == statement.timestamp)
            && rows < BULK_ROWS_MAX
            && self.bytes + row.values.len() <= bytes_max
    }
}

struct Planner<'a, 'c> {
    changes: &'c [Planned<'a>],
    limits: Limits,
    steps: Vec<PlanStep>,
    open: Vec<Open<'a>>,
    tables: QuickMap<TableId, Touched>,
    /// Nothing may come before this step any more.
    barrier: usize,
}

/// Puts changes of one shape together, and rows of one table and kind.
pub(super) fn plan(changes: &[Planned<'_>], limits: Limits) -> Vec<PlanStep> {
    let Limits {
        bytes_max, is_final, ..
    } = limits;
    let mut planner = Planner {
        changes,
        limits,
        steps: Vec::new(),
        open: Vec::new(),
        tables: QuickMap::default(),
        barrier: 0,
    };
    for (index, planned) in changes.iter().enumerate() {
        let bulk = planned
            .bulk()
            .filter(|(_, row)| row.values.len() <= bytes_max)
            .filter(|(_, row)| !is_final || row.can_be_made_twice())
            // A group is made as a whole or not at all, also when something later in its run fails.
            .filter(|_| !is_final || planned.group.changes.len() == 1);
        let spans = planned
            .spans()
            .filter(|spans| !is_final || planned.group.changes.len() == 1 && spans.rows.len() == 1);
        match (bulk, spans) {
            (Some((statement, row)), _) => planner.add_row(index, statement, row),
            (None, Some(spans)) if spans.longest() <= bytes_max => planner.add_rows(index, spans),
            // By itself, but its keys are known.
            (None, None) if let Some((_, row)) = planned.bulk() => planner.add_keyed(index, row),
            (None, _) => planner.add_one(index, planned.group),
        }
    }
    planner.finish()
}

impl<'a> Planner<'a, '_> {
    fn add_row(&mut self, index: usize, statement: &'a StatementChange, row: &'a BulkRow) {
        let touched = self.tables.entry(row.shape.table).or_default();
        let mut earliest = self.barrier.max(touched.last_whole);
        for key in &row.keys {
            earliest = earliest.max(touched.keys.get(key).map_or(0, |place| place.step));
        }
        let bytes_max = self.limits.bytes_max;
        let mut late_enough = self
            .open
            .iter_mut()
            .rev()
            .take(OPEN_MAX)
            .take_while(|open| open.step >= earliest);
        let found = late_enough.find(|open| {
            let rows = match self.steps.get(open.step - 1) {
                Some(PlanStep::Bulk(rows)) => rows.len(),
                _ => BULK_ROWS_MAX,
            };
            open.takes(statement, row, rows, bytes_max)
        });
        let step = match found {
            Some(open) => {
                open.bytes += row.values.len();
                if let Some(PlanStep::Bulk(rows)) = self.steps.get_mut(open.step - 1) {
                    rows.push(index);
                }
                open.step
            }
            None => {
                self.steps.push(PlanStep::Bulk(vec![index]));
                let step = self.steps.len();
                self.open.push(Open {
                    step,
                    row,
                    statement,
                    bytes: row.values.len(),
                });
                step
            }
        };
        for key in &row.keys {
            touched.keys.insert(*key, Place::of_step(step));
        }
    }

    /// Each row by itself: those of one change may come to lie in different events.
    fn add_rows(&mut self, index: usize, spans: &'a RowSpans) {
        for row in 0..spans.rows.len() {
            let id = RowId { change: index, row };
            if let Some(found) = FoundRow::of(self.changes, id) {
                self.add_row_of_event(id, &found);
            }
        }
    }

    fn add_row_of_event(&mut self, id: RowId, row: &FoundRow<'a>) {
        let bytes_max = self.limits.bytes_max;
        let touched = self.tables.entry(row.spans.table).or_default();
        let mut places = row.span.keys.iter().map(|key| touched.keys.get(key).copied());
        let latest = places.clone().flatten().map(|place| place.step).max();
        let earliest = self
            .barrier
            .max(touched.last_whole)
            .max(latest.unwrap_or_default());
        // Nothing has touched the row, nor any of its keys, since its last change.
        let same = places
            .next()
            .flatten()
            .filter(|first| first.step == earliest && places.all(|place| place == Some(*first)));
        if let Some(place) = same.filter(|_| self.limits.nets)
            && let Some(PlanStep::Rows(rows)) = self.steps.get_mut(place.step - 1)
            && rows.absorb(place.row, id, row, self.changes, self.limits)
        {
            return;
        }
        let late_enough = touched
            .open_rows
            .iter()
            .rev()
            .take(OPEN_ROWS_MAX)
            .take_while(|step| **step >= earliest);
        let mut found = None;
        for step in late_enough {
            if let Some(PlanStep::Rows(rows)) = self.steps.get_mut(*step - 1)
                && rows.takes(row, self.changes, bytes_max)
            {
                found = Some(Place {
                    step: *step,
                    row: rows.push(id, row),
                });
                break;
            }
        }
        let place = found.unwrap_or_else(|| {
            self.steps.push(PlanStep::Rows(MergedRows::new(id, row)));
            let step = self.steps.len();
            touched.open_rows.push(step);
            Place { step, row: 0 }
        });
        for key in &row.span.keys {
            touched.keys.insert(*key, place);
        }
    }

    /// A statement by itself, of which it is known what it touches, also where the whole table counts as touched between runs.
    fn add_keyed(&mut self, index: usize, row: &BulkRow) {
        self.steps.push(PlanStep::One(index));
        let place = Place::of_step(self.steps.len());
        let touched = self.tables.entry(row.shape.table).or_default();
        touched.keys.extend(row.keys.iter().map(|key| (*key, place)));
    }

    fn add_one(&mut self, index: usize, group: &PreparedGroup) {
        self.steps.push(PlanStep::One(index));
        let step = self.steps.len();
        if group.scope != Scope::Tables {
            self.barrier = step;
        }
        for used in &group.tables {
            let touched = self.tables.entry(used.name.id).or_default();
            match &used.access {
                Access::Keys(keys) => {
                    let place = Place::of_step(step);
                    touched.keys.extend(keys.iter().map(|key| (*key, place)));
                }
                Access::Read | Access::Whole => touched.last_whole = step,
            }
        }
    }

    /// Takes bulk executes apart that are too small, and events out of which nothing is left.
    fn finish(self) -> Vec<PlanStep> {
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            match step {
                PlanStep::Bulk(rows) if rows.len() < BULK_ROWS_MIN => {
                    steps.extend(rows.into_iter().map(PlanStep::One));
                }
                PlanStep::Rows(rows) if rows.is_empty() => {}
                PlanStep::Rows(rows) if self.limits.is_final && rows.changes().count() < COUNTED_ROWS_MIN => {
                    steps.extend(rows.changes().map(PlanStep::One));
                }
                step => steps.push(step),
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::{Repeats, Shapes};
    use crate::context::Context;
    use bytes::Bytes;
    use smallvec::smallvec;
    use tributary_binlog::{Coordinates, EventGroup, GroupEnd};
    use tributary_client::ParamType;
    use tributary_schedule::{DatabaseId, GroupSeq};
    use tributary_sql::StatementKind;

    use crate::catalog::{TableName, TableUseDraft};

    const TABLES: u32 = 2;
    const INT: ParamType = ParamType::LongLong { unsigned: false };

    /// What a change does, as far as order counts: a table, and the key it writes or the whole of it.
    #[derive(Clone, Copy)]
    struct Does {
        table: u32,
        key: Option<u64>,
        shape: u32,
    }

    fn group(does: Does, shapes: &mut Shapes, context: &Arc<Context>) -> PreparedGroup {
        let event_group = EventGroup {
            gtid: None,
            timestamp: 0,
            items: smallvec![],
            end: Coordinates::new("b.000001", 4),
            end_kind: GroupEnd::Commit,
            bytes: 0,
            start: Coordinates::new("b.000001", 4),
            server_id: 1,
            flags: 0,
            part: 0,
        };
        let mut group = PreparedGroup::empty(&event_group, GroupSeq(0));
        group.tables.push(TableUseDraft {
            name: TableName {
                id: TableId(does.table),
                database: DatabaseId(0),
            },
            access: does.key.map_or(Access::Whole, |key| Access::Keys(smallvec![key])),
            info: None,
            is_written: true,
        });
        let bulk = does.key.map(|key| {
            let text = format!("shape {}", does.shape);
            let repeats = if does.shape == 0 {
                Repeats::Differs
            } else {
                Repeats::Same
            };
            let shape = shapes.get(text.as_bytes(), &[INT], TableId(does.table), false, repeats);
            BulkRow {
                shape,
                values: vec![0; 9],
                keys: smallvec![key],
            }
        });
        group.changes.push(Change::Statement(Box::new(StatementChange {
            text: Bytes::new(),
            kind: StatementKind::Update,
            context: context.clone(),
            timestamp: (0, None),
            inputs: None,
            insert_id: None,
            expected_error: 0,
            is_one_row: false,
            is_joinable: true,
            may_generate_id: false,
            table: None,
            effects: Vec::new(),
            positional: None,
            tolerance: Arc::default(),
            divergence: None,
            kept_engine: None,
            bulk,
        })));
        group
    }

    fn planned(groups: &[PreparedGroup]) -> Vec<Planned<'_>> {
        let changes = groups.iter().map(|group| Planned {
            group,
            change: &group.changes[0],
        });
        changes.collect()
    }

    fn limits(is_final: bool) -> Limits {
        Limits {
            bytes_max: BULK_BYTES_MAX,
            is_final,
            nets: true,
        }
    }

    fn order(steps: &[PlanStep]) -> Vec<usize> {
        let all = steps.iter().flat_map(|step| match step {
            PlanStep::One(index) => std::slice::from_ref(index),
            PlanStep::Bulk(rows) => rows,
            PlanStep::Rows(_) | PlanStep::Set(_) => &[],
        });
        all.copied().collect()
    }

    /// Numbers that look random and are the same each time.
    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn shapes_come_together_though_others_stand_between() {
        let (mut shapes, context) = (Shapes::default(), Arc::default());
        let groups: Vec<_> = (0..20)
            .map(|index| {
                let does = Does {
                    table: 0,
                    key: Some(index / 2),
                    shape: 1 + (index % 2) as u32,
                };
                group(does, &mut shapes, &context)
            })
            .collect();
        let steps = plan(&planned(&groups), limits(false));
        let even = (0..20).step_by(2).collect();
        let odd = (1..20).step_by(2).collect();
        assert_eq!(steps, [PlanStep::Bulk(even), PlanStep::Bulk(odd)]);
    }

    #[test]
    fn what_touches_the_same_row_keeps_its_order() {
        let mut state = 1;
        let mut together = 0;
        for _ in 0..500 {
            let (mut shapes, context) = (Shapes::default(), Arc::default());
            let count = 1 + next(&mut state) % 60;
            let all: Vec<Does> = (0..count)
                .map(|_| Does {
                    table: (next(&mut state) % u64::from(TABLES)) as u32,
                    key: (next(&mut state) % 15 < 14).then(|| next(&mut state) % 12),
                    shape: (next(&mut state) % 3) as u32,
                })
                .collect();
            let groups: Vec<_> = all
                .iter()
                .map(|does| group(*does, &mut shapes, &context))
                .collect();
            for is_final in [false, true] {
                let steps = plan(&planned(&groups), limits(is_final));
                let order = order(&steps);
                let mut place = vec![usize::MAX; all.len()];
                for (at, index) in order.iter().enumerate() {
                    place[*index] = at;
                }
                assert_eq!(order.len(), all.len(), "every change comes once");
                for (later, b) in all.iter().enumerate() {
                    for (earlier, a) in all[..later].iter().enumerate() {
                        let meets =
                            a.table == b.table && (a.key.is_none() || b.key.is_none() || a.key == b.key);
                        assert!(
                            !meets || place[earlier] < place[later],
                            "{earlier} before {later}"
                        );
                    }
                }
                for step in &steps {
                    let PlanStep::Bulk(rows) = step else { continue };
                    together += rows.len();
                    let shape = |row: &usize| (all[*row].table, all[*row].shape);
                    assert!(
                        rows.iter()
                            .all(|row| shape(row) == shape(&rows[0]) && all[*row].key.is_some())
                    );
                    assert!(!is_final || all[rows[0]].shape != 0, "cannot be repeated");
                }
            }
        }
        assert!(together > 1000, "{together} changes came together");
    }
}
