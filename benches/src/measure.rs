//! What one run cost: time, CPU, memory.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// How often a running catch-up is asked how far it is, in every system alike.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// After this long a catch-up counts as failed.
pub(crate) const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(900);

/// One catch-up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// From the start of the replica (`START SLAVE`, or the engine's process) to its last transaction.
    pub(crate) seconds: f64,
    /// CPU of the target's server over that time.
    pub(crate) target_cpu_seconds: f64,
    /// CPU of the engine's process, from its start; none for the native replica, which is the server.
    pub(crate) engine_cpu_seconds: Option<f64>,
    /// The most memory the target's server held, caches included.
    pub(crate) target_peak_rss_bytes: u64,
    /// The most memory the engine held.
    pub(crate) engine_peak_rss_bytes: Option<u64>,
}

impl Run {
    /// CPU of everything on the replica's side.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.target_cpu_seconds + self.engine_cpu_seconds.unwrap_or(0.0)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, CPU {:.2} s", self.seconds, self.cpu_seconds())?;
        if let Some(engine) = self.engine_cpu_seconds {
            write!(
                f,
                " (engine {engine:.2} s, target {:.2} s)",
                self.target_cpu_seconds
            )?;
        }
        Ok(())
    }
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Writes out what earlier runs left dirty, so that the disk's work for one run is not paid by the next.
///
/// # Errors
/// When `sync` cannot be run.
pub(crate) async fn settle_disk() -> Result<()> {
    let status = tokio::process::Command::new("sync")
        .status()
        .await
        .context("run sync")?;
    ensure!(status.success(), "sync ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
