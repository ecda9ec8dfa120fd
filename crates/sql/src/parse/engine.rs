//! Where a table's storage engine is named.

use crate::error::SqlError;
use crate::name::Name;
use crate::statement::EngineRef;
use crate::token::{Token, TokenKind};

use super::Parser;
use crate::keyword::Keyword;

impl<'a> Parser<'a> {
    /// Whether `ENGINE [=] name` stands here.
    pub(super) fn at_engine(&self) -> bool {
        if self.token.kind != TokenKind::Word || !self.bytes(self.token).eq_ignore_ascii_case(b"ENGINE") {
            return false;
        }
        let next = self.peek();
        self.bytes(next) == b"=" || next.kind.is_name() || next.kind == TokenKind::String
    }

    /// Takes `ENGINE [=] name`.
    pub(super) fn engine(&mut self) {
        self.advance();
        self.eat_operator(b"=");
        if !self.token.kind.is_name() && self.token.kind != TokenKind::String {
            return;
        }
        let token = self.advance();
        if !self.in_body {
            let name = self.engine_name(token);
            self.statement.engines.push(EngineRef {
                name,
                span: Self::span(token),
            });
        }
    }

    fn engine_name(&self, token: Token) -> Name<'a> {
        match token.kind {
            TokenKind::String => Name::from_quoted(self.bytes(token), self.statement.dialect.charset),
            _ => self.name_of(token),
        }
    }

    /// Whether a list of partitions opens here.
    pub(super) fn at_partitions(&self) -> bool {
        self.token.kind == TokenKind::Open && self.peek_keyword() == Keyword::Partition
    }

    /// `(PARTITION name [VALUES ...] [options] [(SUBPARTITION ...)], ...)`
    pub(super) fn partition_definitions(&mut self) -> Result<(), SqlError> {
        let mut open = 0_usize;
        let mut names_partition = false;
        loop {
            let was_named = std::mem::replace(&mut names_partition, false);
            match self.token.kind {
                TokenKind::End | TokenKind::Semicolon => return Err(self.unexpected("`)`")),
                TokenKind::Open => {
                    self.advance();
                    open += 1;
                }
                TokenKind::Close => {
                    self.advance();
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return Ok(());
                    }
                }
                _ if !was_named && self.at_engine() => self.engine(),
                _ => {
                    let word = self.bytes(self.token);
                    names_partition =
                        word.eq_ignore_ascii_case(b"PARTITION") || word.eq_ignore_ascii_case(b"SUBPARTITION");
                    self.element()?;
                }
            }
        }
    }
}
