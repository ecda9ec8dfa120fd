//! Runs one test of the installed package under its own runner, and keeps what its master has written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Where Debian's package `mariadb-test-data` puts the tests.
const TESTS: &str = "/usr/share/mysql/mysql-test";
/// Most tests need a few seconds; the slowest wait for time-outs of their own.
const TEST_TIMEOUT: Duration = Duration::from_secs(300);
/// The runner's ports begin at 10,000 and this many times 30: below those the kernel gives to clients. Two runs on one
/// machine need two numbers, `SUITE_BUILD_THREAD`.
const BUILD_THREAD: &str = "400";

/// A test and the combination of options it runs under, as in the list: `rpl.rpl_insert` and `mix`.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) combination: Option<String>,
    pub(crate) area: String,
}

impl Test {
    /// One line of a list: name, combination or `-`, servers, area. `None` for comments and empty lines.
    pub(crate) fn from_line(line: &str) -> Option<Test> {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?.to_owned();
        let combination = words.next().filter(|word| *word != "-").map(str::to_owned);
        let area = words.nth(1).unwrap_or("-").to_owned();
        Some(Test {
            name,
            combination,
            area,
        })
    }

    pub(crate) fn spec(&self) -> String {
        match &self.combination {
            Some(combination) => format!("{},{combination}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Fails with what to install when the tests are not there.
pub(crate) fn ensure_installed() -> anyhow::Result<()> {
    let runner = Path::new(TESTS).join("mariadb-test-run.pl");
    ensure!(
        runner.is_file() && Path::new(TESTS).join("suite/rpl").is_dir(),
        "{TESTS} does not hold MariaDB's tests: install the packages mariadb-test and mariadb-test-data"
    );
    Ok(())
}

/// Runs the test and returns the master's binlogs, in order; empty when the test is skipped here.
pub(crate) async fn capture(test: &Test, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let var = directory.join("var");
    if var.exists() {
        fs::remove_dir_all(&var).context("clear the runner's directory")?;
    }
    let build_thread = std::env::var("SUITE_BUILD_THREAD").unwrap_or_else(|_| BUILD_THREAD.to_owned());
    let mut command = tokio::process::Command::new("perl");
    command
        .arg("mariadb-test-run.pl")
        .arg(format!("--vardir={}", var.display()))
        .arg(format!("--tmpdir={}", directory.join("tmp").display()))
        .arg(format!("--mtr-build-thread={build_thread}"))
        .args([
            "--port-group-size=30",
            "--force",
            "--max-save-core=0",
            "--force-restart",
        ])
        .args([
            "--nocheck-testcases",
            "--nowarnings",
            "--skip-ssl",
            "--testcase-timeout=2",
        ])
        .arg(test.spec())
        .current_dir(TESTS)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TEST_TIMEOUT, command.output())
        .await
        .with_context(|| format!("{} did not end within {TEST_TIMEOUT:?}", test.spec()))?
        .context("run mariadb-test-run.pl with perl")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("[ skipped ]") || said.contains("[ disabled ]") {
        return Ok(Vec::new());
    }
    ensure!(
        said.contains("[ pass ]") || said.contains("[ fail ]"),
        "{} did not run: {}",
        test.spec(),
        said.lines().last().unwrap_or_default()
    );
    let data_dir = data_dir(&var).with_context(|| format!("{} left no data: {said}", test.spec()))?;
    binlogs(&data_dir)
}

/// Where the master's files are; the runner moves those of a test that failed.
fn data_dir(var: &Path) -> Option<PathBuf> {
    let data_dir = var.join("mysqld.1/data");
    if data_dir.is_dir() {
        return Some(data_dir);
    }
    let logs = fs::read_dir(var.join("log")).ok()?;
    logs.flatten()
        .map(|entry| entry.path().join("mysqld.1/data"))
        .find(|path| path.is_dir())
}

fn binlogs(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir).with_context(|| format!("read {}", data_dir.display()))? {
        let path = entry?.path();
        let is_binlog = path.file_stem().is_some_and(|stem| stem == "master-bin")
            && path
                .extension()
                .is_some_and(|number| number.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if is_binlog {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        bail!(
            "the test's master has written no binlog in {}",
            data_dir.display()
        );
    }
    Ok(found)
}
