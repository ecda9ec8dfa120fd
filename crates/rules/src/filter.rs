//! Which tables and databases of a source are replicated.

use std::borrow::Cow;
use std::fmt;

use crate::error::RuleError;
use crate::wild;

/// The longest name a server takes, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The `replicate_*` filter rules of one connection, in source names.
///
/// A table is judged by its own database and name, in this order; the first rule that matches decides:
///
/// 1. `replicate_do_db`: when there is any, the database must be among them; else `replicate_ignore_db` rejects
/// 2. `replicate_do_table` accepts
/// 3. `replicate_ignore_table` rejects
/// 4. `replicate_wild_do_table` accepts
/// 5. `replicate_wild_ignore_table` rejects
/// 6. what no rule names is accepted, unless there are rules 2 or 4
///
/// Names compare byte by byte, patterns too (the native server compares patterns without regard to case); with
/// [`Filter::set_lower_case`] both sides are put in lower case first.
///
/// ```
/// use tributary_rules::{Filter, FilterKind};
/// let mut filter = Filter::new();
/// filter.add(FilterKind::IgnoreTable, "asterisk.live_channels")?;
/// assert!(filter.accepts_table(b"asterisk", b"call_log").accepted);
/// let verdict = filter.accepts_table(b"asterisk", b"live_channels");
/// assert_eq!(verdict.to_string(), "ignored by replicate_ignore_table=asterisk.live_channels");
/// # Ok::<(), tributary_rules::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    rules: Vec<Rule>,
    lower_case: bool,
}

/// One rule, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    kind: FilterKind,
    value: String,
}

/// The kinds of filter rules, in the order they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FilterKind {
    /// `replicate_do_db`
    DoDb,
    /// `replicate_ignore_db`
    IgnoreDb,
    /// `replicate_do_table`
    DoTable,
    /// `replicate_ignore_table`
    IgnoreTable,
    /// `replicate_wild_do_table`
    WildDoTable,
    /// `replicate_wild_ignore_table`
    WildIgnoreTable,
}

impl FilterKind {
    /// All kinds, in the order they are asked, which is also that of `SHOW SLAVE STATUS`.
    pub const ALL: [FilterKind; 6] = [
        FilterKind::DoDb,
        FilterKind::IgnoreDb,
        FilterKind::DoTable,
        FilterKind::IgnoreTable,
        FilterKind::WildDoTable,
        FilterKind::WildIgnoreTable,
    ];

    /// The name of the setting.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            FilterKind::DoDb => "replicate_do_db",
            FilterKind::IgnoreDb => "replicate_ignore_db",
            FilterKind::DoTable => "replicate_do_table",
            FilterKind::IgnoreTable => "replicate_ignore_table",
            FilterKind::WildDoTable => "replicate_wild_do_table",
            FilterKind::WildIgnoreTable => "replicate_wild_ignore_table",
        }
    }

    fn example(self) -> &'static str {
        match self {
            FilterKind::DoDb | FilterKind::IgnoreDb => "asterisk",
            FilterKind::DoTable | FilterKind::IgnoreTable => "asterisk.live_channels",
            FilterKind::WildDoTable | FilterKind::WildIgnoreTable => "asterisk.live\\_%",
        }
    }

    fn is_table_rule(self) -> bool {
        !matches!(self, FilterKind::DoDb | FilterKind::IgnoreDb)
    }
}

impl fmt::Display for FilterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting())
    }
}

/// Whether something is replicated, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'f> {
    /// It is replicated.
    pub accepted: bool,
    /// The rule that decided; `None` when none names it.
    pub rule: Option<DecidedBy<'f>>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy<'f> {
    /// This rule matched.
    Rule {
        /// Its kind.
        kind: FilterKind,
        /// Its value, as given.
        value: &'f str,
    },
    /// There are rules of this kind that accept, and none of them matched.
    NotListed {
        /// Their kind.
        kind: FilterKind,
    },
}

impl fmt::Display for DecidedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecidedBy::Rule { kind, value } => write!(f, "{kind}={value}"),
            DecidedBy::NotListed { kind } => write!(f, "{kind} (not listed)"),
        }
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.accepted, self.rule) {
            (true, Some(rule)) => write!(f, "replicated by {rule}"),
            (true, None) => f.write_str("replicated: no rule names it"),
            (false, Some(rule)) => write!(f, "ignored by {rule}"),
            (false, None) => f.write_str("ignored"),
        }
    }
}

impl Filter {
    /// A filter without rules: everything is replicated.
    #[must_use]
    pub fn new() -> Self {
        Filter::default()
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Compares in lower case, for sources with `lower_case_table_names` 1 or 2.
    pub fn set_lower_case(&mut self, lower_case: bool) {
        self.lower_case = lower_case;
    }

    /// Adds one rule: a database name, `database.table`, or a pattern of `database.table`. White space around it is
    /// not part of it; a rule given twice counts once.
    ///
    /// # Errors
    /// [`RuleError`] when the value cannot name what the kind asks for.
    pub fn add(&mut self, kind: FilterKind, value: &str) -> Result<(), RuleError> {
        let value = value.trim();
        let (rule, example) = (kind.setting(), kind.example());
        if value.is_empty() {
            return Err(RuleError::Empty { rule, example });
        }
        if kind.is_table_rule() {
            let parts = value
                .split_once('.')
                .filter(|(db, table)| !db.is_empty() && !table.is_empty());
            let Some((db, table)) = parts else {
                return Err(RuleError::NotATable {
                    rule,
                    value: value.to_owned(),
                    example,
                });
            };
            let is_pattern = matches!(kind, FilterKind::WildDoTable | FilterKind::WildIgnoreTable);
            if !is_pattern
                && [db, table]
                    .iter()
                    .any(|name| name.chars().count() > NAME_CHARS_MAX)
            {
                return Err(RuleError::TooLong {
                    rule,
                    value: value.to_owned(),
                });
            }
        } else if value.chars().count() > NAME_CHARS_MAX {
            return Err(RuleError::TooLong {
                rule,
                value: value.to_owned(),
            });
        }
        let new = Rule {
            kind,
            value: value.to_owned(),
        };
        if !self.rules.contains(&new) {
            self.rules.push(new);
        }
        Ok(())
    }

    /// The rules, kind by kind in the order of [`FilterKind::ALL`], each kind in the order given.
    pub fn rules(&self) -> impl Iterator<Item = (FilterKind, &str)> {
        FilterKind::ALL.into_iter().flat_map(|kind| {
            self.rules
                .iter()
                .filter(move |rule| rule.kind == kind)
                .map(move |rule| (kind, rule.value.as_str()))
        })
    }

    /// Whether changes to this table are replicated.
    #[must_use]
    pub fn accepts_table(&self, db: &[u8], table: &[u8]) -> Verdict<'_> {
        if self.is_empty() {
            return Verdict {
                accepted: true,
                rule: None,
            };
        }
        let db = self.folded(db);
        let table = self.folded(table);
        if let Some(rejected) = self.database_rules(&db) {
            return rejected;
        }
        let full = [db.as_ref(), b".", table.as_ref()].concat();
        for (kind, accepted) in [
            (FilterKind::DoTable, true),
            (FilterKind::IgnoreTable, false),
            (FilterKind::WildDoTable, true),
            (FilterKind::WildIgnoreTable, false),
        ] {
            if let Some(value) = self.matching(kind, &full) {
                return Verdict {
                    accepted,
                    rule: Some(DecidedBy::Rule { kind, value }),
                };
            }
        }
        self.unnamed(&[FilterKind::DoTable, FilterKind::WildDoTable])
    }

    /// Whether statements about this database itself are replicated: CREATE, ALTER, DROP DATABASE, and those that
    /// name no table, like CREATE PROCEDURE.
    ///
    /// Patterns are matched against `db.`, as the native server does it: `asterisk.%` names the database too. Rules on
    /// single tables say nothing about their database.
    #[must_use]
    pub fn accepts_database(&self, db: &[u8]) -> Verdict<'_> {
        if self.is_empty() {
            return Verdict {
                accepted: true,
                rule: None,
            };
        }
        let db = self.folded(db);
        if let Some(rejected) = self.database_rules(&db) {
            return rejected;
        }
        let full = [db.as_ref(), b"."].concat();
        for (kind, accepted) in [
            (FilterKind::WildDoTable, true),
            (FilterKind::WildIgnoreTable, false),
        ] {
            if let Some(value) = self.matching(kind, &full) {
                return Verdict {
                    accepted,
                    rule: Some(DecidedBy::Rule { kind, value }),
                };
            }
        }
        self.unnamed(&[FilterKind::WildDoTable])
    }

    fn database_rules(&self, db: &[u8]) -> Option<Verdict<'_>> {
        if self.has(FilterKind::DoDb) {
            if self.matching(FilterKind::DoDb, db).is_some() {
                return None;
            }
            let rule = Some(DecidedBy::NotListed {
                kind: FilterKind::DoDb,
            });
            return Some(Verdict {
                accepted: false,
                rule,
            });
        }
        let value = self.matching(FilterKind::IgnoreDb, db)?;
        let rule = Some(DecidedBy::Rule {
            kind: FilterKind::IgnoreDb,
            value,
        });
        Some(Verdict {
            accepted: false,
            rule,
        })
    }

    /// The verdict on what no rule names, where these kinds list what is accepted.
    fn unnamed(&self, accepting: &[FilterKind]) -> Verdict<'_> {
        match accepting.iter().find(|kind| self.has(**kind)) {
            Some(&kind) => Verdict {
                accepted: false,
                rule: Some(DecidedBy::NotListed { kind }),
            },
            None => Verdict {
                accepted: true,
                rule: None,
            },
        }
    }

    fn has(&self, kind: FilterKind) -> bool {
        self.rules.iter().any(|rule| rule.kind == kind)
    }

    /// The first rule of this kind that matches `name`, which is already in lower case where that counts.
    fn matching(&self, kind: FilterKind, name: &[u8]) -> Option<&str> {
        let is_pattern = matches!(kind, FilterKind::WildDoTable | FilterKind::WildIgnoreTable);
        let found = self.rules.iter().filter(|rule| rule.kind == kind).find(|rule| {
            let value = self.folded(rule.value.as_bytes());
            if is_pattern {
                wild::matches(&value, name)
            } else {
                value.as_ref() == name
            }
        });
        found.map(|rule| rule.value.as_str())
    }

    fn folded<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        fold(name, self.lower_case)
    }
}

/// The name as it is compared.
pub(crate) fn fold(name: &[u8], lower_case: bool) -> Cow<'_, [u8]> {
    if !lower_case {
        return Cow::Borrowed(name);
    }
    Cow::Owned(match std::str::from_utf8(name) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    })
}
