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

/// The seconds of the range of the old TIME: its values are offsets from the middle, `838:59:59` and one second.
const OLD_TIME_MIDDLE_SECONDS: i64 = 838 * 3600 + 60 * 60;

/// A value of the old format with `digits` fractional digits in the format since 10.1.
///
/// MariaDB server, `sql/field.cc`, `Field_time_hires::store_TIME` and its kin; `sql-common/my_time.c`, `pack_time`.
pub(crate) fn new_temporal(old: ColumnType, digits: u8, raw: &[u8]) -> Result<Vec<u8>, Problem> {
    let size = old_size(old.code, digits)?;
    if raw.len() != size {
        return Err(needs(size, raw.len()));
    }
    // What the fraction counts, in microseconds.
    let unit = 10_i64.pow(u32::from(DIGITS_MAX - digits));
    let number = match (old.code, digits) {
        (ColumnType::TIME, 0) => ((little_endian(raw) as i64) << 40) >> 40,
        (ColumnType::DATETIME, 0) => little_endian(raw) as i64,
        _ => big_endian(raw) as i64,
    };
    let mut out = Vec::with_capacity(8);
    let fraction = fraction_bytes(digits)?;
    let push = |packed: u64, bytes: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(&packed.to_be_bytes()[8 - bytes.min(8)..]);
    };
    let scaled = |microseconds: u64| microseconds / [1_000_000, 10_000, 100, 1][fraction.min(3)];
    match (old.code, digits) {
        (ColumnType::TIME, _) => {
            let (is_negative, [hours, minutes, seconds, micros]) = if digits == 0 {
                let value = number.unsigned_abs();
                (number < 0, [value / 10_000, value / 100 % 100, value % 100, 0])
            } else {
                let value = number - OLD_TIME_MIDDLE_SECONDS * 1_000_000 / unit;
                (value < 0, split_clock(value.unsigned_abs() * unit.unsigned_abs()))
            };
            let clock = hours << 12 | minutes << 6 | seconds;
            let shift = 8 * fraction as u32;
            let magnitude = (clock << shift) + scaled(micros);
            let middle = 0x80_0000_u64 << shift;
            let packed = if is_negative {
                middle.wrapping_sub(magnitude)
            } else {
                middle + magnitude
            };
            push(packed, 3 + fraction, &mut out);
        }
        (ColumnType::DATETIME, _) => {
            let value = number.unsigned_abs();
            let (months, day, [hour, minute, second, micros]) = if digits == 0 {
                let (date, time) = (value / 1_000_000, value % 1_000_000);
                let months = date / 10_000 * 13 + date / 100 % 100;
                (
                    months,
                    date % 100,
                    [time / 10_000, time / 100 % 100, time % 100, 0],
                )
            } else {
                let micros = value
                    .checked_mul(unit.unsigned_abs())
                    .ok_or("a date beyond the year 9999")?;
                let days = micros / 86_400_000_000;
                (days / 32, days % 32, split_clock(micros % 86_400_000_000))
            };
            let packed = (months << 22 | day << 17 | hour << 12 | minute << 6 | second) ^ 0x80_0000_0000;
            push(packed, 5, &mut out);
            push(scaled(micros), fraction, &mut out);
        }
        (_, 0) => out.extend(raw.iter().rev()),
        _ => {
            let (seconds, tail) = raw.split_at_checked(4).ok_or_else(|| needs(4, raw.len()))?;
            out.extend_from_slice(seconds);
            push(scaled(big_endian(tail) * unit.unsigned_abs()), fraction, &mut out);
        }
    }
    Ok(out)
}

/// Hours, minutes, seconds and microseconds.
fn split_clock(microseconds: u64) -> [u64; 4] {
    let seconds = microseconds / 1_000_000;
    [
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        microseconds % 1_000_000,
    ]
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
    fn old_values_in_the_new_format() {
        let new = |code, digits, raw: &[u8]| new_temporal(ColumnType { code, meta: 0 }, digits, raw).unwrap();
        let time = new(ColumnType::TIME, 0, &(-123_456_i32).to_le_bytes()[..3]);
        assert_eq!(time2_text(&time, 0).unwrap(), "-12:34:56");
        // -00:00:01.100 as Field_time_hires stores it.
        let packed = 3_020_400_000_u64 - 1_100;
        let time = new(ColumnType::TIME, 3, &packed.to_be_bytes()[3..]);
        assert_eq!(time2_text(&time, 3).unwrap(), "-00:00:01.100");
        let date = new(ColumnType::DATETIME, 0, &20_240_229_123_456_u64.to_le_bytes());
        assert_eq!(datetime2_text(&date, 0).unwrap(), "2024-02-29 12:34:56");
        let days = (2024 * 13 + 2) * 32 + 29;
        let packed = (((days * 24 + 12) * 60 + 34) * 60 + 56) * 1_000_000 + 123_456_u64;
        let date = new(ColumnType::DATETIME, 6, &packed.to_be_bytes());
        assert_eq!(datetime2_text(&date, 6).unwrap(), "2024-02-29 12:34:56.123456");
        assert_eq!(new(ColumnType::TIMESTAMP, 0, &[1, 2, 3, 4]), [4, 3, 2, 1]);
        // One digit counts tenths in the old format, hundredths in the new one.
        assert_eq!(new(ColumnType::TIMESTAMP, 1, &[1, 2, 3, 4, 7]), [1, 2, 3, 4, 70]);
        assert!(
            new_temporal(
                ColumnType {
                    code: ColumnType::TIME,
                    meta: 0
                },
                3,
                &[1, 2, 3]
            )
            .is_err()
        );
        for length in 0..9 {
            for digits in 0..8 {
                for code in [ColumnType::TIME, ColumnType::DATETIME, ColumnType::TIMESTAMP] {
                    let _ = new_temporal(ColumnType { code, meta: 0 }, digits, &[0xff; 9][..length]);
                }
            }
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(old_size(ColumnType::TIMESTAMP, 6).unwrap(), 7);
        assert_eq!(old_size(ColumnType::TIME, 3).unwrap(), 5);
        assert_eq!(old_size(ColumnType::DATETIME, 6).unwrap(), 8);
        assert!(old_size(ColumnType::DATETIME, 7).is_err());
    }
}
