//! Catching up: every system from the same full binlogs, on a fresh target each, in rounds.

use std::path::Path;

use anyhow::{Context, Result};

use crate::link::{Link, Route};
use crate::log::with_log;
use crate::measure::{self, Run, Watch};
use crate::replica::Replica;
use crate::report::Line;
use crate::settings::Settings;
use crate::source::Sources;
use crate::system::System;
use crate::target::Target;
use crate::verify;
use crate::workload::Workload;

/// Fills the binlogs of one workload and lets every system catch up from them, over every line asked for.
///
/// # Errors
/// A run that fails, or ends with a target that is not equal.
pub(crate) async fn run(
    workload: Workload,
    settings: &Settings,
    program: Option<&Path>,
) -> Result<Vec<Line>> {
    let sources = match &settings.named {
        Some(named) => Sources::named(named).await?,
        None => Sources::fill(workload, settings).await?,
    };
    eprintln!("{}: {}", workload.name(), sources.describe());
    let mut lines = Vec::new();
    for link in &settings.links {
        lines.extend(rounds(*link, &sources, settings, program).await?);
    }
    Ok(lines)
}

async fn rounds(
    link: Link,
    sources: &Sources,
    settings: &Settings,
    program: Option<&Path>,
) -> Result<Vec<Line>> {
    let name = format!("{}{link}", sources.workload.name());
    let systems = &settings.systems;
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); systems.len()];
    for round in 0..settings.runs {
        for turn in 0..systems.len() {
            // Every round begins with another system, so none always follows the same one.
            let index = (round + turn) % systems.len();
            let system = systems[index].name();
            let run = run_once(systems[index], link, sources, settings, program)
                .await
                .with_context(|| format!("{system}, run {}", round + 1))?;
            eprintln!("{name}: run {} of {}: {system}: {run}", round + 1, settings.runs);
            runs[index].push(run);
        }
    }
    let line = |(system, runs): (&System, Vec<Run>)| {
        Line::of(&name, system.name(), sources.transactions(), sources.rows(), runs)
    };
    Ok(systems.iter().zip(runs).filter_map(line).collect())
}

/// One catch-up on a fresh target, compared with the sources before it counts.
async fn run_once(
    system: System,
    link: Link,
    sources: &Sources,
    settings: &Settings,
    program: Option<&Path>,
) -> Result<Run> {
    let target = Target::start(system, sources, settings).await?;
    let run = run_on(&target, system, link, sources, program).await;
    let ended = target.end().await;
    // What went wrong first is what to know.
    let run = run?;
    ended?;
    Ok(run)
}

async fn run_on(
    target: &Target,
    system: System,
    link: Link,
    sources: &Sources,
    program: Option<&Path>,
) -> Result<Run> {
    let route = Route::open(link, sources, target).await?;
    let mut replica = Replica::prepare(system, program, sources, target, &route).await?;
    measure::settle_disk().await?;
    let run = match measured(&mut replica, sources, target).await {
        Ok(run) => run,
        Err(error) => {
            let error = match replica.log() {
                Some((name, log)) => with_log(&error, name, &log),
                None => error,
            };
            return Err(with_log(&error, "the target's error log", &target.problems()));
        }
    };
    replica.stop().await?;
    verify::same_data(sources, target).await?;
    Ok(run)
}

async fn measured(replica: &mut Replica, sources: &Sources, target: &Target) -> Result<Run> {
    let watch = Watch::start(sources, target, None)?;
    replica.start().await?;
    replica.wait_until_executed(sources, &watch).await?;
    watch.stop(replica.engine_pid())
}
