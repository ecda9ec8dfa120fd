//! Values as text, near to how SQL writes them.

use std::borrow::Cow;
use std::fmt;

use super::Value;
use crate::events::ColumnType;

/// Text of at most this many bytes is looked at for being printable; longer values print as text or hex just the same.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Int {
                value,
                bytes,
                is_sign_known,
            } => {
                write!(f, "{value}")?;
                if *value < 0 && !is_sign_known {
                    let unused = 64 - 8 * u32::from(*bytes).min(8);
                    write!(f, " ({})", (*value as u64) << unused >> unused)?;
                }
                Ok(())
            }
            Value::Unsigned(value) => write!(f, "{value}"),
            // The shortest text that reads back to the same number, with an exponent where that is shorter.
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::Decimal(text) => f.write_str(text),
            Value::Year(year) => write!(f, "{year:04}"),
            Value::Temporal(text) => write!(f, "'{text}'"),
            Value::Timestamp {
                seconds,
                microseconds,
                digits,
            } => {
                write!(f, "{seconds}")?;
                if *digits > 0 {
                    let width = usize::from(*digits).min(6);
                    let shown = microseconds / 10_u32.pow(6 - width as u32);
                    write!(f, ".{shown:0width$}")?;
                }
                Ok(())
            }
            Value::Bits(bits) => {
                f.write_str("b'")?;
                for byte in *bits {
                    write!(f, "{byte:08b}")?;
                }
                f.write_str("'")
            }
            Value::Enum(index) => write!(f, "{index}"),
            Value::Set(bits) => write!(f, "{bits}"),
            Value::Bytes(bytes) => write_bytes(bytes, f),
        }
    }
}

/// Printable UTF-8 in quotes, as a string literal; anything else as hex.
pub(crate) fn write_bytes(bytes: &[u8], f: &mut impl fmt::Write) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_printable) => {
            f.write_char('\'')?;
            for character in text.chars() {
                match character {
                    '\'' => f.write_str("\\'")?,
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('\'')
        }
        _ => {
            f.write_str("x'")?;
            for byte in bytes {
                write!(f, "{byte:02x}")?;
            }
            f.write_char('\'')
        }
    }
}

fn is_printable(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\t') || !character.is_control()
}

/// The type as SQL names it, as far as the event tells.
pub(crate) fn type_name(kind: ColumnType) -> Cow<'static, str> {
    let [first, second] = kind.meta_bytes();
    let digits = |name: &'static str| match first {
        0 => Cow::Borrowed(name),
        digits => Cow::Owned(format!("{name}({digits})")),
    };
    Cow::Borrowed(match kind.code {
        ColumnType::TINY => "TINYINT",
        ColumnType::SHORT => "SMALLINT",
        ColumnType::INT24 => "MEDIUMINT",
        ColumnType::LONG => "INT",
        ColumnType::LONGLONG => "BIGINT",
        ColumnType::FLOAT => "FLOAT",
        ColumnType::DOUBLE => "DOUBLE",
        ColumnType::NULL => "NULL",
        ColumnType::DATE | ColumnType::NEWDATE => "DATE",
        ColumnType::YEAR => "YEAR",
        ColumnType::TIMESTAMP => "TIMESTAMP, old format",
        ColumnType::TIME => "TIME, old format",
        ColumnType::DATETIME => "DATETIME, old format",
        ColumnType::TIMESTAMP2 => return digits("TIMESTAMP"),
        ColumnType::DATETIME2 => return digits("DATETIME"),
        ColumnType::TIME2 => return digits("TIME"),
        ColumnType::NEWDECIMAL => return Cow::Owned(format!("DECIMAL({first},{second})")),
        ColumnType::BIT => {
            return Cow::Owned(format!("BIT({})", usize::from(second) * 8 + usize::from(first)));
        }
        ColumnType::VARCHAR | ColumnType::VAR_STRING => {
            return Cow::Owned(format!("VARCHAR({} bytes)", kind.meta));
        }
        ColumnType::VARCHAR_COMPRESSED => "VARCHAR COMPRESSED",
        ColumnType::BLOB_COMPRESSED => "BLOB COMPRESSED",
        ColumnType::BLOB | ColumnType::TINY_BLOB | ColumnType::MEDIUM_BLOB | ColumnType::LONG_BLOB => {
            match first {
                1 => "TINYBLOB",
                2 => "BLOB",
                3 => "MEDIUMBLOB",
                _ => "LONGBLOB",
            }
        }
        ColumnType::MYSQL_JSON => "JSON (MySQL)",
        ColumnType::MYSQL_VECTOR => "VECTOR (MySQL)",
        ColumnType::GEOMETRY => "GEOMETRY",
        ColumnType::STRING | ColumnType::ENUM | ColumnType::SET => match kind.unmixed() {
            (ColumnType::ENUM, _) => "ENUM",
            (ColumnType::SET, _) => "SET",
            (_, length) => return Cow::Owned(format!("CHAR({length} bytes)")),
        },
        code => return Cow::Owned(format!("type {code}")),
    })
}

impl std::fmt::Display for ColumnType {
    /// The type as SQL names it, as far as the event tells: `VARCHAR(20 bytes)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&type_name(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let text = |value: Value<'_>| value.to_string();
        assert_eq!(
            text(Value::Int {
                value: -1,
                bytes: 4,
                is_sign_known: false
            }),
            "-1 (4294967295)"
        );
        assert_eq!(
            text(Value::Int {
                value: -1,
                bytes: 8,
                is_sign_known: false
            }),
            "-1 (18446744073709551615)"
        );
        assert_eq!(
            text(Value::Int {
                value: -1,
                bytes: 4,
                is_sign_known: true
            }),
            "-1"
        );
        assert_eq!(text(Value::Bytes(b"it's\n\\".as_slice().into())), r"'it\'s\n\\'");
        assert_eq!(text(Value::Bytes([0xff, 0].as_slice().into())), "x'ff00'");
        assert_eq!(
            text(Value::Timestamp {
                seconds: 5,
                microseconds: 60_000,
                digits: 3
            }),
            "5.060"
        );
        assert_eq!(text(Value::Bits(&[1, 2])), "b'0000000100000010'");
    }

    #[test]
    fn type_names() {
        let name = |code, meta| type_name(ColumnType { code, meta }).into_owned();
        assert_eq!(
            name(ColumnType::NEWDECIMAL, u16::from_le_bytes([10, 2])),
            "DECIMAL(10,2)"
        );
        assert_eq!(name(ColumnType::BIT, u16::from_le_bytes([3, 1])), "BIT(11)");
        assert_eq!(name(ColumnType::STRING, u16::from_le_bytes([0xf7, 1])), "ENUM");
        assert_eq!(name(ColumnType::DATETIME2, 3), "DATETIME(3)");
        assert_eq!(name(99, 0), "type 99");
    }
}
