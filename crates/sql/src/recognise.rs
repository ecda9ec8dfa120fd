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

/// The values in a row statement's text that can be handed over beside it: the statement's shape is what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Literals<'a> {
    /// In the order of the text. Values that are part of an expression are not among them.
    pub list: Vec<Literal<'a>>,
    /// For each of the statement's conditions `column = literal`, its place in `list`; `None` when it is not there.
    pub conditions: Vec<Option<usize>>,
    /// There is more than literals: calls, arithmetic, columns, conditions other than `column = literal`.
    pub has_expressions: bool,
    /// Where the `)` of an INSERT's column list stands.
    pub columns_end: Option<usize>,
    /// Where the `)` of an INSERT's last row stands, or its last assignment ends.
    pub row_end: usize,
    /// INSERT DELAYED.
    pub is_delayed: bool,
}

/// One literal that stands alone as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal<'a> {
    /// Offset of its first byte, the sign included.
    pub start: usize,
    /// Offset after its last byte.
    pub end: usize,
    /// Which value of an INSERT's row it is.
    pub column: Option<usize>,
    /// What it says.
    pub value: LiteralValue<'a>,
}

/// The value of a [`Literal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiteralValue<'a> {
    /// A whole number.
    Int(i64),
    /// A number with a decimal point, as written.
    Decimal(&'a [u8]),
    /// A string, escapes resolved, in the client's character set.
    Text(Cow<'a, [u8]>),
    /// NULL.
    Null,
    /// DEFAULT.
    Default,
}
