//! Under which name a source's database is written on the target.

use crate::error::RuleError;
use crate::filter::fold;

/// The longest name a server takes, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The `replicate_rewrite_db` rules of one connection.
///
/// Each is a pair, from a source database to a target database. A name is rewritten once: the result is not looked up
/// again. Two source databases may go to one target database.
///
/// ```
/// use tributary_rules::Rewrite;
/// let mut rewrite = Rewrite::new();
/// rewrite.add("asterisk->m1_asterisk")?;
/// assert_eq!(rewrite.target_name(b"asterisk"), b"m1_asterisk");
/// assert_eq!(rewrite.target_name(b"other"), b"other");
/// # Ok::<(), tributary_rules::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    pairs: Vec<(String, String)>,
    lower_case: bool,
}

impl Rewrite {
    /// No rules: every name stays.
    #[must_use]
    pub fn new() -> Self {
        Rewrite::default()
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Compares in lower case, for sources with `lower_case_table_names` 1 or 2.
    pub fn set_lower_case(&mut self, lower_case: bool) {
        self.lower_case = lower_case;
    }

    /// Adds one rule, written `from->to`. White space around the names is not part of them.
    ///
    /// # Errors
    /// [`RuleError`] when it is not a pair of names, or another rule already writes `from` elsewhere.
    pub fn add(&mut self, rule: &str) -> Result<(), RuleError> {
        let not_a_pair = || RuleError::NotAPair {
            value: rule.to_owned(),
        };
        let (from, to) = rule.split_once("->").ok_or_else(not_a_pair)?;
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() || to.contains("->") {
            return Err(not_a_pair());
        }
        if [from, to]
            .iter()
            .any(|name| name.chars().count() > NAME_CHARS_MAX)
        {
            return Err(RuleError::TooLong {
                rule: "replicate_rewrite_db",
                value: rule.to_owned(),
            });
        }
        match self.find(from.as_bytes()) {
            Some(earlier) if earlier == to => Ok(()),
            Some(earlier) => Err(RuleError::Contradiction {
                value: rule.to_owned(),
                from: from.to_owned(),
                to: earlier.to_owned(),
            }),
            None => {
                self.pairs.push((from.to_owned(), to.to_owned()));
                Ok(())
            }
        }
    }

    /// The name under which this source database is written; itself when no rule names it.
    #[must_use]
    pub fn target_name<'a>(&'a self, source_db: &'a [u8]) -> &'a [u8] {
        self.find(source_db).map_or(source_db, str::as_bytes)
    }

    /// Whether a rule names this source database.
    #[must_use]
    pub fn is_mapped(&self, source_db: &[u8]) -> bool {
        self.find(source_db).is_some()
    }

    /// The rules in the order given, as pairs of source and target name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    fn find(&self, source_db: &[u8]) -> Option<&str> {
        if self.is_empty() {
            return None;
        }
        let name = fold(source_db, self.lower_case);
        let found = self
            .pairs
            .iter()
            .find(|(from, _)| fold(from.as_bytes(), self.lower_case) == name);
        found.map(|(_, to)| to.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_checked() {
        let mut rewrite = Rewrite::new();
        for bad in ["", "asterisk", "->b", "a->", "a->b->c", " -> "] {
            assert!(
                matches!(rewrite.add(bad), Err(RuleError::NotAPair { .. })),
                "{bad}"
            );
        }
        assert!(matches!(
            rewrite.add(&format!("a->{}", "b".repeat(65))),
            Err(RuleError::TooLong { .. })
        ));
        rewrite.add(" asterisk -> m1_asterisk ").unwrap();
        rewrite.add("asterisk->m1_asterisk").unwrap();
        let error = rewrite.add("asterisk->m2_asterisk").unwrap_err();
        assert!(
            error.to_string().contains("already written to m1_asterisk"),
            "{error}"
        );
        assert_eq!(rewrite.pairs().collect::<Vec<_>>(), [("asterisk", "m1_asterisk")]);
    }

    #[test]
    fn a_target_name_is_not_rewritten_again() {
        let mut rewrite = Rewrite::new();
        rewrite.add("a->b").unwrap();
        rewrite.add("b->c").unwrap();
        rewrite.add("d->c").unwrap();
        assert_eq!(rewrite.target_name(b"a"), b"b");
        assert_eq!(rewrite.target_name(b"b"), b"c");
        assert!(!rewrite.is_mapped(b"c") && rewrite.is_mapped(b"d"));
    }

    #[test]
    fn case_counts_unless_told_otherwise() {
        let mut rewrite = Rewrite::new();
        rewrite.add("Asterisk->M1").unwrap();
        assert!(!rewrite.is_mapped(b"asterisk"));
        rewrite.set_lower_case(true);
        assert_eq!(rewrite.target_name(b"ASTERISK"), b"M1");
    }
}
