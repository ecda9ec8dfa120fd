//! Notices that somebody else defines tables of the target anew while the engine runs.
//!
//! The server counts statements that define tables, those of the engine's own workers included. When the count grows by more
//! than these, the catalogue is read again: at once, and then after 1, 2, 4 ... seconds up to an hour, because the server
//! counts a statement when it begins. Workers count theirs before they send them, so the difference falls short for the time on
//! the way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tributary_client::{Client, Error as ClientError};

use crate::catalog::{self, Catalog};

/// Pause after the first look at a changed count; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// An `ALTER TABLE` that takes longer than about twice this is noticed when rows fail, or at the next start.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Least time between two readings that are due to new statements; also the pause after one that failed.
const DISTANCE_MIN: Duration = Duration::from_secs(10);

/// Looks after which a count that is too low is believed: a worker's statement has failed before the server counted it.
const DIP_LOOKS: u32 = 10;

/// Statements that can give a table other columns.
const COUNTERS: &[u8] = b"SHOW GLOBAL STATUS WHERE Variable_name IN \
    ('Com_alter_table','Com_create_table','Com_rename_table','Com_drop_table')";

/// How many such statements workers have sent.
#[derive(Debug, Default)]
pub(crate) struct OwnDefinitions(AtomicU64);

impl OwnDefinitions {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn count(&self) -> i64 {
        i64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DefinitionWatch {
    /// Statements of others; `None` before the first look at the counters.
    others: Option<i64>,
    /// How many looks in a row found less.
    lower: u32,
    /// When the catalogue was read last.
    last: Option<Instant>,
    /// When the catalogue is read again, and how long to wait after that.
    next: Option<(Instant, Duration)>,
}

impl DefinitionWatch {
    /// To be called once a second.
    pub(super) async fn tick(
        &mut self,
        login: &mut Client,
        own: &OwnDefinitions,
        catalog: &Catalog,
    ) -> Result<(), ClientError> {
        let rows = login.query(COUNTERS).await?;
        let values = rows
            .rows
            .iter()
            .filter_map(|row| row.text(1)?.parse::<i64>().ok());
        self.counted(values.sum::<i64>() - own.count(), Instant::now());
        if !self.is_due(Instant::now()) {
            return Ok(());
        }
        let since = catalog.reading();
        let loaded = match catalog::load_all(login).await {
            Ok(loaded) => loaded,
            Err(ClientError::Server(error)) => {
                tracing::warn!(%error, "the target's definitions could not be read; they will be read again");
                self.next = Some((Instant::now() + DISTANCE_MIN, PAUSE_MIN));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (database, table) in catalog.replace_changed(loaded, since) {
            let table = format!(
                "{}.{}",
                String::from_utf8_lossy(&database),
                String::from_utf8_lossy(&table)
            );
            tracing::info!(%table, "defined anew on the target by somebody else");
        }
        Ok(())
    }

    /// Takes the count of others' statements.
    fn counted(&mut self, others: i64, now: Instant) {
        let known = *self.others.get_or_insert(others);
        if others > known {
            let earliest = self.last.map_or(now, |last| last + DISTANCE_MIN);
            self.next = Some((earliest.max(now), PAUSE_MIN));
        }
        self.lower = if others < known { self.lower + 1 } else { 0 };
        if others > known || self.lower > DIP_LOOKS {
            (self.others, self.lower) = (Some(others), 0);
        }
    }

    /// Whether the catalogue is to be read now; if so, the next time is set.
    fn is_due(&mut self, now: Instant) -> bool {
        let Some((at, pause)) = self.next.filter(|(at, _)| *at <= now) else {
            return false;
        };
        self.last = Some(now);
        self.next = (pause <= PAUSE_MAX).then(|| (at + pause, pause * 2));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_count_is_looked_at_less_and_less_often() {
        let (mut watch, start) = (DefinitionWatch::default(), Instant::now());
        watch.counted(7, start);
        assert!(!watch.is_due(start), "the first count is no news");
        watch.counted(8, start);
        let due: Vec<u64> = (0..20_000)
            .filter(|second| watch.is_due(start + Duration::from_secs(*second)))
            .collect();
        assert_eq!(due, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095]);
    }

    #[test]
    fn a_statement_on_the_way_is_no_news_and_one_that_never_came_is_made_up_for() {
        let (mut watch, start) = (DefinitionWatch::default(), Instant::now());
        for others in [7, 6, 7, 5, 7] {
            watch.counted(others, start);
            assert!(
                !watch.is_due(start),
                "a worker's statement that the server counts next"
            );
        }
        for _ in 0..=DIP_LOOKS {
            watch.counted(6, start);
        }
        watch.counted(7, start);
        assert!(watch.is_due(start));
    }

    #[test]
    fn steady_definitions_are_read_at_a_distance() {
        let (mut watch, start) = (DefinitionWatch::default(), Instant::now());
        let due: Vec<i64> = (0..35)
            .filter(|second| {
                let now = start + Duration::from_secs(u64::try_from(*second).unwrap());
                watch.counted(*second, now);
                watch.is_due(now)
            })
            .collect();
        assert_eq!(due, [1, 11, 21, 31]);
    }
}
