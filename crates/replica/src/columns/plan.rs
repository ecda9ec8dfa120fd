//! How the rows of one table map go to the target: as they are, with columns moved, or not at all.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tributary_binlog::{ColumnMove, ColumnType, MovedColumn, PeriodEnd, RowsItem, TableMap};

use super::List;
use crate::catalog::TableInfo;
use crate::change::RowsChange;

/// Columns shown of a definition in a message.
const COLUMNS_SHOWN_MAX: usize = 60;

/// How rows go to the target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Every column has its place already.
    AsIs,
    Moved(Box<ColumnMove>),
    /// Not at all, for this reason.
    Refused(String),
}

impl Plan {
    /// The plan, with the end of current rows' periods, at its place on the target, as the target writes it.
    pub(super) fn with_period_end(
        self,
        map: &TableMap,
        info: &TableInfo,
        (place, end): (usize, PeriodEnd),
    ) -> Plan {
        let mut columns = match self {
            Plan::AsIs => match moved(map, (0..map.columns.len()).map(Some).collect(), info) {
                Ok(columns) => Box::new(columns),
                Err(what) => return Plan::Refused(what),
            },
            Plan::Moved(columns) => columns,
            Plan::Refused(_) => return self,
        };
        let column = columns.places.iter().position(|found| *found == Some(place));
        columns.period_end = column.map(|column| (column, end));
        Plan::Moved(columns)
    }
}

/// Whether a list is the target's own, or the beginning of it.
pub(super) fn is_beginning(names: &[Bytes], info: &TableInfo) -> bool {
    names.len() <= info.columns.len()
        && names
            .iter()
            .zip(&info.columns)
            .all(|(name, column)| *name == column.name)
}

/// Whether the event's own names, if it has any, are those of the target's columns.
pub(super) fn agrees(map: &TableMap, info: &TableInfo) -> bool {
    map.column_names().is_none_or(|names| {
        names
            .zip(&info.columns)
            .all(|(name, column)| column.name.eq_ignore_ascii_case(name))
    })
}

/// Whether a column has the temporal format before 10.1 and the target's another.
pub(super) fn needs_conversion(map: &TableMap, info: &TableInfo) -> bool {
    map.columns
        .iter()
        .zip(&info.columns)
        .any(|(kind, column)| kind.is_old_temporal() && new_format(*kind, column.kind).is_some())
}

/// The type since 10.1 of a column whose source has it in the format before.
fn new_format(old: ColumnType, target: Option<ColumnType>) -> Option<ColumnType> {
    let code = match old.code {
        ColumnType::TIME => ColumnType::TIME2,
        ColumnType::DATETIME => ColumnType::DATETIME2,
        ColumnType::TIMESTAMP => ColumnType::TIMESTAMP2,
        _ => return None,
    };
    target.filter(|kind| kind.code == code)
}

/// The plan for rows under `map`.
pub(super) fn make(map: &TableMap, list: &List, info: &TableInfo, drops_missing: bool) -> Plan {
    let own = own_names(map);
    let names: &[Bytes] = match (&own, list) {
        (Some(names), _) => names,
        (None, List::Known(names)) if names.len() == map.columns.len() => names,
        (None, List::Known(names)) => {
            let what = format!(
                "the source's row has {} columns, and the source is known to have {}",
                map.columns.len(),
                names.len()
            );
            return Plan::Refused(refusal(&what, map, list, info));
        }
        (None, List::Unseen) if map.columns.len() == info.columns.len() => return in_place(map, info),
        (None, List::Unseen) => {
            let what = format!(
                "the source's row has {} columns, the target's table {}, and nobody knows which is which",
                map.columns.len(),
                info.columns.len()
            );
            return Plan::Refused(refusal(&what, map, list, info));
        }
        (None, List::Lost(reason)) => {
            let what = format!("the source's columns are not known any more: {reason}");
            return Plan::Refused(refusal(&what, map, list, info));
        }
    };
    by_name(map, names, list, info, drops_missing)
}

/// The names in the event, lower case, if there is one for every column.
pub(super) fn own_names(map: &TableMap) -> Option<Vec<Bytes>> {
    let names: Vec<Bytes> = map
        .column_names()?
        .map(|name| name.to_ascii_lowercase().into())
        .collect();
    (names.len() == map.columns.len()).then_some(names)
}

/// Columns have their places; only formats may have to change.
fn in_place(map: &TableMap, info: &TableInfo) -> Plan {
    if !needs_conversion(map, info) {
        return Plan::AsIs;
    }
    let places = (0..map.columns.len()).map(Some).collect();
    moved(map, places, info).map_or_else(Plan::Refused, |columns| Plan::Moved(Box::new(columns)))
}

fn by_name(map: &TableMap, names: &[Bytes], list: &List, info: &TableInfo, drops_missing: bool) -> Plan {
    if is_beginning(names, info) {
        return in_place(map, info);
    }
    let places: Vec<Option<usize>> = names.iter().map(|name| info.column(name)).collect();
    let missing: Vec<String> = names
        .iter()
        .zip(&places)
        .filter(|(_, place)| place.is_none())
        .map(|(name, _)| format!("`{}`", String::from_utf8_lossy(name)))
        // A hash is computed by the server that stores the row.
        .filter(|name| !name.starts_with("`db_row_hash_"))
        .collect();
    if !missing.is_empty() && !drops_missing {
        let what = format!(
            "the target has no column {}, so its values would be lost",
            missing.join(", ")
        );
        return Plan::Refused(refusal(&what, map, list, info));
    }
    match moved(map, places, info) {
        Ok(columns) => Plan::Moved(Box::new(columns)),
        Err(what) => Plan::Refused(refusal(&what, map, list, info)),
    }
}

fn moved(map: &TableMap, places: Vec<Option<usize>>, info: &TableInfo) -> Result<ColumnMove, String> {
    let count = places.iter().flatten().max().map_or(0, |last| last + 1);
    let mut target = Vec::with_capacity(count);
    for (place, column) in info.columns.iter().enumerate().take(count) {
        let source = places.iter().position(|found| *found == Some(place));
        let kind = match source.and_then(|source| map.columns.get(source)) {
            Some(kind) => Some(new_format(*kind, column.kind).unwrap_or(*kind)),
            None => column.kind,
        };
        let kind = kind.ok_or_else(|| {
            format!(
                "the target's column `{}` has the type {}, which this version does not know",
                String::from_utf8_lossy(&column.name),
                String::from_utf8_lossy(&column.definition)
            )
        })?;
        let is_nullable = source.map_or(column.is_nullable, |source| map.nullable.is_set(source));
        target.push(MovedColumn { kind, is_nullable });
    }
    let old_digits = if map.has_old_temporal() {
        let digits = |place: &Option<usize>| {
            place
                .and_then(|place| info.columns.get(place))
                .map_or(0, |c| c.digits)
        };
        places.iter().map(digits).collect()
    } else {
        Vec::new()
    };
    Ok(ColumnMove {
        places,
        target,
        old_digits,
        period_end: None,
    })
}

/// The change under its plans.
pub(super) fn carry_out(change: &RowsChange, plans: &[Plan]) -> Result<RowsChange, String> {
    let mut maps = SmallVec::with_capacity(plans.len());
    for ((header, map), plan) in change.item.maps.iter().zip(plans) {
        maps.push(match plan {
            Plan::AsIs => (*header, map.clone()),
            Plan::Moved(columns) => (
                *header,
                Arc::new(map.moved(columns).map_err(|error| error.to_string())?),
            ),
            Plan::Refused(reason) => return Err(reason.clone()),
        });
    }
    let mut events = SmallVec::with_capacity(change.item.events.len());
    for (header, event) in &change.item.events {
        let found = change
            .item
            .maps
            .iter()
            .zip(plans)
            .find(|((_, map), _)| map.table_id == event.table_id);
        events.push(match found {
            Some(((_, map), Plan::Moved(columns))) => {
                let moved = event.moved(map, columns);
                (
                    *header,
                    Box::new(moved.map_err(|error| format!("{}: {error}", map.full_name()))?),
                )
            }
            _ => (*header, event.clone()),
        });
    }
    Ok(RowsChange {
        tolerances: change.tolerances.clone(),
        format: change.format.clone(),
        item: RowsItem {
            maps,
            events,
            annotate: None,
        },
        databases: change.databases.clone(),
        columns: change.columns.clone(),
        source: change.source.clone(),
        row_count: change.row_count,
        spans: None,
        read_through: None,
    })
}

fn refusal(what: &str, map: &TableMap, list: &List, info: &TableInfo) -> String {
    format!("{what}{}", both_definitions(map, list, info))
}

/// `; source: ...; target: ...`
pub(super) fn both_definitions(map: &TableMap, list: &List, info: &TableInfo) -> String {
    let own = own_names(map);
    let names = match (&own, list) {
        (Some(names), _) => Some(&names[..]),
        (None, List::Known(names)) => Some(&names[..]),
        _ => None,
    };
    let mut text = format!("; source: {} (", map.full_name());
    let separator = |index: usize| if index > 0 { ", " } else { "" };
    for (index, kind) in map.columns.iter().take(COLUMNS_SHOWN_MAX).enumerate() {
        let name = names.and_then(|names| names.get(index));
        let name = name.map_or_else(|| "?".into(), |name| String::from_utf8_lossy(name));
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{name} {kind}", separator(index));
    }
    text.push_str(more(map.columns.len()));
    text.push_str("); target: (");
    for (index, column) in info.columns.iter().take(COLUMNS_SHOWN_MAX).enumerate() {
        let name = String::from_utf8_lossy(&column.name);
        let definition = String::from_utf8_lossy(&column.definition);
        let _ = write!(text, "{}{name} {definition}", separator(index));
    }
    text.push_str(more(info.columns.len()));
    text.push(')');
    let known: SmallVec<[&[u8]; 8]> = match list {
        List::Known(names) if own.is_none() && names.len() != map.columns.len() => {
            names.iter().map(|name| &name[..]).collect()
        }
        _ => SmallVec::new(),
    };
    if !known.is_empty() {
        let _ = write!(
            text,
            "; known of the source: ({})",
            String::from_utf8_lossy(&known.join(&b", "[..]))
        );
    }
    text
}

fn more(count: usize) -> &'static str {
    if count > COLUMNS_SHOWN_MAX { ", ..." } else { "" }
}
