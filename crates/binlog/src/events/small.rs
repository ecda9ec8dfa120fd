//! Events of one or two fields: Intvar (5), Rand (13), Xid (16), Heartbeat (27), Binlog_checkpoint (161), and those that
//! may be passed over.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::events::rotate::check_file_name;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// An integer the next statement reads.
///
/// # Wire form
/// Which `u8`: 1 `LAST_INSERT_ID`, 2 `INSERT_ID`; value `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intvar {
    /// What `LAST_INSERT_ID()` returns.
    LastInsertId(u64),
    /// The first value the next statement gives to an AUTO_INCREMENT column.
    InsertId(u64),
}

impl Intvar {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<Intvar, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let kind = reader.u8("which variable")?;
        let value = reader.u64("value")?;
        match kind {
            1 => Ok(Intvar::LastInsertId(value)),
            2 => Ok(Intvar::InsertId(value)),
            kind => Err(reader.invalid(
                "which variable",
                HEADER_BYTES,
                format!("{kind} is neither 1 nor 2"),
            )),
        }
    }
}

/// The seeds of `RAND()` in the next statement.
///
/// # Wire form
/// Two `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rand {
    /// `rand_seed1`.
    pub seed1: u64,
    /// `rand_seed2`.
    pub seed2: u64,
}

impl Rand {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<Rand, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        Ok(Rand {
            seed1: reader.u64("seed 1")?,
            seed2: reader.u64("seed 2")?,
        })
    }
}

/// A sign of life on an idle stream. Not in the binlog, and no progress.
///
/// # Wire form
/// File name; the header's end offset is where the source's dump thread stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The file the source's dump thread reads.
    pub file: Bytes,
}

impl Heartbeat {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<Heartbeat, DecodeError> {
        check_file_name(body, header, HEADER_BYTES)?;
        Ok(Heartbeat { file: body.clone() })
    }
}

/// An event that is known to be irrelevant, or flagged as such by the source: passed over, and only its end counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The type's name, or `Unknown`.
    pub name: &'static str,
    /// The body.
    pub body: Bytes,
}

/// Reads the body of Xid: the number under which the source's engines know the transaction.
pub(crate) fn decode_xid(header: &Header, body: &Bytes) -> Result<u64, DecodeError> {
    Reader::new(body, header.kind, HEADER_BYTES).u64("xid")
}

/// Reads the body of Binlog_checkpoint: the oldest file that the source's crash recovery needs.
pub(crate) fn decode_checkpoint(header: &Header, body: &Bytes) -> Result<Bytes, DecodeError> {
    let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
    let length = reader.u32("file name length")? as usize;
    let offset = reader.offset();
    let file = reader.bytes(length, "file name")?;
    check_file_name(&file, header, offset)?;
    Ok(file)
}
