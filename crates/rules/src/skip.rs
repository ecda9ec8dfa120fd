//! Which errors of the target may be passed over, for which tables.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::RuleError;
use crate::wild;

/// What `ddl_exist_errors` stands for: errors of DDL that has been applied before. The list is MySQL's;
/// MariaDB reads the word as an empty list.
const DDL_EXIST_ERRORS: [u16; 10] = [1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146];

/// The setting that allows errors for tables.
const ALLOW: &str = "tributary_skip_errors";

/// The setting that forbids all errors for tables.
const NEVER: &str = "tributary_never_skip";

/// Errors of the target that do not stop a connection, written as in `slave_skip_errors`: numbers separated by commas or
/// white space, `ddl_exist_errors` among them, or one of `all`, `off`, `none`, `0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SkipErrors {
    /// Every error stops the connection.
    #[default]
    None,
    /// No error of a statement or row stops the connection.
    All,
    /// These numbers do not.
    List(BTreeSet<u16>),
}

impl SkipErrors {
    /// Whether the server error `number` is passed over.
    #[must_use]
    pub fn contains(&self, number: u16) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::List(numbers) => numbers.contains(&number),
        }
    }

    /// What either passes over.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, errors) | (errors, Self::None) => errors.clone(),
            (Self::List(left), Self::List(right)) => Self::List(left | right),
        }
    }

    /// What both pass over.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, errors) | (errors, Self::All) => errors.clone(),
            (Self::List(left), Self::List(right)) => Self::List(left & right),
        }
    }
}

impl FromStr for SkipErrors {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "off" | "none" | "0" => Ok(Self::None),
            "all" => Ok(Self::All),
            words => numbers(words)
                .map(Self::List)
                .ok_or_else(|| RuleError::NotNumbers {
                    value: text.to_owned(),
                }),
        }
    }
}

fn numbers(text: &str) -> Option<BTreeSet<u16>> {
    let mut numbers = BTreeSet::new();
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        match word {
            "ddl_exist_errors" => numbers.extend(DDL_EXIST_ERRORS),
            word => {
                numbers.insert(word.parse().ok().filter(|number| *number > 0)?);
            }
        }
    }
    Some(numbers)
}

/// Rules on single tables, in source names: errors that are passed over there in addition to those of the connection, and
/// tables where none ever is.
///
/// ```
/// use tributary_rules::TableSkips;
/// let mut skips = TableSkips::new();
/// skips.allow("asterisk.vicidial_%:1062,1032")?;
/// skips.forbid("asterisk.vicidial_closer_log")?;
/// # Ok::<(), tributary_rules::RuleError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSkips {
    allowed: Vec<(String, SkipErrors)>,
    never: Vec<String>,
}

impl TableSkips {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule `database.table:numbers`; the table is a pattern as in `replicate_wild_do_table`, the numbers are
    /// written as in `slave_skip_errors`.
    ///
    /// # Errors
    /// [`RuleError`] when it is not such a rule.
    pub fn allow(&mut self, rule: &str) -> Result<(), RuleError> {
        let not_a_rule = || RuleError::NotATableWithNumbers {
            value: rule.to_owned(),
        };
        let (table, numbers) = rule.rsplit_once(':').ok_or_else(not_a_rule)?;
        let table = wild::table_pattern(ALLOW, table)?;
        let errors: SkipErrors = numbers.parse()?;
        if errors == SkipErrors::None {
            return Err(not_a_rule());
        }
        self.allowed.push((table, errors));
        Ok(())
    }

    /// Adds a table, or a pattern of tables, where no error is ever passed over.
    ///
    /// # Errors
    /// [`RuleError`] when it is not a pattern of `database.table`.
    pub fn forbid(&mut self, table: &str) -> Result<(), RuleError> {
        self.never.push(wild::table_pattern(NEVER, table)?);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.never.is_empty()
    }
}

/// What may be passed over when a change fails on the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Errors after which the row or statement is left out.
    pub skip: SkipErrors,
    /// Rows that are on the target already are overwritten, rows that are missing are passed over
    /// (`slave_exec_mode=IDEMPOTENT`). Row events only.
    pub is_idempotent: bool,
}

impl Tolerance {
    /// Whether every error stops the connection.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.skip == SkipErrors::None && !self.is_idempotent
    }

    /// What both tolerate.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            skip: self.skip.intersection(&other.skip),
            is_idempotent: self.is_idempotent && other.is_idempotent,
        }
    }
}

/// The tolerance of each table of one connection.
#[derive(Debug, Clone, Default)]
pub struct Tolerances {
    everywhere: Arc<Tolerance>,
    nothing: Arc<Tolerance>,
    tables: TableSkips,
}

impl Tolerances {
    /// `everywhere` holds for every table that `tables` says nothing about.
    #[must_use]
    pub fn new(everywhere: Tolerance, tables: TableSkips) -> Self {
        Self {
            everywhere: Arc::new(everywhere),
            nothing: Arc::default(),
            tables,
        }
    }

    /// What is tolerated of a change to one table.
    #[must_use]
    pub fn of_table(&self, db: &[u8], table: &[u8]) -> Arc<Tolerance> {
        if self.tables.is_empty() {
            return self.everywhere.clone();
        }
        let full = [db, b".", table].concat();
        let is_named = |pattern: &String| wild::matches(pattern.as_bytes(), &full);
        if self.tables.never.iter().any(is_named) {
            return self.nothing.clone();
        }
        let mut named = self
            .tables
            .allowed
            .iter()
            .filter(|(pattern, _)| is_named(pattern));
        let Some((_, first)) = named.next() else {
            return self.everywhere.clone();
        };
        let own = named.fold(first.clone(), |errors, (_, more)| errors.union(more));
        Arc::new(Tolerance {
            skip: self.everywhere.skip.union(&own),
            is_idempotent: self.everywhere.is_idempotent,
        })
    }

    /// What is tolerated of a change to several tables at once: what is tolerated for each of them. Without a table it is
    /// what holds for the connection.
    #[must_use]
    pub fn of_tables<'t>(&self, tables: impl IntoIterator<Item = (&'t [u8], &'t [u8])>) -> Arc<Tolerance> {
        let mut common: Option<Arc<Tolerance>> = None;
        for (db, table) in tables {
            let own = self.of_table(db, table);
            common = Some(match common {
                None => own,
                Some(common) if Arc::ptr_eq(&common, &own) => common,
                Some(common) => Arc::new(common.intersection(&own)),
            });
        }
        common.unwrap_or_else(|| self.everywhere.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: &[u16]) -> SkipErrors {
        SkipErrors::List(numbers.iter().copied().collect())
    }

    #[test]
    fn numbers_and_words_are_read() {
        let parse = |text: &str| text.parse::<SkipErrors>().unwrap();
        assert_eq!(
            parse("1032,1062,1146,1269,1396,1932"),
            list(&[1032, 1062, 1146, 1269, 1396, 1932])
        );
        assert_eq!(parse(" 1062 , 1032 "), list(&[1032, 1062]));
        assert_eq!(parse("OFF"), SkipErrors::None);
        assert_eq!(parse(""), SkipErrors::None);
        assert_eq!(parse("All"), SkipErrors::All);
        assert_eq!(parse("ddl_exist_errors"), list(&DDL_EXIST_ERRORS));
        assert!(matches!(parse("ddl_exist_errors,1062"), SkipErrors::List(numbers) if numbers.len() == 11));
        for text in ["1062x", "some", "1062,all", "99999", "-1", "1062;1032", "0,1"] {
            assert!(text.parse::<SkipErrors>().is_err(), "{text}");
        }
    }

    #[test]
    fn sets_join_and_meet() {
        let (a, b) = (list(&[1, 2]), list(&[2, 3]));
        assert_eq!(a.union(&b), list(&[1, 2, 3]));
        assert_eq!(a.intersection(&b), list(&[2]));
        assert_eq!(a.union(&SkipErrors::All), SkipErrors::All);
        assert_eq!(a.intersection(&SkipErrors::All), a);
        assert_eq!(a.union(&SkipErrors::None), a);
        assert_eq!(SkipErrors::None.intersection(&a), SkipErrors::None);
    }

    fn tolerances() -> Tolerances {
        let mut tables = TableSkips::new();
        tables.allow("asterisk.log%:1032").unwrap();
        tables.allow("asterisk.log_a : 1146 , 1213").unwrap();
        tables.allow("asterisk.any:all").unwrap();
        tables.forbid("asterisk.log_never").unwrap();
        let everywhere = Tolerance {
            skip: list(&[1062]),
            is_idempotent: true,
        };
        Tolerances::new(everywhere, tables)
    }

    #[test]
    fn tables_add_to_the_connection_and_never_beats_all() {
        let of = |table: &str| tolerances().of_table(b"asterisk", table.as_bytes()).skip.clone();
        assert_eq!(of("other"), list(&[1062]));
        assert_eq!(of("log_b"), list(&[1032, 1062]));
        assert_eq!(of("log_a"), list(&[1032, 1062, 1146, 1213]));
        assert_eq!(of("any"), SkipErrors::All);
        assert_eq!(of("log_never"), SkipErrors::None);
        let never = tolerances().of_table(b"asterisk", b"log_never");
        assert!(never.is_none(), "IDEMPOTENT does not hold there either");
        assert_eq!(
            tolerances().of_table(b"tools", b"log_never").skip,
            list(&[1062]),
            "another database"
        );
    }

    #[test]
    fn of_several_tables_the_strictest_decides() {
        let of = |tables: &[&str]| {
            let tables = tables
                .iter()
                .map(|table| (b"asterisk".as_slice(), table.as_bytes()));
            tolerances().of_tables(tables).skip.clone()
        };
        assert_eq!(of(&[]), list(&[1062]));
        assert_eq!(of(&["log_a", "log_b"]), list(&[1032, 1062]));
        assert_eq!(of(&["log_a", "log_never"]), SkipErrors::None);
        assert_eq!(of(&["any", "other"]), list(&[1062]));
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for rule in [
            "asterisk.log",
            "log:1062",
            "asterisk.log:",
            "asterisk.log:off",
            "asterisk.:1",
            ":1",
            "a.b:x",
        ] {
            assert!(TableSkips::new().allow(rule).is_err(), "{rule}");
        }
        for rule in ["", "log", "asterisk.", ".log"] {
            assert!(TableSkips::new().forbid(rule).is_err(), "{rule}");
        }
    }
}
