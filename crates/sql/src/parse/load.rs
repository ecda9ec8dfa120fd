//! The parts of a LOAD DATA that must be known to run it in two steps.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::keyword::Keyword;
use crate::token::TokenKind;

use super::Parser;
use super::expression::until;

/// The parts of a LOAD DATA that names its columns, as the binlog's do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadParts {
    /// Where the table is written, with its database.
    pub table: Range<usize>,
    /// The columns that get values, from fields or by SET, in the statement's own bytes and without quotes.
    pub columns: Vec<Vec<u8>>,
}

/// Reads them; `None` when the statement is no LOAD DATA, names no columns, or names partitions.
///
/// ```
/// use tributary_sql::{Dialect, load_parts};
/// let text = b"LOAD DATA INFILE 'f' INTO TABLE t LINES TERMINATED BY '(' (`a`, @`b`) SET `c`=`a`+@b";
/// let parts = load_parts(text, &Dialect::default()).unwrap();
/// assert_eq!(&text[parts.table], b"t");
/// assert_eq!(parts.columns, [b"a", b"c"]);
/// ```
#[must_use]
pub fn load_parts(text: &[u8], dialect: &Dialect) -> Option<LoadParts> {
    let mut parser = Parser::new(text, dialect);
    let parts = parser.load_parts()?;
    (parser.failure.is_none() && parser.token.kind == TokenKind::End).then_some(parts)
}

impl Parser<'_> {
    fn load_parts(&mut self) -> Option<LoadParts> {
        if !self.eat(Keyword::Load) || !self.eat_word(b"DATA") {
            return None;
        }
        self.expression(until(&[Keyword::Into])).ok()?;
        if !self.eat(Keyword::Into) || !self.eat(Keyword::Table) {
            return None;
        }
        let start = self.token.start;
        self.path("a table").ok()?;
        let table = start..self.previous_end;
        if self.at(Keyword::Partition) {
            return None;
        }
        while self.token.kind != TokenKind::Open {
            if self.at(Keyword::Set) || self.ends_part() {
                return None;
            }
            if self.eat_word(b"CHARACTER") && !self.at(Keyword::Set) {
                return None;
            }
            self.advance();
        }
        let mut columns = self.fields()?;
        if self.eat(Keyword::Set) {
            self.assigned(&mut columns)?;
        }
        Some(LoadParts { table, columns })
    }

    /// `(column | @variable, ...)`
    fn fields(&mut self) -> Option<Vec<Vec<u8>>> {
        self.advance();
        let mut columns = Vec::new();
        loop {
            if self.token.kind == TokenKind::UserVar {
                self.advance();
            } else {
                add(&mut columns, self.column_name()?);
            }
            if !self.eat_kind(TokenKind::Comma) {
                return self.eat_kind(TokenKind::Close).then_some(columns);
            }
        }
    }

    /// `column = expression, ...`
    fn assigned(&mut self, columns: &mut Vec<Vec<u8>>) -> Option<()> {
        loop {
            add(columns, self.column_name()?);
            self.column_place()?;
            if !self.eat_kind(TokenKind::Comma) {
                return Some(());
            }
        }
    }
}

fn add(columns: &mut Vec<Vec<u8>>, column: Vec<u8>) {
    if !columns.iter().any(|known| known.eq_ignore_ascii_case(&column)) {
        columns.push(column);
    }
}
