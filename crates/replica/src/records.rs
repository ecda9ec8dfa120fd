//! What was left out, replaced or at variance with the source, counted by kind, table and error.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Tables, kinds and errors counted apart; what comes on top is counted together.
const ENTRIES_MAX: usize = 1000;

/// Stands for every table beyond [`ENTRIES_MAX`].
const OTHERS: &str = "(others)";

/// Why something stands in the ledger `tributary.skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A statement or row failed and was left out, as the rules allow.
    Skipped,
    /// `slave_exec_mode=IDEMPOTENT`: rows in the way of an inserted one were replaced by it.
    Overwritten,
    /// `slave_exec_mode=IDEMPOTENT`: the row was missing, or another row or a foreign key forbade the change.
    Ignored,
    /// A replicated table was filled from one that is not replicated.
    Diverging,
    /// A table kept the storage engine that a rule would have replaced.
    Engine,
    /// A group that cannot be rolled back was made once more, and a part of it may have been there.
    InDoubt,
    /// A MEMORY table has lost its rows with a restart of the target.
    Emptied,
}

impl RecordKind {
    /// As it stands in the ledger and in the status document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Overwritten => "overwritten",
            Self::Ignored => "ignored",
            Self::Diverging => "diverging",
            Self::Engine => "engine",
            Self::InDoubt => "in_doubt",
            Self::Emptied => "emptied",
        }
    }
}

/// How often something happened to one table since the engine started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordCount {
    /// What happened.
    pub kind: RecordKind,
    /// `database.table` as the target calls it; empty for statements without one.
    pub table: String,
    /// The server's error number; 0 where there was no error.
    pub error: u16,
    /// How often.
    pub count: u64,
}

impl RecordCount {
    /// Whether both count the same.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.table, self.error) == (other.kind, &other.table, other.error)
    }
}

/// The counts of one connection; at most [`ENTRIES_MAX`] tables, kinds and errors are told apart.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<(RecordKind, String, u16), u64>>,
}

impl Tally {
    /// Counts one, and returns how often it has happened now.
    pub(crate) fn add(&self, kind: RecordKind, table: &str, error: u16) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (kind, table.to_owned(), error);
        if counts.len() >= ENTRIES_MAX && !counts.contains_key(&key) {
            key = (kind, OTHERS.to_owned(), 0);
        }
        let count = counts.entry(key).or_default();
        *count += 1;
        *count
    }

    /// All counts, by kind, table and error.
    pub(crate) fn counts(&self) -> Vec<RecordCount> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((kind, table, error), count)| RecordCount {
                kind: *kind,
                table: table.clone(),
                error: *error,
                count: *count,
            })
            .collect()
    }
}

/// `database.table` for a count or a message; empty when there is neither.
pub(crate) fn full_name(database: &[u8], table: &[u8]) -> String {
    if database.is_empty() && table.is_empty() {
        return String::new();
    }
    format!(
        "{}.{}",
        String::from_utf8_lossy(database),
        String::from_utf8_lossy(table)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_apart_up_to_a_bound() {
        let tally = Tally::default();
        assert_eq!(tally.add(RecordKind::Skipped, "d.t", 1062), 1);
        assert_eq!(tally.add(RecordKind::Skipped, "d.t", 1062), 2);
        assert_eq!(tally.add(RecordKind::Skipped, "d.t", 1032), 1);
        for number in 0..2 * ENTRIES_MAX {
            tally.add(RecordKind::Ignored, &format!("d.t{number}"), 1032);
        }
        let counts = tally.counts();
        assert!(counts.len() <= ENTRIES_MAX + 5, "{}", counts.len());
        assert_eq!(
            counts.iter().map(|count| count.count).sum::<u64>(),
            3 + 2 * ENTRIES_MAX as u64,
            "nothing is lost"
        );
        assert!(
            counts
                .iter()
                .any(|count| count.table == OTHERS && count.count > 1)
        );
    }
}
