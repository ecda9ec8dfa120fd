//! How long a commit takes from source to target while three sources write at a steady rate.
//!
//! The replicas are measured side by side: each has a target of its own, and all follow the same sources at the same
//! time. Most transactions are calls; a few of them are probes, single rows whose commit is timed, and which are looked
//! for on every target until they are visible there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::link::{Link, Route};
use crate::log::with_log;
use crate::measure::Watch;
use crate::replica::Replica;
use crate::report::{Latency, Line};
use crate::settings::Settings;
use crate::source::Sources;
use crate::system::System;
use crate::target::Target;
use crate::verify;
use crate::workload::Workload;

mod probe;
mod writers;

/// The time at scale 1; no scale makes it longer.
const PERIOD: Duration = Duration::from_secs(60);
/// At a small scale there must still be something to see.
const PERIOD_MIN: Duration = Duration::from_secs(2);

/// One system at work.
pub(crate) struct Contestant {
    pub(crate) system: System,
    pub(crate) target: Target,
    pub(crate) replica: Replica,
}

/// Runs the systems that are set beside each other, all at once.
///
/// # Errors
/// A replica that stops or does not catch up, sources that cannot write at the rate, a target that is not equal.
pub(crate) async fn run(settings: &Settings, program: Option<&Path>) -> Result<Vec<Line>> {
    let mut sources = Sources::start(Workload::Steady, settings).await?;
    let mut contestants = Vec::new();
    for system in System::SIDE_BY_SIDE {
        if settings.systems.contains(&system) {
            contestants.push(Contestant::start(system, program, &sources, settings).await?);
        }
    }
    ensure!(
        !contestants.is_empty(),
        "none of the chosen systems is measured here"
    );
    let period = PERIOD.mul_f64(settings.scale.min(1.0)).max(PERIOD_MIN);
    let began = Instant::now();
    let (transactions, latencies, costs) = measured(&sources, &contestants, period).await?;
    let seconds = began.elapsed().as_secs_f64();
    for source in &mut sources.all {
        source.note_end().await?;
    }
    let mut lines = Vec::new();
    for ((contestant, milliseconds), mut cost) in contestants.into_iter().zip(latencies).zip(costs) {
        let system = contestant.system;
        contestant.finish(&sources).await.with_context(|| system.name())?;
        cost.seconds = seconds;
        let mut line = Line::of("steady", system.name(), transactions, transactions, vec![cost])
            .context("a system without a run")?;
        line.latency = Latency::of(milliseconds);
        eprintln!(
            "steady: {}: {:?} at {:.0} transactions/s",
            system.name(),
            line.latency,
            transactions as f64 / seconds
        );
        lines.push(line);
    }
    Ok(lines)
}

/// Writes for `period` at the steady rate while nobody times commits; returns how many transactions.
///
/// # Errors
/// A statement that fails; sources that cannot write that fast.
pub(crate) async fn write(sources: &Sources, period: Duration) -> Result<u64> {
    writers::write(sources, vec![Vec::new(); sources.all.len()], period).await
}

/// Writes for `period` and gives the transactions written, and of each system the times of the probes and what it cost.
async fn measured(
    sources: &Sources,
    contestants: &[Contestant],
    period: Duration,
) -> Result<(u64, Vec<Vec<f64>>, Vec<crate::measure::Run>)> {
    let mut watches = Vec::new();
    let mut lookouts = JoinSet::new();
    let mut posts = vec![Vec::new(); sources.all.len()];
    for (index, contestant) in contestants.iter().enumerate() {
        watches.push(Watch::start(
            sources,
            &contestant.target,
            contestant.replica.engine_pid(),
        )?);
        for (source, posts) in sources.all.iter().zip(&mut posts) {
            let (post, letters) = probe::channel();
            posts.push(post);
            let conn = contestant.target.as_ref().connect().await?;
            let number = source.number;
            lookouts.spawn(async move { Ok((index, probe::look_out(conn, number, letters).await?)) });
        }
    }
    let transactions = writers::write(sources, posts, period).await?;
    // The writers have ended and with them the probes; what is under way is waited for.
    let mut latencies = vec![Vec::new(); contestants.len()];
    while let Some(done) = lookouts.join_next().await {
        let done: Result<(usize, Vec<f64>)> = done.context("a task that looks for probes died")?;
        let (index, milliseconds) = done?;
        latencies[index].extend(milliseconds);
    }
    let mut costs = Vec::new();
    for (watch, contestant) in watches.into_iter().zip(contestants) {
        costs.push(watch.stop(contestant.replica.engine_pid())?);
    }
    Ok((transactions, latencies, costs))
}

impl Contestant {
    /// Starts it; returns when it reads from all sources.
    ///
    /// # Errors
    /// A server or replica that does not start.
    pub(crate) async fn start(
        system: System,
        program: Option<&Path>,
        sources: &Sources,
        settings: &Settings,
    ) -> Result<Contestant> {
        let target = Target::start(system, sources, settings).await?;
        let route = Route::open(Link::PLAIN, sources, &target).await?;
        let mut replica = Replica::prepare(system, program, sources, &target, &route).await?;
        replica.start().await?;
        replica
            .wait_until_connected(sources, &Watch::start(sources, &target, None)?)
            .await?;
        Ok(Contestant {
            system,
            target,
            replica,
        })
    }

    /// Waits for the sources' end, stops, and compares.
    ///
    /// # Errors
    /// A replica that does not arrive or does not stop; a target that is not equal.
    pub(crate) async fn finish(mut self, sources: &Sources) -> Result<()> {
        let watch = Watch::start(sources, &self.target, None)?;
        if let Err(error) = self.replica.wait_until_executed(sources, &watch).await {
            let (name, log) = self
                .replica
                .log()
                .unwrap_or_else(|| ("the target's error log", self.target.problems()));
            return Err(with_log(&error, name, &log));
        }
        self.replica.stop().await?;
        verify::same_data(sources, &self.target).await
    }
}
