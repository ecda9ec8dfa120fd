//! From a column's definition in `information_schema` to the type its table map would tell.

use tributary_binlog::ColumnType;

/// What `information_schema.COLUMNS` says of a column's type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'a> {
    /// `DATA_TYPE`.
    pub(super) data_type: &'a [u8],
    /// `COLUMN_TYPE`.
    pub(super) column_type: &'a [u8],
    /// `CHARACTER_OCTET_LENGTH`.
    pub(super) octets: Option<u64>,
    /// `DATETIME_PRECISION`.
    pub(super) digits: Option<u64>,
    /// `NUMERIC_PRECISION` and `NUMERIC_SCALE`.
    pub(super) numeric: (Option<u64>, Option<u64>),
}

/// What the server writes into `COLUMN_TYPE` of temporal columns in the format before 10.1.
const OLD_TEMPORAL: &[u8] = b"/* mariadb-5.3 */";

/// How `COLUMN_TYPE` of a compressed column ends.
const COMPRESSED: &[u8] = b" COMPRESSED*/";

impl Definition<'_> {
    /// The type in a table map; `None` for a type this version does not know.
    ///
    /// MariaDB server, `sql/field.cc`, the `save_field_metadata` of each type.
    pub(super) fn kind(&self) -> Option<ColumnType> {
        let plain = |code| Some(ColumnType { code, meta: 0 });
        let with = |code, meta| Some(ColumnType { code, meta });
        match self.data_type {
            b"tinyint" => plain(ColumnType::TINY),
            b"smallint" => plain(ColumnType::SHORT),
            b"mediumint" => plain(ColumnType::INT24),
            b"int" => plain(ColumnType::LONG),
            b"bigint" => plain(ColumnType::LONGLONG),
            b"float" => with(ColumnType::FLOAT, 4),
            b"double" => with(ColumnType::DOUBLE, 8),
            b"decimal" => with(
                ColumnType::NEWDECIMAL,
                byte(self.numeric.0)? | byte(self.numeric.1)? << 8,
            ),
            b"bit" => {
                let bits = byte(self.numeric.0)?;
                with(ColumnType::BIT, (bits % 8) | ((bits / 8) << 8))
            }
            b"year" => plain(ColumnType::YEAR),
            b"date" => plain(ColumnType::DATE),
            b"time" => self.temporal(ColumnType::TIME, ColumnType::TIME2),
            b"datetime" => self.temporal(ColumnType::DATETIME, ColumnType::DATETIME2),
            b"timestamp" => self.temporal(ColumnType::TIMESTAMP, ColumnType::TIMESTAMP2),
            b"char" | b"binary" => string(self.octets?),
            b"inet4" => string(4),
            b"inet6" | b"uuid" => string(16),
            b"varchar" | b"varbinary" if self.is_compressed() => with(
                ColumnType::VARCHAR_COMPRESSED,
                u16::try_from(self.octets? + 1).ok()?,
            ),
            b"varchar" | b"varbinary" => with(ColumnType::VARCHAR, u16::try_from(self.octets?).ok()?),
            b"tinyblob" | b"tinytext" => self.blob(1),
            b"blob" | b"text" => self.blob(2),
            b"mediumblob" | b"mediumtext" => self.blob(3),
            b"longblob" | b"longtext" | b"json" => self.blob(4),
            b"enum" => with(
                ColumnType::STRING,
                u16::from(ColumnType::ENUM) | (if members(self.column_type) < 256 { 1 } else { 2 }) << 8,
            ),
            b"set" => {
                let bytes = match members(self.column_type).div_ceil(8) {
                    bytes @ 0..=4 => bytes.max(1) as u16,
                    _ => 8,
                };
                with(ColumnType::STRING, u16::from(ColumnType::SET) | bytes << 8)
            }
            b"geometry"
            | b"point"
            | b"linestring"
            | b"polygon"
            | b"multipoint"
            | b"multilinestring"
            | b"multipolygon"
            | b"geometrycollection"
            | b"geomcollection" => with(ColumnType::GEOMETRY, 4),
            _ => None,
        }
    }

    /// Fractional digits of a temporal column.
    pub(super) fn digits(&self) -> u8 {
        byte(self.digits).map_or(0, |digits| digits as u8)
    }

    fn temporal(&self, old: u8, new: u8) -> Option<ColumnType> {
        Some(if contains(self.column_type, OLD_TEMPORAL) {
            ColumnType { code: old, meta: 0 }
        } else {
            ColumnType {
                code: new,
                meta: byte(self.digits)?,
            }
        })
    }

    fn blob(&self, length_bytes: u16) -> Option<ColumnType> {
        let code = if self.is_compressed() {
            ColumnType::BLOB_COMPRESSED
        } else {
            ColumnType::BLOB
        };
        Some(ColumnType {
            code,
            meta: length_bytes,
        })
    }

    fn is_compressed(&self) -> bool {
        self.column_type.ends_with(COMPRESSED)
    }
}

fn byte(value: Option<u64>) -> Option<u16> {
    value.and_then(|value| u8::try_from(value).ok()).map(u16::from)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// CHAR and BINARY of this many bytes: two bits of the length are mixed, inverted, into the type's byte.
fn string(octets: u64) -> Option<ColumnType> {
    let octets = u16::try_from(octets).ok().filter(|octets| *octets < 1024)?;
    let first = u16::from(ColumnType::STRING) ^ ((octets & 0x300) >> 4);
    Some(ColumnType {
        code: ColumnType::STRING,
        meta: first | (octets & 0xff) << 8,
    })
}

/// How many members `enum('a','b')` or `set('a','b')` has. Quotes in a member are doubled.
fn members(column_type: &[u8]) -> usize {
    let quotes = |text: &[u8]| text.iter().filter(|byte| **byte == b'\'').count();
    // Outside quotes stand only commas: as many as members, less one.
    let mut commas = 0;
    let mut is_inside = false;
    for byte in column_type {
        match byte {
            b'\'' => is_inside = !is_inside,
            b',' if !is_inside => commas += 1,
            _ => {}
        }
    }
    if quotes(column_type) == 0 { 0 } else { commas + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_outside_quotes() {
        assert_eq!(members(b"enum('a')"), 1);
        assert_eq!(members(b"enum('a,b','it''s','')"), 3);
        assert_eq!(members(b"set('a','b','c')"), 3);
    }

    #[test]
    fn types_this_version_does_not_know_have_none() {
        let definition = Definition {
            data_type: b"vector",
            column_type: b"vector(3)",
            octets: Some(12),
            digits: None,
            numeric: (None, None),
        };
        assert_eq!(definition.kind(), None);
    }
}
