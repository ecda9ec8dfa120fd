//! Rotate (4): the binlog goes on in another file.

use bytes::Bytes;

use crate::checksum::ChecksumAlgorithm;
use crate::error::DecodeError;
use crate::header::{self, HEADER_BYTES, Header};
use crate::reader::Reader;

/// The binlog goes on in another file. The one at a file's end has a position itself; the artificial one at the start of
/// a stream, and before each further file, only tells where the next event stands.
///
/// # Wire form
/// Offset `u64`; file name, to the end. MariaDB protocol documentation, page "ROTATE_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotate {
    /// Where the next event begins, in the new file.
    pub offset: u64,
    /// The new file's name.
    pub file: Bytes,
}

impl Rotate {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<Rotate, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let offset = reader.u64("offset")?;
        let at = reader.offset();
        let file = reader.rest();
        check_file_name(&file, header, at)?;
        Ok(Rotate { offset, file })
    }

    /// Appends the whole event, with a checksum if `checksum` is one.
    pub fn encode(&self, header: &Header, checksum: ChecksumAlgorithm, out: &mut Vec<u8>) {
        let start = out.len();
        header.encode(out);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.file);
        header::finish(out, start, checksum);
    }
}

/// File names become part of positions and messages: text without control characters, and not empty.
pub(crate) fn check_file_name(file: &Bytes, header: &Header, offset: usize) -> Result<(), DecodeError> {
    let why = match std::str::from_utf8(file) {
        Err(_) => "not UTF-8",
        Ok("") => "empty",
        Ok(name) if name.chars().any(char::is_control) => "holds control characters",
        Ok(_) => return Ok(()),
    };
    Err(DecodeError::invalid(header.kind, "file name", offset, why))
}
