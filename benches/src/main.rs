//! Catch-up benches: the same full binlog through the native replica and through Tributary, on real servers.
//!
//! `README.md` beside this program says what is measured and how. In the order things happen: [`settings`] say what
//! to run, [`source`] fills a binlog with the calls of [`call`] into the tables of [`workload`], [`target`] gives each
//! run a fresh server, [`native`] or [`engine`] catches up on it, [`verify`] compares, [`report`] writes and prints.

mod call;
mod coordinates;
mod engine;
mod measure;
mod native;
mod report;
mod settings;
mod source;
mod target;
mod verify;
mod workload;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::measure::Run;
use crate::report::{Report, SystemRuns};
use crate::settings::{Settings, System};
use crate::source::Source;
use crate::workload::Workload;

#[tokio::main]
async fn main() -> ExitCode {
    match run_until_signal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the bench. On SIGINT or SIGTERM it is dropped, which ends every process it started.
async fn run_until_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Signals first: a person who asks to stop is not kept waiting by a bench that happens to be ready.
    tokio::select! {
        biased;
        _ = terminate.recv() => bail!("stopped by SIGTERM"),
        _ = interrupt.recv() => bail!("stopped by SIGINT"),
        result = run() => result,
    }
}

async fn run() -> Result<()> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    // Found before the first binlog is filled, so that a missing build costs a second and not a quarter of an hour.
    let program = match settings.systems.contains(&System::Tributary) {
        true => Some(engine::program()?),
        false => None,
    };
    let mut report = Report::default();
    for workload in &settings.workloads {
        let systems = run_workload(*workload, &settings, program.as_deref())
            .await
            .with_context(|| format!("workload {}", workload.name()))?;
        report.add(*workload, systems);
        // After every workload, so that a later failure does not take the finished ones with it.
        report.write()?;
    }
    println!("{}", report.to_markdown());
    Ok(())
}

/// Fills one binlog and lets every system catch up from it, in rounds.
async fn run_workload(
    workload: Workload,
    settings: &Settings,
    program: Option<&std::path::Path>,
) -> Result<Vec<SystemRuns>> {
    let source = Source::fill(workload, settings).await?;
    eprintln!("{}: {}", workload.name(), source.describe());
    let mut systems: Vec<SystemRuns> = settings
        .systems
        .iter()
        .map(|system| SystemRuns::new(*system, source.transactions))
        .collect();
    let count = systems.len();
    for round in 0..settings.runs {
        for turn in 0..count {
            // Every round begins with another system, so none always follows the same one.
            let entry = &mut systems[(round + turn) % count];
            let run = run_once(entry.system, &source, settings, program)
                .await
                .with_context(|| format!("{}, run {}", entry.system.name(), round + 1))?;
            eprintln!(
                "{}: run {} of {}: {}: {}",
                workload.name(),
                round + 1,
                settings.runs,
                entry.system.name(),
                run
            );
            entry.runs.push(run);
        }
    }
    Ok(systems)
}

/// One catch-up on a fresh target, compared with the source before it counts.
async fn run_once(
    system: System,
    source: &Source,
    settings: &Settings,
    program: Option<&std::path::Path>,
) -> Result<Run> {
    let target = target::start(system, source.workload, settings).await?;
    measure::settle_disk().await?;
    let run = match (system, program) {
        (System::Tributary, Some(program)) => engine::catch_up(program, source, &target, settings).await,
        (System::Tributary, None) => bail!("the engine's program was not looked for"),
        (System::NativeOptimistic | System::NativeSerial, _) => {
            native::catch_up(source, &target, settings).await
        }
    };
    let run =
        run.map_err(|error| with_log(&error, "the target's error log", &problems(&target.error_log())))?;
    verify::same_data(source, &target).await?;
    Ok(run)
}

/// `error`, then the last lines of a log that may explain it.
fn with_log(error: &anyhow::Error, name: &str, log: &str) -> anyhow::Error {
    const LINES_MAX: usize = 20;
    let lines: Vec<&str> = log.lines().collect();
    let end = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
    anyhow!("{error:#}\n{name} ends with:\n{end}")
}

/// The lines of a server's error log that are more than a note.
fn problems(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("[Note]")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_before_the_last_lines_of_the_log() {
        let log: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let message = with_log(&anyhow!("cause").context("what failed"), "the log", &log).to_string();
        assert!(
            message.starts_with("what failed: cause\nthe log ends with:\nline 10\n"),
            "{message}"
        );
        assert!(message.ends_with("line 29"), "{message}");
    }

    #[test]
    fn notes_are_no_problems() {
        assert_eq!(problems("0 [Note] ready\n1 [ERROR] disk\n"), "1 [ERROR] disk");
    }
}
