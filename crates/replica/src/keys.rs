//! Which rows a change writes, as key hashes: what lets groups on one table run beside each other.
//!
//! Two changes that can touch the same row, or collide in a unique key, must share a hash; anything that cannot be shown
//! to name its rows gives `None`, and the whole table is taken. Rows are named by the primary key; inserts and row
//! events, which give full values, add every other unique key, because a row may collide there, too.
//!
//! Text compares under collations. Only printable ASCII is used, folded to lower case and without trailing spaces: every
//! collation that is finer only gets a false conflict from that. Any other text takes the whole table.

use std::hash::Hasher as _;

use smallvec::SmallVec;
use tributary_binlog::{Cell, Row, RowImage, RowsOp, TableMap};
use tributary_schedule::QuickHasher;
use tributary_sql::{LiteralValue, Name, RowStatement, Value};

use crate::catalog::{ColumnInfo, TableInfo, ValueClass, Visibility};

mod plan;

pub(crate) use plan::KeyPlan;

/// Key hashes of one change.
pub(crate) type Keys = SmallVec<[u64; 4]>;

/// More keys than this in one group take the whole table: dependency tracking would cost more than it gains.
pub(crate) const KEYS_MAX: usize = 512;

/// A key value in comparable form.
enum KeyValue<'a> {
    Integer(i128),
    Text(&'a [u8]),
    /// NULL: never equal to anything, so the key cannot collide.
    Null,
}

/// A value as a statement gives it.
#[derive(Clone, Copy)]
enum Given<'v> {
    Integer(i128),
    Text(&'v [u8]),
    Null,
    /// One that says nothing about equality.
    Other,
}

impl<'v> From<&'v Value<'_>> for Given<'v> {
    fn from(value: &'v Value<'_>) -> Self {
        match value {
            Value::Int(number) => Self::Integer(*number),
            Value::String(text) => Self::Text(text),
            Value::Null => Self::Null,
            Value::Default | Value::Other => Self::Other,
        }
    }
}

impl<'v> From<&'v LiteralValue<'_>> for Given<'v> {
    fn from(value: &'v LiteralValue<'_>) -> Self {
        match value {
            LiteralValue::Int(number) => Self::Integer(i128::from(*number)),
            LiteralValue::Text(text) => Self::Text(text),
            LiteralValue::Null => Self::Null,
            LiteralValue::Decimal(_) | LiteralValue::Default => Self::Other,
        }
    }
}

/// The ids a statement generates: the first, and the distance to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeneratedIds {
    pub(crate) first: Option<u64>,
    pub(crate) step: u64,
}

/// Hashes of the rows a recognised statement writes.
pub(crate) fn of_statement(
    table: &TableInfo,
    statement: &RowStatement<'_>,
    ids: GeneratedIds,
) -> Option<Keys> {
    if !table.has_plain_keys() {
        return None;
    }
    match statement {
        RowStatement::Insert {
            columns,
            rows,
            replace,
            on_duplicate,
            ..
        } => {
            // With a second unique key these may change a row that is named by neither.
            if table.unique_keys.len() > 1 && (*replace || on_duplicate.is_some()) {
                return None;
            }
            if on_duplicate
                .as_ref()
                .is_some_and(|assigned| touches_keys(table, assigned))
            {
                return None;
            }
            of_insert(table, columns.as_deref(), rows, ids)
        }
        RowStatement::Update { assigned, equal, .. } => {
            if touches_keys(table, assigned) {
                return None;
            }
            of_condition(table, equal)
        }
        RowStatement::Delete { equal, .. } => {
            // The row's other unique values, which a later insert may take, are not in the statement.
            if table.unique_keys.len() > 1 {
                return None;
            }
            of_condition(table, equal)
        }
    }
}

fn touches_keys(table: &TableInfo, assigned: &[Name<'_>]) -> bool {
    assigned.iter().any(|name| match table.column(name.as_bytes()) {
        Some(column) => table
            .unique_keys
            .iter()
            .flatten()
            .any(|key| key.contains(&column)),
        None => true,
    })
}

/// The row whose primary key is fixed by `column = literal` conditions.
fn of_condition(table: &TableInfo, equal: &[(Name<'_>, Value<'_>)]) -> Option<Keys> {
    let key = table.unique_keys.first()?.as_ref()?;
    let values = key.iter().map(|&column| {
        let (_, value) = equal
            .iter()
            .find(|(name, _)| table.column(name.as_bytes()) == Some(column))?;
        literal(&table.columns[column], value.into())
    });
    let mut keys = Keys::new();
    // `column = NULL` matches nothing: such a statement writes no row.
    hash_key(0, values).push_to(&mut keys)?;
    Some(keys)
}

fn of_insert(
    table: &TableInfo,
    columns: Option<&[Name<'_>]>,
    rows: &[Vec<Value<'_>>],
    ids: GeneratedIds,
) -> Option<Keys> {
    let places: Vec<usize> = match columns {
        Some(names) => names
            .iter()
            .map(|name| table.column(name.as_bytes()))
            .collect::<Option<_>>()?,
        None => (0..table.columns.len())
            .filter(|column| table.columns[*column].visibility == Visibility::Visible)
            .collect(),
    };
    if mixes_ids(table, &places, rows) {
        return None;
    }
    let mut keys = Keys::new();
    let mut next_id = ids.first;
    for row in rows {
        if row.len() != places.len() || keys.len() > KEYS_MAX {
            return None;
        }
        let value_of = |column: usize| {
            places
                .iter()
                .position(|place| *place == column)
                .map(|index| &row[index])
        };
        let generated = generated_id(table, &value_of, &mut next_id, ids.step)?;
        for (index, key) in table.unique_keys.iter().enumerate() {
            let values = key.as_ref()?.iter().map(|&column| match generated {
                Some((auto, id)) if auto == column => Some(KeyValue::Integer(i128::from(id))),
                _ => literal(&table.columns[column], value_of(column)?.into()),
            });
            hash_key(index, values).push_to(&mut keys)?;
        }
    }
    Some(keys)
}

/// Whether some rows give their id and others have it generated: the generated ones then go on from the given ones.
fn mixes_ids(table: &TableInfo, places: &[usize], rows: &[Vec<Value<'_>>]) -> bool {
    let Some(place) = table
        .auto_increment()
        .and_then(|auto| places.iter().position(|place| *place == auto))
    else {
        return false;
    };
    let given = rows
        .iter()
        .filter(|row| matches!(row.get(place), Some(Value::Int(_) | Value::String(_))))
        .count();
    given != 0 && given != rows.len()
}

/// The automatic id of one row, as (column, id); `Some(None)` when the row gives its own. `None` when it cannot be told.
fn generated_id<'v>(
    table: &TableInfo,
    value_of: &impl Fn(usize) -> Option<&'v Value<'v>>,
    next_id: &mut Option<u64>,
    step: u64,
) -> Option<Option<(usize, u64)>> {
    let Some(auto) = table.auto_increment() else {
        return Some(None);
    };
    match value_of(auto) {
        Some(Value::Int(value)) if *value > 0 => Some(None),
        // Zero generates an id, unless sql_mode says otherwise.
        None | Some(Value::Null | Value::Default) => {
            let id = (*next_id)?;
            *next_id = Some(id.checked_add(step)?);
            Some(Some((auto, id)))
        }
        Some(_) => None,
    }
}

/// A literal as the column would hold it; `None` when the conversion is not plain.
fn literal<'v>(column: &ColumnInfo, value: Given<'v>) -> Option<KeyValue<'v>> {
    match (column.class, value) {
        (ValueClass::Integer { size, is_unsigned }, Given::Integer(number)) => {
            in_range(number, size, is_unsigned)
        }
        (ValueClass::Integer { size, is_unsigned }, Given::Text(text)) => {
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            let is_plain = !digits.is_empty() && digits.len() < 20 && digits.iter().all(u8::is_ascii_digit);
            let number: i128 = std::str::from_utf8(text)
                .ok()
                .filter(|_| is_plain)?
                .parse()
                .ok()?;
            in_range(number, size, is_unsigned)
        }
        // Longer text may be cut by the server.
        (ValueClass::Text { length_max }, Given::Text(text)) if text.len() <= length_max => {
            Some(KeyValue::Text(text))
        }
        // NULL may become a zero value where it is not allowed.
        (_, Given::Null) if column.is_nullable => Some(KeyValue::Null),
        _ => None,
    }
}

/// Numbers outside the column's range are clipped or refused, which we leave to the server.
fn in_range<'v>(number: i128, size: u8, is_unsigned: bool) -> Option<KeyValue<'v>> {
    let bits = u32::from(size) * 8;
    let (low, high) = if is_unsigned {
        (0, (1_i128 << bits) - 1)
    } else {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    };
    (low..=high)
        .contains(&number)
        .then_some(KeyValue::Integer(number))
}

/// The keys that one row of an event writes.
#[derive(Debug)]
pub(crate) struct KeysOfRow {
    pub(crate) keys: Keys,
    /// Whether the columns of all keys have the same bytes before and after.
    pub(crate) are_kept: bool,
}

/// Hashes of the keys that one row of an event writes. `None` when the table must be taken whole.
pub(crate) fn of_row(table: &TableInfo, map: &TableMap, op: RowsOp, row: &Row<'_>) -> Option<KeysOfRow> {
    if !table.has_plain_keys() || map.columns.len() > table.columns.len() {
        return None;
    }
    let mut keys = Keys::new();
    if let Some(before) = &row.before {
        of_image(table, before, &mut keys)?;
    }
    let are_kept = match (&row.before, &row.after) {
        (Some(before), Some(after)) => keeps_keys(table, before, after),
        _ => true,
    };
    match &row.after {
        Some(_) if row.before.is_some() && are_kept => {}
        // What a partial after image leaves out has not changed, and the before image has named it.
        Some(after) if op == RowsOp::Update => of_changed(table, after, &mut keys)?,
        Some(after) => of_image(table, after, &mut keys)?,
        None => {}
    }
    Some(KeysOfRow { keys, are_kept })
}

fn keeps_keys(table: &TableInfo, before: &RowImage<'_>, after: &RowImage<'_>) -> bool {
    table.unique_keys.iter().flatten().flatten().all(|&column| {
        let after = after.cell(column);
        after == Cell::Absent || after == before.cell(column)
    })
}

fn of_image(table: &TableInfo, image: &RowImage<'_>, keys: &mut Keys) -> Option<()> {
    for (index, key) in table.unique_keys.iter().enumerate() {
        hash_image(table, image, index, key.as_ref()?).push_to(keys)?;
    }
    Some(())
}

fn of_changed(table: &TableInfo, image: &RowImage<'_>, keys: &mut Keys) -> Option<()> {
    for (index, key) in table.unique_keys.iter().enumerate() {
        let key = key.as_ref()?;
        if key.iter().any(|&column| image.cell(column) != Cell::Absent) {
            hash_image(table, image, index, key).push_to(keys)?;
        }
    }
    Some(())
}

fn hash_image(table: &TableInfo, image: &RowImage<'_>, index: usize, key: &[usize]) -> KeyHash {
    let values = key.iter().map(|&column| match image.cell(column) {
        Cell::Absent => None,
        Cell::Null => Some(KeyValue::Null),
        Cell::Value(bytes) => from_image(table.columns[column].class, bytes),
    });
    hash_key(index, values)
}

/// A column's bytes in a row image, without length prefix.
fn from_image(class: ValueClass, bytes: &[u8]) -> Option<KeyValue<'_>> {
    match class {
        ValueClass::Integer { size, is_unsigned } => {
            if bytes.len() != usize::from(size) {
                return None;
            }
            let mut number: i128 = 0;
            for (place, byte) in bytes.iter().enumerate() {
                number |= i128::from(*byte) << (8 * place);
            }
            let bits = u32::from(size) * 8;
            if !is_unsigned && number >> (bits - 1) & 1 == 1 {
                number -= 1 << bits;
            }
            Some(KeyValue::Integer(number))
        }
        ValueClass::Text { .. } => Some(KeyValue::Text(bytes)),
        ValueClass::Other => None,
    }
}

/// What one key of one row comes to.
enum KeyHash {
    Known(u64),
    /// NULL in a part: the key collides with nothing.
    Null,
    /// A value whose equality is not plain.
    Unknown,
}

fn hash_key<'a>(key_index: usize, values: impl Iterator<Item = Option<KeyValue<'a>>>) -> KeyHash {
    let mut hasher = QuickHasher::default();
    hasher.write_usize(key_index);
    for value in values {
        match value {
            // A column holds 64 bits at most; a negative number and a large one never stand in the same.
            Some(KeyValue::Integer(number)) => hasher.write_u64(number as u64),
            Some(KeyValue::Text(text)) => {
                let length = text
                    .iter()
                    .rposition(|byte| *byte != b' ')
                    .map_or(0, |last| last + 1);
                let text = &text[..length];
                if !text.iter().all(|byte| (0x20..0x7f).contains(byte)) {
                    return KeyHash::Unknown;
                }
                let lower: SmallVec<[u8; 64]> = text.iter().map(u8::to_ascii_lowercase).collect();
                hasher.write(&lower);
            }
            Some(KeyValue::Null) => return KeyHash::Null,
            None => return KeyHash::Unknown,
        }
    }
    KeyHash::Known(hasher.finish())
}

impl KeyHash {
    /// Adds the hash to `keys`; `None` when the key is unknown.
    fn push_to(self, keys: &mut Keys) -> Option<()> {
        match self {
            Self::Known(hash) => keys.push(hash),
            Self::Null => {}
            Self::Unknown => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_sql::Dialect;

    /// `id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR, n INT` with a second unique key on `code` if asked for.
    fn table(has_second_key: bool) -> TableInfo {
        let column = |name: &'static str, class, is_auto_increment: bool| ColumnInfo {
            name: bytes::Bytes::from_static(name.as_bytes()),
            class,
            is_nullable: !is_auto_increment,
            is_auto_increment,
            definition: bytes::Bytes::new(),
            kind: None,
            digits: 0,
            visibility: Visibility::Visible,
        };
        let integer = ValueClass::Integer {
            size: 4,
            is_unsigned: false,
        };
        TableInfo {
            is_transactional: true,
            is_view: false,
            reads_clock: false,
            has_triggers: false,
            is_partitioned: false,
            columns: vec![
                column("id", integer, true),
                column("code", ValueClass::Text { length_max: 10 }, false),
                column("n", integer, false),
            ],
            unique_keys: if has_second_key {
                vec![Some(vec![0]), Some(vec![1])]
            } else {
                vec![Some(vec![0])]
            },
            has_primary: true,
            period_end: None,
            related: Vec::new(),
            is_bare: false,
        }
    }

    fn keys(has_second_key: bool, text: &str, insert_id: Option<u64>) -> Option<Vec<u64>> {
        let dialect = Dialect::from_event(0, 8, 101_100);
        let statement = tributary_sql::parse(text.as_bytes(), &dialect).unwrap();
        let rows = tributary_sql::recognise(text.as_bytes(), &statement, &dialect)?;
        let ids = GeneratedIds {
            first: insert_id,
            step: 1,
        };
        of_statement(&table(has_second_key), &rows, ids).map(|keys| keys.to_vec())
    }

    #[test]
    fn one_row_has_one_hash_however_it_is_named() {
        let by_id = keys(false, "UPDATE t SET n = n + 1 WHERE id = 7", None).unwrap();
        assert_eq!(by_id.len(), 1);
        for same in [
            "UPDATE t SET n = 0 WHERE n = 3 AND id = '7'",
            "DELETE FROM t WHERE ID = 7 LIMIT 1",
            "INSERT INTO t (id, code) VALUES (7, 'x')",
            "REPLACE INTO t VALUES (7, 'x', 1)",
            "INSERT INTO t (id, n) VALUES (7, 1) ON DUPLICATE KEY UPDATE n = n + 1",
        ] {
            assert_eq!(keys(false, same, None).as_ref(), Some(&by_id), "{same}");
        }
        assert_eq!(
            keys(false, "INSERT INTO t (code) VALUES ('x')", Some(7)),
            Some(by_id.clone()),
            "an automatic id"
        );
        assert_ne!(keys(false, "UPDATE t SET n = 0 WHERE id = 8", None), Some(by_id));
    }

    #[test]
    fn automatic_ids_of_several_rows_count_on() {
        let both = keys(false, "INSERT INTO t (code) VALUES ('x'), ('y')", Some(7)).unwrap();
        assert_eq!(
            both,
            [
                keys(false, "DELETE FROM t WHERE id = 7", None).unwrap(),
                keys(false, "DELETE FROM t WHERE id = 8", None).unwrap()
            ]
            .concat()
        );
    }

    #[test]
    fn what_is_not_plain_takes_the_whole_table() {
        for text in [
            "UPDATE t SET n = 1 WHERE code = 'x'",
            "UPDATE t SET id = 9 WHERE id = 7",
            "UPDATE t SET n = 1 WHERE id = 7 OR id = 8",
            "DELETE FROM t WHERE id > 7",
            "UPDATE t SET n = 1 WHERE id = 99999999999",
            "UPDATE t SET n = 1 WHERE id = '7x'",
            "INSERT INTO t (id, code) VALUES (7 + 1, 'x')",
            "INSERT INTO t (code) VALUES ('x')",
            "INSERT INTO t (id, code) VALUES (NULL, 'x'), (100, 'y')",
        ] {
            assert_eq!(keys(false, text, None), None, "{text}");
        }
    }

    #[test]
    fn a_second_unique_key_names_rows_too() {
        let insert = keys(true, "INSERT INTO t VALUES (7, 'Abc ', 1)", None).unwrap();
        let folded = keys(true, "INSERT INTO t VALUES (8, 'aBC', 1)", None).unwrap();
        assert_eq!(
            insert[1], folded[1],
            "equal under a collation that ignores case and trailing spaces"
        );
        assert_ne!(insert[0], folded[0]);
        assert_eq!(
            keys(true, "INSERT INTO t VALUES (7, 'caf\u{e9}', 1)", None),
            None,
            "beyond ASCII equality is the collation's"
        );
        assert_eq!(
            keys(true, "INSERT INTO t VALUES (7, NULL, 1)", None)
                .unwrap()
                .len(),
            1,
            "NULL collides with nothing"
        );
        for widened in [
            "DELETE FROM t WHERE id = 7",
            "REPLACE INTO t VALUES (7, 'x', 1)",
            "UPDATE t SET code = 'y' WHERE id = 7",
        ] {
            assert_eq!(keys(true, widened, None), None, "{widened}");
        }
        assert!(keys(true, "UPDATE t SET n = 1 WHERE id = 7", None).is_some());
    }
}
