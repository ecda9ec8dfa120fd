//! Row events: drop the tables that are filtered away, rename the others in their table maps, find the rows' keys.

use std::sync::Arc;

use smallvec::SmallVec;
use tributary_binlog::{FormatDescription, Header, Row, RowsEvent, RowsItem, TableMap};
use tributary_schedule::Access;

use super::{Draft, Place, Preparer, add_related};
use crate::catalog::{TableInfo, TableName, TableUseDraft};
use crate::change::{Change, ReadThrough, RowsChange};
use crate::columns::{Plan, TableColumns};
use crate::error::StopReason;
use crate::images::Form;
use crate::keys::{self, KEYS_MAX, Keys};
use crate::records::full_name;
use crate::spans::RowSpans;

impl Preparer {
    pub(super) fn prepare_rows(
        &self,
        mut item: RowsItem,
        format: &Arc<FormatDescription>,
        draft: &mut Draft,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        let before = item.maps.len();
        item.maps.retain(|(_, map)| {
            !self.is_reserved(&map.db) && self.filter.accepts_table(&map.db, &map.table).accepted
        });
        if item.maps.len() < before {
            draft.did_more = true;
            let maps = &item.maps;
            item.events
                .retain(|(_, event)| maps.iter().any(|(_, map)| map.table_id == event.table_id));
        }
        if item.events.is_empty() {
            return Ok(());
        }
        for (_, map) in &item.maps {
            if let Some(owner) = self.bounds.owner(self.rewrite.target_name(&map.db)) {
                let what = format!("row changes of {}", full_name(&map.db, &map.table));
                return Err(self.out_of_bounds(&map.db, &owner, &what, place));
            }
        }
        // A statement names the tables that its triggers may write; the target would open them all, and some may be gone.
        let events = &item.events;
        item.maps
            .retain(|(_, map)| events.iter().any(|(_, event)| event.table_id == map.table_id));
        // As for statements, see `context`.
        for (_, event) in &mut item.events {
            event.flags &= !RowsEvent::FLAG_RELAXED_UNIQUE_CHECKS;
        }
        draft.may_be_mapped |= item
            .maps
            .iter()
            .any(|(_, map)| self.may_be_mapped(&map.db, &map.table));
        let columns: SmallVec<[Arc<TableColumns>; 1]> = item
            .maps
            .iter()
            .map(|(_, map)| self.columns.table(self.rewrite.target_name(&map.db), &map.table))
            .collect();
        let databases = columns.iter().map(|table| table.name.0.clone()).collect();
        let tolerances = item
            .maps
            .iter()
            .map(|(_, map)| self.tolerances.of_table(&map.db, &map.table))
            .collect();
        let mut row_count = 0;
        let is_only = self.merges_rows && item.maps.len() == 1;
        let mut spans = None;
        let mut read_through = None;
        for ((_, map), columns) in item.maps.iter().zip(&columns) {
            let mut events = item
                .events
                .iter()
                .enumerate()
                .filter(|(_, (_, event))| event.table_id == map.table_id)
                .peekable();
            if events.peek().is_none() {
                continue;
            }
            let name = TableName {
                id: columns.id,
                database: columns.database,
            };
            let info = self.catalog.info(columns.id);
            let old_digits = self.columns.old_digits(map, columns, format);
            // Keys are columns at their places: nothing is known of rows whose columns will be moved.
            let is_in_place = self.columns.plan(map, columns, format) == Plan::AsIs;
            let keyed = info
                .as_ref()
                .filter(|info| is_in_place && info.has_plain_keys())
                .filter(|info| info.is_transactional || is_only);
            if self.sets_rows && item.maps.len() == 1 && is_in_place {
                let suits = |info: &&Arc<TableInfo>| {
                    info.is_read_through() && Form::all(info, map).is_some() && are_full(&item.events)
                };
                read_through = info.as_ref().filter(suits).map(|info| ReadThrough {
                    table: name.id,
                    info: info.clone(),
                });
            }
            let mut known = keyed.map(|info| KnownRows {
                info,
                map,
                keys: Keys::new(),
                spans: None,
            });
            if let Some(known) = known.as_mut().filter(|_| is_only && old_digits.is_empty()) {
                known.spans = RowSpans::of_table(name.id, known.info, map);
            }
            for (place, (_, event)) in events {
                let images = if old_digits.is_empty() {
                    event.row_images(map)
                } else {
                    event.row_images_with(map, &old_digits)
                };
                for row in images {
                    row_count += 1;
                    known = known
                        .zip(row.ok())
                        .and_then(|(known, row)| known.with(place, event, &row));
                }
            }
            let access = match known {
                Some(known) => {
                    spans = known.spans;
                    match known.info.is_transactional {
                        true => Access::Keys(known.keys),
                        false => Access::Whole,
                    }
                }
                None => Access::Whole,
            };
            let first = draft.tables.len();
            draft.add_table(TableUseDraft {
                name,
                access,
                info,
                is_written: true,
            });
            add_related(&self.catalog, draft, first);
        }
        draft.changes.push(Change::Rows(Box::new(RowsChange {
            format: format.clone(),
            item,
            databases,
            columns,
            source: self.columns.clone(),
            tolerances,
            row_count,
            spans: spans.map(Box::new),
            read_through,
        })));
        Ok(())
    }
}

/// Whether every image has all columns of the row.
fn are_full(events: &[(Header, Box<RowsEvent>)]) -> bool {
    let mut events = events.iter();
    events.all(|(_, event)| event.present.is_full() && event.last_present().is_full())
}

/// What is known of the rows of one table, as long as all of them name their keys.
struct KnownRows<'a> {
    info: &'a TableInfo,
    map: &'a TableMap,
    keys: Keys,
    /// Where the rows lie, if they may be brought together with those of other changes.
    spans: Option<RowSpans>,
}

impl KnownRows<'_> {
    /// With one row more.
    fn with(mut self, place: usize, event: &RowsEvent, row: &Row<'_>) -> Option<Self> {
        if self.keys.len() > KEYS_MAX {
            return None;
        }
        let of_row = keys::of_row(self.info, self.map, event.op, row)?;
        self.keys.extend_from_slice(&of_row.keys);
        let spans = self.spans.take();
        self.spans = spans.and_then(|spans| spans.with(self.info, (place, event), row, of_row));
        Some(self)
    }
}
