//! Prepared statements: what the server answers to a prepare, and closing one.

use crate::Error;
use crate::command;
use crate::reader::Reader;
use crate::status::OK;

/// What the server says about a prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedInfo {
    /// The server's number for the statement.
    pub statement_id: u32,
    /// Columns of its result; their definitions follow the parameters'.
    pub column_count: u16,
    /// Parameters (`?`); their definitions follow.
    pub parameter_count: u16,
}

impl PreparedInfo {
    /// Reads the first packet of the answer to a prepare. MariaDB protocol documentation, page "COM_STMT_PREPARE".
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the first byte is not 0x00.
    pub fn decode(payload: &[u8]) -> Result<PreparedInfo, Error> {
        let mut reader = Reader::new("answer to a prepare", payload);
        let first = reader.u8("first byte")?;
        if first != OK {
            return Err(Error::invalid(
                "answer to a prepare",
                format!("the first byte is {first:#04x}, expected 0x00"),
            ));
        }
        Ok(PreparedInfo {
            statement_id: reader.u32("statement id")?,
            column_count: reader.u16("column count")?,
            parameter_count: reader.u16("parameter count")?,
        })
    }
}

/// The payload that closes a statement; there is no answer.
pub fn encode_close(statement_id: u32) -> [u8; 5] {
    let [a, b, c, d] = statement_id.to_le_bytes();
    [command::STMT_CLOSE, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_prepare_is_read() {
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x03\x00\x00\x00\x00";
        let info = PreparedInfo::decode(bytes).unwrap();
        assert_eq!(
            info,
            PreparedInfo {
                statement_id: 1,
                column_count: 2,
                parameter_count: 3
            }
        );
        for length in 0..9 {
            assert!(PreparedInfo::decode(&bytes[..length]).is_err(), "length {length}");
        }
        assert!(PreparedInfo::decode(b"\x01\x01\x00\x00\x00\x02\x00\x03\x00").is_err());
    }
}
