//! Benches on real servers: the same binlogs through the native replica and through Tributary.
//!
//! `README.md` beside this program says what is measured and how. In the order things happen: [`settings`] say what
//! to run, [`source`] fills the binlogs of a [`workload`] with its [`traffic`],
//! unless the user has [`named`] one, [`target`] gives each run a fresh server,
//! a [`replica`] of either kind ([`native`], [`engine`]) works behind a [`link`], [`measure`] counts, [`verify`] compares,
//! [`report`] writes and prints. [`catch_up`] does this for full binlogs, [`steady`] while sources write, [`stop_start`] while they are stopped and started,
//! [`idle`] while nothing is written; [`decode`] reads files.

mod catch_up;
mod coordinates;
mod decode;
mod engine;
mod idle;
mod link;
mod log;
mod login;
mod measure;
mod named;
mod native;
mod null_target;
mod replica;
mod report;
mod settings;
mod source;
mod steady;
mod stop_start;
mod system;
mod target;
mod traffic;
mod verify;
mod workload;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::report::{Line, Report};
use crate::settings::Settings;
use crate::system::System;
use crate::workload::{Measure, Workload};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [] => run_until_signal().await,
        ["null-target", files @ ..] if !files.is_empty() => null_target::run(files),
        ["publish", folder] => publish(Path::new(folder)),
        _ => {
            eprintln!("usage: tributary-benches [publish FOLDER | null-target FILE...]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Draws the tables and the chart of the last results into a folder.
fn publish(folder: &Path) -> Result<()> {
    let report = Report::read()?;
    ensure!(!report.is_empty(), "there are no results: run the bench first");
    report.publish(folder)
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
    let mut report = match settings.keeps_results {
        true => Report::read()?,
        false => Report::default(),
    };
    for workload in &settings.workloads {
        let lines = run_workload(*workload, &settings, program.as_deref())
            .await
            .with_context(|| format!("workload {}", workload.name()))?;
        report.add(lines);
        // After every workload, so that a later failure does not take the finished ones with it.
        report.write()?;
    }
    println!("{}", report.to_markdown());
    Ok(())
}

async fn run_workload(workload: Workload, settings: &Settings, program: Option<&Path>) -> Result<Vec<Line>> {
    match workload.measure() {
        Measure::CatchUp => catch_up::run(workload, settings, program).await,
        Measure::Steady => steady::run(settings, program).await,
        Measure::StopStart => stop_start::run(settings, program).await,
        Measure::Idle => idle::run(settings, program).await,
        Measure::Decode => decode::run(settings).await,
    }
}
