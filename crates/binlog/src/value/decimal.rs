//! DECIMAL: groups of nine digits in four bytes, big-endian, sign in the top bit.
//!
//! MariaDB server, `strings/decimal.c`, `decimal2bin`.

use std::borrow::Cow;

use super::{Problem, needs};

const DIGITS_PER_GROUP: usize = 9;
/// Bytes that hold 0 to 9 leftover digits.
const LEFTOVER_BYTES: [usize; DIGITS_PER_GROUP + 1] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// The server's limits.
const PRECISION_MAX: u8 = 65;
const SCALE_MAX: u8 = 38;

/// Bytes a DECIMAL(`precision`, `scale`) takes.
pub(super) fn size(precision: u8, scale: u8) -> Result<usize, Problem> {
    check(precision, scale)?;
    let bytes = |digits: usize| digits / DIGITS_PER_GROUP * 4 + LEFTOVER_BYTES[digits % DIGITS_PER_GROUP];
    Ok(bytes(usize::from(precision - scale)) + bytes(usize::from(scale)))
}

fn check(precision: u8, scale: u8) -> Result<(), Problem> {
    if (1..=PRECISION_MAX).contains(&precision) && scale <= SCALE_MAX && scale <= precision {
        Ok(())
    } else {
        Err(Cow::Owned(format!(
            "DECIMAL({precision},{scale}) is outside the server's limits"
        )))
    }
}

/// The number as text: no leading zeros, all digits of the scale.
pub(crate) fn decimal_text(raw: &[u8], precision: u8, scale: u8) -> Result<String, Problem> {
    let needed = size(precision, scale)?;
    if raw.len() != needed {
        return Err(needs(needed, raw.len()));
    }
    let is_negative = raw.first().is_some_and(|byte| byte & 0x80 == 0);
    // Undo the inversion of negative numbers, and of the sign bit, byte by byte.
    let mask = if is_negative { 0xff } else { 0 };
    let plain = |index: usize| raw[index] ^ mask ^ if index == 0 { 0x80 } else { 0 };
    let mut at = 0;
    let mut group = |digits: usize, text: &mut String| -> Result<(), Problem> {
        let end = at + LEFTOVER_BYTES[digits];
        let number = (at..end).fold(0_u32, |sum, index| sum << 8 | u32::from(plain(index)));
        at = end;
        if number >= 10_u32.pow(digits as u32) {
            return Err(Cow::Owned(format!("{number} in a group of {digits} digits")));
        }
        if digits > 0 {
            use std::fmt::Write;
            let _ = write!(text, "{number:0digits$}");
        }
        Ok(())
    };
    let mut integer = String::new();
    let whole = usize::from(precision - scale);
    group(whole % DIGITS_PER_GROUP, &mut integer)?;
    for _ in 0..whole / DIGITS_PER_GROUP {
        group(DIGITS_PER_GROUP, &mut integer)?;
    }
    let mut fraction = String::new();
    let scale = usize::from(scale);
    for _ in 0..scale / DIGITS_PER_GROUP {
        group(DIGITS_PER_GROUP, &mut fraction)?;
    }
    group(scale % DIGITS_PER_GROUP, &mut fraction)?;
    let integer = integer.trim_start_matches('0');
    let mut text = String::with_capacity(integer.len() + fraction.len() + 3);
    if is_negative {
        text.push('-');
    }
    text.push_str(if integer.is_empty() { "0" } else { integer });
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        // The example in the server's own comment: 1234567890.1234 as DECIMAL(14,4).
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(decimal_text(&positive, 14, 4).unwrap(), "1234567890.1234");
        let negative = [0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d];
        assert_eq!(decimal_text(&negative, 14, 4).unwrap(), "-1234567890.1234");
        assert_eq!(
            decimal_text(&[0x80, 0x00, 0x05], 4, 2).unwrap_err(),
            "needs 2 bytes, 3 left"
        );
        assert_eq!(decimal_text(&[0x80, 0x05], 4, 2).unwrap(), "0.05");
        assert_eq!(decimal_text(&[0x85], 1, 0).unwrap(), "5");
    }

    #[test]
    fn digits_that_do_not_fit_are_an_error() {
        assert!(
            decimal_text(&[0x80, 0xff], 4, 2)
                .unwrap_err()
                .contains("255 in a group of 2")
        );
        assert!(decimal_text(&[], 0, 0).is_err());
        assert!(size(66, 0).is_err() && size(10, 11).is_err() && size(65, 39).is_err());
        assert_eq!(size(65, 30).unwrap(), 30);
    }
}
