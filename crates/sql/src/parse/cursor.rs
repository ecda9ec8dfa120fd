//! Moving through the tokens.

use crate::error::{SqlError, describe};
use crate::keyword::Keyword;
use crate::name::Name;
use crate::scanner::Scanner;
use crate::token::{Token, TokenKind};

use super::Parser;

/// A place among the tokens.
#[derive(Clone, Copy)]
pub(super) struct Mark<'a> {
    scanner: Scanner<'a>,
    token: Token,
}

impl<'a> Parser<'a> {
    /// Takes the current token and goes to the next one.
    pub(super) fn advance(&mut self) -> Token {
        let taken = self.token;
        self.previous_end = taken.end;
        self.current_keyword.set(None);
        if self.failure.is_some() {
            return taken;
        }
        self.token = self.scanner.next_significant();
        if self.token.kind == TokenKind::Unterminated {
            self.failure = Some(self.unterminated(self.token));
            self.token = Token {
                kind: TokenKind::End,
                start: self.token.start,
                end: self.token.start,
            };
        }
        taken
    }

    fn unterminated(&self, token: Token) -> SqlError {
        let what = match self.text.get(token.start) {
            Some(b'/') => "a comment",
            Some(b'`' | b'[') => "a quoted name",
            _ => "a string",
        };
        SqlError::Unterminated {
            what,
            offset: token.start,
        }
    }

    /// A place to come back to.
    pub(super) fn mark(&self) -> Mark<'a> {
        Mark {
            scanner: self.scanner,
            token: self.token,
        }
    }

    /// Goes back to a place.
    pub(super) fn reset(&mut self, mark: Mark<'a>) {
        self.scanner = mark.scanner;
        self.current_keyword.set(None);
        self.token = mark.token;
    }

    /// The token after the current one.
    pub(super) fn peek(&self) -> Token {
        let mut ahead = self.scanner;
        ahead.next_significant()
    }

    /// The keyword the current token is. A word directly before a dot and a name is an identifier whatever it spells.
    pub(super) fn keyword(&self) -> Keyword {
        if self.token.kind != TokenKind::Word {
            return Keyword::None;
        }
        if let Some(known) = self.current_keyword.get() {
            return known;
        }
        let keyword = self.keyword_of(self.token);
        self.current_keyword.set(Some(keyword));
        keyword
    }

    /// The keyword the token after the current one is.
    pub(super) fn peek_keyword(&self) -> Keyword {
        self.keyword_of(self.peek())
    }

    pub(super) fn keyword_of(&self, token: Token) -> Keyword {
        if token.kind != TokenKind::Word {
            return Keyword::None;
        }
        let is_qualifier = self.text.get(token.end) == Some(&b'.')
            && self
                .text
                .get(token.end + 1)
                .is_some_and(|byte| crate::scanner::continues_name(*byte));
        if is_qualifier {
            return Keyword::None;
        }
        match Keyword::of(self.bytes(token)) {
            // A set operator in Oracle mode, a name elsewhere.
            Keyword::Minus if !self.statement.dialect.oracle => Keyword::None,
            keyword => keyword,
        }
    }

    pub(super) fn at(&self, keyword: Keyword) -> bool {
        self.token.kind == TokenKind::Word && self.keyword() == keyword
    }

    pub(super) fn at_any(&self, keywords: &[Keyword]) -> bool {
        self.token.kind == TokenKind::Word && keywords.contains(&self.keyword())
    }

    /// Takes the current token if it is this keyword.
    pub(super) fn eat(&mut self, keyword: Keyword) -> bool {
        let found = self.at(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Takes the current token if it is of this kind.
    pub(super) fn eat_kind(&mut self, kind: TokenKind) -> bool {
        let found = self.token.kind == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Takes the current token if it is this operator.
    pub(super) fn eat_operator(&mut self, operator: &[u8]) -> bool {
        let found = self.at_operator(operator);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn at_operator(&self, operator: &[u8]) -> bool {
        self.token.kind == TokenKind::Operator && self.bytes(self.token) == operator
    }

    /// Takes as many of these keywords as stand here, in any order.
    pub(super) fn eat_all(&mut self, keywords: &[Keyword]) {
        while self.at_any(keywords) {
            self.advance();
        }
    }

    /// Takes `IF EXISTS` or `IF NOT EXISTS`; whether it was there.
    pub(super) fn eat_if_exists(&mut self) -> Result<bool, SqlError> {
        if !self.at(Keyword::If) {
            return Ok(false);
        }
        self.advance();
        self.eat(Keyword::Not);
        self.expect(Keyword::Exists, "EXISTS")?;
        Ok(true)
    }

    pub(super) fn expect(&mut self, keyword: Keyword, expected: &'static str) -> Result<(), SqlError> {
        if self.eat(keyword) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    pub(super) fn expect_kind(&mut self, kind: TokenKind, expected: &'static str) -> Result<(), SqlError> {
        if self.eat_kind(kind) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> SqlError {
        SqlError::Unexpected {
            expected,
            offset: self.token.start,
            near: describe(self.text, self.token),
        }
    }

    /// Takes an identifier.
    pub(super) fn identifier(&mut self, expected: &'static str) -> Result<Token, SqlError> {
        if self.token.kind.is_name() {
            Ok(self.advance())
        } else {
            Err(self.unexpected(expected))
        }
    }

    pub(super) fn bytes(&self, token: Token) -> &'a [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The name a token spells, without its quotes.
    pub(super) fn name_of(&self, token: Token) -> Name<'a> {
        match token.kind {
            TokenKind::Quoted => Name::from_quoted(self.bytes(token), self.statement.dialect.charset),
            _ => Name::new(self.bytes(token)),
        }
    }

    /// Takes everything up to the end, or to a semicolon.
    pub(super) fn skip_statement(&mut self) {
        while !matches!(self.token.kind, TokenKind::End | TokenKind::Semicolon) {
            self.advance();
        }
    }
}
