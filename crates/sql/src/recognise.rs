//! Row statements of simple shape: which keys they write.

use std::borrow::Cow;

use crate::name::Name;

/// A statement on one table whose rows are named by literals.
///
/// It has no join, no subquery, no assignment to a user variable and no call of a function that is not known to be
/// built in and free of effects. What is `equal` holds for every row it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowStatement<'a> {
    /// INSERT or REPLACE with VALUES or SET.
    Insert {
        /// The column list; `None` when it is left out and the table's order counts.
        columns: Option<Vec<Name<'a>>>,
        /// The values of each row, in the order of `columns`.
        rows: Vec<Vec<Value<'a>>>,
        /// REPLACE.
        replace: bool,
        /// IGNORE.
        ignore: bool,
        /// The columns assigned by ON DUPLICATE KEY UPDATE, if it has that part.
        on_duplicate: Option<Vec<Name<'a>>>,
    },
    /// UPDATE of one table.
    Update {
        /// The columns assigned.
        assigned: Vec<Name<'a>>,
        /// Conditions `column = literal` that every changed row meets.
        equal: Vec<(Name<'a>, Value<'a>)>,
        /// It has ORDER BY or LIMIT.
        limited: bool,
    },
    /// DELETE from one table.
    Delete {
        /// Conditions `column = literal` that every deleted row meets.
        equal: Vec<(Name<'a>, Value<'a>)>,
        /// It has ORDER BY or LIMIT.
        limited: bool,
    },
}

/// A value in a row statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A whole number.
    Int(i128),
    /// A string: escapes resolved, adjacent literals joined, without introducer, in the client's character set.
    String(Cow<'a, [u8]>),
    /// NULL.
    Null,
    /// DEFAULT.
    Default,
    /// Anything else: an expression, a number with a fraction, a binary or hexadecimal literal, a string in another
    /// character set.
    Other,
}
