//! Runs tests of MariaDB's own replication suites, takes what their masters wrote to the binlog, and has it applied by
//! Tributary and by a native replica; both must be equal in front of everything that takes tables away, and at the end.
//!
//! The tests are read from the installed package `mariadb-test-data`. Arguments: `--list FILE` with a test a line (name,
//! combination or `-`, anything, area), `--area NAME`, or names of tests, such as `rpl.rpl_insert,mix`.

mod capture;
mod checkpoints;
mod gate;
mod replay;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use tributary_sandbox::{ScratchDirectory, environment};

use capture::Test;
use replay::{Outcome, Replay, Verdict};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("suite: start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("suite: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no test showed a difference.
async fn run() -> anyhow::Result<bool> {
    let tests = tests_from_arguments()?;
    capture::ensure_installed()?;
    let program = environment::tributary_program()?;
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut is_equal = true;
    for test in &tests {
        let spec = test.spec();
        match one(test, &program).await {
            Ok(None) => {
                println!("{spec}: skipped by its own runner");
                *totals.entry("skipped").or_default() += 1;
            }
            Ok(Some(outcome)) => {
                is_equal &= !matches!(
                    outcome.verdict,
                    Verdict::Differs(_) | Verdict::OnlyTributaryStops(_)
                );
                report(&spec, &outcome, &mut totals);
            }
            Err(error) => {
                is_equal = false;
                println!("{spec}: cannot tell: {error:#}");
                *totals.entry("cannot tell").or_default() += 1;
            }
        }
    }
    println!("{} tests: {totals:?}", tests.len());
    Ok(is_equal)
}

async fn one(test: &Test, program: &std::path::Path) -> anyhow::Result<Option<Outcome>> {
    let directory = ScratchDirectory::create("tributary-suite-")?;
    let binlogs = capture::capture(test, directory.path()).await?;
    if binlogs.is_empty() {
        return Ok(None);
    }
    let mut replay = Replay::start(program, &binlogs).await?;
    replay.run().await.map(Some)
}

fn report(spec: &str, outcome: &Outcome, totals: &mut BTreeMap<&'static str, u64>) {
    let (word, text) = match &outcome.verdict {
        Verdict::Equal => ("equal", String::new()),
        Verdict::BothStop(native, ours) => ("both stop", format!(": {native} / {ours}")),
        Verdict::OnlyNativeStops(native) => ("only the native replica stops", format!(": {native}")),
        Verdict::OnlyTributaryStops(ours) => ("only tributary stops", format!(": {ours}")),
        Verdict::Differs(what) => ("different", format!(": {what}")),
    };
    println!(
        "{spec}: {word} ({} groups, {} events, {} comparisons, {} tables, {} rows){text}",
        outcome.groups, outcome.events, outcome.comparisons, outcome.tables, outcome.rows
    );
    for (name, count) in [
        (word, 1),
        ("groups", outcome.groups),
        ("events", outcome.events),
        ("comparisons", outcome.comparisons),
        ("tables compared", outcome.tables),
        ("rows compared", outcome.rows),
    ] {
        *totals.entry(name).or_default() += count;
    }
}

fn tests_from_arguments() -> anyhow::Result<Vec<Test>> {
    let (mut tests, mut area, mut list) = (Vec::new(), None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => list = Some(PathBuf::from(arguments.next().context("--list needs a file")?)),
            "--area" => area = Some(arguments.next().context("--area needs a name")?),
            option if option.starts_with('-') => {
                bail!("unknown option {option}; see the top of this program")
            }
            name => {
                let (name, combination) = name
                    .split_once(',')
                    .map_or((name, "-"), |(name, rest)| (name, rest));
                tests.extend(Test::from_line(&format!("{name} {combination}")));
            }
        }
    }
    if let Some(list) = list {
        let text = std::fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
        let listed = text.lines().filter_map(Test::from_line);
        tests.extend(listed.filter(|test| area.as_deref().is_none_or(|area| test.area == area)));
    }
    ensure!(
        !tests.is_empty(),
        "no tests named: give names, or --list FILE [--area NAME]"
    );
    Ok(tests)
}
