//! What one run cost: time, CPU, memory.

use std::time::{Duration, Instant};
use std::{fmt, fs};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tributary_sandbox::process;

use crate::source::Sources;
use crate::target::Target;

/// How often a running catch-up is asked how far it is, in every system alike.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// After this long a catch-up counts as failed.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(900);

/// One catch-up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// From the start of the replica (`START SLAVE`, or the engine's process) to its last transaction.
    pub(crate) seconds: f64,
    /// CPU of the target's server over that time; unknown of a server of the user's.
    pub(crate) target_cpu_seconds: Option<f64>,
    /// CPU of the engine's process; none for the native replica, which is the server.
    pub(crate) engine_cpu_seconds: Option<f64>,
    /// The most memory the target's server held, caches included.
    pub(crate) target_peak_rss_bytes: Option<u64>,
    /// The most memory the engine held.
    pub(crate) engine_peak_rss_bytes: Option<u64>,
    /// CPU the machine spent on other than sources, target and engine: unrelated work, and the kernel's own.
    pub(crate) other_cpu_seconds: f64,
}

/// The clocks of one catch-up, from its start on.
pub(crate) struct Watch<'a> {
    sources: &'a Sources,
    target: &'a Target,
    began: Instant,
    source_cpu: f64,
    engine_cpu: f64,
    target_cpu: Option<f64>,
    machine_cpu: f64,
}

impl<'a> Watch<'a> {
    /// Starts the clocks. `engine` is the engine's process if it runs already.
    ///
    /// # Errors
    /// When the machine's CPU time cannot be read.
    pub(crate) fn start(sources: &'a Sources, target: &'a Target, engine: Option<u32>) -> Result<Watch<'a>> {
        Ok(Watch {
            sources,
            target,
            machine_cpu: machine_cpu_seconds()?,
            source_cpu: sources.cpu_seconds(),
            engine_cpu: engine.map_or(0.0, process::cpu_seconds),
            target_cpu: target.cpu_seconds(),
            began: Instant::now(),
        })
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// When the catch-up has taken [`CATCH_UP_TIMEOUT`].
    pub(crate) fn check_time(&self) -> Result<()> {
        ensure!(
            self.began.elapsed() < CATCH_UP_TIMEOUT,
            "not caught up after {CATCH_UP_TIMEOUT:?}"
        );
        Ok(())
    }

    /// Reads the clocks. `engine` is the engine's process, which still runs.
    ///
    /// # Errors
    /// When the machine's CPU time cannot be read.
    pub(crate) fn stop(self, engine: Option<u32>) -> Result<Run> {
        let seconds = self.began.elapsed().as_secs_f64();
        let target_cpu_seconds =
            (self.target.cpu_seconds().zip(self.target_cpu)).map(|(now, then)| now - then);
        let engine_cpu_seconds = engine.map(|pid| process::cpu_seconds(pid) - self.engine_cpu);
        let source_cpu_seconds = self.sources.cpu_seconds() - self.source_cpu;
        let ours = [target_cpu_seconds, engine_cpu_seconds, Some(source_cpu_seconds)];
        let ours: f64 = ours.into_iter().flatten().sum();
        Ok(Run {
            seconds,
            target_cpu_seconds,
            engine_cpu_seconds,
            target_peak_rss_bytes: self.target.peak_rss_bytes(),
            engine_peak_rss_bytes: engine.map(process::peak_rss_bytes),
            // The clocks tick in hundredths and are not read in one moment.
            other_cpu_seconds: (machine_cpu_seconds()? - self.machine_cpu - ours).max(0.0),
        })
    }
}

/// CPU time all cores together have been busy since the machine started.
///
/// # Errors
/// When `/proc` does not tell.
pub(crate) fn machine_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    let ticks = busy_ticks(&stat).context("/proc/stat does not begin with the CPU times")?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The ticks of the first line that were neither idle nor waiting for a disk.
fn busy_ticks(stat: &str) -> Option<u64> {
    let times = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<u64> = times
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    // proc_stat(5): user nice system idle iowait irq softirq steal; guest times, further on, are part of user.
    let [user, nice, system, _idle, _iowait, irq, softirq, steal] = *times.first_chunk::<8>()?;
    Some(user + nice + system + irq + softirq + steal)
}

impl Run {
    /// Which part of the machine's CPU, 0 to 1, other work took while this ran.
    pub(crate) fn other_share(&self) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.other_cpu_seconds / (self.seconds * cores as f64)
    }

    /// CPU of everything on the replica's side; `None` when the target's is not known.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        Some(self.target_cpu_seconds? + self.engine_cpu_seconds.unwrap_or(0.0))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s", self.seconds)?;
        for (what, cpu) in [
            ("engine", self.engine_cpu_seconds),
            ("target", self.target_cpu_seconds),
        ] {
            if let Some(cpu) = cpu {
                write!(f, ", CPU of the {what} {cpu:.2} s")?;
            }
        }
        write!(f, "; {:.2} s of other work", self.other_cpu_seconds)
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
    use super::*;

    #[test]
    fn busy_is_neither_idle_nor_waiting() {
        let stat = "cpu  1 20 300 4000 50000 600000 7000000 80000000 5 5\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(stat), Some(87_600_321));
        assert_eq!(busy_ticks("cpu  1 2 3\n"), None);
        assert_eq!(busy_ticks("intr 1\n"), None);
        assert!(machine_cpu_seconds().unwrap() > 0.0);
    }

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
