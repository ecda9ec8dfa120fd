//! Floating-point numbers as MySQL prints them inside JSON.

/// The shortest digits that read back to `value`: in full where the decimal point lies within 15 places of them, with an
/// exponent otherwise. MySQL server, `strings/dtoa.cc`, `my_gcvt`; `sql-common/json_dom.cc` adds the `.0`.
pub(super) fn double_text(value: f64) -> String {
    const PLACES: i32 = 15;
    if value == 0.0 {
        return if value.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    // `d.ddde-7`: Rust prints the shortest digits, too.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // The place of the point in `0.ddd`.
    let point = exponent + 1;
    if (1 - PLACES..=PLACES).contains(&point) {
        let text = format!("{value}");
        if text.contains('.') { text } else { text + ".0" }
    } else {
        format!("{mantissa}e{exponent}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_on_mysql_9_7() {
        for (value, text) in [
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (1e20, "1e20"),
            (0.1, "0.1"),
            (1e-5, "0.00001"),
            (1e-7, "0.0000001"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (123_456.789, "123456.789"),
            (12_345_678_901_234_567_890.0, "1.2345678901234567e19"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(double_text(value), text);
        }
    }
}
