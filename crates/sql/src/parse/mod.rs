//! From tokens to a [`Statement`]: a descent through the grammar as far as names go.
//!
//! Each file below takes one part of the grammar. They look only at what decides whether a name is a database, a table,
//! an alias or something else; types, options and expressions are passed over token by token. Promise: every name that
//! can be a database is recorded, or the statement is marked uncertain, or it is an error.

mod account;
mod body;
mod columns;
mod create;
mod created;
mod cursor;
mod define;
mod engine;
mod expression;
mod load;
mod logged_call;
mod query;
mod routine;
mod rows;
mod simple;
mod statements;
mod table;
mod values;

pub use columns::{column_changes, renames_table, with_columns};
pub use created::created_columns;
pub use load::{LoadParts, is_file_clause, load_parts};
pub use logged_call::{LoggedCall, logged_call};
pub use simple::{recognise, recognise_literals};

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;

use smallvec::SmallVec;

use crate::dialect::{ClientCharset, Dialect};
use crate::error::{SqlError, describe};
use crate::keyword::Keyword;
use crate::name::Name;
use crate::recognise::{Literal, Literals};
use crate::scanner::Scanner;
use crate::statement::{Statement, StatementKind, Uncertain};
use crate::token::{Token, TokenKind};

/// Queries, joins in parentheses and blocks may be nested this deep; the server itself stops at 63 queries.
const DEPTH_MAX: usize = 100;

/// From this many names on, aliases are looked up in a set.
const NAMES_IN_A_LIST_MAX: usize = 16;

/// Reads one statement.
///
/// ```
/// use tributary_sql::{Access, Dialect, StatementKind, parse};
/// let statement = parse(b"UPDATE asterisk.calls c SET c.n = 1", &Dialect::default())?;
/// assert_eq!(statement.kind, StatementKind::Update);
/// assert_eq!(statement.tables[0].db.as_deref(), Some(&b"asterisk"[..]));
/// assert_eq!(statement.tables[0].access, Access::Write);
/// # Ok::<(), tributary_sql::SqlError>(())
/// ```
///
/// # Errors
/// [`SqlError`] when a string or comment is not closed, or the statement does not have the form its first words ask
/// for. A statement with unknown first words is no error: its kind is [`StatementKind::Unknown`], and it is uncertain.
pub fn parse<'a>(text: &'a [u8], dialect: &Dialect) -> Result<Statement<'a>, SqlError> {
    if dialect.charset == ClientCharset::Unscannable {
        return Err(SqlError::Charset);
    }
    let mut parser = Parser::new(text, dialect);
    let parsed = parser.whole_text();
    match parser.failure.take() {
        Some(unterminated) => Err(unterminated),
        None => parsed.map(|()| parser.finish()),
    }
}

/// Reads tokens and fills in the statement.
struct Parser<'a> {
    text: &'a [u8],
    scanner: Scanner<'a>,
    /// The token to look at: never blank.
    token: Token,
    /// The keyword `token` is, once someone asked.
    current_keyword: Cell<Option<Keyword>>,
    /// Where the token before it ended.
    previous_end: usize,
    /// Something that is not closed was met; `token` is the end from then on.
    failure: Option<SqlError>,
    depth: usize,
    /// How many queries are open.
    query_depth: usize,
    /// Inside the body of a routine, trigger or event.
    in_body: bool,
    /// Calls of routines are noted: not among column types and index parts.
    notes_calls: bool,
    /// What may stand before the dot of a two-part column: tables, aliases, row variables.
    names: SmallVec<[Name<'a>; 8]>,
    /// First parts of two-part columns.
    columns: SmallVec<[Token; 8]>,
    /// Common table expressions in sight.
    ctes: SmallVec<[Name<'a>; 2]>,
    /// The tables of the outermost FROM (or UPDATE) list.
    leaves: SmallVec<[Leaf<'a>; 4]>,
    /// Text is run as a statement in the body (PREPARE, EXECUTE IMMEDIATE).
    is_dynamic: bool,
    /// Of a row statement; see [`recognise_literals`].
    literals: Literals<'a>,
    /// The literal read last, if it can stand for a value by itself.
    last_literal: Option<Literal<'a>>,
    /// Which value of a row is being read.
    row_place: Option<usize>,
    statement: Statement<'a>,
}

/// One entry of a FROM list.
#[derive(Clone, Debug)]
struct Leaf<'a> {
    /// Its place in [`Statement::tables`]; `None` for a derived table, a common table expression, or in a body.
    table: Option<usize>,
    alias: Option<Name<'a>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], dialect: &Dialect) -> Parser<'a> {
        let mut parser = Parser {
            text,
            scanner: Scanner::new(text, dialect),
            token: Token {
                kind: TokenKind::End,
                start: 0,
                end: 0,
            },
            current_keyword: Cell::new(None),
            previous_end: 0,
            failure: None,
            depth: 0,
            query_depth: 0,
            in_body: false,
            notes_calls: false,
            names: SmallVec::new(),
            columns: SmallVec::new(),
            ctes: SmallVec::new(),
            leaves: SmallVec::new(),
            is_dynamic: false,
            literals: Literals::default(),
            last_literal: None,
            row_place: None,
            statement: Statement::new(dialect),
        };
        parser.advance();
        parser
    }

    fn whole_text(&mut self) -> Result<(), SqlError> {
        if self.token.kind == TokenKind::End {
            self.statement.kind = StatementKind::Empty;
            return Ok(());
        }
        self.statement.kind = self.statement_here()?;
        while self.token.kind == TokenKind::Semicolon {
            self.statement.is_joinable = false;
            self.advance();
        }
        match self.token.kind {
            TokenKind::End => Ok(()),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    fn finish(mut self) -> Statement<'a> {
        use StatementKind::{Empty, Unknown};
        let is_open = self.scanner.ends_in_line_comment() || self.scanner.is_in_version_comment();
        self.statement.is_joinable &= !is_open && !matches!(self.statement.kind, Empty | Unknown);
        self.statement.newest_version_comment = self.scanner.newest_version();
        self.statement.oldest_skipped_comment = self.scanner.oldest_skipped();
        self.statement.has_dynamic_sql = self.is_dynamic;
        self.resolve_columns();
        self.statement
    }

    /// Keeps the first parts of columns that name nothing in the statement: they may be meant as databases.
    fn resolve_columns(&mut self) {
        if self.columns.is_empty() {
            return;
        }
        let known: Option<HashSet<Vec<u8>>> = (self.names.len() > NAMES_IN_A_LIST_MAX)
            .then(|| self.names.iter().map(|name| name.to_ascii_lowercase()).collect());
        for token in std::mem::take(&mut self.columns) {
            let name = self.name_of(token);
            let is_known = match &known {
                Some(set) => set.contains(&name.to_ascii_lowercase()),
                None => self.names.iter().any(|known| known.eq_ignore_ascii_case(&name)),
            };
            if !is_known {
                self.statement.unresolved.push(token.start..token.end);
            }
        }
    }

    /// Marks everything from `first` up to here as uncertain; the first reason is the one shown.
    fn doubt(&mut self, first: Token, why: &'static str) {
        self.statement.doubtful.push(first.start..self.previous_end);
        if self.statement.uncertain.is_none() {
            let text = describe(self.text, first);
            self.statement.uncertain = Some(Uncertain {
                token: text,
                offset: first.start,
                why,
            });
        }
    }

    /// Runs `inside` one level deeper.
    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.depth == DEPTH_MAX {
            return Err(SqlError::TooDeep {
                limit: DEPTH_MAX,
                offset: self.token.start,
            });
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn span(token: Token) -> Range<usize> {
        token.start..token.end
    }
}
