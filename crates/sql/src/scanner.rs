//! Cuts a statement into tokens, byte by byte as the server's lexer does, losing nothing.
//!
//! The scanner never fails: what is not closed becomes [`TokenKind::Unterminated`], what it does not know
//! [`TokenKind::Operator`]. It knows no grammar; keywords and identifiers without quotes are both words. It follows
//! the server in what is surprising: a digit may start an identifier, after `name.` everything is an identifier, a
//! backslash or backtick may be half of a character, and version comments are code or not by their number.

use crate::dialect::Dialect;
use crate::token::{Token, TokenKind};

/// Version comments without `M` are skipped by MariaDB in this range: it belongs to MySQL.
const MYSQL_ONLY_VERSIONS: std::ops::RangeInclusive<u32> = 50_700..=99_999;

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

    fn digits_end(&self, offset: usize) -> usize {
        let rest = self.rest(offset);
        offset
            + rest
                .iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(rest.len())
    }

    fn continues_name_at(&self, offset: usize) -> bool {
        self.at(offset)
            .is_some_and(|byte| continues_name(byte) && !(byte == 0xA0 && self.a0_is_space))
    }

    /// Lexer states NUMBER_IDENT, INT_OR_REAL and REAL of the server: `1a` is a name, `1e5` a number, `1..2` three tokens.
    fn number_or_name(&self, start: usize, first: u8) -> (TokenKind, usize) {
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
    fn fraction_end(&self, offset: usize) -> usize {
        let digits = self.digits_end(offset);
        self.exponent_end(digits).unwrap_or(digits)
    }

    /// The end of the exponent whose `e` would be at `offset`; `None` when there is none.
    fn exponent_end(&self, offset: usize) -> Option<usize> {
        if !matches!(self.at(offset), Some(b'e' | b'E')) {
            return None;
        }
        let sign = usize::from(matches!(self.at(offset + 1), Some(b'+' | b'-')));
        let digits = offset + 1 + sign;
        self.at(digits).filter(u8::is_ascii_digit)?;
        Some(self.digits_end(digits))
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

    /// `--` opens a comment only before white space, a control character or the end.
    fn is_comment_gap(&self, offset: usize) -> bool {
        self.at(offset)
            .is_none_or(|byte| self.is_space(byte) || byte.is_ascii_control())
    }

    fn line_end(&self, start: usize) -> usize {
        let rest = self.rest(start);
        start
            + rest
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(rest.len(), |length| length + 1)
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

    fn comment(&mut self, start: usize) -> (TokenKind, usize) {
        let marker = match (self.at(start + 2), self.at(start + 3)) {
            (Some(b'!'), _) => Some((start + 3, false)),
            (Some(b'M'), Some(b'!')) => Some((start + 4, true)),
            _ => None,
        };
        let Some((after_marker, is_mariadb)) = marker else {
            return self.comment_end(start + 2, false);
        };
        let (version, length) = self.version(after_marker);
        if !self.is_executed(version, is_mariadb) {
            return self.comment_end(after_marker + length, true);
        }
        self.in_version_comment = true;
        self.newest_version = self.newest_version.max(version.unwrap_or(0));
        (TokenKind::VersionOpen, after_marker + length)
    }

    /// The version at `offset` and how many digits spell it: five or six, else there is none.
    fn version(&self, offset: usize) -> (Option<u32>, usize) {
        let length = self
            .rest(offset)
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length < 5 {
            return (None, 0);
        }
        let digits = self.rest(offset).iter().take(length);
        (
            Some(digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))),
            length,
        )
    }

    fn is_executed(&self, version: Option<u32>, is_mariadb: bool) -> bool {
        let Some(version) = version else { return true };
        let is_known = self.dialect.source_version == 0 || version <= self.dialect.source_version;
        is_known && (is_mariadb || !MYSQL_ONLY_VERSIONS.contains(&version))
    }

    /// The end of a comment that is not code. A skipped version comment may hold one level of comments.
    fn comment_end(&self, mut offset: usize, may_nest: bool) -> (TokenKind, usize) {
        let mut is_nested = false;
        loop {
            match (self.at(offset), self.at(offset + 1)) {
                (Some(b'*'), Some(b'/')) if is_nested => {
                    is_nested = false;
                    offset += 2;
                }
                (Some(b'*'), Some(b'/')) => return (TokenKind::Comment, offset + 2),
                (Some(b'/'), Some(b'*')) if may_nest && !is_nested => {
                    is_nested = true;
                    offset += 2;
                }
                (Some(_), _) => offset += 1,
                (None, _) => return (TokenKind::Unterminated, self.text.len()),
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
