//! Table maps seen lately.
//!
//! A hot table's map comes with every statement and is the same every time; comparing its bytes is cheaper than reading
//! it, and equal maps then share one allocation, so users can tell by the pointer that nothing changed.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::events::TableMap;
use crate::header::Header;

/// A direct-mapped cache by the low byte of the table id: tables opened one after the other have neighbouring ids.
#[derive(Debug, Default)]
pub(crate) struct TableMapCache {
    slots: Vec<Option<Arc<TableMap>>>,
}

impl TableMapCache {
    const SLOTS: usize = 256;
    /// Larger maps are not kept. Worst case for memory: [`TableMapCache::SLOTS`] times about three times this.
    const BODY_BYTES_MAX: usize = 8 * 1024;

    /// The map in `body`, read or remembered.
    pub(crate) fn decode(
        &mut self,
        header: &Header,
        body: &Bytes,
        post_header: usize,
    ) -> Result<Arc<TableMap>, DecodeError> {
        if body.len() > TableMapCache::BODY_BYTES_MAX {
            return TableMap::decode(header, body, post_header).map(Arc::new);
        }
        self.slots.resize(TableMapCache::SLOTS, None);
        let slot = &mut self.slots[usize::from(body.first().copied().unwrap_or(0)) % TableMapCache::SLOTS];
        if let Some(known) = slot
            && known.body == body
        {
            return Ok(Arc::clone(known));
        }
        // A map that stays must not keep alive the buffer of the packet it came in.
        let own = Bytes::copy_from_slice(body);
        let map = Arc::new(TableMap::decode(header, &own, post_header)?);
        *slot = Some(Arc::clone(&map));
        Ok(map)
    }
}
