//! Routines: names, parameters, types and characteristics, and what Oracle mode declares before BEGIN.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::StatementKind;
use crate::token::TokenKind;

use super::Parser;
use super::expression::Until;

impl Parser<'_> {
    /// `PROCEDURE | FUNCTION | PACKAGE [BODY] [IF NOT EXISTS] name ...`
    pub(super) fn create_routine(&mut self) -> Result<StatementKind, SqlError> {
        let is_package = self.at(Keyword::Package);
        self.advance();
        if is_package {
            self.eat(Keyword::Body);
        }
        self.eat_if_exists()?;
        let name = self.object("the name of a routine")?;
        if is_package && !self.in_body {
            self.statement.package = Some(name);
        }
        let was_in_body = std::mem::replace(&mut self.in_body, true);
        let result = if is_package {
            self.package()
        } else {
            self.routine()
        };
        self.in_body = was_in_body;
        result
    }

    /// Everything after the name: `[(parameters)] [RETURNS type] characteristics body`, or `SONAME 'library'`.
    fn routine(&mut self) -> Result<StatementKind, SqlError> {
        if self.token.kind == TokenKind::Open {
            self.parameters()?;
        }
        if self.eat(Keyword::Returns) || self.eat(Keyword::Return) {
            self.data_type()?;
        }
        self.characteristics()?;
        if self.eat(Keyword::Soname) {
            self.advance();
            return Ok(StatementKind::Install);
        }
        if self.eat(Keyword::As) || self.eat(Keyword::Is) {
            self.declarations()?;
        }
        if self.ends_part() {
            // A declaration in a package, without a body.
            return Ok(StatementKind::CreateRoutine);
        }
        self.body_statement()?;
        Ok(StatementKind::CreateRoutine)
    }

    /// `[characteristics] AS | IS declarations [BEGIN statements] END [name]`
    fn package(&mut self) -> Result<StatementKind, SqlError> {
        self.characteristics()?;
        if !self.eat(Keyword::As) {
            self.expect(Keyword::Is, "AS or IS")?;
        }
        self.declarations()?;
        if self.at(Keyword::Begin) {
            self.block()?;
        } else {
            self.expect(Keyword::End, "END")?;
            self.eat_label();
        }
        Ok(StatementKind::CreateRoutine)
    }

    /// `([IN | OUT | INOUT] name type, ...)`; the names may stand before a dot.
    pub(super) fn parameters(&mut self) -> Result<(), SqlError> {
        self.advance();
        while !self.ends_part() {
            let is_direction = self.at_any(&[Keyword::In, Keyword::Out, Keyword::Inout]);
            if is_direction && self.peek().kind.is_name() {
                self.advance();
            }
            self.variable()?;
            self.expression(Until {
                keywords: &[],
                comma: true,
            })?;
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.expect_kind(TokenKind::Close, "`)`")
    }

    /// Takes the name of a variable, which may be a row: `name.field` is not a table's column.
    pub(super) fn variable(&mut self) -> Result<(), SqlError> {
        let token = self.identifier("the name of a variable")?;
        self.names.push(self.name_of(token));
        Ok(())
    }

    /// A type, with its character set: it ends where the characteristics or the body begin.
    fn data_type(&mut self) -> Result<(), SqlError> {
        if self.at_any(&[Keyword::Row, Keyword::Type]) && self.peek().kind == TokenKind::Word {
            // ROW TYPE OF table, TYPE OF table.column
            return self.word(self.keyword());
        }
        let path = self.path("a type")?;
        self.path_in_expression(path);
        loop {
            if self.token.kind == TokenKind::Open {
                self.parenthesis()?;
            } else if self.eat_operator(b"%") {
                self.identifier("TYPE or ROWTYPE")?;
            } else if self.at_any(&[Keyword::Character, Keyword::Charset, Keyword::Collate]) {
                let is_character = self.eat(Keyword::Character);
                if !is_character {
                    self.advance();
                }
                if is_character && !self.eat(Keyword::Set) {
                    continue;
                }
                if !self.eat_kind(TokenKind::String) {
                    self.identifier("a character set or collation")?;
                }
            } else if self.token.kind == TokenKind::Word && is_type_attribute(self.bytes(self.token)) {
                self.advance();
            } else {
                return Ok(());
            }
        }
    }

    /// `COMMENT 'text'`, `LANGUAGE SQL`, `[NOT] DETERMINISTIC`, `NO SQL`, `READS SQL DATA`, `SQL SECURITY DEFINER` ...
    fn characteristics(&mut self) -> Result<(), SqlError> {
        loop {
            let words = match self.keyword() {
                Keyword::Deterministic => 1,
                Keyword::Comment | Keyword::Language | Keyword::Not | Keyword::Contains | Keyword::No => 2,
                Keyword::Reads | Keyword::Modifies | Keyword::Sql => 3,
                _ => return Ok(()),
            };
            for _ in 0..words {
                self.advance();
            }
        }
    }

    /// Oracle mode: declarations before BEGIN, or in a package, each with its semicolon.
    pub(super) fn declarations(&mut self) -> Result<(), SqlError> {
        loop {
            while self.eat_kind(TokenKind::Semicolon) {}
            if self.at_any(&[Keyword::Begin, Keyword::End]) || self.token.kind == TokenKind::End {
                return Ok(());
            }
            match self.keyword() {
                _ if self.at_handler() => self.handler_declaration()?,
                Keyword::Procedure | Keyword::Function => {
                    self.advance();
                    self.identifier("the name of a routine")?;
                    self.deeper(|parser| parser.routine())?;
                }
                Keyword::Cursor => {
                    self.advance();
                    self.variable()?;
                    self.cursor_query(Keyword::Is)?;
                }
                _ if !self.token.kind.is_name() => return Err(self.unexpected("a declaration or BEGIN")),
                // A statement without BEGIN is a whole body.
                _ if self.begins_statement() => return Ok(()),
                _ => {
                    self.variable()?;
                    while self.eat_kind(TokenKind::Comma) {
                        self.variable()?;
                    }
                    self.expression(Until::CLOSE)?;
                }
            }
        }
    }

    fn begins_statement(&self) -> bool {
        self.at_any(&[
            Keyword::Select,
            Keyword::Insert,
            Keyword::Update,
            Keyword::Delete,
            Keyword::Replace,
            Keyword::Return,
            Keyword::Call,
            Keyword::Set,
        ])
    }
}

/// Words that belong to a type.
fn is_type_attribute(word: &[u8]) -> bool {
    const WORDS: &[&str] = &[
        "ASCII",
        "BINARY",
        "BYTE",
        "PRECISION",
        "RAW",
        "SIGNED",
        "UNICODE",
        "UNSIGNED",
        "VARBINARY",
        "VARCHAR",
        "VARCHARACTER",
        "VARYING",
        "ZEROFILL",
        "CHAR",
    ];
    WORDS
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}
