//! The relay queue: how much of one connection may be in memory between source and workers.
//!
//! A group takes room for its events and keeps it until it is committed and dropped; its place in the count it keeps
//! until the low-water mark has passed it. When there is no room, the source
//! task stops reading its socket, which is what slows the source's dump thread down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is counted in blocks of this many bytes; a group takes at least one.
const BLOCK_BYTES: usize = 256;

/// What a group takes at most besides its events: its changes, tables and keys as the applier, the coordinator and a worker hold
/// them. Measured: 1.4 to 1.7 KiB for a group of one small statement or row.
const GROUP_BYTES: usize = 2048;

/// The bounds of one connection's relay queue.
#[derive(Debug, Clone)]
pub(crate) struct RelayQueue {
    groups: Arc<Semaphore>,
    blocks: Arc<Semaphore>,
    blocks_max: u32,
    used: Arc<Used>,
}

/// What is in the queue now.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) groups: AtomicUsize,
    pub(crate) bytes: AtomicUsize,
}

/// One group's place among those that are not behind the low-water mark; given back on drop.
#[derive(Debug)]
pub(crate) struct Place(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Room that one group takes, or one piece of it; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    place: Option<Place>,
    _blocks: OwnedSemaphorePermit,
    groups: usize,
    bytes: usize,
    used: Arc<Used>,
}

impl RelayQueue {
    pub(crate) fn new(groups_max: usize, bytes_max: usize) -> Self {
        let limit = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let blocks_max = (bytes_max / BLOCK_BYTES).clamp(1, limit);
        Self {
            groups: Arc::new(Semaphore::new(groups_max.clamp(1, limit))),
            blocks: Arc::new(Semaphore::new(blocks_max)),
            blocks_max: u32::try_from(blocks_max).unwrap_or(u32::MAX),
            used: Arc::default(),
        }
    }

    pub(crate) fn used(&self) -> Arc<Used> {
        self.used.clone()
    }

    /// Waits for room. A group larger than the whole queue waits until the queue is empty and takes all of it.
    ///
    /// Cancel-safe. `None` only when the queue has been closed, which nothing does while a source task runs.
    pub(crate) async fn admit(&self, bytes: usize) -> Option<Permit> {
        let group = self.groups.clone().acquire_owned().await.ok()?;
        let blocks = self
            .blocks
            .clone()
            .acquire_many_owned(self.blocks_for(bytes + GROUP_BYTES))
            .await
            .ok()?;
        Some(self.permit(Some(group), blocks, bytes))
    }

    /// Waits for a place for a group whose bytes come in pieces.
    pub(crate) async fn admit_head(&self) -> Option<Permit> {
        let group = self.groups.clone().acquire_owned().await.ok()?;
        let blocks = self.blocks.clone().acquire_many_owned(0).await.ok()?;
        Some(self.permit(Some(group), blocks, 0))
    }

    /// Waits for room for one piece of a group that has its place. A piece larger than the whole queue takes all of it.
    pub(crate) async fn admit_piece(&self, bytes: usize) -> Option<Permit> {
        let blocks = self.blocks.clone().acquire_many_owned(self.blocks_for(bytes));
        Some(self.permit(None, blocks.await.ok()?, bytes))
    }

    /// Like [`Self::admit`], but only if there is room at once.
    pub(crate) fn try_admit(&self, bytes: usize) -> Option<Permit> {
        let group = self.groups.clone().try_acquire_owned().ok()?;
        let blocks = self
            .blocks
            .clone()
            .try_acquire_many_owned(self.blocks_for(bytes + GROUP_BYTES))
            .ok()?;
        Some(self.permit(Some(group), blocks, bytes))
    }

    /// A group larger than the whole queue takes all of it.
    fn blocks_for(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(BLOCK_BYTES))
            .unwrap_or(u32::MAX)
            .clamp(1, self.blocks_max)
    }

    fn permit(
        &self,
        group: Option<OwnedSemaphorePermit>,
        blocks: OwnedSemaphorePermit,
        bytes: usize,
    ) -> Permit {
        let groups = usize::from(group.is_some());
        self.used.groups.fetch_add(groups, Ordering::Relaxed);
        self.used.bytes.fetch_add(bytes, Ordering::Relaxed);
        Permit {
            place: group.map(Place),
            _blocks: blocks,
            groups,
            bytes,
            used: self.used.clone(),
        }
    }
}

impl Permit {
    /// Takes the place out, which must be kept until the low-water mark has passed the group: what is remembered of
    /// groups that are done is bounded by it.
    pub(crate) fn take_place(&mut self) -> Option<Place> {
        self.place.take()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.used.groups.fetch_sub(self.groups, Ordering::Relaxed);
        self.used.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_waits_and_an_oversized_group_takes_all() {
        let queue = RelayQueue::new(2, 1024 + 2 * GROUP_BYTES);
        let first = queue.admit(100).await.unwrap();
        assert!(
            queue.try_admit(5000).is_none(),
            "an oversized group waits for an empty queue"
        );
        let second = queue.try_admit(700).unwrap();
        assert!(queue.try_admit(1).is_none(), "no third group");
        assert_eq!(queue.used().bytes.load(Ordering::Relaxed), 800);
        drop((first, second));
        let all = queue.try_admit(5000).unwrap();
        assert!(queue.try_admit(1).is_none());
        drop(all);
        assert_eq!(queue.used().groups.load(Ordering::Relaxed), 0);
    }
}
