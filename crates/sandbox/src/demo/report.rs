//! What the demo found out: the table of tables, and the figures.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tributary_sandbox::engine::EngineStatus;
use tributary_sandbox::{TableReport, TrafficReport};

use crate::center::{Center, Compared};
use crate::files::Files;
use crate::host::Host;

/// What the engine has applied, over all its starts: its own counters begin anew with each.
#[derive(Clone, Default)]
pub(crate) struct Applied {
    before: (u64, u64, u64),
    now: BTreeMap<String, (u64, u64, u64)>,
    /// Time from the engine's first start to the moment everything was on the target.
    pub(crate) drained: Option<Duration>,
}

impl Applied {
    pub(crate) fn update(&mut self, status: &EngineStatus) {
        for connection in &status.connections {
            let counters = (
                connection.statements_applied,
                connection.rows_applied,
                connection.skipped,
            );
            self.now.insert(connection.name.clone(), counters);
        }
    }

    pub(crate) fn engine_restarted(&mut self) {
        self.before = (self.statements(), self.rows(), self.skipped());
        self.now.clear();
    }

    pub(crate) fn statements(&self) -> u64 {
        self.before.0 + self.now.values().map(|counters| counters.0).sum::<u64>()
    }

    pub(crate) fn rows(&self) -> u64 {
        self.before.1 + self.now.values().map(|counters| counters.1).sum::<u64>()
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.before.2 + self.now.values().map(|counters| counters.2).sum::<u64>()
    }
}

pub(crate) struct Figures {
    pub(crate) traffic: Vec<TrafficReport>,
    pub(crate) applied: Applied,
    pub(crate) engine_cpu_seconds: f64,
    /// Unknown when the target runs elsewhere.
    pub(crate) target_cpu_seconds: Option<f64>,
    pub(crate) engine_peak_rss_bytes: u64,
}

/// Prints everything; `true` if all is equal.
pub(crate) fn print(comparisons: &[Compared], figures: &Figures) -> bool {
    println!();
    println!(
        "{:<10} {:<42} {:>11} {:>11}  result",
        "connection", "table", "source rows", "target rows"
    );
    for compared in comparisons {
        for (database, comparison) in &compared.databases {
            for table in &comparison.tables {
                print_table(&compared.connection, database, table);
            }
        }
    }
    for compared in comparisons.iter().filter(|compared| !compared.code.is_equal()) {
        println!("{:<10} DIFFERENT: {}", compared.connection, compared.code);
    }
    println!();
    let all = || {
        comparisons
            .iter()
            .flat_map(|compared| &compared.databases)
            .map(|(_, comparison)| comparison)
    };
    let is_equal = !comparisons.is_empty()
        && all().all(|comparison| comparison.is_equal())
        && comparisons.iter().all(|compared| compared.code.is_equal());
    let tables: usize = all().map(|comparison| comparison.tables.len()).sum();
    let different = all()
        .flat_map(|comparison| &comparison.tables)
        .filter(|table| !table.equal)
        .count();
    let rows: u64 = all().map(|comparison| comparison.replicated_rows()).sum();
    print_figures(figures);
    if is_equal {
        println!("ALL EQUAL: {tables} tables compared, {rows} replicated rows, every column of every row");
    } else {
        println!("DIFFERENT: {different} of {tables} tables");
    }
    is_equal
}

fn print_table(connection: &str, database: &str, table: &TableReport) {
    let name = format!("{database}.{}", table.table);
    let result = match (table.ignored, table.equal, &table.first_difference) {
        (true, true, _) => "ignored".to_owned(),
        (false, true, _) => "equal".to_owned(),
        (_, false, difference) => format!("DIFFERENT: {}", difference.as_deref().unwrap_or("differs")),
    };
    println!(
        "{connection:<10} {name:<42} {:>11} {:>11}  {result}",
        table.source_rows, table.target_rows
    );
}

fn print_figures(figures: &Figures) {
    let written: u64 = figures.traffic.iter().map(|report| report.statements).sum();
    let reconnects: u64 = figures.traffic.iter().map(|report| report.reconnects).sum();
    println!(
        "written on the sources:  {written} statements ({reconnects} client reconnects after the source's restart)"
    );
    let applied = &figures.applied;
    let seconds = applied
        .drained
        .unwrap_or_default()
        .as_secs_f64()
        .max(f64::MIN_POSITIVE);
    println!(
        "applied by tributary:    {} statements and {} rows of row events in {seconds:.1} s: {:.0} statements/s, {:.0} rows/s; {} skipped",
        applied.statements(),
        applied.rows(),
        applied.statements() as f64 / seconds,
        applied.rows() as f64 / seconds,
        applied.skipped()
    );
    let target_cpu = figures
        .target_cpu_seconds
        .map_or("not known here".to_owned(), |seconds| {
            let share = 100.0 * figures.engine_cpu_seconds / seconds.max(f64::MIN_POSITIVE);
            format!("{seconds:.2} s; tributary's share of that is {share:.0} %")
        });
    println!(
        "CPU over the same time:  tributary {:.2} s, the target's mariadbd {target_cpu}",
        figures.engine_cpu_seconds
    );
    println!(
        "peak memory:             tributary {:.1} MiB",
        figures.engine_peak_rss_bytes as f64 / f64::from(1 << 20)
    );
}

/// For `DEMO_KEEP=1`.
pub(crate) fn print_how_to_connect(program: &Path, files: &Files, target: &Host, centers: &[Center]) {
    println!();
    println!(
        "Everything keeps running until Ctrl-C. Traffic has ended; what you write on a source, the target gets."
    );
    println!("  target:   {target}");
    for center in centers {
        println!("  {}:  {} asterisk", center.name, center.source);
    }
    println!(
        "  status:   {} status --defaults-file={}",
        program.display(),
        files.option_file().display()
    );
}
