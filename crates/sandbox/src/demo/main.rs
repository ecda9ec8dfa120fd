//! `make demo`: three call centres with live traffic flow into one target through Tributary, which on the way is stopped, is killed
//! (`kill -9`), and starts again, as does one of the sources. At the end every row of every table is compared.
//!
//! Ends with exit code 0 only if everything is equal.

mod center;
mod files;
mod host;
mod report;
mod settings;
mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tributary_sandbox::engine::EngineStatus;
use tributary_sandbox::{Drain, Engine, ServerOptions, TrafficReport, create_applier_user};

use center::Center;
use files::Files;
use host::Host;
use report::{Applied, Figures};
use settings::Settings;
use view::View;

/// How many sources there are, named `master1` and so on.
const SOURCE_COUNT: u32 = 3;
/// The source that is restarted on the way, counted from 0.
const RESTARTED_SOURCE: usize = 1;
/// How often the engine is asked for its status.
const STATUS_INTERVAL: Duration = Duration::from_millis(300);
/// How long a fresh engine may take until it answers.
const ENGINE_START_TIMEOUT: Duration = Duration::from_secs(30);

/// What the engine may do on the target: everything, as the account of a replica; see docs/configuration.md for less.
const APPLIER_GRANTS: [&str; 1] = ["ALL PRIVILEGES ON *.*"];

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run_until_interrupted()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo; a signal ends it early, with every server removed by the values dropped on the way.
async fn run_until_interrupted() -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).context("watch for SIGHUP")?;
    let settings = Settings::from_environment()?;
    let keep = settings.keep;
    let (mut demo, is_equal) = tokio::select! {
        result = run(settings) => result?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
        _ = hang_up.recv() => bail!("the terminal went away"),
    };
    if keep {
        report::print_how_to_connect(&demo.settings.program, &demo.files, &demo.target, &demo.centers);
        tokio::select! {
            result = demo.watch_engine() => result?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
    demo.engine.stop().await?;
    Ok(is_equal)
}

/// The demo up to its result: whether everything is equal. Anything else leaves the engine's log behind.
async fn run(settings: Settings) -> anyhow::Result<(Demo, bool)> {
    let mut demo = Demo::start(settings).await?;
    let result = demo.play().await;
    if !matches!(result, Ok(true)) {
        demo.keep_log();
    }
    Ok((demo, result?))
}

/// Everything that runs. Dropped in this order: the engine before the servers it works with.
struct Demo {
    engine: Engine,
    applied: Applied,
    view: View,
    centers: Vec<Center>,
    target: Host,
    files: Files,
    settings: Settings,
    began: Instant,
    target_cpu_before: Option<f64>,
}

impl Demo {
    async fn start(settings: Settings) -> anyhow::Result<Demo> {
        let view = View::new();
        view.say("starting three sources and a target");
        let mut options = ServerOptions::target();
        options.program.clone_from(&settings.target_program);
        let target = Host::start(settings.target.as_deref(), options)
            .await
            .context("start the target")?;
        let account = create_applier_user(target.site(), &APPLIER_GRANTS).await?;
        let mut centers = Vec::new();
        for number in 1..=SOURCE_COUNT {
            centers.push(
                Center::start(number, &settings)
                    .await
                    .with_context(|| format!("start source {number}"))?,
            );
        }
        let files = Files::write(&target, &account, &centers)?;
        view.say(&format!(
            "starting tributary with {}",
            files.option_file().display()
        ));
        let target_cpu_before = target.cpu_seconds();
        let began = Instant::now();
        let engine = Engine::start(&settings.program, &files.option_file())?;
        let mut demo = Demo {
            engine,
            applied: Applied::default(),
            view,
            centers,
            target,
            files,
            settings,
            began,
            target_cpu_before,
        };
        if let Err(error) = demo.wait_for_engine().await {
            demo.keep_log();
            return Err(error);
        }
        Ok(demo)
    }

    async fn play(&mut self) -> anyhow::Result<bool> {
        self.traffic().await?;
        let traffic = self.end_traffic().await?;
        self.drain().await?;
        self.compare(traffic).await
    }

    /// Copies the engine's log out of the directory that goes with the demo.
    fn keep_log(&self) {
        let Ok(program) = std::env::current_exe() else {
            return;
        };
        let kept = program.with_file_name("tributary-demo.log");
        match std::fs::copy(self.engine.log_path(), &kept) {
            Ok(_) => self
                .view
                .say(&format!("tributary's whole log is in {}", kept.display())),
            Err(error) => self
                .view
                .say(&format!("tributary's log could not be kept: {error}")),
        }
    }

    /// Live traffic; at each quarter of it something ends and starts again: the engine, the engine killed, a source.
    async fn traffic(&mut self) -> anyhow::Result<()> {
        let length = Duration::from_secs(self.settings.seconds);
        for center in &mut self.centers {
            center.fill_and_start_traffic(&self.settings).await?;
        }
        let start = Instant::now();
        self.view.start_phase("traffic", length);
        self.watch_until(start + length / 4).await?;
        self.restart_engine().await?;
        self.watch_until(start + length / 2).await?;
        self.kill_engine().await?;
        self.watch_until(start + length * 3 / 4).await?;
        self.restart_source().await?;
        self.watch_until(start + length).await
    }

    async fn end_traffic(&mut self) -> anyhow::Result<Vec<TrafficReport>> {
        let mut reports = Vec::new();
        for center in &mut self.centers {
            reports.push(
                center
                    .end_traffic()
                    .await
                    .with_context(|| format!("traffic of {}", center.name))?,
            );
        }
        Ok(reports)
    }

    /// Waits until everything the sources have logged is on the target.
    async fn drain(&mut self) -> anyhow::Result<()> {
        let mut ends = Vec::new();
        for center in &self.centers {
            ends.push((center.name.clone(), center.end_of_log().await?));
        }
        self.view.start_phase("drain", Duration::ZERO);
        let mut drain = Drain::to(ends);
        loop {
            let status = self.look().await?;
            let is_done = drain
                .is_done(status.as_ref())
                .with_context(|| format!("tributary's log ends with:\n{}", self.engine.log_end()));
            if is_done? {
                self.applied.drained = Some(self.began.elapsed());
                return Ok(());
            }
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }

    /// Compares, and prints what was found.
    async fn compare(&mut self, traffic: Vec<TrafficReport>) -> anyhow::Result<bool> {
        // Figures first: comparing works the target, too.
        let figures = Figures {
            traffic,
            applied: self.applied.clone(),
            engine_cpu_seconds: self.engine.cpu_seconds(),
            target_cpu_seconds: self
                .target
                .cpu_seconds()
                .zip(self.target_cpu_before)
                .map(|(now, before)| now - before),
            engine_peak_rss_bytes: self.engine.peak_rss_bytes(),
        };
        self.view.end();
        let mut comparisons = Vec::new();
        for center in &self.centers {
            comparisons.push(center.compare(self.target.site()).await?);
        }
        Ok(report::print(&comparisons, &figures))
    }

    /// Returns only when the engine ends by itself.
    async fn watch_engine(&mut self) -> anyhow::Result<()> {
        loop {
            self.engine.ensure_running()?;
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }

    async fn watch_until(&mut self, deadline: Instant) -> anyhow::Result<()> {
        while Instant::now() < deadline {
            self.look().await?;
            if self.centers.iter().any(Center::traffic_has_ended) {
                self.end_traffic().await?;
                bail!("the traffic ended before its time");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(STATUS_INTERVAL.min(left)).await;
        }
        Ok(())
    }

    async fn restart_engine(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        self.view.say("restarting tributary (SIGTERM)");
        self.engine.stop().await?;
        self.start_engine_again().await
    }

    /// In the middle of what it does, with a table in memory, MyISAM tables and InnoDB tables under way.
    async fn kill_engine(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        self.view
            .say("killing tributary (SIGKILL), and starting it again");
        self.engine.kill().await?;
        self.start_engine_again().await
    }

    async fn start_engine_again(&mut self) -> anyhow::Result<()> {
        self.applied.engine_restarted();
        self.engine.start_again()?;
        self.wait_for_engine().await
    }

    async fn restart_source(&mut self) -> anyhow::Result<()> {
        let center = &mut self.centers[RESTARTED_SOURCE];
        self.view
            .say(&format!("restarting the source of {}", center.name));
        center.source.restart().await
    }

    async fn wait_for_engine(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + ENGINE_START_TIMEOUT;
        while self.look().await?.is_none() {
            ensure!(
                Instant::now() < deadline,
                "tributary gives no status after {ENGINE_START_TIMEOUT:?}; its log ends with:\n{}",
                self.engine.log_end()
            );
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
        Ok(())
    }

    /// Takes one status, shows it, and fails on a connection that has stopped.
    async fn look(&mut self) -> anyhow::Result<Option<EngineStatus>> {
        let status = self.engine.status().await?;
        if let Some(status) = &status {
            self.applied.update(status);
            let written: u64 = self.centers.iter().map(Center::statements).sum();
            self.view.show(status, &self.applied, written);
            if let Some(connection) = status
                .connections
                .iter()
                .find(|connection| connection.has_stopped())
            {
                let error = connection.last_error.clone().unwrap_or_default();
                bail!(
                    "{} has stopped: error {}: {}; tributary's log ends with:\n{}",
                    connection.name,
                    error.number,
                    error.message,
                    self.engine.log_end()
                );
            }
        }
        Ok(status)
    }
}
