//! Account statements about whoever runs them.

use std::borrow::Cow;

use crate::error::RenameError;
use crate::rename::quoted;
use crate::scanner::Scanner;
use crate::statement::{Statement, StatementKind};
use crate::token::{Token, TokenKind};

/// Writes an account statement with the invoker's name in place of `CURRENT_USER` and `CURRENT_ROLE`, which stand for somebody
/// else where another account runs the text. `invoker` is user and host, or a role with an empty host.
///
/// Other statements are copied. The new text has to be parsed anew.
///
/// ```
/// use tributary_sql::{Dialect, name_invoker, parse};
/// let text = b"REVOKE clerk FROM CURRENT_USER()";
/// let statement = parse(text, &Dialect::default())?;
/// let named = name_invoker(text, &statement, Some((b"ann", b"%")))?;
/// assert_eq!(named.as_ref(), b"REVOKE clerk FROM `ann`@`%`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RenameError`] when the text names the invoker and it is not known, or cannot be written in the client's character set.
pub fn name_invoker<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    invoker: Option<(&[u8], &[u8])>,
) -> Result<Cow<'a, [u8]>, RenameError> {
    if statement.kind != StatementKind::Account {
        return Ok(Cow::Borrowed(text));
    }
    let tokens: Vec<Token> = Scanner::new(text, &statement.dialect)
        .filter(|token| !token.kind.is_blank())
        .collect();
    let mut named = Vec::new();
    let mut copied = 0;
    for (index, token) in tokens.iter().enumerate() {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let is_role = word.eq_ignore_ascii_case(b"CURRENT_ROLE");
        if token.kind != TokenKind::Word || !(is_role || word.eq_ignore_ascii_case(b"CURRENT_USER")) {
            continue;
        }
        let name = invoker
            .filter(|(_, host)| host.is_empty() == is_role)
            .and_then(|(user, host)| spelled(user, host, statement));
        let Some(name) = name else {
            return Err(RenameError {
                token: String::from_utf8_lossy(word).into_owned(),
                offset: token.start,
                why: "who it stands for is not known, or cannot be written in the client's character set",
            });
        };
        let behind =
            |kind: TokenKind, ahead: usize| tokens.get(index + ahead).filter(|next| next.kind == kind);
        let close = behind(TokenKind::Open, 1).and_then(|_| behind(TokenKind::Close, 2));
        named.extend_from_slice(text.get(copied..token.start).unwrap_or_default());
        named.extend(name);
        copied = close.unwrap_or(token).end;
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    named.extend_from_slice(text.get(copied..).unwrap_or_default());
    Ok(Cow::Owned(named))
}

fn spelled(user: &[u8], host: &[u8], statement: &Statement<'_>) -> Option<Vec<u8>> {
    let is_ascii = user.is_ascii() && host.is_ascii();
    if user.is_empty() || !(is_ascii || statement.dialect.charset.spells_utf8()) {
        return None;
    }
    let mut name = quoted(user, b'`');
    if !host.is_empty() {
        name.push(b'@');
        name.extend(quoted(host, b'`'));
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::parse;

    fn named(text: &str, invoker: Option<(&[u8], &[u8])>) -> Result<String, RenameError> {
        let statement = parse(text.as_bytes(), &Dialect::default()).unwrap();
        let named = name_invoker(text.as_bytes(), &statement, invoker)?;
        Ok(String::from_utf8(named.into_owned()).unwrap())
    }

    #[test]
    fn the_invoker_takes_the_place_of_the_word() {
        let ann: Option<(&[u8], &[u8])> = Some((b"a`n", b"h"));
        for (text, expected) in [
            (
                "ALTER USER current_user ( ) ACCOUNT LOCK",
                "ALTER USER `a``n`@`h` ACCOUNT LOCK",
            ),
            ("GRANT r TO CURRENT_USER, b@c", "GRANT r TO `a``n`@`h`, b@c"),
            (
                "GRANT SELECT (`current_user`) ON d.t TO 'current_user'@h",
                "GRANT SELECT (`current_user`) ON d.t TO 'current_user'@h",
            ),
            ("SELECT CURRENT_USER()", "SELECT CURRENT_USER()"),
        ] {
            assert_eq!(named(text, ann).unwrap(), expected);
        }
        assert_eq!(
            named("REVOKE SELECT ON d.t FROM CURRENT_ROLE", Some((b"clerk", b""))).unwrap(),
            "REVOKE SELECT ON d.t FROM `clerk`"
        );
    }

    #[test]
    fn an_unknown_invoker_is_not_guessed() {
        assert!(named("DROP USER CURRENT_USER", None).is_err());
        assert!(named("DROP USER CURRENT_USER", Some((b"clerk", b""))).is_err());
        assert!(named("DROP ROLE CURRENT_ROLE", Some((b"a", b"h"))).is_err());
        assert!(named("DROP USER a@b", None).is_ok());
    }
}
