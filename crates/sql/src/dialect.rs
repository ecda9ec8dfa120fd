//! What decides how a statement's bytes are read: sql_mode bits, client charset, server version.

/// `sql_mode` bits that change how text is cut into tokens. MariaDB documentation, page "SQL_MODE";
/// the numbers are those of the Query event's status variable 1.
const MODE_ANSI_QUOTES: u64 = 1 << 2;
const MODE_ORACLE: u64 = 1 << 9;
const MODE_MSSQL: u64 = 1 << 10;
const MODE_NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

/// Collations without pad space are the plain ones shifted by this much.
const NOPAD_SHIFT: u16 = 1024;

/// First id of the UCA 14.0.0 collations, all of them Unicode.
const FIRST_UCA1400: u16 = 2048;

/// How the source read a statement's bytes.
///
/// Every Query event carries what is needed: `sql_mode`, the client's collation, and (from the format description)
/// the server version. The same bytes mean different things under different dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `"..."` is an identifier, not a string.
    pub ansi_quotes: bool,
    /// `\` inside a string is an ordinary byte.
    pub no_backslash_escapes: bool,
    /// `sql_mode=ORACLE`: packages, `IS`/`AS` routine bodies, `%TYPE`.
    pub oracle: bool,
    /// `sql_mode=MSSQL`: `[...]` is an identifier.
    pub brackets: bool,
    /// The client's character set, as far as it decides where tokens end.
    pub charset: ClientCharset,
    /// The source's version as in version comments: 10.11.19 is `101119`. Comments with a higher number are
    /// comments. `0` means unknown: then every version comment is read as code, because a server that skips one
    /// takes its `!` out before it writes the statement to its binlog.
    pub source_version: u32,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            ansi_quotes: false,
            no_backslash_escapes: false,
            oracle: false,
            brackets: false,
            charset: ClientCharset::Utf8,
            source_version: 0,
        }
    }
}

impl Dialect {
    /// The dialect of a Query event: its `sql_mode`, the id of its client collation (`character_set_client`), and the
    /// source's version as a number (`101119` for 10.11.19; 0 when unknown).
    #[must_use]
    pub fn from_event(sql_mode: u64, client_collation_id: u16, version: u32) -> Dialect {
        Dialect {
            ansi_quotes: sql_mode & MODE_ANSI_QUOTES != 0,
            no_backslash_escapes: sql_mode & MODE_NO_BACKSLASH_ESCAPES != 0,
            oracle: sql_mode & MODE_ORACLE != 0,
            brackets: sql_mode & MODE_MSSQL != 0,
            charset: ClientCharset::from_collation(client_collation_id),
            source_version: version,
        }
    }
}

/// Client character sets, grouped by what they change for a scanner of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCharset {
    /// utf8mb3, utf8mb4 and ascii: no byte above 0x7F is ever a delimiter, and names compare as they are stored.
    Utf8,
    /// One byte per character, or trail bytes all above 0x7F (ujis, euckr, gb2312): delimiters are safe, but names
    /// outside ASCII are spelled in another encoding than the one the server stores.
    SingleByte,
    /// As [`ClientCharset::SingleByte`], and byte 0xA0 is white space (latin1, latin2, latin5, latin7, greek, hebrew,
    /// cp1250, dec8, armscii8, geostd8; found by asking a 10.11 server).
    SingleByteWideSpace,
    /// gbk: a trail byte may be a backslash or a backtick.
    Gbk,
    /// sjis and cp932: a trail byte may be a backslash or a backtick; 0xA1-0xDF stand alone.
    Sjis,
    /// big5: a trail byte may be a backslash or a backtick.
    Big5,
    /// swe7 gives ASCII delimiters other meanings, and ucs2, utf16 and utf32 cannot be client character sets:
    /// statements in them are refused.
    Unscannable,
}

impl ClientCharset {
    /// The group of the collation with this id (`character_set_client` of a Query event).
    #[must_use]
    pub fn from_collation(id: u16) -> ClientCharset {
        if id >= FIRST_UCA1400 {
            return ClientCharset::Utf8;
        }
        let plain = if id >= NOPAD_SHIFT { id - NOPAD_SHIFT } else { id };
        match plain {
            11 | 65 | 33 | 83 | 192..=223 | 576..=607 | 45 | 46 | 224..=247 | 255..=323 | 608..=639 => {
                ClientCharset::Utf8
            }
            1 | 84 => ClientCharset::Big5,
            // MySQL's gb18030 has characters of four bytes.
            248..=250 => ClientCharset::Unscannable,
            28 | 87 => ClientCharset::Gbk,
            13 | 88 | 95 | 96 => ClientCharset::Sjis,
            10 | 82 => ClientCharset::Unscannable,
            35 | 54 | 55 | 56 | 60 | 61 | 62 | 90 | 101..=183 | 640..=767 => ClientCharset::Unscannable,
            3 | 69 | 5 | 8 | 15 | 31 | 47 | 48 | 49 | 94 | 2 | 9 | 21 | 27 | 77 | 16 | 71 | 25 | 70 | 26
            | 34 | 44 | 66 | 99 | 30 | 78 | 32 | 64 | 20 | 41 | 42 | 79 | 92 | 93 => {
                ClientCharset::SingleByteWideSpace
            }
            _ => ClientCharset::SingleByte,
        }
    }

    /// Whether names outside ASCII are spelled as the server stores them (utf8).
    pub(crate) fn spells_utf8(self) -> bool {
        self == ClientCharset::Utf8
    }

    /// Whether a byte above 0x7F can be followed by one that looks like a delimiter.
    pub(crate) fn has_ascii_trail_bytes(self) -> bool {
        matches!(
            self,
            ClientCharset::Gbk | ClientCharset::Sjis | ClientCharset::Big5
        )
    }

    /// The length of the character at the start of `bytes`: 2 for a valid two-byte character of gbk, sjis or big5,
    /// else 1. The server takes a lead byte without a valid trail byte as one byte, and so do we.
    pub(crate) fn char_len(self, bytes: &[u8]) -> usize {
        let (Some(&lead), Some(&trail)) = (bytes.first(), bytes.get(1)) else {
            return 1;
        };
        let is_pair = match self {
            ClientCharset::Gbk => matches!(lead, 0x81..=0xFE) && matches!(trail, 0x40..=0x7E | 0x80..=0xFE),
            ClientCharset::Sjis => {
                matches!(lead, 0x81..=0x9F | 0xE0..=0xFC) && matches!(trail, 0x40..=0x7E | 0x80..=0xFC)
            }
            ClientCharset::Big5 => matches!(lead, 0xA1..=0xF9) && matches!(trail, 0x40..=0x7E | 0xA1..=0xFE),
            _ => false,
        };
        if is_pair { 2 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_bits_of_a_query_event() {
        let plain = Dialect::from_event(1_411_383_296, 8, 101_119);
        assert!(!plain.ansi_quotes && !plain.no_backslash_escapes && !plain.oracle);
        assert_eq!(plain.charset, ClientCharset::SingleByteWideSpace);
        let all = Dialect::from_event(4 | 512 | (1 << 20), 45, 0);
        assert!(all.ansi_quotes && all.no_backslash_escapes && all.oracle);
        assert_eq!(all.charset, ClientCharset::Utf8);
    }

    #[test]
    fn collations_without_padding_are_the_same_character_set() {
        for id in [1, 13, 28, 8, 33, 45, 51, 95] {
            assert_eq!(
                ClientCharset::from_collation(id),
                ClientCharset::from_collation(id + 1024)
            );
        }
        assert_eq!(ClientCharset::from_collation(2304), ClientCharset::Utf8);
    }

    #[test]
    fn two_byte_characters_need_a_valid_trail_byte() {
        assert_eq!(ClientCharset::Gbk.char_len(b"\xB0\x5C"), 2);
        assert_eq!(ClientCharset::Gbk.char_len(b"\xB0'"), 1);
        assert_eq!(ClientCharset::Sjis.char_len(b"\x95\x5C"), 2);
        assert_eq!(ClientCharset::Sjis.char_len(b"\xB1\x5C"), 1);
        assert_eq!(ClientCharset::Big5.char_len(b"\xA5\x5C"), 2);
        assert_eq!(ClientCharset::Utf8.char_len(b"\xC3\x5C"), 1);
        assert_eq!(ClientCharset::Gbk.char_len(b"\xB0"), 1);
    }
}
