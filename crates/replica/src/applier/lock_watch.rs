//! Finds a run that holds locks an earlier run waits for.
//!
//! Runs commit in the source's order. When the oldest waits for a row lock of a younger one that has been executed and waits
//! for its turn, neither would ever end; the server sees only one of the two waits. So it is when a group that is applied alone waits for
//! a lock of a run whose end is held until that group is done. The target's view of lock waits tells.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tributary_client::{Client, Error as ClientError, Row};
use tributary_schedule::{RunId, WorkerId};

/// A run that has had others behind it for this long is looked at.
const OLDEST_FOR: Duration = Duration::from_millis(10);

/// Least time between two readings of who waits for whom. The server renews this view only when nobody has read it for 100 ms
/// (server `storage/innobase/trx/trx0i_s.cc`, `CACHE_MIN_IDLE_TIME_NS`): reading it more often shows the same old picture for ever.
const READ_DISTANCE_MIN: Duration = Duration::from_millis(150);

/// Whether anybody waits for a row lock. Cheap, and never old.
const ANY_WAITS: &[u8] = b"SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";

/// Who waits for whom, as session numbers.
const LOCK_WAITS: &[u8] =
    b"SELECT r.trx_mysql_thread_id,b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w \
    JOIN information_schema.INNODB_TRX r ON r.trx_id=w.requesting_trx_id \
    JOIN information_schema.INNODB_TRX b ON b.trx_id=w.blocking_trx_id";

/// Sessions that wait for a row lock, each with one that holds it.
pub(super) type LockWaits = Vec<(u32, u32)>;

/// Asks the server who waits for whom; `last` is when it was asked for that, and not only whether anybody does.
pub(super) async fn read(login: &mut Client, last: &mut Option<Instant>) -> Result<LockWaits, ClientError> {
    let any = login.query(ANY_WAITS).await?;
    let is_any = any.rows.first().and_then(|row| row.get(1)) != Some(b"0");
    if !is_any || last.is_some_and(|last| last.elapsed() < READ_DISTANCE_MIN) {
        return Ok(Vec::new());
    }
    let waits = match login.query(LOCK_WAITS).await {
        Ok(waits) => waits,
        // Without the PROCESS privilege, which is asked for at start: the lock wait timeout must do.
        Err(ClientError::Server(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    *last = Some(Instant::now());
    let number = |row: &Row, index| row.text(index)?.parse::<u32>().ok();
    let pair = |row: &Row| number(row, 0).zip(number(row, 1));
    Ok(waits.rows.iter().filter_map(pair).collect())
}

/// See the module.
pub(super) struct LockWatch {
    /// Session numbers of the workers.
    sessions: Vec<Arc<AtomicU32>>,
    /// Since when a run has been seen with others behind it.
    oldest_since: HashMap<RunId, Instant>,
}

impl LockWatch {
    pub(super) fn new(sessions: Vec<Arc<AtomicU32>>) -> Self {
        Self {
            sessions,
            oldest_since: HashMap::new(),
        }
    }

    pub(super) fn run_ended(&mut self, run: RunId) {
        self.oldest_since.remove(&run);
    }

    /// Whether one of these runs, which have others behind them, has had them for long.
    pub(super) fn is_due(&mut self, ahead: &[RunId]) -> bool {
        let mut is_due = false;
        for run in ahead {
            let since = *self.oldest_since.entry(*run).or_insert_with(Instant::now);
            is_due |= since.elapsed() >= OLDEST_FOR;
        }
        is_due
    }

    /// Which of the `younger` runs hold a lock that `oldest` waits for.
    pub(super) fn in_the_way(
        &self,
        waits: &LockWaits,
        runs: &HashMap<RunId, WorkerId>,
        oldest: RunId,
        younger: &[RunId],
    ) -> Vec<RunId> {
        let session = |run: &RunId| {
            let worker = runs.get(run)?;
            let number = self.sessions.get(usize::from(worker.0))?;
            Some(number.load(Ordering::Relaxed))
        };
        let Some(waiting) = session(&oldest) else {
            return Vec::new();
        };
        let is_in_the_way =
            |run: &RunId| session(run).is_some_and(|session| waits.contains(&(waiting, session)));
        younger.iter().copied().filter(is_in_the_way).collect()
    }
}
