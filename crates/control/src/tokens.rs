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

    /// The tokens between two places alone.
    pub(crate) fn part(&self, from: usize, to: usize) -> Self {
        Self {
            text: self.text,
            list: self.list.get(from..to).unwrap_or_default().to_vec(),
            at: 0,
        }
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

/// Words that begin a block of statements outside of a routine, as `BEGIN NOT ATOMIC` does.
const BLOCKS: [&str; 6] = ["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"];

/// Whether the statement is a block of statements, with semicolons of its own.
pub(crate) fn is_block(text: &[u8]) -> bool {
    begins_block(text) || behind_settings(text).is_some_and(begins_block)
}

/// What follows `SET STATEMENT ... FOR`.
fn behind_settings(text: &[u8]) -> Option<&[u8]> {
    let mut tokens = Scanner::new(text, &Dialect::default()).filter(|token| !token.kind.is_blank());
    let is_word = |token: Token, word: &[u8]| {
        token.kind == TokenKind::Word && text[token.start..token.end].eq_ignore_ascii_case(word)
    };
    if !is_word(tokens.next()?, b"SET") || !is_word(tokens.next()?, b"STATEMENT") {
        return None;
    }
    let mut depth = 0_usize;
    for token in tokens {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Semicolon => return None,
            _ if depth == 0 && is_word(token, b"FOR") => return text.get(token.end..),
            _ => {}
        }
    }
    None
}

fn begins_block(text: &[u8]) -> bool {
    let first: Vec<_> = Scanner::new(text, &Dialect::default())
        .filter(|token| !token.kind.is_blank())
        .take(BLOCK_HEAD_TOKENS)
        .collect();
    let mut head = Tokens {
        text,
        list: first,
        at: 0,
    };
    let has_label = {
        let mut label = head.clone();
        label.name().is_some() && label.sign(":")
    };
    has_label || head.words(&["BEGIN", "NOT"]) || head.one_of(&BLOCKS)
}

/// As many tokens tell a block from other statements.
const BLOCK_HEAD_TOKENS: usize = 2;

/// The statements of a text, without the semicolons between them.
pub(crate) fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    each(text, |piece| {
        pieces.push(piece);
        false
    });
    pieces
}

/// Whether one of the statements of a text is such a one. Holds no more than one at a time.
pub(crate) fn has_piece<'a>(text: &'a [u8], is_it: impl FnMut(&'a [u8]) -> bool) -> bool {
    each(text, is_it)
}

fn each<'a>(text: &'a [u8], mut is_it: impl FnMut(&'a [u8]) -> bool) -> bool {
    let mut is_it = |piece: &'a [u8]| {
        Scanner::new(piece, &Dialect::default()).any(|token| !token.kind.is_blank()) && is_it(piece)
    };
    let mut from = 0;
    let mut begins = true;
    let mut depth = 0_usize;
    for token in Scanner::new(text, &Dialect::default()) {
        if begins && !token.kind.is_blank() {
            begins = false;
            depth += usize::from(is_block(&text[token.start..]));
        }
        match token.kind {
            TokenKind::Word
                if text[token.start..token.end].eq_ignore_ascii_case(b"BEGIN") && from < token.start =>
            {
                depth += usize::from(is_compound(&text[from..token.start]));
            }
            TokenKind::Semicolon if depth == 0 => {
                if is_it(&text[from..token.start]) {
                    return true;
                }
                from = token.end;
                begins = true;
            }
            _ => {}
        }
    }
    is_it(&text[from..])
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
        for block in [
            &b"BEGIN NOT ATOMIC SELECT 1; STOP SLAVE; END"[..],
            b"/* x */ IF 1 THEN STOP SLAVE; END IF",
            b"x: LOOP STOP SLAVE; LEAVE x; END LOOP",
            b"SET STATEMENT max_statement_time=(1) FOR IF 1 THEN STOP SLAVE; END IF",
        ] {
            assert_eq!(split(block), [block]);
        }
        assert_eq!(split(b"BEGIN; SELECT 1"), [&b"BEGIN"[..], b" SELECT 1"]);
    }
}
