//! CREATE.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::{Access, StatementKind};
use crate::token::TokenKind;

use super::Parser;
use super::expression::{Until, until};

impl Parser<'_> {
    /// `CREATE [OR REPLACE] [words before the kind of object] ...`
    pub(super) fn create(&mut self) -> Result<StatementKind, SqlError> {
        let first = self.advance();
        let or_replace = self.eat(Keyword::Or) && self.eat(Keyword::Replace);
        self.note_definer_place();
        self.notes_calls = false;
        let temporary = self.at(Keyword::Temporary);
        self.object_options()?;
        match self.keyword() {
            Keyword::Table => self.create_table(temporary, or_replace),
            Keyword::Index => self.create_index(),
            Keyword::View => self.view(StatementKind::CreateView),
            Keyword::Trigger => self.create_trigger(),
            Keyword::Procedure | Keyword::Function | Keyword::Package => self.create_routine(),
            Keyword::Event => self.create_event(),
            Keyword::Database | Keyword::Schema => {
                self.advance();
                self.eat_if_exists()?;
                self.database()?;
                self.rest_is_words(StatementKind::CreateDatabase)
            }
            Keyword::Sequence => {
                self.advance();
                self.eat_if_exists()?;
                self.table(Access::Define)?;
                while !self.ends_part() {
                    // A temporary sequence keeps its engine, as temporary tables do.
                    if self.at_engine() && !temporary {
                        self.engine();
                    } else {
                        self.element()?;
                    }
                }
                Ok(StatementKind::CreateSequence)
            }
            Keyword::User | Keyword::Role => self.rest_is_words(StatementKind::Account),
            _ => Ok(self.unknown(first, "the statement is not one we know")),
        }
    }

    /// What may stand between CREATE or ALTER and the kind of object:
    /// `TEMPORARY`, `UNIQUE` ..., `ALGORITHM = word`, `DEFINER = user`, `SQL SECURITY word`, `AGGREGATE`.
    pub(super) fn object_options(&mut self) -> Result<(), SqlError> {
        loop {
            match self.keyword() {
                Keyword::Temporary
                | Keyword::Online
                | Keyword::Offline
                | Keyword::Ignore
                | Keyword::Unique
                | Keyword::Fulltext
                | Keyword::Spatial
                | Keyword::Vector
                | Keyword::Aggregate => {
                    self.advance();
                }
                Keyword::Algorithm => {
                    self.advance();
                    self.eat_operator(b"=");
                    self.identifier("UNDEFINED, MERGE or TEMPTABLE")?;
                }
                Keyword::Sql => {
                    self.advance();
                    self.identifier("SECURITY")?;
                    self.identifier("DEFINER or INVOKER")?;
                }
                Keyword::Definer => {
                    if !self.in_body {
                        self.statement.definer_place = None;
                    }
                    self.definer()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// `DEFINER = user[@host] | role | CURRENT_USER[()] | CURRENT_ROLE[()]`
    fn definer(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.eat_operator(b"=");
        if !self.token.kind.is_name() && self.token.kind != TokenKind::String {
            return Err(self.unexpected("a user or role"));
        }
        self.advance();
        if self.token.kind == TokenKind::Open {
            return self.parenthesis();
        }
        if self.token.kind == TokenKind::UserVar {
            let at = self.advance();
            // `@ 'host'`, with white space after the sign.
            if at.end - at.start == 1 && matches!(self.token.kind, TokenKind::String | TokenKind::Quoted) {
                self.advance();
            }
        }
        Ok(())
    }

    fn create_table(&mut self, temporary: bool, or_replace: bool) -> Result<StatementKind, SqlError> {
        self.advance();
        let if_not_exists = self.eat_if_exists()?;
        self.table(Access::Define)?;
        let mut like = false;
        if self.eat(Keyword::Like) {
            like = true;
            self.table(Access::Read)?;
        } else if self.token.kind == TokenKind::Open && self.peek_keyword() == Keyword::Like {
            like = true;
            self.advance();
            self.advance();
            self.table(Access::Read)?;
            self.expect_kind(TokenKind::Close, "`)`")?;
        }
        let select = self.table_definition()?;
        Ok(StatementKind::CreateTable {
            temporary,
            or_replace,
            if_not_exists,
            like,
            select,
        })
    }

    /// Columns, options, partitions and the query at the end; whether there is a query.
    fn table_definition(&mut self) -> Result<bool, SqlError> {
        loop {
            match self.keyword() {
                Keyword::As => {
                    self.advance();
                    self.query()?;
                    return Ok(true);
                }
                // VALUES of partitions stand in parentheses.
                Keyword::Select | Keyword::Values => {
                    self.query()?;
                    return Ok(true);
                }
                Keyword::With if self.peek_keyword() != Keyword::System => {
                    self.query()?;
                    return Ok(true);
                }
                Keyword::Union => self.merged_tables()?,
                _ if self.at_engine() => self.engine(),
                _ if self.at_partitions() => self.partition_definitions()?,
                _ if self.token.kind == TokenKind::Open => {
                    let inside = self.peek();
                    let is_query = inside.kind == TokenKind::Open
                        || matches!(
                            self.keyword_of(inside),
                            Keyword::Select | Keyword::With | Keyword::Values
                        );
                    if is_query {
                        self.query()?;
                        return Ok(true);
                    }
                    self.parenthesis()?;
                }
                _ if self.ends_part() => return Ok(false),
                _ => self.element()?,
            }
        }
    }

    /// `UNION [=] (tables)` of the MERGE engine.
    pub(super) fn merged_tables(&mut self) -> Result<(), SqlError> {
        self.advance();
        self.eat_operator(b"=");
        self.expect_kind(TokenKind::Open, "`(`")?;
        while self.token.kind != TokenKind::Close {
            self.table(Access::Read)?;
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.expect_kind(TokenKind::Close, "`)`")
    }

    pub(super) fn ends_part(&self) -> bool {
        matches!(
            self.token.kind,
            TokenKind::End | TokenKind::Semicolon | TokenKind::Close
        )
    }

    /// `INDEX [IF NOT EXISTS] name [USING type] ON table (columns) ...`
    fn create_index(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_if_exists()?;
        self.identifier("the name of an index")?;
        self.expression(until(&[Keyword::On]))?;
        self.expect(Keyword::On, "ON")?;
        self.table(Access::Define)?;
        self.expression(Until::CLOSE)?;
        Ok(StatementKind::CreateIndex)
    }

    /// `VIEW [IF NOT EXISTS] name [(columns)] AS query [WITH ... CHECK OPTION]`
    pub(super) fn view(&mut self, kind: StatementKind) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_if_exists()?;
        self.table(Access::Define)?;
        if self.token.kind == TokenKind::Open {
            self.parenthesis()?;
        }
        self.expect(Keyword::As, "AS")?;
        self.query()?;
        self.expression(Until::CLOSE)?;
        Ok(kind)
    }

    /// `TRIGGER [IF NOT EXISTS] name BEFORE | AFTER event ON table FOR EACH ROW [FOLLOWS | PRECEDES name] body`
    fn create_trigger(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_if_exists()?;
        self.object("the name of a trigger")?;
        self.expression(until(&[Keyword::On]))?;
        self.expect(Keyword::On, "ON")?;
        self.table(Access::Define)?;
        self.expect(Keyword::For, "FOR EACH ROW")?;
        self.identifier("EACH")?;
        self.expect(Keyword::Row, "ROW")?;
        let order = self.bytes(self.token);
        if order.eq_ignore_ascii_case(b"FOLLOWS") || order.eq_ignore_ascii_case(b"PRECEDES") {
            self.advance();
            self.identifier("the name of a trigger")?;
        }
        self.names.push(crate::Name::new(b"NEW"));
        self.names.push(crate::Name::new(b"OLD"));
        self.body()?;
        Ok(StatementKind::CreateTrigger)
    }

    /// `EVENT [IF NOT EXISTS] name ON SCHEDULE ... DO body`
    fn create_event(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_if_exists()?;
        self.object("the name of an event")?;
        self.event_options()?;
        self.expect(Keyword::Do, "DO")?;
        self.body()?;
        Ok(StatementKind::CreateEvent)
    }

    /// `[ON SCHEDULE ...] [ON COMPLETION ...] [RENAME TO name] [ENABLE | DISABLE [ON SLAVE]] [COMMENT text]`
    pub(super) fn event_options(&mut self) -> Result<(), SqlError> {
        const OPTIONS: &[Keyword] = &[
            Keyword::Enable,
            Keyword::Disable,
            Keyword::Comment,
            Keyword::Rename,
            Keyword::Do,
        ];
        let mut state = None;
        loop {
            match self.keyword() {
                Keyword::Enable | Keyword::Disable => {
                    let start = self.token.start;
                    self.advance();
                    if self.eat(Keyword::On) {
                        self.identifier("SLAVE")?;
                    }
                    state = Some(start..self.previous_end);
                }
                Keyword::Rename => {
                    self.advance();
                    self.expect(Keyword::To, "TO")?;
                    self.object("the new name of the event")?;
                }
                Keyword::Comment => {
                    state.get_or_insert(self.previous_end..self.previous_end);
                    self.advance();
                    self.expect_kind(TokenKind::String, "a comment")?;
                }
                Keyword::Do => break,
                _ if self.ends_part() => break,
                _ => {
                    let start = self.token.start;
                    self.expression(until(OPTIONS))?;
                    if self.token.start == start {
                        return Err(self.unexpected("an option of an event"));
                    }
                }
            }
        }
        if !self.in_body {
            self.statement.event_state = state.or(Some(self.previous_end..self.previous_end));
        }
        Ok(())
    }

    /// Notes that a DEFINER could stand here.
    pub(super) fn note_definer_place(&mut self) {
        if !self.in_body {
            self.statement.definer_place = Some(self.previous_end);
        }
    }
}
