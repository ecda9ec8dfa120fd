//! Row events of tables with MySQL's JSON columns: documents become the text that MariaDB keeps for them.

use crate::bitmap::{Bitmap, bit};
use crate::error::DecodeError;
use crate::events::{ColumnType, RowsEvent, RowsOp, TableMap};
use crate::mysql::json::{Json, parse};
use crate::mysql::json_diff::{self, lenenc};
use crate::value::{Problem, extent, type_name};

/// Updated rows with changes of JSON documents in place of the documents (`binlog_row_value_options=PARTIAL_JSON` of MySQL).
///
/// # Wire form
/// As an update in [`RowsVersion::V2`](crate::RowsVersion::V2), with more in front of each after image: options as a
/// length-encoded integer, and, if its first bit is set, a bit per JSON column of the table that says whether the image holds changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRows {
    /// The event up to its rows, and the rows as they came.
    pub rows: RowsEvent,
}

/// The option that documents may be changes.
const OPTION_PARTIAL_JSON: u64 = 1;

/// Optional metadata of character sets. It counts off character columns, which JSON columns become here only.
const CHARSET_FIELDS: [u8; 2] = [2, 3];

/// The map of the table with text in place of MySQL's JSON columns; `None` if it has none.
pub(super) fn without_json(map: &TableMap) -> Result<Option<TableMap>, DecodeError> {
    if !map.columns.iter().any(|column| is_mysql_only(*column)) {
        return Ok(None);
    }
    let code_of = |column: ColumnType| {
        if is_mysql_only(column) {
            ColumnType::BLOB
        } else {
            column.code
        }
    };
    map.with_types(code_of, without_charsets(&map.optional)).map(Some)
}

fn is_mysql_only(column: ColumnType) -> bool {
    matches!(column.code, ColumnType::MYSQL_JSON | ColumnType::MYSQL_VECTOR)
}

fn without_charsets(optional: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(optional.len());
    let mut rest = optional;
    while let Some((&field, behind)) = rest.split_first() {
        let Some((length, value)) = lenenc(behind) else {
            break;
        };
        let Some(next) = usize::try_from(length)
            .ok()
            .and_then(|length| value.get(length..))
        else {
            break;
        };
        let (whole, next) = rest.split_at(rest.len() - next.len());
        if !CHARSET_FIELDS.contains(&field) {
            kept.extend_from_slice(whole);
        }
        rest = next;
    }
    kept
}

/// The rows with text in place of documents. `map` is the table's own.
pub(super) fn with_json_text(rows: RowsEvent, map: &TableMap) -> Result<RowsEvent, DecodeError> {
    let mut writer = Writer::new(map, &rows)?;
    let mut data = &rows.rows[..];
    while !data.is_empty() {
        let before = data;
        data = writer.image(&rows.present, data, &Changes::NONE)?;
        if let (RowsOp::Update, Some(after)) = (rows.op, &rows.present_after) {
            data = writer.image(after, data, &Changes::NONE)?;
        }
        refuse_empty(before, data)?;
    }
    Ok(RowsEvent {
        rows: writer.out.into(),
        ..rows
    })
}

impl PartialRows {
    /// The rows with whole documents, as text: the changes applied to the before images. `map` is the table's own.
    pub(super) fn into_rows(self, map: &TableMap) -> Result<RowsEvent, DecodeError> {
        let rows = self.rows;
        let mut writer = Writer::new(map, &rows)?;
        let after = rows.last_present();
        let mut data = &rows.rows[..];
        while !data.is_empty() {
            let before = data;
            writer.documents.clear();
            writer.keeps = true;
            data = writer.image(&rows.present, data, &Changes::NONE)?;
            writer.keeps = false;
            let (options, rest) =
                lenenc(data).ok_or_else(|| problem(0, map, "the row ends before its options"))?;
            let (changes, rest) = if options & OPTION_PARTIAL_JSON == 0 {
                (Changes::NONE, rest)
            } else {
                Changes::read(map, after, rest)?
            };
            data = writer.image(after, rest, &changes)?;
            refuse_empty(before, data)?;
        }
        Ok(RowsEvent {
            rows: writer.out.into(),
            ..rows
        })
    }
}

fn refuse_empty(before: &[u8], after: &[u8]) -> Result<(), DecodeError> {
    if after.len() < before.len() {
        return Ok(());
    }
    Err(DecodeError::Value {
        column: 0,
        kind: "row".into(),
        why: "a row of no bytes".into(),
    })
}

/// Which JSON columns of an after image hold changes, by their number among the JSON columns.
struct Changes<'d> {
    bits: &'d [u8],
}

impl<'d> Changes<'d> {
    const NONE: Changes<'static> = Changes { bits: &[] };

    fn read(map: &TableMap, after: &Bitmap, data: &'d [u8]) -> Result<(Changes<'d>, &'d [u8]), DecodeError> {
        let json = || {
            let columns = map.columns.iter().enumerate();
            columns.filter(|(_, column)| column.code == ColumnType::MYSQL_JSON)
        };
        let (bits, rest) = data
            .split_at_checked(Bitmap::bytes_for(json().count()))
            .ok_or_else(|| problem(0, map, "the row ends before its options"))?;
        // With columns left out it is not certain which bit belongs to which.
        if bits.iter().any(|byte| *byte != 0)
            && let Some((column, _)) = json().find(|(column, _)| !after.is_set(*column))
        {
            return Err(problem(column, map, NOT_FULL));
        }
        Ok((Changes { bits }, rest))
    }
}

const NOT_FULL: &str = "the event holds changes of a JSON document without the document; set binlog_row_image=FULL or \
     binlog_row_value_options='' on the source, and copy the table again";

/// Writes row images with text in place of documents.
struct Writer<'m> {
    map: &'m TableMap,
    out: Vec<u8>,
    /// Whether documents are kept, for the changes that follow.
    keeps: bool,
    /// Documents of the last before image, by column.
    documents: Vec<(usize, Json)>,
}

impl<'m> Writer<'m> {
    fn new(map: &'m TableMap, rows: &RowsEvent) -> Result<Writer<'m>, DecodeError> {
        if rows.column_count != map.columns.len() {
            let why = format!(
                "the rows have {} columns, the table map {}",
                rows.column_count,
                map.columns.len()
            );
            return Err(problem(0, map, why));
        }
        Ok(Writer {
            map,
            out: Vec::with_capacity(rows.rows.len() + rows.rows.len() / 2),
            keeps: false,
            documents: Vec::new(),
        })
    }

    /// Copies the image at the start of `data`; returns what follows it.
    fn image<'d>(
        &mut self,
        present: &Bitmap,
        data: &'d [u8],
        changes: &Changes<'_>,
    ) -> Result<&'d [u8], DecodeError> {
        let (nulls, mut data) = data
            .split_at_checked(Bitmap::bytes_for(present.count_set()))
            .ok_or_else(|| problem(0, self.map, "the row ends inside its NULL bits"))?;
        self.out.extend_from_slice(nulls);
        let (mut place, mut json_place) = (0, 0);
        for (column, &kind) in self.map.columns.iter().enumerate() {
            let is_json = kind.code == ColumnType::MYSQL_JSON;
            let is_changes = is_json && bit(changes.bits, json_place);
            json_place += usize::from(is_json);
            if !present.is_set(column) {
                continue;
            }
            let is_null = bit(nulls, place);
            place += 1;
            if is_null {
                continue;
            }
            let at = extent(kind, 0, data).map_err(|why| problem(column, self.map, why))?;
            let (whole, rest) = data.split_at(at.prefix + at.length);
            data = rest;
            if is_json {
                self.document(column, &whole[at.prefix..], is_changes)
                    .map_err(|why| problem(column, self.map, why))?;
            } else {
                self.out.extend_from_slice(whole);
            }
        }
        Ok(data)
    }

    /// Writes a document as text, behind its length.
    fn document(&mut self, column: usize, value: &[u8], is_changes: bool) -> Result<(), Problem> {
        let document = if is_changes {
            let known = self.documents.iter().position(|(known, _)| *known == column);
            let mut document = self.documents.swap_remove(known.ok_or(NOT_FULL)?).1;
            json_diff::apply(&mut document, value)?;
            document
        } else {
            parse(value)?
        };
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        document.write(&mut self.out);
        let length =
            u32::try_from(self.out.len() - at - 4).map_err(|_| "a JSON document of more than 4 GiB")?;
        self.out[at..at + 4].copy_from_slice(&length.to_le_bytes());
        if self.keeps {
            self.documents.push((column, document));
        }
        Ok(())
    }
}

#[cold]
fn problem(column: usize, map: &TableMap, why: impl Into<Problem>) -> DecodeError {
    DecodeError::Value {
        column,
        kind: map
            .columns
            .get(column)
            .map_or("row".into(), |kind| type_name(*kind)),
        why: format!("{} (table {})", why.into(), map.full_name()).into(),
    }
}
