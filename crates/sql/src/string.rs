//! What a string literal means.

use std::borrow::Cow;

use crate::dialect::Dialect;

/// The bytes a literal stands for; `literal` has its quotes. `None` for hexadecimal and binary literals.
pub(crate) fn unescape<'a>(literal: &'a [u8], dialect: &Dialect) -> Option<Cow<'a, [u8]>> {
    let quoted = match literal.first()? {
        b'\'' | b'"' => literal,
        b'n' | b'N' => literal.get(1..)?,
        _ => return None,
    };
    let quote = *quoted.first()?;
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    let has_escapes = !dialect.no_backslash_escapes;
    let is_plain = !inner
        .iter()
        .any(|&byte| byte == quote || (byte == b'\\' && has_escapes));
    if is_plain {
        return Some(Cow::Borrowed(inner));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'\\' if has_escapes => {
                push_escaped(*rest.get(1)?, &mut bytes);
                2
            }
            _ if byte == quote => {
                bytes.push(quote);
                2
            }
            _ => {
                let length = if byte < 0x80 {
                    1
                } else {
                    dialect.charset.char_len(rest)
                };
                bytes.extend_from_slice(rest.get(..length)?);
                length
            }
        };
        rest = rest.get(taken..)?;
    }
    Some(Cow::Owned(bytes))
}

/// MariaDB documentation, page "String Literals": `\%` and `\_` keep their backslash.
fn push_escaped(byte: u8, into: &mut Vec<u8>) {
    match byte {
        b'0' => into.push(0),
        b'b' => into.push(8),
        b't' => into.push(b'\t'),
        b'n' => into.push(b'\n'),
        b'r' => into.push(b'\r'),
        b'Z' => into.push(0x1A),
        b'%' | b'_' => into.extend([b'\\', byte]),
        _ => into.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::ClientCharset;

    #[test]
    fn escapes_and_doubled_quotes() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"'plain'", b"plain"),
            (b"''", b""),
            (b"'it''s'", b"it's"),
            (b"\"it''s \"\"x\"\"\"", b"it''s \"x\""),
            (br"'a\'b\\c\0\n\Z\x\%\_'", b"a'b\\c\0\n\x1Ax\\%\\_"),
            (b"N'x'", b"x"),
        ];
        for (literal, expected) in cases {
            let found = unescape(literal, &Dialect::default()).unwrap();
            assert_eq!(found.as_ref(), *expected, "{}", literal.escape_ascii());
        }
        assert_eq!(unescape(b"x'61'", &Dialect::default()), None);
    }

    #[test]
    fn a_backslash_may_be_half_a_character_or_no_escape() {
        let gbk = Dialect {
            charset: ClientCharset::Gbk,
            ..Dialect::default()
        };
        assert_eq!(unescape(b"'\xB0\\\\''", &gbk).unwrap().as_ref(), b"\xB0\\'");
        let plain = Dialect {
            no_backslash_escapes: true,
            ..Dialect::default()
        };
        assert_eq!(unescape(br"'a\n'", &plain).unwrap().as_ref(), br"a\n");
    }
}
