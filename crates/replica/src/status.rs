//! What the engine tells about itself: one snapshot, from which status output, control and tools print.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tributary_binlog::{Coordinates, EventType, Gtid, GtidSet, Header};

use crate::change::CountedAs;
use crate::heal::Heal;
use crate::pieces::BegunAgain;
use crate::records::{RecordCount, Tally};

/// The state of the whole engine at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The engine's version.
    pub version: &'static str,
    /// Seconds since the engine started.
    pub uptime_seconds: u64,
    /// Workers that apply, of all connections together.
    pub workers: usize,
    /// What the target's side is doing.
    pub target: TargetStatus,
    /// One entry per connection, in the order of configuration.
    pub connections: Vec<ConnectionStatus>,
}

/// The target as the engine sees it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TargetStatus {
    /// `running`, or `connecting` while the target cannot be reached.
    pub state: &'static str,
    /// Why it cannot be reached.
    pub last_error: Option<ErrorStatus>,
}

/// An error with the server's number for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorStatus {
    /// The number a native replica would show; never 0.
    pub number: u16,
    /// What happened, where, and what to do.
    pub message: String,
    /// What a native replica shows of the same error, for those who know it from there; `None` where it has no words of its own.
    #[serde(skip)]
    pub native: Option<NativeError>,
}

impl ErrorStatus {
    /// An error that a native replica has no words for.
    pub fn new(number: u16, message: impl Into<String>) -> Self {
        Self {
            number,
            message: message.into(),
            native: None,
        }
    }
}

/// An error as `SHOW SLAVE STATUS` of a native replica has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeError {
    /// `Last_SQL_Errno` or `Last_IO_Errno`. A native replica stops with 0 where source and replica have different errors.
    pub number: u16,
    /// `Last_SQL_Error` or `Last_IO_Error`, in at most [`NativeError::MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
}

impl NativeError {
    /// A native replica cuts longer messages off. MariaDB server, `sql/rpl_reporting.h`, `MAX_SLAVE_ERRMSG`.
    pub const MESSAGE_BYTES_MAX: usize = 1023;

    pub(crate) fn new(number: u16, mut message: String) -> Self {
        message.truncate(message.floor_char_boundary(Self::MESSAGE_BYTES_MAX));
        Self { number, message }
    }
}

/// A place in a source's binary log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CoordinatesStatus {
    /// File name.
    pub file: String,
    /// Byte offset.
    pub offset: u64,
}

impl From<&Coordinates> for CoordinatesStatus {
    fn from(coordinates: &Coordinates) -> Self {
        Self {
            file: coordinates.file.to_string(),
            offset: coordinates.offset,
        }
    }
}

/// How the stream from the source does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IoState {
    /// Trying to reach the source, or waiting to try again.
    Connecting,
    /// Reading.
    Running,
    /// Not reading, because the relay log has no room: for files to be applied, or for the disk.
    Waiting,
    /// Stopped: asked to, or by an error that time will not heal.
    Stopped,
}

/// How applying does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SqlState {
    /// Applying, or waiting for something to apply.
    Running,
    /// Stopped: asked to, or by an error.
    Stopped,
}

/// Threads that have been started since the process began.
static THREADS: AtomicU64 = AtomicU64::new(0);

/// A thread of a connection, from its start until it stops. What brings it back after the loss of a server does not start it anew.
#[derive(Debug, Clone, Copy)]
pub struct ThreadRun {
    number: u64,
    since: Instant,
}

impl ThreadRun {
    fn begin() -> Self {
        Self {
            number: THREADS.fetch_add(1, Ordering::Relaxed),
            since: Instant::now(),
        }
    }

    fn follow(run: &mut Option<Self>, is_running: bool) {
        match is_running {
            true => _ = run.get_or_insert_with(Self::begin),
            false => *run = None,
        }
    }

    /// Its number: no other thread of this process has it, or has had it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Since it was started.
    #[must_use]
    pub fn running(&self) -> Duration {
        self.since.elapsed()
    }
}

/// One connection.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionStatus {
    /// Its name.
    pub name: String,
    /// The source's address.
    pub source: String,
    /// The source's `server_id`; 0 before it has been reached.
    pub source_id: u32,
    /// The stream from the source.
    pub io_state: IoState,
    /// Applying.
    pub sql_state: SqlState,
    /// Every group up to here is on the target.
    pub executed: CoordinatesStatus,
    /// Every group up to here has been received.
    pub read: CoordinatesStatus,
    /// The GTID position of `read`; empty without a relay log.
    pub read_gtid: String,
    /// The GTID position of `executed`.
    pub gtid: String,
    /// Events received since the engine started; those that a new stream sent again count again.
    pub events_received: u64,
    /// Event groups of which the beginning was received.
    pub groups_received: u64,
    /// Bytes of the events received, without what the protocol adds.
    pub bytes_received: u64,
    /// When the source executed the newest group of which the beginning was received, in seconds since 1970 by its clock; `null`
    /// before the first.
    pub newest_received: Option<i64>,
    /// The same of the group that was applied last.
    pub newest_applied: Option<i64>,
    /// The engine's clock minus the source's, in seconds.
    pub clock_difference: i64,
    /// Runs of groups that a worker applied in one go; groups by runs is the size of a batch.
    pub batches_applied: u64,
    /// Microseconds that workers spent on this connection's groups, waiting for locks and for their turn to commit included.
    pub worker_busy_micros: u64,
    /// Event groups applied since the engine started.
    pub groups_applied: u64,
    /// Statements applied since the engine started; row events are not counted here.
    pub statements_applied: u64,
    /// Row changes applied from row events since the engine started.
    pub rows_applied: u64,
    /// Event groups that the target is through with, by what the source says of them; those that filters leave nothing of count, too.
    pub groups_done: GroupsStatus,
    /// Event groups of which nothing was left after the filters.
    pub groups_ignored: u64,
    /// Statements and rows that were skipped because of an error the rules pass over; each is in the ledger.
    pub skipped: u64,
    /// What was skipped, replaced or at variance with the source, by kind, table and error; see the ledger for each.
    pub records: Vec<RecordCount>,
    /// Groups applied again after a deadlock or lock wait, or because they could not run beside another.
    pub retried: u64,
    /// Statements that are never applied, or not without a setting.
    pub statements_left_out: u64,
    /// The same by kind.
    pub left_out: LeftOutStatus,
    /// Heartbeats received.
    pub heartbeats: u64,
    /// Age of the oldest group that is received and not yet applied, by the source's clock (our own until the first login there
    /// tells it); 0 when there is none and the stream runs; `null` when the stream does not run and nothing is waiting.
    pub seconds_behind: Option<u64>,
    /// The last error of stream or applying; cleared when both run again.
    pub last_error: Option<ErrorStatus>,
    /// The last error of the stream.
    pub io_error: Option<ErrorStatus>,
    /// The last error of applying.
    pub sql_error: Option<ErrorStatus>,
    /// Seconds until applying is begun again by itself: it has stopped by an error that time heals.
    pub retries_in: Option<u64>,
    /// Why the source may soon have purged what comes next, or has; `null` while there is nothing to fear.
    pub purge_warning: Option<String>,
    /// Groups in the relay queue.
    pub queue_groups: usize,
    /// Bytes in the relay queue.
    pub queue_bytes: usize,
    /// Bytes of the relay log on disk (`Relay_Log_Space`); `null` without one.
    pub relay_log_bytes: Option<u64>,
    /// Where `executed` is in the relay log; empty without one, or before it has files.
    pub relay_log: CoordinatesStatus,
}

/// Event groups by the flags of their GTID events, as a native replica counts them; those of MySQL are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GroupsStatus {
    /// `Slave_DDL_Groups`.
    pub ddl: u64,
    /// `Slave_Non_Transactional_Groups`.
    pub non_transactional: u64,
    /// `Slave_Transactional_Groups`.
    pub transactional: u64,
}

/// The same while it is counted.
#[derive(Debug, Default)]
pub(crate) struct GroupCounts {
    ddl: AtomicU64,
    non_transactional: AtomicU64,
    transactional: AtomicU64,
}

impl GroupCounts {
    pub(crate) fn add(&self, counted: Option<CountedAs>) {
        let counter = match counted {
            Some(CountedAs::Ddl) => &self.ddl,
            Some(CountedAs::NonTransactional) => &self.non_transactional,
            Some(CountedAs::Transactional) => &self.transactional,
            None => return,
        };
        add(counter, 1);
    }

    /// Goes on where another one is.
    pub(crate) fn go_on_from(&self, other: &Self) {
        let before = other.counts();
        add(&self.ddl, before.ddl);
        add(&self.non_transactional, before.non_transactional);
        add(&self.transactional, before.transactional);
    }

    pub(crate) fn counts(&self) -> GroupsStatus {
        GroupsStatus {
            ddl: count(&self.ddl),
            non_transactional: count(&self.non_transactional),
            transactional: count(&self.transactional),
        }
    }
}

/// Statements that were left out, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOutStatus {
    /// `CREATE USER`, `GRANT` and their kin, without `tributary_apply_accounts`.
    pub accounts: u64,
    /// `OPTIMIZE`, `ANALYZE`, `REPAIR` and `FLUSH`, without `tributary_apply_housekeeping`.
    pub housekeeping: u64,
    /// Changes in databases that belong to each server itself, or to the engine.
    pub system: u64,
}

/// What tasks note down about a connection as they go.
#[derive(Debug)]
pub(crate) struct ConnectionCounters {
    pub(crate) received: Received,
    pub(crate) newest_applied: Moment,
    pub(crate) batches_applied: AtomicU64,
    pub(crate) worker_busy_micros: AtomicU64,
    pub(crate) groups_applied: AtomicU64,
    pub(crate) statements_applied: AtomicU64,
    pub(crate) rows_applied: AtomicU64,
    pub(crate) groups: Arc<GroupCounts>,
    pub(crate) groups_ignored: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) accounts_left_out: AtomicU64,
    pub(crate) housekeeping_left_out: AtomicU64,
    pub(crate) system_left_out: AtomicU64,
    pub(crate) records: Tally,
    pub(crate) heartbeats: AtomicU64,
    pub(crate) begun_again: BegunAgain,
    /// Groups that are recorded as in doubt.
    doubts: Mutex<GtidSet>,
    state: Mutex<ConnectionState>,
}

/// The parts of a connection's state that change together.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionState {
    pub(crate) io_state: IoState,
    pub(crate) sql_state: SqlState,
    pub(crate) read: CoordinatesStatus,
    pub(crate) read_gtid: String,
    pub(crate) source_id: u32,
    /// Our clock minus the source's, in seconds.
    pub(crate) clock_difference: i64,
    pub(crate) io_error: Option<ErrorStatus>,
    pub(crate) sql_error: Option<ErrorStatus>,
    /// Since `io_state` has not been stopped.
    pub(crate) io_thread: Option<ThreadRun>,
    /// Since `sql_state` has not been stopped.
    pub(crate) sql_thread: Option<ThreadRun>,
    /// It has stopped by an error that time heals.
    pub(crate) heal: Option<Heal>,
    pub(crate) purge_warning: Option<String>,
}

impl ConnectionCounters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            received: Received::default(),
            newest_applied: Moment::default(),
            batches_applied: zero(),
            worker_busy_micros: zero(),
            groups_applied: zero(),
            statements_applied: zero(),
            rows_applied: zero(),
            groups: Arc::default(),
            groups_ignored: zero(),
            skipped: zero(),
            retried: zero(),
            accounts_left_out: zero(),
            housekeeping_left_out: zero(),
            system_left_out: zero(),
            records: Tally::default(),
            heartbeats: zero(),
            begun_again: BegunAgain::default(),
            doubts: Mutex::default(),
            state: Mutex::new(ConnectionState {
                io_state: IoState::Connecting,
                sql_state: SqlState::Running,
                read: CoordinatesStatus::default(),
                read_gtid: String::new(),
                source_id: 0,
                clock_difference: 0,
                io_thread: Some(ThreadRun::begin()),
                sql_thread: Some(ThreadRun::begin()),
                io_error: None,
                sql_error: None,
                heal: None,
                purge_warning: None,
            }),
        }
    }

    /// Statements left out so far, by kind.
    pub(crate) fn left_out(&self) -> LeftOutStatus {
        LeftOutStatus {
            accounts: count(&self.accounts_left_out),
            housekeeping: count(&self.housekeeping_left_out),
            system: count(&self.system_left_out),
        }
    }

    /// Whether the group has not been recorded as in doubt so far.
    pub(crate) fn is_new_doubt(&self, group: Gtid) -> bool {
        let mut doubts = self
            .doubts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        doubts.insert(group)
    }

    pub(crate) fn state(&self) -> ConnectionState {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut ConnectionState)) {
        let mut state = self.lock();
        change(&mut state);
        let (io, sql) = (state.io_state, state.sql_state);
        ThreadRun::follow(&mut state.io_thread, io != IoState::Stopped);
        ThreadRun::follow(&mut state.sql_thread, sql != SqlState::Stopped);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ConnectionState> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What has come from the source.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) events: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) newest: Moment,
}

impl Received {
    /// Notes down an event as it came. Heartbeats are none.
    pub(crate) fn note(&self, raw: &[u8]) {
        const GROUP_BEGINS: [EventType; 4] = [
            EventType::GTID,
            EventType::MYSQL_GTID,
            EventType::MYSQL_ANONYMOUS_GTID,
            EventType::MYSQL_GTID_TAGGED,
        ];
        // What cannot be read is an error elsewhere.
        let Ok(header) = Header::decode(raw) else { return };
        if matches!(header.kind, EventType::HEARTBEAT | EventType::MYSQL_HEARTBEAT_V2) {
            return;
        }
        add(&self.events, 1);
        add(&self.bytes, raw.len() as u64);
        if GROUP_BEGINS.contains(&header.kind) {
            add(&self.groups, 1);
            self.newest.set(header.timestamp);
        }
    }
}

/// A time by the source's clock, if there was one.
#[derive(Debug)]
pub(crate) struct Moment(AtomicI64);

impl Default for Moment {
    fn default() -> Self {
        Self(AtomicI64::new(Self::NEVER))
    }
}

impl Moment {
    const NEVER: i64 = -1;

    pub(crate) fn set(&self, timestamp: u32) {
        self.0.store(timestamp.into(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|timestamp| *timestamp != Self::NEVER)
    }
}

/// Adds a time to a counter of microseconds.
pub(crate) fn add_time(counter: &AtomicU64, time: Duration) {
    add(counter, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
}

/// Reads a counter for a snapshot.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// Seconds since 1970 by our clock as it was when it was first asked, and as many more as have passed since then: when the system's
/// clock is set, the difference to a source's clock that was found before stays right, and nothing waits for the time to come back.
pub(crate) fn now_seconds() -> i64 {
    static FIRST: OnceLock<(i64, Instant)> = OnceLock::new();
    let (first, at) = FIRST.get_or_init(|| (system_seconds(), Instant::now()));
    let since = i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX);
    first.saturating_add(since)
}

/// The system's clock, off by what a test wants.
fn system_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let jumped = tributary_failpoint::clock_offset();
    i64::try_from(since.as_secs())
        .unwrap_or(i64::MAX)
        .saturating_add(jumped)
}

/// Age of a group by the source's clock.
pub(crate) fn seconds_behind(
    io_state: IoState,
    oldest_open: Option<u32>,
    clock_difference: i64,
    now: i64,
) -> Option<u64> {
    match oldest_open {
        Some(timestamp) => Some(u64::try_from(now - clock_difference - i64::from(timestamp)).unwrap_or(0)),
        None => (io_state == IoState::Running).then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of an event, as it comes.
    fn event(kind: EventType, timestamp: u32, length: u32) -> Vec<u8> {
        let mut raw = timestamp.to_le_bytes().to_vec();
        raw.push(kind.0);
        raw.extend(1u32.to_le_bytes());
        raw.extend(length.to_le_bytes());
        raw.resize(length as usize, 0);
        raw
    }

    #[test]
    fn what_arrives_is_counted_in_events_groups_and_bytes() {
        let received = Received::default();
        assert_eq!(received.newest.get(), None);
        received.note(&event(EventType::GTID, 1000, 42));
        received.note(&event(EventType::QUERY, 2000, 100));
        received.note(&event(EventType::HEARTBEAT, 0, 40));
        received.note(b"damaged");
        assert_eq!(
            (
                count(&received.events),
                count(&received.groups),
                count(&received.bytes)
            ),
            (2, 1, 142)
        );
        assert_eq!(
            received.newest.get(),
            Some(1000),
            "of the group, not of its parts"
        );
        received.note(&event(EventType::MYSQL_ANONYMOUS_GTID, 900, 42));
        assert_eq!((count(&received.groups), received.newest.get()), (2, Some(900)));
    }

    #[test]
    fn lag_is_the_age_of_the_oldest_open_group_by_the_sources_clock() {
        assert_eq!(seconds_behind(IoState::Running, Some(1000), 5, 1100), Some(95));
        assert_eq!(
            seconds_behind(IoState::Running, Some(2000), 0, 1000),
            Some(0),
            "a clock ahead is no lag"
        );
        assert_eq!(seconds_behind(IoState::Running, None, 0, 1000), Some(0));
        assert_eq!(
            seconds_behind(IoState::Connecting, None, 0, 1000),
            None,
            "we cannot know"
        );
        assert_eq!(
            seconds_behind(IoState::Stopped, Some(990), 0, 1000),
            Some(10),
            "waiting groups grow older"
        );
    }
}
