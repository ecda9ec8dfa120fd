//! Row events for a table whose columns lie in another order, or that has more or fewer of them.
//!
//! A table map and its row events are written anew with every column at its place in the other table. Columns that are not
//! fed are absent from the images, as under `binlog_row_image=MINIMAL`: an insert gives them their defaults, an update
//! leaves them alone.

use bytes::Bytes;

use crate::bitmap::Bitmap;
use crate::error::DecodeError;
use crate::event_type::EventType;
use crate::events::{ColumnType, RowsEvent, TableMap, encode_lenenc};
use crate::header::Header;
use crate::row::{Cell, RowImage};
use crate::value;

/// Where the columns of a source's table lie in a target's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMove {
    /// Per column of the source: its place on the target, below the length of `target`. `None`: it is dropped.
    pub places: Vec<Option<usize>>,
    /// Per column of the target, as far as the table map is to tell: what the events will hold there.
    pub target: Vec<MovedColumn>,
    /// Fractional digits of source columns in the temporal formats before 10.1, by column; see
    /// [`RowsEvent::row_images_with`].
    pub old_digits: Vec<u8>,
    /// The source's column that tells until when a row of a system-versioned table was current, and how the target says that it
    /// still is, where the source says it otherwise.
    pub period_end: Option<(usize, PeriodEnd)>,
}

/// How a server says that a row of a system-versioned table is current: with the last moment that its timestamps have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodEnd {
    /// Before MariaDB 11.5.
    Year2038,
    /// From then on.
    Year2106,
}

impl PeriodEnd {
    /// What a server of this version writes.
    #[must_use]
    pub fn of_version(major: u32, minor: u32) -> PeriodEnd {
        if (major, minor) >= (11, 5) {
            PeriodEnd::Year2106
        } else {
            PeriodEnd::Year2038
        }
    }

    /// As `TIMESTAMP(6)`: the last second of the range, .999999.
    const fn raw(self) -> [u8; 7] {
        match self {
            PeriodEnd::Year2038 => [0x7f, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x3f],
            PeriodEnd::Year2106 => [0xff, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x3f],
        }
    }

    /// The value as it means the same under this way of saying it.
    fn translate(self, raw: &[u8]) -> Option<[u8; 7]> {
        let is_other = [PeriodEnd::Year2038, PeriodEnd::Year2106]
            .iter()
            .any(|end| *end != self && end.raw() == raw);
        is_other.then(|| self.raw())
    }
}

/// A column in the table map that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedColumn {
    /// Type of the values: the source's, so that the server converts or refuses them as it would otherwise; or a temporal
    /// type of the format since 10.1 where the source's is of the format before.
    pub kind: ColumnType,
    /// Whether it may be NULL.
    pub is_nullable: bool,
}

impl TableMap {
    /// The table map with the columns moved. Optional metadata, which names columns by their old places, is left out.
    ///
    /// # Errors
    /// [`DecodeError`] when the move asks for a type that no table map can hold.
    pub fn moved(&self, columns: &ColumnMove) -> Result<TableMap, DecodeError> {
        let mut body = Vec::with_capacity(self.body.len() + 4 * columns.target.len());
        body.extend_from_slice(&self.table_id.to_le_bytes()[..6]);
        body.extend_from_slice(&self.flags.to_le_bytes());
        for name in [&self.db, &self.table] {
            // Names were read with a length of one byte.
            body.push(name.len() as u8);
            body.extend_from_slice(name);
            body.push(0);
        }
        let mut meta = Vec::new();
        let mut nullable = vec![0_u8; Bitmap::bytes_for(columns.target.len())];
        encode_lenenc(columns.target.len(), &mut body);
        for (index, column) in columns.target.iter().enumerate() {
            body.push(column.kind.code);
            let size = ColumnType::metadata_bytes(column.kind.code).unwrap_or(0);
            meta.extend_from_slice(&column.kind.meta_bytes()[..size]);
            set(&mut nullable, index, column.is_nullable);
        }
        encode_lenenc(meta.len(), &mut body);
        body.extend_from_slice(&meta);
        body.extend_from_slice(&nullable);
        let header = Header {
            timestamp: 0,
            kind: EventType::TABLE_MAP,
            server_id: 0,
            length: 0,
            end_offset: 0,
            flags: 0,
        };
        TableMap::decode(&header, &Bytes::from(body), 8)
    }
}

impl RowsEvent {
    /// The event with the columns moved; `map` is the table map it came with.
    ///
    /// # Errors
    /// [`DecodeError`] when the rows do not read, or the move does not fit them.
    pub fn moved(&self, map: &TableMap, columns: &ColumnMove) -> Result<RowsEvent, DecodeError> {
        let present = moved_present(&self.present, columns);
        let present_after = self
            .present_after
            .as_ref()
            .map(|after| moved_present(after, columns));
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut cells = vec![Cell::Absent; columns.target.len()];
        let images = if columns.old_digits.is_empty() {
            self.row_images(map)
        } else {
            self.row_images_with(map, &columns.old_digits)
        };
        for row in images {
            let row = row?;
            for image in [&row.before, &row.after].into_iter().flatten() {
                encode_image(map, image, columns, &mut cells, &mut rows)?;
            }
        }
        Ok(RowsEvent {
            column_count: columns.target.len(),
            present,
            present_after,
            rows: rows.into(),
            was_compressed: false,
            ..self.clone()
        })
    }
}

fn moved_present(present: &Bitmap, columns: &ColumnMove) -> Bitmap {
    let count = columns.target.len();
    let mut bytes = vec![0; Bitmap::bytes_for(count)];
    for (column, place) in columns.places.iter().enumerate() {
        if let Some(place) = place {
            set(&mut bytes, *place, present.is_set(column));
        }
    }
    Bitmap::new(bytes.into(), count)
}

fn set(bits: &mut [u8], index: usize, is_set: bool) {
    if let (true, Some(byte)) = (is_set, bits.get_mut(index / 8)) {
        *byte |= 1 << (index % 8);
    }
}

/// Appends one image. `cells` is room for one value per target column.
fn encode_image<'a>(
    map: &TableMap,
    image: &RowImage<'a>,
    columns: &ColumnMove,
    cells: &mut [Cell<'a>],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    cells.fill(Cell::Absent);
    let mut converted: Vec<(usize, Vec<u8>)> = Vec::new();
    for ((column, cell), place) in image.cells().enumerate().zip(&columns.places) {
        let Some(place) = *place else { continue };
        let (Some(slot), Some(target), Some(kind)) = (
            cells.get_mut(place),
            columns.target.get(place),
            map.columns.get(column),
        ) else {
            return Err(misfit(column));
        };
        *slot = cell;
        if let (true, Cell::Value(raw)) = (kind.is_old_temporal() && target.kind != *kind, cell) {
            let digits = columns.old_digits.get(column).copied().unwrap_or(0);
            let value = value::new_temporal(*kind, digits, raw).map_err(|why| DecodeError::Value {
                column,
                kind: value::type_name(*kind),
                why,
            })?;
            converted.push((place, value));
        }
        if let (Some((end_column, end)), Cell::Value(raw)) = (columns.period_end, cell)
            && end_column == column
            && let Some(value) = end.translate(raw)
        {
            converted.push((place, value.to_vec()));
        }
    }
    let present = cells.iter().filter(|cell| **cell != Cell::Absent);
    let nulls_at = out.len();
    out.resize(nulls_at + Bitmap::bytes_for(present.clone().count()), 0);
    let mut index = 0;
    for (place, cell) in cells.iter().enumerate() {
        match cell {
            Cell::Absent => continue,
            Cell::Null => set(&mut out[nulls_at..], index, true),
            Cell::Value(raw) => {
                let own = converted.iter().find(|(at, _)| *at == place);
                let raw = own.map_or(*raw, |(_, value)| value.as_slice());
                value::encode(columns.target[place].kind, raw, out).map_err(|why| DecodeError::Value {
                    column: place,
                    kind: value::type_name(columns.target[place].kind),
                    why,
                })?;
            }
        }
        index += 1;
    }
    Ok(())
}

fn misfit(column: usize) -> DecodeError {
    DecodeError::Value {
        column,
        kind: "row".into(),
        why: "the move of columns does not fit the table map".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{RowsOp, RowsVersion};

    const INT: ColumnType = ColumnType {
        code: ColumnType::LONG,
        meta: 0,
    };
    const TEXT: ColumnType = ColumnType {
        code: ColumnType::VARCHAR,
        meta: 20,
    };

    /// A table `d.t (INT, VARCHAR(20), INT)`.
    fn map() -> TableMap {
        let empty = ColumnMove {
            places: Vec::new(),
            target: [INT, TEXT, INT]
                .map(|kind| MovedColumn {
                    kind,
                    is_nullable: true,
                })
                .to_vec(),
            old_digits: Vec::new(),
            period_end: None,
        };
        let header = Header {
            timestamp: 0,
            kind: EventType::TABLE_MAP,
            server_id: 0,
            length: 0,
            end_offset: 0,
            flags: 0,
        };
        let body = b"\x07\0\0\0\0\0\x01\0\x01d\0\x01t\0\0\0";
        let none = TableMap::decode(&header, &Bytes::from_static(body), 8).unwrap();
        none.moved(&empty).unwrap()
    }

    fn update() -> RowsEvent {
        RowsEvent {
            op: RowsOp::Update,
            version: RowsVersion::V1,
            table_id: 7,
            flags: 1,
            column_count: 3,
            present: Bitmap::new(Bytes::from_static(&[0b001]), 3),
            present_after: Some(Bitmap::new(Bytes::from_static(&[0b110]), 3)),
            rows: Bytes::from_static(b"\0\x05\0\0\0\x02\x02hi\0\x06\0\0\0\0\x01x\x09\0\0\0"),
            was_compressed: true,
        }
    }

    #[test]
    fn columns_go_to_their_places_and_others_stay_absent() {
        let columns = ColumnMove {
            places: vec![Some(3), Some(0), None],
            target: [TEXT, INT, INT, INT]
                .map(|kind| MovedColumn {
                    kind,
                    is_nullable: false,
                })
                .to_vec(),
            old_digits: Vec::new(),
            period_end: None,
        };
        let map = map();
        let moved_map = map.moved(&columns).unwrap();
        assert_eq!(
            (moved_map.db.as_ref(), moved_map.table.as_ref()),
            (&b"d"[..], &b"t"[..])
        );
        assert_eq!(&*moved_map.columns, [TEXT, INT, INT, INT]);
        let moved = update().moved(&map, &columns).unwrap();
        let rows: Vec<_> = moved.row_images(&moved_map).map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        let cells = |image: Option<RowImage<'_>>| -> Vec<String> {
            image.unwrap().cells().map(|cell| format!("{cell:?}")).collect()
        };
        assert_eq!(
            cells(rows[0].before),
            ["Absent", "Absent", "Absent", "Value([5, 0, 0, 0])"]
        );
        assert_eq!(
            cells(rows[0].after),
            ["Value([104, 105])", "Absent", "Absent", "Absent"]
        );
        assert_eq!(
            cells(rows[1].before),
            ["Absent", "Absent", "Absent", "Value([6, 0, 0, 0])"]
        );
        assert_eq!(
            cells(rows[1].after),
            ["Value([120])", "Absent", "Absent", "Absent"]
        );
    }

    #[test]
    fn a_move_back_gives_the_same_rows() {
        let to = |places: [usize; 3], target: [ColumnType; 3]| ColumnMove {
            places: places.map(Some).to_vec(),
            target: target
                .map(|kind| MovedColumn {
                    kind,
                    is_nullable: true,
                })
                .to_vec(),
            old_digits: Vec::new(),
            period_end: None,
        };
        let map = map();
        let there = to([2, 0, 1], [TEXT, INT, INT]);
        let back = to([1, 2, 0], [INT, TEXT, INT]);
        let moved = update().moved(&map, &there).unwrap();
        let moved_map = map.moved(&there).unwrap();
        let again = moved.moved(&moved_map, &back).unwrap();
        assert_eq!(again.present, update().present);
        assert_eq!(again.present_after, update().present_after);
        // NULL bits beyond the last column are not kept.
        assert_eq!(again.rows.len(), update().rows.len());
        assert_eq!(moved_map.moved(&back).unwrap(), map);
    }

    #[test]
    fn current_rows_stay_current_and_history_stays_as_it_is() {
        let period = ColumnType {
            code: ColumnType::TIMESTAMP2,
            meta: 6,
        };
        let column = MovedColumn {
            kind: period,
            is_nullable: false,
        };
        let columns = |end| ColumnMove {
            places: vec![Some(0), Some(1)],
            target: vec![column; 2],
            old_digits: Vec::new(),
            period_end: Some((1, end)),
        };
        let map = map().moved(&columns(PeriodEnd::Year2106)).unwrap();
        // In the first column the moment is a value like any other.
        let (old, new) = (PeriodEnd::Year2038.raw(), PeriodEnd::Year2106.raw());
        let past = [0x65, 0, 0, 0, 0, 0, 1];
        let rows = |end: [u8; 7]| Bytes::from([&[0], &old[..], &end, &[0], &old, &past].concat());
        let written = RowsEvent {
            op: RowsOp::Write,
            column_count: 2,
            present: Bitmap::new(Bytes::from_static(&[0b11]), 2),
            present_after: None,
            rows: rows(old),
            ..update()
        };
        let there = written.moved(&map, &columns(PeriodEnd::Year2106)).unwrap();
        assert_eq!(there.rows, rows(new));
        let back = there.moved(&map, &columns(PeriodEnd::Year2038)).unwrap();
        assert_eq!(back.rows, rows(old));
    }

    #[test]
    fn a_move_that_does_not_fit_is_an_error() {
        let columns = ColumnMove {
            places: vec![Some(9), Some(0), None],
            target: vec![MovedColumn {
                kind: TEXT,
                is_nullable: true,
            }],
            old_digits: Vec::new(),
            period_end: None,
        };
        assert!(update().moved(&map(), &columns).is_err());
    }
}
