//! Rows of several changes in one event, and rows that are changed several times in a run written once.
//!
//! Which rows may come together, `worker/plan.rs` decides by their keys; here is what one event can hold.

use std::sync::Arc;

use super::idempotent::{DUPLICATE, NOT_FOUND};
use super::plan::{Limits, Planned};
use crate::change::{Change, RowsChange};
use crate::spans::{RowSpan, RowSpans};
use tributary_binlog::{Header, RowsEvent, RowsOp};

/// A row of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowId {
    /// Its change, by the change's place in the run.
    pub(super) change: usize,
    /// The row's place in the change.
    pub(super) row: usize,
}

/// A row of an event that is put together.
#[derive(Debug, PartialEq, Eq)]
struct Slot {
    /// Which row its image before comes from.
    first: RowId,
    /// Which row its image after comes from: not the first, if that was changed once more.
    last: RowId,
    /// The changes behind the first, up to the last.
    others: Vec<usize>,
    /// Another event does what this row did.
    is_gone: bool,
}

/// Rows of one table and kind, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MergedRows {
    slots: Vec<Slot>,
    bytes: usize,
}

/// A row with all that it is read by.
#[derive(Clone, Copy)]
pub(super) struct FoundRow<'a> {
    pub(super) change: &'a RowsChange,
    pub(super) spans: &'a RowSpans,
    pub(super) span: &'a RowSpan,
    header: &'a Header,
    pub(super) event: &'a RowsEvent,
}

impl<'a> FoundRow<'a> {
    /// The row, if its change has rows that may be brought together with others.
    pub(super) fn of(changes: &[Planned<'a>], id: RowId) -> Option<Self> {
        let Change::Rows(change) = changes.get(id.change)?.change else {
            return None;
        };
        let spans = change.spans.as_deref()?;
        let span = spans.rows.get(id.row)?;
        let (header, event) = change.item.events.get(span.event as usize)?;
        Some(Self {
            change,
            spans,
            span,
            header,
            event,
        })
    }

    fn before(&self) -> &'a [u8] {
        self.span.before(self.event)
    }

    fn after(&self) -> &'a [u8] {
        self.span.after(self.event)
    }

    fn size(&self) -> usize {
        self.before().len() + self.after().len()
    }

    /// Whether the target reads both under the same table map, with the same settings.
    fn is_of_same_table(&self, other: &Self) -> bool {
        let (a, b) = (self.change, other.change);
        let ((_, map_a), (_, map_b)) = match (a.item.maps.as_slice(), b.item.maps.as_slice()) {
            ([a], [b]) => (a, b),
            _ => return false,
        };
        let flags = |event: &RowsEvent| event.flags & !RowsEvent::FLAG_STATEMENT_END;
        self.spans.table == other.spans.table
            && self.header.server_id == other.header.server_id
            && flags(self.event) == flags(other.event)
            && (Arc::ptr_eq(map_a, map_b) || map_a.body == map_b.body)
            && a.databases == b.databases
            && super::rows::is_same_layout(&a.format, &b.format)
            && std::ptr::eq(&*a.source, &*b.source)
    }

    /// Whether one event can hold both.
    fn is_of_same_event(&self, other: &Self) -> bool {
        self.event.op == other.event.op
            && self.event.present == other.event.present
            && self.event.present_after == other.event.present_after
            && self.is_of_same_table(other)
    }
}

impl MergedRows {
    /// An event of this row.
    pub(super) fn new(id: RowId, row: &FoundRow<'_>) -> Self {
        let mut rows = Self::default();
        rows.push(id, row);
        rows
    }

    /// Whether the event can hold this row, too.
    pub(super) fn takes(&self, row: &FoundRow<'_>, changes: &[Planned<'_>], bytes_max: usize) -> bool {
        self.bytes + row.size() <= bytes_max
            && self
                .first(changes)
                .is_some_and(|first| first.is_of_same_event(row))
    }

    /// Adds a row behind the others; returns its place.
    pub(super) fn push(&mut self, id: RowId, row: &FoundRow<'_>) -> usize {
        self.bytes += row.size();
        self.slots.push(Slot {
            first: id,
            last: id,
            others: Vec::new(),
            is_gone: false,
        });
        self.slots.len() - 1
    }

    /// Which row is the first.
    pub(super) fn first_id(&self) -> Option<RowId> {
        self.slots.first().map(|slot| slot.first)
    }

    /// The first row, whose event's header, map and columns all have.
    pub(super) fn first<'a>(&self, changes: &[Planned<'a>]) -> Option<FoundRow<'a>> {
        FoundRow::of(changes, self.slots.first()?.first)
    }

    /// Writes the next change of the row at `place` with it, if both together are the same as one: an update of an inserted or
    /// updated row writes what it leaves behind. All images must be full, and follow each other byte by byte. No key may change: a
    /// row in the way of one of them is then found, or not, as it was.
    ///
    /// A deletion takes the place of the update in front of it: `false`, as it is in another event, but the update is gone. Where
    /// changes are final, both are made: it must be known of each event what it has done.
    pub(super) fn absorb(
        &mut self,
        place: usize,
        id: RowId,
        row: &FoundRow<'_>,
        changes: &[Planned<'_>],
        limits: Limits,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(place).filter(|slot| !slot.is_gone) else {
            return false;
        };
        let (Some(first), Some(last)) = (
            FoundRow::of(changes, slot.first),
            FoundRow::of(changes, slot.last),
        ) else {
            return false;
        };
        let follows = row.span.keeps_keys
            && row.spans.are_full
            && first.spans.are_full
            && last.after() == row.before()
            && first.is_of_same_table(row);
        if !follows {
            return false;
        }
        match (first.event.op, row.event.op) {
            (RowsOp::Write | RowsOp::Update, RowsOp::Update) => {
                let bytes = self.bytes - last.after().len() + row.after().len();
                if bytes > limits.bytes_max {
                    return false;
                }
                (self.bytes, slot.last) = (bytes, id);
                slot.others.push(id.change);
                true
            }
            (RowsOp::Update, RowsOp::Delete) if first.span.keeps_keys && !limits.is_final => {
                slot.is_gone = true;
                self.bytes -= first.before().len() + last.after().len();
                false
            }
            // What is inserted and deleted again could meet another row with its key: that must be seen.
            _ => false,
        }
    }

    /// The changes that it makes, those of one row behind each other.
    pub(super) fn changes(&self) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().filter(|slot| !slot.is_gone);
        slots.flat_map(|slot| std::iter::once(slot.first.change).chain(slot.others.iter().copied()))
    }

    /// The first change of the row at this place.
    pub(super) fn change_at(&self, place: usize) -> Option<usize> {
        self.slots.get(place).map(|slot| slot.first.change)
    }

    /// How many rows are in, when one fails with `code` after the storage engine was told of `made`; `None` when that does not tell.
    /// Of a row with a duplicate key it was told; of one that was not found it was not.
    pub(super) fn done(&self, changes: &[Planned<'_>], made: u64, code: u16) -> Option<usize> {
        let op = self.first(changes)?.event.op;
        let made = usize::try_from(made).ok()?;
        let done = match op {
            _ if made == 0 => 0,
            RowsOp::Write | RowsOp::Update if DUPLICATE.contains(&code) => made - 1,
            RowsOp::Update | RowsOp::Delete if code == NOT_FOUND => made,
            _ => return None,
        };
        (done < self.slots.len()).then_some(done)
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.is_gone)
    }

    /// Appends table map and event, for a `BINLOG` statement.
    pub(super) fn encode(&self, changes: &[Planned<'_>], out: &mut Vec<u8>) {
        let Some(first) = self.first(changes) else { return };
        let (Some((map_header, map)), Some(database)) =
            (first.change.item.maps.first(), first.change.databases.first())
        else {
            return;
        };
        map.encode_renamed(map_header, database, out);
        let images = self.slots.iter().filter(|slot| !slot.is_gone).flat_map(|slot| {
            let image = |id, is_after: bool| {
                let row = FoundRow::of(changes, id)?;
                Some(if is_after { row.after() } else { row.before() })
            };
            [image(slot.first, false), image(slot.last, true)]
        });
        let event = RowsEvent {
            flags: first.event.flags | RowsEvent::FLAG_STATEMENT_END,
            rows: bytes::Bytes::new(),
            ..first.event.clone()
        };
        event.encode_plain_of(first.header, images.flatten(), out);
    }
}

#[cfg(test)]
mod tests;
