//! A bounds-checked cursor over the bytes of one event.
//!
//! Every read names its field, so a short event yields an error that says which field did not fit and where.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::event_type::EventType;

/// Reads little-endian fields one after the other; slices share the event's buffer.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    event: EventType,
    /// What errors add to `at`, so that offsets count from the start of the event.
    base: usize,
}

macro_rules! read_integer {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&mut self, field: &'static str) -> Result<$type, DecodeError> {
            const SIZE: usize = size_of::<$type>();
            match self
                .bytes
                .get(self.at..)
                .and_then(|left| left.first_chunk::<SIZE>())
            {
                Some(chunk) => {
                    self.at += SIZE;
                    Ok(<$type>::from_le_bytes(*chunk))
                }
                None => Err(self.truncated(field, SIZE)),
            }
        }
    };
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes, event: EventType, base: usize) -> Reader<'a> {
        Reader {
            bytes,
            at: 0,
            event,
            base,
        }
    }

    read_integer!(u8, u8);
    read_integer!(u16, u16);
    read_integer!(u32, u32);
    read_integer!(u64, u64);

    /// Six bytes, as table ids are written.
    pub(crate) fn u48(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let chunk = self.slice(6, field)?;
        let mut wide = [0_u8; 8];
        wide[..6].copy_from_slice(chunk);
        Ok(u64::from_le_bytes(wide))
    }

    /// Three bytes.
    pub(crate) fn u24(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let chunk = self.slice(3, field)?;
        Ok(u32::from_le_bytes([chunk[0], chunk[1], chunk[2], 0]))
    }

    /// The client protocol's length-encoded integer. The NULL marker `fb` and the error marker `ff` are no lengths.
    pub(crate) fn lenenc(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let offset = self.offset();
        match self.u8(field)? {
            small @ 0..=0xfa => Ok(u64::from(small)),
            0xfc => self.u16(field).map(u64::from),
            0xfd => self.u24(field).map(u64::from),
            0xfe => self.u64(field),
            marker => Err(DecodeError::invalid(
                self.event,
                field,
                offset,
                format!("{marker:#04x} does not begin a length-encoded integer"),
            )),
        }
    }

    /// A length-encoded integer that counts something inside this event, so it fits what is left of it.
    pub(crate) fn lenenc_size(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        let size = self.lenenc(field)?;
        let left = self.left();
        match usize::try_from(size) {
            Ok(size) if size <= left => Ok(size),
            _ => Err(self.truncated(field, usize::try_from(size).unwrap_or(usize::MAX))),
        }
    }

    /// The next `count` bytes, borrowed.
    pub(crate) fn slice(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.bytes.get(self.at..).and_then(|left| left.get(..count)) {
            Some(slice) => {
                self.at += count;
                Ok(slice)
            }
            None => Err(self.truncated(field, count)),
        }
    }

    /// The next `count` bytes, sharing the event's buffer.
    pub(crate) fn bytes(&mut self, count: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        let start = self.at;
        self.slice(count, field)?;
        Ok(self.bytes.slice(start..self.at))
    }

    /// Everything that is left, sharing the event's buffer.
    pub(crate) fn rest(&mut self) -> Bytes {
        let start = self.at.min(self.bytes.len());
        self.at = self.bytes.len();
        self.bytes.slice(start..)
    }

    /// Text with a one-byte length in front.
    pub(crate) fn short_text(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let length = usize::from(self.u8(field)?);
        self.bytes(length, field)
    }

    /// The NUL that ends a name.
    pub(crate) fn nul(&mut self, field: &'static str) -> Result<(), DecodeError> {
        let offset = self.offset();
        match self.u8(field)? {
            0 => Ok(()),
            other => Err(DecodeError::invalid(
                self.event,
                field,
                offset,
                format!("{other:#04x} where the NUL that ends the name belongs"),
            )),
        }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.left() == 0
    }

    /// Whether the next byte is this one.
    pub(crate) fn peek_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    /// How far the cursor is from where it began.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The cursor, counted from the start of the event: for messages.
    pub(crate) fn offset(&self) -> usize {
        self.base + self.at
    }

    pub(crate) fn event(&self) -> EventType {
        self.event
    }

    pub(crate) fn invalid(
        &self,
        field: &'static str,
        offset: usize,
        why: impl Into<std::borrow::Cow<'static, str>>,
    ) -> DecodeError {
        DecodeError::invalid(self.event, field, offset, why)
    }

    #[cold]
    fn truncated(&self, field: &'static str, needed: usize) -> DecodeError {
        DecodeError::Truncated {
            event: self.event,
            field,
            offset: self.offset(),
            needed,
            left: self.left(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lenenc(raw: &'static [u8]) -> Result<u64, DecodeError> {
        Reader::new(&Bytes::from_static(raw), EventType::QUERY, 19).lenenc("count")
    }

    #[test]
    fn length_encoded_integers_of_each_width() {
        assert_eq!(lenenc(&[0xfa]), Ok(250));
        assert_eq!(lenenc(&[0xfc, 1, 2]), Ok(0x201));
        assert_eq!(lenenc(&[0xfd, 1, 2, 3]), Ok(0x30201));
        assert_eq!(
            lenenc(&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80]),
            Ok(0x8000_0000_0000_0001)
        );
        assert!(matches!(
            lenenc(&[0xfb]),
            Err(DecodeError::Invalid { offset: 19, .. })
        ));
        assert!(matches!(
            lenenc(&[0xfc, 1]),
            Err(DecodeError::Truncated {
                offset: 20,
                needed: 2,
                left: 1,
                ..
            })
        ));
    }

    #[test]
    fn a_count_larger_than_the_event_is_an_error() {
        let raw = Bytes::from_static(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        let error = Reader::new(&raw, EventType::QUERY, 0)
            .lenenc_size("count")
            .unwrap_err();
        assert!(
            matches!(
                error,
                DecodeError::Truncated {
                    needed: usize::MAX,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn reads_beyond_the_end_leave_the_cursor_in_place() {
        let raw = Bytes::from_static(&[1, 2, 3]);
        let mut reader = Reader::new(&raw, EventType::QUERY, 0);
        assert!(reader.u32("word").is_err());
        assert_eq!(reader.u24("three"), Ok(0x30201));
        assert!(reader.is_at_end());
        assert!(reader.rest().is_empty());
        assert!(reader.slice(usize::MAX, "all").is_err());
    }
}
