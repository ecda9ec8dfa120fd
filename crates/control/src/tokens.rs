//! The words of a statement, one after the other.

use tributary_sql::{Dialect, Scanner, Token, TokenKind};

/// Reads a statement word by word. What is asked for and not there leaves everything as it is.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    text: &'a [u8],
    list: Vec<Token>,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let list = Scanner::new(text, &Dialect::default())
            .filter(|token| !token.kind.is_blank())
            .collect();
        Self { text, list, at: 0 }
    }

    /// The tokens.
    pub(crate) fn list(&self) -> &[Token] {
        &self.list
    }

    fn peek(&self) -> Option<Token> {
        self.list.get(self.at).copied()
    }

    /// Where the next token begins; the end of the text behind the last one.
    pub(crate) fn offset(&self) -> usize {
        self.peek().map_or(self.text.len(), |token| token.start)
    }

    /// Whether nothing is left but a semicolon.
    pub(crate) fn is_at_end(&self) -> bool {
        self.list[self.at.min(self.list.len())..]
            .iter()
            .all(|token| token.kind == TokenKind::Semicolon)
    }

    /// Passes the word, in letters of either case.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let is_it = self
            .peek()
            .is_some_and(|token| token.kind == TokenKind::Word && self.is_text(token, word));
        self.at += usize::from(is_it);
        is_it
    }

    /// Passes one of the words.
    pub(crate) fn one_of(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(word))
    }

    /// Passes all the words, or none.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let before = self.at;
        let are_there = words.iter().all(|word| self.word(word));
        if !are_there {
            self.at = before;
        }
        are_there
    }

    /// Passes a token of this kind.
    pub(crate) fn kind(&mut self, kind: TokenKind) -> bool {
        let is_it = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(is_it);
        is_it
    }

    /// Passes this sign.
    pub(crate) fn sign(&mut self, sign: &str) -> bool {
        let is_it = self
            .peek()
            .is_some_and(|token| token.kind == TokenKind::Operator && self.is_text(token, sign));
        self.at += usize::from(is_it);
        is_it
    }

    /// A literal string.
    pub(crate) fn string(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == TokenKind::String)?;
        let value = string_value(self.bytes(token))?;
        self.at += 1;
        Some(value)
    }

    /// A name, in quotes or not.
    pub(crate) fn name(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind.is_name())?;
        self.at += 1;
        Some(self.name_of(token))
    }

    /// A name as it means, without its quotes.
    pub(crate) fn name_of(&self, token: Token) -> String {
        let bytes = self.bytes(token);
        let text = String::from_utf8_lossy(bytes);
        match token.kind {
            TokenKind::Quoted => text[1..text.len().saturating_sub(1).max(1)].replace("``", "`"),
            _ => text.into_owned(),
        }
    }

    /// A number without sign.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let token = self.peek().filter(|token| token.kind == TokenKind::Number)?;
        let number = std::str::from_utf8(self.bytes(token)).ok()?.parse().ok()?;
        self.at += 1;
        Some(number)
    }

    /// A number with decimals.
    pub(crate) fn decimal(&mut self) -> Option<f64> {
        let token = self.peek().filter(|token| token.kind == TokenKind::Number)?;
        let number = std::str::from_utf8(self.bytes(token)).ok()?.parse().ok()?;
        self.at += 1;
        Some(number)
    }

    /// Passes whatever comes next.
    pub(crate) fn skip(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    pub(crate) fn bytes(&self, token: Token) -> &'a [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn is_text(&self, token: Token, text: &str) -> bool {
        self.bytes(token).eq_ignore_ascii_case(text.as_bytes())
    }
}

/// What a literal in quotes means. `None` for literals of other kinds.
fn string_value(literal: &[u8]) -> Option<String> {
    let (quote, inner) = match literal {
        [quote @ (b'\'' | b'"'), inner @ .., last] if quote == last => (*quote, inner),
        _ => return None,
    };
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next()? {
                b'n' => value.push(b'\n'),
                b't' => value.push(b'\t'),
                b'r' => value.push(b'\r'),
                b'0' => value.push(0),
                other => value.push(other),
            },
            byte if byte == quote => value.push(bytes.next()?),
            byte => value.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&value).into_owned())
}

/// The statements of a text, without the semicolons between them.
pub(crate) fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut depth = 0_usize;
    for token in Scanner::new(text, &Dialect::default()) {
        match token.kind {
            TokenKind::Word
                if text[token.start..token.end].eq_ignore_ascii_case(b"BEGIN") && from < token.start =>
            {
                depth += usize::from(is_compound(&text[from..token.start]));
            }
            TokenKind::Semicolon if depth == 0 => {
                pieces.push(&text[from..token.start]);
                from = token.end;
            }
            _ => {}
        }
    }
    pieces.push(&text[from..]);
    pieces.retain(|piece| Scanner::new(piece, &Dialect::default()).any(|token| !token.kind.is_blank()));
    pieces
}

/// Whether a `BEGIN` behind this begins a body, which has semicolons of its own: then all the rest is one statement.
fn is_compound(before: &[u8]) -> bool {
    Scanner::new(before, &Dialect::default()).any(|token| token.kind == TokenKind::Word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_mean_what_they_mean_to_the_server() {
        for (literal, value) in [
            ("'a'", Some("a")),
            ("\"a'b\"", Some("a'b")),
            ("'it''s'", Some("it's")),
            (r"'a\'b\\'", Some(r"a'b\")),
            ("''", Some("")),
            ("x'41'", None),
        ] {
            assert_eq!(string_value(literal.as_bytes()).as_deref(), value, "{literal}");
        }
    }

    #[test]
    fn a_text_is_cut_between_statements_only() {
        assert_eq!(
            split(b"START SLAVE; STOP SLAVE;"),
            [&b"START SLAVE"[..], b" STOP SLAVE"]
        );
        assert_eq!(split(b"SELECT ';'; /* ; */ -- ;\n"), [&b"SELECT ';'"[..]]);
        assert_eq!(
            split(b"CREATE PROCEDURE p() BEGIN SELECT 1; STOP SLAVE; END"),
            [&b"CREATE PROCEDURE p() BEGIN SELECT 1; STOP SLAVE; END"[..]]
        );
    }
}
