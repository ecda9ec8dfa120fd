//! What a statement of the source does to the list of a table's columns.
//!
//! A list belongs to the source, so a statement changes it whether the target could carry it out or not. If it could, and the
//! target had the source's columns before, the target's definition afterwards is the source's. Otherwise the statement's
//! own words are applied to the list, and held against what they did on the target. Where that is no proof, the list is
//! given up.

use std::sync::Arc;

use bytes::Bytes;
use tributary_sql::{ColumnChange, apply_column_changes};

use super::{FullName, List, Names, SourceColumns, TableColumns, names_of};
use crate::catalog::{TableInfo, Visibility};

/// Why a list is given up when the target had the table that the source creates.
const FOUND_THERE: &str =
    "the target already had a table of this name when the source ran CREATE TABLE IF NOT EXISTS for another";

/// What a statement does to a table's columns. Tables have the names they have on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Created {
        table: FullName,
        if_not_exists: Option<IfNotExists>,
        /// Tables from which definition or rows are taken.
        from: Vec<FullName>,
    },
    Altered {
        table: FullName,
        renamed: Option<FullName>,
        /// `None`: the statement's words do not tell.
        changes: Option<Vec<ColumnChange>>,
    },
    Renamed {
        from: FullName,
        to: FullName,
    },
    Dropped {
        table: FullName,
    },
    DroppedDatabase {
        database: Bytes,
    },
}

/// What is known of a CREATE TABLE IF NOT EXISTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IfNotExists {
    /// Whether the source logs it also when it had the table already. MariaDB does so only if the session holds the table by
    /// `LOCK TABLES`.
    pub(crate) may_be_idle: bool,
    pub(crate) columns: Created,
}

/// From where a new table has its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Created {
    /// The statement's own list, in lower case.
    Named(Names),
    /// `LIKE` the first table that is read.
    Like,
    /// A query, or words that do not tell.
    Untold,
}

/// How a statement with effects ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The target has carried it out.
    Applied,
    /// It failed on the target and was passed over.
    Skipped,
    /// It failed on the source as well: only what it dropped is gone.
    Failed,
}

/// The tables of a statement before it ran.
#[derive(Debug)]
pub(crate) struct Watch {
    tables: Vec<(Arc<TableColumns>, Option<Arc<TableInfo>>)>,
}

impl Watch {
    /// Looks at the tables that the effects name. `None` when there are no effects.
    pub(crate) fn begin(columns: &SourceColumns, effects: &[Effect]) -> Option<Self> {
        if effects.is_empty() {
            return None;
        }
        let names = effects.iter().flat_map(Effect::tables);
        let mut tables: Vec<(Arc<TableColumns>, Option<Arc<TableInfo>>)> = Vec::new();
        for (database, table) in names {
            let entry = columns.table(database, table);
            if tables.iter().all(|(known, _)| known.id != entry.id) {
                let before = columns.catalog().info(entry.id).filter(|info| !info.is_view);
                // From here on the target's definition is no longer what the source had.
                if let (List::Unseen, Some(before)) = (entry.list(), &before) {
                    entry.set(List::Known(names_of(before)));
                }
                tables.push((entry, before));
            }
        }
        Some(Self { tables })
    }

    /// Whether the source has had the target's columns in every table, and so will have when the statement has run.
    pub(crate) fn is_aligned(&self) -> bool {
        self.tables
            .iter()
            .all(|(table, before)| match (table.list(), before) {
                (List::Unseen, _) => true,
                (List::Known(names), Some(before)) => names == names_of(before),
                _ => false,
            })
    }

    /// The tables whose definition must be read again.
    pub(crate) fn names(&self) -> Vec<FullName> {
        self.tables.iter().map(|(table, _)| table.name.clone()).collect()
    }

    /// Carries the effects out on the lists, once the catalogue knows what the statement did. Returns the tables whose lists
    /// are to be saved.
    pub(crate) fn end(
        self,
        columns: &SourceColumns,
        effects: &[Effect],
        ended: Ended,
    ) -> Vec<Arc<TableColumns>> {
        let mut touched: Vec<Arc<TableColumns>> =
            self.tables.iter().map(|(table, _)| table.clone()).collect();
        for effect in effects {
            match effect {
                _ if ended == Ended::Failed && !effect.drops() => {}
                Effect::Created {
                    table,
                    if_not_exists,
                    from,
                } => {
                    let table = columns.table(&table.0, &table.1);
                    table.set(match (if_not_exists, self.before(&table)) {
                        (Some(what), Some(before)) => found_there(columns, &table.list(), before, what, from),
                        _ => created(columns, &table, from, ended),
                    });
                }
                Effect::Altered {
                    table,
                    renamed,
                    changes,
                } => {
                    let table = columns.table(&table.0, &table.1);
                    let to = renamed
                        .as_ref()
                        .map_or_else(|| table.clone(), |to| columns.table(&to.0, &to.1));
                    let step = Step {
                        before: self.before(&table),
                        after: columns.catalog().info(to.id),
                        changes: changes.as_deref(),
                        ended,
                    };
                    let list = step.altered(&table.list());
                    if renamed.is_some() {
                        table.set(List::Unseen);
                    }
                    to.set(list);
                }
                Effect::Renamed { from, to } => {
                    let from = columns.table(&from.0, &from.1);
                    columns.table(&to.0, &to.1).set(from.list());
                    from.set(List::Unseen);
                }
                Effect::Dropped { table } => columns.table(&table.0, &table.1).set(List::Unseen),
                Effect::DroppedDatabase { database } => {
                    let tables = columns.tables_of(database);
                    tables.iter().for_each(|table| table.set(List::Unseen));
                    touched.extend(tables);
                }
            }
        }
        touched
    }

    fn before(&self, table: &TableColumns) -> Option<&Arc<TableInfo>> {
        let found = self.tables.iter().find(|(known, _)| known.id == table.id);
        found.and_then(|(_, before)| before.as_ref())
    }
}

/// Takes the target's columns for the source's, where a statement has run for which [`Watch::is_aligned`] held. Returns the tables
/// whose lists are to be saved.
pub(crate) fn realign(columns: &SourceColumns, effects: &[Effect]) -> Vec<Arc<TableColumns>> {
    let tables = effects.iter().flat_map(Effect::tables);
    let tables: Vec<_> = tables
        .map(|(database, table)| columns.table(database, table))
        .collect();
    for table in &tables {
        let info = columns.catalog().info(table.id);
        table.set(info.map_or(List::Unseen, |info| List::Known(names_of(&info))));
    }
    tables
}

impl Effect {
    /// Whether it does to the source's table what it does to one of the same columns.
    pub(crate) fn keeps_alignment(&self) -> bool {
        matches!(
            self,
            Self::Altered { .. } | Self::Renamed { .. } | Self::Dropped { .. }
        )
    }

    fn tables(&self) -> Vec<&FullName> {
        match self {
            Self::Created { table, from, .. } => std::iter::once(table).chain(from).collect(),
            Self::Altered { table, renamed, .. } => std::iter::once(table).chain(renamed).collect(),
            Self::Renamed { from, to } => vec![from, to],
            Self::Dropped { table } => vec![table],
            Self::DroppedDatabase { .. } => Vec::new(),
        }
    }

    fn drops(&self) -> bool {
        matches!(self, Self::Dropped { .. } | Self::DroppedDatabase { .. })
    }
}

fn lost(why: &str) -> List {
    List::Lost(why.into())
}

fn created(columns: &SourceColumns, table: &TableColumns, from: &[FullName], ended: Ended) -> List {
    if ended == Ended::Skipped {
        return lost("its CREATE TABLE was skipped");
    }
    // A copy of a table that differs here differs in a way of its own.
    let differs = |name: &FullName| {
        let source = columns.table(&name.0, &name.1);
        match (source.list(), columns.catalog().info(source.id)) {
            (List::Known(names), Some(info)) => names != names_of(&info),
            (List::Lost(_), _) => true,
            _ => false,
        }
    };
    match columns.catalog().info(table.id) {
        Some(_) if from.iter().any(differs) => {
            lost("it was created from a table whose columns differ on the target")
        }
        Some(info) => List::Known(names_of(&info)),
        None => List::Unseen,
    }
}

/// The list after a CREATE TABLE IF NOT EXISTS that found a table on the target.
///
/// The source made its table then, or had it before. Where the two differ in the number of columns, whichever is taken is
/// proven or refused by the first row event.
fn found_there(
    columns: &SourceColumns,
    list: &List,
    before: &TableInfo,
    what: &IfNotExists,
    from: &[FullName],
) -> List {
    let List::Known(known) = list else {
        return list.clone();
    };
    let like = || from.first().map(|name| columns.table(&name.0, &name.1).list());
    let made: Names = match (&what.columns, like()) {
        (Created::Named(names), _) => {
            let hidden = before.hidden_columns().map(|column| column.name.clone());
            names.iter().cloned().chain(hidden).collect()
        }
        (Created::Like, Some(List::Known(names))) => names,
        _ => return lost(FOUND_THERE),
    };
    if made == *known || (what.may_be_idle && made.len() != known.len()) {
        List::Known(known.clone())
    } else if made.len() != known.len() {
        List::Known(made)
    } else {
        lost(FOUND_THERE)
    }
}

/// One ALTER TABLE.
struct Step<'a> {
    before: Option<&'a Arc<TableInfo>>,
    after: Option<Arc<TableInfo>>,
    changes: Option<&'a [ColumnChange]>,
    ended: Ended,
}

impl Step<'_> {
    fn altered(&self, list: &List) -> List {
        let names = match list {
            List::Known(names) => names,
            List::Unseen => return List::Unseen,
            List::Lost(_) => return list.clone(),
        };
        if self.changes.is_some_and(<[ColumnChange]>::is_empty) {
            return list.clone();
        }
        if self.ended == Ended::Applied {
            let (Some(before), Some(after)) = (self.before, &self.after) else {
                return lost("the target's table was not to be seen when it was altered");
            };
            if *names == names_of(before) {
                return List::Known(names_of(after));
            }
        }
        self.followed(names).unwrap_or_else(|| {
            lost(match self.ended {
                Ended::Applied => "an ALTER TABLE was applied to differing columns, and its words do not tell what it did at the source",
                _ => "an ALTER TABLE was skipped, and its words do not tell what it did at the source",
            })
        })
    }

    /// The list as the statement's words change it; `None` when they do not tell, or did something else on the target.
    fn followed(&self, names: &Names) -> Option<List> {
        let before = self.before?;
        let changes = self.changes?;
        let hidden: Vec<Bytes> = before
            .hidden_columns()
            .map(|column| column.name.clone())
            .collect();
        let visible = names.strip_suffix(&hidden[..])?;
        let mut list = apply(visible, changes)?;
        let hidden_after: Vec<Bytes> = match (self.ended, &self.after) {
            (Ended::Applied, Some(after)) => {
                let is_seen = |column: &&crate::catalog::ColumnInfo| column.visibility != Visibility::Hidden;
                let seen = |info: &TableInfo| -> Vec<Bytes> {
                    info.columns
                        .iter()
                        .filter(is_seen)
                        .map(|column| column.name.clone())
                        .collect()
                };
                if apply(&seen(before), changes)? != seen(after) {
                    return None;
                }
                after.hidden_columns().map(|column| column.name.clone()).collect()
            }
            (Ended::Applied, None) => return None,
            _ => hidden,
        };
        list.extend(hidden_after);
        Some(List::Known(list.into()))
    }
}

fn apply(names: &[Bytes], changes: &[ColumnChange]) -> Option<Vec<Bytes>> {
    let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    let list = apply_column_changes(&names, changes)?;
    Some(
        list.into_iter()
            .map(|name| name.to_ascii_lowercase().into())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, ColumnInfo, ValueClass};

    fn columns(visible: &str, hidden: &str) -> Vec<ColumnInfo> {
        let of = |names: &str, visibility| -> Vec<ColumnInfo> {
            let column = |name: &str| ColumnInfo {
                name: Bytes::copy_from_slice(name.as_bytes()),
                class: ValueClass::Other,
                is_nullable: true,
                is_auto_increment: false,
                definition: "int(11)".into(),
                kind: None,
                digits: 0,
                visibility,
            };
            names.split_whitespace().map(column).collect()
        };
        [of(visible, Visibility::Visible), of(hidden, Visibility::Hidden)].concat()
    }

    fn name(table: &'static str) -> FullName {
        ("db".into(), table.into())
    }

    fn names(list: &str) -> Names {
        list.split(' ')
            .map(|name| Bytes::copy_from_slice(name.as_bytes()))
            .collect()
    }

    /// What is known of `db.t` after a CREATE TABLE IF NOT EXISTS on a target that has it as `there`.
    fn after(there: &str, hidden: &str, created: Created, may_be_idle: bool) -> Option<String> {
        let catalog = Arc::new(Catalog::default());
        let table = |columns| TableInfo {
            is_transactional: true,
            is_view: false,
            reads_clock: false,
            has_triggers: false,
            is_partitioned: false,
            columns,
            unique_keys: Vec::new(),
            has_primary: false,
            period_end: None,
            related: Vec::new(),
            is_bare: false,
        };
        let loaded = vec![
            ("db".into(), "t".into(), table(columns(there, hidden))),
            ("db".into(), "other".into(), table(columns("x y", ""))),
        ];
        catalog.replace_tables(&[], loaded);
        let columns = SourceColumns::new(catalog, Arc::default(), false);
        let effects = [Effect::Created {
            table: name("t"),
            if_not_exists: Some(IfNotExists {
                may_be_idle,
                columns: created,
            }),
            from: vec![name("other")],
        }];
        let watch = Watch::begin(&columns, &effects).expect("there are effects");
        watch.end(&columns, &effects, Ended::Applied);
        match columns.table(b"db", b"t").list() {
            List::Known(names) => Some(String::from_utf8_lossy(&names.join(&b' ')).into_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_table_that_the_target_had_already_is_not_taken_for_the_new_one_of_the_source() {
        let named = |list| Created::Named(names(list));
        for (there, hidden, created, may_be_idle, expected) in [
            ("a b", "", named("a b"), false, Some("a b")),
            ("a b", "h", named("a b"), false, Some("a b h")),
            // The target has more columns, or fewer: the source has those it named.
            ("a b c", "", named("a b"), false, Some("a b")),
            ("a", "", named("a b"), false, Some("a b")),
            // A source that logs such a statement also when it does nothing has what the target had.
            ("a b c", "", named("a b"), true, Some("a b c")),
            // Which of them it is no row could show.
            ("b a", "", named("a b"), false, None),
            ("a c", "", named("a b"), true, None),
            ("x y", "", Created::Like, false, Some("x y")),
            ("x z", "", Created::Like, false, None),
            ("a b", "", Created::Untold, false, None),
        ] {
            let found = after(there, hidden, created.clone(), may_be_idle);
            assert_eq!(
                found.as_deref(),
                expected,
                "{there} {hidden} {created:?} {may_be_idle}"
            );
        }
    }
}
