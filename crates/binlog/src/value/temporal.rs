//! Dates and times, in the format since 10.1 (type codes 17 to 19) and the one before it (7, 11, 12).

use std::borrow::Cow;
use std::fmt::Write;

use super::{Problem, Value, big_endian, exact, little_endian, needs};
use crate::events::ColumnType;

const DIGITS_MAX: u8 = 6;

/// Bytes of the fraction behind a value of the new format.
pub(super) fn fraction_bytes(digits: u8) -> Result<usize, Problem> {
    if digits <= DIGITS_MAX {
        Ok(usize::from(digits.div_ceil(2)))
    } else {
        Err(Cow::Owned(format!("{digits} fractional digits; 6 are the most")))
    }
}

/// Bytes of a value of the old format with `digits` fractional digits.
///
/// MariaDB server, `sql/field.cc`, `Field_time_hires`, `Field_datetime_hires`, `Field_timestamp_hires`.
pub(super) fn old_size(code: u8, digits: u8) -> Result<usize, Problem> {
    fraction_bytes(digits)?;
    let index = usize::from(digits);
    Ok(match code {
        ColumnType::TIME => [3, 4, 4, 5, 5, 5, 6][index],
        ColumnType::DATETIME => [8, 6, 6, 7, 7, 7, 8][index],
        _ => 4 + usize::from(digits.div_ceil(2)),
    })
}

pub(super) fn date_text(raw: [u8; 3]) -> String {
    let [day, month, year] = split_date(u32::from_le_bytes([raw[0], raw[1], raw[2], 0]));
    format!("{year:04}-{month:02}-{day:02}")
}

fn split_date(packed: u32) -> [u32; 3] {
    [packed & 0x1f, packed >> 5 & 0x0f, packed >> 9]
}

/// Microseconds from the fraction's bytes, big-endian, which count hundredths, ten-thousandths or millionths.
fn microseconds(fraction: u64, bytes: usize) -> u64 {
    fraction * [1_000_000, 10_000, 100, 1][bytes.min(3)]
}

fn push_fraction(text: &mut String, microseconds: u64, digits: u8) {
    if digits > 0 {
        let width = usize::from(digits.min(DIGITS_MAX));
        let shown = microseconds / 10_u64.pow(u32::from(DIGITS_MAX - digits.min(DIGITS_MAX)));
        let _ = write!(text, ".{shown:0width$}");
    }
}

/// `[-]hours:minutes:seconds[.fraction]`; the packed number is an offset from the middle of its range.
pub(super) fn time2_text(raw: &[u8], digits: u8) -> Result<String, Problem> {
    let fraction = fraction_bytes(digits)?;
    if raw.len() != 3 + fraction {
        return Err(needs(3 + fraction, raw.len()));
    }
    let shift = 8 * fraction as u32;
    let packed = big_endian(raw) as i64 - (0x80_0000_i64 << shift);
    let magnitude = packed.unsigned_abs();
    let seconds = magnitude >> shift;
    let micros = microseconds(magnitude & ((1_u64 << shift) - 1), fraction);
    let mut text = String::with_capacity(16);
    if packed < 0 {
        text.push('-');
    }
    let _ = write!(
        text,
        "{:02}:{:02}:{:02}",
        seconds >> 12,
        seconds >> 6 & 0x3f,
        seconds & 0x3f
    );
    push_fraction(&mut text, micros, digits);
    Ok(text)
}

pub(super) fn datetime2_text(raw: &[u8], digits: u8) -> Result<String, Problem> {
    let fraction = fraction_bytes(digits)?;
    let Some((packed, tail)) = raw
        .split_first_chunk::<5>()
        .filter(|(_, tail)| tail.len() == fraction)
    else {
        return Err(needs(5 + fraction, raw.len()));
    };
    let packed = big_endian(packed) ^ 0x80_0000_0000;
    let date = packed >> 17;
    let (year, month) = ((date >> 5) / 13, (date >> 5) % 13);
    let mut text = format!(
        "{year:04}-{month:02}-{:02} {:02}:{:02}:{:02}",
        date & 0x1f,
        packed >> 12 & 0x1f,
        packed >> 6 & 0x3f,
        packed & 0x3f
    );
    push_fraction(&mut text, microseconds(big_endian(tail), fraction), digits);
    Ok(text)
}

pub(super) fn timestamp2(raw: &[u8], digits: u8) -> Result<Value<'static>, Problem> {
    let fraction = fraction_bytes(digits)?;
    let Some((seconds, tail)) = raw
        .split_first_chunk::<4>()
        .filter(|(_, tail)| tail.len() == fraction)
    else {
        return Err(needs(4 + fraction, raw.len()));
    };
    Ok(Value::Timestamp {
        seconds: u32::from_be_bytes(*seconds),
        microseconds: microseconds(big_endian(tail), fraction) as u32,
        digits,
    })
}

/// A value of the old format; its size tells whether it has a fraction, not how many digits.
pub(super) fn old_value(code: u8, raw: &[u8]) -> Result<Value<'static>, Problem> {
    match (code, raw.len()) {
        (ColumnType::TIMESTAMP, 4) => Ok(Value::Timestamp {
            seconds: u32::from_le_bytes(exact(raw)?),
            microseconds: 0,
            digits: 0,
        }),
        (ColumnType::TIMESTAMP, length @ 5..=7) => timestamp2(raw, 2 * (length as u8 - 4)),
        (ColumnType::TIME, 3) => {
            let packed = little_endian(raw) as i64;
            let signed = (packed << 40) >> 40;
            let sign = if signed < 0 { "-" } else { "" };
            let number = signed.unsigned_abs();
            let (hours, minutes, seconds) = (number / 10_000, number / 100 % 100, number % 100);
            Ok(Value::Temporal(format!(
                "{sign}{hours:02}:{minutes:02}:{seconds:02}"
            )))
        }
        (ColumnType::DATETIME, 8) => {
            let number = little_endian(raw);
            let (date, time) = (number / 1_000_000, number % 1_000_000);
            Ok(Value::Temporal(format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                date / 10_000,
                date / 100 % 100,
                date % 100,
                time / 10_000,
                time / 100 % 100,
                time % 100
            )))
        }
        _ => Err(Cow::Borrowed(
            "a value with fractional digits in the format before 10.1 has no text here",
        )),
    }
}

/// Whether bytes taken for an old temporal value without fraction hold a date or time that exists.
pub(crate) fn is_plausible_old_temporal(kind: ColumnType, raw: &[u8]) -> bool {
    match (kind.code, raw.len()) {
        (ColumnType::TIME, 3) => {
            let signed = ((little_endian(raw) as i64) << 40) >> 40;
            let number = signed.unsigned_abs();
            number / 10_000 <= 838 && number / 100 % 100 < 60 && number % 100 < 60
        }
        (ColumnType::DATETIME, 8) => {
            let number = little_endian(raw);
            let (date, time) = (number / 1_000_000, number % 1_000_000);
            let is_date = date / 10_000 <= 9999 && date / 100 % 100 <= 12 && date % 100 <= 31;
            is_date && time / 10_000 < 24 && time / 100 % 100 < 60 && time % 100 < 60
        }
        // Every four bytes are a timestamp.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_values() {
        assert_eq!(date_text([0x5d, 0xd0, 0x0f]), "2024-02-29");
        assert_eq!(
            datetime2_text(&[0x99, 0xb2, 0xba, 0xc8, 0xb8], 0).unwrap(),
            "2024-02-29 12:34:56"
        );
        assert_eq!(
            timestamp2(&[0x65, 0xe0, 0x79, 0xf0, 0x4e], 2).unwrap(),
            Value::Timestamp {
                seconds: 0x65e0_79f0,
                microseconds: 780_000,
                digits: 2
            }
        );
    }

    #[test]
    fn times_below_zero() {
        // -00:00:01.10 with two digits: the whole 32-bit number counts down from the middle.
        let packed = 0x8000_0000_u32 - (1 << 8) - 10;
        assert_eq!(time2_text(&packed.to_be_bytes(), 2).unwrap(), "-00:00:01.10");
        assert_eq!(time2_text(&[0x80, 0x00, 0x00], 0).unwrap(), "00:00:00");
        assert_eq!(time2_text(&[0x80, 0x00], 0).unwrap_err(), "needs 3 bytes, 2 left");
    }

    #[test]
    fn old_values() {
        let text = |code, raw: &[u8]| match old_value(code, raw).unwrap() {
            Value::Temporal(text) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(
            text(ColumnType::TIME, &(-123_456_i32).to_le_bytes()[..3]),
            "-12:34:56"
        );
        assert_eq!(
            text(ColumnType::DATETIME, &20_240_229_123_456_u64.to_le_bytes()),
            "2024-02-29 12:34:56"
        );
        assert!(old_value(ColumnType::TIME, &[1, 2, 3, 4]).is_err());
        let datetime = ColumnType {
            code: ColumnType::DATETIME,
            meta: 0,
        };
        assert!(is_plausible_old_temporal(
            datetime,
            &20_240_229_123_456_u64.to_le_bytes()
        ));
        assert!(!is_plausible_old_temporal(
            datetime,
            &20_241_329_123_456_u64.to_le_bytes()
        ));
    }

    #[test]
    fn sizes() {
        assert_eq!(old_size(ColumnType::TIMESTAMP, 6).unwrap(), 7);
        assert_eq!(old_size(ColumnType::TIME, 3).unwrap(), 5);
        assert_eq!(old_size(ColumnType::DATETIME, 6).unwrap(), 8);
        assert!(old_size(ColumnType::DATETIME, 7).is_err());
    }
}
