//! Probes: rows whose commit on the source is timed until the target shows them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc;

use crate::workload::target_database;

/// More probes than this on the way, and the writer of probes waits: the replica is many seconds behind.
const ON_THE_WAY_MAX: usize = 4096;

/// For this long a probe is looked for as fast as the target answers; then not more often than [`LATE_INTERVAL`].
const EAGER: Duration = Duration::from_millis(10);
const LATE_INTERVAL: Duration = Duration::from_millis(1);

/// A probe that is not there after this long is lost.
const LOST_AFTER: Duration = Duration::from_secs(120);

/// One probe: its number and when its commit was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) number: u32,
    pub(super) committed: Instant,
}

/// The way of the news from the writer to one target.
pub(super) fn channel() -> (mpsc::Sender<Probe>, mpsc::Receiver<Probe>) {
    mpsc::channel(ON_THE_WAY_MAX)
}

/// Looks for each probe of a source on one target; gives milliseconds from commit to sight, once the writer has ended.
///
/// The target is asked only while a probe is on its way.
pub(super) async fn look_out(
    mut conn: Conn,
    source: u32,
    mut probes: mpsc::Receiver<Probe>,
) -> Result<Vec<f64>> {
    let sql = format!("SELECT MAX(id) FROM {}.probe", target_database(source));
    let mut milliseconds = Vec::new();
    let mut waiting: VecDeque<Probe> = VecDeque::new();
    while let Some(probe) = probes.recv().await {
        waiting.push_back(probe);
        while let Some(oldest) = waiting.front() {
            let age = oldest.committed.elapsed();
            ensure!(
                age < LOST_AFTER,
                "probe {oldest:?} of source {source} has not come"
            );
            if age > EAGER {
                tokio::time::sleep(LATE_INTERVAL).await;
            }
            let seen: Option<Option<u32>> = conn
                .query_first(&sql)
                .await
                .context("look for a probe on the target")?;
            let now = Instant::now();
            let seen = seen.flatten().unwrap_or(0);
            let arrived = waiting.iter().take_while(|probe| probe.number <= seen).count();
            milliseconds.extend(waiting.drain(..arrived).map(|probe| {
                let took = now.saturating_duration_since(probe.committed);
                took.as_secs_f64() * 1000.0
            }));
            while let Ok(probe) = probes.try_recv() {
                waiting.push_back(probe);
            }
        }
    }
    conn.disconnect().await?;
    Ok(milliseconds)
}
