//! What waiting costs: three sources that write nothing, for a minute.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::link::{Link, Route};
use crate::measure::{Run, Watch};
use crate::replica::Replica;
use crate::report::Line;
use crate::settings::Settings;
use crate::source::Sources;
use crate::system::System;
use crate::target::Target;
use crate::workload::Workload;

/// The time at scale 1; no scale makes it longer.
const PERIOD: Duration = Duration::from_secs(60);

/// Measures the systems that are set beside each other, one after the other.
///
/// # Errors
/// A replica that does not connect, or stops.
pub(crate) async fn run(settings: &Settings, program: Option<&Path>) -> Result<Vec<Line>> {
    let sources = Sources::start(Workload::Idle, settings).await?;
    let mut lines = Vec::new();
    for system in System::SIDE_BY_SIDE {
        if !settings.systems.contains(&system) {
            continue;
        }
        let target = Target::start(system, &sources, settings).await?;
        let run = wait(system, program, &sources, &target, settings)
            .await
            .with_context(|| system.name())?;
        eprintln!("idle: {}: {run}", system.name());
        lines.extend(Line::of(Workload::Idle.name(), system.name(), 0, 0, vec![run]));
    }
    Ok(lines)
}

async fn wait(
    system: System,
    program: Option<&Path>,
    sources: &Sources,
    target: &Target,
    settings: &Settings,
) -> Result<Run> {
    let route = Route::open(Link::PLAIN, sources, target).await?;
    let mut replica = Replica::prepare(system, program, sources, target, &route).await?;
    replica.start().await?;
    replica
        .wait_until_connected(sources, &Watch::start(sources, target, None)?)
        .await?;
    // The clock starts when connecting is done; asking how it goes would cost what is to be measured.
    let watch = Watch::start(sources, target, replica.engine_pid())?;
    tokio::time::sleep(PERIOD.mul_f64(settings.scale.min(1.0))).await;
    let run = watch.stop(replica.engine_pid())?;
    replica
        .wait_until_connected(sources, &Watch::start(sources, target, None)?)
        .await
        .context("after the wait")?;
    replica.stop().await?;
    Ok(run)
}
