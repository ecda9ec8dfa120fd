//! The bench's settings: `BENCH_*` environment variables into one checked struct.
//!
//! Promise: a value that is not understood is an error naming the variable, the value and what is allowed; it is
//! never replaced by a default.

use anyhow::{Context, Result, bail, ensure};

use crate::{call::CALL_STATEMENTS, workload::Workload};

/// Transactions per workload at scale 1.
const TRANSACTIONS_AT_SCALE_ONE: f64 = 200_000.0;

/// The system that catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// The native replica with 4 parallel threads in optimistic mode: what the user runs.
    NativeOptimistic,
    /// The native replica with its serial applier: its best setting on small transactions.
    NativeSerial,
    /// Tributary with 4 workers.
    Tributary,
}

impl System {
    /// Every system, in the order of a round.
    pub(crate) const ALL: [System; 3] = [System::NativeOptimistic, System::NativeSerial, System::Tributary];

    /// The name in results, filters and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            System::NativeOptimistic => "native-4-optimistic",
            System::NativeSerial => "native-0",
            System::Tributary => "tributary",
        }
    }

    /// Whether the server's own replica does the work.
    pub(crate) fn is_native(self) -> bool {
        self != System::Tributary
    }
}

/// What to run and how often.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    /// Calls per workload; each is [`CALL_STATEMENTS`] transactions.
    pub(crate) calls: usize,
    /// Runs of each system on each workload, 1 or more. The median is reported.
    pub(crate) runs: usize,
    /// Workloads, in order.
    pub(crate) workloads: Vec<Workload>,
    /// Systems, in the order of a round.
    pub(crate) systems: Vec<System>,
    /// Whether replication streams use the compressed protocol (`slave_compressed_protocol`), in every system alike.
    pub(crate) is_compressed: bool,
    /// Further options of every source (`--name=value`), after the bench's own: to try what a setting changes.
    pub(crate) source_args: Vec<String>,
    /// The same for every target.
    pub(crate) target_args: Vec<String>,
}

impl Settings {
    /// Reads the settings through `variable`, which gives an environment variable's value.
    ///
    /// # Errors
    /// A value that is not understood, with the variable's name and what is allowed.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings> {
        let text = |name: &str| {
            variable(name)
                .map(|v| v.trim().to_owned())
                .filter(|v| !v.is_empty())
        };

        let scale: f64 = match text("BENCH_SCALE") {
            Some(v) => v
                .parse()
                .with_context(|| format!("BENCH_SCALE={v}: a number such as 0.1 is needed"))?,
            None => 1.0,
        };
        ensure!(
            scale > 0.0 && scale <= 100.0,
            "BENCH_SCALE={scale}: allowed is more than 0, at most 100"
        );
        let runs: usize = match text("BENCH_RUNS") {
            Some(v) => v
                .parse()
                .with_context(|| format!("BENCH_RUNS={v}: a whole number is needed"))?,
            None => 3,
        };
        ensure!(
            (1..=1000).contains(&runs),
            "BENCH_RUNS={runs}: allowed is 1 to 1000"
        );
        let is_compressed = match text("BENCH_COMPRESS").as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => bail!("BENCH_COMPRESS={other}: allowed is 0 or 1"),
        };

        let calls = (TRANSACTIONS_AT_SCALE_ONE * scale / CALL_STATEMENTS as f64).ceil() as usize;
        let workloads = chosen(
            "BENCH_ONLY",
            text("BENCH_ONLY"),
            &Workload::ALL,
            &Workload::DEFAULT,
            |w| w.name(),
        )?;
        let systems = chosen(
            "BENCH_SYSTEMS",
            text("BENCH_SYSTEMS"),
            &System::ALL,
            &System::ALL,
            |s| s.name(),
        )?;
        let words = |name| {
            text(name)
                .iter()
                .flat_map(|v| v.split_whitespace())
                .map(str::to_owned)
                .collect()
        };
        Ok(Settings {
            calls: calls.max(1),
            runs,
            workloads,
            systems,
            is_compressed,
            source_args: words("BENCH_SOURCE_ARGS"),
            target_args: words("BENCH_TARGET_ARGS"),
        })
    }
}

/// The entries of `all` that `filter` names, comma-separated; `default` when there is no filter.
fn chosen<T: Copy>(
    variable: &str,
    filter: Option<String>,
    all: &[T],
    default: &[T],
    name: impl Fn(&T) -> &'static str,
) -> Result<Vec<T>> {
    let Some(filter) = filter else {
        return Ok(default.to_vec());
    };
    let wanted: Vec<&str> = filter
        .split(',')
        .map(str::trim)
        .filter(|w| !w.is_empty())
        .collect();
    for word in &wanted {
        if !all.iter().any(|entry| name(entry) == *word) {
            let allowed: Vec<&str> = all.iter().map(&name).collect();
            bail!(
                "{variable}: {word} is not known; allowed is a comma-separated list of {}",
                allowed.join(", ")
            );
        }
    }
    ensure!(!wanted.is_empty(), "{variable} names nothing");
    Ok(all
        .iter()
        .copied()
        .filter(|entry| wanted.contains(&name(entry)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(|name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn defaults_are_the_reported_figures() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.calls * CALL_STATEMENTS, 200_000);
        assert_eq!(settings.runs, 3);
        assert_eq!(settings.workloads, Workload::DEFAULT);
        assert_eq!(settings.systems, System::ALL);
        assert!(!settings.is_compressed);
    }

    #[test]
    fn filters_keep_the_order_of_a_round() {
        let settings = read(&[
            ("BENCH_SYSTEMS", "tributary, native-0"),
            ("BENCH_ONLY", "row-myisam"),
        ])
        .unwrap();
        assert_eq!(settings.systems, [System::NativeSerial, System::Tributary]);
        assert_eq!(settings.workloads, [Workload::RowMyisam]);
    }

    #[test]
    fn unknown_values_name_the_variable_and_what_is_allowed() {
        for (variable, value, expected) in [
            ("BENCH_SCALE", "big", "BENCH_SCALE=big"),
            ("BENCH_SCALE", "0", "more than 0"),
            ("BENCH_SCALE", "NaN", "more than 0"),
            ("BENCH_RUNS", "0", "1 to 1000"),
            ("BENCH_COMPRESS", "yes", "0 or 1"),
            (
                "BENCH_ONLY",
                "mixed",
                "mixed-myisam, mixed-innodb, row-innodb, row-myisam",
            ),
            ("BENCH_SYSTEMS", ",", "names nothing"),
        ] {
            let message = format!("{:#}", read(&[(variable, value)]).unwrap_err());
            assert!(
                message.contains(variable) && message.contains(expected),
                "{variable}={value}: {message}"
            );
        }
    }

    #[test]
    fn further_server_options_are_split_at_blanks() {
        let settings = read(&[("BENCH_SOURCE_ARGS", "--log-bin-compress=OFF  --x=1")]).unwrap();
        assert_eq!(settings.source_args, ["--log-bin-compress=OFF", "--x=1"]);
        assert!(settings.target_args.is_empty());
    }

    #[test]
    fn small_scales_still_run_a_call() {
        assert_eq!(read(&[("BENCH_SCALE", "0.000001")]).unwrap().calls, 1);
    }
}
