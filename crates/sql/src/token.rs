//! Tokens: what each byte of a statement belongs to.

/// One token. Tokens of a statement follow each other without gaps: their bytes, in order, are the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
}

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// `/* ... */`, or a version comment the source skipped.
    Comment,
    /// `-- ...` or `# ...`, with the line feed that ends it (if the text does not end first).
    LineComment,
    /// `/*!`, `/*!40101`, `/*M!100301`: what follows is code.
    VersionOpen,
    /// `*/` after a [`TokenKind::VersionOpen`].
    VersionClose,
    /// A keyword or an identifier without quotes.
    Word,
    /// An identifier in backticks, or in double quotes or brackets where the mode says so.
    Quoted,
    /// `'...'`, `"..."`, `N'...'`, `x'...'`, `b'...'`. Adjacent literals and `_charset` introducers are tokens of their own.
    String,
    /// A number, hexadecimal and binary ones included.
    Number,
    /// `@name`, `@'...'`; also the host part of an account.
    UserVar,
    /// `@@`, the start of a system variable.
    SystemVar,
    /// `.`
    Dot,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// Any other byte, and `..`, `:=`, `<=>` and the like in pieces.
    Operator,
    /// A string, quoted name or comment that runs to the end of the text without being closed.
    Unterminated,
    /// Past the last token; empty.
    End,
}

impl TokenKind {
    /// White space, comments and the marks of version comments: nothing the grammar sees.
    #[must_use]
    pub fn is_blank(self) -> bool {
        matches!(
            self,
            TokenKind::Space
                | TokenKind::Comment
                | TokenKind::LineComment
                | TokenKind::VersionOpen
                | TokenKind::VersionClose
        )
    }

    /// Can stand for a name: [`TokenKind::Word`] or [`TokenKind::Quoted`].
    #[must_use]
    pub fn is_name(self) -> bool {
        matches!(self, TokenKind::Word | TokenKind::Quoted)
    }
}
