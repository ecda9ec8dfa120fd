//! Identifiers without their quotes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

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

    /// The name in a token that still has its quotes; `text` starts with the opening quote.
    pub(crate) fn from_quoted(text: &'a [u8]) -> Name<'a> {
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
        let mut rest = inner.iter();
        while let Some(&byte) = rest.next() {
            bytes.push(byte);
            if byte == close {
                rest.next();
            }
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
        assert_eq!(Name::from_quoted(b"`a b`"), "a b");
        assert_eq!(Name::from_quoted(b"`a``b`"), "a`b");
        assert_eq!(Name::from_quoted(b"\"a\"\"b\""), "a\"b");
        assert_eq!(Name::from_quoted(b"[a]]b]"), "a]b");
        assert_eq!(Name::from_quoted(b"``"), "");
    }
}
