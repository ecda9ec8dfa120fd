//! Collations in the text of a definition: defaults that two servers differ in written out, names one of them lacks replaced.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::scanner::Scanner;
use crate::token::{Token, TokenKind};

/// What [`collate`] changes. Names are given and taken in lower case, without quotes.
pub struct CollationRules<'r> {
    /// The collation to write behind a character set that is named without one; `None` leaves it as it is.
    pub default_of: &'r dyn Fn(&str) -> Option<String>,
    /// Another name for a collation; `None` keeps it.
    pub rename: &'r dyn Fn(&str) -> Option<String>,
}

/// Writes a statement so that it means the same on a server with other default collations, or with other names for them.
///
/// `CHARACTER SET x` and `CHARSET x` of columns, tables and databases get a `COLLATE` if they have none; names behind `COLLATE`
/// are replaced. Every other byte is copied.
///
/// ```
/// use tributary_sql::{CollationRules, Dialect, collate};
/// let rules = CollationRules {
///     default_of: &|charset| (charset == "utf8mb4").then(|| "utf8mb4_uca1400_ai_ci".to_owned()),
///     rename: &|_| None,
/// };
/// let text = b"CREATE TABLE t (a TEXT CHARACTER SET latin1) CHARSET=utf8mb4";
/// assert_eq!(
///     collate(text, &Dialect::default(), &rules).as_ref(),
///     b"CREATE TABLE t (a TEXT CHARACTER SET latin1) CHARSET=utf8mb4 COLLATE utf8mb4_uca1400_ai_ci"
/// );
/// ```
#[must_use]
pub fn collate<'a>(text: &'a [u8], dialect: &Dialect, rules: &CollationRules<'_>) -> Cow<'a, [u8]> {
    let tokens: Vec<Token> = Scanner::new(text, dialect)
        .filter(|token| !token.kind.is_blank())
        .collect();
    let walk = Walk {
        text,
        tokens: &tokens,
    };
    let splices = walk.splices(rules);
    if splices.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut written = Vec::with_capacity(text.len() + 32 * splices.len());
    let mut copied = 0;
    for (start, end, with) in splices {
        written.extend_from_slice(text.get(copied..start).unwrap_or_default());
        written.extend_from_slice(with.as_bytes());
        copied = end;
    }
    written.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(written)
}

struct Walk<'w> {
    text: &'w [u8],
    tokens: &'w [Token],
}

impl Walk<'_> {
    /// Byte ranges and what takes their place, in order.
    fn splices(&self, rules: &CollationRules<'_>) -> Vec<(usize, usize, String)> {
        let mut splices = Vec::new();
        // For each open parenthesis, whether it belongs to a CAST or CONVERT, where no COLLATE may stand.
        let mut casts: Vec<bool> = Vec::new();
        let mut has_collate = false;
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Open => {
                    let is_cast = index > 0 && (self.is(index - 1, "CAST") || self.is(index - 1, "CONVERT"));
                    casts.push(is_cast);
                    has_collate = false;
                }
                TokenKind::Close => {
                    casts.pop();
                    has_collate = false;
                }
                TokenKind::Comma => has_collate = false,
                TokenKind::Word if self.is(index, "COLLATE") => {
                    has_collate = true;
                    if let Some((place, name)) = self.value_behind(index)
                        && let Some(new) = (rules.rename)(&name)
                    {
                        splices.push((self.tokens[place].start, self.tokens[place].end, new));
                    }
                }
                TokenKind::Word if !has_collate && !casts.contains(&true) => {
                    if let Some((place, charset)) = self.charset_at(index)
                        && let Some(collation) = (rules.default_of)(&charset)
                        && !self.has_collate_behind(place)
                    {
                        let end = self.tokens[place].end;
                        splices.push((end, end, format!(" COLLATE {collation}")));
                    }
                }
                _ => {}
            }
        }
        splices
    }

    /// The place and the name of the character set that the words at `index` introduce.
    fn charset_at(&self, index: usize) -> Option<(usize, String)> {
        if self.is(index, "CHARSET") {
            return self.value_behind(index);
        }
        // `USING x` and `_x'...'` need no collation of their own.
        let is_charset = self.is(index, "SET")
            && index > 0
            && (self.is(index - 1, "CHARACTER") || self.is(index - 1, "CHAR"));
        is_charset.then(|| self.value_behind(index)).flatten()
    }

    /// `x` of `word x` and `word = x`.
    fn value_behind(&self, index: usize) -> Option<(usize, String)> {
        let mut place = index + 1;
        if self.tokens.get(place)?.kind == TokenKind::Operator && self.bytes(place) == b"=" {
            place += 1;
        }
        let kind = self.tokens.get(place)?.kind;
        if !kind.is_name() && kind != TokenKind::String {
            return None;
        }
        let text = std::str::from_utf8(self.bytes(place)).ok()?;
        let name = text.trim_matches(['`', '\'', '"']).to_ascii_lowercase();
        Some((place, name))
    }

    /// Whether a COLLATE follows for the same column, or among the same table options.
    fn has_collate_behind(&self, place: usize) -> bool {
        let mut depth = 0_usize;
        let mut index = place + 1;
        while let Some(token) = self.tokens.get(index) {
            match token.kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close if depth == 0 => return false,
                TokenKind::Close => depth -= 1,
                TokenKind::Comma if depth == 0 && self.starts_another(index + 1) => return false,
                TokenKind::Word if depth == 0 && self.is(index, "COLLATE") => return true,
                TokenKind::Word if depth == 0 && (self.is(index, "SELECT") || self.is(index, "AS")) => {
                    return false;
                }
                TokenKind::Semicolon => return false,
                _ => {}
            }
            index += 1;
        }
        false
    }

    /// Whether what follows a comma is another column or change, and not the next of the same table options.
    fn starts_another(&self, index: usize) -> bool {
        const TABLE_OPTIONS: [&str; 12] = [
            "DEFAULT",
            "COLLATE",
            "ENGINE",
            "COMMENT",
            "AUTO_INCREMENT",
            "ROW_FORMAT",
            "KEY_BLOCK_SIZE",
            "AVG_ROW_LENGTH",
            "MAX_ROWS",
            "MIN_ROWS",
            "CHECKSUM",
            "DELAY_KEY_WRITE",
        ];
        // A column may have such a name, but then a type stands behind it, never `=` or a value.
        !TABLE_OPTIONS.iter().any(|word| self.is(index, word))
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.tokens
            .get(index)
            .is_some_and(|token| token.kind == TokenKind::Word)
            && self.bytes(index).eq_ignore_ascii_case(word.as_bytes())
    }

    fn bytes(&self, index: usize) -> &[u8] {
        self.tokens
            .get(index)
            .and_then(|token| self.text.get(token.start..token.end))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let rules = CollationRules {
            default_of: &|charset| (charset == "utf8mb4").then(|| "U".to_owned()),
            rename: &|name| (name == "utf8mb4_0900_ai_ci").then(|| "N".to_owned()),
        };
        String::from_utf8(collate(text.as_bytes(), &Dialect::default(), &rules).into_owned()).unwrap()
    }

    #[test]
    fn defaults_are_written_out_once() {
        for (text, expected) in [
            (
                "CREATE DATABASE d CHARACTER SET utf8mb4",
                "CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE U",
            ),
            (
                "CREATE DATABASE d CHARACTER SET = 'utf8mb4'",
                "CREATE DATABASE d CHARACTER SET = 'utf8mb4' COLLATE U",
            ),
            (
                "CREATE TABLE t (a TEXT CHARSET utf8mb4 NOT NULL, b INT)",
                "CREATE TABLE t (a TEXT CHARSET utf8mb4 COLLATE U NOT NULL, b INT)",
            ),
            (
                "CREATE TABLE t (a TEXT CHARSET utf8mb4 NOT NULL COLLATE utf8mb4_bin)",
                "CREATE TABLE t (a TEXT CHARSET utf8mb4 NOT NULL COLLATE utf8mb4_bin)",
            ),
            (
                "CREATE TABLE t (a TEXT CHARSET utf8mb4, b TEXT COLLATE utf8mb4_bin)",
                "CREATE TABLE t (a TEXT CHARSET utf8mb4 COLLATE U, b TEXT COLLATE utf8mb4_bin)",
            ),
            (
                "CREATE TABLE t (a INT) CHARSET=utf8mb4, ENGINE=MyISAM, COLLATE=utf8mb4_bin",
                "CREATE TABLE t (a INT) CHARSET=utf8mb4, ENGINE=MyISAM, COLLATE=utf8mb4_bin",
            ),
            (
                "CREATE TABLE t (a INT) COLLATE=utf8mb4_bin CHARSET=utf8mb4",
                "CREATE TABLE t (a INT) COLLATE=utf8mb4_bin CHARSET=utf8mb4",
            ),
            (
                "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
                "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE U",
            ),
            (
                "ALTER TABLE t ADD a TEXT CHARSET utf8mb4, ADD b TEXT COLLATE utf8mb4_bin",
                "ALTER TABLE t ADD a TEXT CHARSET utf8mb4 COLLATE U, ADD b TEXT COLLATE utf8mb4_bin",
            ),
            (
                "CREATE TABLE t (a TEXT CHARSET latin1)",
                "CREATE TABLE t (a TEXT CHARSET latin1)",
            ),
        ] {
            assert_eq!(written(text), expected);
        }
    }

    #[test]
    fn conversions_and_strings_stay() {
        for text in [
            "CREATE TABLE t AS SELECT CAST(a AS CHAR CHARACTER SET utf8mb4), CONVERT(a USING utf8mb4) FROM s",
            "CREATE TABLE t (a INT COMMENT 'CHARSET utf8mb4')",
            "CREATE TABLE t (`charset` INT, `set` INT)",
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn collations_get_the_name_they_have_here() {
        assert_eq!(
            written("SELECT a COLLATE utf8mb4_0900_ai_ci, 'COLLATE utf8mb4_0900_ai_ci' FROM t"),
            "SELECT a COLLATE N, 'COLLATE utf8mb4_0900_ai_ci' FROM t"
        );
        assert_eq!(
            written("CREATE TABLE t (a INT) CHARSET=utf8mb4 COLLATE=UTF8MB4_0900_AI_CI"),
            "CREATE TABLE t (a INT) CHARSET=utf8mb4 COLLATE=N"
        );
    }
}
