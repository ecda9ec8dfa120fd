//! The bodies of routines, triggers and events.
//!
//! Bodies are read statement by statement, as the server does, so that every table position is known as such. Where
//! the end of a statement depends on words (THEN, DO, LOOP), the words are those of the block around it.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::Place;
use crate::token::TokenKind;

use super::Parser;
use super::expression::{Until, until};

impl Parser<'_> {
    /// Takes the body of a routine, trigger or event.
    pub(super) fn body(&mut self) -> Result<(), SqlError> {
        let was_in_body = std::mem::replace(&mut self.in_body, true);
        let result = self.body_statement();
        self.in_body = was_in_body;
        result
    }

    /// Statements up to one of these words, each with its semicolon.
    fn statements(&mut self, ends: &[Keyword]) -> Result<(), SqlError> {
        loop {
            while self.eat_kind(TokenKind::Semicolon) {}
            if self.token.kind == TokenKind::End || self.at_any(ends) {
                return Ok(());
            }
            self.body_statement()?;
            if self.token.kind != TokenKind::Semicolon {
                return Err(self.unexpected("`;`"));
            }
        }
    }

    /// One statement of a body, without its semicolon.
    pub(super) fn body_statement(&mut self) -> Result<(), SqlError> {
        self.deeper(|parser| {
            parser.eat_labels()?;
            parser.unlabelled_statement()
        })
    }

    /// `label:` or, in Oracle mode, `<<label>>`.
    fn eat_labels(&mut self) -> Result<(), SqlError> {
        if self.statement.dialect.oracle {
            while self.eat_operator(b"<") {
                let is_open = self.eat_operator(b"<");
                self.identifier("a label")?;
                if !is_open || !self.eat_operator(b">") || !self.eat_operator(b">") {
                    return Err(self.unexpected("`<<label>>`"));
                }
            }
        } else if self.token.kind.is_name() && self.bytes(self.peek()) == b":" {
            self.advance();
            self.advance();
        }
        Ok(())
    }

    /// The label after END; in Oracle mode also the routine's own name, perhaps with its database.
    pub(super) fn eat_label(&mut self) {
        if !self.token.kind.is_name() {
            return;
        }
        let first = self.advance();
        let path = self.path_after(first, false);
        if path.second.is_some() {
            self.qualifier(first, Place::Body);
        }
    }

    fn unlabelled_statement(&mut self) -> Result<(), SqlError> {
        if self.at_assignment() {
            return self.expression(Until::CLOSE);
        }
        match self.keyword() {
            Keyword::Begin => self.block(),
            Keyword::Declare if self.statement.dialect.oracle => {
                self.advance();
                self.declarations()?;
                self.block()
            }
            Keyword::Declare => self.declare(),
            Keyword::If => self.branches(Keyword::If),
            Keyword::Case => self.case(),
            Keyword::Loop => {
                self.advance();
                self.loop_body(Keyword::Loop)
            }
            Keyword::While => {
                self.advance();
                self.expression(until(&[Keyword::Do, Keyword::Loop]))?;
                self.counted_body(Keyword::While)
            }
            Keyword::Repeat => self.repeat(),
            Keyword::For => self.for_loop(),
            Keyword::Return
            | Keyword::Iterate
            | Keyword::Leave
            | Keyword::Open
            | Keyword::Close
            | Keyword::Fetch
            | Keyword::Signal
            | Keyword::Resignal
            | Keyword::Get
            | Keyword::Exit
            | Keyword::Continue
            | Keyword::Goto
            | Keyword::Raise
            | Keyword::Null => {
                self.advance();
                self.expression(Until::CLOSE)
            }
            Keyword::Prepare | Keyword::Execute => {
                self.is_dynamic = true;
                self.advance();
                self.expression(Until::CLOSE)
            }
            Keyword::Show => {
                self.unknown(self.token, "SHOW in a body");
                Ok(())
            }
            Keyword::None if self.statement.dialect.oracle => self.expression(Until::CLOSE),
            _ if self.statement.dialect.oracle && self.token.kind == TokenKind::Operator => {
                // :NEW.column := ...
                self.expression(Until::CLOSE)
            }
            _ if self.bytes(self.token).eq_ignore_ascii_case(b"DEALLOCATE") => {
                self.is_dynamic = true;
                self.skip_statement();
                Ok(())
            }
            _ => self.statement_here().map(|_| ()),
        }
    }

    /// Oracle mode: `variable :=`, whatever the variable is called.
    fn at_assignment(&self) -> bool {
        let next = self.peek();
        let is_sign = self.bytes(next) == b":" && self.text.get(next.end) == Some(&b'=');
        self.statement.dialect.oracle && is_sign
    }

    /// `BEGIN [NOT ATOMIC] statements [EXCEPTION WHEN ...] END [label]`
    pub(super) fn block(&mut self) -> Result<(), SqlError> {
        self.expect(Keyword::Begin, "BEGIN")?;
        if self.eat(Keyword::Not) {
            self.identifier("ATOMIC")?;
        }
        self.statements(&[Keyword::End, Keyword::Exception])?;
        if self.eat(Keyword::Exception) {
            while self.eat(Keyword::When) {
                self.expression(until(&[Keyword::Then]))?;
                self.expect(Keyword::Then, "THEN")?;
                self.statements(&[Keyword::End, Keyword::When])?;
            }
        }
        self.expect(Keyword::End, "END")?;
        self.eat_label();
        Ok(())
    }

    /// `IF condition THEN statements [ELSEIF ...] [ELSE statements] END IF`
    fn branches(&mut self, closing: Keyword) -> Result<(), SqlError> {
        const BRANCHES: &[Keyword] = &[
            Keyword::Elseif,
            Keyword::Elsif,
            Keyword::Else,
            Keyword::When,
            Keyword::End,
        ];
        loop {
            self.advance();
            self.expression(until(&[Keyword::Then]))?;
            self.expect(Keyword::Then, "THEN")?;
            self.statements(BRANCHES)?;
            if !self.at_any(&[Keyword::Elseif, Keyword::Elsif, Keyword::When]) {
                break;
            }
        }
        if self.eat(Keyword::Else) {
            self.statements(&[Keyword::End])?;
        }
        self.end_of(closing)
    }

    /// `CASE [value] WHEN ... THEN statements ... [ELSE statements] END CASE`
    fn case(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.expression(until(&[Keyword::When]))?;
        if !self.at(Keyword::When) {
            return Err(self.unexpected("WHEN"));
        }
        self.branches(Keyword::Case)
    }

    /// `END IF`, `END CASE`, `END LOOP label` ...
    fn end_of(&mut self, closing: Keyword) -> Result<(), SqlError> {
        self.expect(Keyword::End, "END")?;
        let is_loop = self.statement.dialect.oracle && self.eat(Keyword::Loop);
        if !is_loop {
            self.expect(closing, "the word that closes this block")?;
        }
        self.eat_label();
        Ok(())
    }

    fn loop_body(&mut self, closing: Keyword) -> Result<(), SqlError> {
        self.statements(&[Keyword::End])?;
        self.end_of(closing)
    }

    /// `DO statements END WHILE`, or `LOOP statements END LOOP` in Oracle mode.
    fn counted_body(&mut self, closing: Keyword) -> Result<(), SqlError> {
        if !self.eat(Keyword::Do) {
            self.expect(Keyword::Loop, "DO or LOOP")?;
        }
        self.loop_body(closing)
    }

    /// `REPEAT statements UNTIL condition END REPEAT`
    fn repeat(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.statements(&[Keyword::Until])?;
        self.expect(Keyword::Until, "UNTIL")?;
        self.expression(until(&[Keyword::End]))?;
        self.end_of(Keyword::Repeat)
    }

    /// `FOR name IN range | cursor | (query) DO statements END FOR`
    fn for_loop(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.variable()?;
        self.expect(Keyword::In, "IN")?;
        self.expression(until(&[Keyword::Do, Keyword::Loop]))?;
        self.counted_body(Keyword::For)
    }

    /// DECLARE of variables, conditions, cursors and handlers.
    fn declare(&mut self) -> Result<(), SqlError> {
        self.advance();
        if self.at_handler() {
            return self.handler_declaration();
        }
        self.variable()?;
        while self.eat_kind(TokenKind::Comma) {
            self.variable()?;
        }
        if self.eat(Keyword::Cursor) {
            return self.cursor_query(Keyword::For);
        }
        self.expression(Until::CLOSE)
    }

    pub(super) fn at_handler(&self) -> bool {
        self.at_any(&[Keyword::Continue, Keyword::Exit, Keyword::Undo])
            && self.peek_keyword() == Keyword::Handler
    }

    /// `[(parameters)] FOR | IS query`
    pub(super) fn cursor_query(&mut self, before_query: Keyword) -> Result<(), SqlError> {
        if self.token.kind == TokenKind::Open {
            self.parameters()?;
        }
        self.expect(before_query, "FOR or IS")?;
        if self.token.kind == TokenKind::Open
            || self.at_any(&[Keyword::Select, Keyword::With, Keyword::Values])
        {
            self.query()?;
        }
        self.expression(Until::CLOSE)
    }

    /// `CONTINUE | EXIT HANDLER FOR conditions statement`
    pub(super) fn handler_declaration(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.advance();
        self.expect(Keyword::For, "FOR")?;
        loop {
            match self.keyword() {
                Keyword::Sqlstate => {
                    self.advance();
                    self.eat(Keyword::Value);
                    self.expect_kind(TokenKind::String, "a state")?;
                }
                Keyword::Not => {
                    self.advance();
                    self.expect(Keyword::Found, "FOUND")?;
                }
                _ => {
                    self.advance();
                }
            }
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.body_statement()
    }
}
