//! The tables of one source, as all clients of the workload know them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::table::Table;
use crate::random::Random;

/// Shared by the clients of one source. It may be behind the server for a moment: statements on a table that has gone
/// fail, as those of real clients do.
pub(super) struct Model {
    tables: Mutex<Vec<Arc<Table>>>,
    next_number: AtomicU64,
}

/// What becomes of the model once a statement has been executed.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A new table, or another state of one.
    Put(Arc<Table>),
    /// The table is gone.
    Remove(u64),
}

impl Model {
    pub(super) fn new() -> Model {
        Model {
            tables: Mutex::new(Vec::new()),
            next_number: AtomicU64::new(1),
        }
    }

    /// A number no other object of the source has.
    pub(super) fn new_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn apply(&self, change: &Change) {
        let mut tables = self.lock();
        match change {
            Change::Put(table) => {
                tables.retain(|old| old.number != table.number);
                tables.push(table.clone());
                // The order must not depend on which client was faster more than it has to.
                tables.sort_by_key(|table| table.number);
            }
            Change::Remove(number) => tables.retain(|old| old.number != *number),
        }
    }

    /// A random table of those that satisfy `wanted`.
    pub(super) fn pick(&self, random: &mut Random, wanted: impl Fn(&Table) -> bool) -> Option<Arc<Table>> {
        let tables = self.lock();
        let fitting: Vec<&Arc<Table>> = tables.iter().filter(|table| wanted(table)).collect();
        let index = random.below(fitting.len().max(1) as u64) as usize;
        fitting.get(index).map(|table| Arc::clone(table))
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Table>>> {
        // A client that panicked leaves a list that is still whole.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
