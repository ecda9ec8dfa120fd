//! `make chaos`: three sources with traffic that shows every loss and every repetition, one target, and in each round something
//! that goes wrong. Each round ends with a comparison of every table.
//!
//! Ends with exit code 0 only if nothing differs, nothing hangs, and the engine never stops where it should not.

mod disks;
mod fault;
mod settings;
mod traffic;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tributary_sandbox::fan_in::{FanIn, FanInPlan};
use tributary_sandbox::random::Random;
use tributary_sandbox::{ServerOptions, compare};

use fault::{Kind, pause};
use settings::Settings;
use traffic::Traffic;

/// How many sources there are, named `master1` and so on.
const SOURCE_COUNT: u32 = 3;
/// One connection holds in memory what it receives, one writes small files of it, one takes groups in pieces. A silent line is noticed
/// soon.
const ENGINE_SETTINGS: &str = "master1.tributary_relay_log = OFF\nmaster2.max_relay_log_size = 64K\nmaster3.group_bytes_max = 64K\n\
    slave_net_timeout = 2\n";
/// Longest time a round may take altogether.
const ROUND_TIMEOUT: Duration = Duration::from_secs(240);

fn main() -> ExitCode {
    // Before there are threads.
    let has_disks = disks::enter_namespace();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("chaos: start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run_until_interrupted(has_disks)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A signal ends it early, with every server removed by the values dropped on the way.
async fn run_until_interrupted(has_disks: bool) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    tokio::select! {
        result = run(Settings::from_environment()?, has_disks) => result,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn run(settings: Settings, has_disks: bool) -> anyhow::Result<()> {
    let durable = |options: ServerOptions| options.arg("--innodb-flush-log-at-trx-commit=1");
    let source = |number| durable(ServerOptions::source(number)).arg("--sync-binlog=1");
    let mut chaos = Chaos {
        stage: FanIn::start(FanInPlan {
            prefix: "tributary-chaos-",
            program: settings.program.clone(),
            target: durable(ServerOptions::target()),
            sources: (1..=SOURCE_COUNT).map(source).collect(),
            databases: &["asterisk"],
            ignored: &[],
            settings: ENGINE_SETTINGS,
        })
        .await?,
        began: Instant::now(),
        done: BTreeMap::new(),
        not_run: BTreeMap::new(),
    };
    let wants_disks = settings.kinds.iter().any(|kind| kind.needs_disks());
    if wants_disks && has_disks {
        disks::mount(&mut chaos.stage).await?;
    }
    let mut result = Ok(());
    for round in 0..settings.rounds {
        let seed = settings.seed.wrapping_add(round);
        let mut random = Random::new(seed);
        let drawn = random.below(settings.kinds.len() as u64);
        let place = if settings.is_in_turn {
            round % settings.kinds.len() as u64
        } else {
            drawn
        };
        let kind = settings.kinds[place as usize];
        if kind.needs_disks() && !has_disks {
            println!(
                "round {round} {}: NOT RUN, only root can mount small disks",
                kind.name()
            );
            *chaos.not_run.entry(kind).or_default() += 1;
            continue;
        }
        let ended = tokio::time::timeout(ROUND_TIMEOUT, chaos.round(round, kind, seed, &mut random)).await;
        result = ended
            .unwrap_or_else(|_| bail!("it hangs: {ROUND_TIMEOUT:?} are over"))
            .with_context(|| {
                format!(
                    "round {round}: CHAOS_ROUNDS=1 CHAOS_SEED={seed} CHAOS_ONLY={}",
                    kind.name()
                )
            });
        if result.is_err() {
            println!("tributary's log ends with:\n{}", chaos.stage.engine.log_end());
            break;
        }
    }
    chaos.print(result.is_ok());
    result?;
    chaos.stage.engine.stop().await
}

struct Chaos {
    stage: FanIn,
    began: Instant,
    /// Rounds that ended equal, by kind.
    done: BTreeMap<Kind, u64>,
    /// Rounds that were left out, by kind.
    not_run: BTreeMap<Kind, u64>,
}

impl Chaos {
    async fn round(&mut self, round: u64, kind: Kind, seed: u64, random: &mut Random) -> anyhow::Result<()> {
        let began = Instant::now();
        let engines = kind.engines();
        let mut traffic = Vec::new();
        for (source, number) in self.stage.sources.iter().zip(0..) {
            traffic::prepare(&source.server, engines).await?;
            let own = seed.wrapping_mul(u64::from(SOURCE_COUNT)).wrapping_add(number);
            traffic.push(Traffic::start(&source.server, engines, own));
        }
        pause(random, 1200).await;
        let detail = kind.happen(&mut self.stage, random).await?;
        pause(random, 800).await;
        let mut statements = 0;
        for traffic in traffic {
            statements += traffic.stop().await?;
        }
        if kind.ends_stream() {
            self.begin_anew(&detail).await?;
        }
        self.stage.drain().await?;
        let rows = self.compare().await?;
        *self.done.entry(kind).or_default() += 1;
        println!(
            "[{:7.1}s] round {round} seed {seed} {} {detail}: {statements} statements, {rows} rows equal, {:.1} s",
            self.began.elapsed().as_secs_f64(),
            kind.name(),
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// What a person does whose source has purged what was needed; the copy is an empty one.
    async fn begin_anew(&mut self, name: &str) -> anyhow::Result<()> {
        // Stopped in order it would say that a connection had stopped before.
        self.stage.engine.kill().await?;
        let index = self.stage.sources.iter().position(|source| source.name == name);
        let index = index.context("the source that has purged")?;
        let server = &self.stage.sources[index].server;
        server.run("DROP DATABASE asterisk").await?;
        self.stage.begin_anew(index).await?;
        traffic::prepare(&self.stage.sources[index].server, traffic::Engines::All).await?;
        self.stage.start_engine().await
    }

    async fn compare(&self) -> anyhow::Result<u64> {
        let mut rows = 0;
        for source in &self.stage.sources {
            let renamed = format!("{}_asterisk", source.name);
            let found = compare(&source.server, "asterisk", &self.stage.target, &renamed, &[]).await?;
            ensure!(found.is_equal(), "{renamed} differs:\n{found}");
            rows += found.replicated_rows();
        }
        Ok(rows)
    }

    fn print(&self, is_equal: bool) {
        println!("{:<16} rounds without a difference", "fault");
        for (kind, rounds) in &self.done {
            println!("{:<16} {rounds}", kind.name());
        }
        for (kind, rounds) in &self.not_run {
            println!(
                "{:<16} {rounds} NOT RUN, as only root can mount small disks",
                kind.name()
            );
        }
        let rounds: u64 = self.done.values().sum();
        println!(
            "{:<16} {rounds} in {:.1} minutes",
            "all",
            self.began.elapsed().as_secs_f64() / 60.0
        );
        println!(
            "{}",
            if is_equal {
                "ALL EQUAL"
            } else {
                "NOT EQUAL, or it hung, or it stopped"
            }
        );
    }
}
