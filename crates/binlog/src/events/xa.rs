//! XA transaction ids, and XA_prepare (38): the end of a group that is prepared, not committed.

use std::fmt;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// Each part of an id has at most this many bytes: the XA standard, and the server's `MAXGTRIDSIZE`.
const PART_BYTES_MAX: usize = 64;

/// The id of an XA transaction, printed as XA statements take it: `X'6162',X'',1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct XaId {
    /// 1 unless the client gave another.
    pub format_id: u32,
    /// Global transaction id, at most 64 bytes.
    pub gtrid: Bytes,
    /// Branch qualifier, at most 64 bytes.
    pub bqual: Bytes,
}

impl XaId {
    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        format_id: u32,
        gtrid_length: usize,
        bqual_length: usize,
    ) -> Result<XaId, DecodeError> {
        let offset = reader.offset();
        if gtrid_length > PART_BYTES_MAX || bqual_length > PART_BYTES_MAX {
            let why = format!("parts of {gtrid_length} and {bqual_length} bytes; 64 are allowed");
            return Err(reader.invalid("XA id", offset, why));
        }
        let gtrid = reader.bytes(gtrid_length, "XA gtrid")?;
        let bqual = reader.bytes(bqual_length, "XA bqual")?;
        Ok(XaId {
            format_id,
            gtrid,
            bqual,
        })
    }
}

impl fmt::Display for XaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.gtrid, &self.bqual] {
            f.write_str("X'")?;
            for byte in part.iter() {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("',")?;
        }
        write!(f, "{}", self.format_id)
    }
}

/// The end of a group that is prepared, not committed.
///
/// # Wire form
/// One phase `u8`, format id `u32`, gtrid length `u32`, bqual length `u32`, both parts.
/// MariaDB protocol documentation, page "XA_PREPARE_LOG_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPrepare {
    /// Committed at once instead of prepared.
    pub one_phase: bool,
    /// Which transaction.
    pub xid: XaId,
}

impl XaPrepare {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<XaPrepare, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let one_phase = reader.u8("one phase")? != 0;
        let format_id = reader.u32("XA format id")?;
        let gtrid_length = reader.u32("XA gtrid length")? as usize;
        let bqual_length = reader.u32("XA bqual length")? as usize;
        Ok(XaPrepare {
            one_phase,
            xid: XaId::decode(&mut reader, format_id, gtrid_length, bqual_length)?,
        })
    }
}
