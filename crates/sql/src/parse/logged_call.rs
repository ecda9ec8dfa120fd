//! Calls of stored functions as the server logs them.

use crate::dialect::Dialect;
use crate::name::Name;
use crate::rename::quoted;
use crate::token::TokenKind;

use super::Parser;

/// How the server begins the statement that stands in the binlog for a function's call.
const START: &[u8] = b"SELECT ";

/// A statement that the server made of a stored function's call: ``SELECT `database`.`function`(literals)``.
///
/// It is logged where a function changes data, in any place of a statement that is not logged itself. No other SELECT is
/// logged. MariaDB server, `sql/sp_head.cc`, `sp_head::execute_function`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCall<'a> {
    /// The function's database, never a package.
    pub database: Name<'a>,
    name: Name<'a>,
    /// Where the name is written, quotes included.
    span: std::ops::Range<usize>,
}

/// The call that a statement logs; `None` when it is no such statement.
#[must_use]
pub fn logged_call<'a>(text: &'a [u8], dialect: &Dialect) -> Option<LoggedCall<'a>> {
    if !text.starts_with(START) {
        return None;
    }
    let mut parser = Parser::new(text, dialect);
    parser.advance();
    let mut end = START.len();
    let mut next = |kind| {
        let token = parser.advance();
        let follows = token.kind == kind && token.start == end;
        end = token.end;
        follows.then_some(token)
    };
    let database = next(TokenKind::Quoted)?;
    next(TokenKind::Dot)?;
    let name = next(TokenKind::Quoted)?;
    next(TokenKind::Open)?;
    Some(LoggedCall {
        database: parser.name_of(database),
        name: parser.name_of(name),
        span: name.start..name.end,
    })
}

impl LoggedCall<'_> {
    /// The package, if the name is that of a package's function, as the server logs it: `` `package.function` ``. Written so
    /// it can be called by no server.
    #[must_use]
    pub fn package(&self) -> Option<&[u8]> {
        self.parts().map(|(package, _)| package)
    }

    /// The call of the package's function in words that a server understands; `text` is the statement.
    #[must_use]
    pub fn of_package(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (package, function) = self.parts()?;
        let quote = *text.get(self.span.start)?;
        let before = text.get(..self.span.start)?;
        let after = text.get(self.span.end..)?;
        let name = [quoted(package, quote), quoted(function, quote)].join(&b'.');
        Some([before, &name, after].concat())
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let dot = self.name.iter().position(|byte| *byte == b'.')?;
        let (package, function) = (self.name.get(..dot)?, self.name.get(dot + 1..)?);
        let is_one = !package.is_empty() && !function.is_empty() && !function.contains(&b'.');
        is_one.then_some((package, function))
    }
}

impl Parser<'_> {
    /// Whether the database of a call starts here that the server itself has written out.
    pub(super) fn is_logged_call(&self, first: usize) -> bool {
        first == START.len() && logged_call(self.text, &self.statement.dialect).is_some()
    }
}
