//! Text in the character set a client speaks, and how it is quoted.

use crate::random::Random;

/// What a client says it speaks with `SET NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8mb4,
    Latin1,
    Cp1251,
    Gbk,
    Sjis,
}

impl Charset {
    pub(super) const ALL: [&'static Charset; 5] = [
        &Charset::Utf8mb4,
        &Charset::Latin1,
        &Charset::Cp1251,
        &Charset::Gbk,
        &Charset::Sjis,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Charset::Utf8mb4 => "utf8mb4",
            Charset::Latin1 => "latin1",
            Charset::Cp1251 => "cp1251",
            Charset::Gbk => "gbk",
            Charset::Sjis => "sjis",
        }
    }

    /// One character that is not ASCII. In gbk and sjis its second byte may be that of a backslash.
    fn wide(self, random: &mut Random) -> Vec<u8> {
        match self {
            Charset::Utf8mb4 => random
                .pick(&["é", "ß", "я", "Ж", "中", "表", "€", "😀", "\u{a0}", "İ", "ǅ"])
                .as_bytes()
                .to_vec(),
            // 0xA0 is white space for the server's scanner; the others are letters.
            Charset::Latin1 => vec![*random.pick(&[&0xa0u8, &0xdf, &0xe9, &0xff, &0xc4, &0xb5])],
            Charset::Cp1251 => vec![0xc0 + random.below(64) as u8],
            Charset::Gbk => vec![
                0xb0 + random.below(40) as u8,
                *random.pick(&[&0x5cu8, &0x60, &0x40, &0x7c, &0xa1, &0xfe]),
            ],
            Charset::Sjis => random
                .pick(&[
                    &[0x95u8, 0x5c][..],
                    &[0x83, 0x5c],
                    &[0x82, 0xa0],
                    &[0xb1],
                    &[0x88, 0xc0],
                ])
                .to_vec(),
        }
    }

    /// Up to `chars_max` characters, as the server will read them, each with the bytes it has in this set.
    pub(super) fn word(self, random: &mut Random, chars_max: u64) -> Vec<Vec<u8>> {
        let length = random.below(chars_max + 1);
        (0..length).map(|_| self.character(random)).collect()
    }

    fn character(self, random: &mut Random) -> Vec<u8> {
        match random.below(20) {
            0..=3 => self.wide(random),
            4 => vec![*random.pick(&[
                &b'\'', &b'"', &b'`', &b'\\', &b';', &b'%', &b'_', &b'\n', &b'\0', &b'#', &b'/',
            ])],
            5 => vec![b' '],
            _ => vec![b'a' + random.below(26) as u8],
        }
    }
}

/// Puts characters between single quotes. With `escapes`, the backslash is an escape character.
pub(super) fn quote(characters: &[Vec<u8>], escapes: bool) -> Vec<u8> {
    let mut out = vec![b'\''];
    for character in characters {
        match character.as_slice() {
            b"'" => out.extend_from_slice(b"''"),
            b"\\" if escapes => out.extend_from_slice(b"\\\\"),
            b"\0" if escapes => out.extend_from_slice(b"\\0"),
            b"\n" if escapes => out.extend_from_slice(b"\\n"),
            other => out.extend_from_slice(other),
        }
    }
    out.push(b'\'');
    out
}

/// Random bytes that need be no text at all, as a literal: in hexadecimal digits.
pub(super) fn hexadecimal(random: &mut Random, bytes_max: u64) -> String {
    let length = random.below(bytes_max + 1);
    let digits: String = (0..length)
        .map(|_| format!("{:02X}", random.below(256)))
        .collect();
    if random.once_in(2) || digits.is_empty() {
        format!("X'{digits}'")
    } else {
        format!("0x{digits}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped_but_trail_bytes_are_not() {
        let characters = [b"'".to_vec(), b"\\".to_vec(), vec![0x95, 0x5c]];
        assert_eq!(quote(&characters, true), b"'''\\\\\x95\x5c'");
        assert_eq!(quote(&characters, false), b"'''\\\x95\x5c'");
    }
}
