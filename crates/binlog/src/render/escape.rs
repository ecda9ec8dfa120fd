//! Bytes of unknown character set as text that a terminal shows and does not obey.

use std::fmt;

/// Shows bytes as UTF-8 text; control characters and bytes that are no UTF-8 become `\n`, `\t` or `\xNN`.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    control if control.is_control() => write!(f, "\\x{:02x}", u32::from(control))?,
                    other => fmt::Write::write_char(f, other)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// As [`Escaped`], a line at a time, so statements keep their shape.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Escaped<'_>> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(|line| Escaped(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// Bytes as hex digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(
            Escaped(b"a\x1b[2J\xff\tb\xc3\xa9").to_string(),
            "a\\x1b[2J\\xff\\tb\u{e9}"
        );
        assert_eq!(
            lines(b"a\r\nb").map(|line| line.to_string()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(Hex(&[0, 255]).to_string(), "00ff");
    }
}
