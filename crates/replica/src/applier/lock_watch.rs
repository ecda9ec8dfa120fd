//! Finds a run that holds locks an earlier run waits for.
//!
//! Runs commit in the source's order. When the oldest waits for a row lock of a younger one that has been executed and waits
//! for its turn, neither would ever end; the server sees only one of the two waits. So it is when a group that is applied alone waits for
//! a lock of a run whose end is held until that group is done. The target's view of lock waits tells.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tributary_client::{Client, Error as ClientError};
use tributary_schedule::{RunId, WorkerId};

/// A run that has had others behind it for this long is looked at.
const OLDEST_FOR: Duration = Duration::from_millis(50);

/// Who waits for whom, as session numbers.
const LOCK_WAITS: &[u8] =
    b"SELECT r.trx_mysql_thread_id,b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w \
    JOIN information_schema.INNODB_TRX r ON r.trx_id=w.requesting_trx_id \
    JOIN information_schema.INNODB_TRX b ON b.trx_id=w.blocking_trx_id";

/// See the module.
pub(super) struct LockWatch {
    /// Session numbers of the workers.
    sessions: Vec<u32>,
    /// Since when a run has been seen with others behind it.
    oldest_since: HashMap<RunId, Instant>,
}

impl LockWatch {
    pub(super) fn new(sessions: Vec<u32>) -> Self {
        Self {
            sessions,
            oldest_since: HashMap::new(),
        }
    }

    pub(super) fn run_ended(&mut self, run: RunId) {
        self.oldest_since.remove(&run);
    }

    /// Which of the `younger` runs hold a lock that `oldest` waits for.
    pub(super) async fn in_the_way(
        &mut self,
        login: &mut Client,
        runs: &HashMap<RunId, WorkerId>,
        oldest: RunId,
        younger: &[RunId],
    ) -> Result<Vec<RunId>, ClientError> {
        let since = *self.oldest_since.entry(oldest).or_insert_with(Instant::now);
        if since.elapsed() < OLDEST_FOR {
            return Ok(Vec::new());
        }
        let session = |run: &RunId| {
            runs.get(run)
                .and_then(|worker| self.sessions.get(usize::from(worker.0)))
                .copied()
        };
        let Some(waiting) = session(&oldest) else {
            return Ok(Vec::new());
        };
        let waits = match login.query(LOCK_WAITS).await {
            Ok(waits) => waits,
            // Without the PROCESS privilege, which is asked for at start: the lock wait timeout must do.
            Err(ClientError::Server(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
        let blockers: Vec<u32> = waits
            .rows
            .iter()
            .filter(|row| number(row.text(0)) == Some(waiting))
            .filter_map(|row| number(row.text(1)))
            .collect();
        Ok(younger
            .iter()
            .copied()
            .filter(|run| session(run).is_some_and(|session| blockers.contains(&session)))
            .collect())
    }
}
