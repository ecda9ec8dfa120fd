//! Gtid_list (163): the GTIDs before this file, or before this place.

use bytes::Bytes;

use crate::checksum::ChecksumAlgorithm;
use crate::error::DecodeError;
use crate::gtid::{Gtid, GtidPos};
use crate::header::{self, HEADER_BYTES, Header};
use crate::reader::Reader;

/// The last GTID of each domain and server before the place where it stands.
///
/// # Wire form
/// Count and flags `u32`; then per GTID domain `u32`, server id `u32`, sequence `u64`.
/// MariaDB protocol documentation, page "GTID_LIST_EVENT".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidList {
    /// As they came; of one domain the last is the newest.
    pub gtids: Vec<Gtid>,
    /// Whether the stream ends here because the replica asked for groups up to here only.
    pub is_until_reached: bool,
    /// Relay logs: the groups listed were left out.
    pub is_ignored_gtids: bool,
}

impl GtidList {
    const COUNT_MASK: u32 = 0x0fff_ffff;
    const UNTIL_REACHED: u32 = 0x1000_0000;
    const IGNORED_GTIDS: u32 = 0x2000_0000;
    const ELEMENT_BYTES: usize = 16;

    pub(crate) fn decode(header: &Header, body: &Bytes) -> Result<GtidList, DecodeError> {
        let mut reader = Reader::new(body, header.kind, HEADER_BYTES);
        let word = reader.u32("count")?;
        let count = (word & GtidList::COUNT_MASK) as usize;
        let needed = count.saturating_mul(GtidList::ELEMENT_BYTES);
        if needed > reader.left() {
            reader.slice(needed, "GTIDs")?;
        }
        let mut gtids = Vec::with_capacity(count);
        for _ in 0..count {
            let domain = reader.u32("domain")?;
            let server = reader.u32("server id")?;
            gtids.push(Gtid {
                domain,
                server,
                sequence: reader.u64("sequence")?,
            });
        }
        Ok(GtidList {
            gtids,
            is_until_reached: word & GtidList::UNTIL_REACHED != 0,
            is_ignored_gtids: word & GtidList::IGNORED_GTIDS != 0,
        })
    }

    /// Appends the whole event, with a checksum if `checksum` is one.
    ///
    /// # Panics
    /// With 2^28 GTIDs or more, which no event can hold.
    pub fn encode(&self, header: &Header, checksum: ChecksumAlgorithm, out: &mut Vec<u8>) {
        let start = out.len();
        header.encode(out);
        let mut word = u32::try_from(self.gtids.len()).unwrap_or(u32::MAX);
        assert!(
            word <= GtidList::COUNT_MASK,
            "an event holds less than 2^28 GTIDs"
        );
        if self.is_until_reached {
            word |= GtidList::UNTIL_REACHED;
        }
        if self.is_ignored_gtids {
            word |= GtidList::IGNORED_GTIDS;
        }
        out.extend_from_slice(&word.to_le_bytes());
        for gtid in &self.gtids {
            out.extend_from_slice(&gtid.domain.to_le_bytes());
            out.extend_from_slice(&gtid.server.to_le_bytes());
            out.extend_from_slice(&gtid.sequence.to_le_bytes());
        }
        header::finish(out, start, checksum);
    }

    /// The newest of each domain.
    #[must_use]
    pub fn position(&self) -> GtidPos {
        self.gtids.iter().copied().collect()
    }
}
