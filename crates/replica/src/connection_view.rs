//! A connection as the engine's face sees it, across lives of the target.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::config::ConnectionOptions;
use crate::control::{Threads, Until};
use crate::error::{StartError, StopReason, number};
use crate::progress::Position;
use crate::receiver::Receiver;
use crate::relay::Used;
use crate::source::Orders;
use crate::status::{
    self, ConnectionCounters, ConnectionState, ConnectionStatus, CoordinatesStatus, IoState, SqlState,
};
use crate::worker::ConnectionShared;

/// What a connection has been told to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) threads: Threads,
    /// Where applying ends by itself.
    pub(crate) until: Option<Until>,
    /// Events that the next start passes over, those less that it has.
    pub(crate) skip_events: Arc<AtomicU64>,
}

/// A connection. When its options change, another one with the same number takes its place.
#[derive(Debug)]
pub(crate) struct ConnectionView {
    /// Under this number the target's sessions know it.
    pub(crate) number: u16,
    pub(crate) options: ConnectionOptions,
    pub(crate) counters: Arc<ConnectionCounters>,
    wanted: Mutex<Wanted>,
    /// Receives, if there is a relay log.
    receiver: OnceLock<Arc<Receiver>>,
    current: Mutex<Current>,
    /// How often applying has begun.
    lives: AtomicU64,
}

#[derive(Debug, Default)]
struct Current {
    /// The life that applies, or applied last.
    life: Option<(Arc<ConnectionShared>, Arc<Used>)>,
    /// What is saved on the target, before the first life.
    saved: Option<Position>,
}

fn heals_in(state: &ConnectionState) -> Option<Duration> {
    state.heal.as_ref()?.remaining(Instant::now())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionView {
    pub(crate) fn new(number: u16, options: ConnectionOptions, threads: Threads) -> Self {
        let view = Self {
            number,
            counters: Arc::new(ConnectionCounters::new()),
            wanted: Mutex::default(),
            receiver: OnceLock::new(),
            current: Mutex::default(),
            lives: AtomicU64::new(0),
            options,
        };
        view.want(threads, None);
        view
    }

    /// What it is told to do.
    pub(crate) fn wanted(&self) -> Wanted {
        lock(&self.wanted).clone()
    }

    /// Tells it which threads are to run, and shows it: what has stopped by an error begins again.
    pub(crate) fn want(&self, threads: Threads, until: Option<Until>) {
        {
            let mut wanted = lock(&self.wanted);
            wanted.threads = threads;
            wanted.until = until;
        }
        self.counters.update(|state| {
            match (threads.io, state.io_state) {
                (false, _) => state.io_state = IoState::Stopped,
                (true, IoState::Stopped) => state.io_state = IoState::Connecting,
                (true, _) => {}
            }
            state.sql_state = match threads.sql {
                true => SqlState::Running,
                false => SqlState::Stopped,
            };
        });
    }

    /// Passes over so many events at the next start.
    pub(crate) fn skip_events(&self, count: u64) {
        lock(&self.wanted).skip_events.store(count, Ordering::Relaxed);
    }

    /// What the life that begins now is told.
    pub(crate) fn take_orders(&self) -> Orders {
        let wanted = self.wanted();
        Orders {
            until: wanted.until,
            skip_events: wanted.skip_events.load(Ordering::Relaxed),
            skip_events_left: wanted.skip_events,
            passing: None,
        }
    }

    /// Opens the connection's relay log, if it has one. Blocks: an earlier end of the log is looked at.
    pub(crate) fn open_relay_log(&self, server_id: u32) -> Result<(), StartError> {
        let Some(relay) = &self.options.relay_log else {
            return Ok(());
        };
        if self.receiver.get().is_some() {
            return Ok(());
        }
        let server_id = self.options.server_id.unwrap_or(server_id);
        let receiver = Receiver::start(&self.options, relay, server_id, self.counters.clone())?;
        receiver.receive(self.wanted().threads.io);
        // It is opened once.
        let _ = self.receiver.set(Arc::new(receiver));
        Ok(())
    }

    /// Who receives, if there is a relay log.
    pub(crate) fn receiver(&self) -> Option<&Arc<Receiver>> {
        self.receiver.get()
    }

    /// The connection has begun a new life.
    pub(crate) fn attach(&self, shared: Arc<ConnectionShared>, used: Arc<Used>) {
        lock(&self.current).life = Some((shared, used));
        self.lives.fetch_add(1, Ordering::Relaxed);
    }

    /// How often applying has begun.
    pub(crate) fn lives(&self) -> u64 {
        self.lives.load(Ordering::Relaxed)
    }

    /// Shows that nothing is received beyond this place.
    pub(crate) fn reads_from(&self, position: &Position) {
        self.counters.update(|state| {
            state.read = CoordinatesStatus::from(&position.coordinates);
            state.read_gtid = position.gtid_pos.to_string();
        });
    }

    /// Where it stands on the target while nothing is applied.
    pub(crate) fn stands_at(&self, position: Position) {
        *lock(&self.current) = Current {
            life: None,
            saved: Some(position),
        };
    }

    /// How far the target is.
    pub(crate) fn position(&self) -> Option<Position> {
        let current = lock(&self.current);
        match &current.life {
            Some((shared, _)) => Some(shared.progress.low_water()),
            None => current.saved.clone(),
        }
    }

    /// Whether an error has stopped it.
    pub(crate) fn has_stopped(&self) -> bool {
        let state = self.counters.state();
        state.sql_state == SqlState::Stopped
            || (state.io_state == IoState::Stopped && state.io_error.is_some() && !self.has_unapplied(&state))
    }

    /// Whether it has stopped, and nobody will start it but a person.
    pub(crate) fn is_given_up(&self) -> bool {
        self.has_stopped() && self.counters.state().heal.is_none()
    }

    /// Until applying is begun again by itself.
    pub(crate) fn heals_in(&self) -> Option<Duration> {
        heals_in(&self.counters.state())
    }

    /// Nobody waits any more for what has become of its start.
    pub(crate) fn could_not_begin(&self, error: &StartError) {
        let reason = StopReason::new(number::UNKNOWN, error.to_string());
        self.counters.update(|state| {
            state.sql_state = SqlState::Stopped;
            state.sql_error = Some(reason.status());
            state.heal = state.heal.take().and_then(|heal| heal.put_off(Instant::now()));
        });
    }

    /// It stays stopped until it is started by hand.
    pub(crate) fn stays_stopped(&self) {
        self.counters.update(|state| state.heal = None);
    }

    /// Whether the relay log has more than the target.
    fn has_unapplied(&self, state: &ConnectionState) -> bool {
        let Some(position) = self.position() else {
            return self.receiver().is_some();
        };
        let executed = position.coordinates;
        self.receiver().is_some()
            && (&*executed.file, executed.offset) != (state.read.file.as_str(), state.read.offset)
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        let state = self.counters.state();
        let retries_in = heals_in(&state).map(|remaining| remaining.as_secs() + 1);
        let life = lock(&self.current).life.clone();
        let position = self.position();
        let oldest = life
            .as_ref()
            .and_then(|(shared, _)| shared.progress.oldest_open());
        let used = life.map(|(_, used)| used);
        let count = status::count;
        let counters = &self.counters;
        let left_out = counters.left_out();
        ConnectionStatus {
            name: self.options.name.clone(),
            source: self.options.source.address.to_string(),
            source_id: state.source_id,
            io_state: state.io_state,
            sql_state: state.sql_state,
            executed: position
                .as_ref()
                .map_or_else(CoordinatesStatus::default, |position| {
                    CoordinatesStatus::from(&position.coordinates)
                }),
            gtid: position.map_or_else(String::new, |position| position.gtid_pos.to_string()),
            read: state.read,
            read_gtid: state.read_gtid,
            events_received: count(&counters.received.events),
            groups_received: count(&counters.received.groups),
            bytes_received: count(&counters.received.bytes),
            newest_received: counters.received.newest.get(),
            newest_applied: counters.newest_applied.get(),
            clock_difference: state.clock_difference,
            batches_applied: count(&counters.batches_applied),
            worker_busy_micros: count(&counters.worker_busy_micros),
            groups_applied: count(&counters.groups_applied),
            statements_applied: count(&counters.statements_applied),
            rows_applied: count(&counters.rows_applied),
            groups_done: counters.groups.counts(),
            groups_ignored: count(&counters.groups_ignored),
            skipped: count(&counters.skipped),
            records: counters.records.counts(),
            retried: count(&counters.retried),
            statements_left_out: left_out.accounts + left_out.housekeeping + left_out.system,
            left_out,
            heartbeats: count(&counters.heartbeats),
            seconds_behind: status::seconds_behind(
                state.io_state,
                oldest.map(|(timestamp, _)| timestamp),
                state.clock_difference,
                status::now_seconds(),
            ),
            last_error: state.sql_error.clone().or_else(|| state.io_error.clone()),
            io_error: state.io_error,
            sql_error: state.sql_error,
            retries_in,
            purge_warning: state.purge_warning,
            queue_groups: used
                .as_ref()
                .map_or(0, |used| used.groups.load(Ordering::Relaxed)),
            queue_bytes: used.as_ref().map_or(0, |used| used.bytes.load(Ordering::Relaxed)),
            relay_log_bytes: self
                .receiver()
                .map(|receiver| receiver.shared.bytes.load(Ordering::Relaxed)),
        }
    }
}

/// The engine's connections, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Views(RwLock<Vec<Arc<ConnectionView>>>);

impl Views {
    pub(crate) fn new(views: Vec<Arc<ConnectionView>>) -> Self {
        Self(RwLock::new(views))
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<ConnectionView>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That of this name, in letters of either case.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<ConnectionView>> {
        let is_it = |view: &&Arc<ConnectionView>| view.options.name.eq_ignore_ascii_case(name);
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(is_it)
            .cloned()
    }

    /// Adds it, or puts it in the place of the one with its number.
    pub(crate) fn put(&self, view: Arc<ConnectionView>) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match views.iter_mut().find(|other| other.number == view.number) {
            Some(other) => *other = view,
            None => views.push(view),
        }
    }

    pub(crate) fn remove(&self, number: u16) {
        let mut views = self.0.write().unwrap_or_else(PoisonError::into_inner);
        views.retain(|view| view.number != number);
    }

    /// A number that none of them has.
    pub(crate) fn free_number(&self) -> Option<u16> {
        let views = self.all();
        (0..u16::MAX).find(|number| views.iter().all(|view| view.number != *number))
    }
}
