//! Raw column bytes to values: where a value ends, what it says, and its text.
//!
//! MariaDB server, `sql/log_event_client.cc` (`log_event_print_value`), `sql/field.cc`, `sql/compat56.cc`.

use std::borrow::Cow;

use crate::compress::expand_value;
use crate::events::ColumnType;

mod decimal;
mod render;
mod temporal;

pub(crate) use decimal::decimal_text;
pub(crate) use render::{type_name, write_bytes};
pub(crate) use temporal::{is_plausible_old_temporal, new_temporal};

/// What is wrong with a value's bytes.
pub(crate) type Problem = Cow<'static, str>;

/// Where a value stands: behind `prefix` bytes that hold its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) prefix: usize,
    pub(crate) length: usize,
}

/// The extent of the value of type `kind` at the start of `data`; it lies within `data`.
///
/// `old_digits` are the fractional digits of a temporal column in the format before 10.1.
pub(crate) fn extent(kind: ColumnType, old_digits: u8, data: &[u8]) -> Result<Extent, Problem> {
    let size = size(kind, old_digits)?;
    size.extent(data).ok_or_else(|| {
        let (prefix, length) = size.stated(data).unwrap_or((0, size.prefix()));
        needs(length, data.len().saturating_sub(prefix))
    })
}

/// Appends a value with the length in front of it that its type has.
pub(crate) fn encode(kind: ColumnType, raw: &[u8], out: &mut Vec<u8>) -> Result<(), Problem> {
    match size(kind, 0)? {
        // The size of old temporal types is not in the type; the value was read with the right one.
        Size::Fixed(length) if length != raw.len() && !kind.is_old_temporal() => {
            return Err(needs(length, raw.len()));
        }
        Size::Fixed(_) => {}
        Size::Prefixed(prefix) => {
            let length = (raw.len() as u64).to_le_bytes();
            if length.iter().skip(prefix).any(|byte| *byte != 0) {
                return Err(Cow::Owned(format!("{} bytes do not fit the type", raw.len())));
            }
            out.extend_from_slice(&length[..prefix]);
        }
    }
    out.extend_from_slice(raw);
    Ok(())
}

#[cold]
fn needs(needed: usize, left: usize) -> Problem {
    Cow::Owned(format!("needs {needed} bytes, {left} left"))
}

/// How many bytes a value of a type takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Fixed(usize),
    /// This many bytes of length, little-endian, stand in front.
    Prefixed(usize),
}

impl Size {
    /// How many bytes of length stand in front.
    fn prefix(self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Prefixed(prefix) => prefix,
        }
    }

    /// What the value at the start of `data` takes: bytes of length, and of itself.
    fn stated(self, data: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::Fixed(length) => Some((0, length)),
            Self::Prefixed(1) => Some((1, usize::from(*data.first()?))),
            Self::Prefixed(prefix) => {
                let stated = data.get(..prefix)?.iter().rev();
                let length = stated.fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte));
                Some((prefix, length))
            }
        }
    }

    /// As [`extent`], of a type whose values have this size; `None` when `data` is too short.
    pub(crate) fn extent(self, data: &[u8]) -> Option<Extent> {
        let (prefix, length) = self.stated(data)?;
        (length <= data.len().checked_sub(prefix)?).then_some(Extent { prefix, length })
    }
}

/// The size of the type's values; `None` where the type does not tell it.
pub(crate) fn plain_size(kind: ColumnType) -> Option<Size> {
    size(kind, 0).ok().filter(|_| !kind.is_old_temporal())
}

fn size(kind: ColumnType, old_digits: u8) -> Result<Size, Problem> {
    let [first, second] = kind.meta_bytes();
    Ok(match kind.code {
        ColumnType::NULL => Size::Fixed(0),
        ColumnType::TINY | ColumnType::YEAR => Size::Fixed(1),
        ColumnType::SHORT => Size::Fixed(2),
        ColumnType::INT24 | ColumnType::DATE | ColumnType::NEWDATE => Size::Fixed(3),
        ColumnType::LONG => Size::Fixed(4),
        ColumnType::LONGLONG => Size::Fixed(8),
        ColumnType::FLOAT if first == 4 => Size::Fixed(4),
        ColumnType::DOUBLE if first == 8 => Size::Fixed(8),
        ColumnType::TIMESTAMP | ColumnType::DATETIME | ColumnType::TIME => {
            Size::Fixed(temporal::old_size(kind.code, old_digits)?)
        }
        ColumnType::TIMESTAMP2 => Size::Fixed(4 + temporal::fraction_bytes(first)?),
        ColumnType::DATETIME2 => Size::Fixed(5 + temporal::fraction_bytes(first)?),
        ColumnType::TIME2 => Size::Fixed(3 + temporal::fraction_bytes(first)?),
        ColumnType::BIT => Size::Fixed(usize::from(second) + usize::from(first > 0)),
        ColumnType::NEWDECIMAL => Size::Fixed(decimal::size(first, second)?),
        ColumnType::VARCHAR | ColumnType::VAR_STRING | ColumnType::VARCHAR_COMPRESSED => {
            Size::Prefixed(if kind.meta > 255 { 2 } else { 1 })
        }
        ColumnType::STRING | ColumnType::ENUM | ColumnType::SET => match kind.unmixed() {
            (ColumnType::ENUM, bytes @ 1..=2) | (ColumnType::SET, bytes @ 1..=8)
                if kind.code == ColumnType::STRING =>
            {
                Size::Fixed(usize::from(bytes))
            }
            (ColumnType::STRING, length) => Size::Prefixed(if length > 255 { 2 } else { 1 }),
            _ => return Err(bad_meta(kind)),
        },
        ColumnType::BLOB
        | ColumnType::TINY_BLOB
        | ColumnType::MEDIUM_BLOB
        | ColumnType::LONG_BLOB
        | ColumnType::BLOB_COMPRESSED
        | ColumnType::GEOMETRY
        | ColumnType::MYSQL_JSON
        | ColumnType::MYSQL_VECTOR
            if (1..=4).contains(&first) =>
        {
            Size::Prefixed(usize::from(first))
        }
        _ => return Err(bad_meta(kind)),
    })
}

#[cold]
fn bad_meta(kind: ColumnType) -> Problem {
    Cow::Owned(format!(
        "type {} with metadata {:02x?} is not known",
        kind.code,
        kind.meta_bytes()
    ))
}

/// A column's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// An integer of `bytes` bytes that is signed, or whose sign the event does not tell.
    Int {
        /// The number, if it is signed.
        value: i64,
        /// 1, 2, 3, 4 or 8.
        bytes: u8,
        /// Whether the sign is known.
        is_sign_known: bool,
    },
    /// An unsigned integer.
    Unsigned(u64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL, as text without leading zeros: `-12.50`.
    Decimal(String),
    /// YEAR; 0 is the zero year.
    Year(u16),
    /// DATE, TIME or DATETIME as SQL writes it: `2024-02-29 13:14:15.500`.
    Temporal(String),
    /// TIMESTAMP: seconds since the epoch, UTC, and a fraction of that many digits.
    Timestamp {
        /// Seconds since the epoch; 0 is the zero timestamp.
        seconds: u32,
        /// Millionths of a second.
        microseconds: u32,
        /// Fractional digits of the column.
        digits: u8,
    },
    /// BIT, most significant byte first.
    Bits(&'a [u8]),
    /// ENUM: the value's number from 1; 0 for the error value.
    Enum(u16),
    /// SET: a bit per member.
    Set(u64),
    /// Text or bytes; the event does not tell which. Compressed columns are expanded.
    Bytes(Cow<'a, [u8]>),
}

/// Limit of one expanded column value: more than a server stores in a column.
const COLUMN_BYTES_MAX: usize = 1 << 30;

impl<'a> Value<'a> {
    /// Reads the bytes of a [`crate::Cell`] of type `kind`.
    ///
    /// `is_unsigned` comes from optional metadata or from the table's definition.
    ///
    /// # Errors
    /// [`crate::DecodeError::Value`], with `column` as given, when the bytes hold no value of the type.
    pub fn decode(
        column: usize,
        kind: ColumnType,
        is_unsigned: Option<bool>,
        raw: &'a [u8],
    ) -> Result<Value<'a>, crate::DecodeError> {
        decode(kind, is_unsigned, raw).map_err(|why| crate::DecodeError::Value {
            column,
            kind: type_name(kind),
            why,
        })
    }
}

fn decode(kind: ColumnType, is_unsigned: Option<bool>, raw: &[u8]) -> Result<Value<'_>, Problem> {
    let [first, second] = kind.meta_bytes();
    Ok(match kind.code {
        ColumnType::NULL => Value::Null,
        ColumnType::TINY
        | ColumnType::SHORT
        | ColumnType::INT24
        | ColumnType::LONG
        | ColumnType::LONGLONG => integer(raw, is_unsigned)?,
        ColumnType::FLOAT => Value::Float(f32::from_le_bytes(exact(raw)?)),
        ColumnType::DOUBLE => Value::Double(f64::from_le_bytes(exact(raw)?)),
        ColumnType::NEWDECIMAL => Value::Decimal(decimal_text(raw, first, second)?),
        ColumnType::YEAR => match u16::from(exact::<1>(raw)?[0]) {
            0 => Value::Year(0),
            year => Value::Year(1900 + year),
        },
        ColumnType::BIT => Value::Bits(raw),
        ColumnType::DATE | ColumnType::NEWDATE => Value::Temporal(temporal::date_text(exact(raw)?)),
        ColumnType::TIME2 => Value::Temporal(temporal::time2_text(raw, first)?),
        ColumnType::DATETIME2 => Value::Temporal(temporal::datetime2_text(raw, first)?),
        ColumnType::TIMESTAMP2 => temporal::timestamp2(raw, first)?,
        ColumnType::TIME | ColumnType::DATETIME | ColumnType::TIMESTAMP => {
            temporal::old_value(kind.code, raw)?
        }
        ColumnType::VARCHAR_COMPRESSED | ColumnType::BLOB_COMPRESSED => {
            Value::Bytes(expand_value(raw, COLUMN_BYTES_MAX)?)
        }
        ColumnType::STRING => match kind.unmixed().0 {
            ColumnType::ENUM => Value::Enum(little_endian(raw) as u16),
            ColumnType::SET => Value::Set(little_endian(raw)),
            _ => Value::Bytes(Cow::Borrowed(raw)),
        },
        _ => Value::Bytes(Cow::Borrowed(raw)),
    })
}

fn exact<const N: usize>(raw: &[u8]) -> Result<[u8; N], Problem> {
    raw.try_into().map_err(|_| needs(N, raw.len()))
}

/// Up to eight bytes; more do not occur in types that are read so.
fn little_endian(raw: &[u8]) -> u64 {
    raw.iter()
        .rev()
        .fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte))
}

fn big_endian(raw: &[u8]) -> u64 {
    raw.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte))
}

fn integer(raw: &[u8], is_unsigned: Option<bool>) -> Result<Value<'static>, Problem> {
    if !matches!(raw.len(), 1..=4 | 8) {
        return Err(Cow::Owned(format!("{} bytes are no integer", raw.len())));
    }
    let bits = little_endian(raw);
    if is_unsigned == Some(true) {
        return Ok(Value::Unsigned(bits));
    }
    let unused = 64 - 8 * raw.len() as u32;
    let value = ((bits << unused) as i64) >> unused;
    Ok(Value::Int {
        value,
        bytes: raw.len() as u8,
        is_sign_known: is_unsigned.is_some(),
    })
}
