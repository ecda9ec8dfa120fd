//! One line of the results: one system on one workload.

use serde::{Deserialize, Serialize};

use crate::measure::{Run, median};
use crate::system::System;
use crate::workload::Workload;

/// Medians over the runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The workload's name, with the line between the servers if it is not the plain one.
    pub(crate) workload: String,
    /// The system's name.
    pub(crate) system: String,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
    /// Transactions of all sources; 0 of a source of the user's, where nobody has counted them.
    pub(crate) transactions: u64,
    /// Row changes in them.
    pub(crate) rows: u64,
    pub(crate) engine_cpu_seconds: Option<f64>,
    pub(crate) target_cpu_seconds: Option<f64>,
    /// The largest of the runs, of the process that applies: the engine, or for the native replica the server.
    pub(crate) peak_rss_bytes: Option<u64>,
    pub(crate) target_peak_rss_bytes: Option<u64>,
    /// The largest part of the machine's CPU, 0 to 1, that other work took during a run.
    pub(crate) other_cpu_share: f64,
    /// From a source's commit to the target's tables; of [`Self::statement`], from its sending to its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Latency>,
    /// What was timed, unless it was commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) statement: Option<String>,
    /// Bytes of binlog that were read from files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// The single runs, in time order.
    pub(crate) runs: Vec<Run>,
}

/// How long single commits took, or single statements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// How many were timed.
    pub(crate) samples: usize,
}

impl Latency {
    /// From milliseconds in any order; `None` of nothing.
    pub(crate) fn of(mut milliseconds: Vec<f64>) -> Option<Latency> {
        milliseconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * milliseconds.len() as f64).ceil() as usize;
            milliseconds.get(rank.saturating_sub(1)).copied()
        };
        Some(Latency {
            p50_ms: at(0.5)?,
            p99_ms: at(0.99)?,
            max_ms: at(1.0)?,
            samples: milliseconds.len(),
        })
    }
}

impl Line {
    /// The line of a program's runs; `None` without runs.
    pub(crate) fn of(
        workload: &str,
        system: &str,
        transactions: u64,
        rows: u64,
        runs: Vec<Run>,
    ) -> Option<Line> {
        let peak = |bytes: fn(&Run) -> Option<u64>| runs.iter().filter_map(bytes).max();
        Some(Line {
            workload: workload.to_owned(),
            system: system.to_owned(),
            seconds: median(runs.iter().map(|run| run.seconds))?,
            cpu_seconds: median(runs.iter().filter_map(Run::cpu_seconds)),
            transactions,
            rows,
            engine_cpu_seconds: median(runs.iter().filter_map(|run| run.engine_cpu_seconds)),
            target_cpu_seconds: median(runs.iter().filter_map(|run| run.target_cpu_seconds)),
            peak_rss_bytes: peak(|run| run.engine_peak_rss_bytes.or(run.target_peak_rss_bytes)),
            target_peak_rss_bytes: peak(|run| run.target_peak_rss_bytes),
            other_cpu_share: runs.iter().map(Run::other_share).max_by(f64::total_cmp)?,
            latency: None,
            statement: None,
            bytes: None,
            runs,
        })
    }

    /// Whether the server's own replica did the work.
    pub(crate) fn is_native(&self) -> bool {
        System::ALL
            .iter()
            .any(|system| system.native().is_some() && system.name() == self.system)
    }

    /// Whether it did with the user's settings.
    pub(crate) fn is_users_setting(&self) -> bool {
        self.system == System::NativeOptimistic.name()
    }

    /// Whether it is one of a catch-up.
    pub(crate) fn is_catch_up(&self) -> bool {
        self.latency.is_none() && self.bytes.is_none() && !self.is_idle()
    }

    /// Whether nothing was written.
    pub(crate) fn is_idle(&self) -> bool {
        self.workload == Workload::Idle.name()
    }

    /// Where it stands among others: by workload, then line between the servers, then system.
    pub(crate) fn place(&self) -> (usize, String, usize) {
        let (workload, link) = match self.workload.find(['@', '+']) {
            Some(at) => self.workload.split_at(at),
            None => (self.workload.as_str(), ""),
        };
        let workload = Workload::ALL.iter().position(|one| {
            // What is read from files is two lines of one workload.
            one.name() == workload || (*one == Workload::Decode && workload.starts_with("decode-"))
        });
        let system = System::ALL.iter().position(|one| one.name() == self.system);
        let link = match self.bytes {
            Some(_) => self.workload.clone(),
            None => link.to_owned() + self.statement.as_deref().unwrap_or_default(),
        };
        (workload.unwrap_or(usize::MAX), link, system.unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn runs(system: System, seconds: &[f64]) -> Vec<Run> {
        let engine = system.native().is_none().then_some(0.5);
        seconds
            .iter()
            .map(|seconds| Run {
                seconds: *seconds,
                target_cpu_seconds: Some(2.0),
                engine_cpu_seconds: engine,
                target_peak_rss_bytes: Some(300 << 20),
                engine_peak_rss_bytes: engine.map(|_| 20 << 20),
                other_cpu_seconds: 0.0,
            })
            .collect()
    }

    pub(crate) fn lines() -> Vec<Line> {
        [
            (System::NativeOptimistic, [9.0, 8.0, 10.0]),
            (System::NativeSerial, [4.0, 5.0, 90.0]),
            (System::Tributary, [2.5, 2.0, 2.6]),
        ]
        .into_iter()
        .filter_map(|(system, seconds)| {
            Line::of("mixed-myisam", system.name(), 1000, 2000, runs(system, &seconds))
        })
        .collect()
    }

    #[test]
    fn results_are_medians_with_the_agreed_names() {
        let json = serde_json::to_value(lines()).unwrap();
        assert_eq!(json[2]["workload"], "mixed-myisam");
        assert_eq!(json[2]["system"], "tributary");
        assert_eq!(json[2]["seconds"], 2.5);
        assert_eq!(json[2]["cpu_seconds"], 2.5);
        assert_eq!(json[2]["engine_cpu_seconds"], 0.5);
        assert_eq!(json[2]["target_cpu_seconds"], 2.0);
        assert_eq!(json[2]["transactions"], 1000);
        assert_eq!(json[2]["rows"], 2000);
        assert_eq!(json[2]["peak_rss_bytes"], 20 << 20);
        assert_eq!(json[2]["runs"].as_array().unwrap().len(), 3);
        assert_eq!(json[1]["cpu_seconds"], 2.0);
        assert!(json[1]["engine_cpu_seconds"].is_null());
    }

    #[test]
    fn a_system_without_runs_has_no_line() {
        assert!(Line::of("big", "tributary", 1, 1, Vec::new()).is_none());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(Latency::of(Vec::new()), None);
        let latency = Latency::of((1..=200).rev().map(f64::from).collect()).unwrap();
        assert_eq!(
            (latency.p50_ms, latency.p99_ms, latency.max_ms, latency.samples),
            (100.0, 198.0, 200.0, 200)
        );
    }
}
