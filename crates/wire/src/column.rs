//! Column definitions of a result set.

use std::borrow::Cow;

use crate::Error;
use crate::reader::Reader;
use crate::writer::put_lenenc_bytes;

/// Bytes of the fixed part, which is preceded by its own length.
const FIXED_BYTES: u64 = 12;

/// One column of a result set.
///
/// # Wire form
/// Six length-encoded strings (catalog, schema, table, original table, name, original name), then twelve fixed bytes.
/// MariaDB protocol documentation, page "Result Set Packets", "Column definition packet".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Database of the table, made valid UTF-8; empty for an expression.
    pub schema: String,
    /// Table, or its alias, made valid UTF-8.
    pub table: String,
    /// Column name, or its alias, made valid UTF-8.
    pub name: String,
    /// Column name in the table, made valid UTF-8.
    pub name_original: String,
    /// Collation number of the values.
    pub collation: u16,
    /// Longest value in bytes, as far as the server knows.
    pub length_max: u32,
    /// Field type, `MYSQL_TYPE_*`.
    pub column_type: u8,
    /// Column flags: 1 not null, 2 primary key, 32 unsigned, 128 binary, ...
    pub flags: u16,
    /// Digits after the point.
    pub decimals: u8,
}

impl Column {
    /// Reads a column definition without MariaDB's extended metadata.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the fixed part has another length.
    pub fn decode(payload: &[u8]) -> Result<Column, Error> {
        let mut reader = Reader::new("column definition", payload);
        reader.lenenc_bytes("catalog")?;
        let schema = text(reader.lenenc_bytes("schema")?);
        let table = text(reader.lenenc_bytes("table")?);
        reader.lenenc_bytes("original table")?;
        let name = text(reader.lenenc_bytes("name")?);
        let name_original = text(reader.lenenc_bytes("original name")?);
        let fixed = reader.lenenc_int("length of the fixed part")?;
        if fixed != FIXED_BYTES {
            let detail = format!("the fixed part has {fixed} bytes, expected {FIXED_BYTES}");
            return Err(Error::invalid("column definition", detail));
        }
        let column = Column {
            schema,
            table,
            name,
            name_original,
            collation: reader.u16("collation")?,
            length_max: reader.u32("length")?,
            column_type: reader.u8("type")?,
            flags: reader.u16("flags")?,
            decimals: reader.u8("decimals")?,
        };
        reader.bytes("filler", 2)?;
        Ok(column)
    }

    /// Appends the column definition's payload; the original table is written as the table.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for text in [
            "def",
            &self.schema,
            &self.table,
            &self.table,
            &self.name,
            &self.name_original,
        ] {
            put_lenenc_bytes(out, text.as_bytes());
        }
        out.push(FIXED_BYTES as u8);
        out.extend_from_slice(&self.collation.to_le_bytes());
        out.extend_from_slice(&self.length_max.to_le_bytes());
        out.push(self.column_type);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&[self.decimals, 0, 0]);
    }
}

fn text(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SELECT a.id FROM t AS a` on 10.11.
    const BYTES: &[u8] =
        b"\x03def\x04shop\x01a\x01t\x02id\x02id\x0c\x3f\x00\x0b\x00\x00\x00\x03\x03\x50\x00\x00\x00";

    #[test]
    fn a_column_is_read() {
        let column = Column::decode(BYTES).unwrap();
        assert_eq!(
            (
                column.schema.as_str(),
                column.table.as_str(),
                column.name.as_str()
            ),
            ("shop", "a", "id")
        );
        assert_eq!(
            (
                column.collation,
                column.length_max,
                column.column_type,
                column.flags
            ),
            (63, 11, 3, 0x5003)
        );
        let mut encoded = Vec::new();
        column.encode(&mut encoded);
        assert_eq!(Column::decode(&encoded), Ok(column));
    }

    #[test]
    fn a_cut_column_is_an_error_at_every_length() {
        for length in 0..BYTES.len() {
            assert!(Column::decode(&BYTES[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_fixed_part_of_another_length_is_an_error() {
        let mut bytes = BYTES.to_vec();
        let fixed = bytes.iter().position(|byte| *byte == 0x0C).unwrap();
        bytes[fixed] = 0x0D;
        assert!(matches!(Column::decode(&bytes), Err(Error::Invalid { .. })));
    }
}
