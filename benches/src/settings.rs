//! The bench's settings: `BENCH_*` environment variables into one checked struct.
//!
//! Promise: a value that is not understood is an error naming the variable, the value and what is allowed; it is
//! never replaced by a default.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::link::Link;
use crate::login::Url;
use crate::named::Named;
use crate::system::System;
use crate::workload::{Measure, Workload};

/// The longest line, there and back.
const ROUND_TRIP_MS_MAX: f64 = 10_000.0;

/// What to run and how often.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    /// How much is written, against the figures that are reported.
    pub(crate) scale: f64,
    /// Runs of each system on each workload, 1 or more. The median is reported.
    pub(crate) runs: usize,
    /// The user's source, if he names one.
    pub(crate) named: Option<Named>,
    /// The user's target, if he names one.
    pub(crate) target: Option<Url>,
    /// Workloads, in order.
    pub(crate) workloads: Vec<Workload>,
    /// Systems, in the order of a round.
    pub(crate) systems: Vec<System>,
    /// Lines between the servers, over each of which every catch-up is measured.
    pub(crate) links: Vec<Link>,
    /// Whether results of earlier invocations stay in the file, for workloads that are not run now.
    pub(crate) keeps_results: bool,
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
        let keeps_results = switch("BENCH_KEEP", text("BENCH_KEEP").as_deref().unwrap_or("0"))?;
        let links = links(text("BENCH_ROUND_TRIP_MS"), text("BENCH_COMPRESS"))?;
        let workloads = chosen(
            "BENCH_ONLY",
            text("BENCH_ONLY"),
            &Workload::ALL,
            |w| w.name(),
            |w, word| w.is_called(word),
        )?;
        let named = Named::read(text)?;
        let mut workloads = match named {
            Some(_) => vec![Workload::Named],
            None => workloads,
        };
        let target = text("BENCH_TARGET")
            .map(|url| Url::read("BENCH_TARGET", url))
            .transpose()?;
        if target.is_some() {
            // The others need targets beside each other, or none.
            workloads.retain(|workload| workload.measure() == Measure::CatchUp);
            ensure!(
                !workloads.is_empty(),
                "BENCH_TARGET: only catch-ups are measured on it"
            );
        }
        let systems = chosen(
            "BENCH_SYSTEMS",
            text("BENCH_SYSTEMS"),
            &System::ALL,
            |s| s.name(),
            |s, word| s.name() == word,
        )?;
        let words = |name| {
            text(name)
                .iter()
                .flat_map(|v| v.split_whitespace())
                .map(str::to_owned)
                .collect()
        };
        Ok(Settings {
            scale,
            runs,
            named,
            target,
            workloads,
            systems,
            links,
            keeps_results,
            source_args: words("BENCH_SOURCE_ARGS"),
            target_args: words("BENCH_TARGET_ARGS"),
        })
    }
}

/// Every round trip without and with compression, as asked for.
fn links(round_trips: Option<String>, compress: Option<String>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for word in list(round_trips.as_deref().unwrap_or("0")) {
        let milliseconds: f64 = word.parse().with_context(|| {
            format!("BENCH_ROUND_TRIP_MS={word}: a list of numbers such as 0,0.3,20 is needed")
        })?;
        ensure!(
            (0.0..=ROUND_TRIP_MS_MAX).contains(&milliseconds),
            "BENCH_ROUND_TRIP_MS={word}: allowed is 0 to {ROUND_TRIP_MS_MAX}"
        );
        for word in list(compress.as_deref().unwrap_or("0")) {
            links.push(Link {
                round_trip: Duration::from_secs_f64(milliseconds / 1000.0),
                is_compressed: switch("BENCH_COMPRESS", word)?,
            });
        }
    }
    ensure!(
        !links.is_empty(),
        "BENCH_ROUND_TRIP_MS or BENCH_COMPRESS names nothing"
    );
    Ok(links)
}

fn switch(variable: &str, word: &str) -> Result<bool> {
    match word {
        "0" => Ok(false),
        "1" => Ok(true),
        other => bail!("{variable}={other}: allowed is 0 or 1"),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The entries of `all` that `filter` names, comma-separated; all when there is no filter.
fn chosen<T: Copy>(
    variable: &str,
    filter: Option<String>,
    all: &[T],
    name: impl Fn(&T) -> &'static str,
    is_called: impl Fn(&T, &str) -> bool,
) -> Result<Vec<T>> {
    let Some(filter) = filter else {
        return Ok(all.to_vec());
    };
    for word in list(&filter) {
        if !all.iter().any(|entry| is_called(entry, word)) {
            let allowed: Vec<&str> = all.iter().map(&name).collect();
            bail!(
                "{variable}: {word} is not known; allowed is a comma-separated list of {}",
                allowed.join(", ")
            );
        }
    }
    let chosen: Vec<T> = all
        .iter()
        .copied()
        .filter(|entry| list(&filter).any(|word| is_called(entry, word)))
        .collect();
    ensure!(!chosen.is_empty(), "{variable} names nothing");
    Ok(chosen)
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
        assert_eq!(settings.runs, 3);
        assert_eq!(settings.workloads, Workload::ALL);
        assert_eq!(settings.systems, System::ALL);
        let names: Vec<String> = settings.links.iter().map(Link::to_string).collect();
        assert_eq!(names, [""]);
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
            ("BENCH_COMPRESS", ",", "names nothing"),
            ("BENCH_ROUND_TRIP_MS", "fast", "a list of numbers"),
            ("BENCH_ROUND_TRIP_MS", "-1", "0 to 10000"),
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
    fn every_round_trip_is_measured_with_every_choice_of_compression() {
        let settings = read(&[("BENCH_ROUND_TRIP_MS", "0, 20"), ("BENCH_COMPRESS", "0,1")]).unwrap();
        let names: Vec<String> = settings.links.iter().map(Link::to_string).collect();
        assert_eq!(names, ["", "+compressed", "@20ms", "@20ms+compressed"]);
    }

    #[test]
    fn one_name_may_choose_both_formats() {
        let settings = read(&[("BENCH_ONLY", "sysbench-like")]).unwrap();
        assert_eq!(
            settings.workloads,
            [Workload::SysbenchMixed, Workload::SysbenchRow]
        );
    }
}
