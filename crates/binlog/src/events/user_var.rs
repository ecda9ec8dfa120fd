//! User_var (14): a user variable the next statement reads.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// The value of a user variable.
#[derive(Debug, Clone, PartialEq)]
pub enum UserVarValue {
    /// Bytes in the character set of `collation`.
    String {
        /// A collation id.
        collation: u32,
        /// The bytes.
        value: Bytes,
    },
    /// A double.
    Real(f64),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A decimal number, printed: `-12.50`.
    Decimal(String),
}

/// A user variable the next statement reads.
///
/// # Wire form
/// Name length `u32`, name, is-null `u8`; unless null: type `u8`, collation `u32`, length `u32`, value; for integers one
/// byte of flags, bit 0 unsigned. Newer servers may append more. MariaDB protocol documentation, page "USER_VAR_EVENT".
#[derive(Debug, Clone, PartialEq)]
pub struct UserVar {
    /// Without the `@`.
    pub name: Bytes,
    /// `None` for NULL.
    pub value: Option<UserVarValue>,
}

impl UserVar {
    const TYPE_STRING: u8 = 0;
    const TYPE_REAL: u8 = 1;
    const TYPE_INT: u8 = 2;
    const TYPE_DECIMAL: u8 = 4;
    const FLAG_UNSIGNED: u8 = 0x01;

    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<UserVar, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let name_length = reader.u32("name length")? as usize;
        let name = reader.bytes(name_length, "name")?;
        if reader.u8("is null")? != 0 {
            return Ok(UserVar { name, value: None });
        }
        let type_offset = reader.offset();
        let kind = reader.u8("type")?;
        let collation = reader.u32("collation")?;
        let length = reader.u32("value length")? as usize;
        let offset = reader.offset();
        let value = reader.bytes(length, "value")?;
        let wrong = |what: &str| {
            DecodeError::invalid(
                header.kind,
                "value",
                offset,
                format!("{length} bytes are no {what}"),
            )
        };
        let value = match kind {
            UserVar::TYPE_STRING => UserVarValue::String { collation, value },
            UserVar::TYPE_REAL => {
                let bytes = value.as_ref().try_into().map_err(|_| wrong("double"))?;
                UserVarValue::Real(f64::from_le_bytes(bytes))
            }
            UserVar::TYPE_INT => {
                let bytes = value.as_ref().try_into().map_err(|_| wrong("integer"))?;
                let flags = if reader.is_at_end() {
                    0
                } else {
                    reader.u8("flags")?
                };
                if flags & UserVar::FLAG_UNSIGNED == 0 {
                    UserVarValue::Int(i64::from_le_bytes(bytes))
                } else {
                    UserVarValue::Unsigned(u64::from_le_bytes(bytes))
                }
            }
            UserVar::TYPE_DECIMAL => {
                let (&[precision, scale], digits) =
                    value.split_first_chunk::<2>().ok_or_else(|| wrong("decimal"))?;
                let text = crate::value::decimal_text(digits, precision, scale)
                    .map_err(|why| DecodeError::invalid(header.kind, "value", offset, why))?;
                UserVarValue::Decimal(text)
            }
            kind => {
                return Err(reader.invalid(
                    "type",
                    type_offset,
                    format!("{kind} is no type of a user variable"),
                ));
            }
        };
        Ok(UserVar {
            name,
            value: Some(value),
        })
    }
}
