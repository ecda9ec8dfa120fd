//! Whole row images in SQL: how a value is written, and how two are compared so that only equal bytes are equal.
//!
//! What cannot be shown to keep this has no [`Form`]: its rows are found by row events, as on a native replica.

use std::io::Write as _;

use tributary_binlog::{Cell, ColumnType, RowImage, TableMap, Value};

use crate::catalog::{ColumnInfo, TableInfo};

/// How statements treat the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Integer {
        is_unsigned: bool,
    },
    /// DECIMAL, FLOAT, DOUBLE: 0 and -0 compare equal, so the text must be the same, too.
    Signed,
    Year,
    /// DATE, TIME and DATETIME.
    Temporal,
    /// TIMESTAMP, which compares as its bytes do in a time zone without daylight saving time.
    Timestamp,
    Bits,
    /// ENUM and SET by number: two names may be equal under a collation.
    Members,
    /// Text and bytes, compared as bytes.
    Bytes,
}

impl Form {
    /// The form of a column whose values have this type in events.
    fn of(column: &ColumnInfo, kind: ColumnType) -> Option<Self> {
        if column.kind != Some(kind) {
            return None;
        }
        let definition = &column.definition[..];
        let end = definition.iter().position(|byte| !byte.is_ascii_lowercase());
        let word = &definition[..end.unwrap_or(definition.len())];
        let form = match word {
            b"tinyint" | b"smallint" | b"mediumint" | b"int" | b"bigint" => Self::Integer {
                is_unsigned: definition.windows(8).any(|part| part == b"unsigned"),
            },
            b"decimal" => Self::Signed,
            // With a number of digits, what is written would be rounded.
            b"float" | b"double" if !definition.contains(&b'(') => Self::Signed,
            b"year" if definition == b"year(4)" => Self::Year,
            b"date" => Self::Temporal,
            b"time" if kind.code == ColumnType::TIME2 => Self::Temporal,
            b"datetime" if kind.code == ColumnType::DATETIME2 => Self::Temporal,
            b"timestamp" if kind.code == ColumnType::TIMESTAMP2 => Self::Timestamp,
            b"bit" => Self::Bits,
            b"enum" | b"set" => Self::Members,
            b"char" | b"binary" => Self::Bytes,
            b"varchar" | b"varbinary" if kind.code == ColumnType::VARCHAR => Self::Bytes,
            b"tinytext" | b"text" | b"mediumtext" | b"longtext" | b"tinyblob" | b"blob" | b"mediumblob"
            | b"longblob"
                if kind.code == ColumnType::BLOB =>
            {
                Self::Bytes
            }
            _ => return None,
        };
        Some(form)
    }

    /// The forms of all columns; `None` when one has none, or source and target differ.
    pub(crate) fn all(info: &TableInfo, map: &TableMap) -> Option<Vec<Self>> {
        if info.columns.len() != map.columns.len() {
            return None;
        }
        let columns = info.columns.iter().zip(&map.columns);
        columns.map(|(column, kind)| Self::of(column, *kind)).collect()
    }

    /// The condition that both columns hold the same bytes, or both NULL.
    pub(crate) fn condition(self, a: &str, b: &str) -> String {
        match self {
            Self::Integer { .. } | Self::Year | Self::Temporal | Self::Timestamp | Self::Bits => {
                format!("{a}<=>{b}")
            }
            Self::Signed => format!("{a}<=>{b} AND CAST({a} AS CHAR)<=>CAST({b} AS CHAR)"),
            Self::Members => format!("CAST({a} AS UNSIGNED)<=>CAST({b} AS UNSIGNED)"),
            Self::Bytes => format!("BINARY {a}<=>BINARY {b}"),
        }
    }

    /// Writes the value as a literal; `None` when the server might take it for another one. What it refuses under a strict
    /// `sql_mode` is the caller's to see.
    fn write(self, kind: ColumnType, raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
        if matches!(self, Self::Bytes | Self::Bits) {
            write_hex(raw, out);
            return Some(());
        }
        let is_unsigned = match self {
            Self::Integer { is_unsigned } => Some(is_unsigned),
            _ => None,
        };
        let value = Value::decode(0, kind, is_unsigned, raw).ok()?;
        // Writing to a Vec cannot fail.
        match (self, value) {
            (Self::Integer { .. }, Value::Int { value, .. }) => write!(out, "{value}"),
            (Self::Integer { .. }, Value::Unsigned(value)) => write!(out, "{value}"),
            (Self::Signed, Value::Decimal(text)) if !is_minus_zero(&text) => write!(out, "{text}"),
            (Self::Signed, Value::Float(value)) => return write_number(f64::from(value), out),
            (Self::Signed, Value::Double(value)) => return write_number(value, out),
            (Self::Year, Value::Year(year)) => write!(out, "{year}"),
            (Self::Temporal, Value::Temporal(text)) => write!(out, "'{text}'"),
            (
                Self::Timestamp,
                Value::Timestamp {
                    seconds: 0,
                    microseconds: 0,
                    ..
                },
            ) => write!(out, "'0000-00-00 00:00:00'"),
            // Later ones are NULL before 11.5.
            (
                Self::Timestamp,
                Value::Timestamp {
                    seconds: seconds @ 1..=0x7fff_ffff,
                    microseconds,
                    ..
                },
            ) => write!(out, "FROM_UNIXTIME({seconds}.{microseconds:06})"),
            (Self::Members, Value::Enum(number)) => write!(out, "{number}"),
            (Self::Members, Value::Set(bits)) => write!(out, "{bits}"),
            _ => return None,
        }
        .ok()
    }
}

/// Writes the values of an image, each with a comma in front of it.
pub(crate) fn write_values(
    forms: &[Form],
    map: &TableMap,
    image: &RowImage<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    for ((form, kind), cell) in forms.iter().zip(&map.columns).zip(image.cells()) {
        out.push(b',');
        match cell {
            Cell::Absent => return None,
            Cell::Null => out.extend_from_slice(b"NULL"),
            Cell::Value(raw) => form.write(*kind, raw, out)?,
        }
    }
    Some(())
}

fn is_minus_zero(text: &str) -> bool {
    text.starts_with('-') && !text.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The shortest text that reads back to the same number. Infinities and what is no number have none, and -0 loses its sign.
fn write_number(value: f64, out: &mut Vec<u8>) -> Option<()> {
    if !value.is_finite() || value == 0.0 && value.is_sign_negative() {
        return None;
    }
    write!(out, "{value:e}").ok()
}

fn write_hex(raw: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"X'");
    for byte in raw {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ValueClass, Visibility};

    fn column(definition: &'static str, kind: ColumnType) -> ColumnInfo {
        ColumnInfo {
            name: "c".into(),
            class: ValueClass::Other,
            is_nullable: true,
            is_auto_increment: false,
            definition: definition.into(),
            kind: Some(kind),
            digits: 0,
            visibility: Visibility::Visible,
        }
    }

    fn kind(code: u8, meta: u16) -> ColumnType {
        ColumnType { code, meta }
    }

    fn literal(definition: &'static str, kind: ColumnType, raw: &[u8]) -> Option<String> {
        let form = Form::of(&column(definition, kind), kind).unwrap();
        let mut out = Vec::new();
        form.write(kind, raw, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn literals_say_what_the_bytes_are() {
        let int = kind(ColumnType::LONG, 0);
        let minus = [0xff; 4];
        assert_eq!(literal("int(11)", int, &minus).as_deref(), Some("-1"));
        assert_eq!(
            literal("int(10) unsigned", int, &minus).as_deref(),
            Some("4294967295")
        );
        let text = kind(ColumnType::VARCHAR, 20);
        assert_eq!(literal("varchar(5)", text, b"a' ").as_deref(), Some("X'612720'"));
        assert_eq!(literal("varchar(5)", text, b"").as_deref(), Some("X''"));
        let double = kind(ColumnType::DOUBLE, 8);
        assert_eq!(
            literal("double", double, &0.1_f64.to_le_bytes()).as_deref(),
            Some("1e-1")
        );
        let float = kind(ColumnType::FLOAT, 4);
        // Not 0.1: what the float is, which no rounding on the way can change.
        assert_eq!(
            literal("float", float, &0.1_f32.to_le_bytes()).as_deref(),
            Some("1.0000000149011612e-1")
        );
        let moment = kind(ColumnType::TIMESTAMP2, 0);
        assert_eq!(
            literal("timestamp", moment, &7_u32.to_be_bytes()).as_deref(),
            Some("FROM_UNIXTIME(7.000000)")
        );
        assert_eq!(
            literal("timestamp", moment, &[0; 4]).as_deref(),
            Some("'0000-00-00 00:00:00'")
        );
    }

    #[test]
    fn what_a_literal_cannot_say_has_none() {
        let double = kind(ColumnType::DOUBLE, 8);
        for value in [-0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(literal("double", double, &value.to_le_bytes()), None, "{value}");
        }
        let moment = kind(ColumnType::TIMESTAMP2, 0);
        assert_eq!(literal("timestamp", moment, &u32::MAX.to_be_bytes()), None);
        assert!(is_minus_zero("-0.00") && !is_minus_zero("-0.10") && !is_minus_zero("0.00"));
    }

    #[test]
    fn only_known_types_that_are_the_same_on_both_sides_have_a_form() {
        let string = kind(ColumnType::STRING, 0xfe10);
        for other in ["inet6", "uuid", "inet4"] {
            assert_eq!(Form::of(&column(other, string), string), None, "{other}");
        }
        let long = kind(ColumnType::LONG, 0);
        assert_eq!(
            Form::of(&column("int(11)", long), kind(ColumnType::SHORT, 0)),
            None
        );
        let old = kind(ColumnType::DATETIME, 0);
        assert_eq!(Form::of(&column("datetime", old), old), None);
        let compressed = kind(ColumnType::VARCHAR_COMPRESSED, 21);
        assert_eq!(Form::of(&column("varchar(20)", compressed), compressed), None);
    }
}
