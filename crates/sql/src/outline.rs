//! The outline of a statement: its text with the literals left out.
//!
//! Of two statements with one outline, the scanner makes the same tokens, but for what the literals say. That holds because
//! an outline is only made of text whose tokens are plain to see from its bytes: no comments, no characters with a half
//! that looks like a delimiter, nothing outside quotes that is not ASCII. It costs one pass over the bytes.

use std::borrow::Cow;

use crate::dialect::{ClientCharset, Dialect};
use crate::recognise::LiteralValue;
use crate::string::unescape;

/// Stand for a literal in an outline. Control characters outside quotes keep a statement from having one.
const WHOLE: u8 = 1;
const DECIMAL: u8 = 2;
const SINGLE_QUOTED: u8 = 3;
const DOUBLE_QUOTED: u8 = 4;

/// An outline, with the places of the literals. It is made to be read into again and again.
#[derive(Debug, Default)]
pub struct Outline {
    key: Vec<u8>,
    literals: Vec<OutlineLiteral>,
}

/// A whole number, a number with a decimal point, or a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlineLiteral {
    /// Offset of its first byte. A sign is not part of it.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    kind: u8,
    /// A string in which every byte stands for itself.
    is_verbatim: bool,
}

impl Outline {
    /// Reads the outline of `text`; `false` when it has none. The statement need not be one that can be parsed.
    pub fn read(&mut self, text: &[u8], dialect: &Dialect) -> bool {
        self.key.clear();
        self.literals.clear();
        let is_plain = matches!(
            dialect.charset,
            ClientCharset::Utf8 | ClientCharset::SingleByte | ClientCharset::SingleByteWideSpace
        );
        is_plain && !dialect.brackets && self.cut(text, dialect).is_some()
    }

    /// What statements of one outline have in common. Dialects must be told apart beside it.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The literals, in the order of the text. They may be part of something larger, as the string of `x'41'` is.
    #[must_use]
    pub fn literals(&self) -> &[OutlineLiteral] {
        &self.literals
    }

    fn cut(&mut self, text: &[u8], dialect: &Dialect) -> Option<()> {
        let (mut at, mut copied) = (0, 0);
        loop {
            let rest = text.get(at..)?;
            let Some(plain) = rest.iter().position(|byte| IS_SPECIAL[usize::from(*byte)]) else {
                break;
            };
            at += plain;
            let literal = match rest[plain] {
                b'0'..=b'9' => match number(text, at) {
                    Ok(literal) => literal,
                    Err(end) => {
                        at = end;
                        continue;
                    }
                },
                b'\'' => string(text, at, SINGLE_QUOTED, dialect)?,
                b'"' if !dialect.ansi_quotes => string(text, at, DOUBLE_QUOTED, dialect)?,
                quote @ (b'`' | b'"') => {
                    // A doubled quote is a name that ends, and another that begins.
                    let inside = text.get(at + 1..)?;
                    at += 2 + inside.iter().position(|inner| *inner == quote)?;
                    continue;
                }
                b'-' if text.get(at + 1) != Some(&b'-') => {
                    at += 1;
                    continue;
                }
                b'/' if text.get(at + 1) != Some(&b'*') => {
                    at += 1;
                    continue;
                }
                _ => return None,
            };
            self.key.extend_from_slice(text.get(copied..at)?);
            self.key.push(literal.kind);
            self.literals.push(literal);
            at = literal.end;
            copied = at;
        }
        self.key.extend_from_slice(text.get(copied..)?);
        Some(())
    }
}

/// Bytes outside of quotes that a literal, a name between quotes or a comment may begin with, and those that an outline cannot have.
/// The digits of a name are told from a number by what is in front of them.
const IS_SPECIAL: [bool; 256] = {
    let mut is_special = [false; 256];
    let mut byte = 0;
    while byte < is_special.len() {
        is_special[byte] = matches!(
            byte as u8,
            b'0'..=b'9' | b'\'' | b'"' | b'`' | b'-' | b'/' | b'#' | 0x7f.. | 0..=8 | 0x0e..=0x1f
        );
        byte += 1;
    }
    is_special
};

impl OutlineLiteral {
    /// What it says in `text`, whose outline it is of; `None` when that does not fit.
    #[must_use]
    pub fn value<'a>(&self, text: &'a [u8], dialect: &Dialect) -> Option<LiteralValue<'a>> {
        let literal = text.get(self.start..self.end)?;
        Some(match self.kind {
            WHOLE => LiteralValue::Int(whole(literal)?),
            DECIMAL => LiteralValue::Decimal(literal),
            _ if self.is_verbatim => {
                LiteralValue::Text(Cow::Borrowed(literal.get(1..literal.len().checked_sub(1)?)?))
            }
            _ => LiteralValue::Text(unescape(literal, dialect)?),
        })
    }
}

fn whole(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |number, digit| {
        number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
    })
}

fn name_end(text: &[u8], start: usize) -> usize {
    let continues = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    let length = text[start..].iter().position(|byte| !continues(byte));
    length.map_or(text.len(), |length| start + length)
}

/// The number at `start`; `Err` with the end of something else that begins with digits.
fn number(text: &[u8], start: usize) -> Result<OutlineLiteral, usize> {
    let digits_end = |from: usize| {
        let length = text[from..].iter().position(|byte| !byte.is_ascii_digit());
        length.map_or(text.len(), |length| from + length)
    };
    let mut end = digits_end(start);
    let mut kind = WHOLE;
    if text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits_end(end + 1);
        kind = DECIMAL;
    }
    let stands_alone = |byte: &u8| {
        matches!(
            byte,
            b' ' | b'\t'
                | b'\r'
                | b'\n'
                | b','
                | b'('
                | b')'
                | b'='
                | b'<'
                | b'>'
                | b'+'
                | b'-'
                | b'*'
                | b'/'
                | b'%'
                | b';'
        )
    };
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    if before.is_some_and(stands_alone) && text.get(end).is_none_or(stands_alone) {
        return Ok(OutlineLiteral {
            start,
            end,
            kind,
            is_verbatim: true,
        });
    }
    Err(name_end(text, end))
}

/// The string that `start` opens; `None` when it is not closed.
fn string(text: &[u8], start: usize, kind: u8, dialect: &Dialect) -> Option<OutlineLiteral> {
    let quote = text[start];
    let mut is_verbatim = true;
    let mut at = start + 1;
    loop {
        at += text
            .get(at..)?
            .iter()
            .position(|byte| *byte == quote || *byte == b'\\')?;
        let is_end = text[at] == quote;
        at += 1;
        if !is_end {
            if !dialect.no_backslash_escapes {
                is_verbatim = false;
                at += 1;
            }
        } else if text.get(at) == Some(&quote) {
            is_verbatim = false;
            at += 1;
        } else {
            break;
        }
    }
    Some(OutlineLiteral {
        start,
        end: at,
        kind,
        is_verbatim,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str, dialect: &Dialect) -> Option<String> {
        let mut outline = Outline::default();
        let has_one = outline.read(text.as_bytes(), dialect);
        has_one.then(|| {
            let key = outline.key().iter().map(|byte| match byte {
                1 => '#',
                2 => '~',
                3 => '$',
                4 => '%',
                byte => char::from(*byte),
            });
            key.collect()
        })
    }

    #[test]
    fn literals_are_left_out() {
        for (text, expected) in [
            (
                "UPDATE t SET a=1,b='x' WHERE id=7",
                "UPDATE t SET a=#,b=$ WHERE id=#",
            ),
            ("VALUES(1.5,-2,'it''s',\"a\\\"b\")", "VALUES(~,-#,$,%)"),
            // Only what stands alone is a number.
            (
                "t1 1e5 1a 0x1F .5 1. t.1 @1 1..2",
                "t1 1e5 1a 0x1F .5 1. t.1 @1 1..2",
            ),
            ("`a1``'b` x'41' _utf8'x'", "`a1``'b` x$ _utf8$"),
        ] {
            assert_eq!(outline(text, &Dialect::default()).as_deref(), Some(expected));
        }
        let ansi = Dialect {
            ansi_quotes: true,
            no_backslash_escapes: true,
            ..Dialect::default()
        };
        assert_eq!(outline(r#""it's"='\'"#, &ansi).as_deref(), Some(r#""it's"=$"#));
    }

    #[test]
    fn what_is_not_plain_has_none() {
        for text in [
            "a -- b",
            "a # b",
            "a /* b */",
            "caf\u{e9}",
            "'open",
            "`open",
            "a\u{1}b",
        ] {
            assert_eq!(outline(text, &Dialect::default()), None, "{text}");
        }
        for charset in [
            ClientCharset::Gbk,
            ClientCharset::Sjis,
            ClientCharset::Unscannable,
        ] {
            let dialect = Dialect {
                charset,
                ..Dialect::default()
            };
            assert_eq!(outline("SET a=1", &dialect), None);
        }
    }

    #[test]
    fn values_are_those_of_the_scanner() {
        let text = br"(12,1.50,'a\n',99999999999999999999)";
        let mut outline = Outline::default();
        assert!(outline.read(text, &Dialect::default()));
        let values: Vec<_> = outline
            .literals()
            .iter()
            .map(|literal| literal.value(text, &Dialect::default()))
            .collect();
        let expected = [
            Some(LiteralValue::Int(12)),
            Some(LiteralValue::Decimal(b"1.50")),
            Some(LiteralValue::Text(Cow::Borrowed(b"a\n"))),
            None,
        ];
        assert_eq!(values, expected);
    }
}
