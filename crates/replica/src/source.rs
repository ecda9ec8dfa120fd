//! The source task of one connection: logs in as a replica, reads the binlog, and hands prepared groups to the applier.
//!
//! It resumes from the last group it has received whole, never from a guess. When the relay queue is full it stops
//! reading. Errors that time heals end in another attempt after `master_connect_retry`; others stop the connection.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tributary_binlog::{
    Assembled, ChecksumAlgorithm, Coordinates, EventGroup, FormatDescription, GroupAssembler, GtidPos,
    GtidSet, ReplicaDecoder,
};
use tributary_client::Error as ClientError;
use tributary_relaylog::{Damage, Place};
use tributary_schedule::GroupSeq;

use crate::change::{PreparedGroup, PreparedGroups, stand_in};
use crate::config::ConnectionOptions;
use crate::error::{StopReason, client_error_number, number};
use crate::prepare::Preparer;
use crate::receiver::{OPEN_GROUP_WAIT, Receiver};
use crate::relay::RelayQueue;
use crate::status::{self, ConnectionCounters, IoState};

mod feed;
mod handshake;
mod orders;
mod parts;

use feed::{Feed, RelayFeed};
pub(crate) use handshake::{Lost, Opened, Patience, StreamStart, Upstream, log_in, payload_of};
pub(crate) use orders::{Orders, has_reached};
use parts::Open;
pub(crate) use parts::{OpenGroup, OpenGroups};

/// Groups handed to the applier in one message; more only if they are there without waiting.
const MESSAGE_GROUPS_MAX: usize = 128;

/// The number of the one incident there is: events are lost.
const LOST_EVENTS: u16 = 1;

/// What a source task tells the applier.
#[derive(Debug)]
pub(crate) enum SourceMessage {
    /// Groups, in order.
    Groups(PreparedGroups),
    /// The stream has moved here without a group, and there in the relay log.
    Moved(Coordinates, Place),
    /// The GTID position of the coordinates the stream starts from.
    StartsAt(GtidPos),
    /// Nothing more will come; everything before has been sent.
    Stopped(SourceStop),
}

/// Why a source task has ended for good.
#[derive(Debug)]
pub(crate) enum SourceStop {
    /// The stream cannot go on: the I/O side of the connection has stopped, and has said why.
    Stream,
    /// A group cannot be applied as it is: the SQL side stops behind the group before it.
    Group(StopReason),
    /// It has come to where it was to stop.
    Reached,
}

/// The stream of one connection.
pub(crate) struct Source {
    pub(crate) options: ConnectionOptions,
    pub(crate) server_id: u32,
    pub(crate) preparer: Preparer,
    pub(crate) queue: RelayQueue,
    pub(crate) counters: Arc<ConnectionCounters>,
    /// Where the messages go, with the connection's number.
    pub(crate) messages: mpsc::Sender<(u16, SourceMessage)>,
    pub(crate) index: u16,
    /// True once the task shall end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) position: ReadPosition,
    /// Whether the source is MySQL, whose groups have no GTIDs of MariaDB.
    pub(crate) is_mysql: bool,
    /// Where the last event that was read ends in the relay log.
    pub(crate) relay_end: Place,
    /// Groups that are prepared and not handed over yet. `position` is already behind them, so they outlive the stream.
    pub(crate) batch: PreparedGroups,
    /// The group that is handed over in pieces.
    pub(crate) open: Option<OpenGroup>,
    /// Who receives for this task, with a relay log.
    pub(crate) receiver: Option<Arc<Receiver>>,
    /// What to pass over, and where to stop.
    pub(crate) orders: Orders,
    /// True while a group is under way that cannot be undone: the task reads it to its end even if told to stop.
    pub(crate) holds_stop: watch::Sender<bool>,
    /// Since when there is no stream, without a relay log.
    pub(crate) lost_at: Option<Instant>,
    /// Those of all connections.
    pub(crate) open_groups: Arc<OpenGroups>,
}

/// How far the stream has been received.
#[derive(Debug, Clone)]
pub(crate) struct ReadPosition {
    pub(crate) seq: GroupSeq,
    pub(crate) coordinates: Coordinates,
    pub(crate) gtid_pos: GtidPos,
    /// The same place in the relay log; the default without one, or before it is known.
    pub(crate) relay: Place,
    /// Groups that are on the target already, from before a restart.
    pub(crate) done: GtidSet,
    /// Groups that may be there though nothing says so.
    pub(crate) announced: GtidSet,
    /// Groups whose statement is executed and must not be again, though not all that belongs to it is done.
    pub(crate) executed: GtidSet,
    /// Groups that may be there in part, and cannot be rolled back.
    pub(crate) begun: GtidSet,
    /// Start from `gtid_pos` whatever the mode, because there are no coordinates yet.
    pub(crate) needs_gtid: bool,
}

/// Why a stream ended.
enum End {
    /// Told to.
    Stopped,
    /// Try again later.
    Retry(ClientError),
    /// It may be otherwise the next time.
    Doubtful(StopReason),
    /// A person must look at the stream.
    Definite(StopReason),
    /// A person must look at the group that follows the last one sent.
    Refused(StopReason),
    /// The relay log has taken events back that were read: they come again.
    TakenBack,
    /// What is in the relay log cannot be read.
    Damaged(Damage),
    /// It has come to where it was to stop.
    Reached,
    /// The receiver has stopped inside the open group, and has said why.
    StreamEnded,
    /// The source has been away for long, with the open group unfinished.
    Away,
    /// The open group has been given up; the session with the target ends because of it, or the connection does.
    Void,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Retry(error) => Self::Retry(error),
            Lost::Doubtful(reason) => Self::Doubtful(reason),
            Lost::Definite(reason) => Self::Definite(reason),
        }
    }
}

impl Source {
    /// Reads until told to stop, or until an error that time does not heal.
    pub(crate) async fn run(mut self) {
        let mut damage = None;
        let (mut patience, mut doubtful_at) = (Patience::default(), None);
        loop {
            let mut stop = pin!(told_to_stop(self.stop.clone(), self.holds_stop.subscribe()));
            let end = tokio::select! {
                biased;
                () = &mut stop => End::Stopped,
                end = self.stream(damage.take()) => end,
            };
            match end {
                End::TakenBack => {}
                End::Damaged(found) => damage = Some(found),
                End::StreamEnded => return self.stopped(SourceStop::Stream).await,
                End::Reached => return self.stopped(SourceStop::Reached).await,
                // With a relay log, the stream goes on: it is the applier that has come to something it cannot take.
                End::Doubtful(reason) | End::Definite(reason) | End::Refused(reason)
                    if self.receiver.is_some() =>
                {
                    return self.stopped(SourceStop::Group(reason)).await;
                }
                End::Void if self.receiver.is_some() => return stop.await,
                End::Away => tokio::select! {
                    () = &mut stop => {}
                    () = self.starved() => if self.give_up() {
                        return stop.await;
                    },
                },
                End::Stopped => {
                    // When the applier is gone instead, the session with the target is over and the next one goes on. A stream into
                    // a relay log goes on in any case, until it is told otherwise.
                    if *self.stop.borrow() && self.receiver.is_none() {
                        self.counters.update(|state| state.io_state = IoState::Stopped);
                    }
                    return;
                }
                End::Retry(error) => {
                    let reason = StopReason::new(client_error_number(&error), error.to_string());
                    let here = Some(self.position.coordinates.clone());
                    if std::mem::replace(&mut doubtful_at, here.clone()) != here {
                        patience.got_on();
                    }
                    if !patience.tries_again(&self.options) {
                        return self.stream_stopped(&reason).await;
                    }
                    self.pause(&reason, stop).await;
                }
                End::Doubtful(reason) => {
                    let here = Some(self.position.coordinates.clone());
                    if std::mem::replace(&mut doubtful_at, here.clone()) != here {
                        patience.got_on();
                    }
                    if !patience.lasts(&reason) {
                        return self.stream_stopped(&reason).await;
                    }
                    self.pause(&reason, stop).await;
                }
                End::Definite(reason) => return self.stream_stopped(&reason).await,
                End::Void => {
                    self.counters.update(|state| state.io_state = IoState::Connecting);
                    stop.await;
                    return;
                }
                End::Refused(reason) => {
                    self.counters.update(|state| state.io_state = IoState::Stopped);
                    return self.stopped(SourceStop::Group(reason)).await;
                }
            }
        }
    }

    /// Shows why there is no stream, and waits until it is time to try again. A group that is open is not waited for so long.
    async fn pause(&mut self, reason: &StopReason, mut stop: Pin<&mut impl Future<Output = ()>>) {
        let retry_in = self.options.connect_retry.max(Duration::from_millis(100));
        tracing::warn!(connection = %self.options.name, error = reason.message, ?retry_in, "source lost");
        self.counters.update(|state| {
            state.io_state = IoState::Connecting;
            state.io_error = Some(reason.status());
        });
        let lost_at = *self.lost_at.get_or_insert_with(Instant::now);
        tokio::select! {
            () = &mut stop => {}
            () = tokio::time::sleep(retry_in) => {}
            () = self.starved_at(lost_at + OPEN_GROUP_WAIT), if self.open_kind() == Open::Undoable => {
                if self.give_up() {
                    stop.await;
                }
            }
        }
    }

    /// A person must look at the stream.
    async fn stream_stopped(&self, reason: &StopReason) {
        tracing::error!(connection = %self.options.name, number = reason.number, "stream stopped: {}", reason.message);
        self.counters.update(|state| {
            state.io_state = IoState::Stopped;
            state.io_error = Some(reason.status());
        });
        self.stopped(SourceStop::Stream).await;
    }

    async fn stopped(&self, stop: SourceStop) {
        // If the applier is gone nobody needs to know.
        let _ = self
            .messages
            .send((self.index, SourceMessage::Stopped(stop)))
            .await;
    }

    /// One life of the connection to the source.
    async fn stream(&mut self, damage: Option<Damage>) -> End {
        let end = match self.read(damage).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        // However the stream ended, what it brought whole is handed over.
        match self.send().await {
            Ok(()) => end,
            Err(gone) => gone,
        }
    }

    fn stream_start(&self) -> StreamStart {
        StreamStart {
            coordinates: self.position.coordinates.clone(),
            gtid_pos: self.position.gtid_pos.clone(),
            needs_gtid: self.position.needs_gtid,
        }
    }

    /// Asks the source for its stream.
    async fn open_stream<'a>(
        &mut self,
        upstream: Upstream<'a>,
    ) -> Result<(Feed<'a>, ChecksumAlgorithm), End> {
        let opened = upstream.open().await?;
        self.lost_at = None;
        if let Some(position) = opened.starts_at {
            self.starts_at(position).await?;
        }
        self.counters.update(|state| {
            state.clock_difference = opened.clock_difference;
            state.source_id = opened.source_id;
        });
        Ok((Feed::Stream(Box::new(opened.stream), upstream), opened.checksum))
    }

    /// The GTID position that belongs to the coordinates we start from, so that a later start can be by GTID.
    async fn starts_at(&mut self, position: GtidPos) -> Result<(), End> {
        self.position.gtid_pos = position.clone();
        self.message(SourceMessage::StartsAt(position)).await
    }

    async fn read(&mut self, damage: Option<Damage>) -> Result<std::convert::Infallible, End> {
        let (start, options) = (self.stream_start(), self.options.clone());
        let upstream = Upstream {
            options: &options,
            server_id: self.server_id,
            start: &start,
        };
        let (mut feed, checksum) = match self.receiver.clone() {
            None => self.open_stream(upstream).await?,
            Some(receiver) => {
                let relay = RelayFeed::open(&receiver, start.clone(), damage).await?;
                (Feed::Relay(relay), ChecksumAlgorithm::Off)
            }
        };
        let mut decoder = ReplicaDecoder::new(checksum);
        let mut assembler = GroupAssembler::new(self.position.coordinates.clone());
        // Without GTIDs only its end tells whether a group is on the target already.
        if !self.is_mysql || self.position.done.is_empty() {
            assembler.set_part_bytes_max(self.part_bytes_max());
        }
        if self.open.is_none() {
            self.preparer.spool.clear();
        }
        self.begins_in_relay_log(feed.place()).await?;
        self.stop_where_told()?;
        loop {
            // Most events are here already, and waiting costs more than many of them.
            let payload = match feed.arrived()? {
                Some(payload) => payload,
                None => self.next_payload(&mut feed).await?,
            };
            // What comes out of a relay log was counted when it went in.
            if self.receiver.is_none() {
                self.counters.received.note(&payload);
            }
            if self.position.gtid_pos.is_empty()
                && let Some(position) = feed.gtid_pos()
            {
                self.starts_at(position.clone()).await?;
            }
            self.enter_relay_file(feed.place(), payload.len(), assembler.is_inside_group())?;
            decoder
                .push(payload)
                .map_err(|error| self.unreadable(&assembler, &error))?;
            while let Some(assembled) = self.assemble(&mut decoder, &mut assembler)? {
                self.take(assembled, assembler.coordinates()).await?;
                self.stop_where_told()?;
            }
            feed.note_seq(GroupSeq(
                self.position.seq.0 + u64::from(assembler.is_inside_group()),
            ));
            if self.batch.len() >= MESSAGE_GROUPS_MAX {
                self.send().await?;
            }
        }
    }

    /// Ends the stream where it is to stop.
    fn stop_where_told(&self) -> Result<(), End> {
        match self.open.is_none() && self.orders.are_done(&self.position) {
            true => Err(End::Reached),
            false => Ok(()),
        }
    }

    /// Where reading begins has been found in the relay log.
    async fn begins_in_relay_log(&mut self, place: Place) -> Result<(), End> {
        self.relay_end = Place::default();
        if place == Place::default() || self.position.needs_gtid {
            return Ok(());
        }
        (self.relay_end, self.position.relay) = (place, place);
        let here = self.position.coordinates.clone();
        self.message(SourceMessage::Moved(here, place)).await
    }

    /// An event of so many bytes was read that ends there in the relay log. The first of a file may be behind where to stop, though
    /// what was before it, in another file, was not.
    fn enter_relay_file(&mut self, end: Place, bytes: usize, is_inside_group: bool) -> Result<(), End> {
        let before = std::mem::replace(&mut self.relay_end, end);
        if before.file == end.file || is_inside_group {
            return Ok(());
        }
        // What a reader begins with stands in no file.
        let offset = match before.file {
            0 => end.offset,
            _ => end.offset.saturating_sub(bytes as u64),
        };
        self.position.relay = Place { offset, ..end };
        self.stop_where_told()
    }

    /// What the events that have been decoded make.
    fn assemble(
        &self,
        decoder: &mut ReplicaDecoder,
        assembler: &mut GroupAssembler,
    ) -> Result<Option<Assembled>, End> {
        while let Some(event) = decoder
            .fetch()
            .map_err(|error| self.unreadable(assembler, &error))?
        {
            let assembled = assembler
                .push(event)
                .map_err(|error| self.unreadable(assembler, &error))?;
            if assembled.is_some() {
                return Ok(assembled);
            }
        }
        Ok(None)
    }

    /// The next event. Waiting groups are sent before the task waits for the socket.
    async fn next_payload(&mut self, feed: &mut Feed<'_>) -> Result<bytes::Bytes, End> {
        let payload = {
            let mut next = pin!(feed.next(self.options.net_timeout, self.open_kind()));
            let ready = std::future::poll_fn(|context| {
                Poll::Ready(match next.as_mut().poll(context) {
                    Poll::Ready(payload) => Some(payload),
                    Poll::Pending => None,
                })
            })
            .await;
            match ready {
                Some(payload) => payload,
                None => {
                    self.send().await?;
                    next.await
                }
            }
        };
        if payload.is_err() {
            self.send().await?;
        }
        payload
    }

    async fn take(&mut self, assembled: Assembled, coordinates: &Coordinates) -> Result<(), End> {
        match assembled {
            Assembled::Part(part) => self.take_part(part).await?,
            Assembled::Group(group) => {
                if group.gtid.is_none() && !self.is_mysql {
                    let message = format!(
                        "the source writes groups without GTIDs (at {}); of MariaDB, versions from 10.0.2 on are replicated",
                        group.start
                    );
                    return Err(End::Definite(StopReason::new(number::REPLICA_FATAL, message)));
                }
                let seq = GroupSeq(self.position.seq.0 + 1);
                let gtid = group.gtid.as_ref().map(|event| event.gtid);
                let (end, part) = (group.end.clone(), group.part);
                if self.open.is_some() {
                    self.take_last_part(group).await?;
                } else {
                    self.take_group(group, seq).await?;
                }
                if part > 0 {
                    self.preparer.spool.clear();
                }
                self.position.seq = seq;
                self.position.coordinates = end;
                self.position.relay = self.relay_end;
                if let Some(gtid) = gtid {
                    self.position.gtid_pos.advance(gtid);
                }
                self.position.needs_gtid = false;
                self.note_read();
            }
            Assembled::FormatChanged {
                source_restarted,
                format,
            } => self.format_changed(source_restarted, format),
            Assembled::Heartbeat { .. } => status::add(&self.counters.heartbeats, 1),
            // Passed over like a group of one event.
            Assembled::Incident { .. } if self.orders.skip_events > 0 => {
                self.orders.skip_events = 0;
                self.orders.passed_over();
                self.moved(coordinates).await?;
            }
            Assembled::Incident {
                number: kind,
                message,
            } => {
                self.send().await?;
                let said = String::from_utf8_lossy(&message);
                let name = if kind == LOST_EVENTS {
                    "LOST_EVENTS"
                } else {
                    "NONE"
                };
                let native = format!(
                    "The incident {name} occurred on the master. Message: {}",
                    if said.is_empty() { "<none>" } else { &said }
                );
                let message = format!(
                    "the source lost events (incident {kind}): {said}; compare source and target, then start behind it"
                );
                let reason = StopReason::new(number::INCIDENT, message).natively(number::INCIDENT, native);
                return Err(End::Definite(reason));
            }
            Assembled::Rotated
            | Assembled::Advanced
            | Assembled::GtidListReached(..)
            | Assembled::Stopped => {
                if let Assembled::GtidListReached(position, _) = &assembled {
                    position
                        .iter()
                        .for_each(|gtid| self.position.gtid_pos.advance(gtid));
                }
                self.moved(coordinates).await?;
            }
        }
        Ok(())
    }

    /// The stream is further, without a group.
    async fn moved(&mut self, coordinates: &Coordinates) -> Result<(), End> {
        self.send().await?;
        self.position.relay = self.relay_end;
        // A stream asked for by GTID begins before the groups that are here; until its first group is, only the
        // GTID position says where to resume.
        if coordinates.is_before(&self.position.coordinates) {
            return Ok(());
        }
        self.position.coordinates = coordinates.clone();
        self.note_read();
        match self.position.needs_gtid {
            true => Ok(()),
            false => {
                self.message(SourceMessage::Moved(coordinates.clone(), self.relay_end))
                    .await
            }
        }
    }

    async fn take_group(&mut self, group: Box<EventGroup>, seq: GroupSeq) -> Result<(), End> {
        let part = group.part;
        let gtid = group.gtid.as_ref().map(|event| event.gtid);
        let identity = gtid.unwrap_or_else(|| stand_in(&group.end));
        self.delay(&group).await?;
        let is_done = self.position.done.contains(&identity);
        let is_left_out = !is_done && self.leaves_out(&group);
        let mut prepared = if is_done || is_left_out {
            let mut empty = Box::new(PreparedGroup::empty(&group, seq));
            empty.label.counted.take_if(|_| is_left_out);
            empty
        } else {
            match self.preparer.prepare(group, seq) {
                Ok(prepared) => prepared,
                Err(reason) => {
                    self.send().await?;
                    return Err(End::Refused(reason));
                }
            }
        };
        prepared.may_be_made = self.position.announced.contains(&identity);
        prepared.is_executed = self.position.executed.contains(&identity);
        prepared.was_begun = self.position.begun.contains(&identity);
        prepared.label.relay_end = self.relay_end;
        self.note_ignored(&prepared, part);
        self.admit(&mut prepared).await?;
        self.batch.push(prepared);
        Ok(())
    }

    /// The queue must have room for several parts at once, so that one is received while another is applied.
    fn part_bytes_max(&self) -> usize {
        const PARTS: usize = 4;
        self.options
            .group_bytes_max
            .min(self.options.relay_bytes_max / PARTS)
    }

    fn format_changed(&mut self, source_restarted: bool, format: Arc<FormatDescription>) {
        let number = format.version_number();
        let version = format.version().unwrap_or_default();
        let narrow = |part: u32| u16::try_from(part).unwrap_or(u16::MAX);
        self.preparer
            .set_version((narrow(version.0), narrow(version.1), narrow(version.2)), number);
        self.is_mysql = !format.is_mariadb();
        self.preparer.format = Some(format.for_target());
        if source_restarted {
            self.preparer.temporary.source_restarted();
        }
    }

    /// Takes room in the relay queue; while there is none, what is waiting in the batch must go out first.
    async fn admit(&mut self, group: &mut PreparedGroup) -> Result<(), End> {
        group.permit = self.queue.try_admit(group.bytes);
        if group.permit.is_none() {
            self.send().await?;
            group.permit = self.queue.admit(group.bytes).await;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), End> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let room = Vec::with_capacity(MESSAGE_GROUPS_MAX);
        let groups = std::mem::replace(&mut self.batch, room);
        self.message(SourceMessage::Groups(groups)).await
    }

    async fn message(&self, message: SourceMessage) -> Result<(), End> {
        // The applier is gone only when the engine ends.
        self.messages
            .send((self.index, message))
            .await
            .map_err(|_| End::Stopped)
    }

    fn note_read(&self) {
        if self.receiver.is_some() {
            // It has read further, and says so itself.
            return;
        }
        let coordinates = &self.position.coordinates;
        self.counters.update(|state| {
            if state.read.file != *coordinates.file {
                state.read.file = coordinates.file.to_string();
            }
            state.read.offset = coordinates.offset;
            state.io_state = IoState::Running;
            state.io_error = None;
        });
    }

    fn unreadable(&self, assembler: &GroupAssembler, error: &dyn std::error::Error) -> End {
        let message = format!(
            "cannot read the binlog behind {}: {error}",
            assembler.coordinates()
        );
        End::Doubtful(StopReason::new(number::RELAY_READ_FAILURE, message))
    }
}

/// Resolves when the task is told to stop and may.
async fn told_to_stop(mut stop: watch::Receiver<bool>, mut holds: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The session with the target is over, which is no order to stop: it ends this task.
        std::future::pending::<()>().await;
    }
    let _ = holds.wait_for(|holds| !*holds).await;
}
