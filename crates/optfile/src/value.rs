//! Values as the server reads them: switches, numbers with suffixes.

/// Reads a switch: `1`, `on`, `true`, `yes` or nothing at all; `0`, `off`, `false`, `no`. `None` for anything else.
///
/// The server takes an unknown word for off; here it is the caller's to refuse.
#[must_use]
pub fn parse_bool(text: Option<&str>) -> Option<bool> {
    let Some(text) = text else { return Some(true) };
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(["1", "on", "true", "yes"]) {
        Some(true)
    } else if is_one_of(["0", "off", "false", "no"]) {
        Some(false)
    } else {
        None
    }
}

/// Reads a whole number with an optional suffix `K`, `M`, `G`, `T`, `P` or `E` (powers of 1024, either case).
/// `None` when the text is no such number or does not fit.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits_length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, suffix) = text.split_at(digits_length);
    let shift = match suffix.to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        "E" => 60,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_have_four_spellings_each() {
        for text in [None, Some("1"), Some("ON"), Some("True"), Some("yes")] {
            assert_eq!(parse_bool(text), Some(true), "{text:?}");
        }
        for text in ["0", "off", "FALSE", "No"] {
            assert_eq!(parse_bool(Some(text)), Some(false), "{text}");
        }
        for text in ["", "2", "maybe", "on "] {
            assert_eq!(parse_bool(Some(text)), None, "{text}");
        }
    }

    #[test]
    fn sizes_count_in_powers_of_1024() {
        assert_eq!(parse_size("0"), Some(0));
        assert_eq!(parse_size("16M"), Some(16 << 20));
        assert_eq!(parse_size("2g"), Some(2 << 30));
        assert_eq!(parse_size("15E"), Some(15 << 60));
        assert_eq!(parse_size("16E"), None);
        for text in ["", "M", "-1", "+1", "1.5G", "64MB", "1 M", "99999999999999999999"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
