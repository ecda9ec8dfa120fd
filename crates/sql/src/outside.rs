//! What a statement or body does beyond databases: to the server's settings and files.

use crate::dialect::Dialect;
use crate::scanner::Scanner;
use crate::token::{Token, TokenKind};

/// The first place, in words, where a text sets a variable of the whole server or writes a file of the server's machine:
/// `SET GLOBAL`, `SET @@global.x=`, `INTO OUTFILE`, `INTO DUMPFILE`. Reading such a variable is nothing of the kind.
///
/// ```
/// use tributary_sql::{Dialect, reaches_server};
/// let found = |text: &[u8]| reaches_server(text, &Dialect::default());
/// assert_eq!(found(b"BEGIN SET @a=1, GLOBAL read_only=0; END"), Some("SET GLOBAL"));
/// assert_eq!(found(b"SELECT 1 INTO /* */ OUTFILE '/tmp/x'"), Some("INTO OUTFILE"));
/// assert_eq!(found(b"BEGIN SET @a=@@global.read_only; UPDATE t SET global=1; END"), None);
/// ```
#[must_use]
pub fn reaches_server(text: &[u8], dialect: &Dialect) -> Option<&'static str> {
    let mut scanner = Scanner::new(text, dialect);
    let mut is_set = false;
    let mut before = Token {
        kind: TokenKind::Semicolon,
        start: 0,
        end: 0,
    };
    loop {
        let token = scanner.next_significant();
        let is = |token: Token, word: &[u8]| {
            token.kind == TokenKind::Word
                && text
                    .get(token.start..token.end)
                    .is_some_and(|bytes| bytes.eq_ignore_ascii_case(word))
        };
        match token.kind {
            TokenKind::End => return None,
            TokenKind::Semicolon => is_set = false,
            _ if is(token, b"SET") => is_set = true,
            _ if is(before, b"INTO") && is(token, b"OUTFILE") => return Some("INTO OUTFILE"),
            _ if is(before, b"INTO") && is(token, b"DUMPFILE") => return Some("INTO DUMPFILE"),
            _ if is_set && (is(before, b"SET") || before.kind == TokenKind::Comma) => {
                let mut ahead = scanner;
                let assigns = match token.kind {
                    TokenKind::SystemVar => {
                        is(ahead.next_significant(), b"GLOBAL") && is_assigned(ahead, text)
                    }
                    _ => is(token, b"GLOBAL") && ahead.next_significant().kind.is_name(),
                };
                if assigns {
                    return Some("SET GLOBAL");
                }
            }
            _ => {}
        }
        before = token;
    }
}

/// Whether `.name =` or `.name.name =` follows; `:=` too.
fn is_assigned(mut scanner: Scanner<'_>, text: &[u8]) -> bool {
    while scanner.next_significant().kind == TokenKind::Dot {
        if !scanner.next_significant().kind.is_name() {
            return false;
        }
        let mut ahead = scanner;
        let next = ahead.next_significant();
        if next.kind == TokenKind::Operator {
            return matches!(text.get(next.start), Some(b'=' | b':'));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_the_server_counts() {
        let found = |text: &str| reaches_server(text.as_bytes(), &Dialect::default());
        for text in [
            "SET GLOBAL read_only=0",
            "SET @@global.read_only = 0",
            "SET sql_mode='', @@GLOBAL . read_only := 0",
            "BEGIN DECLARE a INT; SET a=1 , global hot.key_buffer_size=1; END",
            "BEGIN /*!50003 SET /* GLOBAL */ GLOBAL */ read_only=0; END",
        ] {
            assert_eq!(found(text), Some("SET GLOBAL"), "{text}");
        }
        assert_eq!(found("SELECT a FROM t INTO DUMPFILE 'x'"), Some("INTO DUMPFILE"));
        for text in [
            "SET a = @@global.read_only",
            "UPDATE t SET a=1, global=2, global.b=3",
            "SELECT 'INTO OUTFILE', @@global.read_only=1, `outfile` FROM t",
            "INSERT INTO outfile_names VALUES (1)",
            "SET a=1; SELECT b, @@global.c=1 FROM t",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
