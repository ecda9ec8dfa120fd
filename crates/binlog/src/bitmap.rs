//! Bit fields over columns.

use std::fmt;

use bytes::Bytes;

/// One bit per column, least significant bit of each byte first; shares the event's buffer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bitmap {
    bytes: Bytes,
    count: usize,
}

impl Bitmap {
    /// Bytes a bitmap over `count` columns takes.
    #[must_use]
    pub fn bytes_for(count: usize) -> usize {
        count.div_ceil(8)
    }

    /// A bitmap over `count` columns in `bytes`, of which there are [`Bitmap::bytes_for`] that count.
    pub(crate) fn new(bytes: Bytes, count: usize) -> Bitmap {
        debug_assert_eq!(bytes.len(), Bitmap::bytes_for(count));
        Bitmap { bytes, count }
    }

    /// A bitmap over `count` columns in which these are set; those beyond the last are passed over.
    #[must_use]
    pub fn of(count: usize, columns: impl IntoIterator<Item = usize>) -> Bitmap {
        let mut bytes = vec![0; Bitmap::bytes_for(count)];
        for column in columns.into_iter().filter(|column| *column < count) {
            if let Some(byte) = bytes.get_mut(column / 8) {
                *byte |= 1 << (column % 8);
            }
        }
        Bitmap {
            bytes: bytes.into(),
            count,
        }
    }

    /// The bit of column `index`; unset beyond the last.
    #[must_use]
    pub fn is_set(&self, index: usize) -> bool {
        index < self.count && bit(&self.bytes, index)
    }

    /// How many columns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bits are set.
    #[must_use]
    pub fn count_set(&self) -> usize {
        let full = self.count / 8;
        let whole: u32 = self.bytes.iter().take(full).map(|byte| byte.count_ones()).sum();
        let part = self
            .bytes
            .get(full)
            .map_or(0, |byte| (byte & !(0xff_u8 << (self.count % 8))).count_ones());
        whole as usize + part as usize
    }

    /// Whether every column's bit is set.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count_set() == self.count
    }

    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bitmap(")?;
        for index in 0..self.count {
            f.write_str(if self.is_set(index) { "1" } else { "0" })?;
        }
        f.write_str(")")
    }
}

/// Bit `index`, least significant first; unset beyond the end.
pub(crate) fn bit(bytes: &[u8], index: usize) -> bool {
    bytes
        .get(index / 8)
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_make_a_bitmap() {
        let bitmap = Bitmap::of(9, [0, 8, 9, 1000]);
        assert_eq!(bitmap.as_bytes(), [0b0000_0001, 0b0000_0001]);
        assert_eq!((bitmap.len(), bitmap.count_set()), (9, 2));
    }

    #[test]
    fn unused_high_bits_do_not_count() {
        let bitmap = Bitmap::new(Bytes::from_static(&[0b0000_0101, 0xfe]), 9);
        assert_eq!(bitmap.count_set(), 2);
        assert!(bitmap.is_set(0) && bitmap.is_set(2) && !bitmap.is_set(8) && !bitmap.is_set(9));
        assert_eq!(format!("{bitmap:?}"), "Bitmap(101000000)");
        assert!(Bitmap::new(Bytes::from_static(&[0xff]), 8).is_full());
        assert!(Bitmap::new(Bytes::from_static(&[0x07]), 3).is_full());
        assert!(Bitmap::default().is_full());
    }
}
