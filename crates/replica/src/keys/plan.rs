//! Where a statement of one row has the values of its keys, so that others of its kind need not be read to find them.

use tributary_sql::{Literal, LiteralValue, Name, RowStatement, Value};

use super::{Given, KeyValue, Keys, hash_key, literal};
use crate::catalog::TableInfo;

/// Where the keys of a statement come from; made of one whose keys are known.
#[derive(Debug)]
pub(crate) struct KeyPlan {
    /// For each unique key that names the row: its number, and its columns with what stands in them.
    keys: Vec<(usize, Vec<(usize, Part)>)>,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The literal with this number.
    Literal(usize),
    GeneratedId,
    Null,
}

impl KeyPlan {
    /// Of a statement whose keys were found by [`super::of_statement`]; `None` when they are not all literals of `list`.
    /// `conditions` is that of [`tributary_sql::Literals`].
    pub(crate) fn new(
        table: &TableInfo,
        statement: &RowStatement<'_>,
        list: &[Literal<'_>],
        conditions: &[Option<usize>],
    ) -> Option<Self> {
        let is_column = |name: &Name<'_>, column| table.column(name.as_bytes()) == Some(column);
        let part = |column: usize| match statement {
            RowStatement::Insert { columns, rows, .. } => {
                let [row] = rows.as_slice() else { return None };
                let place = columns.as_ref()?.iter().position(|name| is_column(name, column));
                let is_automatic = table.auto_increment() == Some(column);
                match place.map(|place| (place, row.get(place))) {
                    None | Some((_, Some(Value::Null | Value::Default))) if is_automatic => {
                        Some(Part::GeneratedId)
                    }
                    Some((_, Some(Value::Null))) => Some(Part::Null),
                    Some((place, Some(Value::Int(_) | Value::String(_)))) => {
                        let literal = list.iter().position(|literal| literal.column == Some(place));
                        literal.map(Part::Literal)
                    }
                    _ => None,
                }
            }
            RowStatement::Update { equal, .. } | RowStatement::Delete { equal, .. } => {
                let place = equal.iter().position(|(name, _)| is_column(name, column))?;
                match equal.get(place) {
                    Some((_, Value::Null)) => Some(Part::Null),
                    _ => conditions.get(place).copied().flatten().map(Part::Literal),
                }
            }
        };
        let named = match statement {
            RowStatement::Insert { .. } => table.unique_keys.len(),
            RowStatement::Update { .. } | RowStatement::Delete { .. } => 1,
        };
        let keys = table
            .unique_keys
            .iter()
            .take(named)
            .enumerate()
            .map(|(index, key)| {
                let parts = key.as_ref()?.iter().map(|&column| Some((column, part(column)?)));
                Some((index, parts.collect::<Option<_>>()?))
            });
        Some(Self {
            keys: keys.collect::<Option<_>>()?,
        })
    }

    /// The keys of a statement with these literals; `None` where [`super::of_statement`] finds none.
    pub(crate) fn keys(
        &self,
        table: &TableInfo,
        literals: &[LiteralValue<'_>],
        id: Option<u64>,
    ) -> Option<Keys> {
        let mut keys = Keys::new();
        for (index, parts) in &self.keys {
            let values = parts.iter().map(|&(column, part)| match part {
                Part::GeneratedId => id.map(|id| KeyValue::Integer(i128::from(id))),
                Part::Null => literal(table.columns.get(column)?, Given::Null),
                Part::Literal(place) => literal(table.columns.get(column)?, literals.get(place)?.into()),
            });
            hash_key(*index, values).push_to(&mut keys)?;
        }
        Some(keys)
    }
}
