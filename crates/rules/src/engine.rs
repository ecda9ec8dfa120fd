//! Which storage engine a table of the source gets on the target.

use crate::error::RuleError;
use crate::wild;

/// The setting that maps engines.
const REWRITE: &str = "tributary_rewrite_engine";

/// The setting that leaves tables out.
const KEEP: &str = "tributary_keep_engine";

/// Longest name of an engine, in characters; the server's own limit for names.
const NAME_CHARS_MAX: usize = 64;

/// Names under which the server knows one engine.
const SYNONYMS: [(&str, &str); 4] = [
    ("INNOBASE", "INNODB"),
    ("HEAP", "MEMORY"),
    ("MRG_MYISAM", "MERGE"),
    ("MARIA", "ARIA"),
];

/// Storage engines that tables get instead of those the source names, and the tables for which this does not hold.
///
/// Engine names compare without case, and under all the names the server has for them. An engine is mapped once: the
/// result is not looked up again.
///
/// ```
/// use tributary_rules::EngineRules;
/// let mut engines = EngineRules::new();
/// engines.map("MyISAM->InnoDB")?;
/// engines.keep("asterisk.archive%")?;
/// assert_eq!(engines.target_engine(b"asterisk", b"call_log", b"myisam"), Some("InnoDB"));
/// assert_eq!(engines.target_engine(b"asterisk", b"call_log", b"InnoDB"), None);
/// assert_eq!(engines.target_engine(b"asterisk", b"archive_2024", b"MyISAM"), None);
/// # Ok::<(), tributary_rules::RuleError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineRules {
    pairs: Vec<(String, String)>,
    kept: Vec<String>,
}

impl EngineRules {
    /// No rules: every table keeps its engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no engine is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a rule, written `FROM->TO`.
    ///
    /// # Errors
    /// [`RuleError`] when it is not a pair of engines, or another rule maps FROM elsewhere.
    pub fn map(&mut self, rule: &str) -> Result<(), RuleError> {
        let not_a_pair = || RuleError::NotEngines {
            value: rule.to_owned(),
        };
        let (from, to) = rule.split_once("->").ok_or_else(not_a_pair)?;
        let (from, to) = (from.trim(), to.trim());
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= NAME_CHARS_MAX
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_name(from) || !is_name(to) {
            return Err(not_a_pair());
        }
        match self.find(from.as_bytes()) {
            Some(earlier) if is_same(earlier.as_bytes(), to.as_bytes()) => {}
            Some(earlier) => {
                return Err(RuleError::TwoEngines {
                    rule: REWRITE,
                    value: rule.to_owned(),
                    earlier: earlier.to_owned(),
                });
            }
            None if is_same(from.as_bytes(), to.as_bytes()) => return Err(not_a_pair()),
            None => self.pairs.push((from.to_owned(), to.to_owned())),
        }
        Ok(())
    }

    /// Adds a table, or a pattern of tables, that keeps its engine.
    ///
    /// # Errors
    /// [`RuleError`] when it is not a pattern of `database.table`.
    pub fn keep(&mut self, table: &str) -> Result<(), RuleError> {
        self.kept.push(wild::table_pattern(KEEP, table)?);
        Ok(())
    }

    /// Whether the table, in source names, keeps its engine whatever that is.
    #[must_use]
    pub fn is_kept(&self, db: &[u8], table: &[u8]) -> bool {
        if self.kept.is_empty() {
            return false;
        }
        let full = [db, b".", table].concat();
        self.kept
            .iter()
            .any(|pattern| wild::matches(pattern.as_bytes(), &full))
    }

    /// The engine that this table, in source names, gets instead of `engine`; `None` when it keeps it.
    #[must_use]
    pub fn target_engine(&self, db: &[u8], table: &[u8], engine: &[u8]) -> Option<&str> {
        let to = self.find(engine)?;
        (!self.is_kept(db, table)).then_some(to)
    }

    /// Whether tables of this engine are mapped, unless they are kept.
    #[must_use]
    pub fn maps(&self, engine: &[u8]) -> bool {
        self.find(engine).is_some()
    }

    /// The rules in the order given, as pairs of source and target engine.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    fn find(&self, engine: &[u8]) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(from, _)| is_same(from.as_bytes(), engine))
            .map(|(_, to)| to.as_str())
    }
}

/// Whether two names mean one engine.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let canonical = |name: &[u8]| -> Vec<u8> {
        SYNONYMS
            .iter()
            .find(|(synonym, _)| synonym.as_bytes().eq_ignore_ascii_case(name))
            .map_or_else(
                || name.to_ascii_uppercase(),
                |(_, engine)| engine.as_bytes().to_vec(),
            )
    };
    canonical(left) == canonical(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_under_all_their_names() {
        let mut engines = EngineRules::new();
        assert!(engines.is_empty());
        engines.map(" memory -> InnoDB ").unwrap();
        engines.map("HEAP->innodb").unwrap();
        assert_eq!(engines.pairs().count(), 1, "the same rule twice counts once");
        assert_eq!(engines.target_engine(b"a", b"t", b"heap"), Some("InnoDB"));
        assert!(engines.maps(b"Memory") && !engines.maps(b"MyISAM"));
    }

    #[test]
    fn what_maps_nothing_or_two_ways_is_refused() {
        for rule in [
            "MyISAM",
            "MyISAM->",
            "->InnoDB",
            "a b->InnoDB",
            "MyISAM->myisam",
            "MyISAM->`x`",
            "a->b->c",
        ] {
            assert!(EngineRules::new().map(rule).is_err(), "{rule}");
        }
        let mut engines = EngineRules::new();
        engines.map("MyISAM->InnoDB").unwrap();
        let error = engines.map("myisam->Aria").unwrap_err().to_string();
        assert!(error.contains("InnoDB"), "{error}");
        assert!(engines.keep("archive").is_err());
    }
}
