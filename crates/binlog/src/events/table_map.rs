//! Table_map (19): which table the row events with its id are about.

use bytes::Bytes;

use crate::bitmap::Bitmap;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::header::{HEADER_BYTES, Header, patch_length};
use crate::reader::Reader;
use crate::value::{Size, plain_size};

/// A column's type as row events need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColumnType {
    /// The type's code; see the constants.
    pub code: u8,
    /// Up to two bytes of type-specific metadata, the first in the low byte.
    pub meta: u16,
}

impl ColumnType {
    /// DECIMAL as text, in tables made before MySQL 5.0.
    const OLD_DECIMAL: u8 = 0;
    /// TINYINT.
    pub const TINY: u8 = 1;
    /// SMALLINT.
    pub const SHORT: u8 = 2;
    /// INT.
    pub const LONG: u8 = 3;
    /// FLOAT.
    pub const FLOAT: u8 = 4;
    /// DOUBLE.
    pub const DOUBLE: u8 = 5;
    /// No value at all.
    pub const NULL: u8 = 6;
    /// TIMESTAMP in the format before 10.1.
    pub const TIMESTAMP: u8 = 7;
    /// BIGINT.
    pub const LONGLONG: u8 = 8;
    /// MEDIUMINT.
    pub const INT24: u8 = 9;
    /// DATE.
    pub const DATE: u8 = 10;
    /// TIME in the format before 10.1.
    pub const TIME: u8 = 11;
    /// DATETIME in the format before 10.1.
    pub const DATETIME: u8 = 12;
    /// YEAR.
    pub const YEAR: u8 = 13;
    /// DATE under its second code.
    pub const NEWDATE: u8 = 14;
    /// VARCHAR, VARBINARY.
    pub const VARCHAR: u8 = 15;
    /// BIT.
    pub const BIT: u8 = 16;
    /// TIMESTAMP.
    pub const TIMESTAMP2: u8 = 17;
    /// DATETIME.
    pub const DATETIME2: u8 = 18;
    /// TIME.
    pub const TIME2: u8 = 19;
    /// BLOB and TEXT of all sizes, COMPRESSED.
    pub const BLOB_COMPRESSED: u8 = 140;
    /// VARCHAR and VARBINARY, COMPRESSED.
    pub const VARCHAR_COMPRESSED: u8 = 141;
    /// MySQL's JSON. MariaDB's is a LONGTEXT.
    pub const MYSQL_JSON: u8 = 245;
    /// MySQL's VECTOR.
    pub const MYSQL_VECTOR: u8 = 242;
    /// DECIMAL.
    pub const NEWDECIMAL: u8 = 246;
    /// ENUM; in events found inside [`ColumnType::STRING`].
    pub const ENUM: u8 = 247;
    /// SET; in events found inside [`ColumnType::STRING`].
    pub const SET: u8 = 248;
    /// TINYBLOB; in events written as [`ColumnType::BLOB`].
    pub const TINY_BLOB: u8 = 249;
    /// MEDIUMBLOB; in events written as [`ColumnType::BLOB`].
    pub const MEDIUM_BLOB: u8 = 250;
    /// LONGBLOB; in events written as [`ColumnType::BLOB`].
    pub const LONG_BLOB: u8 = 251;
    /// BLOB and TEXT of all sizes, JSON.
    pub const BLOB: u8 = 252;
    /// VARCHAR of very old tables.
    pub const VAR_STRING: u8 = 253;
    /// CHAR, BINARY, ENUM, SET, INET4, INET6, UUID.
    pub const STRING: u8 = 254;
    /// Geometries.
    pub const GEOMETRY: u8 = 255;

    /// Bytes of metadata a type has in the event; `None` for a type this version does not know.
    pub(crate) fn metadata_bytes(code: u8) -> Option<usize> {
        match code {
            Self::TINY | Self::SHORT | Self::LONG | Self::INT24 | Self::LONGLONG | Self::NULL => Some(0),
            Self::TIMESTAMP | Self::DATE | Self::TIME | Self::DATETIME | Self::YEAR | Self::NEWDATE => {
                Some(0)
            }
            Self::FLOAT | Self::DOUBLE | Self::TIMESTAMP2 | Self::DATETIME2 | Self::TIME2 => Some(1),
            Self::TINY_BLOB | Self::MEDIUM_BLOB | Self::LONG_BLOB | Self::BLOB => Some(1),
            Self::BLOB_COMPRESSED | Self::MYSQL_JSON | Self::MYSQL_VECTOR | Self::GEOMETRY => Some(1),
            Self::VARCHAR | Self::VAR_STRING | Self::VARCHAR_COMPRESSED => Some(2),
            Self::BIT | Self::NEWDECIMAL | Self::STRING | Self::ENUM | Self::SET => Some(2),
            _ => None,
        }
    }

    /// The two metadata bytes in their order.
    #[must_use]
    pub fn meta_bytes(self) -> [u8; 2] {
        self.meta.to_le_bytes()
    }

    /// For [`ColumnType::STRING`], the type inside and the maximum length or value size; otherwise code and metadata.
    ///
    /// Lengths above 255 do not fit one byte, so two of their bits are mixed, inverted, into the type's byte.
    /// MariaDB server, `sql/field.cc`, `Field_string::save_field_metadata`.
    #[must_use]
    pub fn unmixed(self) -> (u8, u16) {
        if self.code != Self::STRING {
            return (self.code, self.meta);
        }
        let [first, second] = self.meta_bytes();
        let high = u16::from((first & 0x30) ^ 0x30) << 4;
        (first | 0x30, u16::from(second) | high)
    }

    /// Whether the event does not tell the value's size for certain; see
    /// [`RowsEvent::row_images`](crate::RowsEvent::row_images).
    #[must_use]
    pub fn is_old_temporal(self) -> bool {
        matches!(self.code, Self::TIMESTAMP | Self::TIME | Self::DATETIME)
    }
}

/// Which table the row events with its id are about, until the end of the statement.
///
/// # Wire form
/// Table id, 6 bytes; flags `u16`; database and table, each with length `u8` and NUL; column count; a type code per
/// column; the length of the metadata, and the metadata; bits of nullable columns; optional metadata to the end.
/// MariaDB protocol documentation, page "TABLE_MAP_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    /// The id row events refer to. Ids are used again.
    pub table_id: u64,
    /// 0x0001 always; 0x4000: the table has triggers on the source.
    pub flags: u16,
    /// The database on the source.
    pub db: Bytes,
    /// The table.
    pub table: Bytes,
    /// Types in the order of the columns.
    pub columns: Box<[ColumnType]>,
    /// Columns that may be NULL.
    pub nullable: Bitmap,
    /// Type, length and value of what `binlog_row_metadata` adds; see
    /// [`TableMap::optional_metadata`](TableMap::optional_metadata).
    pub optional: Bytes,
    /// The whole body, without header and checksum.
    pub body: Bytes,
    /// Where the length byte of the database's name stands in `body`.
    db_at: usize,
    /// How large the columns' values are, where their types tell; for reading rows.
    pub(crate) sizes: Box<[Option<Size>]>,
}

impl TableMap {
    /// The id of a row event that belongs to no table and only ends a statement.
    pub const DUMMY_TABLE_ID: u64 = 0x00ff_ffff;

    pub(crate) fn decode(header: &Header, body: &Bytes, post_header: usize) -> Result<TableMap, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let table_id = decode_table_id(&mut reader, post_header)?;
        let flags = reader.u16("flags")?;
        let db_at = reader.position();
        let db = reader.short_text("database")?;
        reader.nul("database")?;
        let table = reader.short_text("table")?;
        reader.nul("table")?;
        let count = decode_column_count(&mut reader)?;
        let codes = reader.slice(count, "column types")?;
        let columns = decode_columns(&mut reader, codes, &|| full_name(&db, &table))?;
        let nullable = Bitmap::new(reader.bytes(Bitmap::bytes_for(count), "nullable columns")?, count);
        let optional = reader.rest();
        let sizes = columns.iter().map(|column| plain_size(*column)).collect();
        Ok(TableMap {
            table_id,
            flags,
            db,
            table,
            columns,
            nullable,
            optional,
            body: body.clone(),
            db_at,
            sizes,
        })
    }

    /// Appends the whole event, without checksum, for a table of the same name in database `db`.
    ///
    /// `header` is the event's own; its length is replaced.
    ///
    /// # Panics
    /// If `db` has more than 255 bytes. Servers allow 64 characters of at most three bytes.
    pub fn encode_renamed(&self, header: &Header, db: &[u8], out: &mut Vec<u8>) {
        let db_length = u8::try_from(db.len()).expect("a database's name has at most 192 bytes");
        let start = out.len();
        out.reserve(HEADER_BYTES + self.body.len() + db.len());
        header.encode(out);
        out.extend_from_slice(&self.body[..self.db_at]);
        out.push(db_length);
        out.extend_from_slice(db);
        // The NUL behind the old name goes on behind the new one.
        out.extend_from_slice(&self.body[self.db_at + 1 + self.db.len()..]);
        out[start + 4] = EventType::TABLE_MAP.0;
        patch_length(out, start);
    }

    /// The map with other column types of equally long metadata, and with other optional metadata.
    ///
    /// # Errors
    /// [`DecodeError`] when the body is not the one of this map.
    pub(crate) fn with_types(
        &self,
        code_of: impl Fn(ColumnType) -> u8,
        optional: Vec<u8>,
    ) -> Result<TableMap, DecodeError> {
        let kind = EventType::TABLE_MAP;
        // Behind each name stands a NUL, in front of it its length.
        let count_at = self.db_at + 2 + self.db.len() + 2 + self.table.len();
        let rest = self.body.slice(count_at.min(self.body.len())..);
        let mut reader = Reader::new(&rest, kind, HEADER_BYTES + count_at);
        let count = decode_column_count(&mut reader)?;
        let types_at = count_at + reader.position();
        let mut body = self.body[..self.body.len() - self.optional.len()].to_vec();
        let codes = body
            .get_mut(types_at..types_at + count)
            .filter(|_| count == self.columns.len());
        let Some(codes) = codes else {
            return Err(reader.invalid(
                "column types",
                types_at,
                "the map has another length than its body",
            ));
        };
        for (code, column) in codes.iter_mut().zip(&self.columns) {
            *code = code_of(*column);
        }
        body.extend_from_slice(&optional);
        let header = Header {
            timestamp: 0,
            kind,
            server_id: 0,
            length: 0,
            end_offset: 0,
            flags: 0,
        };
        /// With a table id of six bytes.
        const POST_HEADER_BYTES: usize = 8;
        TableMap::decode(&header, &body.into(), POST_HEADER_BYTES)
    }

    /// Appends the whole event, without checksum, as it came.
    pub fn encode(&self, header: &Header, out: &mut Vec<u8>) {
        let start = out.len();
        header.encode(out);
        out.extend_from_slice(&self.body);
        patch_length(out, start);
    }

    /// Whether a column has a type whose size the event does not tell for certain.
    #[must_use]
    pub fn has_old_temporal(&self) -> bool {
        self.columns.iter().any(|column| column.is_old_temporal())
    }

    /// `database.table`, for messages.
    #[must_use]
    pub fn full_name(&self) -> String {
        full_name(&self.db, &self.table)
    }
}

fn full_name(db: &[u8], table: &[u8]) -> String {
    format!(
        "{}.{}",
        String::from_utf8_lossy(db),
        String::from_utf8_lossy(table)
    )
}

/// Reads a table id: six bytes, or four from servers with a post-header of six.
pub(crate) fn decode_table_id(reader: &mut Reader<'_>, post_header: usize) -> Result<u64, DecodeError> {
    if post_header == 6 {
        reader.u32("table id").map(u64::from)
    } else {
        reader.u48("table id")
    }
}

/// The server's own limit, `MAX_FIELDS`.
const COLUMNS_MAX: u64 = 4096;

/// Reads how many columns the table has.
pub(crate) fn decode_column_count(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let offset = reader.offset();
    match reader.lenenc("column count")? {
        count @ 0..=COLUMNS_MAX => Ok(count as usize),
        count => Err(reader.invalid(
            "column count",
            offset,
            format!("{count}; a table has at most {COLUMNS_MAX}"),
        )),
    }
}

fn decode_columns(
    reader: &mut Reader<'_>,
    codes: &[u8],
    table: &dyn Fn() -> String,
) -> Result<Box<[ColumnType]>, DecodeError> {
    let length = reader.lenenc_size("metadata length")?;
    let offset = reader.offset();
    let mut meta = reader.slice(length, "metadata")?;
    let mut columns = Vec::with_capacity(codes.len());
    for (index, &code) in codes.iter().enumerate() {
        let Some(size) = ColumnType::metadata_bytes(code) else {
            let (table, number) = (table(), index + 1);
            let why = match code {
                ColumnType::OLD_DECIMAL => format!(
                    "column {number} of {table} is a DECIMAL in the format before MySQL 5.0, whose row events cannot be read; on the \
                     source, ALTER TABLE {table} FORCE, or MODIFY the column as DECIMAL, makes later ones readable"
                ),
                _ => format!(
                    "column {number} of {table} has the unknown type {code}; the source is newer than this engine"
                ),
            };
            return Err(reader.invalid("column types", offset, why));
        };
        let Some((own, rest)) = meta.split_at_checked(size) else {
            let why = format!("{length} bytes of metadata end before column {index}");
            return Err(reader.invalid("metadata", offset, why));
        };
        meta = rest;
        let value = own
            .iter()
            .rev()
            .fold(0_u16, |sum, &byte| sum << 8 | u16::from(byte));
        columns.push(ColumnType { code, meta: value });
    }
    if meta.is_empty() {
        Ok(columns.into_boxed_slice())
    } else {
        Err(reader.invalid(
            "metadata",
            offset,
            format!("{} bytes belong to no column", meta.len()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_cannot_be_read_is_told_with_its_column() {
        let decoded = |code: u8| {
            let body =
                Bytes::from([b"\x07\0\0\0\0\0\x01\0\x03old\0\x01t\0\x02\x03", &[code, 0, 0][..]].concat());
            let header = Header {
                timestamp: 0,
                kind: EventType::TABLE_MAP,
                server_id: 1,
                length: 0,
                end_offset: 0,
                flags: 0,
            };
            TableMap::decode(&header, &body, 8).unwrap_err().to_string()
        };
        let old = decoded(ColumnType::OLD_DECIMAL);
        assert!(
            old.contains("column 2 of old.t is a DECIMAL") && old.contains("ALTER TABLE old.t FORCE"),
            "{old}"
        );
        assert!(!old.contains("newer"), "{old}");
        assert!(decoded(99).contains("column 2 of old.t has the unknown type 99; the source is newer"));
    }

    #[test]
    fn string_metadata_unmixes() {
        let string = |first: u8, second: u8| {
            ColumnType {
                code: ColumnType::STRING,
                meta: u16::from_le_bytes([first, second]),
            }
            .unmixed()
        };
        assert_eq!(string(0xfe, 0x0a), (ColumnType::STRING, 10));
        assert_eq!(string(0xee, 0x90), (ColumnType::STRING, 400));
        assert_eq!(string(0xce, 0xfc), (ColumnType::STRING, 1020));
        assert_eq!(string(0xf7, 0x02), (ColumnType::ENUM, 2));
        assert_eq!(string(0xf8, 0x08), (ColumnType::SET, 8));
    }
}
