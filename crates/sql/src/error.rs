//! Why a statement could not be read or renamed.

use crate::token::{Token, TokenKind};

/// The longest piece of a statement shown in a message, in bytes.
const NEAR_MAX: usize = 48;

/// A statement whose parts could not be determined.
///
/// Messages name the byte offset in the statement and the token found there. String literals are never shown: they
/// may hold passwords or personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// A string, quoted name or comment has no end.
    #[error("{what} at byte {offset} is not closed")]
    Unterminated {
        /// What was opened.
        what: &'static str,
        /// Where it was opened.
        offset: usize,
    },
    /// Something else was expected.
    #[error("expected {expected} at byte {offset}, found {near}")]
    Unexpected {
        /// What the statement's form asks for.
        expected: &'static str,
        /// Where it should have been.
        offset: usize,
        /// The token that stands there.
        near: String,
    },
    /// Parentheses, subqueries or blocks are nested deeper than we follow.
    #[error("nested deeper than {limit} levels at byte {offset}")]
    TooDeep {
        /// The bound.
        limit: usize,
        /// Where it was reached.
        offset: usize,
    },
    /// The client character set gives ASCII bytes other meanings.
    #[error(
        "statements in this client character set (swe7, ucs2, utf16 or utf32) cannot be read byte by byte"
    )]
    Charset,
}

/// A statement that cannot be renamed with proof.
///
/// The connection stops with it: nothing is guessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot rename the database in {token} at byte {offset}: {why}")]
pub struct RenameError {
    /// The token in doubt, as written (strings are described, not shown).
    pub token: String,
    /// Its byte offset in the statement.
    pub offset: usize,
    /// Why it is in doubt.
    pub why: &'static str,
}

/// A token for a message: names as written, strings only by their length, long ones cut.
pub(crate) fn describe(text: &[u8], token: Token) -> String {
    match token.kind {
        TokenKind::End => "the end of the statement".to_owned(),
        TokenKind::String => format!("a string of {} bytes", token.end - token.start),
        TokenKind::UserVar => "a user variable or host name".to_owned(),
        _ => {
            let bytes = text.get(token.start..token.end).unwrap_or_default();
            match bytes.get(..NEAR_MAX) {
                Some(cut) if bytes.len() > NEAR_MAX => format!("`{}...`", String::from_utf8_lossy(cut)),
                _ => format!("`{}`", String::from_utf8_lossy(bytes)),
            }
        }
    }
}
