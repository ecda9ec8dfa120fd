//! Results: `target/bench/results.json` for programs, a Markdown table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::measure::{Run, median};
use crate::settings::System;
use crate::workload::Workload;

/// Above this part of the machine's CPU, other work has disturbed a run. The kernel's writing to disk stays below.
const OTHER_SHARE_MAX: f64 = 0.1;

/// The runs of one system on one workload.
#[derive(Debug)]
pub(crate) struct SystemRuns {
    /// The system.
    pub(crate) system: System,
    /// Its runs, in time order.
    pub(crate) runs: Vec<Run>,
    transactions: u64,
}

impl SystemRuns {
    /// No runs yet.
    pub(crate) fn new(system: System, transactions: u64) -> SystemRuns {
        SystemRuns {
            system,
            runs: Vec::new(),
            transactions,
        }
    }
}

/// One line of the results: medians over the runs.
#[derive(Debug, Serialize)]
struct ResultLine {
    workload: &'static str,
    system: &'static str,
    seconds: f64,
    cpu_seconds: f64,
    transactions: u64,
    engine_cpu_seconds: Option<f64>,
    target_cpu_seconds: f64,
    /// The largest of the runs, of the process that applies: the engine, or for the native replica the server.
    peak_rss_bytes: u64,
    target_peak_rss_bytes: u64,
    /// The largest part of the machine's CPU, 0 to 1, that other work took during a run.
    other_cpu_share: f64,
    runs: Vec<Run>,
    #[serde(skip)]
    is_native: bool,
}

/// All results so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<ResultLine>,
}

impl Report {
    /// Adds the systems of one workload. A system without runs is left out.
    pub(crate) fn add(&mut self, workload: Workload, systems: Vec<SystemRuns>) {
        self.lines
            .extend(systems.into_iter().filter_map(|system| line(workload, system)));
    }

    /// Replaces `target/bench/results.json`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn write(&self) -> Result<()> {
        let folder = results_folder();
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let text = serde_json::to_string_pretty(&self.lines)?;
        let path = folder.join("results.json");
        let unfinished = folder.join("results.json.unfinished");
        fs::write(&unfinished, text + "\n").with_context(|| format!("write {}", unfinished.display()))?;
        fs::rename(&unfinished, &path).with_context(|| format!("write {}", path.display()))?;
        Ok(())
    }

    /// The table: medians, and how each system compares with the better native setting.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::from(
            "| workload | system | seconds | transactions/s | CPU s (engine + target) | peak memory MiB | speed against the better native setting |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for line in &self.lines {
            let cpu = match line.engine_cpu_seconds {
                Some(engine) => {
                    format!(
                        "{:.2} ({engine:.2} + {:.2})",
                        line.cpu_seconds, line.target_cpu_seconds
                    )
                }
                None => format!("{:.2}", line.cpu_seconds),
            };
            let speed = match self.better_native(line.workload) {
                Some(native) => format!("{:.2}x", native / line.seconds),
                None => "not run".to_owned(),
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} | {:.0} | {cpu} | {:.0} | {speed} |",
                line.workload,
                line.system,
                line.seconds,
                line.transactions as f64 / line.seconds,
                line.peak_rss_bytes as f64 / f64::from(1 << 20),
            );
        }
        text + &self.disturbance()
    }

    /// A warning when the machine was not the bench's own: more threads then get a larger share of the cores, so
    /// seconds favour the systems that run in parallel. Empty when it was.
    fn disturbance(&self) -> String {
        let shares = self.lines.iter().map(|line| line.other_cpu_share);
        match shares.max_by(f64::total_cmp) {
            Some(share) if share > OTHER_SHARE_MAX => format!(
                "\nOther work took up to {:.0} % of the machine's CPU during a run: compare CPU seconds, not \
                 seconds, or repeat on a quiet machine.\n",
                share * 100.0
            ),
            _ => String::new(),
        }
    }

    /// The shortest median of a native setting on this workload.
    fn better_native(&self, workload: &str) -> Option<f64> {
        let native = self
            .lines
            .iter()
            .filter(|line| line.workload == workload && line.is_native);
        native.map(|line| line.seconds).min_by(f64::total_cmp)
    }
}

fn line(workload: Workload, system: SystemRuns) -> Option<ResultLine> {
    let SystemRuns {
        system,
        runs,
        transactions,
    } = system;
    let peak = |bytes: fn(&Run) -> u64| runs.iter().map(bytes).max();
    Some(ResultLine {
        workload: workload.name(),
        system: system.name(),
        seconds: median(runs.iter().map(|run| run.seconds))?,
        cpu_seconds: median(runs.iter().map(Run::cpu_seconds))?,
        transactions,
        engine_cpu_seconds: median(runs.iter().filter_map(|run| run.engine_cpu_seconds)),
        target_cpu_seconds: median(runs.iter().map(|run| run.target_cpu_seconds))?,
        peak_rss_bytes: peak(|run| run.engine_peak_rss_bytes.unwrap_or(run.target_peak_rss_bytes))?,
        target_peak_rss_bytes: peak(|run| run.target_peak_rss_bytes)?,
        other_cpu_share: runs.iter().map(Run::other_share).max_by(f64::total_cmp)?,
        is_native: system.is_native(),
        runs,
    })
}

/// `bench` in the build directory this program lies in, else in `target` of the current folder.
fn results_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let build = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    build
        .map_or_else(|| PathBuf::from("target"), PathBuf::from)
        .join("bench")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(system: System, seconds: &[f64]) -> SystemRuns {
        let engine = (!system.is_native()).then_some(0.5);
        let mut runs = SystemRuns::new(system, 1000);
        runs.runs = seconds
            .iter()
            .map(|seconds| Run {
                seconds: *seconds,
                target_cpu_seconds: 2.0,
                engine_cpu_seconds: engine,
                target_peak_rss_bytes: 300 << 20,
                engine_peak_rss_bytes: engine.map(|_| 20 << 20),
                other_cpu_seconds: 0.0,
            })
            .collect();
        runs
    }

    fn report() -> Report {
        let mut report = Report::default();
        report.add(
            Workload::MixedMyisam,
            vec![
                runs(System::NativeOptimistic, &[9.0, 8.0, 10.0]),
                runs(System::NativeSerial, &[4.0, 5.0, 90.0]),
                runs(System::Tributary, &[2.5, 2.0, 2.6]),
            ],
        );
        report
    }

    #[test]
    fn results_are_medians_with_the_agreed_names() {
        let json = serde_json::to_value(&report().lines).unwrap();
        assert_eq!(json[2]["workload"], "mixed-myisam");
        assert_eq!(json[2]["system"], "tributary");
        assert_eq!(json[2]["seconds"], 2.5);
        assert_eq!(json[2]["cpu_seconds"], 2.5);
        assert_eq!(json[2]["engine_cpu_seconds"], 0.5);
        assert_eq!(json[2]["transactions"], 1000);
        assert_eq!(json[2]["runs"].as_array().unwrap().len(), 3);
        assert_eq!(json[1]["cpu_seconds"], 2.0);
        assert!(json[1]["engine_cpu_seconds"].is_null());
    }

    #[test]
    fn ratios_are_against_the_better_native_setting() {
        let table = report().to_markdown();
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[2].starts_with("| mixed-myisam | native-4-optimistic | 9.00 | 111 |"),
            "{table}"
        );
        assert!(lines[2].ends_with("| 0.56x |"), "{table}");
        assert!(lines[3].ends_with("| 1.00x |"), "{table}");
        assert!(
            lines[4].ends_with("| 400 | 2.50 (0.50 + 2.00) | 20 | 2.00x |"),
            "{table}"
        );
    }

    #[test]
    fn a_busy_machine_is_told() {
        let mut report = report();
        assert!(!report.to_markdown().contains("Other work"));
        let mut disturbed = runs(System::Tributary, &[1.0]);
        disturbed.runs[0].other_cpu_seconds = 1e6;
        report.add(Workload::RowInnodb, vec![disturbed]);
        assert!(report.to_markdown().contains("Other work took up to"));
    }

    #[test]
    fn without_a_native_run_there_is_no_ratio() {
        let mut report = Report::default();
        report.add(Workload::RowInnodb, vec![runs(System::Tributary, &[1.0])]);
        assert!(report.to_markdown().contains("| not run |"));
    }

    #[test]
    fn a_system_without_runs_has_no_line() {
        let mut report = Report::default();
        report.add(Workload::RowInnodb, vec![runs(System::Tributary, &[])]);
        assert!(report.lines.is_empty());
    }
}
