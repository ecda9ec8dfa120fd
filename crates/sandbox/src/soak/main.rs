//! `make soak`: random statements of every kind from several clients on three sources, through Tributary into one
//! target, in rounds. Each round ends with a comparison of every definition and every row.
//!
//! Ends with exit code 0 only if there is no difference and the engine never stopped by itself.

mod settings;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tributary_sandbox::fan_in::{FanIn, FanInPlan, STATUS_INTERVAL};
use tributary_sandbox::workload::{DATABASES, Grammar, IGNORED_TABLES};
use tributary_sandbox::{ServerOptions, Site, Workload, WorkloadPlan, WorkloadReport, compare, compare_code};

use settings::Settings;

/// How many sources there are, named `master1` and so on.
const SOURCE_COUNT: u32 = 3;
/// Rows of tables without a key are few at a time. What single connections have switched on that others have not: the relay log in
/// memory, with small files, and groups in pieces.
const OWN_SETTINGS: &str = "tributary_set_rows = 1\nmaster1.tributary_relay_log = OFF\nmaster2.max_relay_log_size = 1M\n\
    master3.group_bytes_max = 64K\n";

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("soak: start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run_until_interrupted()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A signal ends it early, with every server removed by the values dropped on the way.
async fn run_until_interrupted() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let settings = Settings::from_environment()?;
    let keep = settings.keep;
    let (mut soak, result) = tokio::select! {
        result = run(settings) => result?,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    if result.is_err() {
        println!("tributary's log ends with:\n{}", soak.bench.engine.log_end());
    }
    if keep && let Err(error) = &result {
        println!("{error:#}");
        soak.bench.print_how_to_connect();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    result?;
    soak.bench.engine.stop().await
}

async fn run(settings: Settings) -> anyhow::Result<(Soak, anyhow::Result<()>)> {
    let began = Instant::now();
    println!(
        "seed {}: {} s in rounds of {} s, {} clients on each of {SOURCE_COUNT} sources",
        settings.seed, settings.seconds, settings.round_seconds, settings.clients
    );
    let mut target = ServerOptions::target().arg("--local-infile=ON");
    target.program.clone_from(&settings.target_program);
    let source = |number| Workload::source_options(number, settings.source_program.as_deref());
    let bench = FanIn::start(FanInPlan {
        prefix: "tributary-soak-",
        program: settings.program.clone(),
        target,
        sources: (1..=SOURCE_COUNT).map(source).collect(),
        databases: &DATABASES,
        ignored: &IGNORED_TABLES,
        settings: OWN_SETTINGS,
    })
    .await?;
    let mut soak = Soak {
        bench,
        settings,
        began,
        totals: Totals::default(),
    };
    let result = soak.rounds().await;
    soak.print_totals(&result);
    Ok((soak, result))
}

struct Soak {
    bench: FanIn,
    settings: Settings,
    began: Instant,
    totals: Totals,
}

/// All rounds together.
#[derive(Default)]
struct Totals {
    rounds: u64,
    statements: u64,
    source_rows: u64,
    refused: BTreeMap<u16, u64>,
    kills: u64,
    reconnects: u64,
    tables: usize,
    /// Routines, triggers, events and views.
    objects: usize,
    rows: u64,
    different: usize,
}

impl Soak {
    async fn rounds(&mut self) -> anyhow::Result<()> {
        let round_count = self.settings.seconds.div_ceil(self.settings.round_seconds);
        for round in 0..round_count {
            // Each source has statements of its own; a round is repeated with its own number as the seed.
            let seed = self.settings.seed.wrapping_add(round);
            self.round(round, seed)
                .await
                .with_context(|| format!("round {round}, SOAK_SEED={seed}"))?;
        }
        Ok(())
    }

    async fn round(&mut self, round: u64, seed: u64) -> anyhow::Result<()> {
        let length = Duration::from_secs(self.settings.round_seconds.min(self.settings.seconds));
        let pause = match self.settings.restart_seconds {
            Some(seconds) => Duration::from_secs(seconds),
            None if seed % 2 == 1 => length / 2,
            None => length,
        };
        let restarts = pause < length;
        let workloads = self.start_workloads(seed, restarts).await?;
        let end = Instant::now() + length;
        let mut restart = end - length + pause;
        while restart < end {
            self.watch_until(&workloads, restart).await?;
            self.bench.restart_engine().await?;
            restart += pause;
        }
        self.watch_until(&workloads, end).await?;
        workloads.iter().for_each(Workload::begin_stop);
        for workload in workloads {
            self.totals.add(workload.stop().await?);
        }
        self.bench.drain().await?;
        self.compare().await?;
        self.totals.rounds += 1;
        let (statements, rows) = self.bench.applied();
        println!(
            "[{:6.1}s] round {round} (seed {seed}{}): {} statements run, {statements} statements and {rows} rows applied, {} tables with {} rows equal",
            self.began.elapsed().as_secs_f64(),
            if restarts { ", engine restarted" } else { "" },
            self.totals.statements,
            self.totals.tables,
            self.totals.rows
        );
        Ok(())
    }

    async fn start_workloads(&self, seed: u64, restarts: bool) -> anyhow::Result<Vec<Workload>> {
        let mut kinds = self.settings.kinds;
        // Temporary tables live in the engine's sessions and do not survive its restart; see docs/positions.md.
        kinds.temporary_tables &= !restarts;
        let mut workloads = Vec::new();
        for (index, source) in self.bench.sources.iter().enumerate() {
            let server = &source.server;
            for database in DATABASES {
                server.run(&format!("DROP DATABASE IF EXISTS {database}")).await?;
            }
            let scheduler = if kinds.events { "ON" } else { "OFF" };
            server
                .run(&format!("SET GLOBAL event_scheduler = {scheduler}"))
                .await?;
            let plan = WorkloadPlan {
                seed: seed
                    .wrapping_mul(u64::from(SOURCE_COUNT))
                    .wrapping_add(index as u64),
                clients: self.settings.clients,
                statements_per_second_max: self.settings.rate,
                kinds,
                grammar: Grammar::between(server, &self.bench.target).await?,
            };
            workloads.push(Workload::start(server, plan).await?);
        }
        Ok(workloads)
    }

    async fn watch_until(&mut self, workloads: &[Workload], deadline: Instant) -> anyhow::Result<()> {
        while Instant::now() < deadline {
            self.bench.look().await?;
            ensure!(
                !workloads.iter().any(Workload::has_ended),
                "a client of the workload ended before its time"
            );
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(STATUS_INTERVAL.min(left)).await;
        }
        Ok(())
    }

    async fn compare(&mut self) -> anyhow::Result<()> {
        let mut differences = Vec::new();
        for source in &self.bench.sources {
            let names = DATABASES.map(|database| (database, format!("{}_{database}", source.name)));
            let names = names
                .each_ref()
                .map(|(database, renamed)| (*database, &renamed[..]));
            let target = &self.bench.target;
            for (database, renamed) in names {
                let found = compare(&source.server, database, target, renamed, &IGNORED_TABLES).await?;
                self.totals.tables += found.tables.len();
                self.totals.rows += found.replicated_rows();
                for table in found.tables.iter().filter(|table| !table.equal) {
                    let difference = table.first_difference.clone().unwrap_or_default();
                    differences.push(format!("{renamed}.{}: {difference}", table.table));
                }
            }
            // Servers of two vendors keep stored code in their own ways.
            let site: &Site = source.server.as_ref();
            if site.is_mysql().await? {
                continue;
            }
            let code = compare_code(&source.server, target, &names, &IGNORED_TABLES).await?;
            self.totals.objects += code.objects;
            let of_source = |difference| format!("{}, {difference}", source.name);
            differences.extend(code.differences.into_iter().map(of_source));
        }
        self.totals.different += differences.len();
        ensure!(
            differences.is_empty(),
            "{} tables or stored objects differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
        Ok(())
    }

    fn print_totals(&self, result: &anyhow::Result<()>) {
        let totals = &self.totals;
        let (statements, rows) = self.bench.applied();
        let refused: u64 = totals.refused.values().sum();
        let numbers: Vec<String> = totals
            .refused
            .iter()
            .map(|(number, count)| format!("{number}: {count}"))
            .collect();
        println!(
            "seeds:       {} to {}",
            self.settings.seed,
            self.settings.seed.wrapping_add(totals.rounds)
        );
        println!(
            "on sources:  {} statements executed, {} rows changed, {refused} refused ({})",
            totals.statements,
            totals.source_rows,
            numbers.join(", ")
        );
        println!(
            "             {} sessions left or lost, {} kills",
            totals.reconnects, totals.kills
        );
        println!(
            "compared:    {statements} statements and {rows} rows of row events applied; {} tables with {} rows, {} stored objects",
            totals.tables, totals.rows, totals.objects
        );
        println!("differences: {}", totals.different);
        println!("minutes:     {:.1}", self.began.elapsed().as_secs_f64() / 60.0);
        match result {
            Ok(()) => println!("ALL EQUAL after {} rounds", totals.rounds),
            Err(_) => println!("NOT EQUAL, or stopped, in round {}", totals.rounds),
        }
    }
}

impl Totals {
    fn add(&mut self, report: WorkloadReport) {
        self.statements += report.statements;
        self.source_rows += report.rows;
        self.kills += report.kills;
        self.reconnects += report.reconnects;
        for (number, count) in report.refused {
            *self.refused.entry(number).or_insert(0) += count;
        }
    }
}
