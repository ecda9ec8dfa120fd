//! `slave_skip_errors`: text to a set of error numbers.

use std::collections::BTreeSet;

use tributary::SkipErrors;

/// What `ddl_exist_errors` stands for: errors of DDL that has been applied before. The list is MySQL's;
/// MariaDB reads the word as an empty list.
const DDL_EXIST_ERRORS: [u16; 10] = [1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1146];

/// Reads the value; `None` when it is none of what is allowed.
pub(crate) fn parse(text: &str) -> Option<SkipErrors> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "off" | "none" | "0" => Some(SkipErrors::None),
        "all" => Some(SkipErrors::All),
        words => parse_list(words).map(SkipErrors::List),
    }
}

fn parse_list(text: &str) -> Option<BTreeSet<u16>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: &[u16]) -> Option<SkipErrors> {
        Some(SkipErrors::List(numbers.iter().copied().collect()))
    }

    #[test]
    fn numbers_and_words_are_read() {
        assert_eq!(
            parse("1032,1062,1146,1269,1396,1932"),
            list(&[1032, 1062, 1146, 1269, 1396, 1932])
        );
        assert_eq!(parse(" 1062 , 1032 "), list(&[1032, 1062]));
        assert_eq!(parse("OFF"), Some(SkipErrors::None));
        assert_eq!(parse(""), Some(SkipErrors::None));
        assert_eq!(parse("All"), Some(SkipErrors::All));
        assert_eq!(parse("ddl_exist_errors"), list(&DDL_EXIST_ERRORS));
        assert!(
            matches!(parse("ddl_exist_errors,1062"), Some(SkipErrors::List(numbers)) if numbers.len() == 11)
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["1062x", "some", "1062,all", "99999", "-1", "1062;1032", "0,1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
