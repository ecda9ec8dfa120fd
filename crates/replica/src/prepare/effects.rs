//! What a statement does to the columns of tables, in the target's names.

use bytes::Bytes;
use tributary_binlog::QueryEvent;
use tributary_sql::{self as sql, Access, Dialect, Scanner, StatementKind, TableRef, Token, TokenKind};

use super::Preparer;
use crate::columns::{Created, Effect, FullName, IfNotExists, Names, Positional};
use crate::temporary::SourceThread;

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
            StatementKind::CreateTable {
                if_not_exists,
                like,
                select,
                ..
            } => {
                let mut tables = statement.tables.iter();
                let Some(table) = tables.next() else {
                    return Vec::new();
                };
                let own_list = || sql::created_columns(&query.query, dialect).filter(|_| !select);
                let what = || IfNotExists {
                    may_be_idle: self.is_mysql(),
                    columns: match own_list() {
                        _ if like => Created::Like,
                        Some(names) => Created::Named(lower_case(names)),
                        None => Created::Untold,
                    },
                };
                vec![Effect::Created {
                    table: name(table),
                    if_not_exists: if_not_exists.then(what),
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
        (thread, is_temporary): (SourceThread, bool),
    ) -> Option<Box<Positional>> {
        let entry = |table: &TableRef<'_>| {
            let (database, table) = self.full_name(query, table);
            self.columns.table(&database, &table)
        };
        // The columns of a temporary table are the source's: it is not made of tables that differ.
        let is_positional = statement.is_positional && !is_temporary;
        let written = is_positional.then(|| statement.changed_tables().next().map(entry));
        let takes_rows = match statement.kind {
            StatementKind::Insert | StatementKind::Replace => true,
            StatementKind::CreateTable { select, .. } => select,
            _ => false,
        };
        let is_copied =
            is_temporary && matches!(statement.kind, StatementKind::CreateTable { like: true, .. });
        let may_read_all =
            is_copied || takes_rows && statement.tables.len() > 1 && names_all_columns(&query.query, dialect);
        let read = if may_read_all {
            let tables = statement.tables.iter();
            tables
                .filter(|table| table.access == Access::Read && !self.names_temporary(table, query, thread))
                .map(entry)
                .collect()
        } else {
            Vec::new()
        };
        (is_positional || !read.is_empty()).then(|| {
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

fn lower_case(names: Vec<Vec<u8>>) -> Names {
    let lower = |name: Vec<u8>| Bytes::from(name.to_ascii_lowercase());
    names.into_iter().map(lower).collect()
}

/// Whether a `*` may stand for all columns: it does not behind an operand.
fn names_all_columns(text: &[u8], dialect: &Dialect) -> bool {
    const BEFORE: [&[u8]; 12] = [
        b"SELECT",
        b"DISTINCT",
        b"DISTINCTROW",
        b"ALL",
        b"HIGH_PRIORITY",
        b"STRAIGHT_JOIN",
        b"SQL_BIG_RESULT",
        b"SQL_BUFFER_RESULT",
        b"SQL_CACHE",
        b"SQL_CALC_FOUND_ROWS",
        b"SQL_NO_CACHE",
        b"SQL_SMALL_RESULT",
    ];
    let bytes = |token: Token| text.get(token.start..token.end).unwrap_or_default();
    let introduces = |token: Token| match token.kind {
        TokenKind::Comma | TokenKind::Dot => true,
        TokenKind::Word => BEFORE
            .iter()
            .any(|known| known.eq_ignore_ascii_case(bytes(token))),
        _ => false,
    };
    let mut before = None;
    let mut tokens = Scanner::new(text, dialect).filter(|token| !token.kind.is_blank());
    tokens.any(|token| {
        let is_star = token.kind == TokenKind::Operator && bytes(token) == b"*";
        before.replace(token).is_some_and(introduces) && is_star
    })
}

#[cfg(test)]
mod tests {
    use super::{Dialect, names_all_columns};

    #[test]
    fn a_star_behind_an_operand_multiplies() {
        for text in [
            "SELECT * FROM t",
            "select distinct\n*",
            "SELECT t.* FROM t",
            "SELECT a, /* x */ *",
            "SELECT a,*",
            "SELECT HIGH_PRIORITY * FROM t",
            "SELECT SQL_CALC_FOUND_ROWS SQL_BIG_RESULT\t* FROM t",
            "SELECT -- all of it\n * FROM t",
            "SELECT # all of it\n * FROM t",
            "SELECT /*! SQL_NO_CACHE */ * FROM t",
            "SELECT `t` . * FROM t",
        ] {
            assert!(names_all_columns(text.as_bytes(), &Dialect::default()), "{text}");
        }
        for text in [
            "SELECT a*2",
            "SELECT COUNT(*)",
            "SELECT /* x */ a",
            "SELECT (a) * 2, 3*4",
            "SELECT a * b",
            "SELECT 'SELECT *', a -- SELECT *\n FROM t",
            "SELECT `all` * 2",
        ] {
            assert!(!names_all_columns(text.as_bytes(), &Dialect::default()), "{text}");
        }
    }
}
