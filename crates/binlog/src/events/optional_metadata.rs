//! What `binlog_row_metadata` adds to a table map: signs, character sets, names, members, keys.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::table_map::{ColumnType, TableMap};
use crate::header::HEADER_BYTES;
use crate::reader::Reader;

/// What `binlog_row_metadata` adds to a table map. What the source did not send is empty or `None`.
///
/// Lists are in the order of the table's columns of that sort: numeric, character, ENUM, SET, geometry columns.
///
/// # Wire form
/// Fields of type `u8`, length and value, to the end. MariaDB server, `sql/log_event_server.cc`,
/// `Table_map_log_event::init_metadata_fields`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptionalMetadata {
    /// Per numeric column: whether it is unsigned.
    pub unsigned: Option<Vec<bool>>,
    /// Per character column (all string-like ones but ENUM and SET): its collation id.
    pub charsets: Option<Vec<u64>>,
    /// Per column: its name.
    pub names: Option<Vec<Bytes>>,
    /// Per SET column: its members.
    pub set_members: Option<Vec<Vec<Bytes>>>,
    /// Per ENUM column: its values.
    pub enum_values: Option<Vec<Vec<Bytes>>>,
    /// Per geometry column: 0 for any geometry, 1 for points, and so on.
    pub geometry_types: Option<Vec<u64>>,
    /// Indexes of the primary key's columns, and for each the length of its prefix in characters, 0 for the whole.
    pub primary_key: Option<Vec<(usize, u64)>>,
    /// Per ENUM and SET column: its collation id.
    pub enum_and_set_charsets: Option<Vec<u64>>,
}

/// Types of the fields.
mod field {
    pub(super) const SIGNEDNESS: u8 = 1;
    pub(super) const DEFAULT_CHARSET: u8 = 2;
    pub(super) const COLUMN_CHARSET: u8 = 3;
    pub(super) const COLUMN_NAME: u8 = 4;
    pub(super) const SET_STR_VALUE: u8 = 5;
    pub(super) const ENUM_STR_VALUE: u8 = 6;
    pub(super) const GEOMETRY_TYPE: u8 = 7;
    pub(super) const SIMPLE_PRIMARY_KEY: u8 = 8;
    pub(super) const PRIMARY_KEY_WITH_PREFIX: u8 = 9;
    pub(super) const ENUM_AND_SET_DEFAULT_CHARSET: u8 = 10;
    pub(super) const ENUM_AND_SET_COLUMN_CHARSET: u8 = 11;
}

impl TableMap {
    /// Reads [`TableMap::optional`].
    ///
    /// # Errors
    /// [`DecodeError`] when a field does not fit. Fields of unknown types, which newer servers may send, are passed over:
    /// they have a length.
    pub fn optional_metadata(&self) -> Result<OptionalMetadata, DecodeError> {
        let base = HEADER_BYTES + self.body.len() - self.optional.len();
        let mut reader = Reader::new(&self.optional, EventType::TABLE_MAP, base);
        let mut metadata = OptionalMetadata::default();
        while !reader.is_at_end() {
            let kind = reader.u8("metadata field")?;
            let length = reader.lenenc_size("metadata field length")?;
            let offset = reader.offset();
            let value = reader.bytes(length, "metadata field")?;
            let mut value = Reader::new(&value, EventType::TABLE_MAP, offset);
            metadata.decode_field(kind, &mut value, &self.columns)?;
        }
        Ok(metadata)
    }
}

impl TableMap {
    /// The columns' names in order, if the source sends them (`binlog_row_metadata=FULL`); walks the bytes and collects
    /// nothing. Ends early where the bytes are broken.
    #[must_use]
    pub fn column_names(&self) -> Option<ColumnNames<'_>> {
        let mut reader = Reader::new(&self.optional, EventType::TABLE_MAP, HEADER_BYTES);
        while !reader.is_at_end() {
            let kind = reader.u8("metadata field").ok()?;
            let length = reader.lenenc_size("metadata field length").ok()?;
            let value = reader.slice(length, "metadata field").ok()?;
            if kind == field::COLUMN_NAME {
                return Some(ColumnNames { left: value });
            }
        }
        None
    }
}

/// See [`TableMap::column_names`].
#[derive(Debug, Clone)]
pub struct ColumnNames<'a> {
    left: &'a [u8],
}

impl<'a> Iterator for ColumnNames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // Names have at most 192 bytes, so that their length is one byte.
        let (&length, rest) = self.left.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(length))?;
        self.left = rest;
        Some(name)
    }
}

impl OptionalMetadata {
    fn decode_field(
        &mut self,
        kind: u8,
        value: &mut Reader<'_>,
        columns: &[ColumnType],
    ) -> Result<(), DecodeError> {
        let count = |is_of: fn(ColumnType) -> bool| columns.iter().filter(|&&column| is_of(column)).count();
        match kind {
            field::SIGNEDNESS => {
                let count = count(is_numeric);
                let bits = value.slice(count.div_ceil(8), "signedness")?;
                // The most significant bit comes first here, unlike everywhere else.
                self.unsigned = Some(
                    (0..count)
                        .map(|index| bits[index / 8] >> (7 - index % 8) & 1 == 1)
                        .collect(),
                );
            }
            field::DEFAULT_CHARSET => {
                self.charsets = Some(decode_default_charset(value, count(is_character))?)
            }
            field::COLUMN_CHARSET => self.charsets = Some(decode_integers(value, count(is_character))?),
            field::COLUMN_NAME => {
                let mut names = Vec::new();
                while !value.is_at_end() && names.len() < columns.len() {
                    names.push(decode_text(value)?);
                }
                self.names = Some(names);
            }
            field::SET_STR_VALUE => self.set_members = Some(decode_members(value)?),
            field::ENUM_STR_VALUE => self.enum_values = Some(decode_members(value)?),
            field::GEOMETRY_TYPE => self.geometry_types = Some(decode_integers(value, columns.len())?),
            field::SIMPLE_PRIMARY_KEY => {
                let indexes = decode_integers(value, columns.len())?;
                let columns = indexes
                    .into_iter()
                    .map(|index| Ok((column_index(index, columns, value)?, 0)));
                self.primary_key = Some(columns.collect::<Result<_, DecodeError>>()?);
            }
            field::PRIMARY_KEY_WITH_PREFIX => {
                let mut key = Vec::new();
                while !value.is_at_end() && key.len() < columns.len() {
                    let index = value.lenenc("primary key column")?;
                    key.push((
                        column_index(index, columns, value)?,
                        value.lenenc("primary key prefix")?,
                    ));
                }
                self.primary_key = Some(key);
            }
            field::ENUM_AND_SET_DEFAULT_CHARSET => {
                self.enum_and_set_charsets = Some(decode_default_charset(value, count(is_enum_or_set))?);
            }
            field::ENUM_AND_SET_COLUMN_CHARSET => {
                self.enum_and_set_charsets = Some(decode_integers(value, count(is_enum_or_set))?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether column `index` is unsigned; `None` if it is not numeric or the source did not say.
    #[must_use]
    pub fn is_unsigned(&self, columns: &[ColumnType], index: usize) -> Option<bool> {
        let nth = nth_of(columns, index, is_numeric)?;
        self.unsigned.as_ref()?.get(nth).copied()
    }

    /// The collation id of character column `index`; 63 is binary.
    #[must_use]
    pub fn collation(&self, columns: &[ColumnType], index: usize) -> Option<u64> {
        let nth = nth_of(columns, index, is_character)?;
        self.charsets.as_ref()?.get(nth).copied()
    }

    /// The name of column `index`.
    #[must_use]
    pub fn name(&self, index: usize) -> Option<&Bytes> {
        self.names.as_ref()?.get(index)
    }

    /// The values of the ENUM column `index`, the first of which has number 1.
    #[must_use]
    pub fn enum_values(&self, columns: &[ColumnType], index: usize) -> Option<&[Bytes]> {
        let nth = nth_of(columns, index, |column| column.unmixed().0 == ColumnType::ENUM)?;
        self.enum_values.as_ref()?.get(nth).map(Vec::as_slice)
    }

    /// The members of the SET column `index`, the first of which is bit 0.
    #[must_use]
    pub fn set_members(&self, columns: &[ColumnType], index: usize) -> Option<&[Bytes]> {
        let nth = nth_of(columns, index, |column| column.unmixed().0 == ColumnType::SET)?;
        self.set_members.as_ref()?.get(nth).map(Vec::as_slice)
    }
}

fn is_numeric(column: ColumnType) -> bool {
    matches!(
        column.code,
        ColumnType::TINY
            | ColumnType::SHORT
            | ColumnType::INT24
            | ColumnType::LONG
            | ColumnType::LONGLONG
            | ColumnType::FLOAT
            | ColumnType::DOUBLE
            | ColumnType::NEWDECIMAL
            | ColumnType::YEAR
    )
}

fn is_enum_or_set(column: ColumnType) -> bool {
    matches!(column.unmixed().0, ColumnType::ENUM | ColumnType::SET)
}

fn is_character(column: ColumnType) -> bool {
    match column.code {
        ColumnType::STRING => !is_enum_or_set(column),
        code => matches!(
            code,
            ColumnType::VARCHAR
                | ColumnType::VAR_STRING
                | ColumnType::VARCHAR_COMPRESSED
                | ColumnType::BLOB
                | ColumnType::TINY_BLOB
                | ColumnType::MEDIUM_BLOB
                | ColumnType::LONG_BLOB
                | ColumnType::BLOB_COMPRESSED
                | ColumnType::GEOMETRY
        ),
    }
}

/// How many columns of a sort stand before column `index`, which is of it.
fn nth_of(columns: &[ColumnType], index: usize, is_of: fn(ColumnType) -> bool) -> Option<usize> {
    let (before, at) = columns.get(..=index)?.split_at(index);
    at.iter()
        .all(|&column| is_of(column))
        .then(|| before.iter().filter(|&&column| is_of(column)).count())
}

fn column_index(index: u64, columns: &[ColumnType], value: &Reader<'_>) -> Result<usize, DecodeError> {
    usize::try_from(index)
        .ok()
        .filter(|&index| index < columns.len())
        .ok_or_else(|| {
            let why = format!("column {index} of a table of {} columns", columns.len());
            value.invalid("primary key column", value.offset(), why)
        })
}

/// The most frequent collation, then the columns that have another.
fn decode_default_charset(value: &mut Reader<'_>, count: usize) -> Result<Vec<u64>, DecodeError> {
    let mut charsets = vec![value.lenenc("default collation")?; count];
    while !value.is_at_end() {
        let offset = value.offset();
        let index = value.lenenc("character column")?;
        let collation = value.lenenc("collation")?;
        match usize::try_from(index)
            .ok()
            .and_then(|index| charsets.get_mut(index))
        {
            Some(charset) => *charset = collation,
            None => {
                let why = format!("{index} of {count} character columns");
                return Err(value.invalid("character column", offset, why));
            }
        }
    }
    Ok(charsets)
}

/// Integers to the end, at most `count_max`.
fn decode_integers(value: &mut Reader<'_>, count_max: usize) -> Result<Vec<u64>, DecodeError> {
    let mut integers = Vec::new();
    while !value.is_at_end() {
        if integers.len() == count_max {
            let why = format!("more than {count_max} values");
            return Err(value.invalid("metadata field", value.offset(), why));
        }
        integers.push(value.lenenc("metadata value")?);
    }
    Ok(integers)
}

fn decode_text(value: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
    let length = value.lenenc_size("metadata text length")?;
    value.bytes(length, "metadata text")
}

/// Per column a count and that many texts.
fn decode_members(value: &mut Reader<'_>) -> Result<Vec<Vec<Bytes>>, DecodeError> {
    let mut columns = Vec::new();
    while !value.is_at_end() {
        // Every text takes a byte at least, so the count is checked against what is left.
        let count = value.lenenc_size("member count")?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(decode_text(value)?);
        }
        columns.push(members);
    }
    Ok(columns)
}
