//! Events that do not run on a replica.

use std::borrow::Cow;

use crate::error::RenameError;
use crate::rename::quoted;
use crate::statement::{Statement, StatementKind};

/// Writes CREATE EVENT and ALTER EVENT so that the event does not run where the statement does: `DISABLE ON SLAVE` takes
/// the place of ENABLE, DISABLE or nothing, as a replica's own thread sees the statement. Without a DEFINER in the text,
/// `definer` becomes it: user and host, or a role with an empty host.
///
/// Other statements are copied. The new text has to be parsed anew.
///
/// ```
/// use tributary_sql::{Dialect, disable_event, parse};
/// let text = b"ALTER EVENT nightly ENABLE COMMENT 'at three' DO CALL tidy()";
/// let statement = parse(text, &Dialect::default())?;
/// let disabled = disable_event(text, &statement, Some((b"root", b"localhost")))?;
/// assert_eq!(
///     disabled.as_ref(),
///     b"ALTER DEFINER=`root`@`localhost` EVENT nightly DISABLE ON SLAVE COMMENT 'at three' DO CALL tidy()"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RenameError`] when the definer's name cannot be written in the client's character set.
pub fn disable_event<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    definer: Option<(&[u8], &[u8])>,
) -> Result<Cow<'a, [u8]>, RenameError> {
    let (StatementKind::CreateEvent | StatementKind::AlterEvent, Some(place)) =
        (statement.kind, &statement.event_state)
    else {
        return Ok(Cow::Borrowed(text));
    };
    let mut disabled = Vec::with_capacity(text.len() + 64);
    let mut copied = 0;
    if let (Some((user, host)), Some(after)) = (definer, statement.definer_place) {
        let is_ascii = user.is_ascii() && host.is_ascii();
        if !is_ascii && !statement.dialect.charset.spells_utf8() {
            return Err(RenameError {
                token: "the definer".to_owned(),
                offset: after,
                why: "the name is not ASCII and the client's character set is not UTF-8",
            });
        }
        disabled.extend_from_slice(text.get(..after).unwrap_or_default());
        disabled.extend_from_slice(b" DEFINER=");
        disabled.extend(quoted(user, b'`'));
        if !host.is_empty() {
            disabled.push(b'@');
            disabled.extend(quoted(host, b'`'));
        }
        copied = after;
    }
    disabled.extend_from_slice(text.get(copied..place.start).unwrap_or_default());
    if place.is_empty() {
        disabled.push(b' ');
    }
    disabled.extend_from_slice(b"DISABLE ON SLAVE");
    disabled.extend_from_slice(text.get(place.end..).unwrap_or_default());
    Ok(Cow::Owned(disabled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::parse;

    fn disabled(text: &str) -> String {
        let statement = parse(text.as_bytes(), &Dialect::default()).unwrap();
        let disabled = disable_event(text.as_bytes(), &statement, Some((b"a`b", b""))).unwrap();
        let again = String::from_utf8(disabled.to_vec()).unwrap();
        let kind = parse(again.as_bytes(), &Dialect::default()).unwrap().kind;
        assert_eq!(kind, statement.kind, "{again}");
        again
    }

    #[test]
    fn the_state_is_replaced_or_put_in_its_place() {
        for (text, expected) in [
            (
                "CREATE DEFINER=`root`@`%` EVENT IF NOT EXISTS db.e ON SCHEDULE EVERY 1 DAY STARTS NOW() + INTERVAL 1 HOUR DO DELETE FROM t",
                "CREATE DEFINER=`root`@`%` EVENT IF NOT EXISTS db.e ON SCHEDULE EVERY 1 DAY STARTS NOW() + INTERVAL 1 HOUR DISABLE ON SLAVE DO DELETE FROM t",
            ),
            (
                "CREATE DEFINER=u@h EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'ENABLE DO' DO BEGIN SET @enable=1; END",
                "CREATE DEFINER=u@h EVENT e ON SCHEDULE AT '2030-01-01' ON COMPLETION NOT PRESERVE DISABLE ON SLAVE COMMENT 'ENABLE DO' DO BEGIN SET @enable=1; END",
            ),
            (
                "CREATE EVENT e ON SCHEDULE EVERY '1:30' HOUR_MINUTE disable on slave COMMENT 'x' DO SELECT 1",
                "CREATE DEFINER=`a``b` EVENT e ON SCHEDULE EVERY '1:30' HOUR_MINUTE DISABLE ON SLAVE COMMENT 'x' DO SELECT 1",
            ),
            (
                "ALTER EVENT e RENAME TO db.f",
                "ALTER DEFINER=`a``b` EVENT e RENAME TO db.f DISABLE ON SLAVE",
            ),
            (
                "ALTER DEFINER=CURRENT_USER EVENT e /* why */ DISABLE /* at all */",
                "ALTER DEFINER=CURRENT_USER EVENT e /* why */ DISABLE ON SLAVE /* at all */",
            ),
            (
                "ALTER DEFINER=u EVENT e COMMENT 'c'",
                "ALTER DEFINER=u EVENT e DISABLE ON SLAVE COMMENT 'c'",
            ),
            (
                "ALTER DEFINER=u EVENT e ON SCHEDULE EVERY 5 MINUTE -- end",
                "ALTER DEFINER=u EVENT e ON SCHEDULE EVERY 5 MINUTE DISABLE ON SLAVE -- end",
            ),
            ("DROP EVENT e", "DROP EVENT e"),
            (
                "CREATE /*!50106 DEFINER=u EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1 */",
                "CREATE /*!50106 DEFINER=u EVENT e ON SCHEDULE EVERY 1 DAY DISABLE ON SLAVE DO SELECT 1 */",
            ),
        ] {
            assert_eq!(disabled(text), expected);
        }
    }
}
