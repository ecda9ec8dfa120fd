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
use tributary_sandbox::fan_in::{FanIn, FanInPlan, Source};
use tributary_sandbox::random::Random;
use tributary_sandbox::{Comparison, ServerOptions, compare};

use fault::{Kind, pause};
use settings::Settings;
use traffic::Traffic;

/// How many sources there are, named `master1` and so on.
const SOURCE_COUNT: u32 = 3;
/// One connection holds in memory what it receives, one writes small files of it, one takes groups in pieces. A silent line is noticed
/// soon.
const ENGINE_SETTINGS: &str = "master1.tributary_relay_log = OFF\nmaster2.max_relay_log_size = 64K\nmaster3.group_bytes_max = 64K\n\
    slave_net_timeout = 2\n";
/// With this error the engine stops a connection of whose tables it does not know what is there.
const IN_DOUBT: u64 = 1593;
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
            traffic.push(Traffic::start(&source.server, engines, kind.loads(), own));
        }
        let known_doubts = self
            .stage
            .target
            .value("SELECT IFNULL(MAX(id),0) FROM tributary.skipped")
            .await?;
        pause(random, 1200).await;
        let detail = kind.happen(&mut self.stage, random).await?;
        pause(random, 800).await;
        let mut statements = 0;
        for traffic in traffic {
            statements += traffic.stop().await?;
        }
        if kind.ends_stream() {
            self.begin_anew(&[&detail]).await?;
        }
        let (rows, detail) = match kind.leaves_doubts() {
            true => self.compare_but_doubts(known_doubts, detail).await?,
            false => {
                self.stage.drain().await?;
                (self.compare().await?, detail)
            }
        };
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
    async fn begin_anew(&mut self, names: &[&str]) -> anyhow::Result<()> {
        // Stopped in order it would say that a connection had stopped before.
        self.stage.engine.kill().await?;
        for name in names {
            let index = self.stage.sources.iter().position(|source| source.name == *name);
            let index = index.context("a source of this name")?;
            let server = &self.stage.sources[index].server;
            server.run("DROP DATABASE asterisk").await?;
            self.stage.begin_anew(index).await?;
            traffic::prepare(&self.stage.sources[index].server, traffic::Engines::All).await?;
        }
        self.stage.start_engine().await
    }

    /// Compares all tables but those that the engine says may differ: recorded since `known`, or of a connection that has stopped.
    async fn compare_but_doubts(&mut self, known: String, detail: String) -> anyhow::Result<(u64, String)> {
        let stopped = self.stage.drain_or_stop().await?;
        let recorded = format!(
            "SELECT DISTINCT CONCAT(database_name,'.',table_name) FROM tributary.skipped WHERE kind='in_doubt' AND id>{known}"
        );
        let recorded = self.stage.target.rows(&recorded).await?;
        let recorded: Vec<String> = recorded.into_iter().flatten().flatten().collect();
        let (mut rows, mut differing) = (0, 0);
        for source in &self.stage.sources {
            if stopped.iter().any(|(name, _)| *name == source.name) {
                continue;
            }
            let (renamed, found) = self.compare_with(source).await?;
            for table in found.tables.iter().filter(|table| !table.equal) {
                let name = format!("{renamed}.{}", table.table);
                ensure!(
                    recorded.contains(&name),
                    "{name} differs, and nobody says so: {found}; recorded are {recorded:?}"
                );
                differing += 1;
            }
            rows += found.replicated_rows();
        }
        let names: Vec<&str> = stopped.iter().map(|(name, _)| &name[..]).collect();
        for (name, error) in &stopped {
            println!("{name} has stopped: {} {}", error.number, error.message);
            // Rows that are there twice may be in the way of others.
            let has_doubts = recorded
                .iter()
                .any(|table| table.starts_with(&format!("{name}_asterisk.")));
            // The engine ends with its last connection; then there is its log.
            let is_in_doubt = error.number == IN_DOUBT || error.message.contains("number=1593");
            ensure!(is_in_doubt || has_doubts, "it says nothing of doubts");
        }
        if !names.is_empty() {
            self.begin_anew(&names).await?;
            self.stage.drain().await?;
        }
        let detail = format!(
            "{detail}, {} tables in doubt, {differing} of them differ, {} connections stopped",
            recorded.len(),
            stopped.len()
        );
        Ok((rows, detail))
    }

    async fn compare(&self) -> anyhow::Result<u64> {
        let mut rows = 0;
        for source in &self.stage.sources {
            let (renamed, found) = self.compare_with(source).await?;
            ensure!(found.is_equal(), "{renamed} differs:\n{found}");
            rows += found.replicated_rows();
        }
        Ok(rows)
    }

    /// The name of the source's database on the target, and how the two compare.
    async fn compare_with(&self, source: &Source) -> anyhow::Result<(String, Comparison)> {
        let renamed = format!("{}_asterisk", source.name);
        let found = compare(&source.server, "asterisk", &self.stage.target, &renamed, &[]).await?;
        Ok((renamed, found))
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
