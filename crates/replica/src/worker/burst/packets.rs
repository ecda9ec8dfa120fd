//! Packets: what each begins and ends with, how row events go into one, and the replies.

use tributary_client::{Error as ClientError, Reply, StatementResult};
use tributary_schedule::WorkerId;

use super::super::Login;
use super::super::rows::{self, RowBatch};
use super::{
    BUFFER_KEPT_BYTES, Failed, Owner, PACKET_STATEMENTS_MAX, PACKET_TEXT_BYTES, RESULTS_IN_FLIGHT_MAX,
    STATEMENT_ROOM, Sent, Step, append_guard, counted, send, show_counter, too_large,
};
use crate::progress::{FENCED, Progress};

impl Login {
    /// Opens a packet if none is open.
    pub(super) fn begin_packet(&mut self, step: Step) {
        let burst = &mut self.burst;
        if !burst.current.owners.is_empty() {
            return;
        }
        if burst.needs_guard {
            let before = burst.has_guard.then_some(burst.last_guard);
            burst.last_guard += 1;
            burst.has_guard = true;
            append_guard(before, burst.last_guard, &mut burst.text);
            burst.current.owners.push(Owner::For(step));
        }
        // Behind the guard, which looks at errors that a statement with a table clears away.
        if let Some(fence) = &burst.fence {
            burst.fence_at = Some((burst.text.len(), burst.current.owners.len()));
            burst.text.extend_from_slice(fence);
            burst.current.owners.push(Owner::Mark);
        }
    }

    /// From here on each packet begins with what fails when another engine has taken over, as long as changes are final when they are
    /// made; `None`: they are not, and their position is saved with them.
    pub(in crate::worker) fn fence(&mut self, progress: Option<(&Progress, WorkerId)>) {
        self.burst.fence = progress.map(|(progress, worker)| {
            let mut text = Vec::new();
            progress.render_fence(worker, &mut text);
            text.extend_from_slice(b";\n");
            text
        });
    }

    /// Turns waiting row events into a `BINLOG` statement. It must be the last of its packet: behind it the server no
    /// longer says whether more results follow (seen on 10.11.19).
    pub(super) fn close_rows(&mut self) {
        if self.burst.rows.events.is_empty() {
            return;
        }
        let first = self.burst.rows.units.first().copied().unwrap_or_default();
        let step = Step::Change(first.change);
        let is_saved = self.add_trail_to_rows();
        let encoded_len = rows::encoded_len(self.burst.rows.events.len());
        if encoded_len > 2 * (self.packet_bytes_max - STATEMENT_ROOM) {
            let error = too_large("the row event", encoded_len / 2, self.packet_bytes_max);
            self.burst.refused = Some((step, error));
            self.burst.rows = RowBatch {
                is_counted: self.burst.rows.is_counted,
                ..RowBatch::default()
            };
            self.format = None;
            return;
        }
        if encoded_len + self.burst.text.len() + STATEMENT_ROOM > self.packet_bytes_max {
            self.close_packet();
        }
        let is_in_halves = encoded_len + STATEMENT_ROOM > self.packet_bytes_max;
        if is_in_halves {
            self.send_halves(step, &rows::encode(&self.burst.rows.events));
        }
        self.begin_packet(step);
        let burst = &mut self.burst;
        let has_counted = burst.rows.has_markers();
        if has_counted {
            burst.text.extend_from_slice(b"SET @tributary_row=0;\n");
            burst.current.owners.push(Owner::For(step));
        }
        if let Some(counter) = burst.rows.counter {
            burst.text.extend_from_slice(&show_counter(counter));
            burst.text.extend_from_slice(b";\n");
            burst.current.owners.push(Owner::For(step));
        }
        if is_in_halves {
            burst.text.extend_from_slice(b"BINLOG @tributary_a,@tributary_b");
        } else {
            burst.text.extend_from_slice(b"BINLOG '");
            rows::encode_into(&burst.rows.events, &mut burst.text);
            burst.text.push(b'\'');
        }
        burst.current.owners.push(Owner::Rows);
        burst.current.counter = burst.rows.counter.take();
        burst.current.units = std::mem::take(&mut burst.rows.units);
        burst.rows.events.clear();
        burst.rows.events.shrink_to(BUFFER_KEPT_BYTES);
        self.session.row_events_ran(has_counted || is_saved);
        self.queue_packet();
    }

    /// Adds what the packet of these rows saves, as events behind theirs. Where it is not long enough for that, the next one does it.
    fn add_trail_to_rows(&mut self) -> bool {
        let burst = &mut self.burst;
        let Some(trail) = burst.trail.as_mut().filter(|trail| trail.has_news()) else {
            return false;
        };
        let mut mark = Vec::new();
        trail.mark(&mut mark);
        let length = burst.rows.events.len() + mark.len() + STATEMENT_ROOM;
        if rows::encoded_len(length) + STATEMENT_ROOM > self.packet_bytes_max {
            return false;
        }
        rows::encode_query(&mark, &mut burst.rows.events);
        rows::encode_query(b"COMMIT", &mut burst.rows.events);
        trail.is_saved();
        true
    }

    /// Row events too large for one packet go in two variables, which `BINLOG` joins.
    fn send_halves(&mut self, step: Step, encoded: &str) {
        let (first, second) = encoded.split_at(encoded.len() / 2);
        for (name, half) in [("a", first), ("b", second)] {
            self.close_packet();
            self.begin_packet(step);
            self.burst
                .text
                .extend_from_slice(format!("SET @tributary_{name}='{half}'").as_bytes());
            self.burst.current.owners.push(Owner::For(step));
        }
        self.close_packet();
    }

    /// Queues the open packet, unless a group would be torn by that.
    pub(super) fn end_packet(&mut self) {
        if !self.is_inside_group() {
            self.close_packet();
        }
    }

    /// Queues the open packet, with what it saves.
    pub(super) fn close_packet(&mut self) {
        if !self.burst.current.owners.is_empty() {
            self.add_trail();
        }
        self.queue_packet();
    }

    /// Adds what the open packet saves. Where it is not long enough for that, the next one does it, and so it does where rows wait
    /// for theirs.
    pub(super) fn add_trail(&mut self) {
        let burst = &mut self.burst;
        if !burst.rows.events.is_empty() {
            return;
        }
        let Some(trail) = burst.trail.as_mut().filter(|trail| trail.has_news()) else {
            return;
        };
        let length = burst.text.len();
        trail.mark(&mut burst.text);
        burst.text.extend_from_slice(b";\nCOMMIT");
        if burst.text.len() > self.packet_bytes_max {
            burst.text.truncate(length);
            return;
        }
        burst.current.owners.extend([Owner::Mark, Owner::Commit]);
        trail.is_saved();
    }

    pub(super) fn queue_packet(&mut self) {
        let burst = &mut self.burst;
        if burst.current.owners.is_empty() {
            return;
        }
        let (mut at, owner) = burst.fence_at.take().unwrap_or_default();
        let mut intent = Vec::new();
        if let Some(trail) = burst.trail.as_mut().filter(|_| burst.fence.is_some())
            && trail.intent(&mut intent)
        {
            // Committed in front of the fence, so that it stays whatever becomes of the rest.
            intent.extend_from_slice(b";\nCOMMIT;\n");
            let owners = [Owner::Mark, Owner::Commit];
            if intent.len() + burst.text.len() > self.packet_bytes_max {
                // In a packet of its own, behind the guard; the rest gets another.
                let (guard, rest) = burst.text.split_at(at);
                self.client.queue_query(&[guard, &intent]);
                let number = burst.last_guard + 1;
                let mut text = Vec::new();
                append_guard(burst.has_guard.then_some(burst.last_guard), number, &mut text);
                text.extend_from_slice(rest);
                intent.clear();
                let rest_owners = burst.current.owners.split_off(owner);
                let mut before = std::mem::replace(&mut burst.current.owners, vec![Owner::For(Step::Mark)]);
                burst.current.owners.extend(rest_owners);
                before.extend(owners);
                burst.weight_in_flight += before.len();
                burst.in_flight.push_back(Sent::of(before));
                (burst.text, burst.last_guard, burst.has_guard) = (text, number, true);
                at = 0;
            } else {
                burst.current.owners.splice(owner..owner, owners);
            }
        }
        let (guard, rest) = burst.text.split_at(at);
        self.client.queue_query(&[guard, &intent, rest]);
        burst.text.clear();
        burst.text.shrink_to(BUFFER_KEPT_BYTES);
        let sent = std::mem::take(&mut burst.current);
        self.sent(sent);
    }

    /// Sends what is long enough, and reads a reply when too many are due.
    pub(in crate::worker) async fn send_full(&mut self) -> Result<(), ClientError> {
        let burst = &self.burst;
        if burst.text.len() >= PACKET_TEXT_BYTES || burst.current.owners.len() >= PACKET_STATEMENTS_MAX {
            self.end_packet();
        }
        if self.client.queued_bytes() >= PACKET_TEXT_BYTES {
            send(&mut self.client).await?;
        }
        while self.burst.weight_in_flight > RESULTS_IN_FLIGHT_MAX {
            send(&mut self.client).await?;
            self.read_one().await?;
        }
        Ok(())
    }

    /// Reads the reply to the oldest packet in flight.
    pub(super) async fn read_one(&mut self) -> Result<(), ClientError> {
        let Some(sent) = self.burst.in_flight.pop_front() else {
            return Ok(());
        };
        self.burst.weight_in_flight -= sent.weight();
        let Reply { results, error } = self.client.read_reply().await?;
        let is_mark = matches!(sent.owners.get(results.len()), Some(Owner::Mark));
        if is_mark && error.as_ref().is_some_and(|error| error.code == FENCED) {
            // Another engine has begun: nothing of this session counts any more.
            return Err(ClientError::Broken);
        }
        let failed = error.map(|error| (results.len(), error));
        if let (Some((place, error)), None) =
            (failed.or_else(|| sent.miscounted(&results)), &self.burst.failure)
        {
            let (step, units) = match sent.owners.get(place) {
                Some(Owner::For(step) | Owner::Changes(step, _)) => (*step, Vec::new()),
                Some(Owner::Change(index)) => (Step::Change(*index), Vec::new()),
                Some(Owner::Rows) => (Step::Change(0), sent.units),
                Some(Owner::Commit) => (Step::Commit, Vec::new()),
                Some(Owner::Mark) | None => (Step::Mark, Vec::new()),
            };
            let before = results.iter().rev().find_map(|result| match result {
                StatementResult::Rows(rows) => counted(rows),
                StatementResult::Ok(_) => None,
            });
            let counter = sent.counter.zip(before).filter(|_| !units.is_empty());
            self.burst.failure = Some(Failed {
                step,
                error,
                units,
                counter,
            });
        }
        Ok(())
    }
}
