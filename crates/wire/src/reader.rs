//! Reads protocol fields from a payload, each one checked against the bytes that are there.

use crate::Error;

/// The marker of NULL in a text row, in the place of a length. MariaDB protocol documentation, "Protocol data types".
pub const LENENC_NULL: u8 = 0xFB;

/// A position in one payload.
///
/// All integers are little-endian. Every method names the field it reads, so that an error tells which one was cut off.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`, which holds one `what`.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Reader<'a> {
        Reader {
            what,
            bytes,
            offset: 0,
        }
    }

    /// How many bytes were read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// The next byte, without reading it.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.offset).copied()
    }

    /// Reads `count` bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer are left.
    pub fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Error> {
        let found = self
            .offset
            .checked_add(count)
            .and_then(|end| self.bytes.get(self.offset..end));
        let found = found.ok_or_else(|| self.truncated(field, self.offset, count as u64))?;
        self.offset += count;
        Ok(found)
    }

    /// Reads everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        self.offset = self.bytes.len();
        rest
    }

    /// Reads a fixed number of bytes as an array.
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let found = *rest
            .first_chunk::<N>()
            .ok_or_else(|| self.truncated(field, self.offset, N as u64))?;
        self.offset += N;
        Ok(found)
    }

    /// Reads a one-byte integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when no byte is left.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    /// Reads a two-byte integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer bytes are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Reads a three-byte integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer bytes are left.
    pub fn u24(&mut self, field: &'static str) -> Result<u32, Error> {
        let [a, b, c] = self.array(field)?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Reads a four-byte integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer bytes are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Reads an eight-byte integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when fewer bytes are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// Reads a length-encoded integer.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the first byte is the NULL marker (0xFB) or 0xFF.
    pub fn lenenc_int(&mut self, field: &'static str) -> Result<u64, Error> {
        match self.u8(field)? {
            0xFC => Ok(self.u16(field)?.into()),
            0xFD => Ok(self.u24(field)?.into()),
            0xFE => self.u64(field),
            first @ (LENENC_NULL | 0xFF) => {
                let detail = format!(
                    "{field} at offset {} starts a length with {first:#04x}",
                    self.offset - 1
                );
                Err(Error::invalid(self.what, detail))
            }
            small => Ok(small.into()),
        }
    }

    /// Reads a length-encoded string.
    ///
    /// # Errors
    /// As [`Reader::lenenc_int`], and [`Error::Truncated`] when the length is more than what is left.
    pub fn lenenc_bytes(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let offset = self.offset;
        let length = self.lenenc_int(field)?;
        if length > self.left() as u64 {
            return Err(self.truncated(field, offset, length));
        }
        // No more than what is left, so it fits.
        self.bytes(field, length as usize)
    }

    /// Reads up to the next zero byte, and past it.
    ///
    /// # Errors
    /// [`Error::Truncated`] when there is no zero byte.
    pub fn null_terminated(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        match rest.iter().position(|byte| *byte == 0) {
            Some(length) => {
                self.offset += length + 1;
                Ok(rest.get(..length).unwrap_or_default())
            }
            None => Err(self.truncated(field, self.offset, rest.len() as u64 + 1)),
        }
    }

    fn truncated(&self, field: &'static str, offset: usize, needed: u64) -> Error {
        Error::Truncated {
            what: self.what,
            field,
            offset,
            needed,
            left: self.bytes.len().saturating_sub(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_encoded_integers_have_four_forms() {
        let bytes = [
            0xFA, 0xFC, 0xFB, 0x00, 0xFD, 0x00, 0x00, 0x01, 0xFE, 1, 2, 3, 4, 5, 6, 7, 8, //
        ];
        let mut reader = Reader::new("test", &bytes);
        assert_eq!(reader.lenenc_int("a"), Ok(250));
        assert_eq!(reader.lenenc_int("b"), Ok(251));
        assert_eq!(reader.lenenc_int("c"), Ok(65536));
        assert_eq!(reader.lenenc_int("d"), Ok(0x0807_0605_0403_0201));
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn length_encoded_integers_refuse_null_and_error_markers() {
        for first in [0xFB, 0xFF] {
            let error = Reader::new("row", &[first, 1, 2]).lenenc_int("cell").unwrap_err();
            assert!(matches!(error, Error::Invalid { what: "row", .. }), "{error}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error_that_names_the_field() {
        let bytes = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, b'x'];
        let error = Reader::new("row", &bytes).lenenc_bytes("cell 1").unwrap_err();
        assert_eq!(
            error,
            Error::Truncated {
                what: "row",
                field: "cell 1",
                offset: 0,
                needed: u64::MAX,
                left: 10
            }
        );
    }

    #[test]
    fn a_string_without_its_zero_byte_is_truncated() {
        let mut reader = Reader::new("greeting", b"ab\0cd");
        assert_eq!(reader.null_terminated("first"), Ok(&b"ab"[..]));
        assert!(matches!(
            reader.null_terminated("second"),
            Err(Error::Truncated { offset: 3, .. })
        ));
        assert_eq!(reader.rest(), b"cd");
    }
}
