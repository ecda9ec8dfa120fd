//! OK, ERR and EOF packets: how a command ended.

use std::fmt;

use crate::Error;
use crate::reader::Reader;
use crate::writer::put_lenenc_int;

/// First byte of an OK packet.
pub const OK: u8 = 0x00;
/// First byte of an EOF packet, and of an OK packet that ends a result set.
pub const EOF: u8 = 0xFE;
/// First byte of an ERR packet.
pub const ERR: u8 = 0xFF;

/// Server status flag: a transaction is open.
pub const STATUS_IN_TRANSACTION: u16 = 0x0001;
/// Server status flag: autocommit is on.
pub const STATUS_AUTOCOMMIT: u16 = 0x0002;
/// Server status flag: another result follows this one.
pub const STATUS_MORE_RESULTS: u16 = 0x0008;

/// The code of an ERR packet that reports progress and ends nothing.
/// MariaDB protocol documentation, page "ERR_Packet", "progress reporting".
const PROGRESS_CODE: u16 = 0xFFFF;

/// An EOF packet is shorter than this; a longer payload that starts with 0xFE is a row.
const EOF_BYTES_MAX: usize = 9;

/// What a statement that returns no rows reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OkInfo {
    /// Rows changed (not found: `CLIENT_FOUND_ROWS` is off).
    pub affected_rows: u64,
    /// The first automatically generated value of the statement, 0 when there is none.
    pub last_insert_id: u64,
    /// Server status flags, `STATUS_*`.
    pub status: u16,
    /// Number of warnings.
    pub warnings: u16,
}

impl OkInfo {
    /// Whether another result follows in the same reply.
    pub fn has_more_results(&self) -> bool {
        self.status & STATUS_MORE_RESULTS != 0
    }

    /// Whether the session has an open transaction.
    pub fn is_in_transaction(&self) -> bool {
        self.status & STATUS_IN_TRANSACTION != 0
    }

    /// Reads an OK packet, also one that ends a result set (first byte 0xFE). The text after the numbers is left out.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the first byte is neither 0x00 nor 0xFE.
    pub fn decode(payload: &[u8]) -> Result<OkInfo, Error> {
        let mut reader = Reader::new("OK packet", payload);
        let first = reader.u8("first byte")?;
        if first != OK && first != EOF {
            return Err(Error::invalid(
                "OK packet",
                format!("the first byte is {first:#04x}, expected 0x00 or 0xfe"),
            ));
        }
        Ok(OkInfo {
            affected_rows: reader.lenenc_int("affected rows")?,
            last_insert_id: reader.lenenc_int("last insert id")?,
            status: reader.u16("status")?,
            warnings: reader.u16("warnings")?,
        })
    }

    /// Reads an EOF packet, as it ends columns and rows without `DEPRECATE_EOF`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the first byte is not 0xFE.
    pub fn decode_eof(payload: &[u8]) -> Result<OkInfo, Error> {
        let mut reader = Reader::new("EOF packet", payload);
        let first = reader.u8("first byte")?;
        if first != EOF {
            return Err(Error::invalid(
                "EOF packet",
                format!("the first byte is {first:#04x}, expected 0xfe"),
            ));
        }
        let warnings = reader.u16("warnings")?;
        let status = reader.u16("status")?;
        Ok(OkInfo {
            status,
            warnings,
            ..OkInfo::default()
        })
    }

    /// Appends an OK packet's payload; `first` is [`OK`], or [`EOF`] to end a result set.
    pub fn encode(&self, out: &mut Vec<u8>, first: u8) {
        out.push(first);
        put_lenenc_int(out, self.affected_rows);
        put_lenenc_int(out, self.last_insert_id);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&self.warnings.to_le_bytes());
    }

    /// Appends an EOF packet's payload.
    pub fn encode_eof(&self, out: &mut Vec<u8>) {
        out.push(EOF);
        out.extend_from_slice(&self.warnings.to_le_bytes());
        out.extend_from_slice(&self.status.to_le_bytes());
    }
}

/// Whether `payload` is an EOF packet, rather than a row whose first cell has an eight-byte length.
pub fn is_eof(payload: &[u8]) -> bool {
    payload.first() == Some(&EOF) && payload.len() < EOF_BYTES_MAX
}

/// An error that the server reported, written `1062 (23000): Duplicate entry ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ServerError {
    /// The server's error number.
    pub code: u16,
    /// The SQLSTATE; `HY000` when the server sent none (before the login).
    pub sqlstate: [u8; 5],
    /// The text, made valid UTF-8.
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.code,
            String::from_utf8_lossy(&self.sqlstate),
            self.message
        )
    }
}

/// What a payload with first byte 0xFF holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrPacket {
    /// The command failed.
    Error(ServerError),
    /// A long statement reports how far it is; the real answer follows.
    Progress,
}

impl ErrPacket {
    /// Reads an ERR packet.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the first byte is not 0xFF.
    pub fn decode(payload: &[u8]) -> Result<ErrPacket, Error> {
        let mut reader = Reader::new("ERR packet", payload);
        let first = reader.u8("first byte")?;
        if first != ERR {
            return Err(Error::invalid(
                "ERR packet",
                format!("the first byte is {first:#04x}, expected 0xff"),
            ));
        }
        let code = reader.u16("code")?;
        if code == PROGRESS_CODE {
            return Ok(ErrPacket::Progress);
        }
        let mut sqlstate = *b"HY000";
        // Errors before the login ("Too many connections") come without a state, because the server does not know yet
        // that the client reads one.
        if reader.peek() == Some(b'#') {
            reader.u8("state marker")?;
            sqlstate.copy_from_slice(reader.bytes("state", 5)?);
        }
        let message = String::from_utf8_lossy(reader.rest()).into_owned();
        Ok(ErrPacket::Error(ServerError {
            code,
            sqlstate,
            message,
        }))
    }
}

impl ServerError {
    /// Appends an ERR packet's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ERR);
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.sqlstate);
        out.extend_from_slice(self.message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a 10.11.19 server: `INSERT` of two rows into a table with an automatic key.
    const OK_BYTES: &[u8] = b"\x00\x02\x05\x02\x00\x00\x00&Records: 2  Duplicates: 0  Warnings: 0";

    #[test]
    fn an_ok_packet_is_read_without_its_text() {
        let ok = OkInfo::decode(OK_BYTES).unwrap();
        assert_eq!(
            ok,
            OkInfo {
                affected_rows: 2,
                last_insert_id: 5,
                status: STATUS_AUTOCOMMIT,
                warnings: 0
            }
        );
        assert!(!ok.has_more_results() && !ok.is_in_transaction());
    }

    #[test]
    fn a_truncated_ok_packet_is_an_error_at_every_length() {
        for length in 0..7 {
            assert!(
                matches!(OkInfo::decode(&OK_BYTES[..length]), Err(Error::Truncated { .. })),
                "length {length}"
            );
        }
    }

    #[test]
    fn an_error_packet_has_code_state_and_text() {
        let decoded = ErrPacket::decode(b"\xff\x26\x04#23000Duplicate entry '1' for key 'PRIMARY'").unwrap();
        let ErrPacket::Error(error) = decoded else {
            panic!("not an error: {decoded:?}")
        };
        assert_eq!(
            error.to_string(),
            "1062 (23000): Duplicate entry '1' for key 'PRIMARY'"
        );
        let mut encoded = Vec::new();
        error.encode(&mut encoded);
        assert_eq!(ErrPacket::decode(&encoded), Ok(ErrPacket::Error(error)));
    }

    #[test]
    fn an_error_before_the_login_has_no_state() {
        let decoded = ErrPacket::decode(b"\xff\x10\x04Too many connections").unwrap();
        let ErrPacket::Error(error) = decoded else {
            panic!("not an error: {decoded:?}")
        };
        assert_eq!(
            (error.code, &error.sqlstate, error.message.as_str()),
            (1040, b"HY000", "Too many connections")
        );
    }

    #[test]
    fn truncated_error_packets_never_pass_as_errors_with_a_wrong_code() {
        for length in [0, 1, 2, 4, 7, 8] {
            let cut = &b"\xff\x26\x04#23000Dup"[..length];
            assert!(
                matches!(ErrPacket::decode(cut), Err(Error::Truncated { .. })),
                "length {length}"
            );
        }
    }

    #[test]
    fn a_progress_report_is_not_an_error() {
        let progress = b"\xff\xff\xff\x01\x01\x02\x10\x27\x00\x0ccopy to tmp ";
        assert_eq!(ErrPacket::decode(progress), Ok(ErrPacket::Progress));
    }

    #[test]
    fn a_short_payload_with_0xfe_is_eof_and_a_long_one_is_not() {
        assert!(is_eof(&[0xFE, 0, 0, 2, 0]));
        assert!(!is_eof(&[0xFE, 0, 0, 0, 1, 0, 0, 0, 0]));
        let eof = OkInfo::decode_eof(&[0xFE, 1, 0, 8, 0]).unwrap();
        assert_eq!(eof.warnings, 1);
        assert!(eof.has_more_results());
        assert!(OkInfo::decode_eof(&[0xFE, 1, 0, 8]).is_err());
    }
}
