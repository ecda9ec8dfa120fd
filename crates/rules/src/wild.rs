//! Patterns of `replicate_wild_do_table` and `replicate_wild_ignore_table`.

use crate::error::RuleError;

/// The pattern of `database.table` that `value` is, without the white space around it.
pub(crate) fn table_pattern(rule: &'static str, value: &str) -> Result<String, RuleError> {
    let value = value.trim();
    let is_table = value
        .split_once('.')
        .is_some_and(|(db, table)| !db.is_empty() && !table.is_empty());
    if is_table {
        return Ok(value.to_owned());
    }
    Err(RuleError::NotATable {
        rule,
        value: value.to_owned(),
        example: "asterisk.live\\_%",
    })
}

/// Whether `text` matches `pattern`, where `%` stands for any characters, `_` for one, and `\` takes away their meaning.
///
/// Takes time proportional to the product of the lengths at worst; both are names, and bounded.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `%` does not fit: the `%` takes one more character.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            None if t == text.len() => return true,
            Some(b'%') => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'_') if t < text.len() => {
                p += 1;
                t += char_len(text, t);
                continue;
            }
            Some(b'\\') if pattern.get(p + 1).is_some_and(|byte| text.get(t) == Some(byte)) => {
                p += 2;
                t += 1;
                continue;
            }
            // A backslash at the very end stands for itself.
            Some(byte) if (*byte != b'\\' || p + 1 == pattern.len()) && text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((after, taken)) if taken < text.len() => {
                let taken = taken + char_len(text, taken);
                retry = Some((after, taken));
                p = after;
                t = taken;
            }
            _ => return false,
        }
    }
}

/// The length of the UTF-8 character at `offset`, cut at the end of the text; 1 for anything else.
fn char_len(text: &[u8], offset: usize) -> usize {
    let length = match text.get(offset) {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    length.min(text.len() - offset).max(1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_and_escapes() {
        let cases: &[(&str, &str, bool)] = &[
            ("src.t%", "src.t1", true),
            ("src.t%", "src.t", true),
            ("src.t%", "srcx.t1", false),
            ("src.%", "src.", true),
            ("src.%", "src_z.", false),
            ("s_c.t_", "src.t1", true),
            ("s_c.t_", "src.t", false),
            ("s\\_c.t", "s_c.t", true),
            ("s\\_c.t", "src.t", false),
            ("%.live\\_%", "asterisk.live_channels", true),
            ("%.live\\_%", "asterisk.livechannels", false),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b", "xxaxxbxa", false),
            ("%%", "", true),
            ("_", "é", true),
            ("__", "é", false),
            ("a\\", "a\\", true),
            ("a\\%", "a%", true),
            ("a\\%", "ab", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                *expected,
                "{pattern} against {text}"
            );
        }
    }
}
