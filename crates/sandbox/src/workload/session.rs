//! What a client has set in its session, and how it spells names under it.

use super::Kinds;
use super::charset::Charset;
use super::grammar::Grammar;
use super::table::Table;
use crate::random::Random;

/// `binlog_format` of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Mixed,
    Row,
    /// Only statements that repeat exactly are run under it.
    Statement,
}

/// A client's session, as far as it decides how statements are written.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) grammar: Grammar,
    pub(super) charset: Charset,
    pub(super) no_backslash_escapes: bool,
    pub(super) ansi_quotes: bool,
    /// `a.b(...)` may be a routine of the package `a`: what is called cannot be told from the statement.
    pub(super) oracle: bool,
    pub(super) format: Format,
    pub(super) read_committed: bool,
    /// `binlog_row_image=FULL`. Under the others a source logs a `REPLACE` that finds a row as an update of the columns
    /// it names, while it resets all others itself (seen on 10.11): no replica can follow.
    pub(super) full_image: bool,
    /// Empty: no default database.
    pub(super) database: &'static str,
    /// `@word` and `@number` are set.
    pub(super) user_variables: bool,
    /// Functions of the clock may be used.
    pub(super) clock: bool,
    /// UUID() and its like may be used.
    pub(super) unsafe_functions: bool,
}

/// Modes of MySQL: some of MariaDB's are not there, and rounding has the opposite name.
const MYSQL_MODES: [&str; 9] = [
    "",
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT",
    "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
    "ANSI",
    "IGNORE_SPACE,HIGH_NOT_PRECEDENCE,TIME_TRUNCATE_FRACTIONAL",
];

const MODES: [&str; 9] = [
    "",
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION",
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT",
    "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
    "ORACLE",
    "IGNORE_SPACE,HIGH_NOT_PRECEDENCE,PAD_CHAR_TO_FULL_LENGTH,TIME_ROUND_FRACTIONAL",
];

impl Session {
    /// A session as it begins: what the server's options in [`super::SOURCE_ARGS`] say, and `asterisk`.
    pub(super) fn new(grammar: Grammar) -> Session {
        Session {
            grammar,
            charset: Charset::Utf8mb4,
            no_backslash_escapes: false,
            ansi_quotes: false,
            oracle: false,
            format: if grammar.is_mysql() {
                Format::Row
            } else {
                Format::Mixed
            },
            read_committed: false,
            full_image: true,
            database: "asterisk",
            user_variables: false,
            clock: true,
            unsafe_functions: true,
        }
    }

    /// What is sent on a new connection: the session as it is.
    pub(super) fn greeting(&self) -> String {
        let mode = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION";
        format!(
            "SET NAMES utf8mb4; SET lock_wait_timeout = 3, innodb_lock_wait_timeout = 2, sql_mode = '{mode}'"
        )
    }

    /// Only what repeats exactly when a statement is logged as text.
    pub(super) fn is_forced_statement(&self) -> bool {
        self.format == Format::Statement
    }

    /// Changes one or a few settings; the statements to send.
    pub(super) fn change(&mut self, random: &mut Random, kinds: &Kinds) -> Vec<String> {
        let mut statements = Vec::new();
        match random.below(9) {
            0 => {
                self.charset = *random.pick(&Charset::ALL);
                statements.push(format!("SET NAMES {}", self.charset.name()));
            }
            1 | 2 => statements.push(self.change_mode(random)),
            3 if kinds.formats => statements.extend(self.change_format(random)),
            4 => statements.push(format!(
                "SET time_zone = '{}'",
                random.pick(&["SYSTEM", "+00:00", "-07:30", "+05:45", "+13:00"])
            )),
            5 => {
                self.database = random.pick(&["asterisk", "asterisk", "tools"]);
                statements.push(format!("USE {}", self.database));
            }
            6 => {
                self.user_variables = true;
                statements.push(user_variables(random));
            }
            7 => statements.push(various(random)),
            _ if self.format != Format::Statement => {
                self.read_committed = random.once_in(4);
                let level = if self.read_committed {
                    "READ COMMITTED"
                } else {
                    "REPEATABLE READ"
                };
                statements.push(format!("SET SESSION TRANSACTION ISOLATION LEVEL {level}"));
            }
            _ => {}
        }
        statements
    }

    fn change_mode(&mut self, random: &mut Random) -> String {
        let modes = if self.grammar.is_mysql() {
            MYSQL_MODES
        } else {
            MODES
        };
        let mode = random.pick(&modes);
        self.no_backslash_escapes = mode.contains("NO_BACKSLASH_ESCAPES");
        self.oracle = mode == "ORACLE";
        self.ansi_quotes = mode.contains("ANSI") || mode == "ORACLE";
        format!("SET sql_mode = '{mode}'")
    }

    fn change_format(&mut self, random: &mut Random) -> Vec<String> {
        if self.grammar.is_mysql() {
            return vec![self.change_mysql_format(random)];
        }
        self.format = *random.pick(&[&Format::Mixed, &Format::Mixed, &Format::Row, &Format::Statement]);
        let name = match self.format {
            Format::Mixed => "MIXED",
            Format::Row => "ROW",
            Format::Statement => "STATEMENT",
        };
        let image = random.pick(&["FULL", "FULL", "MINIMAL", "NOBLOB"]);
        self.full_image = image == "FULL";
        let mut statements = vec![format!(
            "SET SESSION binlog_format = {name}, binlog_row_image = {image}"
        )];
        if self.format == Format::Statement && self.read_committed {
            self.read_committed = false;
            statements.push("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".to_owned());
        }
        statements
    }

    /// Of MySQL, rows only: in statements it computes some values otherwise than MariaDB. Changes of documents need the
    /// documents in the event.
    fn change_mysql_format(&mut self, random: &mut Random) -> String {
        let image = random.pick(&["FULL", "FULL", "MINIMAL", "NOBLOB"]);
        self.full_image = image == "FULL";
        let options = if self.full_image {
            random.pick(&["", "PARTIAL_JSON"])
        } else {
            ""
        };
        format!(
            "SET SESSION binlog_row_image = {image}, binlog_row_value_options = '{options}', binlog_transaction_compression = {}, binlog_rows_query_log_events = {}",
            random.below(2),
            random.below(2)
        )
    }

    /// A verb, or where it is logged wrongly another.
    pub(super) fn verb(&self, verb: &'static str) -> &'static str {
        if !self.full_image && verb.starts_with("REPLACE") {
            "INSERT INTO"
        } else {
            verb
        }
    }

    /// A column or other name.
    pub(super) fn name(&self, name: &str, random: &mut Random) -> String {
        match random.below(4) {
            0 => format!("`{name}`"),
            1 if self.ansi_quotes => format!("\"{name}\""),
            _ => name.to_owned(),
        }
    }

    /// A table as this session may spell it: with its database where needed, and now and then where not.
    pub(super) fn table(&self, table: &Table, random: &mut Random) -> String {
        let name = self.name(&table.name, random);
        if self.database == table.database && !random.once_in(4) {
            return name;
        }
        let database = self.name(table.database, random);
        let dot = random.pick(&[".", ".", ".", " . ", "./**/", " ."]);
        format!("{database}{dot}{name}")
    }

    /// A new name in a database, always spelled with it.
    pub(super) fn qualified(&self, database: &str, name: &str, random: &mut Random) -> String {
        if self.database == database && random.once_in(2) {
            return self.name(name, random);
        }
        format!("{}.{}", self.name(database, random), self.name(name, random))
    }
}

fn user_variables(random: &mut Random) -> String {
    let word = random.pick(&[
        "'asterisk.t'",
        "_utf8mb4'\u{e9}\u{4e2d}'",
        "X'00FF27'",
        "NULL",
        "_latin1'abc' COLLATE latin1_german2_ci",
        "''",
    ]);
    let number = random.pick(&[
        "-1",
        "18446744073709551615",
        "3.14159",
        "1e10",
        "'7'",
        "NULL",
        "2.50",
    ]);
    format!("SET @word = {word}, @number = {number}")
}

fn various(random: &mut Random) -> String {
    match random.below(7) {
        // With neither check, InnoDB logs a `LOAD DATA IGNORE` with rows that it cannot insert itself (10.11.19, 11.8.6).
        0 => format!("SET foreign_key_checks = {}, unique_checks = 1", random.below(2)),
        1 => format!("SET unique_checks = {}, foreign_key_checks = 1", random.below(2)),
        2 => format!(
            "SET auto_increment_increment = {}, auto_increment_offset = 1",
            1 + random.below(3)
        ),
        3 => format!(
            "SET lc_time_names = '{}'",
            random.pick(&["en_US", "de_DE", "ru_RU"])
        ),
        4 => format!(
            "SET collation_connection = {}",
            random.pick(&["utf8mb4_bin", "latin1_swedish_ci", "utf8mb4_general_ci"])
        ),
        5 => format!(
            "SET default_storage_engine = {}",
            random.pick(&["InnoDB", "MyISAM", "Aria"])
        ),
        _ => "SET timestamp = DEFAULT".to_owned(),
    }
}
