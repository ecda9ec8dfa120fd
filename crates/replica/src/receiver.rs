//! The I/O side of a connection with a relay log: reads the source's stream and writes it down, whatever the applier does.
//!
//! It has a thread of its own, because it waits for disks, and lives as long as the engine: a target that is away stops
//! applying, not receiving. The source task reads the log from where the target stands; see `source/feed.rs`. When the log has
//! not what the source task asks for, or is damaged, it begins anew from there.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tributary_binlog::{EventType, Header};
use tributary_client::{DumpPacket, DumpStream, Error as ClientError};
use tributary_relaylog::{Damage, Error as LogError, LogView, Recovery, RelayLog, RelayReader};
use tributary_schedule::GroupSeq;

use crate::config::{ConnectionOptions, RelayLogOptions};
use crate::error::{StartError, StopReason, client_error_number, number};
use crate::source::{Lost, Opened, Patience, StreamStart, Upstream, payload_of};
use crate::status::{self, ConnectionCounters, IoState};
use crate::worker::ConnectionShared;

mod room;

/// Source tasks that ask for a reader; there is one at a time, and one that is about to end.
const REQUESTS_MAX: usize = 4;

/// Bytes taken from the socket before they are written, unless there are no more.
const WRITE_BYTES: usize = 256 * 1024;

/// Looks at what has been applied, for files that are not needed any more.
const PURGE_TICK: Duration = Duration::from_secs(1);

/// How long an engine before this one may take to give the log up.
const LEFTOVER_WAIT: Duration = Duration::from_secs(10);

/// How long a source may be away before a group that is open on the target is rolled back: it holds a worker.
pub(crate) const OPEN_GROUP_WAIT: Duration = Duration::from_secs(10);

/// What receiver and source task have in common.
#[derive(Debug, Default)]
pub(crate) struct RelayShared {
    /// Wakes the source task: more is written, or nothing will be.
    pub(crate) arrived: Notify,
    /// There will be no more until somebody says so.
    pub(crate) has_ended: AtomicBool,
    /// The source has been away for [`OPEN_GROUP_WAIT`], and what was here of a group is taken back.
    pub(crate) is_away: AtomicBool,
    /// Files that need not be kept once a group is applied: all before the file, once the group with this number is.
    marks: Mutex<VecDeque<(u64, GroupSeq)>>,
    /// How far the target is.
    applied: Mutex<Option<Arc<ConnectionShared>>>,
}

impl RelayShared {
    /// What is in the files before `file` belongs to groups up to `seq`.
    pub(crate) fn mark(&self, file: u64, seq: GroupSeq) {
        lock(&self.marks).push_back((file, seq));
    }

    /// The session with the target that applies from now on.
    pub(crate) fn applies(&self, applied: Arc<ConnectionShared>) {
        lock(&self.marks).clear();
        *lock(&self.applied) = Some(applied);
    }

    /// Files before this one are not needed any more.
    fn purgeable(&self) -> Option<u64> {
        let saved = lock(&self.applied).as_ref()?.progress.saved();
        let mut marks = lock(&self.marks);
        let count = marks.iter().take_while(|(_, seq)| *seq <= saved.seq).count();
        marks.drain(..count).next_back().map(|(file, _)| file)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A source task's wish: to read from there.
struct Request {
    start: StreamStart,
    /// What the task before it could not read.
    damage: Option<Damage>,
    reply: oneshot::Sender<RelayReader>,
}

/// The receiver of one connection, as the rest of the engine sees it. Ends with it.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) shared: Arc<RelayShared>,
    /// The files, to look at.
    pub(crate) view: LogView,
    requests: mpsc::Sender<Request>,
    receives: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Receiver {
    /// Opens the log and starts the thread. Nothing is received before the first [`Receiver::read_from`].
    pub(crate) fn start(
        options: &ConnectionOptions,
        relay: &RelayLogOptions,
        server_id: u32,
        counters: Arc<ConnectionCounters>,
    ) -> Result<Receiver, StartError> {
        let failed = |error: &dyn std::fmt::Display| {
            StartError::Config(format!(
                "connection {}: {error}; set relay_log_dir to where this user may write, or tributary_relay_log=OFF",
                options.name
            ))
        };
        let log = open_log(options, relay).map_err(|error| failed(&error))?;
        let (requests, wishes) = mpsc::channel(REQUESTS_MAX);
        let (stop, stopped) = watch::channel(false);
        let (receives, gate) = watch::channel(true);
        let shared = Arc::new(RelayShared::default());
        let view = log.view();
        let task = Task {
            options: options.clone(),
            server_id,
            log,
            counters,
            shared: shared.clone(),
            requests: wishes,
            receives: gate,
            stop: stopped,
            start: None,
            patience: Patience::default(),
            lost_at: None,
            purge_at: Instant::now(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let thread = std::thread::Builder::new()
            .name(format!("relay {}", options.name))
            .spawn(move || runtime.block_on(task.run()))
            .map_err(|error| failed(&error))?;
        Ok(Receiver {
            shared,
            view,
            requests,
            receives,
            stop,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A reader from this place on. If the log does not have it, the log begins anew there. `None`: the engine stops.
    pub(crate) async fn read_from(&self, start: StreamStart, damage: Option<Damage>) -> Option<RelayReader> {
        let (reply, answer) = oneshot::channel();
        let request = Request { start, damage, reply };
        self.requests.send(request).await.ok()?;
        answer.await.ok()
    }

    /// Lets the stream begin, again if an error has stopped it, or ends it. What is in the log can be read in either case.
    pub(crate) fn receive(&self, receives: bool) {
        self.receives.send_replace(receives);
    }

    /// Stops receiving, and waits until what was received is written.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a relay log's thread has ended by a fault of its own");
            }
        }
    }
}

fn open_log(options: &ConnectionOptions, relay: &RelayLogOptions) -> Result<RelayLog, LogError> {
    let source = options.source.address.to_string();
    let waits = std::time::Instant::now();
    let (mut log, recovery) = loop {
        match RelayLog::open(&relay.dir, &source, relay.limits()) {
            // An engine that was dropped may still be writing.
            Err(LogError::InUse { .. }) if waits.elapsed() < LEFTOVER_WAIT => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => break opened?,
        }
    };
    if let Recovery::Whole {
        coordinates,
        cut_bytes,
        damage,
        ..
    } = &recovery
    {
        tracing::info!(
            connection = %options.name, received = %coordinates, bytes = log.bytes(), cut_bytes, "relay log found"
        );
        if let Some(damage) = damage {
            tracing::warn!(connection = %options.name, "{damage}; what follows is fetched again");
        }
    }
    if relay.discards_at_start && recovery != Recovery::Empty {
        log.begin(tributary_binlog::Coordinates::new("", 4), Default::default())?;
    }
    Ok(log)
}

/// Why a stream ended.
enum End {
    Lost(Lost),
    /// The engine ends.
    Stopped,
    /// The stream begins anew, if there is to be one.
    Restarted,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// The thread.
struct Task {
    options: ConnectionOptions,
    server_id: u32,
    log: RelayLog,
    counters: Arc<ConnectionCounters>,
    shared: Arc<RelayShared>,
    requests: mpsc::Receiver<Request>,
    /// Whether there is to be a stream.
    receives: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
    /// Where the stream begins next; `None` before anybody has asked for it.
    start: Option<StreamStart>,
    /// What is left of it for streams that end doubtfully.
    patience: Patience,
    /// Since when the source is away.
    lost_at: Option<Instant>,
    /// When files are looked at next that may not be needed any more.
    purge_at: Instant,
}

impl Task {
    async fn run(mut self) {
        loop {
            let receives = *self.receives.borrow_and_update();
            let mut end = match self.start.clone() {
                Some(_) if !receives => {
                    self.counters.update(|state| state.io_state = IoState::Stopped);
                    self.rest().await
                }
                Some(start) => {
                    let Err(end) = self.stream(&start).await;
                    // What came together with what ended the stream is in the log, too.
                    self.note_end(&start);
                    end
                }
                None => self.serve(None).await,
            };
            while let End::Lost(lost) = end {
                end = self.lost(lost).await;
            }
            if matches!(end, End::Stopped) {
                break;
            }
        }
        if let Err(error) = self.log.flush().and_then(|()| self.log.sync()) {
            tracing::warn!(connection = %self.options.name, "{error}; what is missing is fetched again at the next start");
        }
        self.counters.update(|state| state.io_state = IoState::Stopped);
    }

    /// Shows why there is no stream, and waits until it is time to try again.
    async fn lost(&mut self, lost: Lost) -> End {
        let retry_in = self.options.connect_retry.max(Duration::from_millis(100));
        self.lost_at.get_or_insert(Instant::now());
        match lost {
            Lost::Doubtful(reason) if self.patience.lasts(&reason) => {
                tracing::warn!(connection = %self.options.name, ?retry_in, "{}; asking again", reason.message);
                self.show(IoState::Connecting, Some(reason));
                self.serve(Some(retry_in)).await
            }
            Lost::Retry(error) if self.patience.tries_again(&self.options) => {
                tracing::warn!(connection = %self.options.name, %error, ?retry_in, "source lost");
                let number = client_error_number(&error);
                self.show(
                    IoState::Connecting,
                    Some(StopReason::new(number, error.to_string())),
                );
                self.serve(Some(retry_in)).await
            }
            lost => {
                let reason = lost.reason();
                tracing::error!(connection = %self.options.name, number = reason.number, "stream stopped: {}", reason.message);
                self.show(IoState::Stopped, Some(reason));
                self.rest().await
            }
        }
    }

    /// Receives no more until told to: a group that is open is given up.
    async fn rest(&mut self) -> End {
        self.shared.has_ended.store(true, Ordering::Release);
        self.take_back();
        let end = self.serve(None).await;
        self.shared.has_ended.store(false, Ordering::Release);
        end
    }

    /// What is here of a group is of no use until the source sends it again, from its beginning. Whether that is done.
    fn take_back(&mut self) -> bool {
        let taken = self.log.take_back();
        if let Err(error) = &taken {
            tracing::warn!(connection = %self.options.name, "the last group, which is not whole, stays in the relay log: {error}");
        }
        self.shared.arrived.notify_one();
        taken.is_ok()
    }

    /// Has a group that is open given up, when the source has been away for long.
    fn look_after_open_group(&mut self) {
        let is_long = self.lost_at.is_some_and(|lost| lost.elapsed() >= OPEN_GROUP_WAIT);
        if is_long && !self.shared.is_away.load(Ordering::Relaxed) && self.take_back() {
            self.shared.is_away.store(true, Ordering::Release);
            self.shared.arrived.notify_one();
        }
    }

    /// Answers source tasks, and purges, for a while.
    async fn serve(&mut self, time: Option<Duration>) -> End {
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut self.stop) => return End::Stopped,
                () = told_otherwise(&mut self.receives) => return End::Restarted,
                request = self.requests.recv() => match self.answer(request) {
                    Ok(false) => {}
                    Ok(true) => return End::Restarted,
                    Err(end) => return end,
                },
                () = &mut over => return End::Restarted,
                () = tokio::time::sleep_until(self.purge_at) => {
                    self.purge();
                    self.look_after_open_group();
                }
            }
        }
    }

    /// One life of the connection to the source.
    async fn stream(&mut self, start: &StreamStart) -> Result<std::convert::Infallible, End> {
        let Opened {
            mut stream,
            checksum,
            source_id,
            clock_difference,
            starts_at,
        } = self.open(start).await?;
        if let Some(gtid_pos) = starts_at {
            self.log.set_gtid_pos(gtid_pos);
        }
        self.counters.update(|state| {
            state.clock_difference = clock_difference;
            state.source_id = source_id;
        });
        while let Err(error) = self.log.begin_stream(checksum) {
            self.disk_refused(error).await?;
        }
        self.patience.reached();
        self.has_read(start);
        loop {
            // Where packets keep coming, nothing else would.
            if self.purge_at <= Instant::now() && self.tidy() {
                return Err(End::Restarted);
            }
            if self.take_arrived(start, &mut stream).await? {
                while let Err(error) = self.log.flush() {
                    self.disk_refused(error).await?;
                }
                self.has_read(start);
                continue;
            }
            let packet = self.wait(&mut stream).await?;
            let packet = packet.map_err(|error| self.upstream(start).dump_error(error))?;
            self.take(payload_of(packet)?).await?;
        }
    }

    /// Waits for the next packet.
    async fn wait(&mut self, stream: &mut DumpStream) -> Result<Result<DumpPacket, ClientError>, End> {
        // One wait, whatever else happens: silence is counted from its beginning.
        let mut next = std::pin::pin!(stream.next(self.options.net_timeout));
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut self.stop) => return Err(End::Stopped),
                () = told_otherwise(&mut self.receives) => return Err(End::Restarted),
                request = self.requests.recv() => {
                    if self.answer(request)? {
                        return Err(End::Restarted);
                    }
                }
                packet = &mut next => return Ok(packet),
                () = tokio::time::sleep_until(self.purge_at) => {
                    if self.tidy() {
                        return Err(End::Restarted);
                    }
                }
            }
        }
    }

    async fn open(&mut self, start: &StreamStart) -> Result<Opened, End> {
        self.counters.update(|state| state.io_state = IoState::Connecting);
        let (options, server_id) = (self.options.clone(), self.server_id);
        let opening = Upstream {
            options: &options,
            server_id,
            start,
        }
        .open();
        tokio::pin!(opening);
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut self.stop) => return Err(End::Stopped),
                () = told_otherwise(&mut self.receives) => return Err(End::Restarted),
                request = self.requests.recv() => {
                    if self.answer(request)? {
                        return Err(End::Restarted);
                    }
                }
                opened = &mut opening => return Ok(opened?),
            }
        }
    }

    fn upstream<'a>(&'a self, start: &'a StreamStart) -> Upstream<'a> {
        Upstream {
            options: &self.options,
            server_id: self.server_id,
            start,
        }
    }

    /// Takes what is here. Whether that was anything.
    async fn take_arrived(&mut self, start: &StreamStart, stream: &mut DumpStream) -> Result<bool, End> {
        let mut bytes = 0;
        while bytes < WRITE_BYTES {
            let packet = stream
                .next_arrived()
                .map_err(|error| self.upstream(start).dump_error(error))?;
            let Some(packet) = packet else { break };
            let payload = payload_of(packet)?;
            bytes += payload.len();
            self.take(payload).await?;
        }
        Ok(bytes > 0 || self.log.has_unwritten())
    }

    async fn take(&mut self, payload: Bytes) -> Result<(), End> {
        if is_heartbeat(&payload) {
            status::add(&self.counters.heartbeats, 1);
        }
        self.counters.received.note(&payload);
        loop {
            match self.log.push(&payload) {
                Ok(()) => return Ok(()),
                Err(LogError::Full { needed, limit, .. }) => self.wait_for_room(needed, limit).await?,
                Err(LogError::Event(error)) => return Err(self.unreadable(&error).into()),
                Err(error) => self.disk_refused(error).await?,
            }
        }
    }

    /// An event that was damaged on the way is whole the next time.
    fn unreadable(&self, error: &tributary_binlog::TrackError) -> Lost {
        let message = format!("cannot read the binlog behind {}: {error}", self.log.end().0);
        Lost::Doubtful(StopReason::new(number::RELAY_READ_FAILURE, message))
    }

    /// The next stream begins where the log ends.
    fn note_end(&mut self, start: &StreamStart) {
        let (coordinates, gtid_pos) = self.log.end();
        // Until the first group is here, only the GTID position says where to resume.
        let needs_gtid = start.needs_gtid && *gtid_pos == start.gtid_pos;
        let is_ahead = self
            .start
            .as_ref()
            .is_none_or(|before| before.coordinates != *coordinates || before.gtid_pos != *gtid_pos);
        if is_ahead {
            self.patience.got_on();
            self.start = Some(StreamStart {
                coordinates: coordinates.clone(),
                gtid_pos: gtid_pos.clone(),
                needs_gtid,
            });
        }
    }

    /// Something has been received and written.
    fn has_read(&mut self, start: &StreamStart) {
        self.note_end(start);
        self.show_received();
        if self.lost_at.take().is_some() {
            self.shared.is_away.store(false, Ordering::Release);
        }
        self.counters.update(|state| {
            state.io_state = IoState::Running;
            state.io_error = None;
        });
        self.shared.arrived.notify_one();
    }

    /// Shows how far the log goes.
    fn show_received(&self) {
        let (coordinates, gtid_pos) = self.log.end();
        self.counters.update(|state| {
            if state.read.file != *coordinates.file {
                state.read.file = coordinates.file.to_string();
            }
            state.read.offset = coordinates.offset;
            state.read_gtid = gtid_pos.to_string();
        });
    }

    fn show(&self, io_state: IoState, error: Option<StopReason>) {
        self.counters.update(|state| {
            state.io_state = io_state;
            state.io_error = error.map(|error| error.status());
        });
    }

    /// Gives a source task its reader. Whether the log, and so the stream, must begin elsewhere.
    fn answer(&mut self, request: Option<Request>) -> Result<bool, End> {
        let Some(Request { start, damage, reply }) = request else {
            return Err(End::Stopped);
        };
        let found = match damage {
            Some(damage) => {
                tracing::error!(
                    connection = %self.options.name, "{damage}; the source is asked again from {}", start.coordinates
                );
                Ok(None)
            }
            None => self.find(&start),
        };
        let (reader, is_restarted) = match found {
            Ok(Some(reader)) => (Ok(Some(reader)), self.start.is_none()),
            Ok(None) => (self.begin(&start), true),
            Err(error) => {
                tracing::error!(
                    connection = %self.options.name, "{error}; the source is asked again from {}", start.coordinates
                );
                (self.begin(&start), true)
            }
        };
        match reader {
            Ok(Some(reader)) => {
                if self.start.is_none() || is_restarted {
                    self.start = Some(self.next_start(&start));
                }
                self.show_received();
                // Whoever has gone needs no reader.
                let _ = reply.send(reader);
                Ok(is_restarted)
            }
            Ok(None) => Err(self.unusable(&"it has no beginning")),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    /// The place in the log. A start by GTID alone is in no log.
    fn find(&mut self, start: &StreamStart) -> Result<Option<RelayReader>, LogError> {
        if start.needs_gtid || self.log.bytes() == 0 {
            return Ok(None);
        }
        self.log.reader(&start.coordinates)
    }

    fn begin(&mut self, start: &StreamStart) -> Result<Option<RelayReader>, LogError> {
        if self.log.bytes() > 0 {
            tracing::info!(
                connection = %self.options.name, at = %start.coordinates, "the relay log begins anew: it did not hold this place"
            );
        }
        self.log
            .begin(start.coordinates.clone(), start.gtid_pos.clone())?;
        self.log.reader(&start.coordinates)
    }

    fn next_start(&self, asked: &StreamStart) -> StreamStart {
        let (coordinates, gtid_pos) = self.log.end();
        StreamStart {
            coordinates: coordinates.clone(),
            gtid_pos: gtid_pos.clone(),
            needs_gtid: asked.needs_gtid,
        }
    }

    fn unusable(&self, why: &dyn std::fmt::Display) -> End {
        End::Lost(Lost::Definite(StopReason::new(
            number::RELAY_READ_FAILURE,
            format!("the relay log cannot be used: {why}"),
        )))
    }
}

fn is_heartbeat(raw: &[u8]) -> bool {
    Header::decode(raw)
        .is_ok_and(|header| matches!(header.kind, EventType::HEARTBEAT | EventType::MYSQL_HEARTBEAT_V2))
}

/// Resolves when told whether there is to be a stream; never when nobody is left to tell.
async fn told_otherwise(receives: &mut watch::Receiver<bool>) {
    if receives.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Resolves when told to stop, or when nobody is left to tell.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
