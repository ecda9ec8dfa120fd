//! Rows events (23 to 25, 30 to 32, and compressed 166 to 171): inserted, updated and deleted rows.

use bytes::Bytes;

use crate::bitmap::Bitmap;
use crate::compress::Expander;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::table_map::{TableMap, decode_column_count, decode_table_id};
use crate::header::{HEADER_BYTES, Header, patch_length};
use crate::reader::Reader;
use crate::row::RowIter;

/// What happened to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsOp {
    /// They were inserted: one image per row, after.
    Write,
    /// They were updated: two images per row, before and after.
    Update,
    /// They were deleted: one image per row, before.
    Delete,
}

/// Which of the two layouts the source used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsVersion {
    /// What MariaDB writes.
    V1,
    /// With extra data, as MySQL writes.
    V2,
}

/// Changed rows of one table.
///
/// # Wire form
/// Table id, 6 bytes; flags `u16`; in V2 the length of extra data `u16`, itself included, and the data; column count;
/// bits of the columns present, for updates twice; rows to the end, in the compressed types as one block.
/// MariaDB protocol documentation, page "ROWS_EVENT_V1/V2".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsEvent {
    /// What happened to the rows.
    pub op: RowsOp,
    /// Which layout the source used.
    pub version: RowsVersion,
    /// Refers to a [`TableMap`] of the same statement.
    pub table_id: u64,
    /// See the `FLAG_*` constants.
    pub flags: u16,
    /// Columns of the table, as in the table map.
    pub column_count: usize,
    /// Columns in the rows' first image.
    pub present: Bitmap,
    /// Columns in the rows' after image; updates only.
    pub present_after: Option<Bitmap>,
    /// The rows, expanded.
    pub rows: Bytes,
    /// Whether the source had compressed the rows.
    pub was_compressed: bool,
}

impl RowsEvent {
    /// The last rows of the statement.
    pub const FLAG_STATEMENT_END: u16 = 0x01;
    /// `foreign_key_checks` was off.
    pub const FLAG_NO_FOREIGN_KEY_CHECKS: u16 = 0x02;
    /// `unique_checks` was off.
    pub const FLAG_RELAXED_UNIQUE_CHECKS: u16 = 0x04;
    /// All columns are there.
    pub const FLAG_COMPLETE_ROWS: u16 = 0x08;
    /// `check_constraint_checks` was off.
    pub const FLAG_NO_CHECK_CONSTRAINT_CHECKS: u16 = 0x80;

    /// What type `kind` holds, and whether it is compressed; `None` if it is no rows event.
    pub(crate) fn kind(kind: EventType) -> Option<(RowsOp, RowsVersion, bool)> {
        use {RowsOp::*, RowsVersion::*};
        Some(match kind {
            EventType::WRITE_ROWS_V1 => (Write, V1, false),
            EventType::UPDATE_ROWS_V1 => (Update, V1, false),
            EventType::DELETE_ROWS_V1 => (Delete, V1, false),
            EventType::WRITE_ROWS_V2 => (Write, V2, false),
            EventType::UPDATE_ROWS_V2 => (Update, V2, false),
            EventType::DELETE_ROWS_V2 => (Delete, V2, false),
            EventType::WRITE_ROWS_COMPRESSED_V1 => (Write, V1, true),
            EventType::UPDATE_ROWS_COMPRESSED_V1 => (Update, V1, true),
            EventType::DELETE_ROWS_COMPRESSED_V1 => (Delete, V1, true),
            EventType::WRITE_ROWS_COMPRESSED_V2 => (Write, V2, true),
            EventType::UPDATE_ROWS_COMPRESSED_V2 => (Update, V2, true),
            EventType::DELETE_ROWS_COMPRESSED_V2 => (Delete, V2, true),
            _ => return None,
        })
    }

    pub(crate) fn decode(
        header: &Header,
        body: &Bytes,
        post_header: usize,
        (op, version, is_compressed): (RowsOp, RowsVersion, bool),
        expander: &mut Expander,
    ) -> Result<RowsEvent, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let table_id = decode_table_id(&mut reader, post_header)?;
        let flags = reader.u16("flags")?;
        if version == RowsVersion::V2 {
            let offset = reader.offset();
            let length = usize::from(reader.u16("extra data length")?);
            let length = length.checked_sub(2).ok_or_else(|| {
                reader.invalid(
                    "extra data length",
                    offset,
                    format!("{length} is less than its own size"),
                )
            })?;
            reader.slice(length, "extra data")?;
        }
        let count = decode_column_count(&mut reader)?;
        let present = Bitmap::new(reader.bytes(Bitmap::bytes_for(count), "columns present")?, count);
        let present_after = match op {
            RowsOp::Update => Some(Bitmap::new(
                reader.bytes(Bitmap::bytes_for(count), "columns present after")?,
                count,
            )),
            RowsOp::Write | RowsOp::Delete => None,
        };
        let offset = reader.offset();
        let mut rows = reader.rest();
        if is_compressed {
            rows = expander.expand(&rows, header.kind, "row data", offset)?;
        }
        Ok(RowsEvent {
            op,
            version,
            table_id,
            flags,
            column_count: count,
            present,
            present_after,
            rows,
            was_compressed: is_compressed,
        })
    }

    /// Whether these are the last rows of the statement.
    #[must_use]
    pub fn is_statement_end(&self) -> bool {
        self.flags & RowsEvent::FLAG_STATEMENT_END != 0
    }

    /// The columns present in the rows' last image.
    #[must_use]
    pub fn last_present(&self) -> &Bitmap {
        self.present_after.as_ref().unwrap_or(&self.present)
    }

    /// The type under which [`RowsEvent::encode_plain`] writes the event.
    #[must_use]
    pub fn plain_kind(&self) -> EventType {
        match self.op {
            RowsOp::Write => EventType::WRITE_ROWS_V1,
            RowsOp::Update => EventType::UPDATE_ROWS_V1,
            RowsOp::Delete => EventType::DELETE_ROWS_V1,
        }
    }

    /// Appends the whole event in layout V1, uncompressed and without checksum: what a `BINLOG` statement takes.
    ///
    /// `header` is the event's own; type and length are replaced.
    pub fn encode_plain(&self, header: &Header, out: &mut Vec<u8>) {
        self.encode_plain_of(header, [&self.rows[..]], out);
    }

    /// As [`RowsEvent::encode_plain`], with these rows, or images, one behind the other.
    pub fn encode_plain_of<'a>(
        &self,
        header: &Header,
        rows: impl IntoIterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.reserve(HEADER_BYTES + 8 + 9 + 2 * self.present.as_bytes().len() + self.rows.len());
        Header {
            kind: self.plain_kind(),
            ..*header
        }
        .encode(out);
        out.extend_from_slice(&self.table_id.to_le_bytes()[..6]);
        out.extend_from_slice(&self.flags.to_le_bytes());
        encode_lenenc(self.column_count, out);
        out.extend_from_slice(self.present.as_bytes());
        if let Some(after) = &self.present_after {
            out.extend_from_slice(after.as_bytes());
        }
        for part in rows {
            out.extend_from_slice(part);
        }
        patch_length(out, start);
    }

    /// The rows, one after the other, as images of raw column values.
    ///
    /// `map` is the table map with this event's table id. The event does not tell the size of columns in the temporal
    /// formats before 10.1 ([`TableMap::has_old_temporal`]): they are taken to have no fractional digits if the whole
    /// event then reads to its end with dates and times that exist; otherwise the first row is an error that says so.
    /// [`RowsEvent::row_images_with`] takes the digits from the caller instead.
    #[must_use]
    pub fn row_images<'a>(&'a self, map: &'a TableMap) -> RowIter<'a> {
        RowIter::new(self, map, None)
    }

    /// As [`RowsEvent::row_images`], with the fractional digits of columns in old temporal formats, by column index;
    /// columns beyond its end have none.
    #[must_use]
    pub fn row_images_with<'a>(&'a self, map: &'a TableMap, old_digits: &'a [u8]) -> RowIter<'a> {
        RowIter::new(self, map, Some(old_digits))
    }
}

pub(crate) fn encode_lenenc(value: usize, out: &mut Vec<u8>) {
    match value {
        0..=0xfa => out.push(value as u8),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&(value as u16).to_le_bytes());
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&(value as u64).to_le_bytes());
        }
    }
}
