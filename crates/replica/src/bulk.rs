//! Row statements as a shape and a row of values, so that those of one shape can be executed together.
//!
//! The shape is the statement with its literals taken out: `UPDATE t SET a=? WHERE id=?`. Whatever makes two executions differ
//! but the values is part of it, or keeps a statement from having one (`prepare/shapes.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tributary_client::ParamType;
use tributary_schedule::TableId;

use crate::keys::Keys;

/// Shapes kept for sharing; with more, all are made anew. A program has as many as it has statements in its source text, times
/// the columns that may be NULL or not.
const SHAPES_MAX: usize = 2048;

/// What a statement is besides the values of its row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The statement with `?` for its values, in the target's names.
    pub(crate) text: Bytes,
    /// The types of the values.
    pub(crate) types: Vec<ParamType>,
    pub(crate) table: TableId,
    /// Whether it may depend on when the source ran it.
    pub(crate) reads_clock: bool,
    pub(crate) repeats: Repeats,
}

/// What happens when several executions are begun again from the first one, of which some had been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// An INSERT that writes over no row: the server tells how many rows are in.
    Counted,
    /// One that does, by REPLACE or ON DUPLICATE KEY UPDATE; how many rows are in is told as well.
    CountedOver,
    /// Rows named by their key get values that do not depend on what they had, or vanish: the same comes out.
    Same,
    /// Something else may come out.
    Differs,
}

/// One statement as a row of values.
#[derive(Debug)]
pub(crate) struct BulkRow {
    pub(crate) shape: Arc<Shape>,
    /// The values, as a bulk execute carries them.
    pub(crate) values: Vec<u8>,
    /// Hashes of the rows it writes.
    pub(crate) keys: Keys,
}

impl BulkRow {
    /// Whether it can be made twice: the same rows are there then, if a duplicate key says that the row is there already.
    pub(crate) fn can_be_made_twice(&self) -> bool {
        match self.shape.repeats {
            Repeats::Counted => !self.keys.is_empty(),
            Repeats::Same => true,
            Repeats::CountedOver | Repeats::Differs => false,
        }
    }
}

/// Makes equal shapes one.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: HashMap<Vec<u8>, Arc<Shape>>,
    key: Vec<u8>,
}

impl Shapes {
    /// The one shape that is equal to this. `text` is the statement with `?` for its values.
    pub(crate) fn get(
        &mut self,
        text: &[u8],
        types: &[ParamType],
        table: TableId,
        reads_clock: bool,
        repeats: Repeats,
    ) -> Arc<Shape> {
        self.key.clear();
        self.key.extend_from_slice(&table.0.to_le_bytes());
        self.key.push(u8::from(reads_clock) | (repeats as u8) << 1);
        self.key.extend(types.iter().map(|kind| match kind {
            ParamType::LongLong { unsigned: false } => b'i',
            ParamType::LongLong { unsigned: true } => b'u',
            ParamType::Double => b'f',
            ParamType::VarString => b's',
            ParamType::Blob => b'b',
            ParamType::NewDecimal => b'd',
        }));
        self.key.push(0);
        self.key.extend_from_slice(text);
        if let Some(known) = self.known.get(&self.key) {
            return known.clone();
        }
        if self.known.len() >= SHAPES_MAX {
            self.known.clear();
        }
        let shape = Arc::new(Shape {
            text: Bytes::copy_from_slice(text),
            types: types.to_vec(),
            table,
            reads_clock,
            repeats,
        });
        self.known.insert(self.key.clone(), shape.clone());
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_are_one_and_others_are_not() {
        let mut shapes = Shapes::default();
        let int = [ParamType::LongLong { unsigned: false }];
        let mut get = |text: &str, types: &[ParamType], table, reads_clock, repeats| {
            shapes.get(text.as_bytes(), types, TableId(table), reads_clock, repeats)
        };
        let first = get("UPDATE t SET a=?", &int, 1, false, Repeats::Same);
        assert!(Arc::ptr_eq(
            &first,
            &get("UPDATE t SET a=?", &int, 1, false, Repeats::Same)
        ));
        for other in [
            get("UPDATE t SET b=?", &int, 1, false, Repeats::Same),
            get(
                "UPDATE t SET a=?",
                &[ParamType::VarString],
                1,
                false,
                Repeats::Same,
            ),
            get("UPDATE t SET a=?", &int, 2, false, Repeats::Same),
            get("UPDATE t SET a=?", &int, 1, true, Repeats::Same),
            get("UPDATE t SET a=?", &int, 1, false, Repeats::Differs),
        ] {
            assert!(!Arc::ptr_eq(&first, &other), "{other:?}");
        }
    }
}
