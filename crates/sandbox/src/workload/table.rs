//! Tables as the workload knows them, and how they are created.

use super::grammar::Grammar;
use super::kind::Kind;
use super::session::Session;
use super::value::literal;
use crate::random::Random;

/// How `id`, which every table has, is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    AutoPrimary,
    Primary,
    Unique,
    Index,
    None,
}

/// A column beside `id` and `n`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The expression of a generated column.
    pub(super) generated: Option<String>,
    pub(super) invisible: bool,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Stays when the table is renamed or altered.
    pub(super) number: u64,
    pub(super) database: &'static str,
    pub(super) name: String,
    pub(super) engine: &'static str,
    pub(super) key: Key,
    /// Whether there is a column `u`, unique and nullable.
    pub(super) second_key: bool,
    pub(super) columns: Vec<Column>,
    pub(super) is_partitioned: bool,
    pub(super) is_versioned: bool,
    pub(super) has_trigger: bool,
    /// Named in the rules: the replica leaves it out.
    pub(super) is_ignored: bool,
    /// Whether another table refers to it, or it to another.
    pub(super) has_foreign_key: bool,
}

/// Columns beside `id` and `n` a table begins with, at most.
const COLUMNS_MAX: u64 = 7;

const ENGINES: [&str; 7] = ["InnoDB", "InnoDB", "InnoDB", "MyISAM", "MyISAM", "Aria", "MEMORY"];

impl Table {
    pub(super) fn random(number: u64, grammar: Grammar, random: &mut Random) -> Table {
        let engine = grammar.engine(random.pick(&ENGINES));
        let mut table = Table {
            number,
            database: random.pick(&["asterisk", "asterisk", "tools"]),
            name: format!(
                "{}{number}",
                random.pick(&["t", "log_", "Order ", "värde_", "a`b"])
            ),
            engine,
            key: *random.pick(&[
                &Key::AutoPrimary,
                &Key::AutoPrimary,
                &Key::Primary,
                &Key::Unique,
                &Key::Index,
                &Key::None,
            ]),
            second_key: random.once_in(4),
            columns: Vec::new(),
            is_partitioned: false,
            is_versioned: false,
            has_trigger: false,
            is_ignored: false,
            has_foreign_key: false,
        };
        table.second_key &= !table.is_bare();
        table.second_key &= table.has_unique_id() || grammar.finds_rows_behind_nullable_keys();
        // Names that need quotes would need them everywhere; the plain ones are enough for most tables.
        if table.name.contains([' ', '`']) || !table.name.is_ascii() {
            table.name = format!("T_{number}$");
        }
        for index in 0..random.below(COLUMNS_MAX + 1) {
            let column = table.random_column(index, grammar, random);
            table.columns.push(column);
        }
        // MySQL has partitions in InnoDB only, and no versions of rows.
        table.is_partitioned = engine != "MEMORY"
            && !table.is_bare()
            && (engine == "InnoDB" || !grammar.is_mysql())
            && !table.second_key
            && random.once_in(8)
            && !table.columns.iter().any(|c| matches!(c.kind, Kind::Geometry(_)));
        table.is_versioned = engine != "MEMORY"
            && !table.is_bare()
            && !table.is_partitioned
            && random.once_in(10)
            && !grammar.is_mysql();
        table
    }

    /// A column that this table's engine can have.
    pub(super) fn random_column(&self, index: u64, grammar: Grammar, random: &mut Random) -> Column {
        let mut kind = Kind::random(grammar, random);
        // Before 11, no partition has a geometry (10.11.19 refuses what 11.8.6 takes).
        while self.engine == "MEMORY" && !kind.fits_memory()
            || self.is_partitioned && matches!(kind, Kind::Geometry(_))
        {
            kind = Kind::random(grammar, random);
        }
        let mut column = Column {
            name: format!("c{index}"),
            kind,
            generated: None,
            invisible: random.once_in(12) && !self.is_bare(),
        };
        if self.engine != "MEMORY" && random.once_in(10) && !self.is_bare() {
            column.kind = Kind::Integer {
                name: "BIGINT",
                bits: 64,
                unsigned: false,
                zerofill: false,
            };
            let mut storage = random.pick(&["VIRTUAL", "PERSISTENT"]);
            if grammar.is_mysql() && storage == "PERSISTENT" {
                storage = "STORED";
            }
            column.generated = Some(format!("GENERATED ALWAYS AS (n * 2 + {index}) {storage}"));
            column.invisible = false;
        }
        column
    }

    /// Whether it has no index at all, nor anything else that keeps the engine from finding its rows by statements.
    fn is_bare(&self) -> bool {
        self.key == Key::None && !self.number.is_multiple_of(3)
    }

    /// Whether an error in the middle of a statement leaves what it did before.
    pub(super) fn is_transactional(&self) -> bool {
        self.engine == "InnoDB"
    }

    /// Whether an equal `id` is refused.
    pub(super) fn has_unique_id(&self) -> bool {
        matches!(self.key, Key::AutoPrimary | Key::Primary | Key::Unique)
    }

    /// Whether transactions in two phases may change it. Statements over several tables must not: which rows they lock depends on
    /// the plan, and a replica, which gets the `XA COMMIT` only behind them, would wait for ever where the source did not.
    pub(super) fn may_be_prepared(&self) -> bool {
        self.is_transactional() && self.number.is_multiple_of(2)
    }

    /// Whether every kind of row statement repeats exactly as text.
    pub(super) fn is_plain(&self) -> bool {
        !self.has_trigger
            && !self.second_key
            && !self.is_versioned
            && !self.has_foreign_key
            && self.has_unique_id()
    }

    /// Columns whose values a statement may give.
    pub(super) fn writable(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.generated.is_none())
    }

    /// `CREATE TABLE`.
    pub(super) fn create(&self, session: &Session, random: &mut Random) -> Vec<u8> {
        let verb = random.pick(&[
            "CREATE TABLE",
            "CREATE TABLE IF NOT EXISTS",
            "create table",
            session.grammar.create_or_replace_table(),
        ]);
        let mut sql = format!(
            "{verb} {} (",
            session.qualified(self.database, &self.name, random)
        )
        .into_bytes();
        sql.extend_from_slice(self.id_definition(random).as_bytes());
        sql.extend_from_slice(b", n INT NOT NULL DEFAULT 0");
        if self.second_key {
            sql.extend_from_slice(b", u INT NULL, UNIQUE KEY by_u (u)");
        }
        for column in &self.columns {
            sql.extend_from_slice(b", ");
            sql.extend(self.column_definition(column, session, random));
        }
        for column in &self.columns {
            if random.once_in(5)
                && !self.is_bare()
                && column.generated.is_none()
                && let Some(part) = column.kind.index_part(&column.name)
            {
                sql.extend_from_slice(format!(", KEY by_{} ({part})", column.name).as_bytes());
            }
        }
        sql.extend_from_slice(b")");
        sql.extend_from_slice(self.options(session.grammar, random).as_bytes());
        sql
    }

    fn id_definition(&self, random: &mut Random) -> String {
        let integer = random.pick(&["INT", "BIGINT UNSIGNED", "BIGINT", "INT UNSIGNED"]);
        match self.key {
            Key::AutoPrimary => format!("id {integer} NOT NULL AUTO_INCREMENT PRIMARY KEY"),
            Key::Primary => format!("id {integer} NOT NULL, PRIMARY KEY (id)"),
            Key::Unique => format!("id {integer} NOT NULL, UNIQUE KEY by_id (id)"),
            Key::Index => format!("id {integer} NOT NULL, KEY by_id (id)"),
            Key::None => format!("id {integer} NOT NULL"),
        }
    }

    /// A column as `CREATE` and `ALTER` say it, with a default now and then.
    pub(super) fn column_definition(
        &self,
        column: &Column,
        session: &Session,
        random: &mut Random,
    ) -> Vec<u8> {
        let mut sql = format!("{} {}", column.name, column.kind.definition());
        if let Some(expression) = &column.generated {
            sql.push_str(&format!(" {expression}"));
            return sql.into_bytes();
        }
        sql.push_str(" NULL");
        if column.invisible {
            sql.push_str(" INVISIBLE");
        }
        match &column.kind {
            Kind::Timestamp(digits) | Kind::DateTime(digits) if random.once_in(2) && !self.is_bare() => {
                let clock = if *digits == 0 {
                    "CURRENT_TIMESTAMP".to_owned()
                } else {
                    format!("CURRENT_TIMESTAMP({digits})")
                };
                sql.push_str(&format!(" DEFAULT {clock} ON UPDATE {clock}"));
            }
            Kind::Integer { .. } if random.once_in(2) => {
                sql.push_str(&format!(" DEFAULT {}", random.below(100)))
            }
            Kind::Text {
                compressed: false,
                type_name,
                ..
            } if random.once_in(3) => {
                let default = literal(
                    &Kind::Text {
                        type_name: String::new(),
                        chars: 1,
                        collation: "",
                        compressed: false,
                    },
                    random,
                    session,
                );
                let can_have =
                    self.engine != "MEMORY" && !(session.grammar.is_mysql() && type_name.ends_with("TEXT"));
                if default.is_ascii() && default.starts_with(b"'") && can_have {
                    let mut sql = sql.into_bytes();
                    sql.extend_from_slice(b" DEFAULT ");
                    sql.extend(default);
                    return sql;
                }
            }
            _ => {}
        }
        if random.once_in(8) {
            sql.push_str(" COMMENT 'asterisk.t1 \"asterisk\".t1'");
        }
        sql.into_bytes()
    }

    fn options(&self, grammar: Grammar, random: &mut Random) -> String {
        let mut options = format!(" ENGINE={}", self.engine);
        options.push_str(random.pick(&[
            "",
            " DEFAULT CHARSET=utf8mb4",
            " DEFAULT CHARSET=latin1",
            " CHARSET gbk",
        ]));
        match self.engine {
            "InnoDB" => options.push_str(random.pick(&[
                "",
                "",
                " ROW_FORMAT=COMPACT",
                " ROW_FORMAT=COMPRESSED",
                if grammar.is_mysql() {
                    " STATS_PERSISTENT=0"
                } else {
                    " PAGE_COMPRESSED=1"
                },
            ])),
            "MyISAM" => options.push_str(random.pick(&["", "", " ROW_FORMAT=DYNAMIC", " CHECKSUM=1"])),
            // With TRANSACTIONAL=0, a unique key of versioned rows with NULLs loses its order (10.11.19, without replication).
            "Aria" if self.is_versioned => options.push_str(random.pick(&["", " TRANSACTIONAL=1"])),
            "Aria" => options.push_str(random.pick(&["", " TRANSACTIONAL=0", " TRANSACTIONAL=1"])),
            _ => {}
        }
        if random.once_in(6) {
            options.push_str(" COMMENT='see asterisk.t2'");
        }
        if self.is_versioned {
            options.push_str(" WITH SYSTEM VERSIONING");
        }
        if self.is_partitioned {
            options.push_str(random.pick(&[
                " PARTITION BY HASH (id) PARTITIONS 3",
                " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN (300), PARTITION p2 VALUES LESS THAN MAXVALUE)",
            ]));
        }
        options
    }
}
