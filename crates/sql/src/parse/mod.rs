//! From tokens to a [`Statement`].

use crate::dialect::{ClientCharset, Dialect};
use crate::error::{SqlError, describe};
use crate::scanner::Scanner;
use crate::statement::{Statement, Uncertain};

/// Reads one statement.
///
/// # Errors
/// [`SqlError`] when a string or comment is not closed, or the statement does not have the form its first words ask
/// for. A statement with unknown first words is no error: its kind is [`crate::StatementKind::Unknown`].
pub fn parse<'a>(text: &'a [u8], dialect: &Dialect) -> Result<Statement<'a>, SqlError> {
    if dialect.charset == ClientCharset::Unscannable {
        return Err(SqlError::Charset);
    }
    let mut statement = Statement::new(dialect);
    let token = Scanner::new(text, dialect).next_significant();
    statement.uncertain = Some(Uncertain {
        token: describe(text, token),
        offset: token.start,
        why: "the statement is not one we know",
    });
    Ok(statement)
}
