//! Cuts a statement into tokens, byte by byte as the server's lexer does, losing nothing.
//!
//! The scanner never fails: what is not closed becomes [`TokenKind::Unterminated`], what it does not know
//! [`TokenKind::Operator`]. It knows no grammar; keywords and identifiers without quotes are both words. It follows
//! the server in what is surprising: a digit may start an identifier, after `name.` everything is an identifier, a
//! backslash or backtick may be half of a character, and version comments are code or not by their number.

mod comment;
mod number;

use crate::dialect::Dialect;
use crate::token::{Token, TokenKind};

/// What a byte can start or continue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Digit,
    /// Letters, `_`, `$` and everything above 0x7F.
    Letter,
    Quote,
    Other,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t'..=b'\r' => Class::Space,
            b'0'..=b'9' => Class::Digit,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => Class::Letter,
            b'\'' | b'"' | b'`' => Class::Quote,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
};

fn class(byte: u8) -> Class {
    CLASS[usize::from(byte)]
}

/// Whether the byte can stand in a name without quotes.
pub(crate) fn continues_name(byte: u8) -> bool {
    matches!(class(byte), Class::Letter | Class::Digit)
}

/// The end of the name without quotes that starts at `offset`.
pub(crate) fn name_end(text: &[u8], offset: usize, dialect: &Dialect) -> usize {
    Scanner::new(text, dialect).name_end(offset)
}

/// Iterates over the tokens of a statement.
///
/// ```
/// use tributary_sql::{Dialect, Scanner};
/// let text = b"DELETE FROM `a b`.t -- all";
/// let joined: Vec<u8> = Scanner::new(text, &Dialect::default())
///     .flat_map(|token| text[token.start..token.end].to_vec())
///     .collect();
/// assert_eq!(joined, text);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    dialect: Dialect,
    offset: usize,
    /// Inside `/*! ...`: the next `*/` closes it. The server knows one level only.
    in_version_comment: bool,
    /// The highest number of a version comment read as code.
    newest_version: u32,
    /// The lowest number of a version comment passed over because the source is older; `u32::MAX` when there was none.
    oldest_skipped: u32,
    /// The last token was a name that ends at `offset`: a dot here separates names, whatever follows it.
    after_name: bool,
    /// The last token was a dot that ends at `offset`: digits and keywords here are names.
    after_dot: bool,
    /// The last line comment has no line feed, so it is the last token.
    in_line_comment: bool,
    has_trail_bytes: bool,
    a0_is_space: bool,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `text`.
    #[must_use]
    pub fn new(text: &'a [u8], dialect: &Dialect) -> Scanner<'a> {
        Scanner {
            text,
            dialect: *dialect,
            offset: 0,
            in_version_comment: false,
            newest_version: 0,
            oldest_skipped: u32::MAX,
            after_name: false,
            after_dot: false,
            in_line_comment: false,
            has_trail_bytes: dialect.charset.has_ascii_trail_bytes(),
            a0_is_space: dialect.charset == crate::ClientCharset::SingleByteWideSpace,
        }
    }

    /// The next token the grammar sees: blanks are passed over. [`TokenKind::End`] after the last one.
    #[inline]
    pub(crate) fn next_significant(&mut self) -> Token {
        // Most blanks are one space; it changes nothing but what the tokens beside it touch.
        if self.at(self.offset) == Some(b' ') {
            self.offset += 1;
            self.after_name = false;
            self.after_dot = false;
        }
        loop {
            match self.next() {
                Some(token) if token.kind.is_blank() => {}
                Some(token) => return token,
                None => {
                    let end = self.text.len();
                    return Token {
                        kind: TokenKind::End,
                        start: end,
                        end,
                    };
                }
            }
        }
    }

    /// Whether a version comment is open.
    pub(crate) fn is_in_version_comment(&self) -> bool {
        self.in_version_comment
    }

    /// The highest number of a version comment read as code so far; 0 when there was none.
    pub(crate) fn newest_version(&self) -> u32 {
        self.newest_version
    }

    /// The lowest number of a version comment passed over so far because the source is older.
    pub(crate) fn oldest_skipped(&self) -> u32 {
        self.oldest_skipped
    }

    /// Whether the text read so far ends inside a comment that runs to the end of the line.
    pub(crate) fn ends_in_line_comment(&self) -> bool {
        self.in_line_comment
    }

    fn at(&self, offset: usize) -> Option<u8> {
        self.text.get(offset).copied()
    }

    fn rest(&self, offset: usize) -> &'a [u8] {
        self.text.get(offset..).unwrap_or_default()
    }

    fn is_space(&self, byte: u8) -> bool {
        class(byte) == Class::Space || (byte == 0xA0 && self.a0_is_space)
    }

    /// The kind of the token at `start`, and its end.
    fn cut(&mut self, start: usize, first: u8) -> (TokenKind, usize) {
        if first == 0xA0 && self.a0_is_space {
            return (TokenKind::Space, self.space_end(start));
        }
        match class(first) {
            Class::Space => (TokenKind::Space, self.space_end(start)),
            Class::Letter => self.word_or_prefixed_string(start, first),
            Class::Digit if self.after_dot => (TokenKind::Word, self.name_end(start)),
            Class::Digit => self.number_or_name(start, first),
            Class::Quote => self.quote(start, first),
            Class::Other => self.sign(start, first),
        }
    }

    fn space_end(&self, mut offset: usize) -> usize {
        while let Some(byte) = self.at(offset) {
            if !self.is_space(byte) {
                break;
            }
            offset += 1;
        }
        offset
    }

    fn word_or_prefixed_string(&self, start: usize, first: u8) -> (TokenKind, usize) {
        if matches!(first, b'x' | b'X' | b'b' | b'B' | b'n' | b'N')
            && self.at(start + 1) == Some(b'\'')
            && !self.after_dot
        {
            return self.string(start + 1, b'\'');
        }
        (TokenKind::Word, self.name_end(start))
    }

    /// The end of the unquoted name that starts (or goes on) at `offset`.
    fn name_end(&self, mut offset: usize) -> usize {
        if self.has_trail_bytes || self.a0_is_space {
            while let Some(byte) = self.at(offset) {
                if !continues_name(byte) || (byte == 0xA0 && self.a0_is_space) {
                    break;
                }
                offset += if byte < 0x80 {
                    1
                } else {
                    self.dialect.charset.char_len(self.rest(offset))
                };
            }
            return offset;
        }
        let rest = self.rest(offset);
        offset
            + rest
                .iter()
                .position(|&byte| !continues_name(byte))
                .unwrap_or(rest.len())
    }

    fn quote(&self, start: usize, quote: u8) -> (TokenKind, usize) {
        if quote == b'`' || (quote == b'"' && self.dialect.ansi_quotes) {
            return self.quoted_name(start, quote);
        }
        self.string(start, quote)
    }

    /// A quoted name; `start` is its opening quote.
    fn quoted_name(&self, start: usize, close: u8) -> (TokenKind, usize) {
        match self.closing_quote(start + 1, close, false) {
            Some(end) => (TokenKind::Quoted, end),
            None => (TokenKind::Unterminated, self.text.len()),
        }
    }

    /// A string; `open` is its opening quote.
    fn string(&self, open: usize, quote: u8) -> (TokenKind, usize) {
        match self.closing_quote(open + 1, quote, !self.dialect.no_backslash_escapes) {
            Some(end) => (TokenKind::String, end),
            None => (TokenKind::Unterminated, self.text.len()),
        }
    }

    /// The offset after the closing quote of what starts at `offset`; doubled quotes do not close.
    fn closing_quote(&self, offset: usize, quote: u8, has_escapes: bool) -> Option<usize> {
        let rest = self.rest(offset);
        let mut at = 0;
        loop {
            let byte = *rest.get(at)?;
            if byte == quote {
                if rest.get(at + 1) != Some(&quote) {
                    return Some(offset + at + 1);
                }
                at += 2;
            } else if byte == b'\\' && has_escapes {
                at += 2;
            } else if byte >= 0x80 && self.has_trail_bytes {
                at += self.dialect.charset.char_len(rest.get(at..)?);
            } else {
                at += 1;
            }
        }
    }

    fn sign(&mut self, start: usize, first: u8) -> (TokenKind, usize) {
        let next = self.at(start + 1);
        let kind = match first {
            b'.' => return self.dot(start, next),
            b',' => TokenKind::Comma,
            b'(' => TokenKind::Open,
            b')' => TokenKind::Close,
            b';' => TokenKind::Semicolon,
            b'#' => return (TokenKind::LineComment, self.line_end(start)),
            b'-' if next == Some(b'-') && self.is_comment_gap(start + 2) => {
                return (TokenKind::LineComment, self.line_end(start));
            }
            b'/' if next == Some(b'*') => return self.comment(start),
            b'*' if next == Some(b'/') && self.in_version_comment => {
                self.in_version_comment = false;
                return (TokenKind::VersionClose, start + 2);
            }
            b'@' if next == Some(b'@') => return (TokenKind::SystemVar, start + 2),
            b'@' => return self.user_variable(start),
            b'[' if self.dialect.brackets => return self.quoted_name(start, b']'),
            _ => TokenKind::Operator,
        };
        (kind, start + 1)
    }

    fn dot(&self, start: usize, next: Option<u8>) -> (TokenKind, usize) {
        match next {
            Some(b'.') => (TokenKind::Operator, start + 2),
            Some(b'0'..=b'9') if !self.after_name => (TokenKind::Number, self.fraction_end(start + 1)),
            _ => (TokenKind::Dot, start + 1),
        }
    }

    fn user_variable(&self, start: usize) -> (TokenKind, usize) {
        match self.at(start + 1) {
            Some(quote @ (b'\'' | b'"' | b'`')) => {
                let has_escapes = quote != b'`' && !self.dialect.no_backslash_escapes;
                let is_name = quote == b'`' || (quote == b'"' && self.dialect.ansi_quotes);
                match self.closing_quote(start + 2, quote, has_escapes && !is_name) {
                    Some(end) => (TokenKind::UserVar, end),
                    None => (TokenKind::Unterminated, self.text.len()),
                }
            }
            _ => {
                let mut end = start + 1;
                while self.continues_name_at(end) || self.at(end) == Some(b'.') {
                    end = self.name_end(end).max(end + 1);
                }
                (TokenKind::UserVar, end)
            }
        }
    }
}

impl Iterator for Scanner<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let start = self.offset;
        let first = self.at(start)?;
        let (kind, end) = self.cut(start, first);
        self.offset = end;
        self.after_name = kind.is_name();
        self.after_dot = kind == TokenKind::Dot;
        self.in_line_comment = kind == TokenKind::LineComment && self.at(end.wrapping_sub(1)) != Some(b'\n');
        Some(Token { kind, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::ClientCharset;

    /// The tokens the grammar sees, each with the first letters of its kind.
    fn tokens(text: &str, dialect: &Dialect) -> String {
        let all = Scanner::new(text.as_bytes(), dialect).filter(|token| !token.kind.is_blank());
        let shown = all.map(|token| {
            let kind = format!("{:?}", token.kind);
            format!(
                "{}:{}",
                kind.get(..2).unwrap_or(&kind),
                &text[token.start..token.end]
            )
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_and_names_that_start_like_one() {
        let cases = [
            (
                "1 1.5 .5 1. 1e5 1E-5 1.5e+3",
                "Nu:1 Nu:1.5 Nu:.5 Nu:1. Nu:1e5 Nu:1E-5 Nu:1.5e+3",
            ),
            (
                "1a 1e 1ea 0x1F 0x1G 0xx 0b01 0b2 0X1",
                "Wo:1a Wo:1e Wo:1ea Nu:0x1F Wo:0x1G Wo:0xx Nu:0b01 Wo:0b2 Wo:0X1",
            ),
            (
                "t.1 t.1a t.1e5 t .5",
                "Wo:t Do:. Wo:1 Wo:t Do:. Wo:1a Wo:t Do:. Wo:1e5 Wo:t Nu:.5",
            ),
            ("1..2 i..j", "Nu:1 Op:.. Nu:2 Wo:i Op:.. Wo:j"),
            ("$a _b a$1", "Wo:$a Wo:_b Wo:a$1"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text, &Dialect::default()), expected);
        }
    }

    #[test]
    fn strings_names_and_variables() {
        let cases = [
            (
                r"'a''b' 'a\'b' x'41' N'x' xx'y'",
                r"St:'a''b' St:'a\'b' St:x'41' St:N'x' Wo:xx St:'y'",
            ),
            ("`a``b`.\"c\"", "Qu:`a``b` Do:. St:\"c\""),
            (
                "@a.b @'x y' @`z` @@global.x @",
                "Us:@a.b Us:@'x y' Us:@`z` Sy:@@ Wo:global Do:. Wo:x Us:@",
            ),
            ("'open", "Un:'open"),
            (r"'open\'", r"Un:'open\'"),
            ("`open", "Un:`open"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text, &Dialect::default()), expected);
        }
        let ansi = Dialect {
            ansi_quotes: true,
            no_backslash_escapes: true,
            ..Dialect::default()
        };
        assert_eq!(tokens(r#""a""b" 'c\'"#, &ansi), r#"Qu:"a""b" St:'c\'"#);
    }

    #[test]
    fn comments_are_blank_and_version_comments_are_code() {
        let cases = [
            (
                "a /* b */ c # d\n e -- f\n g --h",
                "Wo:a Wo:c Wo:e Wo:g Op:- Op:- Wo:h",
            ),
            (
                "/*! a */ /*!40101 b */ /*M!100100 c */ /*!101119d*/",
                "Wo:a Wo:b Wo:c Wo:d",
            ),
            (
                "/*!50700 a */ /*!99999 b */ /*!101120 c */ /*M!999999 d */ e",
                "Wo:e",
            ),
            (
                "/*M!50700 a */ /*!50650 b */ /*!4010 c */",
                "Wo:a Wo:b Nu:4010 Wo:c",
            ),
            ("/*!40101 a /* b */ c */ d", "Wo:a Wo:c Wo:d"),
            ("/*!80000 a /* b */ c */ d", "Wo:d"),
            ("/* a /* b */ c", "Wo:c"),
            ("a */ b", "Wo:a Op:* Op:/ Wo:b"),
            ("/* open", "Un:/* open"),
        ];
        let dialect = Dialect {
            source_version: 101_119,
            ..Dialect::default()
        };
        for (text, expected) in cases {
            assert_eq!(tokens(text, &dialect), expected, "{text}");
        }
        let unknown = Dialect::default();
        assert_eq!(tokens("/*!101120 a */ /*!80000 b */", &unknown), "Wo:a");
    }

    #[test]
    fn two_byte_characters_hide_delimiters() {
        let gbk = Dialect {
            charset: ClientCharset::Gbk,
            ..Dialect::default()
        };
        let kinds: Vec<_> = Scanner::new(b"'\xB0\x5C' `\xB0\x60` \xB0\x60a", &gbk)
            .map(|token| token.kind)
            .collect();
        use TokenKind::{Quoted, Space, String, Word};
        assert_eq!(kinds, [String, Space, Quoted, Space, Word]);
    }
}
