//! Incident (26): the source lost events.

use bytes::Bytes;

use crate::error::DecodeError;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;

/// The source lost events: what follows does not continue what came before.
///
/// # Wire form
/// Number `u16` (1: lost events); length `u8` and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// 1: lost events, the only one known.
    pub number: u16,
    /// What the source says about it.
    pub message: Bytes,
}

impl Incident {
    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<Incident, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let number = reader.u16("incident number")?;
        Ok(Incident {
            number,
            message: reader.short_text("incident message")?,
        })
    }
}
