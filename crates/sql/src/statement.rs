//! What a parsed statement is: its kind, its tables, and where its database names stand.

use std::ops::Range;

use smallvec::SmallVec;

use crate::dialect::Dialect;
use crate::name::Name;

/// A statement, its tables and every place where it names a database.
///
/// Offsets count bytes of the text it was parsed from, which it borrows.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// What the statement does.
    pub kind: StatementKind,
    /// Tables, views and sequences the statement itself uses, in the order they are written. Those in the body of a
    /// routine, trigger or event are not here: creating it does not touch them. Names of common table expressions
    /// and aliases are not tables.
    pub tables: SmallVec<[TableRef<'a>; 4]>,
    /// Databases named as such: CREATE, ALTER and DROP DATABASE, USE, and `db.*` in GRANT and REVOKE.
    pub databases: SmallVec<[DatabaseRef<'a>; 1]>,
    /// Every other place where a database is named: three-part columns, routines, triggers, events, and all that is
    /// inside a body.
    pub qualifiers: SmallVec<[Qualifier<'a>; 1]>,
    /// Routines the statement itself calls, stored functions included. What is not a known built-in is a routine.
    pub calls: SmallVec<[RoutineRef<'a>; 1]>,
    /// `;` and another statement may follow it in one multi-statement packet: no comment is left open, and no `;`
    /// stands outside a body.
    pub is_joinable: bool,
    /// INSERT, REPLACE or LOAD DATA without a list of columns: the order of the table's columns counts.
    pub is_positional: bool,
    /// The clock is read: `NOW()`, `CURRENT_TIMESTAMP`, `SYSDATE()` and their kin, in any place.
    pub reads_clock: bool,
    /// `DATABASE()` or `SCHEMA()` is called: it gives another name on the target when the default database is renamed.
    pub reads_database_name: bool,
    /// GRANT or REVOKE on `*`, or on an object named without its database: the default database is meant.
    pub grants_in_default: bool,
    /// The highest number of a version comment that is code (`101100` for `/*!101100 ... */`); 0 when there is none.
    pub(crate) newest_version_comment: u32,
    /// The lowest number of a version comment that is none because the source is older; `u32::MAX` when there is none.
    pub(crate) oldest_skipped_comment: u32,
    /// Something whose database names could not be determined with proof. [`crate::rename`] then looks at every name and
    /// string there; when it succeeds, no database that is renamed can be meant.
    pub uncertain: Option<Uncertain>,
    /// The package that CREATE PACKAGE defines, or whose body it does.
    pub package: Option<Name<'a>>,
    /// Oracle mode: what calls `x.f()` name before the dot.
    pub(crate) maybe_packages: SmallVec<[Qualifier<'a>; 1]>,
    /// The parts of a list that can be taken out one by one (DROP, RENAME, TRUNCATE, OPTIMIZE ...).
    pub(crate) items: SmallVec<[ListItem; 2]>,
    /// The bytes whose names could not be determined.
    pub(crate) doubtful: SmallVec<[Range<usize>; 1]>,
    /// First parts of two-part columns that are neither alias nor table of this statement.
    pub(crate) unresolved: SmallVec<[Range<usize>; 2]>,
    /// The tables of an UPDATE are exactly those of its list, in order.
    pub(crate) has_plain_leaves: bool,
    /// A body runs text as a statement (PREPARE, EXECUTE IMMEDIATE): strings may hold names.
    pub(crate) has_dynamic_sql: bool,
    /// Storage engines that CREATE and ALTER TABLE name, for the table and for its partitions.
    pub engines: SmallVec<[EngineRef<'a>; 1]>,
    /// CREATE and ALTER EVENT: the bytes that say whether the event runs, or the place where they would stand.
    pub(crate) event_state: Option<Range<usize>>,
    /// Where a DEFINER would stand, after CREATE or ALTER, in a statement that can have one and has none.
    pub(crate) definer_place: Option<usize>,
    /// How the text was read.
    pub(crate) dialect: Dialect,
}

impl<'a> Statement<'a> {
    pub(crate) fn new(dialect: &Dialect) -> Statement<'a> {
        Statement {
            kind: StatementKind::Unknown,
            tables: SmallVec::new(),
            databases: SmallVec::new(),
            qualifiers: SmallVec::new(),
            calls: SmallVec::new(),
            is_joinable: true,
            is_positional: false,
            reads_clock: false,
            reads_database_name: false,
            grants_in_default: false,
            has_dynamic_sql: false,
            has_plain_leaves: false,
            newest_version_comment: 0,
            oldest_skipped_comment: u32::MAX,
            uncertain: None,
            package: None,
            maybe_packages: SmallVec::new(),
            items: SmallVec::new(),
            doubtful: SmallVec::new(),
            unresolved: SmallVec::new(),
            engines: SmallVec::new(),
            event_state: None,
            definer_place: None,
            dialect: *dialect,
        }
    }

    /// The dialect the text was read in.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Whether a MariaDB server of this version (`101119` for 10.11.19) takes the same version comments for code as the
    /// source; another would run a statement that differs from the one that was read.
    #[must_use]
    pub fn reads_alike_on(&self, version: u32) -> bool {
        (self.newest_version_comment..self.oldest_skipped_comment).contains(&version)
    }

    /// The tables the statement changes or defines.
    pub fn changed_tables(&self) -> impl Iterator<Item = &TableRef<'a>> {
        self.tables.iter().filter(|table| table.access != Access::Read)
    }

    /// The parts of a list that [`crate::keep_tables`] can take out, each with the tables it names: one for DROP,
    /// TRUNCATE, OPTIMIZE and the like, two for RENAME. Empty when the statement is no such list.
    pub fn list_parts(&self) -> impl Iterator<Item = &[TableRef<'a>]> {
        self.items
            .iter()
            .map(|item| self.tables.get(item.tables.clone()).unwrap_or_default())
    }

    /// The database named in the definition of a routine, trigger or event (`CREATE PROCEDURE db.p`); `None` when the
    /// statement defines none of these, or names it without a database.
    #[must_use]
    pub fn object_database(&self) -> Option<&Name<'a>> {
        self.qualifiers
            .iter()
            .find(|q| q.place == Place::Object)
            .map(|q| &q.name)
    }

    /// Whether [`Statement::settle_packages`] has something to settle.
    #[must_use]
    pub fn may_call_packages(&self) -> bool {
        !self.maybe_packages.is_empty()
    }

    /// Settles for calls `x.f()` of Oracle mode what `x` is: a package of the database that is the default one where the
    /// call is made, or a database. What stays `None` is refused by [`crate::rename`] if it could be a database to rename.
    pub fn settle_packages(&mut self, is_package: &dyn Fn(&[u8]) -> Option<bool>) {
        for call in std::mem::take(&mut self.maybe_packages) {
            match is_package(&call.name) {
                Some(true) => {
                    let of_package = self
                        .calls
                        .iter_mut()
                        .filter(|known| known.db.as_ref() == Some(&call.name));
                    of_package.for_each(|known| known.db = None);
                }
                Some(false) => self.qualifiers.push(call),
                None => self.maybe_packages.push(call),
            }
        }
    }

    /// Narrows the written tables of a multi-table UPDATE by the source's own list: bit `i` of `map` stands for the
    /// `i`-th table in the order of the text (the Query event's status variable 9).
    ///
    /// Without it every table counts as written whose columns may be the ones assigned. Statements whose tables cannot
    /// be counted off against the list (subqueries, derived tables, more than 64 tables) stay as they are.
    pub fn note_updated_tables(&mut self, map: u64) {
        if !self.has_plain_leaves || map == 0 || self.tables.len() > 64 {
            return;
        }
        for (index, table) in self.tables.iter_mut().enumerate() {
            if table.access == Access::Write && map & (1 << index) == 0 {
                table.access = Access::Read;
            }
        }
    }
}

/// A table, view or sequence a statement uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRef<'a> {
    /// Its database as written; `None` means the statement's default database.
    pub db: Option<Name<'a>>,
    /// Its name.
    pub table: Name<'a>,
    /// What the statement does with it.
    pub access: Access,
    /// Where the database is written, quotes included.
    pub db_span: Option<Range<usize>>,
    /// Where the name is written, quotes included.
    pub table_span: Range<usize>,
}

/// What a statement does with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Its rows are read, or its definition (`LIKE`, `REFERENCES`).
    Read,
    /// Its rows are written.
    Write,
    /// It is created, altered, dropped, renamed or truncated, gets or loses an index, or gets a trigger.
    Define,
}

/// A database named as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRef<'a> {
    /// Its name. In a [`DatabaseRef::is_pattern`] the escapes are taken off: `` `a\_b`.* `` is `a_b`.
    pub name: Name<'a>,
    /// Where it is written, quotes included.
    pub span: Range<usize>,
    /// It stands before `.*` in GRANT or REVOKE, where `_` and `%` are wildcards unless escaped.
    pub is_pattern: bool,
}

/// A place where a database is named that is neither a table of the statement nor a database by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualifier<'a> {
    /// The database's name.
    pub name: Name<'a>,
    /// Where it is written, quotes included.
    pub span: Range<usize>,
    /// What it qualifies.
    pub place: Place,
}

/// What a [`Qualifier`] qualifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The routine, trigger or event that the statement creates, alters or drops.
    Object,
    /// A column or a `db.table.*`.
    Column,
    /// A routine that is called.
    Routine,
    /// A table named a second time, like the targets of a multi-table DELETE.
    Table,
    /// Anything in the body of a routine, trigger or event.
    Body,
}

/// A routine a statement calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutineRef<'a> {
    /// Its database as written; `None` means the default database (or, for a name we do not know, a loaded function).
    pub db: Option<Name<'a>>,
    /// Its name.
    pub name: Name<'a>,
}

/// A storage engine that a table gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRef<'a> {
    /// Its name as written.
    pub name: Name<'a>,
    /// Where it is written, quotes included.
    pub span: Range<usize>,
}

/// What could not be determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertain {
    /// The token in doubt, as written (strings are described, not shown).
    pub token: String,
    /// Its byte offset.
    pub offset: usize,
    /// Why it is in doubt.
    pub why: &'static str,
}

/// One part of a list of tables that can be taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListItem {
    /// Its bytes, without the commas around it.
    pub(crate) span: Range<usize>,
    /// The tables it names, as indexes into [`Statement::tables`].
    pub(crate) tables: Range<usize>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the SQL statements")]
pub enum StatementKind {
    Insert,
    Replace,
    Update,
    Delete,
    LoadData,
    Select,
    Do,
    Call,
    CreateTable {
        temporary: bool,
        or_replace: bool,
        if_not_exists: bool,
        like: bool,
        select: bool,
    },
    AlterTable,
    DropTable {
        temporary: bool,
        if_exists: bool,
    },
    RenameTable,
    TruncateTable,
    CreateIndex,
    DropIndex,
    CreateDatabase,
    AlterDatabase,
    DropDatabase,
    CreateView,
    AlterView,
    DropView,
    CreateTrigger,
    DropTrigger,
    /// Procedures, functions and packages.
    CreateRoutine,
    AlterRoutine,
    DropRoutine,
    CreateEvent,
    AlterEvent,
    DropEvent,
    CreateSequence,
    AlterSequence,
    DropSequence,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    ReleaseSavepoint,
    Xa(XaKind),
    Set,
    Use,
    /// CREATE, ALTER, DROP and RENAME USER, ROLE; GRANT, REVOKE, SET PASSWORD, SET ROLE, SET DEFAULT ROLE.
    Account,
    /// OPTIMIZE, ANALYZE, REPAIR, CHECK, CHECKSUM, FLUSH, RESET.
    Housekeeping,
    /// LOCK TABLES, UNLOCK TABLES, HANDLER.
    LockTables,
    /// INSTALL and UNINSTALL PLUGIN.
    Install,
    /// White space and comments only.
    Empty,
    /// A statement we do not know, or `BEGIN NOT ATOMIC`. What it reads and writes cannot be told.
    Unknown,
}

/// XA statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the SQL statements")]
pub enum XaKind {
    Start,
    End,
    Prepare,
    Commit,
    /// `XA COMMIT ... ONE PHASE`
    CommitOnePhase,
    Rollback,
    Recover,
}

impl StatementKind {
    /// Defines, changes or removes an object other than a row: such statements commit implicitly (temporary tables
    /// aside) and act as barriers. Accounts and plugins are not counted.
    #[must_use]
    pub fn is_ddl(self) -> bool {
        use StatementKind::*;
        matches!(
            self,
            CreateTable { .. }
                | AlterTable
                | DropTable { .. }
                | RenameTable
                | TruncateTable
                | CreateIndex
                | DropIndex
                | CreateDatabase
                | AlterDatabase
                | DropDatabase
                | CreateView
                | AlterView
                | DropView
                | CreateTrigger
                | DropTrigger
                | CreateRoutine
                | AlterRoutine
                | DropRoutine
                | CreateEvent
                | AlterEvent
                | DropEvent
                | CreateSequence
                | AlterSequence
                | DropSequence
        )
    }

    /// Reads or writes rows: INSERT, REPLACE, UPDATE, DELETE, LOAD DATA, and SELECT, DO and CALL, which can write
    /// through the routines they call.
    #[must_use]
    pub fn is_dml(self) -> bool {
        use StatementKind::*;
        matches!(
            self,
            Insert | Replace | Update | Delete | LoadData | Select | Do | Call
        )
    }

    /// Starts, ends or marks a transaction; such statements pass all filters.
    #[must_use]
    pub fn is_transaction_control(self) -> bool {
        use StatementKind::*;
        matches!(
            self,
            Begin | Commit | Rollback | Savepoint | RollbackTo | ReleaseSavepoint | Xa(_)
        )
    }
}
