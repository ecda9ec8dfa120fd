//! The list of a table's columns, and what ALTER TABLE does to it.

/// One change of the list of columns. Names are as written, without quotes; the server compares them without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnChange {
    /// A column comes.
    Add {
        /// Its name.
        name: Vec<u8>,
        /// Where; `None` is behind the last.
        place: Option<ColumnPlace>,
        /// It is passed over where there is such a column.
        if_not_exists: bool,
    },
    /// A column goes.
    Drop {
        /// Its name.
        name: Vec<u8>,
    },
    /// A column gets another name, type or place.
    Change {
        /// Its name before.
        old: Vec<u8>,
        /// Its name from now on.
        new: Vec<u8>,
        /// Where; `None` leaves it where it is.
        place: Option<ColumnPlace>,
    },
}

/// Where ALTER TABLE puts a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnPlace {
    /// Before all others.
    First,
    /// Behind this one, by its new name.
    After(Vec<u8>),
}

impl ColumnChange {
    /// Every name in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let (a, b, place) = match self {
            ColumnChange::Add { name, place, .. } => (name, None, place.as_ref()),
            ColumnChange::Drop { name } => (name, None, None),
            ColumnChange::Change { old, new, place } => (old, Some(new), place.as_ref()),
        };
        let after = match place {
            Some(ColumnPlace::After(name)) => Some(name),
            _ => None,
        };
        std::iter::once(a).chain(b).chain(after).map(Vec::as_slice)
    }
}

/// The list that `changes` make of `columns`; `None` when the server would refuse them.
///
/// A missing column of DROP or CHANGE is passed over: only IF EXISTS lets such a statement succeed.
///
/// Kept, dropped and renamed columns come first, in their old order, then columns with a place of their own are put in, in
/// the order of the statement. MariaDB server, `sql/sql_table.cc`, `mysql_prepare_alter_table`.
#[must_use]
pub fn apply_column_changes(columns: &[Vec<u8>], changes: &[ColumnChange]) -> Option<Vec<Vec<u8>>> {
    let mut list = Vec::with_capacity(columns.len() + changes.len());
    for column in columns {
        let change = changes.iter().find(|change| match change {
            ColumnChange::Drop { name } => name.eq_ignore_ascii_case(column),
            ColumnChange::Change { old, .. } => old.eq_ignore_ascii_case(column),
            ColumnChange::Add { .. } => false,
        });
        match change {
            None => list.push(column.clone()),
            Some(ColumnChange::Change { new, place: None, .. }) => list.push(new.clone()),
            Some(_) => {}
        }
    }
    let has = |name: &[u8]| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    for change in changes {
        let (name, place) = match change {
            ColumnChange::Add {
                name,
                if_not_exists: true,
                ..
            } if has(name) => continue,
            ColumnChange::Add { name, place, .. } => (name, place.as_ref()),
            ColumnChange::Change {
                old,
                new,
                place: Some(place),
            } if has(old) => (new, Some(place)),
            _ => continue,
        };
        let at = match place {
            None => list.len(),
            Some(ColumnPlace::First) => 0,
            Some(ColumnPlace::After(other)) => {
                list.iter()
                    .position(|column| column.eq_ignore_ascii_case(other))?
                    + 1
            }
        };
        list.insert(at, name.clone());
    }
    let has_twin = |(index, column): (usize, &Vec<u8>)| {
        list[..index]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(column))
    };
    (!list.iter().enumerate().any(has_twin)).then_some(list)
}
