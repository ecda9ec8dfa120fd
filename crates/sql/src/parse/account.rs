//! GRANT and REVOKE: the only account statements that name databases.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::name::Name;
use crate::statement::{DatabaseRef, Place, StatementKind};
use crate::token::{Token, TokenKind};

use super::Parser;

impl<'a> Parser<'a> {
    /// `GRANT privileges ON [kind] level TO ...`, `REVOKE ... FROM ...`, and both for roles.
    pub(super) fn grant(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        let mut is_proxy = false;
        while !self.ends_part() && !self.at(Keyword::On) {
            if self.token.kind == TokenKind::Open {
                self.parenthesis()?;
                continue;
            }
            is_proxy |= self.bytes(self.token).eq_ignore_ascii_case(b"PROXY");
            self.advance();
        }
        if self.eat(Keyword::On) && !is_proxy {
            self.privilege_level()?;
        }
        self.rest_is_words(StatementKind::Account)
    }

    /// `[TABLE | FUNCTION | PROCEDURE | PACKAGE [BODY]] * | *.* | db.* | db.name | name`
    fn privilege_level(&mut self) -> Result<(), SqlError> {
        let is_kind = self.at_any(&[
            Keyword::Table,
            Keyword::Function,
            Keyword::Procedure,
            Keyword::Package,
        ]);
        if is_kind && self.peek().kind != TokenKind::Dot {
            self.advance();
            self.eat(Keyword::Body);
        }
        if self.at_operator(b"*") {
            self.statement.grants_in_default = self.peek().kind != TokenKind::Dot;
            return Ok(());
        }
        let path = self.path("a database, table or routine")?;
        match (path.second, path.has_star) {
            (None, true) => self.granted_database(path.first),
            (Some(_), _) => self.qualifier(path.first, Place::Table),
            (None, false) => self.statement.grants_in_default = true,
        }
        Ok(())
    }

    /// The name before `.*` is a pattern: `\_` and `\%` stand for themselves, `_` and `%` for other characters.
    fn granted_database(&mut self, token: Token) {
        let pattern = self.name_of(token);
        let name = Name::from_vec(without_escapes(&pattern));
        self.statement.databases.push(DatabaseRef {
            name,
            span: Self::span(token),
            is_pattern: true,
        });
    }
}

/// The name a pattern spells.
fn without_escapes(pattern: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(pattern.len());
    let mut rest = pattern.iter().peekable();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' if matches!(rest.peek(), Some(b'_' | b'%')) => name.extend(rest.next()),
            _ => name.push(byte),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use crate::dialect::Dialect;
    use crate::parse;

    #[test]
    fn objects_without_a_database_are_told_apart() {
        for (text, expected) in [
            ("GRANT SELECT ON t TO a", true),
            ("GRANT SELECT (c) ON TABLE t TO a", true),
            ("REVOKE EXECUTE ON PROCEDURE p FROM a", true),
            ("GRANT ALL ON * TO a", true),
            ("GRANT ALL ON *.* TO a", false),
            ("GRANT ALL ON d.* TO a", false),
            ("GRANT SELECT ON d.t TO a", false),
            ("GRANT r TO a", false),
            ("GRANT PROXY ON b TO a", false),
            ("CREATE USER a", false),
        ] {
            let statement = parse(text.as_bytes(), &Dialect::default()).unwrap();
            assert_eq!(statement.grants_in_default, expected, "{text}");
        }
    }
}
