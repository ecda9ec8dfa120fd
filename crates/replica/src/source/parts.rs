//! Groups that come in parts: each part is handed to the worker that applies the group, as soon as there is room.
//!
//! The stream may break inside the group. The source then sends it again from its beginning; parts that have been handed
//! over are passed over, after a check that they end where they ended before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tributary_binlog::{Coordinates, EventGroup, GroupEnd};
use tributary_schedule::GroupSeq;

use super::{End, Source};
use crate::change::PreparedGroup;
use crate::pieces::{Piece, Pieces};
use crate::status;

/// The group that is handed over in pieces. It outlives the stream.
#[derive(Debug)]
pub(crate) struct OpenGroup {
    /// Its GTID, or where it begins.
    name: String,
    /// Parts that have been handed over, or had nothing to hand over.
    parts: usize,
    /// Where the last of them ends.
    end: Coordinates,
    worker: mpsc::Sender<Piece>,
    is_pinned: bool,
    _counted: Counted,
}

/// How often a group that is open looks whether its worker is needed.
const STARVED_TICK: Duration = Duration::from_secs(1);

/// How many groups are open that are handed over in pieces, of all connections: each holds a worker.
#[derive(Debug, Default)]
pub(crate) struct OpenGroups {
    workers: usize,
    count: AtomicUsize,
    /// They have held all workers. All that can go then do: the first takes the session with the target with it.
    has_starved: AtomicBool,
}

impl OpenGroups {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            ..Self::default()
        }
    }

    fn hold_all_workers(&self) -> bool {
        if self.count.load(Ordering::Relaxed) >= self.workers {
            self.has_starved.store(true, Ordering::Relaxed);
        }
        self.has_starved.load(Ordering::Relaxed)
    }
}

/// One of them, as long as it lives.
#[derive(Debug)]
struct Counted(Arc<OpenGroups>);

impl Counted {
    fn new(groups: &Arc<OpenGroups>) -> Self {
        groups.count.fetch_add(1, Ordering::Relaxed);
        Self(groups.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What has been handed over of a group that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Nothing,
    /// It can be rolled back.
    Undoable,
    /// It has changed what cannot be rolled back.
    Final,
}

impl Source {
    /// Takes a part of a group that goes on.
    pub(super) async fn take_part(&mut self, part: Box<EventGroup>) -> Result<(), End> {
        let gtid = part.gtid.as_ref().map(|event| event.gtid);
        let is_done = gtid.is_some_and(|gtid| self.position.done.contains(&gtid));
        if is_done || self.was_handed_over(&part).await? {
            return Ok(());
        }
        if part.part == 0 {
            self.delay(&part).await?;
        }
        match self.open.is_none() && self.leaves_out(&part) {
            true => Ok(()),
            false => self.hand_over(part).await,
        }
    }

    /// Takes the last part of the open group, or whatever came instead of it.
    pub(super) async fn take_last_part(&mut self, group: Box<EventGroup>) -> Result<(), End> {
        if self.was_handed_over(&group).await? {
            return Err(self.void("its end has moved").await);
        }
        self.hand_over(group).await?;
        self.open = None;
        self.holds_stop.send_replace(false);
        Ok(())
    }

    /// Whether the worker has this part already, from before the stream broke.
    async fn was_handed_over(&mut self, part: &EventGroup) -> Result<bool, End> {
        let Some(open) = &self.open else { return Ok(false) };
        if part.name() != open.name {
            let other = format!("{} came instead of the rest of it", part.name());
            return Err(self.void(&other).await);
        }
        if part.part + 1 == open.parts && part.end != open.end {
            let moved = format!("part {} ended at {}, now at {}", open.parts, open.end, part.end);
            return Err(self.void(&moved).await);
        }
        Ok(part.part < open.parts)
    }

    async fn hand_over(&mut self, part: Box<EventGroup>) -> Result<(), End> {
        let seq = GroupSeq(self.position.seq.0 + 1);
        let (parts, end) = (part.part + 1, part.end.clone());
        let (name, is_open) = (part.name(), part.end_kind == GroupEnd::Open);
        let mut piece = match self.preparer.prepare(part, seq) {
            Ok(piece) => piece,
            Err(reason) => {
                if let Some(open) = self.open.take() {
                    // If the worker is gone, its connection stops already.
                    let _ = open.worker.send(Piece::Refused(reason.clone())).await;
                }
                self.send().await?;
                return Err(End::Refused(reason));
            }
        };
        piece.label.relay_end = self.relay_end;
        if !(is_open && piece.is_empty()) {
            let worker = self.worker_for(&piece, name).await?;
            let is_final = !piece.can_roll_back();
            piece.permit = self.queue.admit_piece(piece.bytes).await;
            // If the worker is gone, its connection stops already, and nobody needs the rest.
            let is_taken = worker.send(Piece::Changes(piece)).await.is_ok();
            self.holds_stop
                .send_modify(|holds| *holds = is_taken && (*holds || is_final));
        }
        if let Some(open) = &mut self.open {
            (open.parts, open.end) = (parts, end);
        }
        Ok(())
    }

    /// The worker that gets the pieces. With the first piece the group's head goes to the applier, before room is waited for:
    /// earlier groups may hold all of it.
    async fn worker_for(&mut self, piece: &PreparedGroup, name: String) -> Result<mpsc::Sender<Piece>, End> {
        if let Some(open) = &self.open {
            if piece.pinned.is_none() || open.is_pinned {
                return Ok(open.worker.clone());
            }
            self.counters.begun_again.pin(&name);
            return Err(self.void("it needs the session of temporary tables").await);
        }
        let (worker, pieces) = Pieces::channel(name.clone());
        let mut head = piece.head(pieces);
        head.was_begun = head
            .label
            .gtid
            .is_some_and(|gtid| self.position.begun.contains(&gtid));
        if self.counters.begun_again.is_pinned(&name) {
            head.pinned = Some(crate::prepare::TEMPORARY_TABLES_WORKER);
        }
        tracing::info!(connection = %self.options.name, group = %head.label, "larger than group_bytes_max: applied as it arrives");
        let open = OpenGroup {
            name,
            parts: 0,
            end: head.label.end.clone(),
            worker: worker.clone(),
            is_pinned: head.pinned.is_some(),
            _counted: Counted::new(&self.open_groups),
        };
        self.send().await?;
        head.permit = self.queue.admit_head().await;
        self.batch.push(Box::new(head));
        self.send().await?;
        self.open = Some(open);
        Ok(worker)
    }

    pub(super) fn open_kind(&self) -> Open {
        match (&self.open, *self.holds_stop.borrow()) {
            (None, _) => Open::Nothing,
            (Some(_), false) => Open::Undoable,
            (Some(_), true) => Open::Final,
        }
    }

    /// Gives the open group up until the source is there again. Not while its worker has something to do.
    pub(super) fn give_up(&mut self) -> bool {
        let is_told = |open: &mut OpenGroup| open.worker.try_send(Piece::Away).is_ok();
        self.open.take_if(is_told).is_some()
    }

    /// Resolves when open groups hold all workers; looks at it once a second.
    pub(super) async fn starved(&self) {
        loop {
            tokio::time::sleep(STARVED_TICK).await;
            if self.open_groups.hold_all_workers() {
                return;
            }
        }
    }

    /// The same, not before a time.
    pub(super) async fn starved_at(&self, time: Instant) {
        tokio::time::sleep_until(time).await;
        self.starved().await;
    }

    /// Gives the open group up: the worker rolls it back.
    async fn void(&mut self, why: &str) -> End {
        if let Some(open) = self.open.take() {
            let _ = open.worker.send(Piece::Void(why.to_owned())).await;
        }
        End::Void
    }

    /// Counts a group of which no part had anything to apply.
    pub(super) fn note_ignored(&self, group: &PreparedGroup, part: usize) {
        if part > 0 && group.is_empty() {
            status::add(&self.counters.groups_ignored, 1);
        }
    }
}
