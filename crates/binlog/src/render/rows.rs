//! The columns of row images as named values.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::Table;
use super::escape::Escaped;
use crate::error::DecodeError;
use crate::row::{Cell, RowImage};
use crate::value::{Value, write_bytes};

/// A column of a row: its name, or its number as `@1`, and its value.
pub(super) struct NamedValue<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: Shown<'a>,
}

/// A value as far as the table's metadata explains it.
pub(super) enum Shown<'a> {
    Plain(Value<'a>),
    Member(&'a Bytes),
    Members(Vec<&'a Bytes>),
    /// A value of a kind that has no text here.
    Unreadable(DecodeError),
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Plain(value) => value.fmt(f),
            Shown::Member(text) => write_bytes(text, f),
            Shown::Members(texts) => write_bytes(&join(texts), f),
            Shown::Unreadable(error) => write!(f, "<{error}>"),
        }
    }
}

/// The members of a SET value as SQL writes them: `a,b`.
pub(super) fn join(texts: &[&Bytes]) -> Vec<u8> {
    texts
        .iter()
        .map(|text| text.as_ref())
        .collect::<Vec<_>>()
        .join(&b","[..])
}

impl Table {
    /// The columns of `image` that are present.
    pub(super) fn values<'a>(&'a self, image: RowImage<'a>) -> impl Iterator<Item = NamedValue<'a>> {
        image.cells().enumerate().filter_map(|(column, cell)| {
            let value = match cell {
                Cell::Absent => return None,
                Cell::Null => Shown::Plain(Value::Null),
                Cell::Value(raw) => self.value(column, raw),
            };
            Some(NamedValue {
                name: self.column_name(column),
                value,
            })
        })
    }

    pub(super) fn column_name(&self, column: usize) -> Cow<'_, str> {
        match self.metadata.name(column) {
            Some(name) => Cow::Owned(Escaped(name).to_string()),
            None => Cow::Owned(format!("@{}", column + 1)),
        }
    }

    fn value<'a>(&'a self, column: usize, raw: &'a [u8]) -> Shown<'a> {
        let columns = &self.map.columns;
        let is_unsigned = self.metadata.is_unsigned(columns, column);
        match Value::decode(column, columns[column], is_unsigned, raw) {
            Ok(Value::Enum(number)) => self.enum_value(column, number),
            Ok(Value::Set(bits)) => self.set_value(column, bits),
            Ok(value) => Shown::Plain(value),
            Err(error) => Shown::Unreadable(error),
        }
    }

    fn enum_value(&self, column: usize, number: u16) -> Shown<'_> {
        let values = self.metadata.enum_values(&self.map.columns, column);
        let index = usize::from(number).checked_sub(1);
        match values.zip(index).and_then(|(values, index)| values.get(index)) {
            Some(text) => Shown::Member(text),
            None => Shown::Plain(Value::Enum(number)),
        }
    }

    fn set_value(&self, column: usize, bits: u64) -> Shown<'_> {
        match self.metadata.set_members(&self.map.columns, column) {
            Some(members) if members.len() <= 64 && (members.len() == 64 || bits >> members.len() == 0) => {
                let is_set = |index: &usize| bits >> index & 1 == 1;
                Shown::Members(
                    (0..members.len())
                        .filter(is_set)
                        .map(|index| &members[index])
                        .collect(),
                )
            }
            _ => Shown::Plain(Value::Set(bits)),
        }
    }
}
