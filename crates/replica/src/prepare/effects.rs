//! What a statement does to the columns of tables, in the target's names.

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_sql::{self as sql, Access, Dialect, StatementKind, TableRef};

use super::Preparer;
use crate::columns::{Effect, FullName, Positional};

impl Preparer {
    /// The effects of a definition; empty for everything else.
    pub(super) fn effects(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        dialect: &Dialect,
    ) -> Vec<Effect> {
        let name = |table: &TableRef<'_>| self.full_name(query, table);
        match statement.kind {
            StatementKind::CreateTable { if_not_exists, .. } => {
                let mut tables = statement.tables.iter();
                let Some(table) = tables.next() else {
                    return Vec::new();
                };
                vec![Effect::Created {
                    table: name(table),
                    if_not_exists,
                    from: tables
                        .filter(|table| table.access == Access::Read)
                        .map(name)
                        .collect(),
                }]
            }
            StatementKind::AlterTable => {
                let mut tables = statement.changed_tables();
                let Some(table) = tables.next() else {
                    return Vec::new();
                };
                // Partitions are exchanged between tables of one definition.
                let renamed = tables
                    .next()
                    .filter(|_| sql::renames_table(&query.query, dialect))
                    .map(name);
                vec![Effect::Altered {
                    table: name(table),
                    renamed,
                    changes: sql::column_changes(&query.query, dialect),
                }]
            }
            StatementKind::RenameTable => statement
                .list_parts()
                .filter_map(|part| match part {
                    [from, to] => Some(Effect::Renamed {
                        from: name(from),
                        to: name(to),
                    }),
                    _ => None,
                })
                .collect(),
            StatementKind::DropTable { .. } => {
                let tables = statement.changed_tables();
                tables
                    .map(|table| Effect::Dropped { table: name(table) })
                    .collect()
            }
            StatementKind::DropDatabase => {
                let databases = statement.databases.iter();
                databases
                    .map(|database| Effect::DroppedDatabase {
                        database: Bytes::copy_from_slice(self.rewrite.target_name(&database.name)),
                    })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// What a statement takes by the order of columns; `None` for one that names them all.
    pub(super) fn positional(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        dialect: &Dialect,
    ) -> Option<Box<Positional>> {
        let entry = |table: &TableRef<'_>| {
            let (database, table) = self.full_name(query, table);
            self.columns.table(&database, &table)
        };
        let written = statement
            .is_positional
            .then(|| statement.changed_tables().next().map(entry));
        let takes_rows = match statement.kind {
            StatementKind::Insert | StatementKind::Replace => true,
            StatementKind::CreateTable { select, .. } => select,
            _ => false,
        };
        let may_read_all = takes_rows && statement.tables.len() > 1 && names_all_columns(&query.query);
        let read = if may_read_all {
            let tables = statement.tables.iter();
            tables
                .filter(|table| table.access == Access::Read)
                .map(entry)
                .collect()
        } else {
            Vec::new()
        };
        (statement.is_positional || !read.is_empty()).then(|| {
            Box::new(Positional {
                source: self.columns.clone(),
                written: written.flatten(),
                read,
                dialect: *dialect,
            })
        })
    }

    /// Whether the order of the target's columns is the source's.
    pub(super) fn goes_by_place(&self, database: &Bytes, table: &TableRef<'_>) -> bool {
        let entry = self
            .columns
            .table(database, &Bytes::copy_from_slice(&table.table));
        self.columns.is_same(&entry)
    }

    fn full_name(&self, query: &QueryEvent, table: &TableRef<'_>) -> FullName {
        (
            self.table_database(query, table),
            Bytes::copy_from_slice(&table.table),
        )
    }
}

/// Whether a `*` may stand for all columns: it does not behind an operand, nor at the ends of a comment.
fn names_all_columns(text: &[u8]) -> bool {
    const BEFORE: [&[u8]; 6] = [
        b"SELECT",
        b"DISTINCT",
        b"DISTINCTROW",
        b"ALL",
        b"SQL_NO_CACHE",
        b"STRAIGHT_JOIN",
    ];
    let stands_for_columns = |at: usize| {
        if text.get(at + 1) == Some(&b'/') || at.checked_sub(1).is_some_and(|before| text[before] == b'/') {
            return false;
        }
        let before = text[..at].trim_ascii_end();
        let word = before
            .iter()
            .rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
            .map_or(before, |last| &before[last + 1..]);
        matches!(before.last(), Some(b',' | b'.' | b'/'))
            || BEFORE.iter().any(|known| known.eq_ignore_ascii_case(word))
    };
    let mut stars = text.iter().enumerate().filter(|(_, byte)| **byte == b'*');
    stars.any(|(at, _)| stands_for_columns(at))
}

#[cfg(test)]
mod tests {
    use super::names_all_columns;

    #[test]
    fn a_star_behind_an_operand_multiplies() {
        for text in [
            "SELECT * FROM t",
            "select distinct\n*",
            "SELECT t.* FROM t",
            "SELECT a, /* x */ *",
            "SELECT a,*",
        ] {
            assert!(names_all_columns(text.as_bytes()), "{text}");
        }
        for text in [
            "SELECT a*2",
            "SELECT COUNT(*)",
            "SELECT /* x */ a",
            "SELECT (a) * 2, 3*4",
            "SELECT a * b",
        ] {
            assert!(!names_all_columns(text.as_bytes()), "{text}");
        }
    }
}
