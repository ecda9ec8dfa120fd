//! In which order the changes of a run are made so that statements of one shape come together.
//!
//! Changes that may touch the same row keep their order, so what comes out is what the order of the source gives.

use std::collections::HashMap;
use std::sync::Arc;

use tributary_schedule::{Access, Scope, TableId};

use crate::bulk::{BulkRow, Repeats};
use crate::change::{Change, PreparedGroup, StatementChange};

/// Fewer rows than this are sent as text: a bulk execute has a packet, and perhaps a prepared statement, of its own.
pub(super) const BULK_ROWS_MIN: usize = 4;

/// Most rows of one bulk execute.
const BULK_ROWS_MAX: usize = 1000;

/// Longest values of one bulk execute, in bytes; far below the smallest `max_allowed_packet` that serves at all.
const BULK_BYTES_MAX: usize = 512 << 10;

/// What is done in one go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlanStep {
    /// One change.
    One(usize),
    /// Statements of one shape, in this order.
    Bulk(Vec<usize>),
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
            Change::Statement(statement) => Some((statement, statement.bulk.as_deref()?)),
            Change::Rows(_) | Change::Load(_) => None,
        }
    }
}

/// The steps that touched a table so far, counted from 1.
#[derive(Default)]
struct Touched {
    last: usize,
    last_whole: usize,
    keys: HashMap<u64, usize>,
}

/// A bulk execute to which rows may still be added.
struct Open<'a> {
    step: usize,
    row: &'a BulkRow,
    statement: &'a StatementChange,
    bytes: usize,
}

impl Open<'_> {
    fn takes(&self, statement: &StatementChange, row: &BulkRow, rows: usize) -> bool {
        Arc::ptr_eq(&self.row.shape, &row.shape)
            && Arc::ptr_eq(&self.statement.context, &statement.context)
            && (!row.shape.reads_clock || self.statement.timestamp == statement.timestamp)
            && rows < BULK_ROWS_MAX
            && self.bytes + row.values.len() <= BULK_BYTES_MAX
    }
}

#[derive(Default)]
struct Planner<'a> {
    steps: Vec<PlanStep>,
    open: Vec<Open<'a>>,
    tables: HashMap<TableId, Touched>,
    /// Nothing may come before this step any more.
    barrier: usize,
}

/// Puts changes of one shape together. With `is_final` only those whose executions can be accounted for when one of them fails, because
/// none can be taken back.
pub(super) fn plan(changes: &[Planned<'_>], is_final: bool) -> Vec<PlanStep> {
    let mut planner = Planner::default();
    for (index, planned) in changes.iter().enumerate() {
        let bulk = planned
            .bulk()
            .filter(|(_, row)| !is_final || row.shape.repeats != Repeats::Differs)
            // A group is made as a whole or not at all, also when something later in its run fails.
            .filter(|_| !is_final || planned.group.changes.len() == 1);
        match bulk {
            Some((statement, row)) => planner.add_row(index, statement, row),
            None => planner.add_one(index, planned.group),
        }
    }
    planner.finish()
}

impl<'a> Planner<'a> {
    fn add_row(&mut self, index: usize, statement: &'a StatementChange, row: &'a BulkRow) {
        let touched = self.tables.entry(row.shape.table).or_default();
        let mut earliest = self.barrier.max(touched.last_whole);
        for key in &row.keys {
            earliest = earliest.max(touched.keys.get(key).copied().unwrap_or(0));
        }
        let found = self.open.iter_mut().rev().find(|open| {
            let rows = match self.steps.get(open.step - 1) {
                Some(PlanStep::Bulk(rows)) => rows.len(),
                _ => BULK_ROWS_MAX,
            };
            open.step >= earliest && open.takes(statement, row, rows)
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
        touched.last = touched.last.max(step);
        for key in &row.keys {
            touched.keys.insert(*key, step);
        }
    }

    fn add_one(&mut self, index: usize, group: &PreparedGroup) {
        self.steps.push(PlanStep::One(index));
        let step = self.steps.len();
        if group.scope != Scope::Tables {
            self.barrier = step;
        }
        for used in &group.tables {
            let touched = self.tables.entry(used.name.id).or_default();
            touched.last = step;
            match &used.access {
                Access::Keys(keys) => touched.keys.extend(keys.iter().map(|key| (*key, step))),
                Access::Read | Access::Whole => touched.last_whole = step,
            }
        }
    }

    /// Takes bulk executes apart that are too small.
    fn finish(self) -> Vec<PlanStep> {
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            match step {
                PlanStep::Bulk(rows) if rows.len() < BULK_ROWS_MIN => {
                    steps.extend(rows.into_iter().map(PlanStep::One));
                }
                step => steps.push(step),
            }
        }
        steps
    }
}
