//! Rows of the text protocol: one length-encoded string, or NULL, per column.

use std::borrow::Cow;

use bytes::Bytes;

use crate::Error;
use crate::reader::{LENENC_NULL, Reader};
use crate::writer::put_lenenc_bytes;

/// One row; its cells are slices of the payload it came in.
///
/// The first byte of a row can be anything but 0xFF: 0x00 is an empty first cell, 0xFB a NULL, 0xFE a first cell of 16 MiB
/// or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    payload: Bytes,
    cells: Box<[Option<Cell>]>,
}

/// Where a cell lies in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    start: u32,
    length: u32,
}

impl Row {
    /// Finds the cells of a row with `column_count` columns.
    ///
    /// # Errors
    /// [`Error::Truncated`] when a cell is cut off, [`Error::Invalid`] when bytes are left over, [`Error::TooLarge`] when the
    /// row has more than 4 GiB.
    pub fn decode(payload: Bytes, column_count: usize) -> Result<Row, Error> {
        if u32::try_from(payload.len()).is_err() {
            return Err(Error::TooLarge {
                what: "row",
                size: payload.len() as u64,
                limit: u32::MAX.into(),
            });
        }
        let mut reader = Reader::new("row", &payload);
        // A row has at least one byte per column.
        let mut cells = Vec::with_capacity(column_count.min(payload.len()));
        for _ in 0..column_count {
            if reader.peek() == Some(LENENC_NULL) {
                reader.u8("NULL")?;
                cells.push(None);
                continue;
            }
            let cell = reader.lenenc_bytes("cell")?;
            let start = reader.offset() - cell.len();
            cells.push(Some(Cell {
                start: start as u32,
                length: cell.len() as u32,
            }));
        }
        if reader.left() > 0 {
            let detail = format!("{} bytes are left after {column_count} cells", reader.left());
            return Err(Error::invalid("row", detail));
        }
        Ok(Row {
            payload,
            cells: cells.into_boxed_slice(),
        })
    }

    /// The bytes of cell `index`; `None` for NULL, and for a cell that the row does not have.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let Cell { start, length } = (*self.cells.get(index)?)?;
        self.payload.get(start as usize..start as usize + length as usize)
    }

    /// Cell `index` as text, with what is not UTF-8 replaced; `None` as for [`Row::get`].
    pub fn text(&self, index: usize) -> Option<String> {
        self.get(index)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// How many cells the row has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether the row has no cells, which no server sends.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// All cells in order; `None` for NULL.
    pub fn cells(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes of the row as it came from the server.
    pub fn size_bytes(&self) -> usize {
        self.payload.len()
    }
}

/// Appends a row's payload.
pub fn encode<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = Option<Cow<'a, [u8]>>>) {
    for cell in cells {
        match cell {
            None => out.push(LENENC_NULL),
            Some(bytes) => put_lenenc_bytes(out, &bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_null_and_text_are_three_things() {
        let row = Row::decode(Bytes::from_static(b"\x00\xfb\x03abc"), 3).unwrap();
        assert_eq!(row.get(0), Some(&b""[..]));
        assert_eq!(row.get(1), None);
        assert_eq!(row.text(2).as_deref(), Some("abc"));
        assert_eq!(row.get(3), None);
        assert_eq!(row.len(), 3);
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_an_error() {
        let bytes = Bytes::from_static(b"\x01a\x01b");
        assert!(matches!(
            Row::decode(bytes.clone(), 1),
            Err(Error::Invalid { .. })
        ));
        assert!(matches!(Row::decode(bytes, 3), Err(Error::Truncated { .. })));
    }

    #[test]
    fn an_absurd_column_count_reserves_nothing() {
        assert!(Row::decode(Bytes::from_static(b"\x01a"), usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn rows_come_back(cells in proptest::collection::vec(
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), 1..20)) {
            let mut out = Vec::new();
            encode(&mut out, cells.iter().map(|cell| cell.as_deref().map(Cow::Borrowed)));
            let row = Row::decode(out.into(), cells.len()).unwrap();
            let found: Vec<_> = row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect();
            prop_assert_eq!(found, cells);
        }

        #[test]
        fn hostile_rows_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), columns in 0usize..50) {
            let _ = Row::decode(bytes.into(), columns);
        }
    }
}
