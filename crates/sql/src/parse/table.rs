//! Names of tables, routines and databases.

use crate::error::SqlError;
use crate::name::Name;
use crate::statement::{Access, DatabaseRef, ListItem, Place, Qualifier, RoutineRef, TableRef};
use crate::token::{Token, TokenKind};

use super::Parser;

/// Up to three identifiers with dots between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) first: Token,
    pub(super) second: Option<Token>,
    pub(super) third: Option<Token>,
    /// A dot stands before the first name: it is a table of the default database.
    pub(super) has_leading_dot: bool,
    /// It ends in `.*`.
    pub(super) has_star: bool,
    /// It has more than three parts.
    pub(super) is_too_long: bool,
}

impl Path {
    pub(super) fn len(&self) -> usize {
        1 + usize::from(self.second.is_some()) + usize::from(self.third.is_some())
    }

    pub(super) fn last(&self) -> Token {
        self.third.or(self.second).unwrap_or(self.first)
    }
}

impl<'a> Parser<'a> {
    /// Takes `name`, `name.name`, `name.name.name`, each perhaps with `.*` at the end.
    pub(super) fn path(&mut self, expected: &'static str) -> Result<Path, SqlError> {
        let has_leading_dot = self.eat_kind(TokenKind::Dot);
        let first = self.identifier(expected)?;
        Ok(self.path_after(first, has_leading_dot))
    }

    /// The rest of a path whose first name is taken.
    pub(super) fn path_after(&mut self, first: Token, has_leading_dot: bool) -> Path {
        let mut path = Path {
            first,
            second: None,
            third: None,
            has_leading_dot,
            has_star: false,
            is_too_long: false,
        };
        while self.eat_kind(TokenKind::Dot) {
            if self.at_operator(b"*") {
                self.advance();
                path.has_star = true;
                break;
            }
            if !self.token.kind.is_name() {
                break;
            }
            let name = self.advance();
            match (path.second, path.third) {
                (None, _) => path.second = Some(name),
                (_, None) => path.third = Some(name),
                _ => path.is_too_long = true,
            }
        }
        path
    }

    /// Takes the name of a table; its index in the statement's tables, unless it is in a body or names a common table
    /// expression.
    pub(super) fn table(&mut self, access: Access) -> Result<Option<usize>, SqlError> {
        let has_leading_dot = self.eat_kind(TokenKind::Dot);
        let first = self.table_name("a table name")?;
        if self.token.kind == TokenKind::Dot && !has_leading_dot {
            self.advance();
            let table = self.table_name("a table name after the dot")?;
            return Ok(self.note_table(Some(first), table, access));
        }
        Ok(self.note_table(None, first, access))
    }

    /// No server takes an empty name (error 1103).
    fn table_name(&mut self, expected: &'static str) -> Result<Token, SqlError> {
        if self.bytes(self.token) == b"``" {
            return Err(self.unexpected(expected));
        }
        self.identifier(expected)
    }

    pub(super) fn note_table(&mut self, db: Option<Token>, table: Token, access: Access) -> Option<usize> {
        let name = self.name_of(table);
        self.names.push(name.clone());
        if self.in_body {
            if let Some(db) = db {
                self.qualifier(db, Place::Body);
            }
            return None;
        }
        if db.is_none() && access == Access::Read && self.ctes.contains(&name) {
            return None;
        }
        self.statement.tables.push(TableRef {
            db: db.map(|db| self.name_of(db)),
            table: name,
            access,
            db_span: db.map(Self::span),
            table_span: Self::span(table),
        });
        Some(self.statement.tables.len() - 1)
    }

    /// Takes a list of tables, each of which can be left out; `after` takes what may follow each.
    pub(super) fn table_list(
        &mut self,
        access: Access,
        mut after: impl FnMut(&mut Self) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        loop {
            let (start, first) = (self.token.start, self.statement.tables.len());
            self.table(access)?;
            after(self)?;
            self.note_item(start, first);
            if !self.eat_kind(TokenKind::Comma) {
                return Ok(());
            }
        }
    }

    /// Notes a part of a list that began at byte `start` with table `first`.
    pub(super) fn note_item(&mut self, start: usize, first: usize) {
        let (end, tables) = (self.previous_end, first..self.statement.tables.len());
        if !self.in_body {
            self.statement.items.push(ListItem {
                span: start..end,
                tables,
            });
        }
    }

    /// Notes that `db` names a database.
    pub(super) fn qualifier(&mut self, db: Token, place: Place) {
        let place = if self.in_body { Place::Body } else { place };
        self.statement.qualifiers.push(Qualifier {
            name: self.name_of(db),
            span: Self::span(db),
            place,
        });
    }

    /// Takes the name of a routine, trigger or event that the statement is about.
    pub(super) fn object(&mut self, expected: &'static str) -> Result<Name<'a>, SqlError> {
        let first = self.identifier(expected)?;
        if !self.eat_kind(TokenKind::Dot) {
            return Ok(self.name_of(first));
        }
        let name = self.identifier(expected)?;
        self.qualifier(first, Place::Object);
        Ok(self.name_of(name))
    }

    /// Takes the name of a database.
    pub(super) fn database(&mut self) -> Result<(), SqlError> {
        let token = self.identifier("a database name")?;
        let name = self.name_of(token);
        if self.in_body {
            self.qualifier(token, Place::Body);
        } else {
            self.statement.databases.push(DatabaseRef {
                name,
                span: Self::span(token),
                is_pattern: false,
            });
        }
        Ok(())
    }

    /// Notes the call of a routine.
    pub(super) fn call(&mut self, path: Path) {
        let db = match (path.second, path.third) {
            (None, _) => None,
            (Some(_), None) if path.has_leading_dot => None,
            (Some(_), None) if self.statement.dialect.oracle && !self.is_logged_call(path.first.start) => {
                // A package of this name, if there is one, else a database: only the source's catalogue can tell.
                let place = if self.in_body { Place::Body } else { Place::Routine };
                self.statement.maybe_packages.push(Qualifier {
                    name: self.name_of(path.first),
                    span: Self::span(path.first),
                    place,
                });
                Some(path.first)
            }
            _ => {
                self.qualifier(path.first, Place::Routine);
                Some(path.first)
            }
        };
        if self.notes_calls && !self.in_body {
            let db = db.map(|db| self.name_of(db));
            self.statement.calls.push(RoutineRef {
                db,
                name: self.name_of(path.last()),
            });
        }
    }
}
