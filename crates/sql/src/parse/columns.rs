//! What ALTER TABLE does to the list of a table's columns.

use crate::columns::{ColumnChange, ColumnPlace};
use crate::dialect::Dialect;
use crate::keyword::Keyword;
use crate::name::Name;
use crate::token::TokenKind;

use super::Parser;

/// What behind ADD or DROP or in the list of CREATE TABLE is no column, if it is a word without quotes.
const NO_COLUMNS: [&[u8]; 10] = [
    b"INDEX",
    b"KEY",
    b"UNIQUE",
    b"PRIMARY",
    b"FULLTEXT",
    b"SPATIAL",
    b"FOREIGN",
    b"CONSTRAINT",
    b"CHECK",
    b"PARTITION",
];

/// The changes that an ALTER TABLE makes to the list of columns, in the order of its parts; empty when it changes none.
///
/// `None` when they cannot be told: the statement is no ALTER TABLE, system versioning comes or goes (with hidden
/// columns), or a name has letters beyond ASCII, whose character set is not looked at here.
///
/// ```
/// use tributary_sql::{ColumnChange, Dialect, column_changes};
/// let changes = column_changes(b"ALTER TABLE t ADD INDEX (a), ADD c INT AFTER a, DROP b", &Dialect::default()).unwrap();
/// assert_eq!(changes.len(), 2);
/// assert_eq!(changes[1], ColumnChange::Drop { name: b"b".to_vec() });
/// ```
#[must_use]
pub fn column_changes(text: &[u8], dialect: &Dialect) -> Option<Vec<ColumnChange>> {
    let mut parser = Parser::new(text, dialect);
    let changes = parser.column_changes()?;
    let is_whole = matches!(parser.token.kind, TokenKind::End | TokenKind::Semicolon);
    let is_plain = changes.iter().all(|change| change.names().all(<[u8]>::is_ascii));
    (is_whole && is_plain && parser.failure.is_none()).then_some(changes)
}

/// An INSERT or REPLACE without a list of columns, with this list. `None` when it is no such statement.
///
/// ```
/// use tributary_sql::{Dialect, with_columns};
/// let text = with_columns(b"INSERT INTO t VALUES (1, 2)", &Dialect::default(), &[b"a", b"b"]).unwrap();
/// assert_eq!(text, b"INSERT INTO t (`a`,`b`) VALUES (1, 2)");
/// ```
#[must_use]
pub fn with_columns(text: &[u8], dialect: &Dialect, columns: &[&[u8]]) -> Option<Vec<u8>> {
    let at = Parser::new(text, dialect).list_place()?;
    let mut out = Vec::with_capacity(text.len() + 16 * columns.len());
    out.extend_from_slice(text.get(..at)?);
    for (index, column) in columns.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b" (`" } else { b",`" });
        for byte in *column {
            out.push(*byte);
            if *byte == b'`' {
                out.push(b'`');
            }
        }
        out.push(b'`');
    }
    out.push(b')');
    out.extend_from_slice(text.get(at..)?);
    Some(out)
}

/// Whether an ALTER TABLE gives the table another name.
#[must_use]
pub fn renames_table(text: &[u8], dialect: &Dialect) -> bool {
    let mut parser = Parser::new(text, dialect);
    parser.finds_rename().unwrap_or(false)
}

impl Parser<'_> {
    /// `ALTER [options] TABLE [IF EXISTS] name [WAIT n | NOWAIT]`
    fn alter_table_head(&mut self) -> Option<()> {
        if !self.eat_word(b"ALTER") {
            return None;
        }
        self.object_options().ok()?;
        if !self.eat(Keyword::Table) {
            return None;
        }
        self.eat_if_exists().ok()?;
        self.path("a table").ok()?;
        if self.eat(Keyword::Wait) {
            self.advance();
        } else {
            self.eat(Keyword::Nowait);
        }
        Some(())
    }

    /// Where the list of columns of an INSERT or REPLACE would stand.
    fn list_place(&mut self) -> Option<usize> {
        if !self.at_any(&[Keyword::Insert, Keyword::Replace]) {
            return None;
        }
        self.advance();
        self.eat_all(&[
            Keyword::LowPriority,
            Keyword::Delayed,
            Keyword::HighPriority,
            Keyword::Ignore,
        ]);
        self.eat(Keyword::Into);
        self.path("a table").ok()?;
        self.partitions().ok()?;
        let at = self.previous_end;
        let is_query =
            |parser: &Self| parser.at_any(&[Keyword::Values, Keyword::Value, Keyword::Select, Keyword::With]);
        if self.token.kind == TokenKind::Open {
            let inside = self.peek();
            let is_nested = inside.kind == TokenKind::Open
                || matches!(
                    self.keyword_of(inside),
                    Keyword::Select | Keyword::With | Keyword::Values
                );
            return is_nested.then_some(at);
        }
        is_query(self).then_some(at)
    }

    fn finds_rename(&mut self) -> Option<bool> {
        self.alter_table_head()?;
        loop {
            let is_rename = self.at(Keyword::Rename)
                && !matches!(
                    self.peek_keyword(),
                    Keyword::Column | Keyword::Index | Keyword::Key
                );
            if is_rename {
                return Some(true);
            }
            self.column_place()?;
            if !self.eat_kind(TokenKind::Comma) {
                return Some(false);
            }
        }
    }

    fn column_changes(&mut self) -> Option<Vec<ColumnChange>> {
        self.alter_table_head()?;
        let mut changes = Vec::new();
        loop {
            self.column_part(&mut changes)?;
            if !self.eat_kind(TokenKind::Comma) {
                return Some(changes);
            }
        }
    }

    /// One part of the list, up to the comma behind it.
    fn column_part(&mut self, changes: &mut Vec<ColumnChange>) -> Option<()> {
        if self.eat_word(b"ADD") {
            self.added(changes)?;
        } else if self.eat_word(b"DROP") {
            self.dropped(changes)?;
        } else if self.eat_word(b"CHANGE") {
            self.eat_word(b"COLUMN");
            self.eat_if_exists().ok()?;
            let old = self.column_name()?;
            let new = self.column_name()?;
            let place = self.column_place()?;
            changes.push(ColumnChange::Change { old, new, place });
        } else if self.eat_word(b"MODIFY") {
            self.eat_word(b"COLUMN");
            self.eat_if_exists().ok()?;
            let name = self.column_name()?;
            let place = self.column_place()?;
            changes.push(ColumnChange::Change {
                old: name.clone(),
                new: name,
                place,
            });
        } else if self.at(Keyword::Rename) && self.peek_keyword() == Keyword::Column {
            self.advance();
            self.advance();
            self.eat_if_exists().ok()?;
            let old = self.column_name()?;
            self.eat(Keyword::To).then_some(())?;
            let new = self.column_name()?;
            changes.push(ColumnChange::Change {
                old,
                new,
                place: None,
            });
        }
        self.column_place().map(|_| ())
    }

    fn added(&mut self, changes: &mut Vec<ColumnChange>) -> Option<()> {
        let is_column = self.eat_word(b"COLUMN");
        if !is_column && self.is_no_column()? {
            return Some(());
        }
        let if_not_exists = self.eat_if_exists().ok()?;
        if !self.eat_kind(TokenKind::Open) {
            let name = self.column_name()?;
            let place = self.column_place()?;
            changes.push(ColumnChange::Add {
                name,
                place,
                if_not_exists,
            });
            return Some(());
        }
        loop {
            if !self.is_no_column()? {
                let name = self.column_name()?;
                changes.push(ColumnChange::Add {
                    name,
                    place: None,
                    if_not_exists,
                });
            }
            self.column_place()?;
            if !self.eat_kind(TokenKind::Comma) {
                return self.eat_kind(TokenKind::Close).then_some(());
            }
        }
    }

    /// Whether an index, a constraint or a partition is what is added, dropped or listed here. `None` for system versioning and for
    /// words that newer servers may read in either way.
    pub(super) fn is_no_column(&self) -> Option<bool> {
        if self.token.kind != TokenKind::Word {
            return Some(false);
        }
        let word = self.bytes(self.token).to_ascii_uppercase();
        let next = self.peek();
        let next = self.bytes(next);
        match word.as_slice() {
            b"SYSTEM" if next.eq_ignore_ascii_case(b"VERSIONING") => None,
            b"VECTOR" => None,
            b"PERIOD" => Some(next.eq_ignore_ascii_case(b"FOR")),
            word => Some(NO_COLUMNS.contains(&word)),
        }
    }

    fn dropped(&mut self, changes: &mut Vec<ColumnChange>) -> Option<()> {
        let is_column = self.eat_word(b"COLUMN");
        if !is_column && self.is_no_column()? {
            return Some(());
        }
        self.eat_if_exists().ok()?;
        let name = self.column_name()?;
        changes.push(ColumnChange::Drop { name });
        Some(())
    }

    /// Passes over the rest of a part, and tells where in it the column is placed.
    pub(super) fn column_place(&mut self) -> Option<Option<ColumnPlace>> {
        let mut place = None;
        loop {
            match self.token.kind {
                TokenKind::Comma | TokenKind::Close | TokenKind::End | TokenKind::Semicolon => {
                    return Some(place);
                }
                TokenKind::Open => self.parenthesis().ok()?,
                _ => {
                    if self.eat_word(b"FIRST") {
                        place = Some(ColumnPlace::First);
                    } else if self.eat_word(b"AFTER") {
                        place = Some(ColumnPlace::After(self.column_name()?));
                    } else {
                        self.advance();
                    }
                }
            }
        }
    }

    /// The name of a column; as `t.c` its last part.
    pub(super) fn column_name(&mut self) -> Option<Vec<u8>> {
        let path = self.path("a column").ok()?;
        let name: Name<'_> = self.name_of(path.last());
        Some(name.as_bytes().to_vec())
    }

    pub(super) fn eat_word(&mut self, word: &[u8]) -> bool {
        let found = self.token.kind == TokenKind::Word && self.bytes(self.token).eq_ignore_ascii_case(word);
        if found {
            self.advance();
        }
        found
    }
}
