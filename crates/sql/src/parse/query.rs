//! Queries: WITH, SELECT, VALUES, set operations, and FROM lists.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::name::Name;
use crate::statement::Access;
use crate::token::TokenKind;

use super::expression::{Until, until};
use super::{Leaf, Parser};

/// What ends the condition of a join: the next join, or the next part of the statement.
const AFTER_CONDITION: &[Keyword] = &[
    Keyword::Join,
    Keyword::Inner,
    Keyword::Cross,
    Keyword::Left,
    Keyword::Right,
    Keyword::Natural,
    Keyword::StraightJoin,
    Keyword::On,
    Keyword::Using,
    Keyword::Where,
    Keyword::Group,
    Keyword::Having,
    Keyword::Order,
    Keyword::Limit,
    Keyword::Offset,
    Keyword::Fetch,
    Keyword::Window,
    Keyword::Union,
    Keyword::Except,
    Keyword::Intersect,
    Keyword::Minus,
    Keyword::Procedure,
    Keyword::Into,
    Keyword::For,
    Keyword::Lock,
    Keyword::Set,
    Keyword::Returning,
];

/// What joins two queries.
const SET_OPERATORS: &[Keyword] = &[
    Keyword::Union,
    Keyword::Except,
    Keyword::Intersect,
    Keyword::Minus,
];

const SET_OPERATORS_OR_FROM: &[Keyword] = &[
    Keyword::From,
    Keyword::Union,
    Keyword::Except,
    Keyword::Intersect,
    Keyword::Minus,
];

impl<'a> Parser<'a> {
    /// Takes a query with everything that belongs to it: WITH, unions, ORDER BY, LIMIT, INTO, FOR UPDATE.
    pub(super) fn query(&mut self) -> Result<(), SqlError> {
        self.deeper(|parser| {
            let (ctes, noted_calls) = (parser.ctes.len(), parser.notes_calls);
            parser.query_depth += 1;
            parser.notes_calls = true;
            let result = parser.query_parts();
            parser.notes_calls = noted_calls;
            parser.query_depth -= 1;
            parser.ctes.truncate(ctes);
            result
        })
    }

    fn query_parts(&mut self) -> Result<(), SqlError> {
        if self.at(Keyword::With) {
            self.common_tables()?;
        }
        loop {
            match self.keyword() {
                Keyword::Select => self.select()?,
                Keyword::Values => {
                    self.advance();
                    self.expression(until(SET_OPERATORS))?;
                }
                Keyword::Table => {
                    self.advance();
                    self.table(Access::Read)?;
                    self.expression(until(SET_OPERATORS))?;
                }
                _ if self.token.kind == TokenKind::Open => {
                    self.parenthesis()?;
                    self.expression(until(SET_OPERATORS))?;
                }
                _ => return Err(self.unexpected("SELECT")),
            }
            if !self.at_any(SET_OPERATORS) {
                return Ok(());
            }
            self.advance();
            self.eat_all(&[Keyword::All, Keyword::Distinct]);
        }
    }

    /// `WITH [RECURSIVE] name [(columns)] AS (query) [CYCLE ...], ...`
    fn common_tables(&mut self) -> Result<(), SqlError> {
        self.advance();
        let is_recursive = self.eat(Keyword::Recursive);
        loop {
            let token = self.identifier("the name of a common table expression")?;
            let name = self.name_of(token);
            self.names.push(name.clone());
            if is_recursive {
                self.ctes.push(name.clone());
            }
            if self.token.kind == TokenKind::Open {
                self.parenthesis()?;
            }
            self.expect(Keyword::As, "AS")?;
            self.parenthesis()?;
            if !is_recursive {
                self.ctes.push(name);
            }
            if self.eat(Keyword::Cycle) {
                self.cycle()?;
            }
            if !self.eat_kind(TokenKind::Comma) {
                return Ok(());
            }
        }
    }

    /// `CYCLE columns RESTRICT`, of which CYCLE is taken.
    fn cycle(&mut self) -> Result<(), SqlError> {
        loop {
            self.identifier("a column")?;
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.identifier("RESTRICT")?;
        Ok(())
    }

    fn select(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.expression(until(SET_OPERATORS_OR_FROM))?;
        if self.eat(Keyword::From) {
            self.table_references(Access::Read)?;
            self.expression(until(SET_OPERATORS))?;
        }
        Ok(())
    }

    /// Takes a FROM list: tables, derived tables and joins.
    pub(super) fn table_references(&mut self, access: Access) -> Result<(), SqlError> {
        self.table_factor(access)?;
        loop {
            match self.keyword() {
                Keyword::On if self.peek_keyword() == Keyword::Duplicate => return Ok(()),
                Keyword::On => {
                    self.advance();
                    self.expression(Until {
                        keywords: AFTER_CONDITION,
                        comma: true,
                    })?;
                }
                Keyword::Using if self.peek().kind == TokenKind::Open => {
                    self.advance();
                    self.parenthesis()?;
                }
                Keyword::Join | Keyword::StraightJoin => {
                    self.advance();
                    self.table_factor(access)?;
                }
                Keyword::Inner
                | Keyword::Cross
                | Keyword::Left
                | Keyword::Right
                | Keyword::Full
                | Keyword::Natural => {
                    self.eat_all(&[
                        Keyword::Natural,
                        Keyword::Inner,
                        Keyword::Cross,
                        Keyword::Left,
                        Keyword::Right,
                        Keyword::Full,
                    ]);
                    self.eat(Keyword::Outer);
                    if !self.eat(Keyword::StraightJoin) {
                        self.expect(Keyword::Join, "JOIN")?;
                    }
                    self.table_factor(access)?;
                }
                _ if self.eat_kind(TokenKind::Comma) => self.table_factor(access)?,
                _ => return Ok(()),
            }
        }
    }

    fn table_factor(&mut self, access: Access) -> Result<(), SqlError> {
        if self.at(Keyword::Lateral) && self.peek().kind == TokenKind::Open {
            self.advance();
        }
        if self.token.kind == TokenKind::Open {
            self.deeper(|parser| parser.table_parenthesis(access))?;
            return self.leaf_without_table();
        }
        if self.eat_operator(b"{") {
            // { OJ table LEFT JOIN table ON ... }
            self.identifier("OJ")?;
            self.deeper(|parser| parser.table_references(access))?;
            return if self.eat_operator(b"}") {
                Ok(())
            } else {
                Err(self.unexpected("`}`"))
            };
        }
        match self.keyword() {
            Keyword::Dual => {
                self.advance();
                Ok(())
            }
            Keyword::JsonTable if self.peek().kind == TokenKind::Open => {
                self.advance();
                self.parenthesis()?;
                self.leaf_without_table()
            }
            _ => {
                let table = self.table(access)?;
                self.after_table(table)
            }
        }
    }

    /// A derived table, or a join in parentheses. Which it is may show only inside: `((SELECT 1) UNION SELECT 2)`.
    fn table_parenthesis(&mut self, access: Access) -> Result<(), SqlError> {
        self.advance();
        match self.keyword() {
            Keyword::Select | Keyword::With | Keyword::Values => self.query()?,
            _ => {
                self.table_references(access)?;
                self.expression(Until::CLOSE)?;
            }
        }
        self.expect_kind(TokenKind::Close, "`)`")
    }

    /// `[PARTITION (...)] [FOR SYSTEM_TIME ...] [[AS] alias] [index hints]`
    fn after_table(&mut self, table: Option<usize>) -> Result<(), SqlError> {
        self.partitions()?;
        if self.at(Keyword::For) && self.peek_keyword() == Keyword::SystemTime {
            self.system_time()?;
        }
        let alias = self.alias()?;
        self.leaf(table, alias);
        self.index_hints()
    }

    fn leaf_without_table(&mut self) -> Result<(), SqlError> {
        let alias = self.alias()?;
        if alias.is_some() && self.token.kind == TokenKind::Open {
            self.parenthesis()?;
        }
        self.leaf(None, alias);
        Ok(())
    }

    fn leaf(&mut self, table: Option<usize>, alias: Option<Name<'a>>) {
        if self.query_depth == 0 {
            self.leaves.push(Leaf { table, alias });
        }
    }

    pub(super) fn partitions(&mut self) -> Result<(), SqlError> {
        if self.eat(Keyword::Partition) {
            self.parenthesis()
        } else {
            Ok(())
        }
    }

    /// `[AS] alias`, which is then known as the name of a table.
    pub(super) fn alias(&mut self) -> Result<Option<Name<'a>>, SqlError> {
        let has_as = self.eat(Keyword::As);
        if !has_as && (!self.token.kind.is_name() || self.goes_on_after_table()) {
            return Ok(None);
        }
        let token = self.identifier("an alias")?;
        let name = self.name_of(token);
        self.names.push(name.clone());
        Ok(Some(name))
    }

    /// Whether the current word goes on with the statement after a table, rather than being its alias.
    fn goes_on_after_table(&self) -> bool {
        match self.keyword() {
            Keyword::Full => matches!(self.peek_keyword(), Keyword::Join | Keyword::Outer),
            keyword => keyword.ends_table(),
        }
    }

    fn index_hints(&mut self) -> Result<(), SqlError> {
        while self.at_any(&[Keyword::Use, Keyword::Force, Keyword::Ignore])
            && matches!(self.peek_keyword(), Keyword::Index | Keyword::Key)
        {
            self.advance();
            self.advance();
            if self.eat(Keyword::For) {
                while self.token.kind == TokenKind::Word {
                    self.advance();
                }
            }
            self.parenthesis()?;
        }
        Ok(())
    }

    /// `FOR SYSTEM_TIME ALL | AS OF point | FROM point TO point | BETWEEN point AND point`
    fn system_time(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.advance();
        match self.keyword() {
            Keyword::All => {
                self.advance();
                Ok(())
            }
            Keyword::As | Keyword::Before => {
                self.advance();
                self.eat(Keyword::Of);
                self.point_in_time()
            }
            Keyword::From | Keyword::Between => {
                self.advance();
                self.point_in_time()?;
                // TO or AND
                self.identifier("TO or AND")?;
                self.point_in_time()
            }
            _ => Err(self.unexpected("ALL, AS OF, FROM or BETWEEN")),
        }
    }

    /// An arithmetic expression: it must end where an alias may begin.
    fn point_in_time(&mut self) -> Result<(), SqlError> {
        if self.at_any(&[Keyword::Timestamp, Keyword::Transaction]) && self.peek().kind != TokenKind::Open {
            self.advance();
        }
        loop {
            self.operand()?;
            if self.token.kind != TokenKind::Operator || self.at_operator(b"}") {
                return Ok(());
            }
            self.advance();
        }
    }

    fn operand(&mut self) -> Result<(), SqlError> {
        while self.token.kind == TokenKind::Operator {
            self.advance();
        }
        if self.eat(Keyword::Interval) {
            self.operand()?;
            self.identifier("a unit of time")?;
            return Ok(());
        }
        match self.token.kind {
            TokenKind::Open => self.parenthesis(),
            TokenKind::Word | TokenKind::Quoted => {
                self.statement.reads_clock |= self.keyword().reads_clock();
                let path = self.path("an expression")?;
                self.path_in_expression(path);
                if self.token.kind == TokenKind::Open {
                    self.parenthesis()
                } else {
                    Ok(())
                }
            }
            TokenKind::String | TokenKind::Number | TokenKind::UserVar => {
                self.advance();
                Ok(())
            }
            TokenKind::SystemVar => {
                self.advance();
                self.path("a system variable")?;
                Ok(())
            }
            _ => Err(self.unexpected("an expression")),
        }
    }
}
