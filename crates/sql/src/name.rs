//! Identifiers without their quotes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::dialect::ClientCharset;

/// An identifier as the server knows it: quotes taken off, doubled quotes made single.
///
/// Bytes in the statement's own character set; names compare byte by byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<'a>(Cow<'a, [u8]>);

impl<'a> Name<'a> {
    /// The name whose bytes, without quotes, are `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Name<'a> {
        Name(Cow::Borrowed(bytes))
    }

    /// The name with these bytes.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Name<'a> {
        Name(Cow::Owned(bytes))
    }

    /// The name in a token that still has its quotes; `text` starts with the opening quote.
    pub(crate) fn from_quoted(text: &'a [u8], charset: ClientCharset) -> Name<'a> {
        let close = match text.first() {
            Some(b'[') => b']',
            Some(&quote) => quote,
            None => return Name::new(text),
        };
        let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        if !inner.contains(&close) {
            return Name::new(inner);
        }
        let mut bytes = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(&byte) = rest.first() {
            // A trail byte may look like the quote.
            let length = if byte < 0x80 { 1 } else { charset.char_len(rest) };
            bytes.extend(rest.iter().take(length));
            let doubled = usize::from(byte == close);
            rest = rest.get(length + doubled..).unwrap_or_default();
        }
        Name(Cow::Owned(bytes))
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same name, with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Name<'static> {
        Name(Cow::Owned(self.0.into_owned()))
    }
}

impl Deref for Name<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Name<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<[u8]> for Name<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_bytes() == other
    }
}

impl PartialEq<&str> for Name<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_come_off_and_doubled_quotes_become_single() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"`a b`", b"a b"),
            (b"`a``b`", b"a`b"),
            (b"\"a\"\"b\"", b"a\"b"),
            (b"[a]]b]", b"a]b"),
            (b"``", b""),
        ];
        for (quoted, name) in cases {
            assert_eq!(Name::from_quoted(quoted, ClientCharset::Utf8).as_bytes(), *name);
        }
    }

    #[test]
    fn half_a_character_is_no_quote() {
        let name = Name::from_quoted(b"`\x95\x60x`", ClientCharset::Sjis);
        assert_eq!(name.as_bytes(), b"\x95\x60x");
    }
}
