//! Values of row statements, and expressions that cannot change anything but their row.

use std::borrow::Cow;

use crate::functions::is_free_of_effects;
use crate::keyword::Keyword;
use crate::recognise::{Literal, LiteralValue, Value};
use crate::string::unescape;
use crate::token::{Token, TokenKind};

use super::Parser;

impl<'a> Parser<'a> {
    /// Takes one value of a list: a literal that stands alone, or an expression, which is [`Value::Other`]. `None` when
    /// the expression could do more than compute a value.
    pub(super) fn value(&mut self, ends: &[Keyword]) -> Option<Value<'a>> {
        let value = self.literal();
        if self.ends_value(ends) {
            self.keep_literal();
            return value;
        }
        self.literals.has_expressions = true;
        self.harmless(ends)?;
        Some(Value::Other)
    }

    /// Notes the literal just read as a value of the statement, unless it cannot be taken out of the text. Returns its place.
    pub(super) fn keep_literal(&mut self) -> Option<usize> {
        let last = self.last_literal.take()?;
        self.literals.list.push(last);
        Some(self.literals.list.len() - 1)
    }

    /// Whether a value in a list ends here.
    pub(super) fn ends_value(&self, ends: &[Keyword]) -> bool {
        self.ends_part() || self.token.kind == TokenKind::Comma || self.at_any(ends)
    }

    /// Takes a literal, if one stands here. What follows decides whether it is the whole value.
    pub(super) fn literal(&mut self) -> Option<Value<'a>> {
        let first = self.token;
        let value = self.any_literal();
        self.last_literal = value.as_ref().and_then(|value| self.alone(first, value));
        value
    }

    /// The literal that began with `first` and has just been taken, unless it is not clear from its value what it means:
    /// one with an introducer, in pieces, hexadecimal, too large.
    fn alone(&self, first: Token, value: &Value<'a>) -> Option<Literal<'a>> {
        let (start, end) = (first.start, self.previous_end);
        let text = self.text.get(start..end)?;
        let value = match (value, first.kind) {
            (Value::Null, _) => LiteralValue::Null,
            (Value::Default, _) => LiteralValue::Default,
            (Value::Int(number), TokenKind::Number | TokenKind::Operator) => {
                LiteralValue::Int(i64::try_from(*number).ok()?)
            }
            (Value::Other, TokenKind::Number | TokenKind::Operator) => LiteralValue::Decimal(decimal(text)?),
            (Value::String(bytes), TokenKind::String)
                if first.end == end && matches!(text.first(), Some(b'\'' | b'"')) =>
            {
                LiteralValue::Text(bytes.clone())
            }
            _ => return None,
        };
        Some(Literal {
            start,
            end,
            column: self.row_place,
            value,
        })
    }

    fn any_literal(&mut self) -> Option<Value<'a>> {
        match self.token.kind {
            TokenKind::Number => {
                let number = self.advance();
                Some(self.number(number, false))
            }
            TokenKind::Operator if self.at_operator(b"-") || self.at_operator(b"+") => {
                let is_negative = self.at_operator(b"-");
                if self.peek().kind != TokenKind::Number {
                    return None;
                }
                self.advance();
                let number = self.advance();
                Some(self.number(number, is_negative))
            }
            TokenKind::String => Some(self.strings(true)),
            TokenKind::Word => self.literal_word(),
            _ => None,
        }
    }

    fn literal_word(&mut self) -> Option<Value<'a>> {
        let word = self.bytes(self.token);
        if word.first() == Some(&b'_') && self.peek().kind == TokenKind::String {
            self.advance();
            // The bytes are in another character set; as ASCII they mean the same in all but these.
            let is_wide = [&b"_ucs2"[..], b"_utf16", b"_utf16le", b"_utf32", b"_swe7"]
                .iter()
                .any(|wide| wide.eq_ignore_ascii_case(word));
            return Some(self.strings(!is_wide)).map(|value| match value {
                Value::String(bytes) if !bytes.is_ascii() => Value::Other,
                value => value,
            });
        }
        let value = match self.keyword() {
            Keyword::Null => Value::Null,
            Keyword::Default => Value::Default,
            _ if word.eq_ignore_ascii_case(b"TRUE") => Value::Int(1),
            _ if word.eq_ignore_ascii_case(b"FALSE") => Value::Int(0),
            _ => return None,
        };
        self.advance();
        Some(value)
    }

    fn number(&self, token: Token, is_negative: bool) -> Value<'a> {
        let digits = self.bytes(token);
        if !digits.iter().all(u8::is_ascii_digit) {
            return Value::Other;
        }
        let number = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<i128>().ok());
        match number {
            Some(number) if is_negative => Value::Int(-number),
            Some(number) => Value::Int(number),
            None => Value::Other,
        }
    }

    /// Takes adjacent string literals, which are one value.
    fn strings(&mut self, is_readable: bool) -> Value<'a> {
        let mut value: Option<Cow<'a, [u8]>> = None;
        let mut is_readable = is_readable;
        while self.token.kind == TokenKind::String {
            let literal = self.bytes(self.token);
            let is_national = matches!(literal.first(), Some(b'n' | b'N'));
            match unescape(literal, &self.statement.dialect) {
                Some(part) if !is_national || part.is_ascii() => match &mut value {
                    Some(joined) => joined.to_mut().extend_from_slice(&part),
                    None => value = Some(part),
                },
                _ => is_readable = false,
            }
            self.advance();
        }
        match value {
            Some(bytes) if is_readable => Value::String(bytes),
            _ => Value::Other,
        }
    }

    /// Takes an expression up to a comma, a closing parenthesis, the end, or one of `ends`. `None` when it holds a
    /// subquery, an assignment, a sequence, or a function that is not known to be free of effects.
    pub(super) fn harmless(&mut self, ends: &[Keyword]) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.token.kind {
                TokenKind::End | TokenKind::Semicolon => return (open == 0).then_some(()),
                TokenKind::Comma if open == 0 => return Some(()),
                TokenKind::Close if open == 0 => return Some(()),
                TokenKind::Close => {
                    open -= 1;
                    self.advance();
                }
                TokenKind::Open => {
                    open += 1;
                    self.advance();
                }
                TokenKind::Word if open == 0 && self.at_any(ends) => return Some(()),
                _ => self.harmless_token()?,
            }
        }
    }

    /// Takes one token of an expression, or several that belong together.
    pub(super) fn harmless_token(&mut self) -> Option<()> {
        match self.token.kind {
            TokenKind::Word | TokenKind::Quoted => {
                let is_query = matches!(self.keyword(), Keyword::Select | Keyword::With);
                let is_sequence =
                    self.at_any(&[Keyword::Next, Keyword::Previous]) && self.peek_keyword() == Keyword::Value;
                if is_query || is_sequence {
                    return None;
                }
                let first = self.advance();
                let path = self.path_after(first, false);
                let is_call = self.token.kind == TokenKind::Open && !path.has_star;
                let is_plain = path.second.is_none() && first.kind == TokenKind::Word;
                let is_known = is_plain && is_free_of_effects(self.bytes(first));
                let is_sequence = self.statement.dialect.oracle && path.second.is_some();
                ((!is_call || is_known) && !is_sequence).then_some(())
            }
            TokenKind::Operator if self.at_operator(b":") => None,
            _ => {
                self.advance();
                Some(())
            }
        }
    }
}

/// A number with a decimal point and no exponent.
fn decimal(text: &[u8]) -> Option<&[u8]> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && digits.iter().filter(|byte| **byte == b'.').count() == 1
        && digits.len() > 1;
    is_plain.then_some(text)
}
