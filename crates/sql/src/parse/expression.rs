//! Expressions: passed over, except for subqueries and names with dots.

use crate::error::SqlError;
use crate::functions::is_built_in;
use crate::keyword::Keyword;
use crate::statement::{Access, Place};
use crate::token::{Token, TokenKind};

use super::Parser;
use super::table::Path;

/// Where an expression ends, besides the end of the statement, `;` and `)`.
#[derive(Clone, Copy)]
pub(super) struct Until<'k> {
    pub(super) keywords: &'k [Keyword],
    pub(super) comma: bool,
}

impl Until<'_> {
    /// Nothing ends it early.
    pub(super) const CLOSE: Until<'static> = Until {
        keywords: &[],
        comma: false,
    };
}

/// Until one of these keywords.
pub(super) fn until(keywords: &[Keyword]) -> Until<'_> {
    Until {
        keywords,
        comma: false,
    }
}

impl Parser<'_> {
    /// Passes over everything that belongs to an expression or a list of them.
    pub(super) fn expression(&mut self, until: Until<'_>) -> Result<(), SqlError> {
        let (mut open, mut braces) = (0_usize, 0_usize);
        loop {
            match self.token.kind {
                TokenKind::End | TokenKind::Semicolon if open == 0 => return Ok(()),
                TokenKind::End | TokenKind::Semicolon => return Err(self.unexpected("`)`")),
                TokenKind::Close if open == 0 => return Ok(()),
                TokenKind::Close => {
                    self.advance();
                    open -= 1;
                }
                TokenKind::Open => {
                    self.advance();
                    open += 1;
                    if self.at(Keyword::With) {
                        self.query()?;
                    }
                }
                TokenKind::Comma if until.comma && open == 0 => return Ok(()),
                TokenKind::Word if open == 0 && self.ends_at(until.keywords) => return Ok(()),
                // {d '2020-01-01'} is inside; { OJ a JOIN b ON ... } is around.
                TokenKind::Operator if self.at_operator(b"}") && open == 0 && braces == 0 => return Ok(()),
                TokenKind::Operator => {
                    match self.bytes(self.token) {
                        b"{" => braces += 1,
                        b"}" => braces = braces.saturating_sub(1),
                        _ => {}
                    }
                    self.advance();
                }
                _ => self.element()?,
            }
        }
    }

    /// Whether the current word ends an expression. LEFT(x, 1) and RIGHT(x, 1) join nothing.
    fn ends_at(&self, keywords: &[Keyword]) -> bool {
        let keyword = self.keyword();
        if keyword == Keyword::None || !keywords.contains(&keyword) {
            return false;
        }
        !matches!(keyword, Keyword::Left | Keyword::Right) || self.peek().kind != TokenKind::Open
    }

    /// Takes one token outside of parentheses, or the tokens that form a name or a query.
    pub(super) fn element(&mut self) -> Result<(), SqlError> {
        match self.token.kind {
            TokenKind::Word => self.word(self.keyword()),
            TokenKind::Quoted => {
                let first = self.advance();
                self.after_name(first)
            }
            TokenKind::Dot => {
                self.leading_dot();
                Ok(())
            }
            TokenKind::SystemVar => {
                self.system_variable();
                Ok(())
            }
            _ => {
                self.advance();
                Ok(())
            }
        }
    }

    /// Takes a parenthesis and what is inside, a query or anything else.
    pub(super) fn parenthesis(&mut self) -> Result<(), SqlError> {
        self.expect_kind(TokenKind::Open, "`(`")?;
        if self.at(Keyword::With) {
            self.query()?;
        }
        self.expression(Until::CLOSE)?;
        self.expect_kind(TokenKind::Close, "`)`")
    }

    pub(super) fn word(&mut self, keyword: Keyword) -> Result<(), SqlError> {
        match keyword {
            Keyword::Select => return self.query(),
            Keyword::References => {
                self.advance();
                if self.token.kind.is_name() {
                    self.table(Access::Read)?;
                }
                return Ok(());
            }
            Keyword::Next | Keyword::Previous if self.peek_keyword() == Keyword::Value => {
                return self.sequence_value();
            }
            Keyword::Type if self.peek_keyword() == Keyword::Of => return self.column_type(),
            Keyword::Row if self.peek_keyword() == Keyword::Type => return self.row_type(),
            _ => {}
        }
        if keyword.reads_clock() {
            self.statement.reads_clock = true;
        }
        let word = self.advance();
        if self.token.kind == TokenKind::Open {
            match keyword {
                Keyword::Nextval | Keyword::Lastval | Keyword::Setval => {
                    return self.sequence_function(keyword);
                }

                Keyword::Database | Keyword::Schema => self.statement.reads_database_name = true,
                _ => {}
            }
        }
        self.after_name(word)
    }

    /// What follows a name decides what it is.
    fn after_name(&mut self, first: Token) -> Result<(), SqlError> {
        match self.token.kind {
            TokenKind::Dot => {
                let path = self.path_after(first, false);
                self.path_in_expression(path);
            }
            TokenKind::Open if self.is_stored_call(first) => {
                let path = self.path_after(first, false);
                self.call(path);
            }
            _ => {}
        }
        Ok(())
    }

    fn is_stored_call(&self, function: Token) -> bool {
        let may_be_stored = function.kind == TokenKind::Quoted || !is_built_in(self.bytes(function));
        may_be_stored && self.notes_calls && !self.in_body
    }

    fn leading_dot(&mut self) {
        self.advance();
        if self.token.kind.is_name() {
            let first = self.advance();
            let path = self.path_after(first, true);
            self.path_in_expression(path);
        }
    }

    pub(super) fn path_in_expression(&mut self, path: Path) {
        let is_oracle = self.statement.dialect.oracle;
        if path.is_too_long {
            self.doubt(path.first, "a name with more than three parts");
            return;
        }
        let is_call = self.token.kind == TokenKind::Open && !path.has_star;
        if is_call && path.len() > 1 {
            self.call(path);
            return;
        }
        if is_oracle && path.len() == 2 && self.is_sequence_part(path.last()) {
            self.note_table(None, path.first, Access::Write);
            return;
        }
        // db.table%ROWTYPE
        let is_row_type = is_oracle && self.at_operator(b"%") && self.peek_keyword() == Keyword::Rowtype;
        match path.len() + usize::from(path.has_star) + usize::from(is_row_type) {
            3 => self.qualifier(path.first, Place::Column),
            2 => self.column(path.first),
            _ => {}
        }
    }

    fn is_sequence_part(&self, token: Token) -> bool {
        let bytes = self.bytes(token);
        bytes.eq_ignore_ascii_case(b"nextval") || bytes.eq_ignore_ascii_case(b"currval")
    }

    /// Notes the first part of a two-part column; the same one again and again counts once.
    fn column(&mut self, first: Token) {
        let is_new = self
            .columns
            .last()
            .is_none_or(|last| self.bytes(*last) != self.bytes(first));
        if is_new {
            self.columns.push(first);
        }
    }

    /// `@@global.name`, `@@connection.name`: no database is named here.
    fn system_variable(&mut self) {
        self.advance();
        if self.token.kind.is_name() {
            let first = self.advance();
            self.path_after(first, false);
        }
    }

    /// `NEXT VALUE FOR seq`, `PREVIOUS VALUE FOR seq`.
    fn sequence_value(&mut self) -> Result<(), SqlError> {
        let access = self.sequence_access(self.keyword());
        self.advance();
        self.advance();
        if self.eat(Keyword::For) {
            self.table(access)?;
        }
        Ok(())
    }

    /// `(seq ...)` of NEXTVAL, LASTVAL and SETVAL.
    fn sequence_function(&mut self, function: Keyword) -> Result<(), SqlError> {
        let access = self.sequence_access(function);
        self.expect_kind(TokenKind::Open, "`(`")?;
        self.table(access)?;
        self.expression(Until::CLOSE)?;
        self.expect_kind(TokenKind::Close, "`)`")
    }

    /// Asking for the next value changes a sequence; a definition that mentions it does not.
    fn sequence_access(&self, function: Keyword) -> Access {
        match function {
            Keyword::Next | Keyword::Nextval | Keyword::Setval if self.notes_calls => Access::Write,
            _ => Access::Read,
        }
    }

    /// `TYPE OF table.column`, `TYPE OF db.table.column`.
    fn column_type(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.advance();
        let path = self.path("a column after TYPE OF")?;
        if path.len() == 3 {
            self.qualifier(path.first, Place::Column);
        }
        Ok(())
    }

    /// `ROW TYPE OF table`, `ROW TYPE OF db.table`, or a cursor.
    fn row_type(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.advance();
        self.expect(Keyword::Of, "OF")?;
        let path = self.path("a table after ROW TYPE OF")?;
        if path.len() == 2 {
            self.qualifier(path.first, Place::Table);
        }
        Ok(())
    }
}
