//! The columns that CREATE TABLE names.

use crate::dialect::Dialect;
use crate::keyword::Keyword;
use crate::token::TokenKind;

use super::Parser;

/// The names in a CREATE TABLE's own list of columns, in their order, as written.
///
/// `None` when there is no such list. Columns that a query behind the list adds are not in it, nor are hidden ones.
///
/// ```
/// use tributary_sql::{Dialect, created_columns};
/// let text = b"CREATE TABLE t (a INT, `b` ENUM('x,y'), PRIMARY KEY (a, b))";
/// assert_eq!(created_columns(text, &Dialect::default()).unwrap(), [b"a", b"b"]);
/// ```
#[must_use]
pub fn created_columns(text: &[u8], dialect: &Dialect) -> Option<Vec<Vec<u8>>> {
    let mut parser = Parser::new(text, dialect);
    let names = parser.created_columns()?;
    parser.failure.is_none().then_some(names)
}

impl Parser<'_> {
    /// `CREATE [OR REPLACE] [options] TABLE [IF NOT EXISTS] name (list)`
    fn created_columns(&mut self) -> Option<Vec<Vec<u8>>> {
        if !self.eat_word(b"CREATE") {
            return None;
        }
        if self.eat(Keyword::Or) {
            self.eat(Keyword::Replace);
        }
        self.object_options().ok()?;
        if !self.eat(Keyword::Table) {
            return None;
        }
        self.eat_if_exists().ok()?;
        self.path("a table").ok()?;
        let is_list = self.eat_kind(TokenKind::Open)
            && !self.at_any(&[Keyword::Like, Keyword::Select, Keyword::With, Keyword::Values]);
        if !is_list {
            return None;
        }
        let mut names = Vec::new();
        loop {
            if !self.is_no_column()? {
                names.push(self.column_name()?);
            }
            self.column_place()?;
            if !self.eat_kind(TokenKind::Comma) {
                return self.eat_kind(TokenKind::Close).then_some(names);
            }
        }
    }
}
