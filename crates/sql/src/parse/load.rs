//! The parts of a LOAD DATA that must be known to run it in two steps.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::keyword::Keyword;
use crate::scanner::Scanner;
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

/// Whether `range` of a LOAD DATA is its file's clause and nothing else, `INFILE 'name' [REPLACE | IGNORE] INTO` behind
/// `LOAD DATA [LOW_PRIORITY | CONCURRENT]`: then another clause can take its place without changing what the rest means.
///
/// ```
/// use tributary_sql::{Dialect, is_file_clause};
/// let text = b"LOAD DATA INFILE 'f' INTO TABLE t /* INTO TABLE u */";
/// assert!(is_file_clause(text, 9..25, &Dialect::default()));
/// assert!(!is_file_clause(text, 9..41, &Dialect::default()));
/// ```
#[must_use]
pub fn is_file_clause(text: &[u8], range: Range<usize>, dialect: &Dialect) -> bool {
    let is_one_of = |word: &[u8], words: &[&str]| {
        words
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    let (mut files, mut last) = (0, &b""[..]);
    for token in Scanner::new(text, dialect).take_while(|token| token.start < range.end) {
        let bytes = text.get(token.start..token.end).unwrap_or_default();
        let is_inside = token.start >= range.start;
        let is_cut = token.end > range.end || (!is_inside && token.end > range.start);
        let fits = match token.kind {
            TokenKind::Space => true,
            TokenKind::Word if is_inside => {
                is_one_of(bytes, &["LOCAL", "INFILE", "REPLACE", "IGNORE", "INTO"])
            }
            TokenKind::Word => is_one_of(bytes, &["LOAD", "DATA", "LOW_PRIORITY", "CONCURRENT"]),
            TokenKind::String => is_inside,
            TokenKind::Comment | TokenKind::LineComment => !is_inside,
            _ => false,
        };
        if !fits || (is_cut && token.kind != TokenKind::Space) {
            return false;
        }
        files += usize::from(token.kind == TokenKind::String);
        if token.kind != TokenKind::Space {
            last = bytes;
        }
    }
    files == 1 && is_one_of(last, &["INTO"])
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
