//! MySQL's binary JSON to the text MySQL shows for it.
//!
//! MySQL server, `sql-common/json_binary.h` (layout) and `json_dom.cc` (text).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::number::double_text;
use crate::events::ColumnType;
use crate::value::{Problem, decimal_text};

/// The server's own limit.
pub(super) const DEPTH_MAX: usize = 100;
/// A byte of a document makes at most this many bytes of text. More means that parts of it overlap.
const EXPANSION_MAX: usize = 8;

/// A JSON value. Scalars are kept as their text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// Members in the order the server keeps them: by length of the name, then by its bytes.
    Object(Vec<(Vec<u8>, Json)>),
    Array(Vec<Json>),
    Scalar(Vec<u8>),
}

/// Reads a document. Nothing at all stands for `null`.
pub(super) fn parse(document: &[u8]) -> Result<Json, Problem> {
    let Some((&kind, rest)) = document.split_first() else {
        return Ok(Json::Scalar(b"null".to_vec()));
    };
    let mut budget = document.len().saturating_mul(EXPANSION_MAX).saturating_add(64);
    Parser { budget: &mut budget }.value(kind, rest, 0)
}

impl Json {
    /// Appends the text.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Json::Scalar(text) => out.extend_from_slice(text),
            Json::Array(values) => {
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    value.write(out);
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(b", ");
                    }
                    quote(name, out);
                    out.extend_from_slice(b": ");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Types of values.
mod kind {
    pub(super) const SMALL_OBJECT: u8 = 0;
    pub(super) const LARGE_OBJECT: u8 = 1;
    pub(super) const SMALL_ARRAY: u8 = 2;
    pub(super) const LARGE_ARRAY: u8 = 3;
    pub(super) const LITERAL: u8 = 4;
    pub(super) const INT16: u8 = 5;
    pub(super) const UINT16: u8 = 6;
    pub(super) const INT32: u8 = 7;
    pub(super) const UINT32: u8 = 8;
    pub(super) const INT64: u8 = 9;
    pub(super) const UINT64: u8 = 10;
    pub(super) const DOUBLE: u8 = 11;
    pub(super) const STRING: u8 = 12;
    pub(super) const OPAQUE: u8 = 15;
}

struct Parser<'b> {
    /// Bytes of text that may still be made.
    budget: &'b mut usize,
}

impl Parser<'_> {
    fn value(&mut self, kind: u8, data: &[u8], depth: usize) -> Result<Json, Problem> {
        if depth > DEPTH_MAX {
            return Err("JSON is nested more than 100 deep".into());
        }
        let text = match kind {
            kind::SMALL_OBJECT | kind::LARGE_OBJECT => {
                return self.container(data, kind == kind::LARGE_OBJECT, true, depth);
            }
            kind::SMALL_ARRAY | kind::LARGE_ARRAY => {
                return self.container(data, kind == kind::LARGE_ARRAY, false, depth);
            }
            kind::LITERAL => literal(data.first().copied())?.to_vec(),
            kind::INT16 => i16::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::UINT16 => u16::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::INT32 => i32::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::UINT32 => u32::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::INT64 => i64::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::UINT64 => u64::from_le_bytes(fixed(data)?).to_string().into_bytes(),
            kind::DOUBLE => double(f64::from_le_bytes(fixed(data)?))?,
            kind::STRING => {
                let mut text = Vec::new();
                quote(sized(data)?, &mut text);
                text
            }
            kind::OPAQUE => opaque(data)?,
            kind => return Err(format!("JSON value of unknown type {kind}").into()),
        };
        self.spend(text.len())?;
        Ok(Json::Scalar(text))
    }

    fn container(
        &mut self,
        data: &[u8],
        is_large: bool,
        is_object: bool,
        depth: usize,
    ) -> Result<Json, Problem> {
        let width = if is_large { 4 } else { 2 };
        let count = number(data, 0, width)?;
        let size = number(data, width, width)?;
        let data = data.get(..size).ok_or("JSON runs past its end")?;
        let keys_at = 2 * width;
        let values_at = if is_object {
            count
                .checked_mul(width + 2)
                .and_then(|bytes| bytes.checked_add(keys_at))
                .ok_or("JSON has more members than bytes")?
        } else {
            keys_at
        };
        // Every member takes an entry, so a count that lies ends at the first missing one.
        let mut members = Vec::new();
        let mut values = Vec::new();
        for index in 0..count {
            self.spend(2)?;
            let value = self.entry(data, values_at + index * (1 + width), width, depth)?;
            if is_object {
                let name = member_name(data, keys_at + index * (width + 2), width)?;
                self.spend(name.len())?;
                members.push((name.to_vec(), value));
            } else {
                values.push(value);
            }
        }
        Ok(if is_object {
            Json::Object(members)
        } else {
            Json::Array(values)
        })
    }

    /// A value entry: its type, and the value itself if it fits, else where it is.
    fn entry(&mut self, data: &[u8], at: usize, width: usize, depth: usize) -> Result<Json, Problem> {
        let kind = *data.get(at).ok_or("JSON runs past its end")?;
        let is_inline = matches!(kind, kind::LITERAL | kind::INT16 | kind::UINT16)
            || width == 4 && matches!(kind, kind::INT32 | kind::UINT32);
        let start = if is_inline {
            at + 1
        } else {
            number(data, at + 1, width)?
        };
        let value = data.get(start..).ok_or("JSON runs past its end")?;
        self.value(kind, value, depth + 1)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Problem> {
        *self.budget = self
            .budget
            .checked_sub(bytes)
            .ok_or("parts of the JSON document overlap")?;
        Ok(())
    }
}

fn member_name(data: &[u8], at: usize, width: usize) -> Result<&[u8], Problem> {
    let start = number(data, at, width)?;
    let length = number(data, at + width, 2)?;
    start
        .checked_add(length)
        .and_then(|end| data.get(start..end))
        .ok_or_else(|| "JSON runs past its end".into())
}

fn double(value: f64) -> Result<Vec<u8>, Problem> {
    if value.is_finite() {
        Ok(double_text(value).into_bytes())
    } else {
        Err("JSON number that is not finite".into())
    }
}

fn literal(code: Option<u8>) -> Result<&'static [u8], Problem> {
    match code {
        Some(0) => Ok(b"null"),
        Some(1) => Ok(b"true"),
        Some(2) => Ok(b"false"),
        _ => Err("JSON literal that is neither null, true nor false".into()),
    }
}

/// A value of another SQL type: decimals are numbers, times are strings, everything else is base64.
fn opaque(data: &[u8]) -> Result<Vec<u8>, Problem> {
    let (&kind, rest) = data.split_first().ok_or("JSON runs past its end")?;
    let value = sized(rest)?;
    let mut text = String::new();
    match kind {
        ColumnType::NEWDECIMAL => {
            let (&[precision, scale], digits) =
                value.split_first_chunk().ok_or("JSON decimal without digits")?;
            text = decimal_text(digits, precision, scale)?;
        }
        ColumnType::DATE => text = format!("\"{}\"", date(packed(value)?)),
        ColumnType::DATETIME | ColumnType::TIMESTAMP => {
            let packed = packed(value)?;
            text = format!("\"{} {}\"", date(packed), clock(packed, DATETIME_HOURS));
        }
        ColumnType::TIME => {
            let packed = packed(value)?;
            let sign = if packed < 0 { "-" } else { "" };
            text = format!("\"{sign}{}\"", clock(packed.wrapping_abs(), TIME_HOURS));
        }
        kind => {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"base64:type{kind}:{}\"", STANDARD.encode(value));
        }
    }
    Ok(text.into_bytes())
}

fn packed(value: &[u8]) -> Result<i64, Problem> {
    Ok(i64::from_le_bytes(fixed(value)?))
}

/// The date of a packed time: year and month, 5 bits of day, 5 of hours, 6 of minutes, 6 of seconds, 24 of microseconds.
fn date(packed: i64) -> String {
    let days = packed >> 41;
    let (day, months) = (days & 31, days >> 5);
    format!("{:04}-{:02}-{:02}", months / 13, months % 13, day)
}

/// Bits of the hours: up to 23, and up to 838.
const DATETIME_HOURS: i64 = 0x1f;
const TIME_HOURS: i64 = 0x3ff;

fn clock(packed: i64, hours_mask: i64) -> String {
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        packed >> 36 & hours_mask,
        packed >> 30 & 63,
        packed >> 24 & 63,
        packed & 0xff_ffff
    )
}

/// A string literal of JSON.
pub(super) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn fixed<const N: usize>(data: &[u8]) -> Result<[u8; N], Problem> {
    data.first_chunk()
        .copied()
        .ok_or_else(|| "JSON runs past its end".into())
}

/// A little-endian number of 2 or 4 bytes.
fn number(data: &[u8], at: usize, width: usize) -> Result<usize, Problem> {
    let bytes = at
        .checked_add(width)
        .and_then(|end| data.get(at..end))
        .ok_or("JSON runs past its end")?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
}

/// Bytes behind their length, of which each byte holds seven bits.
fn sized(data: &[u8]) -> Result<&[u8], Problem> {
    let mut length = 0_usize;
    for (index, &byte) in data.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            return start
                .checked_add(length)
                .and_then(|end| data.get(start..end))
                .ok_or_else(|| "JSON runs past its end".into());
        }
    }
    Err("JSON length without an end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(document: &[u8]) -> String {
        let mut out = Vec::new();
        parse(document).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// A document as MySQL 9.7.4 wrote it into a row event.
    const OBJECT: &str = "0003006d00190001001a0001001b000200050100001d0002600061636262010043000b0001000c0c0078366c6f6e6720656e6f7567682074657874\
        20746f206d616b65207061727469616c20776f7274687768696c65203132333435363738393003000d00050100050200050300";

    #[test]
    fn a_document_of_a_row_event_reads_as_the_server_shows_it() {
        assert_eq!(
            text(&hex(OBJECT)),
            r#"{"a": 1, "c": {"x": "long enough text to make partial worthwhile 1234567890"}, "bb": [1, 2, 3]}"#
        );
        assert_eq!(text(&[]), "null");
        assert_eq!(text(&hex("0ff60402018105")), "1.5");
        assert_eq!(text(&hex("0c0461220a01")), r#""a\"\n\u0001""#);
    }

    #[test]
    fn no_damage_is_read_beyond_its_end() {
        let document = hex(OBJECT);
        for length in 1..document.len() {
            assert!(parse(&document[..length]).is_err(), "{length}");
        }
        for at in 0..document.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = document.clone();
                damaged[at] = byte;
                let _ = parse(&damaged);
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [f64::NAN, f64::INFINITY] {
            assert!(parse(&[&[11], &value.to_le_bytes()[..]].concat()).is_err());
        }
    }

    #[test]
    fn a_document_that_contains_itself_ends() {
        // An array whose only value is at its own start.
        assert!(parse(&[2, 2, 0, 10, 0, 2, 0, 0, 2, 0, 0]).is_err());
    }
}
