//! Texts for rows, as SQL literals: names with accents, and remarks made to mislead whoever rewrites statements.

use crate::random::Random;

const FIRST_NAMES: [&str; 8] = [
    "'Ana'",
    "'Zo\u{eb}'",
    "'J\u{fc}rgen'",
    "'Maeve'",
    "'Luis'",
    "'Ren\u{e9}e'",
    "'Tom'",
    "''",
];
const LAST_NAMES: [&str; 8] = [
    "'Silva'",
    "'O''Brien'",
    r"'D\'Arcy'",
    "'M\u{fc}ller'",
    "'Pe\u{f1}a'",
    "'Smith'",
    "'Nu\u{f1}ez'",
    "NULL",
];

/// Every character here exists in latin1.
const REMARKS: [&str; 10] = [
    "'wants a call after five'",
    "'table asterisk.vicidial_log is not meant here'",
    "'`asterisk`.`vicidial_list`'",
    "'-- no comment; DROP DATABASE asterisk'",
    "'/* asterisk. */'",
    r"'it\'s \\ a \'quoted\' thing\n'",
    "'price: 100 \u{a3}'",
    r#""double 'quoted'""#,
    "'caf\u{e9} \u{fc}ber \u{a3}5'",
    "'percent % under_score'",
];
/// For clients that speak utf8mb4 only.
const WIDE_REMARKS: [&str; 4] = [
    "'\u{141}ukasz \u{17c}\u{f3}\u{142}w'",
    "'\u{1f4de} rang twice'",
    "'\u{65e5}\u{672c}\u{8a9e}'",
    "'\u{395}\u{3bb}\u{3bb}\u{3ac}\u{3b4}\u{3b1}'",
];

/// A first and a last name: two literals with a comma between.
pub(crate) fn full_name(random: &mut Random) -> String {
    format!("{}, {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES))
}

/// A remark that fits every client's character set.
pub(crate) fn remark(random: &mut Random) -> &'static str {
    random.pick(&REMARKS)
}

/// A remark of any language, for columns and clients of utf8mb4.
pub(crate) fn wide_remark(random: &mut Random) -> &'static str {
    random.pick(&WIDE_REMARKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_texts_fit_latin1() {
        for text in FIRST_NAMES.iter().chain(&LAST_NAMES).chain(&REMARKS) {
            assert!(text.chars().all(|c| u32::from(c) <= 0xff), "{text}");
        }
    }
}
