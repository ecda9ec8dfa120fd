//! Statements that write rows.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::{Access, StatementKind};
use crate::token::{Token, TokenKind};

use super::Parser;
use super::expression::{Until, until};
use super::table::Path;

const AFTER_ASSIGNMENT: &[Keyword] = &[Keyword::Where, Keyword::Order, Keyword::Limit, Keyword::Returning];

/// A target of a multi-table DELETE.
struct Target {
    db: Option<Token>,
    name: Token,
}

impl Parser<'_> {
    /// INSERT and REPLACE: `... [INTO] table [PARTITION (...)] [(columns)] VALUES | SELECT | SET ...`
    pub(super) fn insert(&mut self, kind: StatementKind) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_all(&[
            Keyword::LowPriority,
            Keyword::Delayed,
            Keyword::HighPriority,
            Keyword::Ignore,
        ]);
        self.eat(Keyword::Into);
        self.table(Access::Write)?;
        self.partitions()?;
        let mut has_list = false;
        if self.token.kind == TokenKind::Open {
            let inside = self.peek();
            let is_query = inside.kind == TokenKind::Open
                || matches!(
                    self.keyword_of(inside),
                    Keyword::Select | Keyword::With | Keyword::Values
                );
            if !is_query {
                self.column_list()?;
                has_list = true;
            }
        }
        self.statement.is_positional |= !has_list && !self.at(Keyword::Set) && !self.in_body;
        match self.keyword() {
            Keyword::Select | Keyword::With => self.query()?,
            _ if self.token.kind == TokenKind::Open => self.query()?,
            Keyword::Values | Keyword::Value | Keyword::Set => {
                self.advance();
            }
            _ => return Err(self.unexpected("VALUES, SET or SELECT")),
        }
        // The rows or assignments; after a query, ON DUPLICATE KEY UPDATE and RETURNING.
        self.expression(Until::CLOSE)?;
        Ok(kind)
    }

    /// `(column, table.column, db.table.column, ...)`
    fn column_list(&mut self) -> Result<(), SqlError> {
        self.advance();
        while self.token.kind != TokenKind::Close {
            let path = self.path("a column")?;
            if path.second.is_some() {
                self.path_in_expression(path);
            }
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.expect_kind(TokenKind::Close, "`)`")
    }

    /// `UPDATE [LOW_PRIORITY] [IGNORE] tables [FOR PORTION OF ...] SET assignments ...`
    pub(super) fn update(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_all(&[Keyword::LowPriority, Keyword::Ignore]);
        self.table_references(Access::Read)?;
        if self.at(Keyword::For) {
            self.expression(until(&[Keyword::Set]))?;
        }
        self.expect(Keyword::Set, "SET")?;
        let leaves = self.leaves.clone();
        loop {
            let target = self.path("a column")?;
            if target.second.is_some() {
                self.path_in_expression(target);
            }
            self.mark_assigned(&leaves, target);
            if !self.at_operator(b"=") && !self.at_operator(b":") {
                return Err(self.unexpected("`=`"));
            }
            self.expression(Until {
                keywords: AFTER_ASSIGNMENT,
                comma: true,
            })?;
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.expression(Until::CLOSE)?;
        self.note_update_order(&leaves);
        Ok(StatementKind::Update)
    }

    /// Marks the table whose column is assigned as written; all of them when it could be any.
    fn mark_assigned(&mut self, leaves: &[super::Leaf<'_>], target: Path) {
        let qualifier = match (target.second, target.third) {
            (Some(_), None) => Some(target.first),
            (Some(second), Some(_)) => Some(second),
            (None, _) => None,
        };
        let found = qualifier.and_then(|token| self.leaf_named(leaves, token));
        match found {
            Some(index) => self.set_access(leaves.get(index).and_then(|leaf| leaf.table), Access::Write),
            None => leaves
                .iter()
                .for_each(|leaf| self.set_access(leaf.table, Access::Write)),
        }
    }

    /// The one entry of the FROM list this name stands for: its alias, or its table's name when it has none.
    fn leaf_named(&self, leaves: &[super::Leaf<'_>], token: Token) -> Option<usize> {
        let name = self.name_of(token);
        let mut found = leaves
            .iter()
            .enumerate()
            .filter(|(_, leaf)| match (&leaf.alias, leaf.table) {
                (Some(alias), _) => alias.eq_ignore_ascii_case(&name),
                (None, Some(table)) => self
                    .statement
                    .tables
                    .get(table)
                    .is_some_and(|table| table.table.eq_ignore_ascii_case(&name)),
                (None, None) => false,
            });
        let (index, _) = found.next()?;
        if found.next().is_some() { None } else { Some(index) }
    }

    /// Keeps the order of the joined tables where the source's own list of updated tables can be read against it.
    fn note_update_order(&mut self, leaves: &[super::Leaf<'_>]) {
        let all_tables: Option<Vec<usize>> = leaves.iter().map(|leaf| leaf.table).collect();
        self.statement.has_plain_leaves = all_tables.is_some_and(|tables| tables == self.table_indexes());
    }

    fn table_indexes(&self) -> Vec<usize> {
        (0..self.statement.tables.len()).collect()
    }

    /// DELETE from one table or from several, in both spellings.
    pub(super) fn delete(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_all(&[Keyword::LowPriority, Keyword::Quick, Keyword::Ignore]);
        if self.at(Keyword::History) && self.peek_keyword() == Keyword::From {
            self.advance();
        }
        if !self.eat(Keyword::From) {
            let targets = self.delete_targets()?;
            self.expect(Keyword::From, "FROM")?;
            return self.delete_from_several(targets);
        }
        let targets = self.delete_targets()?;
        if self.eat(Keyword::Using) {
            return self.delete_from_several(targets);
        }
        match targets.as_slice() {
            [Target { db, name }] => {
                self.note_table(*db, *name, Access::Write);
                self.partitions()?;
                if !self.at(Keyword::For) {
                    self.alias()?;
                }
                self.expression(Until::CLOSE)?;
                Ok(StatementKind::Delete)
            }
            _ => Err(self.unexpected("USING")),
        }
    }

    fn delete_targets(&mut self) -> Result<Vec<Target>, SqlError> {
        let mut targets = Vec::new();
        loop {
            let path = self.path("a table name")?;
            let target = match (path.second, path.third) {
                (None, _) => Target {
                    db: None,
                    name: path.first,
                },
                (Some(name), None) => Target {
                    db: Some(path.first),
                    name,
                },
                _ => return Err(self.unexpected("a table name")),
            };
            targets.push(target);
            if !self.eat_kind(TokenKind::Comma) {
                return Ok(targets);
            }
        }
    }

    fn delete_from_several(&mut self, targets: Vec<Target>) -> Result<StatementKind, SqlError> {
        self.table_references(Access::Read)?;
        let leaves = self.leaves.clone();
        for target in targets {
            match self
                .leaf_named(&leaves, target.name)
                .and_then(|index| leaves.get(index))
            {
                Some(leaf) => {
                    self.set_access(leaf.table, Access::Write);
                    self.second_mention(target.db);
                }
                None => self.mark_target(&leaves, &target),
            }
        }
        self.expression(Until::CLOSE)?;
        Ok(StatementKind::Delete)
    }

    /// A target that no single entry answers to: two tables of one name in different databases, or one we misread.
    fn mark_target(&mut self, leaves: &[super::Leaf<'_>], target: &Target) {
        let db = target.db.map(|db| self.name_of(db));
        let name = self.name_of(target.name);
        let mut is_known = false;
        for leaf in leaves {
            let same = leaf
                .table
                .and_then(|index| self.statement.tables.get(index))
                .is_some_and(|table| {
                    table.table.eq_ignore_ascii_case(&name) && (db.is_none() || table.db == db)
                });
            if same {
                is_known = true;
                self.set_access(leaf.table, Access::Write);
            }
        }
        if is_known {
            self.second_mention(target.db);
        } else {
            self.note_table(target.db, target.name, Access::Write);
        }
    }

    /// `LOAD DATA | XML ... INTO TABLE table ...`
    pub(super) fn load(&mut self) -> Result<StatementKind, SqlError> {
        let first = self.advance();
        if self.at(Keyword::Index) {
            return Ok(self.unknown(first, "the statement is not one we know"));
        }
        self.expression(until(&[Keyword::Into]))?;
        self.expect(Keyword::Into, "INTO")?;
        self.expect(Keyword::Table, "TABLE")?;
        self.table(Access::Write)?;
        self.partitions()?;
        let start = self.previous_end;
        self.expression(until(&[Keyword::Set]))?;
        // Nothing but a list of columns ends in a parenthesis here.
        let clauses = self.text.get(start..self.previous_end).unwrap_or_default();
        self.statement.is_positional |= !clauses.ends_with(b")") && !self.in_body;
        self.expression(Until::CLOSE)?;
        Ok(StatementKind::LoadData)
    }
}
