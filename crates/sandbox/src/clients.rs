//! Clients that work on a source until they are told to stop: what traffic and workload have in common.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

/// How many there may be.
const COUNT_MAX: usize = 99;

/// When clients begin their statements, and when they end.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    /// For all clients together; `None` is as fast as the server goes.
    statements_per_second_max: Option<u32>,
    begun: AtomicU64,
    is_stopping: AtomicBool,
    has_ended: AtomicBool,
}

impl Pace {
    pub(crate) fn new(statements_per_second_max: Option<u32>) -> Arc<Pace> {
        Arc::new(Pace {
            started: Instant::now(),
            statements_per_second_max,
            begun: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        })
    }

    /// Waits until the next statement may begin.
    pub(crate) async fn next(&self) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        if let Some(rate) = self.statements_per_second_max {
            let due = self.started + Duration::from_secs_f64(begun as f64 / f64::from(rate.max(1)));
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// Statements that were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lets every client finish its step.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Whether a client has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// Whether there can be so many clients.
pub(crate) fn check_count(count: usize) -> anyhow::Result<()> {
    ensure!(
        (1..=COUNT_MAX).contains(&count),
        "there can be 1 to {COUNT_MAX} clients, not {count}"
    );
    Ok(())
}

/// Starts clients, each by its number. They end with the set.
pub(crate) fn start<F>(
    count: usize,
    pace: &Arc<Pace>,
    client: impl Fn(usize) -> F,
) -> JoinSet<anyhow::Result<()>>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut clients = JoinSet::new();
    for number in 0..count {
        let (client, pace) = (client(number), pace.clone());
        clients.spawn(async move {
            let result = client.await;
            pace.has_ended.store(true, Ordering::Relaxed);
            result
        });
    }
    clients
}
