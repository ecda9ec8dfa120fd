//! What a connection is told besides its rules: which groups to pass over, where to stop, how long to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tributary_binlog::{Coordinates, EventGroup, GroupEnd, GtidPos};

use super::{End, Source};
use crate::control::Until;
use crate::status::now_seconds;

/// For one life of a source task.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Where to stop.
    pub(crate) until: Option<Until>,
    /// Events to pass over, to the end of the group in which the number is reached (`sql_slave_skip_counter`).
    pub(crate) skip_events: u64,
    /// The same for the next life: what is passed over in part comes to it whole.
    pub(crate) skip_events_left: Arc<AtomicU64>,
    /// The group in parts that is being passed over.
    pub(crate) passing: Option<PassingOver>,
}

/// A group in parts that is passed over, from the first part to the last. It outlives the stream.
#[derive(Debug)]
pub(crate) struct PassingOver {
    /// Its GTID, or where it begins.
    name: String,
    /// Parts whose events have been counted.
    parts: usize,
}

impl Orders {
    /// Whether everything up to where it is to stop has been handed over.
    pub(super) fn are_done(&self, coordinates: &Coordinates, gtid_pos: &GtidPos) -> bool {
        match &self.until {
            None => false,
            Some(Until::Coordinates(until)) => !coordinates.is_before(until),
            Some(Until::Gtid(until)) => until.iter().all(|gtid| has_reached(gtid_pos, gtid)),
        }
    }

    /// Whether the group is one of those to pass over. For a group in parts the first decides.
    fn passes_over(&mut self, group: &EventGroup) -> bool {
        let name = group.name();
        let parts = match self.passing.take().filter(|passing| passing.name == name) {
            Some(passing) => passing.parts,
            None if group.part > 0 || self.skip_events == 0 => return false,
            None => 0,
        };
        if group.part >= parts {
            // Each event but the one that begins the group stands in it.
            let events = u64::from(group.part == 0) + group.items.len() as u64;
            self.skip_events = self.skip_events.saturating_sub(events);
        }
        if group.end_kind == GroupEnd::Open {
            let parts = parts.max(group.part + 1);
            self.passing = Some(PassingOver { name, parts });
        } else {
            self.passed_over();
        }
        true
    }

    /// Something has been passed over as a whole.
    pub(super) fn passed_over(&self) {
        self.skip_events_left.store(self.skip_events, Ordering::Relaxed);
    }
}

/// Whether a position has the GTID, or a later one of its domain.
pub(crate) fn has_reached(position: &GtidPos, gtid: tributary_binlog::Gtid) -> bool {
    position
        .get(gtid.domain)
        .is_some_and(|newest| newest.sequence >= gtid.sequence)
}

impl Source {
    /// Whether nothing of the group is to be applied, or of the group that the part belongs to.
    pub(super) fn leaves_out(&mut self, group: &EventGroup) -> bool {
        let domain = group.gtid.as_ref().map_or(0, |event| event.gtid.domain);
        !self.options.origins.accepts(group.server_id, domain) || self.orders.passes_over(group)
    }

    /// Waits until the group is as old as `master_delay` wants it, by the source's clock.
    pub(super) async fn delay(&mut self, group: &EventGroup) -> Result<(), End> {
        let delay = i64::try_from(self.options.delay.as_secs()).unwrap_or(i64::MAX);
        if delay == 0 {
            return Ok(());
        }
        loop {
            let difference = self.counters.state().clock_difference;
            let due = (i64::from(group.timestamp) + difference).saturating_add(delay);
            let Ok(seconds @ 1..) = u64::try_from(due - now_seconds()) else {
                return Ok(());
            };
            self.send().await?;
            // In short steps: a clock may be set.
            tokio::time::sleep(Duration::from_secs(seconds.min(1))).await;
        }
    }
}
