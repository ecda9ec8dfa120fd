//! Row data to row images: where each column's bytes begin and end.
//!
//! An image is checked to its end before it is handed out, but nothing is collected: reading its columns walks it again,
//! so rows cost no allocation.

use crate::bitmap::{Bitmap, bit};
use crate::error::DecodeError;
use crate::events::{ColumnType, RowsEvent, RowsOp, TableMap};
use crate::value::{self, Extent, Size};

/// One column of a row image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The event does not hold the column (`binlog_row_image`).
    Absent,
    /// NULL.
    Null,
    /// The value's bytes, without the length in front of strings; see [`crate::Value::decode`].
    Value(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// The bytes, unless absent or NULL.
    #[must_use]
    pub fn value(self) -> Option<&'a [u8]> {
        match self {
            Cell::Value(bytes) => Some(bytes),
            Cell::Absent | Cell::Null => None,
        }
    }
}

/// A changed row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What the row was; not for inserts.
    pub before: Option<RowImage<'a>>,
    /// What the row is now; not for deletes.
    pub after: Option<RowImage<'a>>,
    /// The row's bytes as they stand in [`RowsEvent::rows`].
    pub raw: &'a [u8],
}

/// The columns of a row, before or after the change.
#[derive(Debug, Clone, Copy)]
pub struct RowImage<'a> {
    layout: Layout<'a>,
    present: &'a Bitmap,
    nulls: &'a [u8],
    data: &'a [u8],
}

impl<'a> RowImage<'a> {
    /// How many bytes of the event's rows it is.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.nulls.len() + self.data.len()
    }

    /// All columns of the table, in order.
    #[must_use]
    pub fn cells(&self) -> Cells<'a> {
        Cells {
            image: *self,
            column: 0,
            present_before: 0,
            at: 0,
        }
    }

    /// The bytes of an image that holds only `columns` of this one; `None` if one of them is absent or NULL here.
    #[must_use]
    pub fn only(&self, columns: &Bitmap) -> Option<Vec<u8>> {
        let mut bytes = vec![0; Bitmap::bytes_for(columns.count_set())];
        let (mut at, mut present_before) = (0, 0);
        for (column, &kind) in self.layout.columns.iter().enumerate() {
            let is_wanted = columns.is_set(column);
            if !self.present.is_set(column) {
                if is_wanted {
                    return None;
                }
                continue;
            }
            let index = present_before;
            present_before += 1;
            if bit(self.nulls, index) {
                if is_wanted {
                    return None;
                }
                continue;
            }
            let extent = self.layout.extent(column, kind, self.data.get(at..)?).ok()?;
            let end = at + extent.prefix + extent.length;
            if is_wanted {
                bytes.extend_from_slice(self.data.get(at..end)?);
            }
            at = end;
        }
        Some(bytes)
    }

    /// The column at `index`; absent beyond the last.
    #[must_use]
    pub fn cell(&self, index: usize) -> Cell<'a> {
        self.cells().nth(index).unwrap_or(Cell::Absent)
    }
}

/// The columns of a [`RowImage`].
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    image: RowImage<'a>,
    column: usize,
    present_before: usize,
    at: usize,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        let image = &self.image;
        let column = self.column;
        let kind = *image.layout.columns.get(column)?;
        self.column += 1;
        if !image.present.is_set(column) {
            return Some(Cell::Absent);
        }
        let index = self.present_before;
        self.present_before += 1;
        if bit(image.nulls, index) {
            return Some(Cell::Null);
        }
        // The iterator that made the image has walked it with the same extents.
        let extent = image
            .layout
            .extent(column, kind, image.data.get(self.at..)?)
            .ok()?;
        let start = self.at + extent.prefix;
        self.at = start + extent.length;
        image.data.get(start..self.at).map(Cell::Value)
    }
}

/// What is needed to find a column's end.
#[derive(Debug, Clone, Copy)]
struct Layout<'a> {
    columns: &'a [ColumnType],
    sizes: &'a [Option<Size>],
    old_digits: &'a [u8],
}

impl Layout<'_> {
    fn extent(&self, column: usize, kind: ColumnType, data: &[u8]) -> Result<Extent, DecodeError> {
        let size = self.sizes.get(column).copied().flatten();
        match size.and_then(|size| size.extent(data)) {
            Some(extent) => Ok(extent),
            None => {
                value::extent(kind, self.digits(column), data).map_err(|why| value_error(column, kind, why))
            }
        }
    }

    fn digits(&self, column: usize) -> u8 {
        self.old_digits.get(column).copied().unwrap_or(0)
    }

    /// The image at the start of `data`, and what follows it.
    fn split_image<'b>(
        &self,
        present: &'b Bitmap,
        data: &'b [u8],
    ) -> Result<(RowImage<'b>, &'b [u8]), DecodeError>
    where
        Self: 'b,
    {
        let present_count = present.count_set();
        let null_bytes = Bitmap::bytes_for(present_count);
        let (nulls, values) = data
            .split_at_checked(null_bytes)
            .ok_or_else(|| DecodeError::Value {
                column: 0,
                kind: "row".into(),
                why: format!("{null_bytes} bytes of NULL bits needed, {} left", data.len()).into(),
            })?;
        let is_full = present_count == self.columns.len();
        let mut at = 0;
        let mut present_before = 0;
        for (column, &kind) in self.columns.iter().enumerate() {
            if !is_full && !present.is_set(column) {
                continue;
            }
            let index = present_before;
            present_before += 1;
            if bit(nulls, index) {
                continue;
            }
            let extent = self.extent(column, kind, &values[at..])?;
            at += extent.prefix + extent.length;
        }
        let (data, rest) = values.split_at(at);
        Ok((
            RowImage {
                layout: *self,
                present,
                nulls,
                data,
            },
            rest,
        ))
    }
}

fn value_error(column: usize, kind: ColumnType, why: value::Problem) -> DecodeError {
    DecodeError::Value {
        column,
        kind: value::type_name(kind),
        why,
    }
}

/// Reads the rows of an event; ends after the first error.
#[derive(Debug, Clone)]
pub struct RowIter<'a> {
    event: &'a RowsEvent,
    layout: Layout<'a>,
    left: &'a [u8],
    /// Digits of old temporal columns are a guess that the first call has to prove.
    is_unproven: bool,
    is_done: bool,
}

impl<'a> RowIter<'a> {
    pub(crate) fn new(event: &'a RowsEvent, map: &'a TableMap, old_digits: Option<&'a [u8]>) -> RowIter<'a> {
        RowIter {
            event,
            layout: Layout {
                columns: &map.columns,
                sizes: &map.sizes,
                old_digits: old_digits.unwrap_or_default(),
            },
            left: &event.rows,
            is_unproven: old_digits.is_none() && map.has_old_temporal(),
            is_done: false,
        }
    }

    fn read(&mut self) -> Result<Row<'a>, DecodeError> {
        if self.event.column_count != self.layout.columns.len() {
            return Err(DecodeError::Value {
                column: self.layout.columns.len(),
                kind: "row".into(),
                why: format!(
                    "the rows have {} columns, the table map {}",
                    self.event.column_count,
                    self.layout.columns.len()
                )
                .into(),
            });
        }
        if self.is_unproven {
            self.is_unproven = false;
            self.prove_old_temporals()?;
        }
        let whole = self.left;
        let (first, rest) = self.layout.split_image(&self.event.present, whole)?;
        let (before, after, rest) = match (self.event.op, &self.event.present_after) {
            (RowsOp::Update, Some(present_after)) => {
                let (after, rest) = self.layout.split_image(present_after, rest)?;
                (Some(first), Some(after), rest)
            }
            (RowsOp::Delete, _) => (Some(first), None, rest),
            _ => (None, Some(first), rest),
        };
        if rest.len() == whole.len() {
            return Err(DecodeError::Value {
                column: 0,
                kind: "row".into(),
                why: "a row of no bytes".into(),
            });
        }
        self.left = rest;
        Ok(Row {
            before,
            after,
            raw: &whole[..whole.len() - rest.len()],
        })
    }

    /// Without digits the size of an old temporal value is a guess: hold it against the whole event.
    fn prove_old_temporals(&self) -> Result<(), DecodeError> {
        for row in self.clone() {
            let row = row.map_err(|error| self.unknown_digits(&error.to_string()))?;
            for image in [row.before, row.after].into_iter().flatten() {
                for (column, cell) in image.cells().enumerate() {
                    let kind = self.layout.columns[column];
                    if let (true, Cell::Value(raw)) = (kind.is_old_temporal(), cell)
                        && !value::is_plausible_old_temporal(kind, raw)
                    {
                        return Err(self.unknown_digits(&format!("column {column} holds no date or time")));
                    }
                }
            }
        }
        Ok(())
    }

    fn unknown_digits(&self, reason: &str) -> DecodeError {
        let column = self
            .layout
            .columns
            .iter()
            .position(|column| column.is_old_temporal())
            .unwrap_or(0);
        value_error(
            column,
            self.layout.columns[column],
            format!(
                "a temporal column in the format before 10.1, whose fractional digits the event does not tell; \
                 without digits the rows do not read ({reason})"
            )
            .into(),
        )
    }
}

impl<'a> Iterator for RowIter<'a> {
    type Item = Result<Row<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done || self.left.is_empty() {
            return None;
        }
        let row = self.read();
        self.is_done = row.is_err();
        Some(row)
    }
}
