//! Numbers, and names that start like one.

use super::{Scanner, continues_name};
use crate::token::TokenKind;

impl Scanner<'_> {
    pub(super) fn digits_end(&self, offset: usize) -> usize {
        let rest = self.rest(offset);
        offset
            + rest
                .iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(rest.len())
    }

    pub(super) fn continues_name_at(&self, offset: usize) -> bool {
        self.at(offset)
            .is_some_and(|byte| continues_name(byte) && !(byte == 0xA0 && self.a0_is_space))
    }

    /// Lexer states NUMBER_IDENT, INT_OR_REAL and REAL of the server: `1a` is a name, `1e5` a number, `1..2` three tokens.
    pub(super) fn number_or_name(&self, start: usize, first: u8) -> (TokenKind, usize) {
        if first == b'0' {
            let is_digit: fn(&u8) -> bool = match self.at(start + 1) {
                Some(b'x') => u8::is_ascii_hexdigit,
                Some(b'b') => |byte| matches!(byte, b'0' | b'1'),
                _ => |_| false,
            };
            let length = self
                .rest(start + 2)
                .iter()
                .take_while(|byte| is_digit(byte))
                .count();
            if length > 0 && !self.continues_name_at(start + 2 + length) {
                return (TokenKind::Number, start + 2 + length);
            }
        }
        let digits = self.digits_end(start);
        match self.at(digits) {
            Some(b'.') if self.at(digits + 1) == Some(b'.') => (TokenKind::Number, digits),
            Some(b'.') => (TokenKind::Number, self.fraction_end(digits + 1)),
            Some(b'e' | b'E') => match self.exponent_end(digits) {
                Some(end) => (TokenKind::Number, end),
                None => (TokenKind::Word, self.name_end(digits)),
            },
            _ if self.continues_name_at(digits) => (TokenKind::Word, self.name_end(digits)),
            _ => (TokenKind::Number, digits),
        }
    }

    /// The end of a number whose decimal point is before `offset`.
    pub(super) fn fraction_end(&self, offset: usize) -> usize {
        let digits = self.digits_end(offset);
        self.exponent_end(digits).unwrap_or(digits)
    }

    /// The end of the exponent whose `e` would be at `offset`; `None` when there is none.
    pub(super) fn exponent_end(&self, offset: usize) -> Option<usize> {
        if !matches!(self.at(offset), Some(b'e' | b'E')) {
            return None;
        }
        let sign = usize::from(matches!(self.at(offset + 1), Some(b'+' | b'-')));
        let digits = offset + 1 + sign;
        self.at(digits).filter(u8::is_ascii_digit)?;
        Some(self.digits_end(digits))
    }
}
