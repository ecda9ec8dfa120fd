//! Which statement it is, and those that are short.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::{Access, Place, StatementKind, XaKind};
use crate::token::{Token, TokenKind};

use super::Parser;
use super::expression::{Until, until};

impl Parser<'_> {
    /// Takes one statement, up to the end, a semicolon or (in a body) what follows it.
    pub(super) fn statement_here(&mut self) -> Result<StatementKind, SqlError> {
        self.leaves.clear();
        self.notes_calls = true;
        match self.keyword() {
            Keyword::Insert => self.insert(StatementKind::Insert),
            Keyword::Replace => self.insert(StatementKind::Replace),
            Keyword::Update => self.update(),
            Keyword::Delete => self.delete(),
            Keyword::Load => self.load(),
            Keyword::Select | Keyword::With | Keyword::Values => self.whole_query(),
            Keyword::Do => self.rest_is_expression(StatementKind::Do),
            Keyword::Call => self.call_statement(),
            Keyword::Create => self.create(),
            Keyword::Alter => self.alter(),
            Keyword::Drop => self.drop(),
            Keyword::Rename => self.rename(),
            Keyword::Truncate => self.truncate(),
            Keyword::Begin => self.begin(),
            Keyword::Start if self.peek_keyword() == Keyword::Transaction => {
                self.rest_is_words(StatementKind::Begin)
            }
            Keyword::Commit => self.rest_is_words(StatementKind::Commit),
            Keyword::Rollback => self.rollback(),
            Keyword::Savepoint => self.rest_is_words(StatementKind::Savepoint),
            Keyword::Release => self.rest_is_words(StatementKind::ReleaseSavepoint),
            Keyword::Xa => self.xa(),
            Keyword::Set => self.set(),
            Keyword::Use => {
                self.advance();
                self.database()?;
                Ok(StatementKind::Use)
            }
            Keyword::Grant | Keyword::Revoke => self.grant(),
            Keyword::Optimize | Keyword::Analyze | Keyword::Repair | Keyword::Check | Keyword::Checksum => {
                self.housekeeping()
            }
            Keyword::Flush | Keyword::Reset => self.flush(),
            Keyword::Lock | Keyword::Unlock => self.lock(),
            Keyword::Handler => self.handler(),
            Keyword::Install | Keyword::Uninstall => self.rest_is_words(StatementKind::Install),
            _ if self.token.kind == TokenKind::Open => self.whole_query(),
            _ => Ok(self.unknown(self.token, "the statement is not one we know")),
        }
    }

    /// Passes over a statement whose names we cannot place, and which began with `first`.
    pub(super) fn unknown(&mut self, first: Token, why: &'static str) -> StatementKind {
        self.skip_statement();
        self.doubt(first, why);
        StatementKind::Unknown
    }

    fn whole_query(&mut self) -> Result<StatementKind, SqlError> {
        self.query()?;
        Ok(StatementKind::Select)
    }

    fn rest_is_expression(&mut self, kind: StatementKind) -> Result<StatementKind, SqlError> {
        self.advance();
        self.expression(Until::CLOSE)?;
        Ok(kind)
    }

    /// For statements without names of databases or tables.
    pub(super) fn rest_is_words(&mut self, kind: StatementKind) -> Result<StatementKind, SqlError> {
        self.skip_statement();
        Ok(kind)
    }

    fn call_statement(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        let path = self.path("the name of a procedure")?;
        self.call(path);
        self.expression(Until::CLOSE)?;
        Ok(StatementKind::Call)
    }

    /// BEGIN of a transaction; in a body it never comes here. `BEGIN NOT ATOMIC` is a block.
    fn begin(&mut self) -> Result<StatementKind, SqlError> {
        if self.peek_keyword() != Keyword::Not {
            return self.rest_is_words(StatementKind::Begin);
        }
        self.body()?;
        Ok(StatementKind::Unknown)
    }

    /// `ROLLBACK [WORK] [TO [SAVEPOINT] name]`
    fn rollback(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat(Keyword::Work);
        let kind = if self.at(Keyword::To) {
            StatementKind::RollbackTo
        } else {
            StatementKind::Rollback
        };
        self.rest_is_words(kind)
    }

    fn xa(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        let kind = match self.keyword() {
            Keyword::Start | Keyword::Begin => XaKind::Start,
            Keyword::End => XaKind::End,
            Keyword::Prepare => XaKind::Prepare,
            Keyword::Commit => XaKind::Commit,
            Keyword::Rollback => XaKind::Rollback,
            Keyword::Recover => XaKind::Recover,
            _ => return Err(self.unexpected("START, END, PREPARE, COMMIT, ROLLBACK or RECOVER after XA")),
        };
        let mut is_one_phase = false;
        while !matches!(self.token.kind, TokenKind::End | TokenKind::Semicolon) {
            is_one_phase |= self.at(Keyword::One);
            self.advance();
        }
        let is_one_phase = kind == XaKind::Commit && is_one_phase;
        Ok(StatementKind::Xa(if is_one_phase {
            XaKind::CommitOnePhase
        } else {
            kind
        }))
    }

    /// SET of variables, `SET STATEMENT ... FOR statement`, SET PASSWORD and SET ROLE.
    fn set(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        let next = self.peek();
        match self.keyword() {
            Keyword::Statement if next.kind == TokenKind::Word => {
                self.advance();
                self.expression(until(&[Keyword::For]))?;
                self.expect(Keyword::For, "FOR")?;
                self.deeper(|parser| parser.statement_here())
            }
            Keyword::Password => self.rest_is_words(StatementKind::Account),
            Keyword::Role => self.rest_is_words(StatementKind::Account),
            Keyword::Default if self.peek_keyword() == Keyword::Role => {
                self.rest_is_words(StatementKind::Account)
            }
            _ => {
                self.expression(Until::CLOSE)?;
                Ok(StatementKind::Set)
            }
        }
    }

    /// OPTIMIZE, ANALYZE, REPAIR, CHECK and CHECKSUM of tables or views.
    fn housekeeping(&mut self) -> Result<StatementKind, SqlError> {
        let first = self.token;
        self.advance();
        // NO_WRITE_TO_BINLOG or LOCAL
        if !self.at_any(&[Keyword::Table, Keyword::Tables, Keyword::View])
            && self.token.kind == TokenKind::Word
        {
            self.advance();
        }
        if !self.at_any(&[Keyword::Table, Keyword::Tables, Keyword::View]) {
            return Ok(self.unknown(first, "the statement is not one we know"));
        }
        self.advance();
        self.table_list(Access::Define, |parser| {
            parser.expression(Until {
                keywords: &[],
                comma: true,
            })
        })?;
        // Options after the last table belong to the whole list (CHECK TABLE a, b QUICK).
        Ok(StatementKind::Housekeeping)
    }

    /// `FLUSH [NO_WRITE_TO_BINLOG | LOCAL] TABLES [list] [WITH READ LOCK | FOR EXPORT]`, and FLUSH and RESET of others.
    fn flush(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        while self.token.kind == TokenKind::Word && !self.at_any(&[Keyword::Table, Keyword::Tables]) {
            self.advance();
        }
        let has_tables = self.eat(Keyword::Tables) || self.eat(Keyword::Table);
        let names_tables = self.token.kind.is_name() && !self.at_any(&[Keyword::With, Keyword::For]);
        if has_tables && names_tables {
            self.table_list(Access::Define, |_| Ok(()))?;
        }
        self.rest_is_words(StatementKind::Housekeeping)
    }

    /// `LOCK TABLES t [[AS] alias] READ [LOCAL] | [LOW_PRIORITY] WRITE, ...`, `UNLOCK TABLES`
    fn lock(&mut self) -> Result<StatementKind, SqlError> {
        let is_unlock = self.at(Keyword::Unlock);
        self.advance();
        if !self.at_any(&[Keyword::Table, Keyword::Tables]) {
            return Err(self.unexpected("TABLES"));
        }
        self.advance();
        if !is_unlock {
            self.locked_tables()?;
        }
        self.rest_is_words(StatementKind::LockTables)
    }

    fn locked_tables(&mut self) -> Result<(), SqlError> {
        loop {
            let table = self.table(Access::Read)?;
            if !self.at_any(&[Keyword::LowPriority, Keyword::Concurrent]) {
                self.alias()?;
            }
            while self.token.kind == TokenKind::Word && !self.at_any(&[Keyword::Wait, Keyword::Nowait]) {
                if self.at(Keyword::Write) {
                    self.set_access(table, Access::Write);
                }
                self.advance();
            }
            if !self.eat_kind(TokenKind::Comma) {
                return Ok(());
            }
        }
    }

    fn handler(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.table(Access::Read)?;
        self.expression(Until::CLOSE)?;
        Ok(StatementKind::LockTables)
    }

    pub(super) fn set_access(&mut self, table: Option<usize>, access: Access) {
        if let Some(table) = table.and_then(|index| self.statement.tables.get_mut(index)) {
            table.access = access;
        }
    }

    /// Notes a database before a table that is named a second time.
    pub(super) fn second_mention(&mut self, db: Option<Token>) {
        if let Some(db) = db {
            self.qualifier(db, Place::Table);
        }
    }
}
