//! ALTER, DROP, RENAME and TRUNCATE.

use crate::error::SqlError;
use crate::keyword::Keyword;
use crate::statement::{Access, StatementKind};
use crate::token::TokenKind;

use super::Parser;
use super::expression::Until;

impl Parser<'_> {
    pub(super) fn alter(&mut self) -> Result<StatementKind, SqlError> {
        let first = self.advance();
        self.note_definer_place();
        self.notes_calls = false;
        self.object_options()?;
        match self.keyword() {
            Keyword::Table => self.alter_table(),
            Keyword::Database | Keyword::Schema => self.alter_database(),
            Keyword::View => self.view(StatementKind::AlterView),
            Keyword::Procedure | Keyword::Function => {
                self.advance();
                self.object("the name of a routine")?;
                self.rest_is_words(StatementKind::AlterRoutine)
            }
            Keyword::Event => self.alter_event(),
            Keyword::Sequence => {
                self.advance();
                self.eat_if_exists()?;
                self.table(Access::Define)?;
                self.expression(Until::CLOSE)?;
                Ok(StatementKind::AlterSequence)
            }
            Keyword::User | Keyword::Role => self.rest_is_words(StatementKind::Account),
            _ => Ok(self.unknown(first, "the statement is not one we know")),
        }
    }

    fn alter_table(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat_if_exists()?;
        self.table(Access::Define)?;
        // ENGINE may stand without `=`, where it could also be a column; a table option follows only certain tokens.
        let mut is_option = true;
        loop {
            let had_option = std::mem::replace(&mut is_option, false);
            match self.keyword() {
                Keyword::Rename => self.rename_in_alter()?,
                Keyword::Union => self.merged_tables()?,
                // EXCHANGE PARTITION p WITH TABLE t; CONVERT PARTITION p TO TABLE t; CONVERT TABLE t TO PARTITION p
                Keyword::With | Keyword::To | Keyword::Convert if self.peek_keyword() == Keyword::Table => {
                    self.advance();
                    self.advance();
                    self.table(Access::Define)?;
                }
                _ if self.at_engine() && (had_option || self.bytes(self.peek()) == b"=") => {
                    self.engine();
                    is_option = true;
                }
                _ if self.at_partitions() => self.partition_definitions()?,
                _ if self.token.kind == TokenKind::Open => self.parenthesis()?,
                _ if self.ends_part() => return Ok(StatementKind::AlterTable),
                _ if self.eat_operator(b"=") => {
                    if !self.ends_part() {
                        self.element()?;
                    }
                    is_option = true;
                }
                _ => {
                    is_option = matches!(self.token.kind, TokenKind::Comma | TokenKind::String);
                    self.element()?;
                }
            }
        }
    }

    /// `RENAME [TO | AS | =] table`, `RENAME COLUMN | INDEX | KEY [IF EXISTS] a TO b`
    fn rename_in_alter(&mut self) -> Result<(), SqlError> {
        self.advance();
        if self.at_any(&[Keyword::Column, Keyword::Index, Keyword::Key]) {
            self.advance();
            self.eat_if_exists()?;
            self.identifier("a name")?;
            self.expect(Keyword::To, "TO")?;
            self.identifier("a name")?;
            return Ok(());
        }
        if !self.eat(Keyword::To) && !self.eat(Keyword::As) {
            self.eat_operator(b"=");
        }
        self.table(Access::Define)?;
        Ok(())
    }

    /// `ALTER DATABASE [name] options`; without a name it is the default database.
    fn alter_database(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        let next = self.peek();
        let is_option = match self.keyword() {
            Keyword::Default | Keyword::Character | Keyword::Collate => true,
            Keyword::Charset | Keyword::Comment => {
                next.kind == TokenKind::String || self.bytes(next) == b"=" || self.is_charset_name(next)
            }
            _ => false,
        };
        if !is_option {
            self.database()?;
        }
        self.rest_is_words(StatementKind::AlterDatabase)
    }

    /// After CHARSET: the name of a character set, and then no further option may follow but known ones.
    fn is_charset_name(&self, token: crate::token::Token) -> bool {
        self.at(Keyword::Charset)
            && token.kind.is_name()
            && !matches!(
                self.keyword_of(token),
                Keyword::Default
                    | Keyword::Character
                    | Keyword::Collate
                    | Keyword::Charset
                    | Keyword::Comment
            )
    }

    /// `EVENT name [ON SCHEDULE ...] [RENAME TO name] [ENABLE ...] [DO body]`
    fn alter_event(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.object("the name of an event")?;
        self.event_options()?;
        if self.eat(Keyword::Do) {
            self.body()?;
        }
        Ok(StatementKind::AlterEvent)
    }

    pub(super) fn drop(&mut self) -> Result<StatementKind, SqlError> {
        let first = self.advance();
        self.notes_calls = false;
        let temporary = self.at(Keyword::Temporary);
        self.eat_all(&[Keyword::Temporary, Keyword::Online, Keyword::Offline]);
        let object = self.keyword();
        let kind = match object {
            Keyword::Table | Keyword::Tables => StatementKind::DropTable {
                temporary,
                if_exists: false,
            },
            Keyword::View => StatementKind::DropView,
            Keyword::Sequence => StatementKind::DropSequence,
            Keyword::Index => StatementKind::DropIndex,
            Keyword::Database | Keyword::Schema => StatementKind::DropDatabase,
            Keyword::Trigger => StatementKind::DropTrigger,
            Keyword::Procedure | Keyword::Function | Keyword::Package => StatementKind::DropRoutine,
            Keyword::Event => StatementKind::DropEvent,
            Keyword::User | Keyword::Role => return self.rest_is_words(StatementKind::Account),
            Keyword::Prepare if self.in_body => {
                self.is_dynamic = true;
                return self.rest_is_words(StatementKind::Unknown);
            }
            _ => {
                return Ok(self.unknown(first, "the statement is not one we know"));
            }
        };
        self.advance();
        if object == Keyword::Package {
            self.eat(Keyword::Body);
        }
        let if_exists = self.eat_if_exists()?;
        match kind {
            StatementKind::DropIndex => {
                self.identifier("the name of an index")?;
                self.expect(Keyword::On, "ON")?;
                self.table(Access::Define)?;
            }
            StatementKind::DropDatabase => self.database()?,
            StatementKind::DropTrigger | StatementKind::DropRoutine | StatementKind::DropEvent => {
                self.object("a name")?;
            }
            _ => self.table_list(Access::Define, |_| Ok(()))?,
        }
        // RESTRICT, CASCADE, WAIT, ALGORITHM, LOCK
        self.skip_statement();
        Ok(match kind {
            StatementKind::DropTable { temporary, .. } => StatementKind::DropTable { temporary, if_exists },
            kind => kind,
        })
    }

    /// `RENAME TABLE a [WAIT n] TO b, ...`; RENAME USER is about accounts.
    pub(super) fn rename(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        if self.at(Keyword::User) {
            return self.rest_is_words(StatementKind::Account);
        }
        if !self.eat(Keyword::Table) && !self.eat(Keyword::Tables) {
            return Err(self.unexpected("TABLE or USER"));
        }
        self.eat_if_exists()?;
        loop {
            let (start, first) = (self.token.start, self.statement.tables.len());
            self.table(Access::Define)?;
            self.wait();
            self.expect(Keyword::To, "TO")?;
            self.table(Access::Define)?;
            self.note_item(start, first);
            if !self.eat_kind(TokenKind::Comma) {
                return Ok(StatementKind::RenameTable);
            }
        }
    }

    /// `WAIT n` or `NOWAIT`
    fn wait(&mut self) {
        if self.eat(Keyword::Wait) {
            self.advance();
        } else {
            self.eat(Keyword::Nowait);
        }
    }

    /// `TRUNCATE [TABLE] table [WAIT n]`
    pub(super) fn truncate(&mut self) -> Result<StatementKind, SqlError> {
        self.advance();
        self.eat(Keyword::Table);
        let (start, first) = (self.token.start, self.statement.tables.len());
        self.table(Access::Define)?;
        self.note_item(start, first);
        self.skip_statement();
        Ok(StatementKind::TruncateTable)
    }
}
