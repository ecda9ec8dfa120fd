//! Where the rows of a change lie in its events, and which keys each of them writes: what lets rows of several changes be
//! brought together in one event (`worker/merge.rs`).

use smallvec::SmallVec;
use tributary_binlog::{Row, RowsEvent, TableMap};
use tributary_schedule::TableId;

use crate::catalog::TableInfo;
use crate::keys::{Keys, KeysOfRow};

/// One row of a change, as it lies in its event's rows.
#[derive(Debug)]
pub(crate) struct RowSpan {
    /// The event, by its place in the change.
    pub(crate) event: u32,
    start: u32,
    /// Where the image after begins; the end, when there is none.
    middle: u32,
    end: u32,
    /// Whether every unique key has the same bytes before and after. Only updates can change them.
    pub(crate) keeps_keys: bool,
    /// Hashes of the keys it writes.
    pub(crate) keys: Keys,
}

/// The rows of a change all of whose keys are known.
#[derive(Debug)]
pub(crate) struct RowSpans {
    pub(crate) table: TableId,
    /// Whether every image has every column that the table has.
    pub(crate) are_full: bool,
    pub(crate) rows: SmallVec<[RowSpan; 1]>,
}

impl RowSpans {
    /// Nothing yet of a change of this table; `None` when its rows may depend on more than their event and their order among
    /// those with the same keys.
    pub(crate) fn of_table(table: TableId, info: &TableInfo, map: &TableMap) -> Option<Self> {
        // Partitions count each row once more: where changes are final it would not be known how many were made.
        let is_counted = info.is_transactional || !info.is_partitioned;
        let is_plain = is_counted && !info.has_triggers && info.period_end.is_none();
        (is_plain && info.has_plain_keys()).then(|| Self {
            table,
            are_full: map.columns.len() == info.columns.len(),
            rows: SmallVec::new(),
        })
    }

    /// With the next row of an event, the one at `place`; `None` when the rows must stay in their change.
    pub(crate) fn with(
        mut self,
        info: &TableInfo,
        (place, event): (usize, &RowsEvent),
        row: &Row<'_>,
        known: KeysOfRow,
    ) -> Option<Self> {
        self.are_full &= event.present.is_full() && event.last_present().is_full();
        // What is absent may be filled in by the clock.
        if info.reads_clock && !self.are_full {
            return None;
        }
        let start = match self.rows.last() {
            Some(last) if last.event as usize == place => last.end,
            _ => 0,
        };
        let end = start.checked_add(u32::try_from(row.raw.len()).ok()?)?;
        let before = row.before.map_or(0, |before| before.size_bytes());
        let middle = match (&row.before, &row.after) {
            (Some(_), Some(_)) => start + u32::try_from(before).ok()?,
            (_, None) => end,
            (None, Some(_)) => start,
        };
        self.rows.push(RowSpan {
            event: u32::try_from(place).ok()?,
            start,
            middle,
            end,
            keeps_keys: known.are_kept,
            keys: known.keys,
        });
        Some(self)
    }

    /// The longest row, in bytes.
    pub(crate) fn longest(&self) -> usize {
        let sizes = self.rows.iter().map(|row| row.end - row.start);
        sizes.max().unwrap_or_default() as usize
    }

    /// Memory they take.
    pub(crate) fn size_bytes(&self) -> usize {
        let keys: usize = self
            .rows
            .iter()
            .filter(|row| row.keys.spilled())
            .map(|row| size_of_val::<[u64]>(&row.keys))
            .sum();
        size_of::<Self>() + size_of_val::<[RowSpan]>(&self.rows) + keys
    }
}

impl RowSpan {
    /// The image before; nothing for an insert.
    pub(crate) fn before<'a>(&self, event: &'a RowsEvent) -> &'a [u8] {
        slice(event, self.start, self.middle)
    }

    /// The image after; nothing for a delete.
    pub(crate) fn after<'a>(&self, event: &'a RowsEvent) -> &'a [u8] {
        slice(event, self.middle, self.end)
    }
}

fn slice(event: &RowsEvent, start: u32, end: u32) -> &[u8] {
    event.rows.get(start as usize..end as usize).unwrap_or_default()
}
