//! Where a stream stands in the source's binlog.

use std::sync::Arc;

use crate::coordinates::Coordinates;
use crate::events::Rotate;
use crate::group::GroupError;
use crate::header::Header;

/// Events carry the low 32 bits of their end.
const WRAP: u64 = 1 << 32;

/// The end of the last event read. Events carry the low 32 bits of it, or, inside a group from 11.4 on, nothing.
#[derive(Debug)]
pub(super) struct StreamOffset {
    file: Arc<str>,
    end: u64,
}

impl StreamOffset {
    pub(super) fn new(start: &Coordinates) -> StreamOffset {
        StreamOffset {
            file: Arc::clone(&start.file),
            end: start.offset,
        }
    }

    pub(super) fn coordinates(&self) -> Coordinates {
        Coordinates {
            file: Arc::clone(&self.file),
            offset: self.end,
        }
    }

    /// Goes to another file. Its offset has 64 bits.
    pub(super) fn rotate(&mut self, rotate: &Rotate) {
        if self.file.as_bytes() != rotate.file {
            self.file = String::from_utf8_lossy(&rotate.file).into();
        }
        self.end = rotate.offset;
    }

    /// Moves behind an event that stands in the file.
    ///
    /// An end of 0 says nothing: inside a group the event's own length then tells, outside nothing moves.
    pub(super) fn advance(&mut self, header: &Header, is_inside_group: bool) -> Result<(), GroupError> {
        if header.is_artificial() {
            return Ok(());
        }
        if header.end_offset != 0 {
            return self.jump(header);
        }
        if is_inside_group {
            self.end = self.end.saturating_add(u64::from(header.length));
        }
        Ok(())
    }

    /// Moves behind a Format_description, which stands at the start of the file but is sent wherever a stream begins.
    pub(super) fn enter(&mut self, header: &Header) {
        if self.end == Coordinates::FIRST_OFFSET && !header.is_artificial() {
            self.end = self.end.max(u64::from(header.end_offset));
        }
    }

    /// Moves to the end offset of an event, if it has one; over events that the source left out.
    pub(super) fn jump(&mut self, header: &Header) -> Result<(), GroupError> {
        if header.end_offset == 0 {
            return Ok(());
        }
        let same = self.end & !(WRAP - 1) | u64::from(header.end_offset);
        self.end = if same >= self.end {
            same
        } else if self.end - same > WRAP / 2 {
            // The file passed a multiple of 4 GiB.
            same.saturating_add(WRAP)
        } else {
            return Err(GroupError::OffsetWentBack {
                file: self.file.to_string(),
                end: self.end,
                next: header.end_offset,
            });
        };
        Ok(())
    }

    /// Where another place of the source is, of which the low 32 bits are known: in the file that is read, the nearest.
    pub(super) fn widen(&self, file: &[u8], low: u32) -> Coordinates {
        if self.file.as_bytes() != file {
            return Coordinates::new(String::from_utf8_lossy(file).as_ref(), u64::from(low));
        }
        let same = self.end & !(WRAP - 1) | u64::from(low);
        let is_wrapped = self.end.saturating_sub(same) > WRAP / 2;
        Coordinates {
            file: Arc::clone(&self.file),
            offset: if is_wrapped {
                same.saturating_add(WRAP)
            } else {
                same
            },
        }
    }

    /// Where the event that [`StreamOffset::advance`] has just passed begins: right even after events were left out.
    pub(super) fn begin_of(&self, header: &Header) -> Option<Coordinates> {
        if header.is_artificial() || header.end_offset == 0 {
            return None;
        }
        let offset = self.end.checked_sub(u64::from(header.length))?;
        Some(Coordinates {
            file: Arc::clone(&self.file),
            offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_type::EventType;

    fn event(end_offset: u32, length: u32) -> Header {
        Header {
            timestamp: 1,
            kind: EventType::QUERY,
            server_id: 1,
            length,
            end_offset,
            flags: 0,
        }
    }

    fn at(offset: u64) -> StreamOffset {
        StreamOffset::new(&Coordinates::new("b.000001", offset))
    }

    #[test]
    fn ends_are_believed_unless_zero() {
        let mut stream = at(4);
        stream.advance(&event(256, 252), false).unwrap();
        stream.advance(&event(0, 40), true).unwrap();
        assert_eq!(stream.coordinates().offset, 296);
        stream.advance(&event(0, 40), false).unwrap();
        assert_eq!(stream.coordinates().offset, 296);
        stream
            .advance(
                &Header {
                    flags: Header::FLAG_ARTIFICIAL,
                    ..event(999, 40)
                },
                true,
            )
            .unwrap();
        assert_eq!(stream.coordinates().offset, 296);
        stream.advance(&event(400, 40), true).unwrap();
        assert_eq!(stream.begin_of(&event(400, 40)).unwrap().offset, 360);
    }

    #[test]
    fn offsets_pass_four_gigabytes() {
        let mut stream = at(0xffff_ff00);
        stream.advance(&event(0x10, 0x110), true).unwrap();
        assert_eq!(stream.coordinates().offset, 0x1_0000_0010);
        stream.advance(&event(0x50, 0x40), true).unwrap();
        assert_eq!(stream.coordinates().offset, 0x1_0000_0050);
        stream.end = 0x1_ffff_ff00;
        stream.advance(&event(0x10, 0x110), true).unwrap();
        assert_eq!(stream.coordinates().offset, 0x2_0000_0010);
    }

    #[test]
    fn other_places_of_the_file_are_widened() {
        let stream = at(0x1_ffff_0000);
        assert_eq!(stream.widen(b"b.000001", 0xffff_5000).offset, 0x1_ffff_5000);
        assert_eq!(stream.widen(b"b.000001", 0x5000).offset, 0x2_0000_5000);
        assert_eq!(
            stream.widen(b"b.000002", 0x5000),
            Coordinates::new("b.000002", 0x5000)
        );
    }

    #[test]
    fn going_back_is_an_error() {
        let error = at(5000).advance(&event(4000, 40), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read b.000001: an event ends at 4000, after one that ended at 5000; the stream went back"
        );
    }

    #[test]
    fn the_end_of_all_offsets_is_not_passed() {
        let mut stream = at(u64::MAX);
        stream.advance(&event(0x10, 0x40), true).unwrap();
        stream.advance(&event(0, 0x40), true).unwrap();
        assert_eq!(stream.coordinates().offset, u64::MAX);
        assert_eq!(stream.widen(b"b.000001", 0x10).offset, u64::MAX);
    }

    #[test]
    fn a_rotate_has_the_whole_offset() {
        let mut stream = at(5000);
        stream.rotate(&Rotate {
            offset: 1 << 33,
            file: bytes::Bytes::from_static(b"b.000002"),
        });
        assert_eq!(stream.coordinates(), Coordinates::new("b.000002", 1 << 33));
    }
}
