//! What a pattern of `database.table` still asks of the table, once the database is known.

use std::collections::BTreeSet;

/// What is left of `pattern` behind `database` and the dot: each a pattern that the table's name may match. Nothing is left when
/// the pattern does not fit the database.
///
/// Two databases with which the same is left are treated alike by the pattern. A `%` in front may take the dot, too, so that a
/// later one asks for a table with a dot in its name: such tables are not thought of.
pub(super) fn rest<'p>(pattern: &'p str, database: &str) -> BTreeSet<&'p str> {
    let mut rests = BTreeSet::new();
    add(&mut rests, pattern);
    for letter in database.chars().chain(['.']) {
        let mut next = BTreeSet::new();
        for rest in rests {
            let mut letters = rest.chars();
            match letters.next() {
                Some('%') => add(&mut next, rest),
                Some('_') => add(&mut next, letters.as_str()),
                Some('\\') => match letters.next() {
                    Some(own) if own == letter => add(&mut next, letters.as_str()),
                    // At the very end it stands for itself.
                    None if letter == '\\' => add(&mut next, ""),
                    _ => {}
                },
                Some(own) if own == letter => add(&mut next, letters.as_str()),
                _ => {}
            }
        }
        rests = next;
    }
    rests.retain(|rest| !rest.contains('.'));
    rests
}

/// Adds a rest, and what it is when a `%` in front takes nothing more.
fn add<'p>(rests: &mut BTreeSet<&'p str>, mut rest: &'p str) {
    rests.insert(rest);
    while let Some(behind) = rest.strip_prefix('%') {
        rest = behind;
        rests.insert(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str, database: &str) -> Vec<String> {
        rest(pattern, database).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_name_leaves_the_pattern_of_the_table() {
        assert_eq!(of("asterisk.live%", "asterisk"), ["live%"]);
        assert!(of("asterisk.live%", "master1_asterisk").is_empty());
        assert!(of("asterisk.live%", "asteris").is_empty());
        assert_eq!(of(r"a\_b.t", "a_b"), ["t"]);
        assert!(of(r"a\_b.t", "axb").is_empty());
        assert_eq!(of("a_b.t", "axb"), ["t"]);
    }

    #[test]
    fn a_pattern_may_fit_both_names_alike_or_not() {
        assert_eq!(of("%asterisk.t", "asterisk"), of("%asterisk.t", "m_asterisk"));
        assert!(of("%_asterisk.t", "asterisk").is_empty());
        assert!(!of("%_asterisk.t", "m_asterisk").is_empty());
        // The sign for anything takes the dot, too.
        assert_eq!(of("ast%sip", "asterisk"), ["%sip", "sip"]);
        assert_eq!(of("ast%.sip", "asterisk"), ["sip"]);
    }
}
