//! How far one connection has come on the target, and the text that saves it together with the data.
//!
//! Every worker has its own row per connection, so that workers never wait for each other's row lock. A row says: every
//! group up to here is committed (the low-water mark), and of the later ones these are too (this worker's `done`).
//! A saved row never claims a group that is not committed with it or before it. After a restart the newest low-water
//! mark and the union of all `done` sets tell exactly what is on the target.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use tributary_binlog::{Coordinates, GtidPos, GtidSet};
use tributary_schedule::{GroupSeq, WorkerId};

use crate::change::GroupLabel;
use crate::context::quote_text;
use crate::positions::Saved;
use crate::relay::Place;
use crate::status::GroupCounts;

/// The server's error when a position is saved in an epoch that is over (`ER_SUBQUERY_NO_1_ROW`).
pub(crate) const FENCED: u16 = 1242;

/// A place to resume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// How many groups lie before it, counted from the connection's first start.
    pub(crate) seq: GroupSeq,
    pub(crate) coordinates: Coordinates,
    pub(crate) gtid_pos: GtidPos,
}

/// The groups of one connection between the low-water mark and the newest received.
///
/// Invariant: `labels[i]` belongs to the group `low_water.seq + 1 + i`; no set in `done` holds a group at or below the
/// low-water mark, and each is in order.
#[derive(Debug)]
struct Inner {
    low_water: Position,
    /// The mark that a row of the applier holds: where a restart begins at the earliest.
    saved: Position,
    labels: VecDeque<(GroupLabel, Option<Place>)>,
    done: Vec<Vec<GroupSeq>>,
    /// Where the stream moved without a group, and the newest group received before that: counts once that is applied.
    move_behind: Option<(GroupSeq, Coordinates)>,
    /// Groups above the low-water mark that earlier lives of the engine have committed. Some may not have arrived yet, so they
    /// have no seq; the applier's own row keeps them until the low-water mark has passed them.
    earlier: GtidSet,
}

/// Shared by the applier, which moves it, and the workers, which write it down.
#[derive(Debug)]
pub(crate) struct Progress {
    connection: String,
    schema: String,
    /// Which engine this is: once a later one has begun, nothing is saved any more.
    epoch: u64,
    /// Groups behind the low-water mark, of all lives.
    counts: Arc<GroupCounts>,
    inner: Mutex<Inner>,
}

impl Progress {
    /// `saved` is where earlier lives have come; `rows` is one for each worker and, last, the applier's own.
    pub(crate) fn new(schema: &str, connection: &str, saved: Saved, rows: usize, epoch: u64) -> Self {
        Self {
            connection: connection.to_owned(),
            schema: schema.to_owned(),
            epoch,
            counts: Arc::default(),
            inner: Mutex::new(Inner {
                saved: saved.position.clone(),
                low_water: saved.position,
                labels: VecDeque::new(),
                done: vec![Vec::new(); rows],
                move_behind: None,
                earlier: saved.done,
            }),
        }
    }

    /// Counts with those of earlier lives.
    pub(crate) fn counting(self, counts: Arc<GroupCounts>) -> Self {
        Self { counts, ..self }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave the numbers half changed in a way that matters more than it.
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where a restart begins at the earliest.
    pub(crate) fn saved(&self) -> Position {
        self.lock().saved.clone()
    }

    /// The low-water mark was saved.
    pub(crate) fn note_saved(&self, position: &Position) {
        self.lock().saved.clone_from(position);
    }

    /// The engine's own database on the target.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// A group was received; its seq is the next.
    pub(crate) fn received(&self, label: GroupLabel, place: Option<Place>) {
        self.lock().labels.push_back((label, place));
    }

    /// The end of a group that was received in pieces is known.
    pub(crate) fn ended(&self, seq: GroupSeq, end: &Coordinates) {
        let mut inner = self.lock();
        let index = seq.0.checked_sub(inner.low_water.seq.0 + 1);
        let label = index
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| inner.labels.get_mut(index));
        if let Some((label, _)) = label {
            label.end = end.clone();
        }
    }

    /// Every group up to `seq` is committed.
    pub(crate) fn advance(&self, seq: GroupSeq) {
        let mut inner = self.lock();
        while inner.low_water.seq < seq {
            let Some((label, _place)) = inner.labels.pop_front() else {
                break;
            };
            inner.low_water.seq.0 += 1;
            inner.earlier.remove_through(&label.identity());
            self.counts.add(label.counted);
            if let Some(gtid) = label.gtid {
                inner.low_water.gtid_pos.advance(gtid);
            }
            inner.low_water.coordinates = label.end;
        }
        for done in &mut inner.done {
            done.drain(..done.partition_point(|done| *done <= seq));
        }
        inner.follow_move();
    }

    /// The stream moved on without a group (a new file, a checkpoint). Counts once every group before it is applied, and never
    /// backwards: a stream asked for by GTID begins before the groups that are applied.
    pub(crate) fn moved(&self, coordinates: &Coordinates) {
        let mut inner = self.lock();
        let newest = GroupSeq(inner.low_water.seq.0 + inner.labels.len() as u64);
        inner.move_behind = Some((newest, coordinates.clone()));
        inner.follow_move();
    }

    /// The GTID position of the low-water mark, as the source knows it; counts only where nothing is known yet.
    pub(crate) fn starts_at(&self, gtid_pos: GtidPos) {
        let mut inner = self.lock();
        if inner.low_water.gtid_pos.is_empty() {
            inner.low_water.gtid_pos = gtid_pos;
        }
    }

    /// The worker has committed these groups.
    pub(crate) fn committed(&self, worker: WorkerId, groups: &[GroupSeq]) {
        let mut inner = self.lock();
        let low_water = inner.low_water.seq;
        if let Some(done) = inner.done.get_mut(usize::from(worker.0)) {
            done.extend(groups.iter().filter(|seq| **seq > low_water));
            // Mostly in order already.
            done.sort_unstable();
        }
    }

    pub(crate) fn low_water(&self) -> Position {
        self.lock().low_water.clone()
    }

    /// The timestamp of the oldest group that is not committed, and how many there are.
    pub(crate) fn oldest_open(&self) -> Option<(u32, usize)> {
        let inner = self.lock();
        inner
            .labels
            .front()
            .map(|(label, _)| (label.timestamp, inner.labels.len()))
    }

    /// Appends the statement that says which groups this worker is about to make by packets that do not save them.
    pub(crate) fn render_announcement(&self, worker: WorkerId, groups: &[GroupSeq], out: &mut Vec<u8>) {
        let inner = self.lock();
        let _ = write!(out, "UPDATE `{}`.position SET announced=", self.schema);
        quote_text(inner.identities(groups.iter()).to_string().as_bytes(), out);
        self.put_row(worker, out);
    }

    /// Appends the statement that says which groups this worker has begun that may stay in part.
    pub(crate) fn render_begun(&self, worker: WorkerId, groups: &[GroupSeq], out: &mut Vec<u8>) {
        let inner = self.lock();
        let _ = write!(out, "UPDATE `{}`.position SET begun=", self.schema);
        quote_text(inner.identities(groups.iter()).to_string().as_bytes(), out);
        self.put_row(worker, out);
    }

    /// Appends the statement that says that the group's statement is executed, though not all that belongs to it is done.
    pub(crate) fn render_executed(&self, worker: WorkerId, group: &GroupSeq, out: &mut Vec<u8>) {
        let inner = self.lock();
        let _ = write!(out, "UPDATE `{}`.position SET executed=", self.schema);
        quote_text(
            inner.identities(std::iter::once(group)).to_string().as_bytes(),
            out,
        );
        self.put_row(worker, out);
    }

    /// Appends the statement that saves this worker's row as it will be once `groups` are committed.
    ///
    /// Plain ASCII that means the same under every `sql_mode` and character set.
    pub(crate) fn render_mark(&self, worker: WorkerId, groups: &[GroupSeq], out: &mut Vec<u8>) {
        let inner = self.lock();
        let done = inner.done_with(worker, groups);
        let position = &inner.low_water;
        let _ = write!(
            out,
            "UPDATE `{}`.position SET low_water={},log_file=",
            self.schema, position.seq
        );
        quote_text(position.coordinates.file.as_bytes(), out);
        let _ = write!(out, ",log_offset={},gtid_pos=", position.coordinates.offset);
        quote_text(position.gtid_pos.to_string().as_bytes(), out);
        out.extend_from_slice(b",done=");
        quote_text(done.to_string().as_bytes(), out);
        self.put_row(worker, out);
    }

    /// Appends the statement that adds `groups` to those that this worker's row says are done.
    pub(crate) fn render_addition(&self, worker: WorkerId, groups: &[GroupSeq], out: &mut Vec<u8>) {
        let inner = self.lock();
        let _ = write!(
            out,
            "UPDATE `{}`.position SET done=CONCAT_WS(X'2C',NULLIF(done,X''),",
            self.schema
        );
        quote_text(inner.identities(groups.iter()).to_string().as_bytes(), out);
        out.push(b')');
        self.put_row(worker, out);
    }

    /// Appends the statement that fails with [`FENCED`] once another engine has begun on the target. Until this transaction ends, none
    /// can: it holds the row.
    pub(crate) fn render_fence(&self, worker: WorkerId, out: &mut Vec<u8>) {
        let _ = write!(out, "UPDATE `{}`.position SET done=done", self.schema);
        self.put_row(worker, out);
    }

    /// Ends a statement about the worker's row: it fails in an epoch that is over.
    fn put_row(&self, worker: WorkerId, out: &mut Vec<u8>) {
        let epoch = self.epoch;
        let _ = write!(
            out,
            ",epoch=IF(epoch={epoch},{epoch},(SELECT 1 UNION SELECT 2)) WHERE connection="
        );
        quote_text(self.connection.as_bytes(), out);
        let _ = write!(out, " AND slot={}", worker.0);
    }
}

impl Inner {
    /// Takes the coordinates of a move once the low-water mark has reached it. Behind it, groups bring their own.
    fn follow_move(&mut self) {
        let Some((seq, coordinates)) = self.move_behind.take_if(|(seq, _)| *seq <= self.low_water.seq) else {
            return;
        };
        if seq == self.low_water.seq && !coordinates.is_before(&self.low_water.coordinates) {
            self.low_water.coordinates = coordinates;
        }
    }

    /// The worker's groups above the low-water mark, with `groups`, as GTIDs.
    fn done_with(&self, worker: WorkerId, groups: &[GroupSeq]) -> GtidSet {
        let own = self.done.get(usize::from(worker.0)).into_iter().flatten();
        let is_applier = usize::from(worker.0) + 1 == self.done.len();
        let mut set = self.identities(own.chain(groups));
        if is_applier {
            set.union(&self.earlier);
        }
        set
    }

    /// Those of these groups that lie above the low-water mark, as GTIDs.
    fn identities<'a>(&self, groups: impl Iterator<Item = &'a GroupSeq>) -> GtidSet {
        let label = |seq: &GroupSeq| {
            let index = seq.0.checked_sub(self.low_water.seq.0 + 1)?;
            self.labels.get(usize::try_from(index).ok()?)
        };
        groups
            .filter_map(label)
            .map(|(label, _)| label.identity())
            .collect()
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_binlog::Gtid;

    fn progress() -> Progress {
        let start = Position {
            seq: GroupSeq(10),
            coordinates: Coordinates {
                file: "b.000001".into(),
                offset: 4,
            },
            gtid_pos: GtidPos::default(),
        };
        let saved = Saved {
            position: start,
            done: "0-1:13.99".parse().unwrap(),
            announced: GtidSet::new(),
            executed: GtidSet::new(),
            begun: GtidSet::new(),
        };
        let progress = Progress::new("tributary", "m1", saved, 3, 1);
        for sequence in 11..=14_u64 {
            progress.received(
                GroupLabel {
                    gtid: Some(Gtid {
                        domain: 0,
                        server: 1,
                        sequence,
                    }),
                    end: Coordinates {
                        file: "b.000001".into(),
                        offset: sequence * 100,
                    },
                    timestamp: 7,
                    counted: None,
                },
                None,
            );
        }
        progress
    }

    fn mark(progress: &Progress, worker: u16, groups: &[u64]) -> String {
        let mut out = Vec::new();
        let groups: Vec<GroupSeq> = groups.iter().copied().map(GroupSeq).collect();
        progress.render_mark(WorkerId(worker), &groups, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn hex(text: &str) -> String {
        let mut out = Vec::new();
        quote_text(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_mark_claims_what_is_committed_and_nothing_more() {
        let progress = progress();
        let text = mark(&progress, 1, &[12, 14]);
        assert!(text.contains("low_water=10,"), "{text}");
        let set: GtidSet = "0-1:12.14".parse().unwrap();
        assert!(text.contains(&hex(&set.to_string())), "{text}");
        progress.committed(WorkerId(1), &[GroupSeq(12), GroupSeq(14)]);
        let other = mark(&progress, 0, &[11]);
        assert!(
            !other.contains(&hex(&set.to_string())),
            "a worker writes down only its own groups: {other}"
        );
    }

    #[test]
    fn the_low_water_mark_takes_coordinates_and_gtid_along() {
        let progress = progress();
        progress.committed(WorkerId(0), &[GroupSeq(11), GroupSeq(12)]);
        progress.advance(GroupSeq(12));
        let position = progress.low_water();
        assert_eq!((position.seq, position.coordinates.offset), (GroupSeq(12), 1200));
        assert_eq!(position.gtid_pos.to_string(), "0-1-12");
        assert!(
            mark(&progress, 0, &[]).contains("done=X''"),
            "groups below the mark are no longer listed"
        );
        assert_eq!(progress.oldest_open(), Some((7, 2)));
    }

    #[test]
    fn what_earlier_lives_have_committed_stays_known_until_the_mark_passes_it() {
        let progress = progress();
        let earlier = |text: &str| hex(&text.parse::<GtidSet>().unwrap().to_string());
        assert!(
            mark(&progress, 2, &[]).contains(&earlier("0-1:13.99")),
            "the applier's row"
        );
        assert!(
            mark(&progress, 0, &[]).contains("done=X''"),
            "a worker's row is its own"
        );
        progress.advance(GroupSeq(14));
        assert!(mark(&progress, 2, &[]).contains(&earlier("0-1:99")));
    }

    #[test]
    fn a_move_without_a_group_waits_for_open_groups() {
        let progress = progress();
        let next = Coordinates {
            file: "b.000002".into(),
            offset: 4,
        };
        progress.moved(&next);
        assert_eq!(
            progress.low_water().coordinates.offset,
            4,
            "groups are open: the file is not finished yet"
        );
        progress.advance(GroupSeq(14));
        assert_eq!(progress.low_water().coordinates, next);
    }
}
